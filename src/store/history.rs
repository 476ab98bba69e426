//! The history in bulk: what settling writes for every message, in as few statements as each database likes best.

use std::collections::HashMap;

use super::row::MessageRow;
use super::{Conn, Result, postgres, sqlite};

/// Enters messages into the history. One that another process has entered as unknown takes the better word.
///
/// # Errors
/// Those of the database.
pub fn enter(conn: &mut Conn, rows: &[MessageRow]) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let entered = match conn {
        Conn::Sqlite(conn) => sqlite::history::enter(conn, rows)?,
        Conn::Postgres(conn) => postgres::history::enter(conn, rows)?,
    };
    if entered < rows.len() {
        for row in rows {
            crate::on!(conn, message::better_word(row))?;
        }
    }
    Ok(())
}

/// Takes the receipts that came before their messages; the messages are named by channel and the vendor's id.
///
/// # Errors
/// Those of the database.
pub fn take_receipts(conn: &mut Conn, messages: &[(String, String)]) -> Result<HashMap<(String, String), Vec<String>>> {
    if messages.is_empty() {
        return Ok(HashMap::new());
    }
    let taken = match conn {
        Conn::Sqlite(conn) => sqlite::history::take_receipts(conn, messages)?,
        Conn::Postgres(conn) => postgres::history::take_receipts(conn, messages)?,
    };
    let mut by_message: HashMap<(String, String), Vec<String>> = HashMap::new();
    for (channel, vendor_id, receipt) in taken {
        by_message.entry((channel, vendor_id)).or_default().push(receipt);
    }
    Ok(by_message)
}

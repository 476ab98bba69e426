//! The history in bulk on SQLite: prepared statements row by row.

use std::marker::PhantomData;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, SmallInt, Text};
use diesel::sqlite::Sqlite;

use super::Connection;
use crate::store::Result;
use crate::store::fixed::fixed;
use crate::store::row::MessageRow;
use crate::store::schema::early_receipts;

fixed! {
    Enter<'a> on Sqlite as SqliteConnection, gives () {
        "INSERT INTO messages (id, company, channel, chat, outgoing, status, vendor_id, content, origin, code, reason, \
         accepted_at, sent_at, delivered_at, viewed_at) VALUES (" id: Text = &'a str,
        ", " company: Text = &'a str,
        ", " channel: Text = &'a str,
        ", " chat: Text = &'a str,
        ", " outgoing: Bool = bool,
        ", " status: SmallInt = i16,
        ", " vendor_id: Nullable<Text> = Option<&'a str>,
        ", " content: Text = &'a str,
        ", " origin: Text = &'a str,
        ", " code: Nullable<Text> = Option<&'a str>,
        ", " reason: Nullable<Text> = Option<&'a str>,
        ", " accepted_at: BigInt = i64,
        ", " sent_at: Nullable<BigInt> = Option<i64>,
        ", " delivered_at: Nullable<BigInt> = Option<i64>,
        ", " viewed_at: Nullable<BigInt> = Option<i64>,
        ; ") ON CONFLICT (id) DO NOTHING"
    }
}

pub(in crate::store) fn enter(conn: &mut Connection, rows: &[MessageRow]) -> Result<usize> {
    let mut entered = 0;
    for row in rows {
        let enter = Enter {
            id: &row.id,
            company: &row.company,
            channel: &row.channel,
            chat: &row.chat,
            outgoing: row.outgoing,
            status: row.status,
            vendor_id: row.vendor_id.as_deref(),
            content: &row.content,
            origin: &row.origin,
            code: row.code.as_deref(),
            reason: row.reason.as_deref(),
            accepted_at: row.accepted_at,
            sent_at: row.sent_at,
            delivered_at: row.delivered_at,
            viewed_at: row.viewed_at,
            nothing: PhantomData,
        };
        entered += enter.execute(conn)?;
    }
    Ok(entered)
}

pub(in crate::store) fn take_receipts(
    conn: &mut Connection,
    messages: &[(String, String)],
) -> Result<Vec<(String, String, String)>> {
    // there are hardly ever any: one look is cheaper than one search for each message
    let any: Option<i64> = early_receipts::table.select(early_receipts::id).first(conn).optional()?;
    let mut taken = Vec::new();
    for (channel, vendor_id) in messages.iter().filter(|_| any.is_some()) {
        let early = early_receipts::table
            .filter(early_receipts::channel.eq(channel).and(early_receipts::vendor_id.eq(vendor_id)));
        let receipts: Vec<(i64, String)> =
            early.order(early_receipts::id).select((early_receipts::id, early_receipts::receipt)).load(conn)?;
        for (id, receipt) in receipts {
            diesel::delete(early_receipts::table.find(id)).execute(conn)?;
            taken.push((channel.clone(), vendor_id.clone(), receipt));
        }
    }
    Ok(taken)
}

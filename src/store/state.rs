//! How a database stands: for the doctor.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::{Conn, Options, Result, postgres, sqlite};

/// Whether tables are missing or old.
///
/// # Errors
/// Where the database cannot be reached.
pub fn is_behind(options: &Options) -> Result<bool> {
    if options.is_postgres() { postgres::is_behind(&options.url) } else { sqlite::is_behind(options.sqlite_path()) }
}

/// The database's own clock in milliseconds; none for SQLite, which has ours.
///
/// # Errors
/// Those of the database.
pub fn clock_ms(conn: &mut Conn) -> Result<Option<i64>> {
    #[derive(QueryableByName)]
    struct Now {
        #[diesel(sql_type = BigInt)]
        now_ms: i64,
    }
    match conn {
        Conn::Sqlite(_) => Ok(None),
        Conn::Postgres(conn) => {
            let query = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms";
            Ok(Some(diesel::sql_query(query).get_result::<Now>(&mut **conn)?.now_ms))
        }
    }
}

//! Rows of when vendors are asked what they think of accounts.

use diesel::prelude::*;

use crate::store::schema::standings;

/// When the vendor of a channel is asked next how the account stands.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = standings, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct StandingRow {
    /// The channel.
    pub channel: String,
    /// Whose it is.
    pub company: String,
    /// When the vendor is asked next.
    pub look_at: i64,
    /// When it answered last.
    pub looked_at: Option<i64>,
    /// When its templates are listed anew; none while nothing calls for it.
    pub list_at: Option<i64>,
}

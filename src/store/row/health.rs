//! Rows of what people are shown and told about channels.

use diesel::prelude::*;

use crate::store::schema::{company_events, healths, notices};

/// How a channel fares.
#[derive(Queryable, Selectable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = healths, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct HealthRow {
    /// The channel.
    pub channel: String,
    /// Whose it is.
    pub company: String,
    /// When the last receipt came.
    pub receipt_at: Option<i64>,
    /// When the last message came in.
    pub message_at: Option<i64>,
    /// When the last error happened.
    pub error_at: Option<i64>,
    /// Our stable code of it.
    pub error_code: Option<String>,
    /// What was said.
    pub error: Option<String>,
    /// Since when the vendor suspects spam.
    pub suspect_at: Option<i64>,
    /// Until when that holds without another word.
    pub suspect_until: Option<i64>,
    /// What the vendor said.
    pub suspect: Option<String>,
    /// Whether people were told last that it is lost.
    pub told_lost: bool,
    /// When it first came or went since people were told.
    pub turned_at: Option<i64>,
    /// How often it was lost since then.
    pub falls: i32,
    /// When people are to be told.
    pub tell_at: Option<i64>,
}

impl HealthRow {
    /// Whether the vendor suspects spam at a moment.
    #[must_use]
    pub fn is_suspected(&self, now: i64) -> bool {
        self.suspect_at.is_some() && self.suspect_until.is_some_and(|until| until > now)
    }
}

/// Something that happened in a company.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = company_events, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct CompanyEventRow {
    /// Its id; later ones sort after earlier ones.
    pub id: String,
    /// Whose it is.
    pub company: String,
    /// What happened, as `channel.lost`.
    pub kind: String,
    /// The thing that it happened to.
    pub subject: String,
    /// The rest, as JSON.
    pub body: String,
    /// When it happened.
    pub at: i64,
}

/// A letter of this server to somebody of a company.
#[derive(Queryable, Selectable, Insertable, Clone, PartialEq, Eq)]
#[diesel(table_name = notices, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct NoticeRow {
    /// Its id; the vendor gets it as the name of the letter.
    pub id: String,
    /// Whose it is.
    pub company: String,
    /// Who gets it.
    pub address: String,
    /// The subject.
    pub subject: String,
    /// The text.
    pub body: String,
    /// See [`crate::store::sqlite_nouns::notice`].
    pub state: i16,
    /// How often it was tried.
    pub attempts: i32,
    /// When it is tried next.
    pub due_at: i64,
    /// When it was written.
    pub created_at: i64,
}

impl std::fmt::Debug for NoticeRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NoticeRow").field("id", &self.id).field("state", &self.state).finish_non_exhaustive()
    }
}

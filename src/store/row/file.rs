//! Rows of files.

use diesel::prelude::*;

use crate::store::schema::{arrivals, files};

/// A file.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = files, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct FileRow {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub company: String,
    /// Its name, cleaned.
    pub name: String,
    /// Its media type, as its bytes tell it.
    pub mime: String,
    /// Its size in bytes; none while its content is on its way.
    pub size: Option<i64>,
    /// The SHA-256 of its content.
    pub sha256: Option<String>,
    /// When it was made.
    pub created_at: i64,
    /// When it goes; none is never.
    pub expires_at: Option<i64>,
}

/// A file that came in with a message, and what became of fetching it.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = arrivals, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct ArrivalRow {
    /// The message.
    pub message: String,
    /// Its place among the files of the message, from 0.
    pub place: i16,
    /// Whose it is.
    pub company: String,
    /// The channel.
    pub channel: String,
    /// What the vendor told of it, as JSON.
    pub media: String,
    /// How often fetching it failed.
    pub attempts: i32,
    /// When it is fetched; none where that is over.
    pub due_at: Option<i64>,
    /// The file, where it was fetched.
    pub file: Option<String>,
    /// Our stable code of the last failure.
    pub code: Option<String>,
    /// Its reason.
    pub reason: Option<String>,
}

/// What of the files that are due a process fetches.
#[derive(Debug, Clone, Default)]
pub struct ArrivalPart {
    /// Messengers whose files come over the line of their channel alone.
    pub lined: Vec<&'static str>,
    /// The shards of lanes whose lines this process keeps.
    pub shards: Vec<i16>,
    /// Whether it fetches what comes over no line.
    pub others: bool,
}

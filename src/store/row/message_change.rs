//! Rows of what was done with messages after they had left.

use diesel::prelude::*;

use crate::store::schema::message_changes;

/// Something that was done with a message after it had left, or is to be done.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = message_changes, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct ChangeRow {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub company: String,
    /// The channel.
    pub channel: String,
    /// The chat as the vendor names it; empty where the vendor did not tell it.
    pub chat: String,
    /// The vendor's id of the message.
    pub vendor_id: String,
    /// Our message; none where it was not known when the change was told of.
    pub message: Option<String>,
    /// One for the same thing told twice, unique for the channel.
    pub key: String,
    /// `edit`, `delete` or `react`.
    pub act: String,
    /// The new text, or the emoji.
    pub text: Option<String>,
    /// `waiting`, `done`, `failed`, `not_done` or `unknown`.
    pub state: String,
    /// Our stable code of an error.
    pub code: Option<String>,
    /// The reason of an error, for a person.
    pub reason: Option<String>,
    /// Whether it was asked for here.
    pub asked: bool,
    /// When it was asked for, or heard of.
    pub asked_at: i64,
    /// When it was done, by the vendor's clock or else by ours.
    pub done_at: Option<i64>,
    /// Who reacts, as the vendor names them; none where our own side does, empty where the vendor does not tell.
    pub who: Option<String>,
}

/// What the end of a change that was asked for here changes.
#[derive(AsChangeset, Debug, Clone)]
#[diesel(table_name = message_changes)]
pub struct ChangeEnd {
    /// The state.
    pub state: String,
    /// Our stable code of an error.
    pub code: Option<String>,
    /// The reason of an error.
    pub reason: Option<String>,
    /// When it was done.
    pub done_at: Option<i64>,
}

//! Rows of what was asked to be done with groups.

use diesel::prelude::*;

use crate::store::schema::group_acts;

/// What was asked to be done with a group, and what became of it.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = group_acts, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct GroupActRow {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub company: String,
    /// The channel.
    pub channel: String,
    /// The chat; none before the group was made.
    pub chat: Option<String>,
    /// What is to be done, as JSON.
    pub act: String,
    /// The words of an invitation, where the caller gave them.
    pub invitation: Option<String>,
    /// `waiting`, `done`, `failed`, `not_done` or `unknown`.
    pub state: String,
    /// What the vendor did, as JSON: written before the errand is settled.
    pub done: Option<String>,
    /// What became of the people, as JSON.
    pub people: Option<String>,
    /// Our stable code of an error.
    pub code: Option<String>,
    /// The reason of an error, for a person.
    pub reason: Option<String>,
    /// When it was accepted.
    pub accepted_at: i64,
    /// When it was over.
    pub over_at: Option<i64>,
}

/// What the end of an act changes.
#[derive(AsChangeset, Debug, Clone)]
#[diesel(table_name = group_acts)]
pub struct GroupActEnd {
    /// The state.
    pub state: String,
    /// The chat; what is none stays.
    pub chat: Option<String>,
    /// What became of the people.
    pub people: Option<String>,
    /// Our stable code of an error.
    pub code: Option<String>,
    /// The reason of an error.
    pub reason: Option<String>,
    /// When it was over.
    pub over_at: Option<i64>,
}

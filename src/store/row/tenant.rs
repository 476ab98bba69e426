//! Rows of companies' own things: users, tokens, lines.

use diesel::prelude::*;

use crate::model::id::{CompanyId, LineId, UserId};
use crate::model::moment::Moment;
use crate::model::window::Window;
use crate::store::schema::{lines, users};
use crate::store::{Result, StoreError};

/// A user to be made.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Its id.
    pub id: UserId,
    /// What is typed to sign in; lower case.
    pub login: String,
    /// The name on screen.
    pub name: String,
    /// `admin` or `operator`.
    pub role: String,
    /// The hash of the password, in PHC form.
    pub password_hash: String,
}

/// A user as it is kept.
#[derive(Queryable, Selectable, Clone)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct UserRow {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub company: String,
    /// What is typed to sign in.
    pub login: String,
    /// The name on screen.
    pub name: String,
    /// `admin` or `operator`.
    pub role: String,
    /// The hash of the password.
    pub password_hash: String,
    /// When it was made.
    pub created_at: i64,
}

impl std::fmt::Debug for UserRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserRow").field("id", &self.id).field("role", &self.role).finish_non_exhaustive()
    }
}

impl UserRow {
    /// Its id and its company's.
    ///
    /// # Errors
    /// Where the row cannot be read.
    pub fn ids(&self) -> Result<(CompanyId, UserId)> {
        let unreadable =
            |what: crate::model::id::BadId| StoreError::Unreadable { table: "users", what: what.to_string() };
        Ok((self.company.parse().map_err(unreadable)?, self.id.parse().map_err(unreadable)?))
    }
}

/// A line to be made.
#[derive(Debug, Clone)]
pub struct NewLine {
    /// The name on screen.
    pub name: String,
    /// `demo` or `paid`.
    pub plan: String,
    /// Until when it may send.
    pub expires_at: Moment,
    /// When it may write first.
    pub hours: Option<Window>,
}

/// What becomes of a line; a plan and an end that are none stay.
#[derive(Debug, Clone)]
pub struct LineChange {
    /// The name on screen.
    pub name: String,
    /// When it may write first; none is round the clock.
    pub hours: Option<Window>,
    /// `demo` or `paid`.
    pub plan: Option<String>,
    /// Until when it may send.
    pub expires_at: Option<Moment>,
}

/// A line as it is kept.
#[derive(Queryable, Selectable, Debug, Clone)]
#[diesel(table_name = lines, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct LineRow {
    /// Its number.
    pub id: LineId,
    /// Whose it is.
    pub company: String,
    /// The name on screen.
    pub name: String,
    /// `demo` or `paid`.
    pub plan: String,
    /// Until when it may send.
    pub expires_at: i64,
    /// When it may write first, as JSON.
    pub hours: Option<String>,
    /// Messages of the demo plan that are used up.
    pub demo_used: i32,
    /// When it was made.
    pub created_at: i64,
}

impl LineRow {
    /// The hours.
    ///
    /// # Errors
    /// Where the row cannot be read.
    pub fn hours(&self) -> Result<Option<Window>> {
        self.hours.as_deref().map(|hours| super::value("lines", hours)).transpose()
    }
}

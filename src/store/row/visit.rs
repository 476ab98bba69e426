//! Rows of sign-ins at the pages of vendors.

use diesel::prelude::*;

use crate::store::schema::visits;

/// A sign-in at a vendor's page that was begun; `kept` is sealed.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = visits, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct VisitRow {
    /// The digest of the word that the vendor brings back.
    pub digest: String,
    /// Whose it is.
    pub company: String,
    /// Who was sent there.
    pub user_id: Option<String>,
    /// The line.
    pub line: i64,
    /// Which messenger, as a slug.
    pub messenger: String,
    /// What the attaching goes on from.
    pub kept: String,
    /// When it was begun.
    pub created_at: i64,
}

//! Rows of what the pages inside portals keep.

use diesel::prelude::*;

use crate::store::schema::portal_pages;

/// What the pages inside a portal keep.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = portal_pages, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct PortalPageRow {
    /// The portal.
    pub portal: String,
    /// Whose it is.
    pub company: String,
    /// The cards with our tab, as a JSON list.
    pub tabs: String,
    /// `all` or `admins`.
    pub writers: String,
    /// What the last test of events is known by.
    pub test_key: Option<String>,
    /// When it was asked for.
    pub asked_at: Option<i64>,
    /// When its event came.
    pub heard_at: Option<i64>,
    /// When everything was put into the portal last.
    pub put_at: Option<i64>,
}

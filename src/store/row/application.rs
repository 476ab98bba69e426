//! Applications for VK Notify.

use diesel::prelude::*;

use crate::store::schema::applications;

/// An application as it is kept.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = applications, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct ApplicationRow {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub company: String,
    /// Its number within the company.
    pub number: i64,
    /// How far it has come, see [`crate::model::application::Stage`].
    pub state: String,
    /// What was filled in, as JSON.
    pub form: String,
    /// Why it was refused.
    pub reason: Option<String>,
    /// The steps that it took, as JSON.
    pub steps: String,
    /// Whether its last news were read.
    pub seen: bool,
    /// When it was made.
    pub created_at: i64,
    /// When it moved last.
    pub changed_at: i64,
}

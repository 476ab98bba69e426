//! Rows of templates.

use diesel::prelude::*;

use crate::store::schema::templates;

/// A template of the account behind a channel.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = templates, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct TemplateRow {
    /// The channel.
    pub channel: String,
    /// The name.
    pub name: String,
    /// The language code.
    pub language: String,
    /// Whose it is.
    pub company: String,
    /// The vendor's word.
    pub status: String,
    /// The category.
    pub category: String,
    /// The quality, where the vendor tells it.
    pub quality: Option<String>,
    /// Why it was refused.
    pub reason: Option<String>,
    /// What it says, as JSON.
    pub card: String,
    /// When the vendor listed it last.
    pub synced_at: i64,
}

/// What the vendor told of a template since it was listed; what is none stays.
#[derive(AsChangeset, Debug, Clone, Default, PartialEq, Eq)]
#[diesel(table_name = templates)]
pub struct TemplateNews {
    /// The vendor's word.
    pub status: Option<String>,
    /// The category.
    pub category: Option<String>,
    /// The quality.
    pub quality: Option<String>,
    /// Why it was refused; none within takes the reason away.
    pub reason: Option<Option<String>>,
}

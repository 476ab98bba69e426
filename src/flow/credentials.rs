//! Secrets of channels and portals: where each is sealed, and how it is opened.

use secrecy::{ExposeSecret as _, SecretString};

use crate::app::App;
use crate::store::{Result, StoreError};

/// Seals a secret for a row of a table.
#[must_use]
pub fn seal(app: &App, table: &str, id: &str, secret: &SecretString) -> String {
    app.keys.seal(&place(table, id), secret)
}

/// Opens what was sealed for a row of a table.
///
/// # Errors
/// Where no key of the configuration opens it.
pub fn open(app: &App, table: &'static str, id: &str, sealed: &str) -> Result<SecretString> {
    app.keys.open(&place(table, id), sealed).ok_or_else(|| StoreError::Unreadable {
        table,
        what: format!("no key of the configuration opens the secrets of {id}"),
    })
}

/// Seals an optional secret; nothing stays nothing.
#[must_use]
pub fn seal_some(app: &App, table: &str, id: &str, secret: Option<&SecretString>) -> String {
    secret
        .filter(|secret| !secret.expose_secret().is_empty())
        .map_or_else(String::new, |secret| seal(app, table, id, secret))
}

fn place(table: &str, id: &str) -> String {
    format!("{table}:{id}")
}

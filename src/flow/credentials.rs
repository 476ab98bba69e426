//! Secrets of channels and portals: where each is sealed, and how it is opened.

use secrecy::{ExposeSecret as _, SecretString};

use crate::app::App;
use crate::store::{Conn, Keyring, Result, StoreError};

/// So many deliveries are sealed again at once: there may be many of them.
const AT_ONCE: i64 = 500;

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

/// Seals again what an older key sealed, with the first key of the ring; tells how much. What changes meanwhile was sealed with the first key
/// anyway.
///
/// # Errors
/// Those of the database, and where no key of the ring opens something: the key that sealed it is needed.
pub fn reseal(conn: &mut Conn, ring: &Keyring) -> Result<usize> {
    let mut count = 0;
    for (place, sealed) in crate::on!(conn, sealed::all())? {
        if let Some(anew) = sealed_anew(ring, &place, &sealed)? {
            count += usize::from(crate::on!(conn, sealed::replace(&place, &sealed, &anew))?);
        }
    }
    let mut last = 0;
    loop {
        let page = crate::on!(conn, delivery::sealed_after(last, AT_ONCE))?;
        let Some((n, ..)) = page.last() else { return Ok(count) };
        last = *n;
        for (n, channel, sealed) in page {
            if let Some(anew) = sealed_anew(ring, &place("deliveries", &channel), &sealed)? {
                count += usize::from(crate::on!(conn, delivery::reseal(n, &sealed, &anew))?);
            }
        }
    }
}

fn sealed_anew(ring: &Keyring, place: &str, sealed: &str) -> Result<Option<String>> {
    if !ring.is_old(sealed) {
        return Ok(None);
    }
    let opened = ring.open(place, sealed).ok_or_else(|| StoreError::Unreadable {
        table: "secrets",
        what: format!("no key of the settings opens {place}: put the key that sealed it back into the list"),
    })?;
    Ok(Some(ring.seal(place, &opened)))
}

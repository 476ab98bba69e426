//! What a step asks to be kept goes through the browser, sealed: there is nothing of it to clean up here.

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ChannelError;
use crate::app::App;
use crate::model::id::{CompanyId, LineId};
use crate::model::message::Kind;
use crate::store::row::text;

/// What is kept between two steps.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    /// The part of our address that the vendor is told.
    pub(super) hook_key: String,
    /// What the messenger asked to keep.
    pub(super) asked: Value,
    /// The word that a vendor's page brings back, where the person was sent to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<String>,
}

/// Seals it: it opens again for the same company, line and messenger only.
pub(super) fn seal(app: &App, place: (CompanyId, LineId, Kind), kept: &Kept) -> Result<String, ChannelError> {
    Ok(app.keys.seal(&name(place), &SecretString::from(text(kept)?)))
}

/// Opens what was sealed.
pub(super) fn open(app: &App, place: (CompanyId, LineId, Kind), sealed: &str) -> Result<Kept, ChannelError> {
    let opened = app.keys.open(&name(place), sealed);
    opened.and_then(|text| serde_json::from_str(text.expose_secret()).ok()).ok_or(ChannelError::State)
}

fn name((company, line, kind): (CompanyId, LineId, Kind)) -> String {
    format!("attach:{company}:{line}:{}", kind.slug())
}

//! What came in, as the vendors tell it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::MediaKind;
use crate::model::moment::Moment;

/// A file that came in: the vendor's name for it, to be fetched later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncomingMedia {
    /// What kind of file.
    pub kind: MediaKind,
    /// The vendor's id, which `fetch_media` takes.
    pub vendor_id: String,
    /// The name, where the vendor tells one.
    pub name: Option<String>,
    /// The media type, where the vendor tells one.
    pub mime: Option<String>,
    /// The size in bytes, where the vendor tells one.
    pub size: Option<u64>,
}

/// Who wrote, as far as the vendor tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Person {
    /// The name shown in the messenger.
    pub name: Option<String>,
    /// The user name without the at sign, in lower case.
    pub username: Option<String>,
    /// The phone in digits.
    pub phone: Option<String>,
    /// The vendor's id of the person.
    pub vendor_id: Option<String>,
}

/// The note of a message that the vendor cut, and gives whole when it is asked.
pub const CROPPED: &str = "cropped";

/// The note of a message whose file is not told, or is there no more.
pub const MEDIA_MISSING: &str = "media_missing";

/// A message that came in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Incoming {
    /// The vendor's id of the message, unique in its chat.
    pub vendor_id: String,
    /// The chat as the vendor names it; where an answer goes.
    pub chat: String,
    /// Whether the chat is a group.
    pub group: bool,
    /// The title of a group.
    pub title: Option<String>,
    /// Who wrote.
    pub from: Person,
    /// When, by the vendor's clock.
    pub at: Moment,
    /// The text or caption.
    pub text: Option<String>,
    /// Files.
    pub media: Vec<IncomingMedia>,
    /// A place: latitude, longitude and what is written beside it.
    pub place: Option<(f64, f64, Option<String>)>,
    /// The vendor's id of the message that this one answers.
    pub reply_to: Option<String>,
    /// Whether our own side wrote it: elsewhere (on the phone, in the vendor's cabinet), or through us ([`super::Event::Taken`]).
    pub ours: bool,
    /// What kind of thing it was when it is none of the above (`contacts`, `order`, `unsupported`).
    pub note: Option<String>,
    /// What a button or a row of a list sends back that was pressed; the text is what stands on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// What led its writer to us, as the vendor tells it and under the vendor's names: the marks of a link, an advertisement. It
    /// comes with the first message after the click; empty where nothing is told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub referral: BTreeMap<String, String>,
}

//! E-mail: a mailbox over IMAP and its provider's SMTP.
//!
//! The mailbox is listened to (IDLE), letters leave by submission. Our own `Message-ID` names a letter: it is found again in
//! the folder of sent letters, in answers and in the reports of mail servers. Nothing drops a letter that is sent twice.

mod account;
mod attach;
mod compose;
mod configure;
mod door;
mod form;
pub mod letter;
mod listen;
mod mailbox;
mod media;
mod report;
mod smtp;
mod strait;
mod structure;
mod text;
mod token;

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::{
    Abilities, About, AttachError, AttachNext, AttachStep, Boxed, Changes, Delivery, Ear, Fetched, Field, Messenger,
    NotTaken, Received, Wire,
};
use crate::model::interactive::InteractiveLimits;
use crate::model::message::{IncomingMedia, Kind, MediaKind, Outgoing};
use crate::model::moment::Moment;
use crate::model::pace::Pace;
use crate::model::vendor::Answer;

pub use account::{Habits, is_address};
#[cfg(fuzzing)]
pub use structure::told as told_structure;

/// Sends a letter of the server itself, which has no mailbox: only the SMTP part of the settings is looked at. May take as long as
/// the call's deadlines; the answer is the messenger's.
pub(crate) async fn post(wire: &Wire, message: &Outgoing, now: Moment) -> Answer {
    smtp::post(wire, message, now).await
}

/// Logs in at the SMTP server of the settings and sends nothing. May take as long as the call's deadline.
///
/// # Errors
/// What was seen instead.
pub(crate) async fn reach(wire: &Wire) -> Result<(), String> {
    smtp::reach(wire).await
}

/// The messenger.
#[derive(Debug, Clone, Copy)]
pub struct Email;

/// Providers take 25 MB, and a file grows by more than a third on its way.
const FILE: u64 = 18 << 20;

static ABOUT: About = About {
    kind: Kind::Email,
    title: ("Email", "E-mail"),
    abilities: Abilities {
        first_by_phone: false,
        by_username: false,
        free_text_always: true,
        templates: false,
        templates_only: false,
        // only some servers tell of a delivery; all of them tell of a failure
        delivered: false,
        viewed: false,
        drops_repeats: false,
        checks_phone: false,
        groups: false,
        listens: true,
        threads: true,
        edits: false,
        deletes: false,
        answers: true,
        places: false,
        cards: false,
        interactive: false,
        reactions: false,
    },
    form: &form::FORM,
    pace: Pace::CAREFUL,
    floor_ms: 1_000,
    text_limit: 100_000,
    caption_limit: 100_000,
    media_limits: &[
        (MediaKind::Image, FILE),
        (MediaKind::Video, FILE),
        (MediaKind::Audio, FILE),
        (MediaKind::Voice, FILE),
        (MediaKind::Sticker, FILE),
        (MediaKind::Document, FILE),
    ],
    // each mailbox names its own servers; where it is set, it is where tokens are asked for
    card_limit: 0,
    changes: Changes::NONE,
    interactive: InteractiveLimits::NONE,
    vendor: "",
};

impl Messenger for Email {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    /// Nobody posts letters: whoever does is not the mail server.
    fn receive(&self, _wire: &Wire, _delivery: &Delivery<'_>) -> Result<Received, NotTaken> {
        Err(NotTaken::Forged)
    }

    fn send<'a>(&'a self, wire: &'a Wire, message: &'a Outgoing, now: Moment) -> Boxed<'a, Answer> {
        Box::pin(smtp::send(wire, message, now))
    }

    fn attach<'a>(&'a self, wire: &'a Wire, step: &'a AttachStep) -> Boxed<'a, Result<AttachNext, AttachError>> {
        Box::pin(attach::attach(wire, step))
    }

    fn settings_form(&self, _wire: &Wire) -> &'static [Field] {
        // which service it is was told with the servers
        form::FORM.get(1..).unwrap_or_default()
    }

    fn settings(&self, wire: &Wire) -> Option<Map<String, Value>> {
        configure::values(wire)
    }

    fn configure<'a>(
        &'a self,
        wire: &'a Wire,
        answers: &'a Map<String, Value>,
    ) -> Option<Boxed<'a, Result<AttachNext, AttachError>>> {
        Some(Box::pin(configure::configure(wire, answers)))
    }

    fn renew<'a>(&'a self, wire: &'a Wire, now: Moment) -> Option<Boxed<'a, Result<SecretString, Answer>>> {
        let renewal = token::Renewal::of_secrets(&wire.secrets)?;
        Some(Box::pin(async move { token::renew(wire, &renewal, now).await }))
    }

    fn fetch_media<'a>(
        &'a self,
        wire: &'a Wire,
        media: &'a IncomingMedia,
        limit: u64,
    ) -> Boxed<'a, Result<Fetched, Answer>> {
        Box::pin(media::fetch(wire, media, limit))
    }

    fn listen<'a>(&'a self, wire: &'a Wire, cursor: serde_json::Value, ear: &'a dyn Ear) -> Boxed<'a, Answer> {
        Box::pin(listen::listen(wire, cursor, ear))
    }
}

//! `WhatsApp` Web: a linked device behind a WAHA gateway with the engine GOWS (<https://waha.devlike.pro>).
//!
//! The gateway keeps one session for each channel and speaks for all of them with one key. It is told for each session where
//! to post and with which secret to sign. A text carries an id of our choice, so a second call with it reaches nobody twice;
//! calls with files have no such id.

mod answer;
mod attach;
mod change;
mod file;
mod group;
mod incoming;
mod listen;
mod name;
mod receive;
mod send;
mod session;

use reqwest::header::HeaderValue;
use secrecy::ExposeSecret as _;

use super::change::{HOUR_MS, MINUTE_MS};
use super::{
    Abilities, About, AttachError, AttachNext, AttachStep, Boxed, Changes, Checked, Delivery, Ear, Fetched, Field,
    Groups, Messenger, NotTaken, Received, Wire, field,
};
use crate::model::change::{ChangeAct, Said};
use crate::model::group::{GroupAct, GroupDone};
use crate::model::interactive::InteractiveLimits;
use crate::model::message::{IncomingMedia, Kind, MediaKind, Outgoing};
use crate::model::moment::Moment;
use crate::model::pace::Pace;
use crate::model::vendor::Answer;

/// The messenger.
#[derive(Debug, Clone, Copy)]
pub struct WhatsappWeb;

const MB: u64 = 1 << 20;

static ABOUT: About = About {
    kind: Kind::WhatsappWeb,
    title: ("WhatsApp Web", "WhatsApp Web"),
    abilities: Abilities {
        first_by_phone: true,
        by_username: false,
        free_text_always: true,
        templates: false,
        templates_only: false,
        delivered: true,
        viewed: true,
        drops_repeats: true,
        checks_phone: true,
        groups: true,
        listens: false,
        threads: false,
        edits: true,
        deletes: true,
        answers: true,
        places: true,
        cards: true,
        interactive: false,
        reactions: true,
    },
    form: &[Field::text(
        "phone",
        "Номер телефона, если вместо QR удобнее код",
        "Phone number, where a code is handier than the QR",
    )
    .optional()],
    pace: Pace::CAREFUL,
    // nobody publishes a figure; below this accounts are known to be banned
    floor_ms: 3_000,
    text_limit: 4096,
    caption_limit: 1024,
    media_limits: &[
        (MediaKind::Image, 16 * MB),
        (MediaKind::Video, 100 * MB),
        (MediaKind::Audio, 100 * MB),
        (MediaKind::Voice, 16 * MB),
        (MediaKind::Document, 100 * MB),
    ],
    card_limit: 10,
    changes: Changes { edit_within_ms: Some(15 * MINUTE_MS), delete_within_ms: Some(48 * HOUR_MS), ..Changes::NONE },
    interactive: InteractiveLimits::NONE,
    vendor: "http://localhost:3000",
};

impl Messenger for WhatsappWeb {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn receive(&self, wire: &Wire, delivery: &Delivery<'_>) -> Result<Received, NotTaken> {
        receive::receive(wire, delivery)
    }

    fn send<'a>(&'a self, wire: &'a Wire, message: &'a Outgoing, _now: Moment) -> Boxed<'a, Answer> {
        Box::pin(send::send(wire, message))
    }

    fn change<'a>(&'a self, wire: &'a Wire, said: &'a Said, act: &'a ChangeAct, _now: Moment) -> Boxed<'a, Answer> {
        Box::pin(change::change(wire, said, act))
    }

    fn attach<'a>(&'a self, wire: &'a Wire, step: &'a AttachStep) -> Boxed<'a, Result<AttachNext, AttachError>> {
        Box::pin(attach::attach(wire, step))
    }

    fn fetch_media<'a>(
        &'a self,
        wire: &'a Wire,
        media: &'a IncomingMedia,
        limit: u64,
    ) -> Boxed<'a, Result<Fetched, Answer>> {
        Box::pin(file::fetch(wire, media, limit))
    }

    fn catches_up(&self) -> bool {
        true
    }

    fn listen<'a>(&'a self, wire: &'a Wire, cursor: serde_json::Value, ear: &'a dyn Ear) -> Boxed<'a, Answer> {
        Box::pin(listen::listen(wire, cursor, ear))
    }

    fn groups(&self) -> Groups {
        group::GROUPS
    }

    fn act_in_group<'a>(&'a self, wire: &'a Wire, act: &'a GroupAct) -> Boxed<'a, Result<GroupDone, Answer>> {
        Box::pin(group::act(wire, act))
    }

    fn links_device(&self) -> bool {
        true
    }

    fn detach<'a>(&'a self, wire: &'a Wire) -> Boxed<'a, Answer> {
        Box::pin(session::delete(wire))
    }

    fn shown_name<'a>(&'a self, wire: &'a Wire, chat: &'a str) -> Boxed<'a, Result<Option<String>, Answer>> {
        Box::pin(session::shown_name(wire, chat))
    }

    fn check_phone<'a>(&'a self, wire: &'a Wire, phone: &'a str) -> Boxed<'a, Result<Checked, Answer>> {
        Box::pin(session::check_phone(wire, phone))
    }
}

/// A call with the gateway's key.
fn call(wire: &Wire, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
    let request = wire.http.client().request(method, format!("{}{path}", wire.vendor));
    match HeaderValue::from_str(wire.vendor_key.expose_secret()) {
        Ok(mut key) => {
            key.set_sensitive(true);
            request.header("x-api-key", key)
        }
        Err(_) => request,
    }
}

/// The name of the channel's session at the gateway.
fn session_of(wire: &Wire) -> String {
    field::text(&wire.settings, "session").unwrap_or_default()
}

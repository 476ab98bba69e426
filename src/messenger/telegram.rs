//! A Telegram account: an application of its own beside those on the phone, over `MTProto` (<https://core.telegram.org/api>).
//!
//! Everything goes over the one connection that is listened on, since a key that is used in two places is void. A message carries a
//! number that is made of our key, so a second call with it reaches nobody twice. The library does encryption, connections and
//! the order of updates; `driver.rs` alone knows how it is driven, all else speaks the types of Telegram's schema.

mod answer;
mod attach;
mod book;
mod change;
mod driver;
mod file;
mod group;
mod line;
mod listen;
mod local;
mod login;
mod react;
mod read;
mod send;
mod session;

use super::change::HOUR_MS;
use super::{
    Abilities, About, AttachError, AttachNext, AttachStep, Boxed, Changes, Checked, Delivery, Ear, Fetched, Field,
    Firsts, Groups, Messenger, NotTaken, Received, Wire,
};
use crate::model::change::{ChangeAct, Said};
use crate::model::group::{GroupAct, GroupDone};
use crate::model::interactive::InteractiveLimits;
use crate::model::message::{IncomingMedia, Kind, MediaKind, Outgoing, Peer};
use crate::model::moment::Moment;
use crate::model::pace::Pace;
use crate::model::vendor::Answer;

pub use read::told as told_updates;

/// The messenger.
#[derive(Debug, Clone, Copy)]
pub struct Telegram;

const MB: u64 = 1 << 20;

/// Twice as much could be sent; files are held back at what our own store takes.
const FILE: u64 = 2_000 * MB;

static ABOUT: About = About {
    kind: Kind::Telegram,
    title: ("Telegram", "Telegram"),
    abilities: Abilities {
        first_by_phone: true,
        by_username: true,
        free_text_always: true,
        templates: false,
        templates_only: false,
        // what the server took counts as sent; whether a device got it is not told
        delivered: false,
        viewed: true,
        drops_repeats: true,
        checks_phone: true,
        groups: true,
        listens: true,
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
    // twenty messages a minute are the most that an account is known to bear
    pace: Pace::CAREFUL,
    floor_ms: 3_000,
    text_limit: 4096,
    caption_limit: 1024,
    media_limits: &[
        (MediaKind::Image, 10 * MB),
        (MediaKind::Video, FILE),
        (MediaKind::Audio, FILE),
        (MediaKind::Voice, FILE),
        (MediaKind::Sticker, 10 * MB),
        (MediaKind::Document, FILE),
    ],
    card_limit: 1,
    changes: Changes { edit_within_ms: Some(48 * HOUR_MS), captions: true, ..Changes::NONE },
    interactive: InteractiveLimits::NONE,
    vendor: "https://telegram.org",
};

/// What accounts are known to bear: more than fifteen new contacts in a day leave five for the next one, fourteen first
/// messages within minutes cost a day; names are looked up two hundred times a day.
static FIRSTS: Firsts = Firsts { gap_ms: 180_000, phones_per_day: 15, names_per_day: 200 };

impl Messenger for Telegram {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    /// Nobody posts updates of an account.
    fn receive(&self, _wire: &Wire, _delivery: &Delivery<'_>) -> Result<Received, NotTaken> {
        Err(NotTaken::Forged)
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

    /// A code is good once, so the last step is never taken again.
    fn announces(&self) -> bool {
        true
    }

    fn fetch_media<'a>(
        &'a self,
        wire: &'a Wire,
        media: &'a IncomingMedia,
        limit: u64,
    ) -> Boxed<'a, Result<Fetched, Answer>> {
        Box::pin(file::fetch(wire, media, limit))
    }

    fn listen<'a>(&'a self, wire: &'a Wire, cursor: serde_json::Value, ear: &'a dyn Ear) -> Boxed<'a, Answer> {
        Box::pin(listen::listen(wire, cursor, ear))
    }

    fn one_line(&self) -> bool {
        true
    }

    fn firsts(&self) -> Option<&'static Firsts> {
        Some(&FIRSTS)
    }

    fn meet<'a>(&'a self, wire: &'a Wire, who: &'a Peer) -> Boxed<'a, Result<Checked, Answer>> {
        Box::pin(send::meet(wire, who))
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
        Box::pin(line::log_out(wire))
    }

    fn check_phone<'a>(&'a self, wire: &'a Wire, phone: &'a str) -> Boxed<'a, Result<Checked, Answer>> {
        Box::pin(send::check_phone(wire, phone))
    }
}

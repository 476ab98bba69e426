//! Telegram bots: the Bot API over HTTPS (<https://core.telegram.org/bots/api>).
//!
//! A bot answers who wrote to it first, and channels and groups it is a member of. There are no receipts: the successful
//! answer to a call is the last word about a message. Nothing drops a repeated call.

mod answer;
mod attach;
mod change;
mod configure;
mod incoming;
mod local;
mod media;
mod receive;
mod send;

use serde_json::{Map, Value};

use super::change::HOUR_MS;
use super::{
    Abilities, About, AttachError, AttachNext, AttachStep, Boxed, Changes, Delivery, Fetched, Field, Messenger,
    NotTaken, Received, Wire, field,
};
use crate::model::change::{ChangeAct, Said};
use crate::model::interactive::InteractiveLimits;
use crate::model::message::{IncomingMedia, Kind, MediaKind, Outgoing};
use crate::model::moment::Moment;
use crate::model::pace::Pace;
use crate::model::vendor::Answer;

/// The messenger.
#[derive(Debug, Clone, Copy)]
pub struct TelegramBot;

const MB: u64 = 1 << 20;

const TOKEN: Field = Field::text("token", "Токен бота от @BotFather", "Bot token from @BotFather").secret();

const fn about(media_limits: &'static [(MediaKind, u64)]) -> About {
    About {
        kind: Kind::TelegramBot,
        title: ("Telegram-бот", "Telegram bot"),
        abilities: Abilities {
            first_by_phone: false,
            by_username: false,
            free_text_always: true,
            templates: false,
            templates_only: false,
            delivered: false,
            viewed: false,
            drops_repeats: false,
            checks_phone: false,
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
        form: &[TOKEN],
        pace: Pace::CAREFUL,
        // about one message a second into one chat
        floor_ms: 1_000,
        text_limit: 4096,
        caption_limit: 1024,
        media_limits,
        card_limit: 1,
        changes: Changes {
            edit_within_ms: None,
            delete_within_ms: Some(48 * HOUR_MS),
            captions: true,
            deletes_theirs: true,
            dice_after_ms: Some(24 * HOUR_MS),
            ..Changes::NONE
        },
        interactive: InteractiveLimits::NONE,
        vendor: "https://api.telegram.org",
    }
}

/// The limits where files may be so large.
const fn limits(largest: u64) -> [(MediaKind, u64); 6] {
    [
        (MediaKind::Image, 10 * MB),
        (MediaKind::Video, largest),
        (MediaKind::Audio, largest),
        (MediaKind::Voice, largest),
        (MediaKind::Sticker, MB / 2),
        (MediaKind::Document, largest),
    ]
}

static LIMITS: [(MediaKind, u64); 6] = limits(50 * MB);

/// Those of a Bot API server of one's own that runs with `--local`.
static LOCAL_LIMITS: [(MediaKind, u64); 6] = limits(2000 * MB);

static ABOUT: About = about(&LIMITS);

static LOCAL: About = about(&LOCAL_LIMITS);

/// What is larger than Telegram's own server takes.
const TOO_BIG: (&str, &str) = (
    "файл больше 50 МБ, а больше Telegram от ботов не принимает. До 2000 МБ можно через свой сервер Bot API: задайте telegram_bot.local_server в настройках сервера",
    "the file is larger than 50 MB, which is the most that Telegram takes from bots. Up to 2000 MB go through a Bot API server of one's own: set telegram_bot.local_server in the settings of the server",
);

impl Messenger for TelegramBot {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn about_local(&self) -> &'static About {
        &LOCAL
    }

    fn too_big(&self, kind: MediaKind) -> Option<(&'static str, &'static str)> {
        (limit_of(&LOCAL, kind) > limit_of(&ABOUT, kind)).then_some(TOO_BIG)
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

    fn announces(&self) -> bool {
        true
    }

    fn announce<'a>(&'a self, wire: &'a Wire, webhook_url: &'a str) -> Boxed<'a, Result<(), AttachError>> {
        Box::pin(attach::announce(wire, webhook_url))
    }

    fn detach<'a>(&'a self, wire: &'a Wire) -> Boxed<'a, Answer> {
        Box::pin(attach::leave(wire))
    }

    fn tells_where(&self) -> bool {
        true
    }

    fn posts_to<'a>(&'a self, wire: &'a Wire) -> Boxed<'a, Result<String, Answer>> {
        Box::pin(attach::posts_to(wire))
    }

    fn settings_form(&self, _wire: &Wire) -> &'static [Field] {
        configure::FORM
    }

    fn settings(&self, wire: &Wire) -> Option<Map<String, Value>> {
        Some(configure::values(wire))
    }

    fn configure<'a>(
        &'a self,
        wire: &'a Wire,
        answers: &'a Map<String, Value>,
    ) -> Option<Boxed<'a, Result<AttachNext, AttachError>>> {
        Some(Box::pin(configure::configure(wire, answers)))
    }

    fn fetch_media<'a>(
        &'a self,
        wire: &'a Wire,
        media: &'a IncomingMedia,
        limit: u64,
    ) -> Boxed<'a, Result<Fetched, Answer>> {
        Box::pin(media::fetch(wire, media, limit))
    }
}

/// What holds for a channel.
fn about_of(wire: &Wire) -> &'static About {
    if wire.local.is_some() { &LOCAL } else { &ABOUT }
}

fn limit_of(about: &About, kind: MediaKind) -> u64 {
    about.media_limits.iter().find(|(listed, _)| *listed == kind).map_or(0, |(_, limit)| *limit)
}

/// The address of a method.
fn method(wire: &Wire, token: &str, name: &str) -> String {
    format!("{}/bot{token}/{name}", wire.vendor)
}

fn token(wire: &Wire) -> String {
    field::secret(&wire.secrets, "token")
}

//! Telegram bots: the Bot API over HTTPS (<https://core.telegram.org/bots/api>).
//!
//! A bot answers who wrote to it first, and channels and groups it is a member of. There are no receipts: the successful
//! answer to a call is the last word about a message. Nothing drops a repeated call.

mod answer;
mod attach;
mod incoming;
mod media;
mod receive;
mod send;

use super::{
    Abilities, About, AttachError, AttachNext, AttachStep, Boxed, Delivery, Fetched, Field, Messenger, NotTaken,
    Received, Wire, field,
};
use crate::model::message::{IncomingMedia, Kind, MediaKind, Outgoing};
use crate::model::moment::Moment;
use crate::model::pace::Pace;
use crate::model::vendor::Answer;

/// The messenger.
#[derive(Debug, Clone, Copy)]
pub struct TelegramBot;

const MB: u64 = 1 << 20;

static ABOUT: About = About {
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
    },
    form: &[Field {
        name: "token",
        label: ("Токен бота от @BotFather", "Bot token from @BotFather"),
        secret: true,
        optional: false,
    }],
    pace: Pace::CAREFUL,
    // about one message a second into one chat
    floor_ms: 1_000,
    text_limit: 4096,
    caption_limit: 1024,
    media_limits: &[
        (MediaKind::Image, 10 * MB),
        (MediaKind::Video, 50 * MB),
        (MediaKind::Audio, 50 * MB),
        (MediaKind::Voice, 50 * MB),
        (MediaKind::Sticker, MB / 2),
        (MediaKind::Document, 50 * MB),
    ],
    vendor: "https://api.telegram.org",
};

impl Messenger for TelegramBot {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn receive(&self, wire: &Wire, delivery: &Delivery<'_>) -> Result<Received, NotTaken> {
        receive::receive(wire, delivery)
    }

    fn send<'a>(&'a self, wire: &'a Wire, message: &'a Outgoing, _now: Moment) -> Boxed<'a, Answer> {
        Box::pin(send::send(wire, message))
    }

    fn attach<'a>(&'a self, wire: &'a Wire, step: &'a AttachStep) -> Boxed<'a, Result<AttachNext, AttachError>> {
        Box::pin(attach::attach(wire, step))
    }

    fn detach<'a>(&'a self, wire: &'a Wire) -> Boxed<'a, Answer> {
        Box::pin(attach::leave(wire))
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

/// The address of a method.
fn method(wire: &Wire, token: &str, name: &str) -> String {
    format!("{}/bot{token}/{name}", wire.vendor)
}

fn token(wire: &Wire) -> String {
    field::secret(&wire.secrets, "token")
}

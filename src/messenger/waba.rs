//! `WhatsApp` Business: Meta's Cloud API (<https://developers.facebook.com/docs/whatsapp/cloud-api>).
//!
//! Free text goes only within 24 hours after the customer wrote, templates at any time. A 200 means «accepted»: what became
//! of a message comes later as a status, which brings our own key back. Nothing drops a repeated call.

mod attach;
mod catalogue;
mod code;
mod content;
mod group;
mod incoming;
mod interactive;
mod media;
mod react;
mod receive;
mod send;
mod standing;
mod template;

use super::change::HOUR_MS;
use super::{
    Abilities, About, AttachError, AttachNext, AttachStep, Boxed, Changes, Delivery, Fetched, Field, Groups, Messenger,
    NotTaken, Received, Wire, field,
};
use crate::model::change::{ChangeAct, Said};
use crate::model::group::{GroupAct, GroupDone};
use crate::model::message::{IncomingMedia, Kind, MediaKind, Outgoing};
use crate::model::moment::Moment;
use crate::model::pace::Pace;
use crate::model::template::TemplateCard;
use crate::model::vendor::Answer;

/// The messenger.
#[derive(Debug, Clone, Copy)]
pub struct Waba;

const MB: u64 = 1 << 20;

static ABOUT: About = About {
    kind: Kind::Waba,
    title: ("WhatsApp Business (WABA)", "WhatsApp Business (WABA)"),
    abilities: Abilities {
        // with a template
        first_by_phone: true,
        by_username: false,
        free_text_always: false,
        templates: true,
        templates_only: false,
        delivered: true,
        viewed: true,
        drops_repeats: false,
        checks_phone: false,
        groups: true,
        listens: false,
        threads: false,
        edits: false,
        deletes: false,
        answers: true,
        places: true,
        cards: true,
        interactive: true,
        reactions: true,
    },
    form: &[
        Field::text("phone_number_id", "ID номера телефона", "Phone number ID"),
        Field::text("waba_id", "ID аккаунта WhatsApp Business", "WhatsApp Business account ID"),
        Field::text("token", "Токен системного пользователя", "System user token").secret(),
        Field::text("app_secret", "Секрет приложения", "App secret").secret(),
        Field::text("verify_token", "Маркер подтверждения вебхука", "Webhook verify token").secret(),
        Field::text("pin", "PIN двухэтапной проверки (6 цифр)", "Two-step verification PIN (6 digits)")
            .secret()
            .optional(),
    ],
    pace: Pace::Gap { from_ms: 2_000, to_ms: 2_000, live_ms: 1_000 },
    floor_ms: 2_000,
    text_limit: 4096,
    caption_limit: 1024,
    media_limits: &[
        (MediaKind::Image, 5 * MB),
        (MediaKind::Video, 16 * MB),
        (MediaKind::Audio, 16 * MB),
        (MediaKind::Voice, 16 * MB),
        (MediaKind::Sticker, MB / 2),
        (MediaKind::Document, 100 * MB),
    ],
    card_limit: 5,
    // a message is reacted to for 30 days
    changes: Changes { react_within_ms: Some(30 * 24 * HOUR_MS), ..Changes::NONE },
    interactive: interactive::LIMITS,
    vendor: "https://graph.facebook.com/v23.0",
};

impl Messenger for Waba {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn receive(&self, wire: &Wire, delivery: &Delivery<'_>) -> Result<Received, NotTaken> {
        receive::receive(wire, delivery)
    }

    fn send<'a>(&'a self, wire: &'a Wire, message: &'a Outgoing, now: Moment) -> Boxed<'a, Answer> {
        Box::pin(send::send(wire, message, now))
    }

    fn change<'a>(&'a self, wire: &'a Wire, said: &'a Said, act: &'a ChangeAct, _: Moment) -> Boxed<'a, Answer> {
        Box::pin(react::change(wire, said, act))
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

    fn shared(&self, settings: &serde_json::Value) -> Option<String> {
        // the app is subscribed to the account once, whatever numbers it has
        field::id(settings, "waba_id")
    }

    fn detach<'a>(&'a self, wire: &'a Wire) -> Boxed<'a, Answer> {
        Box::pin(attach::leave(wire))
    }

    fn templates<'a>(&'a self, wire: &'a Wire) -> Boxed<'a, Result<Vec<TemplateCard>, Answer>> {
        Box::pin(catalogue::list(wire))
    }

    fn groups(&self) -> Groups {
        group::GROUPS
    }

    fn groups_of(&self, settings: &serde_json::Value) -> Groups {
        // Meta tells it of every number that it was asked for
        let official = settings.get("official").and_then(serde_json::Value::as_bool);
        if official == Some(false) { Groups::default() } else { group::GROUPS }
    }

    fn act_in_group<'a>(&'a self, wire: &'a Wire, act: &'a GroupAct) -> Boxed<'a, Result<GroupDone, Answer>> {
        Box::pin(group::act(wire, act))
    }

    fn tells_standing(&self) -> bool {
        true
    }

    fn standing<'a>(&'a self, wire: &'a Wire) -> Boxed<'a, Result<serde_json::Map<String, serde_json::Value>, Answer>> {
        Box::pin(standing::ask(wire))
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

/// A call with the channel's token.
fn call(wire: &Wire, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
    let token = field::secret(&wire.secrets, "token");
    wire.http.client().request(method, format!("{}/{path}", wire.vendor)).bearer_auth(token)
}

/// The phone number's id, which addresses and deliveries name.
fn phone_number_id(wire: &Wire) -> String {
    field::id(&wire.settings, "phone_number_id").unwrap_or_default()
}

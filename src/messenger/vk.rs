//! VK communities: the API over HTTPS and the Callback API (<https://dev.vk.com/ru/api/community-messages/getting-started>).
//!
//! A community answers who wrote to it or allowed its messages. VK drops a second send with the same `random_id`, which is made
//! from our key, so a message of unknown fate is simply sent again. Read marks come for everything up to a message.

mod answer;
mod attach;
mod change;
mod group;
mod incoming;
mod lookup;
mod receive;
mod send;
mod sign_in;
mod upload;

use serde_json::{Map, Value};

use super::change::HOUR_MS;
use super::{
    Abilities, About, AttachError, AttachNext, AttachStep, Boxed, Changes, Delivery, Fetched, Field, Groups, Messenger,
    NotTaken, Received, Reply, Wire, field, parcel,
};
use crate::model::change::{ChangeAct, Said};
use crate::model::group::{GroupAct, GroupDone};
use crate::model::interactive::InteractiveLimits;
use crate::model::message::{Incoming, IncomingMedia, Kind, MediaKind, Outgoing, Person};
use crate::model::moment::Moment;
use crate::model::pace::Pace;
use crate::model::vendor::Answer;

/// The messenger.
#[derive(Debug, Clone, Copy)]
pub struct Vk;

/// The version of the API that every call names.
const VERSION: &str = "5.199";

/// The product's own limit: VK takes documents up to four times as large.
const LARGEST: u64 = 50 << 20;

static ABOUT: About = About {
    kind: Kind::Vk,
    title: ("Сообщество ВКонтакте", "VK community"),
    abilities: Abilities {
        first_by_phone: false,
        by_username: false,
        free_text_always: true,
        templates: false,
        templates_only: false,
        delivered: false,
        viewed: true,
        drops_repeats: true,
        checks_phone: false,
        groups: true,
        listens: false,
        threads: false,
        edits: true,
        deletes: true,
        answers: true,
        places: true,
        cards: false,
        interactive: false,
        reactions: false,
    },
    form: &[Field::text(
        "token",
        "Ключ доступа сообщества (Управление → Работа с API)",
        "Access key of the community (Manage, API usage)",
    )
    .secret()],
    pace: Pace::CAREFUL,
    floor_ms: 1_000,
    // the schema allows 9000, the server cuts what is longer than this
    text_limit: 4096,
    caption_limit: 4096,
    media_limits: &[
        (MediaKind::Image, LARGEST),
        (MediaKind::Video, LARGEST),
        (MediaKind::Audio, LARGEST),
        (MediaKind::Voice, LARGEST),
        (MediaKind::Sticker, LARGEST),
        (MediaKind::Document, LARGEST),
    ],
    card_limit: 0,
    changes: Changes {
        edit_within_ms: Some(24 * HOUR_MS),
        delete_within_ms: Some(24 * HOUR_MS),
        captions: true,
        ..Changes::NONE
    },
    interactive: InteractiveLimits::NONE,
    vendor: "https://api.vk.com/method",
};

impl Messenger for Vk {
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

    fn groups(&self) -> Groups {
        group::GROUPS
    }

    fn act_in_group<'a>(&'a self, wire: &'a Wire, act: &'a GroupAct) -> Boxed<'a, Result<GroupDone, Answer>> {
        Box::pin(group::act(wire, act))
    }

    fn attach<'a>(&'a self, wire: &'a Wire, step: &'a AttachStep) -> Boxed<'a, Result<AttachNext, AttachError>> {
        Box::pin(attach::attach(wire, step))
    }

    fn signs_in(&self) -> Option<(&'static str, &'static str)> {
        Some(("Войти через ВКонтакте", "Sign in with VK"))
    }

    fn announces(&self) -> bool {
        true
    }

    fn announce<'a>(&'a self, wire: &'a Wire, webhook_url: &'a str) -> Boxed<'a, Result<(), AttachError>> {
        Box::pin(attach::announce(wire, webhook_url))
    }

    fn prove<'a>(&'a self, wire: &'a Wire) -> Boxed<'a, Result<Reply, Answer>> {
        Box::pin(attach::prove(wire))
    }

    fn detach<'a>(&'a self, wire: &'a Wire) -> Boxed<'a, Answer> {
        Box::pin(attach::leave(wire))
    }

    fn tells_names(&self) -> bool {
        true
    }

    fn person<'a>(&'a self, wire: &'a Wire, id: &'a str) -> Boxed<'a, Result<Option<Person>, Answer>> {
        Box::pin(lookup::person(wire, id))
    }

    fn whole<'a>(&'a self, wire: &'a Wire, cut: &'a Incoming) -> Boxed<'a, Result<Option<Incoming>, Answer>> {
        Box::pin(lookup::whole(wire, cut))
    }

    fn fetch_media<'a>(
        &'a self,
        wire: &'a Wire,
        media: &'a IncomingMedia,
        limit: u64,
    ) -> Boxed<'a, Result<Fetched, Answer>> {
        // the address is signed, and VK has many hosts for files, so it is fetched as any stranger's
        Box::pin(parcel::fetch(wire, media, limit))
    }
}

/// Calls a method with the channel's token.
async fn call(wire: &Wire, method: &str, parameters: &[(&str, String)]) -> Result<Value, Answer> {
    call_as(wire, &field::secret(&wire.secrets, "token"), method, parameters).await
}

/// Calls a method with a token. Everything goes in the form: addresses end up in logs.
async fn call_as(wire: &Wire, token: &str, method: &str, parameters: &[(&str, String)]) -> Result<Value, Answer> {
    let mut form: Map<String, Value> =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str()))).collect();
    form.insert("access_token".to_owned(), Value::from(token));
    form.insert("v".to_owned(), Value::from(VERSION));
    let request = wire.http.client().post(format!("{}/{method}", wire.vendor)).form(&form);
    answer::result_of(wire.http.call(request, wire.http.limits()).await)
}

/// The community's number; deliveries name it.
fn group_id(wire: &Wire) -> String {
    field::id(&wire.settings, "group_id").unwrap_or_default()
}

//! Avito: the messenger API over HTTPS (<https://developers.avito.ru/api-catalog/messenger/documentation>).
//!
//! A buyer begins every chat; it takes texts and pictures. Nothing drops a repeated call, and no delivery is told. A token
//! lives a day and is renewed by the flow; an old one is answered with 403.

mod answer;
mod attach;
mod change;
mod listen;
mod receive;
mod send;
mod token;

use reqwest::Method;
use secrecy::SecretString;
use serde_json::Value;

use super::change::HOUR_MS;
use super::{
    Abilities, About, AttachError, AttachNext, AttachStep, Boxed, Changes, Delivery, Ear, Fetched, Field, Messenger,
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
pub struct Avito;

/// The largest picture.
const LARGEST: u64 = 24 << 20;

static ABOUT: About = About {
    kind: Kind::Avito,
    title: ("Авито", "Avito"),
    abilities: Abilities {
        first_by_phone: false,
        by_username: false,
        free_text_always: true,
        templates: false,
        templates_only: false,
        delivered: false,
        // told in the history of a chat only, which is looked at now and then
        viewed: true,
        drops_repeats: false,
        checks_phone: false,
        groups: false,
        listens: false,
        threads: false,
        edits: false,
        deletes: true,
        answers: false,
        places: false,
        cards: false,
        interactive: false,
        reactions: false,
    },
    form: &[
        Field::text(
            "client_id",
            "Client ID (пусто — вход на сайте Авито)",
            "Client ID (empty: sign in at Avito's site)",
        )
        .optional(),
        Field::text(
            "client_secret",
            "Client secret (ключ из раздела API кабинета)",
            "Client secret (the key of the cabinet's API page)",
        )
        .secret()
        .optional(),
    ],
    pace: Pace::CAREFUL,
    floor_ms: 1_000,
    text_limit: 1000,
    // the text beside the address of a file; a picture goes without
    caption_limit: 900,
    media_limits: &[(MediaKind::Image, LARGEST)],
    card_limit: 0,
    changes: Changes { delete_within_ms: Some(HOUR_MS), ..Changes::NONE },
    interactive: InteractiveLimits::NONE,
    vendor: "https://api.avito.ru",
};

impl Messenger for Avito {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn receive(&self, wire: &Wire, delivery: &Delivery<'_>) -> Result<Received, NotTaken> {
        receive::receive(wire, delivery)
    }

    fn send<'a>(&'a self, wire: &'a Wire, message: &'a Outgoing, now: Moment) -> Boxed<'a, Answer> {
        Box::pin(send::send(wire, message, now))
    }

    fn change<'a>(&'a self, wire: &'a Wire, said: &'a Said, act: &'a ChangeAct, now: Moment) -> Boxed<'a, Answer> {
        Box::pin(change::change(wire, said, act, now))
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

    fn renew<'a>(&'a self, wire: &'a Wire, now: Moment) -> Option<Boxed<'a, Result<SecretString, Answer>>> {
        Some(Box::pin(token::renew(wire, now)))
    }

    fn catches_up(&self) -> bool {
        true
    }

    fn listen<'a>(&'a self, wire: &'a Wire, cursor: Value, ear: &'a dyn Ear) -> Boxed<'a, Answer> {
        Box::pin(listen::listen(wire, cursor, ear))
    }

    fn detach<'a>(&'a self, wire: &'a Wire) -> Boxed<'a, Answer> {
        Box::pin(attach::detach(wire))
    }

    fn mark_read<'a>(&'a self, wire: &'a Wire, chat: &'a str) -> Boxed<'a, Answer> {
        Box::pin(send::mark_read(wire, chat))
    }

    fn fetch_media<'a>(
        &'a self,
        wire: &'a Wire,
        media: &'a IncomingMedia,
        limit: u64,
    ) -> Boxed<'a, Result<Fetched, Answer>> {
        Box::pin(send::fetch(wire, media, limit))
    }
}

/// A request with the channel's token to a path of several parts; chats are named with marks that an address must escape.
fn request(wire: &Wire, method: Method, parts: &[&str]) -> Result<reqwest::RequestBuilder, Answer> {
    let unreadable = || Answer::Down { seen: "the vendor's address cannot be read".to_owned() };
    let mut url = url::Url::parse(&wire.vendor).map_err(|_| unreadable())?;
    url.path_segments_mut().map_err(|()| unreadable())?.pop_if_empty().extend(parts);
    Ok(wire.http.client().request(method, url).bearer_auth(field::secret(&wire.secrets, "access_token")))
}

/// Makes a call and reads its answer.
async fn call(wire: &Wire, method: Method, parts: &[&str], body: Option<&Value>) -> Result<Value, Answer> {
    let request = request(wire, method, parts)?;
    let request = match body {
        Some(body) => request.json(body),
        None => request,
    };
    answer::result_of(wire.http.call(request, wire.http.limits()).await)
}

/// The account's number, which addresses and deliveries name.
fn user_id(wire: &Wire) -> String {
    field::id(&wire.settings, "user_id").unwrap_or_default()
}

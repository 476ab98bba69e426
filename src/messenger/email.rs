//! E-mail: a mailbox over IMAP and its provider's SMTP.
//!
//! The mailbox is listened to (IDLE), letters leave by submission. Our own `Message-ID` names a letter: it is found again in
//! the folder of sent letters, in answers and in the reports of mail servers. Nothing drops a letter that is sent twice.

mod account;
mod attach;
mod compose;
mod configure;
mod door;
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
use crate::model::message::{IncomingMedia, Kind, MediaKind, Outgoing};
use crate::model::moment::Moment;
use crate::model::pace::Pace;
use crate::model::vendor::Answer;

pub use account::{Habits, is_address};
#[cfg(fuzzing)]
pub use structure::told as told_structure;

/// Sends a letter of the server itself, which has no mailbox: only the SMTP part of the settings is looked at. May take as long as
/// the call's deadlines; the answer is the messenger's.
pub async fn post(wire: &Wire, message: &Outgoing, now: Moment) -> Answer {
    smtp::post(wire, message, now).await
}

/// The messenger.
#[derive(Debug, Clone, Copy)]
pub struct Email;

/// Providers take 25 MB, and a file grows by more than a third on its way.
const FILE: u64 = 18 << 20;

const fn field(name: &'static str, label: (&'static str, &'static str)) -> Field {
    Field { name, label, secret: false, optional: true }
}

const FORM: [Field; 17] = [
    field(
        "service",
        ("Почтовый сервис: gmail, yandex, mailru или custom", "Mail service: gmail, yandex, mailru or custom"),
    ),
    Field { optional: false, ..field("address", ("Адрес почты", "E-mail address")) },
    field("login", ("Логин, если он отличается от адреса", "Login, where it is not the address")),
    Field {
        secret: true,
        ..field(
            "password",
            (
                "Пароль (для Gmail, Яндекса и Mail.ru — пароль приложения)",
                "Password (an app password for Gmail, Yandex and Mail.ru)",
            ),
        )
    },
    Field {
        secret: true,
        ..field("access_token", ("Токен OAuth вместо пароля", "OAuth token instead of the password"))
    },
    Field {
        secret: true,
        ..field(
            "refresh_token",
            ("Refresh token: новые токены OAuth запрашиваются сами", "Refresh token: new OAuth tokens are asked for"),
        )
    },
    field("client_id", ("Client ID приложения OAuth", "Client id of the OAuth application")),
    Field { secret: true, ..field("client_secret", ("Client secret приложения OAuth", "Its client secret")) },
    field("from_name", ("Имя отправителя", "Name of the sender")),
    field("imap_host", ("Сервер IMAP", "IMAP server")),
    field("imap_port", ("Порт IMAP", "IMAP port")),
    field(
        "imap_security",
        (
            "Защита IMAP: ssl, starttls или none (без шифрования)",
            "Protection of IMAP: ssl, starttls or none (no encryption)",
        ),
    ),
    field("smtp_host", ("Сервер SMTP", "SMTP server")),
    field("smtp_port", ("Порт SMTP", "SMTP port")),
    field(
        "smtp_security",
        (
            "Защита SMTP: ssl, starttls или none (без шифрования)",
            "Protection of SMTP: ssl, starttls or none (no encryption)",
        ),
    ),
    field(
        "group_letters",
        ("Группировать письма: отдельный чат на каждую тему", "Group letters: one chat for each subject"),
    ),
    field("remove_links", ("Удалять ссылки из писем", "Remove links from letters")),
];

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
    },
    form: &FORM,
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

    fn settings_form(&self) -> &'static [Field] {
        // which service it is was told with the servers
        ABOUT.form.get(1..).unwrap_or_default()
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

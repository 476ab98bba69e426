//! What the suite must know of each messenger: its secrets, how its vendor signs, and what it answers.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use switchboard::messenger::{Boxed, Delivery, Messenger, NotTaken, Received, Wire, catalogue};
use switchboard::model::message::{Content, Kind, Media, MediaKind, Outgoing, Peer};
use switchboard::model::moment::Moment;
use switchboard::model::vendor::Answer;
use switchboard::net::signature::hmac_sha256_hex;
use wiremock::MockServer;

use super::wire::{FILE, mute, patient, wire};

pub(super) const NOW: Moment = Moment(1_795_171_300_000);
pub(super) const KEY: &str = "msg:01JD0000000000000000000010";

/// One messenger under test.
pub(super) struct Case {
    pub(super) messenger: &'static dyn Messenger,
    pub(super) folder: &'static str,
    pub(super) secrets: Value,
    pub(super) settings: Value,
    /// Somebody who can be written to at any time with a free text.
    pub(super) peer: Peer,
    /// What proves a delivery.
    pub(super) proof: Proof,
    /// What fetches the file that the suite fetches.
    pub(super) file_id: fn(&MockServer) -> String,
    /// Answers that a send needs before the last one, which is `success`.
    pub(super) prepare: fn(&MockServer) -> Boxed<'_, ()>,
    /// A success to any send.
    pub(super) success: Value,
    /// HTTP status, body, and what it must come to.
    pub(super) answers: Vec<(u16, Value, Answer)>,
    /// Answers in the folder, their HTTP status, and how what they come to begins when it is printed.
    pub(super) recorded: &'static [(&'static str, u16, &'static str)],
}

/// What proves that a delivery is the vendor's, and its value for a body.
#[derive(Clone, Copy)]
pub(super) enum Proof {
    /// A header.
    Header(&'static str, fn(&[u8]) -> String),
    /// A part of our address.
    Query(&'static str, &'static str),
    /// A field of the body.
    Body(&'static str, &'static str),
}

/// A vendor that needs no call before the last one.
pub(super) fn nothing(_: &MockServer) -> Boxed<'_, ()> {
    Box::pin(async {})
}

/// The name of a file that a vendor is asked for.
pub(super) fn by_number(_: &MockServer) -> String {
    "1003383421387256".to_owned()
}

pub(super) fn cases() -> Vec<Case> {
    let posted = catalogue().iter().filter(|messenger| !messenger.about().abilities.listens);
    posted.flat_map(|messenger| of_one(*messenger)).collect()
}

/// One row for each messenger; VK Notify has one for each shape of its aggregators.
fn of_one(messenger: &'static dyn Messenger) -> Vec<Case> {
    match messenger.about().kind {
        Kind::VkNotify => super::vk_notify::cases(messenger),
        _ => vec![case(messenger)],
    }
}

/// Those that send and bring files.
pub(super) fn with_files() -> Vec<Case> {
    cases().into_iter().filter(|case| !case.templates_only()).collect()
}

fn case(messenger: &'static dyn Messenger) -> Case {
    match messenger.about().kind {
        Kind::TelegramBot => super::telegram_bot::case(messenger),
        Kind::Waba => super::waba::case(messenger),
        Kind::Vk => super::vk::case(messenger),
        Kind::Avito => super::avito::case(messenger),
        Kind::WhatsappWeb => super::whatsapp_web::case(messenger),
        other => panic!("{} has no row in the suite", other.slug()),
    }
}

impl Case {
    pub(super) fn name(&self) -> &'static str {
        self.messenger.about().kind.slug()
    }

    /// So many things of it were found good.
    pub(super) fn checked(&self, count: usize) {
        super::page::checked(self.messenger.about().kind, count);
    }

    /// Something that can be sent at any time: a text, or a template that says it.
    pub(super) fn words(&self, said: &str) -> Content {
        if self.templates_only() { super::vk_notify::words(said) } else { text(said) }
    }

    pub(super) fn templates_only(&self) -> bool {
        self.messenger.about().abilities.templates_only
    }

    /// Whether a call of unknown fate may be made again.
    pub(super) fn drops_repeats(&self) -> bool {
        self.messenger.about().abilities.drops_repeats || self.settings["provider"] == "edna"
    }

    pub(super) fn wire(&self, vendor: &str) -> Wire {
        wire(vendor, &self.secrets, &self.settings)
    }

    pub(super) fn patient_wire(&self, vendor: &str) -> Wire {
        patient(vendor, &self.secrets, &self.settings)
    }

    pub(super) fn message(&self, content: Content) -> Outgoing {
        Outgoing {
            key: KEY.to_owned(),
            to: self.peer.clone(),
            names: None,
            content,
            reply_to: None,
            window_until: Some(NOW.plus_ms(1)),
            thread: None,
        }
    }

    /// Receives a body as its vendor would post it.
    pub(super) fn receive(&self, body: &[u8]) -> Result<Received, NotTaken> {
        self.receive_proven(body, Some(&self.proof_of(body)))
    }

    /// The good proof of a body.
    pub(super) fn proof_of(&self, body: &[u8]) -> String {
        match self.proof {
            Proof::Header(_, sign) => sign(body),
            Proof::Query(_, value) | Proof::Body(_, value) => value.to_owned(),
        }
    }

    /// The query and the headers with which its vendor would post a body. A proof in the body is there already.
    pub(super) fn proven(&self, body: &[u8]) -> (String, Vec<(&'static str, String)>) {
        let query = |name, value| form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
        match self.proof {
            Proof::Header(name, sign) => (String::new(), vec![(name, sign(body))]),
            Proof::Query(name, value) => (query(name, value), Vec::new()),
            Proof::Body(..) => (String::new(), Vec::new()),
        }
    }

    /// Receives a body with another proof, or with none. A body that is no object cannot carry one.
    pub(super) fn receive_proven(&self, body: &[u8], proof: Option<&str>) -> Result<Received, NotTaken> {
        let (mut query, mut headers, mut bytes) = (String::new(), Vec::new(), body.to_vec());
        match (self.proof, proof) {
            (Proof::Header(name, _), Some(value)) => headers.push((name.to_owned(), value.to_owned())),
            (Proof::Query(name, _), Some(value)) => {
                query = form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
            }
            (Proof::Body(name, good), value) if value != Some(good) => {
                let mut fields: Value = serde_json::from_slice(body).unwrap_or_default();
                if let Some(fields) = fields.as_object_mut() {
                    fields.remove(name);
                    fields.extend(value.map(|value| (name.to_owned(), json!(value))));
                    bytes = json!(fields).to_string().into_bytes();
                }
            }
            _ => {}
        }
        self.receive_as(&bytes, &query, &headers)
    }

    /// Whether the messenger takes a file of this kind from this place.
    pub(super) fn takes(&self, kind: MediaKind, source: &str) -> bool {
        let listed = self.messenger.about().media_limits.iter().any(|(known, _)| *known == kind);
        // where only pictures go as files, the address of another one is told in the text
        listed || (source.starts_with("https://") && kind != MediaKind::Sticker)
    }

    /// A kind of file that goes as bytes.
    pub(super) fn file_kind(&self) -> MediaKind {
        let document = self.takes(MediaKind::Document, "store:good");
        if document { MediaKind::Document } else { MediaKind::Image }
    }

    pub(super) fn receive_with(&self, body: &[u8], headers: &[(String, String)]) -> Result<Received, NotTaken> {
        self.receive_as(body, "", headers)
    }

    pub(super) fn receive_as(
        &self,
        body: &[u8],
        query: &str,
        headers: &[(String, String)],
    ) -> Result<Received, NotTaken> {
        let delivery = Delivery { method: "POST", query, headers, body, at: NOW };
        self.messenger.receive(&mute(&self.secrets, &self.settings), &delivery)
    }

    /// The kinds of files that are taken.
    pub(super) fn kinds(&self) -> impl Iterator<Item = MediaKind> {
        let limits = self.messenger.about().media_limits;
        KINDS.into_iter().filter(move |kind| limits.iter().any(|(listed, _)| listed == kind))
    }

    /// Whether our bytes leave in this request.
    pub(super) fn carries(body: &[u8]) -> bool {
        let encoded = BASE64_STANDARD.encode(FILE);
        [FILE, encoded.as_bytes()].iter().any(|file| body.windows(file.len()).any(|part| part == *file))
    }

    /// Every secret as it must never be shown.
    pub(super) fn assert_no_secret(&self, shown: &str) {
        assert!(!shown.contains(super::wire::VENDOR_KEY), "{}: the key shows in {shown}", self.name());
        for secret in self.secrets.as_object().unwrap().values().filter_map(Value::as_str) {
            assert!(!shown.contains(secret), "{}: a secret shows in {shown}", self.name());
        }
    }

    pub(super) fn fixture(&self, file: &str) -> Vec<u8> {
        std::fs::read(format!("{}/{file}", self.fixtures())).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    pub(super) fn fixture_json(&self, file: &str) -> Value {
        serde_json::from_slice(&self.fixture(file)).unwrap()
    }

    pub(super) fn fixtures(&self) -> String {
        format!("{}/tests/fixtures/{}", env!("CARGO_MANIFEST_DIR"), self.folder)
    }

    /// The recorded answers; each error in the folder is among them.
    pub(super) fn recorded(&self) -> impl Iterator<Item = (&'static str, u16, &'static str)> {
        let listed = |name: &String| self.recorded.iter().any(|(file, ..)| file == name);
        let errors = self.files(&["resp_error_", "resp_send_"]);
        assert!(errors.iter().all(listed), "{}: an answer has no row: {errors:?}", self.folder);
        self.recorded.iter().copied()
    }

    /// The files of the folder that are deliveries of the vendor.
    pub(super) fn deliveries(&self) -> Vec<String> {
        let names = self.files(&["update_", "in_", "ev_", "status_", "batch_", "group_", "template_", "cb_", "hook_"]);
        assert!(names.len() > 10, "{} has too few fixtures", self.folder);
        names
    }

    fn files(&self, starts: &[&str]) -> Vec<String> {
        let names =
            std::fs::read_dir(self.fixtures()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| starts.iter().any(|start| name.starts_with(start))).collect();
        names.sort();
        names
    }
}

pub(super) fn text(text: &str) -> Content {
    Content { text: Some(text.to_owned()), ..Content::default() }
}

pub(crate) fn file(kind: MediaKind, source: &str, caption: Option<&str>) -> Content {
    let (name, mime) = match kind {
        MediaKind::Image => ("фото.jpg", "image/jpeg"),
        MediaKind::Video => ("film.mp4", "video/mp4"),
        MediaKind::Audio => ("music.mp3", "audio/mpeg"),
        MediaKind::Voice => ("voice.ogg", "audio/ogg"),
        MediaKind::Sticker => ("sticker.webp", "image/webp"),
        MediaKind::Document => ("Договор.pdf", "application/pdf"),
    };
    let media = Media { kind, name: name.to_owned(), mime: mime.to_owned(), source: source.to_owned(), size: None };
    Content { text: caption.map(str::to_owned), media: Some(media), ..Content::default() }
}

pub(crate) const KINDS: [MediaKind; 6] =
    [MediaKind::Image, MediaKind::Video, MediaKind::Audio, MediaKind::Voice, MediaKind::Sticker, MediaKind::Document];

pub(super) fn hub_signature(secret: &str, body: &[u8]) -> String {
    format!("sha256={}", hmac_sha256_hex(secret.as_bytes(), body))
}

pub(super) fn error_of(code: i64, message: &str) -> Value {
    json!({"error": {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A1"}})
}

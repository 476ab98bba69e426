//! What the suite must know of each messenger: its secrets, how its vendor signs, and what it answers.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use switchboard::messenger::{Delivery, Messenger, NotTaken, Received, Wire, catalogue};
use switchboard::model::message::{Content, Kind, Media, MediaKind, Outgoing, Peer};
use switchboard::model::moment::Moment;
use switchboard::model::vendor::Answer;
use switchboard::net::signature::hmac_sha256_hex;

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
    /// The header that proves a body.
    pub(super) sign: fn(&[u8]) -> (String, String),
    /// A success to any send.
    pub(super) success: Value,
    /// HTTP status, body, and what it must come to.
    pub(super) answers: Vec<(u16, Value, Answer)>,
    /// Answers in the folder, their HTTP status, and how what they come to begins when it is printed.
    pub(super) recorded: &'static [(&'static str, u16, &'static str)],
}

pub(super) fn cases() -> Vec<Case> {
    let posted = catalogue().iter().filter(|messenger| !messenger.about().abilities.listens);
    posted.map(|messenger| case(*messenger)).collect()
}

fn case(messenger: &'static dyn Messenger) -> Case {
    match messenger.about().kind {
        Kind::TelegramBot => super::telegram_bot::case(messenger),
        Kind::Waba => super::waba::case(messenger),
        Kind::WhatsappWeb => super::whatsapp_web::case(messenger),
        other => panic!("{} has no row in the suite", other.slug()),
    }
}

impl Case {
    pub(super) fn name(&self) -> &'static str {
        self.messenger.about().kind.slug()
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
        self.receive_with(body, &[(self.sign)(body)])
    }

    pub(super) fn receive_with(&self, body: &[u8], headers: &[(String, String)]) -> Result<Received, NotTaken> {
        let delivery = Delivery { method: "POST", query: "", headers, body, at: NOW };
        self.messenger.receive(&mute(&self.secrets, &self.settings), &delivery)
    }

    /// The kinds of files that are taken.
    pub(super) fn kinds(&self) -> impl Iterator<Item = MediaKind> {
        let limits = self.messenger.about().media_limits;
        KINDS.into_iter().filter(move |kind| limits.iter().any(|(listed, _)| listed == kind))
    }

    /// How the vendor names a file that came in.
    pub(super) fn file_name(&self) -> &'static str {
        match self.folder {
            "whatsapp_web" => super::whatsapp_web::FILE_PATH,
            _ => "1003383421387256",
        }
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
        let names = self.files(&["update_", "in_", "ev_", "status_", "batch_", "group_", "template_"]);
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

pub(super) fn hub_signature(secret: &str, body: &[u8]) -> (String, String) {
    ("x-hub-signature-256".to_owned(), format!("sha256={}", hmac_sha256_hex(secret.as_bytes(), body)))
}

pub(super) fn error_of(code: i64, message: &str) -> Value {
    json!({"error": {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A1"}})
}

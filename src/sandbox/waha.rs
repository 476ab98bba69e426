//! A WAHA gateway with the engine GOWS: sessions, their linking, messages, files and webhooks.

mod change;
mod group;
mod history;
mod link;
mod send;
pub(crate) mod webhook;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::answer::{Answer, Body};
use super::door::Call;
use super::fault::{Fault, Kind};
use super::phone::Media;
use super::state::{Sandbox, random_hex};
pub(crate) use history::remember;
pub(crate) use link::{Linked, current_qr, move_to, remove_device, scan, type_code};
pub(crate) use send::{acknowledge, new_id, own_chat};

/// The gateway.
#[derive(Debug, Default)]
pub(crate) struct Waha {
    /// The key that every call must bring; empty until one is set.
    pub(crate) key: String,
    /// The sessions, by name.
    pub(crate) sessions: BTreeMap<String, Session>,
    /// Files that came in, by their path.
    pub(crate) files: HashMap<String, (Media, Bytes)>,
    /// Phones that let nobody add them to groups.
    pub(crate) closed: HashSet<String>,
}

/// One session: one phone.
#[derive(Debug)]
pub(crate) struct Session {
    /// Its name.
    pub(crate) name: String,
    /// `STOPPED`, `STARTING`, `SCAN_QR_CODE` and so on.
    pub(crate) status: &'static str,
    /// The latest states and their moments.
    pub(crate) statuses: Vec<(&'static str, i64)>,
    /// The phone that is linked, and how its owner is called.
    pub(crate) me: Option<(String, String)>,
    /// As it was given.
    pub(crate) config: Value,
    /// What the QR codes of this start are made of, and when the first was shown.
    pub(crate) qr: (String, i64),
    /// The code that was asked for, and for which phone.
    pub(crate) code: Option<(String, String)>,
    /// What the phone does after it is scanned: asks for a passkey, and for a comparison of codes.
    pub(crate) passkey: (bool, bool),
    /// How customers are named: `shown`, `told` (hidden, with the phone beside) or `hidden`.
    pub(crate) names: &'static str,
    /// Rises with every start, so that an old start moves nothing.
    pub(crate) start: u64,
    /// Its groups, by chat.
    pub(crate) groups: BTreeMap<String, group::Group>,
    /// Every message of its chats, oldest first.
    pub(crate) log: Vec<Value>,
    /// Its webhooks are lost on the way.
    pub(crate) hushed: bool,
    /// Where its webhook deliveries queue up.
    pub(crate) outbox: UnboundedSender<Value>,
}

/// An error of the gateway: its status and its body.
#[derive(Debug)]
pub(crate) struct Trouble(pub(crate) u16, pub(crate) Value);

impl Trouble {
    /// An error with a message.
    pub(crate) fn said(status: u16, message: &str) -> Self {
        let error = match status {
            401 => "Unauthorized",
            404 => "Not Found",
            422 => "Unprocessable Entity",
            429 => "Too Many Requests",
            _ => "Bad Request",
        };
        Self(status, json!({"message": message, "error": error, "statusCode": status}))
    }

    /// The engine stumbled.
    pub(crate) fn stumbled(details: &str) -> Self {
        let exception = json!({"message": format!("2 UNKNOWN: {details}"), "code": 2, "details": details});
        Self(500, json!({"statusCode": 500, "timestamp": "2026-07-23T19:48:30.717Z", "exception": exception}))
    }

    /// The session is in another state than the call needs.
    pub(crate) fn state(session: &str, status: &str, expected: &[&str]) -> Self {
        Self(
            422,
            json!({"error": "Session status is not as expected. Try again later or restart the session",
                "session": session, "status": status, "expected": expected}),
        )
    }
}

/// The method and the session of an address, for the ledger and for planned faults.
pub(crate) fn names(parts: &[String]) -> (String, String) {
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["api", "sessions"] => ("sessions".to_owned(), String::new()),
        ["api", "sessions", name] => ("session".to_owned(), (*name).to_owned()),
        ["api", "sessions", name, action] => ((*action).to_owned(), (*name).to_owned()),
        ["api", "files", name, ..] => ("file".to_owned(), (*name).to_owned()),
        ["api", "contacts", what] => ((*what).to_owned(), String::new()),
        ["api", name, "auth", rest @ ..] => (rest.join("/"), (*name).to_owned()),
        ["api", name, "groups", _, rest @ ..] if !rest.is_empty() => (rest.join("/"), (*name).to_owned()),
        ["api", name, "chats", _, "messages", _] => ("message".to_owned(), (*name).to_owned()),
        ["api", name, "chats", _, "messages"] => ("messages".to_owned(), (*name).to_owned()),
        ["api", name, what, ..] => ((*what).to_owned(), (*name).to_owned()),
        ["api", method] => ((*method).to_owned(), String::new()),
        other => (other.join("/"), String::new()),
    }
}

/// The hidden id of a phone.
pub(crate) fn hidden_id(phone: &str) -> String {
    format!("1{}", phone.chars().rev().collect::<String>())
}

/// The phone of a chat, by whichever name.
pub(crate) fn phone_of(chat: &str) -> Option<String> {
    let (user, server) = chat.split_once('@')?;
    match server {
        "c.us" => Some(user.to_owned()),
        "lid" => Some(user.strip_prefix('1')?.chars().rev().collect()),
        _ => None,
    }
}

/// Answers one call to the gateway.
pub(crate) fn answer(sandbox: &Arc<Sandbox>, parts: &[String], call: &Call) -> Answer {
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    if parts == ["ping"] {
        return Answer::json(200, json!({"message": "pong"}));
    }
    let key = sandbox.waha.lock().key.clone();
    if key.is_empty() || call.key.as_deref() != Some(key.as_str()) {
        return refuse(Trouble::said(401, "Unauthorized"));
    }
    if let ["api", "files", ..] = parts.as_slice() {
        return download(sandbox, &format!("/{}", parts.join("/")));
    }
    let done = match (call.verb.as_str(), parts.as_slice()) {
        ("GET", ["api", "sessions"]) => {
            Ok((200, json!(sandbox.waha.lock().sessions.values().map(card).collect::<Vec<_>>())))
        }
        ("POST", ["api", "sessions"]) => link::create(sandbox, call),
        ("GET", ["api", "sessions", name]) => with_session(sandbox, name, |session| Ok((200, card(session)))),
        ("PUT", ["api", "sessions", name]) => link::update(sandbox, name, call),
        ("DELETE", ["api", "sessions", name]) => Ok(link::delete(sandbox, name)),
        ("POST", ["api", "sessions", name, action]) => link::act(sandbox, name, action),
        (_, ["api", name, "auth", rest @ ..]) => link::auth(sandbox, name, rest, call),
        ("GET", ["api", "contacts", "check-exists"]) => send::check_exists(sandbox, call),
        ("GET", ["api", name, "lids", hidden]) => send::show_hidden(sandbox, name, hidden),
        ("GET", ["api", _, "new-message-id"]) => Ok((200, json!({"id": send::new_id()}))),
        (verb, ["api", name, "groups", rest @ ..]) => group::act(sandbox, name, verb, rest, call),
        (verb @ ("PUT" | "DELETE"), ["api", name, "chats", chat, "messages", message]) => {
            change::change(sandbox, name, verb, (chat, message), call)
        }
        ("PUT", ["api", "reaction"]) => change::react(sandbox, call),
        ("GET", ["api", name, "chats", rest @ ..]) => history::tell(sandbox, name, rest, call),
        ("POST", ["api", method]) => send::send(sandbox, method, call),
        _ => Err(Trouble::said(404, &format!("Cannot {} /{}", call.verb, parts.join("/")))),
    };
    match done {
        Ok((status, body)) => Answer::json(status, body),
        Err(trouble) => refuse(trouble),
    }
}

fn refuse(trouble: Trouble) -> Answer {
    Answer::json(trouble.0, trouble.1)
}

/// Lets a call work on a session.
pub(crate) fn with_session<T>(
    sandbox: &Sandbox,
    name: &str,
    work: impl FnOnce(&mut Session) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let now = sandbox.now().0;
    let mut waha = sandbox.waha.lock();
    let session = waha.sessions.get_mut(name).ok_or_else(|| Trouble::said(404, "Session not found"))?;
    link::run_out(session, now);
    work(session)
}

/// A session as the gateway shows it.
fn card(session: &Session) -> Value {
    let me = session.me.as_ref().map(|(phone, name)| {
        json!({"id": format!("{phone}@c.us"), "pushName": name, "lid": format!("{}@lid", hidden_id(phone)),
            "jid": format!("{phone}:12@s.whatsapp.net")})
    });
    json!({"name": session.name, "status": session.status, "config": session.config, "me": me, "engine": {"engine": "GOWS"},
        "presence": null, "timestamps": {"activity": null}})
}

/// Keeps a file that came in and says its path.
pub(crate) fn keep_file(waha: &mut Waha, session: &str, media: Media, bytes: Bytes) -> String {
    let extension = media.name.rsplit_once('.').map_or("bin", |(_, extension)| extension);
    let path = format!("/api/files/{session}/3EB0{}.{extension}", random_hex(8).to_uppercase());
    waha.files.insert(path.clone(), (media, bytes));
    path
}

fn download(sandbox: &Sandbox, path: &str) -> Answer {
    match sandbox.waha.lock().files.get(path) {
        Some((media, bytes)) => {
            Answer { status: 200, body: Body::Raw(bytes.clone(), media.mime.clone()), header: None }
        }
        None => refuse(Trouble::said(404, "File not found")),
    }
}

/// The answer of a planned fault that takes nothing.
pub(crate) fn refuse_by_plan(fault: &Fault) -> Answer {
    let text = fault.text.clone().unwrap_or_default();
    refuse(match fault.kind {
        Kind::Busy => Trouble::said(429, "Too many requests"),
        Kind::TokenExpired => Trouble::state("planned", "SCAN_QR_CODE", &["WORKING"]),
        Kind::Refuse => match fault.status {
            Some(status) if status != 500 => Trouble::said(status, &text),
            _ => Trouble::stumbled(&text),
        },
        _ => Trouble::state("planned", "STARTING", &["WORKING"]),
    })
}

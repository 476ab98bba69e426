//! Sessions come and go, and phones are linked to them: by a QR code that changes, by a code that is typed, with or without a
//! passkey.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Session, Trouble, card, with_session};
use crate::sandbox::args::text_at;
use crate::sandbox::door::Call;
use crate::sandbox::state::{Sandbox, random_hex};

use super::webhook;

/// The first QR code of a start is shown for so long, the next ones shorter.
const FIRST_QR_MS: i64 = 60_000;
const NEXT_QR_MS: i64 = 20_000;

/// So many follow the first one; then the session fails.
const NEXT_QRS: i64 = 5;

/// How long a start and a synchronisation take.
const START_MS: u64 = 30;

const CHALLENGE: &str = "9WVUYm9AsQ";
const COMPARED: &str = "WX7-2QK";

type Told = Result<(u16, Value), Trouble>;

/// What a phone did with a session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Linked {
    /// It was linked, or asks for more.
    Yes,
    /// There is no such session, or it waits for nobody.
    NotWaiting,
    /// The code is not the one that is shown.
    WrongCode,
}

/// `POST /api/sessions`.
pub(crate) fn create(sandbox: &Arc<Sandbox>, call: &Call) -> Told {
    let name = call.args.text("name").unwrap_or_else(|| format!("session_{}", random_hex(6)));
    let good = name.len() <= 54 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !good {
        return Err(Trouble::said(400, "name must be at most 54 letters, digits, - and _"));
    }
    let config = call.args.get("config").cloned().unwrap_or_else(|| json!({}));
    check_config(&config)?;
    let (outbox, queue) = tokio::sync::mpsc::unbounded_channel();
    {
        let mut waha = sandbox.waha.lock();
        if waha.sessions.contains_key(&name) {
            return Err(Trouble::said(422, &format!("Session '{name}' already exists. Use PUT to update it.")));
        }
        let session = Session {
            name: name.clone(),
            status: "STOPPED",
            statuses: Vec::new(),
            me: None,
            config,
            qr: (String::new(), 0),
            code: None,
            passkey: (false, false),
            names: "shown",
            start: 0,
            groups: std::collections::BTreeMap::new(),
            log: Vec::new(),
            hushed: false,
            outbox,
        };
        waha.sessions.insert(name.clone(), session);
    }
    sandbox.spawn(webhook::deliver_all(Arc::clone(sandbox), name.clone(), queue));
    if call.args.get("start").is_none_or(|start| start != &Value::Bool(false)) {
        start(sandbox, &name);
    }
    with_session(sandbox, &name, |session| Ok((201, card(session))))
}

fn check_config(config: &Value) -> Result<(), Trouble> {
    let webhooks = config.get("webhooks").and_then(Value::as_array).cloned().unwrap_or_default();
    for webhook in webhooks {
        let events = webhook.get("events").and_then(Value::as_array).is_some_and(|events| !events.is_empty());
        if !text_at(&webhook, "url").starts_with("http") || !events {
            return Err(Trouble::said(400, "webhooks must have an url and events"));
        }
    }
    Ok(())
}

/// `PUT /api/sessions/{name}`: a session that runs is started anew.
pub(crate) fn update(sandbox: &Arc<Sandbox>, name: &str, call: &Call) -> Told {
    let config = call.args.get("config").cloned().unwrap_or_else(|| json!({}));
    check_config(&config)?;
    let runs = with_session(sandbox, name, |session| {
        session.config = config;
        Ok(session.status != "STOPPED")
    })?;
    if runs {
        move_to(sandbox, name, "STOPPED", &Value::Null);
        start(sandbox, name);
    }
    with_session(sandbox, name, |session| Ok((200, card(session))))
}

/// `DELETE /api/sessions/{name}`: stops, logs out, forgets. A session that is not there is as good.
pub(crate) fn delete(sandbox: &Arc<Sandbox>, name: &str) -> (u16, Value) {
    move_to(sandbox, name, "STOPPED", &Value::Null);
    sandbox.waha.lock().sessions.remove(name);
    (200, Value::Null)
}

/// `POST /api/sessions/{name}/start` and so on.
pub(crate) fn act(sandbox: &Arc<Sandbox>, name: &str, action: &str) -> Told {
    let status = with_session(sandbox, name, |session| Ok(session.status))?;
    match action {
        "start" if status != "STOPPED" => {}
        "start" => start(sandbox, name),
        "stop" => move_to(sandbox, name, "STOPPED", &Value::Null),
        "restart" => {
            move_to(sandbox, name, "STOPPED", &Value::Null);
            start(sandbox, name);
        }
        "logout" => {
            with_session(sandbox, name, |session| {
                session.me = None;
                Ok(())
            })?;
            if status != "STOPPED" {
                start(sandbox, name);
            }
        }
        _ => return Err(Trouble::said(404, "Cannot POST")),
    }
    with_session(sandbox, name, |session| Ok((201, card(session))))
}

/// Starts a session: a moment later it works, or waits for a phone.
fn start(sandbox: &Arc<Sandbox>, name: &str) {
    let seed = random_hex(12);
    let number = with_session(sandbox, name, |session| {
        session.start += 1;
        session.qr = (seed, 0);
        session.code = None;
        Ok(session.start)
    });
    let Ok(number) = number else { return };
    move_to(sandbox, name, "STARTING", &Value::Null);
    later(sandbox, name, number);
}

/// What becomes of a start, a moment later.
fn later(sandbox: &Arc<Sandbox>, name: &str, number: u64) {
    let (beside, name) = (Arc::clone(sandbox), name.to_owned());
    sandbox.spawn(async move {
        tokio::time::sleep(Duration::from_millis(START_MS)).await;
        let now = beside.now().0;
        let next = with_session(&beside, &name, |session| {
            if session.start != number || session.status != "STARTING" {
                return Ok(None);
            }
            if session.me.is_none() {
                session.qr.1 = now;
            }
            Ok(Some(if session.me.is_some() { "WORKING" } else { "SCAN_QR_CODE" }))
        });
        if let Ok(Some(next)) = next {
            move_to(&beside, &name, next, &Value::Null);
        }
    });
}

/// Moves a session to another state and tells of it.
pub(crate) fn move_to(sandbox: &Sandbox, name: &str, status: &'static str, data: &Value) {
    let now = sandbox.now().0;
    let told = {
        let mut waha = sandbox.waha.lock();
        let Some(session) = waha.sessions.get_mut(name) else { return };
        session.status = status;
        session.statuses.push((status, now));
        if session.statuses.len() > 3 {
            session.statuses.remove(0);
        }
        let points: Vec<Value> =
            session.statuses.iter().map(|(status, at)| json!({"status": status, "timestamp": at})).collect();
        json!({"name": name, "status": status, "statuses": points, "data": data})
    };
    webhook::tell(sandbox, name, "session.status", &told);
}

/// The QR code that is shown now.
pub(crate) fn current_qr(session: &Session, now: i64) -> Option<String> {
    if session.status != "SCAN_QR_CODE" {
        return None;
    }
    let number = qr_number(session, now);
    Some(format!("2@{}{number},c3dpdGNoYm9hcmQ=,{}", session.qr.0, session.name))
}

fn qr_number(session: &Session, now: i64) -> i64 {
    let shown_ms = now - session.qr.1;
    if shown_ms < FIRST_QR_MS { 0 } else { 1 + (shown_ms - FIRST_QR_MS) / NEXT_QR_MS }
}

/// A session whose codes nobody used fails.
pub(crate) fn run_out(session: &mut Session, now: i64) {
    if session.status == "SCAN_QR_CODE" && qr_number(session, now) > NEXT_QRS {
        session.status = "FAILED";
        session.statuses.push(("FAILED", now));
    }
}

/// `/api/{name}/auth/…`.
pub(crate) fn auth(sandbox: &Arc<Sandbox>, name: &str, rest: &[&str], call: &Call) -> Told {
    let now = sandbox.now().0;
    let expect = |session: &Session, status: &'static str| {
        let good = session.status == status;
        if good { Ok(()) } else { Err(Trouble::state(name, session.status, &[status])) }
    };
    match (call.verb.as_str(), rest) {
        ("GET", ["qr"]) => with_session(sandbox, name, |session| {
            expect(session, "SCAN_QR_CODE")?;
            if call.args.text("format").as_deref() != Some("raw") {
                return Err(Trouble::said(400, "the sandbox draws no pictures: ask with format=raw"));
            }
            Ok((200, json!({"value": current_qr(session, now)})))
        }),
        ("POST", ["request-code"]) => with_session(sandbox, name, |session| {
            expect(session, "SCAN_QR_CODE")?;
            let phone = call.args.text("phoneNumber").unwrap_or_default();
            if phone.len() < 7 || !phone.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(Trouble::stumbled("phone number is not in the international format"));
            }
            let raw = random_hex(4).to_uppercase();
            let (left, right) = raw.split_at_checked(4).unwrap_or((&raw, ""));
            let code = format!("{left}-{right}");
            session.code = Some((code.clone(), phone));
            Ok((201, json!({"code": code})))
        }),
        ("GET", ["passkey", "challenge"]) => with_session(sandbox, name, |session| {
            expect(session, "PASSKEY_REQUIRED")?;
            Ok((200, challenge()))
        }),
        ("POST", ["passkey"]) => {
            with_session(sandbox, name, |session| expect(session, "PASSKEY_REQUIRED"))?;
            let given = Value::Object(call.args.0.clone());
            if ["id", "rawId", "type", "response"].iter().any(|part| given.get(part).is_none()) {
                return Err(Trouble::said(400, "id, rawId, type and response must be given"));
            }
            pass(sandbox, name);
            Ok((201, Value::Null))
        }
        ("GET", ["passkey", "confirmation"]) => with_session(sandbox, name, |session| {
            expect(session, "PASSKEY_CONFIRMATION_REQUIRED")?;
            Ok((200, json!({"code": COMPARED})))
        }),
        ("POST", ["passkey", "confirm"]) => {
            with_session(sandbox, name, |session| expect(session, "PASSKEY_CONFIRMATION_REQUIRED"))?;
            synchronise(sandbox, name);
            Ok((201, Value::Null))
        }
        _ => Err(Trouble::said(404, "Cannot find it")),
    }
}

fn challenge() -> Value {
    json!({"challenge": CHALLENGE, "timeout": 60_000, "rpId": "web.whatsapp.com",
        "allowCredentials": [{"id": "AX8bTgH2", "type": "public-key", "transports": ["internal", "hybrid"]}],
        "userVerification": "required"})
}

fn pass(sandbox: &Arc<Sandbox>, name: &str) {
    let compares = with_session(sandbox, name, |session| Ok(session.passkey.1)).unwrap_or_default();
    if compares {
        move_to(sandbox, name, "PASSKEY_CONFIRMATION_REQUIRED", &json!({"code": COMPARED}));
    } else {
        synchronise(sandbox, name);
    }
}

fn synchronise(sandbox: &Arc<Sandbox>, name: &str) {
    move_to(sandbox, name, "STARTING", &Value::Null);
    if let Ok(number) = with_session(sandbox, name, |session| Ok(session.start)) {
        later(sandbox, name, number);
    }
}

/// The owner's phone scans the code that it sees.
pub(crate) fn scan(sandbox: &Arc<Sandbox>, name: &str, qr: Option<&str>, who: &Map<String, Value>) -> Linked {
    let now = sandbox.now().0;
    let checked = with_session(sandbox, name, |session| {
        let shown = current_qr(session, now);
        Ok(match shown {
            None => Linked::NotWaiting,
            Some(shown) if qr.is_some_and(|qr| qr != shown) => Linked::WrongCode,
            Some(_) => Linked::Yes,
        })
    });
    let checked = checked.unwrap_or(Linked::NotWaiting);
    if checked == Linked::Yes {
        link(sandbox, name, who);
    }
    checked
}

/// The owner types a code into the phone.
pub(crate) fn type_code(sandbox: &Arc<Sandbox>, name: &str, code: &str, who: &Map<String, Value>) -> Linked {
    let phone = who.get("phone").and_then(Value::as_str).unwrap_or_default();
    let checked = with_session(sandbox, name, |session| {
        Ok(match &session.code {
            _ if session.status != "SCAN_QR_CODE" => Linked::NotWaiting,
            Some((shown, asked)) if shown == code && asked == phone => Linked::Yes,
            _ => Linked::WrongCode,
        })
    });
    let checked = checked.unwrap_or(Linked::NotWaiting);
    if checked == Linked::Yes {
        link(sandbox, name, who);
    }
    checked
}

fn link(sandbox: &Arc<Sandbox>, name: &str, who: &Map<String, Value>) {
    let who = Value::Object(who.clone());
    let yes = |key: &str| who.get(key) == Some(&Value::Bool(true));
    let passkey = (yes("passkey"), yes("compare"));
    let _ = with_session(sandbox, name, |session| {
        let title = text_at(&who, "name");
        let title = if title.is_empty() { "Компания".to_owned() } else { title };
        session.me = Some((text_at(&who, "phone"), title));
        session.passkey = passkey;
        Ok(())
    });
    if passkey.0 {
        move_to(sandbox, name, "PASSKEY_REQUIRED", &challenge());
    } else {
        synchronise(sandbox, name);
    }
}

/// The owner removes the device on the phone: the session waits for a phone again.
pub(crate) fn remove_device(sandbox: &Arc<Sandbox>, name: &str) -> Result<(), Trouble> {
    let now = sandbox.now().0;
    with_session(sandbox, name, |session| {
        session.me = None;
        session.qr = (random_hex(12), now);
        Ok(())
    })?;
    move_to(sandbox, name, "SCAN_QR_CODE", &Value::Null);
    Ok(())
}

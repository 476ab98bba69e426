//! The control of the gateway of `WhatsApp` Web: the owner's phone in the hands of a test or of the page.

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use serde_json::{Value, json};

use super::{missing, refuse, tell};
use crate::sandbox::args::{as_text, as_yes, text_at};
use crate::sandbox::state::{Sandbox, random_hex};
use crate::sandbox::waha::{self, Linked};

/// The states that a session can be put into.
const STATES: [&str; 7] =
    ["STOPPED", "STARTING", "SCAN_QR_CODE", "PASSKEY_REQUIRED", "PASSKEY_CONFIRMATION_REQUIRED", "WORKING", "FAILED"];

/// The routes of the gateway.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/_/waha", web::post().to(set_key))
        .route("/_/waha", web::get().to(list_sessions))
        .route("/_/waha/closed", web::post().to(set_closed))
        .route("/_/waha/sessions/{name}", web::post().to(set_names))
        .route("/_/waha/sessions/{name}/hush", web::post().to(hush))
        .route("/_/waha/sessions/{name}/scan", web::post().to(scan))
        .route("/_/waha/sessions/{name}/type", web::post().to(type_code))
        .route("/_/waha/sessions/{name}/remove", web::post().to(remove))
        .route("/_/waha/sessions/{name}/move", web::post().to(move_session))
        .route("/_/waha/sessions/{name}/say", web::post().to(say))
        .route("/_/waha/sessions/{name}/event", web::post().to(post_event));
}

async fn set_key(sandbox: Data<Sandbox>, given: Json<Value>) -> HttpResponse {
    let key = Some(text_at(&given, "key")).filter(|key| !key.is_empty()).unwrap_or_else(|| random_hex(16));
    sandbox.waha.lock().key.clone_from(&key);
    tell(json!({"key": key, "base": format!("{}/waha", sandbox.base())}))
}

async fn list_sessions(sandbox: Data<Sandbox>) -> HttpResponse {
    let now = sandbox.now().0;
    let waha = sandbox.waha.lock();
    let card = |session: &waha::Session| {
        json!({"name": session.name, "status": session.status, "me": session.me, "names": session.names,
            "qr": waha::current_qr(session, now), "code": session.code.as_ref().map(|(code, _)| code),
            "webhook": session.config.pointer("/webhooks/0/url"), "hushed": session.hushed,
            "groups": session.groups.iter().map(|(id, group)| json!({"id": id, "subject": group.subject,
                "members": group.members, "inside": group.inside})).collect::<Vec<_>>()})
    };
    let closed: BTreeSet<&String> = waha.closed.iter().collect();
    tell(json!({"sessions": waha.sessions.values().map(card).collect::<Vec<_>>(), "closed": closed}))
}

async fn set_closed(sandbox: Data<Sandbox>, given: Json<Value>) -> HttpResponse {
    let phones = given.get("phones").and_then(Value::as_array).cloned().unwrap_or_default();
    sandbox.waha.lock().closed = phones.iter().filter_map(as_text).collect();
    tell(json!({"ok": true}))
}

/// What a session would post is lost on the way until it is told to speak again.
async fn hush(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    let mut waha = sandbox.waha.lock();
    let Some(session) = waha.sessions.get_mut(name.as_str()) else { return missing("session") };
    session.hushed = given.get("on").is_none_or(as_yes);
    tell(json!({"hushed": session.hushed}))
}

async fn set_names(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    let names = match text_at(&given, "names").as_str() {
        "shown" => "shown",
        "told" => "told",
        "hidden" => "hidden",
        _ => return refuse("names is shown, told or hidden"),
    };
    let mut waha = sandbox.waha.lock();
    let Some(session) = waha.sessions.get_mut(name.as_str()) else { return missing("session") };
    session.names = names;
    tell(json!({"ok": true}))
}

async fn scan(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    let qr = Some(text_at(&given, "qr")).filter(|qr| !qr.is_empty());
    let who = given.as_object().cloned().unwrap_or_default();
    say_linked(&waha::scan(&sandbox.into_inner(), &name, qr.as_deref(), &who))
}

async fn type_code(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    let who = given.as_object().cloned().unwrap_or_default();
    say_linked(&waha::type_code(&sandbox.into_inner(), &name, &text_at(&given, "code"), &who))
}

fn say_linked(linked: &Linked) -> HttpResponse {
    match linked {
        Linked::Yes => tell(json!({"ok": true})),
        Linked::NotWaiting => refuse("the session waits for no phone"),
        Linked::WrongCode => refuse("the code is not the one that is shown"),
    }
}

async fn remove(sandbox: Data<Sandbox>, name: Path<String>) -> HttpResponse {
    match waha::remove_device(&sandbox.into_inner(), &name) {
        Ok(()) => tell(json!({"ok": true})),
        Err(_) => missing("session"),
    }
}

async fn move_session(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    let wanted = text_at(&given, "status");
    let Some(status) = STATES.into_iter().find(|status| *status == wanted) else { return refuse("no such status") };
    waha::move_to(&sandbox, &name, status, &Value::Null);
    tell(json!({"ok": true}))
}

async fn say(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    let (to, id) = (text_at(&given, "to"), waha::new_id());
    let chat = format!("{to}@c.us");
    let payload = json!({"id": format!("true_{chat}_{id}"), "timestamp": sandbox.unix(), "from": waha::own_chat(&sandbox, &name),
        "fromMe": true, "source": "app", "to": chat, "body": text_at(&given, "text"), "hasMedia": false, "ack": 1,
        "vCards": [], "_data": {}});
    waha::remember(&sandbox, &name, &payload);
    waha::webhook::tell(&sandbox, &name, "message.any", &payload);
    tell(json!({"id": id}))
}

async fn post_event(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    let payload = given.get("payload").cloned().unwrap_or_default();
    waha::webhook::tell(&sandbox, &name, &text_at(&given, "event"), &payload);
    tell(json!({"ok": true}))
}

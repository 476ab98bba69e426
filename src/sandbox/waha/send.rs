//! Messages through the gateway: what is refused, what is taken, and how it is acknowledged.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use serde_json::{Value, json};

use super::history::remember;
use super::webhook::tell;
use super::{Trouble, hidden_id, phone_of, with_session};
use crate::sandbox::args::text_at;
use crate::sandbox::door::Call;
use crate::sandbox::phone::{Bubble, Media, bubble};
use crate::sandbox::state::{Sandbox, random_hex};

type Told = Result<(u16, Value), Trouble>;

/// An id as the engine makes them.
pub(crate) fn new_id() -> String {
    format!("3EB0{}", random_hex(9).to_uppercase())
}

/// `POST /api/send…`.
pub(crate) fn send(sandbox: &Arc<Sandbox>, method: &str, call: &Call) -> Told {
    let session = call.args.text("session").unwrap_or_default();
    let chat = call.args.text("chatId").unwrap_or_default();
    with_session(sandbox, &session, |session| {
        let works = session.status == "WORKING";
        if works { Ok(()) } else { Err(Trouble::state(&session.name, session.status, &["WORKING"])) }
    })?;
    let to = if chat.ends_with("@g.us") {
        members(sandbox, &session, &chat)?
    } else {
        vec![phone_of(&chat).ok_or_else(|| Trouble::stumbled("can't send message to unknown server"))?]
    };
    let mut made = bubble("whatsapp_web", &session, "received", sandbox.now(), sandbox.tick());
    read(method, call, &mut made)?;
    let asked = call.args.text("id");
    made.id = asked.clone().unwrap_or_else(new_id);
    if let Some(phone) = to.iter().find(|phone| !has_whatsapp(sandbox, phone)) {
        return Err(Trouble::stumbled(&format!("no LID found for {phone}@s.whatsapp.net from server")));
    }
    let is_repeated = asked.is_some_and(|id| {
        to.iter().any(|phone| sandbox.phones.lock().get(phone).is_some_and(|phone| phone.find(&session, &id).is_some()))
    });
    let told = told(sandbox, &session, &made, &chat);
    if !is_repeated {
        let beside = Arc::clone(sandbox);
        let echo = told.clone();
        sandbox.spawn(async move { settle(&beside, &session, &to, &chat, made, &echo).await });
    }
    Ok((201, told))
}

/// Who is in a group that we are in.
fn members(sandbox: &Sandbox, session: &str, chat: &str) -> Result<Vec<String>, Trouble> {
    with_session(sandbox, session, |session| match session.groups.get(chat) {
        Some(group) if group.inside => Ok(group.members.iter().cloned().collect()),
        _ => Err(Trouble::said(400, "you are not a participant of the group")),
    })
}

fn read(method: &str, call: &Call, made: &mut Bubble) -> Result<(), Trouble> {
    let bad = |what: &str| Trouble::said(400, what);
    match method {
        "sendText" => {
            made.text = call.args.text("text").ok_or_else(|| bad("text must be a string"))?;
        }
        "sendLocation" => {
            let degrees = |key: &str| call.args.get(key).and_then(Value::as_f64).ok_or_else(|| bad("not a number"));
            "location".clone_into(&mut made.kind);
            let title = call.args.text("title").unwrap_or_default();
            let text = format!("{} {} {title}", degrees("latitude")?, degrees("longitude")?);
            text.trim_end().clone_into(&mut made.text);
        }
        "sendContactVcard" => {
            "contact".clone_into(&mut made.kind);
            let cards = call.args.get("contacts").and_then(Value::as_array).cloned().unwrap_or_default();
            if cards.is_empty() || cards.iter().any(|card| !text_at(card, "vcard").starts_with("BEGIN:VCARD")) {
                return Err(bad("contacts must hold vcards"));
            }
            made.text = cards.iter().map(|card| text_at(card, "vcard")).collect::<Vec<_>>().join("\n");
        }
        "sendImage" | "sendFile" | "sendVideo" | "sendVoice" => {
            if matches!(method, "sendVideo" | "sendVoice") && call.args.get("convert").is_none() {
                return Err(bad("convert must be a boolean"));
            }
            method.trim_start_matches("send").to_lowercase().clone_into(&mut made.kind);
            made.text = call.args.text("caption").unwrap_or_default();
            made.media = Some(read_file(call)?);
        }
        _ => return Err(Trouble::said(404, &format!("Cannot POST /api/{method}"))),
    }
    Ok(())
}

fn read_file(call: &Call) -> Result<Media, Trouble> {
    let file = call.args.get("file").cloned().unwrap_or_default();
    let data = text_at(&file, "data");
    if data.is_empty() {
        return Err(Trouble::said(400, "the sandbox fetches nothing: file.data must hold the bytes in base64"));
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(data);
    let bytes = bytes.map_err(|_| Trouble::said(400, "file.data is no base64"))?;
    Ok(Media { name: text_at(&file, "filename"), mime: text_at(&file, "mimetype"), size: bytes.len() })
}

pub(super) fn has_whatsapp(sandbox: &Sandbox, phone: &str) -> bool {
    let auto = sandbox.settings.lock().auto_phones;
    let mut phones = sandbox.phones.lock();
    if auto {
        phones.make(phone, None);
    }
    phones.get(phone).is_some_and(|phone| phone.whatsapp)
}

/// A message as the gateway tells it.
fn told(sandbox: &Sandbox, session: &str, made: &Bubble, chat: &str) -> Value {
    let own = own_chat(sandbox, session);
    json!({"id": format!("true_{chat}_{}", made.id), "timestamp": made.at / 1000, "from": own, "fromMe": true,
        "source": "api", "to": chat, "participant": null, "body": made.text, "hasMedia": made.media.is_some(),
        "media": null, "mediaUrl": null, "ack": 0, "ackName": "PENDING", "vCards": [], "replyTo": null, "_data": {}})
}

/// The chat of the session's own phone.
pub(crate) fn own_chat(sandbox: &Sandbox, session: &str) -> String {
    let me = with_session(sandbox, session, |session| Ok(session.me.clone())).ok().flatten();
    me.map(|(phone, _)| format!("{phone}@c.us")).unwrap_or_default()
}

async fn settle(sandbox: &Sandbox, session: &str, to: &[String], chat: &str, made: Bubble, echo: &Value) {
    let delay_ms = sandbox.settings.lock().status_delay_ms;
    if delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    }
    let (mut online, mut reads) = (false, false);
    for phone in to {
        let mut phones = sandbox.phones.lock();
        let (on, reading) = phones.get(phone).map_or((false, false), |phone| (phone.online, phone.reads));
        let status = if !on {
            made.status
        } else if reading {
            "read"
        } else {
            "delivered"
        };
        // what came in a group says so on the phone
        let tag = chat.ends_with("@g.us").then(|| chat.to_owned());
        phones.add(phone, Bubble { status, tag, ..made.clone() });
        online |= on;
        reads |= on && reading;
    }
    let id = made.id.clone();
    remember(sandbox, session, echo);
    tell(sandbox, session, "message.any", echo);
    for (ack, happens) in [(1, true), (2, online), (3, online && reads)] {
        if happens {
            acknowledge(sandbox, session, chat, &id, ack);
        }
    }
}

/// Tells that a message came on its way.
pub(crate) fn acknowledge(sandbox: &Sandbox, session: &str, chat: &str, id: &str, ack: i64) {
    let name = match ack {
        -1 => "ERROR",
        1 => "SERVER",
        2 => "DEVICE",
        3 => "READ",
        _ => "PENDING",
    };
    let payload = json!({"id": format!("true_{chat}_{id}"), "from": chat, "to": own_chat(sandbox, session),
        "participant": null, "fromMe": true, "ack": ack, "ackName": name});
    tell(sandbox, session, "message.ack", &payload);
}

/// `GET /api/contacts/check-exists`.
pub(crate) fn check_exists(sandbox: &Sandbox, call: &Call) -> Told {
    let session = call.args.text("session").unwrap_or_default();
    with_session(sandbox, &session, |session| {
        let works = session.status == "WORKING";
        if works { Ok(()) } else { Err(Trouble::state(&session.name, session.status, &["WORKING"])) }
    })?;
    let phone = call.args.text("phone").unwrap_or_default();
    if has_whatsapp(sandbox, &phone) {
        Ok((200, json!({"numberExists": true, "chatId": format!("{phone}@c.us")})))
    } else {
        Ok((200, json!({"numberExists": false})))
    }
}

/// `GET /api/{session}/lids/{lid}`.
pub(crate) fn show_hidden(sandbox: &Sandbox, session: &str, hidden: &str) -> Told {
    with_session(sandbox, session, |_| Ok(()))?;
    let chat = if hidden.contains('@') { hidden.to_owned() } else { format!("{hidden}@lid") };
    let phone = phone_of(&chat).filter(|phone| hidden_id(phone) == hidden.trim_end_matches("@lid"));
    Ok((200, json!({"lid": chat, "pn": phone.map(|phone| format!("{phone}@c.us"))})))
}

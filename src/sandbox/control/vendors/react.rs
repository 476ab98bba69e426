//! `POST /_/phones/{id}/react`: the customer reacts to a message, or takes the reaction back.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use serde::Deserialize;
use serde_json::json;

use crate::sandbox::control::{missing, refuse, tell};
use crate::sandbox::phone::digits;
use crate::sandbox::state::{Sandbox, random_hex};
use crate::sandbox::waba::{self, envelope, queue, webhook};
use crate::sandbox::{mtproto, telegram, waha};

/// How a customer reacts.
#[derive(Debug, Deserialize)]
pub(crate) struct Reacting {
    messenger: String,
    /// The message, as its vendor names it.
    id: String,
    emoji: Option<String>,
}

pub(crate) async fn react(sandbox: Data<Sandbox>, id: Path<String>, given: Json<Reacting>) -> HttpResponse {
    let (sandbox, phone) = (sandbox.into_inner(), digits(&id));
    let found = {
        let mut phones = sandbox.phones.lock();
        let Some(owner) = phones.get(&phone) else { return missing("phone") };
        owner.messages.iter().rev().find(|bubble| bubble.id == given.id && bubble.messenger == given.messenger).cloned()
    };
    let Some(bubble) = found else { return missing("message") };
    let (at, emoji) = ((bubble.line.as_str(), given.id.as_str()), given.emoji.as_deref());
    let done = match given.messenger.as_str() {
        "waba" => in_whatsapp(&sandbox, &phone, at, emoji),
        "whatsapp_web" => in_session(&sandbox, &phone, at, emoji),
        "telegram_bot" => telegram::react::react(&sandbox, &phone, at, emoji),
        "telegram" => mtproto::react::react(&sandbox, &phone, at, emoji),
        _ => return refuse("messenger is waba, whatsapp_web, telegram_bot or telegram"),
    };
    if done { tell(json!({"ok": true})) } else { missing("line") }
}

fn note(sandbox: &Sandbox, phone: &str, (line, id): (&str, &str), emoji: Option<&str>) {
    if let Some(bubble) = sandbox.phones.lock().get(phone).and_then(|owner| owner.find(line, id)) {
        bubble.own_reaction = emoji.map(str::to_owned);
    }
}

/// A reaction is a message of its own, and one that is taken back has no emoji.
fn in_whatsapp(sandbox: &Arc<Sandbox>, phone: &str, (line, id): (&str, &str), emoji: Option<&str>) -> bool {
    note(sandbox, phone, (line, id), emoji);
    let name = sandbox.phones.lock().get(phone).map(|owner| owner.name.clone()).unwrap_or_default();
    let (own, user, now_s) = (waba::wamid_of_customer(sandbox, phone), webhook::user_id(phone), sandbox.unix());
    let mut reaction = json!({"message_id": id});
    if let (Some(fields), Some(emoji)) = (reaction.as_object_mut(), emoji) {
        fields.insert("emoji".to_owned(), json!(emoji));
    }
    queue(sandbox, line, |number| {
        let mut value = envelope(number);
        value.insert("contacts".to_owned(), json!([{"profile": {"name": name}, "wa_id": phone, "user_id": user}]));
        let message = json!({"from": phone, "from_user_id": user, "id": own, "timestamp": now_s.to_string(),
            "type": "reaction", "reaction": reaction});
        value.insert("messages".to_owned(), json!([message]));
        webhook::Delivery::messages(value)
    });
    true
}

fn in_session(sandbox: &Arc<Sandbox>, phone: &str, (session, id): (&str, &str), emoji: Option<&str>) -> bool {
    note(sandbox, phone, (session, id), emoji);
    let chat = format!("{phone}@c.us");
    // what came from the business is named by its bare id on the phone
    let target = if id.contains('_') { id.to_owned() } else { format!("true_{chat}_{id}") };
    let own = waha::own_chat(sandbox, session);
    let payload = json!({"id": format!("false_{chat}_3A{}", random_hex(9).to_uppercase()), "timestamp": sandbox.unix(),
        "from": chat, "fromMe": false, "source": "app", "to": own, "participant": null,
        "reaction": {"text": emoji.unwrap_or_default(), "messageId": target}});
    waha::webhook::tell(sandbox, session, "message.reaction", &payload);
    true
}

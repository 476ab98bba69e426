//! `POST {number}/messages`: what is refused at once, what is taken, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use serde_json::{Map, Value, json};

use super::template::{self, Filled};
use super::webhook::{self, Delivery};
use super::{Number, Trouble, Waba, interactive, media, title, with_number};
use crate::sandbox::args::text_at;
use crate::sandbox::door::Call;
use crate::sandbox::limit::Bucket;
use crate::sandbox::phone::{Bubble, Media, bubble, digits};
use crate::sandbox::state::Sandbox;
use crate::sandbox::telegram;

const WINDOW_CLOSED: &str =
    "Message failed to send because more than 24 hours have passed since the customer last replied to this number.";

/// Answers a call to send, to mark as read or to react.
pub(crate) fn send(sandbox: &Arc<Sandbox>, node: &str, call: &Call) -> Result<Value, Trouble> {
    if call.args.text("messaging_product").as_deref() != Some("whatsapp") {
        return Err(Trouble::of(100, "The parameter messaging_product is required."));
    }
    if call.args.text("status").as_deref() == Some("read") {
        return mark_read(sandbox, node, call);
    }
    if call.args.text("recipient_type").as_deref() == Some("group") {
        return into_group(sandbox, node, call);
    }
    let message = with_number(sandbox, node, call, |waba, number| read(sandbox, waba, number, call))?;
    if sandbox.settings.lock().waba_limits
        && let Some(number) = sandbox.waba.lock().numbers.get_mut(node)
    {
        hold_limits(number, &message.to, sandbox.tick().0)?;
    }
    if let Some(target) = &message.reaction_to {
        find_reacted(sandbox, node, &message.to, target)?;
    }
    let reply = json!({"messaging_product": "whatsapp", "contacts": [{"input": message.input, "wa_id": message.to}],
        "messages": [{"id": message.bubble.id}]});
    if message.link.is_none() && sandbox.settings.lock().status_delay_ms == 0 {
        settle(sandbox, message);
    } else {
        let beside = Arc::clone(sandbox);
        sandbox.spawn(async move { settle_later(&beside, message).await });
    }
    Ok(reply)
}

/// A text into a group: everybody in it gets it, and the group has one status for all of them.
fn into_group(sandbox: &Sandbox, node: &str, call: &Call) -> Result<Value, Trouble> {
    let id = call.args.text("to").unwrap_or_default();
    if call.args.text("type").is_some_and(|kind| kind != "text") {
        return Err(Trouble::of(131_051, "Unsupported message type"));
    }
    let members = with_number(sandbox, node, call, |waba, number| {
        let group = waba.groups.get(&id).filter(|group| group.number == number.id);
        Ok(group.map(|group| group.members.clone()))
    })?;
    let members = members.ok_or_else(|| Trouble::of(131_009, "Group does not exist"))?;
    let mut made = bubble("waba", node, "delivered", sandbox.now(), sandbox.tick());
    made.id = new_wamid(sandbox, &id);
    made.tag = call.args.text("biz_opaque_callback_data");
    made.text = text_at(&call.args.get("text").cloned().unwrap_or_default(), "body");
    for member in &members {
        sandbox.phones.lock().add(member, made.clone());
    }
    for status in ["sent", "delivered"] {
        webhook::send_status(sandbox, &made, &id, status, None, None);
    }
    Ok(
        json!({"messaging_product": "whatsapp", "contacts": [{"input": id, "wa_id": id}], "messages": [{"id": made.id}]}),
    )
}

/// A message that was taken.
#[derive(Debug)]
pub(super) struct Taken {
    input: String,
    to: String,
    pub(super) bubble: Bubble,
    is_template: bool,
    category: Option<String>,
    link: Option<String>,
    reaction_to: Option<String>,
}

fn read(sandbox: &Sandbox, waba: &mut Waba, number: &Number, call: &Call) -> Result<Taken, Trouble> {
    if !number.registered {
        return Err(Trouble::of(133_010, "The account is not registered"));
    }
    let input = call.args.text("to").or_else(|| call.args.text("recipient")).unwrap_or_default();
    let to = digits(&input);
    if to.len() < 7 || to.len() > 15 {
        return Err(Trouble::of(131_009, "Recipient phone number is not valid"));
    }
    if to == number.display {
        return Err(Trouble::of(131_021, "Recipient cannot be sender"));
    }
    let tag = call.args.text("biz_opaque_callback_data");
    if tag.as_ref().is_some_and(|tag| tag.chars().count() > 512) {
        return Err(Trouble::of(131_009, "biz_opaque_callback_data is longer than 512 characters"));
    }
    let kind = call.args.text("type").unwrap_or_else(|| "text".to_owned());
    let mut made = bubble("waba", &number.id, "received", sandbox.now(), sandbox.tick());
    made.kind.clone_from(&kind);
    made.tag = tag;
    made.id = new_wamid(sandbox, &to);
    let body = call.args.get(&kind).cloned().unwrap_or_default();
    let mut taken =
        Taken { input, to, bubble: made, is_template: false, category: None, link: None, reaction_to: None };
    match kind.as_str() {
        "text" => read_text(&body, &mut taken)?,
        "image" | "video" | "document" | "audio" | "sticker" => read_media(waba, number, &kind, &body, &mut taken)?,
        "template" => read_template(waba, number, &body, &mut taken)?,
        "reaction" => read_reaction(&body, &mut taken)?,
        "location" | "contacts" => taken.bubble.text = body.to_string(),
        "interactive" => interactive::read(waba, number, &body, &mut taken)?,
        _ => return Err(Trouble::of(131_051, "Unsupported message type")),
    }
    if sandbox.settings.lock().window_by_answer && !taken.is_template && !is_open(sandbox, &taken) {
        return Err(Trouble::of(131_047, WINDOW_CLOSED));
    }
    Ok(taken)
}

fn read_text(body: &Value, taken: &mut Taken) -> Result<(), Trouble> {
    let text = text_at(body, "body");
    if text.is_empty() {
        return Err(Trouble::of(100, "The parameter text['body'] is required."));
    }
    if text.chars().count() > 4096 {
        return Err(Trouble::of(100, "Param text['body'] must be at most 4096 characters long."));
    }
    taken.bubble.text = text;
    Ok(())
}

pub(super) fn read_media(
    waba: &Waba,
    number: &Number,
    kind: &str,
    body: &Value,
    taken: &mut Taken,
) -> Result<(), Trouble> {
    let (id, link) = (text_at(body, "id"), text_at(body, "link"));
    if id.is_empty() == link.is_empty() {
        return Err(Trouble::of(131_008, &format!("Param {kind} must have exactly one of id and link")));
    }
    let caption = text_at(body, "caption");
    if caption.chars().count() > 1024 {
        return Err(Trouble::of(131_009, "caption is longer than 1024 characters"));
    }
    taken.bubble.text = caption;
    let name = text_at(body, "filename");
    if id.is_empty() {
        taken.bubble.media = Some(Media { name, mime: String::new(), size: 0 });
        taken.link = Some(link);
        return Ok(());
    }
    let file = waba.files.get(&id).filter(|file| file.token == number.token);
    let file = file.ok_or_else(|| Trouble::of(131_009, "Media id does not exist"))?;
    let mut media = file.media.clone();
    if !fits(kind, &media.mime) {
        return Err(Trouble::of(131_053, "The type of the file does not fit the type of the message"));
    }
    if !name.is_empty() {
        media.name = name;
    }
    taken.bubble.media = Some(media);
    Ok(())
}

fn fits(kind: &str, mime: &str) -> bool {
    match kind {
        "image" => matches!(mime, "image/jpeg" | "image/png"),
        "sticker" => mime == "image/webp",
        "video" | "audio" => mime.starts_with(kind) && media::limit(mime).is_some(),
        _ => true,
    }
}

fn read_template(waba: &Waba, number: &Number, body: &Value, taken: &mut Taken) -> Result<(), Trouble> {
    let account = waba.accounts.get(&number.account).ok_or_else(|| Trouble::of(131_005, "No business account"))?;
    let Filled { text, media, buttons, category } = template::fill(account, body)?;
    taken.is_template = true;
    taken.category = Some(category);
    if let Some((kind, object)) = media
        && kind != "location"
    {
        read_media(waba, number, &kind, &object, taken)?;
    }
    taken.bubble.text = text;
    taken.bubble.buttons = buttons;
    Ok(())
}

fn read_reaction(body: &Value, taken: &mut Taken) -> Result<(), Trouble> {
    let id = text_at(body, "message_id");
    if id.is_empty() {
        return Err(Trouble::of(131_008, "The parameter reaction['message_id'] is required."));
    }
    taken.bubble.text = text_at(body, "emoji");
    taken.reaction_to = Some(id);
    Ok(())
}

fn new_wamid(sandbox: &Sandbox, to: &str) -> String {
    let inner = format!("{to}:{:016x}:{}", sandbox.serial(), sandbox.tick().0);
    format!("wamid.{}", base64::engine::general_purpose::STANDARD.encode(inner))
}

fn is_open(sandbox: &Sandbox, taken: &Taken) -> bool {
    let now = sandbox.now().0;
    let mut phones = sandbox.phones.lock();
    phones.get(&taken.to).and_then(|phone| phone.windows.get(&taken.bubble.line)).is_some_and(|until| now < *until)
}

fn hold_limits(number: &mut Number, to: &str, now_us: i64) -> Result<(), Trouble> {
    if !number.pace.take(now_us) {
        return Err(Trouble::of(
            130_429,
            "Message failed to send because there were too many messages sent from this phone number in a short period of time",
        ));
    }
    let pair = number.pair_pace.entry(to.to_owned()).or_insert_with(|| Bucket::new(1.0 / 6.0, 45.0));
    if pair.take(now_us) {
        return Ok(());
    }
    Err(Trouble::of(
        131_056,
        "Message failed to send because there were too many messages sent from this phone number to the same phone number in a short period of time",
    ))
}

async fn settle_later(sandbox: &Arc<Sandbox>, mut taken: Taken) {
    let delay_ms = sandbox.settings.lock().status_delay_ms;
    tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    if let Some(link) = taken.link.take() {
        let named = taken.bubble.media.take().map(|media| media.name).filter(|name| !name.is_empty());
        if let Some(media) = fetch_link(sandbox, &link).await {
            taken.bubble.media = Some(Media { name: named.unwrap_or(media.name), ..media });
        } else {
            webhook::send_status(
                sandbox,
                &taken.bubble,
                &taken.to,
                "failed",
                None,
                Some((131_053, "Media upload error")),
            );
            return;
        }
    }
    settle(sandbox, taken);
}

async fn fetch_link(sandbox: &Sandbox, link: &str) -> Option<Media> {
    telegram::fetch(sandbox, link).await.map(|(media, _)| media)
}

fn settle(sandbox: &Arc<Sandbox>, mut taken: Taken) {
    if let Some(target) = taken.reaction_to.take() {
        react(sandbox, &taken, &target);
        return;
    }
    let auto = sandbox.settings.lock().auto_phones;
    let is_window_open = taken.is_template || is_open(sandbox, &taken);
    let (has_whatsapp, is_online, reads) = {
        let mut phones = sandbox.phones.lock();
        if auto {
            phones.make(&taken.to, None);
        }
        phones.get(&taken.to).map_or((false, false, false), |phone| (phone.whatsapp, phone.online, phone.reads))
    };
    let (to, category) = (taken.to.clone(), taken.category.clone());
    let failure = match (has_whatsapp, is_window_open) {
        (false, _) => Some((131_026, "Unable to deliver the message.")),
        (true, false) => Some((131_047, WINDOW_CLOSED)),
        (true, true) => None,
    };
    if let Some(failure) = failure {
        webhook::send_status(sandbox, &taken.bubble, &to, "failed", category.as_deref(), Some(failure));
        return;
    }
    if is_online {
        taken.bubble.status = if reads { "read" } else { "delivered" };
    }
    sandbox.phones.lock().add(&to, taken.bubble.clone());
    let steps = [("sent", true), ("delivered", is_online), ("read", is_online && reads)];
    for (status, _) in steps.into_iter().filter(|(_, happens)| *happens) {
        webhook::send_status(sandbox, &taken.bubble, &to, status, category.as_deref(), None);
    }
}

/// Whatever is reacted to must be there.
fn find_reacted(sandbox: &Sandbox, node: &str, to: &str, target: &str) -> Result<(), Trouble> {
    let mut phones = sandbox.phones.lock();
    let found = phones.get(to).is_some_and(|phone| phone.find(node, target).is_some());
    if found { Ok(()) } else { Err(Trouble::of(131_009, "Message id of the reaction does not exist")) }
}

fn react(sandbox: &Sandbox, taken: &Taken, target: &str) {
    let mut phones = sandbox.phones.lock();
    if let Some(found) = phones.get(&taken.to).and_then(|phone| phone.find(&taken.bubble.line, target)) {
        found.reaction = Some(taken.bubble.text.clone()).filter(|emoji| !emoji.is_empty());
    }
}

fn mark_read(sandbox: &Sandbox, node: &str, call: &Call) -> Result<Value, Trouble> {
    let id = call.args.text("message_id").unwrap_or_default();
    let to = with_number(sandbox, node, call, |_, _| Ok(to_of(&id)))?;
    let mut phones = sandbox.phones.lock();
    let found = to.and_then(|to| phones.get(&to)?.find(node, &id).map(|bubble| bubble.status = "read"));
    found.map(|()| json!({"success": true})).ok_or_else(|| Trouble::of(131_009, "Message id does not exist"))
}

/// The customer's number inside an id of a message.
fn to_of(wamid: &str) -> Option<String> {
    let inner = base64::engine::general_purpose::STANDARD.decode(wamid.strip_prefix("wamid.")?).ok()?;
    String::from_utf8(inner).ok()?.split(':').next().map(str::to_owned)
}

/// An id for a message that a customer says.
pub(crate) fn wamid_of_customer(sandbox: &Sandbox, from: &str) -> String {
    new_wamid(sandbox, from)
}

/// The error inside a failed status.
pub(crate) fn status_error(code: i64, details: &str) -> Value {
    json!({"code": code, "title": title(code), "message": title(code), "error_data": {"details": details},
        "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"})
}

/// The `value` of a delivery, without what happened.
pub(crate) fn envelope(number: &Number) -> Map<String, Value> {
    Map::from_iter([
        ("messaging_product".to_owned(), json!("whatsapp")),
        ("metadata".to_owned(), json!({"display_phone_number": number.display, "phone_number_id": number.id})),
    ])
}

/// Puts a delivery into the queue of its number.
pub(crate) fn queue(sandbox: &Sandbox, number: &str, fill: impl FnOnce(&Number) -> Delivery) {
    if let Some(number) = sandbox.waba.lock().numbers.get(number) {
        let _ = number.outbox.send(fill(number));
    }
}

//! What people do in open lines: operators write, change and take back, sessions end; and the events that tell of it.

use std::sync::Arc;

use base64::Engine as _;
use serde_json::{Value, json};
use sha2::Digest as _;

use super::{Desk, Message};
use crate::sandbox::args::{as_text, as_whole, text_at};
use crate::sandbox::bitrix24::disk::File;
use crate::sandbox::bitrix24::portal::Portal;
use crate::sandbox::bitrix24::{Bitrix24, event};
use crate::sandbox::state::Sandbox;

/// Where a file of an operator is; it is given to whoever names the portal as the page he comes from.
pub(crate) fn link(sandbox: &Sandbox, portal: &str, id: i64) -> String {
    format!("{}/_/b24/{portal}/files/{id}", sandbox.base())
}

/// Does something at a portal in the name of people, and posts what comes of it.
pub(crate) fn with<T>(
    sandbox: &Arc<Sandbox>,
    name: &str,
    act: impl FnOnce(&mut Desk<'_>, &mut Portal) -> Result<T, String>,
) -> Option<Result<T, String>> {
    let mut posts = Vec::new();
    let done = {
        let mut bitrix24 = sandbox.bitrix24.lock();
        let Bitrix24 { portals, tokens, .. } = &mut *bitrix24;
        let portal = portals.get_mut(name)?;
        act(&mut Desk { sandbox, tokens, posts: &mut posts }, portal)
    };
    event::send(sandbox, posts);
    Some(done)
}

/// An operator writes. `silent` loses the event on the way, as a portal does when nobody answers.
pub(crate) fn say(desk: &mut Desk<'_>, portal: &mut Portal, id: i64, given: &Value) -> Result<i64, String> {
    let user = given.get("user").and_then(as_whole).unwrap_or(27);
    let chat = portal.open_lines.chats.get(&id).ok_or("no such chat")?;
    if !portal.open_lines.is_ready(&chat.connector, chat.line) {
        return Err("the channel is not connected, the field is closed".to_owned());
    }
    let mut own_files = Vec::new();
    for file in given.get("files").and_then(Value::as_array).into_iter().flatten() {
        let bytes =
            base64::engine::general_purpose::STANDARD.decode(text_at(file, "base64")).map_err(|e| e.to_string())?;
        let number = portal.open_lines.number();
        portal.disk.put_file(number, File::of(&text_at(file, "name"), &text_at(file, "mime"), bytes.into()));
        own_files.push(number);
    }
    let number = portal.open_lines.number();
    let message = Message {
        id: number,
        author: user,
        text: text_at(given, "text"),
        files: Vec::new(),
        own_files,
        external: Vec::new(),
        delivered: false,
        deliveries: 0,
        read: false,
        edited: false,
        deleted: false,
        at: desk.sandbox.now().0,
    };
    let chat = portal.open_lines.chats.get_mut(&id).ok_or("no such chat")?;
    chat.messages.push(message);
    if user > 0 {
        chat.owner = user;
    }
    if given.get("silent").and_then(Value::as_bool) != Some(true) {
        announce(desk, portal, id, number, user);
    }
    Ok(number)
}

/// The text as it goes to the app: with the name of the employee before it, where the connector asks for that.
fn signed(portal: &Portal, connector: &str, user: i64, text: &str, mark: &str) -> String {
    match portal.user(user) {
        Some(person) if portal.open_lines.flag(connector, "NEED_SIGNATURE", true) => {
            format!("[b]{} {}:[/b]{mark}{text}", person.name.0, person.name.1)
        }
        _ => text.to_owned(),
    }
}

/// ONIMCONNECTORMESSAGEADD of a message.
pub(super) fn announce(desk: &mut Desk<'_>, portal: &Portal, chat: i64, number: i64, user: i64) {
    let Some(chat) = portal.open_lines.chats.get(&chat) else { return };
    let Some(message) = chat.messages.iter().find(|it| it.id == number) else { return };
    if user == 0 && !portal.open_lines.flag(&chat.connector, "NEED_SYSTEM_MESSAGES", true) {
        return;
    }
    let file = |id: &i64| {
        let file = portal.disk.file(*id)?;
        let kind = if file.mime.starts_with("image/") { "image" } else { "file" };
        Some(json!({"name": file.name, "type": kind, "mime": file.mime, "link": link(desk.sandbox, &portal.name, *id),
            "downloadLink": link(desk.sandbox, &portal.name, *id), "size": file.bytes.len(), "sizef": "1 КБ"}))
    };
    let files: Vec<Value> = message.own_files.iter().filter_map(file).collect();
    let text = signed(portal, &chat.connector, user, &message.text, " [br]");
    let data = json!({"CONNECTOR": chat.connector, "LINE": chat.line, "MESSAGES": [{
        "im": {"chat_id": chat.id, "message_id": message.id},
        "message": {"user_id": user, "text": text, "files": files}, "chat": {"id": chat.external}}]});
    desk.fire(portal, "ONIMCONNECTORMESSAGEADD", &data, Some(user).filter(|user| *user > 0));
}

/// An operator changes what he wrote: the app hears of it only where it told its names with the delivery.
pub(crate) fn edit(desk: &mut Desk<'_>, portal: &mut Portal, id: i64, given: &Value) -> Result<i64, String> {
    let (number, text) = (given.get("id").and_then(as_whole).unwrap_or(0), text_at(given, "text"));
    let message = find(portal, id, number)?;
    (message.text, message.edited) = (text.clone(), true);
    let (names, author) = (message.external.clone(), message.author);
    let chat = portal.open_lines.chats.get(&id).ok_or("no such chat")?;
    if !names.is_empty() && portal.open_lines.flag(&chat.connector, "EDIT_INTERNAL_MESSAGES", true) {
        let text = signed(portal, &chat.connector, author, &text, "[br] ");
        let data = json!({"CONNECTOR": chat.connector, "LINE": chat.line, "MESSAGES": [{
            "im": {"chat_id": chat.id, "message_id": number}, "message": {"id": names, "text": text},
            "chat": {"id": chat.external}}]});
        desk.fire(portal, "ONIMCONNECTORMESSAGEUPDATE", &data, Some(author));
    }
    Ok(number)
}

/// An operator takes back what he wrote: one item for each name that the app told.
pub(crate) fn delete(desk: &mut Desk<'_>, portal: &mut Portal, id: i64, given: &Value) -> Result<i64, String> {
    let number = given.get("id").and_then(as_whole).unwrap_or(0);
    let message = find(portal, id, number)?;
    message.deleted = true;
    let (names, author) = (message.external.clone(), message.author);
    let chat = portal.open_lines.chats.get(&id).ok_or("no such chat")?;
    if !names.is_empty() && portal.open_lines.flag(&chat.connector, "DEL_INTERNAL_MESSAGES", true) {
        let item = |name: &String| json!({"im": {"chat_id": chat.id, "message_id": number}, "message": {"id": name}, "chat": {"id": chat.external}});
        let items: Vec<Value> = names.iter().map(item).collect();
        let data = json!({"CONNECTOR": chat.connector, "LINE": chat.line, "MESSAGES": items});
        desk.fire(portal, "ONIMCONNECTORMESSAGEDELETE", &data, Some(author));
    }
    Ok(number)
}

fn find(portal: &mut Portal, chat: i64, number: i64) -> Result<&mut Message, String> {
    let chat = portal.open_lines.chats.get_mut(&chat).ok_or("no such chat")?;
    chat.messages.iter_mut().find(|it| it.id == number).ok_or_else(|| "no such message".to_owned())
}

/// An operator ends the session.
pub(crate) fn finish(desk: &mut Desk<'_>, portal: &mut Portal, id: i64) -> Result<i64, String> {
    let chat = portal.open_lines.chats.get_mut(&id).ok_or("no such chat")?;
    chat.closed = true;
    session_event(desk, portal, id, "ONIMCONNECTORDIALOGFINISH");
    Ok(id)
}

/// The event of a session.
pub(super) fn session_event(desk: &mut Desk<'_>, portal: &Portal, id: i64, event: &str) {
    let Some(chat) = portal.open_lines.chats.get(&id) else { return };
    let data = json!({"CONNECTOR": chat.connector, "LINE": chat.line, "DATA": [{
        "connector": {"connector_id": chat.connector, "line_id": chat.line, "chat_id": chat.external, "user_id": chat.user},
        "session": {"id": chat.session, "closed": if chat.closed { "Y" } else { "N" }, "parent_id": 0, "close_term": 10},
        "chat": {"id": chat.external}, "user": {"id": chat.user}}]});
    desk.fire(portal, event, &data, None);
}

/// An administrator changes a line: its name, whether it is on, or deletes it.
pub(crate) fn change_line(desk: &mut Desk<'_>, portal: &mut Portal, id: i64, given: &Value) -> Result<i64, String> {
    if given.get("delete").and_then(Value::as_bool) == Some(true) {
        if portal.open_lines.delete(id) {
            desk.fire(portal, "ONIMCONNECTORLINEDELETE", &json!(id), Some(1));
        }
        return Ok(id);
    }
    if let Some(connector) = given.get("disconnect").and_then(as_text) {
        if portal.open_lines.disconnect(&connector, id) {
            // this one event writes its keys in small letters
            desk.fire(portal, "ONIMCONNECTORSTATUSDELETE", &json!({"connector": connector, "line": id}), Some(1));
        }
        return Ok(id);
    }
    if id <= 0 {
        return Err("lines have numbers from 1".to_owned());
    }
    let line = portal
        .open_lines
        .lines
        .entry(id)
        .or_insert_with(|| super::Line { name: format!("Линия {id}"), active: true });
    if let Some(name) = given.get("name").and_then(as_text) {
        line.name = name;
    }
    line.active = given.get("active").and_then(Value::as_bool).unwrap_or(line.active);
    Ok(id)
}

/// A file that was named and not fetched yet: the chat, the message, its place there, and where it is.
fn unfetched(portal: &Portal) -> Option<(i64, i64, usize, String)> {
    portal.open_lines.chats.values().find_map(|chat| {
        chat.messages.iter().find_map(|message| {
            let at = message.files.iter().position(|file| file.size.is_none())?;
            Some((chat.id, message.id, at, message.files.get(at)?.url.clone()))
        })
    })
}

/// Fetches the files that the app named, as a portal does while it takes a message.
pub(crate) async fn fetch_files(sandbox: &Sandbox, name: &str) {
    loop {
        let next = sandbox.bitrix24.lock().portals.get(name).and_then(unfetched);
        let Some((chat, message, at, url)) = next else { return };
        let bytes = match sandbox.http.get(&url).send().await {
            Ok(reply) if reply.status().is_success() => reply.bytes().await.unwrap_or_default(),
            _ => bytes::Bytes::new(),
        };
        let mut bitrix24 = sandbox.bitrix24.lock();
        let Some(portal) = bitrix24.portals.get_mut(name) else { return };
        if let Ok(message) = find(portal, chat, message)
            && let Some(file) = message.files.get_mut(at)
        {
            (file.size, file.sha256) = (Some(bytes.len()), hex::encode(sha2::Sha256::digest(&bytes)));
        }
    }
}

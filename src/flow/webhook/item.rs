//! What is posted to a webhook. The fields have the names that integrators know from other services of this kind; ids are ours.

use serde_json::{Map, Value, json};

use crate::model::id::ChannelId;
use crate::model::message::{Content, Incoming};
use crate::model::moment::Moment;
use crate::model::origin::Origin;
use crate::model::status::Status;
use crate::store::row::{ChannelRow, MessageRow, WebhookEventRow, value};
use crate::store::{Conn, Result};

/// So many letters of a text are told; the whole of it is in `GET /messages/{id}`.
const TEXT: usize = 16_000;

/// The id of an event, the same at every attempt and every time it is sent again.
pub(super) fn name(webhook: &str, number: i64) -> String {
    format!("{webhook}-{number}")
}

/// The body of an event.
pub(super) fn body(event: &WebhookEventRow, channel: &ChannelRow) -> String {
    let meta = json!({
        "type": event.topic,
        "licenseId": channel.line,
        "messengerType": channel.messenger,
        "channel": channel.id,
        "webhook": event.webhook,
        "number": event.number,
    });
    format!("{{\"data\":[{}],\"meta\":{meta}}}", event.item)
}

/// A message of either side.
pub(super) fn message(conn: &mut Conn, row: &MessageRow, incoming: Option<&Incoming>) -> Result<Value> {
    let content: Content = match incoming {
        Some(incoming) => Content { text: incoming.text.clone(), ..Content::default() },
        // what cannot be read must not stop the history
        None => value("messages", &row.content).unwrap_or_default(),
    };
    let files: Vec<Value> = match (incoming, &content.media) {
        (Some(incoming), _) => incoming
            .media
            .iter()
            .map(|file| json!({ "kind": file.kind, "name": file.name, "mime": file.mime, "size": file.size }))
            .collect(),
        (None, Some(file)) => {
            vec![json!({ "kind": file.kind, "name": file.name, "mime": file.mime, "size": file.size })]
        }
        (None, None) => Vec::new(),
    };
    let text = content.text.as_deref().unwrap_or_default();
    let mut said = Map::new();
    said.insert("text".to_owned(), content.text.as_deref().map(cut).into());
    said.insert("cut".to_owned(), (cut(text).len() < text.len()).into());
    said.insert("files".to_owned(), files.into());
    let writer = incoming.filter(|incoming| !incoming.ours).map(|incoming| {
        let from = &incoming.from;
        json!({ "name": from.name, "username": from.username, "phone": from.phone })
    });
    let origin: Origin = value("messages", &row.origin)?;
    Ok(json!({
        "id": row.id,
        "side": if row.outgoing { "out" } else { "in" },
        "fromMe": row.outgoing,
        "fromApi": matches!(origin, Origin::Api { .. }),
        "fromUser": writer,
        "chat": chat(conn, row, incoming)?,
        "message": said,
        "time": row.sent_at.unwrap_or(row.accepted_at),
        "fromApp": from_app(&origin),
    }))
}

/// What became of a message of ours.
pub(super) fn status(conn: &mut Conn, row: &MessageRow, at: Moment) -> Result<Value> {
    let status = Status::from_db(row.status);
    let failed = matches!(status, Status::Error | Status::Unknown | Status::NotSent);
    let error = failed.then(|| json!({ "code": row.code, "reason": row.reason }));
    Ok(json!({
        "id": row.id,
        "type": status,
        "time": at,
        "chat": chat(conn, row, None)?,
        "fromApp": from_app(&value("messages", &row.origin)?),
        "error": error,
    }))
}

fn chat(conn: &mut Conn, row: &MessageRow, incoming: Option<&Incoming>) -> Result<Value> {
    let dialog = match row.channel.parse::<ChannelId>() {
        Ok(channel) => crate::on!(conn, dialog::by_chat(channel, &row.chat))?,
        Err(_) => None,
    };
    let group =
        dialog.as_ref().map_or_else(|| incoming.is_some_and(|incoming| incoming.group), |dialog| dialog.is_group);
    let contact = dialog.as_ref().and_then(|dialog| dialog.contact.clone());
    let contact = match contact {
        Some(contact) => crate::on!(conn, dialog::contact(&row.company, &contact))?,
        None => None,
    };
    Ok(json!({
        "id": row.chat,
        "type": if group { "group" } else { "private" },
        "name": dialog.map(|dialog| dialog.title),
        "phone": contact.as_ref().and_then(|contact| contact.phone.clone()),
        "username": contact.and_then(|contact| contact.username),
    }))
}

/// What the caller of the API named the message.
fn from_app(origin: &Origin) -> Option<Value> {
    match origin {
        Origin::Api { tracking } => Some(json!({ "tracking": tracking })),
        _ => None,
    }
}

/// As much of a text as is told.
fn cut(text: &str) -> &str {
    text.char_indices().nth(TEXT).map_or(text, |(end, _)| text.get(..end).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_its_letters() {
        let long = "ы".repeat(TEXT + 1);
        assert_eq!(cut(&long).chars().count(), TEXT);
        assert_eq!(cut("ы"), "ы");
    }
}

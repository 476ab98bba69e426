//! Changing and deleting what a bot has sent, deleting what was written to it where it may, and reacting.

use serde_json::{Map, Value, json};

use super::answer::{Failure, result_of};
use super::send::recipient;
use super::{method, token};
use crate::messenger::Wire;
use crate::messenger::parcel::refused;
use crate::model::change::{ChangeAct, Said};
use crate::model::message::Peer;
use crate::model::result::Code;
use crate::model::vendor::Answer;

pub(super) async fn change(wire: &Wire, said: &Said, act: &ChangeAct) -> Answer {
    let (name, fields) = match call(said, act) {
        Ok(call) => call,
        Err(answer) => return answer,
    };
    let request = wire.http.client().post(method(wire, &token(wire), name)).json(&fields);
    match result_of(wire.http.call(request, wire.http.limits()).await) {
        Ok(_) => Answer::done(),
        // messages of a group that became a supergroup are counted anew there: the number now means another message
        Err(Failure { moved_to: Some(_), .. }) => refused(Code::Unchangeable),
        Err(Failure { answer, .. }) => answer,
    }
}

/// The method and its fields.
fn call(said: &Said, act: &ChangeAct) -> Result<(&'static str, Map<String, Value>), Answer> {
    let to = Peer::Chat(said.chat.clone());
    let (business, chat) = recipient(&to)?;
    // a pressed button has a name of ours, and is no message
    let id: i64 = said.vendor_id.parse().map_err(|_| refused(Code::Unchangeable))?;
    let (name, fields) = match (act, business) {
        (ChangeAct::Edit { text }, _) if said.media.is_some() => {
            ("editMessageCaption", json!({"chat_id": chat, "message_id": id, "caption": text}))
        }
        (ChangeAct::Edit { text }, _) => ("editMessageText", json!({"chat_id": chat, "message_id": id, "text": text})),
        (ChangeAct::Delete, None) => ("deleteMessage", json!({"chat_id": chat, "message_id": id})),
        (ChangeAct::Delete, Some(_)) => ("deleteBusinessMessages", json!({"message_ids": [id]})),
        (ChangeAct::React { emoji }, None) => {
            let reaction: Vec<Value> = emoji.iter().map(|emoji| json!({"type": "emoji", "emoji": emoji})).collect();
            ("setMessageReaction", json!({"chat_id": chat, "message_id": id, "reaction": reaction}))
        }
        // a bot has no reactions in the chats of the account that it speaks for
        (ChangeAct::React { .. }, Some(_)) => return Err(refused(Code::NotSupported)),
    };
    let mut fields = fields.as_object().cloned().unwrap_or_default();
    if let Some(business) = business {
        fields.insert("business_connection_id".to_owned(), json!(business));
    }
    Ok((name, fields))
}

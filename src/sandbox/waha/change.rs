//! Changing and deleting messages through the gateway.

use serde_json::{Value, json};

use super::webhook::tell;
use super::{Trouble, group, own_chat, phone_of, with_session};
use crate::sandbox::door::Call;
use crate::sandbox::phone::Bubble;
use crate::sandbox::state::Sandbox;

type Told = Result<(u16, Value), Trouble>;

/// `PUT` and `DELETE` of `/api/{session}/chats/{chat}/messages/{message}`.
pub(super) fn change(sandbox: &Sandbox, session: &str, verb: &str, (chat, message): (&str, &str), call: &Call) -> Told {
    let people = with_session(sandbox, session, |session| {
        group::works(session)?;
        Ok(match session.groups.get(chat) {
            Some(group) => group.members.iter().cloned().collect(),
            None => phone_of(chat).into_iter().collect::<Vec<String>>(),
        })
    })?;
    let own = message.strip_prefix(&format!("true_{chat}_")).and_then(|rest| rest.split('_').next());
    let id = own.ok_or_else(|| Trouble::stumbled("the message is not from me"))?;
    let text = call.args.text("text");
    let found = if verb == "PUT" {
        let text = text.as_deref().ok_or_else(|| Trouble::said(400, "text must be a string"))?;
        each(sandbox, session, &people, id, |bubble| bubble.rewrite(text))
    } else {
        each(sandbox, session, &people, id, |bubble| bubble.status = "deleted")
    };
    if !found {
        return Err(Trouble::said(404, "Message not found"));
    }
    let told = |id: &str, body: &str| {
        json!({"id": format!("true_{chat}_{id}"), "timestamp": sandbox.unix(), "from": own_chat(sandbox, session),
            "fromMe": true, "source": "api", "to": chat, "participant": null, "body": body, "hasMedia": false,
            "media": null, "ack": 1, "ackName": "SERVER", "vCards": [], "replyTo": null, "_data": {}})
    };
    let (event, payload) = match &text {
        Some(text) if verb == "PUT" => {
            let mut payload = told(&super::new_id(), text);
            if let Some(fields) = payload.as_object_mut() {
                fields.insert("editedMessageId".to_owned(), json!(id));
            }
            ("message.edited", payload)
        }
        _ => {
            let after = told(&super::new_id(), "");
            ("message.revoked", json!({"after": after, "before": null, "revokedMessageId": id, "_data": {}}))
        }
    };
    tell(sandbox, session, event, &payload);
    Ok((200, json!({"_data": {}})))
}

/// `PUT /api/reaction`: an empty one is taken back.
pub(super) fn react(sandbox: &Sandbox, call: &Call) -> Told {
    let session = call.args.text("session").unwrap_or_default();
    let text = |key: &str| {
        let found = call.args.get(key).and_then(Value::as_str).map(str::to_owned);
        found.ok_or_else(|| Trouble::said(400, &format!("{key} must be a string")))
    };
    let (message, emoji) = (text("messageId")?, text("reaction")?);
    let mut parts = message.splitn(3, '_');
    let (side, chat, id) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next());
    // what we sent is known on the phone by its bare id
    let id = if side == "true" { id.unwrap_or_default() } else { &message };
    let people = with_session(sandbox, &session, |session| {
        group::works(session)?;
        Ok(match session.groups.get(chat) {
            Some(group) => group.members.iter().cloned().collect(),
            None => phone_of(chat).into_iter().collect::<Vec<String>>(),
        })
    })?;
    let reaction = Some(emoji.clone()).filter(|emoji| !emoji.is_empty());
    if !each(sandbox, &session, &people, id, |bubble| bubble.reaction.clone_from(&reaction)) {
        return Err(Trouble::said(404, "Message not found"));
    }
    let payload = json!({"id": format!("true_{chat}_{}", super::new_id()), "timestamp": sandbox.unix(),
        "from": own_chat(sandbox, &session), "fromMe": true, "source": "api", "to": chat, "participant": null,
        "reaction": {"text": emoji, "messageId": message}});
    tell(sandbox, &session, "message.reaction", &payload);
    Ok((200, json!({})))
}

/// Changes the message on every phone that has it; tells whether any has.
fn each(sandbox: &Sandbox, session: &str, people: &[String], id: &str, change: impl Fn(&mut Bubble)) -> bool {
    let mut phones = sandbox.phones.lock();
    let mut any = false;
    for phone in people {
        if let Some(bubble) = phones.get(phone).and_then(|phone| phone.find(session, id)) {
            change(bubble);
            any = true;
        }
    }
    any
}

//! Changing and deleting what a community has sent. A changed message keeps of its files only what is named again.

use serde_json::Value;

use super::answer::{self, repeatable};
use super::send::place_of;
use super::{call, group_id};
use crate::messenger::parcel::refused;
use crate::messenger::{Wire, field};
use crate::model::change::{ChangeAct, Said};
use crate::model::result::Code;
use crate::model::vendor::Answer;

pub(super) async fn change(wire: &Wire, said: &Said, act: &ChangeAct) -> Answer {
    // a comment under a post has another kind of name, and is no message
    let Some((peer, in_chat)) = place_of(&said.vendor_id) else { return refused(Code::Unchangeable) };
    let done = match act {
        ChangeAct::Edit { text } => edit(wire, (peer, in_chat), said.media.is_some(), text).await,
        ChangeAct::Delete => delete(wire, (peer, in_chat)).await,
        // VK numbers its reactions, and publishes nowhere which picture has which number
        ChangeAct::React { .. } => Err(refused(Code::NotSupported)),
    };
    done.err().unwrap_or_else(Answer::done)
}

async fn edit(wire: &Wire, (peer, in_chat): (i64, i64), has_file: bool, text: &str) -> Result<(), Answer> {
    let mut parameters = vec![
        ("peer_id", peer.to_string()),
        ("cmid", in_chat.to_string()),
        ("message", text.to_owned()),
        ("keep_forward_messages", "1".to_owned()),
        ("keep_snippets", "1".to_owned()),
    ];
    if has_file {
        parameters.push(("attachment", attachments(wire, (peer, in_chat)).await?));
    }
    call(wire, "messages.edit", &parameters).await.map(|_| ())
}

/// The files of a message, as they are named when they are attached.
async fn attachments(wire: &Wire, (peer, in_chat): (i64, i64)) -> Result<String, Answer> {
    let asked = [
        ("peer_id", peer.to_string()),
        ("conversation_message_ids", in_chat.to_string()),
        ("group_id", group_id(wire)),
    ];
    let told = call(wire, "messages.getByConversationMessageId", &asked).await.map_err(repeatable)?;
    let Some(message) = field::list(&told, "items").first() else { return Err(refused(Code::Deleted)) };
    let named: Option<Vec<String>> = field::list(message, "attachments").iter().map(name).collect();
    // a file that could not be named again would be lost with the change
    let named = named.filter(|names| !names.is_empty()).ok_or_else(|| refused(Code::Unchangeable))?;
    Ok(named.join(","))
}

fn name(attachment: &Value) -> Option<String> {
    let kind = field::text(attachment, "type")?;
    let file = attachment.get(&kind)?;
    let (owner, id) = (field::id(file, "owner_id")?, field::id(file, "id")?);
    let key = field::text(file, "access_key").map(|key| format!("_{key}")).unwrap_or_default();
    Some(format!("{kind}{owner}_{id}{key}"))
}

/// The call goes well as a whole: what became of the message stands in its own part of the answer.
async fn delete(wire: &Wire, (peer, in_chat): (i64, i64)) -> Result<(), Answer> {
    let parameters =
        [("peer_id", peer.to_string()), ("cmids", in_chat.to_string()), ("delete_for_all", "1".to_owned())];
    let told = call(wire, "messages.delete", &parameters).await?;
    if let Some(one) = told.as_array().and_then(|all| all.first()) {
        if let Some(error) = one.get("error").filter(|error| error.is_object()) {
            return Err(answer::read_error(error));
        }
        return if field::number(one, "response") == Some(1) { Ok(()) } else { Err(refused(Code::Unchangeable)) };
    }
    // older versions answer with a map of numbers
    match told.as_object().and_then(|all| all.values().next()) {
        Some(Value::Number(one)) if one.as_i64() == Some(1) => Ok(()),
        Some(_) => Err(refused(Code::Unchangeable)),
        None => Err(answer::unsure("a deletion without a result".to_owned())),
    }
}

//! Chats of many. A community makes them, renames them and leaves them; it adds nobody: whoever allowed its messages is named when
//! the chat is made, and everybody else joins by its address.

use serde_json::Value;

use super::incoming::FIRST_CHAT;
use super::{answer, call, group_id};
use crate::messenger::parcel::refused;
use crate::messenger::{Groups, Wire, field};
use crate::model::group::{GroupAct, GroupDone, LeftOut};
use crate::model::message::Peer;
use crate::model::result::Code;
use crate::model::vendor::Answer;

/// What a community does with chats of many. The contract tells no bound of a title; this is what others bear.
pub(super) const GROUPS: Groups =
    Groups { create: true, add: true, rename: true, leave: true, title_limit: 100, most_people: 50 };

/// The abilities of bots are switched off in the settings of the community.
const NO_BOTS: i64 = 912;

/// Whoever is to be put out is not in the chat, or the chat is none of theirs.
const NOT_THERE: [i64; 2] = [927, 935];

pub(super) async fn act(wire: &Wire, act: &GroupAct) -> Result<GroupDone, Answer> {
    match act {
        GroupAct::Create { title, people } => create(wire, title, people).await,
        GroupAct::Add { chat, people } => {
            let peer = peer_of(chat)?;
            let left_out = people.iter().map(|who| invited(who, "a community adds nobody")).collect();
            let invite = Some(invite(wire, peer).await?);
            Ok(GroupDone { chat: chat.clone(), left_out, invite })
        }
        GroupAct::Rename { chat, title } => {
            let parameters = [("chat_id", number_of(chat)?), ("title", title.clone())];
            order(wire, "messages.editChat", &parameters).await?;
            Ok(alone(chat))
        }
        GroupAct::Leave { chat } => {
            let parameters = [("chat_id", number_of(chat)?), ("member_id", format!("-{}", group_id(wire)))];
            match order(wire, "messages.removeChatUser", &parameters).await {
                // gone is gone
                Err(answer) if NOT_THERE.iter().any(|code| answer::is(&answer, *code)) => Ok(alone(chat)),
                done => done.map(|_| alone(chat)),
            }
        }
    }
}

/// Makes a chat. Who cannot be in it from the beginning gets its address.
async fn create(wire: &Wire, title: &str, people: &[Peer]) -> Result<GroupDone, Answer> {
    let users: Vec<i64> = people.iter().filter_map(user).collect();
    let (made, named) = match make(wire, title, &users).await {
        // VK refuses all of it for one of them; a refused call made nothing
        Err(Answer::Refused { code, .. }) if !users.is_empty() && code != Code::NotSupported => {
            (make(wire, title, &[]).await?, false)
        }
        Err(Answer::Nobody { .. }) if !users.is_empty() => (make(wire, title, &[]).await?, false),
        made => (made?, true),
    };
    let number = field::number(&made, "chat_id").or_else(|| made.as_i64()).filter(|number| *number > 0);
    let Some(number) = number else {
        return Err(Answer::Unsure { seen: "a chat without its number".to_owned(), resendable: false });
    };
    let peer = FIRST_CHAT + number;
    // older versions of the API do not tell who was added
    let added: Option<Vec<i64>> =
        made.get("peer_ids").and_then(Value::as_array).map(|ids| ids.iter().filter_map(Value::as_i64).collect());
    let is_in =
        |who: &Peer| named && user(who).is_some_and(|id| added.as_ref().is_none_or(|added| added.contains(&id)));
    let left_out: Vec<LeftOut> =
        people.iter().filter(|who| !is_in(who)).map(|who| invited(who, "not allowed messages")).collect();
    let wanted = left_out.iter().any(|one| one.code == Code::GroupPrivacy);
    // the chat is what it is: that the address could not be had changes nothing
    let invite = if wanted { invite(wire, peer).await.ok() } else { None };
    Ok(GroupDone { chat: peer.to_string(), left_out, invite })
}

/// One call that makes a chat. A second one would make a second chat.
async fn make(wire: &Wire, title: &str, users: &[i64]) -> Result<Value, Answer> {
    let mut parameters = vec![("title", title.to_owned()), ("group_id", group_id(wire))];
    if !users.is_empty() {
        parameters.push(("user_ids", users.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")));
    }
    call(wire, "messages.createChat", &parameters).await.map_err(|answer| match without_bots(answer) {
        Answer::Unsure { seen, .. } => Answer::Unsure { seen, resendable: false },
        other => other,
    })
}

/// An order that may be given again.
async fn order(wire: &Wire, method: &str, parameters: &[(&str, String)]) -> Result<Value, Answer> {
    call(wire, method, parameters).await.map_err(|answer| answer::repeatable(without_bots(answer)))
}

/// A community that may have no chats goes on with its messages.
fn without_bots(answer: Answer) -> Answer {
    match answer {
        Answer::Expired { seen } if seen.starts_with(&format!("({NO_BOTS})")) => {
            Answer::Refused { code: Code::NotSupported, text: seen }
        }
        other => other,
    }
}

/// The address by which anybody may join.
async fn invite(wire: &Wire, peer: i64) -> Result<String, Answer> {
    let parameters = [("peer_id", peer.to_string()), ("group_id", group_id(wire))];
    let told = order(wire, "messages.getInviteLink", &parameters).await?;
    let link = field::text(&told, "link").filter(|link| link.starts_with("https://") && link.len() <= 200);
    link.ok_or_else(|| Answer::Down { seen: "an invitation without its address".to_owned() })
}

/// Whoever is not added. Whom the community cannot write to it cannot invite either.
fn invited(who: &Peer, why: &str) -> LeftOut {
    let code = if user(who).is_some() { Code::GroupPrivacy } else { Code::CannotWriteFirst };
    LeftOut { who: who.clone(), code, text: why.to_owned() }
}

/// The number of a person; none where the address is another one, or a chat's.
fn user(who: &Peer) -> Option<i64> {
    match who {
        Peer::Chat(chat) => chat.parse().ok().filter(|id| (1..FIRST_CHAT).contains(id)),
        Peer::Phone(_) | Peer::Username(_) | Peer::Email(_) => None,
    }
}

fn peer_of(chat: &str) -> Result<i64, Answer> {
    chat.parse().ok().filter(|peer| *peer > FIRST_CHAT).ok_or_else(|| refused(Code::AddressBad))
}

/// The number of a chat among the community's chats.
fn number_of(chat: &str) -> Result<String, Answer> {
    peer_of(chat).map(|peer| (peer - FIRST_CHAT).to_string())
}

fn alone(chat: &str) -> GroupDone {
    GroupDone { chat: chat.to_owned(), left_out: Vec::new(), invite: None }
}

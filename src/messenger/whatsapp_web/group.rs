//! Groups. The engine answers with the words of its library: who could not be added has an `Error` beside the name.

use reqwest::Method;
use serde_json::{Value, json};

use super::answer::{repeatable, result_of, said};
use super::{call, name, session_of};
use crate::messenger::parcel::refused;
use crate::messenger::{Groups, Wire, field};
use crate::model::group::{GroupAct, GroupDone, LeftOut};
use crate::model::message::Peer;
use crate::model::result::Code;
use crate::model::vendor::Answer;

/// What the gateway does with groups. Nothing deletes one for all: its maker leaves it like everybody else.
pub(super) const GROUPS: Groups =
    Groups { create: true, add: true, rename: true, leave: true, title_limit: 100, most_people: 50 };

/// The privacy of a person forbids it: an invitation is what is left.
const PRIVACY: i64 = 403;

/// Left the group a while ago, and may only come back alone.
const LEFT: i64 = 408;

/// Is in the group already.
const THERE: i64 = 409;

/// What an invitation begins with.
const LINK: &str = "https://chat.whatsapp.com/";

pub(super) async fn act(wire: &Wire, act: &GroupAct) -> Result<GroupDone, Answer> {
    match act {
        GroupAct::Create { title, people } => create(wire, title, people).await,
        GroupAct::Add { chat, people } => {
            let chat = group(chat)?;
            let body = json!({"participants": members(people)?});
            let told = order(wire, Method::POST, &format!("{chat}/participants/add"), Some(&body)).await?;
            finish(wire, chat, people, &told).await
        }
        GroupAct::Rename { chat, title } => {
            let chat = group(chat)?;
            order(wire, Method::PUT, &format!("{chat}/subject"), Some(&json!({"subject": title}))).await?;
            Ok(alone(chat))
        }
        GroupAct::Leave { chat } => {
            let chat = group(chat)?;
            order(wire, Method::POST, &format!("{chat}/leave"), None).await?;
            Ok(alone(chat))
        }
    }
}

async fn create(wire: &Wire, title: &str, people: &[Peer]) -> Result<GroupDone, Answer> {
    let body = json!({"name": title, "participants": members(people)?});
    let request = call(wire, Method::POST, &format!("/api/{}/groups", session_of(wire))).json(&body);
    let told = result_of(wire.http.call(request, wire.http.limits()).await, false)?;
    // the engine's library writes JID, other engines write id
    let id = ["JID", "id", "gid"].into_iter().find_map(|part| field::text(&told, part).or_else(|| inner(&told, part)));
    let chat = id.and_then(|id| name::chat(&id)).filter(|chat| name::is_group(chat));
    let chat = chat
        .ok_or_else(|| Answer::Unsure { seen: "a group without a name of its chat".to_owned(), resendable: false })?;
    let members = told.get("Participants").or_else(|| told.get("participants")).cloned().unwrap_or_default();
    finish(wire, chat, people, &members).await
}

fn inner(told: &Value, part: &str) -> Option<String> {
    let object = told.get(part)?;
    field::text(object, "_serialized")
}

/// Who is left out, and how they may come in. The group is what it is: that the invitation could not be had changes nothing.
async fn finish(wire: &Wire, chat: String, people: &[Peer], told: &Value) -> Result<GroupDone, Answer> {
    let left_out = left_out(people, told);
    let invite =
        if left_out.iter().any(|one| one.code == Code::GroupPrivacy) { invite(wire, &chat).await } else { None };
    Ok(GroupDone { chat, left_out, invite })
}

fn left_out(people: &[Peer], told: &Value) -> Vec<LeftOut> {
    let mut left_out = Vec::new();
    for member in told.as_array().into_iter().flatten() {
        let Some(error) = field::number(member, "Error").filter(|error| *error != 0 && *error != THERE) else {
            continue;
        };
        let names = ["JID", "PhoneNumber", "LID", "id"].into_iter().filter_map(|part| field::text(member, part));
        let names: Vec<String> = names.filter_map(|id| name::chat(&id)).collect();
        let Some(who) = people.iter().find(|who| jid(who).is_some_and(|jid| names.contains(&jid))) else { continue };
        let code = match error {
            PRIVACY | LEFT => Code::GroupPrivacy,
            404 => Code::Nobody,
            _ => Code::Refused,
        };
        left_out.push(LeftOut { who: who.clone(), code, text: format!("({error})") });
    }
    left_out
}

async fn invite(wire: &Wire, chat: &str) -> Option<String> {
    let told = order(wire, Method::GET, &format!("{chat}/invite-code"), None).await;
    let told = match told {
        Ok(told) => told,
        Err(answer) => {
            tracing::warn!(?answer, "a group has no invitation to give");
            return None;
        }
    };
    let code = told.as_str().map(str::to_owned).or_else(|| field::text(&told, "code"))?;
    let code = code.strip_prefix(LINK).unwrap_or(&code).to_owned();
    let good = (8..=64).contains(&code.len()) && code.chars().all(|c| c.is_ascii_alphanumeric());
    good.then(|| format!("{LINK}{code}"))
}

/// An order that may be given again: whoever is in a group stays in it.
async fn order(wire: &Wire, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Answer> {
    let request = call(wire, method, &format!("/api/{}/groups/{}", session_of(wire), path.replace('@', "%40")));
    let request = match body {
        Some(body) => request.json(body),
        None => request,
    };
    let called = wire.http.call(request, wire.http.limits()).await;
    match called {
        // some orders are answered without a body, and a code as bare text
        Ok(reply) if (200..300).contains(&reply.status) => {
            let body = reply.json();
            if !body.is_null() {
                return Ok(body);
            }
            Ok(Value::String(String::from_utf8_lossy(&reply.body).trim().to_owned()))
        }
        // a channel is not lost over a group that is gone
        Ok(reply) if reply.status == 404 => Err(Answer::Refused { code: Code::Refused, text: said(&reply.json()) }),
        called => repeatable(called),
    }
}

fn members(people: &[Peer]) -> Result<Vec<Value>, Answer> {
    let ids: Option<Vec<String>> = people.iter().map(jid).collect();
    Ok(ids.ok_or_else(|| refused(Code::AddressBad))?.into_iter().map(|id| json!({"id": id})).collect())
}

fn jid(who: &Peer) -> Option<String> {
    match who {
        Peer::Phone(digits) => Some(format!("{digits}@c.us")),
        Peer::Chat(digits) if name::is_number(digits) => Some(format!("{digits}@c.us")),
        Peer::Chat(chat) => name::chat(chat).filter(|chat| !name::is_group(chat)),
        Peer::Username(_) | Peer::Email(_) => None,
    }
}

fn group(chat: &str) -> Result<String, Answer> {
    name::chat(chat).filter(|chat| name::is_group(chat)).ok_or_else(|| refused(Code::AddressBad))
}

const fn alone(chat: String) -> GroupDone {
    GroupDone { chat, left_out: Vec::new(), invite: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_left_out_is_known_by_every_name_of_theirs() {
        let people =
            [Peer::Phone("79161234567".into()), Peer::Chat("123@lid".into()), Peer::Phone("79160000000".into())];
        let told = json!([
            {"JID": "55@lid", "PhoneNumber": "79161234567@s.whatsapp.net", "Error": 403},
            {"JID": "123@lid", "Error": 409},
            {"JID": "79160000000@s.whatsapp.net", "Error": 404},
            {"JID": "79031112233@s.whatsapp.net", "IsAdmin": true, "Error": 0}
        ]);
        let codes: Vec<(Peer, Code)> = left_out(&people, &told).into_iter().map(|one| (one.who, one.code)).collect();
        assert_eq!(codes, [(people[0].clone(), Code::GroupPrivacy), (people[2].clone(), Code::Nobody)]);
    }
}

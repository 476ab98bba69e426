//! Groups (<https://developers.facebook.com/docs/whatsapp/cloud-api/groups>), which Official Business Accounts alone may have. Nobody is
//! added to one: whoever is wanted gets its address. Meta makes a group in its own time and names it to the webhook; whoever asked for it
//! finds it in the list of the number's groups.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{call, code, phone_number_id, send};
use crate::messenger::parcel::refused;
use crate::messenger::{Groups, Wire, field};
use crate::model::group::{GroupAct, GroupDone, LeftOut};
use crate::model::message::Peer;
use crate::model::result::Code;
use crate::model::vendor::Answer;

/// What a number does with groups.
pub(super) const GROUPS: Groups =
    Groups { create: true, add: true, rename: true, leave: true, title_limit: 128, most_people: 8 };

/// What an invitation begins with.
const LINK: &str = "https://chat.whatsapp.com/";

/// When it is looked whether a group is there, milliseconds after the look before.
const LOOKS_MS: [u64; 4] = [0, 500, 2_000, 5_000];

/// The errors of a number, or of a token, that may not do this.
const PERMISSION: [&str; 4] = ["(3)", "(10)", "(200)", "(131005)"];

/// Groups on a page of the list, and the most pages: a number has ten thousand groups at most.
const PAGE: &str = "1024";
const MOST_PAGES: usize = 10;

pub(super) async fn act(wire: &Wire, act: &GroupAct) -> Result<GroupDone, Answer> {
    match act {
        GroupAct::Create { title, people } => create(wire, title.trim(), people).await,
        GroupAct::Add { chat, people } => {
            let link = invite(wire, group(chat)?).await?;
            Ok(GroupDone { chat: chat.clone(), left_out: invited(people), invite: Some(link) })
        }
        GroupAct::Rename { chat, title } => {
            let body = json!({"messaging_product": "whatsapp", "subject": title.trim()});
            order(call(wire, Method::POST, group(chat)?).json(&body), wire).await?;
            Ok(alone(chat))
        }
        GroupAct::Leave { chat } => {
            order(call(wire, Method::DELETE, group(chat)?), wire).await?;
            Ok(alone(chat))
        }
    }
}

async fn create(wire: &Wire, title: &str, people: &[Peer]) -> Result<GroupDone, Answer> {
    // others may have the same title
    let others = titled(wire, title).await?;
    let body = json!({"messaging_product": "whatsapp", "subject": title, "join_approval_mode": "auto_approve"});
    let request = call(wire, Method::POST, &format!("{}/groups", phone_number_id(wire))).json(&body);
    code::result_of(wire.http.call(request, wire.http.limits()).await).map_err(without_groups)?;
    for pause_ms in LOOKS_MS {
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        let Ok(now) = titled(wire, title).await else { continue };
        if let Some(chat) = now.into_iter().find(|id| !others.contains(id)) {
            // the group is what it is: that its address could not be had changes nothing
            let link = invite(wire, &chat).await.ok();
            return Ok(GroupDone { chat, left_out: invited(people), invite: link });
        }
    }
    let seen = "Meta took the order and does not show the group yet; once it is made it stands among the dialogs";
    Err(Answer::Unsure { seen: seen.to_owned(), resendable: false })
}

/// The groups of the number that have a title.
async fn titled(wire: &Wire, title: &str) -> Result<Vec<String>, Answer> {
    let (mut found, mut after) = (Vec::new(), None::<String>);
    for _ in 0..MOST_PAGES {
        let request = call(wire, Method::GET, &format!("{}/groups", phone_number_id(wire))).query(&[("limit", PAGE)]);
        let request = after.iter().fold(request, |request, after| request.query(&[("after", after)]));
        let told = order(request, wire).await?;
        let groups = told.get("data").map(|data| field::list(data, "groups")).unwrap_or_default();
        let ours = groups.iter().filter(|one| field::text(one, "subject").is_some_and(|told| told.trim() == title));
        found.extend(ours.filter_map(|one| field::id(one, "id")).filter(|id| group(id).is_ok()));
        after = told.pointer("/paging/cursors").and_then(|cursors| field::text(cursors, "after"));
        if after.is_none() || groups.is_empty() {
            break;
        }
    }
    Ok(found)
}

/// An order that may be given again.
async fn order(request: reqwest::RequestBuilder, wire: &Wire) -> Result<Value, Answer> {
    code::result_of(wire.http.call(request, wire.http.limits()).await).map_err(|answer| match without_groups(answer) {
        Answer::Unsure { seen, .. } => Answer::Down { seen },
        other => other,
    })
}

/// A number that may have no groups goes on with its messages.
fn without_groups(answer: Answer) -> Answer {
    match answer {
        Answer::Expired { seen } if PERMISSION.iter().any(|code| seen.starts_with(code)) => {
            Answer::Refused { code: Code::NotSupported, text: seen }
        }
        other => other,
    }
}

/// The address by which anybody may join. It is asked for and not made anew: a new one ends those that others have.
async fn invite(wire: &Wire, chat: &str) -> Result<String, Answer> {
    let told = order(call(wire, Method::GET, &format!("{chat}/invite_link")), wire).await?;
    let link = field::text(&told, "invite_link").filter(|link| link.starts_with(LINK) && link.len() <= 200);
    link.ok_or_else(|| Answer::Down { seen: "an invitation without its address".to_owned() })
}

fn invited(people: &[Peer]) -> Vec<LeftOut> {
    let text = "people join by the address of the group";
    people.iter().map(|who| LeftOut { who: who.clone(), code: Code::GroupPrivacy, text: text.to_owned() }).collect()
}

/// A chat that is a group; it becomes part of an address.
fn group(chat: &str) -> Result<&str, Answer> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '=');
    let good = send::is_group(&Peer::Chat(chat.to_owned())) && chat.len() <= 128 && chat.chars().all(plain);
    if good { Ok(chat) } else { Err(refused(Code::AddressBad)) }
}

fn alone(chat: &str) -> GroupDone {
    GroupDone { chat: chat.to_owned(), left_out: Vec::new(), invite: None }
}

//! Chats of many: made, renamed, left, joined by their address.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Community, Trouble, with_community};
use crate::sandbox::door::Call;
use crate::sandbox::phone::Phones;
use crate::sandbox::state::{Sandbox, random_hex};

/// Chats of many have numbers above this.
pub(super) const FIRST: i64 = 2_000_000_000;

/// A chat of many.
#[derive(Debug, Default)]
pub(crate) struct Chat {
    /// Its title.
    pub(crate) title: String,
    /// Who is in it, by their numbers.
    pub(crate) members: BTreeSet<i64>,
    /// The community is in it.
    pub(crate) here: bool,
    /// The address to join by, once somebody asked for it.
    pub(crate) link: Option<String>,
}

/// Answers what is asked about chats; none where it is another method.
pub(super) fn act(sandbox: &Arc<Sandbox>, group: i64, method: &str, call: &Call) -> Option<Result<Value, Trouble>> {
    let done = match method {
        "messages.createChat" => create(sandbox, group, call),
        "messages.editChat" => own(sandbox, group, call, |chat| {
            chat.title = call.args.text("title").ok_or_else(|| Trouble::bad("title"))?;
            Ok(json!(1))
        }),
        "messages.removeChatUser" => own(sandbox, group, call, |chat| {
            let who = call.args.whole("member_id").or_else(|| call.args.whole("user_id"));
            let who = who.ok_or_else(|| Trouble::bad("member_id"))?;
            if who == -group {
                chat.here = false;
            } else if !chat.members.remove(&who) {
                return Err(Trouble::of(935));
            }
            Ok(json!(1))
        }),
        "messages.getInviteLink" => invite(sandbox, group, call),
        _ => return None,
    };
    Some(done)
}

/// Only whoever allowed messages of the community is taken in.
fn create(sandbox: &Sandbox, group: i64, call: &Call) -> Result<Value, Trouble> {
    let title = call.args.text("title").ok_or_else(|| Trouble::bad("title"))?;
    let asked = call.args.text("user_ids").unwrap_or_default();
    let asked: Vec<i64> = asked.split(',').filter_map(|id| id.trim().parse().ok()).collect();
    with_community(sandbox, group, |community| {
        let mut phones = sandbox.phones.lock();
        let allows = |id: &i64| phones.by_vk(*id).is_some_and(|phone| phone.vk_allowed.contains(&group));
        let members: BTreeSet<i64> = asked.into_iter().filter(allows).collect();
        let number = i64::try_from(community.chats.len()).unwrap_or(0) + 1;
        let added: Vec<i64> = members.iter().copied().collect();
        community.chats.insert(number, Chat { title, members, here: true, link: None });
        Ok(json!({"chat_id": number, "peer_ids": added}))
    })
}

/// Does something in a chat that the community is in.
fn own(
    sandbox: &Sandbox,
    group: i64,
    call: &Call,
    work: impl FnOnce(&mut Chat) -> Result<Value, Trouble>,
) -> Result<Value, Trouble> {
    let number = call.args.whole("chat_id").ok_or_else(|| Trouble::bad("chat_id"))?;
    with_community(sandbox, group, |community| {
        let chat = community.chats.get_mut(&number).ok_or_else(|| Trouble::of(927))?;
        if chat.here { work(chat) } else { Err(Trouble::of(935)) }
    })
}

fn invite(sandbox: &Sandbox, group: i64, call: &Call) -> Result<Value, Trouble> {
    let peer = call.args.whole("peer_id").ok_or_else(|| Trouble::bad("peer_id"))?;
    with_community(sandbox, group, |community| {
        let chat = community.chats.get_mut(&(peer - FIRST)).filter(|chat| chat.here);
        let chat = chat.ok_or_else(|| Trouble::of(917))?;
        let link = chat.link.get_or_insert_with(|| format!("https://vk.me/join/{}", random_hex(12)));
        Ok(json!({"link": link}))
    })
}

/// The phones of those in a chat that the community may write into.
pub(super) fn members(community: &Community, phones: &mut Phones, peer: i64) -> Result<Vec<String>, Trouble> {
    let chat = community.chats.get(&(peer - FIRST)).filter(|chat| chat.here).ok_or_else(|| Trouble::of(917))?;
    Ok(chat.members.iter().filter_map(|id| phones.by_vk(*id).map(|phone| phone.id.clone())).collect())
}

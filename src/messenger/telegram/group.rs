//! Groups: made, filled, renamed, left. Whoever does not let others add them is named, beside the address by which they may join.
//! A group that became a supergroup goes on under its new number, also where it is asked for by the old one.

use std::collections::HashSet;

use grammers_tl_types::{enums, functions};

use super::driver::Trouble;
use super::line::{self, Line};
use super::{answer, book, send};
use crate::messenger::parcel::refused;
use crate::messenger::{Groups, Wire};
use crate::model::group::{GroupAct, GroupDone, LeftOut};
use crate::model::message::Peer;
use crate::model::result::Code;
use crate::model::vendor::Answer;

/// So many of the latest messages a person sees who comes into a basic group.
const SHOWN: i32 = 100;

/// What is done with groups. A basic group holds two hundred people; more than fifty invitations a day are known to be too many.
pub(super) const GROUPS: Groups =
    Groups { create: true, add: true, rename: true, leave: true, title_limit: 128, most_people: 50 };

/// Why somebody is not added who may come by the address to join by.
const PRIVACY: [&str; 7] = [
    "USER_PRIVACY_RESTRICTED",
    "USER_NOT_MUTUAL_CONTACT",
    "USER_CHANNELS_TOO_MUCH",
    "USERS_TOO_MUCH",
    "USER_KICKED",
    "USER_BLOCKED",
    "YOU_BLOCKED_USER",
];

/// The account is limited for adding strangers.
const LIMITED: &str = "PEER_FLOOD";

pub(super) async fn act(wire: &Wire, act: &GroupAct) -> Result<GroupDone, Answer> {
    let line = line::borrow(wire)?;
    match act {
        GroupAct::Create { title, people } => create(&line, title, people).await,
        GroupAct::Add { chat, people } => add(&line, place(&line, chat)?, people).await,
        GroupAct::Rename { chat, title } => {
            let place = place(&line, chat)?;
            harmless(rename(&line, &place, title).await)?;
            Ok(alone(place.id))
        }
        GroupAct::Leave { chat } => {
            let place = place(&line, chat)?;
            harmless(leave(&line, &place).await)?;
            Ok(alone(place.id))
        }
    }
}

/// A group: its number, and how calls name it where it is a supergroup.
struct Place {
    id: i64,
    channel: Option<enums::InputChannel>,
}

/// The group of a name, where it is now.
fn place(line: &Line, chat: &str) -> Result<Place, Answer> {
    let id: i64 = chat.parse().ok().filter(|id| *id < 0).ok_or_else(|| refused(Code::AddressBad))?;
    let book = line.book.lock();
    let id = book.now(id);
    match book::channel_of(id) {
        None => Ok(Place { id, channel: None }),
        // a supergroup that the account never met
        Some(channel) => match book.channel(channel) {
            Some(channel) => Ok(Place { id, channel: Some(channel) }),
            None => Err(refused(Code::AddressBad)),
        },
    }
}

fn alone(id: i64) -> GroupDone {
    GroupDone { chat: id.to_string(), left_out: Vec::new(), invite: None }
}

/// What was so already is well.
fn harmless(told: Result<(), Trouble>) -> Result<(), Answer> {
    match told {
        Err(trouble) if ["CHAT_NOT_MODIFIED", "USER_NOT_PARTICIPANT"].iter().any(|name| trouble.is(name)) => Ok(()),
        other => other.map_err(answer::of),
    }
}

/// Somebody who is to be in a group.
#[derive(Clone)]
struct Guest {
    /// As was asked for.
    who: Peer,
    id: i64,
    user: enums::InputUser,
}

impl Guest {
    fn left(&self, code: Code, text: &str) -> LeftOut {
        LeftOut { who: self.who.clone(), code, text: text.to_owned() }
    }
}

/// Who of the people is found, each once, and who is not.
async fn find(line: &Line, people: &[Peer]) -> Result<(Vec<Guest>, Vec<LeftOut>), Answer> {
    let (mut guests, mut left_out, mut met) = (Vec::new(), Vec::new(), HashSet::new());
    for who in people {
        let (code, text) = match send::find(line, who, None).await {
            Ok(id) => match line.book.lock().user(id) {
                Some(user) => {
                    if met.insert(id) {
                        guests.push(Guest { who: who.clone(), id, user });
                    }
                    continue;
                }
                // a group, or somebody seen from afar
                None => (Code::AddressBad, String::new()),
            },
            Err(Answer::Nobody { text }) => (Code::Nobody, text),
            Err(Answer::Refused { code, text }) => (code, text),
            // nothing was done yet
            Err(Answer::Unsure { seen, .. }) => return Err(Answer::Down { seen }),
            Err(other) => return Err(other),
        };
        left_out.push(LeftOut { who: who.clone(), code, text });
    }
    Ok((guests, left_out))
}

async fn create(line: &Line, title: &str, people: &[Peer]) -> Result<GroupDone, Answer> {
    let (guests, mut left_out) = find(line, people).await?;
    if guests.is_empty() {
        // a group of one is none there
        return Err(Answer::Nobody { text: "none of the people has Telegram".to_owned() });
    }
    let users = guests.iter().map(|guest| guest.user.clone()).collect();
    let call = functions::messages::CreateChat { users, title: title.to_owned(), ttl_period: None };
    let enums::messages::InvitedUsers::Users(told) = line.call(&call).await.map_err(not_made)?;
    send::learn_from(line, &told.updates);
    let id = made(&told.updates)
        .ok_or_else(|| Answer::Unsure { seen: "a success without a group".to_owned(), resendable: false })?;
    left_out.extend(missing(&guests, &told.missing_invitees));
    // the group is what it is: that the address could not be had changes nothing
    let invite = if needs_invite(&left_out) { invite(line, id).await.unwrap_or_default() } else { None };
    Ok(GroupDone { chat: id.to_string(), left_out, invite })
}

/// Why no group was made. Nothing drops a second one, so what is unsure stays so.
fn not_made(trouble: Trouble) -> Answer {
    if PRIVACY.iter().any(|name| trouble.is(name)) {
        return refused(Code::GroupPrivacy);
    }
    match answer::of(trouble) {
        Answer::Unsure { seen, .. } => Answer::Unsure { seen, resendable: false },
        other => other,
    }
}

async fn add(line: &Line, place: Place, people: &[Peer]) -> Result<GroupDone, Answer> {
    let (guests, mut left_out) = find(line, people).await?;
    left_out.extend(bring(line, &place, &guests).await?);
    // whoever is in the group stays in it when all of this is done again
    let invite = if needs_invite(&left_out) { invite(line, place.id).await? } else { None };
    Ok(GroupDone { chat: place.id.to_string(), left_out, invite })
}

type Invited = Result<enums::messages::InvitedUsers, Trouble>;

/// Adds one; to a supergroup several at once.
async fn call(line: &Line, place: &Place, guests: &[Guest]) -> Invited {
    let told = match (&place.channel, guests) {
        (None, [guest]) => {
            let (chat_id, user_id) = (book::below(place.id), guest.user.clone());
            line.call(&functions::messages::AddChatUser { chat_id, user_id, fwd_limit: SHOWN }).await
        }
        (Some(channel), _) => {
            let users = guests.iter().map(|guest| guest.user.clone()).collect();
            line.call(&functions::channels::InviteToChannel { channel: channel.clone(), users }).await
        }
        (None, _) => Err(Trouble::NotSent("a basic group takes one after the other".to_owned())),
    };
    if let Ok(enums::messages::InvitedUsers::Users(told)) = &told {
        send::learn_from(line, &told.updates);
    }
    told
}

/// All at once where that can be done, and where one of them spoils it, one after the other.
async fn bring(line: &Line, place: &Place, guests: &[Guest]) -> Result<Vec<LeftOut>, Answer> {
    if place.channel.is_some() && guests.len() > 1 {
        match call(line, place, guests).await {
            Ok(enums::messages::InvitedUsers::Users(told)) => return Ok(missing(guests, &told.missing_invitees)),
            Err(trouble) if !is_of_one(&trouble) => return Err(answer::of(trouble)),
            Err(_) => {}
        }
    }
    one_by_one(line, place, guests).await
}

/// Who of the people is not in the group afterwards.
async fn one_by_one(line: &Line, place: &Place, guests: &[Guest]) -> Result<Vec<LeftOut>, Answer> {
    let mut left_out = Vec::new();
    for (n, guest) in guests.iter().enumerate() {
        match call(line, place, std::slice::from_ref(guest)).await {
            Ok(enums::messages::InvitedUsers::Users(told)) => {
                left_out.extend(missing(std::slice::from_ref(guest), &told.missing_invitees));
            }
            Err(trouble) if trouble.is("USER_ALREADY_PARTICIPANT") => {}
            Err(trouble) if PRIVACY.iter().any(|name| trouble.is(name)) => {
                left_out.push(guest.left(Code::GroupPrivacy, ""));
            }
            // some are in: whoever asked hears now who is not, and nobody else is tried
            Err(trouble) if trouble.is(LIMITED) && n > left_out.len() => {
                let rest = guests.iter().skip(n);
                left_out.extend(rest.map(|guest| guest.left(Code::SpamSuspected, LIMITED)));
                break;
            }
            Err(trouble) if is_of_one(&trouble) => left_out.push(left_by(guest, trouble)),
            Err(trouble) => return Err(answer::of(trouble)),
        }
    }
    Ok(left_out)
}

/// Whether a refusal speaks of one of the people, and not of the group or the account.
fn is_of_one(trouble: &Trouble) -> bool {
    let others =
        ["USER_ID_INVALID", "USER_ALREADY_PARTICIPANT", "INPUT_USER_DEACTIVATED", "USER_BOT", "BOT_GROUPS_BLOCKED"];
    PRIVACY.iter().chain(&others).any(|name| trouble.is(name))
}

fn left_by(guest: &Guest, trouble: Trouble) -> LeftOut {
    match answer::of(trouble) {
        Answer::Refused { code, text } => guest.left(code, &text),
        Answer::Nobody { text } => guest.left(Code::Nobody, &text),
        _ => guest.left(Code::Refused, ""),
    }
}

fn missing(guests: &[Guest], missing: &[enums::MissingInvitee]) -> Vec<LeftOut> {
    let ids: HashSet<i64> = missing.iter().map(|enums::MissingInvitee::Invitee(one)| one.user_id).collect();
    guests.iter().filter(|guest| ids.contains(&guest.id)).map(|guest| guest.left(Code::GroupPrivacy, "")).collect()
}

fn needs_invite(left_out: &[LeftOut]) -> bool {
    left_out.iter().any(|one| one.code == Code::GroupPrivacy)
}

/// The group that was made.
fn made(updates: &enums::Updates) -> Option<i64> {
    let chats = match updates {
        enums::Updates::Updates(told) => &told.chats,
        enums::Updates::Combined(told) => &told.chats,
        _ => return None,
    };
    chats.iter().find_map(|chat| match chat {
        enums::Chat::Chat(chat) => Some(book::below(chat.id)),
        _ => None,
    })
}

/// The address by which anybody may join; none where the account may not make one.
async fn invite(line: &Line, id: i64) -> Result<Option<String>, Answer> {
    let Some(peer) = line.book.lock().input(id) else { return Ok(None) };
    let call = functions::messages::ExportChatInvite {
        legacy_revoke_permanent: false,
        request_needed: false,
        peer,
        expire_date: None,
        usage_limit: None,
        title: None,
        subscription_pricing: None,
    };
    match line.call(&call).await {
        Ok(enums::ExportedChatInvite::ChatInviteExported(made)) => Ok(Some(made.link)),
        Ok(_) => Ok(None),
        Err(trouble @ Trouble::Refused(_)) => match answer::of(trouble) {
            Answer::Refused { text, .. } => {
                tracing::warn!(seen = text, "a group has no invitation to give");
                Ok(None)
            }
            other => Err(other),
        },
        Err(trouble) => Err(answer::of(trouble)),
    }
}

async fn rename(line: &Line, place: &Place, title: &str) -> Result<(), Trouble> {
    let title = title.to_owned();
    let told = match place.channel.clone() {
        Some(channel) => line.call(&functions::channels::EditTitle { channel, title }).await?,
        None => line.call(&functions::messages::EditChatTitle { chat_id: book::below(place.id), title }).await?,
    };
    send::learn_from(line, &told);
    Ok(())
}

async fn leave(line: &Line, place: &Place) -> Result<(), Trouble> {
    let told = if let Some(channel) = place.channel.clone() {
        line.call(&functions::channels::LeaveChannel { channel }).await?
    } else {
        let (chat_id, user_id) = (book::below(place.id), enums::InputUser::UserSelf);
        line.call(&functions::messages::DeleteChatUser { revoke_history: false, chat_id, user_id }).await?
    };
    send::learn_from(line, &told);
    Ok(())
}

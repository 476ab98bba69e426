//! Groups: somebody asks for one to be made, for people to be added to it, for another title, or to leave it. Each of these is
//! a call of the vendor, so it waits in the lane of its channel like a message.

mod carry;
mod people;
mod settle;

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::flow::message::peer_of;
use crate::messenger;
use crate::model::errand::{NewErrand, Rank, Work};
use crate::model::group::GroupAct;
use crate::model::id::{ChannelId, CompanyId, GroupActId};
use crate::model::message::{Kind, Peer};
use crate::model::moment::Moment;
use crate::model::origin::Origin;
use crate::model::result::Code;
use crate::store::outbox::{self, Accepted};
use crate::store::row::{ChannelRow, GroupActRow, text, value};
use crate::store::{Conn, Result};

pub(crate) use carry::carry_out;
pub use settle::{settle, told};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct GroupRequest {
    /// Whose it is.
    pub company: CompanyId,
    /// The channel.
    pub channel: ChannelId,
    /// What is to be done.
    pub act: GroupAct,
    /// The words of an invitation to those whose privacy forbids adding them; none takes ours.
    pub invitation: Option<String>,
    /// The rank in the lane.
    pub rank: Rank,
    /// Who must be told.
    pub origin: Origin,
}

/// Why it will never be done: the field that is wrong, and our code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupRefusal {
    /// `title`, `people`, `chat`, `channel`, `line`, or empty.
    pub field: &'static str,
    /// The code.
    pub code: Code,
}

/// What became of one of the people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize, ToSchema)]
pub struct GroupPersonOut {
    /// The phone, name or chat.
    pub to: String,
    /// `added`, `invited` (an invitation waits in the queue) or `left_out`.
    pub outcome: String,
    /// Our stable code, where the person was not added.
    pub code: Option<String>,
    /// What the vendor said.
    pub reason: Option<String>,
    /// The message with the invitation.
    pub message: Option<String>,
}

/// What was asked to be done with a group, and what became of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GroupActOut {
    /// Its id.
    pub id: String,
    /// The channel.
    pub channel: String,
    /// The chat as the vendor names it: where messages into the group go. Null before the group was made.
    pub chat: Option<String>,
    /// `create`, `add`, `rename` or `leave`.
    pub act: String,
    /// `waiting`, `done`, `failed`, `not_done` (it was taken out of the queue) or `unknown` (it may have been done).
    pub state: String,
    /// What became of the people.
    pub people: Vec<GroupPersonOut>,
    /// The address by which anybody may join, where it was needed.
    pub invite: Option<String>,
    /// Our stable code of an error.
    pub code: Option<String>,
    /// The reason of an error.
    pub reason: Option<String>,
    /// When it was accepted.
    pub accepted_at: i64,
    /// When it was over.
    pub over_at: Option<i64>,
}

/// A group that a channel is in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GroupOut {
    /// The chat as the vendor names it.
    pub chat: String,
    /// Its title.
    pub title: String,
    /// Whether we may write into it: not after we left it.
    pub allowed: bool,
}

/// Reads people as they are typed: phones in any spelling, `@names`, and chats.
#[must_use]
pub fn people(texts: &[String], region: &str) -> Option<Vec<Peer>> {
    let mut people = Vec::new();
    for text in texts {
        let peer = peer_of(text, region)?;
        if !people.contains(&peer) {
            people.push(peer);
        }
    }
    Some(people)
}

/// Accepts what is asked for, and rings the pump.
///
/// # Errors
/// The outer error is the store's. The inner one says why it can never be done.
pub(crate) async fn post(app: &App, request: GroupRequest) -> Result<std::result::Result<GroupActId, GroupRefusal>> {
    let inner = app.clone();
    let (outcome, accepted) = app
        .store
        .write(move |conn| {
            let now = inner.clock.now();
            match order(&inner, conn, &request, now)? {
                Ok((id, errand)) => {
                    let accepted: Vec<Accepted> = outbox::accept(conn, now, &[errand])?.into_iter().flatten().collect();
                    Ok((Ok(id), accepted))
                }
                Err(refusal) => Ok((Err(refusal), Vec::new())),
            }
        })
        .await?;
    app.bell.accepted(accepted);
    Ok(outcome)
}

/// The errand of a request, whose act is written down; the caller has it accepted in the same transaction.
///
/// # Errors
/// The outer error is the database's. The inner one says why it can never be done.
pub fn order(
    app: &App,
    conn: &mut Conn,
    request: &GroupRequest,
    now: Moment,
) -> Result<std::result::Result<(GroupActId, NewErrand), GroupRefusal>> {
    let refuse = |field, code| Ok(Err(GroupRefusal { field, code }));
    let Some(channel) = crate::on!(conn, channel::by_id(request.company, request.channel))? else {
        return refuse("channel", Code::ChannelNotFound);
    };
    if let Err(code) = crate::flow::route::line(conn, request.company, Some(channel.line), now)? {
        return refuse("line", code);
    }
    if channel.state != "connected" {
        return refuse("channel", Code::ChannelLost);
    }
    if let Err(refusal) = check(&channel, &request.act) {
        return Ok(Err(refusal));
    }
    let id = GroupActId::new();
    let row = GroupActRow {
        id: id.to_string(),
        company: request.company.to_string(),
        channel: channel.id.clone(),
        chat: request.act.chat().map(str::to_owned),
        act: text(&request.act)?,
        invitation: request.invitation.clone(),
        state: "waiting".to_owned(),
        done: None,
        people: None,
        code: None,
        reason: None,
        accepted_at: now.0,
        over_at: None,
    };
    crate::on!(conn, group_act::create(&row))?;
    let ttl_ms = app.config.outbox.default_ttl_hours.saturating_mul(3_600_000);
    let work = Work::Group { channel: request.channel, act: id, order: Box::new(request.act.clone()) };
    let errand = NewErrand {
        company: request.company,
        lane: channel.lane,
        rank: request.rank,
        // what is done with one group is done in order, and messages into it keep their place
        peer: request.act.chat().map_or_else(|| id.to_string(), str::to_owned),
        work,
        origin: request.origin.clone(),
        not_before: None,
        expires_at: Some(now.plus_ms(ttl_ms)),
        dedup_key: None,
        merge_key: None,
    };
    Ok(Ok((id, errand)))
}

/// What a channel does with groups.
pub(super) fn of_channel(channel: &ChannelRow) -> messenger::Groups {
    let messenger = Kind::from_slug(&channel.messenger).and_then(messenger::of);
    let settings: serde_json::Value = value("channels", &channel.settings).unwrap_or_default();
    messenger.map(|messenger| messenger.groups_of(&settings)).unwrap_or_default()
}

/// What needs no call to be known.
fn check(channel: &ChannelRow, act: &GroupAct) -> std::result::Result<(), GroupRefusal> {
    let refuse = |field, code| Err(GroupRefusal { field, code });
    let groups = of_channel(channel);
    if !groups.does(act) {
        return refuse("", Code::NotSupported);
    }
    if let GroupAct::Create { title, .. } | GroupAct::Rename { title, .. } = act {
        if title.trim().is_empty() {
            return refuse("title", Code::MessageEmpty);
        }
        if title.chars().count() > groups.title_limit {
            return refuse("title", Code::MessageTooLong);
        }
    }
    if act.chat().is_some_and(|chat| chat.trim().is_empty() || chat.len() > 128) {
        return refuse("chat", Code::AddressBad);
    }
    match act {
        GroupAct::Create { people, .. } | GroupAct::Add { people, .. } if people.is_empty() => {
            refuse("people", Code::AddressEmpty)
        }
        _ if act.people().len() > groups.most_people => refuse("people", Code::RequestBad),
        _ => Ok(()),
    }
}

/// One of a company.
///
/// # Errors
/// Those of the store.
pub(crate) async fn find(app: &App, company: CompanyId, id: GroupActId) -> Result<Option<GroupActOut>> {
    let row = app.store.read(move |conn| crate::on!(conn, group_act::by_id(company, id))).await?;
    row.map(shown).transpose()
}

/// The same inside a transaction, and whom it was asked for.
///
/// # Errors
/// Those of the database.
pub fn asked_by_id(conn: &mut Conn, company: CompanyId, id: GroupActId) -> Result<Option<(GroupActOut, Vec<Peer>)>> {
    let Some(row) = crate::on!(conn, group_act::by_id(company, id))? else { return Ok(None) };
    let act: GroupAct = value("group_acts", &row.act)?;
    Ok(Some((shown(row)?, act.people().to_vec())))
}

/// The groups of a channel; none where there is no such channel.
///
/// # Errors
/// Those of the store.
pub(crate) async fn list(app: &App, company: CompanyId, channel: ChannelId) -> Result<Option<Vec<GroupOut>>> {
    let rows = app
        .store
        .read(move |conn| {
            if crate::on!(conn, channel::by_id(company, channel))?.is_none() {
                return Ok(None);
            }
            crate::on!(conn, group_act::groups(company, channel)).map(Some)
        })
        .await?;
    let shown = |row: crate::store::row::DialogRow| GroupOut { chat: row.chat, title: row.title, allowed: row.allowed };
    Ok(rows.map(|rows| rows.into_iter().map(shown).collect()))
}

fn shown(row: GroupActRow) -> Result<GroupActOut> {
    let act: GroupAct = value("group_acts", &row.act)?;
    let done: Option<crate::model::group::GroupDone> =
        row.done.as_deref().map(|done| value("group_acts", done)).transpose()?;
    let people = row.people.as_deref().map(|people| value("group_acts", people)).transpose()?;
    Ok(GroupActOut {
        id: row.id,
        channel: row.channel,
        chat: row.chat,
        act: act.slug().to_owned(),
        state: row.state,
        people: people.unwrap_or_default(),
        invite: done.and_then(|done| done.invite),
        code: row.code,
        reason: row.reason,
        accepted_at: row.accepted_at,
        over_at: row.over_at,
    })
}

//! Robots that do something with groups: each group is one act at the vendor.

use super::plan::{Part, Plan, What};
use super::{rank, reach};
use crate::app::App;
use crate::crm::bitrix24::robot::{GroupOrder, GroupRequest, Recipient, Terms};
use crate::flow::group;
use crate::model::group::GroupAct;
use crate::model::id::CompanyId;
use crate::model::message::Peer;
use crate::model::moment::Moment;
use crate::model::origin::Origin;
use crate::model::result::Code;
use crate::store::row::ChannelRow;
use crate::store::{Conn, Result};

/// An act for each group. People whose address cannot be read have entries of their own behind them.
pub(super) fn plan(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    request: &GroupRequest,
    now: Moment,
) -> Result<Plan> {
    let terms = request.terms;
    let (mut parts, mut people): (Vec<Part>, &[Recipient]) = (Vec::new(), &[]);
    match &request.order {
        GroupOrder::Create { title, people: asked, invitation } => {
            people = asked;
            let who = known(people);
            let act = GroupAct::Create { title: title.clone(), people: who.clone() };
            let channel = reach::channel_that(conn, company, terms, &who, now, |channel| does(channel, &act))?;
            parts.push(part(app, conn, company, terms, "", (act, channel, invitation.clone()), now)?);
        }
        GroupOrder::Add { groups, people: asked, invitation } => {
            people = asked;
            for group in groups {
                let act = |chat: &Peer| GroupAct::Add { chat: chat.chat_id(), people: known(people) };
                parts.push(of_group(app, conn, company, terms, group, invitation.clone(), act, now)?);
            }
        }
        GroupOrder::Delete { groups } => {
            for group in groups {
                let act = |chat: &Peer| GroupAct::Leave { chat: chat.chat_id() };
                parts.push(of_group(app, conn, company, terms, group, None, act, now)?);
            }
        }
    }
    Ok(Plan::for_groups(parts, unknown(people), terms.async_result))
}

#[expect(clippy::too_many_arguments, reason = "what is to be done, with which group, and where")]
fn of_group(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    terms: Terms,
    group: &Recipient,
    invitation: Option<String>,
    act: impl Fn(&Peer) -> GroupAct,
    now: Moment,
) -> Result<Part> {
    let chat = match &group.to {
        Ok(chat) => chat,
        Err(code) => return Ok(Part::refused(&group.chat_id, *code)),
    };
    let act = act(chat);
    let channel = reach::channel_of_group(conn, company, terms, chat, now, |channel| does(channel, &act))?;
    part(app, conn, company, terms, &group.chat_id, (act, channel, invitation), now)
}

fn part(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    terms: Terms,
    chat_id: &str,
    (act, channel, invitation): (GroupAct, std::result::Result<ChannelRow, Code>, Option<String>),
    now: Moment,
) -> Result<Part> {
    let channel = match channel.map(|channel| channel.id.parse()) {
        Ok(Ok(channel)) => channel,
        Ok(Err(_)) => return Ok(Part::refused(chat_id, Code::ChannelNotFound)),
        Err(code) => return Ok(Part::refused(chat_id, code)),
    };
    let request =
        group::GroupRequest { company, channel, act, invitation, rank: rank(terms.queue), origin: Origin::Nobody };
    let what = match group::order(app, conn, &request, now)? {
        Ok((id, errand)) => What::Errand(Box::new(errand), id.to_string()),
        Err(refusal) => What::Refused(refusal.code, String::new()),
    };
    Ok(Part { chat_id: chat_id.to_owned(), what })
}

fn known(people: &[Recipient]) -> Vec<Peer> {
    people.iter().filter_map(|one| one.to.clone().ok()).collect()
}

fn unknown(people: &[Recipient]) -> impl Iterator<Item = Part> {
    people.iter().filter_map(|one| one.to.as_ref().err().map(|code| Part::refused(&one.chat_id, *code)))
}

fn does(channel: &ChannelRow, act: &GroupAct) -> bool {
    group::of_channel(channel).does(act)
}

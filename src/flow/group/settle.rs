//! The end of a group act, in the transaction that takes its errand out of the outbox.

use super::GroupPersonOut;
use crate::app::App;
use crate::flow::open_line;
use crate::flow::route::{self, TextRequest};
use crate::flow::settle::Over;
use crate::flow::tell::Verdict;
use crate::model::errand::{Errand, NewErrand};
use crate::model::group::{GroupAct, GroupDone, LeftOut};
use crate::model::id::{ChannelId, DialogId, GroupActId};
use crate::model::moment::Moment;
use crate::model::origin::Origin;
use crate::model::result::Code;
use crate::model::status::Status;
use crate::model::vendor::Answer;
use crate::store::row::{ChannelRow, DialogRow, GroupActEnd, GroupActRow, text, value};
use crate::store::{Conn, Result};

/// Writes down what became of an act: the dialog of the group follows, and whoever could not be added is invited. Gives back
/// the errands that came of it.
///
/// # Errors
/// Those of the database.
pub fn settle(
    app: &App,
    conn: &mut Conn,
    over: &Over<'_>,
    (id, order): (GroupActId, &GroupAct),
    verdict: &Verdict,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let errand = over.errand;
    let Some(row) = crate::on!(conn, group_act::by_id(errand.company, id))? else { return Ok(Vec::new()) };
    let done: Option<GroupDone> = row.done.as_deref().map(|done| value("group_acts", done)).transpose()?;
    let Ok(channel) = row.channel.parse::<ChannelId>() else { return Ok(Vec::new()) };
    let Some(channel_row) = crate::on!(conn, channel::by_id(errand.company, channel))? else { return Ok(Vec::new()) };
    let state = match verdict.status {
        // the vendor's word counts for more than a call whose end nobody saw
        _ if done.is_some() => "done",
        Status::Sent | Status::Delivered | Status::Viewed => "done",
        Status::Error => "failed",
        Status::NotSent => "not_done",
        Status::Unknown => "unknown",
    };
    let (mut people, mut new) = (Vec::new(), Vec::new());
    if let Some(done) = &done {
        let title = title(conn, channel, order, &done.chat)?;
        follow(conn, &channel_row, channel, order, &done.chat, now)?;
        if let GroupAct::Rename { title, .. } = order {
            new.extend(open_line::titled(app, conn, channel, &done.chat, title, now)?);
        }
        for who in order.people() {
            let left_out = done.left_out.iter().find(|one| one.who == *who);
            let invitation = left_out.and_then(|one| invitation(&row, done, one, title.as_deref()));
            let invited = invitation.and_then(|text| invite(app, &channel_row, errand, who, text, now));
            people.push(GroupPersonOut {
                to: who.chat_id(),
                outcome: outcome(left_out.is_some(), invited.is_some()).to_owned(),
                code: left_out.map(|one| one.code.slug().to_owned()),
                reason: left_out.map(|one| one.text.clone()).filter(|text| !text.is_empty()),
                message: invited.as_ref().map(|(_, message)| message.clone()),
            });
            new.extend(invited.map(|(errand, _)| errand));
        }
    }
    let good = state == "done";
    let end = GroupActEnd {
        state: state.to_owned(),
        chat: done.map(|done| done.chat).or_else(|| chat_of(over.answer)),
        people: Some(text(&people)?),
        code: verdict.code.filter(|_| !good).map(|code| code.slug().to_owned()),
        reason: Some(verdict.reason.clone()).filter(|reason| !good && !reason.is_empty()),
        over_at: Some(now.0),
    };
    // whoever settled it before has invited the people too
    if !crate::on!(conn, group_act::end(errand.company, id, &end))? {
        return Ok(Vec::new());
    }
    Ok(new)
}

/// What the vendor did could not be kept, but it answered.
fn chat_of(answer: &Answer) -> Option<String> {
    if let Answer::Done { chat, .. } = answer { chat.clone() } else { None }
}

const fn outcome(left_out: bool, invited: bool) -> &'static str {
    match (left_out, invited) {
        (false, _) => "added",
        (true, true) => "invited",
        (true, false) => "left_out",
    }
}

/// The title of the group, as far as it is known.
fn title(conn: &mut Conn, channel: ChannelId, order: &GroupAct, chat: &str) -> Result<Option<String>> {
    if let GroupAct::Create { title, .. } = order {
        return Ok(Some(title.clone()));
    }
    Ok(crate::on!(conn, dialog::by_chat(channel, chat))?.map(|dialog| dialog.title).filter(|title| title != chat))
}

/// The dialog of the group is there, has its title, and takes messages as long as we are in it.
fn follow(
    conn: &mut Conn,
    row: &ChannelRow,
    channel: ChannelId,
    order: &GroupAct,
    chat: &str,
    now: Moment,
) -> Result<()> {
    match order {
        GroupAct::Create { title, .. } | GroupAct::Rename { title, .. } => name(conn, row, channel, chat, title, now),
        GroupAct::Leave { .. } => crate::on!(conn, dialog::set_allowed(channel, chat, false)),
        GroupAct::Add { .. } => Ok(()),
    }
}

/// The dialog of a group has its title; it is made where there is none.
fn name(conn: &mut Conn, row: &ChannelRow, channel: ChannelId, chat: &str, title: &str, now: Moment) -> Result<()> {
    let dialog = DialogRow {
        id: DialogId::new().to_string(),
        company: row.company.clone(),
        channel: row.id.clone(),
        contact: None,
        chat: chat.to_owned(),
        title: title.to_owned(),
        is_group: true,
        allowed: true,
        incoming_at: None,
        created_at: now.0,
        thread: None,
        led_at: None,
        free_until: None,
    };
    if !crate::on!(conn, dialog::create(&dialog))? {
        // somebody wrote into the group before we knew how it is called
        crate::on!(conn, group_act::set_title(channel, chat, title))?;
    }
    Ok(())
}

/// The vendor tells of a group by itself: it was made, here or by somebody else, it is called otherwise, or it is gone. Gives back the
/// errands that came of it.
///
/// # Errors
/// Those of the database.
pub fn told(
    app: &App,
    conn: &mut Conn,
    row: &ChannelRow,
    channel: ChannelId,
    (chat, title, inside): (&str, Option<&str>, bool),
    now: Moment,
) -> Result<Vec<NewErrand>> {
    if !inside {
        crate::on!(conn, dialog::set_allowed(channel, chat, false))?;
    }
    let Some(title) = title else { return Ok(Vec::new()) };
    let so_far = crate::on!(conn, dialog::by_chat(channel, chat))?.map(|dialog| dialog.title);
    name(conn, row, channel, chat, title, now)?;
    match so_far {
        Some(so_far) if so_far != title => open_line::titled(app, conn, channel, chat, title, now),
        _ => Ok(Vec::new()),
    }
}

/// The words of an invitation; none where it would not help, or the vendor gave no address.
fn invitation(row: &GroupActRow, done: &GroupDone, one: &LeftOut, title: Option<&str>) -> Option<String> {
    let link = done.invite.as_deref().filter(|_| one.code == Code::GroupPrivacy)?;
    let words = row.invitation.as_deref().map(str::trim).filter(|words| !words.is_empty()).map(str::to_owned);
    let words = words.unwrap_or_else(|| match title {
        Some(title) => format!("Приглашаем вас в группу «{title}»:"),
        None => "Приглашаем вас в группу:".to_owned(),
    });
    Some(format!("{words}\n{link}"))
}

/// The message that invites somebody: it leaves at the pace of the lane, as every first message does.
fn invite(
    app: &App,
    channel: &ChannelRow,
    errand: &Errand,
    who: &crate::model::message::Peer,
    text: String,
    now: Moment,
) -> Option<(NewErrand, String)> {
    let request = TextRequest {
        company: errand.company,
        to: who.clone(),
        names: None,
        text,
        media: None,
        rank: errand.rank,
        origin: Origin::Nobody,
    };
    let (mut invitation, message) = route::text_errand(app, channel, request, now).ok()?;
    // this is how a waiting message is found by its id
    invitation.merge_key = Some(format!("message:{message}"));
    Some((invitation, message.to_string()))
}

//! Where a robot works: the channels that its line and its channel mean, and the dialogs on them.

use crate::crm::bitrix24::robot::Terms;
use crate::flow::route;
use crate::messenger;
use crate::model::id::{ChannelId, CompanyId};
use crate::model::message::{Kind, Peer};
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::store::row::{ChannelRow, DialogRow};
use crate::store::{Conn, Result};

/// The channels that a robot may mean: those of its line, or of every line where it names none. The inner error is the code for
/// whoever filled it in.
pub(super) fn channels(
    conn: &mut Conn,
    company: CompanyId,
    terms: Terms,
) -> Result<std::result::Result<Vec<ChannelRow>, Code>> {
    let mut channels = match terms.line {
        Some(line) => {
            if !crate::on!(conn, line::of_company(company))?.iter().any(|row| row.id == line) {
                return Ok(Err(Code::LineNotFound));
            }
            crate::on!(conn, channel::of_line(company, line))?
        }
        None => crate::on!(conn, channel::of_company(company))?,
    };
    channels.retain(|channel| terms.channel.is_none_or(|kind| kind.slug() == channel.messenger));
    Ok(if channels.is_empty() { Err(Code::ChannelNotFound) } else { Ok(channels) })
}

/// The dialogs with somebody on these channels.
pub(super) fn dialogs(conn: &mut Conn, channels: &[ChannelRow], who: &Peer) -> Result<Vec<(ChannelRow, DialogRow)>> {
    let mut found = Vec::new();
    for channel in channels {
        let Ok(id) = channel.id.parse::<ChannelId>() else { continue };
        if let Some(dialog) = dialog(conn, id, who)? {
            found.push((channel.clone(), dialog));
        }
    }
    Ok(found)
}

fn dialog(conn: &mut Conn, channel: ChannelId, who: &Peer) -> Result<Option<DialogRow>> {
    let known = match who {
        Peer::Phone(phone) => crate::on!(conn, dialog::by_contact(channel, None, Some(phone)))?,
        Peer::Username(name) => crate::on!(conn, dialog::by_contact(channel, Some(name), None))?,
        Peer::Chat(_) | Peer::Email(_) => None,
    };
    if known.is_some() {
        return Ok(known);
    }
    let chat = who.chat_id();
    crate::on!(conn, dialog::by_chat(channel, chat.trim_end_matches("@c.us")))
}

/// The channel that is in a group: where the robot names no line, the one that knows the group. `can` tells which channels do what is
/// asked for.
pub(super) fn channel_of_group(
    conn: &mut Conn,
    company: CompanyId,
    terms: Terms,
    group: &Peer,
    now: Moment,
    can: impl Fn(&ChannelRow) -> bool,
) -> Result<std::result::Result<ChannelRow, Code>> {
    let mut able = match channels(conn, company, terms)? {
        Ok(channels) => channels,
        Err(code) => return Ok(Err(code)),
    };
    able.retain(can);
    if able.is_empty() {
        return Ok(Err(Code::NotSupported));
    }
    let mut knowing: Vec<ChannelRow> = dialogs(conn, &able, group)?.into_iter().map(|(channel, _)| channel).collect();
    knowing.sort_by_key(|channel| channel.state != "connected");
    if let Some(channel) = knowing.into_iter().next() {
        return Ok(route::line(conn, company, Some(channel.line), now)?.and_then(|_| connected(channel)));
    }
    // nobody has written there yet: then the line must be plain
    let line = match route::line(conn, company, terms.line, now)? {
        Ok(line) => line,
        Err(code) => return Ok(Err(code)),
    };
    able.retain(|channel| channel.line == line.id);
    Ok(route::channel(&able, terms.channel, group))
}

/// The channel of a line that does something: the one that is named, or the first that can. Where none is named, one that reaches
/// somebody of these people goes before those that reach nobody: there it would be done for nothing.
pub(super) fn channel_that(
    conn: &mut Conn,
    company: CompanyId,
    terms: Terms,
    people: &[Peer],
    now: Moment,
    can: impl Fn(&ChannelRow) -> bool,
) -> Result<std::result::Result<ChannelRow, Code>> {
    let line = match route::line(conn, company, terms.line, now)? {
        Ok(line) => line,
        Err(code) => return Ok(Err(code)),
    };
    let mut able = match channels(conn, company, Terms { line: Some(line.id), ..terms })? {
        Ok(channels) => channels,
        Err(code) => return Ok(Err(code)),
    };
    able.retain(can);
    if terms.channel.is_none() && able.iter().any(|channel| reaches(channel, people)) {
        able.retain(|channel| reaches(channel, people));
    }
    Ok(if able.is_empty() { Err(Code::NotSupported) } else { first_connected(able) })
}

/// Whether the messenger of a channel takes part in groups.
pub(super) fn has_groups(channel: &ChannelRow) -> bool {
    Kind::from_slug(&channel.messenger)
        .and_then(messenger::of)
        .is_some_and(|messenger| messenger.about().abilities.groups)
}

fn reaches(channel: &ChannelRow, people: &[Peer]) -> bool {
    Kind::from_slug(&channel.messenger).is_some_and(|kind| people.iter().any(|who| route::reaches(kind, who)))
}

fn first_connected(channels: Vec<ChannelRow>) -> std::result::Result<ChannelRow, Code> {
    if channels.is_empty() {
        return Err(Code::ChannelNotFound);
    }
    channels.into_iter().find(|channel| channel.state == "connected").ok_or(Code::ChannelLost)
}

fn connected(channel: ChannelRow) -> std::result::Result<ChannelRow, Code> {
    if channel.state == "connected" { Ok(channel) } else { Err(Code::ChannelLost) }
}

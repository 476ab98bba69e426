//! Robots that send: a message, a file of the Disk, a document of the CRM; to people or into groups.

use super::plan::{Part, Plan, What};
use super::{rank, reach};
use crate::app::App;
use crate::crm::bitrix24::event::RobotCall;
use crate::crm::bitrix24::robot::{Recipient, SendRequest, Terms};
use crate::flow::open_line;
use crate::flow::route::{self, TextRequest};
use crate::model::id::CompanyId;
use crate::model::message::Peer;
use crate::model::moment::Moment;
use crate::model::origin::Origin;
use crate::model::portal_file::PortalFile;
use crate::model::result::Code;
use crate::store::row::ChannelRow;
use crate::store::{Conn, Result};

/// A message for each address.
pub(super) fn plan(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    call: &RobotCall,
    request: &SendRequest,
    now: Moment,
) -> Result<Plan> {
    let parts = if request.into_groups {
        into_groups(app, conn, company, request, now)?
    } else {
        to_people(app, conn, company, request, now)?
    };
    wish(conn, company, request, &parts, now)?;
    let file = request.file.as_ref().map(|file| of_card(file, call));
    Ok(Plan::of_messages(parts, request.mode, request.async_result, file))
}

/// Notes what the robot says about open lines, where that is not what they do anyway.
fn wish(conn: &mut Conn, company: CompanyId, request: &SendRequest, parts: &[Part], now: Moment) -> Result<()> {
    if request.open_lines && request.responsible.is_none() {
        return Ok(());
    }
    for part in parts {
        if let What::Errand(_, name) = &part.what
            && let Ok(message) = name.parse()
        {
            open_line::wish(conn, company, message, request.open_lines, request.responsible, now)?;
        }
    }
    Ok(())
}

fn to_people(app: &App, conn: &mut Conn, company: CompanyId, request: &SendRequest, now: Moment) -> Result<Vec<Part>> {
    let channels = match route::line(conn, company, request.line, now)? {
        Ok(line) => Ok(crate::on!(conn, channel::of_line(company, line.id))?),
        Err(code) => Err(code),
    };
    let part = |recipient: &Recipient| {
        let channel = match (&channels, &recipient.to) {
            (_, Err(code)) | (Err(code), _) => Err(*code),
            (Ok(channels), Ok(to)) => route::channel(channels, request.channel, to),
        };
        part(app, company, request, recipient, channel, now)
    };
    Ok(request.recipients.iter().map(part).collect())
}

fn into_groups(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    request: &SendRequest,
    now: Moment,
) -> Result<Vec<Part>> {
    let SendRequest { line, channel, queue, async_result, .. } = *request;
    let terms = Terms { line, channel, queue, async_result };
    let mut parts = Vec::new();
    for recipient in &request.recipients {
        let channel = match &recipient.to {
            Ok(group) => reach::channel_of_group(conn, company, terms, group, now, reach::has_groups)?,
            Err(code) => Err(*code),
        };
        parts.push(part(app, company, request, recipient, channel, now));
    }
    Ok(parts)
}

fn part(
    app: &App,
    company: CompanyId,
    request: &SendRequest,
    recipient: &Recipient,
    channel: std::result::Result<ChannelRow, Code>,
    now: Moment,
) -> Part {
    let what = channel.and_then(|channel| what(app, company, request, &channel, recipient.to.as_ref().ok(), now));
    Part { chat_id: recipient.chat_id.clone(), what: what.unwrap_or_else(|code| What::Refused(code, String::new())) }
}

fn what(
    app: &App,
    company: CompanyId,
    request: &SendRequest,
    channel: &ChannelRow,
    to: Option<&Peer>,
    now: Moment,
) -> std::result::Result<What, Code> {
    let text = TextRequest {
        company,
        to: to.cloned().ok_or(Code::AddressBad)?,
        names: request.names.clone(),
        text: request.text.clone(),
        media: None,
        rank: rank(request.queue),
        origin: Origin::Nobody,
    };
    let errand = match &request.file {
        None => route::text_errand(app, channel, text, now),
        Some(_) => route::caption_errand(app, channel, text, now),
    };
    errand.map(|(errand, message)| What::Errand(Box::new(errand), message.to_string()))
}

/// The newest document is that of the card in which the robot stands.
fn of_card(file: &PortalFile, call: &RobotCall) -> PortalFile {
    match file {
        PortalFile::Document { id, pdf, .. } => {
            let card = call.card.as_ref().and_then(|card| card.type_id().map(|kind| (kind, card.id)));
            PortalFile::Document { id: *id, card, pdf: *pdf }
        }
        disk @ PortalFile::Disk { .. } => disk.clone(),
    }
}

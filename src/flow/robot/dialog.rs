//! Robots that do something with dialogs on our side: tags, and titles. A group has its title at the vendor too.

use super::plan::{Part, Plan, What};
use super::{rank, reach};
use crate::app::App;
use crate::crm::bitrix24::robot::{DialogAct, DialogRequest, Recipient};
use crate::flow::{group, open_line};
use crate::model::errand::NewErrand;
use crate::model::group::GroupAct;
use crate::model::id::{ChannelId, CompanyId};
use crate::model::moment::Moment;
use crate::model::origin::Origin;
use crate::model::result::Code;
use crate::store::row::{ChannelRow, DialogRow};
use crate::store::{Conn, Result};

/// The most tags of a dialog.
const MOST_TAGS: i64 = 20;

/// What is done for each address: at once, but for titles of groups.
pub(super) fn plan(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    request: &DialogRequest,
    now: Moment,
) -> Result<Plan> {
    let channels = reach::channels(conn, company, request.terms)?;
    let (mut parts, mut beside) = (Vec::new(), Vec::new());
    for recipient in &request.recipients {
        match (&channels, &recipient.to) {
            (_, Err(code)) | (Err(code), _) => parts.push(Part::refused(&recipient.chat_id, *code)),
            (Ok(channels), Ok(who)) => {
                let dialogs = reach::dialogs(conn, channels, who)?;
                parts.extend(of_one(app, conn, company, request, recipient, &dialogs, now)?);
                beside.extend(titled(app, conn, &request.act, &dialogs, now)?);
            }
        }
    }
    app.live.touch(company, crate::app::live::Topics::MESSAGES);
    Ok(Plan::for_all(parts, request.terms.async_result).beside(beside))
}

/// The calls by which open lines follow the titles of people's dialogs; groups have theirs when the messenger has it.
fn titled(
    app: &App,
    conn: &mut Conn,
    act: &DialogAct,
    dialogs: &[(ChannelRow, DialogRow)],
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let mut new = Vec::new();
    let DialogAct::Rename(title) = act else { return Ok(new) };
    for (channel, dialog) in dialogs.iter().filter(|(_, dialog)| !dialog.is_group) {
        if let Ok(id) = channel.id.parse() {
            new.extend(open_line::titled(app, conn, id, &dialog.chat, title, now)?);
        }
    }
    Ok(new)
}

/// One part for all dialogs with somebody, and one more for each group whose title the vendor must change.
fn of_one(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    request: &DialogRequest,
    recipient: &Recipient,
    dialogs: &[(ChannelRow, DialogRow)],
    now: Moment,
) -> Result<Vec<Part>> {
    let chat_id = recipient.chat_id.as_str();
    if dialogs.is_empty() {
        return Ok(vec![Part::refused(chat_id, Code::DialogNotFound)]);
    }
    let (mut parts, mut refused) = (Vec::new(), None);
    for (channel, dialog) in dialogs {
        match &request.act {
            DialogAct::Rename(title) if dialog.is_group => {
                parts.push(rename_group(app, conn, company, request, (channel, dialog), title, now)?);
            }
            DialogAct::Rename(title) => {
                let Ok(id) = channel.id.parse::<ChannelId>() else { continue };
                crate::on!(conn, dialog::set_title(id, &dialog.chat, title))?;
            }
            DialogAct::SetTags(tags) => {
                if !crate::on!(conn, dialog_tag::set(&dialog.company, &dialog.id, tags, MOST_TAGS, now.0))? {
                    refused = Some(Code::TagBad);
                }
            }
            DialogAct::RemoveTags(tags) => crate::on!(conn, dialog_tag::remove(&dialog.id, tags))?,
        }
    }
    if parts.is_empty() {
        let what = refused.map_or(What::Done, |code| What::Refused(code, String::new()));
        parts.push(Part { chat_id: chat_id.to_owned(), what });
    }
    Ok(parts)
}

fn rename_group(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    request: &DialogRequest,
    (channel, dialog): (&ChannelRow, &DialogRow),
    title: &str,
    now: Moment,
) -> Result<Part> {
    let Ok(id) = channel.id.parse() else { return Ok(Part::refused(&dialog.chat, Code::ChannelNotFound)) };
    let act = group::GroupRequest {
        company,
        channel: id,
        act: GroupAct::Rename { chat: dialog.chat.clone(), title: title.to_owned() },
        invitation: None,
        rank: rank(request.terms.queue),
        origin: Origin::Nobody,
    };
    let what = match group::order(app, conn, &act, now)? {
        Ok((id, errand)) => What::Errand(Box::new(errand), id.to_string()),
        Err(refusal) => What::Refused(refusal.code, String::new()),
    };
    Ok(Part { chat_id: dialog.chat.clone(), what })
}

//! Letters of CRM-marketing. What it hands over names no letter, so rows are grouped into one: same portal, same sender, same
//! author, the same text but for names and numbers, and no more than twenty minutes since the last row.

use super::portal;
use crate::app::App;
use crate::crm::bitrix24::event::SmsCall;
use crate::crm::bitrix24::sms::SmsStatus;
use crate::flow::tell::status_errand;
use crate::model::errand::NewErrand;
use crate::model::id::{CompanyId, MailingId, PortalId, RecipientId};
use crate::model::message::{Content, Peer};
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::shape::{SAME_LETTER, shape, similarity};
use crate::store::row::{ChannelRow, LineRow, MailingRow, RecipientRow, text, value};
use crate::store::{Conn, Result};

/// Between two rows of one letter, at most, in milliseconds.
const LETTER_GAP_MS: i64 = 20 * 60_000;

/// So many messages a demo line may send through mailings, in all.
const DEMO_LIMIT: i32 = 10;

/// A row of a letter, as the SMS provider hands it over.
pub struct LetterRow<'a> {
    /// The portal.
    pub portal: PortalId,
    /// The call.
    pub call: &'a SmsCall,
    /// The line.
    pub line: &'a LineRow,
    /// The channel.
    pub channel: &'a ChannelRow,
    /// Who gets it.
    pub to: Peer,
}

/// Adds a row that CRM-marketing handed over to its letter. Gives back what the portal must hear at once.
///
/// # Errors
/// Those of the database.
pub fn add_letter_row(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    row: &LetterRow<'_>,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let mailing = letter_of(conn, company, row, now)?;
    let demo_over = row.line.plan == "demo" && !crate::on!(conn, mailing::use_demo(company, row.line.id, DEMO_LIMIT))?;
    let stopped = mailing.state == "stopped";
    // what a person stopped is stopped, also for rows that the portal hands over later
    let code = if stopped { Some(Code::Stopped) } else { demo_over.then_some(Code::DemoLimit) };
    let content = Content { text: Some(row.call.text.clone()), ..Content::default() };
    let recipient = RecipientRow {
        id: RecipientId::new().to_string(),
        company: company.to_string(),
        mailing: mailing.id.clone(),
        peer: text(&row.to)?,
        content: text(&content)?,
        status: if code.is_some() { "not_sent" } else { "pending" }.to_owned(),
        code: code.map(|code| code.slug().to_owned()),
        reason: None,
        message: None,
        vendor_message: Some(row.call.message_id.clone()),
        accepted_at: now.0,
        sent_at: None,
    };
    crate::on!(conn, mailing::add(&recipient))?;
    let status = if code.is_some() { SmsStatus::Failed } else { SmsStatus::Queued };
    let told = status_errand(app, conn, company, row.portal, &row.call.code, &row.call.message_id, status, now)?;
    // that it waits is the least of news: it goes with what follows
    let at = if code.is_some() { None } else { Some(portal::together_at(conn, company, &mailing, now)?) };
    Ok(told.map(|errand| NewErrand { not_before: errand.not_before.max(at), ..errand }).into_iter().collect())
}

fn letter_of(conn: &mut Conn, company: CompanyId, row: &LetterRow<'_>, now: Moment) -> Result<MailingRow> {
    let (portal, shape) = (row.portal.to_string(), shape(&row.call.text));
    let author = row.call.auth.user_id.map(|id| id.to_string());
    // two rows of one letter that are worked at once would each begin a mailing of their own
    crate::on!(conn, portal::hold(row.portal))?;
    let recent = crate::on!(conn, mailing::recent(&portal, &row.call.code, now.plus_ms(-LETTER_GAP_MS).0))?;
    for mailing in recent.into_iter().filter(|mailing| mailing.author == author && mailing.lane == row.channel.lane) {
        if mailing.shape.as_deref() == Some(shape.as_str()) {
            return Ok(mailing);
        }
        let last = crate::on!(conn, mailing::last_row(&mailing.id))?;
        let last = last.map(|last| value::<Content>("recipients", &last.content)).transpose()?;
        if last.and_then(|last| last.text).is_some_and(|last| similarity(&last, &row.call.text) >= SAME_LETTER) {
            return Ok(mailing);
        }
    }
    let mailing = MailingRow {
        id: MailingId::new().to_string(),
        company: company.to_string(),
        channel: row.channel.id.clone(),
        lane: row.channel.lane,
        title: title_of(&row.call.text),
        state: "running".to_owned(),
        portal: Some(portal),
        sender_code: Some(row.call.code.clone()),
        author,
        shape: Some(shape),
        last_row_at: now.0,
        created_at: now.0,
    };
    crate::on!(conn, mailing::create(&mailing))?;
    Ok(mailing)
}

/// The beginning of the letter's text.
fn title_of(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut title: String = line.chars().take(60).collect();
    if title.len() < line.len() {
        title.push('…');
    }
    format!("CRM-маркетинг: {title}")
}

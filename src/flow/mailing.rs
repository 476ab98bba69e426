//! Mailings: the ledger, its feeding, and pause, resume and stop that act at once.
//!
//! What CRM-marketing hands over names no letter, so rows are grouped into one: same portal, same sender, same author, the
//! same text but for names and numbers, and no more than twenty minutes since the last row.

use serde::Serialize;

use crate::app::App;
use crate::crm::bitrix24::event::SmsCall;
use crate::crm::bitrix24::sms::SmsStatus;
use crate::flow::route::{self, TextRequest};
use crate::flow::tell::{Verdict, status_errand};
use crate::model::errand::{Errand, NewErrand, Rank, Work};
use crate::model::eta::{Timetable, Waiting, forecast};
use crate::model::id::{ChannelId, CompanyId, MailingId, PortalId, RecipientId};
use crate::model::message::{Content, Peer};
use crate::model::moment::Moment;
use crate::model::origin::Origin;
use crate::model::result::Code;
use crate::model::shape::{SAME_LETTER, shape, similarity};
use crate::model::status::Status;
use crate::store::outbox::{self, Accepted};
use crate::store::row::{ChannelRow, LaneRow, LineRow, MailingRow, RecipientRow, text, value};
use crate::store::{Conn, Result, StoreError};

/// Between two rows of one letter, at most, in milliseconds.
const LETTER_GAP_MS: i64 = 20 * 60_000;

/// So many messages a demo line may send through mailings, in all.
const DEMO_LIMIT: i32 = 10;

/// So many rows of a stopped mailing are ended in one transaction.
const END_AT_ONCE: i64 = 500;

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

/// A mailing as people see it.
#[derive(Debug, Clone, Serialize)]
pub struct MailingOut {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// `running`, `paused`, `stopped` or `finished`.
    pub state: String,
    /// How many rows it has.
    pub total: i64,
    /// How many rows have each status.
    pub counts: Counts,
    /// When its last row will have left, if nothing else comes; none while it stands.
    pub eta_at: Option<Moment>,
    /// Its channel.
    pub channel: String,
    /// When its first row came.
    pub created_at: i64,
}

/// How many rows of a mailing have each status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// «В очереди».
    pub pending: i64,
    /// Taken, and in the outbox.
    pub queued: i64,
    /// «Отправлено».
    pub sent: i64,
    /// «Доставлено».
    pub delivered: i64,
    /// «Просмотрено».
    pub viewed: i64,
    /// «Ошибка».
    pub error: i64,
    /// «Неизвестно».
    pub unknown: i64,
    /// «Не отправлено».
    pub not_sent: i64,
    /// «Пропущен».
    pub skipped: i64,
}

/// What pausing, resuming or stopping a mailing did.
#[derive(Debug, Clone, Serialize)]
pub struct Turned {
    /// The state now.
    pub state: String,
    /// Calls that were open at that moment: they cannot be taken back.
    pub in_flight: i64,
    /// Errands that came of it.
    #[serde(skip)]
    pub accepted: Vec<Accepted>,
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
    Ok(told.into_iter().collect())
}

fn letter_of(conn: &mut Conn, company: CompanyId, row: &LetterRow<'_>, now: Moment) -> Result<MailingRow> {
    let (portal, shape) = (row.portal.to_string(), shape(&row.call.text));
    let author = row.call.auth.user_id.map(|id| id.to_string());
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

/// Puts the next row of a running mailing into the outbox, if nothing of it is there. Called for every hungry mailing.
///
/// # Errors
/// Those of the database.
pub fn feed(app: &App, conn: &mut Conn, mailing: &MailingRow, now: Moment) -> Result<Vec<Accepted>> {
    let (company, id) = ids(mailing)?;
    // the row of the mailing stays locked until the commit: of two processes one feeds, and a pause waits its turn
    if !crate::on!(conn, mailing::set_state(company, id, &["running"], "running"))?
        || crate::on!(conn, mailing::is_fed(&mailing.id))?
    {
        return Ok(Vec::new());
    }
    let mut new = Vec::new();
    loop {
        let message = crate::model::id::MessageId::new();
        let Some(row) = crate::on!(conn, mailing::take(&mailing.id, &message.to_string()))? else {
            crate::on!(conn, mailing::set_state(company, id, &["running"], "finished"))?;
            break;
        };
        match row_errand(app, conn, company, mailing, &row, now)? {
            Ok(errand) => {
                new.push(errand);
                break;
            }
            Err(code) => new.extend(refuse(app, conn, company, mailing, &row, code, now)?),
        }
    }
    Ok(outbox::accept(conn, now, &new)?.into_iter().flatten().collect())
}

fn row_errand(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    mailing: &MailingRow,
    row: &RecipientRow,
    now: Moment,
) -> Result<std::result::Result<NewErrand, Code>> {
    let channel: ChannelId = mailing.channel.parse().map_err(|_| unreadable())?;
    let Some(channel) = crate::on!(conn, channel::by_id(company, channel))? else {
        return Ok(Err(Code::ChannelNotFound));
    };
    let content: Content = value("recipients", &row.content)?;
    let (mailing_id, recipient) =
        (mailing.id.parse().map_err(|_| unreadable())?, row.id.parse().map_err(|_| unreadable())?);
    let request = TextRequest {
        company,
        to: value("recipients", &row.peer)?,
        names: None,
        text: content.text.unwrap_or_default(),
        rank: if mailing.portal.is_some() { Rank::Marketing } else { Rank::Mailing },
        origin: Origin::Recipient { mailing: mailing_id, recipient },
    };
    // a row waits in its ledger for as long as it takes; its time does not run in the outbox either
    Ok(route::text_errand(app, &channel, request, now).map(|(errand, _)| NewErrand { expires_at: None, ..errand }))
}

fn refuse(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    mailing: &MailingRow,
    row: &RecipientRow,
    code: Code,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let (_, id) = ids(mailing)?;
    let verdict = Verdict { status: Status::Error, code: Some(code), reason: String::new() };
    tell(app, conn, company, id, row.id.parse().map_err(|_| unreadable())?, &verdict, now)
}

/// Writes into the ledger what became of a row, and tells the portal that handed it over.
///
/// # Errors
/// Those of the database.
pub fn tell(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    mailing: MailingId,
    recipient: RecipientId,
    verdict: &Verdict,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let (to, from): (&str, &[&str]) = match verdict.status {
        Status::Sent => ("sent", &["queued", "unknown"]),
        Status::Delivered => ("delivered", &["queued", "sent", "unknown", "error"]),
        Status::Viewed => ("viewed", &["queued", "sent", "unknown", "error", "delivered"]),
        Status::Error => ("error", &["queued", "sent", "unknown"]),
        Status::Unknown => ("unknown", &["queued"]),
        Status::NotSent => ("not_sent", &["queued", "pending"]),
    };
    let sent_at = (verdict.status == Status::Sent).then_some(now.0);
    let reason = Some(verdict.reason.as_str()).filter(|reason| !reason.is_empty());
    let code = verdict.code.map(Code::slug);
    let moved = crate::on!(conn, mailing::advance(&recipient.to_string(), from, to, code, reason, sent_at))?;
    let Some(row) = moved else { return Ok(Vec::new()) };
    let status = SmsStatus::of(verdict.status, verdict.code);
    tell_portal(app, conn, company, mailing, &row, status, now)
}

fn tell_portal(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    mailing: MailingId,
    row: &RecipientRow,
    status: SmsStatus,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let Some(message) = &row.vendor_message else { return Ok(Vec::new()) };
    let Some(mailing) = crate::on!(conn, mailing::by_id(company, mailing))? else { return Ok(Vec::new()) };
    let (Some(portal), Some(code)) = (mailing.portal.and_then(|id| id.parse().ok()), mailing.sender_code) else {
        return Ok(Vec::new());
    };
    Ok(status_errand(app, conn, company, portal, &code, message, status, now)?.into_iter().collect())
}

/// Pauses a mailing: what waits in the outbox goes back into the ledger.
///
/// # Errors
/// Those of the database; none where there is no such mailing that runs.
pub fn pause(conn: &mut Conn, company: CompanyId, id: MailingId) -> Result<Option<Turned>> {
    if !crate::on!(conn, mailing::set_state(company, id, &["running"], "paused"))? {
        return Ok(None);
    }
    let in_flight = take_back(conn, id)?;
    Ok(Some(Turned { state: "paused".to_owned(), in_flight, accepted: Vec::new() }))
}

/// Goes on with a paused mailing.
///
/// # Errors
/// Those of the database; none where there is no such mailing that is paused.
pub fn resume(conn: &mut Conn, company: CompanyId, id: MailingId) -> Result<Option<Turned>> {
    let resumed = crate::on!(conn, mailing::set_state(company, id, &["paused"], "running"))?;
    Ok(resumed.then(|| Turned { state: "running".to_owned(), in_flight: 0, accepted: Vec::new() }))
}

/// Stops a mailing for good: no further row leaves, and the portal hears of every one that did not. The rows of a large
/// mailing are ended in several transactions; [`end_stopped`] goes on where this one ends.
///
/// # Errors
/// Those of the database; none where there is no such mailing that can be stopped.
pub fn stop(app: &App, conn: &mut Conn, company: CompanyId, id: MailingId, now: Moment) -> Result<Option<Turned>> {
    if !crate::on!(conn, mailing::set_state(company, id, &["running", "paused"], "stopped"))? {
        return Ok(None);
    }
    let in_flight = take_back(conn, id)?;
    let accepted = end_stopped(app, conn, company, id, now)?;
    Ok(Some(Turned { state: "stopped".to_owned(), in_flight, accepted }))
}

/// Ends pending rows of a stopped mailing, some hundreds at a time.
///
/// # Errors
/// Those of the database.
pub fn end_stopped(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    id: MailingId,
    now: Moment,
) -> Result<Vec<Accepted>> {
    let mut new = Vec::new();
    for row in crate::on!(conn, mailing::end_pending(id, Code::Stopped.slug(), END_AT_ONCE))? {
        new.extend(tell_portal(app, conn, company, id, &row, SmsStatus::Failed, now)?);
    }
    Ok(outbox::accept(conn, now, &new)?.into_iter().flatten().collect())
}

/// Takes the waiting errands of a mailing back into its ledger. The answer is how many calls are open.
fn take_back(conn: &mut Conn, id: MailingId) -> Result<i64> {
    let (withdrawn, in_flight) = outbox::withdraw_mailing(conn, id)?;
    for errand in withdrawn {
        if let Origin::Recipient { recipient, .. } = errand.origin {
            crate::on!(conn, mailing::untake(recipient))?;
        }
    }
    Ok(in_flight)
}

/// So many mailings are listed.
const LISTED: i64 = 50;

/// The newest mailings of a company, as people see them.
///
/// # Errors
/// Those of the store.
pub async fn overview(app: &App, company: CompanyId) -> Result<Vec<MailingOut>> {
    let read = app.store.read(move |conn| {
        let mut mailings = Vec::new();
        for row in crate::on!(conn, mailing::newest(company, LISTED))? {
            let mut counts = Counts::default();
            for (status, count) in crate::on!(conn, mailing::counts(&row.id))? {
                *counts.of(&status) += count;
            }
            let lane = crate::on!(conn, lane::by_id(company, row.lane))?;
            mailings.push((row, counts, lane));
        }
        Ok(mailings)
    });
    let mailings = read.await?;
    let due = app.bell.look(mailings.iter().map(|(row, ..)| row.lane).collect()).await;
    let now = app.clock.now();
    mailings
        .into_iter()
        .map(|(row, counts, lane)| {
            let open = counts.pending + counts.queued;
            let first_at = due.get(&row.lane).map_or(now, |due| due.paced_at);
            let eta_at = match lane {
                Some(lane) if row.state == "running" && open > 0 => end_of(&lane, first_at, open)?,
                _ => None,
            };
            let (id, title, state) = (row.id, row.title, row.state);
            let (channel, created_at) = (row.channel, row.created_at);
            Ok(MailingOut { id, title, state, total: counts.total(), counts, eta_at, channel, created_at })
        })
        .collect()
}

/// When the last of so many rows leaves, if nothing else does: one after the other at the mean gap, within the hours.
fn end_of(lane: &LaneRow, first_at: Moment, rows: i64) -> Result<Option<Moment>> {
    let (pace, hours) = (lane.pace()?, lane.hours()?);
    let lane = Timetable { live_at: first_at, paced_at: first_at, pace, hours: hours.as_ref() };
    let waiting = Waiting { rank: Rank::Marketing, peer: String::new(), not_before: Moment(0) };
    // a forecast of more rows than these is a matter of days, and of little worth
    let rows = usize::try_from(rows).unwrap_or(0).min(100_000);
    Ok(forecast(lane, &vec![waiting; rows]).pop().flatten())
}

/// The rows of a mailing in their order; none where there is no such mailing.
///
/// # Errors
/// Those of the database.
pub fn ledger(conn: &mut Conn, company: CompanyId, id: MailingId) -> Result<Option<Vec<RowOut>>> {
    if crate::on!(conn, mailing::by_id(company, id))?.is_none() {
        return Ok(None);
    }
    let rows = crate::on!(conn, mailing::rows(id, LEDGER_ROWS))?;
    rows.into_iter().map(RowOut::of).collect::<Result<_>>().map(Some)
}

/// So many rows of a ledger are shown.
const LEDGER_ROWS: i64 = 10_000;

/// A row of the ledger as people see it.
#[derive(Debug, Clone, Serialize)]
pub struct RowOut {
    /// The address.
    pub to: String,
    /// The status, as in [`Counts`].
    pub status: String,
    /// Our stable code of an error.
    pub code: Option<String>,
    /// The reason, for a person.
    pub reason: Option<String>,
    /// «Принято от Битрикс24».
    pub accepted_at: i64,
    /// When it left.
    pub sent_at: Option<i64>,
}

impl RowOut {
    fn of(row: RecipientRow) -> Result<Self> {
        let to: Peer = value("recipients", &row.peer)?;
        let own = row.code.as_deref().and_then(Code::from_slug).map(|code| code.ru().to_owned());
        Ok(Self {
            to: to.chat_id(),
            status: row.status,
            code: row.code,
            reason: row.reason.or(own),
            accepted_at: row.accepted_at,
            sent_at: row.sent_at,
        })
    }
}

impl Counts {
    /// All rows.
    #[must_use]
    pub const fn total(&self) -> i64 {
        self.pending
            + self.queued
            + self.sent
            + self.delivered
            + self.viewed
            + self.error
            + self.unknown
            + self.not_sent
            + self.skipped
    }

    fn of(&mut self, status: &str) -> &mut i64 {
        match status {
            "pending" => &mut self.pending,
            "queued" => &mut self.queued,
            "sent" => &mut self.sent,
            "delivered" => &mut self.delivered,
            "viewed" => &mut self.viewed,
            "error" => &mut self.error,
            "not_sent" => &mut self.not_sent,
            "skipped" => &mut self.skipped,
            _ => &mut self.unknown,
        }
    }
}

/// Whether a settled errand leaves its mailing hungry.
#[must_use]
pub fn is_of_mailing(errand: &Errand) -> bool {
    matches!((&errand.work, &errand.origin), (Work::Send { .. }, Origin::Recipient { .. }))
}

fn ids(mailing: &MailingRow) -> Result<(CompanyId, MailingId)> {
    Ok((mailing.company.parse().map_err(|_| unreadable())?, mailing.id.parse().map_err(|_| unreadable())?))
}

fn unreadable() -> StoreError {
    StoreError::Unreadable { table: "mailings", what: "an id is not of its form".to_owned() }
}

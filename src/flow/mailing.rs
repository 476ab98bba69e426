//! Mailings: their feeding, and pause, resume and stop that act at once.

mod letter;
mod meanwhile;
mod overview;
mod portal;

use serde::Serialize;

use self::meanwhile::Next;
use crate::app::App;
use crate::crm::bitrix24::sms::SmsStatus;
use crate::flow::opt_out;
use crate::flow::route::{self, TextRequest};
use crate::flow::tell::Verdict;
use crate::model::errand::{Errand, NewErrand, Rank, Work};
use crate::model::id::{ChannelId, CompanyId, MailingId, RecipientId};
use crate::model::message::Content;
use crate::model::moment::Moment;
use crate::model::origin::Origin;
use crate::model::result::Code;
use crate::model::status::Status;
use crate::store::outbox::{self, Accepted};
use crate::store::row::{MailingRow, RecipientRow, value};
use crate::store::{Conn, Result, StoreError};

pub use letter::{LetterRow, add_letter_row};
pub use meanwhile::{horizon, may_be_fed};
pub(crate) use overview::overview;
pub use overview::{Counts, MailingOut, RowOut, ledger};

/// So many rows of a stopped mailing are ended in one transaction.
const END_AT_ONCE: i64 = 500;

/// What pausing, resuming or stopping a mailing did.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Turned {
    /// The state now.
    pub state: String,
    /// Calls that were open at that moment: they cannot be taken back.
    pub in_flight: i64,
    /// Errands that came of it.
    #[serde(skip)]
    pub accepted: Vec<Accepted>,
}

/// Puts the next row of a running mailing into the outbox, if nothing of it is about to leave. Called for every hungry mailing.
///
/// # Errors
/// Those of the database.
pub fn feed(app: &App, conn: &mut Conn, mailing: &MailingRow, now: Moment) -> Result<Vec<Accepted>> {
    let (company, id) = ids(mailing)?;
    // the row of the mailing stays locked until the commit: of two processes one feeds, and a pause waits its turn
    if !crate::on!(conn, mailing::set_state(company, id, &["running"], "running"))?
        || crate::on!(conn, mailing::is_fed(&mailing.id, meanwhile::horizon(now)))?
    {
        return Ok(Vec::new());
    }
    let mut new = Vec::new();
    loop {
        let message = crate::model::id::MessageId::new();
        let message = message.to_string();
        let taken = match meanwhile::next(conn, company, mailing)? {
            Next::Any => crate::on!(conn, mailing::take(&mailing.id, &message))?,
            Next::One(row) => crate::on!(conn, mailing::take_row(&row, &message))?,
            // what is held back is not over
            Next::Nobody => break,
        };
        let Some(row) = taken else {
            crate::on!(conn, mailing::set_state(company, id, &["running"], "finished"))?;
            break;
        };
        if is_out(conn, company, mailing, &row)? {
            new.extend(skip(app, conn, company, id, &row, now)?);
            continue;
        }
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

/// Whether the person of a row refused mailings.
fn is_out(conn: &mut Conn, company: CompanyId, mailing: &MailingRow, row: &RecipientRow) -> Result<bool> {
    let channel: ChannelId = mailing.channel.parse().map_err(|_| unreadable())?;
    opt_out::is_out(conn, company, channel, &value("recipients", &row.peer)?)
}

/// Passes a row over.
fn skip(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    mailing: MailingId,
    row: &RecipientRow,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let code = Some(Code::OptedOut.slug());
    let Some(row) = crate::on!(conn, mailing::advance(&row.id, &["queued"], "skipped", code, None, None))? else {
        return Ok(Vec::new());
    };
    portal::tell(app, conn, company, mailing, &row, SmsStatus::Failed, now)
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
        media: None,
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
    portal::tell(app, conn, company, mailing, &row, status, now)
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
    let left = crate::on!(conn, mailing::waiting(id))?;
    let mut accepted = end_stopped(app, conn, company, id, now)?;
    let mut told = portal::tell_of_ended(app, conn, company, id, now)?;
    told.extend(portal::tell_of_stop(conn, company, id, left, now)?);
    accepted.extend(outbox::accept(conn, now, &told)?.into_iter().flatten());
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
    let ended = crate::on!(conn, mailing::end_pending(id, Code::Stopped.slug(), END_AT_ONCE))?;
    let new = portal::tell_of_failed(app, conn, company, id, &ended, now)?;
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

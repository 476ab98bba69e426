//! A robot's answer: one entry for each address, given when all are known or when the time is nearly over.

mod results;

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::crm::bitrix24::card::{self, Card};
use crate::crm::bitrix24::robot;
use crate::flow::route;
use crate::flow::tell::Verdict;
use crate::messenger;
use crate::model::errand::{NewErrand, Rank, Work};
use crate::model::id::{AnswerId, ChannelId, CompanyId, LaneId, MessageId, PortalId};
use crate::model::message::{Kind, Media, Outgoing};
use crate::model::moment::Moment;
use crate::model::origin::Origin;
use crate::model::result::{Code, Entry, write_entries};
use crate::model::status::Status;
use crate::store::row::{AnswerRow, text, value};
use crate::store::{Conn, Result, StoreError};

/// How long the vendor's word about a delivery is waited for after the message was sent, in milliseconds.
const RECEIPT_WAIT_MS: i64 = 60_000;

/// How long a portal call that answers a robot is worth making, in milliseconds.
const CALL_TTL_MS: i64 = 24 * 3_600_000;

/// What is to be tried when the address before it had no messenger.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NextTry {
    /// Which entry.
    pub entry: i32,
    /// The lane.
    pub lane: LaneId,
    /// The channel.
    pub channel: ChannelId,
    /// The rank.
    pub rank: i16,
    /// The message.
    pub message: MessageId,
    /// The message itself.
    pub outgoing: Outgoing,
    /// Until when it is worth sending.
    pub expires_at: Option<Moment>,
}

/// A message of a robot has left the outbox. Where the robot wants the exact fate and the messenger tells of deliveries,
/// the answer waits a little for that word.
///
/// # Errors
/// Those of the database.
#[expect(clippy::too_many_arguments, reason = "an errand's parts, taken apart by the caller")]
pub fn settled(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    id: AnswerId,
    entry: i32,
    channel: ChannelId,
    verdict: &Verdict,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    if verdict.status == Status::Sent
        && let Some(answer) = crate::on!(conn, answer::by_id(company, id))?
        && answer.exact
        && tells_deliveries(conn, company, channel)?
    {
        crate::on!(conn, answer::hasten(id, now.plus_ms(RECEIPT_WAIT_MS).0))?;
        return Ok(Vec::new());
    }
    fill(app, conn, company, id, entry, verdict, now)
}

/// Fills an entry in. The last one gives the answer.
///
/// # Errors
/// Those of the database.
pub fn fill(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    id: AnswerId,
    entry: i32,
    verdict: &Verdict,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let good = matches!(verdict.status, Status::Sent | Status::Delivered | Status::Viewed);
    let code = verdict.code.map(Code::slug);
    let Some(mut open) = crate::on!(conn, answer::fill(id, entry, good, code, Some(&verdict.reason)))? else {
        return Ok(Vec::new());
    };
    let Some(answer) = crate::on!(conn, answer::by_id(company, id))? else { return Ok(Vec::new()) };
    if answer.mode == "first" {
        if !good && let Some(next) = next_try(conn, &answer, entry)? {
            return Ok(vec![next]);
        }
        open = crate::on!(conn, answer::drop_untried(id))?;
    }
    if open > 0 { Ok(Vec::new()) } else { give(app, conn, &answer, true, now) }
}

/// The file that the messages of an answer waited for has come: they enter the outbox with it.
///
/// # Errors
/// Those of the database.
pub fn release(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    id: AnswerId,
    media: &Media,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let Some(answer) = crate::on!(conn, answer::by_id(company, id))? else { return Ok(Vec::new()) };
    let Some(plan) = &answer.plan else { return Ok(Vec::new()) };
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for mut tried in value::<Vec<NextTry>>("answers", plan)? {
        match takes(app, conn, company, tried.channel, media)? {
            Ok(()) => {
                tried.outgoing.content.media = Some(media.clone());
                good.push(tried);
            }
            Err(code) => bad.push((tried.entry, code)),
        }
    }
    let first = answer.mode == "first";
    let kept = if first { Some(text(&good)?) } else { None };
    crate::on!(conn, answer::set_plan(id, kept.as_deref()))?;
    let mut open = answer.open_entries;
    for (entry, code) in bad {
        open = crate::on!(conn, answer::fill(id, entry, false, Some(code.slug()), None))?.unwrap_or(open);
    }
    let mut new = Vec::new();
    for tried in good.into_iter().take(if first { 1 } else { usize::MAX }) {
        crate::on!(conn, answer::try_entry(id, tried.entry, &tried.message.to_string()))?;
        if !answer.exact {
            // without the exact result an address counts as Y when its message stands in the queue
            open = crate::on!(conn, answer::fill(id, tried.entry, true, None, None))?.unwrap_or(open);
        }
        new.push(try_errand(company, id, tried));
    }
    if open <= 0 {
        new.extend(give(app, conn, &answer, true, now)?);
    }
    Ok(new)
}

/// Whether the messenger of a channel takes such a file.
fn takes(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    channel: ChannelId,
    media: &Media,
) -> Result<std::result::Result<(), Code>> {
    let row = crate::on!(conn, channel::by_id(company, channel))?;
    Ok(row.map_or(Err(Code::ChannelNotFound), |row| route::check_file(app, &row, media)))
}

/// Nothing more will come of what is still open of an answer: it is given.
///
/// # Errors
/// Those of the database.
pub fn refuse(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    id: AnswerId,
    code: Code,
    reason: &str,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let Some(answer) = crate::on!(conn, answer::by_id(company, id))? else { return Ok(Vec::new()) };
    crate::on!(conn, answer::set_plan(id, None))?;
    for entry in crate::on!(conn, answer::entries(id))?.into_iter().filter(|entry| entry.ok.is_none()) {
        crate::on!(conn, answer::fill(id, entry.entry, false, Some(code.slug()), Some(reason)))?;
    }
    give(app, conn, &answer, true, now)
}

/// Gives the answer as far as it is known. What still waits in the queue is told as such; it is sent all the same.
///
/// # Errors
/// Those of the database.
pub fn give_in_time(app: &App, conn: &mut Conn, answer: &AnswerRow, now: Moment) -> Result<Vec<NewErrand>> {
    let id: AnswerId = answer.id.parse().map_err(|_| unreadable("an id is not of its form"))?;
    let company = company_of(answer)?;
    let mut known = true;
    for entry in crate::on!(conn, answer::entries(id))?.into_iter().filter(|entry| entry.ok.is_none()) {
        let sent = match entry.message.as_deref().and_then(|message| message.parse().ok()) {
            Some(message) => crate::on!(conn, message::by_id(company, message))?,
            None => None,
        };
        if sent.map(|message| Status::from_db(message.status)) == Some(Status::Sent) {
            // it left, and the vendor's last word did not come in time
            crate::on!(conn, answer::fill(id, entry.entry, true, None, None))?;
        } else {
            known = false;
            crate::on!(conn, answer::fill(id, entry.entry, false, Some(Code::Queued.slug()), None))?;
        }
    }
    give(app, conn, answer, known, now)
}

/// Gives an answer whose entries are all filled in.
///
/// # Errors
/// Those of the database.
pub fn give(app: &App, conn: &mut Conn, answer: &AnswerRow, in_time: bool, now: Moment) -> Result<Vec<NewErrand>> {
    let id: AnswerId = answer.id.parse().map_err(|_| unreadable("an id is not of its form"))?;
    if !crate::on!(conn, answer::give(id))? {
        return Ok(Vec::new());
    }
    let company = company_of(answer)?;
    let results = results::of(conn, company, answer, id)?;
    let portal: PortalId = answer.portal.parse().map_err(|_| unreadable("a portal's id is not of its form"))?;
    let Some(lane) = crate::on!(conn, portal::lane_of(company, portal))? else { return Ok(Vec::new()) };
    let mut new = Vec::new();
    if answer.waits {
        let values = robot::return_values(results.good, &results.entries, in_time, &results.own);
        let (method, params) = robot::answer(&answer.event_token, &values);
        // one answer for each token: a second one is ignored by the portal
        new.push(portal_call(company, portal, lane, method, params, true, &answer.event_token, now));
    }
    if answer.comments
        && let Some(card) = Card::read(&answer.document_id)
    {
        let (method, params) = card::comment(&card, &comment_text(app, &results.entries));
        new.push(portal_call(company, portal, lane, method, params, false, &answer.event_token, now));
    }
    Ok(new)
}

fn comment_text(_app: &App, entries: &[Entry]) -> String {
    format!("[Switchboard] {}", write_entries(entries))
}

#[expect(clippy::too_many_arguments, reason = "the parts of one call to the portal")]
fn portal_call(
    company: CompanyId,
    portal: PortalId,
    lane: LaneId,
    method: &str,
    params: serde_json::Value,
    repeatable: bool,
    token: &str,
    now: Moment,
) -> NewErrand {
    NewErrand {
        company,
        lane,
        rank: Rank::Service,
        // the pump's lists of recipients are lines: the token's own form does not matter, its identity does
        peer: format!("{method}:{}", token.replace(['\n', '\r'], "")),
        work: Work::PortalCall { portal, method: method.to_owned(), params, repeatable },
        origin: Origin::Nobody,
        not_before: None,
        expires_at: Some(now.plus_ms(CALL_TTL_MS)),
        dedup_key: None,
        merge_key: None,
    }
}

fn next_try(conn: &mut Conn, answer: &AnswerRow, entry: i32) -> Result<Option<NewErrand>> {
    let Some(plan) = &answer.plan else { return Ok(None) };
    let plan: Vec<NextTry> = value("answers", plan)?;
    let Some(next) = plan.into_iter().find(|next| next.entry > entry) else { return Ok(None) };
    let id: AnswerId = answer.id.parse().map_err(|_| unreadable("an id is not of its form"))?;
    crate::on!(conn, answer::try_entry(id, next.entry, &next.message.to_string()))?;
    Ok(Some(try_errand(company_of(answer)?, id, next)))
}

fn try_errand(company: CompanyId, answer: AnswerId, tried: NextTry) -> NewErrand {
    NewErrand {
        company,
        lane: tried.lane,
        rank: Rank::from_db(tried.rank),
        peer: tried.outgoing.to.chat_id(),
        work: Work::Send { channel: tried.channel, message: tried.message, outgoing: Box::new(tried.outgoing) },
        origin: Origin::Robot { answer, entry: tried.entry },
        not_before: None,
        expires_at: tried.expires_at,
        dedup_key: None,
        merge_key: None,
    }
}

fn tells_deliveries(conn: &mut Conn, company: CompanyId, channel: ChannelId) -> Result<bool> {
    let row = crate::on!(conn, channel::by_id(company, channel))?;
    let kind = row.and_then(|row| Kind::from_slug(&row.messenger));
    Ok(kind.and_then(messenger::of).is_some_and(|messenger| messenger.about().abilities.delivered))
}

fn company_of(answer: &AnswerRow) -> Result<CompanyId> {
    answer.company.parse().map_err(|_| unreadable("a company's id is not of its form"))
}

fn unreadable(what: &str) -> StoreError {
    StoreError::Unreadable { table: "answers", what: what.to_owned() }
}

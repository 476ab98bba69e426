//! What the portal that handed a letter over hears of it. Each of its messages has a status of its own there, and a call carries fifty:
//! so the statuses of a letter wait for each other, and a letter of a hundred costs a handful of calls however slowly it leaves.

use serde_json::json;

use crate::app::App;
use crate::crm::bitrix24::sms::SmsStatus;
use crate::flow::tell::status_errand;
use crate::model::errand::{NewErrand, Rank, Work};
use crate::model::id::{CompanyId, MailingId, PortalId};
use crate::model::moment::Moment;
use crate::model::origin::Origin;
use crate::model::pace::Pace;
use crate::model::result::Code;
use crate::model::status::Status;
use crate::store::row::{MailingRow, RecipientRow};
use crate::store::{Conn, Result};

/// The statuses of so many messages leave together, as the pace of their channel has it.
const TOGETHER: i64 = 16;

/// A status waits for the others no longer than this, in milliseconds.
const LONGEST_MS: i64 = 15 * 60_000;

/// So many rows that have ended are told of again when a letter is stopped; the others go with their minutes.
const ENDED_AT_ONCE: i64 = 500;

/// How long it is worth telling somebody that a letter was stopped, in milliseconds.
const NOTICE_TTL_MS: i64 = 24 * 3_600_000;

/// Tells the portal what became of a row, together with the other rows of these minutes.
pub(super) fn tell(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    mailing: MailingId,
    row: &RecipientRow,
    status: SmsStatus,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let Some(mailing) = crate::on!(conn, mailing::by_id(company, mailing))? else { return Ok(Vec::new()) };
    // of a letter that was stopped nothing more comes to wait for
    let stopped = mailing.state == "stopped";
    let at = if stopped { None } else { Some(together_at(conn, company, &mailing, now)?) };
    status_of(app, conn, company, &mailing, row, status, at, now)
}

/// Tells at once what became of the rows of a letter that is stopped: their statuses need not wait for others any more.
pub(super) fn tell_of_ended(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    id: MailingId,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let Some(mailing) = crate::on!(conn, mailing::by_id(company, id))? else { return Ok(Vec::new()) };
    let mut new = Vec::new();
    for row in crate::on!(conn, mailing::ended(id, ENDED_AT_ONCE))? {
        let code = row.code.as_deref().and_then(Code::from_slug);
        let status = match row.status.as_str() {
            "delivered" | "viewed" => Status::Delivered,
            "error" => Status::Error,
            _ => Status::Sent,
        };
        new.extend(status_of(app, conn, company, &mailing, &row, SmsStatus::of(status, code), None, now)?);
    }
    Ok(new)
}

/// Tells at once that rows failed: many of them have their end in one moment.
pub(super) fn tell_of_failed(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    id: MailingId,
    rows: &[RecipientRow],
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let Some(mailing) = crate::on!(conn, mailing::by_id(company, id))? else { return Ok(Vec::new()) };
    let mut new = Vec::new();
    for row in rows {
        new.extend(status_of(app, conn, company, &mailing, row, SmsStatus::Failed, None, now)?);
    }
    Ok(new)
}

#[expect(clippy::too_many_arguments, reason = "the parts of one call to the portal")]
fn status_of(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    mailing: &MailingRow,
    row: &RecipientRow,
    status: SmsStatus,
    at: Option<Moment>,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let Some(message) = &row.vendor_message else { return Ok(Vec::new()) };
    let (Some(portal), Some(code)) = (portal_of(mailing), &mailing.sender_code) else { return Ok(Vec::new()) };
    let told = status_errand(app, conn, company, portal, code, message, status, now)?;
    let later = |errand: NewErrand| NewErrand { not_before: errand.not_before.max(at), ..errand };
    Ok(told.map(later).into_iter().collect())
}

/// The end of the minutes whose statuses leave together; they are counted from the beginning of the letter, so they are the same for all of
/// its rows and in every process.
pub(super) fn together_at(conn: &mut Conn, company: CompanyId, mailing: &MailingRow, now: Moment) -> Result<Moment> {
    let pace = crate::on!(conn, lane::by_id(company, mailing.lane))?.map(|lane| lane.pace()).transpose()?;
    let gap_ms = match pace {
        Some(Pace::Gap { from_ms, to_ms, .. }) => i64::midpoint(from_ms, to_ms),
        Some(Pace::Bucket { .. }) | None => 0,
    };
    let minutes_ms = gap_ms.saturating_mul(TOGETHER).min(LONGEST_MS);
    if minutes_ms <= 0 {
        return Ok(now);
    }
    let begun = mailing.created_at;
    let passed = now.0.saturating_sub(begun).max(0) / minutes_ms;
    Ok(Moment(begun + (passed + 1) * minutes_ms))
}

/// A status has no reason in Bitrix24, so whoever began the letter is told why the rest of it failed.
pub(super) fn tell_of_stop(
    conn: &mut Conn,
    company: CompanyId,
    id: MailingId,
    left: i64,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let Some(mailing) = crate::on!(conn, mailing::by_id(company, id))? else { return Ok(Vec::new()) };
    let author = mailing.author.as_deref().and_then(|author| author.parse::<i64>().ok());
    let (Some(portal), Some(author)) = (portal_of(&mailing), author) else { return Ok(Vec::new()) };
    let Some(lane) = crate::on!(conn, portal::lane_of(company, portal))? else { return Ok(Vec::new()) };
    let text = format!(
        "Рассылка остановлена в Switchboard: {}. Не отправлено сообщений: {left}; в Битрикс24 они отмечены как неотправленные.",
        mailing.title
    );
    Ok(vec![NewErrand {
        company,
        lane,
        rank: Rank::Service,
        peer: format!("letter:{id}"),
        work: Work::PortalCall {
            portal,
            method: "im.notify.system.add".to_owned(),
            params: json!({ "USER_ID": author, "MESSAGE": text, "TAG": format!("switchboard|letter|{id}") }),
            // the portal replaces a notification with the same tag
            repeatable: true,
        },
        origin: Origin::Nobody,
        not_before: None,
        expires_at: Some(now.plus_ms(NOTICE_TTL_MS)),
        dedup_key: None,
        merge_key: None,
    }])
}

fn portal_of(mailing: &MailingRow) -> Option<PortalId> {
    mailing.portal.as_deref().and_then(|id| id.parse().ok())
}

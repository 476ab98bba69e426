//! Mailings as people see them: counts, forecasts, the ledger.

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::model::errand::Rank;
use crate::model::eta::{Timetable, Waiting, forecast};
use crate::model::id::{CompanyId, MailingId};
use crate::model::message::Peer;
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::store::row::{LaneRow, MailingRow, RecipientRow, value};
use crate::store::{Conn, Result};

/// A mailing as people see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
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
    /// «Будет отправлено»: when its last row will have left, if nothing else comes; none while it stands.
    #[schema(value_type = Option<i64>)]
    pub eta_at: Option<Moment>,
    /// «Принято от Битрикс24»: when the last row was handed over; none where nobody handed it over.
    pub handed_at: Option<i64>,
    /// Its channel.
    pub channel: String,
    /// When its first row came.
    pub created_at: i64,
}

/// How many rows of a mailing have each status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
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

/// So many mailings are listed.
const LISTED: i64 = 50;

/// The newest mailings of a company, as people see them.
///
/// # Errors
/// Those of the store.
pub(crate) async fn overview(app: &App, company: CompanyId) -> Result<Vec<MailingOut>> {
    let read = app.store.read(move |conn| {
        let mut mailings = Vec::new();
        for row in crate::on!(conn, mailing::newest(company, LISTED))? {
            let mut counts = Counts::default();
            for (status, count) in crate::on!(conn, mailing::counts(&row.id))? {
                *counts.of(&status) += count;
            }
            let lane = crate::on!(conn, lane::by_id(company, row.lane))?;
            let others = beside(conn, &row, counts.pending + counts.queued)?;
            mailings.push((row, counts, lane, others));
        }
        Ok(mailings)
    });
    let mailings = read.await?;
    let due = app.bell.look(mailings.iter().map(|(row, ..)| row.lane).collect()).await;
    let now = app.clock.now();
    mailings
        .into_iter()
        .map(|(row, counts, lane, others)| {
            let open = counts.pending + counts.queued;
            let first_at = due.get(&row.lane).map_or(now, |due| due.paced_at.max(now));
            let eta_at = match lane {
                Some(lane) if row.state == "running" && open > 0 => end_of(&lane, first_at, open + others)?,
                _ => None,
            };
            let (id, title, state) = (row.id, row.title, row.state);
            let (channel, created_at) = (row.channel, row.created_at);
            let handed_at = row.portal.is_some().then_some(row.last_row_at);
            Ok(MailingOut { id, title, state, total: counts.total(), counts, eta_at, handed_at, channel, created_at })
        })
        .collect()
}

/// How many rows of other mailings leave before the last of so many rows: mailings of a lane take turns.
fn beside(conn: &mut Conn, row: &MailingRow, open: i64) -> Result<i64> {
    let others = crate::on!(conn, mailing::pending_of_lane(row.lane))?;
    Ok(others.into_iter().filter(|(id, _)| *id != row.id).map(|(_, count)| count.min(open)).sum())
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
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = RecipientOut)]
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

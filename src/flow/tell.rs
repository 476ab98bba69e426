//! Telling whoever asked what became of a message: the one function that matches on the origin.

use crate::app::App;
use crate::crm::bitrix24::sms::SmsStatus;
use crate::flow::{answer, mailing, open_line};
use crate::model::errand::{Errand, NewErrand, Rank, Work};
use crate::model::id::{CompanyId, LaneId, PortalId};
use crate::model::moment::Moment;
use crate::model::origin::Origin;
use crate::model::result::Code;
use crate::model::status::Status;
use crate::store::{Conn, Result};

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Its status.
    pub status: Status,
    /// Our stable code of an error.
    pub code: Option<Code>,
    /// The reason, for a person; may be empty.
    pub reason: String,
}

/// Tells the origin of an errand that is over. Gives back the errands that carry the word out of the house.
///
/// # Errors
/// Those of the database.
pub fn tell(app: &App, conn: &mut Conn, errand: &Errand, verdict: &Verdict, now: Moment) -> Result<Vec<NewErrand>> {
    match (&errand.work, &errand.origin) {
        // an operator is told of a change that was not made; whoever else asked for one looks at the message
        (Work::Change { change, .. }, Origin::OpenLine { word, .. }) => {
            open_line::change_told(conn, errand.company, *word, &change.to_string(), verdict, now)
        }
        // messages that waited for a file tell of themselves
        (
            Work::Change { .. }
            | Work::PortalCall { .. }
            | Work::SmsStatus { .. }
            | Work::Fetch { .. }
            | Work::OpenLine { .. }
            | Work::OpenLineChat { .. }
            | Work::OpenLineMark { .. }
            | Work::Webhook { .. },
            _,
        ) => Ok(Vec::new()),
        (Work::Send { channel, .. }, Origin::Robot { answer, entry }) => {
            answer::settled(app, conn, errand.company, *answer, *entry, *channel, verdict, now)
        }
        // what is done with a group, and a look at a phone, has no receipt
        (_, other) => tell_later(app, conn, errand.company, other, verdict, now),
    }
}

/// Tells the origin of a message that has left the outbox already: a receipt came, or a person decided.
///
/// # Errors
/// Those of the database.
pub fn tell_later(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    origin: &Origin,
    verdict: &Verdict,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    match origin {
        Origin::Nobody | Origin::Api { .. } => Ok(Vec::new()),
        Origin::Robot { answer, entry } => answer::fill(app, conn, company, *answer, *entry, verdict, now),
        Origin::Sms { portal, code, message } => {
            let status = SmsStatus::of(verdict.status, verdict.code);
            Ok(status_errand(app, conn, company, *portal, code, message, status, now)?.into_iter().collect())
        }
        Origin::OpenLine { word, place } => open_line::told(conn, company, (*word, *place), verdict, now),
        Origin::Recipient { mailing, recipient } => {
            mailing::tell(app, conn, company, *mailing, *recipient, verdict, now)
        }
    }
}

/// The errand that pushes an SMS status: last in the portal's lane, a little late on purpose, so that a newer status takes
/// its place and several leave together.
///
/// # Errors
/// Those of the database.
#[expect(clippy::too_many_arguments, reason = "the parts of one call to the portal")]
pub fn status_errand(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    portal: PortalId,
    code: &str,
    message: &str,
    status: SmsStatus,
    now: Moment,
) -> Result<Option<NewErrand>> {
    let lane: Option<LaneId> = crate::on!(conn, portal::lane_of(company, portal))?;
    Ok(lane.map(|lane| NewErrand {
        company,
        lane,
        rank: Rank::Mailing,
        peer: format!("sms:{message}"),
        work: Work::SmsStatus {
            portal,
            code: code.to_owned(),
            message: message.to_owned(),
            status: status.slug().to_owned(),
        },
        origin: Origin::Nobody,
        not_before: Some(now.plus_ms(app.config.outbox.status_delay_ms)),
        expires_at: Some(now.plus_ms(STATUS_TTL_MS)),
        dedup_key: None,
        merge_key: Some(format!("sms:{message}")),
    }))
}

/// How long a status is worth telling, in milliseconds.
const STATUS_TTL_MS: i64 = 3 * 24 * 3_600_000;

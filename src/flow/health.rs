//! How a channel fares: what is shown of it, what happened to it, and when people are to be told.
//!
//! A loss is told when it has lasted for `notices.flap_minutes`; one that ended before is told once, as an interruption. A return
//! is told when it has lasted as long. The plan is written with the state, in one transaction, and carried out by
//! [`crate::flow::herald`].
//!
//! What a vendor says about spam comes here by one of four ways and nowhere else: an answer ([`Answer::suspicion`]), a receipt
//! with [`Code::SpamSuspected`], a delivery ([`crate::model::message::Event::Suspicion`]). It holds for a day after the vendor's last
//! word, until the vendor takes it back, or until a person attaches the channel again.

use serde_json::{Value, json};

use crate::app::App;
use crate::flow::herald::{self, Word};
use crate::messenger;
use crate::model::id::{ChannelId, CompanyEventId, CompanyId};
use crate::model::message::Kind;
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::vendor::Answer;
use crate::store::outbox::Accepted;
use crate::store::row::{ChannelRow, CompanyEventRow, text};
use crate::store::{Conn, Result};

/// A suspicion holds so long after the vendor's last word, in milliseconds: Telegram's limits last a day at least, and none of the
/// vendors tells when they end.
pub const SUSPICION_MS: i64 = 24 * 3_600_000;

/// What happened where a vendor posts to another program.
pub const OVERTAKEN: &str = "channel.overtaken";

/// So many letters of what was said are kept.
const MOST_SAID: usize = 500;

/// Errors that say something of the recipient or of our own decisions, and nothing of the channel.
const NOT_OF_THE_CHANNEL: [Code; 12] = [
    Code::Nobody,
    Code::Blocked,
    Code::OptedOut,
    Code::VendorCap,
    Code::AddressBad,
    Code::AddressEmpty,
    Code::CannotWriteFirst,
    Code::WindowClosed,
    Code::TooLate,
    Code::Stopped,
    Code::Discarded,
    Code::Queued,
];

/// A channel moved to another state; `row` is how it was before. Writes down what happened, and plans what people are told.
///
/// # Errors
/// Those of the database.
pub fn turned(app: &App, conn: &mut Conn, row: &ChannelRow, to: &str, said: &str, now: Moment) -> Result<()> {
    let (Ok(id), Ok(company)) = (row.id.parse::<ChannelId>(), row.company.parse::<CompanyId>()) else { return Ok(()) };
    let tell_at = now.plus_ms(app.config.notices.flap_minutes.saturating_mul(60_000)).0;
    let (was_up, was_down) = (row.state == "connected", ["lost", "relink"].contains(&row.state.as_str()));
    match to {
        "lost" | "relink" => {
            let said = short(said);
            crate::on!(conn, health::set_error(id, Code::ChannelLost.slug(), &said, now.0))?;
            if was_up {
                crate::on!(conn, health::fall(id, now.0, tell_at))?;
            }
        }
        "off" => crate::on!(conn, health::forget_turns(id))?,
        _ => crate::on!(conn, health::rise(id, now.0, tell_at))?,
    }
    let kind = match to {
        "lost" | "relink" if was_up || was_down => "channel.lost",
        "off" => "channel.off",
        "connected" if !was_up => "channel.connected",
        _ => return Ok(()),
    };
    write_event(conn, company, kind, id, &described(row, to, Some(said)), now)
}

/// What is written down of an errand that is over, as far as it concerns its channel.
///
/// # Errors
/// Those of the database.
pub fn sent(conn: &mut Conn, id: ChannelId, answer: &Answer, now: Moment) -> Result<()> {
    let (code, said) = match answer {
        Answer::Refused { code, text } => (*code, text.as_str()),
        Answer::Unsure { seen, .. } | Answer::Down { seen } | Answer::Expired { seen } => {
            (Code::Unknown, seen.as_str())
        }
        Answer::Done { .. } | Answer::Nobody { .. } | Answer::Busy { .. } => return Ok(()),
    };
    failed(conn, id, code, said, now)
}

/// Something went wrong; what says nothing of the channel is left out.
///
/// # Errors
/// Those of the database.
pub fn failed(conn: &mut Conn, id: ChannelId, code: Code, said: &str, now: Moment) -> Result<()> {
    if NOT_OF_THE_CHANNEL.contains(&code) {
        return Ok(());
    }
    crate::on!(conn, health::set_error(id, code.slug(), &short(said), now.0))
}

/// A vendor posts to another program than this one: it is written down.
///
/// # Errors
/// Those of the database.
pub fn overtaken(conn: &mut Conn, row: &ChannelRow, host: &str, now: Moment) -> Result<()> {
    let (Ok(id), Ok(company)) = (row.id.parse::<ChannelId>(), row.company.parse::<CompanyId>()) else { return Ok(()) };
    write_event(conn, company, OVERTAKEN, id, &described(row, &row.state, Some(host)), now)
}

/// A vendor suspects a channel of spam: shown, and told where it is news. Gives back the calls that tell the portals.
///
/// # Errors
/// Those of the database.
pub fn suspect(app: &App, conn: &mut Conn, row: &ChannelRow, said: &str, now: Moment) -> Result<Vec<Accepted>> {
    let (Ok(id), Ok(company)) = (row.id.parse::<ChannelId>(), row.company.parse::<CompanyId>()) else {
        return Ok(Vec::new());
    };
    let said = short(said);
    crate::on!(conn, health::set_error(id, Code::SpamSuspected.slug(), &said, now.0))?;
    if !crate::on!(conn, health::suspect(id, &said, now.0, now.plus_ms(SUSPICION_MS).0))? {
        return Ok(Vec::new());
    }
    tracing::warn!(channel = row.id, said, "a vendor suspects a channel of spam");
    write_event(conn, company, "channel.spam", id, &described(row, &row.state, Some(&said)), now)?;
    herald::tell(app, conn, row, &Word::Spam { said }, now)
}

/// The same for an answer to a call, outside a transaction.
///
/// # Errors
/// Those of the store.
pub(crate) async fn suspect_after(app: &App, row: &ChannelRow, said: String) -> Result<()> {
    let (inner, row, now) = (app.clone(), row.clone(), app.clock.now());
    let lane = row.lane;
    let accepted = app.store.write(move |conn| suspect(&inner, conn, &row, &said, now)).await?;
    app.bell.accepted(accepted);
    app.bell.seen(lane);
    Ok(())
}

/// A vendor took its suspicion back, or a person attached the channel again.
///
/// # Errors
/// Those of the database.
pub fn clear(conn: &mut Conn, row: &ChannelRow, now: Moment) -> Result<()> {
    clear_until(conn, row, None, now)
}

/// The same where it ended by itself until a moment.
///
/// # Errors
/// Those of the database.
pub fn clear_until(conn: &mut Conn, row: &ChannelRow, until: Option<Moment>, now: Moment) -> Result<()> {
    let (Ok(id), Ok(company)) = (row.id.parse::<ChannelId>(), row.company.parse::<CompanyId>()) else { return Ok(()) };
    if crate::on!(conn, health::clear_suspicion(id, until.map(|until| until.0)))? {
        write_event(conn, company, "channel.spam_over", id, &described(row, &row.state, None), now)?;
    }
    Ok(())
}

fn write_event(
    conn: &mut Conn,
    company: CompanyId,
    kind: &str,
    subject: ChannelId,
    body: &Value,
    now: Moment,
) -> Result<()> {
    let row = CompanyEventRow {
        id: CompanyEventId::new().to_string(),
        company: company.to_string(),
        kind: kind.to_owned(),
        subject: subject.to_string(),
        body: text(body)?,
        at: now.0,
    };
    crate::on!(conn, company_event::write(&row))
}

/// What a channel is, as events tell it: never a secret.
fn described(row: &ChannelRow, state: &str, said: Option<&str>) -> Value {
    let settings: Value = serde_json::from_str(&row.settings).unwrap_or_default();
    json!({
        "line": row.line,
        "messenger": row.messenger,
        "title": settings.get("title").and_then(Value::as_str),
        "address": settings.get("address").and_then(Value::as_str),
        "state": state,
        "reason": said.map(short),
    })
}

/// The name of a channel for people, in a language: the messenger, and what the vendor calls it.
#[must_use]
pub fn title(row: &ChannelRow, english: bool) -> String {
    let kind = Kind::from_slug(&row.messenger);
    let about = kind.and_then(messenger::of).map(|found| found.about().title).or(kind.map(Kind::title));
    let messenger = about.map_or("", |(ru, en)| if english { en } else { ru });
    let settings: Value = serde_json::from_str(&row.settings).unwrap_or_default();
    let own = settings.get("title").or_else(|| settings.get("address")).and_then(Value::as_str);
    own.map_or_else(|| messenger.to_owned(), |own| format!("{messenger} · {own}"))
}

fn short(said: &str) -> String {
    said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST_SAID).collect()
}

//! Webhooks: integrators are told what happens in a channel. An event is written down in the transaction of what it tells, under
//! the next number of its webhook, and leaves by an errand in the webhook's own lane, one after the other. One that nobody took
//! for a day fails; it is kept for a while and can be sent again.

mod item;
pub mod settings;

use crate::app::App;
use crate::flow::{credentials, perform};
use crate::model::errand::{NewErrand, Rank, Work};
use crate::model::id::{ChannelId, CompanyId, WebhookId};
use crate::model::message::Incoming;
use crate::model::moment::Moment;
use crate::model::origin::Origin;
use crate::model::result::Code;
use crate::model::status::Status;
use crate::model::vendor::{Answer, Scope};
use crate::model::webhook::Topic;
use crate::net::webhook::{Failure, Letter, Reception, deliver};
use crate::store::row::{MessageRow, WebhookEventRow, WebhookFailure, WebhookRow, value};
use crate::store::{Conn, Result};

/// How long an event is tried, in milliseconds.
pub const TRIED_MS: i64 = 24 * 3_600_000;

/// Why an event failed whose webhook was off when its turn came.
const SWITCHED_OFF: &str = "switched_off";

/// A message entered the history: it came in (then `incoming` is what the messenger told), or one of ours has left. However often
/// this is told, it is one event. Gives back the errand that carries it.
///
/// # Errors
/// Those of the database.
pub fn said(
    app: &App,
    conn: &mut Conn,
    row: &MessageRow,
    incoming: Option<&Incoming>,
    now: Moment,
) -> Result<Option<NewErrand>> {
    let Some(webhook) = hearing(app, conn, row, Topic::Message)? else { return Ok(None) };
    let item = item::message(conn, row, incoming)?;
    enter(conn, &webhook, (Topic::Message, format!("m:{}", row.id)), item.to_string(), now)
}

/// A message of ours moved to the status that its row has, `at` by the vendor's clock. However often this is told, it is one event
/// for each status. Gives back the errand that carries it.
///
/// # Errors
/// Those of the database.
pub fn moved(app: &App, conn: &mut Conn, row: &MessageRow, at: Moment, now: Moment) -> Result<Option<NewErrand>> {
    let Some(webhook) = hearing(app, conn, row, Topic::MessageStatus)? else { return Ok(None) };
    let status = Status::from_db(row.status);
    let item = item::status(conn, row, at)?;
    enter(conn, &webhook, (Topic::MessageStatus, format!("s:{}:{status}", row.id)), item.to_string(), now)
}

/// A message of ours is settled: it is told itself where it left, and what became of it. Gives back the errands.
///
/// # Errors
/// Those of the database.
pub fn settled(app: &App, conn: &mut Conn, row: &MessageRow, now: Moment) -> Result<Vec<NewErrand>> {
    let left = Status::from_db(row.status) == Status::Sent;
    let said = if left { said(app, conn, row, None, now)? } else { None };
    let moved = moved(app, conn, row, row.sent_at.map_or(now, Moment), now)?;
    Ok(said.into_iter().chain(moved).collect())
}

/// The webhook of a message's channel, where it is on and hears of the topic. Channels without one are known for a moment, so that
/// a mailing does not ask for each of its messages.
fn hearing(app: &App, conn: &mut Conn, row: &MessageRow, topic: Topic) -> Result<Option<WebhookRow>> {
    let (Ok(company), Ok(channel)) = (row.company.parse::<CompanyId>(), row.channel.parse::<ChannelId>()) else {
        return Ok(None);
    };
    let tick = app.clock.tick();
    if app.known.is_unhooked(channel, tick) {
        return Ok(None);
    }
    let found = crate::on!(conn, webhook::of_channel(company, channel))?.filter(|row| row.state == "on");
    let Some(found) = found else {
        app.known.keep_unhooked(channel, tick);
        return Ok(None);
    };
    let topics: Vec<Topic> = value("webhooks", &found.topics)?;
    Ok(Some(found).filter(|_| topics.contains(&topic)))
}

/// Writes an event down; the errand that carries it, where it was not written down before.
fn enter(
    conn: &mut Conn,
    webhook: &WebhookRow,
    (topic, key): (Topic, String),
    item: String,
    now: Moment,
) -> Result<Option<NewErrand>> {
    let row = WebhookEventRow {
        webhook: webhook.id.clone(),
        number: 0,
        company: webhook.company.clone(),
        key,
        topic: topic.slug().to_owned(),
        item,
        state: "waiting".to_owned(),
        attempts: 0,
        reason: None,
        status: None,
        seen: None,
        made_at: now.0,
        done_at: None,
    };
    Ok(crate::on!(conn, webhook::enter(&row))?.and_then(|number| errand(webhook, number, now)))
}

/// The errand that carries an event. All of a webhook have one recipient, so they leave in their order.
fn errand(webhook: &WebhookRow, number: i64, now: Moment) -> Option<NewErrand> {
    Some(NewErrand {
        company: webhook.company.parse().ok()?,
        lane: webhook.lane,
        rank: Rank::Service,
        peer: webhook.id.clone(),
        work: Work::Webhook { webhook: webhook.id.parse().ok()?, number },
        origin: Origin::Nobody,
        not_before: None,
        expires_at: Some(now.plus_ms(TRIED_MS)),
        dedup_key: None,
        merge_key: None,
    })
}

/// Delivers an event once, and writes down why it was not taken.
///
/// # Errors
/// Those of the store.
pub async fn carry_out(app: &App, company: CompanyId, id: WebhookId, number: i64) -> Result<Answer> {
    let found = app
        .store
        .read(move |conn| {
            let webhook = crate::on!(conn, webhook::by_id(company, id))?;
            Ok(webhook.zip(crate::on!(conn, webhook::event(company, id, number))?))
        })
        .await?;
    let Some((webhook, event)) = found.filter(|(_, event)| event.state == "waiting") else {
        return Ok(Answer::done());
    };
    if webhook.state != "on" {
        return Ok(Answer::Refused { code: Code::Discarded, text: SWITCHED_OFF.to_owned() });
    }
    let channel = match webhook.channel.parse() {
        Ok(channel) => perform::channel(app, company, channel).await?,
        Err(_) => None,
    };
    let Some(channel) = channel else { return Ok(Answer::done()) };
    let secret = credentials::open(app, "webhooks", &webhook.id, &webhook.secret)?;
    let (name, body) = (item::name(&webhook.id, number), item::body(&event, &channel));
    let letter = Letter { url: &webhook.url, secret: &secret, id: &name, at: app.clock.now(), body: &body };
    let (answer, failure) = match deliver(&app.guard, letter).await {
        Reception::Taken => return Ok(Answer::done()),
        Reception::Later(after_ms, failure) => (Answer::Busy { after_ms, scope: Scope::Lane }, failure),
        Reception::Failed(failure) => (Answer::Down { seen: failure.seen.clone() }, failure),
        Reception::Gone(failure) => {
            tracing::warn!(webhook = webhook.id, "a webhook is switched off: its receiver is gone for good");
            let text = failure.reason.to_owned();
            (Answer::Refused { code: Code::Discarded, text }, failure)
        }
    };
    note(app, company, (id, number), webhook.url, failure).await?;
    Ok(answer)
}

/// Writes down why an event was not taken; a receiver that is gone hears of nothing more.
async fn note(
    app: &App,
    company: CompanyId,
    (id, number): (WebhookId, i64),
    url: String,
    failure: Failure,
) -> Result<()> {
    let now = app.clock.now();
    let row = WebhookFailure {
        reason: Some(failure.reason.to_owned()),
        status: failure.status.map(i32::from),
        seen: Some(failure.seen).filter(|seen| !seen.is_empty()),
    };
    app.store
        .write(move |conn| {
            if failure.reason == "gone" {
                crate::on!(conn, webhook::switch_off(company, id, &url, failure.reason))?;
            }
            crate::on!(conn, webhook::note(company, (id, number), &row, now.0))
        })
        .await
}

/// An event is over: it was delivered, or nobody took it.
///
/// # Errors
/// Those of the database.
pub fn over(
    conn: &mut Conn,
    company: CompanyId,
    (id, number): (WebhookId, i64),
    answer: &Answer,
    now: Moment,
) -> Result<()> {
    let delivered = matches!(answer, Answer::Done { .. });
    let state = if delivered { "delivered" } else { "failed" };
    if !crate::on!(conn, webhook::end(company, (id, number), state, now.0))? {
        return Ok(());
    }
    match answer {
        Answer::Done { .. } => {
            let told = WebhookFailure { reason: Some("delivered".to_owned()), status: None, seen: None };
            crate::on!(conn, webhook::tell(company, id, &told, now.0))
        }
        Answer::Refused { text, .. } if text == SWITCHED_OFF => {
            crate::on!(conn, webhook::explain(company, (id, number), SWITCHED_OFF, true))
        }
        // why it was not taken is known already, unless its turn never came
        _ => crate::on!(conn, webhook::explain(company, (id, number), Code::TooLate.slug(), false)),
    }
}

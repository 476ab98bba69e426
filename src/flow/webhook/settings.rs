//! Webhooks as people and programs set them up, look at what they were told, and let it be told again.

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{errand, item};
use crate::app::App;
use crate::flow::credentials;
use crate::model::errand::NewErrand;
use crate::model::id::{ChannelId, CompanyId, LaneId, LineId, WebhookId};
use crate::model::message::Kind;
use crate::model::pace::Pace;
use crate::model::webhook::Topic;
use crate::net::guard::GuardError;
use crate::net::webhook::fresh_secret;
use crate::store::outbox::{self, Accepted};
use crate::store::row::{NewLane, WebhookEventRow, WebhookRow, text, value};
use crate::store::{Conn, Result, StoreError, notice};

/// The longest address.
const LONGEST: usize = 2_000;

/// So many events are opened again in one transaction.
const AT_ONCE: i64 = 500;

/// So many events are shown at most.
pub const MOST_SHOWN: i64 = 200;

/// A webhook as it is set up.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookIn {
    /// An https address.
    pub url: String,
    /// What it hears of: `message`, `messageStatus` or both.
    #[schema(value_type = Vec<Topic>)]
    pub events: Vec<String>,
    /// Whether it gets another secret; the one before is good for nothing any more.
    #[serde(default)]
    pub new_secret: bool,
}

/// A webhook.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WebhookOut {
    /// Its id.
    pub id: String,
    /// The channel.
    pub channel: String,
    /// The line of the channel.
    pub line: LineId,
    /// The messenger of the channel.
    #[schema(value_type = Kind)]
    pub messenger: String,
    /// The address.
    pub url: String,
    /// What it hears of.
    pub events: Vec<Topic>,
    /// `on`, or `off`: then nothing is written down for it until it is set up again.
    pub state: String,
    /// Why it is off: `gone` where the receiver answered 410.
    pub reason: Option<String>,
    /// The number of the last event.
    pub last_number: i64,
    /// How many events wait.
    pub waiting: i64,
    /// How many events failed and are still kept.
    pub failed: i64,
    /// What came of the last attempt; none before the first one.
    pub last: Option<WebhookOutcome>,
}

/// What came of an attempt.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WebhookOutcome {
    /// When.
    pub at: i64,
    /// `delivered`, `http_status`, `gone`, `no_answer`, `private_address`, `bad_address` or `bad_secret`.
    pub outcome: String,
    /// The HTTP status, where it was not taken.
    pub status: Option<i32>,
    /// What was seen, where it was not taken.
    pub seen: Option<String>,
}

/// A webhook that was set up.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WebhookKept {
    /// The webhook.
    pub webhook: WebhookOut,
    /// The secret that signs: told now and never again. None where it stays as it was.
    pub secret: Option<String>,
}

/// What a webhook was told, or is to be told.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WebhookEvent {
    /// Its number, from 1 without a gap.
    pub number: i64,
    /// The id that it is posted with.
    pub id: String,
    /// What it is about.
    #[schema(value_type = Topic)]
    pub topic: String,
    /// `waiting`, `delivered` or `failed`.
    pub state: String,
    /// How often it was not taken.
    pub attempts: i32,
    /// Why it was not taken last, as `outcome` of a webhook; `too_late` where its turn never came, `switched_off` where the webhook
    /// was off when it did.
    pub reason: Option<String>,
    /// The HTTP status of that.
    pub status: Option<i32>,
    /// What was seen of that.
    pub seen: Option<String>,
    /// When it happened.
    pub made_at: i64,
    /// When it was over.
    pub done_at: Option<i64>,
    /// What is posted in `data`.
    #[schema(value_type = Object)]
    pub item: Value,
}

/// Why a webhook was not set up, or its events not sent again.
#[derive(Debug, thiserror::Error)]
pub enum WebhookRefusal {
    /// The company has no such channel or webhook.
    #[error("there is no such channel or webhook")]
    NotFound,
    /// The address cannot be called.
    #[error(transparent)]
    Address(GuardError),
    /// The address is too long.
    #[error("the address has more than {0} letters")]
    TooLong(usize),
    /// It would hear of nothing.
    #[error("no event is chosen")]
    NoEvents,
    /// There is no such event to hear of.
    #[error("{0} is no event")]
    NoEvent(String),
    /// It is off.
    #[error("the webhook is off")]
    Off,
    /// The machine has no randomness to give.
    #[error("no secret could be made")]
    NoSecret,
    /// The store did not help.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sets the webhook of a channel up, or changes it; one that was off is on again.
///
/// # Errors
/// [`WebhookRefusal`].
pub(crate) async fn keep(
    app: &App,
    company: CompanyId,
    channel: ChannelId,
    given: WebhookIn,
) -> Result<WebhookKept, WebhookRefusal> {
    let (url, topics) = (address(app, &given.url)?, text(&topics(&given.events)?)?);
    let fresh = fresh_secret().ok_or(WebhookRefusal::NoSecret)?;
    let new = NewWebhook { url, topics, fresh: fresh.clone(), renew: given.new_secret };
    let inner = app.clone();
    let kept = app.store.write(move |conn| keep_row(&inner, conn, company, channel, &new)).await;
    let (id, told, lane) = match kept {
        // somebody was faster to make it, and it is there now
        Err(error) if error.is_duplicate() => return Box::pin(keep(app, company, channel, given)).await,
        kept => kept?.ok_or(WebhookRefusal::NotFound)?,
    };
    app.known.forget();
    if let Some(lane) = lane {
        app.bell.changed(lane);
        tracing::info!(webhook = %id, lane, "a webhook was made");
    }
    let webhook = find(app, company, channel).await?.ok_or(WebhookRefusal::NotFound)?;
    Ok(WebhookKept { webhook, secret: told.then(|| fresh.expose_secret().to_owned()) })
}

/// What is to be kept.
struct NewWebhook {
    url: String,
    topics: String,
    fresh: SecretString,
    renew: bool,
}

/// The id, whether the fresh secret is the one that holds, and the lane where it was made; none where there is no such channel.
fn keep_row(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    channel: ChannelId,
    new: &NewWebhook,
) -> Result<Option<(WebhookId, bool, Option<LaneId>)>> {
    if crate::on!(conn, channel::by_id(company, channel))?.is_none() {
        return Ok(None);
    }
    if let Some(row) = crate::on!(conn, webhook::of_channel(company, channel))? {
        let Ok(id) = row.id.parse() else { return Ok(None) };
        let sealed = (new.renew || row.secret.is_empty()).then(|| seal(app, &row.id, &new.fresh));
        crate::on!(conn, webhook::change(company, &row.id, (&new.url, &new.topics), sealed.as_deref()))?;
        return Ok(Some((id, sealed.is_some(), None)));
    }
    let id = WebhookId::new();
    let lane = NewLane { kind: "webhook".to_owned(), pace: Pace::NONE, hours: None };
    let lane = crate::on!(conn, lane::create(company, &lane))?;
    let row = WebhookRow {
        id: id.to_string(),
        company: company.to_string(),
        channel: channel.to_string(),
        lane,
        url: new.url.clone(),
        topics: new.topics.clone(),
        secret: seal(app, &id.to_string(), &new.fresh),
        state: "on".to_owned(),
        reason: None,
        last_number: 0,
        told_at: None,
        told: None,
        told_status: None,
        told_seen: None,
        made_at: app.clock.now().0,
    };
    crate::on!(conn, webhook::create(&row))?;
    notice::changed(conn, lane)?;
    Ok(Some((id, true, Some(lane))))
}

fn seal(app: &App, id: &str, secret: &SecretString) -> String {
    credentials::seal(app, "webhooks", id, secret)
}

/// Reads an address that may be called.
fn address(app: &App, given: &str) -> Result<String, WebhookRefusal> {
    let given = given.trim();
    if given.chars().count() > LONGEST {
        return Err(WebhookRefusal::TooLong(LONGEST));
    }
    let mut url = app.guard.check(given).map_err(WebhookRefusal::Address)?;
    url.set_fragment(None);
    Ok(url.into())
}

fn topics(given: &[String]) -> Result<Vec<Topic>, WebhookRefusal> {
    let mut topics = Vec::new();
    for slug in given {
        let topic = Topic::from_slug(slug).ok_or_else(|| WebhookRefusal::NoEvent(slug.chars().take(40).collect()))?;
        topics.push(topic);
    }
    topics.sort_unstable();
    topics.dedup();
    if topics.is_empty() { Err(WebhookRefusal::NoEvents) } else { Ok(topics) }
}

/// Takes the webhook of a channel away, with everything that it was told; tells whether there was one.
///
/// # Errors
/// Those of the store.
pub(crate) async fn remove(app: &App, company: CompanyId, channel: ChannelId) -> Result<bool> {
    let removed = app.store.write(move |conn| crate::on!(conn, webhook::remove(company, channel))).await?;
    app.known.forget();
    Ok(removed)
}

/// The webhook of a channel; none where it has none.
///
/// # Errors
/// [`WebhookRefusal::NotFound`] where the company has no such channel.
pub(crate) async fn find(
    app: &App,
    company: CompanyId,
    channel: ChannelId,
) -> Result<Option<WebhookOut>, WebhookRefusal> {
    let found = app.store.read(move |conn| {
        if crate::on!(conn, channel::by_id(company, channel))?.is_none() {
            return Ok(None);
        }
        let row = crate::on!(conn, webhook::of_channel(company, channel))?.filter(|row| row.state != "deleted");
        row.map(|row| shown(conn, company, row)).transpose().map(|shown| Some(shown.flatten()))
    });
    found.await?.ok_or(WebhookRefusal::NotFound)
}

/// Every webhook of a company.
///
/// # Errors
/// Those of the store.
pub(crate) async fn list(app: &App, company: CompanyId) -> Result<Vec<WebhookOut>> {
    app.store
        .read(move |conn| {
            let rows = crate::on!(conn, webhook::of_company(company))?;
            rows.into_iter().filter_map(|row| shown(conn, company, row).transpose()).collect()
        })
        .await
}

fn shown(conn: &mut Conn, company: CompanyId, row: WebhookRow) -> Result<Option<WebhookOut>> {
    let channel = match row.channel.parse() {
        Ok(channel) => crate::on!(conn, channel::by_id(company, channel))?,
        Err(_) => None,
    };
    let Some(channel) = channel else { return Ok(None) };
    let last = row.told_at.zip(row.told).map(|(at, outcome)| WebhookOutcome {
        at,
        outcome,
        status: row.told_status,
        seen: row.told_seen,
    });
    Ok(Some(WebhookOut {
        waiting: crate::on!(conn, webhook::count(company, &row.id, "waiting"))?,
        failed: crate::on!(conn, webhook::count(company, &row.id, "failed"))?,
        events: value("webhooks", &row.topics)?,
        id: row.id,
        channel: row.channel,
        line: channel.line,
        messenger: channel.messenger,
        url: row.url,
        state: row.state,
        reason: row.reason,
        last_number: row.last_number,
        last,
    }))
}

/// Events of a webhook behind a number, in their order, of one state where it is told; none where the company has no such webhook.
///
/// # Errors
/// Those of the store.
pub(crate) async fn events(
    app: &App,
    company: CompanyId,
    id: WebhookId,
    state: Option<&'static str>,
    (after, limit): (i64, i64),
) -> Result<Option<Vec<WebhookEvent>>> {
    app.store
        .read(move |conn| {
            if known(conn, company, id)?.is_none() {
                return Ok(None);
            }
            let rows = crate::on!(conn, webhook::events(company, id, state, (after, limit.min(MOST_SHOWN))))?;
            rows.into_iter().map(event).collect::<Result<_>>().map(Some)
        })
        .await
}

fn known(conn: &mut Conn, company: CompanyId, id: WebhookId) -> Result<Option<WebhookRow>> {
    Ok(crate::on!(conn, webhook::by_id(company, id))?.filter(|row| row.state != "deleted"))
}

fn event(row: WebhookEventRow) -> Result<WebhookEvent> {
    Ok(WebhookEvent {
        id: item::name(&row.webhook, row.number),
        item: value("webhook_events", &row.item)?,
        number: row.number,
        topic: row.topic,
        state: row.state,
        attempts: row.attempts,
        reason: row.reason,
        status: row.status,
        seen: row.seen,
        made_at: row.made_at,
        done_at: row.done_at,
    })
}

/// Sends what is over once more, in a range of numbers and in their order, behind what waits. What waits already is left alone.
/// The answer is how many events that are.
///
/// # Errors
/// [`WebhookRefusal`].
pub(crate) async fn replay(
    app: &App,
    company: CompanyId,
    id: WebhookId,
    (from, to): (i64, i64),
) -> Result<usize, WebhookRefusal> {
    let (mut from, mut count) = (from, 0);
    loop {
        let inner = app.clone();
        let opened = app.store.write(move |conn| reopen(&inner, conn, company, id, (from, to))).await?;
        let (last, accepted) = opened?;
        count += accepted.len();
        app.bell.accepted(accepted);
        match last {
            Some(last) if last < to => from = last + 1,
            _ => return Ok(count),
        }
    }
}

/// The last number that was opened, and what was accepted.
type Reopened = (Option<i64>, Vec<Accepted>);

/// Opens some events once more; why not, where the webhook is not on.
fn reopen(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    id: WebhookId,
    range: (i64, i64),
) -> Result<Result<Reopened, WebhookRefusal>> {
    let Some(row) = known(conn, company, id)? else { return Ok(Err(WebhookRefusal::NotFound)) };
    if row.state != "on" {
        return Ok(Err(WebhookRefusal::Off));
    }
    let now = app.clock.now();
    let numbers = crate::on!(conn, webhook::reopen(company, id, range, AT_ONCE))?;
    let new: Vec<NewErrand> = numbers.iter().filter_map(|number| errand(&row, *number, now)).collect();
    let accepted = outbox::accept(conn, now, &new)?.into_iter().flatten().collect();
    Ok(Ok((numbers.last().copied(), accepted)))
}

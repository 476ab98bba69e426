//! The life of a channel: it is attached, it may be lost, it comes back, and somebody decides about what waited meanwhile.

mod configuring;
mod kept;
mod leaving;
mod linking;
mod step;
mod visit;

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use self::kept::Kept;
use crate::app::App;
use crate::flow::settle::{self, Over};
use crate::flow::{application, credentials, health, perform};
use crate::messenger::{self, AttachError, AttachNext, AttachStep, Attachment, Messenger, Wire};
use crate::model::id::{ChannelId, CompanyId, LaneId, LineId};
use crate::model::message::Kind;
use crate::model::moment::Moment;
use crate::model::pace::Pace;
use crate::model::result::Code;
use crate::model::vendor::Answer;
use crate::store::outbox::{self, Accepted};
use crate::store::row::{ChannelRow, LaneState, NewLane};
use crate::store::{Conn, Result, StoreError, notice};

pub use configuring::{configure, settings};
pub use leaving::{lose, switch_off};
pub use step::{Attached, Step};
pub(crate) use visit::come_back as return_from_vendor;
pub use visit::{GOOD_MS as VISIT_MS, Returned, return_url};

/// Why a channel was not attached or changed.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The line, the channel or the messenger is not there.
    #[error("there is no such thing")]
    NotFound,
    /// The settings do not say under which address vendors reach us.
    #[error("server.public_url is not set")]
    NoAddress,
    /// What was filled in is wrong, or the vendor refused it.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The account is attached elsewhere.
    #[error("the account is attached elsewhere")]
    Taken,
    /// The account that was linked is not that of the channel which is attached again.
    #[error("the account is another than that of the channel")]
    OtherAccount,
    /// The vendor did not answer, or refused; what was seen.
    #[error("the vendor did not do it: {0}")]
    Vendor(String),
    /// The channel is not in a state in which this can be done.
    #[error("the channel is not in that state")]
    State,
    /// The pace is below what the messenger allows (the floor in milliseconds), or is none.
    #[error("the pace is below {0} ms, or is none")]
    PaceBad(i64),
    /// The messenger is for companies whose application was approved.
    #[error("no application of the company was approved")]
    NotApproved,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What becomes of errands that waited while the channel was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// All of them are sent.
    SendAll,
    /// Those are sent that were accepted within so many hours; the others are not.
    NewerThanHours(u32),
    /// None is sent.
    Discard,
}

/// The longest gap that may be set: a day.
const LONGEST_GAP_MS: i64 = 86_400_000;

/// So many errands are ended in one transaction.
const AT_ONCE: i64 = 200;

/// Where a vendor posts what concerns a channel.
#[must_use]
pub fn webhook_url(app: &App, hook_key: &str) -> String {
    format!("{}/hook/channel/{hook_key}", app.config.server.public_url)
}

/// Takes one step of attaching a channel to a line. An account of this company that is attached already, lost or not, gets
/// the new credentials.
///
/// # Errors
/// [`ChannelError`].
pub async fn attach(
    app: &App,
    company: CompanyId,
    line: LineId,
    kind: Kind,
    step: Step,
) -> Result<Attached, ChannelError> {
    let messenger = messenger::of(kind).ok_or(ChannelError::NotFound)?;
    // whoever listens is not posted to
    if app.config.server.public_url.is_empty() && !messenger.about().abilities.listens {
        return Err(ChannelError::NoAddress);
    }
    let found = app.store.read(move |conn| crate::on!(conn, line::by_id(company, line))).await?;
    found.ok_or(ChannelError::NotFound)?;
    if kind == Kind::VkNotify && !application::is_approved(app, company).await? {
        return Err(ChannelError::NotApproved);
    }
    let kept = match &step.kept {
        Some(sealed) => kept::open(app, (company, line, kind), sealed)?,
        None => {
            Kept { hook_key: first_key(app, company, line, messenger, &step).await?, asked: Value::Null, state: None }
        }
    };
    if let Some(state) = &kept.state {
        visit::check(app, company, state, &step.answers).await?;
    }
    go_on(app, (company, line), messenger, kept, &step).await
}

/// Takes a step of a dialogue from what was kept on.
async fn go_on(
    app: &App,
    (company, line): (CompanyId, LineId),
    messenger: &dyn Messenger,
    Kept { hook_key, asked: kept, .. }: Kept,
    step: &Step,
) -> Result<Attached, ChannelError> {
    let place = (company, line, messenger.about().kind);
    let next = ask(app, messenger, &hook_key, step, kept.clone()).await?;
    let keep = |kept: Value| kept::seal(app, place, &Kept { hook_key: hook_key.clone(), asked: kept, state: None });
    match next {
        AttachNext::Done(done) => {
            // a linked device is asked once more about the same session, a form about everything
            let kept = if messenger.links_device() { kept } else { Value::Null };
            let id = finish(app, (company, line), messenger, &hook_key, (step, kept), done).await?;
            linking::end(app, company, &hook_key).await?;
            Ok(Attached::Done { channel: id.to_string() })
        }
        AttachNext::Form { fields, kept } => Ok(Attached::Form { fields: fields.to_vec(), kept: keep(kept)? }),
        AttachNext::Choose { field, options, kept } => {
            Ok(Attached::Choose { field: *field, options, kept: keep(kept)? })
        }
        AttachNext::Qr { text, good_ms, again_ms, kept } => {
            Ok(Attached::Qr { text, good_ms, again_ms, kept: keep(kept)? })
        }
        AttachNext::Code { text, compare, good_ms, again_ms, kept } => {
            Ok(Attached::Code { text, compare, good_ms, again_ms, kept: keep(kept)? })
        }
        AttachNext::Passkey { challenge, again_ms, kept } => {
            Ok(Attached::Passkey { challenge, again_ms, kept: keep(kept)? })
        }
        AttachNext::Wait { what, again_ms, kept } => Ok(Attached::Wait { what, again_ms, kept: keep(kept)? }),
        AttachNext::Redirect { url, state, kept } => {
            let kept = Kept { hook_key, asked: kept, state: Some(state) };
            visit::begin(app, place, step.by, &kept).await?;
            Ok(Attached::Redirect { url, kept: kept::seal(app, place, &kept)? })
        }
    }
}

/// Decides about what waited while the channel was away, and lets its lane run. The answer is how many are not sent.
///
/// # Errors
/// [`ChannelError::State`] where nothing waits for a decision.
pub async fn decide(app: &App, company: CompanyId, id: ChannelId, decision: Decision) -> Result<usize, ChannelError> {
    let channel = by_id(app, company, id).await?;
    let lane = app.store.read(move |conn| crate::on!(conn, lane::by_id(company, channel.lane))).await?;
    let lane = lane.filter(|lane| lane.state == LaneState::Held.to_db()).ok_or(ChannelError::State)?.id;
    let now = app.clock.now();
    let before = match decision {
        Decision::SendAll => None,
        Decision::NewerThanHours(hours) => Some(now.plus_ms(-i64::from(hours).saturating_mul(3_600_000))),
        Decision::Discard => Some(now.plus_ms(1)),
    };
    let count = match before {
        Some(before) => discard(app, lane, before).await?,
        None => 0,
    };
    turn(app, company, lane, &[LaneState::Held], LaneState::Running).await?;
    Ok(count)
}

/// Stops a lane until a person lets it run again. What waits stays.
///
/// # Errors
/// [`ChannelError::State`] where it does not run.
pub(crate) async fn pause(app: &App, company: CompanyId, lane: LaneId) -> Result<(), ChannelError> {
    turn(app, company, lane, &[LaneState::Running], LaneState::Paused).await
}

/// Lets a paused lane run again.
///
/// # Errors
/// [`ChannelError::State`] where it is not paused.
pub(crate) async fn resume(app: &App, company: CompanyId, lane: LaneId) -> Result<(), ChannelError> {
    turn(app, company, lane, &[LaneState::Paused], LaneState::Running).await
}

/// Sets the pace of a channel. A gap that runs stays as it was drawn; the new pace holds from the next call on.
///
/// # Errors
/// [`ChannelError::PaceBad`] where it is below what the messenger allows.
pub async fn set_pace(app: &App, company: CompanyId, id: ChannelId, pace: Pace) -> Result<(), ChannelError> {
    let channel = by_id(app, company, id).await?;
    let floor_ms =
        Kind::from_slug(&channel.messenger).and_then(messenger::of).map_or(0, |found| found.about().floor_ms);
    let Pace::Gap { from_ms, to_ms, live_ms } = pace else { return Err(ChannelError::State) };
    if from_ms < floor_ms || to_ms < from_ms || live_ms < 0 || to_ms > LONGEST_GAP_MS || live_ms > LONGEST_GAP_MS {
        return Err(ChannelError::PaceBad(floor_ms));
    }
    let lane = channel.lane;
    app.store
        .write(move |conn| {
            let hours = crate::on!(conn, lane::by_id(company, lane))?.map(|lane| lane.hours()).transpose()?.flatten();
            crate::on!(conn, lane::set_pace(company, lane, &pace, hours.as_ref()))?;
            notice::changed(conn, lane)
        })
        .await?;
    app.bell.changed(lane);
    Ok(())
}

async fn ask(
    app: &App,
    messenger: &dyn Messenger,
    hook_key: &str,
    step: &Step,
    kept: Value,
) -> Result<AttachNext, ChannelError> {
    let kind = messenger.about().kind;
    let wire = Wire { secrets: perform::own_keys(app, kind), ..perform::bare_wire(app, kind.slug()) };
    let (webhook_url, return_url) = (webhook_url(app, hook_key), visit::return_url(app));
    let step = AttachStep { answers: step.answers.clone(), webhook_url, return_url, kept };
    Ok(messenger.attach(&wire, &step).await?)
}

async fn finish(
    app: &App,
    (company, line): (CompanyId, LineId),
    messenger: &dyn Messenger,
    hook_key: &str,
    (step, kept): (&Step, Value),
    done: Attachment,
) -> Result<ChannelId, ChannelError> {
    let (slug, account, key) = (messenger.about().kind.slug(), done.account.clone(), hook_key.to_owned());
    let (known, at_address) = app
        .store
        .read(move |conn| {
            let known = crate::on!(conn, channel::by_account(slug, &account))?;
            Ok((known, crate::on!(conn, channel::by_hook_key(&key))?))
        })
        .await?;
    match known {
        None if at_address.is_some() => {
            leaving::undo(app, messenger, &done).await;
            Err(ChannelError::OtherAccount)
        }
        None => {
            let id = create(app, company, line, messenger, hook_key, &done).await?;
            announce(app, company, id, messenger, hook_key).await
        }
        Some(row) if row.company == company.to_string() && row.hook_key == hook_key => {
            let id = come_back(app, company, &row, &done).await?;
            announce(app, company, id, messenger, hook_key).await
        }
        Some(row) if row.company == company.to_string() && row.line == line => {
            // the vendor was told a new address; it is told the old one again, since deliveries may be under way to it. What
            // cannot be taken again, as a sign-in at the vendor's site, is told only below
            let done = if messenger.announces() {
                done
            } else {
                let again = ask(app, messenger, &row.hook_key, step, kept).await?;
                let AttachNext::Done(done) = again else { return Err(ChannelError::State) };
                done
            };
            if messenger.links_device() {
                // the session that the channel had before is of no more use
                leaving::detach(app, messenger, &perform::wire(app, &row)?).await;
            }
            let id = come_back(app, company, &row, &done).await?;
            announce(app, company, id, messenger, &row.hook_key).await
        }
        Some(_) => {
            leaving::undo(app, messenger, &done).await;
            Err(ChannelError::Taken)
        }
    }
}

/// Tells the vendor where to post. A channel that hears nothing is lost until it is attached again.
async fn announce(
    app: &App,
    company: CompanyId,
    id: ChannelId,
    messenger: &dyn Messenger,
    hook_key: &str,
) -> Result<ChannelId, ChannelError> {
    let wire = perform::wire(app, &by_id(app, company, id).await?)?;
    match messenger.announce(&wire, &webhook_url(app, hook_key)).await {
        Ok(()) => Ok(id),
        Err(error) => {
            lose(app, company, id, &error.en).await?;
            Err(error.into())
        }
    }
}

async fn create(
    app: &App,
    company: CompanyId,
    line: LineId,
    messenger: &dyn Messenger,
    hook_key: &str,
    done: &Attachment,
) -> Result<ChannelId, ChannelError> {
    let (id, now) = (ChannelId::new(), app.clock.now());
    let about = messenger.about();
    let row = ChannelRow {
        id: id.to_string(),
        company: company.to_string(),
        line,
        lane: 0,
        messenger: about.kind.slug().to_owned(),
        account: done.account.clone(),
        state: "connected".to_owned(),
        secrets: credentials::seal(app, "channels", &id.to_string(), &done.secrets),
        settings: done.settings.to_string(),
        hook_key: hook_key.to_owned(),
        lost_reason: None,
        connected_at: now.0,
        created_at: now.0,
    };
    let (pace, cursor) = (first_pace(app, about), done.first_cursor());
    let made = app
        .store
        .write(move |conn| {
            let hours = crate::on!(conn, line::by_id(company, line))?.map(|line| line.hours()).transpose()?.flatten();
            let new = NewLane { kind: "channel".to_owned(), pace, hours };
            let number = crate::on!(conn, lane::create(company, &new))?;
            crate::on!(conn, channel::create(&ChannelRow { lane: number, ..row.clone() }))?;
            crate::on!(conn, listening::begin(company, id, cursor.as_deref()))?;
            notice::changed(conn, number)?;
            Ok(number)
        })
        .await;
    match made {
        Ok(number) => {
            app.bell.changed(number);
            tracing::info!(channel = %id, lane = number, messenger = about.kind.slug(), "a channel was attached");
            Ok(id)
        }
        Err(error) if error.is_duplicate() => Err(ChannelError::Taken),
        Err(error) => Err(error.into()),
    }
}

/// A channel that was lost is attached again: what waits is held until somebody decides about it.
async fn come_back(
    app: &App,
    company: CompanyId,
    row: &ChannelRow,
    done: &Attachment,
) -> Result<ChannelId, ChannelError> {
    let id: ChannelId = row.id.parse().map_err(|_| ChannelError::NotFound)?;
    let secrets = credentials::seal(app, "channels", &row.id, &done.secrets);
    let (settings, now, lane) = (configuring::again(&row.settings, &done.settings), app.clock.now(), row.lane);
    // a device that was linked anew does not know what was said while there was none
    let messenger = Kind::from_slug(&row.messenger).and_then(messenger::of);
    let unlinked = row.state != "connected" && messenger.is_some_and(Messenger::links_device);
    let (inner, cursor) = (app.clone(), done.first_cursor());
    app.store
        .write(move |conn| {
            let Some(before) = crate::on!(conn, channel::by_id(company, id))? else { return Ok(()) };
            crate::on!(conn, channel::renew(company, id, &secrets, &settings, now.0))?;
            health::turned(&inner, conn, &before, "connected", "", now)?;
            health::clear(conn, &before, now)?;
            crate::on!(conn, listening::begin(company, id, cursor.as_deref()))?;
            if unlinked {
                crate::on!(conn, listening::enter(company, id))?;
                crate::on!(conn, listening::set_gap(id, now.0))?;
            }
            let waits = crate::on!(conn, errand::waiting(lane))? > 0;
            let to = if waits { LaneState::Held } else { LaneState::Running };
            crate::on!(conn, lane::set_state(company, lane, &[LaneState::Lost.to_db()], to.to_db()))?;
            notice::changed(conn, lane)
        })
        .await?;
    app.known.forget();
    app.bell.changed(lane);
    tracing::info!(channel = %id, lane, "a channel was attached again");
    Ok(id)
}

/// The pace that a new channel begins with: that of the settings, where they name one, and never below the messenger's floor.
fn first_pace(app: &App, about: &messenger::About) -> Pace {
    let wanted = &app.config.pace;
    match about.pace {
        Pace::Gap { from_ms, to_ms, live_ms } => {
            let (from_ms, to_ms) =
                if wanted.to_ms > 0 { (wanted.from_ms.max(about.floor_ms), wanted.to_ms) } else { (from_ms, to_ms) };
            let live_ms = if wanted.live_ms < 0 { live_ms } else { wanted.live_ms };
            Pace::Gap { from_ms, to_ms: to_ms.max(from_ms), live_ms }
        }
        bucket @ Pace::Bucket { .. } => bucket,
    }
}

async fn by_id(app: &App, company: CompanyId, id: ChannelId) -> Result<ChannelRow, ChannelError> {
    let found = app.store.read(move |conn| crate::on!(conn, channel::by_id(company, id))).await?;
    found.ok_or(ChannelError::NotFound)
}

async fn turn(
    app: &App,
    company: CompanyId,
    lane: LaneId,
    from: &[LaneState],
    to: LaneState,
) -> Result<(), ChannelError> {
    let from: Vec<i16> = from.iter().map(|state| state.to_db()).collect();
    let turned = app
        .store
        .write(move |conn| {
            let known = crate::on!(conn, lane::by_id(company, lane))?.is_some();
            let turned = crate::on!(conn, lane::set_state(company, lane, &from, to.to_db()))?;
            notice::changed(conn, lane)?;
            Ok((known, turned))
        })
        .await?;
    match turned {
        (_, true) => {
            app.bell.changed(lane);
            Ok(())
        }
        (true, false) => Err(ChannelError::State),
        (false, false) => Err(ChannelError::NotFound),
    }
}

/// Ends what waits in a lane and was accepted before a moment.
async fn discard(app: &App, lane: LaneId, before: Moment) -> Result<usize> {
    let mut count = 0;
    loop {
        let (inner, now) = (app.clone(), app.clock.now());
        let (ended, accepted) = app.store.write(move |conn| discard_some(&inner, conn, lane, before, now)).await?;
        app.bell.accepted(accepted);
        if ended == 0 {
            return Ok(count);
        }
        count += ended;
    }
}

fn discard_some(
    app: &App,
    conn: &mut Conn,
    lane: LaneId,
    before: Moment,
    now: Moment,
) -> Result<(usize, Vec<Accepted>)> {
    let gone = outbox::withdraw_lane(conn, lane, before, AT_ONCE)?;
    let answer = Answer::Refused { code: Code::Discarded, text: String::new() };
    let over: Vec<Over<'_>> = gone.iter().map(|errand| Over { errand, answer: &answer, ours: true }).collect();
    Ok((over.len(), settle::settle(app, conn, &over, now)?))
}

/// The part of our address that the vendor is told: that of the channel where this account is attached already, as far as the
/// answers tell the account. Vendors take the address of a webhook rarely, and people type it into consoles.
async fn first_key(
    app: &App,
    company: CompanyId,
    line: LineId,
    messenger: &dyn Messenger,
    step: &Step,
) -> Result<String, ChannelError> {
    let kind = messenger.about().kind;
    let mut channels = app.store.read(move |conn| crate::on!(conn, channel::of_line(company, line))).await?;
    channels.retain(|channel| channel.messenger == kind.slug());
    let named = match step.channel {
        Some(id) => Some(channels.iter().find(|channel| channel.id == id.to_string()).ok_or(ChannelError::NotFound)?),
        None => channels.iter().find(|channel| names(&step.answers, &channel.account)),
    };
    if messenger.links_device() {
        return linking::key(app, company, line, kind, named).await;
    }
    named.map_or_else(linking::fresh_key, |channel| Ok(channel.hook_key.clone()))
}

fn names(answers: &Map<String, Value>, account: &str) -> bool {
    let mut texts = answers.values().filter_map(Value::as_str).map(str::trim);
    texts.any(|text| text == account || text.strip_prefix(account).is_some_and(|rest| rest.starts_with(':')))
}

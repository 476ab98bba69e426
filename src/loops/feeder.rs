//! The feeder: works what came in, and keeps one row of every running mailing in the outbox.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use secrecy::ExposeSecret as _;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::crm::bitrix24::event;
use crate::flow::install::{self, InstallError};
use crate::flow::{credentials, echo, link, mailing, names, open_line, receive, robot, sms, whole};
use crate::model::message::Event;
use crate::model::moment::Moment;
use crate::store::outbox::Accepted;
use crate::store::row::{HookRow, value};
use crate::store::{Conn, Result};

/// Between two rounds when nothing rings, in milliseconds: what other processes wrote down is found then.
const ROUND_MS: i64 = 500;

/// Deliveries of one round.
const AT_ONCE: i64 = 500;

/// A delivery that failed so often is put aside with its reason.
const MOST_ATTEMPTS: i32 = 20;

/// Feeds until it is told to stop.
pub(crate) async fn run(app: App, ring: Arc<Notify>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let busy = match round(&app).await {
            Ok(busy) => busy,
            Err(error) => {
                tracing::warn!(%error, "what came in could not be worked; trying again");
                false
            }
        };
        if busy {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = ring.notified() => {}
            () = app.clock.sleep_until(app.clock.tick().plus_ms(ROUND_MS)) => {}
        }
    }
}

/// One round. Tells whether there may be more to do at once.
///
/// # Errors
/// Those of the store.
pub async fn round(app: &App) -> Result<bool> {
    let hooks = app.store.read(|conn| crate::on!(conn, hook::waiting(AT_ONCE))).await?;
    let count = hooks.len();
    // deliveries of one owner keep their order; owners do not wait for each other
    let mut by_owner: BTreeMap<String, Vec<HookRow>> = BTreeMap::new();
    for hook in hooks {
        by_owner.entry(hook.owner.clone()).or_default().push(hook);
    }
    let worked = join_all(by_owner.into_values().map(|hooks| work_all(app, hooks))).await;
    let good = worked.into_iter().all(|good| good);
    let fed = feed(app).await?;
    Ok(good && (count > 0 || fed))
}

async fn work_all(app: &App, hooks: Vec<HookRow>) -> bool {
    let mut all_good = true;
    // rows of one owner go into the writer in their order, and so into one transaction after the other; where several writers
    // take them, one must be over before the next begins
    let at_once = if app.store.is_shared() { 1 } else { 50 };
    for part in hooks.chunks(at_once) {
        let works = part.iter().map(|hook| work(app, hook.clone()));
        for (hook, worked) in part.iter().zip(join_all(works).await) {
            match worked {
                Ok(Some(accepted)) => app.bell.accepted(accepted),
                // it is looked at again in the next round
                Ok(None) => all_good = false,
                Err(error) => {
                    all_good = false;
                    tracing::warn!(%error, hook = hook.id, source = hook.source, "a delivery could not be worked");
                    postpone(app, hook).await;
                }
            }
        }
    }
    all_good
}

/// Works a delivery; none where its time has not come.
async fn work(app: &App, hook: HookRow) -> Result<Option<Vec<Accepted>>> {
    if hook.source == "b24_event" {
        return work_event(app, hook).await.map(Some);
    }
    if echo::must_wait(app, &hook).await? {
        return Ok(None);
    }
    if hook.source == "link" {
        return link::work(app, &hook).await.map(|()| Some(Vec::new()));
    }
    let (inner, came) = (app.clone(), hook.clone());
    let accepted = app
        .store
        .write(move |conn| {
            if !crate::on!(conn, hook::work(&hook.id))? {
                return Ok(Some(Vec::new()));
            }
            match dispatch(&inner, conn, &hook)? {
                Ok(accepted) => Ok(Some(accepted)),
                Err(why) => {
                    tracing::warn!(hook = hook.id, source = hook.source, why, "a delivery was refused");
                    crate::on!(conn, hook::set_refused(&hook.id, &why, hook.body.as_deref()))?;
                    Ok(Some(Vec::new()))
                }
            }
        })
        .await?;
    if came.source == "messenger" {
        names::learn_later(app, &came);
        whole::complete_later(app, &came);
    }
    if came.source == "b24_open_line" {
        open_line::shelve_later(app, accepted.as_deref().unwrap_or_default());
    }
    Ok(accepted)
}

/// An event of an application's life calls the portal before it writes. It is marked as worked afterwards: whatever it does
/// may be done twice.
async fn work_event(app: &App, hook: HookRow) -> Result<Vec<Accepted>> {
    let sealed = hook.body.clone().unwrap_or_default();
    let body = credentials::open(app, "hooks", &hook.id, &sealed)?;
    let form: serde_json::Value = value("hooks", body.expose_secret())?;
    let outcome = match event::read_event(&form) {
        Ok(event) => match install::event(app, &event).await {
            Err(InstallError::Store(error)) => return Err(error),
            outcome => outcome.map_err(|error| error.to_string()),
        },
        Err(error) => Err(error.to_string()),
    };
    let id = hook.id.clone();
    app.store
        .write(move |conn| {
            match &outcome {
                Ok(()) => crate::on!(conn, hook::work(&id))?,
                Err(why) => crate::on!(conn, hook::refuse(&id, why))?,
            };
            Ok(Vec::new())
        })
        .await
}

fn dispatch(app: &App, conn: &mut Conn, hook: &HookRow) -> Result<robot::Worked> {
    let body = hook.body.as_deref().unwrap_or("null");
    let at = Moment(hook.received_at);
    if hook.source == "messenger" {
        let Ok(id) = hook.owner.parse() else { return Ok(Err("there is no such channel".to_owned())) };
        let Some(channel) = crate::on!(conn, channel::whosever(id))? else {
            return Ok(Err("there is no such channel".to_owned()));
        };
        let event: Event = value("hooks", body)?;
        return receive::work(app, conn, &channel, &event, at).map(Ok);
    }
    let Some(portal) = crate::on!(conn, portal::whosever(&hook.owner))? else {
        return Ok(Err("there is no such portal".to_owned()));
    };
    let form: serde_json::Value = value("hooks", body)?;
    match hook.source.as_str() {
        "b24_robot" => robot::work(app, conn, &portal, &form, at),
        "b24_sms" => sms::work(app, conn, &portal, &form, at),
        "b24_open_line" => open_line::work(app, conn, &portal, &form, at),
        "b24_card" => open_line::card_changed(conn, &portal, &form, app.clock.now()).map(Ok),
        other => Ok(Err(format!("nobody works deliveries of the kind {other}"))),
    }
}

async fn postpone(app: &App, hook: &HookRow) {
    let id = hook.id.clone();
    let outcome = app
        .store
        .write(move |conn| {
            if crate::on!(conn, hook::postpone(&id))? >= MOST_ATTEMPTS {
                crate::on!(conn, hook::refuse(&id, "it failed too often; the journal says why"))?;
            }
            Ok(())
        })
        .await;
    if let Err(error) = outcome {
        tracing::warn!(%error, "a delivery could not be put off");
    }
}

/// Feeds every hungry mailing. Tells whether one was fed.
async fn feed(app: &App) -> Result<bool> {
    let horizon = mailing::horizon(app.clock.now());
    let hungry = app
        .store
        .read(move |conn| {
            let mut hungry = Vec::new();
            for row in crate::on!(conn, mailing::hungry(horizon, AT_ONCE))? {
                if mailing::may_be_fed(conn, &row)? {
                    hungry.push(row);
                }
            }
            Ok(hungry)
        })
        .await?;
    let fed = join_all(hungry.into_iter().map(|row| {
        let inner = app.clone();
        app.store.write(move |conn| mailing::feed(&inner, conn, &row, inner.clock.now()))
    }));
    let mut any = false;
    for outcome in fed.await {
        let accepted = outcome?;
        any |= !accepted.is_empty();
        app.bell.accepted(accepted);
    }
    Ok(any)
}

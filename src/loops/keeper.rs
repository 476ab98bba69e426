//! The keeper: answers robots before their time is over, ends what waited too long, and forgets what is old.

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::flow::settle::{self, Over};
use crate::flow::{answer, channel, delivery, files, mailing, receipt};
use crate::model::moment::Tick;
use crate::model::result::Code;
use crate::model::vendor::Answer;
use crate::store::Result;
use crate::store::outbox::{self, Accepted};

/// Between two rounds, in milliseconds.
const ROUND_MS: i64 = 500;

/// Between two rounds of forgetting, in milliseconds.
const FORGET_MS: i64 = 60_000;

/// So many messages are forgotten in one round.
const FORGOTTEN_AT_ONCE: i64 = 5_000;

/// What looks at phones told is of no use after so many days.
const PHONE_CHECKS_DAYS: i64 = 30;

/// What happened in companies is kept for so many days.
const EVENTS_DAYS: i64 = 90;

/// What webhooks were told is kept for so many days, and what nobody took for so many.
const WEBHOOK_DAYS: (i64, i64) = (7, 30);

/// So many of a kind are worked in one transaction.
const AT_ONCE: i64 = 200;

/// Keeps house until it is told to stop.
pub(crate) async fn run(app: App, stop: CancellationToken) {
    let mut forget_at = app.clock.tick();
    while !stop.is_cancelled() {
        if let Err(error) = round(&app, &mut forget_at).await {
            tracing::warn!(%error, "the keeper's round failed; trying again");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = app.clock.sleep_until(app.clock.tick().plus_ms(ROUND_MS)) => {}
        }
    }
}

async fn round(app: &App, forget_at: &mut Tick) -> Result<()> {
    app.bell.accepted(give_answers(app).await?);
    app.bell.accepted(end_expired(app).await?);
    app.bell.accepted(end_stopped(app).await?);
    app.bell.accepted(apply_receipts(app).await?);
    delivery::forget(app).await?;
    if app.clock.tick() >= *forget_at {
        *forget_at = app.clock.tick().plus_ms(FORGET_MS);
        forget(app).await?;
    }
    Ok(())
}

/// Answers robots whose time is nearly over.
///
/// # Errors
/// Those of the store.
pub(crate) async fn give_answers(app: &App) -> Result<Vec<Accepted>> {
    let now = app.clock.now();
    let due = app.store.read(move |conn| crate::on!(conn, answer::due(now.0, AT_ONCE))).await?;
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let inner = app.clone();
    app.store
        .write(move |conn| {
            let mut new = Vec::new();
            for row in &due {
                new.extend(answer::give_in_time(&inner, conn, row, now)?);
            }
            Ok(outbox::accept(conn, now, &new)?.into_iter().flatten().collect())
        })
        .await
}

/// Ends errands whose time is over, wherever they wait: also in lanes that stand.
///
/// # Errors
/// Those of the store.
pub(crate) async fn end_expired(app: &App) -> Result<Vec<Accepted>> {
    let (now, inner) = (app.clock.now(), app.clone());
    app.store
        .write(move |conn| {
            let late = outbox::withdraw_expired(conn, now, AT_ONCE)?;
            let answer = Answer::Refused { code: Code::TooLate, text: String::new() };
            let over: Vec<Over<'_>> = late.iter().map(|errand| Over { errand, answer: &answer, ours: true }).collect();
            settle::settle(&inner, conn, &over, now)
        })
        .await
}

/// Goes on ending the rows of large mailings that were stopped.
async fn end_stopped(app: &App) -> Result<Vec<Accepted>> {
    let stopped = app.store.read(|conn| crate::on!(conn, mailing::unended(AT_ONCE))).await?;
    let mut all = Vec::new();
    for row in stopped {
        let (Ok(company), Ok(id)) = (row.company.parse(), row.id.parse()) else { continue };
        let inner = app.clone();
        let accepted =
            app.store.write(move |conn| mailing::end_stopped(&inner, conn, company, id, inner.clock.now())).await?;
        all.extend(accepted);
    }
    Ok(all)
}

/// Applies receipts that came in the same moment as the answer to the call that they speak of.
async fn apply_receipts(app: &App) -> Result<Vec<Accepted>> {
    let found = app.store.read(|conn| receipt::overlooked(conn, AT_ONCE)).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let (now, inner) = (app.clock.now(), app.clone());
    app.store
        .write(move |conn| {
            let new = receipt::apply_overlooked(&inner, conn, &found, now)?;
            Ok(outbox::accept(conn, now, &new)?.into_iter().flatten().collect())
        })
        .await
}

async fn forget(app: &App) -> Result<()> {
    let now = app.clock.now();
    let days = |days: i64| now.plus_ms(-days.saturating_mul(24 * 3_600_000)).0;
    let (hooks, keys) = (days(app.config.keep.hooks_days), days(app.config.keep.keys_days));
    // none is for ever
    let messages = Some(app.config.keep.messages_days).filter(|days| *days > 0).map(days);
    let (checks, events) = (days(PHONE_CHECKS_DAYS), days(EVENTS_DAYS));
    // no text is kept longer there than in the history
    let told = |of_webhooks: i64| messages.map_or(days(of_webhooks), |before| before.max(days(of_webhooks)));
    let (delivered, failed) = (told(WEBHOOK_DAYS.0), told(WEBHOOK_DAYS.1));
    let minutes_ago = now.plus_ms(-30 * 60_000).0;
    files::forget(app, AT_ONCE).await?;
    let visits = now.plus_ms(-channel::VISIT_MS).0;
    app.store
        .write(move |conn| {
            crate::on!(conn, hook::forget(hooks))?;
            crate::on!(conn, token::forget_expired(now.0))?;
            crate::on!(conn, errand::forget_keys(keys))?;
            crate::on!(conn, answer::forget(hooks))?;
            crate::on!(conn, notice::forget(hooks))?;
            crate::on!(conn, company_event::forget(events))?;
            crate::on!(conn, visit::forget(visits))?;
            crate::on!(conn, group_act::forget(keys))?;
            crate::on!(conn, message::forget_receipts(minutes_ago))?;
            crate::on!(conn, phone_check::forget(checks))?;
            crate::on!(conn, open_post::forget(events, FORGOTTEN_AT_ONCE))?;
            crate::on!(conn, open_word::forget(events, FORGOTTEN_AT_ONCE))?;
            crate::on!(conn, webhook::forget("delivered", delivered, FORGOTTEN_AT_ONCE))?;
            crate::on!(conn, webhook::forget("failed", failed, FORGOTTEN_AT_ONCE))?;
            if let Some(before) = messages {
                crate::on!(conn, message::forget(before, FORGOTTEN_AT_ONCE))?;
                crate::on!(conn, change::forget(before, FORGOTTEN_AT_ONCE))?;
            }
            Ok(())
        })
        .await
}

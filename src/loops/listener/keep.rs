//! One channel: its connection is made anew whenever it ends, with pauses that grow.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use rand::Rng as _;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::flow::renew::Renewed;
use crate::flow::{channel, listen};
use crate::model::id::ChannelId;
use crate::model::vendor::Answer;
use crate::store::Result;

/// The first pause, in milliseconds; each further one is twice as long.
const FIRST_MS: i64 = 1_000;

/// The longest pause.
const LONGEST_MS: i64 = 300_000;

/// A connection that stood for so long begins with the first pause again.
const GOOD_MS: i64 = 60_000;

/// So many refusals of the credentials in a row make a channel lost: servers refuse good ones too when they are in trouble.
const REFUSALS: u32 = 2;

/// What is remembered between two connections.
#[derive(Debug, Default)]
struct Past {
    failures: u32,
    refusals: u32,
}

/// Keeps listening on a channel until it is told to stop, or the channel is lost or gone.
/// Where `follows` is set it is also over when the pump is not certain of its lanes any more.
pub(super) async fn keep(app: App, id: ChannelId, owner: String, follows: bool, stop: CancellationToken) {
    let mut past = Past::default();
    loop {
        let round = AssertUnwindSafe(round(&app, id, &owner, &mut past)).catch_unwind();
        let pause_ms = tokio::select! {
            () = stop.cancelled() => return,
            () = app.posts.stale(&*app.clock), if follows => return,
            outcome = round => match outcome {
                Ok(Ok(Some(pause_ms))) => pause_ms,
                Ok(Ok(None)) => return,
                Ok(Err(error)) => {
                    tracing::warn!(%error, channel = %id, "a channel cannot be listened to; trying again");
                    LONGEST_MS.min(FIRST_MS * 10)
                }
                Err(_) => {
                    tracing::error!(channel = %id, "listening to a channel broke down; trying again");
                    LONGEST_MS
                }
            },
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = app.clock.sleep_until(app.clock.tick().plus_ms(pause_ms)) => {}
        }
    }
}

/// One connection, from its beginning to its end. Gives back how long to pause; none where there is nothing to listen to.
async fn round(app: &App, id: ChannelId, owner: &str, past: &mut Past) -> Result<Option<i64>> {
    let row = app.store.read(move |conn| crate::on!(conn, channel::whosever(id))).await?;
    let Some(row) = row.filter(|row| row.state == "connected") else { return Ok(None) };
    let began = app.clock.tick();
    let (mut answer, stood) = listen::listen(app, &row, owner).await?;
    if stood {
        past.refusals = 0;
    }
    if matches!(answer, Answer::Expired { .. }) {
        match listen::renew(app, &row).await? {
            // the next connection is made at once, with what is kept now
            Renewed::Fresh(_) => return Ok(Some(0)),
            Renewed::Later(seen) => answer = Answer::Down { seen },
            Renewed::Never => {}
        }
    }
    if stood && app.clock.tick().since_ms(began) >= GOOD_MS {
        past.failures = 0;
    }
    past.failures = past.failures.saturating_add(1);
    let (seen, pause_ms) = match answer {
        Answer::Busy { after_ms, .. } => ("the server asks to wait".to_owned(), after_ms),
        Answer::Expired { seen } => {
            past.refusals += 1;
            if past.refusals >= REFUSALS {
                listen::set_away(app, id, &seen).await?;
                let Ok(company) = row.company.parse() else { return Ok(None) };
                channel::lose(app, company, id, &seen).await?;
                return Ok(None);
            }
            (seen, pause(past.failures))
        }
        Answer::Down { seen } | Answer::Unsure { seen, .. } => (seen, pause(past.failures)),
        Answer::Refused { text, .. } | Answer::Nobody { text } => (text, LONGEST_MS),
        Answer::Done { .. } => ("the connection ended".to_owned(), pause(past.failures)),
    };
    tracing::info!(channel = %id, seen, pause_ms, "a channel does not listen now");
    listen::set_away(app, id, &seen).await?;
    Ok(Some(pause_ms))
}

fn pause(failures: u32) -> i64 {
    let pause_ms = FIRST_MS.saturating_mul(2_i64.saturating_pow(failures.saturating_sub(1).min(16))).min(LONGEST_MS);
    // many mailboxes of one server must not come back in the same moment
    pause_ms + rand::rng().random_range(0..=pause_ms / 4)
}

//! The fetcher: gets the files of messages that came in, a few at a time, so that a large one holds up no other. What comes
//! over the line of a channel alone is fetched by the process that keeps the line, the others by whoever `feeds`.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::flow::{arrival, listen};
use crate::store::Result;
use crate::store::row::{ArrivalPart, ArrivalRow};

/// Between two looks, in milliseconds.
const ROUND_MS: i64 = 500;

/// Fetches until it is told to stop. What is on its way then is let go and fetched again later.
pub(crate) async fn run(app: App, stop: CancellationToken, feeds: bool) {
    let mut flights = JoinSet::new();
    while !stop.is_cancelled() {
        if let Err(error) = begin(&app, &mut flights, feeds).await {
            tracing::warn!(%error, "files that came in could not be looked for; trying again");
        }
        let full = flights.len() >= app.config.files.fetches;
        tokio::select! {
            () = stop.cancelled() => {}
            Some(_) = flights.join_next() => {}
            () = app.clock.sleep_until(app.clock.tick().plus_ms(ROUND_MS)), if !full => {}
        }
    }
    flights.shutdown().await;
}

/// Takes what is due, as far as there is room, and begins to fetch it.
async fn begin(app: &App, flights: &mut JoinSet<()>, feeds: bool) -> Result<()> {
    let room = app.config.files.fetches.saturating_sub(flights.len());
    if room == 0 {
        return Ok(());
    }
    for row in take(app, i64::try_from(room).unwrap_or(1), feeds).await? {
        let app = app.clone();
        flights.spawn(async move {
            let (message, place) = (row.message.clone(), row.place);
            if let Err(error) = arrival::fetch(&app, row).await {
                tracing::warn!(%error, message, place, "a file that came in could not be written down; trying again later");
            }
        });
    }
    Ok(())
}

/// Fetches what is due, in rounds, until nothing is. For those who do not run the loop.
///
/// # Errors
/// Those of the store.
pub async fn round(app: &App) -> Result<usize> {
    let rows = take(app, i64::try_from(app.config.files.fetches).unwrap_or(1), true).await?;
    let count = rows.len();
    for row in rows {
        arrival::fetch(app, row).await?;
    }
    Ok(count)
}

/// Takes files that are due; of two processes one takes each.
async fn take(app: &App, limit: i64, feeds: bool) -> Result<Vec<ArrivalRow>> {
    let now = app.clock.now();
    let shards = app.posts.open(app.clock.tick()).1.into_iter().collect();
    let part = ArrivalPart { lined: listen::one_lined(), shards, others: feeds };
    let due = Arc::new(app.store.read(move |conn| crate::on!(conn, arrival::due(now.0, &part, limit))).await?);
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let until = now.plus_ms(arrival::TAKEN_MS).0;
    app.store
        .write(move |conn| {
            let mut taken = Vec::new();
            for row in due.iter() {
                if crate::on!(conn, arrival::take(row, until))? {
                    taken.push(ArrivalRow { due_at: Some(until), ..row.clone() });
                }
            }
            Ok(taken)
        })
        .await
}

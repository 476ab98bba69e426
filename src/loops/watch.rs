//! The watch: asks vendors now and then whether they still post to us.

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::flow::overtaken;

/// Before the first round, in milliseconds.
const FIRST_MS: i64 = 60_000;

/// Between two rounds, in milliseconds.
const ROUND_MS: i64 = 30 * 60_000;

/// Watches until it is told to stop.
pub(crate) async fn run(app: App, stop: CancellationToken) {
    let mut pause_ms = FIRST_MS;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = app.clock.sleep_until(app.clock.tick().plus_ms(pause_ms)) => {}
        }
        pause_ms = ROUND_MS;
        tokio::select! {
            () = stop.cancelled() => return,
            looked = overtaken::round(&app) => {
                if let Err(error) = looked {
                    tracing::warn!(%error, "it could not be looked whether vendors still post to us");
                }
            }
        }
    }
}

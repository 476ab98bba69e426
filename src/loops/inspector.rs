//! The inspector: asks vendors what they think of accounts. A slow vendor keeps nobody else waiting.

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::flow::standing;

/// Between two rounds, in milliseconds.
const ROUND_MS: i64 = 2_000;

/// Asks until it is told to stop.
pub(crate) async fn run(app: App, stop: CancellationToken) {
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => {}
            round = standing::round(&app) => {
                if let Err(error) = round {
                    tracing::warn!(%error, "vendors could not be asked how accounts stand; trying again");
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = app.clock.sleep_until(app.clock.tick().plus_ms(ROUND_MS)) => {}
        }
    }
}

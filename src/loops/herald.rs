//! The herald: tells people what happened to channels, when it is time. A slow mail server keeps nobody else waiting.

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::flow::herald;

/// Between two rounds, in milliseconds.
const ROUND_MS: i64 = 1_000;

/// Tells until it is told to stop.
pub(crate) async fn run(app: App, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = herald::round(&app).await {
            tracing::warn!(%error, "people could not be told; trying again");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = app.clock.sleep_until(app.clock.tick().plus_ms(ROUND_MS)) => {}
        }
    }
}

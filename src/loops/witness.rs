//! The witness: writes down that somebody is there to hear portals, has dialogs looked through where nobody was, and looks after
//! open lines that do not work.

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::flow::open_line;

/// Between two rounds, in milliseconds.
const ROUND_MS: i64 = 60_000;

/// Witnesses until it is told to stop. What is asked of portals may take long where they do not answer, so it goes on beside: a
/// round that comes late would look as if nobody had been there.
pub(crate) async fn run(app: App, stop: CancellationToken) {
    tokio::join!(hear(&app, &stop), look_after(&app, &stop));
}

async fn hear(app: &App, stop: &CancellationToken) {
    let mut begins = true;
    while !stop.is_cancelled() {
        match open_line::watch(app, begins).await {
            Ok(accepted) => {
                begins = false;
                app.bell.accepted(accepted);
            }
            Err(error) => tracing::warn!(%error, "it could not be looked whether portals were heard; trying again"),
        }
        pause(app, stop).await;
    }
}

async fn look_after(app: &App, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => return,
            looked = open_line::settings::look_after(app) => {
                if let Err(error) = looked {
                    tracing::warn!(%error, "open lines that do not work could not be looked after; trying again");
                }
            }
        }
        pause(app, stop).await;
    }
}

async fn pause(app: &App, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = app.clock.sleep_until(app.clock.tick().plus_ms(ROUND_MS)) => {}
    }
}

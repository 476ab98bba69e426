//! `/metrics`: what Prometheus reads. The pump counts its calls itself; what stands in the database is asked when it is read.

use std::sync::OnceLock;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use subtle::ConstantTimeEq as _;

use super::error::{ApiError, Told};
use crate::app::App;
use crate::model::errand::Rank;
use crate::net::guard::is_public;
use crate::store::row::LaneState;

static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Seconds, from a millisecond to half a minute.
const SECONDS: [f64; 14] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];

/// Begins to measure; once per process, later calls give the same.
pub fn recorder() -> Option<&'static PrometheusHandle> {
    HANDLE
        .get_or_init(|| {
            let builder =
                PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS);
            builder.ok()?.install_recorder().ok()
        })
        .as_ref()
}

/// Keeps the histograms small; runs until the process ends.
pub(crate) async fn keep_up() {
    while let Some(handle) = recorder() {
        tokio::time::sleep(Duration::from_secs(5)).await;
        handle.run_upkeep();
    }
}

/// Everything that is measured. Answers those who bring the token of the settings; without one, those who come straight from
/// a private network.
pub(super) async fn show_metrics(app: web::Data<App>, request: HttpRequest) -> Told {
    if !may_read(&app, &request) {
        return Err(ApiError::NotFound);
    }
    let Some(handle) = recorder() else { return Err(ApiError::Inner("nothing is measured".to_owned())) };
    measure_store(&app).await?;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(handle.render()))
}

fn may_read(app: &App, request: &HttpRequest) -> bool {
    let token = app.config.server.metrics_token.as_bytes();
    if token.is_empty() {
        let through_a_proxy =
            request.headers().contains_key("x-forwarded-for") || request.headers().contains_key("forwarded");
        return !through_a_proxy && request.peer_addr().is_some_and(|peer| !is_public(peer.ip()));
    }
    let given = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.strip_prefix("Bearer ").is_some_and(|given| given.as_bytes().ct_eq(token).into())
}

/// How deep the queue is, how old, and how the lanes stand.
#[expect(clippy::cast_precision_loss, reason = "counts and ages are far below 2^52")]
async fn measure_store(app: &App) -> Told<()> {
    let read = app.store.read(|conn| {
        let (depth, lanes) = (crate::on!(conn, errand::depth())?, crate::on!(conn, lane::count_by_state())?);
        Ok((depth, lanes, crate::on!(conn, portal::lanes())?))
    });
    let (depth, lanes, portals) = read.await?;
    let now = app.clock.now();
    for rank in Rank::ALL {
        let row = depth.iter().find(|(number, ..)| *number == rank.to_db());
        let (count, oldest) = row.map_or((0, None), |(_, count, oldest)| (*count, *oldest));
        let age_ms = oldest.map_or(0, |at| now.0.saturating_sub(at).max(0));
        let label = format!("{rank:?}").to_lowercase();
        metrics::gauge!("switchboard_queue_errands", "rank" => label.clone()).set(count as f64);
        metrics::gauge!("switchboard_queue_oldest_seconds", "rank" => label).set(age_ms as f64 / 1000.0);
    }
    for state in [LaneState::Running, LaneState::Paused, LaneState::Lost, LaneState::Held] {
        let count = lanes.iter().find(|(number, _)| *number == state.to_db()).map_or(0, |(_, count)| *count);
        metrics::gauge!("switchboard_lanes", "state" => format!("{state:?}").to_lowercase()).set(count as f64);
    }
    // a portal that another process pumps is measured there
    let due = app.bell.look(portals.iter().map(|(_, lane)| *lane).collect()).await;
    for (portal, lane) in portals {
        if let Some(left) = due.get(&lane).and_then(|due| due.calls_left) {
            metrics::gauge!("switchboard_portal_budget_calls", "portal" => portal).set(left as f64);
        }
    }
    Ok(())
}

//! Whether this process lives, and whether it can work.

use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::app::App;

/// It answers, so it lives.
pub(super) async fn show_live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"live": true}))
}

/// It works while the database answers.
pub(super) async fn show_ready(app: web::Data<App>) -> HttpResponse {
    match app.store.read(|conn| conn.batch("SELECT 1")).await {
        Ok(()) => HttpResponse::Ok().json(json!({"ready": true})),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            HttpResponse::ServiceUnavailable().json(json!({"ready": false, "reason": "database"}))
        }
    }
}

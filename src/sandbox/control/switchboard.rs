//! The way from the page to the API of Switchboard: the bearer token never reaches the browser.

use actix_web::web::{self, Bytes, Data, Json, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

use super::tell;
use crate::sandbox::Switchboard;
use crate::sandbox::state::Sandbox;

/// The routes to Switchboard.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.route("/_/switchboard", web::post().to(point)).route("/_/switchboard/{path:.*}", web::to(pass));
}

#[derive(Deserialize)]
struct Place {
    url: String,
    token: String,
}

async fn point(sandbox: Data<Sandbox>, place: Json<Place>) -> HttpResponse {
    let Place { url, token } = place.into_inner();
    *sandbox.switchboard.lock() = Some(Switchboard { url, token });
    tell(json!({"ok": true}))
}

async fn pass(sandbox: Data<Sandbox>, request: HttpRequest, path: Path<String>, body: Bytes) -> HttpResponse {
    let Some(switchboard) = sandbox.switchboard.lock().clone() else {
        return HttpResponse::ServiceUnavailable().json(json!({"error": "no switchboard is set"}));
    };
    let mark = if request.query_string().is_empty() { "" } else { "?" };
    let url = format!("{}/{path}{mark}{}", switchboard.url.trim_end_matches('/'), request.query_string());
    let Ok(method) = request.method().as_str().parse::<reqwest::Method>() else {
        return super::refuse("unknown method");
    };
    let mut call = sandbox.http.request(method, url).bearer_auth(switchboard.token).body(body);
    if let Some(kind) = request.headers().get("content-type").and_then(|kind| kind.to_str().ok()) {
        call = call.header("content-type", kind);
    }
    let Ok(reply) = call.send().await else {
        return HttpResponse::BadGateway().json(json!({"error": "Switchboard does not answer"}));
    };
    let status = actix_web::http::StatusCode::from_u16(reply.status().as_u16()).unwrap_or_default();
    let kind = reply
        .headers()
        .get("content-type")
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or("application/json")
        .to_owned();
    HttpResponse::build(status).content_type(kind).body(reply.bytes().await.unwrap_or_default())
}

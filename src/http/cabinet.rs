//! The cabinet: the pages of `web/`, built by Vite and carried by the binary.

use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use actix_web::{HttpRequest, HttpResponse, web};
use rust_embed::Embed;

use super::error::{ApiError, Told};
use super::page;

/// A release carries the files, a debug build reads the folder; where it is not built there is a page that says so.
#[derive(Embed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Files;

/// The one page; the browser finds out by the address what it shows.
const PAGE: &str = "index.html";

/// What the pages may load: their own files. Styles of elements are set by scripts, which no policy asks about.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
                      connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Addresses of machines. A wrong one among them is an error and never a page.
const MACHINES: [&str; 7] = ["/api", "/hook", "/file", "/bitrix24", "/health", "/metrics", "/assets"];

/// Shows the cabinet.
pub(super) async fn show_page(request: HttpRequest) -> HttpResponse {
    let Some(file) = Files::get(PAGE) else { return page::show_page(&request) };
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .body(file.data.into_owned())
}

/// The page that portals show in their frames; none where this binary was built without it.
pub(super) fn framed_page() -> Option<String> {
    Files::get("b24.html").and_then(|file| String::from_utf8(file.data.into_owned()).ok())
}

/// Shows a script, a style or a picture. Its name holds a hash of what is inside, so it never changes.
pub(super) async fn show_asset(name: web::Path<String>) -> Told {
    // a slash that came as %2F must not lead out of the folder
    let file =
        Some(name).filter(|name| !name.contains(['/', '\\'])).and_then(|name| Files::get(&format!("assets/{name}")));
    let file = file.ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok()
        .content_type(file.metadata.mimetype())
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(file.data.into_owned()))
}

/// Shows the cabinet at its own addresses, and says of all others that there is nothing.
pub(super) async fn show_elsewhere(request: HttpRequest) -> Told {
    let path = request.path();
    let is_of = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let reads = [Method::GET, Method::HEAD].contains(request.method());
    let accepts = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if reads && accepts.contains("text/html") && !MACHINES.iter().any(|root| is_of(root)) {
        return Ok(show_page(request).await);
    }
    Err(ApiError::NotFound)
}

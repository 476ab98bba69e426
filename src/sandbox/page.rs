//! The page of the sandbox: phones, a deal with its robot, a CRM-marketing letter and the queue of Switchboard.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};

/// The routes of the page.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/", web::get().to(|| give(include_str!("page/index.html"), "text/html; charset=utf-8")))
        .route("/page.css", web::get().to(|| give(include_str!("page/page.css"), "text/css; charset=utf-8")))
        .route("/page.js", web::get().to(|| give(include_str!("page/page.js"), "text/javascript; charset=utf-8")))
        .route("/words.js", web::get().to(|| give(include_str!("page/words.js"), "text/javascript; charset=utf-8")));
}

#[expect(clippy::unused_async, reason = "handlers are futures")]
async fn give(text: &'static str, kind: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(kind)
        .insert_header(("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"))
        .insert_header(("Cache-Control", "no-cache"))
        .body(text)
}

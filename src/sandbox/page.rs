//! The pages of the sandbox: phones, a deal with its robot, a CRM-marketing letter and the queue of Switchboard; and the portal,
//! in whose frames the pages of the app are opened.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};

/// The routes of the page.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/", web::get().to(|| give(include_str!("page/index.html"), "text/html; charset=utf-8")))
        .route("/page.css", web::get().to(|| give(include_str!("page/page.css"), "text/css; charset=utf-8")))
        .route("/page.js", web::get().to(|| give(include_str!("page/page.js"), "text/javascript; charset=utf-8")))
        .route("/chats.js", web::get().to(|| give(include_str!("page/chats.js"), "text/javascript; charset=utf-8")))
        .route("/groups.js", web::get().to(|| give(include_str!("page/groups.js"), "text/javascript; charset=utf-8")))
        .route("/robots.js", web::get().to(|| give(include_str!("page/robots.js"), "text/javascript; charset=utf-8")))
        .route("/storage.js", web::get().to(|| give(include_str!("page/storage.js"), "text/javascript; charset=utf-8")))
        .route("/portal", web::get().to(|| frame(include_str!("page/portal.html"))))
        .route("/portal.css", web::get().to(|| give(include_str!("page/portal.css"), "text/css; charset=utf-8")))
        .route("/portal.js", web::get().to(|| give(include_str!("page/portal.js"), "text/javascript; charset=utf-8")))
        .route("/words.js", web::get().to(|| give(include_str!("page/words.js"), "text/javascript; charset=utf-8")));
}

/// The portal shows pages of the app in frames, and posts the form that opens them.
#[expect(clippy::unused_async, reason = "handlers are futures")]
async fn frame(text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((
            "Content-Security-Policy",
            "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-src http: https:; \
             frame-ancestors 'none'",
        ))
        .insert_header(("Cache-Control", "no-cache"))
        .body(text)
}

#[expect(clippy::unused_async, reason = "handlers are futures")]
async fn give(text: &'static str, kind: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(kind)
        .insert_header(("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"))
        .insert_header(("Cache-Control", "no-cache"))
        .body(text)
}

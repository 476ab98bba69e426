//! The way in: the HTTP server, what every request passes, and the handlers, one file per noun.

mod application;
mod attaching;
pub mod auth;
mod cabinet;
mod channel;
mod chat;
pub mod error;
mod file;
pub mod framed;
mod group;
mod health;
pub mod hook;
mod language;
pub mod limit;
mod line;
mod live;
mod log;
mod mailing;
pub mod measure;
mod message;
mod messenger;
pub mod openapi;
mod page;
mod portal;
mod queue;
mod routes;
mod session;
mod set_up;
mod template;
mod webhook;

use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::{Compress, DefaultHeaders, from_fn};
use actix_web::{HttpServer, web};
use tracing_actix_web::TracingLogger;

use crate::app::App;

/// For how long a connection without a request is kept: longer than a proxy in front of us keeps it (nginx 60 s, Caddy 120 s). One
/// that we close while the proxy writes into it costs the sender a 502, and Bitrix24 calls a robot once.
const KEEP_ALIVE: Duration = Duration::from_secs(130);

/// A server on a socket that listens already.
///
/// # Errors
/// Where the socket cannot be used.
pub fn server(app: &App, listener: TcpListener) -> std::io::Result<Server> {
    let (shared, doors) = (web::Data::new(app.clone()), web::Data::new(limit::Doors::new(&app.config)));
    let limit = app.config.server.request_limit_mb << 20;
    let workers = match app.config.server.workers {
        0 => std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
        workers => workers,
    };
    let server = HttpServer::new(move || {
        actix_web::App::new()
            .app_data(shared.clone())
            .app_data(doors.clone())
            .app_data(web::PayloadConfig::new(limit))
            .app_data(error::json(limit))
            .app_data(error::path())
            .app_data(error::query())
            .configure(routes::configure)
            .default_service(web::to(cabinet::show_elsewhere))
            .wrap(from_fn(limit::pass))
            .wrap(from_fn(language::speak))
            .wrap(headers())
            .wrap(Compress::default())
            .wrap(TracingLogger::<log::Spans>::new())
    })
    .workers(workers)
    .shutdown_timeout(app.config.server.stop_s)
    .client_request_timeout(Duration::from_secs(10))
    .keep_alive(KEEP_ALIVE)
    .disable_signals()
    .listen(listener)?;
    Ok(server.run())
}

/// What every answer carries. Pages that run inside a portal set their own policy; one that is set is left alone.
fn headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("Referrer-Policy", "no-referrer"))
        .add(("Cache-Control", "no-store"))
        .add((
            "Content-Security-Policy",
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ))
}

//! The way in: the HTTP server, what every request passes, and the handlers, one file per noun.

pub mod auth;
pub mod error;
mod health;
pub mod hook;
mod language;
mod limit;
mod log;
mod mailing;
pub mod measure;
mod page;
mod routes;
mod session;

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::{Compress, DefaultHeaders, from_fn};
use actix_web::{HttpServer, web};
use tracing_actix_web::TracingLogger;

use crate::app::App;

/// A server that is bound and not yet running, and where it listens.
///
/// # Errors
/// Where the address cannot be listened at.
pub fn bind(app: &App) -> std::io::Result<(Server, SocketAddr)> {
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
            .default_service(web::to(error::nothing_here))
            .wrap(from_fn(limit::pass))
            .wrap(from_fn(language::speak))
            .wrap(headers())
            .wrap(Compress::default())
            .wrap(TracingLogger::<log::Spans>::new())
    })
    .workers(workers)
    .backlog(4096)
    .shutdown_timeout(app.config.server.stop_s)
    .client_request_timeout(Duration::from_secs(10))
    .disable_signals()
    .bind(app.config.server.listen)?;
    let address = server.addrs().first().copied().ok_or_else(|| std::io::Error::other("no address to listen at"))?;
    Ok((server.run(), address))
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

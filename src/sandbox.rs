//! Fake vendors on sockets, for the demo and for the tests. Speaks sockets; knows nothing of the rest of the house.
//!
//! One server, one port, everything by path: a Bitrix24 portal at `/b24/{portal}/rest/`, its authorization server at
//! `/rest/` and `/oauth/token/`, the Bot API of Telegram at `/tg/`, the Cloud API of `WhatsApp` at `/graph/`, a gateway of
//! `WhatsApp` Web at `/waha/`, VK at `/vk/`, aggregators of VK Notify at `/notify/`, Avito at `/avito/`, Telegram accounts at the port that `/mtproto` tells, the page at
//! `/` and the control at `/_/` (every route of it is told in `sandbox/control.rs`). A mail server has two ports of its own, the
//! next ones where they are free.

mod answer;
mod args;
mod avito;
mod bitrix24;
mod control;
mod door;
mod fault;
mod form;
mod ledger;
mod limit;
mod mail;
mod mtproto;
mod multipart;
mod notify;
mod page;
mod phone;
mod state;
mod telegram;
mod vk;
mod waba;
mod waha;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};

use state::Sandbox;

/// Where the sandbox listens, and whom its page watches.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen at; port 0 takes any free one.
    pub bind: SocketAddr,
    /// The base address under which others reach the sandbox. `http://<addr>` when absent.
    pub public: Option<String>,
    /// The Switchboard whose queue the page shows.
    pub switchboard: Option<Switchboard>,
}

/// How the page reaches the API of Switchboard.
#[derive(Debug, Clone)]
pub struct Switchboard {
    /// The base address, e.g. `http://127.0.0.1:8080`.
    pub url: String,
    /// The bearer token of the API.
    pub token: String,
}

/// A sandbox that listens. It goes on until [`Running::stop`].
#[derive(Debug)]
pub struct Running {
    /// The address it listens at.
    pub addr: SocketAddr,
    base: String,
    server: ServerHandle,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
    lines: tokio::task::JoinHandle<()>,
    sandbox: Arc<Sandbox>,
}

impl Running {
    /// Starts the sandbox on the runtime of the caller; deliveries to others run there too.
    ///
    /// # Errors
    /// When the address is taken or cannot be listened at.
    pub async fn start(config: Config) -> std::io::Result<Self> {
        // another part of the process may have chosen already
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sandbox = Arc::new(Sandbox::new(config.switchboard).map_err(std::io::Error::other)?);
        let shared = web::Data::from(Arc::clone(&sandbox));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .configure(page::routes)
                .configure(control::routes)
                .configure(door::routes)
        })
        .workers(2)
        // as long as the web servers of the vendors keep a connection
        .keep_alive(Duration::from_secs(75))
        .backlog(4096)
        .disable_signals()
        .shutdown_timeout(1)
        .on_connect(answer::keep_plug)
        .bind(config.bind)?;
        let addr = server.addrs().first().copied().ok_or_else(|| std::io::Error::other("no address to listen at"))?;
        let base = config.public.unwrap_or_else(|| format!("http://{addr}")).trim_end_matches('/').to_owned();
        sandbox.set_base(base.clone());
        let server = server.run();
        let handle = server.handle();
        let task = tokio::spawn(server);
        let lines = listen_beside(&sandbox, addr).await?;
        Ok(Self { addr, base, server: handle, task, lines, sandbox })
    }

    /// The base address under which others reach it, without a slash at the end.
    pub fn base(&self) -> String {
        self.base.clone()
    }

    /// Stops listening, drops open connections and ends every delivery under way.
    pub async fn stop(self) {
        self.sandbox.end();
        self.lines.abort();
        self.server.stop(false).await;
        let _ = self.task.await;
    }
}

/// Listens at what is no HTTP: the mail servers, and lines of Telegram accounts, which it gives back.
async fn listen_beside(sandbox: &Arc<Sandbox>, addr: SocketAddr) -> std::io::Result<tokio::task::JoinHandle<()>> {
    mail::listen(sandbox, addr).await?;
    Arc::clone(sandbox).start_timers();
    let listener = tokio::net::TcpListener::bind((addr.ip(), 0)).await?;
    sandbox.mtproto.lock().set_port(listener.local_addr()?.port());
    Ok(tokio::spawn(mtproto::listen(Arc::clone(sandbox), listener)))
}

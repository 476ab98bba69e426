//! Starts and stops the parts of a server.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use anyhow::Context as _;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::live::Live;
use crate::app::shelf::Shelf;
use crate::app::{App, keys};
use crate::config::Config;
use crate::http;
use crate::loops::bell::HouseBell;
use crate::loops::pump::lanes::Rules;
use crate::loops::pump::lease::Times;
use crate::loops::pump::{self, Pump};
use crate::loops::works::Works;
use crate::loops::{feeder, fetcher, herald, inspector, keeper, listener, live, watch, witness};
use crate::model::address;
use crate::model::clock::Clock;
use crate::net::dial::Dial;
use crate::net::guard::{Guard, Policy};
use crate::net::http::{Http, Limits};
use crate::store::{Options, Store};

/// A part of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Role {
    /// Takes requests and deliveries.
    Http,
    /// Makes the calls of the outbox.
    Pump,
    /// Works deliveries and mailings.
    Feeder,
    /// Keeps connections of messengers that need one.
    Listener,
    /// Expires, answers in time, forgets.
    Keeper,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Http, Self::Pump, Self::Feeder, Self::Listener, Self::Keeper];
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Pump => "pump",
            Self::Feeder => "feeder",
            Self::Listener => "listener",
            Self::Keeper => "keeper",
        })
    }
}

/// What a process does.
pub type Roles = BTreeSet<Role>;

/// A server that runs.
pub struct Running {
    /// What its flows have at hand.
    pub app: App,
    /// Where it listens; none without the role `http`.
    pub address: Option<SocketAddr>,
    server: Option<(ServerHandle, JoinHandle<std::io::Result<()>>)>,
    pump: Option<(pump::Bell, JoinHandle<()>)>,
    loops: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("address", &self.address).finish_non_exhaustive()
    }
}

/// How the settings open the database.
#[must_use]
pub fn store_options(config: &Config) -> Options {
    let database = &config.database;
    Options {
        url: database.url.clone(),
        readers: database.readers,
        writers: database.writers,
        durable: database.durable,
    }
}

fn pump_of(app: &App, bell: pump::Bell) -> crate::store::Result<Pump<Works>> {
    let outbox = &app.config.outbox;
    let rules = Rules {
        ahead_ms: outbox.claim_ahead_ms,
        lane_flights: outbox.lane_flights,
        claim_size: outbox.claim_size,
        batch_size: outbox.portal_batch,
        longest_pause_ms: outbox.longest_pause_s.saturating_mul(1000),
    };
    let settings = pump::Settings { rules, times: Times::default() };
    Pump::new(Arc::clone(&app.store), Arc::clone(&app.clock), Arc::new(Works(app.clone())), bell, settings)
}

async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

fn open(config: Config, clock: Arc<dyn Clock>, bell: HouseBell, live: Arc<Live>) -> anyhow::Result<App> {
    let ring = keys::keyring(&config)?;
    let store = Store::open(store_options(&config))?;
    let limits = Limits { deadline: config.call_deadline(), ..Limits::CALL };
    let http = Http::with_limits(limits).context("the TLS roots of this machine cannot be read")?;
    let policy = Policy { plain_http: config.vendors.allow_http, networks: config.vendors.allow_networks.clone() };
    let authorities = Some(config.vendors.ca_file.as_str()).filter(|file| !file.is_empty()).map(Path::new);
    let dial = Dial::new(policy.clone(), authorities, limits.deadline / 2)
        .context("vendors.ca_file, or the TLS roots of this machine, cannot be read")?;
    let guard = Guard::new(policy, limits.with_file()).context("the TLS roots of this machine cannot be read")?;
    let shelf = Shelf::open(&config)?;
    Ok(App {
        config: Arc::new(config),
        store,
        clock,
        http: Arc::new(http),
        dial: Arc::new(dial),
        guard,
        shelf,
        keys: Arc::new(ring),
        bell: Arc::new(bell),
        known: Arc::default(),
        resting: Arc::default(),
        live,
        lines: Arc::default(),
        posts: Arc::default(),
    })
}

impl Running {
    /// Starts the parts that a process is to do. It is ready when this returns.
    ///
    /// # Errors
    /// One sentence: what is missing, or cannot be opened or listened at.
    pub async fn start(config: Config, roles: Roles, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let at = config.server.listen;
        let listener = if roles.contains(&Role::Http) {
            let refused =
                || format!("{at} cannot be listened at: choose another server.listen, or end what listens there");
            Some(std::net::TcpListener::bind(at).with_context(refused)?)
        } else {
            None
        };
        Self::start_on(listener, config, roles, clock).await
    }

    /// The same on a socket that listens already; without one nothing is served.
    ///
    /// # Errors
    /// As [`Running::start`].
    #[expect(clippy::unused_async, reason = "what it starts needs a runtime around it")]
    pub async fn start_on(
        listener: Option<std::net::TcpListener>,
        config: Config,
        roles: Roles,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        http::measure::recorder();
        let region = config.region.clone();
        std::thread::spawn(move || address::warm_up(&region));
        let (bell, hearing) = pump::Bell::new();
        let (feed, listen) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let has_pump = roles.contains(&Role::Pump);
        let looking = Arc::new(Live::new(config.is_postgres()));
        let house = HouseBell::new(
            has_pump.then(|| bell.clone()),
            Arc::clone(&feed),
            Arc::clone(&listen),
            Arc::clone(&looking),
        );
        let app = open(config, clock, house, looking)?;
        let pump = if has_pump { Some((bell.clone(), tokio::spawn(pump_of(&app, bell)?.run(hearing)))) } else { None };
        let stop = CancellationToken::new();
        let mut loops = Vec::new();
        if roles.contains(&Role::Feeder) {
            loops.push(tokio::spawn(feeder::run(app.clone(), feed, stop.clone())));
        }
        // a line that messages leave by is kept by whoever pumps, and files that come over it are fetched there
        if has_pump || roles.contains(&Role::Feeder) {
            let feeds = roles.contains(&Role::Feeder);
            loops.push(tokio::spawn(fetcher::run(app.clone(), stop.clone(), feeds)));
        }
        if has_pump || roles.contains(&Role::Listener) {
            let shares = roles.contains(&Role::Listener);
            loops.push(tokio::spawn(listener::run(app.clone(), listen, stop.clone(), shares)));
        }
        if roles.contains(&Role::Keeper) {
            loops.push(tokio::spawn(keeper::run(app.clone(), stop.clone())));
            loops.push(tokio::spawn(herald::run(app.clone(), stop.clone())));
            loops.push(tokio::spawn(inspector::run(app.clone(), stop.clone())));
            loops.push(tokio::spawn(watch::run(app.clone(), stop.clone())));
        }
        loops.push(tokio::spawn(live::run(app.clone(), stop.clone())));
        if roles.contains(&Role::Http) {
            loops.push(tokio::spawn(witness::run(app.clone(), stop.clone())));
        }
        let (mut server, mut address) = (None, None);
        if let Some(listener) = listener {
            address = Some(listener.local_addr()?);
            live::hear(app.store.options().clone(), Arc::clone(&app.live));
            let running = http::server(&app, listener)?;
            server = Some((running.handle(), tokio::spawn(running)));
        }
        loops.push(tokio::spawn(until(stop.clone(), http::measure::keep_up())));
        let names: Vec<String> = roles.iter().map(ToString::to_string).collect();
        tracing::info!(address = address.map(|at| at.to_string()), roles = names.join(","), "ready");
        Ok(Self { app, address, server, pump, loops, stop })
    }

    /// Stops in order: nothing new is taken, open requests and open calls are finished.
    pub async fn stop(self) {
        let limit = Duration::from_secs(self.app.config.server.stop_s);
        let stopped = tokio::time::timeout(limit, async {
            // streams have no end of their own
            self.app.live.close();
            if let Some((handle, task)) = self.server {
                handle.stop(true).await;
                let _ = task.await;
            }
            self.stop.cancel();
            for task in self.loops {
                let _ = task.await;
            }
            if let Some((bell, task)) = self.pump {
                bell.stop().await;
                let _ = task.await;
            }
        });
        if stopped.await.is_err() {
            tracing::warn!("something did not end in time; what it did is unknown until the next start looks after it");
        }
    }
}

/// Waits until the process is told to stop. It is heard from this call on, so whoever says that he is there calls it before.
///
/// # Errors
/// Where the machine lets no signals be heard.
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

//! `switchboard serve`: the server.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;

use super::{logging, runtime};
use crate::config::Config;
use crate::model::clock::SystemClock;
use crate::serve::{self, Role, Roles};

/// Runs the server until it is told to stop.
///
/// On SQLite one process does everything. On PostgreSQL any number of processes may share the work: lanes of one that dies are
/// taken over by the others within seconds.
///
/// SIGTERM or SIGINT stops it in order: nothing new is taken, open requests and open calls of vendors are finished, what waits
/// stays in the database.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// What this process does.
    ///
    /// http: takes requests and deliveries; pump: makes the calls of the outbox; feeder: works deliveries and mailings;
    /// listener: keeps connections of messengers that need one; keeper: expires, answers in time, forgets.
    #[arg(long, value_delimiter = ',', value_enum, value_name = "ROLE", default_values_t = Role::ALL)]
    roles: Vec<Role>,
    /// The address to listen at, instead of server.listen of the settings.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<std::net::SocketAddr>,
}

impl Serve {
    pub(super) fn run(&self, mut config: Config) -> anyhow::Result<ExitCode> {
        logging::start(&config.log);
        config.server.listen = self.listen.unwrap_or(config.server.listen);
        let roles: Roles = self.roles.iter().copied().collect();
        runtime()?.block_on(async {
            let stop = serve::stop_signal()?;
            let running = serve::Running::start(config, roles, Arc::new(SystemClock::new()))
                .await
                .context("the server cannot start")?;
            stop.await;
            tracing::info!("stopping: open requests and open calls are finished first");
            running.stop().await;
            tracing::info!("stopped");
            Ok(ExitCode::SUCCESS)
        })
    }
}

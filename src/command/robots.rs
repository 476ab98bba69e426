//! `switchboard robots`: the robots that go into portals.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;

use crate::config::Config;
use crate::crm::bitrix24::robot::Robot;
use crate::model::clock::SystemClock;
use crate::serve;

/// Shows the robots, and puts them into installed portals again.
#[derive(Debug, Subcommand)]
pub(super) enum Robots {
    /// Prints the definitions as `bizproc.robot.add` gets them.
    Print,
    /// Puts robots, events and SMS senders into every installed portal again: after `server.public_url` or a definition has
    /// changed. On SQLite the server must not run meanwhile.
    Install,
}

impl Robots {
    pub(super) fn run(&self, config: Config) -> anyhow::Result<ExitCode> {
        match self {
            Self::Print => {
                let handler = format!("{}/bitrix24/robot", config.server.public_url);
                let bodies: Vec<_> = Robot::ALL.iter().map(|robot| robot.install_body(&handler, 1)).collect();
                super::tell(&serde_json::to_string_pretty(&bodies)?);
                Ok(ExitCode::SUCCESS)
            }
            Self::Install => super::runtime()?.block_on(install(config)),
        }
    }
}

async fn install(config: Config) -> anyhow::Result<ExitCode> {
    let running = serve::Running::start(config, serve::Roles::new(), Arc::new(SystemClock::new())).await?;
    let mut failed = 0;
    for (domain, outcome) in crate::flow::install::put_again(&running.app).await? {
        match outcome {
            Ok(steps) => super::tell(&format!("{domain}  {steps} steps")),
            Err(why) => {
                failed += 1;
                super::tell_error(&format!("{domain}  {why}"));
            }
        }
    }
    running.stop().await;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

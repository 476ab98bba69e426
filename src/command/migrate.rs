//! `switchboard migrate`: brings the tables up to date, and seals secrets again.

use std::process::ExitCode;

use clap::Args;

use crate::app::keys;
use crate::config::Config;
use crate::flow::credentials;
use crate::serve::store_options;
use crate::store::connect;

/// Brings the tables of the database up to date. `serve` does the same when it starts.
#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// Seals every secret again with the first key of the settings, so that older keys can be taken away.
    #[arg(long)]
    reseal: bool,
}

impl Migrate {
    pub(super) fn run(&self, config: &Config) -> anyhow::Result<ExitCode> {
        crate::store::migrate(&store_options(config))?;
        super::tell("The tables are up to date.");
        if self.reseal {
            let ring = keys::keyring(config)?;
            let count = credentials::reseal(&mut connect(&store_options(config))?, &ring)?;
            super::tell(&format!("{count} secrets were sealed again with the first key."));
        }
        Ok(ExitCode::SUCCESS)
    }
}

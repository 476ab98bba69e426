//! `switchboard migrate`: brings the tables up to date, and seals secrets again.

use std::process::ExitCode;

use clap::Args;

use crate::app::keys;
use crate::config::Config;
use crate::serve::store_options;
use crate::store::{Conn, Keyring, connect};

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
            let count = reseal(&mut connect(&store_options(config))?, &ring)?;
            super::tell(&format!("{count} secrets were sealed again with the first key."));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Seals again what an older key sealed. A secret that changes meanwhile was sealed with the first key anyway.
fn reseal(conn: &mut Conn, ring: &Keyring) -> anyhow::Result<usize> {
    let mut count = 0;
    for (place, sealed) in crate::on!(conn, sealed::all())? {
        if !ring.is_old(&sealed) {
            continue;
        }
        let Some(secret) = ring.open(&place, &sealed) else {
            anyhow::bail!(
                "no key of the settings opens the secret of {place}: put the key that sealed it back into the list"
            );
        };
        count += usize::from(crate::on!(conn, sealed::replace(&place, &sealed, &ring.seal(&place, &secret)))?);
    }
    Ok(count)
}

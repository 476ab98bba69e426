//! `switchboard keys`: a new key.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use crate::app::keys;

/// Prints a new key for `keys` of the settings.
///
/// To change keys: put the new one in front of the list, run `switchboard migrate --reseal`, then take the old one away.
#[derive(Debug, Args)]
pub(super) struct Keys {
    /// The number of the key; each key of the list needs its own.
    #[arg(long, default_value_t = 1)]
    number: u32,
}

impl Keys {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        super::tell(&keys::fresh(self.number).context("the machine gives no random bytes")?);
        Ok(ExitCode::SUCCESS)
    }
}

//! `switchboard sandbox`: fake vendors on a socket.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use crate::sandbox::{self, Config, Switchboard};

/// Runs fake vendors: a Bitrix24 portal, the Bot API of Telegram, the Cloud API of WhatsApp, and a page with phones.
///
/// Everything is kept in memory and forgotten at the end. `switchboard demo` starts one by itself.
#[derive(Debug, Args)]
pub(super) struct Sandbox {
    /// The address to listen at.
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// The base address under which others reach it.
    #[arg(long, value_name = "URL")]
    public: Option<String>,
    /// The Switchboard whose queue the page shows.
    #[arg(long, value_name = "URL", requires = "token")]
    switchboard: Option<String>,
    /// A token of that Switchboard.
    #[arg(long, env = "SWITCHBOARD_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

impl Sandbox {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let switchboard = self.switchboard.zip(self.token).map(|(url, token)| Switchboard { url, token });
        let config = Config { bind: self.listen, public: self.public, switchboard };
        super::runtime()?.block_on(async {
            let listen = config.bind;
            let running =
                sandbox::Running::start(config).await.with_context(|| format!("{listen} cannot be listened at"))?;
            let stop = crate::serve::stop_signal()?;
            super::tell(&format!("Sandbox  {}", running.base()));
            stop.await;
            running.stop().await;
            Ok(ExitCode::SUCCESS)
        })
    }
}

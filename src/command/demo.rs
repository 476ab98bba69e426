//! `switchboard demo`: the server beside the sandbox, with a company, a line, its channels and a portal.

mod seed;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use secrecy::ExposeSecret as _;

use super::{logging, runtime, tell};
use crate::config::{Config, Sources};
use crate::model::clock::SystemClock;
use crate::sandbox;
use crate::serve::{self, Role};

/// Starts the server beside fake vendors, ready to be played with. Needs no setting and no account anywhere.
///
/// Prints four lines that a script can read: `Switchboard  http://…`, `Cabinet  http://…`, `Sandbox  http://…` and
/// `Login  <login>  <password>`.
/// The page of the sandbox shows phones, a deal whose stage fires the robot, a letter of CRM-marketing, and the queue.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// The port of the server; 0 takes any free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The port of the sandbox; 0 takes any free one.
    #[arg(long, default_value_t = 8090)]
    sandbox_port: u16,
    /// The folder of the demo's own SQLite file.
    #[arg(long, default_value = "data/demo", value_name = "FOLDER")]
    data: PathBuf,
    /// Begins with an empty database.
    #[arg(long)]
    fresh: bool,
}

impl Demo {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        if self.fresh {
            forget(&self.data)?;
        }
        runtime()?.block_on(self.play())
    }

    async fn play(&self) -> anyhow::Result<ExitCode> {
        let listener = listen(self.port)?;
        let address = format!("http://{}", listener.local_addr()?);
        let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, self.sandbox_port));
        let vendors = sandbox::Running::start(sandbox::Config { bind, public: None, switchboard: None });
        let vendors = vendors.await.with_context(|| taken(self.sandbox_port, "--sandbox-port"))?;
        let control = seed::Control::new(vendors.base());
        control.fill(&address).await?;
        let config = settings(&self.data, &address, &vendors.base(), listener.local_addr()?)?;
        logging::start(&config.log);
        let clock = Arc::new(SystemClock::new());
        let running = serve::Running::start_on(Some(listener), config, Role::ALL.into(), clock).await?;
        let login = seed::seed(&running.app, &control).await?;
        control.watch(&address, &login.token).await?;
        let stop = serve::stop_signal()?;
        tell(&format!("Switchboard  {address}"));
        tell(&format!("Cabinet  {address}/lines"));
        tell(&format!("Sandbox  {}", vendors.base()));
        tell(&format!("Login  {}  {}", login.name, login.password.expose_secret()));
        stop.await;
        running.stop().await;
        vendors.stop().await;
        Ok(ExitCode::SUCCESS)
    }
}

fn listen(port: u16) -> anyhow::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| taken(port, "--port"))
}

fn taken(port: u16, option: &str) -> String {
    format!("port {port} cannot be listened at: choose another one with {option}, 0 takes any free one")
}

/// Removes the demo's own files, and nothing else that lies there.
fn forget(folder: &Path) -> anyhow::Result<()> {
    for name in ["switchboard.db", "switchboard.db-wal", "switchboard.db-shm", "key"] {
        let path = folder.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("{} cannot be removed", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The demo has settings of its own: what is configured for a real server has no place here.
fn settings(folder: &Path, address: &str, vendors: &str, listen: SocketAddr) -> anyhow::Result<Config> {
    let host = vendors.trim_start_matches("http://");
    let pairs = [
        ("SERVER__LISTEN", listen.to_string()),
        ("SERVER__PUBLIC_URL", address.to_owned()),
        ("SERVER__WORKERS", "2".to_owned()),
        ("SERVER__STOP_S", "5".to_owned()),
        ("DATABASE__URL", format!("sqlite:{}", folder.join("switchboard.db").display())),
        ("PACE__FROM_MS", "15000".to_owned()),
        ("PACE__TO_MS", "15000".to_owned()),
        ("VENDORS__TELEGRAM", format!("{vendors}/mtproto")),
        ("TELEGRAM__API_ID", seed::APPLICATION.to_owned()),
        ("TELEGRAM__API_HASH", seed::APPLICATION_HASH.to_owned()),
        ("VENDORS__TELEGRAM_BOT", format!("{vendors}/tg")),
        ("VENDORS__WABA", format!("{vendors}/graph/v23.0")),
        ("VENDORS__VK", format!("{vendors}/vk/method")),
        ("VK__CLIENT_ID", seed::VK_APPLICATION.to_owned()),
        ("VK__CLIENT_SECRET", seed::VK_APPLICATION_KEY.to_owned()),
        ("VENDORS__VK_NOTIFY", format!("{vendors}/notify")),
        ("VENDORS__AVITO", format!("{vendors}/avito")),
        ("VENDORS__WHATSAPP_WEB", format!("{vendors}/waha")),
        ("VENDORS__WHATSAPP_WEB_KEY", seed::GATEWAY_KEY.to_owned()),
        ("VENDORS__OAUTH_HOSTS", host.to_owned()),
        ("VENDORS__ALLOW_HTTP", "true".to_owned()),
        ("VENDORS__ALLOW_NETWORKS", "127.0.0.0/8".to_owned()),
        ("BITRIX24__CLIENT_ID", seed::CLIENT_ID.to_owned()),
        ("BITRIX24__CLIENT_SECRET", seed::CLIENT_SECRET.to_owned()),
        ("LOG__FORMAT", "text".to_owned()),
        ("LOG__LEVEL", std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".to_owned())),
    ];
    let environment = pairs.into_iter().map(|(name, value)| (format!("SWITCHBOARD_{name}"), value)).collect();
    Ok(Config::read(&Sources { file: None, environment })?)
}

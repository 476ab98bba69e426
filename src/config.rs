//! The settings: `config.default.toml` (compiled in), then a file, then the environment. Every key is told there.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

mod check;
mod layers;

pub use layers::Sources;

/// What is compiled in: every setting with its comment and its default.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// A setting that stops the start: one sentence that names the key, where it came from, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the setting {key} of {origin} {problem}: {remedy}")]
pub struct ConfigError {
    /// The key, as `server.listen`.
    pub key: String,
    /// Where it came from: a file, or a variable of the environment.
    pub origin: String,
    /// What is wrong with it, as `is unknown`.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

/// All settings.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// The keys that seal secrets, the sealing one first.
    #[serde(deserialize_with = "secrets")]
    pub keys: Vec<SecretString>,
    /// The country of phones without a country code, as `RU`.
    pub region: String,
    /// How the server is reached.
    pub server: Server,
    /// The database.
    pub database: Database,
    /// How the outbox goes about it.
    pub outbox: Outbox,
    /// What new lanes begin with.
    pub pace: PaceDefaults,
    /// Where vendors are.
    pub vendors: Vendors,
    /// The application of Bitrix24.
    pub bitrix24: Client,
    /// The application of Avito.
    pub avito: Client,
    /// The mail server of this server's own letters.
    pub mail: Mail,
    /// How people are told of channels that are lost.
    pub notices: Notices,
    /// The application of Telegram.
    pub telegram: Application,
    /// A Bot API server of one's own.
    pub telegram_bot: BotServer,
    /// The app of Meta.
    pub waba: Client,
    /// The application of VK.
    pub vk: Client,
    /// The log.
    pub log: Log,
    /// Limits for strangers.
    pub limits: Limits,
    /// How long things are kept.
    pub keep: Keep,
    /// Files.
    pub files: Files,
}

/// How the server is reached.
#[derive(Debug, Clone, Deserialize)]
pub struct Server {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The base address for others, without a slash at the end; empty where it is not set.
    pub public_url: String,
    /// Threads; 0 is one for each core.
    pub workers: usize,
    /// The largest body, in megabytes.
    pub request_limit_mb: usize,
    /// Whether the proxy in front is believed about addresses.
    pub trust_proxy: bool,
    /// How long a stop may take, in seconds.
    pub stop_s: u64,
    /// How long a sign-in is good, in hours.
    pub token_hours: i64,
    /// What `/metrics` asks for; empty where it answers private networks.
    pub metrics_token: String,
}

/// The database.
#[derive(Clone, Deserialize)]
pub struct Database {
    /// `sqlite:<path>` or `postgres://…`; it may hold a password.
    pub url: String,
    /// Connections that read.
    pub readers: u32,
    /// Connections that write.
    pub writers: usize,
    /// Whether a commit waits for the disk.
    pub durable: bool,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("readers", &self.readers)
            .field("writers", &self.writers)
            .finish_non_exhaustive()
    }
}

/// How the outbox goes about it.
#[derive(Debug, Clone, Deserialize)]
pub struct Outbox {
    /// How long before its moment an errand is claimed, in milliseconds.
    pub claim_ahead_ms: i64,
    /// Open calls of one lane.
    pub lane_flights: u32,
    /// Errands of one claim.
    pub claim_size: usize,
    /// Statuses of one portal in one call.
    pub portal_batch: i32,
    /// The longest pause between attempts, in seconds.
    pub longest_pause_s: i64,
    /// How long an errand may wait, in hours.
    pub default_ttl_hours: i64,
    /// How long before a robot's time-out it is answered, in seconds.
    pub robot_margin_s: i64,
    /// How long an SMS status waits for a newer one, in milliseconds.
    pub status_delay_ms: i64,
}

/// What new lanes begin with.
#[derive(Debug, Clone, Deserialize)]
pub struct PaceDefaults {
    /// The shortest gap of a channel in milliseconds; 0 is the messenger's own.
    pub from_ms: i64,
    /// The longest gap.
    pub to_ms: i64,
    /// The gap between live answers in milliseconds; below 0 is the messenger's own.
    pub live_ms: i64,
    /// Calls of a portal a second.
    pub portal_per_second: i64,
    /// Calls of a portal at once after a rest.
    pub portal_burst: i64,
}

/// The keys of an application of Telegram.
#[derive(Debug, Clone, Deserialize)]
pub struct Application {
    /// Its number; empty where there is none.
    pub api_id: String,
    /// Its key.
    #[serde(deserialize_with = "secret")]
    pub api_hash: SecretString,
}

/// A Bot API server of one's own, run with `--local`.
#[derive(Debug, Clone, Deserialize)]
pub struct BotServer {
    /// Its address; empty where there is none.
    pub local_server: String,
    /// The folder in which it lays files.
    pub local_folder: String,
}

/// Where vendors are, and what the guard lets through.
#[derive(Debug, Clone, Deserialize)]
pub struct Vendors {
    /// The sandbox of Telegram accounts; empty is Telegram itself.
    pub telegram: String,
    /// The Bot API; empty is the vendor's own address.
    pub telegram_bot: String,
    /// The Cloud API; empty is the vendor's own address.
    pub waba: String,
    /// The API of VK; empty is the vendor's own address.
    pub vk: String,
    /// The API of an aggregator of VK Notify; empty is the aggregator's own address.
    pub vk_notify: String,
    /// The API of Avito; empty is the vendor's own address.
    pub avito: String,
    /// Where tokens of mailboxes are given; empty is the provider's own address.
    pub email: String,
    /// The gateway of WhatsApp Web; empty is where compose.yaml puts it.
    pub whatsapp_web: String,
    /// The key that the gateway asks for.
    #[serde(deserialize_with = "secret")]
    pub whatsapp_web_key: SecretString,
    /// How long one call may take, in seconds.
    pub call_s: u64,
    /// A PEM file of more authorities that mail servers are trusted by; empty where there is none.
    pub ca_file: String,
    /// More authorization servers of Bitrix24, as `host` or `host:port`.
    pub oauth_hosts: Vec<String>,
    /// Whether addresses without TLS are let through.
    pub allow_http: bool,
    /// Private networks that are let through.
    #[serde(deserialize_with = "networks")]
    pub allow_networks: Vec<IpNet>,
}

/// The keys of this server as an application of a vendor.
#[derive(Debug, Clone, Deserialize)]
pub struct Client {
    /// Its id; empty where there is none.
    pub client_id: String,
    /// Its secret.
    #[serde(deserialize_with = "secret")]
    pub client_secret: SecretString,
}

/// The mail server of this server's own letters.
#[derive(Debug, Clone, Deserialize)]
pub struct Mail {
    /// Its name; empty where no letters are sent.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// `ssl`, `starttls` or `none`.
    pub security: String,
    /// Who logs in.
    pub login: String,
    /// With what; empty where the server asks for no login.
    #[serde(deserialize_with = "secret")]
    pub password: SecretString,
    /// Whom the letters are from.
    pub from: String,
}

/// How people are told of channels that are lost.
#[derive(Debug, Clone, Deserialize)]
pub struct Notices {
    /// How long a channel must be lost, or back, until people are told, in minutes.
    pub flap_minutes: i64,
    /// `ru` or `en`.
    pub language: String,
}

/// The log.
#[derive(Debug, Clone, Deserialize)]
pub struct Log {
    /// Its form.
    pub format: LogFormat,
    /// What is logged, as `tracing` filters it.
    pub level: String,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// A line of JSON for each event.
    Json,
    /// For people.
    Text,
}

/// Limits for strangers.
#[derive(Debug, Clone, Deserialize)]
pub struct Limits {
    /// Attempts to sign in, from one address in a minute.
    pub sign_ins_per_minute: u32,
    /// Requests from one address in a second.
    pub requests_per_second: u32,
    /// Requests at once after a rest.
    pub requests_burst: u32,
    /// Phones that one channel may look up in a day.
    pub phone_checks_per_day: u32,
}

/// How long things are kept, in days.
#[derive(Debug, Clone, Deserialize)]
pub struct Keep {
    /// Messages; 0 is for ever.
    pub messages_days: i64,
    /// Deliveries.
    pub hooks_days: i64,
    /// Deliveries as they came, at most; 0 keeps none.
    pub deliveries: i64,
    /// The same, in hours.
    pub deliveries_hours: i64,
    /// So much of one of them, in KB.
    pub delivery_kb: i64,
    /// Keys of accepted requests.
    pub keys_days: i64,
    /// Files; 0 is for ever.
    pub files_days: i64,
}

/// Files, and where their content lies.
#[derive(Debug, Clone, Deserialize)]
pub struct Files {
    /// The folder; empty is `files` beside the database.
    pub folder: String,
    /// The bucket; empty where the folder is used.
    pub bucket: String,
    /// The address of a server that speaks S3; empty is Amazon's own.
    pub endpoint: String,
    /// The bucket's region.
    pub region: String,
    /// What content lies under in the bucket.
    pub prefix: String,
    /// The key's name.
    pub access_key: String,
    /// The key.
    #[serde(deserialize_with = "secret")]
    pub secret_key: SecretString,
    /// The largest file, in megabytes.
    pub largest_mb: u64,
    /// How long a download link is good, in minutes.
    pub link_minutes: i64,
    /// How many files that came in are fetched at once.
    pub fetches: usize,
}

impl Files {
    /// The largest file, in bytes.
    #[must_use]
    pub const fn largest(&self) -> u64 {
        self.largest_mb << 20
    }
}

impl Config {
    /// Reads the settings of this process: the file that is named, or that `SWITCHBOARD_CONFIG` names, or
    /// `./switchboard.toml`; then the environment.
    ///
    /// # Errors
    /// One sentence that names the key, where it came from, and what to do.
    pub fn load(file: Option<&std::path::Path>) -> Result<Self, ConfigError> {
        Self::read(&Sources::of_process(file)?)
    }

    /// Reads the settings of these sources.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn read(sources: &Sources) -> Result<Self, ConfigError> {
        let merged = layers::merge(sources)?;
        check::check(&merged)?;
        let mut config: Self = merged.table.clone().try_into().map_err(|error: toml::de::Error| {
            merged.error(
                "(unnamed)",
                &format!("cannot be read ({})", error.message()),
                "compare it with config.default.toml",
            )
        })?;
        let vendors = &mut config.vendors;
        let addresses = [
            &mut vendors.telegram,
            &mut vendors.telegram_bot,
            &mut vendors.waba,
            &mut vendors.vk,
            &mut vendors.vk_notify,
            &mut vendors.avito,
            &mut vendors.email,
            &mut vendors.whatsapp_web,
        ];
        let ours = [&mut config.server.public_url, &mut config.telegram_bot.local_server];
        for address in addresses.into_iter().chain(ours) {
            *address = address.trim_end_matches('/').to_owned();
        }
        Ok(config)
    }

    /// How long one call of a vendor may take.
    #[must_use]
    pub const fn call_deadline(&self) -> Duration {
        Duration::from_secs(self.vendors.call_s)
    }

    /// Whether the database is PostgreSQL.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        self.database.url.starts_with("postgres://") || self.database.url.starts_with("postgresql://")
    }
}

fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<SecretString, D::Error> {
    String::deserialize(from).map(SecretString::from)
}

fn secrets<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<SecretString>, D::Error> {
    Ok(Vec::<String>::deserialize(from)?.into_iter().map(SecretString::from).collect())
}

fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    texts.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect()
}

#[cfg(test)]
mod tests;

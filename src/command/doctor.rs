//! `switchboard doctor`: what is wrong, and how to mend it.

mod bots;
mod files;
mod gateway;
mod mail;
mod wire;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::app::keys;
use crate::config::{Config, ConfigError};
use crate::messenger;
use crate::model::clock::{Clock as _, SystemClock};
use crate::model::moment::Moment;
use crate::net::http::{Http, Limits, Reply};
use crate::serve::store_options;
use crate::store::{self, connect, state};

/// Looks at everything that a server needs, and says what to mend. Ends with an error code where something is wrong.
///
/// Looks at: the settings, the keys, the database and its tables, where files lie, the clock against that of the database and of vendors, the
/// public address, the mail server, whether vendors can be reached, and whether bots still post to this server. Leaves everything as it was.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Asks only whether the server on this machine answers: for health checks of containers.
    #[arg(long)]
    live: bool,
}

/// A clock that is further off spoils signatures, windows and tokens.
const CLOCK_OFF_MS: i64 = 5_000;

/// What one look found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    what: String,
    seen: String,
    mend: Option<String>,
}

impl Doctor {
    pub(super) fn run(&self, settings: Result<Config, ConfigError>) -> anyhow::Result<ExitCode> {
        let config = match settings {
            Ok(config) => config,
            Err(error) => {
                report(&[bad("settings", &error.problem, &error.to_string())]);
                return Ok(ExitCode::FAILURE);
            }
        };
        let limits = Limits { deadline: Duration::from_secs(8), body: 64 << 10 };
        let http = Arc::new(Http::with_limits(limits)?);
        let findings = super::runtime()?.block_on(async {
            if self.live {
                return vec![live(&http, &config).await];
            }
            let mut findings = vec![good("settings", "every key is known")];
            findings.push(look_at_keys(&config));
            findings.extend(look_at_database(&config));
            findings.push(files::look(&config).await);
            findings.push(look_at_address(&http, &config).await);
            findings.extend(mail::look(&http, &config).await);
            findings.extend(look_at_vendors(&http, &config).await);
            findings
        });
        report(&findings);
        let well = findings.iter().all(|finding| finding.mend.is_none());
        Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn report(findings: &[Finding]) {
    for Finding { what, seen, mend } in findings {
        match mend {
            None => super::tell(&format!("ok     {what}: {seen}")),
            Some(mend) => super::tell(&format!("wrong  {what}: {seen}\n       {mend}")),
        }
    }
}

fn good(what: &str, seen: &str) -> Finding {
    Finding { what: what.to_owned(), seen: seen.to_owned(), mend: None }
}

fn bad(what: &str, seen: &str, mend: &str) -> Finding {
    Finding { what: what.to_owned(), seen: seen.to_owned(), mend: Some(mend.to_owned()) }
}

fn look_at_keys(config: &Config) -> Finding {
    let file = keys::file(config);
    if config.keys.is_empty() && file.as_ref().is_some_and(|file| !file.exists()) {
        return good("keys", "a key file is made at the first start");
    }
    match keys::keyring(config) {
        Ok(_) => good("keys", "secrets can be sealed"),
        Err(error) => bad("keys", "secrets cannot be sealed", &error.to_string()),
    }
}

fn look_at_database(config: &Config) -> Vec<Finding> {
    let options = store_options(config);
    if !options.is_postgres() && !std::path::Path::new(options.sqlite_path()).exists() {
        return vec![good("database", "the file is made at the first start")];
    }
    let mut conn = match connect(&options) {
        Ok(conn) => conn,
        Err(error) => {
            let mend = "check database.url, and that the database runs and lets this user in";
            return vec![bad("database", &error.to_string(), mend)];
        }
    };
    let mut findings = vec![good("database", "it answers")];
    findings.push(match state::is_behind(&options) {
        Ok(false) => good("tables", "up to date"),
        Ok(true) => bad("tables", "older than this version", "run `switchboard migrate`, or start the server"),
        Err(error) => bad("tables", &error.to_string(), "check the rights of the user on the database"),
    });
    findings.extend(compare(state::clock_ms(&mut conn), "clock of the database"));
    findings
}

fn compare(theirs: store::Result<Option<i64>>, what: &str) -> Option<Finding> {
    let theirs = theirs.ok().flatten()?;
    Some(clock_finding(what, SystemClock::new().now().since_ms(Moment(theirs)), CLOCK_OFF_MS))
}

fn clock_finding(what: &str, off_ms: i64, allowed_ms: i64) -> Finding {
    if off_ms.abs() <= allowed_ms {
        return good(what, "agrees with ours");
    }
    let seen = format!("differs from ours by {} s", off_ms / 1000);
    bad(what, &seen, "set the clock of this machine by a time server, as `timedatectl set-ntp true` does")
}

async fn live(http: &Http, config: &Config) -> Finding {
    let mut listen = config.server.listen;
    if listen.ip().is_unspecified() {
        listen.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    match get(http, &format!("http://{listen}/health/live")).await {
        Ok(reply) if reply.status == 200 => good("server", "it answers"),
        Ok(reply) => bad("server", &format!("it answers {}", reply.status), "look into its log"),
        Err(seen) => bad("server", &seen, "start it with `switchboard serve`"),
    }
}

async fn look_at_address(http: &Http, config: &Config) -> Finding {
    let (what, url) = ("public address", &config.server.public_url);
    if url.is_empty() {
        let mend = "set server.public_url to the https address under which portals and messengers reach this server";
        return bad(what, "not set", mend);
    }
    match get(http, &format!("{url}/health/live")).await {
        Ok(reply) if reply.status == 200 && reply.json().get("live").is_some() => {
            if url.starts_with("https://") {
                return good(what, "leads to a Switchboard");
            }
            bad(
                what,
                "leads to a Switchboard, without TLS",
                "vendors ask for https: put a proxy with a certificate in front",
            )
        }
        Ok(reply) => {
            let seen = format!("answers {} and is no Switchboard", reply.status);
            bad(what, &seen, "let the proxy in front pass everything to server.listen")
        }
        Err(seen) => bad(what, &seen, "start the server, and check the name, the proxy in front and the firewall"),
    }
}

async fn look_at_vendors(http: &Arc<Http>, config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for messenger in messenger::catalogue() {
        let about = messenger.about();
        let configured = match about.kind.slug() {
            "telegram" => config.vendors.telegram.as_str(),
            "telegram_bot" if !config.telegram_bot.local_server.is_empty() => config.telegram_bot.local_server.as_str(),
            "telegram_bot" => config.vendors.telegram_bot.as_str(),
            "waba" => config.vendors.waba.as_str(),
            "vk" => config.vendors.vk.as_str(),
            "avito" => config.vendors.avito.as_str(),
            "vk_notify" => config.vendors.vk_notify.as_str(),
            "whatsapp_web" => {
                let set = config.vendors.whatsapp_web.as_str();
                let address = if set.is_empty() { about.vendor } else { set };
                findings.extend(gateway::look(http, config, address).await);
                continue;
            }
            _ => "",
        };
        let address = if configured.is_empty() { about.vendor } else { configured };
        if address.is_empty() {
            // each mailbox names its own servers
            continue;
        }
        findings.extend(look_at_vendor(http, about.title.1, address).await);
        if messenger.tells_where() {
            findings.extend(bots::look(http, config, address).await);
        }
    }
    findings.extend(match config.vendors.oauth_hosts.first() {
        Some(host) if config.vendors.allow_http => look_at_vendor(http, "Bitrix24", &format!("http://{host}/")).await,
        _ => look_at_vendor(http, "Bitrix24", "https://oauth.bitrix24.tech/").await,
    });
    findings
}

/// Any answer will do: the vendor is there. Its Date header tells the time to the second.
async fn look_at_vendor(http: &Http, name: &str, address: &str) -> Vec<Finding> {
    let reply = match get(http, address).await {
        Ok(reply) => reply,
        Err(seen) => {
            return vec![bad(
                name,
                &seen,
                "let this machine call out to the internet on port 443, and check its name server",
            )];
        }
    };
    let mut findings = vec![good(name, "can be reached")];
    let date = reply.header("date").and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok());
    if let Some(date) = date {
        let off_ms = SystemClock::new().now().since_ms(Moment(date.timestamp_millis()));
        findings.push(clock_finding(&format!("clock of {name}"), off_ms, CLOCK_OFF_MS + 1_000));
    }
    findings
}

async fn get(http: &Http, url: &str) -> Result<Reply, String> {
    http.call(http.client().get(url), http.limits()).await.map_err(crate::net::http::CallError::seen)
}

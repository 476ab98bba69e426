//! What values must be, key by key. Values themselves are not repeated in the sentences: some of them are secrets.

use std::net::SocketAddr;

use ipnet::IpNet;
use toml::Value;
use url::Url;

use super::ConfigError;
use super::layers::Merged;

/// Whole numbers: the smallest and the largest.
const RANGES: &[(&str, i64, i64)] = &[
    ("server.workers", 0, 256),
    ("server.request_limit_mb", 1, 64),
    ("server.stop_s", 1, 3600),
    ("server.token_hours", 1, 87_600),
    ("database.readers", 1, 512),
    ("database.writers", 1, 64),
    ("outbox.claim_ahead_ms", 0, 1000),
    ("outbox.lane_flights", 1, 1000),
    ("outbox.claim_size", 1, 10_000),
    ("outbox.portal_batch", 1, 50),
    ("outbox.longest_pause_s", 1, 86_400),
    ("outbox.default_ttl_hours", 1, 8760),
    ("outbox.robot_margin_s", 0, 86_400),
    ("outbox.status_delay_ms", 0, 60_000),
    ("pace.from_ms", 0, 86_400_000),
    ("pace.to_ms", 0, 86_400_000),
    ("pace.live_ms", -1, 3_600_000),
    ("pace.portal_per_second", 1, 1000),
    ("pace.portal_burst", 1, 10_000),
    ("vendors.call_s", 1, 600),
    ("mail.port", 1, 65_535),
    ("notices.flap_minutes", 0, 1440),
    ("limits.sign_ins_per_minute", 1, 10_000),
    ("limits.requests_per_second", 1, 100_000),
    ("limits.requests_burst", 1, 1_000_000),
    ("limits.phone_checks_per_day", 0, 10_000),
    ("keep.messages_days", 0, 36_500),
    ("keep.hooks_days", 1, 36_500),
    ("keep.deliveries", 0, 10_000_000),
    ("keep.deliveries_hours", 1, 87_600),
    ("keep.delivery_kb", 1, 16_384),
    ("keep.keys_days", 1, 36_500),
    ("keep.files_days", 0, 36_500),
    ("files.largest_mb", 1, 4096),
    ("files.link_minutes", 1, 10_080),
    ("files.fetches", 1, 64),
];

/// One of a few words.
const CHOICES: &[(&str, &[&str])] = &[
    ("log.format", &["json", "text"]),
    ("mail.security", &["ssl", "starttls", "none"]),
    ("notices.language", &["ru", "en"]),
];

/// Addresses; they may be empty.
const ADDRESSES: &[&str] = &[
    "server.public_url",
    "vendors.telegram",
    "vendors.telegram_bot",
    "vendors.waba",
    "vendors.whatsapp_web",
    "vendors.vk",
    "vendors.avito",
    "vendors.vk_notify",
    "vendors.email",
    "files.endpoint",
    "telegram_bot.local_server",
];

/// Texts that must look so.
type Form = (&'static str, fn(&str) -> bool, &'static str, &'static str);

const FORMS: &[Form] = &[
    ("server.listen", is_socket, "is not an address with a port", "write it as 127.0.0.1:8080"),
    ("database.url", is_database, "names no database", "write sqlite:<path> or postgres://user:password@host/name"),
    ("region", is_region, "is not a country", "write two capital letters, as RU"),
    ("telegram.api_id", is_number, "is not a number", "write the digits that my.telegram.org shows, or nothing"),
    ("log.level", is_filter, "is not a filter", "write error, warn, info, debug or trace"),
];

/// Lists whose entries must look so.
const LISTS: &[Form] = &[
    (
        "keys",
        is_key,
        "holds something that is not a key",
        "write <number>:<64 hexadecimal digits>; `switchboard keys` prints one",
    ),
    ("vendors.allow_networks", is_network, "holds something that is not a network", "write networks as 10.0.0.0/8"),
    ("vendors.oauth_hosts", is_host, "holds something that is not a host", "write host or host:port, without https://"),
];

/// Checks every key that can be wrong.
pub(super) fn check(merged: &Merged) -> Result<(), ConfigError> {
    check_numbers(merged)?;
    if !text(merged, "mail.server").is_empty() && !is_mailbox(text(merged, "mail.from")) {
        return Err(merged.error("mail.from", "is not an e-mail address", "write it as switchboard@example.com"));
    }
    check_bucket(merged)?;
    if !text(merged, "telegram_bot.local_server").is_empty()
        && !std::path::Path::new(text(merged, "telegram_bot.local_folder")).is_absolute()
    {
        let remedy =
            "name the folder in which the server of telegram_bot.local_server lays files, as /var/lib/telegram-bot-api";
        return Err(merged.error("telegram_bot.local_folder", "is not the whole path of a folder", remedy));
    }
    for (key, words) in CHOICES {
        if !words.contains(&text(merged, key)) {
            return Err(merged.error(key, "is none of its words", &format!("write {}", words.join(" or "))));
        }
    }
    for key in ADDRESSES {
        if !text(merged, key).is_empty() && !is_address(text(merged, key)) {
            return Err(merged.error(key, "is not an address", "write it as https://switchboard.example.com"));
        }
    }
    for (key, good, problem, remedy) in FORMS {
        if !good(text(merged, key)) {
            return Err(merged.error(key, problem, remedy));
        }
    }
    for (key, good, problem, remedy) in LISTS {
        let list = merged.get(key).and_then(Value::as_array);
        if !list.into_iter().flatten().all(|entry| entry.as_str().is_some_and(good)) {
            return Err(merged.error(key, problem, remedy));
        }
    }
    Ok(())
}

fn check_numbers(merged: &Merged) -> Result<(), ConfigError> {
    for (key, least, most) in RANGES {
        let number = merged.get(key).and_then(Value::as_integer).unwrap_or_default();
        if number < *least || number > *most {
            let remedy = format!("write a number from {least} to {most}");
            return Err(merged.error(key, "is out of range", &remedy));
        }
    }
    let number = |key| merged.get(key).and_then(Value::as_integer).unwrap_or_default();
    if number("pace.to_ms") < number("pace.from_ms") {
        return Err(merged.error("pace.to_ms", "is below pace.from_ms", "write the longer gap here"));
    }
    Ok(())
}

/// A bucket needs what it is opened with, and there is one place for content.
fn check_bucket(merged: &Merged) -> Result<(), ConfigError> {
    if text(merged, "files.bucket").is_empty() {
        return Ok(());
    }
    if !text(merged, "files.folder").is_empty() {
        return Err(merged.error("files.folder", "is set beside files.bucket", "leave one of them empty"));
    }
    for key in ["files.region", "files.access_key", "files.secret_key"] {
        if text(merged, key).is_empty() {
            return Err(merged.error(key, "is empty", "the bucket of files.bucket is opened with it"));
        }
    }
    Ok(())
}

fn text<'a>(merged: &'a Merged, key: &str) -> &'a str {
    merged.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn is_address(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "https" | "http")
            && url.host_str().is_some()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
    })
}

fn is_mailbox(text: &str) -> bool {
    let Some((user, domain)) = text.rsplit_once('@') else { return false };
    let odd = |c: char| c.is_control() || c.is_whitespace() || "<>()[],;:\\\"".contains(c);
    !user.is_empty() && domain.contains('.') && !text.chars().any(odd)
}

fn is_socket(text: &str) -> bool {
    text.parse::<SocketAddr>().is_ok()
}

fn is_database(text: &str) -> bool {
    let path = text.strip_prefix("sqlite:");
    path.is_some_and(|path| !path.is_empty()) || text.starts_with("postgres://") || text.starts_with("postgresql://")
}

fn is_number(text: &str) -> bool {
    text.is_empty() || text.parse::<i32>().is_ok_and(|number| number > 0)
}

fn is_region(text: &str) -> bool {
    text.len() == 2 && text.chars().all(|c| c.is_ascii_uppercase())
}

fn is_filter(text: &str) -> bool {
    text.split(',').all(|part| {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
        ["off", "error", "warn", "info", "debug", "trace"].contains(&level)
    })
}

fn is_key(text: &str) -> bool {
    text.split_once(':').is_some_and(|(number, digits)| {
        number.parse::<u32>().is_ok() && digits.len() == 64 && digits.chars().all(|c| c.is_ascii_hexdigit())
    })
}

fn is_network(text: &str) -> bool {
    text.parse::<IpNet>().is_ok()
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && !text.contains('/') && Url::parse(&format!("https://{text}/")).is_ok()
}

//! Bots that are attached: whether Telegram still posts to this server.

use std::sync::Arc;

use super::{Finding, bad, good, wire};
use crate::app::keys;
use crate::config::Config;
use crate::flow::overtaken::{host_of, is_ours};
use crate::messenger::{self, Wire};
use crate::model::message::Kind;
use crate::model::vendor::Answer;
use crate::net::http::Http;
use crate::serve::store_options;
use crate::store::connect;
use crate::store::row::ChannelRow;

const WHAT: &str = "Telegram bots";

/// So many are looked at.
const MOST: i64 = 100;

/// Asks Telegram where each bot posts to; none where no bot is attached, or where the database or the keys are what is wrong.
pub(super) async fn look(http: &Arc<Http>, config: &Config, vendor: &str) -> Vec<Finding> {
    let options = store_options(config);
    if !options.is_postgres() && !std::path::Path::new(options.sqlite_path()).exists() {
        return Vec::new();
    }
    let (Ok(mut conn), Ok(ring), Ok(bare)) =
        (connect(&options), keys::keyring(config), wire::bare(config, http, vendor))
    else {
        return Vec::new();
    };
    let kind = Kind::TelegramBot;
    let Some(messenger) = messenger::of(kind) else { return Vec::new() };
    let rows = crate::on!(&mut conn, channel::connected(kind.slug(), "", MOST));
    let (mut findings, mut well) = (Vec::new(), 0_usize);
    for row in rows.unwrap_or_default() {
        let Some(secrets) = ring.open(&format!("channels:{}", row.id), &row.secrets) else { continue };
        let (title, ours) = (title(&row), row.hook_key.as_str());
        match messenger.posts_to(&Wire { secrets, ..bare.clone() }).await {
            Ok(url) if is_ours(&url, ours) => well += 1,
            Ok(url) if url.is_empty() => findings.push(bad(
                &title,
                "Telegram posts to nobody: the webhook was taken away",
                "another program took it; attach the bot again in the cabinet, and let no other program use its token",
            )),
            Ok(url) => findings.push(bad(
                &title,
                &format!("Telegram posts to {}", host_of(&url)),
                "switch that program off, or give it a bot of its own; then attach the bot again in the cabinet",
            )),
            Err(Answer::Expired { seen }) => {
                findings.push(bad(&title, &seen, "the token is refused: attach the bot again in the cabinet"));
            }
            // that Telegram cannot be reached is said already
            Err(_) => {}
        }
    }
    if well > 0 {
        findings.push(good(WHAT, &format!("{well} post to this server")));
    }
    findings
}

fn title(row: &ChannelRow) -> String {
    let settings: serde_json::Value = serde_json::from_str(&row.settings).unwrap_or_default();
    let name = settings.get("address").and_then(serde_json::Value::as_str).unwrap_or_default();
    format!("Telegram bot {name}")
}

//! A bot posts to one address. Where another program told it another one, the channel goes on sending and hears nothing, which nobody
//! would notice: so vendors that tell where they post to are asked now and then.

use crate::app::App;
use crate::flow::herald::{self, Word};
use crate::flow::{health, perform};
use crate::messenger;
use crate::model::id::{ChannelId, CompanyId};
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::store::outbox::Accepted;
use crate::store::row::ChannelRow;
use crate::store::{Conn, Result};

/// People are told once in so long, in milliseconds.
const TELL_MS: i64 = 24 * 3_600_000;

/// So many channels are read at once.
const PAGE: i64 = 200;

/// Asks for every channel that can be asked whether its vendor still posts to us. A vendor that does not answer is asked next time.
///
/// # Errors
/// Those of the store.
pub async fn round(app: &App) -> Result<()> {
    for messenger in messenger::catalogue().iter().filter(|messenger| messenger.tells_where()) {
        let (kind, mut after) = (messenger.about().kind.slug(), String::new());
        loop {
            let from = after.clone();
            let rows = app.store.read(move |conn| crate::on!(conn, channel::connected(kind, &from, PAGE))).await?;
            for row in &rows {
                look(app, *messenger, row).await?;
            }
            match rows.last() {
                Some(last) => after.clone_from(&last.id),
                None => break,
            }
        }
    }
    Ok(())
}

async fn look(app: &App, messenger: &dyn messenger::Messenger, row: &ChannelRow) -> Result<()> {
    let wire = perform::wire(app, row)?;
    if wire.webhook_url.is_empty() {
        return Ok(());
    }
    let Ok(url) = messenger.posts_to(&wire).await else { return Ok(()) };
    if is_ours(&url, &wire.webhook_url) {
        return Ok(());
    }
    let (inner, row, now) = (app.clone(), row.clone(), app.clock.now());
    let lane = row.lane;
    let told = app.store.write(move |conn| tell(&inner, conn, &row, &host_of(&url), now)).await?;
    app.bell.accepted(told);
    app.bell.seen(lane);
    Ok(())
}

/// Whether an address is that of our channel. The key alone is compared: the server may have got another name since.
#[must_use]
pub fn is_ours(url: &str, ours: &str) -> bool {
    let key = |url: &str| url.rsplit('/').next().unwrap_or_default().to_owned();
    !url.is_empty() && key(url) == key(ours)
}

/// The host of an address, which alone is told: what stands behind it may be somebody's secret. Empty where there is no address.
#[must_use]
pub fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    host.rsplit_once('@').map_or(host, |(_, host)| host).chars().take(100).collect()
}

fn tell(app: &App, conn: &mut Conn, row: &ChannelRow, host: &str, now: Moment) -> Result<Vec<Accepted>> {
    let (Ok(id), Ok(company)) = (row.id.parse::<ChannelId>(), row.company.parse::<CompanyId>()) else {
        return Ok(Vec::new());
    };
    let to = if host.is_empty() { "—" } else { host };
    health::failed(conn, id, Code::WebhookTaken, to, now)?;
    if crate::on!(conn, company_event::has(company, health::OVERTAKEN, &row.id, now.plus_ms(-TELL_MS).0))? {
        return Ok(Vec::new());
    }
    tracing::warn!(channel = row.id, host, "a vendor posts to another program than this one");
    health::overtaken(conn, row, to, now)?;
    herald::tell(app, conn, row, &Word::Overtaken { host: host.to_owned() }, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_ours_by_its_key_and_told_by_its_host() {
        let ours = "https://new.example/hook/telegram_bot/k1";
        assert!(is_ours("https://old.example/hook/telegram_bot/k1", ours));
        for other in ["", "https://other.example/", "https://old.example/hook/telegram_bot/k2"] {
            assert!(!is_ours(other, ours), "{other}");
        }
        assert_eq!(host_of("https://user:secret@other.example:8443/tg/123:AAA?x"), "other.example:8443");
        assert_eq!(host_of(""), "");
    }
}

//! What messengers posted, as it came: kept for a look when something went wrong, and forgotten soon.
//!
//! It is kept in the transaction that writes down what was read in it. A delivery holds words of customers and secrets of the
//! channel, so it is sealed; whoever looks at it does not see the secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::App;
use crate::flow::credentials;
use crate::messenger::Delivery;
use crate::model::id::{ChannelId, CompanyId};
use crate::store::Result;
use crate::store::row::{ChannelRow, DeliveryRow, NewDelivery, text};

/// So many are shown at once.
const PAGE: i64 = 50;

/// The longest query and the longest headers that are kept, in bytes: nobody's are as long.
const HEAD: usize = 8 << 10;

/// So many are forgotten at once: the writer is not kept from its work.
const AT_ONCE: i64 = 2_000;

/// What stands in the place of a secret.
const MASK: &str = "•••";

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DeliveryOutcome)]
pub enum Outcome {
    /// What was read in it is worked.
    Taken,
    /// The channel is switched off: it is only kept.
    Off,
    /// The bytes are not what the vendor sends.
    Unreadable,
    /// It also speaks of accounts that are none of this company's: its body is not kept.
    Mixed,
}

impl Outcome {
    const fn slug(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Off => "off",
            Self::Unreadable => "unreadable",
            Self::Mixed => "mixed",
        }
    }

    fn of(slug: &str) -> Self {
        let all = [Self::Off, Self::Unreadable, Self::Mixed];
        all.into_iter().find(|outcome| outcome.slug() == slug).unwrap_or(Self::Taken)
    }
}

/// A delivery as it is sealed.
#[derive(Debug, Serialize, Deserialize)]
struct Whole {
    method: String,
    query: String,
    headers: Vec<(String, String)>,
    body: String,
    /// The body is no text, and stands here in base64.
    binary: bool,
}

/// A delivery in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DeliveryOut {
    /// Its number, which only rises.
    pub n: i64,
    /// When it came.
    pub received_at: i64,
    /// What became of it.
    pub outcome: Outcome,
    /// Bytes of its body, as it came.
    pub size: i64,
    /// Whether less of it is kept.
    pub cut: bool,
    /// Events that were read in it.
    pub events: i32,
}

/// A delivery as it came, without the channel's secrets.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DeliveryWhole {
    /// What stands in the list.
    #[serde(flatten)]
    pub about: DeliveryOut,
    /// `GET` or `POST`.
    pub method: String,
    /// What stood behind the address.
    pub query: String,
    /// The headers, by name and value.
    pub headers: Vec<DeliveryHeader>,
    /// The body.
    pub body: String,
    /// The body is no text, and stands here in base64.
    pub binary: bool,
}

/// A header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeliveryHeader {
    /// Its name, in lower case.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A delivery as it is to be kept; none where the settings keep none.
///
/// # Errors
/// Where it has no JSON form.
pub fn row(
    app: &App,
    channel: &ChannelRow,
    delivery: &Delivery<'_>,
    outcome: Outcome,
    events: usize,
) -> Result<Option<NewDelivery>> {
    let keep = &app.config.keep;
    if keep.deliveries == 0 {
        return Ok(None);
    }
    let most = usize::try_from(keep.delivery_kb).unwrap_or_default() << 10;
    let kept = if outcome == Outcome::Mixed { &[][..] } else { delivery.body.get(..most).unwrap_or(delivery.body) };
    let (body, binary) = readable(kept, kept.len() < delivery.body.len());
    let mut room = HEAD;
    let fits = |(name, value): &&(String, String)| {
        room = room.saturating_sub(name.len() + value.len());
        room > 0
    };
    let whole = Whole {
        method: delivery.method.to_owned(),
        query: short(delivery.query, HEAD).to_owned(),
        headers: delivery.headers.iter().take_while(fits).cloned().collect(),
        body,
        binary,
    };
    let sealed = credentials::seal(app, "deliveries", &channel.id, &SecretString::from(text(&whole)?));
    Ok(Some(NewDelivery {
        company: channel.company.clone(),
        channel: channel.id.clone(),
        outcome: outcome.slug().to_owned(),
        size: i64::try_from(delivery.body.len()).unwrap_or(i64::MAX),
        cut: kept.len() < delivery.body.len(),
        events: i32::try_from(events).unwrap_or(i32::MAX),
        sealed,
        received_at: app.clock.now().0,
    }))
}

/// Bytes as text. Where they were cut, a letter may be cut too.
fn readable(bytes: &[u8], cut: bool) -> (String, bool) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), false),
        Err(error) if cut && error.error_len().is_none() => {
            (String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default()).into_owned(), false)
        }
        Err(_) => (BASE64.encode(bytes), true),
    }
}

fn short(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// The newest deliveries of a channel before a number; none where the company has no such channel.
///
/// # Errors
/// Those of the store.
pub(crate) async fn list(
    app: &App,
    company: CompanyId,
    channel: ChannelId,
    before: Option<i64>,
) -> Result<Option<Vec<DeliveryOut>>> {
    app.store
        .read(move |conn| {
            if crate::on!(conn, channel::by_id(company, channel))?.is_none() {
                return Ok(None);
            }
            let rows = crate::on!(conn, delivery::of_channel(company, channel, before.unwrap_or(i64::MAX), PAGE))?;
            Ok(Some(rows.iter().map(about).collect()))
        })
        .await
}

/// One delivery of a channel, without the channel's secrets; none where it is not kept.
///
/// # Errors
/// Those of the store.
pub(crate) async fn show(app: &App, company: CompanyId, channel: ChannelId, n: i64) -> Result<Option<DeliveryWhole>> {
    let found = app
        .store
        .read(move |conn| {
            let row = crate::on!(conn, delivery::find(company, channel, n))?;
            Ok(row.zip(crate::on!(conn, channel::by_id(company, channel))?))
        })
        .await?;
    let Some((row, channel)) = found else { return Ok(None) };
    let opened = credentials::open(app, "deliveries", &row.channel, &row.sealed)?;
    let whole: Whole = crate::store::row::value("deliveries", opened.expose_secret())?;
    let secrets = credentials::open(app, "channels", &channel.id, &channel.secrets)?;
    let mut secrets = secrets_in(&secrets);
    secrets.push(channel.hook_key);
    let masked = |text: &str| secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, MASK));
    Ok(Some(DeliveryWhole {
        about: about(&row),
        method: whole.method,
        query: masked(&whole.query),
        headers: whole
            .headers
            .iter()
            .map(|(name, value)| DeliveryHeader { name: name.clone(), value: masked(value) })
            .collect(),
        body: masked(&whole.body),
        binary: whole.binary,
    }))
}

fn about(row: &DeliveryRow) -> DeliveryOut {
    DeliveryOut {
        n: row.n,
        received_at: row.received_at,
        outcome: Outcome::of(&row.outcome),
        size: row.size,
        cut: row.cut,
        events: row.events,
    }
}

/// The texts among a channel's secrets. Short ones are codes, and would be found in other words too.
fn secrets_in(secrets: &SecretString) -> Vec<String> {
    let all: Value = serde_json::from_str(secrets.expose_secret()).unwrap_or_default();
    let mut found: Vec<String> = all
        .as_object()
        .into_iter()
        .flat_map(serde_json::Map::values)
        .filter_map(Value::as_str)
        .filter(|secret| secret.len() >= 8)
        .map(str::to_owned)
        .collect();
    // a longer one that holds a shorter one goes first
    found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    found
}

/// Forgets a few of the oldest deliveries, where they are too old or too many. Called every moment by the keeper: the writer is
/// asked only where there is something to forget.
///
/// # Errors
/// Those of the store.
pub async fn forget(app: &App) -> Result<()> {
    let keep = &app.config.keep;
    let before = app.clock.now().plus_ms(-keep.deliveries_hours.saturating_mul(3_600_000)).0;
    let most = keep.deliveries;
    let spent = app.store.read(move |conn| crate::on!(conn, delivery::spent(before, most, AT_ONCE))).await?;
    if let Some(up_to) = spent {
        app.store.write(move |conn| crate::on!(conn, delivery::forget(up_to))).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_body_stays_text_and_other_bytes_are_told_as_such() {
        let text = "Здравствуйте".as_bytes();
        assert_eq!(readable(text, false), ("Здравствуйте".to_owned(), false));
        assert_eq!(readable(&text[..5], true), ("Зд".to_owned(), false));
        assert_eq!(readable(&[0xff, 0xfe], true), ("//4=".to_owned(), true));
        assert_eq!((short("аб", 3), short("аб", 9), short("", 0)), ("а", "аб", ""));
    }

    #[test]
    fn what_is_hidden_are_the_secrets_and_no_short_codes() {
        let all =
            SecretString::from(r#"{"token": "100200300:AAAA", "pin": "123456", "secret": "vk-secret-77", "at": 5}"#);
        assert_eq!(secrets_in(&all), ["100200300:AAAA", "vk-secret-77"]);
    }
}

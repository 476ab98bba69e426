//! Intake: a delivery is verified and written down before anything clever is done with it.

use secrecy::SecretString;
use serde_json::Value;

use crate::app::App;
use crate::crm::bitrix24::event::{Auth, token_matches};
use crate::flow::delivery::{self, Outcome};
use crate::flow::{credentials, perform};
use crate::messenger::{self, Delivery, NotTaken, Received};
use crate::model::id::HookId;
use crate::model::message::{Event, Kind};
use crate::model::php_form::without_zeros;
use crate::net::signature::same_secret;
use crate::store::row::{ChannelRow, NewDelivery, NewHook, PortalRow, text, value};
use crate::store::{Result, StoreError};

/// Why a delivery was not taken.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// Nobody knows the portal or channel.
    #[error("nobody here knows the sender of this delivery")]
    Unknown,
    /// The proof is missing or wrong.
    #[error("the proof of origin is missing or wrong")]
    Forged,
    /// The bytes are not what the vendor sends.
    #[error("the delivery cannot be read: {0}")]
    Unreadable(String),
    /// The vendor wants a proof, and does not tell it to us.
    #[error("the vendor does not tell the proof that it asks for: {0}")]
    Unproven(String),
    /// It could not be written down: the vendor may try again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The state of a delivery that is not worked.
const REFUSED: i16 = 2;

/// Why a delivery to a channel that is off is not worked.
const OFF: &str = "the channel is switched off";

/// The portal that a delivery of Bitrix24 names, if the delivery proves that it comes from there. `path_key` is the secret
/// part of our address, which stands in for the token where the portal sends none (`messageservice`, messages without an
/// author).
///
/// # Errors
/// [`IntakeError`].
pub(crate) async fn portal(app: &App, auth: &Auth, path_key: Option<&str>) -> Result<PortalRow, IntakeError> {
    let row = known_portal(app, &auth.member_id).await?.ok_or(IntakeError::Unknown)?;
    // a lost portal still speaks: its robots may even bring the tokens that it lacks
    if path_key.is_some_and(|key| !same_secret(key, &row.hook_key)) || row.state == "uninstalled" {
        return Err(IntakeError::Forged);
    }
    let by_path = path_key.is_some() && auth.application_token.is_none();
    let stored = if row.application_token.is_empty() {
        SecretString::from(String::new())
    } else {
        credentials::open(app, "portals", &row.id, &row.application_token)?
    };
    if by_path || token_matches(&stored, auth.application_token.as_ref()) { Ok(row) } else { Err(IntakeError::Forged) }
}

async fn known_portal(app: &App, member_id: &str) -> Result<Option<PortalRow>> {
    let tick = app.clock.tick();
    if let Some(row) = app.known.portal(member_id, tick) {
        return Ok(Some(row));
    }
    let member = member_id.to_owned();
    let row = app.store.read(move |conn| crate::on!(conn, portal::by_member(&member))).await?;
    if let Some(row) = &row {
        app.known.keep_portal(row.clone(), tick);
    }
    Ok(row)
}

/// Writes a delivery of a portal down, without the tokens that it carries. Tells whether it is news.
///
/// # Errors
/// Those of the store.
pub(crate) async fn write_portal(app: &App, source: &str, portal: &PortalRow, key: &str, form: &Value) -> Result<bool> {
    let hook = NewHook {
        id: HookId::new().to_string(),
        source: source.to_owned(),
        owner: portal.id.clone(),
        key: key_of(key),
        body: Some(text(&without_tokens(form))?),
        state: 0,
        attempts: 0,
        received_at: app.clock.now().0,
    };
    write(app, vec![hook], None).await.map(|news| news > 0)
}

/// Writes an event of an application's life down. It brings tokens, so its body is sealed.
///
/// # Errors
/// Those of the store.
pub(crate) async fn write_event(app: &App, member_id: &str, key: &str, form: &Value) -> Result<bool> {
    let id = HookId::new().to_string();
    let body = SecretString::from(text(form)?);
    let hook = NewHook {
        source: "b24_event".to_owned(),
        owner: format!("member:{member_id}"),
        key: key_of(key),
        body: Some(credentials::seal(app, "hooks", &id, &body)),
        state: 0,
        attempts: 0,
        received_at: app.clock.now().0,
        id,
    };
    write(app, vec![hook], None).await.map(|news| news > 0)
}

/// Takes a delivery of a messenger: verifies it, writes its events down, and says what the vendor wants to hear.
///
/// # Errors
/// [`IntakeError`].
pub(crate) async fn messenger(
    app: &App,
    hook_key: &str,
    delivery: &Delivery<'_>,
) -> Result<messenger::Reply, IntakeError> {
    if hook_key.contains('\0') {
        return Err(IntakeError::Unknown);
    }
    let key = hook_key.to_owned();
    let channel = app.store.read(move |conn| crate::on!(conn, channel::by_hook_key(&key))).await?;
    let channel = channel.ok_or(IntakeError::Unknown)?;
    let received = match receive(app, &channel, delivery) {
        Err(unreadable @ IntakeError::Unreadable(_)) => {
            let kept = delivery::row(app, &channel, delivery, Outcome::Unreadable, 0)?;
            write(app, Vec::new(), kept).await?;
            return Err(unreadable);
        }
        received => received?,
    };
    let mut hooks = taken(app, &channel, &received.events)?;
    let mut outcome = if channel.state == "off" { Outcome::Off } else { Outcome::Taken };
    for account in received.elsewhere {
        let kind = channel.messenger.clone();
        let other = app.store.read(move |conn| crate::on!(conn, channel::by_account(&kind, &account))).await?;
        // what is said of somebody else is no business of whoever looks at this channel
        if other.as_ref().is_none_or(|other| other.company != channel.company) {
            outcome = Outcome::Mixed;
        }
        // one delivery of Meta may speak of several numbers; each is proven by its own channel's secret
        if let Some(other) = other
            && let Ok(received) = receive(app, &other, delivery)
        {
            hooks.extend(taken(app, &other, &received.events)?);
        }
    }
    let kept = delivery::row(app, &channel, delivery, outcome, received.events.len())?;
    if !hooks.is_empty() || kept.is_some() {
        write(app, hooks, kept).await?;
    }
    if received.proof { prove(app, &channel).await } else { Ok(received.reply) }
}

async fn prove(app: &App, channel: &ChannelRow) -> Result<messenger::Reply, IntakeError> {
    let wire = perform::wire(app, channel)?;
    let asked = messenger_of(channel)?.prove(&wire).await;
    asked.map_err(|answer| IntakeError::Unproven(format!("{answer:?}")))
}

fn messenger_of(channel: &ChannelRow) -> Result<&'static dyn messenger::Messenger, IntakeError> {
    Kind::from_slug(&channel.messenger).and_then(messenger::of).ok_or(IntakeError::Unknown)
}

/// Writes down what a messenger told when it was asked, as if it had posted it.
///
/// # Errors
/// Those of the store.
pub async fn write_told(app: &App, channel: &ChannelRow, told: (String, Event)) -> Result<()> {
    write(app, rows(app, channel, &[told])?, None).await.map(|_| ())
}

fn receive(app: &App, channel: &ChannelRow, delivery: &Delivery<'_>) -> Result<Received, IntakeError> {
    let wire = perform::wire(app, channel)?;
    messenger_of(channel)?.receive(&wire, delivery).map_err(|error| match error {
        NotTaken::Forged => IntakeError::Forged,
        NotTaken::Unreadable(what) => IntakeError::Unreadable(what),
    })
}

/// Events of a delivery, to be worked; where a person switched the channel off, to be looked at only. Their keys then keep out of
/// the way of those that are worked: what the vendor tells again when the channel is back is news.
fn taken(app: &App, channel: &ChannelRow, events: &[(String, Event)]) -> Result<Vec<NewHook>> {
    let mut hooks = rows(app, channel, events)?;
    if channel.state == "off" {
        for hook in &mut hooks {
            hook.state = REFUSED;
            hook.key = key_of(&format!("off:{}", hook.key));
        }
    }
    Ok(hooks)
}

/// Events of a channel as the deliveries that the feeder works, each with its key against repetition.
///
/// # Errors
/// Where an event has no JSON form.
pub fn rows(app: &App, channel: &ChannelRow, events: &[(String, Event)]) -> Result<Vec<NewHook>> {
    let now = app.clock.now().0;
    let row = |(key, event): &(String, Event)| {
        Ok(NewHook {
            id: HookId::new().to_string(),
            // a session that came or went changes the lane, and the pump hears of that after the commit
            source: if matches!(event, Event::Link { .. }) { "link" } else { "messenger" }.to_owned(),
            owner: channel.id.clone(),
            key: key_of(&key.replace('\0', "")),
            body: Some(told(event)?),
            state: 0,
            attempts: 0,
            received_at: now,
        })
    };
    events.iter().map(row).collect()
}

/// An event as it is kept. Customers can put a zero byte into a name or a text, and PostgreSQL would refuse the message for it.
fn told(event: &Event) -> Result<String> {
    let told = text(event)?;
    if told.contains("\\u0000") { text(&without_zeros(value("hooks", &told)?)) } else { Ok(told) }
}

async fn write(app: &App, hooks: Vec<NewHook>, kept: Option<NewDelivery>) -> Result<usize> {
    let news = app
        .store
        .write(move |conn| {
            if let Some(kept) = &kept {
                crate::on!(conn, delivery::keep(kept))?;
            }
            let mut news = 0;
            for hook in &hooks {
                let new = crate::on!(conn, hook::write(hook))?;
                if hook.state == REFUSED {
                    crate::on!(conn, hook::set_refused(&hook.id, OFF, hook.body.as_deref()))?;
                } else {
                    news += usize::from(new);
                }
            }
            Ok(news)
        })
        .await?;
    if news > 0 {
        app.bell.feed();
    }
    Ok(news)
}

/// Keys of vendors may be long; what is compared is short.
fn key_of(key: &str) -> String {
    use sha2::Digest as _;
    if key.len() <= 100 { key.to_owned() } else { hex::encode(sha2::Sha256::digest(key.as_bytes())) }
}

fn without_tokens(form: &Value) -> Value {
    let mut form = form.clone();
    if let Some(auth) = form.get_mut("auth").and_then(Value::as_object_mut) {
        auth.retain(|name, _| matches!(name.as_str(), "member_id" | "user_id" | "domain"));
    }
    form
}

//! Tokens: given for a client's keys or for a code, good for a day, and renewed the way they were given.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::messenger::{Wire, field};
use crate::model::moment::Moment;
use crate::model::vendor::Answer;

/// A token is renewed when it is good for less than this, in milliseconds.
const FRESH_MS: i64 = 60_000;

/// A token is good for a day, and new for so long, in milliseconds.
const GOOD_MS: i64 = 86_400_000;
const NEW_MS: i64 = 300_000;

/// The keys of a client at Avito.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) secret: SecretString,
}

/// How a token is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Grant<'a> {
    /// By the client's own keys: its own account.
    Keys,
    /// By the code that a redirect brought.
    Code(&'a str),
    /// By the token that came with the one before; it is good once.
    Refresh(&'a str),
}

/// What Avito gave.
pub(super) struct Tokens {
    pub(super) access: String,
    pub(super) refresh: Option<String>,
    pub(super) good_ms: i64,
}

/// Asks for a token. `Expired` means that Avito does not take what it was asked with.
pub(super) async fn ask(wire: &Wire, client: &Client, grant: Grant<'_>) -> Result<Tokens, Answer> {
    let mut form = vec![("client_id", client.id.as_str()), ("client_secret", client.secret.expose_secret())];
    match grant {
        Grant::Keys => form.push(("grant_type", "client_credentials")),
        Grant::Code(code) => form.extend([("grant_type", "authorization_code"), ("code", code)]),
        Grant::Refresh(token) => form.extend([("grant_type", "refresh_token"), ("refresh_token", token)]),
    }
    let request = wire.http.client().post(format!("{}/token", wire.vendor)).form(&form);
    let reply = wire.http.call(request, wire.http.limits()).await.map_err(|error| error.answer(false))?;
    let body = reply.json();
    // failures may come with 200 too, so the token itself is looked for
    if let Some(access) = field::text(&body, "access_token") {
        let seconds = field::number(&body, "expires_in").unwrap_or(86_400);
        let good_ms = seconds.clamp(0, 10_000_000).saturating_mul(1_000);
        return Ok(Tokens { access, refresh: field::text(&body, "refresh_token"), good_ms });
    }
    let seen = format!("HTTP {} without a token {}", reply.status, said(&body));
    match reply.status {
        _ if body.get("error").is_some() && reply.status < 429 => Err(Answer::Expired { seen }),
        400 | 401 | 403 => Err(Answer::Expired { seen }),
        _ => Err(Answer::Down { seen }),
    }
}

/// The secrets of a channel with a new token. While a channel is attached no clock is at hand: the end of its first token is
/// told by the vendor.
pub(super) fn secrets(client: &Client, secret: &str, tokens: &Tokens, now: Option<Moment>) -> SecretString {
    let all = json!({
        "client_id": client.id,
        "client_secret": client.secret.expose_secret(),
        "secret": secret,
        "access_token": tokens.access,
        "refresh_token": tokens.refresh,
        "expires_at": now.map(|now| now.plus_ms(tokens.good_ms).0),
    });
    SecretString::from(all.to_string())
}

/// Asks for another token the way the last one was given.
pub(super) async fn renew(wire: &Wire, now: Moment) -> Result<SecretString, Answer> {
    let secret = |name| field::secret(&wire.secrets, name);
    let client = Client { id: secret("client_id"), secret: SecretString::from(secret("client_secret")) };
    let refresh = secret("refresh_token");
    let grant = if refresh.is_empty() { Grant::Keys } else { Grant::Refresh(&refresh) };
    let tokens = ask(wire, &client, grant).await?;
    Ok(secrets(&client, &secret("secret"), &tokens, Some(now)))
}

/// Whether the channel's token has run out by our own clock; one whose end is not known has not.
pub(super) fn has_run_out(wire: &Wire, now: Moment) -> bool {
    let all: Value = serde_json::from_str(wire.secrets.expose_secret()).unwrap_or_default();
    field::number(&all, "expires_at").is_some_and(|at| Moment(at).since_ms(now) < FRESH_MS)
}

/// Whether the channel's token was given in the last minutes: it is no age that it is refused for.
pub(super) fn is_new(wire: &Wire, now: Moment) -> bool {
    let all: Value = serde_json::from_str(wire.secrets.expose_secret()).unwrap_or_default();
    field::number(&all, "expires_at").is_some_and(|at| Moment(at).since_ms(now) > GOOD_MS - NEW_MS)
}

fn said(body: &Value) -> String {
    let error = body.get("error");
    let parts = [
        field::text(body, "error"),
        field::text(body, "error_description"),
        error.and_then(|error| field::text(error, "message")),
    ];
    field::short(&parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
}

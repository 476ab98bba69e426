//! OAuth 2 tokens of a mailbox: they end within hours, and a refresh token gives the next one (RFC 6749, section 6).

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::account;
use crate::messenger::{AttachError, Wire, field};
use crate::model::moment::Moment;
use crate::model::vendor::Answer;

/// A token is not used any more when it is good for less than this, in milliseconds.
const FRESH_MS: i64 = 60_000;

/// A token that is refused sooner than this after it was given is not renewed: the next one would be refused too.
const TRUSTED_MS: i64 = 60_000;

/// What gives the next token.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Renewal {
    pub(super) refresh_token: String,
    pub(super) client_id: String,
    /// Empty where the application has none.
    pub(super) client_secret: String,
}

impl Renewal {
    /// What is kept of it; none where the mailbox has a password, or a token alone.
    pub(super) fn of_secrets(secrets: &SecretString) -> Option<Self> {
        let secret = |name| field::secret(secrets, name);
        let refresh_token = Some(secret("refresh_token")).filter(|token| !token.is_empty())?;
        Some(Self { refresh_token, client_id: secret("client_id"), client_secret: secret("client_secret") })
    }
}

/// What is kept of a token.
pub(super) fn secrets(
    access: &str,
    renewal: Option<&Renewal>,
    given_at: Option<i64>,
    expires_at: Option<i64>,
) -> Value {
    let Some(renewal) = renewal else { return json!({"access_token": access}) };
    json!({
        "access_token": access,
        "refresh_token": renewal.refresh_token,
        "client_id": renewal.client_id,
        "client_secret": renewal.client_secret,
        "given_at": given_at,
        "expires_at": expires_at,
    })
}

/// Where the tokens of a provider are given: the configured address, or the provider's own.
fn address(wire: &Wire, service: Option<&str>) -> Option<String> {
    if !wire.vendor.is_empty() {
        return Some(wire.vendor.clone());
    }
    let known = match service? {
        "gmail" => "https://oauth2.googleapis.com/token",
        "yandex" => "https://oauth.yandex.ru/token",
        "mailru" => "https://oauth.mail.ru/token",
        _ => return None,
    };
    Some(known.to_owned())
}

/// A token, and for how long it is good.
struct Given {
    access: String,
    /// Some providers give another refresh token with every token.
    refresh: Option<String>,
    good_ms: i64,
}

async fn ask(wire: &Wire, url: &str, renewal: &Renewal) -> Result<Given, Answer> {
    let mut form = vec![
        ("grant_type", "refresh_token"),
        ("refresh_token", renewal.refresh_token.as_str()),
        ("client_id", renewal.client_id.as_str()),
    ];
    if !renewal.client_secret.is_empty() {
        form.push(("client_secret", renewal.client_secret.as_str()));
    }
    let request = wire.http.client().post(url).form(&form);
    let reply = wire.http.call(request, wire.http.limits()).await.map_err(|error| error.answer(false))?;
    let body = reply.json();
    if let Some(access) = field::text(&body, "access_token") {
        let seconds = field::number(&body, "expires_in").unwrap_or(3_600);
        let good_ms = seconds.clamp(0, 100_000_000).saturating_mul(1_000);
        return Ok(Given { access, refresh: field::text(&body, "refresh_token"), good_ms });
    }
    let words = [field::text(&body, "error"), field::text(&body, "error_description")];
    let words = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let seen = field::short(&format!("HTTP {} without a token {words}", reply.status));
    match reply.status {
        400 | 401 | 403 => Err(Answer::Expired { seen }),
        429 => Err(Answer::Busy { after_ms: FRESH_MS, scope: crate::model::vendor::Scope::Lane }),
        _ => Err(Answer::Down { seen }),
    }
}

/// The first token, while the mailbox is attached.
pub(super) async fn first(wire: &Wire, service: Option<&str>, renewal: &mut Renewal) -> Result<String, AttachError> {
    let Some(url) = address(wire, service) else {
        return Err(AttachError::new(
            "refresh_token",
            "Для своего почтового сервера адрес выдачи токенов задаётся в настройках этого сервера (vendors.email).",
            "For a mail server of one's own the token address is in the settings of this server (vendors.email).",
        ));
    };
    let given = ask(wire, &url, renewal).await.map_err(|answer| match answer {
        Answer::Expired { seen } => AttachError::new(
            "refresh_token",
            &format!("Почтовый сервис не выдал токен: {seen}. Проверьте refresh token, Client ID и Client secret."),
            &format!("The mail service gave no token: {seen}. Check refresh token, client id and client secret."),
        ),
        Answer::Down { seen } | Answer::Unsure { seen, .. } => {
            AttachError::silent(("Сервер токенов", "The token server"), &seen)
        }
        _ => AttachError::silent(("Сервер токенов", "The token server"), "it asks to wait"),
    })?;
    if let Some(refresh) = given.refresh {
        renewal.refresh_token = refresh;
    }
    Ok(given.access)
}

/// Asks for the next token.
pub(super) async fn renew(wire: &Wire, renewal: &Renewal, now: Moment) -> Result<SecretString, Answer> {
    let given_at = number(wire, "given_at");
    if given_at.is_some_and(|at| now.since_ms(Moment(at)) < TRUSTED_MS) {
        return Err(Answer::Expired { seen: "a token that was given just now is refused".to_owned() });
    }
    let account = account::of_wire(wire).map_err(|seen| Answer::Expired { seen })?;
    let Some(url) = address(wire, account.service) else {
        return Err(Answer::Expired { seen: "it is not known where tokens are given".to_owned() });
    };
    let given = ask(wire, &url, renewal).await?;
    let mut next = renewal.clone();
    if let Some(refresh) = given.refresh {
        next.refresh_token = refresh;
    }
    let expires_at = now.plus_ms(given.good_ms).0;
    let all = secrets(&given.access, Some(&next), Some(now.0), Some(expires_at));
    Ok(SecretString::from(all.to_string()))
}

/// The answer for a token that has run out by our own clock; none where it is good, or may be.
pub(super) fn has_run_out(wire: &Wire, now: Moment) -> Option<Answer> {
    let over = number(wire, "expires_at").is_some_and(|at| Moment(at).since_ms(now) < FRESH_MS);
    over.then(|| Answer::Expired { seen: "the token has run out".to_owned() })
}

fn number(wire: &Wire, name: &str) -> Option<i64> {
    let all: Value = serde_json::from_str(wire.secrets.expose_secret()).unwrap_or_default();
    field::number(&all, name)
}

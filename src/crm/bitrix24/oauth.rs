//! Tokens: where they are got, how they are renewed, and whose a token is (`settings/oauth` of the vendor's documentation).
//!
//! Every renewal makes the old refresh token useless, so two renewals at once lose the portal. The store sees to it that one
//! process renews at a time and that the new pair is written before it is used; here is only the call.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use crate::model::php_form::Fields;
use crate::net::http::{CallError, Http, Limits, Reply};

/// The two hosts of the vendor; only they may see the application's secret.
const HOSTS: [&str; 2] = ["oauth.bitrix24.tech", "oauth.bitrix.info"];

/// The keys of the application.
#[derive(Debug, Clone)]
pub struct AppKeys {
    /// `local.…` or `app.…`.
    pub client_id: String,
    /// Its secret; it goes to the authorization server only.
    pub client_secret: SecretString,
}

/// The authorization server of an installation, after its host was found to be the vendor's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthServer {
    rest: Url,
}

/// What the token endpoint gave. Store the refresh token before the access token is used.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// The access token.
    pub access_token: SecretString,
    /// The next refresh token; the one before is useless from now on.
    pub refresh_token: SecretString,
    /// How long the access token is good, in seconds.
    pub expires_in_s: i64,
    /// `https://<portal>/rest/`.
    pub client_endpoint: String,
    /// `https://<authorization server>/rest/`; none where the reply does not name it.
    pub server_endpoint: Option<String>,
    /// The portal.
    pub member_id: String,
    /// The employee whose token it is; only a renewal tells.
    pub user_id: Option<i64>,
}

/// Whose a token is, as the authorization server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// The application that the token was made for: it must be ours.
    pub client_id: String,
    /// The portal.
    pub member_id: String,
    /// The portal's host.
    pub domain: String,
    /// `https://<portal>/rest/`.
    pub client_endpoint: String,
    /// The employee.
    pub user_id: Option<i64>,
    /// Whether the installation is finished.
    pub installed: bool,
    /// `L`, `F`, `D`, `T` or `P`: the only trusted word about payment.
    pub status: Option<String>,
}

/// Why no token came, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OauthError {
    /// The host is not the vendor's and not configured: nothing was sent.
    #[error("{0} is no authorization server of Bitrix24")]
    UnknownHost(String),
    /// The request is malformed: our own mistake.
    #[error("the authorization server calls the request malformed: {0}")]
    Malformed(String),
    /// The application's keys are wrong, or it is not installed: stop and tell people.
    #[error("the application's keys were refused")]
    WrongKeys,
    /// The code or refresh token is unknown, used or expired: read the store once more, then try another administrator's,
    /// then ask for a new authorization.
    #[error("the refresh token or code is not good any more")]
    GrantGone,
    /// The access token is expired or unknown; only [`introspect`] says so.
    #[error("the access token is not good")]
    TokenBad,
    /// More scopes than the application's card has: mend the card.
    #[error("the application's card lacks scopes")]
    Scopes,
    /// The trial or subscription ended: pause the portal, look again hourly.
    #[error("the application is not paid")]
    Unpaid,
    /// The application or the portal is gone: mark it uninstalled after a few confirmations.
    #[error("the application or the portal is gone: {0}")]
    Gone(String),
    /// Nothing was taken: try again.
    #[error("the authorization server was not reached: {0}")]
    NotReached(String),
    /// The answer did not arrive whole: the refresh token may be used up. Try again with it; a refusal then means that
    /// another administrator's is needed.
    #[error("the authorization server's answer is unknown: {0}")]
    Unsure(String),
}

impl AuthServer {
    /// Checks the `server_endpoint` of an installation (`https://host/rest/`). `extra_hosts` are allowed besides the vendor's
    /// two, as `host` or `host:port`; only they may go without TLS.
    ///
    /// # Errors
    /// [`OauthError::UnknownHost`].
    pub fn of(server_endpoint: &str, extra_hosts: &[String]) -> Result<Self, OauthError> {
        let unknown = || OauthError::UnknownHost(host_of(server_endpoint));
        let rest = Url::parse(server_endpoint).map_err(|_| unknown())?;
        let host = rest.host_str().unwrap_or_default();
        let with_port = rest.port().map(|port| format!("{host}:{port}"));
        let extra = extra_hosts.iter().any(|extra| extra == host || Some(extra) == with_port.as_ref());
        let vendor = HOSTS.contains(&host) && rest.scheme() == "https" && rest.port().is_none();
        let plain = rest.username().is_empty() && rest.password().is_none();
        let web = matches!(rest.scheme(), "https" | "http");
        if plain && rest.path() == "/rest/" && (vendor || (extra && web)) { Ok(Self { rest }) } else { Err(unknown()) }
    }

    fn token_url(&self) -> Url {
        let mut url = self.rest.clone();
        url.set_path("/oauth/token/");
        url
    }
}

/// Renews the tokens. Only one process at a time may do so for one refresh token.
///
/// # Errors
/// [`OauthError`], which says what to do.
pub async fn refresh(
    http: &Http,
    app: &AppKeys,
    server: &AuthServer,
    refresh_token: &SecretString,
) -> Result<Tokens, OauthError> {
    ask(http, app, server, "refresh_token", refresh_token.expose_secret()).await
}

/// Changes an authorization code, which is good for 30 seconds and once, into tokens.
///
/// # Errors
/// [`OauthError`], which says what to do.
pub async fn exchange_code(http: &Http, app: &AppKeys, server: &AuthServer, code: &str) -> Result<Tokens, OauthError> {
    ask(http, app, server, "authorization_code", code).await
}

/// Asks the authorization server whose a token is. A page that brings a token is believed only after this.
///
/// # Errors
/// [`OauthError`]; `TokenBad` where the token is none.
pub async fn introspect(
    http: &Http,
    server: &AuthServer,
    access_token: &SecretString,
) -> Result<TokenInfo, OauthError> {
    let mut url = server.rest.clone();
    url.set_path("/rest/app.info");
    let request = http.client().get(url).query(&[("auth", access_token.expose_secret())]);
    let json = read_reply(&http.call(request, Limits::CALL).await?)?;
    read_info(&json).map_err(|error| OauthError::Unsure(error.to_string()))
}

async fn ask(http: &Http, app: &AppKeys, server: &AuthServer, grant: &str, secret: &str) -> Result<Tokens, OauthError> {
    let field = if grant == "refresh_token" { "refresh_token" } else { "code" };
    // a form and not the documented query: addresses end up in logs
    let form = [
        ("grant_type", grant),
        ("client_id", &app.client_id),
        ("client_secret", app.client_secret.expose_secret()),
        (field, secret),
    ];
    let request = http.client().post(server.token_url()).form(&form);
    let json = read_reply(&http.call(request, Limits::CALL).await?)?;
    read_tokens(&json).map_err(|error| OauthError::Unsure(error.to_string()))
}

impl From<CallError> for OauthError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::NotSent(seen) => Self::NotReached(seen),
            CallError::Unsure(seen) => Self::Unsure(seen),
        }
    }
}

fn read_reply(reply: &Reply) -> Result<Value, OauthError> {
    let json = reply.json();
    // errors come with 400, 401 and 402 alike, so the code alone decides
    if let Some(code) = json.get("error") {
        return Err(of_code(code.as_str().unwrap_or_default(), reply.status));
    }
    let seen = || format!("HTTP {}", reply.status);
    match reply.status {
        200..=299 if json.is_object() => Ok(json),
        400..=499 => Err(OauthError::NotReached(seen())),
        _ => Err(OauthError::Unsure(seen())),
    }
}

fn of_code(code: &str, status: u16) -> OauthError {
    match code {
        "invalid_request" => OauthError::Malformed(code.to_owned()),
        "invalid_client" | "wrong_client" => OauthError::WrongKeys,
        "invalid_grant" => OauthError::GrantGone,
        "insufficient_scope" | "invalid_scope" => OauthError::Scopes,
        "PAYMENT_REQUIRED" => OauthError::Unpaid,
        "NOT_INSTALLED" | "APPLICATION_NOT_FOUND" | "PORTAL_DELETED" | "authorization_error" => {
            OauthError::Gone(code.to_owned())
        }
        "expired_token" | "invalid_token" | "NO_AUTH_FOUND" => OauthError::TokenBad,
        _ if status >= 500 => OauthError::Unsure(format!("HTTP {status}")),
        "QUERY_LIMIT_EXCEEDED" => OauthError::NotReached(code.to_owned()),
        _ => OauthError::Malformed(code.chars().take(80).collect()),
    }
}

fn read_tokens(json: &Value) -> Result<Tokens, crate::model::php_form::FieldError> {
    let fields = Fields::of(json);
    Ok(Tokens {
        access_token: fields.need_text("access_token")?.as_ref().into(),
        refresh_token: fields.need_text("refresh_token")?.as_ref().into(),
        expires_in_s: fields.number("expires_in")?.unwrap_or(3600),
        client_endpoint: fields.need_text("client_endpoint")?.into_owned(),
        server_endpoint: fields.text("server_endpoint")?.map(Into::into),
        member_id: fields.need_text("member_id")?.into_owned(),
        user_id: fields.number("user_id")?,
    })
}

fn read_info(json: &Value) -> Result<TokenInfo, crate::model::php_form::FieldError> {
    let result = Fields::of(json).map("result")?;
    let install = result.map("install")?;
    Ok(TokenInfo {
        client_id: result.need_text("client_id")?.into_owned(),
        member_id: install.need_text("member_id")?.into_owned(),
        domain: install.need_text("domain")?.into_owned(),
        client_endpoint: install.need_text("client_endpoint")?.into_owned(),
        user_id: result.number("user_id")?,
        installed: install.flag("installed"),
        status: install.text("status")?.map(Into::into),
    })
}

/// What may be shown of an address that was refused: its host, or nothing of it.
fn host_of(text: &str) -> String {
    let url = Url::parse(text).ok();
    url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| "an unreadable address".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_goes_to_the_vendors_hosts_and_to_configured_ones_only() {
        let extra = ["127.0.0.1:8080".to_owned(), "oauth.test".to_owned()];
        let token_url = |endpoint| AuthServer::of(endpoint, &extra).map(|server| server.token_url().to_string());
        for (endpoint, url) in [
            ("https://oauth.bitrix24.tech/rest/", "https://oauth.bitrix24.tech/oauth/token/"),
            ("https://OAUTH.bitrix.info/rest/", "https://oauth.bitrix.info/oauth/token/"),
            ("http://127.0.0.1:8080/rest/", "http://127.0.0.1:8080/oauth/token/"),
            ("https://oauth.test/rest/", "https://oauth.test/oauth/token/"),
        ] {
            assert_eq!(token_url(endpoint).as_deref(), Ok(url));
        }
        for endpoint in [
            "http://oauth.bitrix24.tech/rest/",
            "https://oauth.bitrix24.tech.evil.example/rest/",
            "https://oauth.bitrix24.tech@evil.example/rest/",
            "https://oauth.bitrix24.tech:444/rest/",
            "https://evil.example/rest/",
            "https://oauth.bitrix24.tech/other/",
            "http://127.0.0.1:8081/rest/",
            "file://oauth.test/rest/",
            "",
        ] {
            assert!(matches!(token_url(endpoint), Err(OauthError::UnknownHost(_))), "{endpoint}");
        }
    }
}

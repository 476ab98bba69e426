//! One REST call to one portal (`settings/how-to-call-rest-api` of the vendor's documentation).

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::fault::Fault;
use crate::model::moment::Moment;
use crate::model::php_form::Fields;
use crate::net::http::{Http, Limits, Reply};

/// What a call to a portal needs.
#[derive(Debug, Clone)]
pub struct Portal {
    /// `https://<portal>/rest/`, as the portal told it; with the slash at the end.
    pub client_endpoint: String,
    /// The access token of one of its users.
    pub access_token: SecretString,
    /// The portal's id that never changes.
    pub member_id: String,
}

/// A call that worked.
#[derive(Debug, Clone, PartialEq)]
pub struct Success {
    /// What the method gave.
    pub result: Value,
    /// Where the next page of a list begins.
    pub next: Option<i64>,
    /// How long the list is.
    pub total: Option<i64>,
    /// How much of the method's time budget is used; none where the portal keeps none.
    pub operating: Option<Operating>,
}

/// The time budget of one method at one portal, in a window of ten minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operating {
    /// Used so far, in milliseconds.
    pub used_ms: i64,
    /// When the oldest minute drops out of the window.
    pub reset_at: Moment,
}

/// Calls a method. `params` is a JSON object without the token. Redirects are not followed: see [`Fault::Moved`].
///
/// # Errors
/// [`Fault`], which says what to do; the token is in none of its texts.
pub async fn call(
    http: &Http,
    portal: &Portal,
    method: &str,
    params: &Value,
    limits: Limits,
) -> Result<Success, Fault> {
    let mut body = params.as_object().cloned().unwrap_or_default();
    body.insert("auth".to_owned(), Value::String(portal.access_token.expose_secret().to_owned()));
    let request = http.client().post(format!("{}{method}", portal.client_endpoint)).json(&body);
    read_reply(&http.call(request, limits).await?)
}

/// The new `client_endpoint` of a portal that moved: what `location` names without the method. None where it is no address
/// of this method, or less safe than the old one. Store it only after a call there has shown the same `member_id`.
#[must_use]
pub fn moved_endpoint(portal: &Portal, method: &str, location: &str) -> Option<String> {
    let url = url::Url::parse(location).ok()?;
    let same_scheme = portal.client_endpoint.starts_with(&format!("{}://", url.scheme()));
    let plain = url.host().is_some() && url.username().is_empty() && url.password().is_none();
    if !plain || !(url.scheme() == "https" || (url.scheme() == "http" && same_scheme)) {
        return None;
    }
    let path = url.path().strip_suffix(".json").unwrap_or(url.path());
    let base = path.strip_suffix(method).filter(|base| base.ends_with('/'))?;
    Some(format!("{}{base}", url.origin().ascii_serialization()))
}

fn read_reply(reply: &Reply) -> Result<Success, Fault> {
    if let (300..=399, Some(location)) = (reply.status, reply.headers.get(reqwest::header::LOCATION)) {
        let location = String::from_utf8_lossy(location.as_bytes()).into_owned();
        return Err(Fault::Moved { location });
    }
    let mut json = reply.json();
    if let Some(fault) = Fault::of_body(Some(reply.status), &json) {
        return Err(fault);
    }
    match json.get_mut("result").map(Value::take) {
        Some(result) if (200..300).contains(&reply.status) => {
            let fields = Fields::of(&json);
            let number = |name| fields.number(name).ok().flatten();
            Ok(Success { next: number("next"), total: number("total"), operating: Operating::of(&json), result })
        }
        _ => Err(Fault::of_page(reply.status, reply.body.is_empty())),
    }
}

impl Operating {
    /// Reads the `time` of a reply.
    #[must_use]
    pub fn of(json: &Value) -> Option<Self> {
        let time = json.get("time")?;
        let used_s = time.get("operating")?.as_f64()?;
        let reset_s = time.get("operating_reset_at")?.as_f64()?;
        Some(Self { used_ms: to_ms(used_s), reset_at: Moment(to_ms(reset_s)) })
    }
}

fn to_ms(seconds: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and no portal tells such times")]
    let ms = (seconds * 1000.0).round() as i64;
    ms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portal_moves_only_to_an_address_of_the_same_method() {
        let portal = |endpoint: &str| Portal {
            client_endpoint: endpoint.into(),
            access_token: "token".into(),
            member_id: "m".into(),
        };
        let old = portal("https://old.bitrix24.ru/rest/");
        let moved = |location| moved_endpoint(&old, "crm.item.get", location);
        assert_eq!(
            moved("https://new.bitrix24.ru/rest/crm.item.get").as_deref(),
            Some("https://new.bitrix24.ru/rest/")
        );
        assert_eq!(
            moved("https://new.example:8443/rest/crm.item.get.json?x=1").as_deref(),
            Some("https://new.example:8443/rest/")
        );
        for bad in [
            "http://new.bitrix24.ru/rest/crm.item.get",
            "https://new.bitrix24.ru/login/",
            "/rest/crm.item.get",
            "https://user:secret@new.example/rest/crm.item.get",
            "javascript:crm.item.get",
        ] {
            assert_eq!(moved(bad), None, "{bad}");
        }
        let test = portal("http://127.0.0.1:81/rest/");
        let location = "http://127.0.0.1:82/rest/profile";
        assert_eq!(moved_endpoint(&test, "profile", location).as_deref(), Some("http://127.0.0.1:82/rest/"));
    }
}

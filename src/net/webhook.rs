//! Events to integrators, signed as the specification of Standard Webhooks 1.0 has it: an HMAC over the id, the time stamp and
//! the raw body, so that whoever gets one knows that it comes from here, that it is fresh, and whether it came before.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use super::guard::{Guard, GuardError};
use super::http::Reply;
use crate::model::moment::Moment;

/// How long a receiver may take for its answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// What a secret begins with, so that people and programs know one when they see it.
const SECRET_PREFIX: &str = "whsec_";

/// The shortest and the longest wait that a receiver may ask for, in milliseconds.
const WAITS_MS: (i64, i64) = (1_000, 3_600_000);

/// So many letters of a failure are kept.
const SEEN: usize = 200;

/// An event as it leaves.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'a> {
    /// Where to.
    pub url: &'a str,
    /// The secret of the receiver.
    pub secret: &'a SecretString,
    /// The event's own id, the same at every attempt.
    pub id: &'a str,
    /// When this attempt is made.
    pub at: Moment,
    /// The body.
    pub body: &'a str,
}

/// What a receiver said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reception {
    /// It took the event.
    Taken,
    /// It asks to be left alone so long, in milliseconds.
    Later(i64, Failure),
    /// It wants no events any more.
    Gone(Failure),
    /// It did not take the event, or did not answer.
    Failed(Failure),
}

/// Why an event was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A stable code: `http_status`, `gone`, `no_answer`, `private_address`, `bad_address` or `bad_secret`.
    pub reason: &'static str,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// What was seen, for a person; never a secret and never the address.
    pub seen: String,
}

/// A fresh secret; none where the machine has no randomness to give.
#[must_use]
pub fn fresh_secret() -> Option<SecretString> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).ok().map(|()| format!("{SECRET_PREFIX}{}", BASE64.encode(bytes)).into())
}

/// The signature of a body, as it stands in `webhook-signature`; none where the secret is not of its form.
#[must_use]
pub fn sign(secret: &SecretString, id: &str, seconds: i64, body: &str) -> Option<String> {
    let key = BASE64.decode(secret.expose_secret().strip_prefix(SECRET_PREFIX)?).ok()?;
    let mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    let whole = mac.chain_update(format!("{id}.{seconds}.")).chain_update(body);
    Some(format!("v1,{}", BASE64.encode(whole.finalize().into_bytes())))
}

/// Delivers an event, once.
pub(crate) async fn deliver(guard: &Guard, letter: Letter<'_>) -> Reception {
    let Some(headers) = headers(letter) else {
        return Reception::Failed(Failure::new("bad_secret", "the secret cannot sign"));
    };
    match guard.post(letter.url, headers, letter.body.as_bytes().to_vec(), DEADLINE).await {
        Ok(reply) => judge(&reply, letter.at),
        Err(error) => Reception::Failed(Failure::of(&error)),
    }
}

fn headers(letter: Letter<'_>) -> Option<HeaderMap> {
    let seconds = letter.at.0.div_euclid(1000);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("webhook-id", letter.id.parse().ok()?);
    headers.insert("webhook-timestamp", HeaderValue::from(seconds));
    headers.insert("webhook-signature", sign(letter.secret, letter.id, seconds, letter.body)?.parse().ok()?);
    Some(headers)
}

fn judge(reply: &Reply, now: Moment) -> Reception {
    let failure = |reason| Failure { status: Some(reply.status), ..Failure::new(reason, "") };
    match reply.status {
        200..=299 => Reception::Taken,
        410 => Reception::Gone(failure("gone")),
        429 | 503 => match reply.header(RETRY_AFTER.as_str()).and_then(|text| wait_ms(text, now)) {
            Some(wait_ms) => Reception::Later(wait_ms, failure("http_status")),
            None => Reception::Failed(failure("http_status")),
        },
        _ => Reception::Failed(failure("http_status")),
    }
}

/// How long `Retry-After` asks to wait, in milliseconds: it tells seconds, or a date.
fn wait_ms(text: &str, now: Moment) -> Option<i64> {
    let text = text.trim();
    let asked = match text.parse::<u32>() {
        Ok(seconds) => i64::from(seconds) * 1000,
        Err(_) => chrono::DateTime::parse_from_rfc2822(text).ok()?.timestamp_millis().saturating_sub(now.0),
    };
    Some(asked.clamp(WAITS_MS.0, WAITS_MS.1))
}

impl Failure {
    fn new(reason: &'static str, seen: &str) -> Self {
        Self { reason, status: None, seen: seen.chars().take(SEEN).collect() }
    }

    fn of(error: &GuardError) -> Self {
        let reason = match error {
            GuardError::BadAddress(_) => "bad_address",
            GuardError::Private => "private_address",
            GuardError::Redirects | GuardError::Fetch(_) => "no_answer",
        };
        Self::new(reason, &error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vector_is_met() {
        // the example of the specification's own libraries
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let signature = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn a_secret_is_fresh_and_of_its_form() {
        let (one, other) = (fresh_secret().unwrap(), fresh_secret().unwrap());
        assert_ne!(one.expose_secret(), other.expose_secret());
        assert!(
            sign(&one, "a", 1, "{}").is_some() && sign(&SecretString::from("abc".to_owned()), "a", 1, "{}").is_none()
        );
    }

    #[test]
    fn a_receiver_may_ask_to_wait_within_bounds() {
        let now = Moment(1_445_412_480_000);
        for (text, ms) in [
            ("120", Some(120_000)),
            ("0", Some(1_000)),
            ("99999", Some(3_600_000)),
            ("Wed, 21 Oct 2015 07:29:00 GMT", Some(60_000)),
            ("Wed, 21 Oct 2015 07:00:00 GMT", Some(1_000)),
            ("soon", None),
        ] {
            assert_eq!(wait_ms(text, now), ms, "{text}");
        }
    }
}

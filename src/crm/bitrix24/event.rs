//! What portals post to us, read into plain structs: pages, life-cycle events, robot calls and SMS.
//!
//! Reading proves nothing. Whoever uses a delivery first compares its application token with the stored one of the same
//! `member_id` ([`token_matches`]); a first installation is proved by [`super::oauth::introspect`].

mod line_event;
mod page;
mod robot_call;
mod sms_call;

pub use line_event::{Change, FileLink, LineEvent, LineWhat, Session, Word, is_of_lines};
pub use page::Page;
pub use robot_call::RobotCall;
pub use sms_call::SmsCall;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use crate::model::moment::Moment;
use crate::model::php_form::{FieldError, Fields};

/// The longest id of a portal, in bytes; really it has 32.
pub const MEMBER_LIMIT: usize = 64;

/// The longest code or id of a message, in bytes; really it has 32.
const CODE_LIMIT: usize = 128;

/// The `auth` of a delivery. Tokens are there only when an employee stands behind the action.
#[derive(Debug, Clone)]
pub struct Auth {
    /// The portal: the key of the installation. The domain may change, this never does.
    pub member_id: String,
    /// The portal's host.
    pub domain: Option<String>,
    /// `https://<portal>/rest/`.
    pub client_endpoint: Option<String>,
    /// `https://<authorization server>/rest/`.
    pub server_endpoint: Option<String>,
    /// The proof of origin.
    pub application_token: Option<SecretString>,
    /// An access token of the employee.
    pub access_token: Option<SecretString>,
    /// The employee's refresh token; in installs, updates and robot calls only.
    pub refresh_token: Option<SecretString>,
    /// When the access token expires.
    pub expires_at: Option<Moment>,
    /// The employee.
    pub user_id: Option<i64>,
    /// The granted scopes.
    pub scopes: Vec<String>,
    /// `L`, `F`, `D`, `T` or `P`; a hint, the authorization server knows better.
    pub status: Option<String>,
}

/// An event of an application's life.
#[derive(Debug, Clone)]
pub struct Event {
    /// What happened.
    pub what: What,
    /// When the portal queued it. Events overtake each other: an old one may come late.
    pub at: Option<Moment>,
    /// Who sent it.
    pub auth: Auth,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// `ONAPPINSTALL`. `finished` is false while the installer's page is still open.
    Installed {
        /// The application's version.
        version: Option<i64>,
        /// Whether the installation is complete.
        finished: bool,
    },
    /// `ONAPPUPDATE`: handlers, robots and senders are gone, and the application token may be new.
    Updated {
        /// The application's version.
        version: Option<i64>,
    },
    /// `ONAPPUNINSTALL`.
    Uninstalled {
        /// Whether the administrator asked to remove our data too.
        clean: bool,
    },
    /// `ONAPPPAYMENT`; comes without an application token, so it is only a reason to ask.
    Payment,
    /// `ONAPPMETHODCONFIRM`: an administrator answered whether a method may be called.
    MethodConfirmed {
        /// The method.
        method: String,
        /// The answer.
        confirmed: bool,
    },
    /// `ONAPPTEST`, as our own `event.test` causes it.
    Test {
        /// What was given to `event.test`.
        query: Value,
    },
    /// Anything else, by its name in capitals.
    Other(String),
}

/// Reads an event.
///
/// # Errors
/// Names the field that is missing or wrong.
pub fn read_event(form: &Value) -> Result<Event, FieldError> {
    let fields = Fields::of(form);
    let name = fields.need_text("event")?.to_ascii_uppercase();
    // some events carry a plain value or nothing as their data
    let data = fields.map("data").unwrap_or(Fields::of(&Value::Null));
    let what = match name.as_str() {
        "ONAPPINSTALL" => What::Installed {
            version: data.number("VERSION")?,
            finished: data.raw("INSTALLED").is_none() || data.flag("INSTALLED"),
        },
        "ONAPPUPDATE" => What::Updated { version: data.number("VERSION")? },
        "ONAPPUNINSTALL" => What::Uninstalled { clean: data.flag("CLEAN") },
        "ONAPPPAYMENT" => What::Payment,
        "ONAPPMETHODCONFIRM" => {
            What::MethodConfirmed { method: data.need_text("METHOD")?.into_owned(), confirmed: data.flag("CONFIRMED") }
        }
        "ONAPPTEST" => What::Test { query: data.raw("QUERY").cloned().unwrap_or_default() },
        _ => What::Other(name),
    };
    Ok(Event { what, at: read_ts(&fields)?, auth: Auth::read(&fields)? })
}

/// Compares application tokens in constant time. A token that is missing never matches.
#[must_use]
pub fn token_matches(stored: &SecretString, given: Option<&SecretString>) -> bool {
    given.is_some_and(|given| {
        let (stored, given) = (stored.expose_secret().as_bytes(), given.expose_secret().as_bytes());
        !stored.is_empty() && bool::from(stored.ct_eq(given))
    })
}

impl Auth {
    fn read(delivery: &Fields<'_>) -> Result<Self, FieldError> {
        let auth = delivery.map("auth")?;
        let secret = |name| auth.text(name).map(|text| text.map(|text| SecretString::from(text.as_ref())));
        let text = |name| auth.text(name).map(|text| text.map(String::from));
        let lives_s = auth.number("expires_in")?;
        let lived_at = read_ts(delivery)?.zip(lives_s).map(|(ts, lives_s)| ts.plus_ms(lives_s.saturating_mul(1000)));
        Ok(Self {
            member_id: auth.need_id("member_id", MEMBER_LIMIT)?.into_owned(),
            domain: text("domain")?,
            client_endpoint: text("client_endpoint")?,
            server_endpoint: text("server_endpoint")?,
            application_token: secret("application_token")?,
            access_token: secret("access_token")?,
            refresh_token: secret("refresh_token")?,
            expires_at: auth.number("expires")?.map(of_seconds).or(lived_at),
            user_id: auth.number("user_id")?,
            scopes: split_scopes(&auth.text("scope")?.unwrap_or_default()),
            status: text("status")?,
        })
    }
}

/// Scopes come with commas, with commas and blanks, and with blanks.
fn split_scopes(text: &str) -> Vec<String> {
    text.split([',', ' ']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
}

fn read_ts(delivery: &Fields<'_>) -> Result<Option<Moment>, FieldError> {
    Ok(delivery.number("ts")?.map(of_seconds))
}

const fn of_seconds(seconds: i64) -> Moment {
    Moment(seconds.saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_same_application_token_matches() {
        let stored = SecretString::from("0123");
        assert!(token_matches(&stored, Some(&"0123".into())));
        assert!(!token_matches(&stored, Some(&"0124".into())));
        assert!(!token_matches(&stored, Some(&"01".into())));
        assert!(!token_matches(&stored, None));
        assert!(!token_matches(&"".into(), Some(&"".into())));
    }

    #[test]
    fn an_error_names_the_field_and_not_its_value() {
        let event = |form: Value| read_event(&form).map(|event| event.what).unwrap_err().to_string();
        assert_eq!(event(json!({})), "event is missing");
        assert_eq!(event(json!({"event": ["x"]})), "event is not a text");
        assert_eq!(event(json!({"event": "X"})), "auth[member_id] is missing");
        assert_eq!(event(json!({"event": "X", "auth": "secret"})), "auth is not a map");
        assert_eq!(
            event(json!({"event": "X", "auth": {"member_id": "m", "user_id": "x"}})),
            "auth[user_id] is not a whole number"
        );
    }

    #[test]
    fn an_event_we_do_not_know_is_no_error() {
        let form = json!({"event": "OnImConnectorLineDelete", "data": "107", "auth": {"member_id": "m"}});
        assert_eq!(read_event(&form).unwrap().what, What::Other("ONIMCONNECTORLINEDELETE".into()));
    }
}

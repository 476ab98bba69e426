//! A page of ours that the portal opens in a frame: the installer, the main page, a placement.

use secrecy::SecretString;
use serde_json::Value;

use super::{MEMBER_LIMIT, split_scopes};
use crate::model::php_form::{FieldError, Fields};

/// The post that opens a page. Nothing in it is proved yet.
#[derive(Debug, Clone)]
pub struct Page {
    /// The portal.
    pub member_id: String,
    /// The portal's host; never an address to send secrets to before the token is proved.
    pub domain: String,
    /// The language of the interface, as `ru`.
    pub language: String,
    /// An access token of the employee who opened it.
    pub access_token: Option<SecretString>,
    /// The employee's refresh token.
    pub refresh_token: Option<SecretString>,
    /// How long the access token is good, in seconds.
    pub expires_in_s: i64,
    /// `https://<authorization server>/rest/`; older portals do not tell.
    pub server_endpoint: Option<String>,
    /// The proof of origin; older portals do not send it.
    pub application_token: Option<SecretString>,
    /// The granted scopes; empty at older portals.
    pub scopes: Vec<String>,
    /// `L`, `F`, `D`, `T` or `P`; a hint.
    pub status: Option<String>,
    /// Where the page is shown: `DEFAULT` for the installer and the main page.
    pub placement: String,
    /// What the placement tells; an empty object where that is nothing. Not to be trusted.
    pub options: Value,
}

impl Page {
    /// Reads the query and the body of the post.
    ///
    /// # Errors
    /// Names the field that is missing or wrong.
    pub fn read(query: &Value, body: &Value) -> Result<Self, FieldError> {
        let (query, body) = (Fields::of(query), Fields::of(body));
        let secret = |name| body.text(name).map(|text| text.map(|text| SecretString::from(text.as_ref())));
        // PHP writes an empty map as a list
        let options = body.text("PLACEMENT_OPTIONS")?.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        Ok(Self {
            member_id: body.need_id("member_id", MEMBER_LIMIT)?.into_owned(),
            domain: query.need_text("DOMAIN")?.to_ascii_lowercase(),
            language: query.text("LANG")?.unwrap_or_default().to_ascii_lowercase(),
            access_token: secret("AUTH_ID")?,
            refresh_token: secret("REFRESH_ID")?,
            expires_in_s: body.number("AUTH_EXPIRES")?.unwrap_or(3600),
            server_endpoint: body.text("SERVER_ENDPOINT")?.map(Into::into),
            application_token: secret("APPLICATION_TOKEN")?,
            scopes: split_scopes(&body.text("APPLICATION_SCOPE")?.unwrap_or_default()),
            status: body.text("status")?.map(Into::into),
            placement: body.text("PLACEMENT")?.map_or_else(|| "DEFAULT".to_owned(), Into::into),
            options: options.filter(Value::is_object).unwrap_or_else(|| Value::Object(serde_json::Map::new())),
        })
    }
}

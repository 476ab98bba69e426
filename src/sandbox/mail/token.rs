//! OAuth 2 of the mailboxes: access tokens that end, refresh tokens that give others (RFC 6749, 6), and what XOAUTH2 says.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::json;

use super::note;
use crate::model::moment::Moment;
use crate::sandbox::answer::Answer;
use crate::sandbox::door::Call;
use crate::sandbox::state::{Sandbox, random_hex};

/// What a server says about a token that it does not take, before it refuses the login.
pub(super) const CHALLENGE: &str = r#"{"status":"400","schemes":"bearer","scope":"https://mail.google.com/"}"#;

/// How long a token is good, in seconds.
const GOOD_S: i64 = 3_600;

/// The tokens of a mailbox.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    /// Access tokens, and until when each is good.
    access: HashMap<String, i64>,
    /// Refresh tokens, each with the client that it was given to.
    refresh: HashMap<String, (String, String)>,
}

impl Tokens {
    /// Whether a token opens the mailbox.
    pub(super) fn opens(&self, token: &str, now: Moment) -> bool {
        self.access.get(token).is_some_and(|until| *until > now.0)
    }

    /// Gives out a token.
    pub(crate) fn give(&mut self, now: Moment) -> String {
        let token = format!("ya29.{}", random_hex(20));
        self.access.insert(token.clone(), now.plus_ms(GOOD_S * 1_000).0);
        token
    }

    /// Gives out a refresh token to a client.
    pub(crate) fn give_refresh(&mut self, id: &str, secret: &str) -> String {
        let token = format!("1//{}", random_hex(20));
        self.refresh.insert(token.clone(), (id.to_owned(), secret.to_owned()));
        token
    }

    /// Ends every access token, as the hour does.
    pub(crate) fn expire(&mut self) {
        self.access.clear();
    }

    /// Takes back everything, as the owner does who withdraws the access.
    pub(crate) fn revoke(&mut self) {
        self.access.clear();
        self.refresh.clear();
    }
}

/// The user and the token of an initial response of XOAUTH2.
pub(super) fn said(text: &str) -> (String, String) {
    let part = |name: &str| text.split('\u{1}').find_map(|part| part.strip_prefix(name)).unwrap_or_default().to_owned();
    (part("user="), part("auth=Bearer "))
}

/// The token address: `grant_type=refresh_token`.
pub(crate) fn answer(sandbox: &Arc<Sandbox>, call: &Call) -> Answer {
    let given = |name: &str| call.args.text(name).unwrap_or_default();
    let refuse = |error: &str| Answer::json(400, json!({"error": error}));
    if call.verb != "POST" || given("grant_type") != "refresh_token" {
        return refuse("unsupported_grant_type");
    }
    let now = sandbox.now();
    let mut mail = sandbox.mail.lock();
    let refresh = given("refresh_token");
    let owner = mail.boxes.iter_mut().find(|(_, known)| known.tokens.refresh.contains_key(&refresh));
    let Some((address, owner)) = owner else { return refuse("invalid_grant") };
    let client = owner.tokens.refresh.get(&refresh);
    if client.is_none_or(|(id, secret)| *id != given("client_id") || *secret != given("client_secret")) {
        return Answer::json(401, json!({"error": "invalid_client"}));
    }
    let access = owner.tokens.give(now);
    let address = address.clone();
    drop(mail);
    note(sandbox, "refresh", &address, json!({}), 200, None);
    Answer::json(200, json!({"access_token": access, "expires_in": GOOD_S, "token_type": "Bearer"}))
}

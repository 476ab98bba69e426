//! Tokens: for keys, for the code of a sign-in, and for a refresh token that is good once.

use serde_json::json;

use super::{Account, Trouble};
use crate::sandbox::answer::{Answer, Body};
use crate::sandbox::door::Call;
use crate::sandbox::state::{Sandbox, random_hex};

/// How long a token is good, seconds.
const GOOD_S: i64 = 86_400;

/// `POST /token`.
pub(super) fn give(sandbox: &Sandbox, call: &Call) -> Answer {
    let text = |key: &str| call.args.text(key).unwrap_or_default();
    let until = sandbox.unix() + GOOD_S;
    let refuse = |error: &str| Answer::json(200, json!({"error": error, "error_description": "not taken"}));
    let mut avito = sandbox.avito.lock();
    let known = |account: &&mut Account| {
        account.client_id == text("client_id") && account.client_secret == text("client_secret")
    };
    let Some(account) = avito.accounts.values_mut().find(known) else { return refuse("invalid_client") };
    let pair = match text("grant_type").as_str() {
        "client_credentials" => false,
        "authorization_code" if account.codes.remove(&text("code")) => true,
        "refresh_token" if account.refresh.remove(&text("refresh_token")) => true,
        "authorization_code" | "refresh_token" => return refuse("invalid_grant"),
        _ => return refuse("unsupported_grant_type"),
    };
    let access = random_hex(16);
    account.tokens.insert(access.clone(), until);
    let mut told = json!({"access_token": access, "expires_in": GOOD_S, "token_type": "Bearer"});
    if let (true, Some(map)) = (pair, told.as_object_mut()) {
        let refresh = random_hex(20);
        account.refresh.insert(refresh.clone());
        map.insert("refresh_token".to_owned(), json!(refresh));
        map.insert("scope".to_owned(), json!("messenger:read,messenger:write"));
    }
    Answer::json(200, told)
}

/// The page where the seller allows the application: this one allows at once and leads back.
pub(super) fn sign_in(sandbox: &Sandbox, call: &Call) -> Answer {
    let mut avito = sandbox.avito.lock();
    let id = call.args.text("client_id").unwrap_or_default();
    let Some(account) = avito.accounts.values_mut().find(|account| account.client_id == id) else {
        return Answer::json(400, json!({"error": "unknown client"}));
    };
    let code = new_code(account);
    let state = call.args.text("state").unwrap_or_default();
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("code", code.as_str()), ("state", state.as_str())])
        .finish();
    let place = format!("{}?{query}", account.redirect);
    Answer {
        status: 302,
        body: Body::Raw(bytes::Bytes::new(), "text/html".to_owned()),
        header: Some(("Location", place)),
    }
}

/// A code of a sign-in.
fn new_code(account: &mut Account) -> String {
    let code = random_hex(12);
    account.codes.insert(code.clone());
    code
}

/// Whose the token of a call is. A token that ran out is answered like one that may not.
pub(super) fn holder(sandbox: &Sandbox, call: &Call) -> Result<i64, Trouble> {
    let now = sandbox.unix();
    let token = call.bearer.clone().ok_or_else(|| Trouble::of(401, "Unauthorized"))?;
    let avito = sandbox.avito.lock();
    let found = avito.accounts.values().find(|account| account.tokens.get(&token).is_some_and(|until| *until > now));
    found.map(|account| account.id).ok_or_else(|| Trouble::of(403, "Forbidden"))
}

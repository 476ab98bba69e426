//! The authorization server: tokens that expire, refresh tokens that rotate.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{Portal, Trouble};
use crate::model::moment::Moment;
use crate::sandbox::answer::Answer;
use crate::sandbox::args::as_text;
use crate::sandbox::door::Call;
use crate::sandbox::fault::{Fault, Kind};
use crate::sandbox::state::{Sandbox, random_hex};

/// How long an access token lives, seconds.
pub(crate) const ACCESS_S: i64 = 3600;
const REFRESH_MS: i64 = 180 * 24 * 3_600_000;
const CODE_MS: i64 = 30_000;

/// Whose a token is.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    /// The portal, by its member id.
    pub(crate) member_id: String,
    /// The employee.
    pub(crate) user: i64,
    until_ms: i64,
}

/// A pair of tokens as it is handed out.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    /// The access token.
    pub(crate) access: String,
    /// The refresh token.
    pub(crate) refresh: String,
    /// When the access token expires, unix seconds.
    pub(crate) expires: i64,
}

/// All tokens that were ever handed out and still mean something.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    access: HashMap<String, Holder>,
    refresh: HashMap<String, Holder>,
    codes: HashMap<String, Holder>,
    /// The pair that events and robots of an employee carry.
    carried: HashMap<(String, i64), Pair>,
}

impl Tokens {
    /// A new pair for an employee.
    pub(crate) fn issue(&mut self, member_id: &str, user: i64, now: Moment) -> Pair {
        let pair = Pair { access: random_hex(35), refresh: random_hex(35), expires: now.0.div_euclid(1000) + ACCESS_S };
        let holder = |until_ms| Holder { member_id: member_id.to_owned(), user, until_ms };
        self.access.insert(pair.access.clone(), holder(pair.expires * 1000));
        self.refresh.insert(pair.refresh.clone(), holder(now.0 + REFRESH_MS));
        pair
    }

    /// The pair that goes out with events; a new one every half of its life, and after it was used to refresh.
    pub(crate) fn carry(&mut self, member_id: &str, user: i64, now: Moment) -> Pair {
        let key = (member_id.to_owned(), user);
        let kept = self.carried.get(&key).filter(|pair| {
            pair.expires - now.0.div_euclid(1000) > ACCESS_S / 2
                && self.refresh.contains_key(&pair.refresh)
                && self.access.contains_key(&pair.access)
        });
        if let Some(kept) = kept {
            return kept.clone();
        }
        let pair = self.issue(member_id, user, now);
        self.carried.insert(key, pair.clone());
        pair
    }

    /// A code for the authorization with a redirect.
    pub(crate) fn issue_code(&mut self, member_id: &str, user: i64, now: Moment) -> String {
        let code = random_hex(35);
        self.codes.insert(code.clone(), Holder { member_id: member_id.to_owned(), user, until_ms: now.0 + CODE_MS });
        code
    }

    /// Whose an access token is.
    ///
    /// # Errors
    /// `invalid_token` for an unknown one, `expired_token` for an old one.
    pub(crate) fn holder(&self, access: &str, now: Moment) -> Result<&Holder, Trouble> {
        let unknown = || Trouble::of(401, "invalid_token", "Unable to get application by token");
        let holder = self.access.get(access).ok_or_else(unknown)?;
        if holder.until_ms <= now.0 { Err(expired()) } else { Ok(holder) }
    }

    /// Expires every access token of a portal at once.
    pub(crate) fn expire(&mut self, member_id: &str, now: Moment) -> usize {
        self.carried.retain(|(portal, _), _| portal != member_id);
        let of_portal =
            self.access.values_mut().filter(|holder| holder.member_id == member_id && holder.until_ms > now.0);
        of_portal.map(|holder| holder.until_ms = now.0).count()
    }

    /// Forgets every token of a portal, or of one employee of it.
    pub(crate) fn revoke(&mut self, member_id: &str, user: Option<i64>) {
        let stays = |holder: &Holder| holder.member_id != member_id || user.is_some_and(|user| holder.user != user);
        self.access.retain(|_, holder| stays(holder));
        self.refresh.retain(|_, holder| stays(holder));
        self.codes.retain(|_, holder| stays(holder));
        self.carried.retain(|(portal, of), _| portal != member_id || user.is_some_and(|user| *of != user));
    }
}

/// The error for an access token that is too old.
pub(crate) fn expired() -> Trouble {
    Trouble::of(401, "expired_token", "The access token provided has expired.")
}

fn refused(code: &str) -> Trouble {
    match code {
        "invalid_client" => Trouble::of(401, code, "The client credentials are invalid"),
        "invalid_request" => Trouble::of(400, code, "The request is missing a required parameter"),
        "PAYMENT_REQUIRED" => Trouble::of(402, code, "Payment required"),
        "NOT_INSTALLED" => Trouble::of(401, code, "Application not installed"),
        _ => Trouble::of(400, "invalid_grant", "Invalid grant_type parameter or parameter missing"),
    }
}

/// The `auth` of events and handlers. Without an employee there is no token in it.
pub(crate) fn auth_of(
    sandbox: &Sandbox,
    tokens: &mut Tokens,
    portal: &Portal,
    user: Option<i64>,
    with_refresh: bool,
) -> Value {
    let mut auth = Map::from_iter([
        ("domain".to_owned(), json!(portal.domain)),
        ("server_endpoint".to_owned(), json!(format!("{}/rest/", sandbox.base()))),
        ("client_endpoint".to_owned(), json!(portal.endpoint(sandbox))),
        ("member_id".to_owned(), json!(portal.member_id)),
        ("application_token".to_owned(), json!(portal.app.application_token)),
    ]);
    if let Some(user) = user {
        let pair = tokens.carry(&portal.member_id, user, sandbox.now());
        auth.insert("access_token".to_owned(), json!(pair.access));
        auth.insert("expires".to_owned(), json!(pair.expires));
        auth.insert("expires_in".to_owned(), json!(pair.expires - sandbox.unix()));
        auth.insert("scope".to_owned(), json!(portal.app.scope));
        auth.insert("status".to_owned(), json!(portal.app.status));
        auth.insert("user_id".to_owned(), json!(user));
        if with_refresh {
            auth.insert("refresh_token".to_owned(), json!(pair.refresh));
        }
    }
    Value::Object(auth)
}

/// `/oauth/token/`.
pub(crate) fn give_tokens(sandbox: &Sandbox, call: &Call) -> Answer {
    exchange(sandbox, call).unwrap_or_else(|trouble| trouble.answer())
}

fn exchange(sandbox: &Sandbox, call: &Call) -> Result<Answer, Trouble> {
    let mut bitrix24 = sandbox.bitrix24.lock();
    let bitrix24 = &mut *bitrix24;
    let now = sandbox.now();
    let given = |key: &str| call.args.text(key).ok_or_else(|| refused("invalid_request"));
    let (client_id, client_secret) = (given("client_id")?, given("client_secret")?);
    let is_client = |portal: &&Portal| portal.app.client_id == client_id && portal.app.client_secret == client_secret;
    if !bitrix24.portals.values().any(|portal| is_client(&portal)) {
        return Err(refused("invalid_client"));
    }
    let grant = given("grant_type")?;
    let (holder, is_refresh) = match grant.as_str() {
        "authorization_code" => (bitrix24.tokens.codes.remove(&given("code")?), false),
        "refresh_token" => {
            let token = given("refresh_token")?;
            // looked at before it is taken, so that another app cannot use it up
            let of = bitrix24.tokens.refresh.get(&token).map(|holder| holder.member_id.clone());
            let is_own = of
                .is_some_and(|of| bitrix24.portals.values().any(|portal| portal.member_id == of && is_client(&portal)));
            (if is_own { bitrix24.tokens.refresh.remove(&token) } else { None }, true)
        }
        _ => return Err(refused("invalid_request")),
    };
    let holder = holder.filter(|holder| holder.until_ms > now.0).ok_or_else(|| refused("invalid_grant"))?;
    let portal = bitrix24.portals.values().find(|portal| portal.member_id == holder.member_id).filter(is_client);
    let portal = portal.ok_or_else(|| refused("invalid_grant"))?;
    if !portal.app.present {
        return Err(refused("NOT_INSTALLED"));
    }
    let pair = bitrix24.tokens.issue(&holder.member_id, holder.user, now);
    let host = sandbox.base().split("//").nth(1).unwrap_or_default();
    let mut body = json!({"access_token": pair.access, "client_endpoint": portal.endpoint(sandbox), "domain": host,
        "expires_in": ACCESS_S, "member_id": portal.member_id, "refresh_token": pair.refresh, "scope": portal.app.scope,
        "server_endpoint": format!("{}/rest/", sandbox.base()), "status": portal.app.status});
    if let (true, Some(map)) = (is_refresh, body.as_object_mut()) {
        map.insert("expires".to_owned(), json!(pair.expires));
        map.insert("user_id".to_owned(), json!(holder.user));
    }
    Ok(Answer::json(200, body))
}

/// `/rest/app.info`: whose a token is.
pub(crate) fn tell_app(sandbox: &Sandbox, method: &str, call: &Call) -> Answer {
    if method != "app.info" {
        return Trouble::of(404, "ERROR_METHOD_NOT_FOUND", "Method not found!").answer();
    }
    let bitrix24 = sandbox.bitrix24.lock();
    let token = call.args.get("auth").and_then(as_text).unwrap_or_default();
    let holder = match bitrix24.tokens.holder(&token, sandbox.now()) {
        Ok(holder) => holder,
        Err(trouble) => return trouble.answer(),
    };
    let Some(portal) = bitrix24.portals.values().find(|portal| portal.member_id == holder.member_id) else {
        return Trouble::of(401, "invalid_token", "Unable to get application by token").answer();
    };
    let endpoint = portal.endpoint(sandbox);
    let expires = Moment(holder.until_ms).to_utc().to_rfc3339();
    let install = json!({"installed": portal.app.installed, "version": portal.app.version, "status": portal.app.status,
        "scope": portal.app.scope, "domain": portal.domain, "uri": endpoint.trim_end_matches("/rest/"),
        "client_endpoint": endpoint, "member_id": portal.member_id, "member_type": "client"});
    Answer::json(
        200,
        json!({"result": {"client_id": portal.app.client_id, "scope": portal.app.scope, "expires": expires,
        "install": install, "user_id": holder.user}}),
    )
}

/// The answer of a planned fault at the authorization server.
pub(crate) fn refuse_token_by_plan(fault: &Fault) -> Answer {
    match fault.kind {
        Kind::TokenExpired => refused("invalid_grant").answer(),
        Kind::Busy => Trouble::of(503, "QUERY_LIMIT_EXCEEDED", "Too many requests").answer(),
        Kind::Refuse => {
            let mut trouble = refused(&fault.code.as_ref().and_then(as_text).unwrap_or_default());
            trouble.status = fault.status.unwrap_or(trouble.status);
            trouble.answer()
        }
        _ => Trouble::of(500, "INTERNAL_SERVER_ERROR", "Internal server error").answer(),
    }
}

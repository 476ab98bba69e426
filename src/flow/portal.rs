//! Calling a portal: which of its people's tokens to use, renewing them once for all processes, and what its faults mean.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::app::App;
use crate::crm::bitrix24::batch::{Batch, Part};
use crate::crm::bitrix24::client::{self, Portal, Success};
use crate::crm::bitrix24::fault::Fault;
use crate::crm::bitrix24::oauth::{self, AppKeys, AuthServer, OauthError};
use crate::crm::bitrix24::sms;
use crate::flow::credentials;
use crate::model::errand::{Errand, Work};
use crate::model::id::{CompanyId, PortalId};
use crate::model::vendor::{Answer, Scope};
use crate::net::http::Limits;
use crate::store::row::{PortalPatch, PortalRow, TokenPairRow};
use crate::store::{Result, StoreError};

/// A token is renewed when it is good for less than this, in milliseconds.
const FRESH_MS: i64 = 30_000;

/// The right to renew is held no longer than this, in milliseconds: longer than the call may take.
const RENEWAL_MS: i64 = 40_000;

/// Between two looks whether another process has renewed the pair, in milliseconds.
const LOOK_MS: i64 = 200;

/// Carries a call of the outbox out.
pub async fn perform(
    app: &App,
    company: CompanyId,
    portal: PortalId,
    method: &str,
    params: &Value,
    repeatable: bool,
) -> Answer {
    match call(app, company, portal, method, params).await {
        Ok(Ok(_)) => Answer::done(),
        Ok(Err(fault)) => fault.answer(repeatable, app.clock.now()),
        Err(error) => {
            tracing::error!(%error, "a portal could not be called");
            Answer::Down { seen: "the store failed".to_owned() }
        }
    }
}

/// Tells a portal the statuses of several SMS in one batch.
pub async fn push_statuses(app: &App, errands: &[Errand]) -> Vec<Answer> {
    let mut batch = Batch::new();
    let mut where_to = None;
    for errand in errands {
        if let Work::SmsStatus { portal, code, message, status } = &errand.work {
            where_to = Some((errand.company, *portal));
            let params = json!({ "CODE": code, "MESSAGE_ID": message, "STATUS": status });
            // a batch is never larger than what the pump takes at once
            let _ = batch.push(sms::STATUS_METHOD, &params);
        }
    }
    let Some((company, portal)) = where_to else { return vec![Answer::done(); errands.len()] };
    let now = app.clock.now();
    match call(app, company, portal, "batch", &batch.params()).await {
        Ok(Ok(success)) => {
            let parts = batch.read(&success.result).into_iter().map(|part| match part {
                Part::Done(_) => Answer::done(),
                Part::Failed(fault) => fault.answer(true, now),
                Part::NotTried => Answer::Busy { after_ms: 1000, scope: Scope::Lane },
            });
            parts.collect()
        }
        Ok(Err(fault)) => vec![fault.answer(true, now); errands.len()],
        Err(error) => {
            tracing::error!(%error, "a portal could not be called");
            vec![Answer::Down { seen: "the store failed".to_owned() }; errands.len()]
        }
    }
}

/// Calls a method with the best token there is; renews it where it must be, tries another administrator's where rights are
/// missing, and follows a portal that moved.
///
/// # Errors
/// The outer error is the store's, the inner one the portal's.
pub async fn call(
    app: &App,
    company: CompanyId,
    id: PortalId,
    method: &str,
    params: &Value,
) -> Result<Result<Success, Fault>> {
    let Some(mut portal) = app.store.read(move |conn| crate::on!(conn, portal::by_id(company, id))).await? else {
        return Ok(Err(Fault::Gone));
    };
    if portal.state != "installed" {
        return Ok(Err(Fault::Refused { code: "UNINSTALLED".to_owned(), text: String::new() }));
    }
    let mut last = Fault::Token { code: "NO_TOKEN".to_owned() };
    for pair in app.store.read(move |conn| crate::on!(conn, portal::tokens(id))).await? {
        match call_with(app, &mut portal, pair, method, params).await? {
            Err(fault @ (Fault::Token { .. } | Fault::NoRights { .. })) => last = fault,
            other => return Ok(other),
        }
    }
    Ok(Err(last))
}

async fn call_with(
    app: &App,
    portal: &mut PortalRow,
    mut pair: TokenPairRow,
    method: &str,
    params: &Value,
) -> Result<Result<Success, Fault>> {
    let mut renewed = false;
    if pair.expires_at <= app.clock.now().plus_ms(FRESH_MS).0 {
        pair = match renew(app, portal, pair).await? {
            Ok(pair) => pair,
            Err(fault) => return Ok(Err(fault)),
        };
        renewed = true;
    }
    let mut moved = false;
    loop {
        let access = credentials::open(app, "portal_tokens", &place(&pair), &pair.access_token)?;
        let target = Portal {
            client_endpoint: portal.client_endpoint.clone(),
            access_token: access,
            member_id: portal.member_id.clone(),
        };
        match client::call(&app.http, &target, method, params, Limits::CALL).await {
            Err(Fault::Token { .. }) if !renewed => {
                pair = match renew(app, portal, pair).await? {
                    Ok(pair) => pair,
                    Err(fault) => return Ok(Err(fault)),
                };
                renewed = true;
            }
            Err(Fault::Moved { location }) if !moved => {
                moved = true;
                if !follow(app, portal, &target, method, &location).await? {
                    return Ok(Err(Fault::Moved { location }));
                }
            }
            other => return Ok(other),
        }
    }
}

/// Renews a pair: one process does it, the others wait for its result. A refused pair is read once more, since another
/// process may have been faster, and is then given up.
async fn renew(app: &App, portal: &PortalRow, pair: TokenPairRow) -> Result<Result<TokenPairRow, Fault>> {
    let id: PortalId = portal.id.parse().map_err(|_| unreadable("portals"))?;
    let owner = uuid::Uuid::now_v7().simple().to_string();
    let began = app.clock.tick();
    loop {
        let now = app.clock.now();
        let (user, version, name) = (pair.user_id.clone(), pair.version, owner.clone());
        let leased = app
            .store
            .write(move |conn| {
                crate::on!(conn, portal::lease_tokens(id, &user, version, &name, now.0, now.plus_ms(RENEWAL_MS).0))
            })
            .await?;
        if leased {
            return exchange(app, portal, id, pair).await;
        }
        let user = pair.user_id.clone();
        let pairs = app.store.read(move |conn| crate::on!(conn, portal::tokens(id))).await?;
        match pairs.into_iter().find(|other| other.user_id == user) {
            Some(other) if other.version != pair.version => return Ok(Ok(other)),
            Some(_) if app.clock.tick().since_ms(began) < RENEWAL_MS => {
                app.clock.sleep_until(app.clock.tick().plus_ms(LOOK_MS)).await;
            }
            _ => return Ok(Err(Fault::Token { code: "expired_token".to_owned() })),
        }
    }
}

async fn exchange(
    app: &App,
    portal: &PortalRow,
    id: PortalId,
    pair: TokenPairRow,
) -> Result<Result<TokenPairRow, Fault>> {
    let refresh = credentials::open(app, "portal_tokens", &place(&pair), &pair.refresh_token)?;
    let asked = match auth_server(app, &portal.server_endpoint) {
        Ok(server) => oauth::refresh(&app.http, &keys(app), &server, &refresh).await,
        Err(error) => Err(error),
    };
    let (user, version) = (pair.user_id.clone(), pair.version);
    let tokens = match asked {
        Ok(tokens) if tokens.member_id == portal.member_id => tokens,
        outcome => {
            let error = outcome.err().unwrap_or(OauthError::GrantGone);
            tracing::warn!(%error, portal = portal.id, "a token could not be renewed");
            let dead = matches!(error, OauthError::GrantGone);
            app.store.write(move |conn| crate::on!(conn, portal::drop_lease(id, &user, version, dead))).await?;
            return Ok(Err(fault_of(error)));
        }
    };
    let fresh = sealed(app, pair, &tokens.access_token, &tokens.refresh_token, tokens.expires_in_s);
    let row = fresh.clone();
    // the new pair is kept before it is used: a crash in between would lose the only good refresh token
    app.store
        .write(move |conn| {
            crate::on!(
                conn,
                portal::renew_tokens(id, &row.user_id, version, &row.access_token, &row.refresh_token, row.expires_at)
            )
        })
        .await?;
    Ok(Ok(TokenPairRow { version: version + 1, ..fresh }))
}

fn fault_of(error: OauthError) -> Fault {
    match error {
        OauthError::NotReached(seen) | OauthError::Unsure(seen) => Fault::NotReached(seen),
        OauthError::Unpaid => Fault::Unpaid { text: "the application is not paid".to_owned() },
        OauthError::Gone(_) => Fault::Gone,
        other => Fault::Token { code: other.to_string() },
    }
}

/// Goes along with a portal that moved, once a call at the new address has shown that it is the same portal.
async fn follow(app: &App, portal: &mut PortalRow, target: &Portal, method: &str, location: &str) -> Result<bool> {
    let Some(endpoint) = client::moved_endpoint(target, method, location) else { return Ok(false) };
    let there = Portal { client_endpoint: endpoint.clone(), ..target.clone() };
    let token = target.access_token.clone();
    let server = auth_server(app, &portal.server_endpoint);
    let Ok(server) = server else { return Ok(false) };
    let same = match oauth::introspect(&app.http, &server, &token).await {
        Ok(info) => info.member_id == portal.member_id && info.client_endpoint == endpoint,
        Err(_) => false,
    };
    if !same || client::call(&app.http, &there, "app.info", &json!({}), Limits::CALL).await.is_err() {
        return Ok(false);
    }
    let domain = url::Url::parse(&endpoint).ok().and_then(|url| url.host_str().map(str::to_owned));
    let patch = PortalPatch { client_endpoint: Some(endpoint.clone()), domain, ..PortalPatch::default() };
    let (company, id) = (
        portal.company.parse().map_err(|_| unreadable("portals"))?,
        portal.id.parse().map_err(|_| unreadable("portals"))?,
    );
    app.store.write(move |conn| crate::on!(conn, portal::patch(company, id, &patch))).await?;
    app.known.forget();
    portal.client_endpoint = endpoint;
    Ok(true)
}

/// A token pair with new tokens, sealed.
#[must_use]
pub fn sealed(
    app: &App,
    pair: TokenPairRow,
    access: &SecretString,
    refresh: &SecretString,
    expires_in_s: i64,
) -> TokenPairRow {
    let at = place(&pair);
    TokenPairRow {
        access_token: credentials::seal(app, "portal_tokens", &at, access),
        refresh_token: credentials::seal_some(app, "portal_tokens", &at, Some(refresh)),
        expires_at: app.clock.now().plus_ms(expires_in_s.saturating_mul(1000)).0,
        dead: refresh.expose_secret().is_empty(),
        ..pair
    }
}

fn place(pair: &TokenPairRow) -> String {
    format!("{}:{}", pair.portal, pair.user_id)
}

/// The authorization server of an installation, where it is one that may get our secret.
///
/// # Errors
/// [`OauthError::UnknownHost`].
pub fn auth_server(app: &App, server_endpoint: &str) -> std::result::Result<AuthServer, OauthError> {
    AuthServer::of(server_endpoint, &app.config.vendors.oauth_hosts)
}

/// The keys of our application.
#[must_use]
pub fn keys(app: &App) -> AppKeys {
    AppKeys {
        client_id: app.config.bitrix24.client_id.clone(),
        client_secret: app.config.bitrix24.client_secret.clone(),
    }
}

fn unreadable(table: &'static str) -> StoreError {
    StoreError::Unreadable { table, what: "an id is not of its form".to_owned() }
}

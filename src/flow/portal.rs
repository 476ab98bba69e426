//! Calling a portal: which of its people's tokens to use, renewing them once for all processes, and what its faults mean.

mod lost;
mod token;

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

use token::{place, renew};

pub(crate) use lost::find_again;
pub use lost::{lose, run_again};
pub use token::sealed;

/// A token is renewed when it is good for less than this, in milliseconds.
const FRESH_MS: i64 = 30_000;

/// Carries a call of the outbox out.
pub(crate) async fn perform(
    app: &App,
    company: CompanyId,
    portal: PortalId,
    method: &str,
    params: &Value,
    repeatable: bool,
) -> Answer {
    if let Some(resting) = resting(app, portal, &[method]) {
        return resting;
    }
    match call(app, company, portal, method, params).await {
        Ok(Ok(_)) => Answer::done(),
        Ok(Err(fault)) => meet(app, company, portal, method, &fault, repeatable).await,
        Err(error) => unreachable_store(&error),
    }
}

/// Tells a portal several small things in one batch: statuses of SMS, marks of open lines.
pub(crate) async fn push_batch(app: &App, errands: &[Errand]) -> Vec<Answer> {
    let where_to = errands.iter().find_map(|errand| match &errand.work {
        Work::SmsStatus { portal, .. } | Work::OpenLineMark { portal, .. } => Some((errand.company, *portal)),
        _ => None,
    });
    let Some((company, portal)) = where_to else { return vec![Answer::done(); errands.len()] };
    if let Some(resting) = resting(app, portal, &["batch"]) {
        return vec![resting; errands.len()];
    }
    let calls: Vec<Option<(&str, Value)>> = errands.iter().map(small_call).collect();
    let mut answers: Vec<Option<Answer>> = calls
        .iter()
        .map(|call| call.as_ref().map_or(Some(Answer::done()), |(method, _)| resting(app, portal, &[method])))
        .collect();
    let (mut skip, mut renewed) = (0, false);
    while answers.iter().any(Option::is_none) {
        let open: Vec<usize> = (0..).zip(&answers).filter(|(_, answer)| answer.is_none()).map(|(at, _)| at).collect();
        let mut batch = Batch::new();
        for (method, params) in open.iter().filter_map(|at| calls.get(*at)?.as_ref()) {
            // a batch is never larger than what the pump takes at once
            let _ = batch.push(method, params);
        }
        let tried = match call_from(app, company, portal, skip, "batch", &batch.params()).await {
            Ok(tried) => tried,
            Err(error) => return filled(answers, &unreachable_store(&error)),
        };
        let success = match tried.outcome {
            Ok(success) => success,
            Err(fault) => return filled(answers, &meet(app, company, portal, "batch", &fault, true).await),
        };
        let mut ran_out = false;
        for (at, part) in open.into_iter().zip(batch.read(&success.result)) {
            let method = calls.get(at).and_then(Option::as_ref).map_or("batch", |(method, _)| method);
            let answer = match part {
                Part::Done(_) => Some(Answer::done()),
                // while the batch was worked: the next call renews the token
                Part::Failed(Fault::Token { .. }) if !renewed => {
                    ran_out = true;
                    None
                }
                // the message is somebody else's, and this user is no administrator any more: another one may do it
                Part::Failed(Fault::Token { .. } | Fault::NoRights { .. }) if tried.more => None,
                Part::Failed(fault) => Some(meet(app, company, portal, method, &fault, true).await),
                Part::NotTried => Some(Answer::Busy { after_ms: 1000, scope: Scope::Lane }),
            };
            if let Some(slot) = answers.get_mut(at) {
                *slot = answer;
            }
        }
        skip = if ran_out { tried.pair } else { tried.pair + 1 };
        renewed = ran_out;
    }
    filled(answers, &Answer::done())
}

/// The method and the parameters of a call that leaves in a batch.
fn small_call(errand: &Errand) -> Option<(&str, Value)> {
    match &errand.work {
        Work::SmsStatus { code, message, status, .. } => {
            Some((sms::STATUS_METHOD, json!({ "CODE": code, "MESSAGE_ID": message, "STATUS": status })))
        }
        Work::OpenLineMark { method, params, .. } => Some((method, params.clone())),
        _ => None,
    }
}

fn filled(answers: Vec<Option<Answer>>, rest: &Answer) -> Vec<Answer> {
    answers.into_iter().map(|answer| answer.unwrap_or_else(|| rest.clone())).collect()
}

/// The answer for a method that rests; none where none of them does.
pub(super) fn resting(app: &App, portal: PortalId, methods: &[&str]) -> Option<Answer> {
    let now = app.clock.now();
    let until = methods.iter().filter_map(|method| app.resting.until(portal, method, now)).max()?;
    Some(Fault::MethodResting { until: Some(until) }.answer(true, now))
}

/// What a fault means for more than its own errand: a method that rests, rests for all; a portal without a good token is
/// lost.
pub(super) async fn meet(
    app: &App,
    company: CompanyId,
    portal: PortalId,
    method: &str,
    fault: &Fault,
    repeatable: bool,
) -> Answer {
    let now = app.clock.now();
    let answer = fault.answer(repeatable, now);
    match (fault, &answer) {
        (Fault::MethodResting { .. }, Answer::Busy { after_ms, .. }) => {
            let until = now.plus_ms(*after_ms);
            tracing::warn!(portal = %portal, method, until = until.0, "a method of a portal used up its time and rests");
            app.resting.rest(portal, method, until, now);
        }
        (Fault::Token { .. }, _) => {
            if let Err(error) = lose(app, company, portal, &fault.to_string()).await {
                return unreachable_store(&error);
            }
        }
        (Fault::Blocked | Fault::Unpaid { .. } | Fault::Gone, _) => {
            tracing::error!(portal = %portal, error = %fault, "a portal lets nothing through; its calls wait");
        }
        _ => {}
    }
    answer
}

pub(super) fn unreachable_store(error: &StoreError) -> Answer {
    tracing::error!(%error, "a portal could not be called");
    Answer::Down { seen: "the store failed".to_owned() }
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
    Ok(call_from(app, company, id, 0, method, params).await?.outcome)
}

/// Calls a method as one employee and as nobody else, so that the portal's own rights decide what comes of it.
///
/// # Errors
/// The outer error is the store's, the inner one the portal's; [`Fault::Token`] where no good token of theirs is known.
pub(crate) async fn call_of(
    app: &App,
    company: CompanyId,
    id: PortalId,
    user_id: i64,
    method: &str,
    params: &Value,
) -> Result<Result<Success, Fault>> {
    let (row, pairs) = app
        .store
        .read(move |conn| Ok((crate::on!(conn, portal::by_id(company, id))?, crate::on!(conn, portal::tokens(id))?)))
        .await?;
    let Some(mut row) = row.filter(|row| row.state != "uninstalled") else { return Ok(Err(Fault::Gone)) };
    let user = user_id.to_string();
    match pairs.into_iter().find(|pair| pair.user_id == user) {
        Some(pair) => call_with(app, &mut row, pair, method, params).await,
        None => Ok(Err(Fault::Token { code: "NO_TOKEN".to_owned() })),
    }
}

/// What came of trying the tokens of a portal one after the other.
struct Tried {
    /// The place of the pair that was used last.
    pair: usize,
    /// Whether there are pairs behind it.
    more: bool,
    outcome: std::result::Result<Success, Fault>,
}

async fn call_from(
    app: &App,
    company: CompanyId,
    id: PortalId,
    skip: usize,
    method: &str,
    params: &Value,
) -> Result<Tried> {
    let failed = |fault| Tried { pair: 0, more: false, outcome: Err(fault) };
    let Some(mut portal) = app.store.read(move |conn| crate::on!(conn, portal::by_id(company, id))).await? else {
        return Ok(failed(Fault::Gone));
    };
    if portal.state == "uninstalled" {
        return Ok(failed(Fault::Refused { code: "UNINSTALLED".to_owned(), text: String::new() }));
    }
    let mut last = failed(Fault::Token { code: "NO_TOKEN".to_owned() });
    let pairs = app.store.read(move |conn| crate::on!(conn, portal::tokens(id))).await?;
    let count = pairs.len();
    for (at, pair) in pairs.into_iter().enumerate().skip(skip) {
        let outcome = call_with(app, &mut portal, pair, method, params).await?;
        let again = matches!(outcome, Err(Fault::Token { .. } | Fault::NoRights { .. }));
        // a token that the portal knows and that lacks rights says more than the next one, which it does not know
        let says_less = matches!((&last.outcome, &outcome), (Err(Fault::NoRights { .. }), Err(Fault::Token { .. })));
        last = Tried { pair: at, more: at + 1 < count, outcome: if says_less { last.outcome } else { outcome } };
        if !again {
            break;
        }
    }
    Ok(last)
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
        match client::call(&app.http, &target, method, params, limits(app, params)).await {
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

/// A portal fetches the files of a message while it takes it, which may last.
fn limits(app: &App, params: &Value) -> Limits {
    let has_files = params.pointer("/MESSAGES/0/message/files").is_some();
    if has_files { app.http.limits().with_file() } else { app.http.limits() }
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
    if !same || client::call(&app.http, &there, "app.info", &json!({}), app.http.limits()).await.is_err() {
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

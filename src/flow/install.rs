//! The life of an installed portal: installation by page or by event, update, uninstallation; and the installer that puts
//! our robot, senders and event handlers there, as often as it must.

mod again;
mod compare;
mod leave;
mod trouble;

use secrecy::SecretString;
use serde_json::{Value, json};

use crate::app::App;
use crate::crm::bitrix24::batch::{Batch, LIMIT, Part};
use crate::crm::bitrix24::client::{self, Portal};
use crate::crm::bitrix24::connector;
use crate::crm::bitrix24::event::{Auth, Event, Page, What};
use crate::crm::bitrix24::fault::Fault;
use crate::crm::bitrix24::install::{self, EVENTS, Present, Wanted};
use crate::crm::bitrix24::limit;
use crate::crm::bitrix24::oauth::{self, OauthError, TokenInfo};
use crate::crm::bitrix24::placement;
use crate::crm::bitrix24::sms::{self, Sender};
use crate::flow::{credentials, framed, open_line, portal};
use crate::model::id::{CompanyId, PortalId};
use crate::model::moment::Moment;
use crate::model::php_form::Fields;
use crate::net::http::Limits;
use crate::store::row::{NewLane, PortalPatch, PortalRow, TokenPairRow};
use crate::store::{Conn, StoreError};

pub use again::put_again;
pub(crate) use again::put_for;
pub use compare::Part as PortalPart;
pub(crate) use compare::compare;
pub use trouble::Trouble;

/// How much older than the newest word about an installation another one may be and still count, in milliseconds: the clock
/// of the portal is not ours.
const OLD_WORD_MS: i64 = 60_000;

/// The lists that an installation compares with what should be there.
const LISTS: [&str; 5] =
    ["event.get", "bizproc.robot.list", "messageservice.sender.list", "placement.get", "imconnector.list"];

/// The authorization server of portals that do not name one.
const DEFAULT_SERVER: &str = "https://oauth.bitrix24.tech/rest/";

/// Why an installation did not go through.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Whoever posts it is not the portal that it names.
    #[error("the portal could not be recognised")]
    NotThePortal,
    /// The person is no administrator.
    #[error("only an administrator may install the application")]
    NotAdministrator,
    /// Our application's keys are not configured.
    #[error("the keys of the application are not configured: set bitrix24.client_id and bitrix24.client_secret")]
    NoKeys,
    /// Our own address is not configured.
    #[error("the public address is not configured: set server.public_url")]
    NoPublicAddress,
    /// The authorization server did not help.
    #[error(transparent)]
    Oauth(#[from] OauthError),
    /// The portal did not help.
    #[error(transparent)]
    Portal(#[from] Fault),
    /// The store did not help.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an installation found and did.
#[derive(Debug, Clone)]
pub struct Installed {
    /// The portal.
    pub portal: PortalRow,
    /// Who did it.
    pub user_id: i64,
    /// Whether the person who did it is an administrator.
    pub is_admin: bool,
    /// The steps that were done, as methods.
    pub steps: Vec<&'static str>,
    /// What did not work, for the person who installs.
    pub troubles: Vec<Trouble>,
}

/// Who speaks for a portal, by an access token that the authorization server has vouched for.
struct Proven {
    info: TokenInfo,
    server_endpoint: String,
    access: SecretString,
    refresh: Option<SecretString>,
    expires_in_s: i64,
    application_token: Option<SecretString>,
    at: Moment,
}

/// A page was opened in the portal. `install` says that it is the installer's page.
///
/// # Errors
/// [`InstallError`].
pub(crate) async fn page(app: &App, page: &Page, install: bool) -> Result<Installed, InstallError> {
    let access = page.access_token.clone().ok_or(InstallError::NotThePortal)?;
    let server = page.server_endpoint.clone().unwrap_or_else(|| DEFAULT_SERVER.to_owned());
    let info = introspect(app, &server, &access, &page.member_id).await?;
    let proven = Proven {
        info,
        server_endpoint: server,
        access,
        refresh: page.refresh_token.clone(),
        expires_in_s: page.expires_in_s,
        application_token: page.application_token.clone(),
        at: app.clock.now(),
    };
    settle_in(app, proven, install).await
}

/// An event of the application's life.
///
/// # Errors
/// [`InstallError`].
pub(crate) async fn event(app: &App, event: &Event) -> Result<(), InstallError> {
    let member = event.auth.member_id.clone();
    let known = app.store.read(move |conn| crate::on!(conn, portal::by_member(&member))).await?;
    match (&event.what, known) {
        (What::Installed { .. } | What::Updated { .. }, Some(row)) if is_old(&row, event.at) => {
            tracing::info!(portal = row.id, "an old installation was left aside: a newer one is known");
            Ok(())
        }
        (What::Installed { .. } | What::Updated { .. }, _) => {
            let installed = settle_in(app, prove(app, event).await?, true).await?;
            for trouble in &installed.troubles {
                tracing::warn!(portal = installed.portal.id, %trouble, "the installation is not complete");
            }
            Ok(())
        }
        (What::Test { query }, Some(row)) => Ok(framed::hear_test(app, &row, query).await?),
        (What::Uninstalled { clean }, Some(row)) => leave::uninstall(app, &row, &event.auth, *clean).await,
        (_, Some(_)) => Ok(()),
        (_, None) => Err(InstallError::NotThePortal),
    }
}

/// Events overtake each other, and an old installation may bring an old application token.
fn is_old(row: &PortalRow, at: Option<Moment>) -> bool {
    row.event_at.zip(at).is_some_and(|(newest, at)| at.plus_ms(OLD_WORD_MS).0 < newest)
}

async fn prove(app: &App, event: &Event) -> Result<Proven, InstallError> {
    let auth: &Auth = &event.auth;
    let access = auth.access_token.clone().ok_or(InstallError::NotThePortal)?;
    let server = auth.server_endpoint.clone().unwrap_or_else(|| DEFAULT_SERVER.to_owned());
    let info = introspect(app, &server, &access, &auth.member_id).await?;
    let left_ms = auth.expires_at.map_or(3_600_000, |at| at.since_ms(app.clock.now()));
    Ok(Proven {
        info,
        server_endpoint: server,
        access,
        refresh: auth.refresh_token.clone(),
        expires_in_s: (left_ms / 1000).clamp(0, 3600),
        application_token: auth.application_token.clone(),
        at: event.at.unwrap_or_else(|| app.clock.now()),
    })
}

/// Asks the authorization server whose a token is; it must be one of our application and of the portal that is named.
pub(super) async fn introspect(
    app: &App,
    server: &str,
    access: &SecretString,
    member_id: &str,
) -> Result<TokenInfo, InstallError> {
    if app.config.bitrix24.client_id.is_empty() {
        return Err(InstallError::NoKeys);
    }
    let asked = match portal::auth_server(app, server) {
        Ok(server) => oauth::introspect(&app.http, &server, access).await,
        Err(error) => Err(error),
    };
    let info = asked.map_err(|error| match error {
        // whoever names a server of his own, or brings a token that the vendor does not know, proves nothing
        OauthError::UnknownHost(_) | OauthError::TokenBad => InstallError::NotThePortal,
        other => other.into(),
    })?;
    if info.client_id == app.config.bitrix24.client_id && info.member_id == member_id {
        Ok(info)
    } else {
        Err(InstallError::NotThePortal)
    }
}

async fn settle_in(app: &App, proven: Proven, install: bool) -> Result<Installed, InstallError> {
    let target = Portal {
        client_endpoint: proven.info.client_endpoint.clone(),
        access_token: proven.access.clone(),
        member_id: proven.info.member_id.clone(),
    };
    let (user_id, is_admin) = profile(app, &target).await?;
    if install && !is_admin {
        return Err(InstallError::NotAdministrator);
    }
    let family = license_family(app, &target).await;
    let member = proven.info.member_id.clone();
    let known = app.store.read(move |conn| crate::on!(conn, portal::by_member(&member))).await?;
    // whoever opens the page of an application that we believed to be gone has it installed
    let is_new = known.is_none_or(|row| row.state == "uninstalled");
    let row = enter(app, proven, (user_id, is_admin), family.as_deref()).await?;
    let (mut steps, mut troubles) = (Vec::new(), Vec::new());
    if install || (is_new && is_admin) {
        (steps, troubles) = put_in_place(app, &row, &target).await?;
    }
    Ok(Installed { portal: row, user_id, is_admin, steps, troubles })
}

/// Whose token it is, by the portal's own word, and whether that is an administrator.
pub(super) async fn profile(app: &App, target: &Portal) -> Result<(i64, bool), Fault> {
    let profile = client::call(&app.http, target, "profile", &json!({}), Limits::CALL).await?;
    let is_admin = match profile.result.get("ADMIN") {
        Some(Value::Bool(admin)) => *admin,
        Some(Value::String(admin)) => matches!(admin.as_str(), "1" | "Y" | "true"),
        _ => false,
    };
    Ok((Fields::of(&profile.result).number("ID").ok().flatten().unwrap_or(0), is_admin))
}

/// The family of the portal's licence decides its pace; where it is not told the slower one holds.
async fn license_family(app: &App, target: &Portal) -> Option<String> {
    let info = client::call(&app.http, target, "app.info", &json!({}), Limits::CALL).await.ok()?;
    info.result.get("LICENSE_FAMILY")?.as_str().map(str::to_owned)
}

/// Writes the portal down, or what is new about it, with the tokens of the person.
async fn enter(
    app: &App,
    proven: Proven,
    (user_id, is_admin): (i64, bool),
    family: Option<&str>,
) -> Result<PortalRow, InstallError> {
    let usual = (app.config.pace.portal_per_second, app.config.pace.portal_burst);
    let (inner, pace, now) = (app.clone(), limit::pace(family, usual), app.clock.now());
    let fresh_key = crate::net::signature::fresh_secret()
        .ok_or_else(|| StoreError::Unreachable("the machine gives no random bytes".to_owned()))?;
    let row = app
        .store
        .write(move |conn| {
            let known = crate::on!(conn, portal::by_member(&proven.info.member_id))?;
            let row = match known {
                Some(row) => renew_row(&inner, conn, row, (&proven, is_admin), &pace)?,
                None => create_row(&inner, conn, &proven, &fresh_key, pace, now.0)?,
            };
            let user_id = proven.info.user_id.unwrap_or(user_id).to_string();
            let pair = TokenPairRow::of(&row.id, &user_id, is_admin);
            if let Some(refresh) = &proven.refresh {
                let pair = portal::sealed(&inner, pair, &proven.access, refresh, proven.expires_in_s);
                crate::on!(conn, portal::keep_tokens(&pair))?;
            }
            Ok(row)
        })
        .await?;
    app.known.forget();
    app.bell.changed(row.lane);
    Ok(row)
}

fn renew_row(
    app: &App,
    conn: &mut Conn,
    row: PortalRow,
    (proven, is_admin): (&Proven, bool),
    pace: &crate::model::pace::Pace,
) -> crate::store::Result<PortalRow> {
    // the token of the page stands beside the proof and not in it: an employee must not be able to put another one here
    let believed = proven.application_token.as_ref().filter(|_| is_admin || row.application_token.is_empty());
    let token = believed.map(|token| credentials::seal(app, "portals", &row.id, token));
    let patch = PortalPatch {
        domain: Some(proven.info.domain.clone()),
        client_endpoint: Some(proven.info.client_endpoint.clone()),
        server_endpoint: Some(proven.server_endpoint.clone()),
        application_token: token,
        state: Some("installed".to_owned()),
        robot_url: None,
        event_at: Some(proven.at.0.max(row.event_at.unwrap_or_default())),
    };
    let (company, id) = ids(&row)?;
    crate::on!(conn, portal::patch(company, id, &patch))?;
    crate::on!(conn, lane::set_pace(company, row.lane, pace, None))?;
    portal::run_again(conn, company, row.lane)?;
    Ok(crate::on!(conn, portal::by_id(company, id))?.unwrap_or(row))
}

fn create_row(
    app: &App,
    conn: &mut Conn,
    proven: &Proven,
    fresh_key: &str,
    pace: crate::model::pace::Pace,
    now: i64,
) -> crate::store::Result<PortalRow> {
    let company = company_for(conn, &proven.info.domain, now)?;
    let lane = crate::on!(conn, lane::create(company, &NewLane { kind: "portal".to_owned(), pace, hours: None }))?;
    let id = PortalId::new().to_string();
    let token = proven
        .application_token
        .as_ref()
        .map_or_else(String::new, |token| credentials::seal(app, "portals", &id, token));
    let row = PortalRow {
        id,
        company: company.to_string(),
        member_id: proven.info.member_id.clone(),
        domain: proven.info.domain.clone(),
        client_endpoint: proven.info.client_endpoint.clone(),
        server_endpoint: proven.server_endpoint.clone(),
        application_token: token,
        state: "installed".to_owned(),
        lane,
        hook_key: fresh_key.to_owned(),
        robot_url: None,
        event_at: Some(proven.at.0),
        created_at: now,
    };
    crate::on!(conn, portal::create(&row))?;
    crate::store::notice::changed(conn, lane)?;
    Ok(row)
}

/// A portal that nobody knows belongs to the only company of the server; where there are none or several it gets its own.
fn company_for(conn: &mut Conn, domain: &str, now: i64) -> crate::store::Result<CompanyId> {
    let mut companies = crate::on!(conn, company::all())?;
    if companies.len() == 1
        && let Some(company) = companies.pop().and_then(|(id, _)| id.parse().ok())
    {
        return Ok(company);
    }
    let company = CompanyId::new();
    crate::on!(conn, company::create(company, domain, "Europe/Moscow", now))?;
    Ok(company)
}

/// Puts our things into the portal: what is there stays, what is missing is added, what is old is brought up to date.
async fn put_in_place(
    app: &App,
    row: &PortalRow,
    target: &Portal,
) -> Result<(Vec<&'static str>, Vec<Trouble>), InstallError> {
    let base = app.config.server.public_url.trim_end_matches('/');
    if base.is_empty() {
        return Err(InstallError::NoPublicAddress);
    }
    let wanted = wanted(app, row, base).await?;
    let (present, mut troubles) = present(app, target).await?;
    let mut plan = install::plan(&present, &wanted);
    // of what could not be listed nobody knows what is missing
    plan.retain(|step| !troubles.iter().any(|trouble| family(step.method) == family(&trouble.method)));
    let mut done = Vec::new();
    for part in plan.chunks(LIMIT) {
        let mut batch = Batch::new();
        for step in part {
            // a part is never larger than a batch
            let _ = batch.push(step.method, &step.params);
        }
        let success = client::call(&app.http, target, "batch", &batch.params(), Limits::CALL).await?;
        for (step, outcome) in part.iter().zip(batch.read(&success.result)) {
            match outcome {
                // a connector tells of its failure inside a success
                Part::Done(result) => {
                    match connector::refusal(&result).filter(|_| step.method == connector::REGISTER) {
                        Some(code) => troubles.push(Trouble::new(step.method, &code, String::new())),
                        None => done.push(step.method),
                    }
                }
                Part::Failed(Fault::Refused { code, text })
                    if install::is_done_already(step.method, &code)
                        || placement::is_bound_already(step.method, &text) =>
                {
                    done.push(step.method);
                }
                Part::Failed(fault) => troubles.push(Trouble::of(step.method, &fault)),
                Part::NotTried => troubles.push(Trouble::not_tried(step.method)),
            }
        }
    }
    troubles.extend(open_line::settings::connect_again(app, row).await?);
    framed::note_put(app, row).await?;
    Ok((done, troubles))
}

/// Where portals post their events to.
#[must_use]
pub fn event_handler(base: &str) -> String {
    format!("{base}/bitrix24/event")
}

/// What a method is about: `bizproc.robot` of `bizproc.robot.add`.
fn family(method: &str) -> &str {
    method.rsplit_once('.').map_or(method, |(family, _)| family)
}

async fn wanted(app: &App, row: &PortalRow, base: &str) -> Result<Wanted, InstallError> {
    let (company, id) = ids(row)?;
    let lines = app.store.read(move |conn| crate::on!(conn, line::of_company(company))).await?;
    let tokens = app.store.read(move |conn| crate::on!(conn, portal::tokens(id))).await?;
    let (cards, silent) = app
        .store
        .read(move |conn| {
            let cards = open_line::settings::card_events(conn, company, id)?;
            Ok((cards, open_line::settings::without_sms(conn, company, id)?))
        })
        .await?;
    let handler = sms::handler_url(&format!("{base}/bitrix24/sms"), &row.hook_key);
    let sender =
        |line: crate::store::row::LineRow| Sender { line: line.id, title: line.name, handler: handler.clone() };
    Ok(Wanted {
        event_handler: event_handler(base),
        events: EVENTS.iter().chain(&connector::EVENTS).chain(&cards).map(|event| (*event).to_owned()).collect(),
        robot_handler: format!("{base}/bitrix24/robot"),
        user_id: tokens.iter().find_map(|pair| pair.user_id.parse().ok()).unwrap_or(1),
        senders: lines.into_iter().filter(|line| !silent.contains(&line.id)).map(sender).collect(),
        connector_page: format!("{base}/bitrix24/connector"),
        tabs: framed::settings(app, company, id).await?.tabs,
        tab_handler: format!("{base}/bitrix24/card"),
    })
}

/// What stands in the portal by its own lists, and which lists it did not give: a right that is missing or a tariff without
/// robots takes away its own part alone.
async fn present(app: &App, target: &Portal) -> Result<(Present, Vec<Trouble>), InstallError> {
    let mut batch = Batch::new();
    for method in LISTS {
        // so few commands fit into a batch
        let _ = batch.push(method, &json!({}));
    }
    let success = client::call(&app.http, target, "batch", &batch.params(), Limits::CALL).await?;
    let (mut lists, mut troubles) = (Vec::new(), Vec::new());
    for (part, method) in batch.read(&success.result).into_iter().zip(LISTS) {
        match part {
            Part::Done(list) => lists.push(list),
            Part::Failed(fault @ (Fault::Refused { .. } | Fault::NoRights { .. } | Fault::Unpaid { .. })) => {
                troubles.push(Trouble::of(method, &fault));
                lists.push(Value::Null);
            }
            Part::Failed(fault) => return Err(fault.into()),
            Part::NotTried => lists.push(Value::Null),
        }
    }
    let list = |at: usize| lists.get(at).cloned().unwrap_or_default();
    let mut present = install::read_present(&list(0), &list(1), &list(2));
    present.placed = placement::read_placed(&list(3));
    present.connectors = connector::read_registered(&list(4));
    Ok((present, troubles))
}

fn ids(row: &PortalRow) -> crate::store::Result<(CompanyId, PortalId)> {
    let bad = |_| StoreError::Unreadable { table: "portals", what: "an id is not of its form".to_owned() };
    Ok((row.company.parse().map_err(bad)?, row.id.parse().map_err(bad)?))
}

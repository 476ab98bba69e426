//! Pages of ours that a portal shows in its frame: who opened one, and the word by which its scripts are known afterwards.
//!
//! The post that opens a page proves the portal by its application token and the employee by an access token, which the portal
//! itself is asked about. The page gets a bearer token that lives for minutes, in the memory of the page alone: browsers give
//! pages in foreign frames no cookies. It is renewed by a new access token, which the frame gives to its scripts.

pub mod card;
pub mod check;
mod keeping;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::crm::bitrix24::client::Portal;
use crate::crm::bitrix24::event::{Page, token_matches};
use crate::flow::install::{self, InstallError, Trouble};
use crate::flow::{credentials, portal};
use crate::model::id::{CompanyId, PortalId};
use crate::model::moment::Moment;
use crate::store::row::{PortalRow, TokenPairRow};
use crate::store::{Result, StoreError};

pub use keeping::{Settings, TestOut, Writers, hear_test};
pub(crate) use keeping::{begin_test, note_put, set_settings, settings, test};

/// A token of a page is good for this long, in milliseconds.
pub const TOKEN_MS: i64 = 900_000;

/// What a token begins with: it opens nothing else, and nothing else opens this.
pub const PREFIX: &str = "sp_";

/// The longest token that is looked at.
const LONGEST_TOKEN: usize = 1024;

/// What tokens are sealed for.
const PLACE: &str = "page";

/// An employee of a portal who has a page of ours open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Employee {
    /// The company that the portal belongs to.
    pub company: CompanyId,
    /// The portal.
    pub portal: PortalId,
    /// The employee, as the portal numbers them.
    pub user_id: i64,
    /// Whether they administer the portal.
    pub is_admin: bool,
}

/// A token of a page.
#[derive(Debug, Clone)]
pub struct Token {
    /// The text.
    pub text: String,
    /// Until when it is good.
    pub expires_at: Moment,
}

/// A page that was opened.
#[derive(Debug, Clone)]
pub struct Opened {
    /// By whom.
    pub employee: Employee,
    /// In which portal.
    pub portal: PortalRow,
    /// What was put into the portal by this, as methods; nothing where it was not an installation.
    pub steps: Vec<&'static str>,
    /// What could not be put there.
    pub troubles: Vec<Trouble>,
}

/// What a token holds, sealed.
#[derive(Serialize, Deserialize)]
struct Held {
    c: String,
    p: String,
    u: i64,
    a: bool,
    x: i64,
}

/// Proves a page, and does the installer's work where it is the installer's page or nobody has installed the application yet.
///
/// # Errors
/// [`InstallError`].
pub(crate) async fn open(app: &App, page: &Page, installing: bool) -> std::result::Result<Opened, InstallError> {
    if !installing && let Some(row) = known(app, page).await? {
        return open_known(app, page, row).await;
    }
    let done = install::page(app, page, installing).await?;
    let (company, portal) = ids(&done.portal)?;
    Ok(Opened {
        employee: Employee { company, portal, user_id: done.user_id, is_admin: done.is_admin },
        portal: done.portal,
        steps: done.steps,
        troubles: done.troubles,
    })
}

/// Gives an employee a token.
#[must_use]
pub fn give_token(app: &App, employee: &Employee) -> Token {
    let expires_at = app.clock.now().plus_ms(TOKEN_MS);
    let held = Held {
        c: employee.company.to_string(),
        p: employee.portal.to_string(),
        u: employee.user_id,
        a: employee.is_admin,
        x: expires_at.0,
    };
    let held = SecretString::from(serde_json::to_string(&held).unwrap_or_default());
    // a bearer token may have no colon (RFC 6750, 2.1)
    let text = format!("{PREFIX}{}", app.keys.seal(PLACE, &held).replace(':', "."));
    Token { text, expires_at }
}

/// Whose token this is: none where it is not one of ours, is over, or its portal is gone.
///
/// # Errors
/// Those of the store.
pub(crate) async fn holder(app: &App, token: &str) -> Result<Option<Employee>> {
    let Some(employee) = read_token(app, token) else { return Ok(None) };
    let (company, id) = (employee.company, employee.portal);
    let row = app.store.read(move |conn| crate::on!(conn, portal::by_id(company, id))).await?;
    Ok(row.filter(|row| row.state != "uninstalled").map(|_| employee))
}

/// Gives the holder of a fresh access token of a portal a new token of a page. The authorization server must know the access
/// token as one of our application in this very portal.
///
/// # Errors
/// [`InstallError`].
pub(crate) async fn renew(
    app: &App,
    portal: PortalId,
    access: &SecretString,
) -> std::result::Result<(Employee, Token), InstallError> {
    let id = portal.to_string();
    let row = app.store.read(move |conn| crate::on!(conn, portal::whosever(&id))).await?;
    let row = row.filter(|row| row.state == "installed").ok_or(InstallError::NotThePortal)?;
    install::introspect(app, &row.server_endpoint, access, &row.member_id).await?;
    let (user_id, is_admin) = install::profile(app, &target(&row, access)).await?;
    let (company, portal) = ids(&row)?;
    let employee = Employee { company, portal, user_id, is_admin };
    let token = give_token(app, &employee);
    Ok((employee, token))
}

fn read_token(app: &App, token: &str) -> Option<Employee> {
    let sealed = token.strip_prefix(PREFIX).filter(|sealed| sealed.len() <= LONGEST_TOKEN)?;
    let held = app.keys.open(PLACE, &sealed.replace('.', ":"))?;
    let held: Held = serde_json::from_str(held.expose_secret()).ok()?;
    let is_good = held.x > app.clock.now().0;
    let employee =
        Employee { company: held.c.parse().ok()?, portal: held.p.parse().ok()?, user_id: held.u, is_admin: held.a };
    is_good.then_some(employee)
}

/// The portal that a page names, where the page brings its application token. Whatever else is the matter with a portal (it is
/// lost, it is new, its token changed), the long way mends.
async fn known(app: &App, page: &Page) -> Result<Option<PortalRow>> {
    let member = page.member_id.clone();
    let row = app.store.read(move |conn| crate::on!(conn, portal::by_member(&member))).await?;
    let Some(row) = row.filter(|row| row.state == "installed" && !row.application_token.is_empty()) else {
        return Ok(None);
    };
    let stored = credentials::open(app, "portals", &row.id, &row.application_token)?;
    Ok(token_matches(&stored, page.application_token.as_ref()).then_some(row))
}

async fn open_known(app: &App, page: &Page, row: PortalRow) -> std::result::Result<Opened, InstallError> {
    let access = page.access_token.clone().ok_or(InstallError::NotThePortal)?;
    let (user_id, is_admin) = install::profile(app, &target(&row, &access)).await.map_err(|fault| match fault {
        crate::crm::bitrix24::fault::Fault::Token { .. } => InstallError::NotThePortal,
        other => other.into(),
    })?;
    if let Some(refresh) = &page.refresh_token {
        let pair = TokenPairRow::of(&row.id, &user_id.to_string(), is_admin);
        let pair = portal::sealed(app, pair, &access, refresh, page.expires_in_s);
        app.store.write(move |conn| crate::on!(conn, portal::keep_tokens(&pair))).await?;
    }
    let (company, portal) = ids(&row)?;
    let employee = Employee { company, portal, user_id, is_admin };
    Ok(Opened { employee, portal: row, steps: Vec::new(), troubles: Vec::new() })
}

fn target(row: &PortalRow, access: &SecretString) -> Portal {
    Portal {
        client_endpoint: row.client_endpoint.clone(),
        access_token: access.clone(),
        member_id: row.member_id.clone(),
    }
}

fn ids(row: &PortalRow) -> Result<(CompanyId, PortalId)> {
    let bad = |_| StoreError::Unreadable { table: "portals", what: "an id is not of its form".to_owned() };
    Ok((row.company.parse().map_err(bad)?, row.id.parse().map_err(bad)?))
}

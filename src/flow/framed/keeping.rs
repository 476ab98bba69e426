//! What the pages of a portal keep: where our tab stands, who may write there, and whether events arrive.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Employee, ids};
use crate::app::App;
use crate::crm::bitrix24::fault::Fault;
use crate::crm::bitrix24::placement::{TABS, USUAL_TABS};
use crate::flow::portal;
use crate::model::id::{CompanyId, PortalId};
use crate::net::signature::fresh_secret;
use crate::store::row::{PortalPageRow, PortalRow, text, value};
use crate::store::{Conn, Result, StoreError};

/// What our own test is called by in the parameters of `event.test`.
const TEST: &str = "switchboard";

/// Who may write to customers from a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Writers {
    /// Everybody who may open the card.
    All,
    /// Administrators of the portal.
    Admins,
}

/// The settings of a portal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PortalSettings)]
pub struct Settings {
    /// The cards that have our tab: `contact`, `lead`, `deal`, `company`.
    pub tabs: Vec<String>,
    /// Who may write to customers from a card.
    pub writers: Writers,
}

/// How the last test of events stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PortalTest)]
pub struct TestOut {
    /// When it was asked for; none where it never was.
    pub asked_at: Option<i64>,
    /// When its event came.
    pub heard_at: Option<i64>,
    /// When everything was put into the portal last.
    pub put_at: Option<i64>,
}

/// The settings of a portal, or those that hold until somebody chooses.
///
/// # Errors
/// Those of the store.
pub(crate) async fn settings(app: &App, company: CompanyId, portal: PortalId) -> Result<Settings> {
    let row = app.store.read(move |conn| crate::on!(conn, portal_page::find(company, portal))).await?;
    row.map_or_else(|| Ok(usual()), |row| read(&row))
}

/// Keeps the settings. Kinds of cards that nobody knows, and repeated ones, are left out.
///
/// # Errors
/// Those of the store.
pub(crate) async fn set_settings(app: &App, employee: &Employee, given: Settings) -> Result<Settings> {
    let (company, portal) = (employee.company, employee.portal);
    let known = TABS.iter().map(|(card, _)| (*card).to_owned());
    let settings = Settings { tabs: known.filter(|card| given.tabs.contains(card)).collect(), writers: given.writers };
    let (tabs, writers) = (text(&settings.tabs)?, writers_to_db(settings.writers));
    app.store
        .write(move |conn| {
            ensure(conn, company, portal)?;
            crate::on!(conn, portal_page::set_settings(company, portal, &tabs, writers))
        })
        .await?;
    Ok(settings)
}

/// Writes down that everything was put into a portal.
///
/// # Errors
/// Those of the store.
pub(crate) async fn note_put(app: &App, row: &PortalRow) -> Result<()> {
    let ((company, portal), now) = (ids(row)?, app.clock.now().0);
    app.store
        .write(move |conn| {
            ensure(conn, company, portal)?;
            crate::on!(conn, portal_page::set_put(company, portal, now)).map(|_| ())
        })
        .await
}

/// How the last test of events stands.
///
/// # Errors
/// Those of the store.
pub(crate) async fn test(app: &App, employee: &Employee) -> Result<TestOut> {
    let (company, portal) = (employee.company, employee.portal);
    let row = app.store.read(move |conn| crate::on!(conn, portal_page::find(company, portal))).await?;
    Ok(row.map_or(TestOut { asked_at: None, heard_at: None, put_at: None }, |row| TestOut {
        asked_at: row.asked_at,
        heard_at: row.heard_at,
        put_at: row.put_at,
    }))
}

/// Asks the portal for an event, to see whether it arrives. It must be asked for by the portal itself: nothing else shows that its
/// queue reaches us.
///
/// # Errors
/// The outer error is the store's, the inner one the portal's.
pub(crate) async fn begin_test(app: &App, employee: &Employee) -> Result<std::result::Result<TestOut, Fault>> {
    let (company, portal, user) = (employee.company, employee.portal, employee.user_id);
    let key = fresh_secret().ok_or_else(|| StoreError::Unreachable("the machine gives no random bytes".to_owned()))?;
    let (kept, now) = (key.clone(), app.clock.now().0);
    app.store
        .write(move |conn| {
            ensure(conn, company, portal)?;
            crate::on!(conn, portal_page::begin_test(company, portal, &kept, now))
        })
        .await?;
    match portal::call_of(app, company, portal, user, "event.test", &json!({ TEST: key })).await? {
        Ok(_) => Ok(Ok(test(app, employee).await?)),
        Err(fault) => Ok(Err(fault)),
    }
}

/// The event of a test came.
///
/// # Errors
/// Those of the store.
pub async fn hear_test(app: &App, row: &PortalRow, query: &Value) -> Result<()> {
    let Some(key) = query.get(TEST).and_then(Value::as_str).map(str::to_owned) else { return Ok(()) };
    let ((company, portal), now) = (ids(row)?, app.clock.now().0);
    app.store.write(move |conn| crate::on!(conn, portal_page::hear_test(company, portal, &key, now))).await.map(|_| ())
}

fn usual() -> Settings {
    Settings { tabs: USUAL_TABS.map(str::to_owned).to_vec(), writers: Writers::All }
}

fn read(row: &PortalPageRow) -> Result<Settings> {
    let writers = if row.writers == "admins" { Writers::Admins } else { Writers::All };
    Ok(Settings { tabs: value("portal_pages", &row.tabs)?, writers })
}

const fn writers_to_db(writers: Writers) -> &'static str {
    match writers {
        Writers::All => "all",
        Writers::Admins => "admins",
    }
}

fn ensure(conn: &mut Conn, company: CompanyId, portal: PortalId) -> Result<()> {
    let usual = usual();
    let row = PortalPageRow {
        portal: portal.to_string(),
        company: company.to_string(),
        tabs: text(&usual.tabs)?,
        writers: writers_to_db(usual.writers).to_owned(),
        test_key: None,
        asked_at: None,
        heard_at: None,
        put_at: None,
    };
    crate::on!(conn, portal_page::ensure(&row))
}

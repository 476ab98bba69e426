//! What the page of the application shows: the lines and channels of the company, and how the portal stands.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Employee, Settings, TestOut, begin_test, settings, test};
use crate::app::App;
use crate::crm::bitrix24::batch::{Batch, Part};
use crate::crm::bitrix24::scope;
use crate::flow::install::{self, InstallError, PortalPart, Trouble};
use crate::flow::portal;
use crate::messenger;
use crate::model::id::{CompanyId, LineId};
use crate::model::message::Kind;
use crate::model::php_form::Fields;
use crate::store::row::{ChannelRow, LineRow, value};
use crate::store::{Result, StoreError};

/// How a portal and its company stand.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PortalState)]
pub struct StateOut {
    /// The host of the portal.
    pub domain: String,
    /// `installed` or `lost`.
    pub state: String,
    /// How many calls wait for it.
    pub waiting: i64,
    /// The lines of the company.
    pub lines: Vec<LineOut>,
    /// The settings of the portal.
    pub settings: Settings,
    /// How the last test of events stands.
    pub test: TestOut,
}

/// A line.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PortalLine)]
pub struct LineOut {
    /// Its number.
    pub id: LineId,
    /// Its name.
    pub name: String,
    /// Until when it may send.
    pub expires_at: i64,
    /// Whether that is over.
    pub over: bool,
    /// Its channels.
    pub channels: Vec<ChannelOut>,
}

/// A channel, as far as somebody who writes through it must know it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PortalChannel)]
#[expect(clippy::struct_excessive_bools, reason = "what it can do is yes or no, one by one")]
pub struct ChannelOut {
    /// Its id.
    pub id: String,
    /// Which messenger.
    pub messenger: Kind,
    /// The messenger's title, in Russian and in English.
    pub messenger_title: (&'static str, &'static str),
    /// Its name or address at the vendor.
    pub title: String,
    /// `connected`, `relink`, `off` or `lost`.
    pub state: String,
    /// Writes to a phone that never wrote to us.
    pub by_phone: bool,
    /// Writes to a user name.
    pub by_username: bool,
    /// Has templates.
    pub templates: bool,
    /// Free text may be written at any time.
    pub free_text: bool,
    /// Sends templates alone.
    pub templates_only: bool,
}

/// What a look at the portal told.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PortalCheck)]
pub struct CheckOut {
    /// Whether the portal takes the installation as finished: before that it sends no events.
    pub installed: bool,
    /// Whether the application or its subscription is paid, as far as the portal tells.
    pub paid: bool,
    /// The family of the licence, as `pro`.
    pub license: Option<String>,
    /// Rights that were not given.
    pub missing_scopes: Vec<&'static str>,
    /// What stands in the portal.
    pub parts: Vec<PortalPart>,
    /// How the test of events stands that was begun now.
    pub test: TestOut,
    /// Why it could not be begun.
    pub test_trouble: Option<Trouble>,
}

/// How a portal and its company stand, as far as we know it ourselves.
///
/// # Errors
/// Those of the store.
pub(crate) async fn state(app: &App, employee: &Employee) -> Result<Option<StateOut>> {
    let (company, id) = (employee.company, employee.portal);
    let read = app.store.read(move |conn| {
        let Some(row) = crate::on!(conn, portal::by_id(company, id))? else { return Ok(None) };
        let waiting = crate::on!(conn, errand::waiting(row.lane))?;
        Ok(Some((row, waiting)))
    });
    let Some((row, waiting)) = read.await? else { return Ok(None) };
    Ok(Some(StateOut {
        domain: row.domain,
        state: row.state,
        waiting,
        lines: lines(app, company).await?,
        settings: settings(app, company, id).await?,
        test: test(app, employee).await?,
    }))
}

/// The lines of a company with their channels.
///
/// # Errors
/// Those of the store.
pub(crate) async fn lines(app: &App, company: CompanyId) -> Result<Vec<LineOut>> {
    let (lines, channels) = app
        .store
        .read(move |conn| {
            Ok((crate::on!(conn, line::of_company(company))?, crate::on!(conn, channel::of_company(company))?))
        })
        .await?;
    let now = app.clock.now().0;
    lines.into_iter().map(|line| shown(line, &channels, now)).collect()
}

/// Asks the portal what stands in it, and begins a test of events where the installation is finished.
///
/// # Errors
/// [`InstallError`].
pub(crate) async fn check(app: &App, employee: &Employee) -> std::result::Result<CheckOut, InstallError> {
    let (company, id, user) = (employee.company, employee.portal, employee.user_id);
    let mut batch = Batch::new();
    for method in ["app.info", "scope"] {
        // two commands fit into a batch
        let _ = batch.push(method, &json!({}));
    }
    let told = portal::call_of(app, company, id, user, "batch", &batch.params()).await??;
    let mut told = batch.read(&told.result).into_iter().map(|part| match part {
        Part::Done(result) => result,
        Part::Failed(_) | Part::NotTried => Value::Null,
    });
    let (info, scopes) = (told.next().unwrap_or_default(), told.next().unwrap_or_default());
    let info = Fields::of(&info);
    let parts = install::compare(app, company, id, user).await?;
    // a portal that says nothing about it has installed us: this page is open
    let installed = info.raw("INSTALLED").is_none() || info.flag("INSTALLED");
    let (test, test_trouble) = if installed {
        match begin_test(app, employee).await? {
            Ok(begun) => (begun, None),
            Err(fault) => (test(app, employee).await?, Some(Trouble::of("event.test", &fault))),
        }
    } else {
        let trouble = Trouble { code: "not_finished".to_owned(), ..Trouble::not_tried("event.test") };
        (test(app, employee).await?, Some(trouble))
    };
    Ok(CheckOut {
        installed,
        paid: !info.flag("PAYMENT_EXPIRED"),
        license: info.text("LICENSE_FAMILY").ok().flatten().map(Into::into),
        missing_scopes: granted(&scopes).map(|scopes| scope::missing(&scopes)).unwrap_or_default(),
        parts,
        test,
        test_trouble,
    })
}

/// The rights that the portal lists; none where it gave no list.
fn granted(scopes: &Value) -> Option<Vec<String>> {
    let wrapped = json!({ "list": scopes });
    let list = Fields::of(&wrapped).texts("list").ok()?;
    (!list.is_empty()).then(|| list.into_iter().map(String::from).collect())
}

fn shown(line: LineRow, channels: &[ChannelRow], now: i64) -> Result<LineOut> {
    let of_line = channels.iter().filter(|channel| channel.line == line.id);
    Ok(LineOut {
        id: line.id,
        expires_at: line.expires_at,
        over: line.expires_at <= now,
        channels: of_line.map(channel).collect::<Result<_>>()?,
        name: line.name,
    })
}

fn channel(row: &ChannelRow) -> Result<ChannelOut> {
    let unreadable = || StoreError::Unreadable { table: "channels", what: format!("no messenger {}", row.messenger) };
    let kind = Kind::from_slug(&row.messenger).ok_or_else(unreadable)?;
    let about = messenger::of(kind).ok_or_else(unreadable)?.about();
    let settings: Value = value("channels", &row.settings)?;
    let setting = |name: &str| settings.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let title = setting("address").or(setting("title")).unwrap_or(&row.account).to_owned();
    let abilities = about.abilities;
    Ok(ChannelOut {
        id: row.id.clone(),
        messenger: kind,
        messenger_title: about.title,
        title,
        state: row.state.clone(),
        by_phone: abilities.first_by_phone,
        by_username: abilities.by_username,
        templates: abilities.templates,
        free_text: abilities.free_text_always,
        templates_only: abilities.templates_only,
    })
}

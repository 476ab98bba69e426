//! Which channel is connected to which open line, and how it behaves there: for the pages inside the portal.

mod error;
mod shown;
mod telling;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use self::shown::{choices, shown, taken_by};
use self::telling::{activate, tell_portal};
use super::{errand, place};
use crate::app::App;
use crate::crm::bitrix24::connector;
use crate::crm::bitrix24::fault::Fault;
use crate::crm::bitrix24::open_line::{LINES, LINES_PAGE, is_full, lines_body, read_lines};
use crate::flow::install::Trouble;
use crate::flow::{notice, portal};
use crate::model::errand::{NewErrand, Rank};
use crate::model::id::{ChannelId, CompanyId, PortalId};
use crate::model::message::Kind;
use crate::model::moment::Moment;
use crate::model::open_line::{Settings, applies};
use crate::store::outbox::{self, Accepted};
use crate::store::row::{ChannelRow, ConnectionRow, PortalRow, text, value};
use crate::store::{Conn, Result, StoreError};

/// Parked posts that leave in one transaction.
const AT_ONCE: i64 = 500;

/// Pages of the list of open lines that are read: a portal that gives the same page for ever is left alone.
const MOST_PAGES: usize = 50;

/// Connections that are looked at in one round.
const LOOKS: i64 = 50;

/// Between two looks at a connection whose line does not work, in milliseconds.
const LOOK_MS: i64 = 3 * 60_000;

pub use self::error::ConnectError;
pub use self::shown::{ChannelChoice, ConnectionOut};
pub use self::telling::{card_events, without_sms};

/// A connection as a page gives it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OpenLineConnectionIn)]
pub struct ConnectionIn {
    /// The channel.
    #[schema(value_type = String)]
    pub channel: ChannelId,
    /// How it behaves.
    #[serde(default)]
    pub settings: Settings,
}

/// An open line of a portal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OpenLine {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Whether it is switched on.
    pub active: bool,
}

/// Every connection of a portal.
///
/// # Errors
/// Those of the store.
pub async fn list(app: &App, company: CompanyId, portal: PortalId) -> Result<Vec<ConnectionOut>> {
    app.store
        .read(move |conn| {
            let rows = crate::on!(conn, open_line::of_portal(company, portal))?;
            rows.iter().filter_map(|row| shown(conn, company, &rows, row).transpose()).collect()
        })
        .await
}

/// One connection; what is not there yet has its defaults and the state `new`.
///
/// # Errors
/// Those of the store.
pub async fn read(
    app: &App,
    company: CompanyId,
    portal: PortalId,
    kind: Kind,
    open_line: i64,
) -> Result<ConnectionOut> {
    app.store
        .read(move |conn| {
            let rows = crate::on!(conn, open_line::of_portal(company, portal))?;
            let known = rows.iter().find(|row| row.messenger == kind.slug() && row.open_line == open_line);
            if let Some(known) = known
                && let Some(out) = shown(conn, company, &rows, known)?
            {
                return Ok(out);
            }
            Ok(ConnectionOut {
                connector: connector::id_of(kind),
                messenger: kind,
                open_line,
                open_line_name: rows.iter().find(|row| row.open_line == open_line).and_then(|row| row.name.clone()),
                channel: None,
                state: "new".to_owned(),
                reason: None,
                checked_at: None,
                waiting: 0,
                settings: Settings::default(),
                applies: applies(kind).into_iter().map(str::to_owned).collect(),
                channels: choices(conn, company, kind, &rows, open_line)?,
            })
        })
        .await
}

/// «Сохранить и подключить»: the portal is told, asked whether the connector works, and what it says is kept. Of a connection that
/// works already only the settings are new. What was parked meanwhile leaves.
///
/// # Errors
/// [`ConnectError`]; then the connection is not on, and its reason is kept.
pub async fn connect(
    app: &App,
    company: CompanyId,
    portal: PortalId,
    kind: Kind,
    open_line: i64,
    given: ConnectionIn,
) -> std::result::Result<ConnectionOut, ConnectError> {
    let settings = given.settings.check(&app.config.region).map_err(ConnectError::Wrong)?;
    let (owner, channel) = checked(app, company, portal, kind, open_line, given.channel).await?;
    let now = app.clock.now();
    let row = ConnectionRow {
        portal: portal.to_string(),
        messenger: kind.slug().to_owned(),
        open_line,
        company: company.to_string(),
        channel: channel.id.clone(),
        name: None,
        state: "failed".to_owned(),
        reason: Some("connecting".to_owned()),
        settings: text(&settings)?,
        made_at: now.0,
        checked_at: None,
    };
    let silent = app.store.read(move |conn| without_sms(conn, company, portal)).await?;
    keep(app, row.clone()).await?;
    let called = activate(app, company, portal, kind, open_line, &settings, &channel).await?;
    if let Err(error) = called {
        let (place, reason) = (row, error.words().0);
        app.store
            .write(move |conn| {
                let failed = ("failed", Some(reason.as_str()));
                crate::on!(conn, open_line::turn(self::place(&place), &["failed"], failed, now.0))
            })
            .await?;
        return Err(error);
    }
    turn_on(app, &owner, row, &settings, Some(silent)).await?;
    let _ = open_lines(app, company, portal).await;
    Ok(read(app, company, portal, kind, open_line).await?)
}

/// «Отключить»: the portal takes the connector off the line. The dialogs stay as they are.
///
/// # Errors
/// [`ConnectError`].
pub async fn disconnect(
    app: &App,
    company: CompanyId,
    portal: PortalId,
    kind: Kind,
    open_line: i64,
) -> std::result::Result<ConnectionOut, ConnectError> {
    let row = known(app, company, portal, kind, open_line).await?;
    // a line that is gone has no connector any more
    if row.state != "deleted" {
        call(app, company, portal, "imconnector.activate", &connector::activate_body(kind, open_line, false)).await??;
    }
    let now = app.clock.now();
    app.store
        .write(move |conn| {
            let from = ["on", "inactive", "failed", "switched_off", "deleted"];
            crate::on!(conn, open_line::turn(place(&row), &from, ("off", None), now.0))
        })
        .await?;
    app.known.forget();
    Ok(read(app, company, portal, kind, open_line).await?)
}

/// Asks the portal how a connection stands, and keeps what it says. One that works again goes on with what was parked.
///
/// # Errors
/// [`ConnectError`].
pub async fn refresh(
    app: &App,
    company: CompanyId,
    portal: PortalId,
    kind: Kind,
    open_line: i64,
) -> std::result::Result<ConnectionOut, ConnectError> {
    let row = known(app, company, portal, kind, open_line).await?;
    let lines = open_lines(app, company, portal).await?;
    let line = lines.iter().find(|line| line.id == open_line);
    let ready = match line {
        Some(line) if line.active => {
            let params = connector::status_body(kind, open_line);
            connector::is_ready(&call(app, company, portal, "imconnector.status", &params).await??)
        }
        _ => false,
    };
    let now = app.clock.now();
    // what a person took off here stays off, whatever the portal says
    let to = match line {
        _ if row.state == "off" => "off",
        None => "deleted",
        Some(line) if !line.active => "inactive",
        Some(_) if ready => "on",
        // while an application is brought up to date its connectors are away; they come back, and what is said waits for them
        Some(_) if row.state == "inactive" => "inactive",
        Some(_) => "switched_off",
    };
    if to == "on" && row.state != "on" {
        let owner = portal_of(app, company, portal).await?;
        let settings: Settings = value("open_line_connections", &row.settings)?;
        turn_on(app, &owner, row, &settings, None).await?;
    } else {
        app.store
            .write(move |conn| {
                let from = ["on", "off", "inactive", "failed", "switched_off", "deleted"];
                crate::on!(conn, open_line::turn(place(&row), &from, (to, None), now.0))
            })
            .await?;
        app.known.forget();
    }
    Ok(read(app, company, portal, kind, open_line).await?)
}

/// Whoever sets a connector up asks for one more account: the administrators here are told.
///
/// # Errors
/// [`ConnectError`].
pub(crate) async fn ask_for_account(
    app: &App,
    company: CompanyId,
    portal: PortalId,
    kind: Kind,
) -> std::result::Result<(), ConnectError> {
    let owner = portal_of(app, company, portal).await?;
    let (inner, now) = (app.clone(), app.clock.now());
    app.store.write(move |conn| notice::account_asked(&inner, conn, company, &owner, kind, now)).await?;
    Ok(())
}

/// The open lines of a portal; their names are remembered.
///
/// # Errors
/// [`ConnectError`].
pub async fn open_lines(
    app: &App,
    company: CompanyId,
    portal: PortalId,
) -> std::result::Result<Vec<OpenLine>, ConnectError> {
    let mut lines = Vec::new();
    for page in 0..MOST_PAGES {
        let told = call(app, company, portal, LINES, &lines_body(page * LINES_PAGE)).await??;
        lines.extend(read_lines(&told));
        if !is_full(&told) {
            break;
        }
    }
    // a line that is made meanwhile moves the next one to another page
    lines.sort_unstable();
    lines.dedup_by_key(|(id, ..)| *id);
    let (told, name) = (lines.clone(), portal.to_string());
    app.store
        .write(move |conn| {
            for (id, title, _) in &told {
                crate::on!(conn, open_line::name_line(&name, *id, title))?;
            }
            Ok(())
        })
        .await?;
    Ok(lines.into_iter().map(|(id, name, active)| OpenLine { id, name, active }).collect())
}

/// The calls that connect again what was connected: an update of the application takes connectors away. Gives back what did not
/// work, for the person who installs.
///
/// # Errors
/// Those of the store.
pub(crate) async fn connect_again(app: &App, owner: &PortalRow) -> Result<Vec<Trouble>> {
    let (Ok(company), Ok(portal)) = (owner.company.parse::<CompanyId>(), owner.id.parse::<PortalId>()) else {
        return Ok(Vec::new());
    };
    let rows = app.store.read(move |conn| crate::on!(conn, open_line::of_portal(company, portal))).await?;
    let mut troubles = Vec::new();
    for row in rows.into_iter().filter(|row| matches!(row.state.as_str(), "on" | "inactive" | "failed")) {
        let Some(kind) = Kind::from_slug(&row.messenger) else { continue };
        let status = connector::status_body(kind, row.open_line);
        match call(app, company, portal, "imconnector.status", &status).await? {
            Ok(status) if connector::is_ready(&status) => {
                if row.state != "on" {
                    let owner = owner.clone();
                    let settings: Settings = value("open_line_connections", &row.settings)?;
                    turn_on(app, &owner, row, &settings, None).await?;
                }
                continue;
            }
            Ok(_) => {}
            Err(fault) => {
                troubles.push(Trouble::of("imconnector.status", &fault));
                continue;
            }
        }
        let given = ConnectionIn {
            channel: row.channel.parse().map_err(|_| unreadable("a channel's id is not of its form"))?,
            settings: value("open_line_connections", &row.settings)?,
        };
        match connect(app, company, portal, kind, row.open_line, given).await {
            Ok(_) => {}
            Err(ConnectError::Store(error)) => return Err(error),
            Err(error) => {
                let text = format!("{} {}: {}", row.messenger, row.open_line, error.words().0);
                troubles.push(Trouble::new("imconnector.activate", error.code(), text));
            }
        }
    }
    Ok(troubles)
}

async fn portal_of(app: &App, company: CompanyId, portal: PortalId) -> std::result::Result<PortalRow, ConnectError> {
    let row = app.store.read(move |conn| crate::on!(conn, portal::by_id(company, portal))).await?;
    row.filter(|row| row.state != "uninstalled").ok_or(ConnectError::PortalNotFound)
}

/// The portal and the channel, where both are the company's and the channel is free.
async fn checked(
    app: &App,
    company: CompanyId,
    portal: PortalId,
    kind: Kind,
    open_line: i64,
    channel: ChannelId,
) -> std::result::Result<(PortalRow, ChannelRow), ConnectError> {
    let owner = portal_of(app, company, portal).await?;
    let (found, rows) = app
        .store
        .read(move |conn| {
            let found = crate::on!(conn, channel::by_id(company, channel))?;
            Ok((found, crate::on!(conn, open_line::of_portal(company, portal))?))
        })
        .await?;
    let found = found.filter(|found| found.messenger == kind.slug()).ok_or(ConnectError::ChannelNotFound)?;
    match taken_by(&rows, &found.id, open_line) {
        Some(line) => Err(ConnectError::ChannelTaken(line)),
        None => Ok((owner, found)),
    }
}

async fn known(
    app: &App,
    company: CompanyId,
    portal: PortalId,
    kind: Kind,
    open_line: i64,
) -> std::result::Result<ConnectionRow, ConnectError> {
    let name = portal.to_string();
    let row =
        app.store.read(move |conn| crate::on!(conn, open_line::connection(&name, kind.slug(), open_line))).await?;
    row.filter(|row| row.company == company.to_string()).ok_or(ConnectError::NotConnected)
}

/// Keeps a connection that is about to be made; what was connected there before goes on until the portal has answered.
async fn keep(app: &App, new: ConnectionRow) -> Result<()> {
    app.store
        .write(move |conn| {
            let old = crate::on!(conn, open_line::connection(&new.portal, &new.messenger, new.open_line))?;
            let row = match old {
                Some(old) if matches!(old.state.as_str(), "on" | "inactive") => ConnectionRow {
                    name: old.name,
                    made_at: old.made_at,
                    state: old.state,
                    reason: old.reason,
                    ..new.clone()
                },
                Some(old) => ConnectionRow { name: old.name, made_at: old.made_at, ..new.clone() },
                None => new.clone(),
            };
            crate::on!(conn, open_line::keep(&row))
        })
        .await?;
    app.known.forget();
    Ok(())
}

/// A connection works: it is on, what was parked leaves in its order, and the portal hears what the settings ask of it.
///
/// `silent` are the lines that were no SMS providers before.
async fn turn_on(
    app: &App,
    owner: &PortalRow,
    row: ConnectionRow,
    settings: &Settings,
    silent: Option<Vec<i64>>,
) -> Result<()> {
    let (inner, owner, settings, now) = (app.clone(), owner.clone(), settings.clone(), app.clock.now());
    let accepted: Vec<Accepted> = app
        .store
        .write(move |conn| {
            let from = ["on", "off", "inactive", "failed", "switched_off", "deleted"];
            crate::on!(conn, open_line::turn(place(&row), &from, ("on", None), now.0))?;
            let mut new = unparked(conn, &row, now)?;
            new.extend(tell_portal(&inner, conn, (&owner, &row, &settings), silent.as_deref(), now)?);
            Ok(outbox::accept(conn, now, &new)?.into_iter().flatten().collect())
        })
        .await?;
    app.known.forget();
    app.bell.accepted(accepted);
    Ok(())
}

/// What was parked leaves, oldest first and so many at once; the keeper goes on.
fn unparked(conn: &mut Conn, row: &ConnectionRow, now: Moment) -> Result<Vec<NewErrand>> {
    let mut new = Vec::new();
    for post in crate::on!(conn, open_post::unpark(place(row), AT_ONCE))? {
        let Some(chat) = crate::on!(conn, open_line::chat(&post.chat))? else { continue };
        let Some(mut call) = errand(conn, &chat, &post.id, Rank::Live, now)? else { continue };
        // the call that found the line off may not be over: it takes the key with it
        let same = call.merge_key.as_deref().map(|key| outbox::by_merge_key(conn, call.company, key)).transpose()?;
        if same.flatten().is_some_and(|(_, flies)| flies) {
            call.merge_key = None;
        }
        new.push(call);
    }
    Ok(new)
}

/// Looks after connections that do not work, and lets go what still waits for one that works again. Called now and then.
///
/// # Errors
/// Those of the store.
pub(crate) async fn look_after(app: &App) -> Result<()> {
    let now = app.clock.now();
    let before = now.plus_ms(-LOOK_MS).0;
    let (stale, full) = app
        .store
        .read(move |conn| {
            Ok((crate::on!(conn, open_line::stale(before, LOOKS))?, crate::on!(conn, open_line::with_parked(LOOKS))?))
        })
        .await?;
    for row in stale {
        let (Ok(company), Ok(portal), Some(kind)) =
            (row.company.parse(), row.portal.parse(), Kind::from_slug(&row.messenger))
        else {
            continue;
        };
        // whoever does not answer is asked again later
        if let Err(error) = refresh(app, company, portal, kind, row.open_line).await {
            tracing::info!(%error, portal = row.portal, line = row.open_line, "an open line does not work yet");
            app.store.write(move |conn| crate::on!(conn, open_line::looked(place(&row), now.0))).await?;
        }
    }
    for row in full {
        let accepted: Vec<Accepted> = app
            .store
            .write(move |conn| {
                let new = unparked(conn, &row, now)?;
                Ok(outbox::accept(conn, now, &new)?.into_iter().flatten().collect())
            })
            .await?;
        app.bell.accepted(accepted);
    }
    Ok(())
}

async fn call(
    app: &App,
    company: CompanyId,
    portal: PortalId,
    method: &str,
    params: &Value,
) -> Result<std::result::Result<Value, Fault>> {
    Ok(portal::call(app, company, portal, method, params).await?.map(|success| success.result))
}

fn unreadable(what: &str) -> StoreError {
    StoreError::Unreadable { table: "open_line_connections", what: what.to_owned() }
}

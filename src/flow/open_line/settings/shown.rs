//! Connections as pages show them.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::place;
use crate::crm::bitrix24::connector;
use crate::model::id::CompanyId;
use crate::model::message::Kind;
use crate::model::open_line::{Settings, applies};
use crate::store::row::{ChannelRow, ConnectionRow, value};
use crate::store::{Conn, Result};

/// A connection as a page shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = OpenLineConnection)]
pub struct ConnectionOut {
    /// The connector.
    pub connector: String,
    /// Its messenger.
    pub messenger: Kind,
    /// The open line.
    pub open_line: i64,
    /// How it is called in the portal.
    pub open_line_name: Option<String>,
    /// The channel; none where nothing was ever connected.
    pub channel: Option<String>,
    /// `new`, `on`, `off`, `switched_off` (disconnected in Bitrix24), `inactive` (the line is switched off there), `deleted` or
    /// `failed`.
    pub state: String,
    /// Why it does not work.
    pub reason: Option<String>,
    /// When the portal was asked last.
    pub checked_at: Option<i64>,
    /// How much of what customers said waits until the line works again.
    pub waiting: i64,
    /// How it behaves.
    pub settings: Settings,
    /// The settings that mean something for the messenger.
    pub applies: Vec<String>,
    /// The channels of the company with this messenger.
    pub channels: Vec<ChannelChoice>,
}

/// A channel that may be connected.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = OpenLineChannel)]
pub struct ChannelChoice {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its line.
    pub line: i64,
    /// How that is called.
    pub line_name: String,
    /// Its state.
    pub state: String,
    /// Another open line of this portal that it is connected to.
    pub taken_by: Option<i64>,
}

pub(super) fn shown(
    conn: &mut Conn,
    company: CompanyId,
    rows: &[ConnectionRow],
    row: &ConnectionRow,
) -> Result<Option<ConnectionOut>> {
    let Some(kind) = Kind::from_slug(&row.messenger) else { return Ok(None) };
    Ok(Some(ConnectionOut {
        connector: connector::id_of(kind),
        messenger: kind,
        open_line: row.open_line,
        open_line_name: row.name.clone(),
        channel: Some(row.channel.clone()),
        state: row.state.clone(),
        reason: row.reason.clone(),
        checked_at: row.checked_at,
        waiting: crate::on!(conn, open_post::parked(place(row)))?,
        settings: value("open_line_connections", &row.settings)?,
        applies: applies(kind).into_iter().map(str::to_owned).collect(),
        channels: choices(conn, company, kind, rows, row.open_line)?,
    }))
}

/// The channels that may be connected.
pub(super) fn choices(
    conn: &mut Conn,
    company: CompanyId,
    kind: Kind,
    rows: &[ConnectionRow],
    open_line: i64,
) -> Result<Vec<ChannelChoice>> {
    let lines = crate::on!(conn, line::of_company(company))?;
    let channels = crate::on!(conn, channel::of_company(company))?;
    let choice = |channel: ChannelRow| {
        let told: Value = value("channels", &channel.settings).unwrap_or_default();
        let title = ["title", "address"].iter().find_map(|name| told.get(*name)?.as_str().filter(|it| !it.is_empty()));
        ChannelChoice {
            title: title.unwrap_or(&channel.account).to_owned(),
            line_name: lines
                .iter()
                .find(|line| line.id == channel.line)
                .map_or_else(String::new, |line| line.name.clone()),
            taken_by: taken_by(rows, &channel.id, open_line),
            line: channel.line,
            state: channel.state,
            id: channel.id,
        }
    };
    Ok(channels.into_iter().filter(|channel| channel.messenger == kind.slug()).map(choice).collect())
}

/// The open line of this portal that a channel is connected to already.
pub(super) fn taken_by(rows: &[ConnectionRow], channel: &str, open_line: i64) -> Option<i64> {
    let works = |row: &&ConnectionRow| matches!(row.state.as_str(), "on" | "inactive");
    rows.iter().filter(works).find(|row| row.channel == channel && row.open_line != open_line).map(|row| row.open_line)
}

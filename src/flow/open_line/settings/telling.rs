//! What a portal is told of a connection: that it is on, what stands behind it, and what its settings ask of the portal.

use serde_json::{Value, json};

use super::{ConnectError, call};
use crate::app::App;
use crate::crm::bitrix24::connector;
use crate::crm::bitrix24::sms::{self, Sender};
use crate::flow::install;
use crate::model::errand::{NewErrand, Rank, Work};
use crate::model::id::{CompanyId, PortalId};
use crate::model::message::Kind;
use crate::model::moment::Moment;
use crate::model::open_line::Settings;
use crate::model::origin::Origin;
use crate::store::row::{ChannelRow, ConnectionRow, PortalRow, value};
use crate::store::{Conn, Result};

/// The events by which a portal tells that a card was changed.
const CARD_EVENTS: [&str; 3] = ["ONCRMCONTACTUPDATE", "ONCRMLEADUPDATE", "ONCRMDEALUPDATE"];

/// How long a setting waits to be told to a portal that does not answer, in milliseconds.
const TELL_TTL_MS: i64 = 7 * 24 * 3_600_000;

/// Events about cards that a portal is to be listened to for, where a connection follows them.
///
/// # Errors
/// Those of the database.
pub fn card_events(conn: &mut Conn, company: CompanyId, portal: PortalId) -> Result<Vec<&'static str>> {
    let rows = crate::on!(conn, open_line::of_portal(company, portal))?;
    for row in rows.iter().filter(|row| row.state != "off") {
        let settings: Settings = value("open_line_connections", &row.settings)?;
        if settings.sync_title || settings.sync_responsible {
            return Ok(CARD_EVENTS.into());
        }
    }
    Ok(Vec::new())
}

/// The lines that are no SMS providers of a portal: their channels are connected there, and none of the connections says that they
/// are.
///
/// # Errors
/// Those of the database.
pub fn without_sms(conn: &mut Conn, company: CompanyId, portal: PortalId) -> Result<Vec<i64>> {
    let channels = crate::on!(conn, channel::of_company(company))?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for row in crate::on!(conn, open_line::of_portal(company, portal))? {
        let settings: Settings = value("open_line_connections", &row.settings)?;
        let line = channels.iter().find(|channel| channel.id == row.channel).map(|channel| channel.line);
        if settings.sms_provider { with.extend(line) } else { without.extend(line) }
    }
    without.retain(|line| !with.contains(line));
    Ok(without)
}

/// Switches the connector on, says which account stands behind it, and asks whether it works.
pub(super) async fn activate(
    app: &App,
    company: CompanyId,
    portal: PortalId,
    kind: Kind,
    open_line: i64,
    settings: &Settings,
    channel: &ChannelRow,
) -> Result<std::result::Result<(), ConnectError>> {
    let (title, url) = face(kind, settings, channel);
    let steps = [
        ("imconnector.activate", connector::activate_body(kind, open_line, true)),
        ("imconnector.connector.data.set", connector::data_body(kind, open_line, &title, url.as_deref())),
    ];
    for (method, params) in steps {
        if let Err(fault) = call(app, company, portal, method, &params).await? {
            return Ok(Err(fault.into()));
        }
    }
    let status = connector::status_body(kind, open_line);
    Ok(match call(app, company, portal, "imconnector.status", &status).await? {
        Ok(status) if connector::is_ready(&status) => Ok(()),
        Ok(_) => Err(ConnectError::NotReady),
        Err(fault) => Err(fault.into()),
    })
}

/// What the contact centre and the widget show of a channel: its title, and where one writes to it.
fn face(kind: Kind, settings: &Settings, channel: &ChannelRow) -> (String, Option<String>) {
    let told: Value = value("channels", &channel.settings).unwrap_or_default();
    let of = |name: &str| told.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let title = Some(settings.widget.title.clone()).filter(|title| !title.is_empty());
    let title = title.or_else(|| of("title")).unwrap_or_else(|| channel.account.clone());
    let address = of("address").unwrap_or_default();
    let digits: String = address.chars().filter(char::is_ascii_digit).collect();
    let phone = Some(settings.widget.phone.clone()).filter(|phone| !phone.is_empty()).unwrap_or(digits);
    let url = match kind {
        Kind::WhatsappWeb | Kind::Waba if !phone.is_empty() => Some(format!("https://wa.me/{phone}")),
        Kind::Telegram | Kind::TelegramBot => {
            address.strip_prefix('@').filter(|name| !name.is_empty()).map(|name| format!("https://t.me/{name}"))
        }
        Kind::Vk if !channel.account.is_empty() => Some(format!("https://vk.me/club{}", channel.account)),
        Kind::Email if address.contains('@') => Some(format!("mailto:{address}")),
        _ => None,
    };
    (title, url)
}

/// The calls that settings ask for: the line of the channel becomes an SMS provider or is none any more, and events about cards
/// are bound where they are followed.
pub(super) fn tell_portal(
    app: &App,
    conn: &mut Conn,
    (owner, row, settings): (&PortalRow, &ConnectionRow, &Settings),
    silent: Option<&[i64]>,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let base = app.config.server.public_url.trim_end_matches('/');
    let (Ok(company), Ok(portal), Ok(channel)) = (owner.company.parse(), owner.id.parse(), row.channel.parse()) else {
        return Ok(Vec::new());
    };
    let Some(channel) = crate::on!(conn, channel::by_id(company, channel))? else { return Ok(Vec::new()) };
    let mut calls: Vec<(&str, Value)> = Vec::new();
    if let (Some(line), Some(silent)) = (crate::on!(conn, line::by_id(company, channel.line))?, silent)
        && !base.is_empty()
    {
        let handler = sms::handler_url(&format!("{base}/bitrix24/sms"), &owner.hook_key);
        let sender = Sender { line: line.id, title: line.name, handler };
        match (silent.contains(&line.id), without_sms(conn, company, portal)?.contains(&line.id)) {
            (false, true) => calls.push(("messageservice.sender.delete", json!({ "CODE": sender.code() }))),
            (true, false) => calls.push(("messageservice.sender.add", sender.add_body())),
            (true, true) | (false, false) => {}
        }
    }
    if settings.sync_title || settings.sync_responsible {
        let handler = install::event_handler(base);
        calls.extend(CARD_EVENTS.map(|event| ("event.bind", json!({ "event": event, "handler": handler }))));
    }
    let errand = |(method, params): (&str, Value)| NewErrand {
        company,
        lane: owner.lane,
        rank: Rank::Service,
        peer: format!("ol-set:{method}"),
        work: Work::PortalCall { portal, method: method.to_owned(), params, repeatable: true },
        origin: Origin::Nobody,
        not_before: None,
        expires_at: Some(now.plus_ms(TELL_TTL_MS)),
        dedup_key: None,
        merge_key: None,
    };
    Ok(calls.into_iter().map(errand).collect())
}

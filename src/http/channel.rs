//! Channels and messengers.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::{Admin, Signed};
use super::error::{ApiError, Told};
use crate::app::App;
use crate::flow::channel::{self, Attached, Decision, Step};
use crate::messenger;
use crate::model::id::{ChannelId, LineId};
use crate::model::message::Kind;
use crate::model::pace::Pace;
use crate::store::row::{ChannelRow, LaneRow, LaneState, ListeningRow};

/// One step of attaching.
#[derive(Deserialize)]
pub(super) struct ChannelIn {
    messenger: Kind,
    #[serde(flatten)]
    step: Step,
}

/// The gaps of a channel, in milliseconds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "names of the API carry their unit")]
pub(super) struct PaceIn {
    from_ms: i64,
    to_ms: i64,
    live_ms: i64,
}

/// What becomes of what waited.
#[derive(Deserialize)]
pub(super) struct DecisionIn {
    decision: Decision,
}

/// Shows what can be attached, with the fields of each form.
pub(super) async fn list_messengers(_: Signed) -> HttpResponse {
    let all: Vec<_> = messenger::catalogue().iter().map(|messenger| messenger.about()).collect();
    HttpResponse::Ok().json(json!({"messengers": all}))
}

/// Shows the channels of the company.
pub(super) async fn list_channels(app: web::Data<App>, signed: Signed) -> Told {
    let company = signed.company;
    let (rows, lanes, listenings) = app
        .store
        .read(move |conn| {
            let rows = crate::on!(conn, channel::of_company(company))?;
            let lanes = crate::on!(conn, lane::of_company(company))?;
            Ok((rows, lanes, crate::on!(conn, listening::of_company(company))?))
        })
        .await?;
    let channels = rows.iter().map(|row| {
        let listening = listenings.iter().find(|listening| listening.channel == row.id);
        shown(row, lanes.iter().find(|lane| lane.id == row.lane), listening)
    });
    Ok(HttpResponse::Ok().json(json!({"channels": channels.collect::<Told<Vec<_>>>()?})))
}

/// Shows one channel.
pub(super) async fn show_channel(app: web::Data<App>, signed: Signed, id: web::Path<ChannelId>) -> Told {
    let (company, id) = (signed.company, *id);
    let found = app
        .store
        .read(move |conn| {
            let Some(row) = crate::on!(conn, channel::by_id(company, id))? else { return Ok(None) };
            let lane = crate::on!(conn, lane::by_id(company, row.lane))?;
            let listenings = crate::on!(conn, listening::of_company(company))?;
            Ok(Some((row, lane, listenings)))
        })
        .await?;
    let (row, lane, listenings) = found.ok_or(ApiError::NotFound)?;
    let listening = listenings.iter().find(|listening| listening.channel == row.id);
    Ok(HttpResponse::Ok().json(shown(&row, lane.as_ref(), listening)?))
}

/// Takes a step of attaching a channel to a line.
pub(super) async fn attach_channel(
    app: web::Data<App>,
    admin: Admin,
    line: web::Path<LineId>,
    input: web::Json<ChannelIn>,
) -> Told {
    let input = input.into_inner();
    let attached = channel::attach(&app, admin.0.company, *line, input.messenger, input.step).await?;
    let mut response = match attached {
        Attached::Done { .. } => HttpResponse::Created(),
        Attached::Form { .. } | Attached::Qr { .. } | Attached::Redirect { .. } => HttpResponse::Ok(),
    };
    Ok(response.json(attached))
}

/// Sets the pace of a channel.
pub(super) async fn set_pace(
    app: web::Data<App>,
    admin: Admin,
    id: web::Path<ChannelId>,
    input: web::Json<PaceIn>,
) -> Told {
    let pace = Pace::Gap { from_ms: input.from_ms, to_ms: input.to_ms, live_ms: input.live_ms };
    channel::set_pace(&app, admin.0.company, *id, pace).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Decides about what waited while the channel was away.
pub(super) async fn decide_channel(
    app: web::Data<App>,
    admin: Admin,
    id: web::Path<ChannelId>,
    input: web::Json<DecisionIn>,
) -> Told {
    let count = channel::decide(&app, admin.0.company, *id, input.decision).await?;
    Ok(HttpResponse::Ok().json(json!({"not_sent": count})))
}

fn shown(row: &ChannelRow, lane: Option<&LaneRow>, listening: Option<&ListeningRow>) -> Told<Value> {
    let settings: Value = crate::store::row::value("channels", &row.settings)?;
    let pace = lane.map(LaneRow::pace).transpose()?;
    let (from_ms, to_ms, live_ms) = match pace {
        Some(Pace::Gap { from_ms, to_ms, live_ms }) => (from_ms, to_ms, live_ms),
        Some(Pace::Bucket { .. }) | None => (0, 0, 0),
    };
    Ok(json!({
        "id": row.id,
        "line": row.line,
        "lane": row.lane,
        "messenger": row.messenger,
        "title": settings.get("title"),
        "address": settings.get("address"),
        "state": row.state,
        "lane_state": lane.map(|lane| LaneState::from_db(lane.state)),
        "lost_reason": row.lost_reason,
        "pace": {"from_ms": from_ms, "to_ms": to_ms, "live_ms": live_ms},
        "connected_at": row.connected_at,
        "listening": listening,
    }))
}

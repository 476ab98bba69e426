//! Portals.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::Signed;
use super::error::Told;
use crate::app::App;
use crate::model::id::LaneId;
use crate::store::row::{LaneRow, LaneState, PortalRow};

/// A portal.
#[derive(Serialize, ToSchema)]
pub(super) struct PortalOut {
    id: String,
    domain: String,
    /// `installed`, `lost` or `uninstalled`.
    state: String,
    /// Its lane in the queue.
    lane: LaneId,
    lane_state: Option<LaneState>,
    /// How many calls wait for it.
    waiting: i64,
    created_at: i64,
}

/// Portals.
#[derive(Serialize, ToSchema)]
pub(super) struct PortalsOut {
    portals: Vec<PortalOut>,
}

/// Shows the portals of the company: whether each is `installed`, `lost` (an administrator must open the application in it)
/// or `uninstalled`, and how many calls wait for it.
#[utoipa::path(get, path = "/portals", tag = "portals", responses((status = 200, body = PortalsOut)))]
pub(super) async fn list_portals(app: web::Data<App>, signed: Signed) -> Told {
    let company = signed.company;
    let read = app.store.read(move |conn| {
        let mut portals = Vec::new();
        for row in crate::on!(conn, portal::of_company(company))? {
            let lane = crate::on!(conn, lane::by_id(company, row.lane))?;
            let waiting = crate::on!(conn, errand::waiting(row.lane))?;
            portals.push((row, lane, waiting));
        }
        Ok(portals)
    });
    let portals = read.await?;
    let portals = portals.iter().map(|(row, lane, waiting)| shown(row, lane.as_ref(), *waiting)).collect();
    Ok(HttpResponse::Ok().json(PortalsOut { portals }))
}

fn shown(row: &PortalRow, lane: Option<&LaneRow>, waiting: i64) -> PortalOut {
    PortalOut {
        id: row.id.clone(),
        domain: row.domain.clone(),
        state: row.state.clone(),
        lane: row.lane,
        lane_state: lane.map(|lane| LaneState::from_db(lane.state)),
        waiting,
        created_at: row.created_at,
    }
}

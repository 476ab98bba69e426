//! Portals.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::auth::Signed;
use super::error::Told;
use crate::app::App;
use crate::store::row::{LaneRow, LaneState, PortalRow};

/// Shows the portals of the company: whether each is `installed`, `lost` (an administrator must open the application in it)
/// or `uninstalled`, and how many calls wait for it.
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
    let shown: Vec<Value> = portals.iter().map(|(row, lane, waiting)| shown(row, lane.as_ref(), *waiting)).collect();
    Ok(HttpResponse::Ok().json(json!({"portals": shown})))
}

fn shown(row: &PortalRow, lane: Option<&LaneRow>, waiting: i64) -> Value {
    json!({
        "id": row.id,
        "domain": row.domain,
        "state": row.state,
        "lane": row.lane,
        "lane_state": lane.map(|lane| LaneState::from_db(lane.state)),
        "waiting": waiting,
        "created_at": row.created_at,
    })
}

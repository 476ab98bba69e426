//! The queue.

use actix_web::{HttpResponse, web};

use super::auth::{Admin, Signed};
use super::error::Told;
use crate::app::App;
use crate::flow::{channel, queue};
use crate::model::id::LaneId;

/// Shows what waits, and when it will leave.
pub(super) async fn show_queue(app: web::Data<App>, signed: Signed) -> Told {
    Ok(HttpResponse::Ok().json(queue::look(&app, signed.company).await?))
}

/// Stops a lane until it is resumed.
pub(super) async fn pause_lane(app: web::Data<App>, admin: Admin, id: web::Path<LaneId>) -> Told {
    channel::pause(&app, admin.0.company, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Lets a paused lane run again.
pub(super) async fn resume_lane(app: web::Data<App>, admin: Admin, id: web::Path<LaneId>) -> Told {
    channel::resume(&app, admin.0.company, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

//! The queue.

use actix_web::{HttpResponse, web};

use super::auth::{Admin, Signed};
use super::channel::NotSent;
use super::error::{ApiError, ErrorOut, Told};
use crate::app::App;
use crate::flow::channel;
use crate::flow::queue::{self, QueueOut};
use crate::model::id::LaneId;

/// Shows what waits, and when it will leave.
#[utoipa::path(get, path = "/queue", tag = "queue", responses((status = 200, body = QueueOut)))]
pub(super) async fn show_queue(app: web::Data<App>, signed: Signed) -> Told {
    Ok(HttpResponse::Ok().json(queue::look(&app, signed.company).await?))
}

/// Stops a lane until it is resumed.
#[utoipa::path(post, path = "/lanes/{id}/pause", tag = "queue", params(("id" = i64, Path)),
    responses((status = 204), (status = 404, body = ErrorOut), (status = 409, body = ErrorOut)))]
pub(super) async fn pause_lane(app: web::Data<App>, admin: Admin, id: web::Path<LaneId>) -> Told {
    channel::pause(&app, admin.0.company, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Lets a paused lane run again.
#[utoipa::path(post, path = "/lanes/{id}/resume", tag = "queue", params(("id" = i64, Path)),
    responses((status = 204), (status = 404, body = ErrorOut), (status = 409, body = ErrorOut)))]
pub(super) async fn resume_lane(app: web::Data<App>, admin: Admin, id: web::Path<LaneId>) -> Told {
    channel::resume(&app, admin.0.company, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Ends what waits in a lane and belongs to no mailing; a mailing is stopped by itself.
#[utoipa::path(post, path = "/lanes/{id}/clear", tag = "queue", params(("id" = i64, Path)),
    responses((status = 200, body = NotSent), (status = 404, body = ErrorOut)))]
pub(super) async fn clear_lane(app: web::Data<App>, admin: Admin, id: web::Path<LaneId>) -> Told {
    let not_sent = queue::clear(&app, admin.0.company, *id).await?.ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok().json(NotSent { not_sent }))
}

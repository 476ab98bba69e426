//! What messengers posted to a channel, as it came.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::auth::Admin;
use super::super::error::{ApiError, ErrorOut, Told};
use crate::app::App;
use crate::flow::delivery::{self, DeliveryOut, DeliveryWhole};
use crate::model::id::ChannelId;

/// The newest deliveries of a channel, newest first.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct DeliveriesOut {
    deliveries: Vec<DeliveryOut>,
}

/// Which deliveries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct DeliveriesAsked {
    /// Only those before this number.
    before: Option<i64>,
}

/// Shows what a messenger posted to a channel: the newest ones that are kept.
#[utoipa::path(get, path = "/channels/{id}/deliveries", tag = "channels", params(("id" = String, Path), DeliveriesAsked),
    responses((status = 200, body = DeliveriesOut), (status = 404, body = ErrorOut)))]
pub(in crate::http) async fn list_deliveries(
    app: web::Data<App>,
    admin: Admin,
    id: web::Path<ChannelId>,
    asked: web::Query<DeliveriesAsked>,
) -> Told {
    let found = delivery::list(&app, admin.0.company, *id, asked.before).await?;
    let deliveries = found.ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok().json(DeliveriesOut { deliveries }))
}

/// Shows one delivery as it came, with the channel's secrets hidden.
#[utoipa::path(get, path = "/channels/{id}/deliveries/{n}", tag = "channels",
    params(("id" = String, Path), ("n" = i64, Path)),
    responses((status = 200, body = DeliveryWhole), (status = 404, body = ErrorOut)))]
pub(in crate::http) async fn show_delivery(
    app: web::Data<App>,
    admin: Admin,
    path: web::Path<(ChannelId, i64)>,
) -> Told {
    let (id, n) = path.into_inner();
    let found = delivery::show(&app, admin.0.company, id, n).await?;
    Ok(HttpResponse::Ok().json(found.ok_or(ApiError::NotFound)?))
}

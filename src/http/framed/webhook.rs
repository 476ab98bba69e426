//! The webhook of a channel, as the settings of a connector have it.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::PortalAdmin;
use crate::app::App;
use crate::flow::webhook::settings::{self, WebhookIn, WebhookKept, WebhookOut};
use crate::http::error::{ApiError, ErrorOut, Told};
use crate::http::webhook::refusal;
use crate::model::id::ChannelId;

/// The webhook of a channel.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ChannelWebhook {
    /// The webhook; none where the channel has none.
    webhook: Option<WebhookOut>,
}

/// Shows the webhook of a channel.
#[utoipa::path(get, path = "/b24/channels/{id}/webhook", tag = "bitrix24", params(("id" = String, Path)),
    responses((status = 200, body = ChannelWebhook), (status = 404, body = ErrorOut)))]
pub(in crate::http) async fn show_webhook(app: web::Data<App>, admin: PortalAdmin, id: web::Path<ChannelId>) -> Told {
    let webhook = settings::find(&app, admin.0.company, *id).await.map_err(refusal)?;
    Ok(HttpResponse::Ok().json(ChannelWebhook { webhook }))
}

/// Sets the webhook of a channel up, or changes it.
#[utoipa::path(put, path = "/b24/channels/{id}/webhook", tag = "bitrix24", params(("id" = String, Path)),
    request_body = WebhookIn,
    responses((status = 200, body = WebhookKept), (status = 404, body = ErrorOut), (status = 422, body = ErrorOut)))]
pub(in crate::http) async fn keep_webhook(
    app: web::Data<App>,
    admin: PortalAdmin,
    id: web::Path<ChannelId>,
    input: web::Json<WebhookIn>,
) -> Told {
    let kept = settings::keep(&app, admin.0.company, *id, input.into_inner()).await.map_err(refusal)?;
    Ok(HttpResponse::Ok().json(kept))
}

/// Takes the webhook of a channel away, with everything that it was told.
#[utoipa::path(delete, path = "/b24/channels/{id}/webhook", tag = "bitrix24", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorOut)))]
pub(in crate::http) async fn remove_webhook(app: web::Data<App>, admin: PortalAdmin, id: web::Path<ChannelId>) -> Told {
    if settings::remove(&app, admin.0.company, *id).await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(ApiError::NotFound)
    }
}

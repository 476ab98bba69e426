//! Templates of channels.

use actix_web::{HttpResponse, web};

use super::auth::Signed;
use super::error::{ErrorOut, Told};
use crate::app::App;
use crate::flow::template::{self, TemplatesOut};
use crate::model::id::ChannelId;

/// Shows the templates of a channel as they are known.
#[utoipa::path(get, path = "/channels/{id}/templates", tag = "channels", params(("id" = String, Path)),
    responses((status = 200, body = TemplatesOut), (status = 404, body = ErrorOut)))]
pub(super) async fn list_templates(app: web::Data<App>, signed: Signed, id: web::Path<ChannelId>) -> Told {
    Ok(HttpResponse::Ok().json(template::list(&app, signed.company, *id).await?))
}

/// Asks the vendor for the templates of a channel, and shows them.
#[utoipa::path(post, path = "/channels/{id}/templates/sync", tag = "channels", params(("id" = String, Path)),
    responses((status = 200, body = TemplatesOut), (status = 404, body = ErrorOut), (status = 409, body = ErrorOut)))]
pub(super) async fn sync_templates(app: web::Data<App>, signed: Signed, id: web::Path<ChannelId>) -> Told {
    Ok(HttpResponse::Ok().json(template::sync(&app, signed.company, *id).await?))
}

//! The settings of a channel that can be changed without attaching it again.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::auth::Admin;
use super::super::error::{ErrorOut, Told};
use crate::app::App;
use crate::flow::channel;
use crate::messenger::Field;
use crate::model::id::ChannelId;

/// What can be changed of a channel, and what it is now.
#[derive(Serialize, ToSchema)]
#[schema(as = ChannelSettings)]
pub(in crate::http) struct SettingsOut {
    /// The fields; none where the messenger has nothing to change.
    fields: Vec<Field>,
    /// What they are now, by name; never a secret.
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    values: Map<String, Value>,
}

/// What is to be changed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChannelSettingsIn)]
pub(in crate::http) struct SettingsIn {
    /// The answers, by field name. What is left out stays, and so does a secret that is empty.
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    answers: Map<String, Value>,
}

/// Shows what can be changed of a channel without attaching it again.
#[utoipa::path(get, path = "/channels/{id}/settings", tag = "channels", params(("id" = String, Path)),
    responses((status = 200, body = SettingsOut), (status = 404, body = ErrorOut)))]
pub(in crate::http) async fn show_settings(app: web::Data<App>, admin: Admin, id: web::Path<ChannelId>) -> Told {
    let (fields, values) = channel::settings(&app, admin.0.company, *id).await?;
    Ok(HttpResponse::Ok().json(SettingsOut { fields: fields.to_vec(), values }))
}

/// Changes the settings of a channel. The vendor is asked where that is needed to know that they are right.
#[utoipa::path(put, path = "/channels/{id}/settings", tag = "channels", params(("id" = String, Path)),
    request_body = SettingsIn,
    responses((status = 204), (status = 404, body = ErrorOut), (status = 409, body = ErrorOut), (status = 422, body = ErrorOut)))]
pub(in crate::http) async fn change_settings(
    app: web::Data<App>,
    admin: Admin,
    id: web::Path<ChannelId>,
    input: web::Json<SettingsIn>,
) -> Told {
    channel::configure(&app, admin.0.company, *id, input.into_inner().answers).await?;
    Ok(HttpResponse::NoContent().finish())
}

//! The way back from the page of a vendor at which somebody signed in.

use actix_web::web;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::auth::Admin;
use super::channel::status_of;
use super::error::{ErrorOut, Told};
use crate::app::App;
use crate::flow::channel::{self, Attached};
use crate::model::id::LineId;
use crate::model::message::Kind;

/// What the address that a vendor led back to brought.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReturnIn {
    /// The parts of its query, by name; `state` is among them.
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    answers: Map<String, Value>,
}

/// Where the dialogue goes on.
#[derive(Serialize, ToSchema)]
pub(super) struct ReturnOut {
    line: LineId,
    messenger: Kind,
    /// The next step.
    next: Attached,
}

/// Goes on with an attaching after the person signed in at the vendor's page. Each sign-in is taken once, within 20 minutes,
/// and from whoever began it. 201 where the channel is attached, 200 where another step comes.
#[utoipa::path(post, path = "/attaching/return", tag = "channels", request_body = ReturnIn,
    responses((status = 200, body = ReturnOut), (status = 201, body = ReturnOut), (status = 404, body = ErrorOut),
        (status = 409, body = ErrorOut), (status = 422, body = ErrorOut), (status = 503, body = ErrorOut)))]
pub(super) async fn return_from_vendor(app: web::Data<App>, admin: Admin, input: web::Json<ReturnIn>) -> Told {
    let signed = admin.0;
    let returned = channel::return_from_vendor(&app, signed.company, signed.user, input.into_inner().answers).await?;
    let mut response = status_of(&returned.attached);
    Ok(response.json(ReturnOut { line: returned.line, messenger: returned.messenger, next: returned.attached }))
}

//! What the tab in a card asks: the client's dialogs, their messages, and writing.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{PortalEmployee, of_fault};
use crate::app::App;
use crate::crm::bitrix24::placement::TABS;
use crate::flow::framed::card::{self, CardMessageIn, CardOut, HistoryOut, NotWritten};
use crate::flow::message::{self, MessageOut};
use crate::flow::template::{self, TemplatesOut};
use crate::http::error::{ApiError, ErrorOut, Told};
use crate::http::message::{key_of, refusal};
use crate::model::id::{ChannelId, MessageId};

/// A message that was written.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct CardMessageMade {
    #[schema(value_type = String)]
    id: MessageId,
}

/// Which page of a history.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct HistoryQuery {
    /// The key of the dialog.
    key: String,
    /// The message before which the page ends; the newest page where it is left out.
    #[param(value_type = Option<String>)]
    before: Option<MessageId>,
}

/// Shows the client of a card and their dialogs on every channel. Nothing is asked of any messenger.
#[utoipa::path(get, path = "/b24/cards/{card}/{id}", tag = "bitrix24",
    params(("card" = String, Path, description = "`contact`, `lead`, `deal` or `company`"), ("id" = i64, Path)),
    responses((status = 200, body = CardOut), (status = 404, body = ErrorOut), (status = 409, body = ErrorOut)))]
pub(in crate::http) async fn show_card(
    app: web::Data<App>,
    employee: PortalEmployee,
    path: web::Path<(String, i64)>,
) -> Told {
    let (name, id) = path.into_inner();
    let card = TABS.iter().find(|(card, _)| *card == name).map(|(card, _)| *card).ok_or(ApiError::NotFound)?;
    let told = card::look(&app, &employee.0, card, id).await?.map_err(|fault| of_fault(&fault))?;
    Ok(HttpResponse::Ok().json(told))
}

/// Shows a page of a dialog that a card showed.
#[utoipa::path(get, path = "/b24/history", tag = "bitrix24", params(HistoryQuery),
    responses((status = 200, body = HistoryOut), (status = 404, body = ErrorOut)))]
pub(in crate::http) async fn show_history(
    app: web::Data<App>,
    employee: PortalEmployee,
    query: web::Query<HistoryQuery>,
) -> Told {
    let page = card::history(&app, &employee.0, &query.key, query.before).await?;
    Ok(HttpResponse::Ok().json(page.ok_or(ApiError::NotFound)?))
}

/// Writes to a client: into one of their dialogs, or first.
#[utoipa::path(post, path = "/b24/messages", tag = "bitrix24", request_body = CardMessageIn,
    params(("Idempotency-Key" = Option<String>, Header, description = "names the request, so that it may be repeated")),
    responses((status = 202, body = CardMessageMade), (status = 403, body = ErrorOut), (status = 404, body = ErrorOut),
        (status = 422, body = ErrorOut)))]
pub(in crate::http) async fn write_message(
    app: web::Data<App>,
    employee: PortalEmployee,
    request: HttpRequest,
    input: web::Json<CardMessageIn>,
) -> Told {
    let key = key_of(&request)?;
    match card::write(&app, &employee.0, input.into_inner(), key).await? {
        Ok(id) => Ok(HttpResponse::Accepted().json(CardMessageMade { id })),
        Err(NotWritten::MayNot) => Err(ApiError::Forbidden),
        Err(NotWritten::KeyGone) => Err(ApiError::NotFound),
        Err(NotWritten::Refused(code)) => Err(refusal(code, None)),
    }
}

/// Shows what became of a message that was written.
#[utoipa::path(get, path = "/b24/messages/{id}", tag = "bitrix24", params(("id" = String, Path)),
    responses((status = 200, body = MessageOut), (status = 404, body = ErrorOut)))]
pub(in crate::http) async fn show_card_message(
    app: web::Data<App>,
    employee: PortalEmployee,
    id: web::Path<MessageId>,
) -> Told {
    let found = message::find(&app, employee.0.company, *id).await?;
    Ok(HttpResponse::Ok().json(found.ok_or(ApiError::NotFound)?))
}

/// Shows the templates of a channel as they are known.
#[utoipa::path(get, path = "/b24/channels/{id}/templates", tag = "bitrix24", params(("id" = String, Path)),
    responses((status = 200, body = TemplatesOut), (status = 404, body = ErrorOut)))]
pub(in crate::http) async fn list_card_templates(
    app: web::Data<App>,
    employee: PortalEmployee,
    id: web::Path<ChannelId>,
) -> Told {
    Ok(HttpResponse::Ok().json(template::list(&app, employee.0.company, *id).await?))
}

/// Asks the vendor for the templates of a channel, and shows them.
#[utoipa::path(post, path = "/b24/channels/{id}/templates", tag = "bitrix24", params(("id" = String, Path)),
    responses((status = 200, body = TemplatesOut), (status = 404, body = ErrorOut), (status = 409, body = ErrorOut)))]
pub(in crate::http) async fn sync_card_templates(
    app: web::Data<App>,
    employee: PortalEmployee,
    id: web::Path<ChannelId>,
) -> Told {
    Ok(HttpResponse::Ok().json(template::sync(&app, employee.0.company, *id).await?))
}

//! What the settings of a connector ask: how it stands on an open line, and being connected and disconnected.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{PortalAdmin, of_fault};
use crate::app::App;
use crate::crm::bitrix24::connector;
use crate::flow::open_line::settings::{self, ConnectError, ConnectionIn, ConnectionOut};
use crate::http::error::{ApiError, ErrorOut, Told};
use crate::model::message::Kind;

/// Connections.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ConnectionsOut {
    connections: Vec<ConnectionOut>,
}

/// Shows every connection of the portal.
#[utoipa::path(get, path = "/b24/connections", tag = "bitrix24", responses((status = 200, body = ConnectionsOut)))]
pub(in crate::http) async fn list_connections(app: web::Data<App>, admin: PortalAdmin) -> Told {
    let connections = settings::list(&app, admin.0.company, admin.0.portal).await?;
    Ok(HttpResponse::Ok().json(ConnectionsOut { connections }))
}

/// Shows a connector on an open line, as the portal has it now.
#[utoipa::path(get, path = "/b24/connections/{connector}/{line}", tag = "bitrix24",
    params(("connector" = String, Path), ("line" = i64, Path)),
    responses((status = 200, body = ConnectionOut), (status = 404, body = ErrorOut)))]
pub(in crate::http) async fn show_connection(
    app: web::Data<App>,
    admin: PortalAdmin,
    path: web::Path<(String, i64)>,
) -> Told {
    let (kind, line) = place(path)?;
    let (company, portal) = (admin.0.company, admin.0.portal);
    let mut known = settings::read(&app, company, portal, kind, line).await?;
    if known.state == "new" {
        let lines = settings::open_lines(&app, company, portal).await.unwrap_or_default();
        known.open_line_name = lines.into_iter().find(|one| one.id == line).map(|one| one.name);
        return Ok(HttpResponse::Ok().json(known));
    }
    // the page shows what is known where the portal does not answer
    let fresh = settings::refresh(&app, company, portal, kind, line).await;
    Ok(HttpResponse::Ok().json(fresh.unwrap_or(known)))
}

/// Saves the settings of a connector on an open line and connects it, or keeps it connected with them.
#[utoipa::path(put, path = "/b24/connections/{connector}/{line}", tag = "bitrix24",
    params(("connector" = String, Path), ("line" = i64, Path)), request_body = ConnectionIn,
    responses((status = 200, body = ConnectionOut), (status = 404, body = ErrorOut), (status = 409, body = ErrorOut),
        (status = 422, body = ErrorOut)))]
pub(in crate::http) async fn connect(
    app: web::Data<App>,
    admin: PortalAdmin,
    path: web::Path<(String, i64)>,
    input: web::Json<ConnectionIn>,
) -> Told {
    let (kind, line) = place(path)?;
    let connected = settings::connect(&app, admin.0.company, admin.0.portal, kind, line, input.into_inner()).await;
    Ok(HttpResponse::Ok().json(connected.map_err(refusal)?))
}

/// Disconnects a connector from an open line. Its dialogs stay.
#[utoipa::path(delete, path = "/b24/connections/{connector}/{line}", tag = "bitrix24",
    params(("connector" = String, Path), ("line" = i64, Path)),
    responses((status = 200, body = ConnectionOut), (status = 404, body = ErrorOut), (status = 409, body = ErrorOut)))]
pub(in crate::http) async fn disconnect(
    app: web::Data<App>,
    admin: PortalAdmin,
    path: web::Path<(String, i64)>,
) -> Told {
    let (kind, line) = place(path)?;
    let gone = settings::disconnect(&app, admin.0.company, admin.0.portal, kind, line).await;
    Ok(HttpResponse::Ok().json(gone.map_err(refusal)?))
}

/// Asks the administrators of the company for one more account of the messenger of a connector.
#[utoipa::path(post, path = "/b24/connections/{connector}/requests", tag = "bitrix24", params(("connector" = String, Path)),
    responses((status = 202), (status = 404, body = ErrorOut)))]
pub(in crate::http) async fn ask_for_account(app: web::Data<App>, admin: PortalAdmin, path: web::Path<String>) -> Told {
    let kind = connector::kind_of(&path.into_inner()).ok_or(ApiError::NotFound)?;
    settings::ask_for_account(&app, admin.0.company, admin.0.portal, kind).await.map_err(refusal)?;
    Ok(HttpResponse::Accepted().finish())
}

fn place(path: web::Path<(String, i64)>) -> Told<(Kind, i64)> {
    let (connector, line) = path.into_inner();
    let kind = connector::kind_of(&connector).ok_or(ApiError::NotFound)?;
    if line > 0 { Ok((kind, line)) } else { Err(ApiError::NotFound) }
}

fn refusal(error: ConnectError) -> ApiError {
    match error {
        ConnectError::Wrong(wrong) => match wrong.into_iter().next() {
            Some(first) => ApiError::Bad { field: first.field, code: "bad_value", ru: first.ru, en: first.en },
            None => ApiError::bad("settings", "Проверьте настройки", "Look at the settings"),
        },
        ConnectError::Portal(fault) => of_fault(&fault),
        ConnectError::Store(error) => error.into(),
        ConnectError::PortalNotFound => ApiError::NotFound,
        other => {
            let (ru, en) = other.words();
            ApiError::Conflict { code: other.code(), ru, en }
        }
    }
}

//! Applications for VK Notify.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{Admin, Signed};
use super::error::{ApiError, ErrorOut, Told};
use crate::app::App;
use crate::flow::application::{self, ApplicationError, ApplicationOut};
use crate::model::application::{Form, Stage};
use crate::model::id::ApplicationId;

/// The applications of the company, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct ApplicationsOut {
    applications: Vec<ApplicationOut>,
}

/// The next step of an application.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MoveIn {
    /// Where it comes to.
    to: Stage,
    /// Why it was refused.
    #[serde(default)]
    reason: String,
}

/// Shows the applications of the company.
#[utoipa::path(get, path = "/applications", tag = "applications", responses((status = 200, body = ApplicationsOut)))]
pub(super) async fn list_applications(app: web::Data<App>, signed: Signed) -> Told {
    let applications = application::list(&app, signed.company).await?;
    Ok(HttpResponse::Ok().json(ApplicationsOut { applications }))
}

/// Makes an application; its documents are generated at once.
#[utoipa::path(post, path = "/applications", tag = "applications", request_body = Form,
    responses((status = 201, body = ApplicationOut), (status = 422, body = ErrorOut)))]
pub(super) async fn create_application(app: web::Data<App>, admin: Admin, form: web::Json<Form>) -> Told {
    let made = application::create(&app, admin.0.company, &form).await.map_err(refusal)?;
    Ok(HttpResponse::Created().json(made))
}

/// Gives the statement of an application, to be signed.
#[utoipa::path(get, path = "/applications/{id}/statement", tag = "applications", params(("id" = String, Path)),
    responses((status = 200, content_type = "application/pdf", body = Vec<u8>), (status = 404, body = ErrorOut)))]
pub(super) async fn show_statement(app: web::Data<App>, signed: Signed, id: web::Path<ApplicationId>) -> Told {
    let (number, pdf) = application::statement(&app, signed.company, *id).await.map_err(refusal)?;
    let name = format!("attachment; filename=\"statement-{number}.pdf\"");
    Ok(HttpResponse::Ok()
        .content_type("application/pdf")
        .insert_header(("Content-Disposition", name))
        .insert_header(("Cache-Control", "private, no-store"))
        .body(pdf))
}

/// Moves an application on: it was sent, or the other side answered.
#[utoipa::path(post, path = "/applications/{id}/move", tag = "applications", params(("id" = String, Path)),
    request_body = MoveIn,
    responses((status = 200, body = ApplicationOut), (status = 404, body = ErrorOut), (status = 409, body = ErrorOut),
        (status = 422, body = ErrorOut)))]
pub(super) async fn move_application(
    app: web::Data<App>,
    admin: Admin,
    id: web::Path<ApplicationId>,
    input: web::Json<MoveIn>,
) -> Told {
    let moved = application::move_on(&app, admin.0.company, *id, input.to, &input.reason).await.map_err(refusal)?;
    Ok(HttpResponse::Ok().json(moved))
}

/// Marks the news of an application as read.
#[utoipa::path(post, path = "/applications/{id}/seen", tag = "applications", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorOut)))]
pub(super) async fn see_application(app: web::Data<App>, signed: Signed, id: web::Path<ApplicationId>) -> Told {
    application::see(&app, signed.company, *id).await.map_err(refusal)?;
    Ok(HttpResponse::NoContent().finish())
}

fn refusal(error: ApplicationError) -> ApiError {
    match error {
        ApplicationError::NotFound => ApiError::NotFound,
        ApplicationError::Field(bad) => ApiError::bad(bad.field, bad.ru, bad.en),
        ApplicationError::State => ApiError::Conflict {
            code: "wrong_state",
            ru: "Заявка уже в другом состоянии. Обновите страницу".to_owned(),
            en: "The application is in another state by now. Load the page again".to_owned(),
        },
        ApplicationError::Statement(seen) => ApiError::Inner(format!("a statement could not be written: {seen}")),
        ApplicationError::Store(error) => error.into(),
    }
}

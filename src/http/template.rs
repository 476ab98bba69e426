//! Templates of channels.

use actix_web::{HttpResponse, web};

use serde::Deserialize;
use utoipa::ToSchema;

use super::auth::{Admin, Signed};
use super::error::{ApiError, ErrorOut, Told};
use crate::app::App;
use crate::flow::pattern::{self, NotKept};
use crate::flow::template::{self, TemplatesOut};
use crate::model::id::ChannelId;
use crate::model::pattern::BadPattern;

/// A template to keep.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PatternIn {
    /// Its name at the vendor.
    name: String,
    /// Its text, with variables as `{{name}}`.
    text: String,
}

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

/// Keeps a template of a channel that sends nothing else, or its new text: no vendor lists those.
#[utoipa::path(post, path = "/channels/{id}/templates", tag = "channels", params(("id" = String, Path)),
    request_body = PatternIn,
    responses((status = 204), (status = 404, body = ErrorOut), (status = 409, body = ErrorOut),
        (status = 422, body = ErrorOut)))]
pub(super) async fn keep_template(
    app: web::Data<App>,
    admin: Admin,
    id: web::Path<ChannelId>,
    input: web::Json<PatternIn>,
) -> Told {
    pattern::keep(&app, admin.0.company, *id, &input.name, &input.text).await.map_err(refusal)?;
    Ok(HttpResponse::NoContent().finish())
}

/// Forgets a template of a channel that sends nothing else.
#[utoipa::path(delete, path = "/channels/{id}/templates/{name}", tag = "channels",
    params(("id" = String, Path), ("name" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorOut), (status = 409, body = ErrorOut)))]
pub(super) async fn forget_template(app: web::Data<App>, admin: Admin, path: web::Path<(ChannelId, String)>) -> Told {
    let (id, name) = path.into_inner();
    pattern::forget(&app, admin.0.company, id, name).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn refusal(error: NotKept) -> ApiError {
    match error {
        NotKept::Channel(error) => error.into(),
        NotKept::Name => ApiError::bad(
            "name",
            "Укажите имя шаблона: от 1 до 64 знаков",
            "Give the template's name: 1 to 64 characters",
        ),
        NotKept::TooMany => {
            ApiError::bad("name", "На канале не больше 500 шаблонов", "A channel has 500 templates at most")
        }
        NotKept::Text(bad) => {
            let (ru, en) = words(&bad);
            ApiError::bad("text", ru, en)
        }
    }
}

fn words(bad: &BadPattern) -> (String, String) {
    let (ru, en) = match bad {
        BadPattern::Empty => (
            "Введите текст шаблона: он не может состоять из одних переменных",
            "Give the text of the template: it cannot consist of variables alone",
        ),
        BadPattern::TooLong => ("В шаблоне не больше 2048 знаков", "A template has 2048 characters at most"),
        BadPattern::NotClosed => ("Закройте переменную: {{имя}}", "Close the variable: {{name}}"),
        BadPattern::TooMany => ("В шаблоне не больше 30 переменных", "A template has 30 variables at most"),
        BadPattern::Unseen => ("Уберите невидимые знаки из текста", "Take the signs that nobody sees out of the text"),
        BadPattern::BadName(name) => {
            return (
                format!("В имени переменной «{name}» допустимы буквы, цифры и подчёркивание"),
                format!("The name of the variable \"{name}\" may have letters, digits and underscores"),
            );
        }
        BadPattern::Adjacent(name) => {
            return (
                format!("Перед переменной «{name}» нужен текст или пробел"),
                format!("There must be text or a space before the variable \"{name}\""),
            );
        }
    };
    (ru.to_owned(), en.to_owned())
}

//! The first run.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono_tz::Tz;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth;
use super::error::{ApiError, Told};
use super::limit::Doors;
use super::session::{self, SecretText};
use crate::app::App;
use crate::flow::set_up::{self, Founder};
use crate::flow::sign_in;

/// Whether the server waits for its first administrator.
#[derive(Serialize, ToSchema)]
pub(super) struct SetUpOut {
    needed: bool,
}

/// The first administrator and their company.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetUpIn {
    /// The company's name.
    company: String,
    /// The zone of the company's hours, as `Europe/Moscow`.
    zone: String,
    /// The administrator's name.
    name: String,
    /// What is typed to sign in, an e-mail address as a rule.
    login: String,
    /// At least ten letters.
    #[schema(value_type = String)]
    password: SecretText,
}

/// The shortest password, in letters.
const SHORTEST_PASSWORD: usize = 10;

/// Tells whether the server waits for its first administrator.
#[utoipa::path(get, path = "/setup", tag = "session", security(()), responses((status = 200, body = SetUpOut)))]
pub(super) async fn show_set_up(app: web::Data<App>) -> Told {
    Ok(HttpResponse::Ok().json(SetUpOut { needed: set_up::is_needed(&app).await? }))
}

/// Makes the first administrator of a server that has no user, and signs them in with a cookie.
#[utoipa::path(post, path = "/setup", tag = "session", security(()), request_body = SetUpIn,
    params(("X-Switchboard" = String, Header, description = "any value: the forms of strangers cannot send it")),
    responses((status = 201, body = session::TokenOut), (status = 409, body = super::error::ErrorOut)))]
pub(super) async fn do_set_up(
    app: web::Data<App>,
    doors: web::Data<Doors>,
    request: HttpRequest,
    input: web::Json<SetUpIn>,
) -> Told {
    auth::from_our_page(&request)?;
    doors.sign_in(&request)?;
    let founder = founder(input.into_inner())?;
    let token = set_up::set_up(&app, founder).await?.ok_or_else(|| ApiError::Conflict {
        code: "set_up_already",
        ru: "Сервер уже настроен: войдите".to_owned(),
        en: "The server is set up already: sign in".to_owned(),
    })?;
    Ok(session::with_cookie(&app, &token))
}

fn founder(input: SetUpIn) -> Told<Founder> {
    let login = sign_in::login_of(&input.login)
        .ok_or_else(|| ApiError::bad("login", "В логине от 1 до 256 знаков", "A login has 1 to 256 letters"))?;
    let password = input.password.0;
    let letters = password.expose_secret().chars().count();
    if letters < SHORTEST_PASSWORD || password.expose_secret().len() > sign_in::LONGEST_PASSWORD {
        return Err(ApiError::bad(
            "password",
            format!("В пароле от {SHORTEST_PASSWORD} знаков до {} байт", sign_in::LONGEST_PASSWORD),
            format!("A password has {SHORTEST_PASSWORD} letters to {} bytes", sign_in::LONGEST_PASSWORD),
        ));
    }
    let zone = input.zone.parse::<Tz>().map_err(|_| {
        ApiError::bad(
            "zone",
            "Нет такого часового пояса; пример: Europe/Moscow",
            "There is no such zone; for example Europe/Moscow",
        )
    })?;
    let company = super::line::name("company", &input.company)?;
    Ok(Founder { company, zone, name: super::line::name("name", &input.name)?, login, password })
}

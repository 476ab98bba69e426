//! Signing in and out.

use actix_web::http::header::SET_COOKIE;
use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{self, COOKIE, Role, Signed};
use super::error::{ErrorOut, Told};
use super::limit::Doors;
use crate::app::App;
use crate::flow::sign_in::{self, Token};

/// What is typed to sign in.
#[derive(Deserialize, ToSchema)]
pub(super) struct TokenIn {
    login: String,
    #[schema(value_type = String)]
    password: SecretText,
    /// Whether a browser asks: the token then comes as a cookie that scripts cannot read, and in no other way.
    #[serde(default)]
    cookie: bool,
}

/// A token.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenOut {
    /// The text; null where it is in the cookie.
    token: Option<String>,
    /// Until when it is good.
    expires_at: i64,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
pub(super) struct MeOut {
    company: String,
    company_name: String,
    /// The zone of the company.
    zone: String,
    user: String,
    role: Role,
    name: String,
}

/// A text that is never logged.
#[derive(Deserialize)]
#[serde(from = "String")]
pub(super) struct SecretText(pub(super) SecretString);

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

/// Gives a token for a login and a password.
#[utoipa::path(post, path = "/tokens", tag = "session", security(()), request_body = TokenIn,
    params(("X-Switchboard" = Option<String>, Header, description = "any value; needed for a cookie")),
    responses((status = 201, body = TokenOut), (status = 401, body = ErrorOut), (status = 429, body = ErrorOut)))]
pub(super) async fn create_token(
    app: web::Data<App>,
    doors: web::Data<Doors>,
    request: HttpRequest,
    input: web::Json<TokenIn>,
) -> Told {
    let input = input.into_inner();
    if input.cookie {
        auth::from_our_page(&request)?;
    }
    doors.sign_in(&request)?;
    let token = sign_in::sign_in(&app, &input.login, &input.password.0).await?;
    if input.cookie {
        return Ok(with_cookie(&app, &token));
    }
    Ok(HttpResponse::Created().json(TokenOut { expires_at: token.expires_at.0, token: Some(token.text) }))
}

/// Forgets the token that the caller came with.
#[utoipa::path(delete, path = "/tokens", tag = "session", responses((status = 204)))]
pub(super) async fn delete_token(app: web::Data<App>, signed: Signed) -> Told {
    sign_in::sign_out(&app, &signed.token).await?;
    app.live.end(&signed.token);
    let gone = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{}", secure(&app));
    Ok(HttpResponse::NoContent().insert_header((SET_COOKIE, gone)).finish())
}

/// Tells who the caller is.
#[utoipa::path(get, path = "/me", tag = "session", responses((status = 200, body = MeOut), (status = 401, body = ErrorOut)))]
pub(super) async fn show_me(app: web::Data<App>, signed: Signed) -> Told {
    let company = signed.company;
    let found = app.store.read(move |conn| crate::on!(conn, company::by_id(company))).await?;
    let (company_name, zone) = found.unwrap_or_default();
    Ok(HttpResponse::Ok().json(MeOut {
        company: company.to_string(),
        company_name,
        zone,
        user: signed.user.to_string(),
        role: signed.role,
        name: signed.name,
    }))
}

/// The answer to a browser that was signed in.
pub(super) fn with_cookie(app: &App, token: &Token) -> HttpResponse {
    let age_s = app.config.server.token_hours.saturating_mul(3600);
    let flags = format!("Path=/; HttpOnly; SameSite=Strict; Max-Age={age_s}{}", secure(app));
    HttpResponse::Created()
        .insert_header((SET_COOKIE, format!("{COOKIE}={}; {flags}", token.text)))
        .json(TokenOut { token: None, expires_at: token.expires_at.0 })
}

/// Where the address of the server is https, the cookie goes nowhere else.
fn secure(app: &App) -> &'static str {
    if app.config.server.public_url.starts_with("https://") { "; Secure" } else { "" }
}

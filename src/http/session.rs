//! Signing in and out.

use actix_web::http::header::SET_COOKIE;
use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use super::auth::{COOKIE, Signed};
use super::error::Told;
use super::limit::Doors;
use crate::app::App;
use crate::flow::sign_in;

/// What is typed to sign in.
#[derive(Deserialize)]
pub(super) struct TokenIn {
    login: String,
    password: SecretText,
    /// Whether a browser asks: the token then also comes as a cookie that scripts cannot read.
    #[serde(default)]
    cookie: bool,
}

/// A text that is never logged.
#[derive(Deserialize)]
#[serde(from = "String")]
struct SecretText(SecretString);

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

/// Gives a token for a login and a password.
pub(super) async fn create_token(
    app: web::Data<App>,
    doors: web::Data<Doors>,
    request: HttpRequest,
    input: web::Json<TokenIn>,
) -> Told {
    doors.sign_in(&request)?;
    let input = input.into_inner();
    let token = sign_in::sign_in(&app, &input.login, &input.password.0).await?;
    let mut response = HttpResponse::Created();
    if input.cookie {
        let secure = if app.config.server.public_url.starts_with("https://") { "; Secure" } else { "" };
        let age_s = app.config.server.token_hours.saturating_mul(3600);
        let cookie = format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age_s}{secure}", token.text);
        response.insert_header((SET_COOKIE, cookie));
    }
    Ok(response.json(json!({"token": token.text, "expires_at": token.expires_at.0})))
}

/// Forgets the token that the caller came with.
pub(super) async fn delete_token(app: web::Data<App>, signed: Signed) -> Told {
    sign_in::sign_out(&app, &signed.token).await?;
    let gone = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    Ok(HttpResponse::NoContent().insert_header((SET_COOKIE, gone)).finish())
}

/// Who the caller is.
pub(super) async fn show_me(signed: Signed) -> Told {
    Ok(HttpResponse::Ok().json(json!({
        "company": signed.company, "user": signed.user, "role": signed.role, "name": signed.name,
    })))
}

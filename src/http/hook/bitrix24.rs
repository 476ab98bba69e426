//! What Bitrix24 posts: robots, SMS, events, and the pages that it opens in its frame.

use actix_web::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use minijinja::{Environment, context};
use serde_json::Value;
use sha2::Digest as _;

use crate::app::App;
use crate::crm::bitrix24::event::{self, Page, RobotCall, SmsCall};
use crate::flow;
use crate::flow::install::{self, InstallError, Installed};
use crate::flow::intake::{self, IntakeError};
use crate::model::php_form;

const PAGE: &str = include_str!("bitrix24/page.html");

/// Where the portal's own library for framed pages is: `installFinish` exists nowhere else.
const LIBRARY: &str = "https://api.bitrix24.com";

/// `POST /bitrix24/robot`: a robot fires.
pub async fn robot(app: web::Data<App>, body: web::Bytes) -> HttpResponse {
    answer(take_robot(&app, &body).await)
}

/// `POST /bitrix24/sms/{key}`: a message of the SMS provider.
pub async fn sms(app: web::Data<App>, key: web::Path<String>, body: web::Bytes) -> HttpResponse {
    answer(take_sms(&app, &key, &body).await)
}

/// `POST /bitrix24/event`: an event of the application's life.
pub async fn event(app: web::Data<App>, body: web::Bytes) -> HttpResponse {
    answer(take_event(&app, &body).await)
}

/// `POST /bitrix24/install`: the installer's page, or the event of an installation without a page.
pub async fn install(app: web::Data<App>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    match decode(&body) {
        Ok(form) if form.get("event").is_some() => answer(take_event(&app, &body).await),
        Ok(form) => show(&app, request.query_string(), &form, true).await,
        Err(error) => super::not_taken(&error),
    }
}

/// `POST /bitrix24/app`: the page of the application.
pub async fn app_page(app: web::Data<App>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    match decode(&body) {
        Ok(form) => show(&app, request.query_string(), &form, false).await,
        Err(error) => super::not_taken(&error),
    }
}

fn answer(taken: Result<(), IntakeError>) -> HttpResponse {
    match taken {
        Ok(()) => HttpResponse::Ok().finish(),
        Err(error) => super::not_taken(&error),
    }
}

async fn take_robot(app: &App, body: &[u8]) -> Result<(), IntakeError> {
    let form = decode(body)?;
    let call = RobotCall::read(&form).map_err(|error| unreadable(&error))?;
    let portal = intake::portal(app, &call.auth, None).await?;
    intake::write_portal(app, "b24_robot", &portal, &format!("robot:{}", call.event_token), &form).await?;
    if portal.state == "lost" {
        flow::portal::find_again(app, &portal, &call.auth).await?;
    }
    Ok(())
}

async fn take_sms(app: &App, key: &str, body: &[u8]) -> Result<(), IntakeError> {
    let form = decode(body)?;
    let call = SmsCall::read(&form).map_err(|error| unreadable(&error))?;
    let portal = intake::portal(app, &call.auth, Some(key)).await?;
    let key = format!("sms:{}:{}", call.code, call.message_id);
    intake::write_portal(app, "b24_sms", &portal, &key, &form).await?;
    Ok(())
}

async fn take_event(app: &App, body: &[u8]) -> Result<(), IntakeError> {
    let form = decode(body)?;
    let event = event::read_event(&form).map_err(|error| unreadable(&error))?;
    // an installation proves itself by its token, which only the authorization server can vouch for; the rest by what we know
    if !matches!(event.what, event::What::Installed { .. } | event::What::Updated { .. }) {
        intake::portal(app, &event.auth, None).await?;
    }
    let key = hex::encode(sha2::Sha256::digest(body));
    intake::write_event(app, &event.auth.member_id, &key, &form).await?;
    Ok(())
}

async fn show(app: &App, query: &str, form: &Value, installing: bool) -> HttpResponse {
    let page = decode(query.as_bytes())
        .map_err(|error| error.to_string())
        .and_then(|query| Page::read(&query, form).map_err(|error| error.to_string()));
    let page = match page {
        Ok(page) => page,
        Err(error) => return HttpResponse::BadRequest().body(error),
    };
    let outcome = install::page(app, &page, installing).await;
    render(&page, installing, &outcome)
}

fn render(page: &Page, installing: bool, outcome: &Result<Installed, InstallError>) -> HttpResponse {
    let russian = matches!(page.language.as_str(), "ru" | "kz" | "by" | "ua" | "");
    let (good, steps, troubles, error, endpoint) = match outcome {
        Ok(done) => (true, done.steps.len(), done.troubles.clone(), None, done.portal.client_endpoint.clone()),
        Err(error) => (false, 0, Vec::new(), Some(trouble(error, russian)), String::new()),
    };
    if let Err(error) = outcome {
        tracing::warn!(%error, "a page of a portal could not be shown");
    }
    let finish = installing && good && troubles.is_empty();
    let nonce = crate::net::signature::fresh_secret().unwrap_or_default();
    let html = Environment::new().render_named_str(
        "page.html",
        PAGE,
        context! { russian, good, installing, steps, troubles, error, finish, nonce => nonce.clone(), library => LIBRARY },
    );
    let status = match outcome {
        Err(InstallError::NotThePortal | InstallError::NotAdministrator) => actix_web::http::StatusCode::FORBIDDEN,
        // the frame shows a page only with 200; what else is wrong stands on it
        Ok(_) | Err(_) => actix_web::http::StatusCode::OK,
    };
    let ancestors = ancestors(&endpoint, &page.domain);
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}' {LIBRARY}; connect-src 'self'; \
         frame-ancestors {ancestors}; base-uri 'none'; form-action 'none'"
    );
    HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .body(html.unwrap_or_else(|error| {
            tracing::error!(%error, "the page of a portal cannot be rendered");
            "Switchboard".to_owned()
        }))
}

/// Who may frame the page: the portal. A refusal names nothing but itself, so it may be shown by whoever says that he is the
/// portal; otherwise its administrator would see an empty frame.
fn ancestors(endpoint: &str, domain: &str) -> String {
    let url = url::Url::parse(endpoint).or_else(|_| url::Url::parse(&format!("https://{domain}/")));
    let origin = url.ok().filter(|url| url.host().is_some() && url.username().is_empty());
    origin.map_or_else(|| "'none'".to_owned(), |url| url.origin().ascii_serialization())
}

/// What to do, for the person who installs.
fn trouble(error: &InstallError, russian: bool) -> String {
    let (ru, en) = match error {
        InstallError::NotThePortal => (
            "портал не подтвердил этот запрос: откройте страницу из Битрикс24 ещё раз",
            "the portal did not confirm this request: open the page from Bitrix24 again",
        ),
        InstallError::NotAdministrator => (
            "установить приложение может только администратор портала",
            "only an administrator of the portal may install the application",
        ),
        InstallError::NoKeys => (
            "на сервере не указаны ключи приложения: задайте bitrix24.client_id и bitrix24.client_secret",
            "the server lacks the application's keys: set bitrix24.client_id and bitrix24.client_secret",
        ),
        InstallError::NoPublicAddress => (
            "на сервере не указан публичный адрес: задайте server.public_url",
            "the server lacks its public address: set server.public_url",
        ),
        InstallError::Oauth(_) => (
            "сервер авторизации Битрикс24 не ответил: повторите через минуту",
            "the authorization server of Bitrix24 did not answer: try again in a minute",
        ),
        InstallError::Portal(_) => {
            ("портал не ответил: повторите через минуту", "the portal did not answer: try again in a minute")
        }
        InstallError::Store(_) => {
            ("база данных недоступна: повторите через минуту", "the database is not available: try again in a minute")
        }
    };
    if russian { ru } else { en }.to_owned()
}

fn decode(body: &[u8]) -> Result<Value, IntakeError> {
    php_form::decode(body).map(php_form::without_zeros).map_err(|error| IntakeError::Unreadable(error.to_string()))
}

fn unreadable(error: &php_form::FieldError) -> IntakeError {
    IntakeError::Unreadable(error.to_string())
}

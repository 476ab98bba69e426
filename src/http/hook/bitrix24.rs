//! What Bitrix24 posts: robots, SMS, events, and the pages that it opens in its frame.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::Value;
use sha2::Digest as _;

use crate::app::App;
use crate::crm::bitrix24::event::{self, RobotCall, SmsCall};
use crate::flow;
use crate::flow::intake::{self, IntakeError};
use crate::flow::open_line;
use crate::http::framed::{self, Shown};
use crate::http::limit::Doors;
use crate::model::php_form;

/// `POST /bitrix24/robot`: a robot fires.
pub(crate) async fn robot(app: web::Data<App>, body: web::Bytes) -> HttpResponse {
    answer(take_robot(&app, &body).await)
}

/// `POST /bitrix24/sms/{key}`: a message of the SMS provider.
pub(crate) async fn sms(app: web::Data<App>, key: web::Path<String>, body: web::Bytes) -> HttpResponse {
    answer(take_sms(&app, &key, &body).await)
}

/// `POST /bitrix24/event`: an event of the application's life.
pub(crate) async fn event(app: web::Data<App>, body: web::Bytes) -> HttpResponse {
    answer(take_event(&app, &body).await)
}

/// `POST /bitrix24/install`: the installer's page, or the event of an installation without a page.
pub(crate) async fn install(
    app: web::Data<App>,
    doors: web::Data<Doors>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    match decode(&body) {
        Ok(form) if form.get("event").is_some() => answer(take_event(&app, &body).await),
        Ok(form) => framed::show(&app, &doors, &request, &form, Shown::Install).await,
        Err(error) => super::not_taken(&error),
    }
}

/// `POST /bitrix24/app`: the page of the application.
pub(crate) async fn app_page(
    app: web::Data<App>,
    doors: web::Data<Doors>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    open(&app, &doors, &request, &body, Shown::App).await
}

/// `POST /bitrix24/card`: the tab in a card of the CRM.
pub(crate) async fn card(
    app: web::Data<App>,
    doors: web::Data<Doors>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    open(&app, &doors, &request, &body, Shown::Card).await
}

/// `POST /bitrix24/connector`: the settings of a connector on an open line.
pub(crate) async fn connector(
    app: web::Data<App>,
    doors: web::Data<Doors>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    open(&app, &doors, &request, &body, Shown::Connector).await
}

/// `POST /bitrix24/robot-settings`: the settings of a robot in an automation.
pub(crate) async fn robot_settings(
    app: web::Data<App>,
    doors: web::Data<Doors>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    open(&app, &doors, &request, &body, Shown::Robot).await
}

async fn open(app: &App, doors: &Doors, request: &HttpRequest, body: &[u8], shown: Shown) -> HttpResponse {
    match decode(body) {
        Ok(form) => framed::show(app, doors, request, &form, shown).await,
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
    if let Some(source) = source_of(&form) {
        return take_line_event(app, source, &form).await;
    }
    let event = event::read_event(&form).map_err(|error| unreadable(&error))?;
    // an installation proves itself by its token, which only the authorization server can vouch for; the rest by what we know
    if !matches!(event.what, event::What::Installed { .. } | event::What::Updated { .. }) {
        intake::portal(app, &event.auth, None).await?;
    }
    let key = hex::encode(sha2::Sha256::digest(body));
    intake::write_event(app, &event.auth.member_id, &key, &form).await?;
    Ok(())
}

/// Which events are worked as deliveries of the portal: those of open lines, and those of cards that open lines follow.
fn source_of(form: &Value) -> Option<&'static str> {
    let name = form.get("event").and_then(Value::as_str)?;
    let lines = event::is_of_lines(name).then_some("b24_open_line");
    lines.or_else(|| open_line::is_of_cards(name).then_some("b24_card"))
}

/// The queue of the portal may tell an event twice, word for word; the same thing later is another event.
async fn take_line_event(app: &App, source: &str, form: &Value) -> Result<(), IntakeError> {
    let event = event::read_event(form).map_err(|error| unreadable(&error))?;
    let portal = intake::portal(app, &event.auth, None).await?;
    let told: Vec<Value> =
        ["event", "data", "ts"].iter().map(|part| form.get(*part).cloned().unwrap_or_default()).collect();
    let key = hex::encode(sha2::Sha256::digest(Value::Array(told).to_string()));
    intake::write_portal(app, source, &portal, &format!("{source}:{key}"), form).await?;
    Ok(())
}

fn decode(body: &[u8]) -> Result<Value, IntakeError> {
    php_form::decode(body).map(php_form::without_zeros).map_err(|error| IntakeError::Unreadable(error.to_string()))
}

fn unreadable(error: &php_form::FieldError) -> IntakeError {
    IntakeError::Unreadable(error.to_string())
}

//! Pages of ours inside portals, and what their scripts ask. They come with a bearer token of the page and with nothing else: no
//! cookie is looked at, so no page of a stranger can ask in somebody's name.

pub(super) mod card;
pub(super) mod connector;
mod page;
pub(super) mod webhook;

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{ApiError, ErrorOut, Told};
use super::session::SecretText;
use crate::app::App;
use crate::crm::bitrix24::fault::Fault;
use crate::flow::framed::check::{self, CheckOut, StateOut};
use crate::flow::framed::{self, Employee, Settings, TestOut};
use crate::flow::install::{self, InstallError, Trouble};
use crate::model::id::PortalId;

pub use page::Shown;
pub(crate) use page::show;

/// An employee of a portal, known by the token of a page that they have open there.
#[derive(Debug, Clone)]
pub struct PortalEmployee(pub Employee);

/// The same, where they administer the portal.
#[derive(Debug, Clone)]
pub struct PortalAdmin(pub Employee);

impl FromRequest for PortalEmployee {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let app = request.app_data::<web::Data<App>>().cloned();
        let token = bearer(request);
        Box::pin(async move {
            let (Some(app), Some(token)) = (app, token) else { return Err(ApiError::Unsigned) };
            framed::holder(&app, &token).await?.map(Self).ok_or(ApiError::Unsigned)
        })
    }
}

impl FromRequest for PortalAdmin {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let employee = PortalEmployee::from_request(request, payload);
        Box::pin(async move {
            let PortalEmployee(employee) = employee.await?;
            if employee.is_admin { Ok(Self(employee)) } else { Err(ApiError::Forbidden) }
        })
    }
}

fn bearer(request: &HttpRequest) -> Option<String> {
    let value = request.headers().get("authorization")?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(str::trim).filter(|token| token.starts_with(framed::PREFIX)).map(str::to_owned)
}

/// What a page is renewed with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PageTokenIn {
    /// The portal, as the page knows it.
    #[schema(value_type = String)]
    portal: PortalId,
    /// A fresh access token of the employee, as the frame gives it to the page.
    #[schema(value_type = String)]
    access_token: SecretText,
}

/// A new token of a page.
#[derive(Serialize, ToSchema)]
pub(super) struct PageTokenOut {
    /// The text.
    token: String,
    /// Until when it is good.
    expires_at: i64,
    /// Whether the employee administers the portal.
    admin: bool,
}

/// What an installation did.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PortalReport)]
pub(super) struct ReportOut {
    /// The methods that were called and worked, in their order.
    pub(super) steps: Vec<&'static str>,
    /// What did not work.
    pub(super) troubles: Vec<Trouble>,
}

/// Gives the page of an employee a new token for a fresh access token of theirs.
#[utoipa::path(post, path = "/b24/tokens", tag = "bitrix24", security(()), request_body = PageTokenIn,
    responses((status = 201, body = PageTokenOut), (status = 403, body = ErrorOut), (status = 409, body = ErrorOut)))]
pub(super) async fn renew_token(app: web::Data<App>, input: web::Json<PageTokenIn>) -> Told {
    let PageTokenIn { portal, access_token } = input.into_inner();
    let (employee, token) = framed::renew(&app, portal, &access_token.0).await.map_err(|error| refusal(&error))?;
    let told = PageTokenOut { token: token.text, expires_at: token.expires_at.0, admin: employee.is_admin };
    Ok(HttpResponse::Created().json(told))
}

/// Shows the lines and channels of the company, and how its portal stands.
#[utoipa::path(get, path = "/b24/state", tag = "bitrix24",
    responses((status = 200, body = StateOut), (status = 404, body = ErrorOut)))]
pub(super) async fn show_state(app: web::Data<App>, employee: PortalEmployee) -> Told {
    let state = check::state(&app, &employee.0).await?.ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok().json(state))
}

/// Shows how the last test of events stands.
#[utoipa::path(get, path = "/b24/check", tag = "bitrix24", responses((status = 200, body = TestOut)))]
pub(super) async fn show_test(app: web::Data<App>, admin: PortalAdmin) -> Told {
    Ok(HttpResponse::Ok().json(framed::test(&app, &admin.0).await?))
}

/// Looks at what stands in the portal, and asks it for an event of test.
#[utoipa::path(post, path = "/b24/check", tag = "bitrix24",
    responses((status = 200, body = CheckOut), (status = 409, body = ErrorOut)))]
pub(super) async fn check_portal(app: web::Data<App>, admin: PortalAdmin) -> Told {
    let told = check::check(&app, &admin.0).await.map_err(|error| refusal(&error))?;
    Ok(HttpResponse::Ok().json(told))
}

/// Puts everything into the portal again.
#[utoipa::path(post, path = "/b24/install", tag = "bitrix24",
    responses((status = 200, body = ReportOut), (status = 409, body = ErrorOut)))]
pub(super) async fn install_again(app: web::Data<App>, admin: PortalAdmin) -> Told {
    let Employee { company, portal, user_id, .. } = admin.0;
    let done = install::put_for(&app, company, portal, user_id).await;
    let (steps, troubles) = done.map_err(|error| refusal(&error))?;
    Ok(HttpResponse::Ok().json(ReportOut { steps, troubles }))
}

/// Changes the settings of the portal, and moves the tab accordingly.
#[utoipa::path(put, path = "/b24/settings", tag = "bitrix24", request_body = Settings,
    responses((status = 200, body = ReportOut), (status = 409, body = ErrorOut)))]
pub(super) async fn change_portal_settings(
    app: web::Data<App>,
    admin: PortalAdmin,
    input: web::Json<Settings>,
) -> Told {
    framed::set_settings(&app, &admin.0, input.into_inner()).await?;
    install_again(app, admin).await
}

/// Why a portal or its installation did not do what was asked.
pub(super) fn refusal(error: &InstallError) -> ApiError {
    let (code, ru, en) = match error {
        InstallError::NotThePortal | InstallError::NotAdministrator => return ApiError::Forbidden,
        InstallError::NoKeys => {
            return ApiError::Unavailable {
                ru: "На сервере не указаны ключи приложения: задайте bitrix24.client_id и bitrix24.client_secret",
                en: "The server lacks the application's keys: set bitrix24.client_id and bitrix24.client_secret",
            };
        }
        InstallError::NoPublicAddress => {
            return ApiError::Unavailable {
                ru: "На сервере не указан публичный адрес: задайте server.public_url",
                en: "The server lacks its public address: set server.public_url",
            };
        }
        InstallError::Portal(fault) => return of_fault(fault),
        InstallError::Store(error) => return ApiError::Inner(error.to_string()),
        InstallError::Oauth(_) => (
            "auth_server_down",
            "Сервер авторизации Битрикс24 не ответил: повторите через минуту",
            "The authorization server of Bitrix24 did not answer: try again in a minute",
        ),
    };
    ApiError::Conflict { code, ru: ru.to_owned(), en: en.to_owned() }
}

/// What a fault of the portal means to whoever sits before the page.
pub(super) fn of_fault(fault: &Fault) -> ApiError {
    let (code, ru, en) = match fault {
        Fault::Token { .. } => (
            "portal_token",
            "Портал больше не узнаёт вас: закройте страницу и откройте её заново",
            "The portal does not know you any more: close the page and open it again",
        ),
        Fault::TooFast | Fault::MethodResting { .. } => (
            "portal_busy",
            "Портал ограничил число запросов: повторите через минуту",
            "The portal limits its requests: try again in a minute",
        ),
        Fault::Blocked => (
            "portal_blocked",
            "Битрикс24 закрыл запросы к порталу из-за нагрузки: обратитесь в его поддержку",
            "Bitrix24 has closed the portal for requests because of its load: ask its support",
        ),
        Fault::Unpaid { .. } => (
            "portal_unpaid",
            "Тариф портала или подписка не позволяют запросы приложений: проверьте оплату в Битрикс24",
            "The plan or the subscription of the portal allows no requests of applications: look at the payment in Bitrix24",
        ),
        Fault::NeedsConsent => (
            "portal_consent",
            "Запрос ждёт согласия администратора портала: подтвердите его в уведомлениях Битрикс24",
            "The request waits for an administrator of the portal: confirm it in the notifications of Bitrix24",
        ),
        Fault::NoRights { .. } => (
            "portal_no_rights",
            "У вас нет прав на это в Битрикс24: обратитесь к администратору портала",
            "You have no right to this in Bitrix24: ask an administrator of the portal",
        ),
        Fault::Refused { code, .. } if code == "NOT_FOUND" => return ApiError::NotFound,
        Fault::Refused { code, text } => {
            return ApiError::Conflict {
                code: "portal_refused",
                ru: format!("Портал отказал: {code} {text}"),
                en: format!("The portal refused: {code} {text}"),
            };
        }
        Fault::Gone | Fault::Moved { .. } | Fault::NotReached(_) | Fault::Unsure(_) => (
            "portal_down",
            "Портал не ответил: повторите через минуту",
            "The portal did not answer: try again in a minute",
        ),
    };
    ApiError::Conflict { code, ru: ru.to_owned(), en: en.to_owned() }
}

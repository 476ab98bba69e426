//! Who asks: the right is an argument of the handler, and a handler without it gets no company.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};

use super::error::ApiError;
use crate::app::App;
use crate::flow::sign_in;
use crate::model::id::{CompanyId, UserId};

/// The cookie that carries the token of a browser.
pub const COOKIE: &str = "switchboard_session";

/// A user who is signed in.
#[derive(Debug, Clone)]
pub struct Signed {
    /// Their company.
    pub company: CompanyId,
    /// Who they are.
    pub user: UserId,
    /// What they are.
    pub role: Role,
    /// Their name, for the screen.
    pub name: String,
    /// The token they came with.
    pub token: String,
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything in the company.
    Admin,
    /// Writes and reads.
    Operator,
}

/// A user who is signed in and administers the company.
#[derive(Debug, Clone)]
pub struct Admin(pub Signed);

impl FromRequest for Signed {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let app = request.app_data::<web::Data<App>>().cloned();
        let token = token_of(request);
        Box::pin(async move {
            let (Some(app), Some(token)) = (app, token) else { return Err(ApiError::Unsigned) };
            let Some(user) = sign_in::holder(&app, &token).await? else { return Err(ApiError::Unsigned) };
            let (company, id) = user.ids()?;
            let role = if user.role == "admin" { Role::Admin } else { Role::Operator };
            Ok(Self { company, user: id, role, name: user.name, token })
        })
    }
}

impl FromRequest for Admin {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let signed = Signed::from_request(request, payload);
        Box::pin(async move {
            let signed = signed.await?;
            if signed.role == Role::Admin { Ok(Self(signed)) } else { Err(ApiError::Forbidden) }
        })
    }
}

/// Lets a request through that carries our header: browsers send the forms of strangers without it.
///
/// # Errors
/// Where it is not there.
pub fn from_our_page(request: &HttpRequest) -> Result<(), ApiError> {
    if is_from_our_page(request) {
        return Ok(());
    }
    Err(ApiError::bad(
        "X-Switchboard",
        "Нужен заголовок X-Switchboard: без него запрос мог прийти с чужой страницы",
        "The header X-Switchboard is needed: without it the request may come from a page of a stranger",
    ))
}

fn is_from_our_page(request: &HttpRequest) -> bool {
    request.headers().contains_key("x-switchboard")
}

/// A bearer token, or the cookie. A cookie that changes something must come from our own pages: browsers send it along with
/// the forms of strangers, but not with a header of ours.
fn token_of(request: &HttpRequest) -> Option<String> {
    if let Some(value) = request.headers().get("authorization") {
        let token = value.to_str().ok()?.strip_prefix("Bearer ")?.trim();
        return Some(token.to_owned()).filter(|token| !token.is_empty());
    }
    let safe = request.method().is_safe() || is_from_our_page(request);
    safe.then(|| cookie_of(request)).flatten()
}

fn cookie_of(request: &HttpRequest) -> Option<String> {
    let lines = request.headers().get_all("cookie").filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value.to_owned())
}

//! Errors as HTTP: `{"error": {"code", "message", "field"?}}`, in Russian or English. The inner reason of a 500 is logged and
//! never told.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError, web};

use super::language::Language;
use crate::flow::channel::ChannelError;
use crate::flow::sign_in::SignInError;
use crate::messenger::AttachError;
use crate::store::StoreError;

/// What handlers give.
pub type Told<T = HttpResponse> = Result<T, ApiError>;

/// Why a request was not done.
#[derive(Debug)]
pub enum ApiError {
    /// Something in the request is wrong: which field, a stable code, and what to do in Russian and in English.
    Bad {
        /// The field; empty where it is none of them.
        field: String,
        /// A stable code.
        code: &'static str,
        /// In Russian.
        ru: String,
        /// In English.
        en: String,
    },
    /// The body cannot be read; what the reader said.
    Unreadable(String),
    /// The body is larger than is allowed, in bytes.
    TooLarge(usize),
    /// Nobody is signed in.
    Unsigned,
    /// The login or the password is wrong.
    WrongPassword,
    /// The user may not do this.
    Forbidden,
    /// It is not there, or belongs to another company.
    NotFound,
    /// The address knows no such method.
    NoMethod,
    /// The thing is not in a state in which this can be done.
    Conflict {
        /// A stable code.
        code: &'static str,
        /// In Russian.
        ru: String,
        /// In English.
        en: String,
    },
    /// Too many requests; seconds to wait.
    TooMany(u64),
    /// The server lacks something that its owner must mend.
    Unavailable {
        /// In Russian.
        ru: &'static str,
        /// In English.
        en: &'static str,
    },
    /// Our own fault.
    Inner(String),
}

/// How an error is told.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub(super) struct ErrorOut {
    error: ErrorBody,
}

#[derive(serde::Serialize, utoipa::ToSchema)]
struct ErrorBody {
    /// A stable code.
    code: String,
    /// What happened and what to do, in the language of the request.
    message: String,
    /// The field that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

impl ApiError {
    /// A field that is wrong.
    pub fn bad(field: impl Into<String>, ru: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Bad { field: field.into(), code: "bad_value", ru: ru.into(), en: en.into() }
    }

    /// The answer in a language.
    #[must_use]
    pub fn tell(&self, language: Language) -> HttpResponse {
        let (code, ru, en) = self.words();
        let message = match language {
            Language::Russian => ru,
            Language::English => en,
        };
        let field = match self {
            Self::Bad { field, .. } if !field.is_empty() => Some(field.clone()),
            _ => None,
        };
        let mut response = HttpResponse::build(self.status_code());
        if let Self::TooMany(seconds) = self {
            response.insert_header(("Retry-After", seconds.to_string()));
        }
        if matches!(self, Self::Unsigned) {
            response.insert_header(("WWW-Authenticate", "Bearer"));
        }
        response.json(ErrorOut { error: ErrorBody { code: code.to_owned(), message, field } })
    }

    fn words(&self) -> (&'static str, String, String) {
        let say = |code: &'static str, ru: &str, en: &str| (code, ru.to_owned(), en.to_owned());
        match self {
            Self::Bad { code, ru, en, .. } | Self::Conflict { code, ru, en } => say(code, ru, en),
            Self::Unreadable(seen) => {
                ("unreadable", format!("Запрос не читается: {seen}"), format!("The request cannot be read: {seen}"))
            }
            Self::TooLarge(limit) => (
                "too_large",
                format!("Тело запроса больше {limit} байт"),
                format!("The body is larger than {limit} bytes"),
            ),
            Self::Unsigned => say("unsigned", "Войдите: нужен действующий токен", "Sign in: a valid token is needed"),
            Self::WrongPassword => {
                say("wrong_password", "Неверный логин или пароль", "The login or the password is wrong")
            }
            Self::Forbidden => say("forbidden", "На это нет прав", "You may not do this"),
            Self::NotFound => say("not_found", "Здесь ничего нет", "There is nothing here"),
            Self::NoMethod => {
                say("no_method", "Этот адрес не знает такого метода", "This address knows no such method")
            }
            Self::TooMany(seconds) => (
                "too_many",
                format!("Слишком много запросов, повторите через {seconds} с"),
                format!("Too many requests, try again in {seconds} s"),
            ),
            Self::Unavailable { ru, en } => say("unavailable", ru, en),
            Self::Inner(_) => say(
                "inner",
                "Ошибка сервера. Она записана в журнал, повторите позже",
                "An error of the server. It is in the log, try again later",
            ),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inner(reason) => f.write_str(reason),
            told => f.write_str(&told.words().2),
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Bad { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unsigned | Self::WrongPassword => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::NoMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Inner(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        // the language is known to `language::speak`, which tells it again where it is not Russian
        self.tell(Language::Russian)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unreachable(_) | StoreError::Unsure | StoreError::Closed => {
                tracing::error!(%error, "a request could not be written down");
                Self::Unavailable {
                    ru: "База данных недоступна: повторите через минуту",
                    en: "The database is not available: try again in a minute",
                }
            }
            other => Self::Inner(other.to_string()),
        }
    }
}

impl From<AttachError> for ApiError {
    fn from(error: AttachError) -> Self {
        Self::Bad { field: error.field.to_owned(), code: "not_attached", ru: error.ru, en: error.en }
    }
}

impl From<SignInError> for ApiError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Wrong => Self::WrongPassword,
            SignInError::Store(error) => error.into(),
            SignInError::Machine(seen) => Self::Inner(seen),
        }
    }
}

impl From<ChannelError> for ApiError {
    fn from(error: ChannelError) -> Self {
        match error {
            ChannelError::NotFound => Self::NotFound,
            ChannelError::NoAddress => Self::Unavailable {
                ru: "Не задан внешний адрес сервера: укажите server.public_url в настройках",
                en: "The public address of the server is not set: put server.public_url into the settings",
            },
            ChannelError::Attach(error) => error.into(),
            ChannelError::Taken => Self::Conflict {
                code: "account_taken",
                ru: "Этот аккаунт уже подключён к другой линии".to_owned(),
                en: "This account is attached to another line".to_owned(),
            },
            ChannelError::OtherAccount => Self::Conflict {
                code: "other_account",
                ru: "Привязан другой номер: откройте на телефоне аккаунт этого канала и начните снова".to_owned(),
                en: "Another number was linked: open the account of this channel on the phone and begin again"
                    .to_owned(),
            },
            ChannelError::Vendor(seen) => Self::Conflict {
                code: "vendor_failed",
                ru: format!("Мессенджер не ответил или отказал ({seen}): повторите через минуту"),
                en: format!("The messenger did not answer or refused ({seen}): try again in a minute"),
            },
            ChannelError::State => Self::Conflict {
                code: "wrong_state",
                ru: "Сейчас это сделать нельзя: состояние другое".to_owned(),
                en: "This cannot be done now: the state is another".to_owned(),
            },
            ChannelError::NotApproved => Self::Conflict {
                code: "not_approved",
                ru: "Привязать можно после одобрения заявки: «Настройки», «Заявление о присоединении»".to_owned(),
                en: "It can be attached when the application is approved: Settings, Statement of accession".to_owned(),
            },
            ChannelError::PaceBad(floor_ms) => Self::bad(
                "from_ms",
                format!("Интервал — от {floor_ms} мс до суток, конец не раньше начала"),
                format!("A gap is {floor_ms} ms to a day, and its end is not before its beginning"),
            ),
            ChannelError::Store(error) => error.into(),
        }
    }
}

/// How JSON bodies are read.
pub(super) fn json(limit: usize) -> web::JsonConfig {
    web::JsonConfig::default().limit(limit).content_type_required(false).error_handler(move |error, _| {
        use actix_web::error::JsonPayloadError as Fault;
        match error {
            Fault::OverflowKnownLength { .. } | Fault::Overflow { .. } => ApiError::TooLarge(limit),
            Fault::Deserialize(fault) => ApiError::Unreadable(fault.to_string()),
            other => ApiError::Unreadable(other.to_string()),
        }
        .into()
    })
}

/// How parts of addresses are read: what is no id names nothing.
pub(super) fn path() -> web::PathConfig {
    web::PathConfig::default().error_handler(|_, _| ApiError::NotFound.into())
}

/// How query strings are read.
pub(super) fn query() -> web::QueryConfig {
    web::QueryConfig::default().error_handler(|error, _| ApiError::Unreadable(error.to_string()).into())
}

//! The language of answers: Russian, or English where the caller likes it better.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_LANGUAGE, HeaderMap};
use actix_web::middleware::Next;
use actix_web::web;

use super::error::ApiError;
use crate::app::App;

/// A language that we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Russian, unless another is asked for.
    Russian,
    /// English.
    English,
}

impl Language {
    /// The language that the headers ask for (RFC 9110, 12.5.4): the one of ours with the highest weight.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let asked = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let weight = |wanted: &str| {
            let ranges = asked.split(',').filter_map(|range| {
                let mut parts = range.split(';');
                let tag = parts.next()?.trim().to_ascii_lowercase();
                let same = tag == wanted || tag.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('-'));
                let weight =
                    parts.find_map(|part| part.trim().strip_prefix("q=")).map_or(Some(1.0), |q| q.parse::<f32>().ok());
                same.then_some(weight?)
            });
            ranges.fold(0.0, f32::max)
        };
        if weight("en") > weight("ru") { Self::English } else { Self::Russian }
    }
}

/// Tells errors in the language of the request, and gives those a body that the server made by itself.
pub(super) async fn speak(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, actix_web::Error> {
    let language = Language::of(request.headers());
    let response = next.call(request).await?;
    let status = response.status();
    let app = response.request().app_data::<web::Data<App>>();
    let limit = app.map_or(0, |app| app.config.server.request_limit_mb << 20);
    let told = match response.response().error() {
        Some(error) => match error.as_error::<ApiError>() {
            Some(ApiError::Inner(reason)) => {
                tracing::error!(reason, "a request failed");
                Some(ApiError::Inner(String::new()).tell(language))
            }
            Some(error) => Some(error.tell(language)),
            None => Some(of_status(status, &error.to_string(), limit).tell(language)),
        },
        None if status == StatusCode::METHOD_NOT_ALLOWED => Some(ApiError::NoMethod.tell(language)),
        None => None,
    };
    let (request, response) = response.into_parts();
    Ok(match told {
        Some(told) => ServiceResponse::new(request, told.map_into_right_body()),
        None => ServiceResponse::new(request, response.map_into_left_body()),
    })
}

fn of_status(status: StatusCode, seen: &str, limit: usize) -> ApiError {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge(limit),
        StatusCode::NOT_FOUND => ApiError::NotFound,
        status if status.is_client_error() => ApiError::Unreadable(seen.to_owned()),
        _ => ApiError::Inner(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[test]
    fn the_language_with_the_highest_weight_is_spoken() {
        let cases = [
            ("", Language::Russian),
            ("en", Language::English),
            ("en-US,en;q=0.9,ru;q=0.8", Language::English),
            ("ru-RU,ru;q=0.9,en;q=0.8", Language::Russian),
            ("de", Language::Russian),
            ("en;q=0.1, ru;q=0.1", Language::Russian),
            ("en;q=x", Language::Russian),
        ];
        for (asked, language) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(asked));
            assert_eq!(Language::of(&headers), language, "{asked}");
        }
    }
}

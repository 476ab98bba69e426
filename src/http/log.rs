//! What is logged of a request: its id, its method, the pattern of its address and what became of it. Never the address
//! itself and never its query: they hold keys of vendors.

use actix_web::Error;
use actix_web::HttpMessage as _;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use tracing::Span;
use tracing_actix_web::{RequestId, RootSpanBuilder};

/// Makes the span of a request, and one line when it ends.
#[derive(Debug)]
pub(super) struct Spans;

impl RootSpanBuilder for Spans {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let id = request.extensions().get::<RequestId>().map(ToString::to_string).unwrap_or_default();
        let route = request.match_pattern().unwrap_or_else(|| "none".to_owned());
        tracing::info_span!("request", request_id = id, method = request.method().as_str(), route)
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let status = match outcome {
            Ok(response) => response.status().as_u16(),
            Err(error) => error.as_response_error().status_code().as_u16(),
        };
        let _entered = span.enter();
        match status {
            500.. => tracing::error!(status, "request failed"),
            400.. => tracing::info!(status, "request refused"),
            _ => tracing::debug!(status, "request served"),
        }
    }
}

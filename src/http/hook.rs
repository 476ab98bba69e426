//! Doors for vendors: verify, write down, answer. Nothing here waits for a vendor, except the pages that a person opens and
//! the rare delivery that asks for a proof.

pub mod bitrix24;
pub mod messenger;

use actix_web::HttpResponse;

use crate::flow::intake::IntakeError;

/// The answer to a delivery that was not taken. A vendor reads the status alone; the text is for whoever looks into it.
fn not_taken(error: &IntakeError) -> HttpResponse {
    match error {
        IntakeError::Unknown | IntakeError::Forged => HttpResponse::Forbidden().body(error.to_string()),
        IntakeError::Unreadable(_) => HttpResponse::BadRequest().body(error.to_string()),
        IntakeError::Unproven(seen) => {
            tracing::warn!(seen, "a vendor asks for a proof and does not tell it");
            HttpResponse::ServiceUnavailable().insert_header(("Retry-After", "2")).body("try again in a moment")
        }
        IntakeError::Store(error) => {
            tracing::error!(%error, "a delivery could not be written down");
            HttpResponse::ServiceUnavailable().insert_header(("Retry-After", "2")).body("try again in a moment")
        }
    }
}

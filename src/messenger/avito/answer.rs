//! What Avito answered, told in the outbox's words. The HTTP status decides, as long as the body is the API's own.

use serde_json::Value;

use crate::messenger::field;
use crate::messenger::parcel::refused;
use crate::model::result::Code;
use crate::model::vendor::{Answer, Scope};
use crate::net::http::{CallError, Reply};

/// How long the account rests where the vendor does not say how long; its budget is counted by the minute.
const REST_MS: i64 = 60_000;

/// The body of a successful call, or what the failure means.
pub(super) fn result_of(called: Result<Reply, CallError>) -> Result<Value, Answer> {
    let reply = called.map_err(|error| error.answer(false))?;
    let body = reply.json();
    if (200..300).contains(&reply.status) && body.is_object() {
        return Ok(body);
    }
    match said(&body) {
        Some(said) => Err(read_error(&reply, format!("({}) {said}", reply.status))),
        None => Err(read_page(&reply)),
    }
}

/// Asking and uploading twice does no harm, since nobody sees anything of it.
pub(super) fn repeatable(answer: Answer) -> Answer {
    match answer {
        Answer::Unsure { seen, .. } => Answer::Down { seen },
        other => other,
    }
}

fn read_error(reply: &Reply, said: String) -> Answer {
    match reply.status {
        // 402: the messenger's subscription of the account is missing or over
        401..=403 => Answer::Expired { seen: said },
        404 => Answer::Nobody { text: said },
        413 => Answer::Refused { code: Code::FileTooBig, text: said },
        415 => Answer::Refused { code: Code::FileBad, text: said },
        429 => busy(reply),
        500.. => Answer::Unsure { seen: said, resendable: false },
        _ => Answer::Refused { code: Code::Refused, text: said },
    }
}

/// An answer that is not the API's: a gateway or a page in between.
fn read_page(reply: &Reply) -> Answer {
    let seen = format!("HTTP {} without an answer of the API", reply.status);
    match reply.status {
        402 => Answer::Expired { seen },
        413 => refused(Code::FileTooBig),
        429 => busy(reply),
        // who answered this did not hand the call on
        300..500 => Answer::Down { seen },
        _ => Answer::Unsure { seen, resendable: false },
    }
}

fn busy(reply: &Reply) -> Answer {
    let asked = reply.header("retry-after").and_then(|value| value.parse::<i64>().ok());
    let after_ms = asked.map_or(REST_MS, |seconds| seconds.clamp(1, 86_400) * 1_000);
    Answer::Busy { after_ms, scope: Scope::Lane }
}

/// The message of an error, with the fields that it names; gateways of Avito wrap it another way.
fn said(body: &Value) -> Option<String> {
    let error = body.get("error").or_else(|| body.get("result")).filter(|error| error.is_object())?;
    let fields = error.get("fields").and_then(Value::as_object).into_iter().flatten();
    let fields = fields.filter_map(|(name, why)| Some(format!("{name}: {}", why.as_str()?)));
    let parts: Vec<String> = field::text(error, "message").into_iter().chain(fields).collect();
    Some(field::short(&parts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(status: u16, body: &Value) -> Answer {
        let body = body.to_string().into();
        result_of(Ok(Reply { status, headers: reqwest::header::HeaderMap::new(), body })).unwrap_err()
    }

    #[test]
    fn every_status_of_the_api_has_its_answer() {
        let error = json!({"error": {"code": 1, "message": "said"}});
        let text = |status| format!("({status}) said");
        for status in [401, 402, 403] {
            assert_eq!(answer(status, &error), Answer::Expired { seen: text(status) });
        }
        assert_eq!(answer(404, &error), Answer::Nobody { text: text(404) });
        assert_eq!(answer(429, &error), Answer::Busy { after_ms: 60_000, scope: Scope::Lane });
        for (status, code) in
            [(400, Code::Refused), (405, Code::Refused), (413, Code::FileTooBig), (415, Code::FileBad)]
        {
            assert_eq!(answer(status, &error), Answer::Refused { code, text: text(status) });
        }
        for status in [500, 502, 503, 504] {
            assert_eq!(answer(status, &error), Answer::Unsure { seen: text(status), resendable: false });
        }
    }

    #[test]
    fn an_error_names_its_fields_and_a_gateway_is_understood() {
        let error =
            json!({"error": {"code": 400, "message": "Validation error", "fields": {"message.text": "too long"}}});
        let expected = "(400) Validation error, message.text: too long".to_owned();
        assert_eq!(answer(400, &error), Answer::Refused { code: Code::Refused, text: expected });
        let gateway = json!({"result": {"message": "token expired"}});
        assert_eq!(answer(403, &gateway), Answer::Expired { seen: "(403) token expired".to_owned() });
    }
}

//! What the aggregators' answers mean. None of them publishes a table of codes, so the HTTP status decides, and the words
//! that come with it are kept for people.

use serde_json::Value;

use super::Provider;
use crate::messenger::field;
use crate::model::result::Code;
use crate::model::vendor::{Answer, Scope};
use crate::net::http::{CallError, Reply};

/// The body of a call that the aggregator took, or what else came of it.
pub(super) fn result_of(provider: Provider, called: Result<Reply, CallError>) -> Result<Value, Answer> {
    let reply = called.map_err(|error| error.answer(provider.drops_repeats()))?;
    let body = reply.json();
    match reply.status {
        200..300 if body.is_object() => Ok(body),
        429 => Err(Answer::Busy { after_ms: rest_ms(&reply), scope: Scope::Lane }),
        401 => Err(Answer::Expired { seen: said(&body, reply.status) }),
        // a page of a gateway in between is none of the aggregator's
        402 | 403 if body.is_object() => Err(Answer::Expired { seen: said(&body, reply.status) }),
        400..500 if reply.status != 408 && body.is_object() => Err(refused(said(&body, reply.status))),
        300..500 if reply.status != 408 => {
            Err(Answer::Down { seen: format!("HTTP {} without an answer of the API", reply.status) })
        }
        status => Err(unsure(provider, format!("HTTP {status}"))),
    }
}

/// What a refusal means: an account without money stops the channel, anything else is about the message.
pub(super) fn refused(said: String) -> Answer {
    let words = said.to_lowercase();
    if ["balance", "payment", "funds"].iter().any(|word| words.contains(word)) {
        return Answer::Expired { seen: said };
    }
    let code = if words.contains("template") || words.contains("tmpl") { Code::TemplateBad } else { Code::Refused };
    Answer::Refused { code, text: said }
}

/// The aggregator may have taken it.
pub(super) const fn unsure(provider: Provider, seen: String) -> Answer {
    Answer::Unsure { seen, resendable: provider.drops_repeats() }
}

/// The words of an error, whatever they are called.
pub(super) fn said(body: &Value, status: u16) -> String {
    let nested = body.get("error").filter(|error| error.is_object());
    let of = |from: &Value| -> Vec<String> {
        let names = ["code", "title", "error", "message", "description", "detail", "text"];
        names.iter().filter_map(|name| field::id(from, name)).collect()
    };
    let mut words = of(body);
    words.extend(nested.map(of).unwrap_or_default());
    words.dedup();
    field::short(&format!("(HTTP {status}) {}", words.join(", ")))
}

fn rest_ms(reply: &Reply) -> i64 {
    let seconds = reply.header("retry-after").and_then(|seconds| seconds.parse::<i64>().ok());
    seconds.unwrap_or(1).clamp(1, 3_600) * 1_000
}

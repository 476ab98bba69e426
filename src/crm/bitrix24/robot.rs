//! Our robots: how they are installed, what they are asked and what they answer.
//!
//! A definition is `robots/<code>.json` in the shape of `bizproc.robot.add`; the handler and the user are filled in at the
//! installation. A robot of a loop gets a new `event_token` each time and every token is good for one answer.

mod catalogue;
mod field;
mod recipient;
mod request;
mod send_request;

use serde_json::{Map, Value, json};

pub use catalogue::Robot;
pub use field::{Queue, Terms};
pub use recipient::Recipient;
pub use request::{DialogAct, DialogRequest, GroupOrder, GroupRequest, Request};
pub use send_request::{Mode, NotRead, SendRequest};

use crate::model::result::{Entry, write_entries};

/// Whether a call as a whole went well: every address did; for a call to the first address that has the messenger, one did.
#[must_use]
pub fn is_good(mode: Mode, entries: &[Entry]) -> bool {
    match mode {
        Mode::All => !entries.is_empty() && entries.iter().all(Entry::is_sent),
        Mode::First => entries.iter().any(Entry::is_sent),
    }
}

/// The three results of every robot, and what else it gives. `in_time` is 1 when the answer is final, 0 when the time was over
/// before it was known.
#[must_use]
pub fn return_values(good: bool, entries: &[Entry], in_time: bool, more: &[(&str, String)]) -> Value {
    let mut values = Map::new();
    values.insert("status".to_owned(), json!(if good { "Y" } else { "N" }));
    values.insert("details".to_owned(), json!(write_entries(entries)));
    values.insert("in_time".to_owned(), json!(if in_time { "1" } else { "0" }));
    values.extend(more.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    Value::Object(values)
}

/// The method that gives an answer, and its parameters.
#[must_use]
pub fn answer(event_token: &str, return_values: &Value) -> (&'static str, Value) {
    let log = return_values.get("details").cloned().unwrap_or_default();
    let params = json!({ "EVENT_TOKEN": event_token, "RETURN_VALUES": return_values, "LOG_MESSAGE": log });
    ("bizproc.event.send", params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::result::Code;

    #[test]
    fn the_status_is_yes_only_when_all_got_it() {
        let (sent, failed) = (Entry::sent("1"), Entry::failed("2", Code::Nobody, ""));
        assert!(is_good(Mode::All, std::slice::from_ref(&sent)));
        assert!(!is_good(Mode::All, &[sent.clone(), failed.clone()]));
        assert!(is_good(Mode::First, &[failed.clone(), sent]));
        assert!(!is_good(Mode::First, &[failed]));
        assert!(!is_good(Mode::All, &[]));
    }

    #[test]
    fn the_answer_has_the_three_results_and_the_robots_own() {
        let entries = [Entry::sent("79990000001"), Entry::failed("79990000002", Code::Queued, "")];
        let values = return_values(false, &entries, false, &[("found", "79990000001".to_owned())]);
        let details = "79990000001:Y:; 79990000002:N:[queued] сообщение ещё в очереди";
        assert_eq!(values, json!({"status": "N", "details": details, "in_time": "0", "found": "79990000001"}));
        let (method, params) = answer("token|1.2", &values);
        assert_eq!(method, "bizproc.event.send");
        assert_eq!(params, json!({"EVENT_TOKEN": "token|1.2", "RETURN_VALUES": values, "LOG_MESSAGE": details}));
    }
}

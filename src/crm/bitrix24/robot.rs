//! The robot «[Switchboard] Отправить сообщение»: how it is installed, what it is asked and what it answers.
//!
//! The definition is `robots/send_message.json` in the shape of `bizproc.robot.add`; the handler and the user are filled in
//! at the installation. A robot of a loop gets a new `event_token` each time and every token is good for one answer.

mod recipient;
mod send_request;

use serde_json::{Value, json};

pub use recipient::Recipient;
pub use send_request::{Mode, NotRead, Queue, SendRequest};

use crate::model::result::{Entry, write_entries};

/// The robot's code in the portal; it never changes, since automations name it.
pub const CODE: &str = "switchboard_send";

const DEFINITION: &str = include_str!("../../../robots/send_message.json");

/// The parameters of `bizproc.robot.add`. Robots bring the tokens of `user_id`, an administrator.
#[must_use]
pub fn install_body(handler_url: &str, user_id: i64) -> Value {
    // the definition is part of the program, and a test reads it
    let mut body: Value = serde_json::from_str(DEFINITION).unwrap_or_default();
    if let Some(map) = body.as_object_mut() {
        map.insert("HANDLER".to_owned(), json!(handler_url));
        map.insert("AUTH_USER_ID".to_owned(), json!(user_id));
    }
    body
}

/// The three results. The status is Y when every address got the message; for a call to the first address that has the
/// messenger, when one did. `in_time` is 1 when the answer is final, 0 when the time was over before it was known.
#[must_use]
pub fn return_values(mode: Mode, entries: &[Entry], in_time: bool) -> Value {
    let good = match mode {
        Mode::All => !entries.is_empty() && entries.iter().all(Entry::is_sent),
        Mode::First => entries.iter().any(Entry::is_sent),
    };
    json!({
        "status": if good { "Y" } else { "N" },
        "details": write_entries(entries),
        "in_time": if in_time { "1" } else { "0" },
    })
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
    use crate::model::message::Kind;
    use crate::model::result::Code;

    #[test]
    fn the_definition_is_filled_in_and_offers_every_messenger() {
        let body = install_body("https://app.example.com/robot", 27);
        assert_eq!(body["CODE"], CODE);
        assert_eq!((&body["HANDLER"], &body["AUTH_USER_ID"]), (&json!("https://app.example.com/robot"), &json!(27)));
        let options = body["PROPERTIES"]["channel"]["Options"].as_object().unwrap();
        assert!(options.keys().all(|key| key == "auto" || Kind::from_slug(key).is_some()));
        assert_eq!(options.len(), Kind::ALL.len() + 1);
    }

    #[test]
    fn the_status_is_yes_only_when_all_got_it() {
        let (sent, failed) = (Entry::sent("1"), Entry::failed("2", Code::Nobody, ""));
        let status =
            |mode, entries: &[Entry]| return_values(mode, entries, true)["status"].as_str().unwrap().to_owned();
        assert_eq!(status(Mode::All, std::slice::from_ref(&sent)), "Y");
        assert_eq!(status(Mode::All, &[sent.clone(), failed.clone()]), "N");
        assert_eq!(status(Mode::First, &[failed.clone(), sent]), "Y");
        assert_eq!(status(Mode::First, &[failed]), "N");
        assert_eq!(status(Mode::All, &[]), "N");
    }

    #[test]
    fn the_answer_has_the_three_results() {
        let entries = [Entry::sent("79990000001"), Entry::failed("79990000002", Code::Queued, "")];
        let values = return_values(Mode::All, &entries, false);
        let details = "79990000001:Y:; 79990000002:N:[queued] сообщение ещё в очереди";
        assert_eq!(values, json!({"status": "N", "details": details, "in_time": "0"}));
        let (method, params) = answer("token|1.2", &values);
        assert_eq!(method, "bizproc.event.send");
        assert_eq!(params, json!({"EVENT_TOKEN": "token|1.2", "RETURN_VALUES": values, "LOG_MESSAGE": details}));
    }
}

//! Reacting to a message. Nothing else is changed here once it has left.

use serde_json::json;

use super::send::recipient;
use super::{call, code, phone_number_id};
use crate::messenger::Wire;
use crate::messenger::parcel::refused;
use crate::model::change::{ChangeAct, Said};
use crate::model::message::Peer;
use crate::model::result::Code;
use crate::model::vendor::Answer;

pub(super) async fn change(wire: &Wire, said: &Said, act: &ChangeAct) -> Answer {
    let ChangeAct::React { emoji } = act else { return refused(Code::NotSupported) };
    let mut body = match recipient(&Peer::Chat(said.chat.clone())) {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    // without an emoji the reaction is taken back
    let reaction = json!({"message_id": said.vendor_id, "emoji": emoji.as_deref().unwrap_or_default()});
    body.extend([("type".to_owned(), json!("reaction")), ("reaction".to_owned(), reaction)]);
    let path = format!("{}/messages", phone_number_id(wire));
    let request = call(wire, reqwest::Method::POST, &path).json(&body);
    match code::result_of(wire.http.call(request, wire.http.limits()).await) {
        Ok(_) => Answer::done(),
        Err(answer) => answer,
    }
}

//! Deleting what was sent: within an hour, and the message stays in the history of the chat as a deleted one.

use reqwest::Method;

use super::{call, token, user_id};
use crate::messenger::Wire;
use crate::messenger::parcel::refused;
use crate::model::change::{ChangeAct, Said};
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::vendor::Answer;

pub(super) async fn change(wire: &Wire, said: &Said, act: &ChangeAct, now: Moment) -> Answer {
    if !matches!(act, ChangeAct::Delete) {
        return refused(Code::NotSupported);
    }
    // such parts of an address mean other places
    if [&said.chat, &said.vendor_id].iter().any(|part| matches!(part.trim(), "" | "." | "..")) {
        return refused(Code::Unchangeable);
    }
    if token::has_run_out(wire, now) {
        return Answer::Expired { seen: "the token has run out".to_owned() };
    }
    let account = user_id(wire);
    let path = ["messenger", "v1", "accounts", &account, "chats", &said.chat, "messages", &said.vendor_id];
    match call(wire, Method::POST, &path, None).await {
        // what is not there needs not be deleted
        Ok(_) | Err(Answer::Nobody { .. }) => Answer::done(),
        Err(Answer::Refused { code: Code::Refused, text }) => Answer::Refused { code: Code::Unchangeable, text },
        Err(answer) => answer,
    }
}

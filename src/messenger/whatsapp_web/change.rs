//! Changing and deleting what was sent, and reacting. The gateway answers with whatever its engine said, or with nothing.

use reqwest::Method;
use serde_json::json;

use super::answer::{repeatable, said as reason};
use super::name;
use super::send::recipient;
use super::{call, session_of};
use crate::messenger::Wire;
use crate::messenger::parcel::refused;
use crate::model::change::{ChangeAct, Said};
use crate::model::message::Peer;
use crate::model::result::Code;
use crate::model::vendor::Answer;

pub(super) async fn change(wire: &Wire, said: &Said, act: &ChangeAct) -> Answer {
    let chat = match recipient(&Peer::Chat(said.chat.clone())) {
        Ok(chat) => chat,
        Err(answer) => return answer,
    };
    // an engine knows no way to change the words beneath a file
    if said.media.is_some() && matches!(act, ChangeAct::Edit { .. }) {
        return refused(Code::Unchangeable);
    }
    let message = name::answered(&said.vendor_id, &chat);
    let path = format!("/api/{}/chats/{chat}/messages/{message}", session_of(wire)).replace('@', "%40");
    let request = match act {
        ChangeAct::Edit { text } => {
            let links = text.contains("https://") || text.contains("http://");
            call(wire, Method::PUT, &path).json(&json!({"text": text, "linkPreview": links}))
        }
        ChangeAct::Delete => call(wire, Method::DELETE, &path),
        ChangeAct::React { emoji } => {
            let reaction = emoji.as_deref().unwrap_or_default();
            let body = json!({"session": session_of(wire), "messageId": message, "reaction": reaction});
            call(wire, Method::PUT, "/api/reaction").json(&body)
        }
    };
    match wire.http.call(request, wire.http.limits()).await {
        Ok(reply) if (200..300).contains(&reply.status) => Answer::done(),
        // a channel is not lost over a message that is gone; without a session the gateway says so
        Ok(reply) if reply.status == 404 && !reason(&reply.json()).to_lowercase().contains("session") => match act {
            ChangeAct::Delete => Answer::done(),
            ChangeAct::Edit { .. } | ChangeAct::React { .. } => {
                Answer::Refused { code: Code::Deleted, text: reason(&reply.json()) }
            }
        },
        called => repeatable(called).map_or_else(|answer| answer, |_| Answer::done()),
    }
}

//! Portals of Bitrix24 and their authorization server.

mod batch;
pub(crate) mod crm;
pub(crate) mod disk;
pub(crate) mod event;
pub(crate) mod install;
pub(crate) mod oauth;
pub(crate) mod open_line;
pub(crate) mod portal;
mod rest;
pub(crate) mod robot;
pub(crate) mod sms;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::Answer;
use super::args::as_text;
use super::door::Call;
use super::fault::{Fault, Kind};
use super::state::Sandbox;
use crate::model::moment::Moment;
pub(crate) use oauth::{give_tokens, refuse_token_by_plan, tell_app};
pub(crate) use portal::Portal;

/// All portals and the tokens of their users.
#[derive(Debug, Default)]
pub(crate) struct Bitrix24 {
    /// The portals, by name.
    pub(crate) portals: HashMap<String, Portal>,
    /// Old names of portals that moved.
    pub(crate) moved: HashMap<String, String>,
    /// The tokens of all portals.
    pub(crate) tokens: oauth::Tokens,
}

impl Bitrix24 {
    /// Ends the steps of robots whose time is over.
    pub(crate) fn time_out(&mut self, now: Moment) {
        for portal in self.portals.values_mut() {
            robot::time_out(portal, now);
        }
    }
}

/// An error of REST.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) text: String,
}

impl Trouble {
    pub(crate) fn of(status: u16, code: &str, text: &str) -> Self {
        Self { status, code: code.to_owned(), text: text.to_owned() }
    }

    pub(crate) fn argument(name: &str) -> Self {
        Self::of(400, "ERROR_ARGUMENT", &format!("Argument '{name}' is null or empty"))
    }

    pub(crate) fn denied() -> Self {
        Self::of(403, "ACCESS_DENIED", "Access denied!")
    }

    pub(crate) fn body(&self) -> Value {
        json!({"error": self.code, "error_description": self.text})
    }

    pub(crate) fn answer(&self) -> Answer {
        Answer::json(self.status, self.body())
    }
}

/// Answers one REST call to a portal.
pub(crate) fn answer(sandbox: &Arc<Sandbox>, name: &str, method: &str, hook: bool, call: &Call) -> Answer {
    let mut posts = Vec::new();
    let answer = {
        let mut bitrix24 = sandbox.bitrix24.lock();
        if let Some(new) = bitrix24.moved.get(name) {
            let query = if call.query.is_empty() { String::new() } else { format!("?{}", call.query) };
            let place = format!("{}/b24/{new}/rest/{method}.json{query}", sandbox.base());
            let mut answer = Answer::json(302, json!({}));
            answer.header = Some(("Location", place));
            return answer;
        }
        if let Some(answer) = disk::download(&bitrix24, name, method, call, sandbox.now()) {
            return answer;
        }
        rest::answer(sandbox, &mut bitrix24, name, method, hook, call, &mut posts)
    };
    event::send(sandbox, posts);
    answer
}

/// The answer of a planned fault that takes nothing.
pub(crate) fn refuse_by_plan(fault: &Fault, now_s: i64) -> Answer {
    let code = fault.code.as_ref().and_then(as_text);
    if fault.kind == Kind::Busy && code.as_deref() == Some("OPERATION_TIME_LIMIT") {
        let reset_at = now_s + i64::try_from(fault.after_ms.div_ceil(1000)).unwrap_or(0);
        return rest::operation_limit(reset_at);
    }
    trouble_by_plan(fault).answer()
}

/// The error of a planned fault, also of one that meets a command inside a batch.
fn trouble_by_plan(fault: &Fault) -> Trouble {
    let code = fault.code.as_ref().and_then(as_text);
    match fault.kind {
        Kind::Busy => Trouble::of(503, "QUERY_LIMIT_EXCEEDED", "Too many requests"),
        Kind::TokenExpired => oauth::expired(),
        Kind::Refuse => {
            let text = fault.text.clone().unwrap_or_else(|| "Refused by plan".to_owned());
            Trouble::of(fault.status.unwrap_or(400), code.as_deref().unwrap_or("ERROR_ARGUMENT"), &text)
        }
        _ => Trouble::of(500, "INTERNAL_SERVER_ERROR", "Internal server error"),
    }
}

//! A robot's call: it was written down by the hook, and becomes messages here, with an answer that was promised for them.

use serde_json::Value;

use crate::app::App;
use crate::crm::bitrix24::event::RobotCall;
use crate::crm::bitrix24::robot::{self, Mode, NotRead, Queue, SendRequest};
use crate::flow::answer::{self, NextTry};
use crate::flow::route::{self, TextRequest};
use crate::model::errand::{NewErrand, Rank, Work};
use crate::model::id::{AnswerId, CompanyId, MessageId};
use crate::model::moment::Moment;
use crate::model::origin::Origin;
use crate::model::result::{Code, Entry};
use crate::store::outbox::{self, Accepted};
use crate::store::row::{AnswerRow, ChannelRow, EntryRow, PortalRow, text};
use crate::store::{Conn, Result};

/// What comes of a call: why it cannot be read, or the errands that were accepted.
pub type Worked = std::result::Result<Vec<Accepted>, String>;

/// Works a robot's call, inside the transaction that marks it as worked.
///
/// # Errors
/// The outer error is the database's; the inner one says why the call cannot be read at all, so that nobody can be
/// answered.
pub fn work(app: &App, conn: &mut Conn, portal: &PortalRow, form: &Value, at: Moment) -> Result<Worked> {
    let call = match RobotCall::read(form) {
        Ok(call) => call,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let Ok(company) = portal.company.parse() else { return Ok(Err("the portal has no company".to_owned())) };
    let request = if call.code == robot::CODE {
        SendRequest::read(&call.properties, &app.config.region)
    } else {
        tracing::warn!(code = call.code, "a robot was called that is none of ours");
        Err(NotRead::unknown_robot(&call.code))
    };
    let plan = match &request {
        Ok(request) => plan(app, conn, company, request, at)?,
        Err(refused) => Plan::refused(refused),
    };
    let answer = promise(app, portal, &call, request.as_ref().ok(), &plan, at)?;
    let now = app.clock.now();
    crate::on!(conn, answer::create(&answer, &plan.rows(&answer.id)))?;
    let mut new = plan.errands(&answer);
    // without the switch «Асинхронный результат» the queue's verdict is the answer
    if plan.is_refused() || !answer.exact {
        let given = AnswerRow { waits: answer.waits, ..answer.clone() };
        verdict_of_the_queue(conn, &plan, &answer)?;
        new.extend(answer::give(app, conn, &given, true, now)?);
    }
    Ok(Ok(outbox::accept(conn, now, &new)?.into_iter().flatten().collect()))
}

/// What a call means: each address with its errand, or why it has none.
struct Plan {
    mode: Mode,
    parts: Vec<Part>,
}

struct Part {
    chat_id: String,
    errand: std::result::Result<(NewErrand, MessageId), (Code, String)>,
}

fn plan(app: &App, conn: &mut Conn, company: CompanyId, request: &SendRequest, now: Moment) -> Result<Plan> {
    let channels = match route::line(conn, company, request.line, now)? {
        Ok(line) => Ok(crate::on!(conn, channel::of_line(company, line.id))?),
        Err(code) => Err(code),
    };
    let parts = request.recipients.iter().map(|recipient| {
        let errand = match (&channels, &recipient.to) {
            (_, Err(code)) | (Err(code), _) => Err(*code),
            (Ok(channels), Ok(to)) => errand(app, company, channels, request, to, now),
        };
        Part { chat_id: recipient.chat_id.clone(), errand: errand.map_err(|code| (code, String::new())) }
    });
    Ok(Plan { mode: request.mode, parts: parts.collect() })
}

fn errand(
    app: &App,
    company: CompanyId,
    channels: &[ChannelRow],
    request: &SendRequest,
    to: &crate::model::message::Peer,
    now: Moment,
) -> std::result::Result<(NewErrand, MessageId), Code> {
    let channel = route::channel(channels, request.channel, to)?;
    let rank = match request.queue {
        Queue::Messages => Rank::Service,
        Queue::Mailing => Rank::Mailing,
        Queue::Urgent => Rank::Live,
    };
    let text = TextRequest {
        company,
        to: to.clone(),
        names: request.names.clone(),
        text: request.text.clone(),
        media: None,
        rank,
        origin: Origin::Nobody,
    };
    route::text_errand(app, &channel, text, now)
}

impl Plan {
    fn refused(refused: &NotRead) -> Self {
        let part = |entry: &Entry| Part {
            chat_id: entry.chat_id().to_owned(),
            errand: Err((refused.code, refused.text.clone())),
        };
        Self { mode: Mode::All, parts: refused.entries().iter().map(part).collect() }
    }

    /// Whether nothing can be sent to anybody.
    fn is_refused(&self) -> bool {
        self.parts.iter().all(|part| part.errand.is_err())
    }

    /// The parts that can be sent, with their place.
    fn good(&self) -> impl Iterator<Item = (i32, &NewErrand, MessageId)> {
        (0..)
            .zip(&self.parts)
            .filter_map(|(place, part)| part.errand.as_ref().ok().map(|(errand, message)| (place, errand, *message)))
    }

    fn open(&self) -> i32 {
        i32::try_from(self.good().count()).unwrap_or(i32::MAX)
    }

    fn rows(&self, answer: &str) -> Vec<EntryRow> {
        let first = self.good().next().map(|(place, ..)| place);
        (0..)
            .zip(&self.parts)
            .map(|(entry, part)| {
                let tried = self.mode == Mode::All || first == Some(entry);
                let (ok, code, reason, message) = match &part.errand {
                    Ok((_, message)) => (None, None, None, tried.then(|| message.to_string())),
                    Err((code, reason)) => (Some(false), Some(code.slug().to_owned()), Some(reason.clone()), None),
                };
                EntryRow { answer: answer.to_owned(), entry, chat_id: part.chat_id.clone(), ok, code, reason, message }
            })
            .collect()
    }

    /// The errands that leave now: all of them, or the first.
    fn errands(&self, answer: &AnswerRow) -> Vec<NewErrand> {
        let id: AnswerId = answer.id.parse().unwrap_or_default();
        let all = self
            .good()
            .map(|(entry, errand, _)| NewErrand { origin: Origin::Robot { answer: id, entry }, ..errand.clone() });
        if self.mode == Mode::First { all.take(1).collect() } else { all.collect() }
    }

    /// What is tried after the first address.
    fn rest(&self) -> Vec<NextTry> {
        if self.mode == Mode::All {
            return Vec::new();
        }
        let rest = self.good().skip(1).filter_map(|(entry, errand, message)| match &errand.work {
            Work::Send { channel, outgoing, .. } => Some(NextTry {
                entry,
                lane: errand.lane,
                channel: *channel,
                rank: errand.rank.to_db(),
                message,
                outgoing: outgoing.as_ref().clone(),
                expires_at: errand.expires_at,
            }),
            Work::PortalCall { .. } | Work::SmsStatus { .. } | Work::Group { .. } | Work::Change { .. } => None,
        });
        rest.collect()
    }
}

fn promise(
    app: &App,
    portal: &PortalRow,
    call: &RobotCall,
    request: Option<&SendRequest>,
    plan: &Plan,
    at: Moment,
) -> Result<AnswerRow> {
    let rest = plan.rest();
    // the answer must be there before the portal stops waiting; of a short time half is left for the way
    let answer_by = call.waits_until(at).map(|until| {
        let margin_ms = app.config.outbox.robot_margin_s.saturating_mul(1000).min(until.since_ms(at) / 2);
        until.plus_ms(-margin_ms).0
    });
    Ok(AnswerRow {
        id: AnswerId::new().to_string(),
        company: portal.company.clone(),
        portal: portal.id.clone(),
        event_token: call.event_token.clone(),
        document_id: call.document.clone(),
        waits: call.waits,
        exact: request.is_some_and(|request| request.async_result) || plan.mode == Mode::First,
        comments: SendRequest::wants_comment(&call.properties),
        mode: if plan.mode == Mode::First { "first" } else { "all" }.to_owned(),
        plan: if rest.is_empty() { None } else { Some(text(&rest)?) },
        state: 0,
        open_entries: plan.open(),
        answer_by,
        created_at: at.0,
    })
}

/// Without the exact result an address counts as Y when its message stands in the queue.
fn verdict_of_the_queue(conn: &mut Conn, plan: &Plan, answer: &AnswerRow) -> Result<()> {
    let id: AnswerId = answer.id.parse().unwrap_or_default();
    for (entry, ..) in plan.good() {
        crate::on!(conn, answer::fill(id, entry, true, None, None))?;
    }
    Ok(())
}

//! A robot's call: it was written down by the hook, and becomes errands here, with an answer that was promised for them.

mod check;
mod dialog;
pub mod fetch;
mod group;
mod plan;
mod reach;
mod sending;

use serde_json::Value;

use crate::app::App;
use crate::crm::bitrix24::event::RobotCall;
use crate::crm::bitrix24::robot::{NotRead, Queue, Request, Robot};
use crate::flow::answer;
use crate::model::errand::Rank;
use crate::model::id::{AnswerId, CompanyId, PortalId};
use crate::model::moment::Moment;
use crate::store::outbox::{self, Accepted};
use crate::store::row::{AnswerRow, PortalRow};
use crate::store::{Conn, Result};

use plan::Plan;

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
    let (Ok(company), Ok(id)) = (portal.company.parse(), portal.id.parse()) else {
        return Ok(Err("the portal has no company".to_owned()));
    };
    let robot = Robot::from_code(&call.code);
    let plan = match robot.map_or_else(
        || Err(NotRead::unknown_robot(&call.code)),
        |robot| Request::read(robot, &call.properties, &app.config.region),
    ) {
        Ok(request) => plan(app, conn, company, &call, &request, at)?,
        Err(refused) => Plan::refused(&refused),
    };
    if robot.is_none() {
        tracing::warn!(code = call.code, "a robot was called that is none of ours");
    }
    accept(app, conn, portal, (company, id), &call, &plan, at)
}

fn plan(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    call: &RobotCall,
    request: &Request,
    now: Moment,
) -> Result<Plan> {
    match request {
        Request::Send(request) => sending::plan(app, conn, company, call, request, now),
        Request::Group(request) => group::plan(app, conn, company, request, now),
        Request::Dialog(request) => dialog::plan(app, conn, company, request, now),
        Request::Check { phones, terms } => check::plan(app, conn, company, phones, *terms, now),
    }
}

/// Promises the answer, and lets the errands of the plan into the outbox.
fn accept(
    app: &App,
    conn: &mut Conn,
    portal: &PortalRow,
    (company, portal_id): (CompanyId, PortalId),
    call: &RobotCall,
    plan: &Plan,
    at: Moment,
) -> Result<Worked> {
    let promised = promise(app, portal, call, plan, at)?;
    let id: AnswerId = promised.id.parse().unwrap_or_default();
    let now = app.clock.now();
    crate::on!(conn, answer::create(&promised, &plan.rows(&promised.id)))?;
    let mut new = match plan.file() {
        Some(file) if !plan.is_over() => {
            let lane = portal.lane;
            vec![fetch::errand(app, (company, portal_id, lane), id, file.clone(), promised.answer_by, now)]
        }
        _ => plan.errands(id),
    };
    // without the switch «Асинхронный результат» the queue's verdict is the answer; a message stands there when its file came
    if plan.is_over() || (!promised.exact && plan.file().is_none()) {
        for entry in plan.open_entries() {
            crate::on!(conn, answer::fill(id, entry, true, None, None))?;
        }
        new.extend(answer::give(app, conn, &promised, true, now)?);
    }
    Ok(Ok(outbox::accept(conn, now, &new)?.into_iter().flatten().collect()))
}

fn promise(app: &App, portal: &PortalRow, call: &RobotCall, plan: &Plan, at: Moment) -> Result<AnswerRow> {
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
        exact: plan.is_exact(),
        comments: Request::wants_comment(&call.properties),
        mode: plan.mode_slug().to_owned(),
        plan: plan.kept()?,
        state: 0,
        open_entries: plan.open(),
        answer_by,
        created_at: at.0,
        robot: call.code.clone(),
    })
}

const fn rank(queue: Queue) -> Rank {
    match queue {
        Queue::Messages => Rank::Service,
        Queue::Mailing => Rank::Mailing,
        Queue::Urgent => Rank::Live,
    }
}

//! A message of the SMS provider: from a card, from an automation, or a row of a CRM-marketing letter.

use serde_json::Value;

use crate::app::App;
use crate::crm::bitrix24::event::SmsCall;
use crate::crm::bitrix24::sms::{self, SmsStatus};
use crate::flow::mailing::{self, LetterRow};
use crate::flow::robot::Worked;
use crate::flow::route::{self, TextRequest};
use crate::flow::tell::status_errand;
use crate::model::address;
use crate::model::errand::{NewErrand, Rank};
use crate::model::id::{CompanyId, PortalId};
use crate::model::message::Peer;
use crate::model::moment::Moment;
use crate::model::origin::Origin;
use crate::model::result::Code;
use crate::store::outbox;
use crate::store::row::{ChannelRow, LineRow, PortalRow};
use crate::store::{Conn, Result};

/// Works a message of the SMS provider, inside the transaction that marks it as worked.
///
/// # Errors
/// The outer error is the database's; the inner one says why the call cannot be read at all.
pub fn work(app: &App, conn: &mut Conn, portal: &PortalRow, form: &Value, at: Moment) -> Result<Worked> {
    let call = match SmsCall::read(form) {
        Ok(call) => call,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let (Ok(company), Ok(id)) = (portal.company.parse(), portal.id.parse()) else {
        return Ok(Err("the portal has no company".to_owned()));
    };
    if !call.module_is_known() {
        tracing::warn!(
            module = call.module,
            "a module of the portal that we do not know sends SMS: taken for marketing"
        );
    }
    let now = app.clock.now();
    let new = match target(app, conn, company, &call, at)? {
        Ok((line, channel, to)) if call.rank() == Rank::Marketing => {
            let row = LetterRow { portal: id, call: &call, line: &line, channel: &channel, to };
            mailing::add_letter_row(app, conn, company, &row, now)?
        }
        Ok((_, channel, to)) => single(app, conn, company, id, &call, &channel, to, now)?,
        Err(code) => {
            let status = if code == Code::Nobody { SmsStatus::Undelivered } else { SmsStatus::Failed };
            tracing::info!(code = code.slug(), "an SMS of a portal cannot be sent");
            status_errand(app, conn, company, id, &call.code, &call.message_id, status, now)?.into_iter().collect()
        }
    };
    let accepted = outbox::accept(conn, now, &new)?.into_iter().flatten().collect();
    Ok(Ok(accepted))
}

type Target = (LineRow, ChannelRow, Peer);

fn target(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    call: &SmsCall,
    at: Moment,
) -> Result<std::result::Result<Target, Code>> {
    let Some(phone) = address::phone_digits(&call.phone, &app.config.region) else { return Ok(Err(Code::AddressBad)) };
    if call.text.trim().is_empty() {
        return Ok(Err(Code::MessageEmpty));
    }
    let Some(line) = sms::line_of(&call.code) else { return Ok(Err(Code::LineNotFound)) };
    let line = match route::line(conn, company, Some(line), at)? {
        Ok(line) => line,
        Err(code) => return Ok(Err(code)),
    };
    let to = Peer::Phone(phone);
    let channels = crate::on!(conn, channel::of_line(company, line.id))?;
    Ok(route::channel(&channels, None, &to).map(|channel| (line, channel, to)))
}

#[expect(clippy::too_many_arguments, reason = "the parts of one call of the portal")]
fn single(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    portal: PortalId,
    call: &SmsCall,
    channel: &ChannelRow,
    to: Peer,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let origin = Origin::Sms { portal, code: call.code.clone(), message: call.message_id.clone() };
    let request =
        TextRequest { company, to, names: None, text: call.text.clone(), media: None, rank: call.rank(), origin };
    match route::text_errand(app, channel, request, now) {
        Ok((errand, _)) => Ok(vec![errand]),
        Err(code) => {
            tracing::info!(code = code.slug(), "an SMS of a portal cannot be sent");
            let failed =
                status_errand(app, conn, company, portal, &call.code, &call.message_id, SmsStatus::Failed, now)?;
            Ok(failed.into_iter().collect())
        }
    }
}

//! The robot that looks whether phones have the messenger. What was looked at lately is known; the rest is asked at the pace of the
//! channel, since vendors count such looks.

use super::plan::{Part, Plan, What};
use super::{rank, reach};
use crate::app::App;
use crate::crm::bitrix24::robot::{Recipient, Terms};
use crate::flow::phone;
use crate::messenger;
use crate::model::errand::{NewErrand, Work};
use crate::model::id::{ChannelId, CompanyId};
use crate::model::message::{Kind, Peer};
use crate::model::moment::Moment;
use crate::model::origin::Origin;
use crate::model::result::Code;
use crate::store::row::ChannelRow;
use crate::store::{Conn, Result};

/// A look at each phone.
pub(super) fn plan(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    phones: &[Recipient],
    terms: Terms,
    now: Moment,
) -> Result<Plan> {
    let channel = reach::channel_that(conn, company, terms, &[], now, checks)?;
    let mut parts = Vec::new();
    for recipient in phones {
        let what = match (&channel, &recipient.to) {
            (_, Err(code)) | (Err(code), _) => What::Refused(*code, String::new()),
            (Ok(channel), Ok(Peer::Phone(phone))) => look(app, conn, company, channel, phone, terms, now)?,
            (Ok(_), Ok(_)) => What::Refused(Code::AddressBad, String::new()),
        };
        parts.push(Part { chat_id: recipient.chat_id.clone(), what });
    }
    Ok(Plan::for_all(parts, terms.async_result))
}

fn look(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    channel: &ChannelRow,
    phone: &str,
    terms: Terms,
    now: Moment,
) -> Result<What> {
    let Ok(id) = channel.id.parse::<ChannelId>() else {
        return Ok(What::Refused(Code::ChannelNotFound, String::new()));
    };
    match phone::known(conn, id, phone, now)? {
        Some(true) => return Ok(What::Done),
        Some(false) => return Ok(What::Refused(Code::Nobody, String::new())),
        None => {}
    }
    let ttl_ms = app.config.outbox.default_ttl_hours.saturating_mul(3_600_000);
    let errand = NewErrand {
        company,
        lane: channel.lane,
        rank: rank(terms.queue),
        peer: phone.to_owned(),
        work: Work::Check { channel: id, phone: phone.to_owned() },
        origin: Origin::Nobody,
        not_before: None,
        expires_at: Some(now.plus_ms(ttl_ms)),
        dedup_key: None,
        merge_key: None,
    };
    Ok(What::Errand(Box::new(errand), String::new()))
}

fn checks(channel: &ChannelRow) -> bool {
    let messenger = Kind::from_slug(&channel.messenger).and_then(messenger::of);
    messenger.is_some_and(|messenger| messenger.about().abilities.checks_phone)
}

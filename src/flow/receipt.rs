//! A vendor's word about a message that has left.

use crate::app::App;
use crate::flow::health;
use crate::flow::tell::{self, Verdict};
use crate::model::errand::NewErrand;
use crate::model::id::{ChannelId, CompanyId};
use crate::model::message::Receipt;
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::status::Status;
use crate::store::row::{MessageRow, Progress, text, value};
use crate::store::{Conn, Result};

/// Moves a message on, and tells whoever asked. A receipt whose message is not in the history yet is kept for it. Gives
/// back the errands that came of it.
///
/// # Errors
/// Those of the database.
pub fn apply(app: &App, conn: &mut Conn, channel: ChannelId, receipt: &Receipt, now: Moment) -> Result<Vec<NewErrand>> {
    let Some(message) = find(conn, channel, receipt)? else {
        crate::on!(conn, message::keep_receipt(channel, &receipt.vendor_id, &text(receipt)?, now.0))?;
        return Ok(Vec::new());
    };
    let mut seen = Status::from_db(message.status);
    loop {
        let next = seen.after(receipt.status);
        if next == seen {
            // a late word may still know the moment of something that was seen already
            return Ok(Vec::new());
        }
        if crate::on!(conn, message::advance(&message.id, seen.to_db(), &progress(next, receipt)))? {
            break;
        }
        // another receipt was faster
        let Some(fresh) = find(conn, channel, receipt)? else { return Ok(Vec::new()) };
        seen = Status::from_db(fresh.status);
    }
    if let Some((code, said)) = &receipt.error {
        health::failed(conn, channel, *code, said, now)?;
    }
    let verdict = Verdict {
        status: receipt.status,
        code: receipt.error.as_ref().map(|(code, _)| *code),
        reason: receipt.error.as_ref().map(|(_, reason)| reason.clone()).unwrap_or_default(),
    };
    let Ok(company) = message.company.parse::<CompanyId>() else { return Ok(Vec::new()) };
    tell::tell_later(app, conn, company, &value("messages", &message.origin)?, &verdict, now)
}

/// Applies receipts that were faster than the vendor's answer to our call.
///
/// # Errors
/// Those of the database.
pub fn apply_early(
    app: &App,
    conn: &mut Conn,
    channel: ChannelId,
    vendor_ids: &[String],
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let mut new = Vec::new();
    if vendor_ids.is_empty() {
        return Ok(new);
    }
    for early in crate::on!(conn, message::take_receipts(channel, vendor_ids))? {
        let early: Receipt = value("early_receipts", &early)?;
        new.extend(apply(app, conn, channel, &early, now)?);
    }
    Ok(new)
}

/// Applies kept receipts whose message has been entered at the same moment: on PostgreSQL neither transaction sees the other.
///
/// # Errors
/// Those of the database.
pub fn apply_overlooked(app: &App, conn: &mut Conn, found: &[(String, String)], now: Moment) -> Result<Vec<NewErrand>> {
    let mut new = Vec::new();
    for (channel, vendor_id) in found {
        let Ok(channel) = channel.parse() else { continue };
        new.extend(apply_early(app, conn, channel, std::slice::from_ref(vendor_id), now)?);
    }
    Ok(new)
}

/// By the vendor's id; by our own key where the vendor gives it back and the answer to our call was never seen.
fn find(conn: &mut Conn, channel: ChannelId, receipt: &Receipt) -> Result<Option<MessageRow>> {
    if let Some(found) = crate::on!(conn, message::by_vendor_id(channel, &receipt.vendor_id))? {
        return Ok(Some(found));
    }
    let Some(key) = receipt.key.as_deref().and_then(|key| key.parse().ok()) else { return Ok(None) };
    crate::on!(conn, message::of_channel(channel, key))
}

fn progress(next: Status, receipt: &Receipt) -> Progress {
    let at = Some(receipt.at.0);
    let when = |status: Status| (next == status).then_some(receipt.at.0);
    Progress {
        status: next.to_db(),
        code: receipt.error.as_ref().map(|(code, _): &(Code, String)| code.slug().to_owned()),
        reason: receipt.error.as_ref().map(|(_, reason)| reason.clone()),
        sent_at: when(Status::Sent),
        delivered_at: when(Status::Delivered),
        viewed_at: when(Status::Viewed).and(at),
    }
}

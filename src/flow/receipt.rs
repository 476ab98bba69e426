//! A vendor's word about a message that has left.

use crate::app::App;
use crate::flow::tell::{self, Verdict};
use crate::flow::{health, open_line, opt_out, webhook};
use crate::model::errand::NewErrand;
use crate::model::id::{ChannelId, CompanyId, MessageId};
use crate::model::message::Receipt;
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::status::Status;
use crate::store::row::{MessageRow, Progress, text, value};
use crate::store::{Conn, Result};

/// What stands before our key where a receipt is kept by it: no vendor names a message so.
const BY_KEY: &str = "key:";

/// Moves a message on, and tells whoever asked. A receipt whose message is not in the history yet is kept for it. However
/// receipts come, and however often, the message ends the same. Gives back the errands that came of it.
///
/// # Errors
/// Those of the database.
pub fn apply(app: &App, conn: &mut Conn, channel: ChannelId, receipt: &Receipt, now: Moment) -> Result<Vec<NewErrand>> {
    let Some(message) = find(conn, channel, receipt)? else {
        keep(conn, channel, receipt, now)?;
        return Ok(Vec::new());
    };
    apply_to(app, conn, channel, &message, receipt, now)
}

/// The same for a message that is known already.
///
/// # Errors
/// Those of the database.
pub fn apply_to(
    app: &App,
    conn: &mut Conn,
    channel: ChannelId,
    message: &MessageRow,
    receipt: &Receipt,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    if message.vendor_id.is_none()
        && receipt.key.as_deref() != Some(&receipt.vendor_id)
        && !receipt.vendor_id.is_empty()
    {
        // the call ended without the name that the vendor has for it: what comes later may tell no other
        crate::on!(conn, message::name(&message.id, &receipt.vendor_id))?;
    }
    let mut seen = Status::from_db(message.status);
    loop {
        let next = seen.after(receipt.status);
        if next == seen {
            // a late word still knows the moment of something that was seen already
            if unknown_moment(message, receipt.status) {
                crate::on!(conn, message::remember(&message.id, receipt.status, receipt.at.0))?;
            }
            note(conn, message, seen, receipt)?;
            return Ok(Vec::new());
        }
        if crate::on!(conn, message::advance(&message.id, seen.to_db(), &progress(next, receipt)))? {
            break;
        }
        // another receipt was faster
        let Ok(id) = message.id.parse::<MessageId>() else { return Ok(Vec::new()) };
        let Some(fresh) = crate::on!(conn, message::of_channel(channel, id))? else { return Ok(Vec::new()) };
        seen = Status::from_db(fresh.status);
    }
    if let Some((code, said)) = &receipt.error {
        health::failed(conn, channel, *code, said, now)?;
    }
    let Ok(company) = message.company.parse::<CompanyId>() else { return Ok(Vec::new()) };
    if let Some((Code::OptedOut, said)) = &receipt.error {
        opt_out::told(conn, company, channel, &message.chat, said, now)?;
    }
    let mut new = tell::tell_later(app, conn, company, &value("messages", &message.origin)?, &verdict(receipt), now)?;
    if seen == Status::Unknown && receipt.status != Status::Error {
        // it is known only now that it left
        new.extend(open_line::sent(app, conn, message, now)?);
    }
    let row = moved(message, receipt);
    if seen == Status::Unknown && receipt.status != Status::Error {
        new.extend(webhook::said(app, conn, &row, None, now)?);
    }
    new.extend(webhook::moved(app, conn, &row, receipt.at, now)?);
    Ok(new)
}

/// What a receipt says to whoever asked.
#[must_use]
pub fn verdict(receipt: &Receipt) -> Verdict {
    Verdict {
        status: receipt.status,
        code: error_of(receipt).map(|(code, _)| *code),
        reason: error_of(receipt).map(|(_, reason)| reason.clone()).unwrap_or_default(),
    }
}

/// Keeps a receipt for its message: under the vendor's name, which the answer to our call will tell, and under our key, for a
/// call that ends without an answer, or with one that does not name the message.
///
/// # Errors
/// Those of the database.
pub fn keep(conn: &mut Conn, channel: ChannelId, receipt: &Receipt, now: Moment) -> Result<()> {
    let kept = text(receipt)?;
    crate::on!(conn, message::keep_receipt(channel, &receipt.vendor_id, &kept, now.0))?;
    if let Some(message) = key_of(receipt) {
        crate::on!(conn, message::keep_receipt(channel, &kept_name(&message.to_string()), &kept, now.0))?;
    }
    Ok(())
}

/// The name under which receipts for a message of ours are kept while nobody knows the vendor's.
#[must_use]
pub fn kept_name(message: &str) -> String {
    format!("{BY_KEY}{message}")
}

fn key_of(receipt: &Receipt) -> Option<MessageId> {
    receipt.key.as_deref().and_then(|key| key.parse().ok())
}

/// Whether a receipt knows a moment that the message lacks.
const fn unknown_moment(message: &MessageRow, status: Status) -> bool {
    match status {
        Status::Sent => message.sent_at.is_none(),
        Status::Delivered => message.delivered_at.is_none(),
        Status::Viewed => message.viewed_at.is_none(),
        Status::Error | Status::Unknown | Status::NotSent => false,
    }
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

/// Kept receipts whose message has been entered after all, by the channel and the name under which they are kept; about `limit`.
///
/// # Errors
/// Those of the database.
pub fn overlooked(conn: &mut Conn, limit: i64) -> Result<Vec<(String, String)>> {
    let mut found = crate::on!(conn, message::overlooked_receipts(limit))?;
    for (channel, name) in crate::on!(conn, message::receipts_by_key(BY_KEY, limit))? {
        let (Ok(of), Some(Ok(message))) = (channel.parse(), name.strip_prefix(BY_KEY).map(str::parse)) else {
            continue;
        };
        if crate::on!(conn, message::of_channel(of, message))?.is_some() {
            found.push((channel, name));
        }
    }
    Ok(found)
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
    let Some(key) = key_of(receipt) else { return Ok(None) };
    crate::on!(conn, message::of_channel(channel, key))
}

/// The error of a receipt that tells one.
fn error_of(receipt: &Receipt) -> Option<&(Code, String)> {
    receipt.error.as_ref().filter(|_| receipt.status == Status::Error)
}

/// Keeps a vendor's word that fits no status beside the message, where a person sees it.
fn note(conn: &mut Conn, message: &MessageRow, seen: Status, receipt: &Receipt) -> Result<()> {
    let Some((_, word)) = receipt.error.as_ref().filter(|_| receipt.status == Status::Sent) else { return Ok(()) };
    let told = Progress { status: seen.to_db(), reason: Some(Some(word.clone())), ..Progress::default() };
    crate::on!(conn, message::advance(&message.id, seen.to_db(), &told)).map(|_| ())
}

/// The message as it is after a receipt that moved it.
fn moved(message: &MessageRow, receipt: &Receipt) -> MessageRow {
    let (code, reason) = error_of(receipt).map(|(code, reason)| (code.slug().to_owned(), reason.clone())).unzip();
    MessageRow { status: receipt.status.to_db(), code, reason, ..message.clone() }
}

fn progress(next: Status, receipt: &Receipt) -> Progress {
    let when = |status: Status| (next == status).then_some(receipt.at.0);
    Progress {
        status: next.to_db(),
        // better word takes the reason of the worse one away
        code: Some(error_of(receipt).map(|(code, _)| code.slug().to_owned())),
        reason: Some(receipt.error.as_ref().map(|(_, reason)| reason.clone())),
        sent_at: when(Status::Sent),
        delivered_at: when(Status::Delivered),
        viewed_at: when(Status::Viewed),
    }
}

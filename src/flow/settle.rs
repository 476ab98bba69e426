//! Writing down what became of errands: the history, and the word to whoever asked. All of it happens in the transaction
//! that takes the errands out of the outbox.

use std::collections::HashMap;

use crate::app::App;
use crate::flow::tell::{self, Verdict};
use crate::flow::{change, group, health, notice, open_line, opt_out, receipt, robot, webhook};
use crate::model::errand::{Errand, NewErrand, Work};
use crate::model::id::ChannelId;
use crate::model::message::{Outgoing, Receipt};
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::status::Status;
use crate::model::vendor::Answer;
use crate::store::history;
use crate::store::outbox::{self, Accepted};
use crate::store::row::{MessageRow, text, value};
use crate::store::{Conn, Result};

/// Receipts by channel and the vendor's id of their message.
type EarlyReceipts = HashMap<(String, String), Vec<String>>;

/// An errand that is over.
#[derive(Debug, Clone)]
pub struct Over<'a> {
    /// The errand.
    pub errand: &'a Errand,
    /// The answer.
    pub answer: &'a Answer,
    /// Whether it was still ours to settle; where it was not, somebody was told «unknown» already.
    pub ours: bool,
}

/// Settles errands that are over. Gives back the errands that came of it.
///
/// # Errors
/// Those of the database.
pub fn settle(app: &App, conn: &mut Conn, over: &[Over<'_>], now: Moment) -> Result<Vec<Accepted>> {
    let mut rows = Vec::new();
    for entry in over {
        if let Work::Send { channel, outgoing, message } = &entry.errand.work {
            rows.push(history(entry, *channel, &message.to_string(), outgoing, now)?);
        }
    }
    history::enter(conn, &rows)?;
    let shown: HashMap<String, MessageRow> = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
    let mut early = history::take_receipts(conn, &taken_by_vendors(over))?;
    let mut new: Vec<NewErrand> = Vec::new();
    for entry in over.iter().filter(|entry| !entry.ours && !is_unknown(entry.answer)) {
        // it was told as unknown already, and the history took the better word
        let Work::Send { message, .. } = &entry.errand.work else { continue };
        let row = shown.get(&message.to_string());
        new.extend(row.map(|row| webhook::settled(app, conn, row, now)).transpose()?.unwrap_or_default());
    }
    for entry in over.iter().filter(|entry| entry.ours) {
        let early = if early.is_empty() { Vec::new() } else { early_receipts(&mut early, entry)? };
        // a call without an answer whose message the vendor speaks of was taken: whoever asked hears of nothing else
        let verdict = match early.first() {
            Some((_, receipt)) if is_unknown(entry.answer) => receipt::verdict(receipt),
            _ => verdict(entry.answer),
        };
        if let Work::Group { act, order, .. } = &entry.errand.work {
            new.extend(group::settle(app, conn, entry, (*act, order), &verdict, now)?);
        }
        if let Work::Change { change, .. } = &entry.errand.work {
            new.extend(change::settle(app, conn, entry.errand.company, *change, &verdict, now)?);
        }
        if let Work::OpenLine { post, .. } = &entry.errand.work {
            open_line::over(conn, *post, &verdict, now)?;
        }
        if let Work::Fetch { .. } = &entry.errand.work {
            new.extend(robot::fetch::settle(app, conn, entry, &verdict, now)?);
        }
        new.extend(tell::tell(app, conn, entry.errand, &verdict, now)?);
        if let (Work::Send { message, .. }, Status::Sent) = (&entry.errand.work, verdict.status) {
            let row = shown.get(&message.to_string());
            new.extend(row.map(|row| open_line::sent(app, conn, row, now)).transpose()?.unwrap_or_default());
        }
        if let Work::Send { channel, outgoing, message } = &entry.errand.work {
            health::sent(conn, *channel, entry.answer, now)?;
            if let Answer::Refused { code: Code::OptedOut, text } = entry.answer {
                opt_out::told(conn, entry.errand.company, *channel, &outgoing.to.chat_id(), text, now)?;
            }
            // of what a receipt knows better the receipt tells
            let better = is_unknown(entry.answer) && !early.is_empty();
            if let Some(row) = shown.get(&message.to_string()).filter(|_| !better) {
                new.extend(webhook::settled(app, conn, row, now)?);
            }
        }
        for (channel, receipt) in early {
            new.extend(receipt::apply(app, conn, channel, &receipt, now)?);
        }
        if let Work::Webhook { webhook, number } = &entry.errand.work {
            webhook::over(conn, entry.errand.company, (*webhook, *number), entry.answer, now)?;
        }
        tell_of_template(app, conn, entry, now)?;
        note(entry);
    }
    Ok(outbox::accept(conn, now, &new)?.into_iter().flatten().collect())
}

/// A template that the vendor does not take concerns more than one message.
fn tell_of_template(app: &App, conn: &mut Conn, entry: &Over<'_>, now: Moment) -> Result<()> {
    let (Work::Send { channel, outgoing, .. }, Answer::Refused { code, text }) = (&entry.errand.work, entry.answer)
    else {
        return Ok(());
    };
    let Some(template) = &outgoing.content.template else { return Ok(()) };
    notice::template_refused(app, conn, (entry.errand.company, *channel), &template.name, (*code, text), now)
}

/// What an answer means for the message and for whoever asked.
#[must_use]
pub fn verdict(answer: &Answer) -> Verdict {
    let error = |code, reason: &str| Verdict { status: Status::Error, code: Some(code), reason: reason.to_owned() };
    match answer {
        Answer::Done { .. } => Verdict { status: Status::Sent, code: None, reason: String::new() },
        Answer::Refused { code: code @ (Code::TooLate | Code::Stopped | Code::Discarded), text } => {
            Verdict { status: Status::NotSent, code: Some(*code), reason: text.clone() }
        }
        Answer::Refused { code, text } => error(*code, text),
        Answer::Nobody { text } => error(Code::Nobody, text),
        // the others come here only when nothing better is known
        Answer::Unsure { seen, .. } | Answer::Down { seen } | Answer::Expired { seen } => {
            Verdict { status: Status::Unknown, code: Some(Code::Unknown), reason: seen.clone() }
        }
        Answer::Busy { .. } => Verdict { status: Status::Unknown, code: Some(Code::Unknown), reason: String::new() },
    }
}

fn history(entry: &Over<'_>, channel: ChannelId, id: &str, outgoing: &Outgoing, now: Moment) -> Result<MessageRow> {
    let verdict = verdict(entry.answer);
    let (vendor_id, chat) = match entry.answer {
        Answer::Done { vendor_ids, chat } => (vendor_ids.first().cloned(), chat.clone()),
        _ => (None, None),
    };
    Ok(MessageRow {
        id: id.to_owned(),
        company: entry.errand.company.to_string(),
        channel: channel.to_string(),
        chat: chat.unwrap_or_else(|| outgoing.to.chat_id()),
        outgoing: true,
        status: verdict.status.to_db(),
        vendor_id,
        content: text(&outgoing.content)?,
        origin: text(&entry.errand.origin)?,
        code: verdict.code.map(|code| code.slug().to_owned()),
        reason: Some(verdict.reason).filter(|reason| !reason.is_empty()),
        accepted_at: entry.errand.accepted_at.0,
        sent_at: (verdict.status == Status::Sent).then_some(now.0),
        delivered_at: None,
        viewed_at: None,
    })
}

/// Messages that vendors took, by the names under which receipts that were faster than the answers to our calls are kept.
fn taken_by_vendors(over: &[Over<'_>]) -> Vec<(String, String)> {
    over.iter().filter(|entry| entry.ours).flat_map(names).collect()
}

/// The vendor's names of a message; where the call ended without one, ours.
fn names(entry: &Over<'_>) -> Vec<(String, String)> {
    let Work::Send { channel, message, .. } = &entry.errand.work else { return Vec::new() };
    let names = match entry.answer {
        Answer::Done { vendor_ids, .. } if !vendor_ids.is_empty() => vendor_ids.clone(),
        answer if is_unknown(answer) || matches!(answer, Answer::Done { .. }) => {
            vec![receipt::kept_name(&message.to_string())]
        }
        _ => Vec::new(),
    };
    names.into_iter().map(|name| (channel.to_string(), name)).collect()
}

fn is_unknown(answer: &Answer) -> bool {
    verdict(answer).status == Status::Unknown
}

fn early_receipts(early: &mut EarlyReceipts, entry: &Over<'_>) -> Result<Vec<(ChannelId, Receipt)>> {
    let Work::Send { channel, .. } = &entry.errand.work else { return Ok(Vec::new()) };
    let found = names(entry).into_iter().filter_map(|name| early.remove(&name)).flatten();
    found.map(|receipt| Ok((*channel, value("early_receipts", &receipt)?))).collect()
}

/// A call for a portal that will never work is worth a line: nobody else hears of it.
fn note(entry: &Over<'_>) {
    if let (Work::PortalCall { method, .. }, Answer::Refused { text, .. }) = (&entry.errand.work, entry.answer) {
        tracing::warn!(method, seen = text, "a portal refused a call");
    }
}

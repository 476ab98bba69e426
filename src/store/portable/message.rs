//! The history of messages, and receipts that were too early.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{ChannelId, CompanyId, MessageId};
use crate::model::status::Status;
use crate::store::Result;
use crate::store::row::{MessageRow, Progress};
use crate::store::schema::{early_receipts, messages};

/// Enters messages into the history. One that another process has entered as unknown takes the better word.
pub fn enter(conn: &mut Connection, rows: &[MessageRow]) -> Result<()> {
    for part in rows.chunks(500) {
        let entered =
            diesel::insert_into(messages::table).values(part).on_conflict(messages::id).do_nothing().execute(conn)?;
        if entered < part.len() {
            for row in part {
                better_word(conn, row)?;
            }
        }
    }
    Ok(())
}

/// A message that was entered as unknown takes the better word.
pub fn better_word(conn: &mut Connection, row: &MessageRow) -> Result<()> {
    let unknown = messages::table.find(&row.id).filter(messages::status.eq(Status::Unknown.to_db()));
    diesel::update(unknown)
        .set((
            messages::status.eq(row.status),
            messages::vendor_id.eq(&row.vendor_id),
            messages::code.eq(&row.code),
            messages::reason.eq(&row.reason),
            messages::sent_at.eq(row.sent_at),
        ))
        .execute(conn)?;
    Ok(())
}

/// One message of a company.
pub fn by_id(conn: &mut Connection, company: CompanyId, id: MessageId) -> Result<Option<MessageRow>> {
    Ok(messages::table
        .find(id.to_string())
        .filter(messages::company.eq(company.to_string()))
        .select(MessageRow::as_select())
        .first(conn)
        .optional()?)
}

/// The message that a vendor names, on one channel: only for names that no two chats share, see [`in_chat`].
pub fn by_vendor_id(conn: &mut Connection, channel: ChannelId, vendor_id: &str) -> Result<Option<MessageRow>> {
    Ok(messages::table
        .filter(messages::channel.eq(channel.to_string()).and(messages::vendor_id.eq(vendor_id)))
        .select(MessageRow::as_select())
        .first(conn)
        .optional()?)
}

/// The message that a vendor names, in a chat of a channel. A name that is a number alone may be given anew in each chat, so the
/// chat decides about it; any other name is unique, and the chat may be known under another one.
pub fn in_chat(conn: &mut Connection, channel: ChannelId, chat: &str, vendor_id: &str) -> Result<Option<MessageRow>> {
    let mut found = all_by_vendor_id(conn, channel, vendor_id)?;
    let exact = found.iter().position(|row| row.chat == chat);
    let is_number = !vendor_id.is_empty() && vendor_id.bytes().all(|byte| byte.is_ascii_digit());
    let loose = || (!is_number && !found.is_empty()).then_some(0);
    Ok(exact.or_else(loose).map(|at| found.swap_remove(at)))
}

/// The messages that a vendor names so, on one channel: some vendors count anew in each chat.
pub fn all_by_vendor_id(conn: &mut Connection, channel: ChannelId, vendor_id: &str) -> Result<Vec<MessageRow>> {
    Ok(messages::table
        .filter(messages::channel.eq(channel.to_string()).and(messages::vendor_id.eq(vendor_id)))
        .order(messages::id.desc())
        .limit(100)
        .select(MessageRow::as_select())
        .load(conn)?)
}

/// A message says something else than was first heard.
pub fn rewrite(conn: &mut Connection, channel: ChannelId, vendor_id: &str, content: &str) -> Result<()> {
    let known =
        messages::table.filter(messages::channel.eq(channel.to_string()).and(messages::vendor_id.eq(vendor_id)));
    diesel::update(known).set(messages::content.eq(content)).execute(conn)?;
    Ok(())
}

/// What a message of a company says is kept in another form: its file lies elsewhere by now.
pub fn set_content(conn: &mut Connection, company: CompanyId, id: &str, content: &str) -> Result<()> {
    let row = messages::table.find(id).filter(messages::company.eq(company.to_string()));
    diesel::update(row).set(messages::content.eq(content)).execute(conn)?;
    Ok(())
}

/// A message of a channel, by our own id.
pub fn of_channel(conn: &mut Connection, channel: ChannelId, id: MessageId) -> Result<Option<MessageRow>> {
    Ok(messages::table
        .find(id.to_string())
        .filter(messages::channel.eq(channel.to_string()))
        .select(MessageRow::as_select())
        .first(conn)
        .optional()?)
}

/// Our messages in a chat that may still be read by the other side, newest first; at most `limit`.
pub fn unread(conn: &mut Connection, channel: ChannelId, chat: &str, limit: i64) -> Result<Vec<MessageRow>> {
    let open = [Status::Sent, Status::Delivered].map(Status::to_db);
    let of_chat = messages::channel.eq(channel.to_string()).and(messages::chat.eq(chat));
    Ok(messages::table
        .filter(of_chat.and(messages::outgoing.eq(true)).and(messages::status.eq_any(open)))
        .order(messages::id.desc())
        .limit(limit)
        .select(MessageRow::as_select())
        .load(conn)?)
}

/// The chats of a channel with messages of ours that left since a moment and were not read, newest first, each with the moment
/// of the newest one.
pub fn unread_chats(conn: &mut Connection, channel: ChannelId, since: i64, limit: i64) -> Result<Vec<(String, i64)>> {
    let open = [Status::Sent, Status::Delivered].map(Status::to_db);
    let ours = messages::channel.eq(channel.to_string()).and(messages::outgoing.eq(true));
    let found: Vec<(String, Option<i64>)> = messages::table
        .filter(ours.and(messages::status.eq_any(open)).and(messages::sent_at.ge(since)))
        .filter(messages::vendor_id.is_not_null())
        .group_by(messages::chat)
        .order(diesel::dsl::max(messages::sent_at).desc())
        .limit(limit)
        .select((messages::chat, diesel::dsl::max(messages::sent_at)))
        .load(conn)?;
    Ok(found.into_iter().filter_map(|(chat, at)| Some((chat, at?))).collect())
}

/// Our messages in a chat for which the vendor told no name, accepted since a moment, oldest first: their fate is unknown, or
/// the vendor took them again and named them the first time only.
pub fn nameless_since(
    conn: &mut Connection,
    channel: ChannelId,
    chats: &[String],
    since: i64,
) -> Result<Vec<MessageRow>> {
    let of_chat = messages::channel.eq(channel.to_string()).and(messages::chat.eq_any(chats));
    let left = [Status::Unknown, Status::Sent].map(Status::to_db);
    let unknown = messages::outgoing.eq(true).and(messages::status.eq_any(left));
    Ok(messages::table
        .filter(of_chat.and(unknown).and(messages::vendor_id.is_null()).and(messages::accepted_at.ge(since)))
        .order(messages::id)
        .limit(100)
        .select(MessageRow::as_select())
        .load(conn)?)
}

/// The newest messages of a company, newest first.
pub fn newest(conn: &mut Connection, company: CompanyId, limit: i64) -> Result<Vec<MessageRow>> {
    Ok(messages::table
        .filter(messages::company.eq(company.to_string()))
        .order(messages::id.desc())
        .limit(limit)
        .select(MessageRow::as_select())
        .load(conn)?)
}

/// The chat of a message as the vendor calls it: whoever asked knew a phone or a name alone.
pub fn set_chat(conn: &mut Connection, id: &str, chat: &str) -> Result<()> {
    diesel::update(messages::table.find(id)).set(messages::chat.eq(chat)).execute(conn)?;
    Ok(())
}

/// Gives a message of unknown fate the name that the vendor has for it.
pub fn name(conn: &mut Connection, id: &str, vendor_id: &str) -> Result<()> {
    let unnamed = messages::table.find(id).filter(messages::vendor_id.is_null());
    diesel::update(unnamed).set(messages::vendor_id.eq(vendor_id)).execute(conn)?;
    Ok(())
}

/// Moves a message on, if it still has the status that the caller saw; tells whether it had.
pub fn advance(conn: &mut Connection, id: &str, from: i16, to: &Progress) -> Result<bool> {
    let row = messages::table.find(id).filter(messages::status.eq(from));
    Ok(diesel::update(row).set(to).execute(conn)? == 1)
}

/// Writes down when something was seen, where that is not known yet.
pub fn remember(conn: &mut Connection, id: &str, seen: Status, at: i64) -> Result<()> {
    let row = messages::table.find(id);
    match seen {
        Status::Sent => {
            diesel::update(row.filter(messages::sent_at.is_null())).set(messages::sent_at.eq(at)).execute(conn)?
        }
        Status::Delivered => diesel::update(row.filter(messages::delivered_at.is_null()))
            .set(messages::delivered_at.eq(at))
            .execute(conn)?,
        Status::Viewed => {
            diesel::update(row.filter(messages::viewed_at.is_null())).set(messages::viewed_at.eq(at)).execute(conn)?
        }
        Status::Error | Status::Unknown | Status::NotSent => 0,
    };
    Ok(())
}

/// Forgets messages that were accepted before a moment; at most `limit`, so that nobody waits long.
pub fn forget(conn: &mut Connection, before: i64, limit: i64) -> Result<usize> {
    // ids rise with time, so the oldest are found without a search
    let ids: Vec<String> = messages::table
        .order(messages::id)
        .limit(limit)
        .select((messages::id, messages::accepted_at))
        .load::<(String, i64)>(conn)?
        .into_iter()
        .filter_map(|(id, accepted_at)| (accepted_at < before).then_some(id))
        .collect();
    super::arrival::forget(conn, &ids)?;
    Ok(diesel::delete(messages::table.filter(messages::id.eq_any(ids))).execute(conn)?)
}

/// Keeps a receipt whose message has not been entered yet.
pub fn keep_receipt(conn: &mut Connection, channel: ChannelId, vendor_id: &str, receipt: &str, now: i64) -> Result<()> {
    diesel::insert_into(early_receipts::table)
        .values((
            early_receipts::channel.eq(channel.to_string()),
            early_receipts::vendor_id.eq(vendor_id),
            early_receipts::receipt.eq(receipt),
            early_receipts::received_at.eq(now),
        ))
        .execute(conn)?;
    Ok(())
}

/// Takes the receipts that came before their message.
pub fn take_receipts(conn: &mut Connection, channel: ChannelId, vendor_ids: &[String]) -> Result<Vec<String>> {
    let early = early_receipts::table
        .filter(early_receipts::channel.eq(channel.to_string()).and(early_receipts::vendor_id.eq_any(vendor_ids)));
    Ok(diesel::delete(early).returning(early_receipts::receipt).get_results(conn)?)
}

/// Kept receipts whose message has been entered after all: the two transactions did not see each other. The channel and the
/// vendor's id of each message.
pub fn overlooked_receipts(conn: &mut Connection, limit: i64) -> Result<Vec<(String, String)>> {
    let entered =
        messages::channel.eq(early_receipts::channel).and(messages::vendor_id.eq(early_receipts::vendor_id.nullable()));
    Ok(early_receipts::table
        .inner_join(messages::table.on(entered))
        .order(early_receipts::id)
        .limit(limit)
        .select((early_receipts::channel, early_receipts::vendor_id))
        .load(conn)?)
}

/// The newest receipts that are kept under our own key, whose name begins so: the channel and the name of each.
pub fn receipts_by_key(conn: &mut Connection, begins: &str, limit: i64) -> Result<Vec<(String, String)>> {
    Ok(early_receipts::table
        .filter(early_receipts::vendor_id.like(format!("{begins}%")))
        .order(early_receipts::id.desc())
        .limit(limit)
        .select((early_receipts::channel, early_receipts::vendor_id))
        .load(conn)?)
}

/// Forgets receipts that nobody asked for.
pub fn forget_receipts(conn: &mut Connection, before: i64) -> Result<usize> {
    Ok(diesel::delete(early_receipts::table.filter(early_receipts::received_at.lt(before))).execute(conn)?)
}

/// The messages of a chat, newest first, older than `before` where that is given; at most `limit`.
pub fn of_chat(
    conn: &mut Connection,
    company: CompanyId,
    channel: ChannelId,
    chat: &str,
    before: Option<MessageId>,
    limit: i64,
) -> Result<Vec<MessageRow>> {
    let of_chat = messages::channel.eq(channel.to_string()).and(messages::chat.eq(chat));
    let mut found = messages::table
        .filter(of_chat.and(messages::company.eq(company.to_string())))
        .order(messages::id.desc())
        .limit(limit)
        .select(MessageRow::as_select())
        .into_boxed();
    if let Some(before) = before {
        found = found.filter(messages::id.lt(before.to_string()));
    }
    Ok(found.load(conn)?)
}

//! What looks at phones told: whether they have the messenger, and under which chat they are written to.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::ChannelId;
use crate::store::Result;
use crate::store::schema::phone_checks;

/// The chats of phones that were looked at since a moment; a phone without the messenger has none.
pub fn known(
    conn: &mut Connection,
    channel: ChannelId,
    phones: &[String],
    since: i64,
) -> Result<Vec<(String, Option<String>, i64)>> {
    Ok(phone_checks::table
        .filter(phone_checks::channel.eq(channel.to_string()).and(phone_checks::phone.eq_any(phones)))
        .filter(phone_checks::checked_at.ge(since))
        .select((phone_checks::phone, phone_checks::chat, phone_checks::checked_at))
        .load(conn)?)
}

/// How many phones were looked at since a moment.
pub fn count(conn: &mut Connection, channel: ChannelId, since: i64) -> Result<i64> {
    Ok(phone_checks::table
        .filter(phone_checks::channel.eq(channel.to_string()).and(phone_checks::checked_at.ge(since)))
        .count()
        .get_result(conn)?)
}

/// Keeps what a look told.
pub fn keep(conn: &mut Connection, channel: ChannelId, phone: &str, chat: Option<&str>, now: i64) -> Result<()> {
    let told = (phone_checks::chat.eq(chat), phone_checks::checked_at.eq(now));
    let known = phone_checks::table.find((channel.to_string(), phone));
    if diesel::update(known).set(told).execute(conn)? == 0 {
        let new = (phone_checks::channel.eq(channel.to_string()), phone_checks::phone.eq(phone));
        diesel::insert_into(phone_checks::table).values((new, told)).on_conflict_do_nothing().execute(conn)?;
    }
    Ok(())
}

/// Forgets what was told before a moment.
pub fn forget(conn: &mut Connection, before: i64) -> Result<usize> {
    Ok(diesel::delete(phone_checks::table.filter(phone_checks::checked_at.lt(before))).execute(conn)?)
}

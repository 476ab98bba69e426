//! How channels fare, and what people are to be told of it.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{ChannelId, CompanyId};
use crate::store::Result;
use crate::store::row::{ChannelRow, HealthRow};
use crate::store::schema::{channels, healths};

/// How often the moment of the last receipt or message is written, in milliseconds: nobody looks closer.
const CLOSE_MS: i64 = 1_000;

/// How the channels of a company fare.
pub fn of_company(conn: &mut Connection, company: CompanyId) -> Result<Vec<HealthRow>> {
    Ok(healths::table.filter(healths::company.eq(company.to_string())).select(HealthRow::as_select()).load(conn)?)
}

/// How one channel fares.
pub fn of_channel(conn: &mut Connection, channel: ChannelId) -> Result<Option<HealthRow>> {
    Ok(healths::table.find(channel.to_string()).select(HealthRow::as_select()).first(conn).optional()?)
}

/// A receipt came; tells whether that was written.
pub fn set_receipt(conn: &mut Connection, channel: ChannelId, now: i64) -> Result<bool> {
    let older = healths::receipt_at.is_null().or(healths::receipt_at.le(now - CLOSE_MS));
    let row = healths::table.find(channel.to_string()).filter(older);
    Ok(diesel::update(row).set(healths::receipt_at.eq(now)).execute(conn)? == 1)
}

/// A message came in; tells whether that was written.
pub fn set_message(conn: &mut Connection, channel: ChannelId, now: i64) -> Result<bool> {
    let older = healths::message_at.is_null().or(healths::message_at.le(now - CLOSE_MS));
    let row = healths::table.find(channel.to_string()).filter(older);
    Ok(diesel::update(row).set(healths::message_at.eq(now)).execute(conn)? == 1)
}

/// Something went wrong.
pub fn set_error(conn: &mut Connection, channel: ChannelId, code: &str, said: &str, now: i64) -> Result<()> {
    diesel::update(healths::table.find(channel.to_string()))
        .set((healths::error_at.eq(now), healths::error_code.eq(code), healths::error.eq(said)))
        .execute(conn)?;
    Ok(())
}

/// The vendor suspects spam; tells whether that is news.
pub fn suspect(conn: &mut Connection, channel: ChannelId, said: &str, now: i64, until: i64) -> Result<bool> {
    let row = || healths::table.find(channel.to_string());
    let over = healths::suspect_at.is_null().or(healths::suspect_until.le(now));
    let new = diesel::update(row().filter(over)).set(healths::suspect_at.eq(now)).execute(conn)? == 1;
    diesel::update(row()).set((healths::suspect_until.eq(until), healths::suspect.eq(said))).execute(conn)?;
    Ok(new)
}

/// The vendor suspects nothing any more; tells whether it did. Where `until` is given, only what ends by then.
pub fn clear_suspicion(conn: &mut Connection, channel: ChannelId, until: Option<i64>) -> Result<bool> {
    let row = healths::table.find(channel.to_string()).filter(healths::suspect_at.is_not_null());
    let none = (
        healths::suspect_at.eq(None::<i64>),
        healths::suspect_until.eq(None::<i64>),
        healths::suspect.eq(None::<String>),
    );
    let cleared = match until {
        None => diesel::update(row).set(none).execute(conn)?,
        Some(until) => diesel::update(row.filter(healths::suspect_until.le(until))).set(none).execute(conn)?,
    };
    Ok(cleared == 1)
}

/// Channels whose suspicion is over, of whatever company: for the herald alone.
pub fn suspected_until(conn: &mut Connection, now: i64, limit: i64) -> Result<Vec<ChannelRow>> {
    Ok(channels::table
        .inner_join(healths::table.on(healths::channel.eq(channels::id)))
        .filter(healths::suspect_until.le(now))
        .limit(limit)
        .select(ChannelRow::as_select())
        .load(conn)?)
}

/// The channel was lost: people are told at a moment, unless that was planned already.
pub fn fall(conn: &mut Connection, channel: ChannelId, now: i64, tell_at: i64) -> Result<()> {
    let row = || healths::table.find(channel.to_string());
    diesel::update(row()).set(healths::falls.eq(healths::falls + 1)).execute(conn)?;
    plan(conn, channel, now, tell_at)
}

/// The channel came back: where people believe it lost, they are told at a moment.
pub fn rise(conn: &mut Connection, channel: ChannelId, now: i64, tell_at: i64) -> Result<()> {
    let row = || healths::table.find(channel.to_string());
    // waits for whoever tells people in this very moment: what they were told decides
    diesel::update(row()).set(healths::falls.eq(healths::falls)).execute(conn)?;
    let told: Option<bool> = row().select(healths::told_lost).first(conn).optional()?;
    if told == Some(true) { plan(conn, channel, now, tell_at) } else { Ok(()) }
}

fn plan(conn: &mut Connection, channel: ChannelId, now: i64, tell_at: i64) -> Result<()> {
    let row = healths::table.find(channel.to_string()).filter(healths::tell_at.is_null());
    diesel::update(row).set((healths::turned_at.eq(now), healths::tell_at.eq(tell_at))).execute(conn)?;
    Ok(())
}

/// Nobody is to be told, and nobody believes it lost: a person switched it off.
pub fn forget_turns(conn: &mut Connection, channel: ChannelId) -> Result<()> {
    diesel::update(healths::table.find(channel.to_string())).set(told(false)).execute(conn)?;
    Ok(())
}

/// Channels about which people are to be told something, of whatever company: for the herald alone.
pub fn to_tell(conn: &mut Connection, now: i64, limit: i64) -> Result<Vec<HealthRow>> {
    Ok(healths::table
        .filter(healths::tell_at.le(now))
        .order(healths::tell_at)
        .limit(limit)
        .select(HealthRow::as_select())
        .load(conn)?)
}

/// Takes the right to tell people what was planned for a moment; one process has it once.
pub fn take(conn: &mut Connection, channel: &str, tell_at: i64) -> Result<bool> {
    let row = healths::table.find(channel).filter(healths::tell_at.eq(tell_at));
    Ok(diesel::update(row).set(healths::tell_at.eq(None::<i64>)).execute(conn)? == 1)
}

/// Keeps what people were told.
pub fn set_told(conn: &mut Connection, channel: &str, lost: bool) -> Result<()> {
    diesel::update(healths::table.find(channel)).set(told(lost)).execute(conn)?;
    Ok(())
}

type Told = (
    diesel::dsl::Eq<healths::told_lost, bool>,
    diesel::dsl::Eq<healths::turned_at, Option<i64>>,
    diesel::dsl::Eq<healths::falls, i32>,
    diesel::dsl::Eq<healths::tell_at, Option<i64>>,
);

fn told(lost: bool) -> Told {
    (
        healths::told_lost.eq(lost),
        healths::turned_at.eq(None::<i64>),
        healths::falls.eq(0),
        healths::tell_at.eq(None::<i64>),
    )
}

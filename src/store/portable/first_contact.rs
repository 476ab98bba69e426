//! Strangers whom a channel wrote to first: vendors limit how many there may be.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{ChannelId, CompanyId};
use crate::store::Result;
use crate::store::schema::{first_contacts, first_gates};

/// Whether somebody was written to first before, and the chat where it is known.
pub fn known(conn: &mut Connection, channel: ChannelId, peer: &str) -> Result<Option<Option<String>>> {
    let row = first_contacts::table.find((channel.to_string(), peer)).select(first_contacts::chat);
    Ok(row.first(conn).optional()?)
}

/// When strangers were written to since a moment, oldest first: phones, or else names.
pub fn since(conn: &mut Connection, channel: ChannelId, phones: bool, since: i64) -> Result<Vec<i64>> {
    let rows = first_contacts::table
        .filter(first_contacts::channel.eq(channel.to_string()).and(first_contacts::begun_at.gt(since)))
        .select(first_contacts::begun_at)
        .order(first_contacts::begun_at);
    Ok(if phones {
        rows.filter(first_contacts::peer.not_like("@%")).load(conn)?
    } else {
        rows.filter(first_contacts::peer.like("@%")).load(conn)?
    })
}

/// When the latest phone was written to first, and until when nobody may be; nothing where there is no gate yet.
pub fn gate(conn: &mut Connection, channel: ChannelId) -> Result<Option<(i64, i64)>> {
    let row = first_gates::table.find(channel.to_string()).select((first_gates::last_at, first_gates::held_until));
    Ok(row.first(conn).optional()?)
}

/// Passes the gate, if the latest one passed at this moment or before; tells whether that was so.
pub fn pass(conn: &mut Connection, company: CompanyId, channel: ChannelId, before: i64, now: i64) -> Result<bool> {
    let new = (
        first_gates::channel.eq(channel.to_string()),
        first_gates::company.eq(company.to_string()),
        first_gates::last_at.eq(now),
        first_gates::held_until.eq(0),
    );
    if diesel::insert_into(first_gates::table).values(new).on_conflict_do_nothing().execute(conn)? == 1 {
        return Ok(true);
    }
    let row = first_gates::table.find(channel.to_string()).filter(first_gates::last_at.le(before));
    Ok(diesel::update(row).set(first_gates::last_at.eq(now)).execute(conn)? == 1)
}

/// Nobody is written to first until a moment.
pub fn hold(conn: &mut Connection, company: CompanyId, channel: ChannelId, until: i64) -> Result<()> {
    let new = (
        first_gates::channel.eq(channel.to_string()),
        first_gates::company.eq(company.to_string()),
        first_gates::last_at.eq(0),
        first_gates::held_until.eq(until),
    );
    diesel::insert_into(first_gates::table)
        .values(new)
        .on_conflict(first_gates::channel)
        .do_update()
        .set(first_gates::held_until.eq(until))
        .execute(conn)?;
    Ok(())
}

/// Somebody is written to first.
pub fn begin(conn: &mut Connection, company: CompanyId, channel: ChannelId, peer: &str, now: i64) -> Result<()> {
    let new = (
        first_contacts::channel.eq(channel.to_string()),
        first_contacts::company.eq(company.to_string()),
        first_contacts::peer.eq(peer),
        first_contacts::begun_at.eq(now),
    );
    diesel::insert_into(first_contacts::table).values(new).on_conflict_do_nothing().execute(conn)?;
    Ok(())
}

/// The chat of somebody became known.
pub fn name(conn: &mut Connection, channel: ChannelId, peer: &str, chat: &str) -> Result<()> {
    let row = first_contacts::table.find((channel.to_string(), peer));
    diesel::update(row).set(first_contacts::chat.eq(chat)).execute(conn)?;
    Ok(())
}

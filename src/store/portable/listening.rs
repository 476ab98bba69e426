//! Where listening channels go on from, and how they fare.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{ChannelId, CompanyId};
use crate::store::Result;
use crate::store::row::{ChannelRow, ListeningRow};
use crate::store::schema::{channels, lanes, listenings};

/// The connected channels of these messengers and the shards of their lanes, of whatever company: for the listener alone.
pub fn channels(conn: &mut Connection, messengers: &[&str]) -> Result<Vec<(ChannelRow, i16)>> {
    Ok(channels::table
        .inner_join(lanes::table.on(lanes::id.eq(channels::lane)))
        .filter(channels::state.eq("connected").and(channels::messenger.eq_any(messengers)))
        .order(channels::id)
        .select((ChannelRow::as_select(), lanes::shard))
        .load(conn)?)
}

/// Where a channel goes on from; none where it never listened.
pub fn cursor(conn: &mut Connection, channel: ChannelId) -> Result<Option<String>> {
    let row = listenings::table.find(channel.to_string()).select(listenings::cursor);
    Ok(row.first::<Option<String>>(conn).optional()?.flatten())
}

/// Makes the row of a channel where there is none.
pub fn enter(conn: &mut Connection, company: CompanyId, channel: ChannelId) -> Result<()> {
    diesel::insert_into(listenings::table)
        .values((listenings::channel.eq(channel.to_string()), listenings::company.eq(company.to_string())))
        .on_conflict_do_nothing()
        .execute(conn)?;
    Ok(())
}

/// The channel begins here, where it goes on from nowhere yet.
pub fn begin(conn: &mut Connection, company: CompanyId, channel: ChannelId, cursor: Option<&str>) -> Result<()> {
    let Some(cursor) = cursor else { return Ok(()) };
    enter(conn, company, channel)?;
    let row = listenings::table.find(channel.to_string()).filter(listenings::cursor.is_null());
    diesel::update(row).set(listenings::cursor.eq(cursor)).execute(conn)?;
    Ok(())
}

/// The channel goes on from here, or from nowhere: what it listened to is another thing now.
pub fn begin_anew(conn: &mut Connection, channel: ChannelId, cursor: Option<&str>) -> Result<()> {
    let row = listenings::table.find(channel.to_string());
    diesel::update(row).set(listenings::cursor.eq(cursor)).execute(conn)?;
    Ok(())
}

/// From here the channel goes on; `heard` tells that something came.
pub fn advance(conn: &mut Connection, channel: ChannelId, cursor: &str, heard: bool, now: i64) -> Result<()> {
    let row = || listenings::table.find(channel.to_string());
    diesel::update(row()).set(listenings::cursor.eq(cursor)).execute(conn)?;
    if heard {
        diesel::update(row()).set(listenings::heard_at.eq(now)).execute(conn)?;
    }
    Ok(())
}

/// Messages may have been missed.
pub fn set_gap(conn: &mut Connection, channel: ChannelId, now: i64) -> Result<()> {
    diesel::update(listenings::table.find(channel.to_string())).set(listenings::gap_at.eq(now)).execute(conn)?;
    Ok(())
}

/// The connection stands.
pub fn set_connected(conn: &mut Connection, channel: ChannelId, now: i64) -> Result<()> {
    diesel::update(listenings::table.find(channel.to_string()))
        .set((
            listenings::connected_at.eq(now),
            listenings::error_at.eq(None::<i64>),
            listenings::error.eq(None::<String>),
        ))
        .execute(conn)?;
    Ok(())
}

/// The connection is away, and why.
pub fn set_error(conn: &mut Connection, channel: ChannelId, error: &str, now: i64) -> Result<()> {
    let row = || listenings::table.find(channel.to_string());
    diesel::update(row()).set((listenings::connected_at.eq(None::<i64>), listenings::error.eq(error))).execute(conn)?;
    // a trouble that goes on keeps the moment at which it began
    diesel::update(row().filter(listenings::error_at.is_null())).set(listenings::error_at.eq(now)).execute(conn)?;
    Ok(())
}

/// How the listening channels of a company fare.
pub fn of_company(conn: &mut Connection, company: CompanyId) -> Result<Vec<ListeningRow>> {
    Ok(listenings::table
        .filter(listenings::company.eq(company.to_string()))
        .select(ListeningRow::as_select())
        .load(conn)?)
}

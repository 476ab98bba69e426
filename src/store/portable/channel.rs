//! Channels.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{ChannelId, CompanyId, LaneId, LineId};
use crate::store::Result;
use crate::store::row::ChannelRow;
use crate::store::schema::{channels, healths};

/// Attaches a channel.
pub fn create(conn: &mut Connection, row: &ChannelRow) -> Result<()> {
    diesel::insert_into(channels::table).values(row).execute(conn)?;
    diesel::insert_into(healths::table)
        .values((
            healths::channel.eq(&row.id),
            healths::company.eq(&row.company),
            healths::told_lost.eq(false),
            healths::falls.eq(0),
        ))
        .execute(conn)?;
    Ok(())
}

/// One channel of a company.
pub fn by_id(conn: &mut Connection, company: CompanyId, id: ChannelId) -> Result<Option<ChannelRow>> {
    Ok(channels::table
        .find(id.to_string())
        .filter(channels::company.eq(company.to_string()))
        .select(ChannelRow::as_select())
        .first(conn)
        .optional()?)
}

/// Channels of a messenger that are connected, whosever they are, after one of them: for a look at what their vendors do.
pub fn connected(conn: &mut Connection, messenger: &str, after: &str, limit: i64) -> Result<Vec<ChannelRow>> {
    Ok(channels::table
        .filter(channels::messenger.eq(messenger).and(channels::state.eq("connected")).and(channels::id.gt(after)))
        .order(channels::id)
        .limit(limit)
        .select(ChannelRow::as_select())
        .load(conn)?)
}

/// Channels by their ids, whosever they are: for the pump alone.
pub fn by_ids(conn: &mut Connection, ids: &[ChannelId]) -> Result<Vec<ChannelRow>> {
    let ids = ids.iter().map(ToString::to_string);
    Ok(channels::table.filter(channels::id.eq_any(ids)).select(ChannelRow::as_select()).load(conn)?)
}

/// A channel, whosever it is: for a delivery that was proven when it came.
pub fn whosever(conn: &mut Connection, id: ChannelId) -> Result<Option<ChannelRow>> {
    Ok(channels::table.find(id.to_string()).select(ChannelRow::as_select()).first(conn).optional()?)
}

/// The channel whose deliveries come to this address; the key is the proof of company.
pub fn by_hook_key(conn: &mut Connection, key: &str) -> Result<Option<ChannelRow>> {
    Ok(channels::table.filter(channels::hook_key.eq(key)).select(ChannelRow::as_select()).first(conn).optional()?)
}

/// The channel of a vendor's account, whosever it is: an account is attached once.
pub fn by_account(conn: &mut Connection, messenger: &str, account: &str) -> Result<Option<ChannelRow>> {
    Ok(channels::table
        .filter(channels::messenger.eq(messenger).and(channels::account.eq(account)))
        .select(ChannelRow::as_select())
        .first(conn)
        .optional()?)
}

/// Settings of the other channels of a messenger that are not off, whosever they are: for what several of them share at its vendor.
pub fn settings_beside(conn: &mut Connection, messenger: &str, id: &str) -> Result<Vec<String>> {
    let others = channels::messenger.eq(messenger).and(channels::id.ne(id)).and(channels::state.ne("off"));
    Ok(channels::table.filter(others).select(channels::settings).load(conn)?)
}

/// The channels of a line, oldest first.
pub fn of_line(conn: &mut Connection, company: CompanyId, line: LineId) -> Result<Vec<ChannelRow>> {
    Ok(channels::table
        .filter(channels::company.eq(company.to_string()).and(channels::line.eq(line)))
        .order(channels::id)
        .select(ChannelRow::as_select())
        .load(conn)?)
}

/// The channels of a company, oldest first.
pub fn of_company(conn: &mut Connection, company: CompanyId) -> Result<Vec<ChannelRow>> {
    Ok(channels::table
        .filter(channels::company.eq(company.to_string()))
        .order(channels::id)
        .select(ChannelRow::as_select())
        .load(conn)?)
}

/// The channel of a lane.
pub fn of_lane(conn: &mut Connection, company: CompanyId, lane: LaneId) -> Result<Option<ChannelRow>> {
    Ok(channels::table
        .filter(channels::company.eq(company.to_string()).and(channels::lane.eq(lane)))
        .select(ChannelRow::as_select())
        .first(conn)
        .optional()?)
}

/// Moves a channel from one of the states to another; tells whether it was in one of them.
pub fn set_state(
    conn: &mut Connection,
    company: CompanyId,
    id: ChannelId,
    from: &[&str],
    to: &str,
    reason: Option<&str>,
) -> Result<bool> {
    let channel = channels::table
        .find(id.to_string())
        .filter(channels::company.eq(company.to_string()).and(channels::state.eq_any(from)));
    Ok(diesel::update(channel).set((channels::state.eq(to), channels::lost_reason.eq(reason))).execute(conn)? == 1)
}

/// The session behind a lost channel works again by itself; tells whether it was lost. One that a person switched off stays so.
pub fn come_up(conn: &mut Connection, company: CompanyId, id: ChannelId, now: i64) -> Result<bool> {
    let lost = channels::table
        .find(id.to_string())
        .filter(channels::company.eq(company.to_string()).and(channels::state.eq_any(["relink", "lost"])));
    let up =
        (channels::state.eq("connected"), channels::lost_reason.eq(None::<String>), channels::connected_at.eq(now));
    Ok(diesel::update(lost).set(up).execute(conn)? == 1)
}

/// Attaches a lost channel again: its secrets, its settings, its line.
pub fn renew(
    conn: &mut Connection,
    company: CompanyId,
    id: ChannelId,
    secrets: &str,
    settings: &str,
    now: i64,
) -> Result<bool> {
    let channel = channels::table.find(id.to_string()).filter(channels::company.eq(company.to_string()));
    Ok(diesel::update(channel)
        .set((
            channels::secrets.eq(secrets),
            channels::settings.eq(settings),
            channels::state.eq("connected"),
            channels::lost_reason.eq(None::<String>),
            channels::connected_at.eq(now),
            // whoever renews the old secrets just now comes too late
            channels::renewer.eq(None::<String>),
            channels::renewer_until.eq(None::<i64>),
        ))
        .execute(conn)?
        == 1)
}

/// Changes a channel's secrets, settings and account, if the first two are still what was read.
pub fn configure(
    conn: &mut Connection,
    company: CompanyId,
    id: ChannelId,
    (secrets, settings): (&str, &str),
    (new_secrets, new_settings, account): (&str, &str, &str),
) -> Result<bool> {
    let read = channels::secrets.eq(secrets).and(channels::settings.eq(settings));
    let channel = channels::table.find(id.to_string()).filter(channels::company.eq(company.to_string()).and(read));
    let new = (channels::secrets.eq(new_secrets), channels::settings.eq(new_settings), channels::account.eq(account));
    Ok(diesel::update(channel).set(new).execute(conn)? == 1)
}

/// Gives somebody the right to renew a channel's secrets, if they are still what was read and nobody has it.
pub fn lease_secrets(
    conn: &mut Connection,
    company: CompanyId,
    id: ChannelId,
    seen: &str,
    owner: &str,
    now: i64,
    until: i64,
) -> Result<bool> {
    let free = channels::renewer_until.is_null().or(channels::renewer_until.lt(now));
    let channel = channels::table.find(id.to_string()).filter(
        channels::company.eq(company.to_string()).and(channels::secrets.eq(seen)).and(channels::state.eq("connected")),
    );
    Ok(diesel::update(channel.filter(free))
        .set((channels::renewer.eq(owner), channels::renewer_until.eq(until)))
        .execute(conn)?
        == 1)
}

/// Replaces a channel's secrets and gives the right to renew them back, if it is still held.
pub fn keep_secrets(
    conn: &mut Connection,
    company: CompanyId,
    id: ChannelId,
    owner: &str,
    secrets: &str,
) -> Result<bool> {
    let held = channels::company.eq(company.to_string()).and(channels::renewer.eq(owner));
    Ok(diesel::update(channels::table.find(id.to_string()).filter(held))
        .set((
            channels::secrets.eq(secrets),
            channels::renewer.eq(None::<String>),
            channels::renewer_until.eq(None::<i64>),
        ))
        .execute(conn)?
        == 1)
}

/// Gives the right to renew back without having renewed.
pub fn drop_lease(conn: &mut Connection, company: CompanyId, id: ChannelId, owner: &str) -> Result<bool> {
    let held = channels::company.eq(company.to_string()).and(channels::renewer.eq(owner));
    Ok(diesel::update(channels::table.find(id.to_string()).filter(held))
        .set((channels::renewer.eq(None::<String>), channels::renewer_until.eq(None::<i64>)))
        .execute(conn)?
        == 1)
}

/// Replaces sealed secrets, if they are still what was read.
pub fn reseal(conn: &mut Connection, id: &str, from: &str, to: &str) -> Result<bool> {
    let channel = channels::table.find(id).filter(channels::secrets.eq(from));
    Ok(diesel::update(channel).set(channels::secrets.eq(to)).execute(conn)? == 1)
}

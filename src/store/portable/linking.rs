//! Devices that are being linked, and how the sessions behind channels stand.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{ChannelId, CompanyId, LineId};
use crate::store::Result;
use crate::store::schema::{channel_links, channels, linkings};

/// The address of a linking of this line that has not become a channel.
pub fn open(conn: &mut Connection, company: CompanyId, line: LineId, messenger: &str) -> Result<Option<String>> {
    let taken = channels::table.filter(channels::hook_key.eq(linkings::hook_key));
    Ok(linkings::table
        .filter(linkings::company.eq(company.to_string()).and(linkings::line.eq(line)))
        .filter(linkings::messenger.eq(messenger).and(diesel::dsl::not(diesel::dsl::exists(taken))))
        .select(linkings::hook_key)
        .first(conn)
        .optional()?)
}

/// Counts one more try, at most `most` from `since` on; tells whether it may be made. Tries before the moment are forgotten.
pub fn try_once(
    conn: &mut Connection,
    (company, line, messenger): (CompanyId, LineId, &str),
    hook_key: &str,
    (since, now): (i64, i64),
    most: i32,
) -> Result<bool> {
    let mine = linkings::table.find(hook_key).filter(linkings::company.eq(company.to_string()));
    let fresh = (linkings::tries.eq(1), linkings::tries_since.eq(now));
    if diesel::update(mine.clone().filter(linkings::tries_since.lt(since))).set(fresh).execute(conn)? == 1 {
        return Ok(true);
    }
    let more = diesel::update(mine.filter(linkings::tries.lt(most))).set(linkings::tries.eq(linkings::tries + 1));
    if more.execute(conn)? == 1 {
        return Ok(true);
    }
    let made = diesel::insert_into(linkings::table)
        .values((
            linkings::hook_key.eq(hook_key),
            linkings::company.eq(company.to_string()),
            linkings::line.eq(line),
            linkings::messenger.eq(messenger),
            linkings::tries.eq(1),
            linkings::tries_since.eq(now),
        ))
        .on_conflict_do_nothing()
        .execute(conn)?;
    Ok(made == 1)
}

/// The linking became a channel.
pub fn end(conn: &mut Connection, company: CompanyId, hook_key: &str) -> Result<()> {
    let mine = linkings::table.find(hook_key).filter(linkings::company.eq(company.to_string()));
    diesel::delete(mine).execute(conn)?;
    Ok(())
}

/// Notes the moment of a word about the session behind a channel; tells whether it is the newest.
pub fn told(conn: &mut Connection, channel: ChannelId, at: i64) -> Result<bool> {
    let older = channel_links::table.find(channel.to_string()).filter(channel_links::told_at.lt(at));
    if diesel::update(older).set(channel_links::told_at.eq(at)).execute(conn)? == 1 {
        return Ok(true);
    }
    let first = (channel_links::channel.eq(channel.to_string()), channel_links::told_at.eq(at));
    Ok(diesel::insert_into(channel_links::table).values(first).on_conflict_do_nothing().execute(conn)? == 1)
}

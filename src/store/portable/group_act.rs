//! What was asked to be done with groups.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{ChannelId, CompanyId, GroupActId};
use crate::store::Result;
use crate::store::row::{DialogRow, GroupActEnd, GroupActRow};
use crate::store::schema::{dialogs, group_acts};

/// So many groups of a channel are shown.
const MOST_GROUPS: i64 = 1_000;

/// Writes one down.
pub fn create(conn: &mut Connection, row: &GroupActRow) -> Result<()> {
    diesel::insert_into(group_acts::table).values(row).execute(conn)?;
    Ok(())
}

/// One of a company.
pub fn by_id(conn: &mut Connection, company: CompanyId, id: GroupActId) -> Result<Option<GroupActRow>> {
    Ok(group_acts::table
        .find(id.to_string())
        .filter(group_acts::company.eq(company.to_string()))
        .select(GroupActRow::as_select())
        .first(conn)
        .optional()?)
}

/// Keeps what the vendor did, before the errand is settled.
pub fn keep_done(conn: &mut Connection, company: CompanyId, id: GroupActId, done: &str) -> Result<()> {
    let mine = group_acts::table.find(id.to_string()).filter(group_acts::company.eq(company.to_string()));
    diesel::update(mine.filter(group_acts::done.is_null())).set(group_acts::done.eq(done)).execute(conn)?;
    Ok(())
}

/// Ends one that waits, or whose fate was unknown; tells whether it did.
pub fn end(conn: &mut Connection, company: CompanyId, id: GroupActId, end: &GroupActEnd) -> Result<bool> {
    let mine = group_acts::table.find(id.to_string()).filter(group_acts::company.eq(company.to_string()));
    let open = mine.filter(group_acts::state.eq_any(["waiting", "unknown"]));
    Ok(diesel::update(open).set(end).execute(conn)? == 1)
}

/// The groups of a channel, by title.
pub fn groups(conn: &mut Connection, company: CompanyId, channel: ChannelId) -> Result<Vec<DialogRow>> {
    Ok(dialogs::table
        .filter(dialogs::company.eq(company.to_string()).and(dialogs::channel.eq(channel.to_string())))
        .filter(dialogs::is_group.eq(true))
        .order((dialogs::title, dialogs::id))
        .limit(MOST_GROUPS)
        .select(DialogRow::as_select())
        .load(conn)?)
}

/// Gives the dialog of a group its title.
pub fn set_title(conn: &mut Connection, channel: ChannelId, chat: &str, title: &str) -> Result<()> {
    let dialog = dialogs::table.filter(dialogs::channel.eq(channel.to_string()).and(dialogs::chat.eq(chat)));
    diesel::update(dialog).set((dialogs::title.eq(title), dialogs::is_group.eq(true))).execute(conn)?;
    Ok(())
}

/// Forgets what was over before a moment.
pub fn forget(conn: &mut Connection, before: i64) -> Result<usize> {
    Ok(diesel::delete(group_acts::table.filter(group_acts::over_at.lt(before))).execute(conn)?)
}

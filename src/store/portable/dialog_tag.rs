//! Tags of dialogs. A dialog has each tag once, whatever the case of its letters.

use diesel::prelude::*;

use super::Connection;
use crate::store::Result;
use crate::store::schema::dialog_tags;

/// The tags of a dialog, in the order in which they were set.
pub fn of_dialog(conn: &mut Connection, company: &str, dialog: &str) -> Result<Vec<String>> {
    Ok(dialog_tags::table
        .filter(dialog_tags::dialog.eq(dialog).and(dialog_tags::company.eq(company)))
        .order((dialog_tags::set_at, dialog_tags::key))
        .select(dialog_tags::tag)
        .load(conn)?)
}

/// Sets tags of a dialog; one that is set keeps its spelling. Tells whether there was room for them all: where there was not,
/// nothing is set.
pub fn set(conn: &mut Connection, company: &str, dialog: &str, tags: &[String], most: i64, now: i64) -> Result<bool> {
    let keys: Vec<String> = tags.iter().map(|tag| tag.to_lowercase()).collect();
    let of_dialog = dialog_tags::table.filter(dialog_tags::dialog.eq(dialog));
    let others: i64 = of_dialog.filter(dialog_tags::key.ne_all(&keys)).count().get_result(conn)?;
    if others.saturating_add(i64::try_from(keys.len()).unwrap_or(i64::MAX)) > most {
        return Ok(false);
    }
    // one after the other, so that they keep their order
    for ((tag, key), at) in tags.iter().zip(keys).zip(now..) {
        let row = (
            dialog_tags::dialog.eq(dialog),
            dialog_tags::company.eq(company),
            dialog_tags::key.eq(key),
            dialog_tags::tag.eq(tag),
            dialog_tags::set_at.eq(at),
        );
        diesel::insert_into(dialog_tags::table).values(row).on_conflict_do_nothing().execute(conn)?;
    }
    Ok(true)
}

/// Removes tags of a dialog; those that it does not have are gone already.
pub fn remove(conn: &mut Connection, dialog: &str, tags: &[String]) -> Result<()> {
    let keys: Vec<String> = tags.iter().map(|tag| tag.to_lowercase()).collect();
    let those = dialog_tags::table.filter(dialog_tags::dialog.eq(dialog).and(dialog_tags::key.eq_any(keys)));
    diesel::delete(those).execute(conn)?;
    Ok(())
}

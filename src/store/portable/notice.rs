//! Templates of channels that send nothing else.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{ChannelId, CompanyId};
use crate::store::Result;
use crate::store::schema::notice_templates;

/// The templates of a channel, by name: the name and the text.
pub fn templates(conn: &mut Connection, company: CompanyId, channel: ChannelId) -> Result<Vec<(String, String)>> {
    Ok(notice_templates::table
        .filter(notice_templates::company.eq(company.to_string()))
        .filter(notice_templates::channel.eq(channel.to_string()))
        .order(notice_templates::name)
        .select((notice_templates::name, notice_templates::text))
        .load(conn)?)
}

/// How many templates a channel has.
pub fn count(conn: &mut Connection, company: CompanyId, channel: ChannelId) -> Result<i64> {
    Ok(notice_templates::table
        .filter(notice_templates::company.eq(company.to_string()))
        .filter(notice_templates::channel.eq(channel.to_string()))
        .count()
        .get_result(conn)?)
}

/// Keeps a template, or its new text.
pub fn keep(
    conn: &mut Connection,
    company: CompanyId,
    channel: ChannelId,
    (name, text): (&str, &str),
    now: i64,
) -> Result<()> {
    let told = (notice_templates::text.eq(text), notice_templates::changed_at.eq(now));
    let known = notice_templates::table
        .filter(notice_templates::company.eq(company.to_string()))
        .filter(notice_templates::channel.eq(channel.to_string()))
        .filter(notice_templates::name.eq(name));
    if diesel::update(known).set(told).execute(conn)? == 0 {
        let new = (
            notice_templates::company.eq(company.to_string()),
            notice_templates::channel.eq(channel.to_string()),
            notice_templates::name.eq(name),
        );
        diesel::insert_into(notice_templates::table).values((new, told)).on_conflict_do_nothing().execute(conn)?;
    }
    Ok(())
}

/// Forgets a template; tells whether it was there.
pub fn forget(conn: &mut Connection, company: CompanyId, channel: ChannelId, name: &str) -> Result<bool> {
    let known = notice_templates::table
        .filter(notice_templates::company.eq(company.to_string()))
        .filter(notice_templates::channel.eq(channel.to_string()))
        .filter(notice_templates::name.eq(name));
    Ok(diesel::delete(known).execute(conn)? == 1)
}

//! Templates of the accounts behind channels.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{ChannelId, CompanyId};
use crate::store::Result;
use crate::store::row::{TemplateNews, TemplateRow};
use crate::store::schema::templates;

/// Puts the whole list of a channel in the place of the one before.
pub fn replace(conn: &mut Connection, company: CompanyId, channel: ChannelId, rows: &[TemplateRow]) -> Result<()> {
    let mine = templates::company.eq(company.to_string()).and(templates::channel.eq(channel.to_string()));
    diesel::delete(templates::table.filter(mine)).execute(conn)?;
    for part in rows.chunks(100) {
        diesel::insert_into(templates::table).values(part).on_conflict_do_nothing().execute(conn)?;
    }
    Ok(())
}

/// The templates of a channel of a company.
pub fn of_channel(conn: &mut Connection, company: CompanyId, channel: ChannelId) -> Result<Vec<TemplateRow>> {
    Ok(templates::table
        .filter(templates::company.eq(company.to_string()).and(templates::channel.eq(channel.to_string())))
        .order((templates::name, templates::language))
        .select(TemplateRow::as_select())
        .load(conn)?)
}

/// A template by its name and its language.
pub fn by_name(
    conn: &mut Connection,
    company: CompanyId,
    channel: ChannelId,
    (name, language): (&str, &str),
) -> Result<Option<TemplateRow>> {
    Ok(templates::table
        .find((channel.to_string(), name, language))
        .filter(templates::company.eq(company.to_string()))
        .select(TemplateRow::as_select())
        .first(conn)
        .optional()?)
}

/// Whether the templates of a channel were ever listed.
pub fn any(conn: &mut Connection, company: CompanyId, channel: ChannelId) -> Result<bool> {
    let mine = templates::company.eq(company.to_string()).and(templates::channel.eq(channel.to_string()));
    Ok(diesel::select(diesel::dsl::exists(templates::table.filter(mine))).get_result(conn)?)
}

/// The vendor told something of a template; tells whether it is known.
pub fn note(
    conn: &mut Connection,
    channel: ChannelId,
    (name, language): (&str, &str),
    news: &TemplateNews,
) -> Result<bool> {
    let row = templates::table.find((channel.to_string(), name, language));
    Ok(diesel::update(row).set(news).execute(conn)? == 1)
}

/// Keeps a template in the place of one of the same name and language.
pub fn keep(conn: &mut Connection, row: &TemplateRow) -> Result<()> {
    let known = templates::table.find((&row.channel, &row.name, &row.language));
    diesel::delete(known.filter(templates::company.eq(&row.company))).execute(conn)?;
    diesel::insert_into(templates::table).values(row).on_conflict_do_nothing().execute(conn)?;
    Ok(())
}

/// Forgets a template in all its languages; tells whether it was there.
pub fn forget(conn: &mut Connection, company: CompanyId, channel: ChannelId, name: &str) -> Result<bool> {
    let mine = templates::company.eq(company.to_string()).and(templates::channel.eq(channel.to_string()));
    Ok(diesel::delete(templates::table.filter(mine.and(templates::name.eq(name)))).execute(conn)? > 0)
}

//! What listening messengers keep for as long as their channels live. The values are sealed.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{ChannelId, CompanyId};
use crate::store::Result;
use crate::store::schema::notes;

/// Keeps notes; one of the same name is replaced.
pub fn keep(conn: &mut Connection, company: CompanyId, channel: ChannelId, kept: &[(String, String)]) -> Result<()> {
    for (name, value) in kept {
        let row = (
            notes::channel.eq(channel.to_string()),
            notes::company.eq(company.to_string()),
            notes::name.eq(name),
            notes::value.eq(value),
        );
        diesel::insert_into(notes::table)
            .values(row)
            .on_conflict((notes::channel, notes::name))
            .do_update()
            .set(notes::value.eq(value))
            .execute(conn)?;
    }
    Ok(())
}

/// Every note of a channel.
pub fn of_channel(conn: &mut Connection, channel: ChannelId) -> Result<Vec<(String, String)>> {
    let rows = notes::table.filter(notes::channel.eq(channel.to_string()));
    Ok(rows.select((notes::name, notes::value)).order(notes::name).load(conn)?)
}

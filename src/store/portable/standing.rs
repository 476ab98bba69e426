//! When vendors are asked what they think of accounts.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{ChannelId, CompanyId};
use crate::store::Result;
use crate::store::row::StandingRow;
use crate::store::schema::{channels, standings};

/// So many channels get their row in one round.
const AT_ONCE: i64 = 200;

/// Gives the connected channels of these messengers their row, where they have none: they are asked from a moment on.
pub fn begin(conn: &mut Connection, messengers: &[&str], look_at: i64) -> Result<usize> {
    let missing: Vec<(String, String)> = channels::table
        .left_join(standings::table.on(standings::channel.eq(channels::id)))
        .filter(channels::messenger.eq_any(messengers).and(channels::state.eq("connected")))
        .filter(standings::channel.nullable().is_null())
        .limit(AT_ONCE)
        .select((channels::id, channels::company))
        .load(conn)?;
    let row = |(channel, company)| StandingRow { channel, company, look_at, looked_at: None, list_at: None };
    let rows: Vec<StandingRow> = missing.into_iter().map(row).collect();
    if rows.is_empty() {
        return Ok(0);
    }
    Ok(diesel::insert_into(standings::table).values(&rows).on_conflict_do_nothing().execute(conn)?)
}

/// The connected channels whose vendor is to be asked, those that wait longest first.
pub fn due(conn: &mut Connection, now: i64, limit: i64) -> Result<Vec<StandingRow>> {
    Ok(standings::table
        .inner_join(channels::table.on(standings::channel.eq(channels::id)))
        .filter(channels::state.eq("connected"))
        .filter(standings::look_at.le(now).or(standings::list_at.le(now)))
        .order(standings::look_at)
        .limit(limit)
        .select(StandingRow::as_select())
        .load(conn)?)
}

/// Takes what is due until a moment, so that of two processes one asks; tells whether it did.
pub fn take(conn: &mut Connection, row: &StandingRow, now: i64, until: i64) -> Result<bool> {
    let mine = standings::table.find(&row.channel).filter(standings::look_at.eq(row.look_at));
    let look_at = if row.look_at <= now { until } else { row.look_at };
    let list_at = row.list_at.map(|at| if at <= now { until } else { at });
    let values = (standings::look_at.eq(look_at), standings::list_at.eq(list_at));
    let count = match row.list_at {
        Some(at) => diesel::update(mine.filter(standings::list_at.eq(at))).set(values).execute(conn)?,
        None => diesel::update(mine.filter(standings::list_at.is_null())).set(values).execute(conn)?,
    };
    Ok(count == 1)
}

/// The vendor was asked: when it is asked again, and when it answered, where it did.
pub fn looked(conn: &mut Connection, channel: &str, look_at: i64, looked_at: Option<i64>) -> Result<()> {
    let row = standings::table.find(channel);
    match looked_at {
        Some(at) => {
            diesel::update(row).set((standings::look_at.eq(look_at), standings::looked_at.eq(at))).execute(conn)?
        }
        None => diesel::update(row).set(standings::look_at.eq(look_at)).execute(conn)?,
    };
    Ok(())
}

/// When templates are listed next; none where they were listed.
pub fn listed(conn: &mut Connection, channel: &str, list_at: Option<i64>) -> Result<()> {
    diesel::update(standings::table.find(channel)).set(standings::list_at.eq(list_at)).execute(conn)?;
    Ok(())
}

/// The vendor told that something changed: the channels of a company are asked at once.
pub fn hurry(conn: &mut Connection, company: &str, channels: &[String], now: i64) -> Result<()> {
    // one that was attached a moment ago has no row yet
    let row = |channel: &String| StandingRow {
        channel: channel.clone(),
        company: company.to_owned(),
        look_at: now,
        looked_at: None,
        list_at: None,
    };
    let rows: Vec<StandingRow> = channels.iter().map(row).collect();
    diesel::insert_into(standings::table).values(&rows).on_conflict_do_nothing().execute(conn)?;
    let late = standings::table.filter(standings::channel.eq_any(channels).and(standings::look_at.gt(now)));
    diesel::update(late).set(standings::look_at.eq(now)).execute(conn)?;
    Ok(())
}

/// The templates of a channel are not what was listed: they are listed anew, where that is not to happen anyway.
pub fn list_anew(conn: &mut Connection, channel: ChannelId, at: i64) -> Result<()> {
    let row = standings::table.find(channel.to_string()).filter(standings::list_at.is_null());
    diesel::update(row).set(standings::list_at.eq(at)).execute(conn)?;
    Ok(())
}

/// What is known of a company's channels.
pub fn of_company(conn: &mut Connection, company: CompanyId) -> Result<Vec<StandingRow>> {
    Ok(standings::table
        .filter(standings::company.eq(company.to_string()))
        .select(StandingRow::as_select())
        .load(conn)?)
}

//! The outbox on SQLite: prepared statements row by row. One writer and no round trips make that the fastest way.

use std::collections::BTreeSet;
use std::marker::PhantomData;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, SmallInt, Text};
use diesel::sqlite::Sqlite;

use super::Connection;
use crate::model::id::{ErrandId, LaneId};
use crate::model::moment::Moment;
use crate::store::Result;
use crate::store::fixed::fixed;
use crate::store::outbox::{ErrandIn, ErrandRow, PutBack, Want};
use crate::store::place;
use crate::store::schema::errands;

diesel::table! {
    errand_count (id) {
        id -> SmallInt,
        last -> BigInt,
    }
}

fixed! {
    Put<'a> on Sqlite as SqliteConnection, gives () {
        "INSERT INTO errands (id, company, lane, rank, peer, attempts, not_before, accepted_at, expires_at, merge_key, \
         mailing, work, origin) VALUES (" id: BigInt = i64,
        ", " company: Text = &'a str,
        ", " lane: BigInt = i64,
        ", " rank: SmallInt = i16,
        ", " peer: Text = &'a str,
        ", 0, " not_before: BigInt = i64,
        ", " accepted_at: BigInt = i64,
        ", " expires_at: Nullable<BigInt> = Option<i64>,
        ", " merge_key: Nullable<Text> = Option<&'a str>,
        ", " mailing: Nullable<Text> = Option<&'a str>,
        ", " work: Text = &'a str,
        ", " origin: Text = &'a str,
        ; ")"
    }
}

fixed! {
    Expire<'a> on Sqlite as SqliteConnection, gives () {
        "INSERT INTO expiries (due, lane) VALUES (" due: BigInt = i64,
        ", " lane: BigInt = i64,
        ; ") ON CONFLICT DO NOTHING"
    }
}

fixed! {
    PutKey<'a> on Sqlite as SqliteConnection, gives () {
        "INSERT INTO accepted_keys (company, key, accepted_at) VALUES (" company: Text = &'a str,
        ", " key: Text = &'a str,
        ", " accepted_at: BigInt = i64,
        ; ") ON CONFLICT DO NOTHING"
    }
}

fixed! {
    Next<'a> on Sqlite as SqliteConnection, gives (BigInt, Text, BigInt, SmallInt, Text, Integer, BigInt, Nullable<BigInt>, Text, Text) {
        "SELECT id, company, lane, rank, peer, attempts, accepted_at, expires_at, work, origin FROM errands WHERE id > " after: BigInt = i64,
        " AND id <= " last: BigInt = i64,
        " AND not_before <= " now: BigInt = i64,
        " AND NOT EXISTS (SELECT 1 FROM flights WHERE flights.id = errands.id) ORDER BY id LIMIT " limit: BigInt = i64,
        ; ""
    }
}

fixed! {
    Fly<'a> on Sqlite as SqliteConnection, gives () {
        "INSERT INTO flights (id) VALUES (" id: BigInt = i64,
        ; ")"
    }
}

fixed! {
    // a merge key ends with the claim: what comes later is news; a message of the API, and a post of an open line, is found by its
    // own until it is settled
    ForgetKey<'a> on Sqlite as SqliteConnection, gives () {
        "UPDATE errands SET merge_key = NULL WHERE merge_key NOT LIKE 'message:%' AND merge_key NOT LIKE 'ol:post:%' AND id = "
        id: BigInt = i64,
        ; ""
    }
}

fixed! {
    Land<'a> on Sqlite as SqliteConnection, gives () {
        "DELETE FROM flights WHERE id = " id: BigInt = i64,
        ; ""
    }
}

fixed! {
    Remove<'a> on Sqlite as SqliteConnection, gives () {
        "DELETE FROM errands WHERE id = " id: BigInt = i64,
        ; ""
    }
}

pub(in crate::store) fn insert(conn: &mut Connection, rows: Vec<ErrandIn>) -> Result<Vec<ErrandId>> {
    let new = i64::try_from(rows.len()).unwrap_or_default();
    let mut count = count(conn, new)?;
    let mut ids = Vec::with_capacity(rows.len());
    for row in rows {
        if row.merge_key.is_some()
            && let Some(merged) = merge(conn, &row)?
        {
            ids.push(merged);
        } else {
            count += 1;
            let id = place::of(row.lane, row.rank, count);
            put(conn, id, &row)?;
            ids.push(id);
        }
    }
    Ok(ids)
}

/// Counts so many errands; gives back the count before them.
fn count(conn: &mut Connection, new: i64) -> Result<i64> {
    diesel::update(errand_count::table).set(errand_count::last.eq(errand_count::last + new)).execute(conn)?;
    let last: i64 = errand_count::table.select(errand_count::last).first(conn)?;
    Ok(last - new)
}

fn put(conn: &mut Connection, id: ErrandId, row: &ErrandIn) -> Result<()> {
    let put = Put {
        id,
        company: &row.company,
        lane: row.lane,
        rank: row.rank,
        peer: &row.peer,
        not_before: row.not_before,
        accepted_at: row.accepted_at,
        expires_at: row.expires_at,
        merge_key: row.merge_key.as_deref(),
        mailing: row.mailing.as_deref(),
        work: &row.work,
        origin: &row.origin,
        nothing: PhantomData,
    };
    put.execute(conn)?;
    Ok(())
}

pub(in crate::store) fn expire(conn: &mut Connection, due: &BTreeSet<(i64, LaneId)>) -> Result<()> {
    for (due, lane) in due {
        Expire { due: *due, lane: *lane, nothing: PhantomData }.execute(conn)?;
    }
    Ok(())
}

/// The number of the waiting errand whose place the row takes. It leaves no later than either of them would have.
fn merge(conn: &mut Connection, row: &ErrandIn) -> Result<Option<ErrandId>> {
    let waiting = errands::table
        .filter(errands::lane.eq(row.lane).and(errands::merge_key.eq(&row.merge_key)))
        .filter(super::waits());
    let sooner = sql::<BigInt>("min(not_before, ").bind::<BigInt, _>(row.not_before).sql(")");
    let word = (errands::work.eq(&row.work), errands::not_before.eq(sooner));
    Ok(diesel::update(waiting).set(word).returning(errands::id).get_result(conn).optional()?)
}

pub(in crate::store) fn fresh_keys(
    conn: &mut Connection,
    now: Moment,
    keys: &[Option<(String, &str)>],
) -> Result<Vec<bool>> {
    keys.iter()
        .map(|key| {
            let Some((company, key)) = key else { return Ok(true) };
            let put = PutKey { company, key, accepted_at: now.0, nothing: PhantomData };
            Ok(put.execute(conn)? == 1)
        })
        .collect()
}

pub(in crate::store) fn claim(conn: &mut Connection, now: Moment, wants: &[Want]) -> Result<Vec<ErrandRow>> {
    let mut rows = Vec::new();
    for want in wants {
        let plain = want.blocked.is_empty() && want.ready.is_empty();
        rows.extend(if plain { next(conn, now, want)? } else { next_among(conn, now, want)? });
    }
    for row in &rows {
        Fly { id: row.id, nothing: PhantomData }.execute(conn)?;
        ForgetKey { id: row.id, nothing: PhantomData }.execute(conn)?;
    }
    Ok(rows)
}

/// The next errands of a track: one statement that is prepared once.
fn next(conn: &mut Connection, now: Moment, want: &Want) -> Result<Vec<ErrandRow>> {
    let (after, last) = want.behind();
    Ok(Next { after, last, now: now.0, limit: i64::from(want.limit), nothing: PhantomData }.load(conn)?)
}

/// The same where recipients must wait, or errands are due whatever the calendar says.
fn next_among(conn: &mut Connection, now: Moment, want: &Want) -> Result<Vec<ErrandRow>> {
    let (after, last) = want.behind();
    let mut query = errands::table
        .filter(errands::id.gt(after).and(errands::id.le(last)))
        .filter(super::waits())
        .order(errands::id)
        .limit(i64::from(want.limit))
        .select(ErrandRow::as_select())
        .into_boxed();
    query = if want.ready.is_empty() {
        query.filter(errands::not_before.le(now.0))
    } else {
        let ready = sql::<Bool>("errands.id IN (SELECT value FROM json_each(")
            .bind::<Text, _>(serde_json::to_string(&want.ready).unwrap_or_default())
            .sql("))");
        query.filter(errands::not_before.le(now.0).or(ready))
    };
    if !want.blocked.is_empty() {
        // one value to bind, whatever their count: SQLite takes no condition of a thousand parts
        let blocked: Vec<String> = want.blocked.iter().map(|(rank, peer)| format!("{rank}:{peer}")).collect();
        let blocked = serde_json::to_string(&blocked).unwrap_or_default();
        query = query.filter(
            sql::<Bool>("(errands.rank || ':' || errands.peer) NOT IN (SELECT value FROM json_each(")
                .bind::<Text, _>(blocked)
                .sql("))"),
        );
    }
    Ok(query.load(conn)?)
}

pub(in crate::store) fn remove(conn: &mut Connection, ids: &[ErrandId]) -> Result<Vec<ErrandId>> {
    let mut gone = Vec::with_capacity(ids.len());
    for id in ids {
        if land(conn, *id)? {
            Remove { id: *id, nothing: PhantomData }.execute(conn)?;
            gone.push(*id);
        }
    }
    Ok(gone)
}

/// Whether an errand flew, which it does no more.
fn land(conn: &mut Connection, id: ErrandId) -> Result<bool> {
    Ok(Land { id, nothing: PhantomData }.execute(conn)? == 1)
}

/// Puts an errand back that flies; the answer is when it expires.
pub(in crate::store) fn put_back(conn: &mut Connection, errand: &PutBack) -> Result<Option<i64>> {
    if !land(conn, errand.id)? {
        return Ok(None);
    }
    let expires_at: Option<Option<i64>> = diesel::update(errands::table.find(errand.id))
        .set((errands::not_before.eq(errand.not_before.0), errands::attempts.eq(errand.attempts)))
        .returning(errands::expires_at)
        .get_result(conn)
        .optional()?;
    Ok(expires_at.flatten())
}

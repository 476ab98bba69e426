//! The outbox on SQLite: prepared statements row by row. One writer and no round trips make that the fastest way.

use std::marker::PhantomData;

use diesel::define_sql_function;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, SmallInt, Text};
use diesel::sqlite::Sqlite;

use super::Connection;
use crate::model::id::ErrandId;
use crate::model::moment::Moment;
use crate::store::Result;
use crate::store::fixed::fixed;
use crate::store::outbox::{ErrandIn, ErrandRow, WAITING, Want};
use crate::store::row::Sent;
use crate::store::schema::errands;

define_sql_function! {
    fn last_insert_rowid() -> BigInt;
}

fixed! {
    Put<'a> on Sqlite as SqliteConnection, gives () {
        "INSERT INTO errands (company, lane, rank, peer, state, attempts, not_before, accepted_at, expires_at, merge_key, \
         mailing, work, origin) VALUES (" company: Text = &'a str,
        ", " lane: BigInt = i64,
        ", " rank: SmallInt = i16,
        ", " peer: Text = &'a str,
        ", 0, 0, " not_before: BigInt = i64,
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
    PutKey<'a> on Sqlite as SqliteConnection, gives () {
        "INSERT INTO accepted_keys (company, key, accepted_at) VALUES (" company: Text = &'a str,
        ", " key: Text = &'a str,
        ", " accepted_at: BigInt = i64,
        ; ") ON CONFLICT DO NOTHING"
    }
}

fixed! {
    // a merge key ends with the claim: what comes later is news; a message of the API is found by its own until it is settled
    Fly<'a> on Sqlite as SqliteConnection, gives () {
        "UPDATE errands SET state = 1, merge_key = CASE WHEN merge_key LIKE 'message:%' THEN merge_key END WHERE id = " id: BigInt = i64,
        ; ""
    }
}

fixed! {
    Remove<'a> on Sqlite as SqliteConnection, gives () {
        "DELETE FROM errands WHERE id = " id: BigInt = i64,
        ; " AND state = 1"
    }
}

fixed! {
    // earlier starts never replace later ones, and ticks of two boots never stand side by side in one row
    SetSent<'a> on Sqlite as SqliteConnection, gives () {
        "UPDATE lanes SET sent_boot = sent.boot, \
         sent_tick = CASE WHEN lanes.sent_boot = sent.boot THEN CASE WHEN sent.tick + sent.gap_ms * 1000 >= \
           lanes.sent_tick + lanes.sent_gap_ms * 1000 THEN sent.tick ELSE lanes.sent_tick END \
           ELSE coalesce(sent.tick, sent.live) END, \
         sent_gap_ms = CASE WHEN lanes.sent_boot = sent.boot THEN CASE WHEN sent.tick + sent.gap_ms * 1000 >= \
           lanes.sent_tick + lanes.sent_gap_ms * 1000 THEN sent.gap_ms ELSE lanes.sent_gap_ms END \
           ELSE coalesce(sent.gap_ms, lanes.sent_gap_ms) END, \
         live_tick = CASE WHEN lanes.sent_boot = sent.boot THEN max(lanes.live_tick, coalesce(sent.live, lanes.live_tick)) \
           ELSE coalesce(sent.live, 0) END \
         FROM (SELECT " boot: Text = &'a str,
        " AS boot, " tick: Nullable<BigInt> = Option<i64>,
        " AS tick, " gap_ms: Nullable<BigInt> = Option<i64>,
        " AS gap_ms, " live: Nullable<BigInt> = Option<i64>,
        " AS live) AS sent WHERE lanes.id = " lane: BigInt = i64,
        ; ""
    }
}

pub(in crate::store) fn insert(conn: &mut Connection, rows: Vec<ErrandIn>) -> Result<Vec<ErrandId>> {
    let (mut ids, mut open) = (Vec::with_capacity(rows.len()), 0);
    for row in rows {
        if row.merge_key.is_some()
            && let Some(merged) = merge(conn, &row)?
        {
            number(conn, &mut ids, std::mem::take(&mut open))?;
            ids.push(merged);
        } else {
            // RETURNING would make each of them a statement that can be taken back, which copies every page it touches
            put(conn, &row)?;
            open += 1;
        }
    }
    number(conn, &mut ids, open)?;
    Ok(ids)
}

fn put(conn: &mut Connection, row: &ErrandIn) -> Result<()> {
    let put = Put {
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

/// The numbers of the last `count` rows: AUTOINCREMENT counts on by one, and nobody else writes inside our transaction.
fn number(conn: &mut Connection, ids: &mut Vec<ErrandId>, count: i64) -> Result<()> {
    if count > 0 {
        let last: ErrandId = diesel::select(last_insert_rowid()).get_result(conn)?;
        ids.extend(last - count + 1..=last);
    }
    Ok(())
}

/// The number of the waiting errand whose place the row takes.
fn merge(conn: &mut Connection, row: &ErrandIn) -> Result<Option<ErrandId>> {
    let waiting = errands::table
        .filter(errands::lane.eq(row.lane).and(errands::merge_key.eq(&row.merge_key)))
        .filter(errands::state.eq(WAITING));
    Ok(diesel::update(waiting).set(errands::work.eq(&row.work)).returning(errands::id).get_result(conn).optional()?)
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
    }
    Ok(rows)
}

/// The next errands of a track: one statement that is prepared once. A place is found by its rank first, so that the index
/// begins there.
fn next(conn: &mut Connection, now: Moment, want: &Want) -> Result<Vec<ErrandRow>> {
    let (rank, id) = want.after;
    let query = errands::table
        .filter(errands::lane.eq(want.lane))
        .filter(errands::rank.between(want.ranks.0.max(rank), want.ranks.1))
        .filter(errands::rank.gt(rank).or(errands::id.gt(id)))
        .filter(errands::state.eq(WAITING).and(errands::not_before.le(now.0)))
        .order((errands::rank, errands::id))
        .limit(i64::from(want.limit))
        .select(ErrandRow::as_select());
    Ok(query.load(conn)?)
}

/// The same where recipients must wait, or errands are due whatever the calendar says.
fn next_among(conn: &mut Connection, now: Moment, want: &Want) -> Result<Vec<ErrandRow>> {
    let (rank, id) = want.after;
    let mut query = errands::table
        .filter(errands::lane.eq(want.lane))
        .filter(errands::rank.between(want.ranks.0.max(rank), want.ranks.1))
        .filter(errands::rank.gt(rank).or(errands::id.gt(id)))
        .filter(errands::state.eq(WAITING))
        .order((errands::rank, errands::id))
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
        if (Remove { id: *id, nothing: PhantomData }).execute(conn)? == 1 {
            gone.push(*id);
        }
    }
    Ok(gone)
}

pub(in crate::store) fn set_sent(conn: &mut Connection, boot: &str, sent: &[Sent]) -> Result<()> {
    for Sent { lane, paced, live } in sent {
        let (tick, gap_ms) = paced.map_or((None, None), |(tick, gap_ms)| (Some(tick.0), Some(gap_ms)));
        let live = live.map(|tick| tick.0);
        SetSent { boot, tick, gap_ms, live, lane: *lane, nothing: PhantomData }.execute(conn)?;
    }
    Ok(())
}

//! The outbox on PostgreSQL: whole batches in one statement, since every round trip costs more than its rows.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::marker::PhantomData;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, SmallInt, Text};

use super::Connection;
use crate::model::id::{ErrandId, LaneId};
use crate::model::moment::Moment;
use crate::store::Result;
use crate::store::fixed::fixed;
use crate::store::outbox::{ErrandIn, ErrandRow, PutBack, Want};
use crate::store::row::Sent;
use crate::store::schema::errands;

/// Both ways to insert: with merge keys, a conflict means that a newer word takes the place of one that waits. Without any, the
/// search for conflicts would cost each row twice.
macro_rules! insert {
    ($name:ident, $conflict:literal) => {
        fixed! {
            $name<'a> on Pg as PgConnection, gives BigInt {
                "INSERT INTO errands (id, company, lane, rank, peer, state, attempts, not_before, accepted_at, expires_at, \
merge_key, mailing, work, origin) SELECT (((lane << 2) + rank) << 38) + nextval('errand_count'), company, lane, rank, peer, 0, 0, not_before, accepted_at, \
expires_at, merge_key, mailing, work, origin FROM (SELECT * FROM unnest(" company: Array<Text> = Vec<&'a str>,
                "::text[], " lane: Array<BigInt> = Vec<i64>,
                "::bigint[], " rank: Array<SmallInt> = Vec<i16>,
                "::smallint[], " peer: Array<Text> = Vec<&'a str>,
                "::text[], " not_before: Array<BigInt> = Vec<i64>,
                "::bigint[], " accepted_at: Array<BigInt> = Vec<i64>,
                "::bigint[], " expires_at: Array<Nullable<BigInt>> = Vec<Option<i64>>,
                "::bigint[], " merge_key: Array<Nullable<Text>> = Vec<Option<&'a str>>,
                "::text[], " mailing: Array<Nullable<Text>> = Vec<Option<&'a str>>,
                "::text[], " work: Array<Text> = Vec<&'a str>,
                "::text[], " origin: Array<Text> = Vec<&'a str>,
                // «ordinality» keeps the order of acceptance: numbers are drawn in it
                ; concat!(
                    "::text[]) WITH ORDINALITY AS new (company, lane, rank, peer, not_before, accepted_at, expires_at, \
merge_key, mailing, work, origin, n) ORDER BY n) AS ordered ",
                    $conflict,
                    " RETURNING id"
                )
            }
        }
    };
}

insert!(Insert, "");
insert!(
    Merge,
    "ON CONFLICT (lane, merge_key) WHERE merge_key IS NOT NULL DO UPDATE SET work = excluded.work, \
         not_before = least(errands.not_before, excluded.not_before)"
);

fixed! {
    // in one order, so that two processes never wait for each other
    Expire<'a> on Pg as PgConnection, gives () {
        "INSERT INTO expiries (due, lane) SELECT * FROM unnest(" due: Array<BigInt> = Vec<i64>,
        "::bigint[], " lane: Array<BigInt> = Vec<i64>,
        ; "::bigint[]) ON CONFLICT DO NOTHING"
    }
}

fixed! {
    FreshKeys<'a> on Pg as PgConnection, gives (Text, Text) {
        "INSERT INTO accepted_keys (company, key, accepted_at) SELECT DISTINCT company, key, " now: BigInt = i64,
        " FROM unnest(" company: Array<Text> = Vec<&'a str>,
        "::text[], " key: Array<Text> = Vec<&'a str>,
        ; "::text[]) AS new (company, key) ORDER BY company, key ON CONFLICT DO NOTHING RETURNING company, key"
    }
}

fixed! {
    Claim<'a> on Pg as PgConnection, gives (BigInt, Text, BigInt, SmallInt, Text, Integer, BigInt, Nullable<BigInt>, Text, Text) {
        "WITH wants AS (SELECT * FROM unnest(" after: Array<BigInt> = Vec<i64>,
        "::bigint[], " last: Array<BigInt> = Vec<i64>,
        "::bigint[], " most: Array<Integer> = Vec<i32>,
        "::integer[], " blocked: Array<Nullable<Text>> = Vec<Option<String>>,
        "::text[], " ready: Array<Nullable<Text>> = Vec<Option<String>>,
        "::text[]) AS w (after, last, most, blocked, ready)), \
         picked AS (SELECT next.id FROM wants w CROSS JOIN LATERAL (SELECT e.id FROM errands e \
           WHERE e.id > w.after AND e.id <= w.last AND e.state = 0 AND (e.not_before <= " now: BigInt = i64,
        ; " OR (w.ready IS NOT NULL AND e.id = ANY (string_to_array(w.ready, ',')::bigint[]))) \
           AND (w.blocked IS NULL OR NOT (e.rank || ':' || e.peer) = ANY (string_to_array(w.blocked, E'\\n'))) \
           ORDER BY e.id LIMIT w.most) next) \
         UPDATE errands SET state = 1, merge_key = CASE WHEN merge_key LIKE 'message:%' OR merge_key LIKE 'ol:post:%' \
           THEN merge_key END FROM picked \
         WHERE errands.id = picked.id AND errands.state = 0 \
         RETURNING errands.id, company, lane, rank, peer, attempts, accepted_at, expires_at, work, origin"
    }
}

fixed! {
    Remove<'a> on Pg as PgConnection, gives BigInt {
        "DELETE FROM errands WHERE id = ANY (" ids: Array<BigInt> = &'a [i64],
        ; ") AND state = 1 RETURNING id"
    }
}

fixed! {
    // earlier starts never replace later ones, and ticks of two boots never stand side by side in one row
    SetSent<'a> on Pg as PgConnection, gives () {
        "UPDATE lanes SET sent_boot = this.boot, \
         sent_tick = CASE WHEN lanes.sent_boot = this.boot THEN CASE WHEN sent.tick + sent.gap_ms * 1000 >= \
           lanes.sent_tick + lanes.sent_gap_ms * 1000 THEN sent.tick ELSE lanes.sent_tick END \
           ELSE coalesce(sent.tick, sent.live) END, \
         sent_gap_ms = CASE WHEN lanes.sent_boot = this.boot THEN CASE WHEN sent.tick + sent.gap_ms * 1000 >= \
           lanes.sent_tick + lanes.sent_gap_ms * 1000 THEN sent.gap_ms ELSE lanes.sent_gap_ms END \
           ELSE coalesce(sent.gap_ms, lanes.sent_gap_ms) END, \
         live_tick = CASE WHEN lanes.sent_boot = this.boot THEN greatest(lanes.live_tick, sent.live) \
           ELSE coalesce(sent.live, 0) END \
         FROM (SELECT " boot: Text = &'a str,
        "::text AS boot) AS this, unnest(" lane: Array<BigInt> = Vec<i64>,
        "::bigint[], " tick: Array<Nullable<BigInt>> = Vec<Option<i64>>,
        "::bigint[], " gap_ms: Array<Nullable<BigInt>> = Vec<Option<i64>>,
        "::bigint[], " live: Array<Nullable<BigInt>> = Vec<Option<i64>>,
        ; "::bigint[]) AS sent (lane, tick, gap_ms, live) WHERE lanes.id = sent.lane"
    }
}

pub(in crate::store) fn insert(conn: &mut Connection, rows: Vec<ErrandIn>) -> Result<Vec<ErrandId>> {
    // a statement may not touch one merged row twice: the last word of each key is written, the earlier ones share its number
    let mut last: HashMap<(i64, String), usize> = HashMap::new();
    for (n, row) in rows.iter().enumerate() {
        if let Some(key) = &row.merge_key {
            last.insert((row.lane, key.clone()), n);
        }
    }
    let stands: Vec<usize> = rows
        .iter()
        .enumerate()
        .map(|(n, row)| row.merge_key.as_ref().and_then(|key| last.get(&(row.lane, key.clone()))).map_or(n, |n| *n))
        .collect();
    let (mut written, mut place) = (Vec::new(), HashMap::new());
    for (n, row) in rows.into_iter().enumerate() {
        if stands.get(n) == Some(&n) {
            place.insert(n, written.len());
            written.push(row);
        }
    }
    let ids = insert_distinct(conn, &written)?;
    Ok(stands.iter().filter_map(|n| place.get(n).and_then(|at| ids.get(*at)).copied()).collect())
}

fn insert_distinct(conn: &mut Connection, rows: &[ErrandIn]) -> Result<Vec<ErrandId>> {
    macro_rules! column {
        ($row:ident => $value:expr) => {
            rows.iter().map(|$row| $value).collect()
        };
    }
    macro_rules! all {
        ($statement:ident) => {
            $statement {
                company: column!(row => row.company.as_str()),
                lane: column!(row => row.lane),
                rank: column!(row => row.rank),
                peer: column!(row => row.peer.as_str()),
                not_before: column!(row => row.not_before),
                accepted_at: column!(row => row.accepted_at),
                expires_at: column!(row => row.expires_at),
                merge_key: column!(row => row.merge_key.as_deref()),
                mailing: column!(row => row.mailing.as_deref()),
                work: column!(row => row.work.as_str()),
                origin: column!(row => row.origin.as_str()),
                nothing: PhantomData,
            }
            .load(conn)?
        };
    }
    Ok(if rows.iter().any(|row| row.merge_key.is_some()) { all!(Merge) } else { all!(Insert) })
}

pub(in crate::store) fn expire(conn: &mut Connection, due: &BTreeSet<(i64, LaneId)>) -> Result<()> {
    let (due, lane) = due.iter().copied().unzip();
    Expire { due, lane, nothing: PhantomData }.execute(conn)?;
    Ok(())
}

pub(in crate::store) fn fresh_keys(
    conn: &mut Connection,
    now: Moment,
    keys: &[Option<(String, &str)>],
) -> Result<Vec<bool>> {
    let known = || keys.iter().flatten();
    let put = FreshKeys {
        now: now.0,
        company: known().map(|(company, _)| company.as_str()).collect(),
        key: known().map(|(_, key)| *key).collect(),
        nothing: PhantomData,
    };
    // of several errands with one key in one batch the first is taken
    let mut fresh: HashSet<(String, String)> = put.load(conn)?.into_iter().collect();
    Ok(keys
        .iter()
        .map(|key| key.as_ref().is_none_or(|(company, key)| fresh.remove(&(company.clone(), (*key).to_owned()))))
        .collect())
}

pub(in crate::store) fn claim(conn: &mut Connection, now: Moment, wants: &[Want]) -> Result<Vec<ErrandRow>> {
    macro_rules! column {
        ($want:ident => $value:expr) => {
            wants.iter().map(|$want| $value).collect()
        };
    }
    let claim = Claim {
        after: column!(want => want.behind().0),
        last: column!(want => want.behind().1),
        most: column!(want => want.limit),
        blocked: column!(want => blocked(want)),
        ready: column!(want => ready(want)),
        now: now.0,
        nothing: PhantomData,
    };
    let mut rows: Vec<ErrandRow> = claim.load(conn)?;
    // RETURNING has no order
    rows.sort_unstable_by_key(|row| row.id);
    Ok(rows)
}

/// The recipients that must wait, one a line.
fn blocked(want: &Want) -> Option<String> {
    let lines: Vec<String> = want.blocked.iter().map(|(rank, peer)| format!("{rank}:{peer}")).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn ready(want: &Want) -> Option<String> {
    let ids: Vec<String> = want.ready.iter().map(ToString::to_string).collect();
    (!ids.is_empty()).then(|| ids.join(","))
}

pub(in crate::store) fn remove(conn: &mut Connection, ids: &[ErrandId]) -> Result<Vec<ErrandId>> {
    Ok(Remove { ids, nothing: PhantomData }.load(conn)?)
}

/// Puts an errand back that flies; the answer is when it expires.
pub(in crate::store) fn put_back(conn: &mut Connection, errand: &PutBack) -> Result<Option<i64>> {
    let expires_at: Option<Option<i64>> = diesel::update(errands::table.find(errand.id).filter(super::flies()))
        .set((errands::state.eq(0), errands::not_before.eq(errand.not_before.0), errands::attempts.eq(errand.attempts)))
        .returning(errands::expires_at)
        .get_result(conn)
        .optional()?;
    Ok(expires_at.flatten())
}

/// Each lane once.
pub(in crate::store) fn set_sent(conn: &mut Connection, boot: &str, sent: &[Sent]) -> Result<()> {
    let update = SetSent {
        boot,
        lane: sent.iter().map(|sent| sent.lane).collect(),
        tick: sent.iter().map(|sent| sent.paced.map(|(tick, _)| tick.0)).collect(),
        gap_ms: sent.iter().map(|sent| sent.paced.map(|(_, gap_ms)| gap_ms)).collect(),
        live: sent.iter().map(|sent| sent.live.map(|tick| tick.0)).collect(),
        nothing: PhantomData,
    };
    update.execute(conn)?;
    Ok(())
}

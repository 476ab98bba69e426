//! The outbox on PostgreSQL: whole batches in one statement, since every round trip costs more than its rows.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, SmallInt, Text};

use super::Connection;
use crate::model::id::ErrandId;
use crate::model::moment::Moment;
use crate::store::Result;
use crate::store::outbox::{ErrandIn, ErrandRow, KEPT_KEY, Want};

#[derive(QueryableByName)]
struct Numbered {
    #[diesel(sql_type = BigInt)]
    id: i64,
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
        ($field:ident) => {
            rows.iter().map(|row| row.$field.clone()).collect::<Vec<_>>()
        };
    }
    // «ordinality» keeps the order of acceptance: numbers are drawn in it
    let numbered: Vec<Numbered> = diesel::sql_query(
        "INSERT INTO errands (company, lane, rank, peer, state, attempts, not_before, accepted_at, expires_at, merge_key, \
         mailing, work, origin) \
         SELECT company, lane, rank, peer, 0, 0, not_before, accepted_at, expires_at, merge_key, mailing, work, origin \
         FROM unnest($1::text[], $2::bigint[], $3::smallint[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], \
         $8::text[], $9::text[], $10::text[], $11::text[]) WITH ORDINALITY AS new (company, lane, rank, peer, not_before, \
         accepted_at, expires_at, merge_key, mailing, work, origin, n) ORDER BY n \
         ON CONFLICT (lane, merge_key) WHERE merge_key IS NOT NULL DO UPDATE SET work = excluded.work \
         RETURNING id",
    )
    .bind::<Array<Text>, _>(column!(company))
    .bind::<Array<BigInt>, _>(column!(lane))
    .bind::<Array<SmallInt>, _>(column!(rank))
    .bind::<Array<Text>, _>(column!(peer))
    .bind::<Array<BigInt>, _>(column!(not_before))
    .bind::<Array<BigInt>, _>(column!(accepted_at))
    .bind::<Array<Nullable<BigInt>>, _>(column!(expires_at))
    .bind::<Array<Nullable<Text>>, _>(column!(merge_key))
    .bind::<Array<Nullable<Text>>, _>(column!(mailing))
    .bind::<Array<Text>, _>(column!(work))
    .bind::<Array<Text>, _>(column!(origin))
    .load(conn)?;
    Ok(numbered.into_iter().map(|row| row.id).collect())
}

pub(in crate::store) fn fresh_keys(
    conn: &mut Connection,
    now: Moment,
    keys: &[Option<(String, &str)>],
) -> Result<Vec<bool>> {
    #[derive(QueryableByName)]
    struct Fresh {
        #[diesel(sql_type = Text)]
        company: String,
        #[diesel(sql_type = Text)]
        key: String,
    }
    let known: Vec<&(String, &str)> = keys.iter().flatten().collect();
    let fresh: Vec<Fresh> = diesel::sql_query(
        "INSERT INTO accepted_keys (company, key, accepted_at) SELECT DISTINCT company, key, $3 \
         FROM unnest($1::text[], $2::text[]) AS new (company, key) ORDER BY company, key ON CONFLICT DO NOTHING \
         RETURNING company, key",
    )
    .bind::<Array<Text>, _>(known.iter().map(|(company, _)| company.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(known.iter().map(|(_, key)| *key).collect::<Vec<_>>())
    .bind::<BigInt, _>(now.0)
    .load(conn)?;
    // of several errands with one key in one batch the first is taken
    let mut fresh: std::collections::HashSet<(String, String)> =
        fresh.into_iter().map(|row| (row.company, row.key)).collect();
    Ok(keys
        .iter()
        .map(|key| key.as_ref().is_none_or(|(company, key)| fresh.remove(&(company.clone(), (*key).to_owned()))))
        .collect())
}

pub(in crate::store) fn claim(conn: &mut Connection, now: Moment, wants: &[Want]) -> Result<Vec<ErrandRow>> {
    let mut rows: Vec<ErrandRow> = diesel::sql_query(format!(
        "WITH wants AS (SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::smallint[], $4::smallint[], $5::bigint[], \
         $6::integer[], $7::text[], $9::text[]) AS w (lane, low, high, rank, id, most, blocked, ready)), \
         picked AS (SELECT next.id FROM wants w CROSS JOIN LATERAL (SELECT e.id FROM errands e \
           WHERE e.lane = w.lane AND (e.rank, e.id) > (w.rank, w.id) AND e.rank BETWEEN w.low AND w.high \
           AND e.state = 0 \
           AND (e.not_before <= $8 OR (w.ready IS NOT NULL AND e.id = ANY (string_to_array(w.ready, ',')::bigint[]))) \
           AND (w.blocked IS NULL OR NOT (e.rank || ':' || e.peer) = ANY (string_to_array(w.blocked, E'\\n'))) \
           ORDER BY e.rank, e.id LIMIT w.most) next) \
         UPDATE errands SET state = 1, merge_key = {KEPT_KEY} FROM picked \
         WHERE errands.id = picked.id AND errands.state = 0 \
         RETURNING errands.id, company, lane, rank, peer, attempts, accepted_at, expires_at, work, origin"
    ))
    .bind::<Array<BigInt>, _>(wants.iter().map(|want| want.lane).collect::<Vec<_>>())
    .bind::<Array<SmallInt>, _>(wants.iter().map(|want| want.ranks.0).collect::<Vec<_>>())
    .bind::<Array<SmallInt>, _>(wants.iter().map(|want| want.ranks.1).collect::<Vec<_>>())
    .bind::<Array<SmallInt>, _>(wants.iter().map(|want| want.after.0).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(wants.iter().map(|want| want.after.1).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(wants.iter().map(|want| want.limit).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(
        wants
            .iter()
            .map(|want| {
                let lines: Vec<String> = want.blocked.iter().map(|(rank, peer)| format!("{rank}:{peer}")).collect();
                (!lines.is_empty()).then(|| lines.join("\n"))
            })
            .collect::<Vec<_>>(),
    )
    .bind::<BigInt, _>(now.0)
    .bind::<Array<Nullable<Text>>, _>(
        wants
            .iter()
            .map(|want| {
                let ids: Vec<String> = want.ready.iter().map(ToString::to_string).collect();
                (!ids.is_empty()).then(|| ids.join(","))
            })
            .collect::<Vec<_>>(),
    )
    .load(conn)?;
    // RETURNING has no order
    rows.sort_unstable_by_key(|row| (row.lane, row.rank, row.id));
    Ok(rows)
}

pub(in crate::store) fn remove(conn: &mut Connection, ids: &[ErrandId]) -> Result<Vec<ErrandId>> {
    let gone: Vec<Numbered> = diesel::sql_query("DELETE FROM errands WHERE id = ANY ($1) AND state = 1 RETURNING id")
        .bind::<Array<BigInt>, _>(ids)
        .load(conn)?;
    Ok(gone.into_iter().map(|row| row.id).collect())
}

//! The outbox on SQLite: prepared statements row by row. One writer and no round trips make that the fastest way.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};

use super::Connection;
use crate::model::id::ErrandId;
use crate::model::moment::Moment;
use crate::store::Result;
use crate::store::outbox::{ErrandIn, ErrandRow, FLYING, KEPT_KEY, WAITING, Want};
use crate::store::schema::{accepted_keys, errands};

pub(in crate::store) fn insert(conn: &mut Connection, rows: Vec<ErrandIn>) -> Result<Vec<ErrandId>> {
    let mut ids = Vec::with_capacity(rows.len());
    for row in rows {
        ids.push(if row.merge_key.is_some() { merge(conn, row)? } else { put(conn, row)? });
    }
    Ok(ids)
}

fn put(conn: &mut Connection, row: ErrandIn) -> Result<ErrandId> {
    Ok(diesel::insert_into(errands::table).values(row).returning(errands::id).get_result(conn)?)
}

fn merge(conn: &mut Connection, row: ErrandIn) -> Result<ErrandId> {
    let work = row.work.clone();
    let waiting = errands::table
        .filter(errands::lane.eq(row.lane).and(errands::merge_key.eq(&row.merge_key)))
        .filter(errands::state.eq(WAITING));
    let merged =
        diesel::update(waiting).set(errands::work.eq(work)).returning(errands::id).get_result(conn).optional()?;
    match merged {
        Some(id) => Ok(id),
        None => put(conn, row),
    }
}

pub(in crate::store) fn fresh_keys(
    conn: &mut Connection,
    now: Moment,
    keys: &[Option<(String, &str)>],
) -> Result<Vec<bool>> {
    keys.iter()
        .map(|key| {
            let Some((company, key)) = key else { return Ok(true) };
            let row =
                (accepted_keys::company.eq(company), accepted_keys::key.eq(*key), accepted_keys::accepted_at.eq(now.0));
            let put = diesel::insert_into(accepted_keys::table).values(row).on_conflict_do_nothing().execute(conn)?;
            Ok(put == 1)
        })
        .collect()
}

pub(in crate::store) fn claim(conn: &mut Connection, now: Moment, wants: &[Want]) -> Result<Vec<ErrandRow>> {
    let mut rows = Vec::new();
    for want in wants {
        let (rank, id) = want.after;
        let mut query = errands::table
            .filter(errands::lane.eq(want.lane))
            .filter(errands::rank.between(want.ranks.0, want.ranks.1))
            .filter(errands::rank.gt(rank).or(errands::rank.eq(rank).and(errands::id.gt(id))))
            .filter(errands::state.eq(WAITING))
            .order((errands::rank, errands::id))
            .limit(i64::from(want.limit))
            .select(ErrandRow::as_select())
            .into_boxed();
        query = if want.ready.is_empty() {
            query.filter(errands::not_before.le(now.0))
        } else {
            let ready = sql::<Bool>("errands.id IN (SELECT value FROM json_each(")
                .bind::<Text, _>(list(want.ready.iter().copied()))
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
        rows.extend(query.load::<ErrandRow>(conn)?);
    }
    if let [row] = rows.as_slice() {
        diesel::update(errands::table.find(row.id))
            .set((errands::state.eq(FLYING), errands::merge_key.eq(sql::<Nullable<Text>>(KEPT_KEY))))
            .execute(conn)?;
    } else if !rows.is_empty() {
        let ids = list(rows.iter().map(|row| row.id));
        diesel::sql_query(format!(
            "UPDATE errands SET state = 1, merge_key = {KEPT_KEY} WHERE id IN (SELECT value FROM json_each(?1))"
        ))
        .bind::<Text, _>(ids)
        .execute(conn)?;
    }
    Ok(rows)
}

pub(in crate::store) fn remove(conn: &mut Connection, ids: &[ErrandId]) -> Result<Vec<ErrandId>> {
    #[derive(QueryableByName)]
    struct Gone {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        id: ErrandId,
    }
    if let [id] = ids {
        let gone = diesel::delete(errands::table.find(*id).filter(errands::state.eq(FLYING))).execute(conn)?;
        return Ok(if gone == 1 { vec![*id] } else { Vec::new() });
    }
    let gone: Vec<Gone> = diesel::sql_query(
        "DELETE FROM errands WHERE id IN (SELECT value FROM json_each(?1)) AND state = 1 RETURNING id",
    )
    .bind::<Text, _>(list(ids.iter().copied()))
    .load(conn)?;
    Ok(gone.into_iter().map(|row| row.id).collect())
}

/// The numbers as a JSON list: one value to bind, whatever their count.
fn list(ids: impl Iterator<Item = ErrandId>) -> String {
    let mut text = String::from("[");
    for (n, id) in ids.enumerate() {
        if n > 0 {
            text.push(',');
        }
        text.push_str(&id.to_string());
    }
    text.push(']');
    text
}

//! When calls of lanes began. A settling transaction writes one row for all its lanes; the rows of the lanes, which lie far
//! apart, are written now and then, each once for many calls.

use std::collections::BTreeMap;
use std::sync::Arc;

use diesel::prelude::*;

use super::Connection;
use crate::model::id::LaneId;
use crate::model::moment::Tick;
use crate::store::row::{LaneRow, Sent, text, value};
use crate::store::schema::lanes;
use crate::store::{Conn, Result, Store};

diesel::table! {
    starts (id) {
        id -> BigInt,
        boot -> Text,
        sent -> Text,
    }
}

/// So many lanes are written in one transaction: others wait for it.
const SLICE: usize = 500;

/// A start as it is written: the lane, the paced tick and its gap, the live tick.
type Written = (LaneId, Option<(i64, i64)>, Option<i64>);

/// Each lane once.
pub(in crate::store) fn write(conn: &mut Connection, boot: &str, sent: &[Sent]) -> Result<()> {
    let written: Vec<Written> = sent
        .iter()
        .map(|sent| (sent.lane, sent.paced.map(|(tick, gap_ms)| (tick.0, gap_ms)), sent.live.map(|tick| tick.0)))
        .collect();
    diesel::insert_into(starts::table)
        .values((starts::boot.eq(boot), starts::sent.eq(text(&written)?)))
        .execute(conn)?;
    Ok(())
}

/// Reads rows of lanes and brings them up to date. What was written down is read first: where it is folded in between, the
/// rows know of it already, and hearing of it twice changes nothing.
pub(super) fn with_starts(
    conn: &mut Connection,
    read_rows: impl FnOnce(&mut Connection) -> Result<Vec<LaneRow>>,
) -> Result<Vec<LaneRow>> {
    let (_, told) = read(conn)?;
    let mut rows = read_rows(conn)?;
    for row in &mut rows {
        note(row, &told);
    }
    Ok(rows)
}

/// Writes the rows of the lanes, and forgets what stood beside them.
pub(in crate::store) fn fold(store: &Store) -> Result<()> {
    let (last, told) = store.read_blocking(|conn| with(conn, read))?;
    if told.is_empty() {
        return Ok(());
    }
    let many: Vec<LaneId> = told.keys().copied().collect();
    for slice in many.chunks(SLICE) {
        let part: Told = slice.iter().filter_map(|lane| Some((*lane, told.get(lane)?.clone()))).collect();
        store
            .write_blocking(move |conn| with(conn, |conn| part.keys().try_for_each(|lane| set(conn, *lane, &part))))?;
    }
    store.write_blocking(move |conn| {
        with(conn, |conn| {
            diesel::delete(starts::table.filter(starts::id.le(last))).execute(conn)?;
            Ok(())
        })
    })
}

/// What was written down of each lane, by boot and in its order; and the last row of it.
type Told = BTreeMap<LaneId, Vec<(Arc<str>, Sent)>>;

fn read(conn: &mut Connection) -> Result<(i64, Told)> {
    let rows: Vec<(i64, String, String)> = starts::table.order(starts::id).load(conn)?;
    let (mut last, mut told) = (0, Told::new());
    for (id, boot, sent) in rows {
        let boot: Arc<str> = boot.into();
        for (lane, paced, live) in value::<Vec<Written>>("starts", &sent)? {
            let paced = paced.map(|(tick, gap_ms)| (Tick(tick), gap_ms));
            let sent = Sent { lane, paced, live: live.map(Tick) };
            told.entry(lane).or_default().push((Arc::clone(&boot), sent));
        }
        last = id;
    }
    Ok((last, told))
}

fn note(row: &mut LaneRow, told: &Told) {
    for (boot, sent) in told.get(&row.id).into_iter().flatten() {
        row.note(boot, sent);
    }
}

fn set(conn: &mut Connection, lane: LaneId, told: &Told) -> Result<()> {
    let Some(mut row) = lanes::table.find(lane).select(LaneRow::as_select()).first(conn).optional()? else {
        return Ok(());
    };
    note(&mut row, told);
    diesel::update(lanes::table.find(lane))
        .set((
            lanes::sent_boot.eq(row.sent_boot),
            lanes::sent_tick.eq(row.sent_tick),
            lanes::sent_gap_ms.eq(row.sent_gap_ms),
            lanes::live_tick.eq(row.live_tick),
        ))
        .execute(conn)?;
    Ok(())
}

/// Does something on SQLite; the connection of this store is one.
fn with<T: Default>(conn: &mut Conn, work: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
    match conn {
        Conn::Sqlite(conn) => work(conn),
        Conn::Postgres(_) => Ok(T::default()),
    }
}

//! The outbox in the database: accept, claim, remove, put back. What differs between the databases is in
//! `sqlite/outbox.rs` and `postgres/outbox.rs`; the order of the story and the reasons are here.
//!
//! An errand is *waiting* until a pump claims it: on PostgreSQL by one conditional update, which a stop or a pause of another
//! process cannot overlook; on SQLite, where one writer does everything, by a row in `flights`. It *flies* until its answer is settled: then it is removed, or put back. A process that dies leaves
//! flying errands behind; whoever takes its lanes over finds them through its rows in `claims`.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;

use super::row::Sent;
use super::schema::errands;
use super::{Conn, Result, Store, StoreError, place, postgres, sqlite};
use crate::model::errand::{Errand, NewErrand, Rank, Work};
use crate::model::id::{CompanyId, ErrandId, LaneId, MailingId};
use crate::model::moment::Moment;
use crate::model::origin::Origin;

/// An errand that was accepted: what a pump needs to hear of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Its number.
    pub id: ErrandId,
    /// Its lane.
    pub lane: LaneId,
    /// Its rank.
    pub rank: Rank,
    /// Not before this moment.
    pub not_before: Moment,
}

/// What a pump wants of one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// The lane.
    pub lane: LaneId,
    /// Which track of the lane asks; given back as it came.
    pub live: bool,
    /// The lowest and the highest rank.
    pub ranks: (i16, i16),
    /// Only what stands behind this place in the order of rank and number.
    pub after: (i16, ErrandId),
    /// At most so many.
    pub limit: i32,
    /// Recipients that must wait, by rank.
    pub blocked: Vec<(i16, String)>,
    /// Errands whose pause is over, whatever moment was written down for them: the calendar may have been moved since.
    pub ready: Vec<ErrandId>,
}

impl Want {
    /// The number behind which the wanted errands stand, and the last one that they may have.
    pub(super) fn behind(&self) -> (ErrandId, ErrandId) {
        let (rank, id) = self.after;
        let (first, last) = place::ranks(self.lane, self.ranks.0.max(rank), self.ranks.1).into_inner();
        (id.max(first - 1), last)
    }
}

/// An errand that goes back into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PutBack {
    /// Its number.
    pub id: ErrandId,
    /// Not before this moment.
    pub not_before: Moment,
    /// How often a vendor was down for it.
    pub attempts: i32,
}

/// The row as it is written.
#[derive(Debug, Clone)]
pub(super) struct ErrandIn {
    pub company: String,
    pub lane: i64,
    pub rank: i16,
    pub peer: String,
    pub not_before: i64,
    pub accepted_at: i64,
    pub expires_at: Option<i64>,
    pub merge_key: Option<String>,
    pub mailing: Option<String>,
    pub work: String,
    pub origin: String,
}

/// The row as it is read.
#[derive(Queryable, QueryableByName, Selectable, Debug, Clone)]
#[diesel(table_name = errands, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub(super) struct ErrandRow {
    pub id: i64,
    pub company: String,
    pub lane: i64,
    pub rank: i16,
    pub peer: String,
    pub attempts: i32,
    pub accepted_at: i64,
    pub expires_at: Option<i64>,
    pub work: String,
    pub origin: String,
}

/// A second, in milliseconds.
const SECOND_MS: i64 = 1000;

/// Accepts errands, in their order. One whose key was accepted before is left out (`None`); one whose merge key waits in
/// the same lane replaces what waits, which then leaves no later than either of them would have.
///
/// # Errors
/// Those of the database.
pub fn accept(conn: &mut Conn, now: Moment, new: &[NewErrand]) -> Result<Vec<Option<Accepted>>> {
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let fresh = fresh_keys(conn, now, new)?;
    let kept: Vec<&NewErrand> = new.iter().zip(&fresh).filter_map(|(errand, fresh)| fresh.then_some(errand)).collect();
    let rows = kept.iter().map(|errand| written(now, errand)).collect::<Result<Vec<_>>>()?;
    let ids = match conn {
        Conn::Sqlite(conn) => sqlite::outbox::insert(conn, rows)?,
        Conn::Postgres(conn) => postgres::outbox::insert(conn, rows)?,
    };
    let accepted: Vec<Accepted> = kept
        .into_iter()
        .zip(ids)
        .map(|(errand, id)| Accepted {
            id,
            lane: errand.lane,
            rank: errand.rank,
            not_before: errand.not_before.unwrap_or_default(),
        })
        .collect();
    expire(conn, now, new.iter().zip(&fresh).filter(|(_, fresh)| **fresh).map(|(errand, _)| errand))?;
    super::notice::accepted(conn, &accepted)?;
    let mut accepted = accepted.into_iter();
    Ok(fresh.into_iter().map(|fresh| if fresh { accepted.next() } else { None }).collect())
}

/// Writes down in which lanes errands expire, and when. What expires at once is looked for a little later: in a moment every
/// other transaction knows of it.
fn expire<'a>(conn: &mut Conn, now: Moment, new: impl Iterator<Item = &'a NewErrand>) -> Result<()> {
    let soonest = now.plus_ms(SECOND_MS);
    let due: BTreeSet<(i64, LaneId)> =
        new.filter_map(|errand| Some((second(errand.expires_at?.max(soonest)), errand.lane))).collect();
    match conn {
        _ if due.is_empty() => Ok(()),
        Conn::Sqlite(conn) => sqlite::outbox::expire(conn, &due),
        Conn::Postgres(conn) => postgres::outbox::expire(conn, &due),
    }
}

/// The end of the second in which a moment lies.
const fn second(at: Moment) -> i64 {
    (at.0 + SECOND_MS - 1).div_euclid(SECOND_MS) * SECOND_MS
}

/// Claims errands for this process. It must still be an owner: where another process has declared it dead, nothing is
/// claimed. The claim is named so that it can be closed when all its errands are settled, and so that it can be asked for
/// again (`again`) when its answer was lost on the way: what it has claimed by then is given back.
///
/// # Errors
/// [`StoreError::Fenced`] where this process is an owner no more; those of the database.
pub fn claim(
    conn: &mut Conn,
    owner: &str,
    claim: &str,
    now: Moment,
    wants: &[Want],
    again: bool,
) -> Result<Vec<Errand>> {
    if !super::owner::is_alive(conn, owner)? {
        return Err(StoreError::Fenced);
    }
    if again && let Some(list) = crate::on!(conn, errand::claimed(claim))? {
        return flying(conn, &numbers(&list));
    }
    let rows = match conn {
        Conn::Sqlite(conn) => sqlite::outbox::claim(conn, now, wants)?,
        Conn::Postgres(conn) => postgres::outbox::claim(conn, now, wants)?,
    };
    if !rows.is_empty() {
        let ids: Vec<String> = rows.iter().map(|row| row.id.to_string()).collect();
        crate::on!(conn, errand::open_claim(claim, owner, &ids.join(",")))?;
    }
    rows.into_iter().map(read).collect()
}

/// Removes errands whose answer is final. Gives back those that were still flying: where one is missing, another process
/// has settled it.
///
/// # Errors
/// Those of the database.
pub fn remove(conn: &mut Conn, ids: &[ErrandId]) -> Result<Vec<ErrandId>> {
    match conn {
        Conn::Sqlite(conn) => sqlite::outbox::remove(conn, ids),
        Conn::Postgres(conn) => postgres::outbox::remove(conn, ids),
    }
}

/// Puts errands back that flew and shall fly again.
///
/// # Errors
/// Those of the database.
pub fn put_back(conn: &mut Conn, errands: &[PutBack]) -> Result<()> {
    for errand in errands {
        // its second may have been looked at while it flew
        let expires_at = match conn {
            Conn::Sqlite(conn) => sqlite::outbox::put_back(conn, errand)?,
            Conn::Postgres(conn) => postgres::outbox::put_back(conn, errand)?,
        };
        if let Some(expires_at) = expires_at {
            let due = BTreeSet::from([(second(Moment(expires_at)), place::lane_and_rank(errand.id).0)]);
            match conn {
                Conn::Sqlite(conn) => sqlite::outbox::expire(conn, &due)?,
                Conn::Postgres(conn) => postgres::outbox::expire(conn, &due)?,
            }
        }
    }
    Ok(())
}

/// Writes down when calls of lanes really began; of several calls of one lane the last one counts.
///
/// # Errors
/// Those of the database.
pub fn set_sent(conn: &mut Conn, boot: &str, sent: &[Sent]) -> Result<()> {
    let mut last: BTreeMap<LaneId, Sent> = BTreeMap::new();
    for sent in sent {
        let entry = last.entry(sent.lane).or_insert(*sent);
        // what counts is when the gap is over
        entry.paced = entry.paced.into_iter().chain(sent.paced).max_by_key(|(tick, gap_ms)| tick.plus_ms(*gap_ms));
        entry.live = entry.live.max(sent.live);
    }
    let last: Vec<Sent> = last.into_values().collect();
    match conn {
        _ if last.is_empty() => Ok(()),
        Conn::Sqlite(conn) => sqlite::starts::write(conn, boot, &last),
        Conn::Postgres(conn) => postgres::outbox::set_sent(conn, boot, &last),
    }
}

/// Writes starts of calls into the rows of their lanes where they still stand beside them. A start of the server may come at
/// any time: it reads both.
///
/// # Errors
/// Those of the database.
pub fn fold_starts(store: &Store) -> Result<()> {
    if store.is_shared() { Ok(()) } else { sqlite::starts::fold(store) }
}

/// Takes the errands over that a dead process left flying, and closes its claims. What was in the air is in the answer:
/// nobody knows whether the vendor got it. An errand of a claim that was put back may fly for another process by now, to
/// which its shard has gone: that one is left alone.
///
/// # Errors
/// Those of the database.
pub fn inherit(conn: &mut Conn, dead: &str) -> Result<Vec<Errand>> {
    let lists = crate::on!(conn, errand::claims_of(dead))?;
    let ids: BTreeSet<ErrandId> = lists.iter().flat_map(|list| numbers(list)).collect();
    let shards = crate::on!(conn, owner::shards(super::owner::Post::Pump))?;
    let held: Vec<i16> =
        shards.into_iter().filter(|(_, owner)| owner.as_deref() == Some(dead)).map(|(id, _)| id).collect();
    let ids: Vec<ErrandId> = ids.into_iter().collect();
    let mut flying = flying(conn, &ids)?;
    flying.retain(|errand| held.contains(&super::owner::shard_of(errand.lane)));
    Ok(flying)
}

/// Those of the errands that fly.
fn flying(conn: &mut Conn, ids: &[ErrandId]) -> Result<Vec<Errand>> {
    let mut flying = Vec::new();
    for part in ids.chunks(1000) {
        flying.extend(crate::on!(conn, errand::flying(part))?);
    }
    flying.into_iter().map(read).collect()
}

/// The numbers of a claim's list.
fn numbers(list: &str) -> Vec<ErrandId> {
    list.split(',').filter_map(|id| id.parse().ok()).collect()
}

/// Takes the waiting errands of a mailing back. What flies cannot be taken back: its number is the second answer.
///
/// # Errors
/// Those of the database.
pub fn withdraw_mailing(conn: &mut Conn, mailing: MailingId) -> Result<(Vec<Errand>, i64)> {
    let name = mailing.to_string();
    let rows = crate::on!(conn, errand::withdraw_mailing(&name))?;
    let flying = crate::on!(conn, errand::flying_of_mailing(&name))?;
    Ok((rows.into_iter().map(read).collect::<Result<_>>()?, flying))
}

/// Takes waiting errands out whose time is over, or whose channel was cleared; at most `limit`.
///
/// # Errors
/// Those of the database.
pub fn withdraw_expired(conn: &mut Conn, now: Moment, limit: i64) -> Result<Vec<Errand>> {
    let rows = crate::on!(conn, errand::withdraw_expired(now.0, limit))?;
    rows.into_iter().map(read).collect()
}

/// Takes the waiting errands of a lane out that were accepted before a moment; at most `limit`.
///
/// # Errors
/// Those of the database.
pub fn withdraw_lane(conn: &mut Conn, lane: LaneId, before: Moment, limit: i64) -> Result<Vec<Errand>> {
    let rows = crate::on!(conn, errand::withdraw_lane(lane, before.0, limit))?;
    rows.into_iter().map(read).collect()
}

/// The same for those that belong to no mailing.
///
/// # Errors
/// Those of the database.
pub fn withdraw_unmailed(conn: &mut Conn, lane: LaneId, before: Moment, limit: i64) -> Result<Vec<Errand>> {
    let rows = crate::on!(conn, errand::withdraw_unmailed(lane, before.0, limit))?;
    rows.into_iter().map(read).collect()
}

/// The errand of a company with this merge key, and whether it flies.
///
/// # Errors
/// Those of the database.
pub fn by_merge_key(conn: &mut Conn, company: CompanyId, key: &str) -> Result<Option<(Errand, bool)>> {
    let found = crate::on!(conn, errand::by_merge_key(company, key))?;
    found.map(|(row, flies)| Ok((read(row)?, flies))).transpose()
}

/// Gives an errand that waits other work; tells whether it waited still.
///
/// # Errors
/// Those of the database.
pub fn rewrite(conn: &mut Conn, id: ErrandId, work: &Work) -> Result<bool> {
    let work = super::row::text(work)?;
    crate::on!(conn, errand::rewrite(id, &work))
}

/// Takes an errand out that waits; none where it waits no more.
///
/// # Errors
/// Those of the database.
pub fn withdraw_one(conn: &mut Conn, id: ErrandId) -> Result<Option<Errand>> {
    crate::on!(conn, errand::withdraw_one(id))?.pop().map(read).transpose()
}

/// The first errands of a lane as they stand, flying ones first, then by rank and number; for people who look at the queue.
///
/// # Errors
/// Those of the database.
pub fn look(conn: &mut Conn, lane: LaneId, limit: i64) -> Result<Vec<(Errand, bool, Moment)>> {
    let rows = crate::on!(conn, errand::look(lane, limit))?;
    rows.into_iter().map(|(row, flies, not_before)| Ok((read(row)?, flies, Moment(not_before)))).collect()
}

fn fresh_keys(conn: &mut Conn, now: Moment, new: &[NewErrand]) -> Result<Vec<bool>> {
    if new.iter().all(|errand| errand.dedup_key.is_none()) {
        return Ok(vec![true; new.len()]);
    }
    let keys: Vec<Option<(String, &str)>> =
        new.iter().map(|errand| errand.dedup_key.as_deref().map(|key| (errand.company.to_string(), key))).collect();
    match conn {
        Conn::Sqlite(conn) => sqlite::outbox::fresh_keys(conn, now, &keys),
        Conn::Postgres(conn) => postgres::outbox::fresh_keys(conn, now, &keys),
    }
}

fn written(now: Moment, errand: &NewErrand) -> Result<ErrandIn> {
    let text = |table, value: Result<String, serde_json::Error>| {
        value.map_err(|error| StoreError::Unreadable { table, what: error.to_string() })
    };
    Ok(ErrandIn {
        company: errand.company.to_string(),
        lane: errand.lane,
        rank: errand.rank.to_db(),
        peer: errand.peer.clone(),
        not_before: errand.not_before.unwrap_or_default().0,
        accepted_at: now.0,
        expires_at: errand.expires_at.map(|at| at.0),
        merge_key: errand.merge_key.clone(),
        mailing: match &errand.origin {
            Origin::Recipient { mailing, .. } => Some(mailing.to_string()),
            _ => None,
        },
        work: text("errands", serde_json::to_string(&errand.work))?,
        origin: text("errands", serde_json::to_string(&errand.origin))?,
    })
}

pub(super) fn read(row: ErrandRow) -> Result<Errand> {
    let unreadable = |what: String| StoreError::Unreadable { table: "errands", what };
    Ok(Errand {
        id: row.id,
        company: row.company.parse().map_err(|error| unreadable(format!("company: {error}")))?,
        lane: row.lane,
        rank: Rank::from_db(row.rank),
        peer: row.peer,
        work: serde_json::from_str(&row.work).map_err(|error| unreadable(format!("work: {error}")))?,
        origin: serde_json::from_str(&row.origin).map_err(|error| unreadable(format!("origin: {error}")))?,
        accepted_at: Moment(row.accepted_at),
        expires_at: row.expires_at.map(Moment),
        attempts: row.attempts,
    })
}

//! What processes tell each other through PostgreSQL: it is said inside the transaction and heard after its commit.
//! SQLite belongs to one process, so nothing needs to be said there.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::outbox::Accepted;
use super::{Conn, Result};
use crate::model::id::{CompanyId, ErrandId, LaneId};

/// Where it is said.
const CHANNEL: &str = "switchboard";

/// Where it is said what pages show anew.
const LIVE: &str = "switchboard_live";

/// PostgreSQL takes less than 8 000 bytes at once.
const MOST_BYTES: usize = 7_500;

/// Something that was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// Something waits in a lane: the lowest number of a rank.
    Accepted {
        /// The lane.
        lane: LaneId,
        /// The rank.
        rank: i16,
        /// The lowest number.
        id: ErrandId,
        /// Not before this moment.
        not_before: i64,
    },
    /// A lane's row was changed.
    Changed(LaneId),
}

/// Says which lanes have new work.
///
/// # Errors
/// Those of the database.
pub fn accepted(conn: &mut Conn, errands: &[Accepted]) -> Result<()> {
    if !matches!(conn, Conn::Postgres(_)) {
        return Ok(());
    }
    let mut lowest: BTreeMap<(LaneId, i16, i64), ErrandId> = BTreeMap::new();
    for errand in errands {
        let key = (errand.lane, errand.rank.to_db(), errand.not_before.0);
        lowest.entry(key).and_modify(|id| *id = (*id).min(errand.id)).or_insert(errand.id);
    }
    let mut text = String::new();
    for ((lane, rank, not_before), id) in lowest {
        if text.len() > MOST_BYTES - 80 {
            say(conn, &std::mem::take(&mut text))?;
        }
        // writing to a string does not fail
        let _ = write!(text, "a {lane} {rank} {id} {not_before};");
    }
    say(conn, &text)
}

/// Says that a lane's row was changed.
///
/// # Errors
/// Those of the database.
pub fn changed(conn: &mut Conn, lane: LaneId) -> Result<()> {
    say(conn, &format!("c {lane};"))
}

/// Says in the name of a process what has changed of companies, for those who look at pages of the others: a set of topics for each.
///
/// # Errors
/// Those of the database.
pub fn live(conn: &mut Conn, speaker: &str, changed: &[(CompanyId, u8)]) -> Result<()> {
    let mut text = String::new();
    for (company, topics) in changed {
        if text.len() > MOST_BYTES - 80 {
            say_at(conn, LIVE, &std::mem::take(&mut text))?;
        }
        // writing to a string does not fail
        let _ = write!(text, "{speaker} {company} {topics};");
    }
    say_at(conn, LIVE, &text)
}

/// Begins to listen to what pages show anew.
///
/// # Errors
/// Those of the database.
pub fn listen_live(conn: &mut Conn) -> Result<()> {
    if matches!(conn, Conn::Postgres(_)) { conn.batch(&format!("LISTEN {LIVE}")) } else { Ok(()) }
}

/// What was said of pages since the last look, and by which process.
///
/// # Errors
/// Where the connection is lost.
pub fn heard_live(conn: &mut Conn) -> Result<Vec<(String, CompanyId, u8)>> {
    let Conn::Postgres(conn) = conn else { return Ok(Vec::new()) };
    let mut changed = Vec::new();
    for said in conn.notifications_iter() {
        let read = |text: &str| {
            let mut words = text.split(' ');
            let (speaker, company, topics) = (words.next()?, words.next()?, words.next()?);
            Some((speaker.to_owned(), company.parse().ok()?, topics.parse().ok()?))
        };
        changed.extend(said?.payload.split(';').filter_map(read));
    }
    Ok(changed)
}

/// Begins to listen.
///
/// # Errors
/// Those of the database.
pub fn listen(conn: &mut Conn) -> Result<()> {
    if matches!(conn, Conn::Postgres(_)) { conn.batch(&format!("LISTEN {CHANNEL}")) } else { Ok(()) }
}

/// What was said since the last look.
///
/// # Errors
/// Where the connection is lost.
pub fn heard(conn: &mut Conn) -> Result<Vec<Notice>> {
    let Conn::Postgres(conn) = conn else { return Ok(Vec::new()) };
    let mut notices = Vec::new();
    for said in conn.notifications_iter() {
        notices.extend(said?.payload.split(';').filter_map(read));
    }
    Ok(notices)
}

fn say(conn: &mut Conn, text: &str) -> Result<()> {
    say_at(conn, CHANNEL, text)
}

fn say_at(conn: &mut Conn, channel: &str, text: &str) -> Result<()> {
    if let Conn::Postgres(conn) = conn
        && !text.is_empty()
    {
        let query = diesel::sql_query("SELECT pg_notify($1, $2)").bind::<Text, _>(channel);
        query.bind::<Text, _>(text).execute(&mut **conn)?;
    }
    Ok(())
}

fn read(text: &str) -> Option<Notice> {
    let mut words = text.split(' ');
    match words.next()? {
        "a" => {
            let mut number = || words.next()?.parse::<i64>().ok();
            let (lane, rank, id, not_before) = (number()?, number()?, number()?, number()?);
            Some(Notice::Accepted { lane, rank: i16::try_from(rank).ok()?, id, not_before })
        }
        "c" => words.next()?.parse().ok().map(Notice::Changed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        assert_eq!(read("c 7"), Some(Notice::Changed(7)));
        assert_eq!(read("a 7 1 99 0"), Some(Notice::Accepted { lane: 7, rank: 1, id: 99, not_before: 0 }));
        assert_eq!(read(""), None);
        assert_eq!(read("a 7"), None);
    }
}

//! A stranger who is held back does not hold the whole mailing: somebody who is no stranger goes in meanwhile. A further stranger
//! would only wait beside the first.

use crate::flow::first;
use crate::messenger;
use crate::model::id::{ChannelId, CompanyId};
use crate::model::message::{Kind, Peer};
use crate::model::moment::Moment;
use crate::store::row::{ChannelRow, MailingRow, value};
use crate::store::{Conn, Result};

/// A row that waits for longer than this is held back, in milliseconds: what a vendor asks for after a failed try is shorter.
const HELD_MS: i64 = 60_000;

/// So many rows of one mailing may be held back at once.
const MOST_HELD: i64 = 20;

/// So many of the next rows are looked through for somebody who is no stranger.
const LOOK: i64 = 200;

/// What waits beyond this moment is held back.
#[must_use]
pub fn horizon(now: Moment) -> i64 {
    now.plus_ms(HELD_MS).0
}

/// Which row is to be put into the outbox next.
pub(super) enum Next {
    /// The next one; nothing of the mailing is held back.
    Any,
    /// This one.
    One(String),
    /// None for now.
    Nobody,
}

/// Which row of a hungry mailing comes next.
pub(super) fn next(conn: &mut Conn, company: CompanyId, mailing: &MailingRow) -> Result<Next> {
    let held = crate::on!(conn, mailing::in_outbox(&mailing.id))?;
    if held == 0 {
        return Ok(Next::Any);
    }
    let channel = match mailing.channel.parse::<ChannelId>() {
        Ok(id) => crate::on!(conn, channel::by_id(company, id))?.map(|row| (id, row)),
        Err(_) => None,
    };
    let choosy = |row: &ChannelRow| {
        Kind::from_slug(&row.messenger).and_then(messenger::of).is_some_and(|one| one.firsts().is_some())
    };
    let Some((id, _)) = channel.filter(|(_, row)| held < MOST_HELD && choosy(row)) else { return Ok(Next::Nobody) };
    for row in crate::on!(conn, mailing::pending(&mailing.id, LOOK))? {
        if first::is_known(conn, id, &value::<Peer>("recipients", &row.peer)?)? {
            return Ok(Next::One(row.id));
        }
    }
    Ok(Next::Nobody)
}

/// Whether a mailing of which nothing is about to leave can be given another row. Only reads.
///
/// # Errors
/// Those of the database.
pub fn may_be_fed(conn: &mut Conn, mailing: &MailingRow) -> Result<bool> {
    let Ok(company) = mailing.company.parse() else { return Ok(false) };
    Ok(!matches!(next(conn, company, mailing)?, Next::Nobody))
}

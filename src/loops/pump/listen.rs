//! Hears what other processes announce through PostgreSQL: errands that they accepted, lanes that they changed.

use std::time::Duration;

use super::{Bell, Event};
use crate::model::errand::Rank;
use crate::model::moment::Moment;
use crate::store::outbox::Accepted;
use crate::store::{Options, notice};

/// Between two looks at the connection; it only asks the socket what has come.
const LOOK: Duration = Duration::from_millis(10);

/// Before connecting again.
const PAUSE: Duration = Duration::from_millis(200);

/// Starts a thread that hears until the pump is gone. What is said while the connection is lost is searched for when it is
/// there again.
pub(super) fn start(options: Options, bell: Bell) {
    std::thread::spawn(move || {
        while !bell.events.is_closed() {
            if let Err(error) = hear(&options, &bell) {
                tracing::warn!(%error, "announcements of other processes are not heard; connecting again");
                std::thread::sleep(PAUSE);
            }
        }
    });
}

fn hear(options: &Options, bell: &Bell) -> crate::store::Result<()> {
    let mut conn = crate::store::connect(options)?;
    notice::listen(&mut conn)?;
    // what was said while nobody listened was said to nobody
    let _ = bell.events.send(Event::Missed);
    while !bell.events.is_closed() {
        let mut accepted = Vec::new();
        for notice in notice::heard(&mut conn)? {
            match notice {
                notice::Notice::Accepted { lane, rank, id, not_before } => {
                    accepted.push(Accepted { id, lane, rank: Rank::from_db(rank), not_before: Moment(not_before) });
                }
                notice::Notice::Changed(lane) => {
                    let _ = bell.events.send(Event::Changed(lane));
                }
            }
        }
        bell.accepted(accepted);
        std::thread::sleep(LOOK);
    }
    Ok(())
}

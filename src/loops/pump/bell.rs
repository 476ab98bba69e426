//! How others reach the pump of their process.

use tokio::sync::{mpsc, oneshot};

use super::Event;
use crate::model::id::LaneId;
use crate::model::moment::Moment;
use crate::store::outbox::Accepted;

/// When the next calls of a lane are due, by this pump's knowledge.
pub type Overview = Vec<(LaneId, Due)>;

/// When the next call of a lane is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The next live answer, as a moment of the calendar.
    pub live_at: Moment,
    /// The next paced message.
    pub paced_at: Moment,
    /// How many calls are open or claimed.
    pub flying: u32,
    /// How many calls may leave at once, where the lane has a bucket.
    pub calls_left: Option<i64>,
}

/// How others reach the pump of this process. Cheap to clone; without a pump its words go nowhere, and on PostgreSQL the
/// pumps of other processes hear of them through the database.
#[derive(Debug, Clone)]
pub struct Bell {
    pub(super) events: mpsc::UnboundedSender<Event>,
}

impl Bell {
    /// A bell, and what a pump needs to hear it.
    #[must_use]
    pub fn new() -> (Self, Hearing) {
        let (events, hear) = mpsc::unbounded_channel();
        (Self { events }, Hearing(hear))
    }

    /// Errands were accepted and committed.
    pub fn accepted(&self, errands: Vec<Accepted>) {
        if !errands.is_empty() {
            let _ = self.events.send(Event::Accepted(errands));
        }
    }

    /// A lane's state, pace or hours were changed and committed.
    pub fn changed(&self, lane: LaneId) {
        let _ = self.events.send(Event::Changed(lane));
    }

    /// When the next calls of these lanes are due; lanes of other processes are missing in the answer.
    pub async fn look(&self, lanes: Vec<LaneId>) -> Overview {
        let (tell, hear) = oneshot::channel();
        let _ = self.events.send(Event::Look(tell, lanes));
        hear.await.unwrap_or_default()
    }

    /// Claims nothing more, lets open calls finish, settles everything, gives the lanes up.
    pub async fn stop(&self) {
        let (tell, hear) = oneshot::channel();
        let _ = self.events.send(Event::Stop(tell));
        let _ = hear.await;
    }
}

/// The other end of a [`Bell`].
#[derive(Debug)]
pub struct Hearing(pub(super) mpsc::UnboundedReceiver<Event>);

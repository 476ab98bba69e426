//! The bell of a process: how its flows reach its pump and its feeder.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::app::live::{Live, Topics};
use crate::app::{Bell, LaneDue};
use crate::loops::pump;
use crate::model::id::LaneId;
use crate::store::outbox::Accepted;

/// The bell of a process that may have a pump and a feeder. Where one of them runs elsewhere its words go nowhere: other
/// processes hear through the database.
#[derive(Debug, Clone)]
pub struct HouseBell {
    pump: Option<pump::Bell>,
    feed: Arc<Notify>,
    listen: Arc<Notify>,
    live: Arc<Live>,
}

impl HouseBell {
    /// A bell that reaches this pump, the feeder that waits for `feed` and the listener that waits for `listen`, and those who look at pages.
    #[must_use]
    pub const fn new(pump: Option<pump::Bell>, feed: Arc<Notify>, listen: Arc<Notify>, live: Arc<Live>) -> Self {
        Self { pump, feed, listen, live }
    }
}

impl Bell for HouseBell {
    fn accepted(&self, errands: Vec<Accepted>) {
        if !errands.is_empty() {
            self.live.touch_lanes(errands.iter().map(|errand| errand.lane), Topics::QUEUE);
        }
        if let Some(pump) = &self.pump {
            pump.accepted(errands);
        }
    }

    fn changed(&self, lane: LaneId) {
        if let Some(pump) = &self.pump {
            pump.changed(lane);
        }
        self.live.touch_lanes([lane], Topics::CHANNELS.with(Topics::QUEUE));
        // a channel may have come, gone or come back
        self.listen.notify_one();
    }

    fn seen(&self, lane: LaneId) {
        self.live.touch_lanes([lane], Topics::CHANNELS);
    }

    fn feed(&self) {
        self.feed.notify_one();
    }

    fn look(&self, lanes: Vec<LaneId>) -> Pin<Box<dyn Future<Output = HashMap<LaneId, LaneDue>> + Send + '_>> {
        Box::pin(async move {
            let Some(pump) = &self.pump else { return HashMap::new() };
            let seen = pump.look(lanes).await;
            let due =
                |due: pump::Due| LaneDue { live_at: due.live_at, paced_at: due.paced_at, calls_left: due.calls_left };
            seen.into_iter().map(|(id, seen)| (id, due(seen))).collect()
        })
    }
}

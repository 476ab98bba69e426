//! What every flow needs at hand: the store, the clock, the way out, the keys, the settings.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::config::Config;
use crate::model::clock::Clock;
use crate::model::id::LaneId;
use crate::model::moment::Moment;
use crate::net::http::Http;
use crate::store::outbox::Accepted;
use crate::store::{Keyring, Store};

/// When the next calls of a lane are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneDue {
    /// The next live answer.
    pub live_at: Moment,
    /// The next paced message.
    pub paced_at: Moment,
}

/// How flows reach the pump of this process, if it has one.
pub trait Bell: Send + Sync {
    /// Errands were accepted and committed. Never blocks.
    fn accepted(&self, errands: Vec<Accepted>);

    /// A lane's state, pace or hours were changed and committed. Never blocks.
    fn changed(&self, lane: LaneId);

    /// Something was written that the feeder works: a delivery, a row of a mailing. Never blocks.
    fn feed(&self);

    /// When the next calls of these lanes are due, as far as this process pumps them.
    fn look(&self, lanes: Vec<LaneId>) -> Pin<Box<dyn Future<Output = HashMap<LaneId, LaneDue>> + Send + '_>>;
}

/// What every flow needs at hand. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The settings.
    pub config: Arc<Config>,
    /// The database.
    pub store: Arc<Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The way out.
    pub http: Arc<Http>,
    /// The keys that seal secrets.
    pub keys: Arc<Keyring>,
    /// The pump.
    pub bell: Arc<dyn Bell>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("store", &self.store).finish_non_exhaustive()
    }
}

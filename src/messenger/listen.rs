//! The seam of listening: what a messenger that keeps a connection is given, and what it hands over.

use serde_json::Value;

use super::Boxed;
use crate::model::message::Event;
use crate::model::moment::Moment;

/// What was heard, in its order, and the place to go on from after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// Events, each with the vendor's key against repetition.
    pub events: Vec<(String, Event)>,
    /// Where to go on from once these are written down: whatever the messenger needs for it, small.
    pub cursor: Value,
    /// Whether something before these may have been missed and cannot be fetched any more.
    pub gap: bool,
}

/// What was heard could not be written down: the database is away, or another process listens by now. The messenger ends
/// its connection and answers `Down`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what was heard could not be written down: {0}")]
pub struct Deaf(pub String);

/// Whoever hears a messenger out. The flow provides it, so that a messenger knows neither the store nor the clock.
pub trait Ear: Send + Sync {
    /// Takes events and the place after them: both are written down in one transaction, and durable when this returns. An
    /// event that came before is dropped by its key.
    fn hear(&self, heard: Heard) -> Boxed<'_, Result<(), Deaf>>;

    /// The connection stands, and everything that waited was fetched.
    fn connected(&self) -> Boxed<'_, ()>;

    /// The chats with messages of ours of the last day that were not read, as far as is known, each with the moment of the
    /// newest one. For messengers that tell of that only when they are asked.
    fn unread(&self) -> Boxed<'_, Vec<(String, Moment)>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    /// Waits, by the clock of the server.
    fn rest(&self, ms: i64) -> Boxed<'_, ()>;

    /// The moment of the calendar.
    fn now(&self) -> Moment;
}

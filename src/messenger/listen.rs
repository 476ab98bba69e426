//! The seam of listening: what a messenger that keeps a connection is given, and what it hands over.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
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

    /// Writes down what the messenger must know as long as the channel lives, under names of its own; durable when this
    /// returns. For what grows: the place to go on from is written with every event.
    fn note(&self, notes: Vec<(String, String)>) -> Boxed<'_, Result<(), Deaf>> {
        let _ = notes;
        Box::pin(async { Ok(()) })
    }

    /// Everything that was written down by [`Ear::note`].
    fn notes(&self) -> Boxed<'_, Result<Vec<(String, String)>, Deaf>> {
        Box::pin(async { Ok(Vec::new()) })
    }

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

/// Lines that a process keeps open, by names that the messengers choose.
#[derive(Default)]
pub struct Lines(Mutex<HashMap<String, Arc<dyn Any + Send + Sync>>>);

impl Lines {
    /// Lends a line under a name.
    pub fn put<T: Send + Sync + 'static>(&self, name: &str, line: &Arc<T>) {
        self.0.lock().insert(name.to_owned(), Arc::<T>::clone(line));
    }

    /// The line of a name; none where this process keeps none.
    #[must_use]
    pub fn get<T: Send + Sync + 'static>(&self, name: &str) -> Option<Arc<T>> {
        self.0.lock().get(name).cloned()?.downcast().ok()
    }

    /// Takes a line back, unless another one was lent under the name meanwhile.
    pub fn take<T: Send + Sync + 'static>(&self, name: &str, line: &Arc<T>) {
        let mut lines = self.0.lock();
        let same = |lent: &Arc<dyn Any + Send + Sync>| std::ptr::addr_eq(Arc::as_ptr(lent), Arc::as_ptr(line));
        if lines.get(name).is_some_and(same) {
            lines.remove(name);
        }
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("open", &self.0.lock().len()).finish_non_exhaustive()
    }
}

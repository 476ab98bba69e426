//! What has changed lately, for those who look at a page: no more than the names of what to ask for again.
//!
//! Flows touch what they changed, a loop gathers that for a moment and tells it, in this process and through the database in
//! the others (`loops/live.rs`). Nothing is lost by a word that is lost: pages also ask by themselves now and then.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

use crate::model::id::{CompanyId, LaneId};

/// Things that pages show, as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Topics(pub u8);

impl Topics {
    /// How channels are.
    pub const CHANNELS: Self = Self(1);
    /// What waits.
    pub const QUEUE: Self = Self(2);
    /// Mailings.
    pub const MAILINGS: Self = Self(4);
    /// Lines.
    pub const LINES: Self = Self(8);
    /// What was said.
    pub const MESSAGES: Self = Self(16);
    /// Templates of channels.
    pub const TEMPLATES: Self = Self(32);
    /// All of them.
    pub const ALL: Self = Self(63);

    /// Both sets.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The names, as the API tells them.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        let all = [
            (Self::CHANNELS, "channels"),
            (Self::QUEUE, "queue"),
            (Self::MAILINGS, "mailings"),
            (Self::LINES, "lines"),
            (Self::MESSAGES, "messages"),
            (Self::TEMPLATES, "templates"),
        ];
        all.into_iter().filter(|(topic, _)| self.0 & topic.0 != 0).map(|(_, name)| name).collect()
    }
}

/// So many streams of one session: tabs of one browser.
pub const MOST_OF_A_SESSION: usize = 8;

/// So many streams of one process: each holds a connection.
const MOST: usize = 10_000;

/// So many words wait for a slow reader; after that it hears that everything changed.
const WORDS: usize = 16;

/// Who looks, and what they have not heard yet.
#[derive(Debug)]
pub struct Live {
    state: Mutex<State>,
    ring: Notify,
    /// Whether other processes are to be told.
    shared: bool,
    /// What this process calls itself among them.
    name: String,
    closed: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    dirty: Dirty,
    streams: HashMap<CompanyId, broadcast::Sender<Topics>>,
    sessions: HashMap<String, (usize, CancellationToken)>,
    count: usize,
}

/// What was touched since the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Dirty {
    /// By company.
    pub companies: HashMap<CompanyId, Topics>,
    /// By lane, where the company is still to be found.
    pub lanes: HashMap<LaneId, Topics>,
}

impl Live {
    /// Nobody looks yet. `shared` says that there may be other processes with people who look.
    #[must_use]
    pub fn new(shared: bool) -> Self {
        Self {
            state: Mutex::default(),
            ring: Notify::new(),
            shared,
            name: uuid::Uuid::new_v4().simple().to_string(),
            closed: CancellationToken::new(),
        }
    }

    /// What this process calls itself among those that share its database.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Something of a company changed. Never blocks; costs nothing where nobody looks.
    pub fn touch(&self, company: CompanyId, topics: Topics) {
        let mut state = self.state.lock();
        if self.shared || state.count > 0 {
            let known = state.dirty.companies.entry(company).or_default();
            *known = known.with(topics);
            drop(state);
            self.ring.notify_one();
        }
    }

    /// Something of lanes changed. Never blocks.
    pub fn touch_lanes(&self, lanes: impl IntoIterator<Item = LaneId>, topics: Topics) {
        let mut state = self.state.lock();
        if self.shared || state.count > 0 {
            for lane in lanes {
                let known = state.dirty.lanes.entry(lane).or_default();
                *known = known.with(topics);
            }
            drop(state);
            self.ring.notify_one();
        }
    }

    /// Waits until something was touched.
    pub async fn rung(&self) {
        self.ring.notified().await;
    }

    /// Takes what was touched.
    #[must_use]
    pub fn take(&self) -> Dirty {
        std::mem::take(&mut self.state.lock().dirty)
    }

    /// Tells the people of a company who look here.
    pub fn tell(&self, company: CompanyId, topics: Topics) {
        if let Some(stream) = self.state.lock().streams.get(&company) {
            // nobody may be there any more
            let _ = stream.send(topics);
        }
    }

    /// Tells everybody that anything may have changed: words of other processes may have been missed.
    pub fn tell_all(&self) {
        for stream in self.state.lock().streams.values() {
            let _ = stream.send(Topics::ALL);
        }
    }

    /// Begins to look on behalf of a session; none where it looks too often already.
    #[must_use]
    pub fn look(self: &Arc<Self>, company: CompanyId, session: &str) -> Option<Looking> {
        let mut state = self.state.lock();
        let (of_session, over) = state.sessions.get(session).cloned().unwrap_or_default();
        if of_session >= MOST_OF_A_SESSION || state.count >= MOST || self.closed.is_cancelled() {
            return None;
        }
        state.sessions.insert(session.to_owned(), (of_session + 1, over.clone()));
        state.count += 1;
        let words = state.streams.entry(company).or_insert_with(|| broadcast::channel(WORDS).0).subscribe();
        Some(Looking { words, company, session: session.to_owned(), over, live: Arc::clone(self) })
    }

    /// Ends the streams of a session: whoever had it has signed out.
    pub fn end(&self, session: &str) {
        if let Some((_, over)) = self.state.lock().sessions.get(session) {
            over.cancel();
        }
    }

    /// Ends every stream: the server stops.
    pub fn close(&self) {
        self.closed.cancel();
    }

    /// Whether the server stops.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }
}

/// Somebody who looks.
#[derive(Debug)]
pub struct Looking {
    words: broadcast::Receiver<Topics>,
    company: CompanyId,
    session: String,
    over: CancellationToken,
    live: Arc<Live>,
}

impl Looking {
    /// What changed next; none where the session is over or the server stops. May be dropped at any moment.
    pub async fn next(&mut self) -> Option<Topics> {
        tokio::select! {
            () = self.live.closed.cancelled() => None,
            () = self.over.cancelled() => None,
            word = self.words.recv() => match word {
                Ok(topics) => Some(topics),
                Err(broadcast::error::RecvError::Lagged(_)) => Some(Topics::ALL),
                Err(broadcast::error::RecvError::Closed) => None,
            }
        }
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        let mut state = self.live.state.lock();
        state.count = state.count.saturating_sub(1);
        let is_last = state.sessions.get_mut(&self.session).is_none_or(|(count, _)| {
            *count = count.saturating_sub(1);
            *count == 0
        });
        if is_last {
            state.sessions.remove(&self.session);
        }
        // this one is still counted
        if state.streams.get(&self.company).is_some_and(|stream| stream.receiver_count() <= 1) {
            state.streams.remove(&self.company);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_company_hears_of_itself_alone_and_a_slow_reader_hears_that_everything_changed() {
        let live = Arc::new(Live::new(false));
        let (ours, theirs) = (CompanyId::new(), CompanyId::new());
        live.touch(ours, Topics::QUEUE);
        assert_eq!(live.take(), Dirty::default(), "nobody looks");
        let (mut here, mut there) = (live.look(ours, "a").unwrap(), live.look(theirs, "b").unwrap());
        live.touch(ours, Topics::QUEUE);
        live.touch(ours, Topics::CHANNELS);
        let dirty = live.take();
        assert_eq!(dirty.companies, HashMap::from([(ours, Topics(3))]));
        live.tell(ours, Topics(3));
        assert_eq!(here.next().await, Some(Topics(3)));
        live.tell(theirs, Topics::LINES);
        assert_eq!(there.next().await.map(Topics::names), Some(vec!["lines"]), "and nothing of ours before it");
        for _ in 0..WORDS * 2 {
            live.tell(ours, Topics::QUEUE);
        }
        assert_eq!(here.next().await, Some(Topics::ALL));
        live.close();
        while here.next().await.is_some() {}
        assert!(live.look(ours, "c").is_none());
    }

    #[test]
    fn a_session_looks_so_often_and_no_more() {
        let live = Arc::new(Live::new(false));
        let company = CompanyId::new();
        let mut all: Vec<_> = (0..MOST_OF_A_SESSION).map(|_| live.look(company, "a").unwrap()).collect();
        assert!(live.look(company, "a").is_none());
        assert!(live.look(company, "b").is_some(), "another session has its own");
        all.pop();
        assert!(live.look(company, "a").is_some(), "one that ended makes room");
        all.clear();
        assert!(live.state.lock().streams.is_empty() && live.state.lock().sessions.is_empty(), "nothing is left");
    }
}

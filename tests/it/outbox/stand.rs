//! A pump on a real database, a clock that the test moves, and a vendor that answers as it is told.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use switchboard::loops::pump::lanes::Fate;
use switchboard::loops::pump::lease::Times;
use switchboard::loops::pump::trade::{Settled, Trade};
use switchboard::loops::pump::{Bell, Due, Pump, Settings};
use switchboard::model::clock::{Clock, HandClock};
use switchboard::model::errand::{Errand, NewErrand, Rank, Work};
use switchboard::model::id::{CompanyId, LaneId, PortalId};
use switchboard::model::moment::{Moment, Tick};
use switchboard::model::origin::Origin;
use switchboard::model::pace::Pace;
use switchboard::model::vendor::Answer;
use switchboard::model::window::Window;
use switchboard::store::outbox::{self, Accepted};
use switchboard::store::row::{LaneState, NewLane};
use switchboard::store::{Conn, Options, Result, Store};
use tokio::sync::watch;

/// The moment at which the clock stands first: 2026-01-05 09:00 UTC, a Monday.
pub const START: Moment = Moment(1_767_603_600_000);

/// 15 seconds between messages, one between live answers.
pub const CAREFUL: Pace = Pace::CAREFUL;

/// A call as the vendor saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub lane: LaneId,
    pub peer: String,
    pub at: Tick,
}

/// The vendor, and whoever is told.
pub struct Vendor {
    clock: Arc<HandClock>,
    answers: Mutex<HashMap<String, VecDeque<Answer>>>,
    calls: Mutex<Vec<Call>>,
    ends: Mutex<Vec<(String, Answer)>>,
    settled: watch::Sender<usize>,
    poison: Mutex<Option<String>>,
}

impl Trade for Vendor {
    fn perform(&self, errands: Vec<Errand>) -> Pin<Box<dyn Future<Output = Vec<Answer>> + Send>> {
        let at = self.clock.tick();
        let mut answers = Vec::new();
        for Errand { lane, peer, .. } in errands {
            assert_ne!(peer, "panics", "the vendor's code panics");
            let next = self.answers.lock().get_mut(&peer).and_then(VecDeque::pop_front);
            answers.push(next.unwrap_or_else(Answer::done));
            self.calls.lock().push(Call { lane, peer, at });
        }
        Box::pin(std::future::ready(answers))
    }

    fn settle(&self, conn: &mut Conn, settled: &[Settled], _: Moment) -> Result<Vec<Accepted>> {
        let poison = self.poison.lock().clone();
        if poison.is_some_and(|peer| settled.iter().any(|entry| entry.errand.peer == peer && !is_unknown(entry))) {
            conn.batch("INSERT INTO nowhere VALUES (1)")?;
        }
        for entry in settled.iter().filter(|entry| entry.ours) {
            if let Fate::Final(answer) = &entry.fate {
                self.ends.lock().push((entry.errand.peer.clone(), answer.clone()));
            }
        }
        self.settled.send_modify(|count| *count += settled.len());
        Ok(Vec::new())
    }

    fn is_repeatable(&self, _: &Errand) -> bool {
        false
    }
}

fn is_unknown(entry: &Settled) -> bool {
    matches!(entry.fate, Fate::Final(Answer::Unsure { .. }))
}

/// The stand.
pub struct Stand {
    pub store: Arc<Store>,
    pub clock: Arc<HandClock>,
    pub vendor: Arc<Vendor>,
    pub bell: Bell,
    pub company: CompanyId,
    free: LaneId,
    running: tokio::task::JoinHandle<()>,
}

impl Stand {
    /// A new company on an empty database.
    pub async fn set(url: &str) -> Self {
        // what the pump complains of stands beside a test that fails
        let _ = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_test_writer().try_init();
        let store = Store::open(Options::new(url)).unwrap();
        let company = CompanyId::new();
        store
            .write(move |conn| switchboard::on!(conn, company::create(company, "Test", "Europe/Moscow", 0)))
            .await
            .unwrap();
        let free = lane(&store, company, Pace::NONE, None).await;
        Self::on(store, Arc::new(HandClock::at(START)), company, free)
    }

    fn on(store: Arc<Store>, clock: Arc<HandClock>, company: CompanyId, free: LaneId) -> Self {
        let vendor = Arc::new(Vendor {
            clock: Arc::clone(&clock),
            answers: Mutex::default(),
            calls: Mutex::default(),
            ends: Mutex::default(),
            settled: watch::Sender::default(),
            poison: Mutex::default(),
        });
        let (bell, hearing) = Bell::new();
        // a clock that a hand moves goes in leaps: they must not look like a process that was held up
        let times = Times { beat_ms: 500, fence_ms: i64::MAX / 4000, dead_ms: i64::MAX / 4000 };
        let settings = Settings { times, ..Settings::default() };
        let pump = Pump::new(
            Arc::clone(&store),
            Arc::clone(&clock) as Arc<dyn Clock>,
            Arc::clone(&vendor),
            bell.clone(),
            settings,
        );
        let running = tokio::spawn(pump.unwrap().run(hearing));
        Self { store, clock, vendor, bell, company, free, running }
    }

    /// Stops the pump in order and starts another one, on the same clock or on that of another boot.
    pub async fn restart(self, clock: Option<HandClock>) -> Self {
        let Self { store, clock: old, bell, company, free, running, .. } = self;
        bell.stop().await;
        running.await.unwrap();
        Self::on(store, clock.map_or(old, Arc::new), company, free)
    }

    pub async fn clear(self) {
        self.bell.stop().await;
        self.running.await.unwrap();
    }

    pub async fn lane(&self, pace: Pace, hours: Option<Window>) -> LaneId {
        let lane = lane(&self.store, self.company, pace, hours).await;
        self.bell.changed(lane);
        // the pump reads it beside its own turns: what is asked of it before would wait for that, not for the clock
        let known = async {
            while self.bell.look(vec![lane]).await.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        assert!(
            tokio::time::timeout(Duration::from_secs(30), known).await.is_ok(),
            "the pump does not know lane {lane}"
        );
        lane
    }

    pub fn errand(&self, lane: LaneId, rank: Rank, peer: &str) -> NewErrand {
        let portal = PortalId::new();
        let params = serde_json::json!({ "for": peer });
        NewErrand {
            company: self.company,
            lane,
            rank,
            peer: peer.to_owned(),
            work: Work::PortalCall { portal, method: "x".into(), params, repeatable: false },
            origin: Origin::Nobody,
            not_before: None,
            expires_at: None,
            dedup_key: None,
            merge_key: None,
        }
    }

    /// Accepts errands in one transaction.
    pub async fn accept(&self, new: Vec<NewErrand>) -> Vec<Option<Accepted>> {
        let now = self.clock.now();
        let accepted = self.store.write(move |conn| outbox::accept(conn, now, &new)).await.unwrap();
        self.bell.accepted(accepted.iter().copied().flatten().collect());
        accepted
    }

    /// Accepts one errand of the rank `Service` for each recipient.
    pub async fn ask(&self, lane: LaneId, peers: &[&str]) {
        self.accept(peers.iter().map(|peer| self.errand(lane, Rank::Service, peer)).collect()).await;
    }

    /// What the vendor answers to the next calls for a recipient; after that it takes everything.
    pub fn answers(&self, peer: &str, answers: &[Answer]) {
        self.vendor.answers.lock().insert(peer.to_owned(), answers.iter().cloned().collect());
    }

    /// What comes of this recipient cannot be written down.
    pub fn poison(&self, peer: &str) {
        *self.vendor.poison.lock() = Some(peer.to_owned());
    }

    /// Until everything that is due now has been called and written down: two errands of a lane without a pace pass through
    /// the pump, whose claims and transactions follow each other.
    pub async fn quiet(&self) {
        for _ in 0..2 {
            let before = self.told("probe").len();
            self.ask(self.free, &["probe"]).await;
            self.wait_for("the probe is through", || self.told("probe").len() > before).await;
        }
    }

    /// Moves both clocks and waits until everything that is due has happened.
    pub async fn advance(&self, ms: i64) {
        self.clock.advance_ms(ms);
        self.quiet().await;
    }

    /// Nothing is called one millisecond before, and what is due is called after these milliseconds.
    pub async fn comes_after(&self, lane: LaneId, ms: i64) -> String {
        let before = self.calls(lane).len();
        self.advance(ms - 1).await;
        assert_eq!(self.calls(lane).len(), before, "a call came before its {ms} ms: {:?}", self.calls(lane));
        self.advance(1).await;
        let calls = self.calls(lane);
        assert_eq!(calls.len(), before + 1, "one call after {ms} ms: {calls:?}");
        calls.last().unwrap().peer.clone()
    }

    /// Waits until a settling transaction made something true; the limit is only there so that a broken test ends.
    pub async fn wait_for(&self, what: &str, is: impl Fn() -> bool) {
        let mut settled = self.vendor.settled.subscribe();
        let waited = tokio::time::timeout(Duration::from_mins(2), settled.wait_for(|_| is())).await;
        assert!(waited.is_ok(), "not in time: {what}");
    }

    /// The calls of a lane, in their order.
    pub fn calls(&self, lane: LaneId) -> Vec<Call> {
        self.vendor.calls.lock().iter().filter(|call| call.lane == lane).cloned().collect()
    }

    /// Who was called in a lane, in their order.
    pub fn called(&self, lane: LaneId) -> Vec<String> {
        self.calls(lane).into_iter().map(|call| call.peer).collect()
    }

    /// What was told about the errands of a recipient in the end.
    pub fn told(&self, peer: &str) -> Vec<Answer> {
        self.vendor.ends.lock().iter().filter(|(name, _)| name == peer).map(|(_, answer)| answer.clone()).collect()
    }

    pub async fn due(&self, lane: LaneId) -> Due {
        self.bell.look(vec![lane]).await[0].1
    }

    /// Moves a lane from whatever state to another, as the flows do.
    pub async fn set_state(&self, lane: LaneId, state: LaneState) {
        let company = self.company;
        let moved = self
            .store
            .write(move |conn| switchboard::on!(conn, lane::set_state(company, lane, &[0, 1, 2, 3], state.to_db())));
        assert!(moved.await.unwrap());
        self.bell.changed(lane);
        self.hears().await;
    }

    pub async fn set_pace(&self, lane: LaneId, pace: Pace, hours: Option<Window>) {
        let company = self.company;
        let set =
            self.store.write(move |conn| switchboard::on!(conn, lane::set_pace(company, lane, &pace, hours.as_ref())));
        assert!(set.await.unwrap());
        self.bell.changed(lane);
        self.hears().await;
    }

    /// A lane that was made after the word about another one is known after it.
    async fn hears(&self) {
        let fresh = self.lane(Pace::NONE, None).await;
        while self.bell.look(vec![fresh]).await.is_empty() {
            tokio::task::yield_now().await;
        }
    }

    /// How many attempts are counted of what waits in a lane, by recipient.
    pub async fn attempts(&self, lane: LaneId) -> Vec<(String, i32)> {
        let rows = self.store.read(move |conn| outbox::look(conn, lane, 1000)).await.unwrap();
        rows.into_iter().map(|(errand, ..)| (errand.peer, errand.attempts)).collect()
    }
}

async fn lane(store: &Store, company: CompanyId, pace: Pace, hours: Option<Window>) -> LaneId {
    let new = NewLane { kind: "channel".into(), pace, hours };
    store.write(move |conn| switchboard::on!(conn, lane::create(company, &new))).await.unwrap()
}

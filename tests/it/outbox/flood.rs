//! A flood by the machine's own clock: what is accepted is sent, once, at its pace.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;
use switchboard::loops::pump::trade::{Settled, Trade};
use switchboard::loops::pump::{Bell, Pump, Settings};
use switchboard::model::clock::{Clock, SystemClock};
use switchboard::model::errand::{Errand, NewErrand};
use switchboard::model::id::{CompanyId, LaneId};
use switchboard::model::moment::{Moment, Tick};
use switchboard::model::pace::Pace;
use switchboard::model::vendor::Answer;
use switchboard::store::outbox::{self, Accepted};
use switchboard::store::row::NewLane;
use switchboard::store::{Conn, Options, Result, Store};

use crate::departure::errand;

struct Sink {
    clock: Arc<dyn Clock>,
    sent: Mutex<Vec<(LaneId, String, Tick)>>,
    done: tokio::sync::watch::Sender<usize>,
}

impl Trade for Sink {
    fn perform(&self, errands: Vec<Errand>) -> Pin<Box<dyn Future<Output = Vec<Answer>> + Send>> {
        let at = self.clock.tick();
        let count = errands.len();
        for errand in errands {
            self.sent.lock().push((errand.lane, errand.peer, at));
        }
        Box::pin(std::future::ready(vec![Answer::done(); count]))
    }

    fn settle(&self, _: &mut Conn, settled: &[Settled], _: Moment) -> Result<Vec<Accepted>> {
        self.done.send_modify(|count| *count += settled.len());
        Ok(Vec::new())
    }

    fn is_repeatable(&self, _: &Errand) -> bool {
        false
    }
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_accepted_is_sent_once(url: &str) {
    let store = Store::open(Options::new(url)).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let sink = Arc::new(Sink { clock: Arc::clone(&clock), sent: Mutex::default(), done: tokio::sync::watch::Sender::default() });
    let company = CompanyId::new();
    let lanes: Vec<LaneId> = store
        .write(move |conn| {
            switchboard::on!(conn, company::create(company, "Test", "Europe/Moscow", 0))?;
            let gap = |ms| NewLane { kind: "channel".into(), pace: Pace::Gap { from_ms: ms, to_ms: ms, live_ms: ms }, hours: None };
            Ok(vec![
                switchboard::on!(conn, lane::create(company, &gap(0)))?,
                switchboard::on!(conn, lane::create(company, &gap(100)))?,
            ])
        })
        .await
        .unwrap();
    let (bell, hearing) = Bell::new();
    let pump = Pump::new(Arc::clone(&store), Arc::clone(&clock), Arc::clone(&sink), bell.clone(), Settings::default());
    let running = tokio::spawn(pump.unwrap().run(hearing));
    let (free, paced) = (lanes[0], lanes[1]);
    let mut new: Vec<NewErrand> = (0..500).map(|n| errand(company, free, &format!("p{}", n % 50))).collect();
    new.extend((0..5).map(|n| errand(company, paced, &format!("q{n}"))));
    let now = clock.now();
    let accepted = store.write(move |conn| outbox::accept(conn, now, &new)).await.unwrap();
    bell.accepted(accepted.into_iter().flatten().collect());
    let mut done = sink.done.subscribe();
    tokio::time::timeout(std::time::Duration::from_secs(30), done.wait_for(|count| *count >= 505)).await.unwrap().unwrap();
    bell.stop().await;
    running.await.unwrap();
    let sent = sink.sent.lock();
    assert_eq!(sent.len(), 505);
    let mut last: HashMap<LaneId, Tick> = HashMap::new();
    for (lane, _, at) in sent.iter().filter(|(lane, ..)| *lane == paced) {
        if let Some(before) = last.insert(*lane, *at) {
            assert!(at.since_ms(before) >= 100, "{} ms", at.since_ms(before));
        }
    }
}
}

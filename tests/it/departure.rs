//! The pace counts from the moment when a vendor call really begins, not from the decision to make it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use switchboard::loops::pump::trade::{Settled, Trade};
use switchboard::loops::pump::{Bell, Pump, Settings};
use switchboard::model::clock::{Clock, HandClock};
use switchboard::model::errand::{Errand, NewErrand, Rank, Work};
use switchboard::model::id::{CompanyId, PortalId};
use switchboard::model::moment::{Moment, Tick};
use switchboard::model::origin::Origin;
use switchboard::model::pace::Pace;
use switchboard::model::vendor::Answer;
use switchboard::net::http::Http;
use switchboard::store::outbox::{self, Accepted};
use switchboard::store::row::NewLane;
use switchboard::store::{Conn, Options, Result, Store};
use tokio::sync::{Semaphore, mpsc};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

const GAP_MS: i64 = 1_000;

/// A trade that reads slowly before it calls: each errand needs a permit.
struct Slow {
    http: Http,
    vendor: String,
    clock: Arc<HandClock>,
    reads: Arc<Semaphore>,
    begun: mpsc::UnboundedSender<()>,
    called: mpsc::UnboundedSender<Tick>,
}

impl Trade for Slow {
    fn perform(&self, errands: Vec<Errand>) -> Pin<Box<dyn Future<Output = Vec<Answer>> + Send>> {
        let begun = self.begun.clone();
        let (http, clock, reads) = (self.http.clone(), Arc::clone(&self.clock), Arc::clone(&self.reads));
        let (request, called) = (self.http.client().post(&self.vendor), self.called.clone());
        Box::pin(async move {
            // the pump has looked at its clock after the first step of this future
            tokio::task::yield_now().await;
            let _ = begun.send(());
            reads.acquire().await.unwrap().forget();
            let at = clock.tick();
            let answer = match http.call(request, http.limits()).await {
                Ok(_) => Answer::done(),
                Err(error) => Answer::Down { seen: error.seen() },
            };
            let _ = called.send(at);
            errands.iter().map(|_| answer.clone()).collect()
        })
    }

    fn tells_departure(&self) -> bool {
        true
    }

    fn settle(&self, _: &mut Conn, _: &[Settled], _: Moment) -> Result<Vec<Accepted>> {
        Ok(Vec::new())
    }

    fn is_repeatable(&self, _: &Errand) -> bool {
        false
    }
}

pub fn errand(company: CompanyId, lane: i64, peer: &str) -> NewErrand {
    let params = serde_json::json!({});
    NewErrand {
        company,
        lane,
        rank: Rank::Service,
        peer: peer.to_owned(),
        work: Work::PortalCall { portal: PortalId::new(), method: "x".into(), params, repeatable: false },
        origin: Origin::Nobody,
        not_before: None,
        expires_at: None,
        dedup_key: None,
        merge_key: None,
    }
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_was_held_up_before_it_left_holds_the_next_one_up_too(url: &str) {
    let vendor = MockServer::start().await;
    Mock::given(matchers::any()).respond_with(ResponseTemplate::new(200)).mount(&vendor).await;
    let store = Store::open(Options::new(url)).unwrap();
    let clock = Arc::new(HandClock::at(Moment(1_767_603_600_000)));
    let (begun, mut begins) = mpsc::unbounded_channel();
    let (called, mut calls) = mpsc::unbounded_channel();
    let reads = Arc::new(Semaphore::new(0));
    let trade = Slow {
        http: Http::new().unwrap(), vendor: vendor.uri(), clock: Arc::clone(&clock), reads: Arc::clone(&reads), begun, called
    };
    let company = CompanyId::new();
    let lane = store
        .write(move |conn| {
            switchboard::on!(conn, company::create(company, "Test", "Europe/Moscow", 0))?;
            let pace = Pace::Gap { from_ms: GAP_MS, to_ms: GAP_MS, live_ms: GAP_MS };
            switchboard::on!(conn, lane::create(company, &NewLane { kind: "channel".into(), pace, hours: None }))
        })
        .await
        .unwrap();
    let (bell, hearing) = Bell::new();
    let hand: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
    let pump = Pump::new(Arc::clone(&store), hand, Arc::new(trade), bell.clone(), Settings::default()).unwrap();
    let running = tokio::spawn(pump.run(hearing));
    let (now, new) = (clock.now(), [errand(company, lane, "a"), errand(company, lane, "b")]);
    let accepted = store.write(move |conn| outbox::accept(conn, now, &new)).await.unwrap();
    bell.accepted(accepted.into_iter().flatten().collect());

    begins.recv().await.unwrap();
    clock.advance_ms(1_500);
    reads.add_permits(1);
    assert_eq!(calls.recv().await, Some(Tick(1_500_000)), "the first call left when its reads were done");
    // the second one may read as fast as it likes
    reads.add_permits(1);
    let due = |seen: Vec<(i64, switchboard::loops::pump::Due)>| seen.first().map(|(_, due)| due.paced_at.since_ms(now));
    assert_eq!(due(bell.look(vec![lane]).await), Some(1_500 + GAP_MS), "the gap counts from the real call");
    clock.advance_ms(GAP_MS - 1);
    for _ in 0..3 {
        bell.look(vec![lane]).await;
    }
    assert!(calls.try_recv().is_err(), "and nothing leaves a millisecond early");
    clock.advance_ms(1);
    assert_eq!(calls.recv().await, Some(Tick((1_500 + GAP_MS) * 1_000)));
    bell.stop().await;
    running.await.unwrap();
}
}

//! The pump with the server's own trade, whose vendor answers at once.
//!
//! `Works` calls a vendor over HTTP; here its `perform` is repeated up to that call (the channel is found in the cache or
//! read, its secrets are opened, its settings are read) and the answer is there at once. Everything else is `Works` itself.
//! The phase `http` uses `Works` whole.

use std::fs::File;
use std::future::Future;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use switchboard::app::App;
use switchboard::flow::perform;
use switchboard::loops::pump::trade::{Settled, Trade};
use switchboard::loops::pump::{Bell, Pump, Settings};
use switchboard::loops::works::Works;
use switchboard::model::errand::{Errand, Work};
use switchboard::model::id::LaneId;
use switchboard::model::moment::{Moment, Tick};
use switchboard::model::vendor::Answer;
use switchboard::store::outbox::Accepted;
use switchboard::store::{Conn, Result};
use tokio::task::JoinHandle;

/// The trade.
#[derive(Debug, Clone)]
pub struct Inside {
    works: Works,
    settled: Arc<AtomicU64>,
    log: Option<Arc<File>>,
    over_http: bool,
}

impl Inside {
    pub fn new(app: &App, log: Option<File>) -> Self {
        Self { works: Works(app.clone()), settled: Arc::default(), log: log.map(Arc::new), over_http: false }
    }

    /// The server's trade whole, which calls the vendor of the settings.
    pub fn with_http(app: &App) -> Self {
        Self { over_http: true, ..Self::new(app, None) }
    }

    /// How many errands were settled; one whose transaction is repeated counts twice.
    pub fn settled(&self) -> u64 {
        self.settled.load(Ordering::Relaxed)
    }

    async fn call(&self, errand: &Errand) -> Answer {
        let app = &self.works.0;
        let (Work::Send { channel, .. }, company) = (&errand.work, errand.company) else {
            unreachable!("only messages come here")
        };
        let (id, tick) = (*channel, app.clock.tick());
        let row = if let Some(row) = app.known.channel(id, tick) {
            row
        } else {
            let row = app.store.read(move |conn| switchboard::on!(conn, channel::by_id(company, id)));
            let row = row.await.unwrap().unwrap();
            app.known.keep_channel(id, row.clone(), tick);
            row
        };
        let wire = perform::wire(app, &row).unwrap();
        if let Some(mut log) = self.log.as_deref() {
            // the vendor's side: written down by a call of the system, so that it stays when the process is killed
            log.write_all(&record(errand.lane, app.clock.tick())).unwrap();
        }
        drop(wire);
        Answer::Done { vendor_ids: vec![errand.id.to_string()], chat: None }
    }
}

impl Trade for Inside {
    fn perform(&self, errands: Vec<Errand>) -> Pin<Box<dyn Future<Output = Vec<Answer>> + Send>> {
        if self.over_http {
            return self.works.perform(errands);
        }
        let trade = self.clone();
        Box::pin(async move {
            match errands.as_slice() {
                [errand] if matches!(errand.work, Work::Send { .. }) => vec![trade.call(errand).await],
                _ => trade.works.perform(errands).await,
            }
        })
    }

    fn prepare<'a>(&'a self, errands: &'a [Errand]) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        self.works.prepare(errands)
    }

    fn settle(&self, conn: &mut Conn, settled: &[Settled], now: Moment) -> Result<Vec<Accepted>> {
        let accepted = self.works.settle(conn, settled, now)?;
        self.settled.fetch_add(settled.len() as u64, Ordering::Relaxed);
        Ok(accepted)
    }

    fn is_repeatable(&self, errand: &Errand) -> bool {
        self.works.is_repeatable(errand)
    }
}

/// Starts a pump with the settings of the server.
pub fn start(app: &App, trade: Inside) -> (Bell, JoinHandle<()>) {
    let (bell, hearing) = Bell::new();
    let clock = Arc::clone(&app.clock);
    let pump = Pump::new(Arc::clone(&app.store), clock, Arc::new(trade), bell.clone(), Settings::default()).unwrap();
    (bell, tokio::spawn(pump.run(hearing)))
}

/// A call in the log: the lane, and the tick at which the vendor was called.
pub fn record(lane: LaneId, at: Tick) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&lane.to_le_bytes());
    bytes[8..].copy_from_slice(&at.0.to_le_bytes());
    bytes
}

/// The calls of a log.
pub fn records(bytes: &[u8]) -> Vec<(LaneId, Tick)> {
    let number = |part: &[u8]| i64::from_le_bytes(part.try_into().unwrap());
    bytes.chunks_exact(16).map(|part| (number(&part[..8]), Tick(number(&part[8..])))).collect()
}

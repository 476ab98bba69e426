//! The pump's trade: the flows.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;

use super::pump::lanes::Fate;
use super::pump::trade::{Settled, Trade};
use crate::app::App;
use crate::app::live::Topics;
use crate::flow::settle::{self, Over};
use crate::flow::{mailing, perform};
use crate::model::errand::Errand;
use crate::model::moment::{Moment, Tick};
use crate::model::vendor::Answer;
use crate::store::outbox::Accepted;
use crate::store::{Conn, Result};

/// The flows, as the pump drives them.
#[derive(Debug, Clone)]
pub struct Works(pub App);

impl Works {
    /// Whoever looks at the queue asks again. They may ask before the commit; the next word is never far.
    fn touch(&self, settled: &[Settled]) {
        let mut last = None;
        for entry in settled {
            let mailed = mailing::is_of_mailing(&entry.errand);
            let word = (entry.errand.company, mailed);
            if last.replace(word) != Some(word) {
                let topics = if mailed { Topics::QUEUE.with(Topics::MAILINGS) } else { Topics::QUEUE };
                self.0.live.touch(entry.errand.company, topics);
            }
        }
    }
}

impl Trade for Works {
    fn perform(&self, errands: Vec<Errand>) -> Pin<Box<dyn Future<Output = Vec<Answer>> + Send>> {
        let app = self.0.clone();
        Box::pin(async move { perform::perform(&app, errands).await })
    }

    fn tells_departure(&self) -> bool {
        true
    }

    fn prepare<'a>(&'a self, errands: &'a [Errand]) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(perform::prepare(&self.0, errands))
    }

    fn settle(&self, conn: &mut Conn, settled: &[Settled], now: Moment) -> Result<Vec<Accepted>> {
        let over: Vec<Over<'_>> = settled
            .iter()
            .filter_map(|entry| match &entry.fate {
                Fate::Final(answer) => Some(Over { errand: &entry.errand, answer, ours: entry.ours }),
                Fate::Again { .. } => None,
            })
            .collect();
        let accepted = settle::settle(&self.0, conn, &over, now)?;
        self.touch(settled);
        if over.iter().any(|over| mailing::is_of_mailing(over.errand)) {
            // the feeder looks after this transaction; where it is too fast, its own round comes a moment later
            self.0.bell.feed();
        }
        Ok(accepted)
    }

    fn holds(&self, owner: &str, shards: &HashSet<i16>, good_until: Tick) {
        self.0.posts.hold(owner, shards, good_until);
    }

    fn lets_go(&self, shard: i16) -> bool {
        self.0.posts.lets_go(shard)
    }

    fn is_repeatable(&self, errand: &Errand) -> bool {
        perform::is_repeatable(errand)
    }
}

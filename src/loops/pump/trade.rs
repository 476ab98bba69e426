//! What the pump needs of the trade it drives. The server's trade is `flow::trade`; tests and benches bring their own.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;

use super::lanes::Fate;
use crate::model::errand::Errand;
use crate::model::moment::{Moment, Tick};
use crate::model::vendor::Answer;
use crate::store::outbox::Accepted;
use crate::store::{Conn, Result};

/// An errand with its fate, as it is settled.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// The errand.
    pub errand: Errand,
    /// What becomes of it.
    pub fate: Fate,
    /// Whether it was still ours to settle. Where it is not, another process has taken it over as unknown, and the answer
    /// is a better word about the same message.
    pub ours: bool,
}

/// The trade.
pub trait Trade: Send + Sync + 'static {
    /// Carries out the errands of one call: one of them, or several statuses of one portal. One answer for each, in their
    /// order. Must not write to the outbox; may take as long as a vendor's deadline.
    fn perform(&self, errands: Vec<Errand>) -> Pin<Box<dyn Future<Output = Vec<Answer>> + Send>>;

    /// Whether `perform` makes its vendor calls through [`crate::net::http::Http`], so that each call tells when it really
    /// begins. Otherwise a call counts from the moment when `perform` was begun.
    fn tells_departure(&self) -> bool {
        false
    }

    /// Gets ready what the calls of these errands will need, so that nothing but the call itself happens at its tick. Called
    /// once for each claim, between its commit and the ticks of its calls; what fails here is tried again by `perform`.
    fn prepare<'a>(&'a self, errands: &'a [Errand]) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        let _ = errands;
        Box::pin(std::future::ready(()))
    }

    /// Writes down what became of errands, and tells whoever asked, inside the transaction that removes them. May be run
    /// twice for the same errands when the transaction is repeated. Gives back errands that came of it.
    ///
    /// # Errors
    /// Those of the store; everything is then tried again.
    fn settle(&self, conn: &mut Conn, settled: &[Settled], now: Moment) -> Result<Vec<Accepted>>;

    /// This process, under this name, holds these shards at least until a tick. Told whenever that changes. Never blocks.
    fn holds(&self, owner: &str, shards: &HashSet<i16>, good_until: Tick) {
        let (_, _, _) = (owner, shards, good_until);
    }

    /// Whether a shard of which nothing flies may be given up now; asked again a moment later where it may not. Never blocks.
    fn lets_go(&self, shard: i16) -> bool {
        let _ = shard;
        true
    }

    /// Whether an errand may be carried out a second time when nobody knows whether it was carried out the first time.
    fn is_repeatable(&self, errand: &Errand) -> bool;
}

//! What the pump needs of the trade it drives. The server's trade is `flow::trade`; tests and benches bring their own.

use std::future::Future;
use std::pin::Pin;

use super::lanes::Fate;
use crate::model::errand::Errand;
use crate::model::moment::Moment;
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

/// Errands that can be carried out now, or the answer for each of them.
pub type Ready = std::result::Result<Vec<Errand>, Vec<Answer>>;

/// The trade.
pub trait Trade: Send + Sync + 'static {
    /// Looks up in the house what a call needs, before its start is counted: the errands as [`Trade::perform`] is to carry
    /// them out, or an answer for each where no call can be made. May take as long as the database.
    fn ready(&self, errands: Vec<Errand>) -> Pin<Box<dyn Future<Output = Ready> + Send>> {
        Box::pin(std::future::ready(Ok(errands)))
    }

    /// Carries out the errands of one call: one of them, or several statuses of one portal. One answer for each, in their
    /// order. Must not write to the outbox; may take as long as a vendor's deadline.
    fn perform(&self, errands: Vec<Errand>) -> Pin<Box<dyn Future<Output = Vec<Answer>> + Send>>;

    /// Writes down what became of errands, and tells whoever asked, inside the transaction that removes them. May be run
    /// twice for the same errands when the transaction is repeated. Gives back errands that came of it.
    ///
    /// # Errors
    /// Those of the store; everything is then tried again.
    fn settle(&self, conn: &mut Conn, settled: &[Settled], now: Moment) -> Result<Vec<Accepted>>;

    /// Whether an errand may be carried out a second time when nobody knows whether it was carried out the first time.
    fn is_repeatable(&self, errand: &Errand) -> bool;
}

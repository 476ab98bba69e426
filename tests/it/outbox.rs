//! The outbox over the real pump and both databases, told by story. The clock is one that the tests move, so a gap of 15
//! seconds is exactly that.

mod answers;
mod bulk;
mod claim;
mod flood;
mod lane;
mod order;
mod pace;
mod people;
mod stand;
mod trouble;

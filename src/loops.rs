//! What happens because time passes.

pub mod bell;
pub mod feeder;
pub mod fetcher;
pub mod herald;
pub mod inspector;
pub mod keeper;
pub mod listener;
pub mod live;
pub mod pump;
pub mod watch;
pub mod witness;
pub mod works;

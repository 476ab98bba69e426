//! What happens because time passes.

pub mod bell;
pub mod feeder;
pub mod fetcher;
pub mod keeper;
pub mod listener;
pub mod pump;
pub mod works;

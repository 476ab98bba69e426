//! What happens because time passes.

pub mod bell;
pub mod pump;

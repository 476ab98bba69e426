//! What happens because time passes.

pub mod pump;

//! What the product does, one file per trip.

pub mod sign_in;

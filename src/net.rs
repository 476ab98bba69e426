//! The way out: calls with deadlines and size caps, signatures, and the guard against private addresses.

pub mod departure;
pub mod dial;
pub mod download;
pub mod guard;
pub mod http;
pub mod signature;
mod tls;
pub mod webhook;

//! Bitrix24: its OAuth, its REST, its events, its robots and its SMS provider.
//!
//! Everything here is either one call over a socket or pure reading and writing of bodies. What to do with it is decided by
//! the flows; what the portals really send lies in `tests/fixtures/bitrix24`.

pub mod batch;
pub mod bb;
pub mod card;
pub mod client;
pub mod connector;
pub mod event;
pub mod fault;
pub mod file;
pub mod install;
pub mod limit;
pub mod oauth;
pub mod open_line;
pub mod placement;
pub mod robot;
pub mod scope;
pub mod sms;

//! What the product does, one file per trip.
//!
//! A flow that writes takes a connection inside a transaction and makes no vendor call; one that calls a vendor takes the
//! [`crate::app::App`] and writes nothing while the call is open.

pub mod answer;
pub mod application;
pub mod arrival;
pub mod attached;
pub mod change;
pub mod channel;
pub mod chat;
pub mod credentials;
pub mod delivery;
pub mod echo;
pub mod files;
pub mod first;
pub mod framed;
pub mod group;
pub mod health;
pub mod herald;
pub mod install;
pub mod intake;
pub mod letter;
pub mod line;
pub mod link;
pub mod listen;
pub mod mailing;
pub mod message;
pub mod names;
pub mod notice;
pub mod open_line;
pub mod opt_out;
pub mod overtaken;
pub mod pattern;
pub mod perform;
pub mod phone;
pub mod portal;
pub mod queue;
pub mod receipt;
pub mod receive;
pub mod renew;
pub mod robot;
pub mod route;
pub mod set_up;
pub mod settle;
pub mod sign_in;
pub mod sms;
pub mod standing;
pub mod tell;
pub mod template;
pub mod webhook;
pub mod whole;
pub mod window;

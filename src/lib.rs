//! Switchboard joins messengers with Bitrix24 and amoCRM: one door out, paced, durable, never twice.
//!
//! The shape of the house is told on one page in ARCHITECTURE.md; the layers are held by `tests/it/house.rs`.

pub mod app;
pub mod command;
pub mod config;
pub mod crm;
pub mod flow;
pub mod http;
pub mod loops;
pub mod messenger;
pub mod model;
pub mod net;
pub mod sandbox;
pub mod serve;
pub mod store;

//! One binary for all tests that need more than one module, so that they link once.
#![cfg(test)] // tells the lints that unwrapping is in order here
#![allow(clippy::similar_names, reason = "a line has lanes, and what was told is said again")]
#![allow(unreachable_pub, reason = "a test binary shows nothing to anybody")]

/// The binary's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[macro_use] // `on_both_databases!`
mod postgres;

mod bitrix24;
mod commands;
mod crash;
mod departure;
mod files;
mod house;
mod http;
mod mail;
mod messengers;
mod outbox;
mod receipts;
mod rig;
mod sandbox;
mod simulator;
mod telegram;
mod trips;

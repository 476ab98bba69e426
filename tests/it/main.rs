//! One binary for all tests that need more than one module, so that they link once.
#![cfg(test)] // tells the lints that unwrapping is in order here
#![allow(unreachable_pub, reason = "a test binary shows nothing to anybody")]

#[macro_use] // `on_both_databases!`
mod postgres;

mod bitrix24;
mod house;
mod messengers;
mod outbox;
mod sandbox;
mod trips;

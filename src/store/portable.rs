//! The portable queries, one file per noun; compiled once for each connection type. They open no transaction: that is the
//! writer's.
#![expect(clippy::wildcard_imports, reason = "the tables of a query come as one set")]

use super::Connection;

#[path = "portable/company.rs"]
pub mod company;
#[path = "portable/errand.rs"]
pub mod errand;
#[path = "portable/lane.rs"]
pub mod lane;
#[path = "portable/line.rs"]
pub mod line;
#[path = "portable/message.rs"]
pub mod message;
#[path = "portable/owner.rs"]
pub mod owner;
#[path = "portable/token.rs"]
pub mod token;
#[path = "portable/user.rs"]
pub mod user;

//! The portable queries, one file per noun; compiled once for each connection type. They open no transaction: that is the
//! writer's.

use super::{Connection, flies, waits, with_starts};

#[path = "portable/answer.rs"]
pub mod answer;
#[path = "portable/application.rs"]
pub mod application;
#[path = "portable/channel.rs"]
pub mod channel;
#[path = "portable/chat_name.rs"]
pub mod chat_name;
#[path = "portable/company.rs"]
pub mod company;
#[path = "portable/dialog.rs"]
pub mod dialog;
#[path = "portable/errand.rs"]
pub mod errand;
#[path = "portable/hook.rs"]
pub mod hook;
#[path = "portable/lane.rs"]
pub mod lane;
#[path = "portable/line.rs"]
pub mod line;
#[path = "portable/linking.rs"]
pub mod linking;
#[path = "portable/listening.rs"]
pub mod listening;
#[path = "portable/mailing.rs"]
pub mod mailing;
#[path = "portable/message.rs"]
pub mod message;
#[path = "portable/notice.rs"]
pub mod notice;
#[path = "portable/owner.rs"]
pub mod owner;
#[path = "portable/phone_check.rs"]
pub mod phone_check;
#[path = "portable/portal.rs"]
pub mod portal;
#[path = "portable/queue.rs"]
pub mod queue;
#[path = "portable/sealed.rs"]
pub mod sealed;
#[path = "portable/token.rs"]
pub mod token;
#[path = "portable/user.rs"]
pub mod user;

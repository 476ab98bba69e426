//! What is posted to us as `vk_notify`.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use switchboard::model::message::Kind;
use switchboard_fuzz::Posted;

static POSTED: LazyLock<Posted> = LazyLock::new(|| Posted::new(Kind::VkNotify));

fuzz_target!(|body: &[u8]| POSTED.take(body));

//! What Telegram tells an account, in the bytes of its schema.
#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard::messenger::telegram::told_updates;
use switchboard_fuzz::keeps;

fuzz_target!(|bytes: &[u8]| {
    if let Some(events) = told_updates(bytes) {
        events.iter().for_each(keeps);
        assert_eq!(told_updates(bytes), Some(events), "the same bytes, other events");
    }
});

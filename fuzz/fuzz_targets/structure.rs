//! What a mail server tells of the parts of a large letter, after the bounds that stand before the library.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|told: &[u8]| {
    if let Some(letter) = switchboard::messenger::email::told_structure(told) {
        assert!(letter.len() < 64 << 20, "{} bytes of it", letter.len());
    }
});

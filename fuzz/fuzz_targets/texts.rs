//! Texts that people and other products write: choices, `{a|b}`, with what Bitrix24 leaves in them; the result of a robot,
//! `chatId:Y:`, ours or of an older product; the BB codes of chats.
#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard::crm::bitrix24::bb;
use switchboard::model::render::Randomized;
use switchboard::model::result::{read_entries, write_entries};

// the first line is the seed, the rest is the text
fuzz_target!(|given: &str| {
    let entries = read_entries(given);
    // what was understood once stays what it was
    assert_eq!(read_entries(&write_entries(&entries)), entries);
    codes(given);
    let (seed, text) = given.split_once('\n').unwrap_or(("", given));
    let seed = seed.bytes().fold(0, |seed: u64, byte| seed.rotate_left(8) ^ u64::from(byte));
    let Ok(read) = Randomized::read(text) else { return };
    let picked = read.pick(seed);
    assert_eq!(picked, read.pick(seed), "the same seed picks the same text");
    assert!(picked.len() <= text.len(), "more came out than was written");
    assert!(read.combinations() >= 1);
});

/// What an operator writes has its emphasis inside its text, and what a customer writes is shown as it was written.
fn codes(given: &str) {
    let _ = bb::signature(given);
    let read = bb::read(given);
    let units = read.text.encode_utf16().count();
    assert!(read.spans.iter().all(|span| span.start + span.length <= units), "{:?} in {units}", read.spans);
    assert_eq!(bb::escape(given).replace('\u{200b}', ""), given.replace('\u{200b}', ""));
    let _ = (read.as_whatsapp(), read.as_plain());
}

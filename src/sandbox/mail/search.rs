//! Which letters of a folder a search means (RFC 3501, 6.4.4), as far as mail programs need it here.

use imap_next::imap_types::core::AString;
use imap_next::imap_types::search::SearchKey;
use imap_next::imap_types::sequence::{SeqOrUid, Sequence, SequenceSet};
use mail_parser::MessageParser;

use super::Kept;
use crate::model::moment::Moment;

/// What a set of numbers is compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The number of the letter in its folder, from one.
    pub(super) seq: u32,
    /// How many letters there are.
    pub(super) count: u32,
    /// The largest UID that is there.
    pub(super) largest: u32,
}

/// Whether a set holds a number, `*` being the largest one.
pub(super) fn holds(set: &SequenceSet, number: u32, largest: u32) -> bool {
    let value = |one: &SeqOrUid| match one {
        SeqOrUid::Value(value) => value.get(),
        SeqOrUid::Asterisk => largest,
    };
    set.0.as_ref().iter().any(|one| match one {
        Sequence::Single(one) => value(one) == number,
        Sequence::Range(one, other) => {
            let (one, other) = (value(one), value(other));
            (one.min(other)..=one.max(other)).contains(&number)
        }
    })
}

/// Whether a letter is meant; none where the key is not known here.
pub(super) fn means(key: &SearchKey<'_>, letter: &Kept, place: Place) -> Option<bool> {
    let flagged = |flag: &str| letter.flags.contains(flag);
    let day = |date: &imap_next::imap_types::datetime::NaiveDate| {
        let day = date.as_ref().and_hms_opt(0, 0, 0).map(|at| at.and_utc().timestamp_millis()).unwrap_or_default();
        Moment(letter.at).0.div_euclid(86_400_000) - day.div_euclid(86_400_000)
    };
    Some(match key {
        SearchKey::All => true,
        SearchKey::And(keys) => {
            let all: Option<Vec<bool>> = keys.as_ref().iter().map(|key| means(key, letter, place)).collect();
            all?.into_iter().all(|is| is)
        }
        SearchKey::Or(one, other) => means(one, letter, place)? || means(other, letter, place)?,
        SearchKey::Not(key) => !means(key, letter, place)?,
        SearchKey::SequenceSet(set) => holds(set, place.seq, place.count),
        SearchKey::Uid(set) => holds(set, letter.uid, place.largest),
        SearchKey::Since(date) => day(date) >= 0,
        SearchKey::Before(date) => day(date) < 0,
        SearchKey::On(date) => day(date) == 0,
        SearchKey::Seen => flagged("\\Seen"),
        SearchKey::Unseen => !flagged("\\Seen"),
        SearchKey::Larger(size) => letter.raw.len() as u64 > u64::from(*size),
        SearchKey::Smaller(size) => (letter.raw.len() as u64) < u64::from(*size),
        SearchKey::Header(name, value) => header_holds(letter, &text(name), &text(value)),
        SearchKey::Subject(value) => header_holds(letter, "Subject", &text(value)),
        SearchKey::From(value) => header_holds(letter, "From", &text(value)),
        SearchKey::To(value) => header_holds(letter, "To", &text(value)),
        _ => return None,
    })
}

fn text(value: &AString<'_>) -> String {
    String::from_utf8_lossy(value.as_ref()).into_owned()
}

/// An empty value means that the header is there.
fn header_holds(letter: &Kept, name: &str, value: &str) -> bool {
    let Some(parsed) = MessageParser::default().parse_headers(&letter.raw[..]) else { return false };
    let wanted = value.to_lowercase();
    parsed
        .headers_raw()
        .filter(|(known, _)| known.eq_ignore_ascii_case(name))
        .any(|(_, known)| known.to_lowercase().contains(&wanted))
}

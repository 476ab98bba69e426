//! What is told of a letter that somebody fetches (RFC 3501, 6.4.5).

use std::num::NonZeroU32;

use chrono::DateTime;
use imap_next::imap_types::ToStatic;
use imap_next::imap_types::core::{IString, Literal, NString};
use imap_next::imap_types::fetch::{MessageDataItem as Item, MessageDataItemName as Name, Part, Section};
use imap_next::imap_types::flag::{Flag, FlagFetch};
use mail_parser::MessageParser;

use super::Kept;
use super::structure::{envelope, part, structure, whole};

/// The items of one letter, as they were asked for; what cannot be told is left out.
pub(super) fn items(names: &[Name<'_>], letter: &Kept) -> Vec<Item<'static>> {
    names.iter().filter_map(|name| item(name, letter)).collect()
}

/// Whether fetching this marks the letter as read.
pub(super) fn marks(names: &[Name<'_>]) -> bool {
    names.iter().any(|name| matches!(name, Name::BodyExt { peek: false, .. } | Name::Rfc822 | Name::Rfc822Text))
}

/// The marks of a letter.
pub(super) fn flags(letter: &Kept) -> Vec<FlagFetch<'static>> {
    letter
        .flags
        .iter()
        .filter_map(|flag| Flag::try_from(flag.as_str()).ok())
        .map(|flag| FlagFetch::Flag(flag.to_static()))
        .collect()
}

fn item(name: &Name<'_>, letter: &Kept) -> Option<Item<'static>> {
    let raw = &letter.raw[..];
    Some(match name {
        Name::Uid => Item::Uid(NonZeroU32::new(letter.uid)?),
        Name::Flags => Item::Flags(flags(letter)),
        Name::Rfc822Size => Item::Rfc822Size(u32::try_from(raw.len()).ok()?),
        Name::InternalDate => {
            Item::InternalDate(DateTime::from_timestamp_millis(letter.at)?.fixed_offset().try_into().ok()?)
        }
        Name::BodyStructure => Item::BodyStructure(structure(raw, 0)?),
        Name::Body => Item::Body(structure(raw, 0)?),
        Name::Envelope => Item::Envelope(envelope(&MessageParser::default().parse(raw)?)),
        Name::Rfc822 => Item::Rfc822(text(Some(raw))),
        Name::Rfc822Header => Item::Rfc822Header(text(whole(raw).map(|piece| piece.header))),
        Name::Rfc822Text => Item::Rfc822Text(text(whole(raw).map(|piece| piece.body))),
        Name::BodyExt { section, partial, .. } => {
            let found = bytes(section.as_ref(), raw);
            let (origin, data) = match (partial, found) {
                (Some((from, most)), Some(found)) => {
                    let rest = found.get(usize::try_from(*from).ok()?..).unwrap_or_default();
                    let most = usize::try_from(most.get()).ok()?.min(rest.len());
                    (Some(*from), Some(rest.get(..most).unwrap_or_default().to_vec()))
                }
                (_, found) => (None, found),
            };
            let section = section.as_ref().map(ToStatic::to_static);
            Item::BodyExt { section, origin, data: text(data.as_deref()) }
        }
        _ => return None,
    })
}

/// The bytes of a section; none where there is none such.
fn bytes(section: Option<&Section<'_>>, raw: &[u8]) -> Option<Vec<u8>> {
    let piece = |path: Option<&Part>| match path {
        None => whole(raw),
        Some(path) => part(raw, &numbers(path)),
    };
    // of a letter within the letter
    let inner = |path: &Option<Part>| match path {
        None => whole(raw),
        Some(path) => part(raw, &numbers(path)).and_then(|piece| whole(piece.body)),
    };
    Some(match section {
        None => raw.to_vec(),
        Some(Section::Part(path)) => piece(Some(path))?.body.to_vec(),
        Some(Section::Mime(path)) => piece(Some(path))?.header.to_vec(),
        Some(Section::Header(path)) => inner(path)?.header.to_vec(),
        Some(Section::Text(path)) => inner(path)?.body.to_vec(),
        Some(Section::HeaderFields(path, names)) => {
            chosen(inner(path)?.header, |name| names.as_ref().iter().any(|wanted| is(wanted.as_ref(), name)))
        }
        Some(Section::HeaderFieldsNot(path, names)) => {
            chosen(inner(path)?.header, |name| !names.as_ref().iter().any(|wanted| is(wanted.as_ref(), name)))
        }
    })
}

fn is(wanted: &[u8], name: &str) -> bool {
    wanted.eq_ignore_ascii_case(name.as_bytes())
}

fn numbers(path: &Part) -> Vec<u32> {
    path.0.as_ref().iter().map(|number| number.get()).collect()
}

/// The fields of a header that are wanted, folded lines with the one above them, and the empty line.
fn chosen(header: &[u8], wanted: impl Fn(&str) -> bool) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut keeps = false;
    for line in header.split_inclusive(|byte| *byte == b'\n') {
        let folded = line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'));
        if !folded {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
            keeps = wanted(String::from_utf8_lossy(name).trim()) && line != b"\r\n" && line != b"\n";
        }
        if keeps {
            kept.extend_from_slice(line);
        }
    }
    kept.extend_from_slice(b"\r\n");
    kept
}

/// A text of IMAP holds no zero bytes.
fn text(bytes: Option<&[u8]>) -> NString<'static> {
    let bytes = bytes.map(|bytes| bytes.iter().copied().filter(|byte| *byte != 0).collect::<Vec<u8>>());
    NString(bytes.and_then(|bytes| Literal::try_from(bytes).ok()).map(IString::Literal))
}

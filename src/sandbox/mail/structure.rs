//! The structure of a letter as IMAP tells it: parts, their numbers and their sizes (RFC 3501, 7.4.2).

use imap_next::imap_types::body::{
    BasicFields, Body, BodyStructure, Disposition, MultiPartExtensionData, SinglePartExtensionData, SpecificFields,
};
use imap_next::imap_types::core::{IString, NString, Vec1};
use imap_next::imap_types::envelope::{Address, Envelope};
use mail_parser::{ContentType, Message, MessageParser, MessagePart, MimeHeaders as _, PartType};

/// How deep parts are followed.
const DEEPEST: usize = 40;

/// A part of a letter: its header with the empty line, and its body, as they stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'r> {
    pub(super) header: &'r [u8],
    pub(super) body: &'r [u8],
}

/// The whole letter as one piece.
pub(super) fn whole(raw: &[u8]) -> Option<Piece<'_>> {
    let letter = MessageParser::default().parse(raw)?;
    piece(raw, letter.parts.first()?)
}

/// The part that numbers name; none where there is no such part.
pub(super) fn part<'r>(raw: &'r [u8], path: &[u32]) -> Option<Piece<'r>> {
    let letter = MessageParser::default().parse(raw)?;
    let mut here = letter.parts.first()?;
    for (depth, number) in path.iter().enumerate() {
        let place = usize::try_from(*number).ok()?.checked_sub(1)?;
        here = match &here.body {
            PartType::Multipart(inner) => letter.parts.get(*inner.get(place)? as usize)?,
            // a letter within a letter has numbers of its own
            PartType::Message(_) if depth > 0 => return part(piece(raw, here)?.body, path.get(depth..)?),
            _ if place == 0 && depth == 0 => here,
            _ => return None,
        };
    }
    piece(raw, here)
}

fn piece<'r>(raw: &'r [u8], part: &MessagePart<'_>) -> Option<Piece<'r>> {
    let (head, body, end) = (part.raw_header_offset(), part.raw_body_offset(), part.raw_end_offset());
    let header = raw.get(head as usize..body as usize)?;
    Some(Piece { header, body: raw.get(body as usize..end as usize)? })
}

/// The structure of a letter.
pub(super) fn structure(raw: &[u8], deep: usize) -> Option<BodyStructure<'static>> {
    let letter = MessageParser::default().parse(raw)?;
    described(raw, &letter, 0, deep)
}

fn described(raw: &[u8], letter: &Message<'_>, id: u32, deep: usize) -> Option<BodyStructure<'static>> {
    let part = letter.parts.get(id as usize).filter(|_| deep < DEEPEST)?;
    let kind = part.content_type();
    if let PartType::Multipart(inner) = &part.body {
        let bodies: Vec<_> = inner.iter().filter_map(|id| described(raw, letter, *id, deep + 1)).collect();
        let subtype = kind.and_then(ContentType::subtype).unwrap_or("mixed");
        return Some(BodyStructure::Multi {
            bodies: Vec1::try_from(bodies).ok()?,
            subtype: word(subtype)?,
            extension_data: Some(MultiPartExtensionData {
                parameter_list: parameters(kind),
                tail: Some(disposition(part)),
            }),
        });
    }
    let body = piece(raw, part)?.body;
    let lines = u32::try_from(body.split(|byte| *byte == b'\n').count() - 1).ok()?;
    let specific = match (&part.body, kind.map(|kind| (kind.ctype(), kind.subtype()))) {
        (PartType::Message(inner), _) => SpecificFields::Message {
            envelope: Box::new(envelope(inner)),
            body_structure: Box::new(structure(body, deep + 1)?),
            number_of_lines: lines,
        },
        (_, None) => SpecificFields::Text { subtype: word("plain")?, number_of_lines: lines },
        (_, Some((kind, subtype))) if kind.eq_ignore_ascii_case("text") => {
            SpecificFields::Text { subtype: word(subtype.unwrap_or("plain"))?, number_of_lines: lines }
        }
        (_, Some((kind, subtype))) => {
            SpecificFields::Basic { r#type: word(kind)?, subtype: word(subtype.unwrap_or("octet-stream"))? }
        }
    };
    let basic = BasicFields {
        parameter_list: parameters(kind),
        id: nullable(part.content_id()),
        description: nullable(part.content_description()),
        content_transfer_encoding: word(part.content_transfer_encoding().unwrap_or("7bit"))?,
        size: u32::try_from(body.len()).ok()?,
    };
    let extension_data = Some(SinglePartExtensionData { md5: NString(None), tail: Some(disposition(part)) });
    Some(BodyStructure::Single { body: Body { basic, specific }, extension_data })
}

fn disposition(part: &MessagePart<'_>) -> Disposition<'static> {
    let said = part.content_disposition();
    let told = said.and_then(|said| Some((word(said.ctype())?, parameters(Some(said)))));
    Disposition { disposition: told, tail: None }
}

fn parameters(kind: Option<&ContentType<'_>>) -> Vec<(IString<'static>, IString<'static>)> {
    let all = kind.and_then(|kind| kind.attributes.as_deref()).unwrap_or_default();
    all.iter().filter_map(|one| parameter(&one.name, &one.value)).collect()
}

/// A parameter as it would stand in the header: other characters than those of ASCII are encoded (RFC 2231).
fn parameter(name: &str, value: &str) -> Option<(IString<'static>, IString<'static>)> {
    if value.is_ascii() {
        return Some((word(name)?, word(value)?));
    }
    let encoded: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
    Some((word(&format!("{name}*"))?, word(&format!("utf-8''{}", encoded.replace('+', "%20")))?))
}

/// The envelope of a letter.
pub(super) fn envelope(letter: &Message<'_>) -> Envelope<'static> {
    let people = |list: Option<&mail_parser::Address<'_>>| -> Vec<Address<'static>> {
        list.into_iter()
            .flat_map(|list| list.iter())
            .map(|one| {
                let (user, host) = one.address().unwrap_or_default().rsplit_once('@').unwrap_or_default();
                Address {
                    name: nullable(one.name()),
                    adl: NString(None),
                    mailbox: nullable(Some(user)),
                    host: nullable(Some(host)),
                }
            })
            .collect()
    };
    Envelope {
        date: nullable(letter.header_raw("Date").map(str::trim)),
        subject: nullable(letter.header_raw("Subject").map(str::trim)),
        from: people(letter.from()),
        sender: people(letter.sender().or_else(|| letter.from())),
        reply_to: people(letter.reply_to().or_else(|| letter.from())),
        to: people(letter.to()),
        cc: people(letter.cc()),
        bcc: people(letter.bcc()),
        in_reply_to: nullable(letter.header_raw("In-Reply-To").map(str::trim)),
        message_id: nullable(letter.header_raw("Message-ID").map(str::trim)),
    }
}

fn word(text: &str) -> Option<IString<'static>> {
    IString::try_from(text.replace('\0', "")).ok()
}

fn nullable(text: Option<&str>) -> NString<'static> {
    NString(text.and_then(word))
}

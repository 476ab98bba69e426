//! A large letter without its files: the headers and the texts are fetched, of the files only what they are.
//!
//! What comes out is a letter of the same structure whose files are empty, so that it is read like every other one.

use std::collections::HashMap;
use std::fmt::Write as _;

use async_imap::imap_proto::{BodyStructure, MessageSection, SectionPath};

use super::door::Trouble;
use super::mailbox::Mailbox;

/// Parts that are looked at, at most.
const PARTS: usize = 100;

/// Texts that are fetched, at most, and how much of each in bytes.
const TEXTS: usize = 6;
const TEXT: u64 = 192 << 10;

/// The most that the headers of a letter, or of a part, may have in bytes.
const HEADERS: u64 = 256 << 10;

/// A part of the letter.
struct Leaf {
    section: Vec<u32>,
    is_text: bool,
    octets: u64,
    encoded: bool,
}

/// The letter without its files, and the sizes of those; none where it is gone.
pub(super) async fn skeleton(
    mailbox: &mut Mailbox,
    uid: u32,
) -> Result<Option<(Vec<u8>, HashMap<String, u64>)>, Trouble> {
    let Some(first) = mailbox.fetch(uid, "(UID BODYSTRUCTURE BODY.PEEK[HEADER])", HEADERS).await? else {
        return Ok(None);
    };
    let header = first.header().unwrap_or_default().to_vec();
    let Some(structure) = first.bodystructure() else { return Ok(Some((header, HashMap::new()))) };
    let mut leaves = Vec::new();
    gather(structure, &mut Vec::new(), &mut leaves);
    let sizes = leaves.iter().filter(|leaf| !leaf.is_text).map(|leaf| (written(&leaf.section), leaf.size())).collect();
    let single = !matches!(structure, BodyStructure::Multipart { .. });
    let mut parts = HashMap::new();
    for leaf in &leaves {
        let mime =
            if single { Vec::new() } else { part(mailbox, uid, &leaf.section, Some(MessageSection::Mime)).await? };
        let texts = parts.values().filter(|(_, body): &&(Vec<u8>, Vec<u8>)| !body.is_empty()).count();
        let body =
            if leaf.is_text && texts < TEXTS { part(mailbox, uid, &leaf.section, None).await? } else { Vec::new() };
        parts.insert(leaf.section.clone(), (mime, body));
    }
    let mut letter = header;
    emit(structure, &mut Vec::new(), &parts, &mut letter);
    Ok(Some((letter, sizes)))
}

impl Leaf {
    /// The size of the file: what is encoded in base64 has a third less.
    const fn size(&self) -> u64 {
        if self.encoded { self.octets / 78 * 57 } else { self.octets }
    }
}

/// A section as IMAP writes it.
pub(super) fn written(section: &[u32]) -> String {
    section.iter().map(ToString::to_string).collect::<Vec<_>>().join(".")
}

fn gather(structure: &BodyStructure<'_>, path: &mut Vec<u32>, leaves: &mut Vec<Leaf>) {
    if leaves.len() >= PARTS || path.len() > 20 {
        return;
    }
    match structure {
        BodyStructure::Multipart { bodies, .. } => {
            for (n, body) in (1..).zip(bodies) {
                path.push(n);
                gather(body, path, leaves);
                path.pop();
            }
        }
        BodyStructure::Basic { other, common, .. }
        | BodyStructure::Text { other, common, .. }
        | BodyStructure::Message { other, common, .. } => {
            let attached = common.disposition.as_ref().is_some_and(|kind| kind.ty.eq_ignore_ascii_case("attachment"));
            let report =
                common.ty.ty.eq_ignore_ascii_case("message") && !matches!(structure, BodyStructure::Message { .. });
            let text = matches!(structure, BodyStructure::Text { .. }) || report;
            let encoded = matches!(other.transfer_encoding, async_imap::imap_proto::ContentEncoding::Base64);
            leaves.push(Leaf {
                section: if path.is_empty() { vec![1] } else { path.clone() },
                is_text: text && !attached,
                octets: u64::from(other.octets),
                encoded,
            });
        }
    }
}

async fn part(
    mailbox: &mut Mailbox,
    uid: u32,
    section: &[u32],
    of: Option<MessageSection>,
) -> Result<Vec<u8>, Trouble> {
    let path = written(section);
    let (query, most) = match of {
        Some(_) => (format!("(UID BODY.PEEK[{path}.MIME])"), HEADERS),
        None => (format!("(UID BODY.PEEK[{path}]<0.{TEXT}>)"), TEXT),
    };
    let fetched = mailbox.fetch(uid, &query, most).await?;
    let path = SectionPath::Part(section.to_vec(), of);
    Ok(fetched.and_then(|letter| letter.section(&path).map(<[u8]>::to_vec)).unwrap_or_default())
}

/// Writes the letter anew, with the boundaries that its headers name.
fn emit(
    structure: &BodyStructure<'_>,
    path: &mut Vec<u32>,
    parts: &HashMap<Vec<u32>, (Vec<u8>, Vec<u8>)>,
    out: &mut Vec<u8>,
) {
    let BodyStructure::Multipart { common, bodies, .. } = structure else {
        let section = if path.is_empty() { vec![1] } else { path.clone() };
        if let Some((_, body)) = parts.get(&section) {
            out.extend_from_slice(body);
        }
        return;
    };
    let named = common.ty.params.iter().flatten().find(|(name, _)| name.eq_ignore_ascii_case("boundary"));
    let Some((_, boundary)) = named else { return };
    for (n, body) in (1..).zip(bodies) {
        path.push(n);
        out.extend_from_slice(format!("\r\n--{boundary}\r\n").as_bytes());
        if let BodyStructure::Multipart { common, .. } = body {
            let inner = common.ty.params.iter().flatten().find(|(name, _)| name.eq_ignore_ascii_case("boundary"));
            let boundary = inner.map_or("", |(_, boundary)| boundary.as_ref());
            let mut head = String::new();
            let _ = write!(head, "Content-Type: multipart/{}; boundary=\"{boundary}\"\r\n\r\n", common.ty.subtype);
            out.extend_from_slice(head.as_bytes());
        } else if let Some((mime, _)) = parts.get(path.as_slice()) {
            out.extend_from_slice(mime);
        }
        emit(body, path, parts, out);
        path.pop();
    }
    out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
}

/// The way from what a server tells to a letter without its files, for the fuzz target: every part is there and short.
#[cfg(fuzzing)]
pub fn told(bytes: &[u8]) -> Option<Vec<u8>> {
    use async_imap::imap_proto::{AttributeValue, Response};
    if !super::strait::takes(bytes) {
        return None;
    }
    let (_, response) = Response::parse(bytes).ok()?;
    let Response::Fetch(_, attributes) = response else { return None };
    let structure = attributes.iter().find_map(|attribute| match attribute {
        AttributeValue::BodyStructure(structure) => Some(structure),
        _ => None,
    })?;
    let mut leaves = Vec::new();
    gather(structure, &mut Vec::new(), &mut leaves);
    let part = |leaf: &Leaf| (leaf.section.clone(), (b"Content-Type: text/plain\r\n\r\n".to_vec(), b"x".to_vec()));
    let parts = leaves.iter().inspect(|leaf| drop((written(&leaf.section), leaf.size()))).map(part).collect();
    let mut letter = b"From: a@b.test\r\n".to_vec();
    emit(structure, &mut Vec::new(), &parts, &mut letter);
    Some(letter)
}

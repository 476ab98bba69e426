//! Files that came in a letter: each is fetched by itself, by the folder, the letter and the section that its name tells.

use async_imap::imap_proto::{MessageSection, SectionPath};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use mail_parser::MessageParser;

use super::account;
use super::door::{At, Trouble};
use super::letter::Folder;
use super::mailbox::Mailbox;
use super::structure::written;
use crate::messenger::parcel::refused;
use crate::messenger::{Fetched, Wire};
use crate::model::message::IncomingMedia;
use crate::model::result::Code;
use crate::model::vendor::Answer;

/// Where a file lies.
struct Place {
    folder: Folder,
    validity: u32,
    uid: u32,
    section: Vec<u32>,
}

impl Place {
    fn of(name: &str) -> Option<Self> {
        let mut parts = name.split(':');
        let name = parts.next()?;
        let folder = Folder::ALL.into_iter().find(|folder| folder.slug() == name)?;
        let (validity, uid) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let section = parts.next()?.split('.').map(str::parse).collect::<Result<Vec<u32>, _>>().ok()?;
        (parts.next().is_none() && section.len() <= 30).then_some(Self { folder, validity, uid, section })
    }
}

pub(super) async fn fetch(wire: &Wire, media: &IncomingMedia, limit: u64) -> Result<Fetched, Answer> {
    if media.size.is_some_and(|size| size > limit) {
        return Err(refused(Code::FileTooBig));
    }
    let place = Place::of(&media.vendor_id).ok_or_else(|| refused(Code::FileGone))?;
    let account = account::of_wire(wire).map_err(|seen| Answer::Expired { seen })?;
    let mut mailbox = Mailbox::enter(wire, &account).await.map_err(Trouble::answer)?;
    let fetched = part(&mut mailbox, &place, limit).await;
    mailbox.leave().await;
    let (mime, body) = fetched
        .map_err(|trouble| match trouble.at {
            // the server began to send more than it announced
            At::Talk if trouble.seen.contains("more than was asked for") => refused(Code::FileTooBig),
            _ => trouble.answer(),
        })?
        .ok_or_else(|| refused(Code::FileGone))?;
    let bytes = decode(mime, &body);
    if bytes.len() as u64 > limit {
        return Err(refused(Code::FileTooBig));
    }
    // IMAP gives a part whole; the cap holds what is in memory
    Ok(Fetched { mime: media.mime.clone(), bytes: stream::iter([Ok(bytes)]).boxed() })
}

async fn part(mailbox: &mut Mailbox, place: &Place, limit: u64) -> Result<Option<(Vec<u8>, Vec<u8>)>, Trouble> {
    let folder = match place.folder {
        Folder::Inbox => Some(mailbox.inbox.clone()),
        Folder::Sent => mailbox.sent_folder().await?,
        Folder::Junk => mailbox.others().await?.junk,
    };
    let Some(folder) = folder else { return Ok(None) };
    if mailbox.examine(&folder).await?.validity != place.validity {
        return Ok(None);
    }
    let path = written(&place.section);
    // base64 and its line ends
    let most = limit.saturating_mul(3) / 2 + (64 << 10);
    let query = format!("(UID BODY.PEEK[HEADER] BODY.PEEK[{path}.MIME] BODY.PEEK[{path}])");
    let Some(letter) = mailbox.fetch(place.uid, &query, most).await? else { return Ok(None) };
    let section = |of| letter.section(&SectionPath::Part(place.section.clone(), of));
    let Some(body) = section(None) else { return Ok(None) };
    let mime = section(Some(MessageSection::Mime)).filter(|mime| !mime.is_empty());
    if mime.is_none() && body.is_empty() {
        // that is how some servers say that there is no such part
        return Ok(None);
    }
    // a letter that is one file has the file's headers as its own
    let mime = mime.or_else(|| letter.header());
    Ok(Some((mime.unwrap_or_default().to_vec(), body.to_vec())))
}

/// The bytes of the file, out of their encoding.
fn decode(mime: Vec<u8>, body: &[u8]) -> Bytes {
    let mut whole = mime;
    let is_letter = String::from_utf8_lossy(&whole).to_lowercase().contains("message/rfc822");
    if is_letter {
        return Bytes::copy_from_slice(body);
    }
    // read as a file, whatever it calls itself: a text would have its characters changed
    whole.extend_from_slice(body);
    let parsed = MessageParser::default().parse(&whole);
    match parsed.as_ref().and_then(|letter| letter.parts.first().map(|part| (letter, part))) {
        Some((_, part)) if !part.is_multipart() => raw_contents(&whole, part),
        _ => Bytes::copy_from_slice(body),
    }
}

/// What stands in the letter, decoded but in its own characters.
fn raw_contents(whole: &[u8], part: &mail_parser::MessagePart<'_>) -> Bytes {
    use mail_parser::decoders::base64::base64_decode;
    use mail_parser::decoders::quoted_printable::quoted_printable_decode;
    let body = whole.get(part.raw_body_offset() as usize..part.raw_end_offset() as usize).unwrap_or_default();
    let decoded = match part.encoding {
        mail_parser::Encoding::Base64 => base64_decode(body),
        mail_parser::Encoding::QuotedPrintable => quoted_printable_decode(body),
        mail_parser::Encoding::None => Some(body.to_vec()),
    };
    decoded.map_or_else(|| Bytes::copy_from_slice(part.contents()), Bytes::from)
}

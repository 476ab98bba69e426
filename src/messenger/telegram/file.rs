//! Files: ours go up piece by piece, theirs come down piece by piece, each from the data centre where it lies.

use std::io::ErrorKind;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use grammers_tl_types::{enums, functions, types};
use serde::{Deserialize, Serialize};

use super::driver::Trouble;
use super::line::{self, Line};
use super::{ABOUT, answer, book, read};
use crate::messenger::parcel::{self, refused};
use crate::messenger::{Fetched, Wire};
use crate::model::message::{IncomingMedia, Media, MediaKind};
use crate::model::result::Code;
use crate::model::vendor::Answer;

/// The largest piece.
const PIECE: usize = 512 << 10;

/// Larger files go up in another way.
const SMALL: u64 = 10 << 20;

/// Where a file lies, as it is kept until it is fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// `photo` or `document`.
    #[serde(rename = "k")]
    pub(super) kind: FileKind,
    pub(super) id: i64,
    #[serde(rename = "h")]
    pub(super) hash: i64,
    /// The name that runs out after some hours.
    #[serde(rename = "r")]
    pub(super) reference: String,
    #[serde(rename = "dc")]
    pub(super) centre: i32,
    /// Which size of a photo.
    #[serde(rename = "s", default)]
    pub(super) size: String,
    /// The message that it came with: it names the file anew.
    #[serde(rename = "m")]
    pub(super) message: (i64, i32),
}

/// What a file is to Telegram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FileKind {
    /// A picture.
    Photo,
    /// Everything else.
    Document,
}

impl Place {
    fn location(&self) -> enums::InputFileLocation {
        let reference = hex::decode(&self.reference).unwrap_or_default();
        match self.kind {
            FileKind::Photo => types::InputPhotoFileLocation {
                id: self.id,
                access_hash: self.hash,
                file_reference: reference,
                thumb_size: self.size.clone(),
            }
            .into(),
            FileKind::Document => types::InputDocumentFileLocation {
                id: self.id,
                access_hash: self.hash,
                file_reference: reference,
                thumb_size: String::new(),
            }
            .into(),
        }
    }
}

/// The largest file of a kind; none where the kind is not taken.
pub(super) fn limit_of(kind: MediaKind) -> u64 {
    ABOUT.media_limits.iter().find(|(listed, _)| *listed == kind).map_or(0, |(_, limit)| *limit)
}

/// Uploads a file. Nobody sees it before the message that names it.
pub(super) async fn upload(wire: &Wire, line: &Line, media: &Media) -> Result<enums::InputFile, Answer> {
    let mut open = parcel::open(wire, media, limit_of(media.kind)).await?;
    if open.size == 0 {
        return Err(refused(Code::FileBad));
    }
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(|error| Answer::Down { seen: error.to_string() })?;
    let id = i64::from_le_bytes(id);
    let parts = i32::try_from(open.size.div_ceil(PIECE as u64)).map_err(|_| refused(Code::FileTooBig))?;
    let big = open.size > SMALL;
    let (mut waiting, mut part, mut seen) = (BytesMut::new(), 0, 0_u64);
    loop {
        let next = open.bytes.next().await;
        let over = next.is_none();
        if let Some(bytes) = next {
            let bytes = bytes.map_err(|error| Answer::Down { seen: format!("the file could not be read: {error}") })?;
            seen += bytes.len() as u64;
            waiting.extend_from_slice(&bytes);
        }
        while waiting.len() >= PIECE || (over && !waiting.is_empty()) {
            let bytes = waiting.split_to(PIECE.min(waiting.len())).to_vec();
            save(line, (id, part, parts, big), bytes).await.map_err(harmless)?;
            part += 1;
        }
        if over {
            break;
        }
    }
    if seen != open.size {
        return Err(Answer::Down { seen: "the file broke off".to_owned() });
    }
    let name = if media.name.trim().is_empty() { "file".to_owned() } else { media.name.clone() };
    Ok(if big {
        types::InputFileBig { id, parts, name }.into()
    } else {
        types::InputFile { id, parts, name, md5_checksum: String::new() }.into()
    })
}

/// A piece that may have arrived may be sent again with the others.
fn harmless(trouble: Trouble) -> Answer {
    match answer::of(trouble) {
        Answer::Unsure { seen, .. } => Answer::Down { seen },
        other => other,
    }
}

async fn save(line: &Line, (id, part, parts, big): (i64, i32, i32, bool), bytes: Vec<u8>) -> Result<(), Trouble> {
    let taken = if big {
        let call = functions::upload::SaveBigFilePart { file_id: id, file_part: part, file_total_parts: parts, bytes };
        line.call(&call).await?
    } else {
        line.call(&functions::upload::SaveFilePart { file_id: id, file_part: part, bytes }).await?
    };
    if taken { Ok(()) } else { Err(Trouble::Unsure("a piece of a file was not taken".to_owned())) }
}

/// Fetches a file that came in.
pub(super) async fn fetch(wire: &Wire, media: &IncomingMedia, limit: u64) -> Result<Fetched, Answer> {
    if media.size.is_some_and(|size| size > limit) {
        return Err(refused(Code::FileTooBig));
    }
    let place: Place = serde_json::from_str(&media.vendor_id).map_err(|_| refused(Code::FileGone))?;
    let line = line::borrow(wire).map_err(|answer| match answer {
        Answer::Busy { .. } => Answer::Down { seen: "the line of the account is not open in this process".to_owned() },
        other => other,
    })?;
    let mut reading = Reading { line, place, limit, at: 0, anew: 0, ended: false };
    // the first piece tells whether the file is there
    let first = reading.next().await?;
    let rest = stream::try_unfold(reading, |mut reading| async move {
        Ok(reading.next().await.map_err(broken)?.map(|piece| (piece, reading)))
    });
    Ok(Fetched { mime: media.mime.clone(), bytes: stream::iter(first.map(Ok)).chain(rest).boxed() })
}

/// Why the pieces end too early.
fn broken(answer: Answer) -> std::io::Error {
    match answer {
        Answer::Refused { code: Code::FileTooBig, .. } => ErrorKind::FileTooLarge.into(),
        other => std::io::Error::other(format!("{other:?}")),
    }
}

/// A file that is being read, piece by piece.
struct Reading {
    line: Arc<Line>,
    place: Place,
    limit: u64,
    at: usize,
    /// How often its place was asked for again.
    anew: u8,
    ended: bool,
}

impl Reading {
    /// The next piece; none where the file ends.
    async fn next(&mut self) -> Result<Option<Bytes>, Answer> {
        if self.ended {
            return Ok(None);
        }
        loop {
            match piece(&self.line, &self.place, self.at).await {
                Ok(more) => {
                    self.at += more.len();
                    self.ended = more.len() < PIECE;
                    if self.at as u64 > self.limit {
                        return Err(refused(Code::FileTooBig));
                    }
                    return Ok(Some(more).filter(|more| !more.is_empty()));
                }
                Err(trouble) if trouble.is("FILE_MIGRATE") && self.anew < 2 => {
                    self.place.centre = trouble.value().unwrap_or(self.place.centre);
                    self.anew += 1;
                }
                Err(trouble) if trouble.is("FILE_REFERENCE_*") && self.anew < 2 => {
                    let named = named_anew(&self.line, &self.place).await.map_err(harmless)?;
                    self.place = named.ok_or_else(|| refused(Code::FileGone))?;
                    self.anew += 1;
                }
                Err(trouble) => return Err(harmless(trouble)),
            }
        }
    }
}

async fn piece(line: &Line, place: &Place, offset: usize) -> Result<Bytes, Trouble> {
    line.enter(place.centre).await?;
    let call = functions::upload::GetFile {
        precise: false,
        cdn_supported: false,
        location: place.location(),
        offset: i64::try_from(offset).unwrap_or(i64::MAX),
        limit: i32::try_from(PIECE).unwrap_or(i32::MAX),
    };
    match line.call_in(place.centre, &call).await? {
        enums::upload::File::File(file) => Ok(Bytes::from(file.bytes)),
        enums::upload::File::CdnRedirect(_) => Err(Trouble::NotSent("the file lies with a third party".to_owned())),
    }
}

/// Asks for the message that the file came with; none where it is gone.
async fn named_anew(line: &Line, place: &Place) -> Result<Option<Place>, Trouble> {
    let (chat, number) = place.message;
    let id = vec![types::InputMessageId { id: number }.into()];
    let channel = book::channel_of(chat).map(|channel| line.book.lock().channel(channel));
    let told = match channel {
        Some(Some(channel)) => line.call(&functions::channels::GetMessages { channel, id }).await?,
        Some(None) => return Ok(None),
        None => line.call(&functions::messages::GetMessages { id }).await?,
    };
    let messages = match told {
        enums::messages::Messages::Messages(told) => told.messages,
        enums::messages::Messages::Slice(told) => told.messages,
        enums::messages::Messages::ChannelMessages(told) => told.messages,
        enums::messages::Messages::NotModified(_) => Vec::new(),
    };
    let found = messages.iter().find_map(|message| match message {
        enums::Message::Message(message) if message.id == number => read::file(message, chat),
        _ => None,
    });
    // an edited message may carry another file by now
    Ok(found.map(|(_, named)| named).filter(|named| named.id == place.id))
}

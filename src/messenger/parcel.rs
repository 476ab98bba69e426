//! Files on their way: ours into a request body, and what came in from the address that the vendor gave.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt as _;
use reqwest::multipart::Part;

use super::{Fetched, OpenFile, Wire};
use crate::model::message::{IncomingMedia, Media};
use crate::model::result::Code;
use crate::model::vendor::Answer;
use crate::net::download::Download;
use crate::net::http::FetchError;

/// A file as a part of a multipart body, and whether reading it failed on the way.
pub(super) struct Parcel {
    /// The part, with the file's name and media type.
    pub(super) part: Part,
    /// Its size in bytes.
    pub(super) size: u64,
    broke: Arc<AtomicBool>,
}

impl Parcel {
    /// Opens the file and puts it into a part.
    pub(super) async fn pack(wire: &Wire, media: &Media, limit: u64) -> Result<Self, Answer> {
        let open = open(wire, media, limit).await?;
        let broke = Arc::new(AtomicBool::new(false));
        let mark = Arc::clone(&broke);
        let bytes = open.bytes.inspect(move |part| {
            if part.is_err() {
                mark.store(true, Ordering::Relaxed);
            }
        });
        let part = Part::stream_with_length(reqwest::Body::wrap_stream(bytes), open.size)
            .file_name(safe_name(&media.name))
            .mime_str(&media.mime)
            .map_err(|_| refused(Code::FileBad))?;
        Ok(Self { part, size: open.size, broke })
    }

    /// Tells later whether the file itself broke off. The vendor then got a body shorter than announced, which it cannot
    /// have taken for a message.
    pub(super) fn witness(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.broke)
    }
}

/// Opens a file of ours, where it is not larger than `limit`.
pub(super) async fn open(wire: &Wire, media: &Media, limit: u64) -> Result<OpenFile, Answer> {
    let open = wire.files.open(&media.source).await.map_err(|error| unopened(&error))?;
    if open.size > limit { Err(refused(Code::FileTooBig)) } else { Ok(open) }
}

/// The name as it stands in a header of the part: a line feed in it would begin a header of somebody else's making, and a
/// part without any name is no file to a vendor.
fn safe_name(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_control() { '_' } else { c }).collect();
    if name.is_empty() { "file".to_owned() } else { name }
}

/// A refusal of our own, told in the words of its code.
pub(super) fn refused(code: Code) -> Answer {
    Answer::Refused { code, text: code.en().to_owned() }
}

/// Fetches a file that came in from the address that the vendor gave for it, through the guard: vendors have many hosts for
/// files and change them, and the address says itself who may read it.
pub(super) async fn fetch(wire: &Wire, media: &IncomingMedia, limit: u64) -> Result<Fetched, Answer> {
    if media.size.is_some_and(|size| size > limit) {
        return Err(refused(Code::FileTooBig));
    }
    let open = wire.files.open(&media.vendor_id).await.map_err(|error| unopened(&error))?;
    if open.size > limit {
        return Err(refused(Code::FileTooBig));
    }
    Ok(Fetched { mime: media.mime.clone(), bytes: open.bytes })
}

/// Begins to fetch a file from an address of the vendor's own, with whatever proof the request carries.
pub(super) async fn download(wire: &Wire, request: reqwest::RequestBuilder, limit: u64) -> Result<Download, Answer> {
    wire.http.fetch(request, limit).await.map_err(|error| match error {
        FetchError::TooBig(_) => refused(Code::FileTooBig),
        FetchError::Call(seen) => Answer::Down { seen },
    })
}

fn unopened(error: &std::io::Error) -> Answer {
    match error.kind() {
        ErrorKind::NotFound => refused(Code::FileGone),
        ErrorKind::FileTooLarge => refused(Code::FileTooBig),
        ErrorKind::InvalidInput | ErrorKind::PermissionDenied => refused(Code::FileBad),
        _ => Answer::Down { seen: format!("the file could not be read: {error}") },
    }
}

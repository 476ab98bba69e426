//! Files: sent inside the call, piece by piece, and fetched from the gateway with its key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{ABOUT, call, session_of};
use crate::messenger::parcel::{self, refused};
use crate::messenger::{Fetched, Wire};
use crate::model::message::{IncomingMedia, Media, MediaKind};
use crate::model::result::Code;
use crate::model::vendor::Answer;

/// The body of a call with a file in it.
pub(super) struct Letter {
    pub(super) body: reqwest::Body,
    pub(super) length: u64,
    broke: Arc<AtomicBool>,
}

impl Letter {
    /// Opens the file and puts it behind the other fields. A link is never passed on: the gateway lies in our private network,
    /// where nobody guards what it fetches.
    pub(super) async fn write(wire: &Wire, fields: &Map<String, Value>, media: &Media) -> Result<Self, Answer> {
        let open = parcel::open(wire, media, limit_of(media.kind)).await?;
        let (head, tail) = around(fields, media);
        let encoded = open.size.div_ceil(3).saturating_mul(4);
        let length = encoded.saturating_add((head.len() + tail.len()) as u64);
        let broke = Arc::new(AtomicBool::new(false));
        let mark = Arc::clone(&broke);
        let pieces = encode(open.bytes).inspect(move |piece| {
            if piece.is_err() {
                mark.store(true, Ordering::Relaxed);
            }
        });
        let whole = stream::iter([Ok(Bytes::from(head))]).chain(pieces).chain(stream::iter([Ok(Bytes::from(tail))]));
        Ok(Self { body: reqwest::Body::wrap_stream(whole), length, broke })
    }

    /// Tells later whether the file itself broke off: the gateway then got half a body, which it cannot have taken.
    pub(super) fn witness(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.broke)
    }
}

/// What stands before and behind the bytes in the body.
fn around(fields: &Map<String, Value>, media: &Media) -> (String, String) {
    let name: String = media.name.chars().map(|c| if c.is_control() { '_' } else { c }).collect();
    let name = if name.is_empty() { "file".to_owned() } else { name };
    let mime = if media.kind == MediaKind::Voice { "audio/ogg; codecs=opus" } else { media.mime.as_str() };
    let file = json!({"mimetype": mime, "filename": name}).to_string();
    let fields = Value::Object(fields.clone()).to_string();
    let open = |object: &str| object.strip_suffix('}').unwrap_or_default().to_owned();
    (format!("{},\"file\":{},\"data\":\"", open(&fields), open(&file)), "\"}}".to_owned())
}

/// Encodes pieces as they come; what does not fill a group of three bytes waits for the next piece.
fn encode(bytes: BoxStream<'static, std::io::Result<Bytes>>) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
    stream::unfold((bytes, Vec::new(), false), |(mut bytes, mut rest, over)| async move {
        if over {
            return None;
        }
        match bytes.next().await {
            Some(Ok(piece)) => {
                rest.extend_from_slice(&piece);
                let later = rest.split_off(rest.len() - rest.len() % 3);
                Some((Ok(Bytes::from(STANDARD.encode(&rest))), (bytes, later, false)))
            }
            Some(Err(error)) => Some((Err(error), (bytes, rest, true))),
            None => Some((Ok(Bytes::from(STANDARD.encode(&rest))), (bytes, rest, true))),
        }
    })
}

/// Fetches a file that came in. The gateway deletes files after a while.
pub(super) async fn fetch(wire: &Wire, media: &IncomingMedia, limit: u64) -> Result<Fetched, Answer> {
    if media.size.is_some_and(|size| size > limit) {
        return Err(refused(Code::FileTooBig));
    }
    // the gateway keeps the files of all channels under one key
    if !media.vendor_id.starts_with(&format!("/api/files/{}/", session_of(wire))) || media.vendor_id.contains("..") {
        return Err(refused(Code::FileGone));
    }
    let request = call(wire, Method::GET, &media.vendor_id);
    let reply = parcel::download(wire, request, limit).await?;
    let mime = reply.header("content-type").map(str::to_owned);
    match reply.status {
        200 => Ok(Fetched { mime: media.mime.clone().or(mime), bytes: reply.bytes }),
        401 | 403 | 429 | 500.. => Err(Answer::Down { seen: format!("HTTP {} for a file", reply.status) }),
        _ => Err(refused(Code::FileGone)),
    }
}

/// The largest file of a kind; none where the kind is not taken.
pub(super) fn limit_of(kind: MediaKind) -> u64 {
    ABOUT.media_limits.iter().find(|(listed, _)| *listed == kind).map_or(0, |(_, limit)| *limit)
}

//! A file on its way to us: its bytes come in pieces and are never held whole.

use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use reqwest::header::HeaderMap;
use tokio::time::Instant;

use super::http::{FetchError, no_answer, plain};

/// A file on its way. Where it breaks off, its last piece is an error: of the kind `FileTooLarge` where it grew above what was
/// allowed, of another kind where it may be asked for again.
pub struct Download {
    /// The HTTP status, for the caller to judge.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// How many bytes come, where that is known before they do.
    pub length: Option<u64>,
    /// The bytes.
    pub bytes: BoxStream<'static, std::io::Result<Bytes>>,
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download").field("status", &self.status).field("length", &self.length).finish_non_exhaustive()
    }
}

impl Download {
    /// The head of an answer and the pieces to come: not more than `limit` bytes, not longer than until `end`.
    pub(super) fn of(response: reqwest::Response, limit: u64, end: Deadline) -> Result<Self, FetchError> {
        let (status, headers, length) =
            (response.status().as_u16(), response.headers().clone(), response.content_length());
        if length.is_some_and(|length| length > limit) {
            return Err(FetchError::TooBig(limit));
        }
        let bytes = capped(response.bytes_stream(), limit, end).boxed();
        Ok(Self { status, headers, length, bytes })
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Until when a file must be here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    /// How long it was given, for the text of an error.
    pub(super) given: Duration,
    /// The end.
    pub(super) at: Instant,
}

impl Deadline {
    /// So long from now.
    pub(super) fn after(given: Duration) -> Self {
        Self { given, at: Instant::now() + given }
    }
}

/// What is left to be read of a body.
struct Rest<S> {
    parts: Pin<Box<S>>,
    left: u64,
    end: Deadline,
}

/// Passes pieces on until one is too much, too late or broken; nothing comes after that.
fn capped<S>(parts: S, limit: u64, end: Deadline) -> impl Stream<Item = std::io::Result<Bytes>> + Send
where
    S: Stream<Item = reqwest::Result<Bytes>> + Send + 'static,
{
    stream::unfold(Some(Rest { parts: Box::pin(parts), left: limit, end }), |rest| async move {
        let mut rest = rest?;
        let part = match tokio::time::timeout_at(rest.end.at, rest.parts.next()).await {
            Err(_) => Err(Error::new(ErrorKind::TimedOut, no_answer(rest.end.given))),
            Ok(None) => return None,
            Ok(Some(Err(error))) => Err(Error::other(plain(error))),
            Ok(Some(Ok(part))) if part.len() as u64 > rest.left => Err(ErrorKind::FileTooLarge.into()),
            Ok(Some(Ok(part))) => {
                rest.left -= part.len() as u64;
                Ok(part)
            }
        };
        let rest = part.is_ok().then_some(rest);
        Some((part, rest))
    })
}

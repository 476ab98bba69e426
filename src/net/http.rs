//! The HTTP client that every vendor call goes through.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use reqwest::header::HeaderMap;

use super::departure;
use super::download::{Deadline, Download};
use super::tls;
use crate::model::vendor::Answer;

/// What is seen of a call that was forbidden at the last moment.
pub(super) const FORBIDDEN: &str = "this process does not hold the lane any more";

/// Why a call brought no answer. The one question that matters is whether the vendor may have taken it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The vendor certainly got nothing: no name, no connection, no TLS, or the request could not be built.
    #[error("the call was not sent: {0}")]
    NotSent(String),
    /// Bytes left, or may have left, and no whole answer came back.
    #[error("the call's fate is unknown: {0}")]
    Unsure(String),
}

impl CallError {
    /// What it means for a message that was to be sent. `resendable` says whether the call may be made again when nobody knows
    /// what became of it.
    #[must_use]
    pub fn answer(self, resendable: bool) -> Answer {
        match self {
            Self::NotSent(seen) => Answer::Down { seen },
            Self::Unsure(seen) => Answer::Unsure { seen, resendable },
        }
    }

    /// What was seen, for the journal.
    #[must_use]
    pub fn seen(self) -> String {
        match self {
            Self::NotSent(seen) | Self::Unsure(seen) => seen,
        }
    }
}

/// Why a file was not fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// It is larger than was allowed; at most that much was read.
    #[error("the file is larger than {0} bytes")]
    TooBig(u64),
    /// It did not come, or not whole. A fetch may always be repeated.
    #[error("the file did not come: {0}")]
    Call(String),
}

/// How long and how much one call may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From the first byte out to the last byte in.
    pub deadline: Duration,
    /// The largest body that is read, in bytes; a larger one counts as an unreadable answer.
    pub body: usize,
}

impl Limits {
    /// An ordinary API call.
    pub const CALL: Self = Self { deadline: Duration::from_secs(30), body: 4 << 20 };

    /// The same for a call that carries a file: ten times as long.
    #[must_use]
    pub const fn with_file(self) -> Self {
        Self { deadline: self.deadline.saturating_mul(10), body: self.body }
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, whole.
    pub body: Bytes,
}

impl Reply {
    /// The body as JSON; `Null` where it is none, since gateways answer with pages and with nothing.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The client. One per process: it keeps the connections.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
    limits: Limits,
}

impl Http {
    /// A client that follows no redirect by itself (a POST would lose its body) and reads no proxy from the environment.
    ///
    /// # Errors
    /// Where the TLS roots of the machine cannot be read.
    pub fn new() -> io::Result<Self> {
        Self::with_limits(Limits::CALL)
    }

    /// The same client with other limits for ordinary calls.
    ///
    /// # Errors
    /// Where the TLS roots of the machine cannot be read.
    pub fn with_limits(limits: Limits) -> io::Result<Self> {
        // a connection that takes longer than the whole call would leave its fate open, though nothing was sent
        let connect = (limits.deadline / 2).min(Duration::from_secs(10));
        Ok(Self { client: build(plain_client()?.connect_timeout(connect))?, limits })
    }

    /// Begins a request. `call` sends it.
    #[must_use]
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// The limits of ordinary calls.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Makes one call and reads the whole answer.
    ///
    /// # Errors
    /// [`CallError`], which tells a call that certainly did not leave from one whose fate is unknown.
    pub async fn call(&self, request: reqwest::RequestBuilder, limits: Limits) -> Result<Reply, CallError> {
        let request = request.build().map_err(|error| CallError::NotSent(plain(error)))?;
        if !departure::may_leave() {
            return Err(CallError::NotSent(FORBIDDEN.to_owned()));
        }
        let whole = async {
            let response = self.client.execute(request).await.map_err(fate)?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let read = read_capped(response, limits.body as u64).await;
            let body = read.map_err(|error| CallError::Unsure(error.to_string()))?;
            Ok(Reply { status, headers, body })
        };
        tokio::time::timeout(limits.deadline, whole)
            .await
            .unwrap_or_else(|_| Err(CallError::Unsure(no_answer(limits.deadline))))
    }

    /// Begins to fetch a file of not more than `limit` bytes. The address is a vendor's: addresses that people give go through
    /// [`super::guard::Guard`]. It may take ten times as long as an ordinary call, to its last byte.
    ///
    /// # Errors
    /// [`FetchError`]; the status is for the caller to judge.
    pub async fn fetch(&self, request: reqwest::RequestBuilder, limit: u64) -> Result<Download, FetchError> {
        if !departure::may_leave() {
            return Err(FetchError::Call(FORBIDDEN.to_owned()));
        }
        let end = Deadline::after(self.limits.with_file().deadline);
        // packed bytes would have no length that can be told on
        let request = request.header(reqwest::header::ACCEPT_ENCODING, "identity");
        let response = tokio::time::timeout_at(end.at, request.send())
            .await
            .map_err(|_| FetchError::Call(no_answer(end.given)))?
            .map_err(|error| FetchError::Call(plain(error)))?;
        Download::of(response, limit, end)
    }
}

/// What all our clients have in common.
pub(super) fn plain_client() -> io::Result<reqwest::ClientBuilder> {
    // for the store of files, whose client is its own; a second call finds the provider of the first one in place
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut tls = tls::config(Vec::new())?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        // a connection that the vendor closes while we write leaves a message unsure: so close idle ones before they do; Node, on
        // which the gateway of WhatsApp Web runs, and Apache close theirs after five seconds
        .pool_idle_timeout(Duration::from_secs(4))
        .tcp_nodelay(true)
        .no_proxy()
        .user_agent(concat!("Switchboard/", env!("CARGO_PKG_VERSION"))))
}

/// The client of these choices.
pub(super) fn build(choices: reqwest::ClientBuilder) -> io::Result<reqwest::Client> {
    choices.build().map_err(io::Error::other)
}

/// Reads a body up to `limit` bytes, and not at all where its announced length is above.
pub(super) async fn read_capped(response: reqwest::Response, limit: u64) -> Result<Bytes, FetchError> {
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(FetchError::TooBig(limit));
    }
    let mut body = BytesMut::new();
    let mut parts = response.bytes_stream();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| FetchError::Call(plain(error)))?;
        if (body.len() + part.len()) as u64 > limit {
            return Err(FetchError::TooBig(limit));
        }
        body.extend_from_slice(&part);
    }
    Ok(body.freeze())
}

/// The error without its address: vendors' addresses carry tokens.
pub(super) fn plain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

pub(super) fn no_answer(deadline: Duration) -> String {
    format!("no answer within {} ms", deadline.as_millis())
}

/// Only a connection that never came about, or a request that was never built, is certain. Everything later may have
/// reached the vendor: a reset, a closed connection and a broken answer look the same from here. A connection of the pool
/// that was closed before the first byte, and a stream that HTTP/2 says was not processed, are tried again further down.
fn fate(error: reqwest::Error) -> CallError {
    let certain = error.is_connect() || error.is_builder();
    if certain { CallError::NotSent(plain(error)) } else { CallError::Unsure(plain(error)) }
}

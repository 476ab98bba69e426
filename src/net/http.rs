//! The HTTP client that every vendor call goes through.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use reqwest::header::HeaderMap;

/// Why a call brought no answer. The one question that matters is whether the vendor may have taken it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The vendor certainly got nothing: no connection, or the request could not be built.
    #[error("the call was not sent: {0}")]
    NotSent(String),
    /// Bytes left, and no whole answer came back.
    #[error("the call's fate is unknown: {0}")]
    Unsure(String),
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
}

/// The client. One per process: it keeps the connections.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
}

impl Http {
    /// A client that follows no redirect by itself (a POST would lose its body) and reads no proxy from the environment.
    ///
    /// # Errors
    /// Where the TLS roots of the machine cannot be read.
    pub fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .pool_idle_timeout(Duration::from_secs(60))
            .tcp_nodelay(true)
            .no_proxy()
            .user_agent(concat!("Switchboard/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client })
    }

    /// Begins a request. `call` sends it.
    #[must_use]
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// Makes one call and reads the whole answer.
    ///
    /// # Errors
    /// [`CallError`], which tells a call that certainly did not leave from one whose fate is unknown.
    pub async fn call(&self, request: reqwest::RequestBuilder, limits: Limits) -> Result<Reply, CallError> {
        let request = request.build().map_err(|error| CallError::NotSent(plain(error)))?;
        let whole = async {
            let response = self.client.execute(request).await.map_err(|error| {
                if error.is_connect() || error.is_builder() {
                    CallError::NotSent(plain(error))
                } else {
                    CallError::Unsure(plain(error))
                }
            })?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let mut body = BytesMut::new();
            let mut parts = response.bytes_stream();
            while let Some(part) = parts.next().await {
                let part = part.map_err(|error| CallError::Unsure(plain(error)))?;
                if body.len() + part.len() > limits.body {
                    return Err(CallError::Unsure(format!("the answer is larger than {} bytes", limits.body)));
                }
                body.extend_from_slice(&part);
            }
            Ok(Reply { status, headers, body: body.freeze() })
        };
        tokio::time::timeout(limits.deadline, whole)
            .await
            .unwrap_or_else(|_| Err(CallError::Unsure(format!("no answer within {} s", limits.deadline.as_secs()))))
    }
}

/// The error without its address: vendors' addresses carry tokens.
fn plain(error: reqwest::Error) -> String {
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

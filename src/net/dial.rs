//! The way out to servers that speak no HTTP: a guarded connection, bare or under TLS.
//!
//! Host names come from people, so they go through the same policy as addresses of files: a name is judged where it is
//! resolved, and the connection goes to the very address that was judged.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::guard::Policy;
use super::tls;

/// Why there is no connection. Nothing that matters was sent.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// It is no name of a host.
    #[error("it is not the name of a host")]
    BadHost,
    /// The name is not known, or the name server does not answer.
    #[error("the name cannot be resolved: {0}")]
    Unknown(String),
    /// It leads into a private network.
    #[error("the name leads into a private network")]
    Private,
    /// A connection without TLS is not allowed there.
    #[error("a connection without TLS is not allowed: see vendors.allow_http")]
    Bare,
    /// Nobody answers.
    #[error("no connection: {0}")]
    Closed(String),
    /// The certificate is not good, or the server speaks no TLS.
    #[error("no TLS: {0}")]
    Tls(String),
}

/// Opens connections. One per process.
#[derive(Clone)]
pub struct Dial {
    policy: Policy,
    tls: TlsConnector,
    deadline: Duration,
}

impl std::fmt::Debug for Dial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dial").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Dial {
    /// Trusts what the machine trusts, and the authorities of a PEM file besides. `deadline` is for one connection.
    ///
    /// # Errors
    /// Where the roots of the machine or the file cannot be read.
    pub fn new(policy: Policy, authorities: Option<&Path>, deadline: Duration) -> io::Result<Self> {
        let more = match authorities {
            Some(file) => CertificateDer::pem_file_iter(file)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(io::Error::other)?,
            None => Vec::new(),
        };
        let config = tls::config(more)?;
        Ok(Self { policy, tls: TlsConnector::from(Arc::new(config)), deadline })
    }

    /// How long the opening of a connection may take.
    #[must_use]
    pub const fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Opens a connection on which nothing is said before TLS: [`Dial::secure`] makes it a good one.
    ///
    /// # Errors
    /// [`DialError`].
    pub async fn open(&self, host: &str, port: u16) -> Result<Line, DialError> {
        let addresses = self.resolve(host, port).await?;
        let connected = tokio::time::timeout(self.deadline, TcpStream::connect(addresses.as_slice())).await;
        let stream = connected
            .map_err(|_| DialError::Closed("nobody answers".to_owned()))?
            .map_err(|error| DialError::Closed(error.to_string()))?;
        // a line that is not heard of for long is looked after by the system
        let _ = stream.set_nodelay(true);
        Ok(Line::Bare(stream))
    }

    /// Opens a connection that stays without TLS. Only where plain connections are allowed: everywhere by
    /// `vendors.allow_http`, or in the networks of `vendors.allow_networks`.
    ///
    /// # Errors
    /// [`DialError`].
    pub async fn open_bare(&self, host: &str, port: u16) -> Result<Line, DialError> {
        let line = self.open(host, port).await?;
        let there = line.peer().map_err(|error| DialError::Closed(error.to_string()))?;
        if self.policy.plain_http || self.policy.lists(there.ip()) { Ok(line) } else { Err(DialError::Bare) }
    }

    /// Puts TLS around a connection. The certificate must name the host.
    ///
    /// # Errors
    /// [`DialError::Tls`].
    pub async fn secure(&self, host: &str, line: Line) -> Result<Line, DialError> {
        let Line::Bare(stream) = line else { return Ok(line) };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| DialError::BadHost)?;
        let secured = tokio::time::timeout(self.deadline, self.tls.connect(name, stream)).await;
        let stream = secured
            .map_err(|_| DialError::Tls("the server does not answer".to_owned()))?
            .map_err(|error| DialError::Tls(error.to_string()))?;
        Ok(Line::Secure(Box::new(stream)))
    }

    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, DialError> {
        let good = !host.is_empty() && host.len() <= 253 && ServerName::try_from(host).is_ok();
        if !good {
            return Err(DialError::BadHost);
        }
        let found = tokio::time::timeout(self.deadline, tokio::net::lookup_host((host, port))).await;
        let found = found
            .map_err(|_| DialError::Unknown("the name server does not answer".to_owned()))?
            .map_err(|error| DialError::Unknown(error.to_string()))?;
        let kept: Vec<SocketAddr> = found.filter(|address| self.policy.lets(address.ip())).collect();
        if kept.is_empty() { Err(DialError::Private) } else { Ok(kept) }
    }
}

/// A connection.
#[derive(Debug)]
pub enum Line {
    /// Without TLS.
    Bare(TcpStream),
    /// Under TLS.
    Secure(Box<TlsStream<TcpStream>>),
}

impl Line {
    /// The other end.
    ///
    /// # Errors
    /// Where there is none any more.
    pub fn peer(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Bare(stream) => stream.peer_addr(),
            Self::Secure(stream) => stream.get_ref().0.peer_addr(),
        }
    }

    /// Whether it is under TLS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        matches!(self, Self::Secure(_))
    }
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Bare(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Secure(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Bare(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Secure(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Bare(stream) => Pin::new(stream).poll_flush(cx),
            Self::Secure(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Bare(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Secure(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

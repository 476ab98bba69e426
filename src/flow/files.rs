//! Where the bytes of files to send come from: addresses that people give, through the guard.

use std::io::{Error, ErrorKind};

use futures_util::StreamExt as _;

use crate::messenger::{Boxed, Files, OpenFile};
use crate::net::guard::{Guard, GuardError};
use crate::net::http::FetchError;

/// The largest file that is fetched from an address, in bytes: what the largest messenger takes.
const LIMIT: u64 = 100 << 20;

/// Files behind the guard.
#[derive(Debug)]
pub struct GuardedFiles {
    guard: Guard,
}

impl GuardedFiles {
    /// Files that this guard lets through.
    #[must_use]
    pub const fn new(guard: Guard) -> Self {
        Self { guard }
    }
}

impl Files for GuardedFiles {
    fn open<'a>(&'a self, source: &'a str) -> Boxed<'a, std::io::Result<OpenFile>> {
        Box::pin(async move {
            let reply = self.guard.fetch(source, LIMIT).await.map_err(|error| match error {
                GuardError::Fetch(FetchError::TooBig(_)) => Error::from(ErrorKind::FileTooLarge),
                GuardError::Fetch(FetchError::Call(error)) => Error::other(error),
                refused => Error::new(ErrorKind::PermissionDenied, refused.to_string()),
            })?;
            if !(200..300).contains(&reply.status) {
                let kind = if reply.status < 500 { ErrorKind::NotFound } else { ErrorKind::Other };
                return Err(Error::new(kind, format!("HTTP {}", reply.status)));
            }
            let size = u64::try_from(reply.body.len()).unwrap_or(u64::MAX);
            let bytes = futures_util::stream::iter([Ok(reply.body)]).boxed();
            Ok(OpenFile { size, bytes })
        })
    }
}

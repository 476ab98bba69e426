//! Files of companies: put on the shelf as they come, opened for sending and by signed links, and deleted when their time is over.

use std::io::{Error, ErrorKind};

use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::app::App;
use crate::app::shelf::ShelfError;
use crate::messenger::{Boxed, Files, OpenFile};
use crate::model::file::{ANY, clean_name, type_of};
use crate::model::id::{CompanyId, FileId};
use crate::model::moment::Moment;
use crate::net::guard::GuardError;
use crate::net::http::FetchError;
use crate::store::row::FileRow;
use crate::store::{Result, StoreError};

/// What stands before the id of a file of ours where a message names its source.
pub const SOURCE: &str = "store:";

/// Content on its way to the shelf may take so long, in milliseconds; a row that is older and still open is swept.
const UPLOAD_MS: i64 = 24 * 3_600_000;

/// A file that was fetched only because its size was not known before lies so long on the shelf.
const SPOOL_MS: i64 = 2 * 3_600_000;

/// Why a file was not kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// Its content did not reach the shelf.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// Its row could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Puts a file on the shelf as it comes. The row is made before the content and filled after it, so that nothing lies there
/// that nobody knows of.
///
/// # Errors
/// [`KeepError`]; then nothing is left that the keeper does not sweep.
pub async fn keep(
    app: &App,
    company: CompanyId,
    (name, told): (&str, Option<&str>),
    bytes: BoxStream<'_, std::io::Result<Bytes>>,
    limit: u64,
) -> std::result::Result<FileRow, KeepError> {
    let until = keep_until(app, app.clock.now());
    keep_for(app, company, (name, told), bytes, limit, until).await
}

async fn keep_for(
    app: &App,
    company: CompanyId,
    (name, told): (&str, Option<&str>),
    bytes: BoxStream<'_, std::io::Result<Bytes>>,
    limit: u64,
    until: Option<i64>,
) -> std::result::Result<FileRow, KeepError> {
    let now = app.clock.now();
    let mut row = FileRow {
        id: FileId::new().to_string(),
        company: company.to_string(),
        name: clean_name(name),
        mime: ANY.to_owned(),
        size: None,
        sha256: None,
        created_at: now.0,
        expires_at: Some(now.plus_ms(UPLOAD_MS).0),
    };
    let new = row.clone();
    app.store.write(move |conn| crate::on!(conn, file::create(&new))).await?;
    match app.shelf.put(&key(&row), bytes, limit).await {
        Ok(shelved) => {
            row.mime = type_of(&shelved.head, told);
            row.size = Some(i64::try_from(shelved.size).unwrap_or(i64::MAX));
            row.sha256 = Some(shelved.sha256);
            row.expires_at = until;
            let filled = row.clone();
            app.store.write(move |conn| crate::on!(conn, file::fill(&filled))).await?;
            Ok(row)
        }
        Err(error) => {
            let id = row.id;
            // where this fails too the keeper sweeps the row later
            let _ = app.store.write(move |conn| crate::on!(conn, file::remove(&id))).await;
            Err(error.into())
        }
    }
}

/// Deletes a file that is of no use.
///
/// # Errors
/// Those of the store.
pub(crate) async fn discard(app: &App, row: &FileRow) -> Result<()> {
    if let Err(error) = app.shelf.remove(&key(row)).await {
        // its time makes the keeper try again
        tracing::warn!(%error, file = row.id, "the content of a file could not be deleted");
        return Ok(());
    }
    let id = row.id.clone();
    app.store.write(move |conn| crate::on!(conn, file::remove(&id))).await
}

/// Until when a file that is used now is kept; none is for ever.
#[must_use]
pub fn keep_until(app: &App, now: Moment) -> Option<i64> {
    let days = Some(app.config.keep.files_days).filter(|days| *days > 0);
    days.map(|days| now.plus_ms(days.saturating_mul(86_400_000)).0)
}

/// A file of a company; one whose time is over is not there.
///
/// # Errors
/// Those of the store.
pub(crate) async fn find(app: &App, company: CompanyId, id: FileId) -> Result<Option<FileRow>> {
    let now = app.clock.now();
    let row = app.store.read(move |conn| crate::on!(conn, file::by_id(company, id))).await?;
    Ok(row.filter(|row| is_there(row, now)))
}

/// Whether the time of a file is not over.
#[must_use]
pub fn is_there(row: &FileRow, now: Moment) -> bool {
    row.expires_at.is_none_or(|until| until > now.0)
}

/// Where the content of a file lies on the shelf.
#[must_use]
pub fn key(row: &FileRow) -> String {
    format!("{}/{}", row.company, row.id)
}

/// A link to a file that is good for a while, and until when. It proves itself, so it is given to those only who may see the file.
#[must_use]
pub fn link(app: &App, id: &str) -> (String, i64) {
    let until = app.clock.now().plus_ms(app.config.files.link_minutes.saturating_mul(60_000)).0;
    let signature = app.keys.sign(&signed(id, until));
    (format!("{}/file/{id}?until={until}&sign={signature}", app.config.server.public_url), until)
}

/// The file that a link leads to; none where the link is not one of ours, or its time or that of the file is over.
///
/// # Errors
/// Those of the store.
pub(crate) async fn follow(app: &App, id: FileId, until: i64, signature: &str) -> Result<Option<FileRow>> {
    let now = app.clock.now();
    if until <= now.0 || !app.keys.verify(&signed(&id.to_string(), until), signature) {
        return Ok(None);
    }
    let row = app.store.read(move |conn| crate::on!(conn, file::whosever(id))).await?;
    Ok(row.filter(|row| is_there(row, now)))
}

/// What is signed of a link: which file, and until when.
fn signed(id: &str, until: i64) -> String {
    format!("file {id} {until}")
}

/// Deletes files whose time is over, at most so many; their content goes first.
///
/// # Errors
/// Those of the store.
pub async fn forget(app: &App, limit: i64) -> Result<usize> {
    let now = app.clock.now().0;
    let late = app.store.read(move |conn| crate::on!(conn, file::expired(now, limit))).await?;
    let mut gone = 0;
    for (company, id) in late {
        let closed = id.clone();
        if !app.store.write(move |conn| crate::on!(conn, file::close(&closed, now))).await? {
            continue;
        }
        if let Err(error) = app.shelf.remove(&format!("{company}/{id}")).await {
            tracing::warn!(%error, file = id, "the content of a file could not be deleted; trying again later");
            continue;
        }
        app.store.write(move |conn| crate::on!(conn, file::remove(&id))).await?;
        gone += 1;
    }
    Ok(gone)
}

/// The files that messengers open for a company: its own ones, and addresses that the guard lets through.
pub struct CompanyFiles {
    app: App,
    company: Option<CompanyId>,
}

impl CompanyFiles {
    /// The files of a company; without one nothing is opened.
    #[must_use]
    pub const fn new(app: App, company: Option<CompanyId>) -> Self {
        Self { app, company }
    }

    async fn open(&self, source: &str) -> std::io::Result<OpenFile> {
        let company = self.company.ok_or(ErrorKind::PermissionDenied)?;
        match source.strip_prefix(SOURCE) {
            Some(id) => {
                let id: FileId = id.parse().map_err(|_| ErrorKind::NotFound)?;
                let row = find(&self.app, company, id).await.map_err(Error::other)?;
                self.open_row(&row.ok_or(ErrorKind::NotFound)?).await
            }
            None => self.open_address(company, source).await,
        }
    }

    async fn open_row(&self, row: &FileRow) -> std::io::Result<OpenFile> {
        let bytes = self.app.shelf.get(&key(row), None).await?;
        Ok(OpenFile { size: row.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default(), bytes })
    }

    /// Vendors are told the size before the first byte. Where a server does not tell it the file is laid on the shelf first.
    async fn open_address(&self, company: CompanyId, address: &str) -> std::io::Result<OpenFile> {
        let limit = self.app.config.files.largest();
        let found = self.app.guard.fetch(address, limit).await.map_err(unfetched)?;
        if !(200..300).contains(&found.status) {
            let kind = if found.status < 500 { ErrorKind::NotFound } else { ErrorKind::Other };
            return Err(Error::new(kind, format!("HTTP {}", found.status)));
        }
        if let Some(size) = found.length {
            return Ok(OpenFile { size, bytes: found.bytes });
        }
        let until = Some(self.app.clock.now().plus_ms(SPOOL_MS).0);
        let row =
            keep_for(&self.app, company, ("", None), found.bytes, limit, until).await.map_err(|error| match error {
                KeepError::Shelf(ShelfError::TooBig(_)) => ErrorKind::FileTooLarge.into(),
                other => Error::other(other),
            })?;
        self.open_row(&row).await
    }
}

impl Files for CompanyFiles {
    fn open<'a>(&'a self, source: &'a str) -> Boxed<'a, std::io::Result<OpenFile>> {
        Box::pin(self.open(source))
    }
}

fn unfetched(error: GuardError) -> Error {
    match error {
        GuardError::Fetch(FetchError::TooBig(_)) => ErrorKind::FileTooLarge.into(),
        GuardError::Fetch(FetchError::Call(error)) => Error::other(error),
        refused => Error::new(ErrorKind::PermissionDenied, refused.to_string()),
    }
}

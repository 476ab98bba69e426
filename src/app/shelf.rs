//! The shelf: where the content of files lies. A folder of this machine, or a bucket of a server that speaks S3.

use std::io::{Error, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3Builder;
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, RetryConfig};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use crate::config::Config;
use crate::store::Options;

/// The pieces in which content goes into a folder, in bytes.
const FOLDER_PIECE: usize = 1 << 20;

/// And into a bucket, where no piece but the last may be smaller.
const BUCKET_PIECE: usize = 5 << 20;

/// So much of the beginning is looked at to tell what a file is.
pub const HEAD: usize = 8 << 10;

/// Where the content of files lies. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shelf {
    store: Arc<dyn ObjectStore>,
    piece: usize,
    /// The folder, where it is one.
    folder: Option<PathBuf>,
    prefix: String,
}

/// What was put on the shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelved {
    /// The size in bytes.
    pub size: u64,
    /// The SHA-256 in hexadecimal.
    pub sha256: String,
    /// The first bytes.
    pub head: Vec<u8>,
}

/// Why content was not put on the shelf. Nothing of it is left there.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// It is larger than was allowed.
    #[error("the file is larger than {0} bytes")]
    TooBig(u64),
    /// It broke off on its way to us.
    #[error("the file broke off: {0}")]
    Broken(Error),
    /// The shelf itself failed.
    #[error("the file store failed: {0}")]
    Store(#[from] object_store::Error),
    /// The shelf failed at the end.
    #[error("the file store failed: {0}")]
    Unfinished(Error),
    /// The folder cannot be made.
    #[error("the folder of files cannot be made: {0}")]
    Folder(Error),
}

impl Shelf {
    /// The shelf that the settings name; a folder is made where it is missing. Calls nobody.
    ///
    /// # Errors
    /// Where the folder cannot be made, or the bucket's settings cannot be used.
    pub fn open(config: &Config) -> Result<Self, ShelfError> {
        let files = &config.files;
        if files.bucket.is_empty() {
            return Self::open_folder(folder_of(config), config.database.durable);
        }
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&files.bucket)
            .with_region(&files.region)
            .with_access_key_id(&files.access_key)
            .with_secret_access_key(files.secret_key.expose_secret())
            .with_allow_http(files.endpoint.starts_with("http://"))
            .with_retry(RetryConfig {
                max_retries: 3,
                retry_timeout: Duration::from_mins(1),
                ..RetryConfig::default()
            });
        if !files.endpoint.is_empty() {
            builder = builder.with_endpoint(&files.endpoint);
        }
        let prefix = files.prefix.trim_matches('/').to_owned();
        Ok(Self { store: Arc::new(builder.build()?), piece: BUCKET_PIECE, folder: None, prefix })
    }

    fn open_folder(folder: PathBuf, durable: bool) -> Result<Self, ShelfError> {
        // what customers sent lies here
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(ShelfError::Folder)?;
        let store = LocalFileSystem::new_with_prefix(&folder)?.with_fsync(durable);
        Ok(Self { store: Arc::new(store), piece: FOLDER_PIECE, folder: Some(folder), prefix: String::new() })
    }

    /// Puts content on the shelf as it comes; at most two pieces of it are held.
    ///
    /// # Errors
    /// [`ShelfError`]; then nothing is left.
    pub async fn put(
        &self,
        key: &str,
        mut bytes: BoxStream<'_, std::io::Result<Bytes>>,
        limit: u64,
    ) -> Result<Shelved, ShelfError> {
        let mut writer =
            BufWriter::with_capacity(Arc::clone(&self.store), self.path(key), self.piece).with_max_concurrency(1);
        let (mut size, mut hash, mut head) = (0, Sha256::new(), Vec::new());
        let failed = loop {
            let Some(part) = bytes.next().await else { break None };
            let part = match part {
                Ok(part) => part,
                Err(error) if error.kind() == ErrorKind::FileTooLarge => break Some(ShelfError::TooBig(limit)),
                Err(error) => break Some(ShelfError::Broken(error)),
            };
            size += part.len() as u64;
            if size > limit {
                break Some(ShelfError::TooBig(limit));
            }
            hash.update(&part);
            let wanted = HEAD.saturating_sub(head.len()).min(part.len());
            head.extend_from_slice(part.get(..wanted).unwrap_or_default());
            if let Err(error) = writer.put(part).await {
                break Some(error.into());
            }
        };
        if let Some(failed) = failed {
            // what could not be taken back is found by whoever sweeps: the reason of the failure matters more
            let _ = writer.abort().await;
            return Err(failed);
        }
        writer.shutdown().await.map_err(ShelfError::Unfinished)?;
        Ok(Shelved { size, sha256: hex::encode(hash.finalize()), head })
    }

    /// Opens content; of a range, where one is asked for.
    ///
    /// # Errors
    /// `NotFound` where it is not there; another kind where the shelf failed.
    pub async fn get(
        &self,
        key: &str,
        range: Option<Range<u64>>,
    ) -> std::io::Result<BoxStream<'static, std::io::Result<Bytes>>> {
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let found = self.store.get_opts(&self.path(key), options).await.map_err(unread)?;
        Ok(found.into_stream().map_err(unread).boxed())
    }

    /// Takes content from the shelf, and what an upload that was cut off has left. Content that is not there is no error.
    ///
    /// # Errors
    /// Where the shelf failed.
    pub async fn remove(&self, key: &str) -> std::io::Result<()> {
        let path = self.path(key);
        match self.store.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(unread(error)),
        }
        if let Some(folder) = &self.folder {
            // that is how the crate names what is being written; a key is written once, so there is no second one
            match tokio::fs::remove_file(folder.join(format!("{path}#1"))).await {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes, reads and removes a few bytes: for the doctor.
    ///
    /// # Errors
    /// What failed.
    pub async fn check(&self) -> std::io::Result<()> {
        const WORD: &[u8] = b"switchboard doctor";
        let key = format!("doctor/{}", uuid::Uuid::now_v7().simple());
        let word = futures_util::stream::iter([Ok(Bytes::from_static(WORD))]).boxed();
        self.put(&key, word, WORD.len() as u64).await.map_err(Error::other)?;
        let read: Vec<Bytes> = self.get(&key, None).await?.try_collect().await?;
        self.remove(&key).await?;
        if read.concat() == WORD { Ok(()) } else { Err(Error::other("what was written is not what is read")) }
    }

    fn path(&self, key: &str) -> Path {
        Path::from(format!("{}/{key}", self.prefix))
    }
}

/// The folder of the settings, or `files` beside a SQLite database, or `data/files`.
#[must_use]
pub fn folder_of(config: &Config) -> PathBuf {
    if !config.files.folder.is_empty() {
        return PathBuf::from(&config.files.folder);
    }
    let options = Options::new(&config.database.url);
    let path = options.sqlite_path();
    if options.is_postgres() || path.contains(":memory:") {
        return PathBuf::from("data/files");
    }
    std::path::Path::new(path).parent().unwrap_or(std::path::Path::new("")).join("files")
}

fn unread(error: object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { .. } => ErrorKind::NotFound.into(),
        other => Error::other(other),
    }
}

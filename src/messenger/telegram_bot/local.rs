//! Files of a Bot API server of one's own, run with `--local`: it names their paths on its disk, and they are read from there.

use std::io::{Error, ErrorKind};
use std::path::Path;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use tokio::fs;
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

use crate::messenger::parcel::refused;
use crate::model::result::Code;
use crate::model::vendor::Answer;

/// So many bytes are held at once.
const PIECE: usize = 64 << 10;

/// Opens a file below a folder. Both are followed to where they really lie, so that neither dots nor links lead out of it.
pub(super) async fn open(
    folder: &Path,
    path: &str,
    limit: u64,
) -> Result<BoxStream<'static, std::io::Result<Bytes>>, Answer> {
    let folder = fs::canonicalize(folder).await.map_err(|error| away(&error))?;
    let path = fs::canonicalize(path).await.map_err(|error| unread(&error))?;
    if !path.starts_with(&folder) {
        tracing::warn!("the Bot API server named a file outside of telegram_bot.local_folder, which is not read");
        return Err(Answer::Refused { code: Code::FileGone, text: OUTSIDE.to_owned() });
    }
    // what is no plain file is not opened: a pipe would never end
    if !fs::metadata(&path).await.map_err(|error| unread(&error))?.is_file() {
        return Err(refused(Code::FileGone));
    }
    let file = fs::File::open(&path).await.map_err(|error| unread(&error))?;
    let size = file.metadata().await.map_err(|error| unread(&error))?.len();
    if size > limit {
        return Err(refused(Code::FileTooBig));
    }
    Ok(ReaderStream::with_capacity(file.take(size), PIECE).boxed())
}

const OUTSIDE: &str = "the Bot API server named a file outside of telegram_bot.local_folder: mount its working folder under the same path";

/// A file that is not there never comes; anything else may be mended by whoever runs the server, and is tried again.
fn unread(error: &Error) -> Answer {
    if error.kind() == ErrorKind::NotFound { refused(Code::FileGone) } else { away(error) }
}

fn away(error: &Error) -> Answer {
    Answer::Down { seen: format!("telegram_bot.local_folder cannot be read: {}", error.kind()) }
}

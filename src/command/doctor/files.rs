//! Whether files can be kept.

use super::{Finding, bad, good};
use crate::app::shelf::{Shelf, folder_of};
use crate::config::Config;

const WHAT: &str = "files";

/// Writes a few bytes where files lie, reads them and takes them away.
pub(super) async fn look(config: &Config) -> Finding {
    let bucket = !config.files.bucket.is_empty();
    if !bucket && !folder_of(config).exists() {
        return good(WHAT, "the folder is made at the first start");
    }
    let outcome = match Shelf::open(config) {
        Ok(shelf) => shelf.check().await.map_err(|error| told(&error)),
        Err(error) => Err(told(&error)),
    };
    match outcome {
        Ok(()) => good(WHAT, if bucket { "the bucket is written and read" } else { "the folder is written and read" }),
        Err(seen) if bucket => bad(
            WHAT,
            &seen,
            "check the section files of the settings, and that its key may write, read and delete in the bucket",
        ),
        Err(seen) => bad(WHAT, &seen, "check files.folder, the rights of this user there, and that the disk has room"),
    }
}

/// The error and what lies beneath it, on one line.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut inner = error.source();
    while let Some(error) = inner {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        inner = error.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(400).collect()
}

//! The log of a command: lines of JSON, or for people.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Starts the log; a second call changes nothing.
pub(super) fn start(log: &Log) {
    let mut filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    // at its finest level it writes down every command, the login with its password too
    if let Ok(silent) = "async_imap=off".parse() {
        filter = filter.add_directive(silent);
    }
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let _ = match log.format {
        LogFormat::Json => started.json().flatten_event(true).with_span_list(false).try_init(),
        LogFormat::Text => started.compact().try_init(),
    };
}

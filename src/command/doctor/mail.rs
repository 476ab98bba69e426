//! The mail server of the settings: whether it is there and lets us in. No letter is sent.

use std::sync::Arc;

use super::{Finding, bad, good, wire};
use crate::config::Config;
use crate::flow::herald;
use crate::messenger::{Wire, email};
use crate::net::http::Http;

const WHAT: &str = "mail server";

/// Logs in as a letter would; none where no mail server is set.
pub(super) async fn look(http: &Arc<Http>, config: &Config) -> Option<Finding> {
    if config.mail.server.is_empty() {
        return None;
    }
    let looked = match wire::bare(config, http, "") {
        Ok(bare) => {
            let (settings, secrets) = herald::mailbox(&config.mail);
            email::reach(&Wire { secrets, settings, ..bare }).await
        }
        Err(seen) => Err(seen),
    };
    Some(match looked {
        Ok(()) => good(WHAT, "lets us in"),
        Err(seen) => bad(
            WHAT,
            &seen,
            "check the section mail of the settings; a server in a private network needs vendors.allow_networks, one without TLS vendors.allow_http",
        ),
    })
}

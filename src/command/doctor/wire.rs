//! The way out as a messenger takes it, without a server behind it.

use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;
use serde_json::json;

use crate::config::Config;
use crate::messenger::{Boxed, Files, OpenFile, Wire};
use crate::net::dial::Dial;
use crate::net::guard::Policy;
use crate::net::http::Http;

/// Nothing is sent from here.
struct NoFiles;

impl Files for NoFiles {
    fn open<'a>(&'a self, _: &'a str) -> Boxed<'a, std::io::Result<OpenFile>> {
        Box::pin(std::future::ready(Err(std::io::ErrorKind::NotFound.into())))
    }
}

/// The way to a vendor; the error is what is wrong with the settings of TLS.
pub(super) fn bare(config: &Config, http: &Arc<Http>, vendor: &str) -> Result<Wire, String> {
    let policy = Policy { plain_http: config.vendors.allow_http, networks: config.vendors.allow_networks.clone() };
    let authorities = Some(config.vendors.ca_file.as_str()).filter(|file| !file.is_empty()).map(Path::new);
    let dial = Dial::new(policy, authorities, http.limits().deadline / 2).map_err(|error| error.to_string())?;
    Ok(Wire {
        http: Arc::clone(http),
        dial: Arc::new(dial),
        files: Arc::new(NoFiles),
        lines: Arc::default(),
        vendor: vendor.trim_end_matches('/').to_owned(),
        vendor_key: SecretString::from(String::new()),
        secrets: SecretString::from("{}".to_owned()),
        settings: json!({}),
        webhook_url: String::new(),
        local: None,
    })
}

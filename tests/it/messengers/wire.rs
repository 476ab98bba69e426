//! A channel for the tests: real sockets, short limits, files from memory.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use secrecy::SecretString;
use serde_json::Value;
use switchboard::messenger::{Boxed, Fetched, Files, OpenFile, Wire};
use switchboard::net::dial::Dial;
use switchboard::net::guard::{Guard, Policy};
use switchboard::net::http::{Http, Limits};

/// Files by their source. One whose bytes are missing breaks off after its first half.
pub(super) struct Shelf(HashMap<&'static str, Option<Bytes>>);

/// The key of a gateway, where the messenger has one.
pub(super) const VENDOR_KEY: &str = "key-of-the-gateway";

pub(crate) const FILE: &[u8] = b"the bytes of the file";

impl Files for Shelf {
    fn open<'a>(&'a self, source: &'a str) -> Boxed<'a, io::Result<OpenFile>> {
        let found = self.0.get(source).cloned();
        Box::pin(async move {
            if source.starts_with("http://") {
                // what a vendor offers on its socket comes through the real guard
                let policy = Policy { plain_http: true, networks: vec!["127.0.0.0/8".parse().unwrap()] };
                let guard = Guard::new(policy, Limits::CALL).unwrap();
                let found = guard.fetch(source, u64::MAX).await.map_err(io::Error::other)?;
                return match found.status {
                    200 => Ok(OpenFile { size: found.length.unwrap_or_default(), bytes: found.bytes }),
                    404 => Err(io::ErrorKind::NotFound.into()),
                    status => Err(io::Error::other(format!("HTTP {status}"))),
                };
            }
            let bytes = found.ok_or(io::ErrorKind::NotFound)?;
            let size = bytes.as_ref().map_or(FILE.len(), Bytes::len) as u64;
            let parts = match bytes {
                Some(bytes) if source == "store:crumbs" => {
                    bytes.chunks(2).map(|crumb| Ok(Bytes::copy_from_slice(crumb))).collect()
                }
                Some(bytes) => vec![Ok(bytes)],
                None => vec![Ok(Bytes::from_static(&FILE[..10])), Err(io::Error::other("the disk is gone"))],
            };
            Ok(OpenFile { size, bytes: futures_util::stream::iter(parts).boxed() })
        })
    }
}

/// The bytes of a file that came in.
pub(crate) async fn whole(fetched: Fetched) -> io::Result<Vec<u8>> {
    let parts: Vec<Bytes> = fetched.bytes.try_collect().await?;
    Ok(parts.concat())
}

/// A channel whose vendor is at this address, with limits short enough for a test that waits for one.
pub(crate) fn wire(vendor: &str, secrets: &Value, settings: &Value) -> Wire {
    let limits = Limits { deadline: Duration::from_millis(400), body: 64 << 10 };
    with_limits(vendor, secrets, settings, limits)
}

/// The same with the limits of production.
pub(crate) fn patient(vendor: &str, secrets: &Value, settings: &Value) -> Wire {
    with_limits(vendor, secrets, settings, Limits::CALL)
}

/// A channel that makes no call: it shares one client, since making one takes longer than receiving a delivery.
pub(super) fn mute(secrets: &Value, settings: &Value) -> Wire {
    static HTTP: LazyLock<Arc<Http>> = LazyLock::new(|| Arc::new(Http::new().unwrap()));
    Wire {
        http: Arc::clone(&HTTP),
        dial: dial(),
        lines: Arc::default(),
        files: Arc::new(Shelf(HashMap::new())),
        vendor: String::new(),
        vendor_key: SecretString::from(VENDOR_KEY.to_owned()),
        secrets: SecretString::from(secrets.to_string()),
        settings: settings.clone(),
        webhook_url: "https://switchboard.example.test/hook/vkn/1".to_owned(),
        local: None,
    }
}

/// Connections to this machine, for messengers that speak no HTTP.
fn dial() -> Arc<Dial> {
    static DIAL: LazyLock<Arc<Dial>> = LazyLock::new(|| {
        let policy = Policy { plain_http: false, networks: vec!["127.0.0.0/8".parse().unwrap()] };
        Arc::new(Dial::new(policy, None, Duration::from_secs(5)).unwrap())
    });
    Arc::clone(&DIAL)
}

fn with_limits(vendor: &str, secrets: &Value, settings: &Value, limits: Limits) -> Wire {
    let shelf = Shelf(HashMap::from([
        ("store:good", Some(Bytes::from_static(FILE))),
        ("https://files.example.test/report.xls", Some(Bytes::from_static(FILE))),
        ("https://files.example.test/a.bin", Some(Bytes::from_static(FILE))),
        ("store:crumbs", Some(Bytes::from_static(FILE))),
        ("store:broken", None),
    ]));
    Wire {
        http: Arc::new(Http::with_limits(limits).unwrap()),
        dial: dial(),
        lines: Arc::default(),
        files: Arc::new(shelf),
        vendor: vendor.to_owned(),
        vendor_key: SecretString::from(VENDOR_KEY.to_owned()),
        secrets: SecretString::from(secrets.to_string()),
        settings: settings.clone(),
        webhook_url: "https://switchboard.example.test/hook/vkn/1".to_owned(),
        local: None,
    }
}

//! JSON as Meta writes it, and its signature.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// The JSON with everything beyond ASCII as `\uXXXX` and slashes as `\/`. Signatures are made over these very bytes.
pub(crate) fn write(value: &Value) -> String {
    let plain = value.to_string();
    let mut out = String::with_capacity(plain.len() * 2);
    for symbol in plain.chars() {
        match symbol {
            '/' => out.push_str("\\/"),
            symbol if symbol.is_ascii() => out.push(symbol),
            symbol => {
                for unit in symbol.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out
}

/// The value of `X-Hub-Signature-256`.
pub(crate) fn sign(secret: &str, body: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn beyond_ascii_and_slashes_are_escaped() {
        assert_eq!(write(&json!("П/👋\n")), "\"\\u041f\\/\\ud83d\\udc4b\\n\"");
    }
}

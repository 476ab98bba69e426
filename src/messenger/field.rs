//! Fields of the vendors' JSON, read leniently: ids come as numbers and as strings, and anything may be missing.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::Wire;

/// A text that is not empty.
pub(super) fn text(from: &Value, name: &str) -> Option<String> {
    from.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Those of some texts that are there, by their names.
pub(super) fn texts(from: &Value, names: &[&str]) -> std::collections::BTreeMap<String, String> {
    names.iter().filter_map(|name| Some(((*name).to_owned(), text(from, name)?))).collect()
}

/// An id as text, whether it came as a number or as a string.
pub(super) fn id(from: &Value, name: &str) -> Option<String> {
    match from.get(name)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A whole number, whether it came as a number or as a string.
pub(super) fn number(from: &Value, name: &str) -> Option<i64> {
    let value = from.get(name)?;
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// The elements of an array; none where it is missing.
pub(super) fn list<'a>(from: &'a Value, name: &str) -> &'a [Value] {
    from.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// One of the channel's secrets; empty where it was never set, which no check accepts.
pub(super) fn secret(secrets: &SecretString, name: &str) -> String {
    let all: Value = serde_json::from_str(secrets.expose_secret()).unwrap_or_default();
    text(&all, name).unwrap_or_default()
}

/// An address that the vendor gives for a call of ours. What travels with the call is secret, so it goes nowhere without TLS
/// unless the vendor itself is reached without.
pub(super) fn address(wire: &Wire, from: &Value, name: &str) -> Option<String> {
    let address = text(from, name)?;
    let safe =
        address.starts_with("https://") || (wire.vendor.starts_with("http://") && address.starts_with("http://"));
    safe.then_some(address)
}

/// A vendor's text as it may stand in a journal: one line, not too long.
pub(super) fn short(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

//! What a caller passed: one object, whatever the encoding was.

use serde_json::{Map, Value};

/// The parameters of a call. Numbers and texts are not told apart, since vendors do not either.
#[derive(Debug, Clone, Default)]
pub(crate) struct Args(pub(crate) Map<String, Value>);

impl Args {
    /// The parameters in this value; none when it is no object.
    pub(crate) fn of(value: Value) -> Self {
        match value {
            Value::Object(map) => Self(map),
            _ => Self::default(),
        }
    }

    /// The parameter of exactly this name.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The parameter of this name in any case, as the modules of Bitrix24 read their top level.
    pub(crate) fn any_case(&self, key: &str) -> Option<&Value> {
        self.0
            .get(key)
            .or_else(|| self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value))
    }

    /// The parameter as text, in any case of its name; absent when it is empty.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.any_case(key).and_then(as_text).filter(|text| !text.is_empty())
    }

    /// The parameter as a whole number, in any case of its name.
    pub(crate) fn whole(&self, key: &str) -> Option<i64> {
        self.any_case(key).and_then(as_whole)
    }

    /// The parameter as yes or no.
    pub(crate) fn yes(&self, key: &str) -> bool {
        self.any_case(key).is_some_and(as_yes)
    }
}

/// A scalar as text.
pub(crate) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(if *yes { "1" } else { "0" }.to_owned()),
        _ => None,
    }
}

/// A scalar as a whole number.
pub(crate) fn as_whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// A scalar as yes or no.
pub(crate) fn as_yes(value: &Value) -> bool {
    match value {
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_i64() != Some(0),
        Value::String(text) => matches!(text.as_str(), "1" | "true" | "Y" | "y"),
        _ => false,
    }
}

/// The text at a key of an object, empty when absent.
pub(crate) fn text_at(value: &Value, key: &str) -> String {
    value.get(key).and_then(as_text).unwrap_or_default()
}

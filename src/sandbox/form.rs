//! The forms of PHP: nesting in brackets, every leaf a text.

use serde_json::{Map, Value};

/// How deep brackets are followed; deeper ones are cut off.
const DEEPEST: usize = 16;

/// Reads a form or a query into a nested object. Maps with keys 0..n-1 become lists, as PHP has it.
pub(crate) fn decode(text: &[u8]) -> Value {
    let mut root = Map::new();
    for (key, value) in form_urlencoded::parse(text) {
        let path = split_key(&key);
        put(&mut root, &path, value.into_owned());
    }
    Value::Object(root.into_iter().map(|(key, value)| (key, make_lists(value))).collect())
}

/// How the brackets in keys are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Brackets {
    /// `%5B` and `%5D`, spaces as `+`.
    Encoded,
    /// `[` and `]`, spaces as `%20`.
    Literal,
}

/// Writes nested values as PHP does: nulls and empty lists are left out, booleans are 1 and 0.
pub(crate) fn encode(fields: &[(&str, Value)], brackets: Brackets) -> String {
    let mut leaves = Vec::new();
    for (key, value) in fields {
        flatten((*key).to_owned(), value, &mut leaves);
    }
    let pairs: Vec<String> = leaves
        .iter()
        .map(|(key, value)| format!("{}={}", write_key(key, brackets), write_value(value, brackets)))
        .collect();
    pairs.join("&")
}

fn split_key(key: &str) -> Vec<String> {
    let Some((head, rest)) = key.split_once('[') else { return vec![key.to_owned()] };
    let mut path = vec![head.to_owned()];
    path.extend(rest.trim_end_matches(']').split("][").take(DEEPEST).map(str::to_owned));
    path
}

fn put(map: &mut Map<String, Value>, path: &[String], leaf: String) {
    let Some((head, rest)) = path.split_first() else { return };
    let head = if head.is_empty() { map.len().to_string() } else { head.clone() };
    if rest.is_empty() {
        map.insert(head, Value::String(leaf));
        return;
    }
    let next = map.entry(head).or_insert_with(|| Value::Object(Map::new()));
    if !next.is_object() {
        *next = Value::Object(Map::new());
    }
    if let Value::Object(next) = next {
        put(next, rest, leaf);
    }
}

fn make_lists(value: Value) -> Value {
    let Value::Object(map) = value else { return value };
    let is_list = !map.is_empty() && (0..map.len()).all(|n| map.contains_key(&n.to_string()));
    if !is_list {
        return Value::Object(map.into_iter().map(|(key, value)| (key, make_lists(value))).collect());
    }
    let mut map = map;
    Value::Array((0..map.len()).filter_map(|n| map.remove(&n.to_string())).map(make_lists).collect())
}

fn flatten(key: String, value: &Value, leaves: &mut Vec<(String, String)>) {
    match value {
        Value::Null => {}
        Value::Bool(yes) => leaves.push((key, if *yes { "1" } else { "0" }.to_owned())),
        Value::Number(number) => leaves.push((key, number.to_string())),
        Value::String(text) => leaves.push((key, text.clone())),
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                flatten(format!("{key}[{n}]"), item, leaves);
            }
        }
        Value::Object(map) => {
            for (name, item) in map {
                flatten(format!("{key}[{name}]"), item, leaves);
            }
        }
    }
}

fn write_key(key: &str, brackets: Brackets) -> String {
    let written: String = form_urlencoded::byte_serialize(key.as_bytes()).collect();
    match brackets {
        Brackets::Encoded => written,
        Brackets::Literal => written.replace("%5B", "[").replace("%5D", "]"),
    }
}

fn write_value(value: &str, brackets: Brackets) -> String {
    let written: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
    match brackets {
        Brackets::Encoded => written,
        Brackets::Literal => written.replace('+', "%20"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_encoded_reads_back() {
        let fields = [("a", json!({"b": ["x y", "я&="], "c": {"d": "1"}})), ("e", json!("[z]"))];
        for brackets in [Brackets::Encoded, Brackets::Literal] {
            let text = encode(&fields, brackets);
            assert_eq!(decode(text.as_bytes()), json!({"a": {"b": ["x y", "я&="], "c": {"d": "1"}}, "e": "[z]"}));
        }
    }

    #[test]
    fn a_list_without_numbers_is_counted() {
        assert_eq!(decode(b"values[]=1&values[]=2"), json!({"values": ["1", "2"]}));
    }

    #[test]
    fn nulls_and_empty_lists_are_left_out() {
        assert_eq!(encode(&[("a", json!(null)), ("b", json!([])), ("c", json!(true))], Brackets::Encoded), "c=1");
    }
}

//! Forms in PHP bracket spelling (`data[MESSAGES][0][im][chat_id]=5`), as Bitrix24 and amoCRM post them.
//!
//! The decoder gives what PHP's own `parse_str` gives, with two differences: a form above the caps is an error instead of
//! being cut silently, and keys that are the numbers 0 to n-1 in any order become a list. Every leaf is a string; whoever
//! reads a form therefore goes through [`Fields`], which also reads the JSON replies of the same vendors.

mod fields;

use std::collections::BTreeMap;

use serde_json::Value;

pub use fields::{FieldError, Fields, Problem};

/// How large a form may be. The size in bytes is capped by whoever reads the body.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    /// The most variables.
    pub variables: usize,
    /// The most levels of one name: `a[b][c]` has three.
    pub depth: usize,
    /// The longest name, in bytes.
    pub key: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { variables: 5000, depth: 16, key: 512 }
    }
}

/// Why a form was not read. The position counts variables from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// More variables than the cap.
    #[error("the form has more than {0} variables")]
    TooManyVariables(usize),
    /// A name with more levels than the cap.
    #[error("the name of variable {0} is nested too deeply")]
    TooDeep(usize),
    /// A name longer than the cap.
    #[error("the name of variable {0} is too long")]
    KeyTooLong(usize),
}

/// Decodes a form body or a query string with the usual caps. An empty one is an empty object.
///
/// # Errors
/// [`FormError`] where the form is larger than the caps. Odd spelling is never an error: PHP reads it, so we do.
pub fn decode(body: &[u8]) -> Result<Value, FormError> {
    decode_within(body, Caps::default())
}

/// Decodes a form body or a query string within these caps.
///
/// # Errors
/// [`FormError`] where the form is larger than the caps.
pub fn decode_within(body: &[u8], caps: Caps) -> Result<Value, FormError> {
    let mut root = Branch::default();
    for (index, (key, value)) in form_urlencoded::parse(body).enumerate() {
        let position = index + 1;
        if position > caps.variables {
            return Err(FormError::TooManyVariables(caps.variables));
        }
        if key.len() > caps.key {
            return Err(FormError::KeyTooLong(position));
        }
        let path = read_path(&key);
        if path.len() > caps.depth {
            return Err(FormError::TooDeep(position));
        }
        root.put(&path, value.into_owned());
    }
    Ok(root.into_object())
}

/// Takes zero bytes out of the values of a decoded form: PHP lets them through, and no text of ours holds one (PostgreSQL
/// refuses them, and an address or a code with one is nobody's).
#[must_use]
pub fn without_zeros(form: Value) -> Value {
    match form {
        Value::String(text) if text.contains('\0') => Value::String(text.replace('\0', "")),
        Value::Array(items) => Value::Array(items.into_iter().map(without_zeros).collect()),
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| (key, without_zeros(value))).collect()),
        other => other,
    }
}

/// One level of a name.
enum Step {
    Named(String),
    /// `[]`: the next free number.
    Next,
}

/// Splits a name into its levels. Empty where PHP drops the variable.
fn read_path(key: &str) -> Vec<Step> {
    let key = key.trim_start_matches(' ');
    let key = key.split('\0').next().unwrap_or_default();
    let (base, mut rest) = key.split_at(key.find('[').unwrap_or(key.len()));
    if base.is_empty() {
        return Vec::new();
    }
    let mut path = vec![Step::Named(base.replace([' ', '.'], "_"))];
    while let Some(inner) = rest.strip_prefix('[') {
        let Some((name, after)) = split_index(inner) else { break };
        path.push(name);
        rest = after;
    }
    if path.len() == 1 && !rest.is_empty() {
        // a bracket that is never closed is no bracket: PHP makes the whole of it one name
        return vec![Step::Named(key.replace([' ', '.', '['], "_"))];
    }
    path
}

fn split_index(inner: &str) -> Option<(Step, &str)> {
    // PHP skips one blank before it looks whether the bracket is empty
    let unspaced = inner.strip_prefix([' ', '\t', '\n', '\r', '\x0b', '\x0c']).unwrap_or(inner);
    if let Some(after) = unspaced.strip_prefix(']') {
        return Some((Step::Next, after));
    }
    let (name, after) = inner.split_once(']')?;
    Some((Step::Named(name.to_owned()), after))
}

enum Node {
    Leaf(String),
    Branch(Branch),
}

#[derive(Default)]
struct Branch {
    children: BTreeMap<String, Node>,
    next: u64,
}

impl Branch {
    fn put(&mut self, path: &[Step], value: String) {
        let Some((step, rest)) = path.split_first() else { return };
        let name = match step {
            Step::Named(name) => name.clone(),
            Step::Next => self.next.to_string(),
        };
        if let Some(number) = whole_number(&name) {
            self.next = self.next.max(number.saturating_add(1));
        }
        if rest.is_empty() {
            self.children.insert(name, Node::Leaf(value));
            return;
        }
        let child = self.children.entry(name).or_insert_with(|| Node::Branch(Self::default()));
        if let Node::Leaf(_) = child {
            // the later and deeper name wins, as in PHP
            *child = Node::Branch(Self::default());
        }
        if let Node::Branch(branch) = child {
            branch.put(rest, value);
        }
    }

    fn into_value(self) -> Value {
        let count = self.children.len() as u64;
        // all keys differ, so keys that are all below their count are exactly 0 to n-1
        if !self.children.keys().all(|key| whole_number(key).is_some_and(|number| number < count)) {
            return self.into_object();
        }
        let mut items: Vec<(u64, Value)> =
            self.children.into_iter().map(|(key, node)| (whole_number(&key).unwrap_or(0), node.into_value())).collect();
        items.sort_by_key(|(number, _)| *number);
        Value::Array(items.into_iter().map(|(_, value)| value).collect())
    }

    fn into_object(self) -> Value {
        Value::Object(self.children.into_iter().map(|(key, node)| (key, node.into_value())).collect())
    }
}

impl Node {
    fn into_value(self) -> Value {
        match self {
            Self::Leaf(text) => Value::String(text),
            Self::Branch(branch) => branch.into_value(),
        }
    }
}

/// The number that PHP would take the key for: no sign, no leading zero.
fn whole_number(key: &str) -> Option<u64> {
    let plain = key == "0" || (!key.starts_with('0') && key.bytes().all(|byte| byte.is_ascii_digit()));
    if plain { key.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn odd_spellings_are_read_as_php_reads_them() {
        for (form, value) in [
            ("a%5Bb%5D%5B0%5D=x&a[b][1]=y", json!({"a": {"b": ["x", "y"]}})),
            ("t=1+1%2B1&e=&n", json!({"t": "1 1+1", "e": "", "n": ""})),
            ("a[1]=y&a[0]=x", json!({"a": ["x", "y"]})),
            ("a[5]=x&a[]=y", json!({"a": {"5": "x", "6": "y"}})),
            ("a[007]=x", json!({"a": {"007": "x"}})),
            ("a=1&a[b]=2", json!({"a": {"b": "2"}})),
            ("a[b]=2&a=1", json!({"a": "1"})),
            ("[d]=3&=4&&", json!({})),
            ("a[b=1&c[d]e=2&f]=3", json!({"a_b": "1", "c": {"d": "2"}, "f]": "3"})),
            ("0=a&1=b", json!({"0": "a", "1": "b"})),
            ("", json!({})),
        ] {
            assert_eq!(decode(form.as_bytes()), Ok(value), "{form}");
        }
    }

    #[test]
    fn a_form_above_the_caps_is_named_by_its_variable() {
        let many = "k=v&".repeat(5001);
        assert_eq!(decode(many.as_bytes()), Err(FormError::TooManyVariables(5000)));
        let deep = format!("x=1&a{}=1", "[b]".repeat(16));
        assert_eq!(decode(deep.as_bytes()), Err(FormError::TooDeep(2)));
        let long = format!("{}=1", "k".repeat(513));
        assert_eq!(decode(long.as_bytes()), Err(FormError::KeyTooLong(1)));
    }

    #[test]
    fn zero_bytes_are_taken_out_of_every_value() {
        let form = decode(b"a=x%00y&b[][c]=%00&d=z").map(without_zeros);
        assert_eq!(form, Ok(json!({"a": "xy", "b": [{"c": ""}], "d": "z"})));
    }

    #[test]
    fn a_megabyte_of_brackets_is_refused_at_once() {
        assert!(decode(format!("a{}=1", "[b]".repeat(350_000)).as_bytes()).is_err());
        assert!(decode(format!("a{}=1", "[".repeat(1_000_000)).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode(&body);
        }

        #[test]
        fn no_bracket_soup_makes_it_panic(body in "[a-c0-3\\[\\]=&+%. \u{0}]{0,200}") {
            let _ = decode(body.as_bytes());
        }
    }
}

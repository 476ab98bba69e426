//! Lenient reading of decoded forms and of the same vendors' JSON: an id may be a number or a string, an empty map may be
//! `[]`, a flag may be `Y`, `1` or `true`. What is wrong is named with its whole path, as `auth[member_id]`.

use std::borrow::Cow;

use serde_json::Value;

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is not there, or empty.
    #[error("is missing")]
    Missing,
    /// A text was expected and a map or list came.
    #[error("is not a text")]
    NotText,
    /// A whole number was expected.
    #[error("is not a whole number")]
    NotNumber,
    /// A map was expected.
    #[error("is not a map")]
    NotMap,
    /// It is longer than any vendor writes it.
    #[error("is too long")]
    TooLong,
}

/// A field that could not be read. It never holds the value, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct FieldError {
    /// The path, as `auth[member_id]`.
    pub field: String,
    /// What is wrong.
    pub problem: Problem,
}

/// A map of a decoded form or of a JSON reply, with its path.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Fields<'a> {
    /// The whole form or reply.
    #[must_use]
    pub const fn of(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    /// The raw value of a field; none where it is not there or null.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&'a Value> {
        self.value.get(name).filter(|value| !value.is_null())
    }

    /// A text; none where it is not there or empty.
    ///
    /// # Errors
    /// Where a map or list stands in its place.
    pub fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, FieldError> {
        match self.raw(name) {
            None => Ok(None),
            Some(Value::Array(items)) if items.is_empty() => Ok(None),
            Some(value) => match scalar(value) {
                Some(text) => Ok(Some(text).filter(|text| !text.is_empty())),
                None => Err(self.error(name, Problem::NotText)),
            },
        }
    }

    /// A text that must be there and must not be empty.
    ///
    /// # Errors
    /// Where it is missing or no text.
    pub fn need_text(&self, name: &str) -> Result<Cow<'a, str>, FieldError> {
        self.text(name)?.ok_or_else(|| self.error(name, Problem::Missing))
    }

    /// A text that must be there and that people never write: an id, a code. It is looked up and indexed, so its length
    /// has a limit.
    ///
    /// # Errors
    /// Where it is missing, no text, or longer than `most` bytes.
    pub fn need_id(&self, name: &str, most: usize) -> Result<Cow<'a, str>, FieldError> {
        let text = self.need_text(name)?;
        if text.len() > most { Err(self.error(name, Problem::TooLong)) } else { Ok(text) }
    }

    /// A whole number, written as a number or as a string; none where it is not there or empty.
    ///
    /// # Errors
    /// Where something else stands in its place.
    pub fn number(&self, name: &str) -> Result<Option<i64>, FieldError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|_| self.error(name, Problem::NotNumber))
    }

    /// A whole number that must be there.
    ///
    /// # Errors
    /// Where it is missing or no number.
    pub fn need_number(&self, name: &str) -> Result<i64, FieldError> {
        self.number(name)?.ok_or_else(|| self.error(name, Problem::Missing))
    }

    /// A flag: `Y`, `1` and `true` are yes, everything else and nothing are no.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        let value = self.raw(name).and_then(scalar);
        value.is_some_and(|text| matches!(text.trim(), "Y" | "y" | "1" | "true"))
    }

    /// A map. One that is not there, or that PHP wrote as `[]` or as an empty text, is an empty map.
    ///
    /// # Errors
    /// Where something else stands in its place.
    pub fn map(&self, name: &str) -> Result<Fields<'a>, FieldError> {
        let path = self.path_of(name);
        match self.raw(name) {
            Some(value @ (Value::Object(_) | Value::Array(_))) => Ok(Fields { value, path }),
            None => Ok(Fields { value: &Value::Null, path }),
            Some(Value::String(text)) if text.is_empty() => Ok(Fields { value: &Value::Null, path }),
            Some(_) => Err(FieldError { field: path, problem: Problem::NotMap }),
        }
    }

    /// The texts of a field that may hold one or several: one text, a list, or a map with numbers for keys. Empty ones
    /// are left out.
    ///
    /// # Errors
    /// Where a text of it is a map or list itself.
    pub fn texts(&self, name: &str) -> Result<Vec<Cow<'a, str>>, FieldError> {
        let found: Option<Vec<_>> = match self.raw(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items.iter().map(scalar).collect(),
            Some(Value::Object(items)) => items.values().map(scalar).collect(),
            Some(value) => scalar(value).map(|text| vec![text]),
        };
        let texts = found.ok_or_else(|| self.error(name, Problem::NotText))?;
        Ok(texts.into_iter().filter(|text| !text.is_empty()).collect())
    }

    /// The maps of a list; a map whose keys are numbers counts as one.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<Fields<'a>> {
        let items: Vec<&'a Value> = match self.raw(name) {
            Some(Value::Array(items)) => items.iter().collect(),
            Some(Value::Object(items)) => items.values().collect(),
            _ => Vec::new(),
        };
        let path = self.path_of(name);
        let named = items.into_iter().enumerate();
        named.map(|(index, value)| Fields { value, path: format!("{path}[{index}]") }).collect()
    }

    /// The error of one field of this map.
    #[must_use]
    pub fn error(&self, name: &str, problem: Problem) -> FieldError {
        FieldError { field: self.path_of(name), problem }
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}[{name}]", self.path) }
    }
}

fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        // PHP writes true as 1 and false as nothing
        Value::Bool(yes) => Some(Cow::Borrowed(if *yes { "1" } else { "" })),
        Value::Null => Some(Cow::Borrowed("")),
        Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_id_reads_as_a_number_and_as_a_string() {
        let value = json!({"a": 5, "b": "5", "c": "", "d": [], "e": "x", "f": null});
        let fields = Fields::of(&value);
        assert_eq!((fields.number("a"), fields.number("b")), (Ok(Some(5)), Ok(Some(5))));
        assert_eq!((fields.number("c"), fields.number("d"), fields.number("f")), (Ok(None), Ok(None), Ok(None)));
        assert_eq!(fields.number("e"), Err(fields.error("e", Problem::NotNumber)));
    }

    #[test]
    fn an_empty_map_may_be_a_list_or_missing() {
        let value = json!({"a": [], "b": {"x": {"y": "1"}}, "c": "text"});
        let fields = Fields::of(&value);
        for name in ["a", "missing"] {
            assert_eq!(fields.map(name).unwrap().text("x"), Ok(None));
        }
        let inner = fields.map("b").unwrap().map("x").unwrap();
        assert_eq!(inner.need_text("y").unwrap(), "1");
        assert_eq!(inner.need_text("z").unwrap_err().to_string(), "b[x][z] is missing");
        assert_eq!(fields.map("c").unwrap_err().to_string(), "c is not a map");
    }

    #[test]
    fn several_texts_come_as_one_as_a_list_or_as_a_map() {
        let value = json!({"one": "a", "list": ["a", "", 2], "map": {"0": "a", "7": "b"}, "bad": [["x"]]});
        let fields = Fields::of(&value);
        assert_eq!(fields.texts("one").unwrap(), ["a"]);
        assert_eq!(fields.texts("list").unwrap(), ["a", "2"]);
        assert_eq!(fields.texts("map").unwrap(), ["a", "b"]);
        assert_eq!(fields.texts("bad").unwrap_err().problem, Problem::NotText);
    }

    #[test]
    fn flags_are_read_in_every_spelling() {
        let value = json!({"a": "Y", "b": true, "c": "1", "d": 1, "e": "N", "f": "", "g": false, "h": ["Y"]});
        let fields = Fields::of(&value);
        assert!(["a", "b", "c", "d"].iter().all(|name| fields.flag(name)));
        assert!(!["e", "f", "g", "h", "i"].iter().any(|name| fields.flag(name)));
    }
}

//! Forms as messengers declare them, and answers read by them: what is wrong is told at its field, by its label.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::AttachError;

/// Words in Russian and in English.
pub type Words = (&'static str, &'static str);

/// The longest answer, in characters.
const LONGEST: usize = 4096;

/// A field of an attach form.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = AttachField)]
pub struct Field {
    /// The name in the answers.
    pub name: &'static str,
    /// The label, in Russian and in English.
    pub label: (&'static str, &'static str),
    /// What helps to fill it in, in Russian and in English; none where the label says all.
    pub hint: Option<(&'static str, &'static str)>,
    /// How it is answered.
    pub kind: FieldKind,
    /// What it begins with; empty where it begins with nothing.
    pub begins: &'static str,
    /// Whether it is a secret: kept encrypted, never shown again.
    pub secret: bool,
    /// Whether it may stay empty.
    pub optional: bool,
    /// The title of the folded part of the form that it belongs to, in Russian and in English; none where it is always shown.
    pub part: Option<(&'static str, &'static str)>,
    /// Where it is asked for at all; none where it always is.
    pub only: Option<Only>,
}

/// How a field is answered.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "is")]
#[schema(as = AttachFieldKind)]
pub enum FieldKind {
    /// One line of text.
    Text,
    /// Several lines of text.
    Lines,
    /// A whole number.
    Number {
        /// The least one.
        from: i64,
        /// The greatest one.
        to: i64,
    },
    /// Yes or no.
    Switch,
    /// One of a few values.
    Choice {
        /// What there is to choose from.
        options: &'static [FieldOption],
    },
}

/// One of the values of a choice.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = AttachFieldOption)]
pub struct FieldOption {
    /// The answer that chooses it.
    pub value: &'static str,
    /// Its name, in Russian and in English.
    pub title: (&'static str, &'static str),
    /// What other fields become when it is chosen, by their names.
    pub fills: &'static [(&'static str, &'static str)],
}

/// A field is asked for where another one has one of these values.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = AttachFieldOnly)]
pub struct Only {
    /// The other field.
    pub field: &'static str,
    /// The values.
    pub values: &'static [&'static str],
}

impl Field {
    /// A line of text that is needed.
    #[must_use]
    pub const fn text(name: &'static str, ru: &'static str, en: &'static str) -> Self {
        Self {
            name,
            label: (ru, en),
            hint: None,
            kind: FieldKind::Text,
            begins: "",
            secret: false,
            optional: false,
            part: None,
            only: None,
        }
    }

    /// Several lines of text.
    #[must_use]
    pub const fn lines(name: &'static str, ru: &'static str, en: &'static str) -> Self {
        Self { kind: FieldKind::Lines, ..Self::text(name, ru, en) }
    }

    /// A whole number.
    #[must_use]
    pub const fn number(name: &'static str, ru: &'static str, en: &'static str, from: i64, to: i64) -> Self {
        Self { kind: FieldKind::Number { from, to }, ..Self::text(name, ru, en) }
    }

    /// Yes or no; no where nothing is told.
    #[must_use]
    pub const fn switch(name: &'static str, ru: &'static str, en: &'static str) -> Self {
        Self { kind: FieldKind::Switch, optional: true, ..Self::text(name, ru, en) }
    }

    /// One of a few values.
    #[must_use]
    pub const fn choice(
        name: &'static str,
        ru: &'static str,
        en: &'static str,
        options: &'static [FieldOption],
    ) -> Self {
        Self { kind: FieldKind::Choice { options }, ..Self::text(name, ru, en) }
    }

    /// The same, kept encrypted and never shown again.
    #[must_use]
    pub const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    /// The same, which may stay empty.
    #[must_use]
    pub const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// The same with a hint.
    #[must_use]
    pub const fn hint(self, ru: &'static str, en: &'static str) -> Self {
        Self { hint: Some((ru, en)), ..self }
    }

    /// The same, beginning with a value.
    #[must_use]
    pub const fn begins(self, value: &'static str) -> Self {
        Self { begins: value, ..self }
    }

    /// The same in a folded part of the form.
    #[must_use]
    pub const fn part(self, title: Words) -> Self {
        Self { part: Some(title), ..self }
    }

    /// The same, asked for only where another field has one of these values.
    #[must_use]
    pub const fn only(self, field: &'static str, values: &'static [&'static str]) -> Self {
        Self { only: Some(Only { field, values }), ..self }
    }
}

impl FieldOption {
    /// A value with its name.
    #[must_use]
    pub const fn new(value: &'static str, ru: &'static str, en: &'static str) -> Self {
        Self { value, title: (ru, en), fills: &[] }
    }

    /// The same, which fills other fields.
    #[must_use]
    pub const fn fills(self, fills: &'static [(&'static str, &'static str)]) -> Self {
        Self { fills, ..self }
    }
}

/// The part of a form that few people need.
pub(super) const ADVANCED: Words = ("Дополнительно", "Advanced");

/// Answers to a form, read by what it declares.
pub(super) struct Answers<'a> {
    pub(super) fields: &'static [Field],
    pub(super) given: &'a Map<String, Value>,
}

impl<'a> Answers<'a> {
    pub(super) const fn new(fields: &'static [Field], given: &'a Map<String, Value>) -> Self {
        Self { fields, given }
    }

    /// Whether something was answered.
    pub(super) fn has(&self, name: &str) -> bool {
        self.given.get(name).is_some_and(|value| !written(value).is_empty())
    }

    /// A text without blanks around it, empty where there is none. Numbers are taken as they are written.
    pub(super) fn text(&self, name: &'static str) -> Result<String, AttachError> {
        let value = self.given.get(name).unwrap_or(&Value::Null);
        let text = written(value);
        let lines = matches!(self.field(name).map(|field| field.kind), Some(FieldKind::Lines));
        let odd = |c: char| c.is_control() && !(lines && matches!(c, '\n' | '\r' | '\t'));
        let is_text = matches!(value, Value::Null | Value::String(_) | Value::Number(_));
        if !is_text || text.chars().any(odd) {
            return Err(self.wrong(
                name,
                "недопустимые знаки; введите обычный текст",
                "has odd characters; give plain text",
            ));
        }
        if text.chars().count() > LONGEST {
            return Err(self.wrong(name, "слишком длинный текст", "has a text that is too long"));
        }
        Ok(text)
    }

    /// A text that is needed.
    pub(super) fn needed(&self, name: &'static str) -> Result<String, AttachError> {
        let text = self.text(name)?;
        if text.is_empty() {
            Err(self.wrong(name, "заполните поле", "is to be filled in"))
        } else {
            Ok(text)
        }
    }

    /// The chosen value, or the one that the field begins with.
    pub(super) fn choice(&self, name: &'static str) -> Result<Option<&'static str>, AttachError> {
        let Some(field) = self.field(name) else { return Ok(None) };
        let FieldKind::Choice { options } = field.kind else { return Ok(None) };
        let given = self.text(name)?;
        let wanted = if given.is_empty() { field.begins } else { given.as_str() };
        if wanted.is_empty() {
            return Ok(None);
        }
        if let Some(option) = options.iter().find(|option| option.value.eq_ignore_ascii_case(wanted)) {
            return Ok(Some(option.value));
        }
        let list = |title: fn(&FieldOption) -> &'static str| {
            let all = options.iter().map(|option| format!("{} ({})", option.value, title(option)));
            all.collect::<Vec<String>>().join(", ")
        };
        let (ru, en) = (list(|option| option.title.0), list(|option| option.title.1));
        Err(self.wrong(name, &format!("выберите одно из: {ru}"), &format!("is one of: {en}")))
    }

    /// A whole number within its bounds; none where it was left empty.
    pub(super) fn number(&self, name: &'static str) -> Result<Option<i64>, AttachError> {
        let given = self.text(name)?;
        let Some(FieldKind::Number { from, to }) = self.field(name).map(|field| field.kind) else { return Ok(None) };
        if given.is_empty() {
            return Ok(None);
        }
        match given.parse::<i64>() {
            Ok(number) if (from..=to).contains(&number) => Ok(Some(number)),
            _ => Err(self.wrong(
                name,
                &format!("укажите целое число от {from} до {to}"),
                &format!("is a whole number from {from} to {to}"),
            )),
        }
    }

    /// Yes or no; no where nothing was told.
    pub(super) fn switch(&self, name: &'static str) -> Result<bool, AttachError> {
        match self.given.get(name) {
            None | Some(Value::Null) => return Ok(false),
            Some(Value::Bool(on)) => return Ok(*on),
            Some(_) => {}
        }
        match self.text(name)?.to_lowercase().as_str() {
            "yes" | "true" | "on" | "да" | "1" => Ok(true),
            "" | "no" | "false" | "off" | "нет" | "0" => Ok(false),
            _ => Err(self.wrong(name, "ответьте «да» или «нет»", "is answered by yes or no")),
        }
    }

    /// What is wrong at a field, told by its label.
    pub(super) fn wrong(&self, name: &'static str, ru: &str, en: &str) -> AttachError {
        let label = self.field(name).map_or((name, name), |field| field.label);
        AttachError::new(name, &format!("«{}»: {ru}.", label.0), &format!("“{}” {en}.", label.1))
    }

    fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// An answer as it would be typed.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(on) => on.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLOURS: &[FieldOption] =
        &[FieldOption::new("red", "Красный", "Red"), FieldOption::new("blue", "Синий", "Blue")];
    static FORM: &[Field] = &[
        Field::text("name", "Имя", "Name"),
        Field::lines("note", "Заметка", "Note"),
        Field::number("port", "Порт", "Port", 1, 65_535),
        Field::switch("loud", "Громко", "Loud"),
        Field::choice("colour", "Цвет", "Colour", COLOURS).begins("red"),
    ];

    /// Reads one field of its kind, as `null` where the field is named in an error.
    fn read(name: &'static str, value: Value) -> Value {
        let given = Map::from_iter([(name.to_owned(), value)]);
        let answers = Answers::new(FORM, &given);
        let told = match name {
            "port" => answers.number(name).map(|number| json!(number.unwrap_or(-1))),
            "loud" => answers.switch(name).map(|on| json!(on)),
            "colour" => answers.choice(name).map(|chosen| json!(chosen)),
            _ => answers.needed(name).map(|text| json!(text)),
        };
        match told {
            Ok(value) => value,
            Err(error) => {
                assert_eq!(error.field, name);
                let label = FORM.iter().find(|field| field.name == name).unwrap().label;
                assert!(error.ru.contains(label.0) && error.en.contains(label.1), "{error:?}");
                Value::Null
            }
        }
    }

    #[test]
    fn answers_are_read_by_their_kinds_and_what_is_wrong_names_its_field() {
        for (name, given, read_as) in [
            ("name", json!("  Анна "), json!("Анна")),
            ("name", json!(5190), json!("5190")),
            ("name", json!(" "), Value::Null),
            ("name", json!("a\nb"), Value::Null),
            ("name", json!({"a": 1}), Value::Null),
            ("name", json!("x".repeat(LONGEST + 1)), Value::Null),
            ("note", json!("a\r\nb"), json!("a\r\nb")),
            ("note", json!("a\u{0}b"), Value::Null),
            ("port", json!("993"), json!(993)),
            ("port", json!(993), json!(993)),
            ("port", json!(""), json!(-1)),
            ("port", json!("70000"), Value::Null),
            ("port", json!(0), Value::Null),
            ("port", json!(9.5), Value::Null),
            ("loud", json!(true), json!(true)),
            ("loud", json!("да"), json!(true)),
            ("loud", Value::Null, json!(false)),
            ("loud", json!("maybe"), Value::Null),
            ("colour", json!("BLUE"), json!("blue")),
            ("colour", json!(""), json!("red")),
            ("colour", json!("green"), Value::Null),
        ] {
            assert_eq!(read(name, given.clone()), read_as, "{name} {given}");
        }
    }
}

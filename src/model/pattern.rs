//! Texts of templates with variables: `Заказ {{order}} готов`. They are filled with values, and a finished text is
//! recognised as one of them, as the vendors themselves do.

/// The longest text of a template, in characters.
pub const LONGEST: usize = 2048;

/// The longest name of a template or a variable, in characters.
pub const LONGEST_NAME: usize = 64;

/// So many variables at most.
const MOST: usize = 30;

/// A text with variables, read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(String),
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// There is nothing in it, or only variables.
    #[error("there is no text")]
    Empty,
    /// It is too long.
    #[error("the text is longer than {LONGEST} characters")]
    TooLong,
    /// `{{` without its `}}`.
    #[error("a variable is not closed")]
    NotClosed,
    /// A variable's name has other signs than letters, digits and `_`, or is too long.
    #[error("{0:?} is no name of a variable")]
    BadName(String),
    /// Two variables without text between them: nobody could tell their values apart.
    #[error("there is no text before the variable {0:?}")]
    Adjacent(String),
    /// A sign that nobody sees, as a zero byte.
    #[error("there is a sign that nobody sees")]
    Unseen,
    /// Too many variables.
    #[error("there are more than {MOST} variables")]
    TooMany,
}

/// Why values do not fit a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadValues {
    /// A variable has no value.
    #[error("the variable {0:?} has no value")]
    Missing(String),
    /// A value belongs to no variable.
    #[error("there is no variable {0:?}")]
    Unknown(String),
}

impl Pattern {
    /// Reads a text.
    ///
    /// # Errors
    /// [`BadPattern`].
    pub fn read(text: &str) -> Result<Self, BadPattern> {
        let text = plain(text);
        if text.chars().count() > LONGEST {
            return Err(BadPattern::TooLong);
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            return Err(BadPattern::Unseen);
        }
        let (mut parts, mut rest) = (Vec::new(), text.as_str());
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").ok_or(BadPattern::NotClosed)?;
            let name = name.trim();
            if !is_name(name) {
                return Err(BadPattern::BadName(name.to_owned()));
            }
            if before.is_empty() && !parts.is_empty() {
                return Err(BadPattern::Adjacent(name.to_owned()));
            }
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Value(name.to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        let pattern = Self { parts };
        if pattern.weight() == 0 {
            return Err(BadPattern::Empty);
        }
        if pattern.variables().len() > MOST { Err(BadPattern::TooMany) } else { Ok(pattern) }
    }

    /// The names of the variables, each once, in their order.
    #[must_use]
    pub fn variables(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for part in &self.parts {
            if let Part::Value(name) = part
                && !names.contains(&name.as_str())
            {
                names.push(name.as_str());
            }
        }
        names
    }

    /// How many letters are fixed: of several templates that fit a text, the one with the most is meant.
    #[must_use]
    pub fn weight(&self) -> usize {
        let fixed = |part: &Part| match part {
            Part::Text(text) => text.chars().filter(|c| !c.is_whitespace()).count(),
            Part::Value(_) => 0,
        };
        self.parts.iter().map(fixed).sum()
    }

    /// The text with these values in it.
    ///
    /// # Errors
    /// [`BadValues`].
    pub fn fill(&self, values: &[(String, String)]) -> Result<String, BadValues> {
        let known = self.variables();
        if let Some((name, _)) = values.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            return Err(BadValues::Unknown(name.clone()));
        }
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(fixed) => text.push_str(fixed),
                Part::Value(name) => {
                    let value = values.iter().find(|(of, value)| of == name && !value.trim().is_empty());
                    text.push_str(&value.ok_or_else(|| BadValues::Missing(name.clone()))?.1);
                }
            }
        }
        Ok(text)
    }

    /// The values that make this template the text; none where it is another text. No value is empty.
    #[must_use]
    pub fn recognise(&self, text: &str) -> Option<Vec<(String, String)>> {
        let text = plain(text);
        let (mut rest, mut values) = (text.as_str(), Vec::<(String, String)>::new());
        let mut open: Option<&str> = None;
        for (at, part) in self.parts.iter().enumerate() {
            match part {
                Part::Value(name) => open = Some(name),
                Part::Text(fixed) => {
                    let last = at + 1 == self.parts.len();
                    rest = match open.take() {
                        None => rest.strip_prefix(fixed.as_str())?,
                        Some(name) => {
                            let (value, after) = split(rest, fixed, last)?;
                            keep(&mut values, name, value)?;
                            after
                        }
                    };
                }
            }
        }
        match open {
            Some(name) => keep(&mut values, name, rest)?,
            None if !rest.is_empty() => return None,
            None => {}
        }
        Some(values)
    }
}

/// The value before a fixed text, which is at least one character long, and what follows.
fn split<'a>(rest: &'a str, fixed: &str, last: bool) -> Option<(&'a str, &'a str)> {
    if last {
        return rest.strip_suffix(fixed).map(|value| (value, ""));
    }
    let first = rest.chars().next()?.len_utf8();
    let at = first + rest.get(first..)?.find(fixed)?;
    Some((rest.get(..at)?, rest.get(at + fixed.len()..)?))
}

/// A variable that stands twice has one value.
fn keep(values: &mut Vec<(String, String)>, name: &str, value: &str) -> Option<()> {
    if value.trim().is_empty() {
        return None;
    }
    if let Some((_, known)) = values.iter().find(|(of, _)| of == name) {
        return (known == value).then_some(());
    }
    values.push((name.to_owned(), value.to_owned()));
    Some(())
}

fn plain(text: &str) -> String {
    text.replace("\r\n", "\n").trim().to_owned()
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().count() <= LONGEST_NAME && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(values: &[(&str, &str)]) -> Vec<(String, String)> {
        values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_text_is_filled_and_recognised() {
        let pattern = Pattern::read("Заказ {{order}} готов, сумма {{ sum }} ₽").unwrap();
        assert_eq!(pattern.variables(), ["order", "sum"]);
        let values = pairs(&[("order", "42"), ("sum", "1 000")]);
        let text = pattern.fill(&values).unwrap();
        assert_eq!(text, "Заказ 42 готов, сумма 1 000 ₽");
        assert_eq!(pattern.recognise(&format!("{text}\r\n")), Some(values));
    }

    #[test]
    fn other_texts_are_not_recognised() {
        let pattern = Pattern::read("Заказ {{order}} готов").unwrap();
        for text in ["", "Заказ готов", "Заказ  готов", "Заказ 42 готов!", "Ваш заказ 42 готов", "Заказ 42"]
        {
            assert_eq!(pattern.recognise(text), None, "{text}");
        }
        let twice = Pattern::read("{{a}} и {{a}}").unwrap();
        assert_eq!(twice.recognise("1 и 1"), Some(pairs(&[("a", "1")])));
        assert_eq!(twice.recognise("1 и 2"), None);
    }

    #[test]
    fn a_text_that_is_no_template_says_why() {
        let long = "я".repeat(LONGEST + 1);
        for (text, expected) in [
            ("", BadPattern::Empty),
            (" {{a}} ", BadPattern::Empty),
            ("Код {{code", BadPattern::NotClosed),
            ("Код {{co de}}", BadPattern::BadName("co de".to_owned())),
            ("Код {{}}", BadPattern::BadName(String::new())),
            ("Код {{a}}{{b}}", BadPattern::Adjacent("b".to_owned())),
            (long.as_str(), BadPattern::TooLong),
        ] {
            assert_eq!(Pattern::read(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn values_that_do_not_fit_say_which() {
        let pattern = Pattern::read("Код {{code}}").unwrap();
        assert_eq!(pattern.fill(&[]), Err(BadValues::Missing("code".to_owned())));
        assert_eq!(pattern.fill(&pairs(&[("code", " ")])), Err(BadValues::Missing("code".to_owned())));
        let more = pairs(&[("code", "1"), ("kod", "2")]);
        assert_eq!(pattern.fill(&more), Err(BadValues::Unknown("kod".to_owned())));
    }

    proptest! {
        #[test]
        fn what_was_filled_is_recognised_and_gives_the_same_text(
            fixed in prop::collection::vec("[а-яa-z ,.]{1,6}", 1..5),
            value in "[0-9А-Я]{1,8}",
        ) {
            let text: Vec<String> = fixed.iter().enumerate().map(|(n, fixed)| format!("x{fixed}x{{{{v{n}}}}}")).collect();
            let pattern = Pattern::read(&text.concat()).unwrap();
            let values: Vec<(String, String)> = (0..fixed.len()).map(|n| (format!("v{n}"), value.clone())).collect();
            let filled = pattern.fill(&values).unwrap();
            prop_assert_eq!(pattern.recognise(&filled), Some(values));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}", other in ".{0,60}") {
            if let Ok(pattern) = Pattern::read(&text)
                && let Some(values) = pattern.recognise(&other)
            {
                prop_assert_eq!(pattern.fill(&values).unwrap(), plain(&other));
            }
        }
    }
}

//! The words by which a customer refuses mailings, and those that take it back. Only a message that says nothing else counts:
//! «стоп-кран купить можно?» is a question.

/// What a customer decided about mailings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// No mailings any more.
    Out,
    /// Mailings again.
    In,
}

const OUT: [&str; 12] = [
    "стоп",
    "отписаться",
    "отписка",
    "отпишите",
    "отпишите меня",
    "не присылайте",
    "не пишите мне",
    "stop",
    "unsubscribe",
    "stop all",
    "opt out",
    "remove me",
];
const IN: [&str; 5] = ["старт", "подписаться", "start", "subscribe", "unstop"];

/// The longest message that may be such a word, in bytes.
const LONGEST: usize = 64;

/// What a message says about mailings; none where it says anything else.
#[must_use]
pub fn wish(text: &str) -> Option<Wish> {
    let text = text.trim();
    if text.len() > LONGEST {
        return None;
    }
    let words: Vec<String> = text
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase())
        .filter(|word| !word.is_empty())
        .collect();
    let said = words.join(" ");
    if OUT.contains(&said.as_str()) {
        return Some(Wish::Out);
    }
    IN.contains(&said.as_str()).then_some(Wish::In)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_message_that_says_nothing_else_is_a_wish() {
        for text in ["СТОП", " стоп. ", "«Отписаться»!", "Stop", "STOP ALL", "не  пишите мне", "🛑 стоп 🛑"]
        {
            assert_eq!(wish(text), Some(Wish::Out), "{text}");
        }
        for text in ["Старт", "START!"] {
            assert_eq!(wish(text), Some(Wish::In), "{text}");
        }
        for text in ["стоп-кран купить можно?", "стоп, а сколько стоит?", "Stop, o Zé não vem", "", "стопка", "не стоп"]
        {
            assert_eq!(wish(text), None, "{text}");
        }
    }
}

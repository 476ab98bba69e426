//! A text with its emphasis, and how messengers write it.

use serde::{Deserialize, Serialize};

/// A piece of a text that is shown in another way. Places are counted in UTF-16 units, as Telegram counts them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Where it begins.
    pub start: usize,
    /// How long it is.
    pub length: usize,
    /// How it is shown.
    pub mark: Mark,
}

/// How a piece of a text is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Thick.
    Bold,
    /// Slanted.
    Italic,
    /// With a line under it.
    Underline,
    /// With a line through it.
    Strike,
    /// As a machine types.
    Code,
    /// Somebody else's words.
    Quote,
    /// It leads to an address.
    Link(String),
}

/// A text and its spans, in the order of their beginnings; an outer one stands before those inside it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Styled {
    /// The text alone.
    pub text: String,
    /// What is shown in another way.
    pub spans: Vec<Span>,
}

impl Styled {
    /// A text without emphasis.
    #[must_use]
    pub fn plain(text: &str) -> Self {
        Self { text: text.to_owned(), spans: Vec::new() }
    }

    /// For messengers that show text as it is: an address stands behind the words that lead to it.
    #[must_use]
    pub fn as_plain(&self) -> String {
        self.write(|_| None)
    }

    /// For WhatsApp: `*bold*`, `_italic_`, `~strike~`, three backquotes for code, `> ` for quotes.
    #[must_use]
    pub fn as_whatsapp(&self) -> String {
        self.write(|mark| match mark {
            Mark::Bold => Some("*"),
            Mark::Italic => Some("_"),
            Mark::Strike => Some("~"),
            Mark::Code => Some("```"),
            Mark::Underline | Mark::Quote | Mark::Link(_) => None,
        })
    }

    fn write(&self, sign: impl Fn(&Mark) -> Option<&'static str>) -> String {
        let mut out = String::new();
        // marks that are open, with the place of their end, innermost last
        let mut open: Vec<(usize, &Span)> = Vec::new();
        let mut spans = self.spans.iter().filter(|span| span.length > 0).peekable();
        let (mut at, mut quote_line) = (0, false);
        for c in self.text.chars() {
            close(&mut out, &mut open, at, &self.text, &sign);
            while let Some(span) = spans.next_if(|span| span.start <= at) {
                out.push_str(sign(&span.mark).unwrap_or_default());
                open.push((span.start + span.length, span));
                quote_line |= span.mark == Mark::Quote;
            }
            let quoted = open.iter().any(|(_, span)| span.mark == Mark::Quote);
            if quoted && quote_line {
                out.push_str("> ");
            }
            quote_line = quoted && c == '\n';
            out.push(c);
            at += c.len_utf16();
        }
        close(&mut out, &mut open, at, &self.text, &sign);
        out
    }
}

fn close(
    out: &mut String,
    open: &mut Vec<(usize, &Span)>,
    at: usize,
    text: &str,
    sign: &impl Fn(&Mark) -> Option<&'static str>,
) {
    while let Some((_, span)) = open.pop_if(|(end, _)| *end <= at) {
        out.push_str(sign(&span.mark).unwrap_or_default());
        if let Mark::Link(address) = &span.mark
            && slice(text, span.start, span.length) != address.as_str()
        {
            out.push_str(" (");
            out.push_str(address);
            out.push(')');
        }
    }
}

/// The words of a span.
fn slice(text: &str, start: usize, length: usize) -> String {
    let (mut at, mut out) = (0, String::new());
    for c in text.chars() {
        if (start..start + length).contains(&at) {
            out.push(c);
        }
        at += c.len_utf16();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn styled(text: &str, spans: &[(usize, usize, Mark)]) -> Styled {
        let spans =
            spans.iter().map(|(start, length, mark)| Span { start: *start, length: *length, mark: mark.clone() });
        Styled { text: text.to_owned(), spans: spans.collect() }
    }

    #[test]
    fn whatsapp_has_signs_around_words() {
        let said = styled("🎉 важно и срочно", &[(3, 5, Mark::Bold), (11, 6, Mark::Italic), (11, 6, Mark::Strike)]);
        assert_eq!(said.as_whatsapp(), "🎉 *важно* и _~срочно~_");
        assert_eq!(said.as_plain(), "🎉 важно и срочно");
    }

    #[test]
    fn an_address_stands_behind_its_words_unless_it_is_them() {
        let link = |words: &str| {
            styled(words, &[(0, words.encode_utf16().count(), Mark::Link("https://a.example".to_owned()))])
        };
        assert_eq!(link("Оплатить").as_plain(), "Оплатить (https://a.example)");
        assert_eq!(link("https://a.example").as_whatsapp(), "https://a.example");
    }

    #[test]
    fn every_line_of_a_quote_is_marked() {
        let said = styled("раз\nдва\nответ", &[(0, 7, Mark::Quote)]);
        assert_eq!(said.as_whatsapp(), "> раз\n> два\nответ");
    }
}

//! The robot's result: `chatId:Y:` or `chatId:N:[code] text`, entries joined by `; `.
//!
//! What is written always reads back. In a chat id, which is compared, `%`, `:`, `;` and control characters are written as
//! in a URL. A text is for people, so it is cleaned when the entry is made: a semicolon becomes a comma, runs of blanks and
//! line feeds become one blank. The reader also takes the spellings of older products: blanks around the parts, no
//! brackets, a semicolon at the end.

use std::fmt;
use std::fmt::Write as _;

use super::Code;

/// The longest text of an entry, in characters.
const TEXT_LIMIT: usize = 500;

/// What became of one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// `Y`.
    Sent,
    /// `N`.
    Failed {
        /// A [`Code`], or another product's code; none where there was none.
        code: Option<String>,
        /// The text for a person; may be empty.
        text: String,
    },
}

/// One address of a robot's call and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    chat_id: String,
    outcome: Outcome,
}

impl Entry {
    /// It was sent.
    #[must_use]
    pub fn sent(chat_id: &str) -> Self {
        Self { chat_id: chat_id.trim().to_owned(), outcome: Outcome::Sent }
    }

    /// It was not sent. Without a text of the vendor the code's own Russian text stands there, also in place of its English one.
    #[must_use]
    pub fn failed(chat_id: &str, code: Code, text: &str) -> Self {
        let text = if text.trim().is_empty() { code.en() } else { text };
        let own = text.strip_suffix(code.en()).map(|start| format!("{start}{}", code.ru()));
        Self::other(chat_id, Some(code.slug()), own.as_deref().unwrap_or(text))
    }

    /// It was not sent, in another product's words.
    #[must_use]
    pub fn other(chat_id: &str, code: Option<&str>, text: &str) -> Self {
        let code: Option<String> = code.map(|code| code.chars().filter(|c| is_code(*c)).collect());
        let code = code.filter(|code| !code.is_empty());
        Self { chat_id: chat_id.trim().to_owned(), outcome: Outcome::Failed { code, text: clean(text) } }
    }

    /// The address.
    #[must_use]
    pub fn chat_id(&self) -> &str {
        &self.chat_id
    }

    /// What became of it.
    #[must_use]
    pub const fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Whether it was sent.
    #[must_use]
    pub const fn is_sent(&self) -> bool {
        matches!(self.outcome, Outcome::Sent)
    }

    /// Our code of a failure; none where it was sent, or where the code is not ours.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match &self.outcome {
            Outcome::Failed { code: Some(code), .. } => Code::from_slug(code),
            _ => None,
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_chat_id(&self.chat_id, f)?;
        match &self.outcome {
            Outcome::Sent => f.write_str(":Y:"),
            Outcome::Failed { code: Some(code), text } if text.is_empty() => write!(f, ":N:[{code}]"),
            Outcome::Failed { code: Some(code), text } => write!(f, ":N:[{code}] {text}"),
            Outcome::Failed { code: None, text } if text.starts_with('[') => write!(f, ":N:[] {text}"),
            Outcome::Failed { code: None, text } => write!(f, ":N:{text}"),
        }
    }
}

/// Writes the whole result.
#[must_use]
pub fn write_entries(entries: &[Entry]) -> String {
    entries.iter().map(Entry::to_string).collect::<Vec<_>>().join("; ")
}

/// Reads a result, ours or that of an older product. A piece that is no entry is left out.
#[must_use]
pub fn read_entries(text: &str) -> Vec<Entry> {
    text.split(';').filter_map(read_entry).collect()
}

fn read_entry(text: &str) -> Option<Entry> {
    // our own chat ids hold no colon; older products write them as they are, so the mark after a colon decides
    text.match_indices(':').find_map(|(at, _)| {
        let (chat_id, rest) = text.split_at(at);
        let (mark, rest) = split_mark(rest.strip_prefix(':')?)?;
        let chat_id = read_chat_id(chat_id.trim());
        Some(if mark { Entry::sent(&chat_id) } else { read_failure(&chat_id, rest.trim()) })
    })
}

fn split_mark(text: &str) -> Option<(bool, &str)> {
    let text = text.trim_start();
    let mark = match text.chars().next()? {
        'Y' | 'y' => true,
        'N' | 'n' => false,
        _ => return None,
    };
    let rest = text.get(1..)?.trim_start();
    if rest.is_empty() { Some((mark, rest)) } else { rest.strip_prefix(':').map(|rest| (mark, rest)) }
}

fn read_failure(chat_id: &str, text: &str) -> Entry {
    match text.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((code, rest)) if code.trim().chars().all(is_code) => Entry::other(chat_id, Some(code.trim()), rest),
        _ => Entry::other(chat_id, None, text),
    }
}

fn write_chat_id(chat_id: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for c in chat_id.chars() {
        if matches!(c, '%' | ':' | ';') || c.is_control() {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().try_for_each(|byte| write!(f, "%{byte:02X}"))?;
        } else {
            f.write_char(c)?;
        }
    }
    Ok(())
}

fn read_chat_id(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| *first == b'%').and_then(|pair| hex::decode(pair).ok());
        bytes.extend_from_slice(escaped.as_deref().unwrap_or(&[*first]));
        rest = if escaped.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    // an older product's id may hold a percent sign that means itself
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn clean(text: &str) -> String {
    let text = text.replace(';', ",").replace(|c: char| c.is_control() || c.is_whitespace(), " ");
    let words = text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let short: String = words.chars().take(TEXT_LIMIT).collect();
    short.trim_end().to_owned()
}

fn is_code(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_written_form_is_the_published_one() {
        let entries = [Entry::sent("79990000001"), Entry::failed("@ivan", Code::Nobody, "")];
        assert_eq!(write_entries(&entries), "79990000001:Y:; @ivan:N:[nobody] по этому адресу нет мессенджера");
        assert_eq!(read_entries(&write_entries(&entries)), entries);
    }

    #[test]
    fn an_odd_chat_id_and_an_odd_text_read_back() {
        let entries = [
            Entry::sent("79990000001:12@s.whatsapp.net"),
            Entry::failed("a;b%3A[c]", Code::Refused, "(#100) [x]: y; z:N:\nслово"),
            Entry::other("", None, "[no code] here"),
            Entry::other("chat:N:x", Some("131049"), ""),
        ];
        let text = write_entries(&entries);
        assert_eq!(
            text,
            "79990000001%3A12@s.whatsapp.net:Y:; a%3Bb%253A[c]:N:[refused] (#100) [x]: y, z:N: слово; \
             :N:[] [no code] here; chat%3AN%3Ax:N:[131049]"
        );
        assert_eq!(read_entries(&text), entries);
        assert_eq!(entries[1].code(), Some(Code::Refused));
    }

    #[test]
    fn the_spellings_of_the_manual_are_read() {
        let failed = |code| Entry::other("79000000000", code, "license not found");
        for (text, entries) in [
            ("79000000000: N: license not found;", vec![failed(None)]),
            ("79000000000:N:[404] license not found", vec![failed(Some("404"))]),
            (" 79000000000 : N : [ 404 ] license not found ; ", vec![failed(Some("404"))]),
            ("79000000000:Y:;79000000000:n:license not found;", vec![Entry::sent("79000000000"), failed(None)]),
            ("79000000000: Y;", vec![Entry::sent("79000000000")]),
            ("7900:12@c.us: Y: ;", vec![Entry::sent("7900:12@c.us")]),
            ("79000000000:N:[404 license not found", vec![Entry::other("79000000000", None, "[404 license not found")]),
            (";; nonsense ; Yes: No ;", vec![]),
        ] {
            assert_eq!(read_entries(text), entries, "{text}");
        }
    }

    fn any_entry() -> impl Strategy<Value = Entry> {
        let text = || prop_oneof!["\\PC{0,40}", "[ab:;\\[\\]%YN \n]{0,20}", any::<String>()];
        prop_oneof![
            text().prop_map(|chat| Entry::sent(&chat)),
            (text(), proptest::sample::select(Code::ALL), text())
                .prop_map(|(chat, code, text)| Entry::failed(&chat, code, &text)),
            (text(), proptest::option::of(text()), text()).prop_map(|(chat, code, text)| Entry::other(
                &chat,
                code.as_deref(),
                &text
            )),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_equal(entries in proptest::collection::vec(any_entry(), 0..6)) {
            prop_assert_eq!(read_entries(&write_entries(&entries)), entries);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in any::<String>()) {
            let _ = read_entries(&text);
        }
    }
}

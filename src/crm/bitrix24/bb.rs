//! BB codes of chats: what operators write, read into a text with its emphasis, and what customers write, made harmless.

use crate::model::markup::{Mark, Span, Styled};

/// Tags around words, of which the words stay.
const PAIRED: [&str; 15] =
    ["b", "i", "u", "s", "url", "user", "chat", "send", "put", "call", "color", "size", "context", "img", "quote"];

/// Tags that stand alone, of which nothing stays.
const ALONE: [&str; 3] = ["icon", "timestamp", "attach"];

/// Takes the operator's name off, where the line writes it before the text: the name, and the rest.
#[must_use]
pub fn signature(text: &str) -> (Option<&str>, &str) {
    let found = strip_tag(text, "b").and_then(|rest| {
        let end = rest.find(['[', '\n'])?;
        let (name, rest) = rest.split_at_checked(end)?;
        let rest = strip_tag(rest, "/b")?;
        let rest = strip_tag(rest.trim_start(), "br")?;
        let name = name.strip_suffix(':').filter(|name| !name.trim().is_empty())?;
        Some((name.trim(), rest.trim_start()))
    });
    found.map_or((None, text), |(name, rest)| (Some(name), rest))
}

fn strip_tag<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let inner = text.strip_prefix('[')?;
    let (tag, rest) = inner.split_once(']')?;
    tag.eq_ignore_ascii_case(name).then_some(rest)
}

/// Reads a text of an operator.
#[must_use]
pub fn read(text: &str) -> Styled {
    let mut reader = Reader::default();
    reader.read(text);
    reader.end()
}

/// A text of a customer as the portal shows it: what looks like a tag is told apart from one by a sign that nobody sees, so
/// that nobody outside can put buttons and links of the portal into a chat.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c == '[' && chars.peek().is_some_and(|next| next.is_ascii_alphabetic() || *next == '/') {
            out.push('\u{200b}');
        }
    }
    out
}

/// A tag that was opened.
struct Open {
    name: String,
    start: usize,
    mark: Option<Mark>,
}

#[derive(Default)]
struct Reader {
    out: String,
    units: usize,
    open: Vec<Open>,
    spans: Vec<Span>,
}

impl Reader {
    fn read(&mut self, text: &str) {
        let mut rest = text;
        let mut line_start = true;
        while !rest.is_empty() {
            if line_start {
                rest = self.quoted_line(rest);
                line_start = false;
                continue;
            }
            let Some(next) = rest.find(['[', '\n']) else {
                self.push(rest);
                return;
            };
            let (plain, from) = rest.split_at_checked(next).unwrap_or((rest, ""));
            self.push(plain);
            if let Some(after) = from.strip_prefix('\n') {
                self.push("\n");
                (rest, line_start) = (after, true);
            } else {
                let before = self.out.len();
                rest = self.tag(from);
                line_start = self.out.get(before..).is_some_and(|new| new == "\n");
            }
        }
    }

    /// Opens or goes on with a quote where a line begins as one; ends it where a line does not.
    fn quoted_line<'a>(&mut self, rest: &'a str) -> &'a str {
        let quoting = self.open.iter().any(|open| open.name == ">>");
        match (rest.strip_prefix(">>"), quoting) {
            (Some(after), true) => after,
            (Some(after), false) => {
                self.open.push(Open { name: ">>".to_owned(), start: self.units, mark: Some(Mark::Quote) });
                after
            }
            (None, true) => {
                self.close(">>");
                rest
            }
            (None, false) => rest,
        }
    }

    /// Reads what begins with a bracket; the rest behind it.
    fn tag<'a>(&mut self, from: &'a str) -> &'a str {
        let literal = |reader: &mut Self| {
            reader.push("[");
            from.get(1..).unwrap_or_default()
        };
        let Some((tag, after)) = from.get(1..).and_then(|inner| inner.split_once(']')) else { return literal(self) };
        let (name, value) = tag.split_once('=').map_or((tag, None), |(name, value)| (name, Some(value)));
        let name = name.to_ascii_lowercase();
        if let Some(closed) = name.strip_prefix('/') {
            return if self.close(closed) { after } else { literal(self) };
        }
        match name.as_str() {
            "br" => {
                self.push("\n");
                after
            }
            "code" => self.code(after),
            "url" if value.is_none() => self.bare_link(after),
            known if ALONE.contains(&known) => after,
            known if PAIRED.contains(&known) => {
                let mark = mark_of(known, value);
                self.open.push(Open { name, start: self.units, mark });
                after
            }
            // whoever writes brackets for himself keeps them; a pair that we do not know keeps its words
            other if is_name(other) && has_end(after, other) => {
                self.open.push(Open { name, start: self.units, mark: None });
                after
            }
            _ => literal(self),
        }
    }

    /// Nothing within code is a tag.
    fn code<'a>(&mut self, after: &'a str) -> &'a str {
        let (code, rest) = split_end(after, "code");
        let start = self.units;
        self.push(code);
        self.spans.push(Span { start, length: self.units - start, mark: Mark::Code });
        rest
    }

    fn bare_link<'a>(&mut self, after: &'a str) -> &'a str {
        let (address, rest) = split_end(after, "url");
        let start = self.units;
        self.push(address);
        if is_address(address) {
            self.spans.push(Span { start, length: self.units - start, mark: Mark::Link(address.to_owned()) });
        }
        rest
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
        self.units += text.encode_utf16().count();
    }

    /// Closes the innermost tag of this name, and what was opened inside it.
    fn close(&mut self, name: &str) -> bool {
        let Some(at) = self.open.iter().rposition(|open| open.name == name) else { return false };
        for open in self.open.split_off(at).into_iter().rev() {
            self.finish(open);
        }
        true
    }

    fn finish(&mut self, open: Open) {
        let mut length = self.units - open.start;
        // the line feed behind the last line is no part of a quote
        if open.name == ">>" && self.out.ends_with('\n') {
            length = length.saturating_sub(1);
        }
        if let Some(mark) = open.mark.filter(|_| length > 0) {
            self.spans.push(Span { start: open.start, length, mark });
        }
    }

    fn end(mut self) -> Styled {
        for open in std::mem::take(&mut self.open).into_iter().rev() {
            self.finish(open);
        }
        self.spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.length)));
        let kept = self.out.trim_end();
        let units = kept.encode_utf16().count();
        for span in &mut self.spans {
            span.length = span.length.min(units.saturating_sub(span.start));
        }
        self.spans.retain(|span| span.length > 0);
        Styled { text: kept.to_owned(), spans: self.spans }
    }
}

fn mark_of(name: &str, value: Option<&str>) -> Option<Mark> {
    match (name, value) {
        ("b", _) => Some(Mark::Bold),
        ("i", _) => Some(Mark::Italic),
        ("u", _) => Some(Mark::Underline),
        ("s", _) => Some(Mark::Strike),
        ("quote", _) => Some(Mark::Quote),
        ("url", Some(address)) if is_address(address) => Some(Mark::Link(address.to_owned())),
        _ => None,
    }
}

fn is_address(text: &str) -> bool {
    ["https://", "http://", "mailto:", "tel:"].iter().any(|start| text.starts_with(start))
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase())
}

fn has_end(text: &str, name: &str) -> bool {
    find_end(text, name).is_some()
}

/// Where the closing tag begins, and where it ends.
fn find_end(text: &str, name: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(at) = text.get(from..)?.find("[/").map(|at| from + at) {
        let inner = text.get(at + 2..)?;
        if inner.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name))
            && inner.get(name.len()..).is_some_and(|rest| rest.starts_with(']'))
        {
            return Some((at, at + 3 + name.len()));
        }
        from = at + 2;
    }
    None
}

/// What stands before the closing tag, and what stands behind it.
fn split_end<'a>(text: &'a str, name: &str) -> (&'a str, &'a str) {
    match find_end(text, name) {
        Some((at, end)) => (text.get(..at).unwrap_or_default(), text.get(end..).unwrap_or_default()),
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_name_of_the_operator_is_taken_off_in_both_spellings() {
        assert_eq!(signature("[b]Мария Орлова:[/b] [br]Добрый день!"), (Some("Мария Орлова"), "Добрый день!"));
        assert_eq!(signature("[b]Мария Орлова:[/b][br] Исправлено"), (Some("Мария Орлова"), "Исправлено"));
        assert_eq!(signature("[B]Мария:[/B] [BR]"), (Some("Мария"), ""));
        for text in ["Добрый день", "[b]важно[/b] [br]x", "[b]Внимание:[/b] без перевода строки", "", "[b]:[/b] [br]"]
        {
            assert_eq!(signature(text), (None, text));
        }
    }

    #[test]
    fn codes_become_a_text_and_its_emphasis() {
        let said = read("[i]Курсив[/i] [S]зачёркнуто[/S] [url=https://a.example/?x=1]Оплатить[/url][br]конец");
        assert_eq!(said.text, "Курсив зачёркнуто Оплатить\nконец");
        assert_eq!(said.as_whatsapp(), "_Курсив_ ~зачёркнуто~ Оплатить (https://a.example/?x=1)\nконец");
        assert_eq!(read("[user=27]Мария[/user] [put=/help]меню[/put] [chat=5]чат[/chat]").text, "Мария меню чат");
        assert_eq!(read("[color=#ff0000][b]Цвет[/b][/color][icon=https://x/y.png size=20]").as_whatsapp(), "*Цвет*");
        assert_eq!(read("[url]https://a.example[/url]").as_plain(), "https://a.example");
        assert_eq!(read("[code]if (a[b]) {}[/code]").as_whatsapp(), "```if (a[b]) {}```");
        assert_eq!(read("[img]https://a.example/1.png[/img]").text, "https://a.example/1.png");
    }

    #[test]
    fn brackets_that_are_no_codes_stay() {
        for text in ["[важно] 50%", "a[1] = [", "[/b] конец", "[foo] без пары", "список: [x]"] {
            assert_eq!(read(text).text, text);
        }
        assert_eq!(read("[foo]слова[/foo]").text, "слова");
        assert_eq!(read("[b]не закрыто").as_whatsapp(), "*не закрыто*");
        assert_eq!(read("[b]раз [i]два[/b] три[/i]").text, "раз два три[/i]");
    }

    #[test]
    fn lines_of_a_quote_are_one_quote() {
        let said = read(">>раз\n>>два\nответ");
        assert_eq!((said.text.as_str(), said.as_whatsapp().as_str()), ("раз\nдва\nответ", "> раз\n> два\nответ"));
        assert_eq!(read("[quote]раз[/quote]два").as_whatsapp(), "> раздва");
        assert_eq!(read("a >> b").text, "a >> b");
    }

    #[test]
    fn a_customer_writes_no_codes() {
        assert_eq!(escape("[b]x[/b] [1] ["), "[\u{200b}b]x[\u{200b}/b] [1] [");
        let said = read(&escape("[url=https://evil.example]вход[/url]"));
        assert!(said.spans.is_empty() && said.text.contains("url=https://evil.example"), "{said:?}");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_spans_stay_inside(text in "[\\[\\]/bisurlcode=>\\n🎉я ]{0,60}") {
            let said = read(&text);
            let units = said.text.encode_utf16().count();
            prop_assert!(said.spans.iter().all(|span| span.start + span.length <= units), "{:?}", said);
            let _ = (said.as_plain(), said.as_whatsapp(), signature(&text), escape(&text));
        }

        #[test]
        fn what_was_made_harmless_is_read_as_it_was_written(text in "[\\[\\]/bisurlcode=я ]{0,60}") {
            let escaped = escape(&text);
            prop_assert_eq!(read(&escaped).text, escaped.trim_end());
        }
    }
}

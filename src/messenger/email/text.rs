//! What a customer really wrote: the text without what he quotes and signs with, subjects without their prefixes, links.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use sha2::{Digest as _, Sha256};

/// The text without the quoted letter below it and without the signature. Where nothing else is left, the text as it is.
pub(super) fn own_words(text: &str) -> Cow<'_, str> {
    let mut kept: Vec<&str> = Vec::new();
    for line in text.lines() {
        let bare = line.trim();
        if line == "-- " || line == "--" || is_separator(bare) {
            break;
        }
        kept.push(line);
    }
    let kept = without_quotations(&kept);
    let own = kept.join("\n");
    let own = own.trim();
    if own.is_empty() { Cow::Borrowed(text.trim()) } else { Cow::Owned(own.to_owned()) }
}

/// Quoted lines stay where the customer writes between them: an answer to each is worth nothing without its question.
fn without_quotations<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let quoted = |line: &&str| line.trim_start().starts_with('>');
    let filled = |line: &&&str| !line.trim().is_empty();
    let mut end = lines.len();
    while lines.get(..end).and_then(<[_]>::last).is_some_and(|line| quoted(line) || line.trim().is_empty()) {
        end -= 1;
    }
    let mut own = lines.get(..end).unwrap_or_default().to_vec();
    // the line above a quotation says who wrote it and when
    let cut = end < lines.len() && lines.get(end..).unwrap_or_default().iter().any(quoted);
    if cut && own.iter().rev().find(filled).is_some_and(|line| is_attribution(line.trim())) {
        let last = own.iter().rposition(|line| !line.trim().is_empty()).unwrap_or(0);
        own.truncate(last);
    }
    own
}

/// Lines of mail programs below which somebody else's letter begins.
fn is_separator(line: &str) -> bool {
    const MARKS: [&str; 8] = [
        "-----original message-----",
        "----- original message -----",
        "-----исходное сообщение-----",
        "---------- forwarded message",
        "-------- пересылаемое сообщение",
        "-------- исходное сообщение",
        "---------- пересылаемое сообщение",
        "________________________________",
    ];
    if line.len() < 12 || line.len() > 400 {
        return false;
    }
    let line = line.to_lowercase();
    MARKS.iter().any(|mark| line.starts_with(mark)) || is_attribution(&line)
}

/// «On … wrote:», «… написал(а):» and the like.
fn is_attribution(line: &str) -> bool {
    let line = line.trim_end().to_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| line.ends_with(ending));
    (line.starts_with("on ") && ends(&["wrote:", "writes:"]))
        || (line.chars().any(|c| c.is_ascii_digit() || c == '@')
            && ends(&["написал:", "написала:", "написал(а):", "пишет:", "wrote:"]))
}

/// A subject without «Re:», «Fwd:» and their like.
pub(super) fn bare_subject(subject: &str) -> &str {
    const PREFIXES: [&str; 11] = ["re", "fw", "fwd", "aw", "sv", "ha", "на", "отв", "ответ", "пересл", "вн"];
    let mut rest = subject.trim();
    loop {
        let Some((head, tail)) = rest.split_once(':') else { return rest };
        // «Re[2]:»
        let head = head.split_once('[').map_or(head, |(head, _)| head).trim().to_lowercase();
        if !PREFIXES.contains(&head.as_str()) {
            return rest;
        }
        rest = tail.trim_start();
    }
}

/// The subject of an answer.
pub(super) fn answer_subject(subject: &str) -> String {
    format!("Re: {}", bare_subject(subject))
}

/// The chat of an address, or of one subject with it.
pub(super) fn chat(address: &str, subject: Option<&str>) -> String {
    let Some(subject) = subject else { return address.to_owned() };
    let bare = bare_subject(subject).to_lowercase();
    let words = bare.split_whitespace().collect::<Vec<_>>().join(" ");
    let digest = hex::encode(Sha256::digest(words.as_bytes()));
    format!("{address}/{}", digest.get(..12).unwrap_or(&digest))
}

/// The address of a chat.
pub(super) fn address_of(chat: &str) -> &str {
    // a slash may stand in the name of a mailbox, and never in its domain
    let at = chat.rfind('@').unwrap_or(0);
    chat.get(at..).and_then(|domain| domain.find('/')).and_then(|slash| chat.get(..at + slash)).unwrap_or(chat)
}

/// What stands where a link was.
const NO_LINK: &str = "[ссылка удалена]";

/// The text without links. One pass: a letter may be nothing but links.
pub(super) fn without_links(text: &str) -> String {
    const STARTS: [&str; 4] = ["http://", "https://", "ftp://", "www."];
    let lower = text.to_ascii_lowercase();
    let begins = |at: usize| lower.get(at..).is_some_and(|rest| STARTS.iter().any(|start| rest.starts_with(start)));
    let mut out = String::with_capacity(text.len());
    let (mut inside, mut before) = (false, ' ');
    for (at, c) in text.char_indices() {
        inside = inside && !(c.is_whitespace() || "<>\"'«»".contains(c));
        if !inside {
            inside = !before.is_alphanumeric() && begins(at);
            if inside {
                out.push_str(NO_LINK);
            } else {
                out.push(c);
            }
        }
        before = c;
    }
    out
}

/// HTML that is safe to be shown: no scripts, no styles, nothing that is loaded from elsewhere. Pictures of the letter
/// itself keep their `cid:`.
pub(super) fn safe_html(html: &str, remove_links: bool) -> String {
    let mut cleaner = ammonia::Builder::default();
    cleaner
        .url_schemes(HashSet::from(["http", "https", "mailto", "tel", "cid"]))
        .link_rel(Some("noopener noreferrer nofollow"))
        .tag_attribute_values(HashMap::new())
        .attribute_filter(|element, attribute, value| {
            // a picture from elsewhere tells its server that the letter was read
            let own = attribute != "src" || value.trim_start().to_ascii_lowercase().starts_with("cid:");
            (own && !(element == "a" && attribute == "target")).then_some(Cow::Borrowed(value))
        });
    if remove_links {
        cleaner.rm_tags(["a"]);
        return without_links(&cleaner.clean(html).to_string());
    }
    cleaner.clean(html).to_string()
}

/// HTML up to where the quoted letter begins.
pub(super) fn unquoted_html(html: &str) -> &str {
    let marks =
        ["<blockquote", "class=\"gmail_quote", "class=\"gmail_attr", "id=\"appendonsend", "name=\"_MailOriginal"];
    let first = marks.iter().filter_map(|mark| html.find(mark)).min();
    let Some(at) = first else { return html };
    let before = html.get(..at).unwrap_or(html);
    // not in the middle of a tag
    before
        .rfind('<')
        .filter(|open| before.get(*open..).is_some_and(|tag| !tag.contains('>')))
        .map_or(before, |open| before.get(..open).unwrap_or(before))
}

/// The text up to so many bytes, whole characters only.
pub(super) fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotations_and_signatures_are_left_out() {
        for (text, own) in [
            ("Спасибо!\n\n> On Fri, sales@company.test wrote:\n> Завтра до 18:00\n", "Спасибо!"),
            ("Да\n\n20.11.2026, 14:05, «Отдел» <a@b.test> написал(а):\n\nЗавтра?", "Да"),
            ("Ok\n\nOn Fri, 20 Nov 2026 at 14:00, Company <a@b.test> wrote:\n> x\n", "Ok"),
            ("Ok\n-----Original Message-----\nFrom: x", "Ok"),
            ("Ok\n-- \nАнна, директор", "Ok"),
            ("> Когда?\nЗавтра\n> Где?\nТам", "> Когда?\nЗавтра\n> Где?\nТам"),
            ("> только цитата", "> только цитата"),
            ("Он пишет:\nПривет", "Он пишет:\nПривет"),
            ("", ""),
        ] {
            assert_eq!(own_words(text), own, "{text}");
        }
    }

    #[test]
    fn a_subject_is_the_same_with_every_prefix() {
        for subject in ["Заказ 7", "Re: Заказ 7", "RE[2]: Fwd: заказ  7", "Отв: НА: Заказ 7", "Ha: Заказ 7"]
        {
            assert_eq!(chat("a@b.test", Some(subject)), chat("a@b.test", Some("заказ 7")), "{subject}");
        }
        assert_ne!(chat("a@b.test", Some("Заказ 8")), chat("a@b.test", Some("Заказ 7")));
        assert_eq!(bare_subject("Вопрос: когда?"), "Вопрос: когда?");
        assert_eq!(answer_subject("RE: re: Вопрос: когда?"), "Re: Вопрос: когда?");
    }

    #[test]
    fn a_chat_gives_its_address_back() {
        for address in ["a@b.test", "a/b@c.test"] {
            assert_eq!(address_of(&chat(address, Some("x"))), address);
            assert_eq!(address_of(&chat(address, None)), address);
        }
    }

    #[test]
    fn links_are_removed_and_nothing_else_is() {
        assert_eq!(
            without_links("См. https://a.test/x?y=1 и WWW.b.test, а не swww.нет http"),
            "См. [ссылка удалена] и [ссылка удалена] а не swww.нет http"
        );
        assert_eq!(without_links("(http://a.test)"), "([ссылка удалена]");
        assert!(!safe_html("<p>x <a href='https://a.test'>https://a.test</a></p>", true).contains("a.test"));
    }

    #[test]
    fn html_loads_nothing_and_runs_nothing() {
        let evil = "<script>x()</script><img src=https://e.test/p.gif><img src='cid:1'><p onclick=x() style='a:b'>t</p>\
            <iframe src=x></iframe><a href='javascript:x()'>l</a><svg><style><img src=x onerror=x()></style></svg>\
            <form action=x><input></form><base href='https://e.test'><meta http-equiv=refresh content='0'>";
        let safe = safe_html(evil, false);
        for bad in ["script", "e.test", "onclick", "style", "iframe", "javascript", "onerror", "form", "base", "meta"] {
            assert!(!safe.contains(bad), "{bad}: {safe}");
        }
        assert!(safe.contains("cid:1") && safe.contains("<p>t</p>"), "{safe}");
    }

    #[test]
    fn quoted_html_is_cut_before_its_tag() {
        assert_eq!(unquoted_html("<p>a</p><blockquote>b</blockquote>"), "<p>a</p>");
        assert_eq!(unquoted_html("<p>a</p><div dir=x class=\"gmail_quote\">b"), "<p>a</p>");
        assert_eq!(unquoted_html("<p>a</p>"), "<p>a</p>");
    }
}

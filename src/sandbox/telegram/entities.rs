//! Texts with marks: what a text is once Telegram has parsed it.

use super::Trouble;

const TAGS: [&str; 17] = [
    "b",
    "strong",
    "i",
    "em",
    "u",
    "ins",
    "s",
    "strike",
    "del",
    "a",
    "code",
    "pre",
    "blockquote",
    "tg-spoiler",
    "span",
    "tg-emoji",
    "tg-time",
];

/// The plain text behind the marks.
///
/// # Errors
/// "can't parse entities", as the vendor says it.
pub(crate) fn plain(text: &str, mode: Option<&str>) -> Result<String, Trouble> {
    match mode.map(str::to_ascii_lowercase).as_deref() {
        Some("html") => plain_html(text),
        None | Some("" | "markdown" | "markdownv2") => Ok(text.to_owned()),
        Some(_) => Err(Trouble::bad("unsupported parse_mode")),
    }
}

fn plain_html(text: &str) -> Result<String, Trouble> {
    let mut open: Vec<String> = Vec::new();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let end = tag.find('>').ok_or_else(|| broken("Unclosed start tag"))?;
        let inner = tag.get(1..end).unwrap_or_default();
        let name = inner.trim_start_matches('/').split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        if !TAGS.contains(&name.as_str()) {
            return Err(broken(&format!("Unsupported start tag \"{name}\"")));
        }
        if !inner.starts_with('/') {
            open.push(name);
        } else if open.pop().as_deref() != Some(name.as_str()) {
            return Err(broken(&format!("Unmatched end tag, found \"</{name}>\"")));
        }
        rest = tag.get(end + 1..).unwrap_or_default();
    }
    out.push_str(rest);
    match open.pop() {
        Some(tag) => Err(broken(&format!("Can't find end tag corresponding to start tag \"{tag}\""))),
        None => Ok(out.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")),
    }
}

fn broken(what: &str) -> Trouble {
    Trouble::bad(&format!("can't parse entities: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_go_and_broken_marks_are_refused() {
        assert_eq!(plain("<b>a &lt; b</b>", Some("HTML")).unwrap(), "a < b");
        assert!(plain("<b>a", Some("HTML")).is_err());
        assert!(plain("a < b > c", Some("HTML")).is_err());
    }
}

//! What a file is: its bytes say it, not its name; and names as they may be shown and stored.

use super::message::MediaKind;

/// What nobody may take for anything.
pub const ANY: &str = "application/octet-stream";

/// The longest name, in characters.
const LONGEST_NAME: usize = 150;

/// The media type of a file: what its first bytes say. What they leave open may be told from outside, as far as they do not
/// speak against it.
#[must_use]
pub fn type_of(head: &[u8], told: Option<&str>) -> String {
    let told = told.map(essence).filter(|told| is_type(told));
    if let Some(markup) = markup_of(head) {
        return markup.to_owned();
    }
    if let Some(found) = infer::get(head).map(|found| found.mime_type()) {
        // letters, books and the like are archives to whoever reads their beginning only
        let open = matches!(found, "application/zip" | "application/x-ole-storage" | "text/plain");
        let finer = told.as_deref().filter(|told| open && is_of_archive(told));
        // one container, two names: a voice note is an Ogg or an MP4 of sound alone
        let sound = told.as_deref().filter(|told| is_same_container(found, told));
        return finer.or(sound).unwrap_or(found).to_owned();
    }
    if is_text(head) {
        let kept = told.filter(|told| is_plain_kind(told));
        return kept.unwrap_or_else(|| "text/plain".to_owned());
    }
    // a picture that is none, or a text full of noughts: its name lies
    let lies = |told: &str| told.starts_with("image/") || is_plain_kind(told) || is_active(told);
    told.filter(|told| !lies(told)).unwrap_or_else(|| ANY.to_owned())
}

/// Whether a browser that showed such a file would do what is written in it.
#[must_use]
pub fn is_active(mime: &str) -> bool {
    let mime = essence(mime);
    mime.contains("html")
        || mime.contains("svg")
        || mime.contains("xml") && !mime.contains("openxml")
        || mime.contains("javascript")
        || mime.contains("ecmascript")
        || mime == "application/pdf"
        || mime == "application/x-shockwave-flash"
}

/// The kind as which a file of this type is sent.
#[must_use]
pub fn kind_of(mime: &str) -> MediaKind {
    match essence(mime).split_once('/') {
        Some(("image", "jpeg" | "png" | "gif" | "webp")) => MediaKind::Image,
        Some(("video", "mp4" | "3gpp" | "quicktime")) => MediaKind::Video,
        Some(("audio", _)) => MediaKind::Audio,
        _ => MediaKind::Document,
    }
}

/// A name without what could lead out of a folder, into a header, or a reader astray; never empty.
#[must_use]
pub fn clean_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = last
        .chars()
        .filter(|c| !turns_text(*c))
        .map(|c| if c.is_control() || matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*') { '_' } else { c })
        .collect();
    let kept = kept.trim_matches(|c: char| c == '.' || c.is_whitespace());
    if kept.is_empty() { "file".to_owned() } else { shortened(kept) }
}

/// Cuts the stem and leaves the ending.
fn shortened(name: &str) -> String {
    if name.chars().count() <= LONGEST_NAME {
        return name.to_owned();
    }
    let (stem, ending) = name.rsplit_once('.').filter(|(_, ending)| ending.chars().count() <= 10).unwrap_or((name, ""));
    let room = LONGEST_NAME.saturating_sub(ending.chars().count() + 1);
    let stem: String = stem.chars().take(room).collect();
    if ending.is_empty() { stem } else { format!("{stem}.{ending}") }
}

/// Characters that are not seen and change how others are: `gpj.exe` would read as `exe.jpg`.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The type without parameters, in lower case.
fn essence(mime: &str) -> String {
    mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_type(mime: &str) -> bool {
    let good = |part: &str| {
        !part.is_empty()
            && part.len() <= 100
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
    };
    mime.split_once('/').is_some_and(|(kind, rest)| good(kind) && good(rest))
}

/// What begins like markup is markup, whatever stands before its first mark.
fn markup_of(head: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(head).to_lowercase();
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '\u{fffd}');
    if !text.starts_with('<') {
        return None;
    }
    let has = |marks: &[&str]| marks.iter().any(|mark| text.contains(mark));
    if has(&["<svg", "<!doctype svg"]) {
        return Some("image/svg+xml");
    }
    if has(&["<html", "<!doctype html", "<head", "<body", "<script", "<iframe", "<meta", "<title"]) {
        return Some("text/html");
    }
    text.starts_with("<?xml").then_some("application/xml")
}

fn is_text(head: &[u8]) -> bool {
    !head.is_empty() && !head.iter().any(|byte| matches!(byte, 0..=8 | 11 | 14..=26 | 28..=31 | 127))
}

fn is_plain_kind(mime: &str) -> bool {
    mime.starts_with("text/") && !is_active(mime)
        || matches!(mime, "application/json" | "application/rtf" | "message/rfc822")
}

fn is_of_archive(mime: &str) -> bool {
    mime.starts_with("application/vnd.") || matches!(mime, "application/epub+zip" | "application/msword")
}

fn is_same_container(found: &str, told: &str) -> bool {
    let pair = |one: &[&str]| one.contains(&found) && one.contains(&told);
    pair(&["audio/ogg", "video/ogg", "application/ogg", "audio/opus"])
        || pair(&["video/mp4", "audio/mp4", "audio/m4a", "audio/x-m4a", "video/quicktime"])
        || pair(&["video/webm", "audio/webm"])
        || pair(&["video/3gpp", "audio/3gpp"])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

    #[test]
    fn bytes_win_over_what_is_told() {
        for (head, told, is) in [
            (PNG, Some("text/html"), "image/png"),
            (&b"%PDF-1.7\n"[..], Some("image/png"), "application/pdf"),
            (b"PK\x03\x04\x14\0\0\0", Some("image/jpeg"), "application/zip"),
            (
                b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff",
                Some("image/jpeg"),
                "application/vnd.microsoft.portable-executable",
            ),
            (b"hello", Some("image/png"), "text/plain"),
            (b"a;b\n1;2", Some("text/csv; charset=utf-8"), "text/csv"),
            (b"\x01\x02\0\x03", Some("image/png"), ANY),
            (b"\x01\x02\0\x03", Some("text/html"), ANY),
            (b"\x01\x02\0\x03", Some("application/x-own"), "application/x-own"),
            (b"\x01\x02\0\x03", Some("a\r\nX: 1/b"), ANY),
            (b"\x01\x02\0\x03", None, ANY),
            (b"", None, ANY),
        ] {
            assert_eq!(type_of(head, told), is, "{head:?} {told:?}");
        }
    }

    #[test]
    fn markup_is_known_behind_its_tricks() {
        for (text, is) in [
            ("<svg onload=alert(1)>", "image/svg+xml"),
            ("\u{feff}\n <?xml version='1.0'?><!-- a --><SVG xmlns='x'/>", "image/svg+xml"),
            ("<!DOCTYPE html><p>", "text/html"),
            ("<!-- a --><script>alert(1)</script>", "text/html"),
            ("  <HTML>", "text/html"),
            ("<?xml version='1.0'?><a/>", "application/xml"),
        ] {
            for told in [None, Some("image/png"), Some("text/plain")] {
                assert_eq!(type_of(text.as_bytes(), told), is, "{text}");
            }
            assert!(is_active(is));
        }
        assert!(
            !is_active("image/png")
                && !is_active("application/vnd.openxmlformats-officedocument.wordprocessingml.document")
        );
    }

    #[test]
    fn a_container_keeps_the_finer_name_that_fits_it() {
        let ogg = b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead";
        assert!(type_of(ogg, Some("audio/ogg; codecs=opus")).starts_with("audio/"));
        let docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        assert_eq!(type_of(b"PK\x03\x04\x14\0\0\0", Some(docx)), docx);
        assert_eq!(kind_of("audio/ogg; codecs=opus"), MediaKind::Audio);
        assert_eq!((kind_of("image/svg+xml"), kind_of("image/png")), (MediaKind::Document, MediaKind::Image));
    }

    #[test]
    fn names_lead_nowhere_and_hide_nothing() {
        for (name, clean) in [
            ("Договор 1.pdf", "Договор 1.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\a\\b.txt", "b.txt"),
            ("a\r\nX-Evil: 1\u{0}.pdf", "a__X-Evil_ 1_.pdf"),
            ("photo\u{202e}gpj.exe", "photogpj.exe"),
            (" ... ", "file"),
            ("", "file"),
        ] {
            assert_eq!(clean_name(name), clean, "{name:?}");
        }
        let long = clean_name(&format!("{}.tar.gz", "я".repeat(500)));
        assert!(long.chars().count() <= LONGEST_NAME && long.rsplit('.').next() == Some("gz"), "{long}");
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_read_gives_a_type_and_a_name(head: Vec<u8>, told: Option<String>, name: String) {
            let mime = type_of(&head, told.as_deref());
            proptest::prop_assert!(is_type(&mime), "{}", mime);
            let clean = clean_name(&name);
            proptest::prop_assert!(!clean.is_empty() && clean.chars().count() <= LONGEST_NAME);
            proptest::prop_assert!(!clean.contains(['/', '\\', '"']) && !clean.chars().any(char::is_control));
            proptest::prop_assert_eq!(clean_name(&clean), clean);
        }
    }
}

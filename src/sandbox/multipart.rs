//! Reads `multipart/form-data` that is in memory already.

use bytes::Bytes;

/// One part of a form.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// The name of the field.
    pub(crate) name: String,
    /// The name of the file; absent for plain fields.
    pub(crate) file_name: Option<String>,
    /// The content type that the sender gave.
    pub(crate) mime: Option<String>,
    /// What it holds.
    pub(crate) bytes: Bytes,
}

/// The parts of a body; what cannot be read is left out.
pub(crate) fn parts(content_type: &str, body: &Bytes) -> Vec<Part> {
    let Some(boundary) = parameter(content_type, "boundary") else { return Vec::new() };
    let mark = format!("--{boundary}");
    let mut found = Vec::new();
    let mut at = find(body, mark.as_bytes(), 0).map(|at| at + mark.len());
    while let Some(start) = at {
        let Some(end) = find(body, mark.as_bytes(), start) else { break };
        found.extend(part(&body.slice(start..end)));
        at = Some(end + mark.len());
    }
    found
}

fn part(section: &Bytes) -> Option<Part> {
    let split = find(section, b"\r\n\r\n", 0)?;
    let head = String::from_utf8_lossy(section.get(..split)?).into_owned();
    let end = section.len().checked_sub(2)?;
    let bytes = (split + 4 <= end).then(|| section.slice(split + 4..end))?;
    let line = |wanted: &str| {
        head.lines().find_map(|line| line.split_once(':').filter(|(name, _)| name.trim().eq_ignore_ascii_case(wanted)))
    };
    let (_, disposition) = line("content-disposition")?;
    let mime = line("content-type").map(|(_, value)| value.trim().to_owned());
    Some(Part { name: parameter(disposition, "name")?, file_name: file_name(disposition), mime, bytes })
}

fn file_name(disposition: &str) -> Option<String> {
    let extended = parameter(disposition, "filename*").and_then(|value| value.split("''").nth(1).map(unescape));
    extended.or_else(|| parameter(disposition, "filename").map(|name| unescape(&name)))
}

fn unescape(text: &str) -> String {
    // `+` stays as it is: only percent signs are an escape here
    let text = text.replace('+', "%2B");
    let first = form_urlencoded::parse(text.as_bytes()).next();
    first.map_or_else(|| text.clone(), |(key, _)| key.into_owned())
}

fn parameter(header: &str, name: &str) -> Option<String> {
    header.split(';').find_map(|piece| {
        let (key, value) = piece.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

fn find(body: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let rest = body.get(from..)?;
    let first = *needle.first()?;
    let mut at = 0;
    while let Some(step) = rest.get(at..)?.iter().position(|byte| *byte == first) {
        at += step;
        if rest.get(at..)?.starts_with(needle) {
            return Some(from + at);
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_files_are_read() {
        let body = Bytes::from_static(
            b"--x\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n5\r\n--x\r\nContent-Disposition: form-data; name=\"document\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nh\r\n\r\ni\r\n--x--\r\n",
        );
        let parts = parts("multipart/form-data; boundary=x", &body);
        assert_eq!(parts.len(), 2);
        assert_eq!((&parts[0].name[..], &parts[0].bytes[..]), ("chat_id", &b"5"[..]));
        assert_eq!((parts[1].file_name.as_deref(), &parts[1].bytes[..]), (Some("a.txt"), &b"h\r\n\r\ni"[..]));
    }
}

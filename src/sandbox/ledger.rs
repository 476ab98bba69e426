//! Every call to every vendor, written down. A ring of the latest ones and counters of all.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Value, json};

/// How many calls are kept when nobody says otherwise.
const KEPT: usize = 200_000;

/// One call.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    /// The number of the call, rising by one in the order of the answers.
    pub(crate) n: u64,
    /// `telegram`, `waba`, `vk`, `avito`, `mail`, `bitrix24` or `oauth`.
    pub(crate) vendor: &'static str,
    /// The method as the caller named it, in the vendor's spelling.
    pub(crate) method: String,
    /// Whose: the bot, the phone number or the portal.
    pub(crate) who: String,
    /// When the head of the request was read: microseconds of the machine's clock.
    pub(crate) at_us: i64,
    /// The same by the calendar, milliseconds.
    pub(crate) at: i64,
    /// The parameters worth reading, secrets masked.
    pub(crate) params: Value,
    /// The HTTP status of the answer; 0 when the connection was cut.
    pub(crate) status: u16,
    /// The planned fault that the call met.
    pub(crate) fault: Option<&'static str>,
}

/// The ledger of calls.
#[derive(Debug)]
pub(crate) struct Ledger(Mutex<Book>);

#[derive(Debug)]
struct Book {
    kept: usize,
    next: u64,
    entries: VecDeque<Entry>,
    counts: BTreeMap<(&'static str, String, u16), u64>,
}

/// Which calls to show.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    vendor: Option<String>,
    method: Option<String>,
    who: Option<String>,
    since: Option<u64>,
    limit: Option<usize>,
}

impl Ledger {
    /// An empty ledger.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Book { kept: KEPT, next: 1, entries: VecDeque::new(), counts: BTreeMap::new() }))
    }

    /// Writes a call down and gives it its number.
    pub(crate) fn write(&self, mut entry: Entry) {
        let mut book = self.0.lock();
        entry.n = book.next;
        book.next += 1;
        *book.counts.entry((entry.vendor, entry.method.clone(), entry.status)).or_default() += 1;
        if book.entries.len() >= book.kept {
            book.entries.pop_front();
        }
        if book.kept > 0 {
            book.entries.push_back(entry);
        }
    }

    /// Forgets everything; `kept` sets how many calls are kept from now on.
    pub(crate) fn clear(&self, kept: Option<usize>) {
        let mut book = self.0.lock();
        book.entries.clear();
        book.counts.clear();
        if let Some(kept) = kept {
            book.kept = kept;
        }
    }

    /// The calls that are wanted, and the counters of all.
    pub(crate) fn show(&self, wanted: &Wanted) -> Value {
        let book = self.0.lock();
        let fits =
            |asked: &Option<String>, is: &str| asked.as_deref().is_none_or(|asked| asked.eq_ignore_ascii_case(is));
        let first = book.entries.front().map_or(book.next, |entry| entry.n);
        let skip = usize::try_from((wanted.since.unwrap_or(0) + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        let entries: Vec<&Entry> = book
            .entries
            .iter()
            .skip(skip)
            .filter(|entry| {
                fits(&wanted.vendor, entry.vendor)
                    && fits(&wanted.method, &entry.method)
                    && fits(&wanted.who, &entry.who)
            })
            .take(wanted.limit.unwrap_or(usize::MAX))
            .collect();
        let counts: Vec<Value> = book
            .counts
            .iter()
            .map(|((vendor, method, status), calls)| json!({"vendor": vendor, "method": method, "status": status, "calls": calls}))
            .collect();
        json!({"entries": entries, "last": book.next - 1, "kept": book.kept, "counts": counts})
    }
}

/// The parameters as the ledger shows them: secrets masked, long texts clipped, two levels deep.
pub(crate) fn masked(value: &Value) -> Value {
    mask("", value, 0)
}

fn mask(key: &str, value: &Value, depth: usize) -> Value {
    match value {
        Value::String(text) if is_secret(key) => Value::String(hide(text)),
        Value::String(text) => Value::String(clip(text)),
        Value::Object(map) if depth < 6 => {
            map.iter().map(|(key, value)| (key.clone(), mask(key, value, depth + 1))).collect()
        }
        Value::Array(items) if depth < 6 => items.iter().take(50).map(|item| mask(key, item, depth + 1)).collect(),
        Value::Object(_) | Value::Array(_) => Value::String("…".to_owned()),
        other => other.clone(),
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key == "auth" || key == "pin" || key == "code_secret" || key.contains("token") || key.contains("secret")
}

fn hide(text: &str) -> String {
    // the signature of an event token is the secret part of it
    match text.rsplit_once('.') {
        Some((shown, _)) if shown.contains('|') => format!("{shown}.…"),
        _ => format!("{}…", text.chars().take(4).collect::<String>()),
    }
}

fn clip(text: &str) -> String {
    if text.len() <= 300 { text.to_owned() } else { text.chars().take(200).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(method: &str) -> Entry {
        Entry {
            n: 0,
            vendor: "waba",
            method: method.to_owned(),
            who: String::new(),
            at_us: 0,
            at: 0,
            params: Value::Null,
            status: 200,
            fault: None,
        }
    }

    #[test]
    fn the_ring_forgets_the_oldest_and_the_counters_do_not() {
        let ledger = Ledger::new();
        ledger.clear(Some(2));
        for _ in 0..5 {
            ledger.write(entry("messages"));
        }
        let shown = ledger.show(&Wanted { since: Some(4), ..Wanted::default() });
        assert_eq!(shown["entries"].as_array().map(Vec::len), Some(1));
        assert_eq!(shown["counts"][0]["calls"], 5);
    }

    #[test]
    fn secrets_are_masked() {
        let shown = masked(&json!({"auth": "abcdefgh", "EVENT_TOKEN": "w|a|e.signature", "text": "hi"}));
        assert_eq!(shown, json!({"auth": "abcd…", "EVENT_TOKEN": "w|a|e.…", "text": "hi"}));
    }
}

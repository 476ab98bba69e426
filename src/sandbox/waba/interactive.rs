//! Messages with something to press, checked as the document has it, and what the customer's press sends back.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::send::{Taken, read_media};
use super::{Number, Trouble, Waba};
use crate::sandbox::args::text_at;
use crate::sandbox::phone::Bubble;

/// The kind of a bubble with a list; that with buttons is `interactive`, as the vendor has it.
const LIST: &str = "list";

fn bad(details: &str) -> Trouble {
    Trouble::of(131_009, details)
}

/// A text that must be there and not be longer.
fn words(of: &Value, key: &str, most: usize) -> Result<String, Trouble> {
    let text = text_at(of, key);
    if text.trim().is_empty() {
        return Err(Trouble::of(131_008, &format!("{key} is missing")));
    }
    let count = text.chars().count();
    if count > most { Err(bad(&format!("{key} has {count} characters, at most {most} are allowed"))) } else { Ok(text) }
}

fn list_of<'a>(of: &'a Value, key: &str) -> &'a [Value] {
    of.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Reads the object of a message of this type.
pub(super) fn read(waba: &Waba, number: &Number, body: &Value, taken: &mut Taken) -> Result<(), Trouble> {
    let kind = text_at(body, "type");
    let most = if kind == "list" { 4096 } else { 1024 };
    let text = words(body.get("body").unwrap_or(&Value::Null), "text", most)?;
    let action = body.get("action").cloned().unwrap_or_default();
    let header = read_header(waba, number, body, &kind, taken)?;
    let footer = match body.get("footer") {
        Some(footer) => Some(words(footer, "text", 60)?),
        None => None,
    };
    taken.bubble.buttons = match kind.as_str() {
        "button" => read_buttons(&action)?,
        "list" => {
            LIST.clone_into(&mut taken.bubble.kind);
            read_list(&action)?
        }
        "cta_url" => vec![read_link(&action)?],
        _ => return Err(Trouble::of(131_051, "Unsupported type of interactive")),
    };
    let lines: Vec<String> = header.into_iter().chain([text]).chain(footer).collect();
    taken.bubble.text = lines.join("\n");
    Ok(())
}

fn read_header(
    waba: &Waba,
    number: &Number,
    body: &Value,
    kind: &str,
    taken: &mut Taken,
) -> Result<Option<String>, Trouble> {
    let Some(header) = body.get("header") else { return Ok(None) };
    let of = text_at(header, "type");
    match of.as_str() {
        "text" => words(header, "text", 60).map(Some),
        "image" | "video" | "document" if kind != "list" => {
            let object = header.get(&of).cloned().unwrap_or_default();
            read_media(waba, number, &of, &object, taken)?;
            Ok(None)
        }
        _ => Err(bad("the type of the header does not fit")),
    }
}

fn read_buttons(action: &Value) -> Result<Vec<(String, String)>, Trouble> {
    let buttons = list_of(action, "buttons");
    if buttons.is_empty() || buttons.len() > 3 {
        return Err(bad("1 to 3 buttons are allowed"));
    }
    let mut read = Vec::new();
    for button in buttons {
        let reply = button.get("reply").filter(|_| text_at(button, "type") == "reply");
        let reply = reply.ok_or_else(|| bad("a button must be of the type reply"))?;
        read.push((words(reply, "title", 20)?, words(reply, "id", 256)?));
    }
    let ids: HashSet<&String> = read.iter().map(|(_, id)| id).collect();
    let titles: HashSet<&String> = read.iter().map(|(title, _)| title).collect();
    if ids.len() < read.len() || titles.len() < read.len() { Err(bad("buttons must differ")) } else { Ok(read) }
}

fn read_list(action: &Value) -> Result<Vec<(String, String)>, Trouble> {
    words(action, "button", 20)?;
    let sections = list_of(action, "sections");
    let mut read = Vec::new();
    for section in sections {
        if sections.len() > 1 || section.get("title").is_some() {
            words(section, "title", 24)?;
        }
        for row in list_of(section, "rows") {
            if row.get("description").is_some() {
                words(row, "description", 72)?;
            }
            read.push((words(row, "title", 24)?, words(row, "id", 200)?));
        }
    }
    let ids: HashSet<&String> = read.iter().map(|(_, id)| id).collect();
    if sections.len() > 10 || read.is_empty() || read.len() > 10 || ids.len() < read.len() {
        return Err(bad("at most 10 sections and 10 rows that differ are allowed"));
    }
    Ok(read)
}

fn read_link(action: &Value) -> Result<(String, String), Trouble> {
    if text_at(action, "name") != "cta_url" {
        return Err(bad("the name of the action must be cta_url"));
    }
    let parameters = action.get("parameters").cloned().unwrap_or_default();
    let url = words(&parameters, "url", 2000)?;
    if !url.starts_with("http") {
        return Err(bad("url is no address"));
    }
    Ok((words(&parameters, "display_text", 20)?, url))
}

/// What a press of the customer is to the app: its type and its object. `under` is the message whose button it is.
pub(crate) fn pressed(under: Option<&Bubble>, press: &str, text: &str) -> (String, Value) {
    let title = under.and_then(|bubble| bubble.buttons.iter().find(|(_, id)| id == press)).map(|(title, _)| title);
    let title = title.map_or(text, String::as_str);
    let reply = json!({"id": press, "title": title});
    match under.map(|bubble| bubble.kind.as_str()) {
        Some("interactive") => ("interactive".to_owned(), json!({"type": "button_reply", "button_reply": reply})),
        Some(LIST) => ("interactive".to_owned(), json!({"type": "list_reply", "list_reply": reply})),
        _ => ("button".to_owned(), json!({"payload": press, "text": text})),
    }
}

//! Templates: the list and the rules that a message by a template must keep.

use serde_json::{Value, json};

use super::{Account, Trouble, wants, with_account};
use crate::sandbox::args::text_at;
use crate::sandbox::door::Call;
use crate::sandbox::state::Sandbox;

/// How many templates a page holds when nobody asks for another number.
const PAGE: usize = 25;

/// `GET {account}/message_templates`.
pub(crate) fn list(sandbox: &Sandbox, node: &str, call: &Call) -> Result<Value, Trouble> {
    with_account(sandbox, node, call, |account| {
        let wanted: Vec<&Value> = account
            .templates
            .iter()
            .filter(|it| {
                ["name", "status", "language", "category"].iter().all(|key| wants(call, key, &text_at(it, key)))
            })
            .collect();
        let limit =
            call.args.whole("limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE).clamp(1, 250);
        let skip = call.args.text("after").and_then(|after| after.strip_prefix("after")?.parse().ok()).unwrap_or(0);
        let data: Vec<&Value> = wanted.iter().skip(skip).take(limit).copied().collect();
        let mut paging =
            json!({"cursors": {"before": format!("after{skip}"), "after": format!("after{}", skip + data.len())}});
        if skip + data.len() < wanted.len()
            && let Some(map) = paging.as_object_mut()
        {
            let next = format!(
                "{}/graph/v23.0/{node}/message_templates?limit={limit}&after=after{}",
                sandbox.base(),
                skip + data.len()
            );
            map.insert("next".to_owned(), json!(next));
        }
        if data.is_empty() { Ok(json!({"data": []})) } else { Ok(json!({"data": data, "paging": paging})) }
    })
}

/// What a template says to the customer.
#[derive(Debug)]
pub(crate) struct Filled {
    /// The texts of header, body and footer, one under another.
    pub(crate) text: String,
    /// The file of the header.
    pub(crate) media: Option<(String, Value)>,
    /// Texts of the buttons and what they send back.
    pub(crate) buttons: Vec<(String, String)>,
    /// `utility`, `marketing` or `authentication`.
    pub(crate) category: String,
}

/// Checks a message by a template against its definition and fills it in.
pub(crate) fn fill(account: &Account, given: &Value) -> Result<Filled, Trouble> {
    let name = text_at(given, "name");
    let language = given.get("language").map(|language| text_at(language, "code")).unwrap_or_default();
    let found = account.templates.iter().find(|it| text_at(it, "name") == name && text_at(it, "language") == language);
    let missing = || Trouble::of(132_001, &format!("template name ({name}) does not exist in {language}"));
    let template = found.ok_or_else(missing)?;
    match text_at(template, "status").as_str() {
        "APPROVED" => {}
        "PAUSED" => return Err(Trouble::of(132_015, "The template is paused")),
        "DISABLED" => return Err(Trouble::of(132_016, "The template is disabled")),
        _ => return Err(missing()),
    }
    let is_named = text_at(template, "parameter_format") == "NAMED";
    let mut filled = Filled {
        text: String::new(),
        media: None,
        buttons: Vec::new(),
        category: text_at(template, "category").to_lowercase(),
    };
    for component in template.get("components").and_then(Value::as_array).into_iter().flatten() {
        match text_at(component, "type").as_str() {
            "HEADER" => fill_header(component, parameters(given, "header"), is_named, &mut filled)?,
            "BODY" => {
                let text = fill_text("body", &text_at(component, "text"), &parameters(given, "body"), is_named)?;
                add_line(&mut filled.text, &text);
            }
            "FOOTER" => add_line(&mut filled.text, &text_at(component, "text")),
            "BUTTONS" => fill_buttons(component, given, &mut filled)?,
            _ => {}
        }
    }
    Ok(filled)
}

fn parts(given: &Value) -> impl Iterator<Item = &Value> {
    given.get("components").and_then(Value::as_array).into_iter().flatten()
}

fn parameters(given: &Value, kind: &str) -> Vec<Value> {
    let part = parts(given).find(|part| text_at(part, "type").eq_ignore_ascii_case(kind));
    part.and_then(|part| part.get("parameters")?.as_array().cloned()).unwrap_or_default()
}

fn add_line(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

fn fill_header(component: &Value, given: Vec<Value>, is_named: bool, filled: &mut Filled) -> Result<(), Trouble> {
    let format = text_at(component, "format");
    if format == "TEXT" {
        let text = fill_text("header", &text_at(component, "text"), &given, is_named)?;
        add_line(&mut filled.text, &text);
        return Ok(());
    }
    let kind = format.to_lowercase();
    let wrong = || Trouble::of(132_012, &format!("header: Format mismatch, expected {format}, received UNKNOWN"));
    let parameter = given.into_iter().next().filter(|it| text_at(it, "type") == kind).ok_or_else(wrong)?;
    let object = parameter.get(&kind).cloned().ok_or_else(wrong)?;
    if kind != "location" && object.get("id").is_none() && object.get("link").is_none() {
        return Err(wrong());
    }
    filled.media = Some((kind, object));
    Ok(())
}

/// The names of the variables in a text, in their order, each once.
fn variables(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for piece in text.split("{{").skip(1) {
        let name = piece.split("}}").next().unwrap_or_default().trim().to_owned();
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

fn fill_text(part: &str, text: &str, given: &[Value], is_named: bool) -> Result<String, Trouble> {
    let names = variables(text);
    if names.len() != given.len() {
        let details = format!(
            "{part}: number of localizable_params ({}) does not match the expected number of params ({})",
            given.len(),
            names.len()
        );
        return Err(Trouble::of(132_000, &details));
    }
    let mut out = text.to_owned();
    for (n, name) in names.iter().enumerate() {
        let value =
            if is_named { given.iter().find(|it| text_at(it, "parameter_name") == *name) } else { given.get(n) };
        let value =
            value.ok_or_else(|| Trouble::of(100, &format!("{part}: Parameter name {name} is missing or empty")))?;
        let value = shown(value);
        if value.is_empty() {
            return Err(Trouble::of(131_008, &format!("{part}: parameter {name} has no text value")));
        }
        if value.contains(['\n', '\t']) || value.contains("    ") {
            return Err(Trouble::of(
                132_018,
                "Param text cannot have new-line/tab characters or more than 4 consecutive spaces",
            ));
        }
        out = out.replace(&format!("{{{{{name}}}}}"), &value);
    }
    if out.chars().count() > 1024 {
        return Err(Trouble::of(132_005, "Translated text too long"));
    }
    Ok(out)
}

fn shown(parameter: &Value) -> String {
    let kind = text_at(parameter, "type");
    match kind.as_str() {
        "currency" | "date_time" => parameter.get(&kind).map(|it| text_at(it, "fallback_value")).unwrap_or_default(),
        _ => text_at(parameter, "text"),
    }
}

fn fill_buttons(component: &Value, given: &Value, filled: &mut Filled) -> Result<(), Trouble> {
    for (n, button) in component.get("buttons").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let part = parts(given)
            .find(|it| text_at(it, "type").eq_ignore_ascii_case("button") && text_at(it, "index") == n.to_string());
        let parameter = part.and_then(|part| part.get("parameters")?.as_array()?.first().cloned()).unwrap_or_default();
        let kind = text_at(button, "type");
        let needs = (kind == "URL" && text_at(button, "url").contains("{{")) || kind == "COPY_CODE";
        if needs && parameter.is_null() {
            return Err(Trouble::of(
                131_008,
                &format!("Required parameter is missing: button at index {n} of type {kind} requires a parameter"),
            ));
        }
        if kind == "URL" && !needs && !parameter.is_null() {
            return Err(Trouble::of(
                132_000,
                &format!("buttons: Button at index {n} of type Url does not require parameters"),
            ));
        }
        let payload = text_at(&parameter, "payload");
        let text = text_at(button, "text");
        let back = if payload.is_empty() { text.clone() } else { payload };
        filled.buttons.push((text, if kind == "QUICK_REPLY" { back } else { String::new() }));
    }
    Ok(())
}

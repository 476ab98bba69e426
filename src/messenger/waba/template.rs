//! Templates: the name, the language, and values for what varies. Components without a value are not listed.

use serde_json::{Map, Value, json};

use super::content::{kind_name, media_object};
use super::media::Placed;
use crate::model::message::{Template, TemplateButton, TemplateValue};

/// The fields of a template message; `file` is the placed file of a media header.
pub(super) fn body(template: &Template, file: Option<&Placed>) -> Map<String, Value> {
    let mut object = json!({"name": template.name, "language": {"code": template.language}});
    let components = components(template, file);
    if let (Some(object), false) = (object.as_object_mut(), components.is_empty()) {
        object.insert("components".to_owned(), Value::Array(components));
    }
    Map::from_iter([("type".to_owned(), json!("template")), ("template".to_owned(), object)])
}

fn components(template: &Template, file: Option<&Placed>) -> Vec<Value> {
    let header = match (&template.header_media, file, &template.header_text) {
        (Some(media), Some(file), _) => {
            let kind = kind_name(media.kind);
            Some(json!({"type": kind, kind: media_object(media, file, None)}))
        }
        (_, _, Some(value)) => Some(text(value)),
        _ => None,
    };
    let header = header.map(|parameter| json!({"type": "header", "parameters": [parameter]}));
    let body: Vec<Value> = template.body.iter().map(text).collect();
    let body = (!body.is_empty()).then(|| json!({"type": "body", "parameters": body}));
    header.into_iter().chain(body).chain(template.buttons.iter().map(button)).collect()
}

/// Line feeds, tabs and more than four spaces in a row are refused by Meta, so they become one space.
fn text(value: &TemplateValue) -> Value {
    let words = value.text.split_whitespace().collect::<Vec<_>>().join(" ");
    match &value.name {
        Some(name) => json!({"type": "text", "parameter_name": name, "text": words}),
        None => json!({"type": "text", "text": words}),
    }
}

fn button(button: &TemplateButton) -> Value {
    let parameter = match button.kind.as_str() {
        "quick_reply" => json!({"type": "payload", "payload": button.value}),
        "copy_code" => json!({"type": "coupon_code", "coupon_code": button.value}),
        _ => json!({"type": "text", "text": button.value}),
    };
    json!({"type": "button", "sub_type": button.kind, "index": button.index.to_string(), "parameters": [parameter]})
}

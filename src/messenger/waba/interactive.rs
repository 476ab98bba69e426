//! Messages with something to press: the limits of the Cloud API, and how it names what there is.

use serde_json::{Map, Value, json};

use super::content::{kind_name, media_object};
use super::media::Placed;
use crate::model::interactive::{ChoiceList, Interactive, InteractiveLimits, ListRow, ListSection};
use crate::model::message::Media;
use crate::model::result::Code;
use crate::model::vendor::Answer;

/// How much the Cloud API takes.
pub(super) const LIMITS: InteractiveLimits = InteractiveLimits {
    buttons: 3,
    button_title: 20,
    button_id: 256,
    sections: 10,
    section_title: 24,
    rows: 10,
    row_title: 24,
    row_description: 72,
    row_id: 200,
    url: 2000,
    header: 60,
    footer: 60,
    text: 1024,
    list_text: 4096,
};

/// Whether what there is to press fits beneath this text and this file.
pub(super) fn check(interactive: &Interactive, text: &str, file: Option<&Media>) -> Result<(), Answer> {
    let checked = interactive.check(text, file.map(|file| file.kind), &LIMITS);
    checked.map_err(|bad| Answer::Refused { code: Code::InteractiveBad, text: format!("{}: {}", bad.field, bad.en) })
}

/// The object of a checked message; the file is the placed one of its header.
pub(super) fn object(interactive: &Interactive, text: &str, file: Option<(&Media, &Placed)>) -> Value {
    let (kind, action) = action(interactive);
    let mut object = Map::from_iter([
        ("type".to_owned(), json!(kind)),
        ("body".to_owned(), json!({"text": text})),
        ("action".to_owned(), action),
    ]);
    let header = match file {
        Some((media, placed)) => {
            let kind = kind_name(media.kind);
            Some(json!({"type": kind, kind: media_object(media, placed, None)}))
        }
        None => interactive.header.as_ref().map(|words| json!({"type": "text", "text": words})),
    };
    object.extend(header.map(|header| ("header".to_owned(), header)));
    object.extend(interactive.footer.as_ref().map(|words| ("footer".to_owned(), json!({"text": words}))));
    Value::Object(object)
}

fn action(interactive: &Interactive) -> (&'static str, Value) {
    if let Some(list) = &interactive.list {
        return ("list", json!({"button": list.button, "sections": sections(list)}));
    }
    if let Some(link) = &interactive.link {
        let parameters = json!({"display_text": link.title, "url": link.url});
        return ("cta_url", json!({"name": "cta_url", "parameters": parameters}));
    }
    let button = |button: &crate::model::interactive::PressButton| json!({"type": "reply", "reply": {"id": button.id, "title": button.title}});
    ("button", json!({"buttons": interactive.buttons.iter().map(button).collect::<Vec<_>>()}))
}

fn sections(list: &ChoiceList) -> Vec<Value> {
    let section = |section: &ListSection| {
        let mut object = json!({"rows": section.rows.iter().map(row).collect::<Vec<_>>()});
        if let (Some(object), Some(title)) = (object.as_object_mut(), &section.title) {
            object.insert("title".to_owned(), json!(title));
        }
        object
    };
    list.sections.iter().map(section).collect()
}

fn row(row: &ListRow) -> Value {
    let mut object = json!({"id": row.id, "title": row.title});
    if let (Some(object), Some(words)) = (object.as_object_mut(), &row.description) {
        object.insert("description".to_owned(), json!(words));
    }
    object
}

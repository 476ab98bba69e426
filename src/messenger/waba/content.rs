//! Free messages: a text, one file with or without a caption, a place, cards, or a text with something to press.

use serde_json::{Map, Value, json};

use super::interactive;
use super::media::Placed;
use super::send::text_limits;
use crate::messenger::parcel::refused;
use crate::model::message::{Card, Content, Media, MediaKind, Place};
use crate::model::result::Code;
use crate::model::vendor::Answer;

/// Whether the message fits into one call. A caption that is too long, or that a sound cannot have, is refused whole: two
/// calls would break the pace and could leave half a message at the recipient's.
pub(super) fn check(content: &Content) -> Result<(), Answer> {
    let length = content.text.as_deref().map_or(0, |text| text.chars().count());
    let blank = content.text.as_deref().is_none_or(|text| text.trim().is_empty());
    let (text_limit, caption_limit) = text_limits();
    if content.has_place_or_cards() {
        // both are messages of their own
        let alone = blank && content.media.is_none() && (content.place.is_none() || content.cards.is_empty());
        let alone = alone && content.interactive.is_none();
        return if alone { Ok(()) } else { Err(refused(Code::NotSupported)) };
    }
    if let Some(found) = &content.interactive {
        return interactive::check(found, content.text.as_deref().unwrap_or_default(), content.media.as_ref());
    }
    match &content.media {
        None if blank => Err(refused(Code::MessageEmpty)),
        None if length > text_limit => Err(refused(Code::MessageTooLong)),
        Some(media) if !blank && !has_caption(media.kind) => Err(refused(Code::NotSupported)),
        Some(_) if length > caption_limit => Err(refused(Code::MessageTooLong)),
        _ => Ok(()),
    }
}

/// The fields of a checked message.
pub(super) fn body(content: &Content, file: Option<&Placed>) -> Map<String, Value> {
    let text = content.text.as_deref().filter(|text| !text.trim().is_empty());
    let (kind, object) = if let Some(found) = &content.interactive {
        let file = content.media.as_ref().zip(file);
        ("interactive", interactive::object(found, text.unwrap_or_default(), file))
    } else if let (Some(media), Some(file)) = (&content.media, file) {
        (kind_name(media.kind), media_object(media, file, text))
    } else if let Some(place) = &content.place {
        ("location", place_object(place))
    } else if !content.cards.is_empty() {
        ("contacts", json!(content.cards.iter().map(card_object).collect::<Vec<_>>()))
    } else {
        let text = text.unwrap_or_default();
        ("text", json!({"body": text, "preview_url": text.contains("https://") || text.contains("http://")}))
    };
    Map::from_iter([("type".to_owned(), json!(kind)), (kind.to_owned(), object)])
}

fn place_object(place: &Place) -> Value {
    let (latitude, longitude) = place.degrees();
    // the published schema has degrees as texts
    let mut object = Map::from_iter([
        ("latitude".to_owned(), json!(latitude.to_string())),
        ("longitude".to_owned(), json!(longitude.to_string())),
    ]);
    for (name, words) in [("name", &place.title), ("address", &place.address)] {
        if let Some(words) = words {
            object.insert(name.to_owned(), json!(words));
        }
    }
    Value::Object(object)
}

fn card_object(card: &Card) -> Value {
    json!({"name": {"formatted_name": card.name, "first_name": card.name},
        "phones": [{"phone": format!("+{}", card.phone)}]})
}

/// A file as the API names it, in a message and in a template's header.
pub(super) fn media_object(media: &Media, file: &Placed, caption: Option<&str>) -> Value {
    let mut object = Map::new();
    match file {
        Placed::Id(id) => object.insert("id".to_owned(), json!(id)),
        Placed::Link(link) => object.insert("link".to_owned(), json!(link)),
    };
    if let Some(caption) = caption {
        object.insert("caption".to_owned(), json!(caption));
    }
    if media.kind == MediaKind::Document && !media.name.is_empty() {
        object.insert("filename".to_owned(), json!(media.name));
    }
    if media.kind == MediaKind::Voice {
        object.insert("voice".to_owned(), json!(true));
    }
    Value::Object(object)
}

/// The name of a kind, which is also the name of its object.
pub(super) const fn kind_name(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image",
        MediaKind::Video => "video",
        MediaKind::Audio | MediaKind::Voice => "audio",
        MediaKind::Sticker => "sticker",
        MediaKind::Document => "document",
    }
}

const fn has_caption(kind: MediaKind) -> bool {
    matches!(kind, MediaKind::Image | MediaKind::Video | MediaKind::Document)
}

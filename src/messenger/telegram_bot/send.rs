//! Sending: one message is one call. What does not fit into one call is refused before anything leaves, since two calls would
//! break the pace and could leave half a message at the recipient's; whoever writes longer texts splits them himself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::multipart::Form;
use serde_json::{Map, Value, json};

use super::answer::{Failure, result_of};
use super::{ABOUT, TOO_BIG, about_of, limit_of, method, token};
use crate::messenger::parcel::{Parcel, refused};
use crate::messenger::{Wire, field};
use crate::model::markup::{Mark, Span};
use crate::model::message::{Card, Media, MediaKind, Outgoing, Peer, Place};
use crate::model::result::Code;
use crate::model::vendor::Answer;
use crate::net::http::Limits;

pub(super) async fn send(wire: &Wire, message: &Outgoing) -> Answer {
    let draft = match Draft::of(wire, message) {
        Ok(draft) => draft,
        Err(answer) => return answer,
    };
    let failure = match draft.post(wire).await {
        Ok(made) => return done(&draft, &made),
        Err(failure) => failure,
    };
    // both were certainly not taken, and both are put right by one more call
    let second = match failure {
        Failure { moved_to: Some(to), .. } => Draft { chat: json!(to), ..draft.clone() },
        Failure { reply_gone: true, .. } if draft.reply_to.is_some() => Draft { reply_to: None, ..draft.clone() },
        Failure { answer, .. } => return answer,
    };
    match second.post(wire).await {
        Ok(made) => done(&draft, &made),
        Err(failure) => failure.answer,
    }
}

/// A message that was found fit to be sent.
#[derive(Clone)]
struct Draft<'a> {
    business: Option<&'a str>,
    chat: Value,
    text: Option<&'a str>,
    spans: &'a [Span],
    media: Option<&'a Media>,
    place: Option<&'a Place>,
    card: Option<&'a Card>,
    reply_to: Option<i64>,
}

impl<'a> Draft<'a> {
    fn of(wire: &Wire, message: &'a Outgoing) -> Result<Self, Answer> {
        let content = &message.content;
        let text = content.text.as_deref().filter(|text| !text.trim().is_empty());
        let apart = usize::from(content.place.is_some()) + content.cards.len();
        // a place and a card are messages of their own, and several cards would be several messages
        if content.template.is_some()
            || content.interactive.is_some()
            || apart > 1
            || (apart == 1 && (text.is_some() || content.media.is_some()))
        {
            return Err(refused(Code::NotSupported));
        }
        if apart == 0 {
            check_length(text, content.media.as_ref())?;
        }
        if let Some(media) = &content.media {
            check_size(wire, media.kind, media.size.unwrap_or_default())?;
        }
        let (business, chat) = recipient(&message.to)?;
        let reply_to = message.reply_to.as_deref().and_then(|id| id.parse().ok());
        let (place, card) = (content.place.as_ref(), content.cards.first());
        Ok(Self { business, chat, text, spans: &content.spans, media: content.media.as_ref(), place, card, reply_to })
    }

    async fn post(&self, wire: &Wire) -> Result<Value, Failure> {
        if let Some(place) = self.place {
            let (name, fields) = place_call(place);
            return self.post_json(wire, name, fields).await;
        }
        if let Some(card) = self.card {
            let fields = json!({"phone_number": format!("+{}", card.phone), "first_name": card.name});
            return self.post_json(wire, "sendContact", fields).await;
        }
        match self.media {
            None => {
                let fields = json!({"text": self.text, "entities": entities(self.spans)});
                self.post_json(wire, "sendMessage", fields).await
            }
            Some(media) if goes_as_link(media) => {
                let (name, field) = method_of(media.kind);
                self.post_json(
                    wire,
                    name,
                    json!({field: media.source, "caption": self.text, "caption_entities": entities(self.spans)}),
                )
                .await
            }
            Some(media) => self.post_file(wire, media).await,
        }
    }

    async fn post_json(&self, wire: &Wire, name: &str, content: Value) -> Result<Value, Failure> {
        let mut fields = self.address();
        fields
            .extend(content.as_object().cloned().unwrap_or_default().into_iter().filter(|(_, value)| !value.is_null()));
        let request = wire.http.client().post(method(wire, &token(wire), name)).json(&fields);
        result_of(wire.http.call(request, wire.http.limits()).await)
    }

    async fn post_file(&self, wire: &Wire, media: &Media) -> Result<Value, Failure> {
        let (name, field) = method_of(media.kind);
        let parcel = Parcel::pack(wire, media, u64::MAX).await?;
        check_size(wire, media.kind, parcel.size)?;
        let broke = parcel.witness();
        let mut form = Form::new();
        for (key, value) in self.address() {
            form = form.text(key, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        if let Some(caption) = self.text {
            form = form.text("caption", caption.to_owned());
            if let Some(entities) = entities(self.spans) {
                form = form.text("caption_entities", entities.to_string());
            }
        }
        let form = form.part(field, parcel.part);
        let request = wire.http.client().post(method(wire, &token(wire), name)).multipart(form);
        let result = result_of(wire.http.call(request, time_for(wire, parcel.size)).await);
        result.map_err(|failure| unless_broken(failure, &broke))
    }

    fn address(&self) -> Map<String, Value> {
        let mut fields = Map::from_iter([("chat_id".to_owned(), self.chat.clone())]);
        if let Some(business) = self.business {
            fields.insert("business_connection_id".to_owned(), json!(business));
        }
        if let Some(id) = self.reply_to {
            // the answered message may have been deleted, which is no reason to keep the answer back
            fields
                .insert("reply_parameters".to_owned(), json!({"message_id": id, "allow_sending_without_reply": true}));
        }
        fields
    }
}

/// Emphasis as Telegram is told of it; none where there is none.
fn entities(spans: &[Span]) -> Option<Value> {
    let entity = |span: &Span| {
        let name = match &span.mark {
            Mark::Bold => "bold",
            Mark::Italic => "italic",
            Mark::Underline => "underline",
            Mark::Strike => "strikethrough",
            Mark::Code => "code",
            Mark::Quote => "blockquote",
            Mark::Link(_) => "text_link",
        };
        let mut entity = json!({"type": name, "offset": span.start, "length": span.length});
        if let (Mark::Link(url), Some(map)) = (&span.mark, entity.as_object_mut()) {
            map.insert("url".to_owned(), json!(url));
        }
        entity
    };
    (!spans.is_empty()).then(|| spans.iter().map(entity).collect())
}

/// A place with words beside it is a venue, which must have both a title and an address.
fn place_call(place: &Place) -> (&'static str, Value) {
    let (latitude, longitude) = place.degrees();
    let (title, address) = (place.title.as_deref(), place.address.as_deref());
    match title.or(address) {
        None => ("sendLocation", json!({"latitude": latitude, "longitude": longitude})),
        Some(words) => {
            let (title, address) = (title.unwrap_or(words), address.unwrap_or(words));
            let fields = json!({"latitude": latitude, "longitude": longitude, "title": title, "address": address});
            ("sendVenue", fields)
        }
    }
}

/// Telegram counts UTF-16 units.
fn check_length(text: Option<&str>, media: Option<&Media>) -> Result<(), Answer> {
    let units = text.map_or(0, |text| text.encode_utf16().count());
    let Some(media) = media else {
        return match units {
            0 => Err(refused(Code::MessageEmpty)),
            _ if units > ABOUT.text_limit => Err(refused(Code::MessageTooLong)),
            _ => Ok(()),
        };
    };
    if units > 0 && media.kind == MediaKind::Sticker {
        return Err(refused(Code::NotSupported));
    }
    if units > ABOUT.caption_limit {
        return Err(refused(Code::MessageTooLong));
    }
    Ok(())
}

fn check_size(wire: &Wire, kind: MediaKind, size: u64) -> Result<(), Answer> {
    if size <= limit_of(about_of(wire), kind) {
        return Ok(());
    }
    let raised = wire.local.is_none() && size <= limit_of(&super::LOCAL, kind);
    let text = if raised { TOO_BIG.1 } else { Code::FileTooBig.en() };
    Err(Answer::Refused { code: Code::FileTooBig, text: text.to_owned() })
}

/// A server of one's own answers when it has passed the file on to Telegram: a second for each megabyte is a slow way out.
fn time_for(wire: &Wire, size: u64) -> Limits {
    let usual = wire.http.limits().with_file();
    let slow = Duration::from_secs(if wire.local.is_some() { size >> 20 } else { 0 });
    Limits { deadline: usual.deadline.max(slow), ..usual }
}

/// A chat by its number, `connection/number` for a chat of a business account, or `@name` of a public channel or group: the
/// name of a person leads nowhere, which Telegram answers itself.
pub(super) fn recipient(to: &Peer) -> Result<(Option<&str>, Value), Answer> {
    match to {
        Peer::Phone(_) | Peer::Email(_) => Err(refused(Code::CannotWriteFirst)),
        Peer::Username(name) => Ok((None, json!(format!("@{name}")))),
        Peer::Chat(chat) => {
            let (business, chat) =
                chat.split_once('/').map_or((None, chat.as_str()), |(left, right)| (Some(left), right));
            match chat.parse::<i64>() {
                Ok(number) => Ok((business, json!(number))),
                Err(_) if business.is_none() && chat.len() > 1 && chat.starts_with('@') => Ok((None, json!(chat))),
                Err(_) => Err(refused(Code::AddressBad)),
            }
        }
    }
}

const fn method_of(kind: MediaKind) -> (&'static str, &'static str) {
    match kind {
        MediaKind::Image => ("sendPhoto", "photo"),
        MediaKind::Video => ("sendVideo", "video"),
        MediaKind::Audio => ("sendAudio", "audio"),
        MediaKind::Voice => ("sendVoice", "voice"),
        MediaKind::Sticker => ("sendSticker", "sticker"),
        MediaKind::Document => ("sendDocument", "document"),
    }
}

/// Telegram fetches an address itself only up to 5 MB for a picture and 20 MB for the rest, and as a document takes only
/// pdf, zip and gif for sure. Everything else we fetch, and send its bytes.
fn goes_as_link(media: &Media) -> bool {
    const LINKED: [&str; 3] = ["application/pdf", "application/zip", "image/gif"];
    let most = if media.kind == MediaKind::Image { 5 << 20 } else { 20 << 20 };
    media.source.starts_with("https://")
        && media.size.is_none_or(|size| size <= most)
        && (media.kind != MediaKind::Document || LINKED.contains(&media.mime.as_str()))
}

/// Where our own file broke off, the call was cut by us and nothing was taken.
fn unless_broken(failure: Failure, broke: &AtomicBool) -> Failure {
    match failure.answer {
        Answer::Unsure { seen, .. } if broke.load(Ordering::Relaxed) => Answer::Down { seen }.into(),
        _ => failure,
    }
}

/// A success that names no message cannot be told from a page that looks like one.
fn done(draft: &Draft<'_>, made: &Value) -> Answer {
    let Some(id) = field::id(made, "message_id") else {
        return Answer::Unsure { seen: "a success without a message id".to_owned(), resendable: false };
    };
    let chat = made.get("chat").and_then(|chat| chat.get("id")).filter(|id| id.is_i64() && **id != draft.chat);
    let chat = chat.filter(|_| draft.business.is_none()).map(Value::to_string);
    Answer::Done { vendor_ids: vec![id], chat }
}

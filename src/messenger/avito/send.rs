//! Sending: a text is one call, a picture is uploaded and then named in one. Other files go as an address in the text.

use reqwest::Method;
use reqwest::multipart::Form;
use serde_json::{Value, json};

use super::{ABOUT, LARGEST, answer, call, request, token, user_id};
use crate::messenger::parcel::{self, Parcel, refused};
use crate::messenger::{Fetched, Wire, field};
use crate::model::message::{IncomingMedia, Media, MediaKind, Outgoing, Peer};
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::vendor::Answer;

/// What stands before the id of a voice note, whose address is asked for when it is fetched.
pub(super) const VOICE: &str = "voice:";

pub(super) async fn send(wire: &Wire, message: &Outgoing, now: Moment) -> Answer {
    match try_send(wire, message, now).await {
        Ok(answer) | Err(answer) => answer,
    }
}

async fn try_send(wire: &Wire, message: &Outgoing, now: Moment) -> Result<Answer, Answer> {
    let draft = Draft::of(message)?;
    let chat = recipient(&message.to)?;
    if token::has_run_out(wire, now) {
        return Err(Answer::Expired { seen: "the token has run out".to_owned() });
    }
    let account = user_id(wire);
    let mut path = vec!["messenger", "v1", "accounts", &account, "chats", chat, "messages"];
    let body = match draft {
        Draft::Text(text) => json!({"type": "text", "message": {"text": text}}),
        Draft::Picture(media) => {
            path.push("image");
            json!({"image_id": upload(wire, &account, media).await?})
        }
    };
    let made = call(wire, Method::POST, &path, Some(&body)).await?;
    match field::id(&made, "id") {
        Some(id) => Ok(Answer::Done { vendor_ids: vec![id], chat: Some(chat.to_owned()) }),
        None => Err(Answer::Unsure { seen: "a success without a message id".to_owned(), resendable: false }),
    }
}

/// A message that was found fit to be sent.
enum Draft<'a> {
    Text(String),
    Picture(&'a Media),
}

impl<'a> Draft<'a> {
    fn of(message: &'a Outgoing) -> Result<Self, Answer> {
        let content = &message.content;
        if content.has_more_than_words() {
            return Err(refused(Code::NotSupported));
        }
        let text = content.text.as_deref().filter(|text| !text.trim().is_empty());
        let length = text.map_or(0, |text| text.chars().count());
        let Some(media) = &content.media else {
            return match text {
                None => Err(refused(Code::MessageEmpty)),
                Some(_) if length > ABOUT.text_limit => Err(refused(Code::MessageTooLong)),
                Some(text) => Ok(Self::Text(text.to_owned())),
            };
        };
        if length > ABOUT.caption_limit {
            return Err(refused(Code::MessageTooLong));
        }
        if media.size.is_some_and(|size| size > LARGEST) {
            return Err(refused(Code::FileTooBig));
        }
        Self::of_file(media, text)
    }

    /// A picture has no caption, and two calls could leave half a message at the buyer's.
    fn of_file(media: &'a Media, text: Option<&str>) -> Result<Self, Answer> {
        const PICTURES: [&str; 7] =
            ["image/jpeg", "image/jpg", "image/png", "image/gif", "image/bmp", "image/heic", "image/heif"];
        let picture = media.kind == MediaKind::Image && PICTURES.contains(&media.mime.as_str());
        match (picture, text) {
            (true, None) => Ok(Self::Picture(media)),
            _ if media.kind == MediaKind::Sticker || !media.source.starts_with("https://") => {
                Err(refused(Code::NotSupported))
            }
            _ => {
                let lines: Vec<&str> = text.into_iter().chain([media.source.as_str()]).collect();
                let text = lines.join("\n");
                let fits = text.chars().count() <= ABOUT.text_limit;
                if fits { Ok(Self::Text(text)) } else { Err(refused(Code::MessageTooLong)) }
            }
        }
    }
}

/// A chat by its name; everything else leads nowhere, since buyers begin every chat.
fn recipient(to: &Peer) -> Result<&str, Answer> {
    match to {
        Peer::Phone(_) | Peer::Email(_) | Peer::Username(_) => Err(refused(Code::CannotWriteFirst)),
        Peer::Chat(chat) if chat.trim().is_empty() || matches!(chat.as_str(), "." | "..") => {
            Err(refused(Code::AddressBad))
        }
        Peer::Chat(chat) => Ok(chat),
    }
}

/// Marks everything in a chat as read by us, as the buyer sees it. May be repeated.
pub(super) async fn mark_read(wire: &Wire, chat: &str) -> Answer {
    let account = user_id(wire);
    let path = ["messenger", "v1", "accounts", &account, "chats", chat, "read"];
    match call(wire, Method::POST, &path, None).await.map_err(answer::repeatable) {
        Ok(_) => Answer::done(),
        Err(answer) => answer,
    }
}

/// Uploads a picture; the answer names it by a key of its own.
async fn upload(wire: &Wire, account: &str, media: &Media) -> Result<String, Answer> {
    let parcel = Parcel::pack(wire, media, LARGEST).await?;
    let form = Form::new().part("uploadfile[]", parcel.part);
    let request = request(wire, Method::POST, &["messenger", "v1", "accounts", account, "uploadImages"])?;
    let called = wire.http.call(request.multipart(form), wire.http.limits().with_file()).await;
    let made = answer::result_of(called).map_err(|answer| match answer::repeatable(answer) {
        Answer::Refused { code: Code::Refused, text } => Answer::Refused { code: Code::FileBad, text },
        other => other,
    })?;
    let id = made.as_object().and_then(|made| made.keys().next().cloned());
    id.ok_or_else(|| Answer::Down { seen: "an upload without an id".to_owned() })
}

/// Fetches a file that came in; the address of a voice note lives an hour and is asked for first.
pub(super) async fn fetch(wire: &Wire, media: &IncomingMedia, limit: u64) -> Result<Fetched, Answer> {
    let Some(id) = media.vendor_id.strip_prefix(VOICE) else { return parcel::fetch(wire, media, limit).await };
    if media.size.is_some_and(|size| size > limit) {
        return Err(refused(Code::FileTooBig));
    }
    let request = request(wire, Method::GET, &["messenger", "v1", "accounts", &user_id(wire), "getVoiceFiles"])?;
    let called = wire.http.call(request.query(&[("voice_ids", id)]), wire.http.limits()).await;
    let found = answer::result_of(called).map_err(answer::repeatable)?;
    let url = found.get("voices_urls").and_then(|urls| urls.get(id)).and_then(Value::as_str);
    let url = url.ok_or_else(|| refused(Code::FileGone))?;
    let voice = IncomingMedia { vendor_id: url.to_owned(), ..media.clone() };
    parcel::fetch(wire, &voice, limit).await
}

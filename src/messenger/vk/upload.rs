//! Files: VK names an address, the file is posted there, and what came of it is saved. Pictures, voice notes and everything
//! else go three ways that look alike.

use reqwest::multipart::Form;
use serde_json::Value;

use super::{LARGEST, answer, call};
use crate::messenger::parcel::{Parcel, refused};
use crate::messenger::{Wire, field};
use crate::model::message::{Media, MediaKind};
use crate::model::result::Code;
use crate::model::vendor::Answer;

/// Uploads a file for a chat; the answer is how a message names it. An address is fetched by us: VK takes bytes only.
pub(super) async fn place(wire: &Wire, peer: i64, media: &Media) -> Result<String, Answer> {
    let way = Way::of(media);
    match way.try_place(wire, peer, media).await {
        // the address lives shortly, and an upload that failed is begun anew once
        Err(Answer::Refused { code: Code::FileBad, text }) if text.starts_with("(22)") => {
            way.try_place(wire, peer, media).await
        }
        placed => placed,
    }
}

/// How a file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Photo,
    Voice,
    Document,
}

impl Way {
    /// Pictures of other formats are documents to VK; so are films, since videos are taken from people only.
    fn of(media: &Media) -> Self {
        match (media.kind, media.mime.as_str()) {
            (MediaKind::Image, "image/jpeg" | "image/jpg" | "image/png" | "image/gif") => Self::Photo,
            (MediaKind::Voice, "audio/ogg" | "audio/opus" | "audio/ogg; codecs=opus") => Self::Voice,
            _ => Self::Document,
        }
    }

    async fn try_place(self, wire: &Wire, peer: i64, media: &Media) -> Result<String, Answer> {
        // opened before anything is asked: a file that is gone needs no call
        let parcel = Parcel::pack(wire, media, LARGEST).await?;
        let (method, mut parameters) = match self {
            Self::Photo => ("photos.getMessagesUploadServer", Vec::new()),
            Self::Voice => ("docs.getMessagesUploadServer", vec![("type", "audio_message".to_owned())]),
            Self::Document => ("docs.getMessagesUploadServer", vec![("type", "doc".to_owned())]),
        };
        parameters.push(("peer_id", peer.to_string()));
        let server = call(wire, method, &parameters).await.map_err(answer::repeatable)?;
        let address = field::address(wire, &server, "upload_url").ok_or_else(|| unnamed("an upload address"))?;
        let posted = self.post(wire, &address, parcel).await?;
        let saved = match self {
            Self::Photo => save_photo(wire, &posted).await?,
            Self::Voice | Self::Document => save_document(wire, &posted, media).await?,
        };
        attachment(&saved).ok_or_else(|| unnamed("a file"))
    }

    async fn post(self, wire: &Wire, address: &str, parcel: Parcel) -> Result<Value, Answer> {
        let form = Form::new().part(if self == Self::Photo { "photo" } else { "file" }, parcel.part);
        let request = wire.http.client().post(address).multipart(form);
        let called = wire.http.call(request, wire.http.limits().with_file()).await;
        // no message is made by an upload, so it may be made again whatever became of it
        let reply = called.map_err(|error| Answer::Down { seen: error.seen() })?;
        let body = reply.json();
        if let Some(error) = body.get("error").filter(|error| !error.is_null()) {
            let words = field::text(&body, "error_descr").or_else(|| error.as_str().map(str::to_owned));
            return Err(Answer::Refused { code: Code::FileBad, text: field::short(&words.unwrap_or_default()) });
        }
        if !(200..300).contains(&reply.status) || !body.is_object() {
            return Err(answer::repeatable(answer::read_page(&reply)));
        }
        Ok(body)
    }
}

async fn save_photo(wire: &Wire, posted: &Value) -> Result<Value, Answer> {
    let photo = field::text(posted, "photo").filter(|photo| photo != "[]").ok_or_else(|| refused(Code::FileBad))?;
    let parameters = [
        ("photo", photo),
        ("server", field::id(posted, "server").unwrap_or_default()),
        ("hash", field::text(posted, "hash").unwrap_or_default()),
    ];
    let saved = call(wire, "photos.saveMessagesPhoto", &parameters).await.map_err(answer::repeatable)?;
    Ok(serde_json::json!({"type": "photo", "photo": saved.get(0)}))
}

async fn save_document(wire: &Wire, posted: &Value, media: &Media) -> Result<Value, Answer> {
    let file = field::text(posted, "file").ok_or_else(|| refused(Code::FileBad))?;
    let parameters = [("file", file), ("title", media.name.clone())];
    call(wire, "docs.save", &parameters).await.map_err(answer::repeatable)
}

/// `<type><owner>_<id>_<key>`; a voice note is named like the document that it is.
fn attachment(saved: &Value) -> Option<String> {
    let kind = field::text(saved, "type")?;
    let file = saved.get(&kind)?;
    let (owner, id) = (field::id(file, "owner_id")?, field::id(file, "id")?);
    let key = field::text(file, "access_key").map(|key| format!("_{key}")).unwrap_or_default();
    Some(format!("{kind}{owner}_{id}{key}"))
}

fn unnamed(what: &str) -> Answer {
    Answer::Down { seen: format!("VK named no {what}") }
}

//! Files: uploaded before they are sent, and fetched by their id when they came in.

use reqwest::multipart::Form;

use super::{ABOUT, call, code, phone_number_id};
use crate::messenger::parcel::{self, Parcel, refused};
use crate::messenger::{Fetched, Wire, field};
use crate::model::message::{IncomingMedia, Media, MediaKind};
use crate::model::result::Code;
use crate::model::vendor::Answer;

/// Where Meta finds a file that we send.
pub(super) enum Placed {
    /// An id of Meta's, good for 30 days.
    Id(String),
    /// An address that Meta fetches itself.
    Link(String),
}

/// Makes a file ready to be named in a message: uploads ours, and leaves an address as it is.
pub(super) async fn place(wire: &Wire, media: &Media) -> Result<Placed, Answer> {
    if media.source.starts_with("https://") {
        return Ok(Placed::Link(media.source.clone()));
    }
    let parcel = Parcel::pack(wire, media, limit_of(media.kind)).await?;
    let form = Form::new().text("messaging_product", "whatsapp").text("type", media.mime.clone());
    let form = form.part("file", parcel.part);
    let request = call(wire, reqwest::Method::POST, &format!("{}/media", phone_number_id(wire))).multipart(form);
    let made = wire.http.call(request, wire.http.limits().with_file()).await;
    let made = code::result_of(made).map_err(|answer| repeatable(answer, Code::FileBad))?;
    let id = field::id(&made, "id").ok_or_else(|| Answer::Down { seen: "an upload without an id".to_owned() })?;
    Ok(Placed::Id(id))
}

/// Asks for the address of the file, which lives five minutes, and fetches it with the same token.
pub(super) async fn fetch(wire: &Wire, media: &IncomingMedia, limit: u64) -> Result<Fetched, Answer> {
    if media.size.is_some_and(|size| size > limit) {
        return Err(refused(Code::FileTooBig));
    }
    let request =
        call(wire, reqwest::Method::GET, &media.vendor_id).query(&[("phone_number_id", phone_number_id(wire))]);
    let found = code::result_of(wire.http.call(request, wire.http.limits()).await);
    let found = found.map_err(|answer| repeatable(answer, Code::FileGone))?;
    let address = field::address(wire, &found, "url").ok_or_else(|| refused(Code::FileGone))?;
    let token = field::secret(&wire.secrets, "token");
    let request = wire.http.client().get(address).bearer_auth(token);
    let reply = parcel::download(wire, request, limit).await?;
    match reply.status {
        200 => {
            Ok(Fetched { mime: media.mime.clone().or_else(|| field::text(&found, "mime_type")), bytes: reply.bytes })
        }
        // the address may just have run out: a repetition asks for a fresh one
        401 | 404 | 429 | 500.. => Err(Answer::Down { seen: format!("HTTP {} for a file", reply.status) }),
        _ => Err(refused(Code::FileGone)),
    }
}

/// The largest file of a kind.
pub(super) fn limit_of(kind: MediaKind) -> u64 {
    ABOUT.media_limits.iter().find(|(listed, _)| *listed == kind).map_or(0, |(_, limit)| *limit)
}

/// Uploading or asking twice does no harm, since the recipient sees nothing of it; and what is refused is the file.
fn repeatable(answer: Answer, code: Code) -> Answer {
    match answer {
        Answer::Unsure { seen, .. } => Answer::Down { seen },
        Answer::Refused { code: Code::Refused, text } => Answer::Refused { code, text },
        other => other,
    }
}

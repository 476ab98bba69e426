//! Files that came in: `getFile` names a path, and the path is fetched. The bot's token stands in both addresses.

use serde_json::json;

use super::{answer, method, token};
use crate::messenger::parcel::{self, refused};
use crate::messenger::{Fetched, Wire, field};
use crate::model::message::IncomingMedia;
use crate::model::result::Code;
use crate::model::vendor::Answer;

pub(super) async fn fetch(wire: &Wire, media: &IncomingMedia, limit: u64) -> Result<Fetched, Answer> {
    if media.size.is_some_and(|size| size > limit) {
        return Err(refused(Code::FileTooBig));
    }
    let token = token(wire);
    let request = wire.http.client().post(method(wire, &token, "getFile")).json(&json!({"file_id": media.vendor_id}));
    let file = answer::result_of(wire.http.call(request, wire.http.limits()).await)
        .map_err(|failure| repeatable(failure.answer))?;
    // a server with `--local` names a path on its own disk, which we cannot reach
    let path = field::text(&file, "file_path").filter(|path| !path.starts_with('/') && !path.contains(".."));
    let path = path.ok_or_else(|| refused(Code::FileGone))?;
    let request = wire.http.client().get(format!("{}/file/bot{token}/{path}", wire.vendor));
    let reply = parcel::download(wire, request, limit).await?;
    match reply.status {
        200 => Ok(Fetched { mime: media.mime.clone(), bytes: reply.bytes }),
        401 => Err(Answer::Expired { seen: "HTTP 401 for a file".to_owned() }),
        400..500 if reply.status != 429 => Err(refused(Code::FileGone)),
        status => Err(Answer::Down { seen: format!("HTTP {status} for a file") }),
    }
}

/// Asking for a file twice does no harm.
fn repeatable(answer: Answer) -> Answer {
    match answer {
        Answer::Unsure { seen, .. } => Answer::Down { seen },
        Answer::Refused { code: Code::Refused | Code::FileBad, text } => Answer::Refused { code: Code::FileGone, text },
        other => other,
    }
}

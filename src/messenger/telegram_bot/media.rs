//! Files that came in: `getFile` names a path, and the path is fetched. The bot's token stands in both addresses. A server of
//! one's own names a path on its disk.

use serde_json::json;

use super::{answer, local, method, token};
use crate::messenger::parcel::{self, refused};
use crate::messenger::{Fetched, Wire, field};
use crate::model::message::IncomingMedia;
use crate::model::result::Code;
use crate::model::vendor::Answer;

/// The largest file that Telegram's own server gives out.
const LARGEST: u64 = 20 << 20;

const TOO_BIG: &str = "Telegram gives bots files of 20 MB at most. Larger ones come through a Bot API server of one's own: set telegram_bot.local_server in the settings of the server";

const ELSEWHERE: &str = "the Bot API server keeps files on its own disk: set telegram_bot.local_server and telegram_bot.local_folder in the settings of the server";

pub(super) async fn fetch(wire: &Wire, media: &IncomingMedia, limit: u64) -> Result<Fetched, Answer> {
    if media.size.is_some_and(|size| size > limit) {
        return Err(refused(Code::FileTooBig));
    }
    if wire.local.is_none() && media.size.is_some_and(|size| size > LARGEST) {
        return Err(Answer::Refused { code: Code::FileTooBig, text: TOO_BIG.to_owned() });
    }
    let token = token(wire);
    let request = wire.http.client().post(method(wire, &token, "getFile")).json(&json!({"file_id": media.vendor_id}));
    // a server of one's own answers when it has the whole file
    let limits = if wire.local.is_some() { wire.http.limits().with_file() } else { wire.http.limits() };
    let file =
        answer::result_of(wire.http.call(request, limits).await).map_err(|failure| repeatable(failure.answer))?;
    let path = field::text(&file, "file_path").filter(|path| !path.contains(".."));
    let path = path.ok_or_else(|| refused(Code::FileGone))?;
    if path.starts_with('/') {
        let Some(folder) = &wire.local else {
            return Err(Answer::Refused { code: Code::FileGone, text: ELSEWHERE.to_owned() });
        };
        return Ok(Fetched { mime: media.mime.clone(), bytes: local::open(folder, &path, limit).await? });
    }
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
        Answer::Refused { code: Code::FileTooBig, .. } => {
            Answer::Refused { code: Code::FileTooBig, text: TOO_BIG.to_owned() }
        }
        Answer::Refused { code: Code::Refused | Code::FileBad, text } => Answer::Refused { code: Code::FileGone, text },
        other => other,
    }
}

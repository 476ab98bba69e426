//! Files of VK: an address to post to, what the post answers, and what is saved of it.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Trouble, with_community};
use crate::sandbox::answer::{Answer, Body};
use crate::sandbox::door::Call;
use crate::sandbox::phone::Media;
use crate::sandbox::state::{Sandbox, random_hex};

/// One file.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// Its name, type and size.
    pub(crate) media: Media,
    /// What it holds.
    pub(crate) bytes: Bytes,
    /// `photo`, `doc` or `audio_message`.
    pub(crate) kind: String,
}

/// Where a file is to be posted.
pub(super) fn upload_server(sandbox: &Sandbox, group: i64, kind: &str) -> Result<Value, Trouble> {
    if !matches!(kind, "photo" | "doc" | "audio_message") {
        return Err(Trouble::bad("type"));
    }
    let address = format!("{}/vk/upload/{kind}/{group}?act=add", sandbox.base());
    Ok(json!({"upload_url": address, "album_id": -64, "user_id": 0, "group_id": group}))
}

/// Takes a file that is posted.
pub(crate) fn upload(sandbox: &Sandbox, kind: &str, group: i64, call: &Call) -> Answer {
    let field = if kind == "photo" { "photo" } else { "file" };
    let Some(part) = call.files.iter().find(|part| part.name == field) else {
        return Answer::json(200, json!({"error": "ERR_UPLOAD_BAD_FILE", "error_descr": "no file"}));
    };
    let name = part.file_name.clone().unwrap_or_default();
    let mime = part.mime.clone().unwrap_or_default();
    let lower = name.to_lowercase();
    if kind != "photo" && [".mp3", ".exe"].iter().any(|end| lower.ends_with(end)) {
        return Answer::json(200, json!({"error": "wrong file", "error_descr": "Формат файла не поддерживается"}));
    }
    let ticket = random_hex(12);
    let media = Media { name, mime: mime.clone(), size: part.bytes.len() };
    let stored = Stored { media, bytes: part.bytes.clone(), kind: kind.to_owned() };
    let kept = with_community(sandbox, group, |community| {
        community.uploads.insert(ticket.clone(), stored);
        Ok(())
    });
    if kept.is_err() {
        return Answer::json(200, json!({"error": "no such community"}));
    }
    if kind != "photo" {
        return Answer::json(200, json!({"file": ticket}));
    }
    let taken = matches!(mime.as_str(), "image/jpeg" | "image/png" | "image/gif");
    let photo = if taken { json!([{"photo": ticket, "sizes": []}]).to_string() } else { "[]".to_owned() };
    Answer::json(200, json!({"server": 800_001, "photo": photo, "hash": ticket}))
}

/// `photos.saveMessagesPhoto`.
pub(super) fn save_photo(sandbox: &Sandbox, group: i64, call: &Call) -> Result<Value, Trouble> {
    let ticket = call.args.text("hash").unwrap_or_default();
    let photo = call.args.text("photo").unwrap_or_default();
    if photo == "[]" || !photo.contains(&ticket) || call.args.whole("server").is_none() {
        return Err(Trouble { code: 129, text: "Invalid photo".to_owned() });
    }
    let (id, key, _) = save(sandbox, group, &ticket, "photo")?;
    Ok(json!([{"album_id": -64, "date": sandbox.unix(), "id": id, "owner_id": -group, "access_key": key, "text": "",
        "sizes": []}]))
}

/// `docs.save`.
pub(super) fn save_document(sandbox: &Sandbox, group: i64, call: &Call) -> Result<Value, Trouble> {
    let ticket = call.args.text("file").unwrap_or_default();
    let (id, key, stored) = save(sandbox, group, &ticket, "doc")?;
    let title = call.args.text("title").unwrap_or_else(|| stored.media.name.clone());
    let file = json!({"id": id, "owner_id": -group, "title": title, "size": stored.media.size, "access_key": key,
        "date": sandbox.unix(), "url": format!("{}/vk/file/{key}", sandbox.base())});
    let kind = if stored.kind == "audio_message" { "audio_message" } else { "doc" };
    Ok(json!({"type": kind, kind: file}))
}

fn save(sandbox: &Sandbox, group: i64, ticket: &str, kind: &str) -> Result<(i64, String, Stored), Trouble> {
    let (id, key) = (457_239_000 + i64::try_from(sandbox.serial()).unwrap_or(0), random_hex(5));
    let stored = with_community(sandbox, group, |community| {
        let stored =
            community.uploads.remove(ticket).ok_or(Trouble { code: 105, text: "Couldn't save file".to_owned() })?;
        let kind = if stored.kind == "audio_message" { "audio_message" } else { kind };
        community.attachments.insert(format!("{kind}-{group}_{id}_{key}"), stored.media.clone());
        Ok(stored)
    })?;
    sandbox.vk.lock().files.insert(key.clone(), stored.clone());
    Ok((id, key, stored))
}

/// Keeps what a customer sends, and says where it can be read.
pub(crate) fn keep(sandbox: &Sandbox, media: Media, bytes: Bytes) -> String {
    let key = random_hex(10);
    sandbox.vk.lock().files.insert(key.clone(), Stored { media, bytes, kind: String::new() });
    format!("{}/vk/file/{key}", sandbox.base())
}

/// The content of a file; who has the address may read it.
pub(crate) fn download(sandbox: &Sandbox, key: &str) -> Answer {
    match sandbox.vk.lock().files.get(key) {
        Some(file) => {
            Answer { status: 200, body: Body::Raw(file.bytes.clone(), file.media.mime.clone()), header: None }
        }
        None => Answer { status: 404, body: Body::Raw(Bytes::new(), "text/plain".to_owned()), header: None },
    }
}

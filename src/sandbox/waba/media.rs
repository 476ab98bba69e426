//! Files of `WhatsApp`: upload, address, download, delete.

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Trouble, with_number};
use crate::sandbox::answer::{Answer, Body};
use crate::sandbox::door::Call;
use crate::sandbox::phone::Media;
use crate::sandbox::state::Sandbox;

/// How long an address of a file lives, seconds.
const ADDRESS_S: i64 = 300;

const MB: usize = 1024 * 1024;

/// One file.
#[derive(Debug, Clone)]
pub(crate) struct StoredMedia {
    /// Its name, type and size.
    pub(crate) media: Media,
    /// What it holds.
    pub(crate) bytes: Bytes,
    /// The token that may read it.
    pub(crate) token: String,
}

impl StoredMedia {
    /// The hash of what it holds.
    pub(crate) fn sha256(&self) -> Vec<u8> {
        Sha256::digest(&self.bytes).to_vec()
    }
}

/// Keeps a file and says its id.
pub(crate) fn keep_media(sandbox: &Sandbox, waba: &mut super::Waba, media: Media, bytes: Bytes, token: &str) -> String {
    let id = (1_003_383_421_387_000 + sandbox.serial()).to_string();
    waba.files.insert(id.clone(), StoredMedia { media, bytes, token: token.to_owned() });
    id
}

/// The largest file of this type that is taken, bytes; absent when the type is not.
pub(crate) fn limit(mime: &str) -> Option<usize> {
    match mime {
        "image/jpeg" | "image/png" => Some(5 * MB),
        "image/webp" => Some(500 * 1024),
        "audio/aac" | "audio/amr" | "audio/mpeg" | "audio/mp4" | "audio/ogg" | "video/mp4" | "video/3gpp" => {
            Some(16 * MB)
        }
        "text/plain" | "application/pdf" => Some(100 * MB),
        other if other.starts_with("application/") || other.starts_with("text/") => Some(100 * MB),
        _ => None,
    }
}

/// `POST {number}/media`.
pub(crate) fn upload(sandbox: &Sandbox, node: &str, call: &Call) -> Result<Value, Trouble> {
    if call.args.text("messaging_product").as_deref() != Some("whatsapp") {
        return Err(Trouble::of(100, "The parameter messaging_product is required."));
    }
    let file = call.files.iter().find(|file| file.name == "file");
    let file = file.ok_or_else(|| Trouble::of(100, "The parameter file is required."))?;
    let mime = call.args.text("type").or_else(|| file.mime.clone()).unwrap_or_default();
    let mime = mime.split(';').next().unwrap_or_default().trim().to_owned();
    let most = limit(&mime).ok_or_else(|| Trouble::of(131_053, &format!("Unsupported file type {mime}")))?;
    if file.bytes.len() > most {
        return Err(Trouble::of(131_053, "File is too large"));
    }
    let name = file.file_name.clone().unwrap_or_else(|| "file".to_owned());
    with_number(sandbox, node, call, |waba, number| {
        let media = Media { name, mime, size: file.bytes.len() };
        let id = keep_media(sandbox, waba, media, file.bytes.clone(), &number.token);
        Ok(json!({"id": id}))
    })
}

/// `GET {media}`.
pub(crate) fn show(sandbox: &Sandbox, id: &str, call: &Call) -> Result<Value, Trouble> {
    let waba = sandbox.waba.lock();
    let file = of_caller(&waba, id, call)?;
    Ok(json!({"messaging_product": "whatsapp", "url": address(sandbox, id), "mime_type": file.media.mime,
        "sha256": hex::encode(file.sha256()), "file_size": file.bytes.len().to_string(), "id": id}))
}

/// The address where a file can be read for a while.
pub(crate) fn address(sandbox: &Sandbox, id: &str) -> String {
    format!("{}/graph/file/{id}?mid={id}&ext={}&hash=sandbox", sandbox.base(), sandbox.unix() + ADDRESS_S)
}

/// `DELETE {media}`.
pub(crate) fn delete(sandbox: &Sandbox, id: &str, call: &Call) -> Result<Value, Trouble> {
    let mut waba = sandbox.waba.lock();
    of_caller(&waba, id, call)?;
    waba.files.remove(id);
    Ok(json!({"success": true}))
}

/// The content of a file at its short-lived address.
pub(crate) fn download(sandbox: &Sandbox, id: &str, call: &Call) -> Answer {
    let waba = sandbox.waba.lock();
    let empty = |status| Answer { status, body: Body::Raw(Bytes::new(), "text/plain".to_owned()), header: None };
    let is_fresh = call.args.whole("ext").is_some_and(|until| sandbox.unix() <= until);
    match waba.files.get(id) {
        None => empty(404),
        Some(file) if call.bearer.as_deref() != Some(file.token.as_str()) => empty(401),
        Some(_) if !is_fresh => empty(404),
        Some(_) if !call.has_agent => empty(400),
        Some(file) => {
            Answer { status: 200, body: Body::Raw(file.bytes.clone(), file.media.mime.clone()), header: None }
        }
    }
}

fn of_caller<'a>(waba: &'a super::Waba, id: &str, call: &Call) -> Result<&'a StoredMedia, Trouble> {
    let file = waba.files.get(id).ok_or_else(|| Trouble::of(33, "Media does not exist"))?;
    if call.bearer.as_deref() == Some(file.token.as_str()) { Ok(file) } else { Err(Trouble::of(190, "")) }
}

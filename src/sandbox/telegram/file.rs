//! Files that bots sent or received.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Trouble, new_file_id, with_bot};
use crate::sandbox::door::Call;
use crate::sandbox::phone::Media;
use crate::sandbox::state::{Sandbox, random_hex};

/// The largest file that `getFile` gives out, bytes.
const LARGEST_DOWN: usize = 20 * 1024 * 1024;

/// One file.
#[derive(Debug, Clone)]
pub(crate) struct StoredFile {
    /// What it holds.
    pub(crate) bytes: Bytes,
    /// Its name, type and size.
    pub(crate) media: Media,
    /// Where it is downloaded.
    pub(crate) path: String,
    /// Its id that is the same for all bots.
    pub(crate) unique: String,
    /// The size that is told; larger than what it holds when a test wants a large file cheaply.
    pub(crate) size: usize,
}

/// Keeps a file of a bot and says its id.
pub(crate) fn keep_file(bot: &mut super::Bot, kind: &str, media: Media, bytes: Bytes) -> String {
    let id = new_file_id(kind);
    let folder = match kind {
        "photo" | "image" => "photos",
        "voice" => "voice",
        "video" | "animation" => "videos",
        "audio" => "music",
        _ => "documents",
    };
    let extension = media.name.rsplit_once('.').map_or("bin", |(_, extension)| extension);
    let path = format!("{folder}/file_{}.{extension}", bot.files.len() + 1);
    let file =
        StoredFile { size: media.size.max(bytes.len()), bytes, media, path, unique: format!("AgAD{}", random_hex(5)) };
    bot.files.insert(id.clone(), file);
    id
}

/// The object of a message that tells about a file.
pub(crate) fn describe(kind: &str, id: &str, file: &StoredFile) -> Value {
    let (size, unique) = (file.size, &file.unique);
    match kind {
        "photo" | "image" => json!([
            {"file_id": format!("{id}s"), "file_unique_id": format!("{unique}s"), "file_size": size / 100 + 1, "width": 90, "height": 67},
            {"file_id": id, "file_unique_id": unique, "file_size": size, "width": 1280, "height": 960}]),
        "voice" => {
            json!({"duration": 7, "mime_type": file.media.mime, "file_id": id, "file_unique_id": unique, "file_size": size})
        }
        "video" | "animation" => json!({"duration": 7, "width": 640, "height": 360, "file_name": file.media.name,
            "mime_type": file.media.mime, "file_id": id, "file_unique_id": unique, "file_size": size}),
        "audio" => json!({"duration": 7, "file_name": file.media.name, "mime_type": file.media.mime, "file_id": id,
            "file_unique_id": unique, "file_size": size}),
        _ => {
            json!({"file_name": file.media.name, "mime_type": file.media.mime, "file_id": id, "file_unique_id": unique,
            "file_size": size})
        }
    }
}

/// Lays a file on the disk, as a server with `--local` does, and says where. What is told and not held is empty space.
fn lay_down(folder: &str, token: &str, file: &StoredFile) -> std::io::Result<String> {
    use std::io::Write as _;
    let path = std::path::Path::new(folder).join(token).join(&file.path);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut laid = std::fs::File::create(&path)?;
    laid.write_all(&file.bytes)?;
    laid.set_len(file.size as u64)?;
    Ok(path.display().to_string())
}

/// `getFile`.
pub(crate) fn get_file(sandbox: &Sandbox, token: &str, call: &Call) -> Result<Value, Trouble> {
    let id = call.args.text("file_id").ok_or_else(|| Trouble::bad("file_id is empty"))?;
    let folder = sandbox.settings.lock().telegram_local.clone();
    with_bot(sandbox, token, |bot| {
        let file = bot.files.get(&id).or_else(|| bot.files.get(id.strip_suffix('s')?));
        let file = file.ok_or_else(|| Trouble::bad("wrong file_id or the file is temporarily unavailable"))?;
        if !folder.is_empty() {
            let path = lay_down(&folder, token, file).map_err(|error| Trouble::bad(&error.to_string()))?;
            return Ok(
                json!({"file_id": id, "file_unique_id": file.unique, "file_size": file.size, "file_path": path}),
            );
        }
        if file.size > LARGEST_DOWN {
            return Err(Trouble::bad("file is too big"));
        }
        Ok(json!({"file_id": id, "file_unique_id": file.unique, "file_size": file.size, "file_path": file.path}))
    })
}

//! Files: uploaded in parts, fetched in pieces, named anew when their names ran out.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Mtproto, Told, Trouble, text, whole};
use crate::sandbox::phone::Media;
use crate::sandbox::state::{Sandbox, random_hex};

/// A part holds so much at most; the last one may hold less.
const LARGEST_PART: usize = 512 * 1024;

/// A file that is whole.
#[derive(Debug)]
pub(crate) struct Kept {
    media: Media,
    bytes: Bytes,
    /// The name that runs out.
    reference: String,
    /// The data centre where it lies.
    centre: i64,
}

/// Lets every name of a file run out, and moves the files to a data centre.
pub(crate) fn expire(mtproto: &mut Mtproto, centre: Option<i64>) {
    for kept in mtproto.files.values_mut() {
        kept.reference = random_hex(8);
        kept.centre = centre.unwrap_or(kept.centre);
    }
}

/// `upload.saveFilePart` and `upload.saveBigFilePart`.
pub(super) fn save_part(sandbox: &Sandbox, call: &Value) -> Told {
    let bytes = hex::decode(text(call, "bytes")).unwrap_or_default();
    if bytes.is_empty() || bytes.len() > LARGEST_PART {
        return Err(Trouble::bad("FILE_PART_SIZE_INVALID"));
    }
    let mut mtproto = sandbox.mtproto.lock();
    mtproto.parts.entry(whole(call, "file_id")).or_default().insert(whole(call, "file_part"), bytes);
    Ok(super::calls::yes())
}

/// What a message with media holds, as it is told of, and what a phone shows of it.
pub(super) fn sent(
    mtproto: &mut Mtproto,
    sandbox: &Sandbox,
    given: &Value,
) -> Result<(Value, (String, Option<Media>)), Trouble> {
    match text(given, "_") {
        "inputMediaGeoPoint" | "inputMediaVenue" => {
            let point = given.get("geo_point").cloned().unwrap_or_default();
            let degrees = |name: &str| point.get(name).and_then(Value::as_f64).unwrap_or_default();
            let geo = json!({"_": "geoPoint", "long": degrees("long"), "lat": degrees("lat"), "access_hash": 0});
            let venue = json!({"_": "messageMediaVenue", "geo": geo, "title": text(given, "title"),
                "address": text(given, "address"), "provider": "", "venue_id": "", "venue_type": ""});
            let plain = text(given, "_") == "inputMediaGeoPoint";
            let told = if plain { json!({"_": "messageMediaGeo", "geo": geo}) } else { venue };
            Ok((told, ("location".to_owned(), None)))
        }
        "inputMediaContact" => {
            let told = json!({"_": "messageMediaContact", "phone_number": text(given, "phone_number"),
                "first_name": text(given, "first_name"), "last_name": text(given, "last_name"), "vcard": "", "user_id": 0});
            Ok((told, ("contact".to_owned(), None)))
        }
        name @ ("inputMediaUploadedPhoto" | "inputMediaUploadedDocument") => {
            let input = given.get("file").cloned().unwrap_or_default();
            let bytes = assemble(mtproto, &input)?;
            let kind = kind_of(name, given);
            let mime = if kind == "image" { "image/jpeg" } else { text(given, "mime_type") };
            let media = Media { name: name_of(given, &input), mime: mime.to_owned(), size: bytes.len() };
            let told = keep(sandbox, mtproto, &kind, &media, &bytes);
            Ok((told, (kind, Some(media))))
        }
        _ => Err(Trouble::bad("MEDIA_INVALID")),
    }
}

fn assemble(mtproto: &mut Mtproto, input: &Value) -> Result<Bytes, Trouble> {
    let parts = mtproto.parts.remove(&whole(input, "id")).unwrap_or_default();
    let count = i64::try_from(parts.len()).unwrap_or(0);
    if count == 0 || count != whole(input, "parts") || parts.keys().copied().ne(0..count) {
        return Err(Trouble::bad("FILE_PARTS_INVALID"));
    }
    Ok(Bytes::from(parts.into_values().flatten().collect::<Vec<u8>>()))
}

fn attributes(given: &Value) -> Vec<Value> {
    given.get("attributes").and_then(Value::as_array).cloned().unwrap_or_default()
}

fn kind_of(name: &str, given: &Value) -> String {
    let has = |wanted: &str| attributes(given).iter().any(|one| text(one, "_") == wanted);
    let voice = attributes(given).iter().any(|one| one.get("voice") == Some(&Value::Bool(true)));
    let kind = match name {
        "inputMediaUploadedPhoto" => "image",
        _ if voice => "voice",
        _ if has("documentAttributeAudio") => "audio",
        _ if has("documentAttributeVideo") => "video",
        _ => "document",
    };
    kind.to_owned()
}

fn name_of(given: &Value, input: &Value) -> String {
    let named = attributes(given).iter().map(|one| text(one, "file_name").to_owned()).find(|name| !name.is_empty());
    named.unwrap_or_else(|| text(input, "name").to_owned())
}

/// Keeps a file and says how a message tells of it.
pub(super) fn keep(sandbox: &Sandbox, mtproto: &mut Mtproto, kind: &str, media: &Media, bytes: &Bytes) -> Value {
    let id = 9_000_000_000 + i64::try_from(sandbox.serial()).unwrap_or(0);
    let reference = random_hex(8);
    let size = bytes.len();
    let kept = Kept { media: media.clone(), bytes: bytes.clone(), reference: reference.clone(), centre: super::HOME };
    mtproto.files.insert(id, kept);
    if kind == "image" {
        return json!({"_": "messageMediaPhoto", "photo": {"_": "photo", "id": id, "access_hash": id, "file_reference": reference,
            "date": sandbox.unix(), "dc_id": super::HOME,
            "sizes": [{"_": "photoSize", "type": "m", "w": 320, "h": 200, "size": size},
                {"_": "photoSize", "type": "y", "w": 1280, "h": 800, "size": size}]}});
    }
    let mut told = vec![json!({"_": "documentAttributeFilename", "file_name": media.name})];
    match kind {
        "voice" | "audio" => told.push(json!({"_": "documentAttributeAudio", "voice": kind == "voice", "duration": 3})),
        "video" => told.push(json!({"_": "documentAttributeVideo", "duration": 3.0, "w": 640, "h": 360})),
        "sticker" => told
            .push(json!({"_": "documentAttributeSticker", "alt": "🙂", "stickerset": {"_": "inputStickerSetEmpty"}})),
        _ => {}
    }
    json!({"_": "messageMediaDocument", "voice": kind == "voice", "video": kind == "video",
        "document": {"_": "document", "id": id, "access_hash": id, "file_reference": reference, "date": sandbox.unix(),
            "mime_type": media.mime, "size": size, "dc_id": super::HOME, "attributes": told}})
}

/// A message with the names of its files as they are good now.
pub(super) fn named_anew(mtproto: &Mtproto, mut message: Value) -> Value {
    for name in ["photo", "document"] {
        let Some(file) = message.get_mut("media").and_then(|media| media.get_mut(name)) else { continue };
        let kept = mtproto.files.get(&whole(file, "id"));
        if let (Some(kept), Some(fields)) = (kept, file.as_object_mut()) {
            fields.insert("file_reference".to_owned(), json!(kept.reference));
            fields.insert("dc_id".to_owned(), json!(kept.centre));
        }
    }
    message
}

/// `upload.getFile`.
pub(super) fn fetch(sandbox: &Sandbox, centre: i64, call: &Value) -> Told {
    let place = call.get("location").cloned().unwrap_or_default();
    let (offset, limit) = (whole(call, "offset"), whole(call, "limit"));
    if limit <= 0 || limit > 1024 * 1024 || limit % 4096 != 0 || offset % 4096 != 0 {
        return Err(Trouble::bad("LIMIT_INVALID"));
    }
    let mtproto = sandbox.mtproto.lock();
    let kept = mtproto.files.get(&whole(&place, "id")).ok_or_else(|| Trouble::bad("LOCATION_INVALID"))?;
    if kept.centre != centre {
        return Err(Trouble(303, format!("FILE_MIGRATE_{}", kept.centre)));
    }
    if kept.reference != text(&place, "file_reference") {
        return Err(Trouble::bad("FILE_REFERENCE_EXPIRED"));
    }
    let start = usize::try_from(offset).unwrap_or(0).min(kept.bytes.len());
    let end = start.saturating_add(usize::try_from(limit).unwrap_or(0)).min(kept.bytes.len());
    let piece = kept.bytes.get(start..end).unwrap_or_default();
    let kind = if kept.media.mime == "image/jpeg" { "storage.fileJpeg" } else { "storage.filePartial" };
    Ok(json!({"_": "upload.file", "type": {"_": kind}, "mtime": sandbox.unix(), "bytes": hex::encode(piece)}))
}

//! Files of the Disk and documents of the CRM, and the addresses at which they are fetched.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Bitrix24, Portal, Trouble};
use crate::model::moment::Moment;
use crate::sandbox::answer::{Answer, Body};
use crate::sandbox::args::{Args, as_text, as_whole};
use crate::sandbox::door::Call;

const PDF: &str = "application/pdf";
const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

/// What is stored at a portal.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    files: BTreeMap<i64, File>,
    documents: BTreeMap<i64, Document>,
}

/// A file.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// Its name.
    pub(crate) name: String,
    /// Its media type.
    pub(crate) mime: String,
    /// Its content.
    pub(crate) bytes: Bytes,
    /// It lies in the bin.
    pub(crate) in_bin: bool,
    /// Employees who may not read it.
    pub(crate) denied_to: HashSet<i64>,
    /// Its bytes were lost though the Disk lists it.
    pub(crate) is_lost: bool,
}

/// A document that was made of a template.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// Its title.
    pub(crate) title: String,
    /// The deal.
    pub(crate) deal: i64,
    /// When its PDF is there; none is never.
    pub(crate) pdf_at: Option<Moment>,
    /// The portal could not make a PDF of it.
    pub(crate) is_broken: bool,
}

impl Disk {
    /// A file and a document of the first deal, which is ready.
    pub(crate) fn seeded() -> Self {
        let mut disk = Self::default();
        disk.put_file(5437, File::of("счёт 17.pdf", PDF, page_of("17")));
        let document =
            Document { title: "Счёт 17".to_owned(), deal: 8061, pdf_at: Some(Moment(0)), is_broken: false };
        disk.put_document(61, document);
        disk
    }

    /// Puts a file.
    pub(crate) fn put_file(&mut self, id: i64, file: File) {
        self.files.insert(id, file);
    }

    /// A file.
    pub(crate) fn file(&self, id: i64) -> Option<&File> {
        self.files.get(&id)
    }

    /// Takes a file away for good.
    pub(crate) fn remove_file(&mut self, id: i64) -> bool {
        self.files.remove(&id).is_some()
    }

    /// Puts a document.
    pub(crate) fn put_document(&mut self, id: i64, document: Document) {
        self.documents.insert(id, document);
    }

    /// How it looks to the control.
    pub(crate) fn card(&self, now: Moment) -> Value {
        let file = |(id, file): (&i64, &File)| json!({"id": id, "name": file.name, "size": file.bytes.len()});
        let document = |(id, one): (&i64, &Document)| {
            let pdf = match (one.is_broken, one.has_pdf(now)) {
                (true, _) => "broken",
                (false, true) => "ready",
                (false, false) => "waited",
            };
            json!({"id": id, "title": one.title, "deal": one.deal, "pdf": pdf})
        };
        json!({"files": self.files.iter().map(file).collect::<Vec<_>>(),
            "documents": self.documents.iter().map(document).collect::<Vec<_>>()})
    }
}

impl Document {
    fn has_pdf(&self, now: Moment) -> bool {
        !self.is_broken && self.pdf_at.is_some_and(|at| at <= now)
    }
}

impl File {
    /// A file that everybody may read.
    pub(crate) fn of(name: &str, mime: &str, bytes: Bytes) -> Self {
        Self {
            name: name.to_owned(),
            mime: mime.to_owned(),
            bytes,
            in_bin: false,
            denied_to: HashSet::new(),
            is_lost: false,
        }
    }
}

/// `disk.file.get`.
pub(crate) fn get_file(portal: &Portal, endpoint: &str, user: i64, args: &Args) -> Result<Value, Trouble> {
    let id = args.get("id").and_then(as_whole);
    let id = id.ok_or_else(|| Trouble::of(400, "ERROR_ARGUMENT", "Invalid value of parameter {Parameter #0}"))?;
    let file = portal.disk.files.get(&id);
    let file =
        file.ok_or_else(|| Trouble::of(400, "ERROR_NOT_FOUND", &format!("Could not find entity with id `{id}`.")))?;
    if file.denied_to.contains(&user) {
        return Err(Trouble::of(403, "ACCESS_DENIED", "Access denied"));
    }
    let token = args.get("auth").and_then(as_text).unwrap_or_default();
    Ok(
        json!({"ID": id.to_string(), "NAME": file.name, "CODE": null, "STORAGE_ID": "1357", "TYPE": "file", "PARENT_ID": "8996",
        "DELETED_TYPE": if file.in_bin { "3" } else { "0" }, "GLOBAL_CONTENT_VERSION": "1", "FILE_ID": "32969",
        "SIZE": file.bytes.len().to_string(), "CREATE_TIME": "2026-01-01T12:00:00+03:00",
        "UPDATE_TIME": "2026-01-01T12:00:00+03:00", "DELETE_TIME": null, "CREATED_BY": "27", "UPDATED_BY": "27",
        "DELETED_BY": "0", "DOWNLOAD_URL": format!("{endpoint}download.json?auth={token}&token=disk%7C{id}"),
        "DETAIL_URL": format!("https://{}/company/personal/user/27/disk/file/{id}", portal.domain)}),
    )
}

/// `crm.documentgenerator.document.get`.
pub(crate) fn get_document(portal: &Portal, endpoint: &str, args: &Args, now: Moment) -> Result<Value, Trouble> {
    let id = args.get("id").and_then(as_whole);
    let id = id.ok_or_else(|| Trouble::of(400, "100", "Could not find value for parameter {document}"))?;
    let document = portal.disk.documents.get(&id);
    let document = document.ok_or_else(|| Trouble::of(400, "DOCUMENT_NOT_FOUND", "Document not found"))?;
    let token = args.get("auth").and_then(as_text).unwrap_or_default();
    Ok(json!({"document": card_of(portal, endpoint, &token, id, document, now)}))
}

/// `crm.documentgenerator.document.list`, with the filter by the card: the page and how many there are.
pub(crate) fn list_documents(portal: &Portal, args: &Args) -> (Value, usize) {
    let wanted = |name: &str| args.get("filter").and_then(|filter| filter.get(name)).and_then(as_whole);
    let (kind, owner) = (wanted("entityTypeId"), wanted("entityId"));
    let fits =
        |document: &Document| kind.is_none_or(|kind| kind == 2) && owner.is_none_or(|deal| deal == document.deal);
    let mut found: Vec<Value> = portal
        .disk
        .documents
        .iter()
        .filter(|(_, document)| fits(document))
        .map(|(id, document)| json!({"id": id.to_string(), "title": document.title, "number": id.to_string()}))
        .collect();
    if args
        .get("order")
        .and_then(|order| order.get("id"))
        .and_then(as_text)
        .is_some_and(|way| way.eq_ignore_ascii_case("desc"))
    {
        found.reverse();
    }
    let total = found.len();
    (json!({"documents": found}), total)
}

fn card_of(portal: &Portal, endpoint: &str, token: &str, id: i64, document: &Document, now: Moment) -> Value {
    let ready = document.has_pdf(now);
    let ajax = |action: &str| {
        format!(
            "https://{}/bitrix/services/main/ajax.php?action=crm.documentgenerator.document.{action}&SITE_ID=s1&id={id}",
            portal.domain
        )
    };
    let machine =
        |action: &str| format!("{endpoint}crm.documentgenerator.document.{action}.json?auth={token}&token=doc%7C{id}");
    let mut card = json!({"id": id.to_string(), "title": document.title, "number": id.to_string(), "templateId": "39",
        "createTime": "2026-01-01T12:00:00+03:00", "updateTime": "2026-01-01T12:00:00+03:00", "createdBy": "27",
        "updatedBy": null, "stampsEnabled": true, "isTransformationError": document.is_broken,
        "values": {"_creationMethod": "rest", "stampsEnabled": true}, "pullTag": format!("TRANSFORMDOCUMENT{id}"),
        "publicUrl": null, "downloadUrl": ajax("download"), "emailDiskFile": 5609, "entityId": document.deal.to_string(),
        "entityTypeId": "2", "downloadUrlMachine": machine("download")});
    if let (true, Some(map)) = (ready, card.as_object_mut()) {
        for (kind, action) in [("image", "getImage"), ("pdf", "getPdf")] {
            map.insert(format!("{kind}Url"), json!(ajax(action)));
            map.insert(format!("{kind}UrlMachine"), json!(machine(action)));
        }
    }
    card
}

/// The bytes behind an address of a file; none where the method is another one.
pub(crate) fn download(bitrix24: &Bitrix24, name: &str, method: &str, call: &Call, now: Moment) -> Option<Answer> {
    let method = method.to_ascii_lowercase();
    let is_document = method.strip_prefix("crm.documentgenerator.document.");
    if method != "download" && !matches!(is_document, Some("download" | "getpdf" | "getimage")) {
        return None;
    }
    let portal = bitrix24.portals.get(name)?;
    let text = |key: &str| call.args.get(key).and_then(as_text).unwrap_or_default();
    if bitrix24.tokens.holder(&text("auth"), now).is_err() {
        return Some(Trouble::of(401, "expired_token", "The access token provided has expired.").answer());
    }
    // the front server of the vendor turns callers away who do not say who they are
    if !call.has_agent {
        return Some(Answer { status: 403, body: Body::Raw("Forbidden".into(), "text/html".to_owned()), header: None });
    }
    let id = text("token").rsplit('|').next().and_then(|id| id.parse().ok()).unwrap_or(0);
    Some(
        content(portal, is_document, id, now)
            .unwrap_or_else(|| Trouble::of(404, "ERROR_NOT_FOUND", "Not found").answer()),
    )
}

fn content(portal: &Portal, document: Option<&str>, id: i64, now: Moment) -> Option<Answer> {
    let raw = |bytes: Bytes, mime: &str| Answer { status: 200, body: Body::Raw(bytes, mime.to_owned()), header: None };
    let Some(action) = document else {
        let file = portal.disk.files.get(&id).filter(|file| !file.is_lost)?;
        return Some(raw(file.bytes.clone(), &file.mime));
    };
    let document = portal.disk.documents.get(&id)?;
    match action {
        "download" => Some(raw(letter_of(&document.title), DOCX)),
        _ if document.has_pdf(now) => Some(raw(page_of(&document.title), PDF)),
        _ => None,
    }
}

/// What begins as a PDF does.
fn page_of(title: &str) -> Bytes {
    format!("%PDF-1.7\n% {title}\n1 0 obj\n<</Type/Catalog>>\nendobj\ntrailer<</Root 1 0 R>>\n%%EOF\n").into()
}

/// What begins as a DOCX does: an archive whose first entry names the content types.
fn letter_of(title: &str) -> Bytes {
    let mut bytes = b"PK\x03\x04\x14\0\0\0\0\0".to_vec();
    bytes.extend_from_slice(&[0; 16]);
    bytes.extend_from_slice(&[19, 0, 0, 0]);
    bytes.extend_from_slice(b"[Content_Types].xml");
    bytes.extend_from_slice(title.as_bytes());
    bytes.into()
}

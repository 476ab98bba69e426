//! Files of the Disk and documents of the CRM: how a portal is asked for one, and where its bytes are. The address that it
//! gives carries the token of the call, so it is used at once and never kept.

use serde_json::{Value, json};

use crate::model::php_form::Fields;
use crate::model::portal_file::PortalFile;

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Its bytes can be fetched.
    Ready {
        /// From here; with a token of the portal.
        url: String,
        /// Its name.
        name: String,
    },
    /// It is this one, which is to be asked for by its number: lists tell less.
    Named(PortalFile),
    /// The portal is still making it.
    NotYet,
    /// There is none.
    Gone,
}

/// The method that tells where a file is, and its parameters; none where the robot's document has no documents of the CRM.
#[must_use]
pub fn question(file: &PortalFile) -> Option<(&'static str, Value)> {
    Some(match file {
        PortalFile::Disk { id } => ("disk.file.get", json!({ "id": id })),
        PortalFile::Document { id: Some(id), .. } => ("crm.documentgenerator.document.get", json!({ "id": id })),
        PortalFile::Document { id: None, card, .. } => {
            let (kind, id) = (*card)?;
            let filter = json!({ "entityTypeId": kind, "entityId": id });
            let params = json!({ "filter": filter, "order": { "id": "desc" }, "select": ["id", "title"] });
            ("crm.documentgenerator.document.list", params)
        }
    })
}

/// Reads what the portal says to [`question`].
#[must_use]
pub fn read(file: &PortalFile, result: &Value) -> Found {
    match file {
        PortalFile::Disk { .. } => read_disk(result),
        PortalFile::Document { id: Some(_), pdf, .. } => read_document(result.get("document"), *pdf),
        PortalFile::Document { id: None, card, pdf } => {
            let wrapped = json!({ "list": result.get("documents") });
            let ids = Fields::of(&wrapped).list("list").into_iter().filter_map(|one| one.number("id").ok().flatten());
            let named = |id| Found::Named(PortalFile::Document { id: Some(id), card: *card, pdf: *pdf });
            ids.max().map_or(Found::Gone, named)
        }
    }
}

/// Whether an error says that there is no such file.
#[must_use]
pub fn is_gone(error_code: &str) -> bool {
    matches!(error_code.to_ascii_uppercase().as_str(), "ERROR_NOT_FOUND" | "NOT_FOUND" | "DOCUMENT_NOT_FOUND")
}

fn read_disk(result: &Value) -> Found {
    let fields = Fields::of(result);
    let text = |name| fields.text(name).ok().flatten();
    // what lies in the bin is told of as well
    let deleted = text("DELETED_TYPE").is_some_and(|kind| kind != "0");
    match (text("DOWNLOAD_URL"), deleted) {
        (Some(url), false) => Found::Ready {
            url: url.into_owned(),
            name: text("NAME").map_or_else(|| "file".to_owned(), std::borrow::Cow::into_owned),
        },
        _ => Found::Gone,
    }
}

fn read_document(document: Option<&Value>, pdf: bool) -> Found {
    let Some(document) = document.filter(|document| document.is_object()) else { return Found::Gone };
    let fields = Fields::of(document);
    let text = |name| fields.text(name).ok().flatten().map(std::borrow::Cow::into_owned);
    let title = text("title").unwrap_or_else(|| "document".to_owned());
    let ready = |url: String, ending: &str| {
        let named = title.to_lowercase().ends_with(&format!(".{ending}"));
        Found::Ready { url, name: if named { title.clone() } else { format!("{title}.{ending}") } }
    };
    if pdf && let Some(url) = text("pdfUrlMachine") {
        return ready(url, "pdf");
    }
    // where the portal could not make a PDF of it, the document itself is better than nothing
    if pdf && !fields.flag("isTransformationError") {
        return Found::NotYet;
    }
    text("downloadUrlMachine").map_or(Found::NotYet, |url| ready(url, "docx"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PDF: PortalFile = PortalFile::Document { id: Some(61), card: None, pdf: true };

    #[test]
    fn a_document_whose_pdf_failed_goes_as_it_is() {
        let result = json!({ "document": { "title": "Счёт 17", "isTransformationError": true, "downloadUrlMachine": "https://p/d" } });
        let found = Found::Ready { url: "https://p/d".into(), name: "Счёт 17.docx".into() };
        assert_eq!(read(&PDF, &result), found);
        let result = json!({ "document": { "title": "Счёт 17.pdf", "pdfUrlMachine": "https://p/p" } });
        assert_eq!(read(&PDF, &result), Found::Ready { url: "https://p/p".into(), name: "Счёт 17.pdf".into() });
    }

    #[test]
    fn what_is_not_there_is_gone() {
        assert_eq!(read(&PDF, &json!([])), Found::Gone);
        let newest = PortalFile::Document { id: None, card: Some((2, 8061)), pdf: false };
        assert_eq!(read(&newest, &json!({ "documents": [] })), Found::Gone);
        let named = PortalFile::Document { id: Some(61), card: Some((2, 8061)), pdf: false };
        let documents = json!({ "documents": [{ "id": "59" }, { "id": "61" }, { "id": "60" }] });
        assert_eq!(read(&newest, &documents), Found::Named(named));
        let bin = json!({ "DOWNLOAD_URL": "https://p/d", "NAME": "x", "DELETED_TYPE": "3" });
        assert_eq!(read(&PortalFile::Disk { id: 1 }, &bin), Found::Gone);
        assert_eq!(question(&PortalFile::Document { id: None, card: None, pdf: true }), None);
    }
}

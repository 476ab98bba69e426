//! Files of messages as the API takes and shows them.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::flow::files::{self, SOURCE};
use crate::model::file::{clean_name, kind_of};
use crate::model::id::{CompanyId, FileId};
use crate::model::message::{IncomingMedia, Media, MediaKind};
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::store::row::{ArrivalRow, FileRow, value};
use crate::store::{Conn, Result};

/// A file of a message to send.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FileIn {
    /// `store:<id>` of a file that was uploaded, or an https address.
    pub source: String,
    /// The name that the recipient sees; that of the file where it is left out.
    #[serde(default)]
    pub name: Option<String>,
    /// The media type, for an address; told by its ending where it is left out.
    #[serde(default)]
    pub mime: Option<String>,
    /// As what it is sent; told by the media type where it is left out.
    #[serde(default)]
    pub kind: Option<MediaKind>,
}

/// How a file of a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// It is fetched from the vendor, or will be again.
    Waiting,
    /// It is here.
    Kept,
    /// It could not be fetched.
    Lost,
    /// It was here, and its time is over.
    Over,
}

/// A file of a message.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = MessageFile)]
pub struct FileOut {
    /// Its id; none while it is not here.
    pub id: Option<String>,
    /// How it stands.
    pub state: FileState,
    /// What kind of file.
    pub kind: MediaKind,
    /// Its name.
    pub name: String,
    /// Its media type, as its bytes tell it once it is here.
    pub mime: Option<String>,
    /// Its size in bytes.
    pub size: Option<i64>,
    /// Our stable code, where it could not be fetched.
    pub code: Option<String>,
    /// The reason of the last failure.
    pub reason: Option<String>,
    /// A link to it, good until `url_until`.
    pub url: Option<String>,
    /// Until when the link is good.
    pub url_until: Option<i64>,
}

/// A file that is named for sending, inside the transaction that accepts the message. One of ours must be there and of the same
/// company, and is kept from now on as long as one that came today.
///
/// # Errors
/// The outer error is the database's. The inner one is the code for whoever asked.
pub fn named(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    file: &FileIn,
    now: Moment,
) -> Result<std::result::Result<Media, Code>> {
    let Some(id) = file.source.strip_prefix(SOURCE) else { return Ok(address(app, file)) };
    let Ok(id) = id.parse::<FileId>() else { return Ok(Err(Code::FileGone)) };
    let found = crate::on!(conn, file::by_id(company, id))?.filter(|row| files::is_there(row, now));
    let Some(row) = found else { return Ok(Err(Code::FileGone)) };
    if let Some(until) = files::keep_until(app, now) {
        crate::on!(conn, file::keep_until(company, id, until))?;
    }
    Ok(Ok(Media {
        kind: file.kind.unwrap_or_else(|| kind_of(&row.mime)),
        name: file.name.as_deref().map_or(row.name, clean_name),
        source: format!("{SOURCE}{id}"),
        size: row.size.and_then(|size| u64::try_from(size).ok()),
        mime: row.mime,
    }))
}

fn address(app: &App, file: &FileIn) -> std::result::Result<Media, Code> {
    let url = app.guard.check(&file.source).map_err(|_| Code::FileBad)?;
    let last = url.path_segments().and_then(|mut parts| parts.next_back().map(str::to_owned)).unwrap_or_default();
    let last = percent_encoding::percent_decode_str(&last).decode_utf8_lossy().into_owned();
    let name = clean_name(file.name.as_deref().unwrap_or(&last));
    let mime = file.mime.clone().or_else(|| mime_guess::from_path(&name).first_raw().map(str::to_owned));
    let mime = mime.unwrap_or_else(|| crate::model::file::ANY.to_owned());
    if mime.parse::<mime_guess::Mime>().is_err() {
        return Err(Code::FileBad);
    }
    Ok(Media { kind: file.kind.unwrap_or_else(|| kind_of(&mime)), name, mime, source: url.into(), size: None })
}

/// The files of messages of a company, by message: those that came in, and those of ours that were sent.
///
/// # Errors
/// Those of the database.
pub fn shown(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    messages: &[(String, Option<Media>)],
) -> Result<HashMap<String, Vec<FileOut>>> {
    let ids: Vec<String> = messages.iter().map(|(id, _)| id.clone()).collect();
    let arrivals = crate::on!(conn, arrival::of_messages(company, &ids))?;
    let sent = messages.iter().filter_map(|(_, media)| media.as_ref()).filter_map(id_of);
    let wanted: Vec<String> = arrivals.iter().filter_map(|row| row.file.clone()).chain(sent).collect();
    let now = app.clock.now();
    let rows = if wanted.is_empty() { Vec::new() } else { crate::on!(conn, file::by_ids(company, &wanted))? };
    let rows: HashMap<String, FileRow> =
        rows.into_iter().filter(|row| files::is_there(row, now)).map(|row| (row.id.clone(), row)).collect();
    let mut shown: HashMap<String, Vec<FileOut>> = HashMap::new();
    for row in &arrivals {
        let file = row.file.as_ref().and_then(|id| rows.get(id));
        shown.entry(row.message.clone()).or_default().push(of_arrival(app, row, file)?);
    }
    for (id, media) in messages {
        if let Some(media) = media {
            shown.entry(id.clone()).or_default().extend(of_sent(app, media, &rows));
        }
    }
    Ok(shown)
}

/// The id of a file of ours that a message names.
fn id_of(media: &Media) -> Option<String> {
    media.source.strip_prefix(SOURCE).map(str::to_owned)
}

fn of_arrival(app: &App, row: &ArrivalRow, file: Option<&FileRow>) -> Result<FileOut> {
    let media: IncomingMedia = value("arrivals", &row.media)?;
    let state = match (file, &row.file, row.due_at) {
        (Some(_), _, _) => FileState::Kept,
        (None, Some(_), _) => FileState::Over,
        (None, None, Some(_)) => FileState::Waiting,
        (None, None, None) => FileState::Lost,
    };
    let told = FileOut {
        id: None,
        state,
        kind: media.kind,
        name: media.name.as_deref().map(clean_name).unwrap_or_default(),
        mime: media.mime,
        size: media.size.and_then(|size| i64::try_from(size).ok()),
        code: row.code.clone(),
        reason: row.reason.clone(),
        url: None,
        url_until: None,
    };
    Ok(file.map_or_else(|| told.clone(), |file| with_file(app, told.clone(), file)))
}

/// A file of ours that was sent; an address is the recipient's to open, and is in the content.
fn of_sent(app: &App, media: &Media, rows: &HashMap<String, FileRow>) -> Option<FileOut> {
    let file = rows.get(&id_of(media)?);
    let told = FileOut {
        id: None,
        state: if file.is_some() { FileState::Kept } else { FileState::Over },
        kind: media.kind,
        name: media.name.clone(),
        mime: Some(media.mime.clone()),
        size: media.size.and_then(|size| i64::try_from(size).ok()),
        code: None,
        reason: None,
        url: None,
        url_until: None,
    };
    Some(match file {
        Some(file) => with_file(app, told, file),
        None => told,
    })
}

fn with_file(app: &App, told: FileOut, file: &FileRow) -> FileOut {
    let (url, until) = files::link(app, &file.id);
    FileOut {
        id: Some(file.id.clone()),
        name: if told.name.is_empty() { file.name.clone() } else { told.name },
        mime: Some(file.mime.clone()),
        size: file.size,
        url: Some(url),
        url_until: Some(until),
        ..told
    }
}

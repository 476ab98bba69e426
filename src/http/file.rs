//! Files: uploaded as they come, shown with a link, and downloaded by it.

use std::ops::Range;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RANGE,
};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::StreamExt as _;
use futures_util::future::Either;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Signed;
use super::error::{ApiError, ErrorOut, Told};
use crate::app::App;
use crate::app::shelf::ShelfError;
use crate::flow::files::{self, KeepError, SOURCE};
use crate::model::file::{ANY, is_active};
use crate::model::id::FileId;
use crate::store::row::FileRow;

/// Whatever is inside does nothing, wherever it is shown.
const POLICY: &str = "sandbox; default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// What may stand in the name of a header's extended value (RFC 8187).
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_');

/// What an upload is called.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct UploadIn {
    /// The name of the file.
    name: String,
}

/// A file that is here.
#[derive(Serialize, ToSchema)]
#[schema(as = FileOut)]
pub(super) struct FileOut {
    /// Its id.
    id: String,
    /// What a message names it by.
    source: String,
    /// Its name.
    name: String,
    /// Its media type, as its bytes tell it.
    mime: String,
    /// Its size in bytes.
    size: i64,
    /// The SHA-256 of its content.
    sha256: String,
    /// When it was made.
    created_at: i64,
    /// When it is deleted; none is never.
    expires_at: Option<i64>,
    /// A link to it, good until `url_until`.
    url: String,
    /// Until when the link is good.
    url_until: i64,
}

/// What makes a link good.
#[derive(Deserialize)]
pub(super) struct Proof {
    until: i64,
    sign: String,
}

/// Takes a file to be sent: the body is its content, the media type that of the request.
#[utoipa::path(post, path = "/files", tag = "files", params(UploadIn),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = FileOut), (status = 413, body = ErrorOut), (status = 422, body = ErrorOut)))]
pub(super) async fn upload_file(
    app: web::Data<App>,
    signed: Signed,
    request: HttpRequest,
    query: web::Query<UploadIn>,
    mut body: web::Payload,
) -> Told {
    let limit = app.config.files.largest();
    let too_large = || ApiError::TooLarge(usize::try_from(limit).unwrap_or(usize::MAX));
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let announced = header(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit) {
        let_go(async move { while body.next().await.is_some_and(|part| part.is_ok()) {} }).await;
        return Err(too_large());
    }
    // a body of actix belongs to its thread, and the shelf may work on another
    let (hand_on, pieces) = tokio::sync::mpsc::channel(1);
    let read = async move {
        while let Some(part) = body.next().await {
            let broken = part.is_err();
            // nobody takes what is refused already
            let _ = hand_on.send(part.map_err(std::io::Error::other)).await;
            if broken {
                break;
            }
        }
    };
    let pieces =
        futures_util::stream::unfold(pieces, |mut pieces| async { pieces.recv().await.map(|part| (part, pieces)) });
    let file = (query.name.as_str(), header(CONTENT_TYPE));
    let keep = std::pin::pin!(files::keep(&app, signed.company, file, pieces.boxed(), limit));
    let kept = match futures_util::future::select(keep, std::pin::pin!(read)).await {
        Either::Left((kept, rest)) => {
            let_go(rest).await;
            kept
        }
        Either::Right(((), keep)) => keep.await,
    };
    let row = kept.map_err(|error| match error {
        KeepError::Shelf(ShelfError::TooBig(_)) => too_large(),
        KeepError::Shelf(ShelfError::Broken(seen)) => ApiError::Unreadable(seen.to_string()),
        KeepError::Shelf(error) => {
            tracing::error!(%error, "an upload could not be kept");
            ApiError::Unavailable {
                ru: "Хранилище файлов недоступно: проверьте его командой switchboard doctor",
                en: "The file store is not available: look at it with switchboard doctor",
            }
        }
        KeepError::Store(error) => error.into(),
    })?;
    if row.size == Some(0) {
        files::discard(&app, &row).await?;
        return Err(ApiError::bad(
            "",
            "Файл пуст: приложите его телом запроса",
            "The file is empty: send it as the body",
        ));
    }
    Ok(HttpResponse::Created().json(shown(&app, row)))
}

/// Reads the rest of a body that is refused, for a moment: a client that still writes would not read why.
async fn let_go(rest: impl Future<Output = ()>) {
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), rest).await;
}

/// Shows a file, with a fresh link.
#[utoipa::path(get, path = "/files/{id}", tag = "files", params(("id" = String, Path)),
    responses((status = 200, body = FileOut), (status = 404, body = ErrorOut)))]
pub(super) async fn show_file(app: web::Data<App>, signed: Signed, id: web::Path<FileId>) -> Told {
    let row = files::find(&app, signed.company, *id).await?.ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok().json(shown(&app, row)))
}

fn shown(app: &App, row: FileRow) -> FileOut {
    let (url, url_until) = files::link(app, &row.id);
    FileOut {
        source: format!("{SOURCE}{}", row.id),
        id: row.id,
        name: row.name,
        mime: row.mime,
        size: row.size.unwrap_or_default(),
        sha256: row.sha256.unwrap_or_default(),
        created_at: row.created_at,
        expires_at: row.expires_at,
        url,
        url_until,
    }
}

/// Gives the content of a file to whoever brings a link of ours. It is always saved and never shown.
pub(super) async fn download_file(
    app: web::Data<App>,
    request: HttpRequest,
    id: web::Path<FileId>,
    proof: web::Query<Proof>,
) -> Told {
    let row = files::follow(&app, *id, proof.until, &proof.sign).await?.ok_or(ApiError::NotFound)?;
    let size = row.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
    let asked = request.headers().get(RANGE).and_then(|range| range.to_str().ok());
    let range = match asked.map(|asked| range_of(asked, size)) {
        None | Some(Asked::Whole) => None,
        Some(Asked::Part(range)) => Some(range),
        Some(Asked::Nothing) => {
            return Ok(HttpResponse::RangeNotSatisfiable()
                .insert_header((CONTENT_RANGE, format!("bytes */{size}")))
                .finish());
        }
    };
    let bytes = app.shelf.get(&files::key(&row), range.clone()).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => ApiError::NotFound,
        _ => ApiError::Inner(error.to_string()),
    })?;
    let mut response = HttpResponse::Ok();
    if let Some(range) = &range {
        response.status(StatusCode::PARTIAL_CONTENT);
        let last = range.end.saturating_sub(1);
        response.insert_header((CONTENT_RANGE, format!("bytes {}-{last}/{size}", range.start)));
    }
    Ok(response
        .insert_header((CONTENT_TYPE, if is_active(&row.mime) { ANY.to_owned() } else { row.mime.clone() }))
        .insert_header((CONTENT_DISPOSITION, disposition(&row.name)))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((CONTENT_ENCODING, "identity"))
        .insert_header(("Accept-Ranges", "bytes"))
        .insert_header(("Cross-Origin-Resource-Policy", "same-origin"))
        .no_chunking(range.map_or(size, |range| range.end - range.start))
        .streaming(bytes))
}

/// `attachment`, with the name for old clients and for those that know letters.
fn disposition(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || " .-_()".contains(c) { c } else { '_' }).collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", utf8_percent_encode(name, NAME))
}

/// What a header `Range` asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    Part(Range<u64>),
    Nothing,
}

/// One range of bytes is given; what is written in another way is answered with the whole, as RFC 9110 allows.
fn range_of(header: &str, size: u64) -> Asked {
    let parts = header.strip_prefix("bytes=").filter(|rest| !rest.contains(',')).and_then(|rest| rest.split_once('-'));
    let Some((first, last)) = parts else { return Asked::Whole };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.trim().is_empty() => first..size,
        (None, Some(last)) if first.trim().is_empty() => size.saturating_sub(last)..size,
        _ => return Asked::Whole,
    };
    if range.start < range.end { Asked::Part(range) } else { Asked::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_they_are_written() {
        for (header, is) in [
            ("bytes=0-0", Asked::Part(0..1)),
            ("bytes=5-", Asked::Part(5..10)),
            ("bytes=-3", Asked::Part(7..10)),
            ("bytes=-30", Asked::Part(0..10)),
            ("bytes=2-99", Asked::Part(2..10)),
            ("bytes=10-", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=3-2", Asked::Whole),
            ("bytes=0-1,3-4", Asked::Whole),
            ("lines=0-1", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("bytes=0-18446744073709551615", Asked::Part(0..10)),
        ] {
            assert_eq!(range_of(header, 10), is, "{header}");
        }
    }

    #[test]
    fn a_name_stays_inside_its_header() {
        assert_eq!(
            disposition("Счёт \"1\".pdf"),
            "attachment; filename=\"____ _1_.pdf\"; filename*=UTF-8''%D0%A1%D1%87%D1%91%D1%82%20%221%22.pdf"
        );
    }
}

//! A stream of what changes, for pages that are looked at (server-sent events).

use actix_web::http::header::{CACHE_CONTROL, ContentEncoding};
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;

use super::auth::Signed;
use super::error::{ApiError, ErrorOut, Told};
use crate::app::App;
use crate::app::live::Looking;
use crate::flow::sign_in;
use crate::model::moment::Tick;

/// A line is written so often, so that nobody in between takes the connection for dead, and the session is looked at again.
const BEAT_MS: i64 = 15_000;

/// What a browser waits before it comes back.
const BACK_MS: i64 = 3_000;

/// A refused stream is asked for again after so many seconds.
const LATER_S: u64 = 30;

/// Tells what changed in the company, as server-sent events. `ready` comes first: whatever was known is asked for again. Then
/// `changed` with `{"topics": [...]}`, of `channels`, `queue`, `mailings`, `lines`
/// and `messages`. The stream ends with the session.
#[utoipa::path(get, path = "/events", tag = "session", responses(
    (status = 200, body = String, content_type = "text/event-stream"), (status = 401, body = ErrorOut), (status = 429, body = ErrorOut)))]
pub(super) async fn stream_events(app: web::Data<App>, signed: Signed) -> Told {
    let looking = app.live.look(signed.company, &signed.token).ok_or(ApiError::TooMany(LATER_S))?;
    let beat_at = app.clock.tick().plus_ms(BEAT_MS);
    let page = Page { app: app.get_ref().clone(), token: signed.token, looking, beat_at, greeted: false };
    let words = stream::unfold(page, |mut page| async move {
        let word = page.next().await?;
        Some((Ok::<Bytes, actix_web::Error>(Bytes::from(word)), page))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        // neither packed nor held back by anybody in between
        .insert_header(ContentEncoding::Identity)
        .insert_header((CACHE_CONTROL, "no-store, no-transform"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(words))
}

/// A page that is looked at.
struct Page {
    app: App,
    token: String,
    looking: Looking,
    beat_at: Tick,
    greeted: bool,
}

impl Page {
    /// The next piece of the stream; none at its end.
    async fn next(&mut self) -> Option<String> {
        if !self.greeted {
            self.greeted = true;
            return Some(format!("retry: {BACK_MS}\nevent: ready\ndata: {{}}\n\n"));
        }
        tokio::select! {
            topics = self.looking.next() => {
                let told = json!({ "topics": topics?.names() });
                Some(format!("event: changed\ndata: {told}\n\n"))
            }
            () = self.app.clock.sleep_until(self.beat_at) => self.beat().await,
        }
    }

    /// Whoever has signed out meanwhile hears nothing more.
    async fn beat(&mut self) -> Option<String> {
        self.beat_at = self.app.clock.tick().plus_ms(BEAT_MS);
        match sign_in::holder(&self.app, &self.token).await {
            Ok(None) => None,
            // a database that is away for a moment ends nobody's session
            Ok(Some(_)) | Err(_) => Some(": beat\n\n".to_owned()),
        }
    }
}

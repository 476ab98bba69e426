//! Files that came in: entered with their message, fetched from the vendor afterwards, and laid on the shelf.

use crate::app::App;
use crate::app::shelf::ShelfError;
use crate::flow::files::{self, KeepError};
use crate::flow::renew::{self, Renewed};
use crate::flow::{open_line, perform};
use crate::messenger::{self, Fetched, Messenger};
use crate::model::id::{ChannelId, CompanyId};
use crate::model::message::{IncomingMedia, Kind};
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::vendor::Answer;
use crate::store::outbox;
use crate::store::row::{ArrivalRow, ChannelRow, FileRow, MessageRow, text, value};
use crate::store::{Conn, Result};

/// The first pause after a failure, in milliseconds; each further one is three times as long.
const FIRST_MS: i64 = 5_000;

/// The longest pause. With [`MOST_ATTEMPTS`] the last one is about a day after the first: vendors keep files for days.
const LONGEST_MS: i64 = 3 * 3_600_000;

/// So often a file is asked for before it counts as gone.
const MOST_ATTEMPTS: i32 = 15;

/// So long a file is one process's to fetch, in milliseconds: longer than a fetch may take.
pub const TAKEN_MS: i64 = 30 * 60_000;

/// A reason is told in so many characters.
const REASON: usize = 300;

/// Enters the files of a message, in the transaction that enters the message.
///
/// # Errors
/// Those of the database.
pub fn enter(conn: &mut Conn, message: &MessageRow, media: &[IncomingMedia], now: Moment) -> Result<()> {
    if media.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::new();
    for (place, media) in (0_i16..).zip(media) {
        rows.push(ArrivalRow {
            message: message.id.clone(),
            place,
            company: message.company.clone(),
            channel: message.channel.clone(),
            media: text(media)?,
            attempts: 0,
            due_at: Some(now.0),
            file: None,
            code: None,
            reason: None,
        });
    }
    crate::on!(conn, arrival::enter(&rows))
}

/// What came of one attempt.
enum Attempt {
    Kept(FileRow),
    /// It will never come.
    Over(Code, String),
    /// It may come later; so many milliseconds the vendor asks to wait.
    Later(String, i64),
}

/// Fetches a file that was taken to be fetched, and writes down what became of it.
///
/// # Errors
/// Those of the store.
pub(crate) async fn fetch(app: &App, mut row: ArrivalRow) -> Result<()> {
    let attempt = attempt(app, &row).await?;
    row.attempts = row.attempts.saturating_add(1);
    match attempt {
        Attempt::Kept(kept) => {
            row.file = Some(kept.id);
            (row.due_at, row.code, row.reason) = (None, None, None);
        }
        Attempt::Later(seen, after_ms) if row.attempts < MOST_ATTEMPTS => {
            let pause_ms = pause(row.attempts).max(after_ms);
            tracing::info!(
                message = row.message,
                seen,
                pause_ms,
                "a file that came in could not be fetched; trying again"
            );
            row.due_at = Some(app.clock.now().plus_ms(pause_ms).0);
            row.reason = Some(short(&seen));
        }
        Attempt::Later(seen, _) => end(&mut row, Code::FileGone, &seen),
        Attempt::Over(code, seen) => end(&mut row, code, &seen),
    }
    let (inner, now) = (app.clone(), app.clock.now());
    let accepted = app
        .store
        .write(move |conn| {
            crate::on!(conn, arrival::note(&row))?;
            if row.due_at.is_some() {
                return Ok(Vec::new());
            }
            let new = open_line::file_came(&inner, conn, &row, now)?;
            Ok(outbox::accept(conn, now, &new)?.into_iter().flatten().collect())
        })
        .await?;
    app.bell.accepted(accepted);
    Ok(())
}

fn end(row: &mut ArrivalRow, code: Code, seen: &str) {
    tracing::warn!(
        message = row.message,
        channel = row.channel,
        code = code.slug(),
        seen,
        "a file that came in is lost"
    );
    (row.due_at, row.code, row.reason) = (None, Some(code.slug().to_owned()), Some(short(seen)));
}

async fn attempt(app: &App, row: &ArrivalRow) -> Result<Attempt> {
    let gone = || Ok(Attempt::Over(Code::ChannelNotFound, "the channel is gone".to_owned()));
    let (Ok(company), Ok(id)) = (row.company.parse::<CompanyId>(), row.channel.parse::<ChannelId>()) else {
        return gone();
    };
    let Some(channel) = app.store.read(move |conn| crate::on!(conn, channel::by_id(company, id))).await? else {
        return gone();
    };
    let Some(messenger) = Kind::from_slug(&channel.messenger).and_then(messenger::of) else { return gone() };
    let media: IncomingMedia = value("arrivals", &row.media)?;
    let limit = app.config.files.largest();
    Ok(match ask(app, company, &channel, messenger, &media, limit).await? {
        Ok(fetched) => keep(app, company, &media, fetched, limit).await?,
        Err(Answer::Refused { code, text }) => Attempt::Over(code, text),
        Err(Answer::Nobody { text }) => Attempt::Over(Code::FileGone, text),
        Err(Answer::Busy { after_ms, .. }) => Attempt::Later("the vendor asks to wait".to_owned(), after_ms),
        Err(Answer::Down { seen } | Answer::Expired { seen } | Answer::Unsure { seen, .. }) => Attempt::Later(seen, 0),
        Err(Answer::Done { .. }) => Attempt::Later("no file came".to_owned(), 0),
    })
}

/// Asks the vendor, with fresh credentials where they ran out.
async fn ask(
    app: &App,
    company: CompanyId,
    channel: &ChannelRow,
    messenger: &'static dyn Messenger,
    media: &IncomingMedia,
    limit: u64,
) -> Result<std::result::Result<Fetched, Answer>> {
    let wire = perform::wire(app, channel)?;
    let asked = messenger.fetch_media(&wire, media, limit).await;
    if !matches!(asked, Err(Answer::Expired { .. })) {
        return Ok(asked);
    }
    match renew::renew(app, company, channel, messenger).await? {
        Renewed::Fresh(channel) => Ok(messenger.fetch_media(&perform::wire(app, &channel)?, media, limit).await),
        Renewed::Later(seen) => Ok(Err(Answer::Down { seen })),
        Renewed::Never => Ok(asked),
    }
}

async fn keep(app: &App, company: CompanyId, media: &IncomingMedia, fetched: Fetched, limit: u64) -> Result<Attempt> {
    let told = fetched.mime.or_else(|| media.mime.clone());
    let name = media.name.clone().unwrap_or_default();
    Ok(match files::keep(app, company, (&name, told.as_deref()), fetched.bytes, limit).await {
        Ok(row) => Attempt::Kept(row),
        Err(KeepError::Store(error)) => return Err(error),
        Err(KeepError::Shelf(error @ ShelfError::TooBig(_))) => Attempt::Over(Code::FileTooBig, error.to_string()),
        Err(KeepError::Shelf(error)) => Attempt::Later(error.to_string(), 0),
    })
}

fn pause(attempts: i32) -> i64 {
    let power = u32::try_from(attempts.saturating_sub(1)).unwrap_or_default().min(12);
    FIRST_MS.saturating_mul(3_i64.saturating_pow(power)).min(LONGEST_MS)
}

fn short(seen: &str) -> String {
    seen.chars().map(|c| if c.is_control() { ' ' } else { c }).take(REASON).collect()
}

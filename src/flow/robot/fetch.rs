//! A file that a robot's messages wait for: it is fetched from the portal onto the shelf, once for all of them, and then they enter
//! the outbox with it. An errand of the portal's lane, so it is asked for at the portal's pace and again after a crash.

use crate::app::App;
use crate::app::shelf::ShelfError;
use crate::crm::bitrix24::fault::Fault;
use crate::crm::bitrix24::file::{self, Found};
use crate::flow::answer;
use crate::flow::files::{self, KeepError, SOURCE};
use crate::flow::portal;
use crate::flow::settle::Over;
use crate::flow::tell::Verdict;
use crate::model::errand::{NewErrand, Rank, Work};
use crate::model::file::kind_of;
use crate::model::id::{AnswerId, CompanyId, FileId, LaneId, PortalId};
use crate::model::message::Media;
use crate::model::moment::Moment;
use crate::model::origin::Origin;
use crate::model::portal_file::PortalFile;
use crate::model::result::Code;
use crate::model::vendor::Answer;
use crate::net::guard::GuardError;
use crate::net::http::FetchError;
use crate::store::{Conn, Result};

/// How long a document is waited for where the automation waits without end, in milliseconds.
const DOCUMENT_MS: i64 = 10 * 60_000;

/// Between two looks whether a document is ready, in milliseconds; the last one again and again.
const PAUSES_MS: [i64; 5] = [2_000, 3_000, 5_000, 10_000, 15_000];

/// The errand that fetches a file for an answer.
pub(super) fn errand(
    app: &App,
    (company, portal, lane): (CompanyId, PortalId, LaneId),
    answer: AnswerId,
    file: PortalFile,
    answer_by: Option<i64>,
    now: Moment,
) -> NewErrand {
    let ttl_ms = app.config.outbox.default_ttl_hours.saturating_mul(3_600_000);
    // a document that is not ready when the automation goes on is of no use any more; the portal's own pace may delay a file
    let expires_at = match answer_by {
        Some(by) if file.ripens() => Moment(by),
        None if file.ripens() => now.plus_ms(DOCUMENT_MS),
        _ => now.plus_ms(ttl_ms),
    };
    NewErrand {
        company,
        lane,
        rank: Rank::Service,
        peer: answer.to_string(),
        work: Work::Fetch { portal, answer, file, tries: 0 },
        origin: Origin::Nobody,
        not_before: None,
        expires_at: Some(expires_at),
        dedup_key: None,
        merge_key: None,
    }
}

/// Asks the portal where the file is, and fetches it. The answer names the file on our shelf; none while it is not ready.
pub(crate) async fn carry_out(
    app: &App,
    company: CompanyId,
    id: PortalId,
    (wanted, tries): (&PortalFile, u32),
    expires_at: Option<Moment>,
) -> Answer {
    let refused = |code| Answer::Refused { code, text: String::new() };
    let found = match ask(app, company, id, wanted).await {
        Ok(Found::Named(named)) => ask(app, company, id, &named).await,
        other => other,
    };
    match found {
        Err(answer) => answer,
        Ok(Found::Gone | Found::Named(_)) => refused(Code::FileGone),
        Ok(Found::Ready { url, name }) => bring(app, company, &url, &name).await,
        Ok(Found::NotYet) => {
            let next = app.clock.now().plus_ms(pause_ms(tries));
            if expires_at.is_some_and(|end| end <= next) { refused(Code::DocumentNotReady) } else { Answer::done() }
        }
    }
}

/// Asks the portal once.
async fn ask(app: &App, company: CompanyId, id: PortalId, wanted: &PortalFile) -> std::result::Result<Found, Answer> {
    let Some((method, params)) = file::question(wanted) else { return Ok(Found::Gone) };
    if let Some(resting) = portal::resting(app, id, &[method]) {
        return Err(resting);
    }
    match portal::call(app, company, id, method, &params).await {
        Ok(Ok(success)) => Ok(file::read(wanted, &success.result)),
        Ok(Err(fault)) => Err(missed(app, company, id, method, fault).await),
        Err(error) => Err(portal::unreachable_store(&error)),
    }
}

fn pause_ms(tries: u32) -> i64 {
    let at = usize::try_from(tries).unwrap_or(usize::MAX);
    PAUSES_MS.get(at).or(PAUSES_MS.last()).copied().unwrap_or(DOCUMENT_MS)
}

async fn missed(app: &App, company: CompanyId, id: PortalId, method: &str, fault: Fault) -> Answer {
    let told = |code: &str, text: &str| format!("{code} {text}").trim().to_owned();
    match &fault {
        Fault::Refused { code, .. } if file::is_gone(code) => {
            Answer::Refused { code: Code::FileGone, text: String::new() }
        }
        Fault::Refused { code, text } => Answer::Refused { code: Code::PortalRefused, text: told(code, text) },
        Fault::NoRights { code, text } => Answer::Refused { code: Code::NoRights, text: told(code, text) },
        _ => portal::meet(app, company, id, method, &fault, true).await,
    }
}

/// Lays the file on the shelf as it comes.
async fn bring(app: &App, company: CompanyId, url: &str, name: &str) -> Answer {
    let refused = |code| Answer::Refused { code, text: String::new() };
    let down = |seen: String| Answer::Down { seen };
    let limit = app.config.files.largest();
    let found = match app.guard.fetch(url, limit).await {
        Ok(found) => found,
        Err(GuardError::Fetch(FetchError::TooBig(_))) => return refused(Code::FileTooBig),
        Err(GuardError::Fetch(error)) => return down(error.to_string()),
        Err(error) => return Answer::Refused { code: Code::FileGone, text: error.to_string() },
    };
    match found.status {
        200..=299 => {}
        404 | 410 => return refused(Code::FileGone),
        // its token may be over already: the next question brings a fresh one
        status => return down(format!("the portal answered HTTP {status} instead of a file")),
    }
    let told = found.header("content-type").map(str::to_owned);
    match files::keep(app, company, (name, told.as_deref()), found.bytes, limit).await {
        Ok(row) if row.mime == "text/html" && !is_page(name) => {
            // a page of a web server, where a file was to be
            if let Err(error) = files::discard(app, &row).await {
                tracing::warn!(%error, file = row.id, "a page that came instead of a file stays until its time is over");
            }
            down("the portal answered a page instead of a file".to_owned())
        }
        Ok(row) => Answer::Done { vendor_ids: vec![row.id], chat: None },
        Err(KeepError::Shelf(ShelfError::TooBig(_))) => refused(Code::FileTooBig),
        Err(error) => down(error.to_string()),
    }
}

fn is_page(name: &str) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    ["html", "htm", "xhtml"].iter().any(|page| ending.eq_ignore_ascii_case(page))
}

/// What became of fetching a file: its messages enter the outbox, or the answer is that there is none.
///
/// # Errors
/// Those of the database.
pub fn settle(app: &App, conn: &mut Conn, over: &Over<'_>, verdict: &Verdict, now: Moment) -> Result<Vec<NewErrand>> {
    let errand = over.errand;
    let Work::Fetch { portal, answer, file, tries } = &errand.work else { return Ok(Vec::new()) };
    let Answer::Done { vendor_ids, .. } = over.answer else {
        let (code, reason) = match verdict.code {
            Some(Code::Unknown) | None => (Code::FileGone, verdict.reason.as_str()),
            Some(code) => (code, verdict.reason.as_str()),
        };
        return answer::refuse(app, conn, errand.company, *answer, code, reason, now);
    };
    let Some(id) = vendor_ids.first().and_then(|id| id.parse::<FileId>().ok()) else {
        let work = Work::Fetch { portal: *portal, answer: *answer, file: file.clone(), tries: tries.saturating_add(1) };
        return Ok(vec![NewErrand {
            company: errand.company,
            lane: errand.lane,
            rank: errand.rank,
            peer: errand.peer.clone(),
            work,
            origin: Origin::Nobody,
            not_before: Some(now.plus_ms(pause_ms(*tries))),
            expires_at: errand.expires_at,
            dedup_key: None,
            merge_key: None,
        }]);
    };
    let Some(row) = crate::on!(conn, file::by_id(errand.company, id))? else {
        return answer::refuse(app, conn, errand.company, *answer, Code::FileGone, "", now);
    };
    let media = Media {
        kind: kind_of(&row.mime),
        name: row.name,
        mime: row.mime,
        source: format!("{SOURCE}{}", row.id),
        size: row.size.and_then(|size| u64::try_from(size).ok()),
    };
    answer::release(app, conn, errand.company, *answer, &media, now)
}

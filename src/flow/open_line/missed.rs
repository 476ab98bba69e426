//! What operators said while nobody here heard of it: portals tell everything once. After such a time the histories of dialogs
//! that were active are looked through, and what is missing is sent late.

use serde_json::json;

use super::{care, event, note, place_of};
use crate::app::App;
use crate::app::shelf::ShelfError;
use crate::crm::bitrix24::event::{FileLink, Word};
use crate::crm::bitrix24::fault::Fault;
use crate::crm::bitrix24::open_line::{HISTORY, Told, read_history};
use crate::flow::files::{self, KeepError, SOURCE};
use crate::flow::portal;
use crate::model::errand::ChatCare;
use crate::model::id::{CompanyId, PortalId};
use crate::model::moment::Moment;
use crate::model::vendor::Answer;
use crate::net::guard::GuardError;
use crate::net::http::FetchError;
use crate::store::Result;
use crate::store::outbox::{self, Accepted};
use crate::store::row::OpenLineChatRow;

/// The method that gives a file of the Disk.
const FILE: &str = "disk.file.get";

/// Rounds of those who are there come so close together, in milliseconds; whoever begins may have missed something in any time.
const GAP_MS: i64 = 3 * 60_000;

/// After a gap that short, as a server that is brought up to date makes it, the dialogs in which people talk are looked through
/// alone, in milliseconds: each costs a call.
const SHORT_MS: i64 = 15 * 60_000;

/// Clocks differ, and a portal may tell late, in milliseconds.
const MARGIN_MS: i64 = 2 * 60_000;

/// Dialogs in which something was said within so long before are looked through, in milliseconds.
const ACTIVE_MS: i64 = 3 * 24 * 3_600_000;

/// The same after a short gap, in milliseconds.
const TALKING_MS: i64 = 2 * 3_600_000;

/// Dialogs that are looked for at once.
const AT_ONCE: i64 = 500;

/// This server is there to hear portals. Where nobody was for a while, the dialogs that were active are to be looked through; gives
/// back the calls. Called about once a minute by each process that portals post to; `begins` is the first time in its life.
///
/// # Errors
/// Those of the store.
pub(crate) async fn watch(app: &App, begins: bool) -> Result<Vec<Accepted>> {
    let now = app.clock.now();
    let seen = app.store.read(|conn| crate::on!(conn, open_line::seen())).await?;
    let since = seen.map(Moment).filter(|seen| now.since_ms(*seen) > if begins { 0 } else { GAP_MS });
    let mut all = Vec::new();
    if let Some(since) = since {
        tracing::info!(
            since = since.0,
            "portals may have told something while nobody heard; dialogs are looked through"
        );
        all = look_through(app, since, now).await?;
    }
    app.store.write(move |conn| crate::on!(conn, open_line::see(now.0))).await?;
    Ok(all)
}

async fn look_through(app: &App, since: Moment, now: Moment) -> Result<Vec<Accepted>> {
    let (mut all, mut after) = (Vec::new(), String::new());
    let active_ms = if now.since_ms(since) < SHORT_MS { TALKING_MS } else { ACTIVE_MS };
    loop {
        let known = after.clone();
        let (accepted, last) = app
            .store
            .write(move |conn| {
                let chats = crate::on!(conn, open_line::active_since(since.0 - active_ms, &known, AT_ONCE))?;
                let mut new = Vec::new();
                for chat in chats.iter().filter(|chat| chat.im_chat.is_some()) {
                    let missed = ChatCare::Missed { since: since.plus_ms(-MARGIN_MS) };
                    new.extend(care(conn, chat, missed, now, now)?);
                }
                let accepted: Vec<Accepted> = outbox::accept(conn, now, &new)?.into_iter().flatten().collect();
                Ok((accepted, chats.last().map(|chat| chat.id.clone())))
            })
            .await?;
        all.extend(accepted);
        match last {
            Some(last) => after = last,
            None => return Ok(all),
        }
    }
}

/// Looks through the history of a dialog.
pub(super) async fn carry_out(
    app: &App,
    company: CompanyId,
    portal: PortalId,
    chat: &OpenLineChatRow,
    since: Moment,
) -> Result<Answer> {
    let Some(im_chat) = chat.im_chat else { return Ok(Answer::done()) };
    let told = match portal::call(app, company, portal, HISTORY, &json!({ "CHAT_ID": im_chat })).await? {
        Ok(success) => read_history(&success.result),
        Err(fault) => return Ok(portal::meet(app, company, portal, HISTORY, &fault, true).await),
    };
    let (mut words, mut lost) = (Vec::new(), 0);
    for told in told.into_iter().filter(|told| is_missed(told, chat, since)) {
        if is_known(app, portal, (im_chat, told.id)).await? {
            continue;
        }
        let (files, gone) = match files_of(app, company, portal, &told).await? {
            Ok(found) => found,
            // nothing of it is written down yet: it is found again
            Err(answer) => return Ok(answer),
        };
        lost += gone;
        let at = told.at.map_or(since, Moment);
        let word =
            Word { im: (im_chat, told.id), chat: chat.external.clone(), user: told.sender, text: told.text, files };
        words.push((word, at));
    }
    if !words.is_empty() {
        enter(app, company, chat, words, lost).await?;
    }
    Ok(Answer::done())
}

/// Whether an operator said it, and nobody delivered it. What is for operators alone has a class, and is never sent.
fn is_missed(told: &Told, chat: &OpenLineChatRow, since: Moment) -> bool {
    let said_by_us = told.sender > 0 && chat.im_user.is_some() && Some(told.sender) != chat.im_user;
    let something = !told.text.trim().is_empty() || !told.files.is_empty();
    said_by_us && something && !told.hidden && told.ours.is_empty() && told.at.is_some_and(|at| at >= since.0)
}

async fn is_known(app: &App, portal: PortalId, im: (i64, i64)) -> Result<bool> {
    let portal = portal.to_string();
    Ok(app.store.read(move |conn| crate::on!(conn, open_word::by_im(&portal, im))).await?.is_some())
}

async fn enter(
    app: &App,
    company: CompanyId,
    chat: &OpenLineChatRow,
    words: Vec<(Word, Moment)>,
    lost: usize,
) -> Result<()> {
    let (inner, chat) = (app.clone(), chat.clone());
    let accepted: Vec<Accepted> = app
        .store
        .write(move |conn| {
            let now = inner.clock.now();
            let (mut new, mut found) = (Vec::new(), Vec::new());
            for (word, at) in &words {
                let sent = event::said(&inner, conn, company, place_of(&chat), word, (*at, true), now)?;
                if !sent.is_empty() {
                    found.push(word.im.1);
                    new.extend(sent);
                }
            }
            if let Some(first) = found.first() {
                let text = format!(
                    "Отправлено клиенту с опозданием сообщений: {}. Пока сервер был недоступен, портал о них не сообщил",
                    found.len()
                );
                new.extend(note(conn, &chat, (&format!("late:{first}"), text), now)?);
            }
            if let (true, Some((word, _))) = (lost > 0, words.first()) {
                let text = format!("Не отправлено клиенту файлов: {lost}. Портал их больше не отдаёт, отправьте их ещё раз");
                new.extend(note(conn, &chat, (&format!("lost:{}", word.im.1), text), now)?);
            }
            Ok(outbox::accept(conn, now, &new)?.into_iter().flatten().collect())
        })
        .await?;
    app.bell.accepted(accepted);
    Ok(())
}

/// The files of a message: the history names them by their numbers alone, and their links carry a token of ours, so they are
/// fetched and laid on the shelf. Gives back how many cannot be had any more, too; an answer where it is to be tried again.
async fn files_of(
    app: &App,
    company: CompanyId,
    portal: PortalId,
    told: &Told,
) -> Result<std::result::Result<(Vec<FileLink>, usize), Answer>> {
    let (mut links, mut gone) = (Vec::new(), 0);
    for id in &told.files {
        let success = match portal::call(app, company, portal, FILE, &json!({ "id": id })).await? {
            Ok(success) => success,
            Err(Fault::Refused { .. } | Fault::NoRights { .. }) => {
                gone += 1;
                continue;
            }
            Err(fault) => return Ok(Err(portal::meet(app, company, portal, FILE, &fault, true).await)),
        };
        let text = |name: &str| success.result.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        let (name, url) = (text("NAME").to_owned(), text("DOWNLOAD_URL").to_owned());
        let limit = app.config.files.largest();
        let fetched = match app.guard.fetch(&url, limit).await {
            Ok(fetched) if (200..300).contains(&fetched.status) => fetched,
            Ok(fetched) if fetched.status < 500 && fetched.status != 429 => {
                gone += 1;
                continue;
            }
            Err(GuardError::BadAddress(_) | GuardError::Private | GuardError::Fetch(FetchError::TooBig(_))) => {
                gone += 1;
                continue;
            }
            Ok(_) | Err(_) => {
                return Ok(Err(Answer::Down { seen: "a file of an operator cannot be fetched".to_owned() }));
            }
        };
        match files::keep(app, company, (&name, None), fetched.bytes, limit).await {
            Ok(row) => {
                let size = row.size.and_then(|size| u64::try_from(size).ok());
                links.push(FileLink { name, mime: Some(row.mime), url: format!("{SOURCE}{}", row.id), size });
            }
            Err(KeepError::Shelf(ShelfError::TooBig(_))) => gone += 1,
            Err(error) => return Ok(Err(Answer::Down { seen: error.to_string() })),
        }
    }
    Ok(Ok((links, gone)))
}

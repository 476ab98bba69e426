//! Carrying a post out: one call of the portal, whose fate is never left to chance.
//!
//! A portal shows a message that is sent twice twice. So a post says before its call that it begins; where nobody knows how the
//! call ended, the chat is looked at before it is made again.

use serde_json::Value;

use super::look::{self, Look, Sought};
use super::render::{self, Ready, Rendered};
use super::{later, mark, other_line, place, place_of};
use crate::app::App;
use crate::crm::bitrix24::fault::Fault;
use crate::crm::bitrix24::open_line::{self as wire, Place, Taken};
use crate::flow::portal;
use crate::flow::tell::Verdict;
use crate::model::errand::NewErrand;
use crate::model::id::{CompanyId, OpenLinePostId, PortalId};
use crate::model::message::{Kind, Media};
use crate::model::moment::Moment;
use crate::model::open_line::Settings;
use crate::model::status::Status;
use crate::model::vendor::{Answer, Scope};
use crate::store::row::{ConnectionRow, MessageRow, OpenLineChatRow, PostRow, value};
use crate::store::{Conn, Result};

/// The first look whether the files of a message have come, in milliseconds.
const FILES_AGAIN_MS: i64 = 2_000;

/// The codes of a portal whose line does not work, which has lost the connector, as it does while the application is brought up to date,
/// or which has taken the module away. What is said waits until it works again.
const OFF: [&str; 3] = ["NOT_ACTIVE_LINE", "IMCONNECTOR_NO_CORRECT_PROVIDER", "ERROR_METHOD_NOT_FOUND"];

/// A post with everything that it needs.
struct Task {
    chat: OpenLineChatRow,
    connection: ConnectionRow,
    post: PostRow,
    settings: Settings,
    at: Place,
}

/// What is to be called.
struct Call {
    method: &'static str,
    params: Value,
    said: String,
    ready: Option<Box<Ready>>,
}

impl Call {
    /// By what it is known when it comes back: its words, or the names of its files where there are none.
    fn echo(&self) -> String {
        let names = || self.ready.iter().flat_map(|ready| &ready.said.files).map(|(_, name)| name.as_str());
        if self.said.is_empty() { names().collect::<Vec<_>>().join("\n") } else { self.said.clone() }
    }
}

/// What is to be done.
enum Next {
    Call(Box<(Task, Call)>),
    Fetch(Box<(Task, MessageRow, Media)>),
    Wait { since: Moment },
    Nothing,
}

/// Why it is too early to write something.
enum Early {
    /// Its files are on their way.
    Files,
    /// Its file is still to be fetched from another portal.
    Elsewhere(Box<(MessageRow, Media)>),
}

/// Carries a post out.
///
/// # Errors
/// Those of the store, before anything was called.
pub(crate) async fn carry_out(app: &App, company: CompanyId, portal: PortalId, id: OpenLinePostId) -> Result<Answer> {
    let now = app.clock.now();
    let mut next = read(app, company, id, now).await?;
    if let Next::Fetch(all) = next {
        // it is rare, and what is done for everything else should stay small
        if let Some(answer) = Box::pin(fetch(app, company, &all, now)).await? {
            return Ok(answer);
        }
        next = read(app, company, id, now).await?;
    }
    let (task, call) = match next {
        Next::Call(both) => *both,
        Next::Wait { since } => return Ok(wait(now.since_ms(since))),
        Next::Fetch(_) => return Ok(wait(0)),
        Next::Nothing => return Ok(Answer::done()),
    };
    if task.connection.state != "on" {
        return park(app, &task).await;
    }
    if let Some(resting) = portal::resting(app, portal, &[call.method]) {
        return Ok(resting);
    }
    let repeatable = call.method != wire::SEND;
    if let (false, Some(tried_at)) = (repeatable, task.post.tried_at) {
        let sought = Sought {
            name: &call_id(&call),
            author: task.post.author,
            said: &call.said,
            tried_at: Moment(tried_at),
            files: has_files(&call),
            came_back: task.post.echo.is_some(),
        };
        match Box::pin(look::find(app, company, &task.chat, &sought)).await? {
            Look::There => {
                // what is there is what left, whatever would be written by now
                let lacking = task.post.reason.clone().filter(|reason| reason.starts_with(render::WITHOUT_FILES));
                return done(app, task, call, &Taken { good: true, ..Taken::default() }, lacking).await;
            }
            Look::NotThere => {}
            Look::Later(answer) => return Ok(answer),
            Look::Never(why) => {
                end(app, &task, "unknown", &why).await?;
                return Ok(Answer::Unsure { seen: why, resendable: false });
            }
        }
    }
    begin(app, &task, &call).await?;
    match portal::call(app, company, portal, call.method, &call.params).await? {
        Ok(success) => {
            let lacking = lacking(&call);
            done(app, task, call, &wire::read_taken(&success.result), lacking).await
        }
        Err(fault) => failed(app, company, portal, &task, &call, &fault, repeatable).await,
    }
}

/// Gets the file of a post from another portal; an answer where the post cannot be written now.
async fn fetch(
    app: &App,
    company: CompanyId,
    (task, row, media): &(Task, MessageRow, Media),
    now: Moment,
) -> Result<Option<Answer>> {
    if task.connection.state != "on" {
        return Ok(Some(park(app, task).await?));
    }
    let there = other_line::fetch(app, company, &task.post, row, media).await?;
    Ok((!there).then(|| wait(now.since_ms(Moment(task.post.made_at)))))
}

async fn read(app: &App, company: CompanyId, id: OpenLinePostId, now: Moment) -> Result<Next> {
    let inner = app.clone();
    app.store.read(move |conn| next(&inner, conn, company, id, now)).await
}

fn next(app: &App, conn: &mut Conn, company: CompanyId, id: OpenLinePostId, now: Moment) -> Result<Next> {
    let Some(post) = crate::on!(conn, open_post::by_id(company, id))?.filter(|post| post.state == "waiting") else {
        return Ok(Next::Nothing);
    };
    let Some(chat) = crate::on!(conn, open_line::chat(&post.chat))? else { return Ok(Next::Nothing) };
    let (name, kind) = (place_of(&chat), Kind::from_slug(&chat.messenger));
    let (Some(connection), Some(kind)) = (crate::on!(conn, open_line::connection(name.0, name.1, name.2))?, kind)
    else {
        return Ok(Next::Nothing);
    };
    let settings: Settings = value("open_line_connections", &connection.settings)?;
    let at = Place { kind, line: chat.open_line };
    let made_at = Moment(post.made_at);
    let task = Task { chat, connection, post, settings, at };
    Ok(match call(app, conn, &task, now)? {
        Some(Ok(call)) => Next::Call(Box::new((task, call))),
        Some(Err(Early::Files)) => Next::Wait { since: made_at },
        Some(Err(Early::Elsewhere(file))) => Next::Fetch(Box::new((task, file.0, file.1))),
        None => Next::Nothing,
    })
}

/// The call of a post; an error where it is too early, none where there is nothing to write.
fn call(app: &App, conn: &mut Conn, task: &Task, now: Moment) -> Result<Option<std::result::Result<Call, Early>>> {
    let Task { chat, post, settings, at, .. } = task;
    let message = post.message.as_deref().unwrap_or_default();
    Ok(match post.kind.as_str() {
        "edit" => render::edited(conn, chat, post, settings)?.map(|(text, date_s)| {
            let params = wire::update_body(*at, &chat.person, &chat.external, message, date_s, &text);
            Ok(Call { method: wire::UPDATE, params, said: text, ready: None })
        }),
        "delete" => {
            let params = wire::delete_body(*at, &chat.person, &chat.external, message);
            Some(Ok(Call { method: wire::DELETE, params, said: String::new(), ready: None }))
        }
        "note" => Some(Ok(sending(*at, Box::new(render::note(conn, chat, post)?)))),
        _ => match render::message(app, conn, chat, post, settings, now)? {
            Rendered::Ready(ready) if ready.said.text.is_empty() && ready.said.files.is_empty() => None,
            Rendered::Ready(ready) => Some(Ok(sending(*at, ready))),
            Rendered::Wait => Some(Err(Early::Files)),
            Rendered::Elsewhere(file) => Some(Err(Early::Elsewhere(file))),
            Rendered::Nothing => None,
        },
    })
}

fn sending(at: Place, ready: Box<Ready>) -> Call {
    let params = wire::send_body(at, &ready.client, &ready.chat, &ready.said);
    Call { method: wire::SEND, params, said: ready.said.text.clone(), ready: Some(ready) }
}

fn call_id(call: &Call) -> String {
    call.ready.as_ref().map(|ready| ready.said.id.clone()).unwrap_or_default()
}

fn has_files(call: &Call) -> bool {
    call.ready.as_ref().is_some_and(|ready| !ready.said.files.is_empty())
}

fn lacking(call: &Call) -> Option<String> {
    call.ready.as_ref().and_then(|ready| render::lacking(&ready.missing))
}

/// The looks for files come at growing distances: each takes a turn of the portal, and files mostly come soon.
fn wait(waited_ms: i64) -> Answer {
    let longest = (render::FILES_MS - waited_ms).max(FILES_AGAIN_MS);
    Answer::Busy { after_ms: (waited_ms / 2).clamp(FILES_AGAIN_MS, longest), scope: Scope::Unready }
}

async fn begin(app: &App, task: &Task, call: &Call) -> Result<()> {
    if call.method != wire::SEND {
        return Ok(());
    }
    let (id, said, now) = (task.post.id.clone(), call.echo(), app.clock.now());
    let refused = task.post.reason.clone().filter(|reason| render::is_without_files(Some(reason)));
    let reason = refused.or_else(|| lacking(call));
    app.store.write(move |conn| crate::on!(conn, open_post::begin(&id, &said, reason.as_deref(), now.0))).await
}

/// The portal answered: what it told is kept before the errand is settled.
async fn done(app: &App, task: Task, call: Call, taken: &Taken, lacking: Option<String>) -> Result<Answer> {
    let (now, taken, inner) = (app.clock.now(), taken.clone(), app.clone());
    let good = taken.good;
    let why = if taken.errors.is_empty() { "the portal did not take it".to_owned() } else { taken.errors.clone() };
    let seen = why.clone();
    if !good && has_files(&call) && task.post.kind == "message" {
        // the words are worth more than the file that the portal does not take
        tracing::warn!(seen, "a portal did not take a message of an open line; it is shown without its files");
        let id = task.post.id;
        app.store.write(move |conn| crate::on!(conn, open_post::again(&id, render::REFUSED_FILES))).await?;
        return Ok(Answer::Busy { after_ms: 1_000, scope: Scope::Unready });
    }
    let accepted = app
        .store
        .write(move |conn| {
            let id = &task.post.id;
            if !taken.good {
                crate::on!(conn, open_post::end(id, "failed", Some(&why), now.0))?;
                let new = not_shown(conn, &task, &why, now)?;
                return Ok(crate::store::outbox::accept(conn, now, &new)?.into_iter().flatten().collect());
            }
            crate::on!(conn, open_post::end(id, "done", lacking.as_deref(), now.0))?;
            let mut new = later::files_meanwhile(conn, &task.chat, &task.post, lacking.as_deref(), now)?;
            crate::on!(conn, open_line::learn(&task.chat.id, (taken.chat, taken.user, taken.session)))?;
            new.extend(mark::named(&inner, conn, &task.chat, call.ready.as_deref(), now)?);
            Ok(crate::store::outbox::accept(conn, now, &new)?.into_iter().flatten().collect())
        })
        .await?;
    app.bell.accepted(accepted);
    if good {
        return Ok(Answer::done());
    }
    tracing::warn!(seen, "a portal did not take a message of an open line");
    Ok(Answer::Refused { code: crate::model::result::Code::Refused, text: seen })
}

async fn failed(
    app: &App,
    company: CompanyId,
    portal: PortalId,
    task: &Task,
    call: &Call,
    fault: &Fault,
    repeatable: bool,
) -> Result<Answer> {
    if let Some(code) = off_by(fault) {
        switched_off(app, task, code).await?;
        return Ok(Answer::done());
    }
    let answer = portal::meet(app, company, portal, call.method, fault, true).await;
    if !repeatable && !matches!(answer, Answer::Unsure { .. }) {
        let id = task.post.id.clone();
        app.store.write(move |conn| crate::on!(conn, open_post::not_begun(&id))).await?;
    }
    Ok(answer)
}

/// By which code nothing goes into a line at all, if that is why the portal refused.
fn off_by(fault: &Fault) -> Option<String> {
    match fault {
        Fault::Refused { code, .. } => Some(code.clone()).filter(|code| OFF.contains(&code.as_str())),
        Fault::NoRights { code, .. } => Some(code.clone()),
        _ => None,
    }
}

/// The line is off, or has lost the connector: what is said is parked until it works again, and the page shows why.
async fn switched_off(app: &App, task: &Task, code: String) -> Result<()> {
    let (row, id, now) = (task.connection.clone(), task.post.id.clone(), app.clock.now());
    tracing::warn!(portal = row.portal, line = row.open_line, code, "an open line does not work; what is said waits");
    app.store
        .write(move |conn| {
            crate::on!(conn, open_line::turn(place(&row), &["on"], ("inactive", Some(&code)), now.0))?;
            crate::on!(conn, open_post::park(&id))
        })
        .await
}

/// The line does not work by what was read. Where it works again by now, the post is tried once more.
async fn park(app: &App, task: &Task) -> Result<Answer> {
    let (id, row, now) = (task.post.id.clone(), task.connection.clone(), app.clock.now());
    app.store
        .write(move |conn| {
            let at = place(&row);
            match crate::on!(conn, open_line::connection(at.0, at.1, at.2))?.map(|row| row.state).as_deref() {
                Some("on") => return Ok(Answer::Busy { after_ms: 1_000, scope: Scope::Unready }),
                Some("inactive") => crate::on!(conn, open_post::park(&id))?,
                // somebody took the connection away: nothing of it comes back by itself
                _ => {
                    crate::on!(conn, open_post::end(&id, "failed", Some("disconnected"), now.0))?;
                }
            }
            Ok(Answer::done())
        })
        .await
}

/// An operator must know that something was said which cannot be shown.
fn not_shown(conn: &mut Conn, task: &Task, why: &str, now: Moment) -> Result<Vec<NewErrand>> {
    if task.post.kind == "note" {
        return Ok(Vec::new());
    }
    let text = format!("Портал не принял сообщение, посмотрите его в Switchboard: {why}");
    Ok(super::note(conn, &task.chat, (&format!("{}:refused", task.post.id), text), now)?.into_iter().collect())
}

async fn end(app: &App, task: &Task, state: &'static str, why: &str) -> Result<()> {
    let (id, why, now) = (task.post.id.clone(), why.to_owned(), app.clock.now());
    app.store.write(move |conn| crate::on!(conn, open_post::end(&id, state, Some(&why), now.0)).map(|_| ())).await
}

/// An errand of a post is over; where nothing better was written down already, why it failed is.
///
/// # Errors
/// Those of the database.
pub fn over(conn: &mut Conn, post: OpenLinePostId, verdict: &Verdict, now: Moment) -> Result<()> {
    let state = match verdict.status {
        Status::Sent | Status::Delivered | Status::Viewed => return Ok(()),
        Status::Unknown => "unknown",
        Status::Error | Status::NotSent => "failed",
    };
    let reason = verdict.code.map(|code| format!("{} {}", code.slug(), verdict.reason).trim().to_owned());
    crate::on!(conn, open_post::end(&post.to_string(), state, reason.as_deref(), now.0)).map(|_| ())
}

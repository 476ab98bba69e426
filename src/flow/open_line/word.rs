//! What an operator said: it becomes messages of the channel, and the portal hears what became of them.

use super::{mark, note};
use crate::crm::bitrix24::open_line::{DELIVERY, READING};
use crate::flow::tell::Verdict;
use crate::model::errand::NewErrand;
use crate::model::id::{CompanyId, OperatorWordId};
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::status::Status;
use crate::store::row::{OpenLineChatRow, WordPartRow, WordRow};
use crate::store::{Conn, Result};

/// A part of what an operator said left, arrived, was read or failed. Gives back the calls that tell the portal.
///
/// # Errors
/// Those of the database.
pub fn told(
    conn: &mut Conn,
    company: CompanyId,
    (id, place): (OperatorWordId, i32),
    verdict: &Verdict,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let Some((word, chat)) = find(conn, company, id)? else { return Ok(Vec::new()) };
    let (from, to): (&[&str], &str) = match verdict.status {
        Status::Sent | Status::Delivered => (&["open", "unknown", "failed"], "sent"),
        Status::Viewed => (&["open", "unknown", "failed", "sent"], "read"),
        Status::Error | Status::NotSent => (&["open", "unknown", "sent"], "failed"),
        Status::Unknown => (&["open"], "unknown"),
    };
    if !crate::on!(conn, open_word::turn_part(&word.id, place, from, to))? {
        return Ok(Vec::new());
    }
    let mut new = Vec::new();
    if matches!(to, "failed" | "unknown") {
        let text = reason(verdict);
        new.extend(note(conn, &chat, (&format!("{}:{place}:{to}", word.id), text), now)?);
    }
    new.extend(marks(conn, &chat, &word, now)?);
    Ok(new)
}

/// What the portal hears of a word by now: once that it was taken, when nothing of it is open any more, and once that it was read.
pub(super) fn marks(conn: &mut Conn, chat: &OpenLineChatRow, word: &WordRow, now: Moment) -> Result<Vec<NewErrand>> {
    let parts = crate::on!(conn, open_word::parts(&word.id))?;
    let is = |part: &WordPartRow, states: &[&str]| states.contains(&part.state.as_str());
    if parts.iter().any(|part| is(part, &["open"])) {
        return Ok(Vec::new());
    }
    let taken: Vec<String> =
        parts.iter().filter(|part| is(part, &["sent", "read"])).map(|part| part.message.clone()).collect();
    let mut new = Vec::new();
    if taken.is_empty() {
        return Ok(new);
    }
    // only the first call counts, so it names all parts
    if crate::on!(conn, open_word::tell(&word.id, "none", "delivered"))? {
        new.extend(mark::mark(conn, chat, word, (DELIVERY, &taken), now)?);
    }
    let read = parts.iter().filter(|part| is(part, &["sent", "read"])).all(|part| is(part, &["read"]));
    if read && crate::on!(conn, open_word::tell(&word.id, "delivered", "read"))? {
        new.extend(mark::mark(conn, chat, word, (READING, &taken), now)?);
    }
    Ok(new)
}

/// A change that an operator made is over. Where the messenger did not make it too, the operator is told.
///
/// # Errors
/// Those of the database.
pub fn change_told(
    conn: &mut Conn,
    company: CompanyId,
    id: OperatorWordId,
    key: &str,
    verdict: &Verdict,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    if matches!(verdict.status, Status::Sent | Status::Delivered | Status::Viewed) {
        return Ok(Vec::new());
    }
    let Some((_, chat)) = find(conn, company, id)? else { return Ok(Vec::new()) };
    Ok(note(conn, &chat, (key, not_changed(verdict.code)), now)?.into_iter().collect())
}

/// Why a change of an operator stays in the portal alone.
pub(super) fn not_changed(code: Option<Code>) -> String {
    let why = code.map_or("мессенджер не ответил", Code::ru);
    format!("Изменение не передано клиенту: {why}")
}

fn find(conn: &mut Conn, company: CompanyId, id: OperatorWordId) -> Result<Option<(WordRow, OpenLineChatRow)>> {
    let Some(word) = crate::on!(conn, open_word::by_id(company, id))? else { return Ok(None) };
    let chat = crate::on!(conn, open_line::chat(&word.chat))?;
    Ok(chat.map(|chat| (word, chat)))
}

fn reason(verdict: &Verdict) -> String {
    let code = verdict.code.unwrap_or(Code::Unknown);
    let said = verdict.reason.trim();
    // the vendor's own words say more where ours are general
    let more = matches!(code, Code::Refused | Code::FileBad | Code::TemplateBad) && !said.is_empty();
    let more = if more { format!(" ({said})") } else { String::new() };
    match verdict.status {
        Status::Unknown => format!("Неизвестно, дошло ли сообщение до клиента: {}{more}", code.ru()),
        _ => format!("Сообщение не доставлено клиенту: {}{more}", code.ru()),
    }
}

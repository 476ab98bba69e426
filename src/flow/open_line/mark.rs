//! Small words to a portal: that an operator's message was taken or read, and how a chat is called.

use serde_json::Value;

use super::render::Ready;
use crate::app::App;
use crate::crm::bitrix24::open_line::{self as wire, Place};
use crate::model::errand::{NewErrand, Rank, Work};
use crate::model::id::PortalId;
use crate::model::message::Kind;
use crate::model::moment::Moment;
use crate::model::origin::Origin;
use crate::store::row::{OpenLineChatRow, WordRow};
use crate::store::{Conn, Result};

/// Marks of the same moments leave in one call, in milliseconds.
const GATHER_MS: i64 = 500;

/// How long a mark is worth telling, in milliseconds.
const MARK_TTL_MS: i64 = 3 * 24 * 3_600_000;

/// The longest name of a chat, in characters.
const NAME: usize = 100;

/// A mark of an operator's message: `method` is that of a delivery or of a reading, `messages` are our names of all its parts.
pub(super) fn mark(
    conn: &mut Conn,
    chat: &OpenLineChatRow,
    word: &WordRow,
    (method, messages): (&'static str, &[String]),
    now: Moment,
) -> Result<Option<NewErrand>> {
    let Some(kind) = Kind::from_slug(&chat.messenger) else { return Ok(None) };
    let at = Place { kind, line: chat.open_line };
    let im = (word.im_chat, word.im_message);
    let params = wire::mark_body(at, im, &chat.external, messages, now.0 / 1000);
    let Some(errand) = call(conn, chat, (method, params), now)? else { return Ok(None) };
    Ok(Some(NewErrand { not_before: Some(now.plus_ms(GATHER_MS)), ..errand }))
}

/// A chat gets its name where that is news: the one that the portal could not take as the customer's, or another one.
pub(super) fn named(
    app: &App,
    conn: &mut Conn,
    chat: &OpenLineChatRow,
    ready: Option<&Ready>,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let mut new = Vec::new();
    let title = ready.and_then(|ready| ready.title.as_deref());
    if let Some(title) = title.filter(|_| chat.title.is_none()) {
        new.extend(rename(conn, chat, title, now)?);
    }
    if chat.im_chat.is_none() {
        new.extend(super::follow::begun(app, conn, chat, now)?);
    }
    Ok(new)
}

/// Calls a chat otherwise, where it is not called so already.
pub(super) fn rename(conn: &mut Conn, chat: &OpenLineChatRow, title: &str, now: Moment) -> Result<Option<NewErrand>> {
    let title: String = title.trim().chars().take(NAME).collect();
    let Some(kind) = Kind::from_slug(&chat.messenger) else { return Ok(None) };
    if title.is_empty() || !crate::on!(conn, open_line::set_title(&chat.id, &title))? {
        return Ok(None);
    }
    let at = Place { kind, line: chat.open_line };
    let params = wire::name_body(at, &chat.person, &chat.external, &title);
    // behind everything that is said there: the chat must be there, and nobody waits for its name
    call(conn, chat, (wire::NAME, params), now)
}

fn call(
    conn: &mut Conn,
    chat: &OpenLineChatRow,
    (method, params): (&'static str, Value),
    now: Moment,
) -> Result<Option<NewErrand>> {
    let (Ok(company), Ok(portal)) = (chat.company.parse(), chat.portal.parse::<PortalId>()) else { return Ok(None) };
    let lane = crate::on!(conn, portal::lane_of(company, portal))?;
    Ok(lane.map(|lane| NewErrand {
        company,
        lane,
        rank: Rank::Mailing,
        peer: format!("ol:{}", chat.id),
        work: Work::OpenLineMark { portal, method: method.to_owned(), params },
        origin: Origin::Nobody,
        not_before: None,
        expires_at: Some(now.plus_ms(MARK_TTL_MS)),
        dedup_key: None,
        merge_key: None,
    }))
}

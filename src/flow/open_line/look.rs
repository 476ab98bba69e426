//! Looking into a chat of a portal, where nobody knows whether a message came there.

use serde_json::json;

use crate::app::App;
use crate::crm::bitrix24::bb;
use crate::crm::bitrix24::connector;
use crate::crm::bitrix24::fault::Fault;
use crate::crm::bitrix24::open_line::{DIALOG, HISTORY, Told, read_history};
use crate::flow::portal;
use crate::model::id::CompanyId;
use crate::model::message::Kind;
use crate::model::moment::Moment;
use crate::model::php_form::Fields;
use crate::model::vendor::{Answer, Scope};
use crate::store::Result;
use crate::store::row::OpenLineChatRow;

/// A call whose answer was lost may go on in the portal for so long, in milliseconds: a request lives a minute there.
const SETTLED_MS: i64 = 65_000;
/// The same where it fetches files.
const FILES_SETTLED_MS: i64 = 300_000;

/// A dialog that began with the lost call is told of by an event within so long, in milliseconds.
const BEGUN_MS: i64 = 60_000;

/// The clock of a portal is not ours, in milliseconds.
const CLOCKS_MS: i64 = 60_000;

/// What was found.
#[derive(Debug)]
pub(super) enum Look {
    /// The message is there.
    There,
    /// It is not, and will not be.
    NotThere,
    /// It is too early to say, or the portal does not answer.
    Later(Answer),
    /// It cannot be told.
    Never(String),
}

/// What is looked for.
#[derive(Debug)]
pub(super) struct Sought<'a> {
    /// Our name of it.
    pub(super) name: &'a str,
    /// In whose name it was written: what an employee is said to have written may stand there under no name of ours.
    pub(super) author: Option<i64>,
    /// Its text.
    pub(super) said: &'a str,
    /// When its call began.
    pub(super) tried_at: Moment,
    /// Whether the portal had to fetch files for it.
    pub(super) files: bool,
    /// Whether the portal told of it already.
    pub(super) came_back: bool,
}

impl Sought<'_> {
    fn is(&self, told: &Told) -> bool {
        let by_text = || {
            let same = bb::read(&told.text).text == bb::read(self.said).text;
            let late = told.at.is_some_and(|at| at >= self.tried_at.0 - CLOCKS_MS);
            self.author.is_some_and(|author| author > 0 && author == told.sender) && same && late
        };
        told.ours.iter().any(|name| name == self.name) || by_text()
    }
}

/// Looks for a message.
pub(super) async fn find(app: &App, company: CompanyId, chat: &OpenLineChatRow, sought: &Sought<'_>) -> Result<Look> {
    if sought.came_back {
        return Ok(Look::There);
    }
    let tried_at = sought.tried_at;
    let wait = |until: Moment| Look::Later(later(until.since_ms(app.clock.now())));
    let settled = tried_at.plus_ms(if sought.files { FILES_SETTLED_MS } else { SETTLED_MS });
    if app.clock.now() < settled {
        return Ok(wait(settled));
    }
    let id = match chat_id(app, company, chat).await? {
        Ok(Some(id)) => id,
        // whoever wrote for the first time: nothing began that we were told of
        Ok(None) if app.clock.now() >= tried_at.plus_ms(BEGUN_MS) => return Ok(Look::NotThere),
        Ok(None) => return Ok(wait(tried_at.plus_ms(BEGUN_MS))),
        Err(fault) => return Ok(unseen(app, &fault)),
    };
    let Ok(portal) = chat.portal.parse() else { return Ok(Look::Never("the portal is gone".to_owned())) };
    Ok(match portal::call(app, company, portal, HISTORY, &json!({ "CHAT_ID": id })).await? {
        Ok(success) => {
            if read_history(&success.result).iter().any(|told| sought.is(told)) {
                Look::There
            } else {
                Look::NotThere
            }
        }
        Err(fault) => unseen(app, &fault),
    })
}

/// The portal's number of a chat: as it was told, or asked for by the customer whom an event named.
async fn chat_id(
    app: &App,
    company: CompanyId,
    chat: &OpenLineChatRow,
) -> Result<std::result::Result<Option<i64>, Fault>> {
    if chat.im_chat.is_some() {
        return Ok(Ok(chat.im_chat));
    }
    let (Some(user), Some(kind)) = (chat.im_user, Kind::from_slug(&chat.messenger)) else { return Ok(Ok(None)) };
    let Ok(portal) = chat.portal.parse() else { return Ok(Ok(None)) };
    let code = format!("{}|{}|{}|{user}", connector::id_of(kind), chat.open_line, chat.external);
    Ok(match portal::call(app, company, portal, DIALOG, &json!({ "USER_CODE": code })).await? {
        Ok(success) => Ok(Fields::of(&success.result).number("id").ok().flatten()),
        Err(Fault::Refused { .. } | Fault::NoRights { .. }) => Ok(None),
        Err(fault) => Err(fault),
    })
}

fn unseen(app: &App, fault: &Fault) -> Look {
    match fault.answer(true, app.clock.now()) {
        Answer::Refused { text, .. } => Look::Never(format!("the chat cannot be looked at: {text}")),
        answer => Look::Later(answer),
    }
}

/// Only this dialog waits.
const fn later(after_ms: i64) -> Answer {
    let after_ms = if after_ms < 1_000 { 1_000 } else { after_ms };
    Answer::Busy { after_ms, scope: Scope::Recipient }
}

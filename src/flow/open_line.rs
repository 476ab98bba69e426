//! Open lines of portals: what customers say is written into them, what operators say there leaves through the channel, and
//! each side hears what became of its words.
//!
//! A dialog in an open line (`open_line_chats`) is known to the portal by two names that never change. What is written into it is
//! a post (`open_line_posts`): an errand in the lane of the portal, in the order of its dialog. What is said there is a word
//! (`open_line_words`), whose parts are messages in the lane of the channel.

mod event;
mod follow;
mod later;
mod look;
mod mark;
mod missed;
mod other_line;
mod post;
mod render;
pub mod settings;
mod shelve;
mod word;

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::crm::bitrix24::open_line::external_id;
use crate::model::errand::{ChatCare, NewErrand, Rank, Work};
use crate::model::id::{ChannelId, CompanyId, MessageId, OpenLineChatId, OpenLinePostId, PortalId};
use crate::model::message::{Incoming, Person};
use crate::model::moment::Moment;
use crate::model::open_line::Settings;
use crate::model::origin::Origin;
use crate::model::vendor::Answer;
use crate::store::row::{ChangeRow, ChannelRow, ConnectionRow, MessageRow, OpenLineChatRow, PostRow, text, value};
use crate::store::{Conn, Result, outbox};

pub use event::work;
pub use follow::{card_changed, is_of_cards};
pub use later::{completed, file_came, named, titled};
pub(crate) use missed::watch;
pub(crate) use post::carry_out;
pub use post::over;
pub use shelve::shelve_later;
pub use word::{change_told, told};

/// What is written into an open line waits so long for a portal that does not answer, in milliseconds.
const POST_TTL_MS: i64 = 14 * 24 * 3_600_000;

/// Who is shown as the author of a note of the system.
const SYSTEM: i64 = 0;

/// What the store's functions name a place by.
type Place<'a> = (&'a str, &'a str, i64);

fn place(row: &ConnectionRow) -> Place<'_> {
    (&row.portal, &row.messenger, row.open_line)
}

fn place_of(chat: &OpenLineChatRow) -> Place<'_> {
    (&chat.portal, &chat.messenger, chat.open_line)
}

/// A message came in, or was written by our side elsewhere: it is shown in the open lines of its channel. Gives back the calls.
///
/// # Errors
/// Those of the database.
pub fn heard(
    app: &App,
    conn: &mut Conn,
    channel: &ChannelRow,
    row: &MessageRow,
    incoming: &Incoming,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let mut new = Vec::new();
    for connection in connections(app, conn, &row.channel)? {
        let settings: Settings = value("open_line_connections", &connection.settings)?;
        let hidden = incoming.group && !settings.groups;
        let unwanted = incoming.ours && !(settings.publish.outgoing && settings.publish.phone);
        if hidden || unwanted {
            continue;
        }
        let may_begin = !settings.ignores(incoming.from.phone.as_deref());
        let who = Who {
            group: incoming.group,
            person: incoming.from.vendor_id.clone().or_else(|| incoming.from.phone.clone()),
        };
        let Some(chat) = chat(conn, &connection, channel, &row.chat, may_begin.then_some(&who), now)? else { continue };
        let author = incoming.ours.then(|| settings.author.unwrap_or(SYSTEM));
        let draft = Draft {
            kind: "message",
            key: format!("m:{}", row.id),
            message: Some(&row.id),
            body: Some(text(&Beside::of(incoming))?),
            author,
        };
        new.extend(post(conn, &connection, &chat, draft, Rank::Live, now)?);
    }
    Ok(new)
}

/// A message of ours has left: it is shown in the open lines of its channel, but for the one in which it was written. However often
/// this is told, it is shown once in each. Gives back the calls.
///
/// # Errors
/// Those of the database.
pub fn sent(app: &App, conn: &mut Conn, row: &MessageRow, now: Moment) -> Result<Vec<NewErrand>> {
    let connections = connections(app, conn, &row.channel)?;
    if connections.is_empty() {
        return Ok(Vec::new());
    }
    let origin: Origin = value("messages", &row.origin)?;
    let mut said_in = None;
    if let Origin::OpenLine { word, .. } = &origin {
        let Some(chat) = other_line::said_in(conn, row, *word)? else { return Ok(Vec::new()) };
        said_in = Some(chat);
    }
    let mut shown = Vec::new();
    for connection in connections {
        // there it stands already
        if said_in.as_ref().is_some_and(|chat| place_of(chat) == place(&connection)) {
            continue;
        }
        let settings: Settings = value("open_line_connections", &connection.settings)?;
        if let Some(asked) = asked(&origin, &settings).filter(|asked| asked.shown) {
            shown.push((connection, settings, asked));
        }
    }
    let Ok(id) = row.channel.parse::<ChannelId>() else { return Ok(Vec::new()) };
    if shown.is_empty() {
        return Ok(Vec::new());
    }
    let wish = crate::on!(conn, open_post::wish_of(&row.id))?;
    let channel = crate::on!(conn, channel::whosever(id))?;
    let Some(channel) = channel.filter(|_| wish.is_none_or(|(show, _)| show)) else { return Ok(Vec::new()) };
    let mut new = Vec::new();
    for (connection, settings, asked) in shown {
        if !settings.groups && crate::on!(conn, dialog::by_chat(id, &row.chat))?.is_some_and(|dialog| dialog.is_group) {
            continue;
        }
        let who = Who { group: false, person: None };
        let begins = asked.begins && !other_line::is_ignored(conn, id, &row.chat, &settings)?;
        let Some(chat) = chat(conn, &connection, &channel, &row.chat, begins.then_some(&who), now)? else {
            continue;
        };
        let author = wish.and_then(|(_, author)| author).or(settings.author).or(Some(SYSTEM));
        let draft = Draft { kind: "message", key: format!("m:{}", row.id), message: Some(&row.id), body: None, author };
        new.extend(post(conn, &connection, &chat, draft, asked.rank, now)?);
    }
    Ok(new)
}

/// A message was changed or taken back by whoever wrote it, or elsewhere by us. Gives back the calls.
///
/// # Errors
/// Those of the database.
pub fn changed(app: &App, conn: &mut Conn, change: &ChangeRow, now: Moment) -> Result<Vec<NewErrand>> {
    // a reaction leaves the words as they are
    let Some(message) = change.message.as_ref().filter(|_| change.act != "react") else { return Ok(Vec::new()) };
    let connections = connections(app, conn, &change.channel)?;
    let mut new = Vec::new();
    if connections.is_empty() {
        return Ok(new);
    }
    for (connection, chat, _) in later::shown(conn, &connections, message)? {
        let kind = if change.act == "delete" { "delete" } else { "edit" };
        let body = change.text.clone();
        let draft = Draft { kind, key: format!("c:{}", change.id), message: Some(message), body, author: None };
        new.extend(post(conn, connection, &chat, draft, Rank::Live, now)?);
    }
    Ok(new)
}

/// The vendor gave a chat another name; for the portal it stays what it was.
///
/// # Errors
/// Those of the database.
pub fn renamed(conn: &mut Conn, channel: ChannelId, from: &str, to: &str) -> Result<()> {
    crate::on!(conn, open_line::rename(channel, plain(from), plain(to)))
}

/// Carries out what is to be done in a dialog beside writing into it.
///
/// # Errors
/// Those of the store.
pub(crate) async fn tend(
    app: &App,
    company: CompanyId,
    portal: PortalId,
    chat: OpenLineChatId,
    care: ChatCare,
) -> Result<Answer> {
    let id = chat.to_string();
    let found = app.store.read(move |conn| crate::on!(conn, open_line::chat(&id))).await?;
    let Some(row) = found.filter(|row| row.company == company.to_string()) else { return Ok(Answer::done()) };
    match care {
        ChatCare::Missed { since } => missed::carry_out(app, company, portal, &row, since).await,
        ChatCare::Card => follow::carry_out(app, company, portal, &row).await,
    }
}

/// What a message wishes about open lines: whether it is shown there, and under the name of which employee. Written in the
/// transaction that accepts the message; without a wish the settings of each connection decide.
///
/// # Errors
/// Those of the database.
pub fn wish(
    conn: &mut Conn,
    company: CompanyId,
    message: MessageId,
    show: bool,
    author: Option<i64>,
    now: Moment,
) -> Result<()> {
    crate::on!(conn, open_post::wish(company, message, (show, author), now.0))
}

/// The connections of a channel through which something may be shown, or will be again. Channels without any are known for a
/// moment, so that a mailing does not ask for each of its messages.
fn connections(app: &App, conn: &mut Conn, channel: &str) -> Result<Vec<ConnectionRow>> {
    let Ok(id) = channel.parse::<ChannelId>() else { return Ok(Vec::new()) };
    let tick = app.clock.tick();
    if app.known.is_unlined(id, tick) {
        return Ok(Vec::new());
    }
    let mut rows = crate::on!(conn, open_line::of_channel(id))?;
    if rows.is_empty() {
        app.known.keep_unlined(id, tick);
    }
    rows.retain(|row| matches!(row.state.as_str(), "on" | "inactive"));
    Ok(rows)
}

/// What the history leaves out of a message that is a text alone.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Beside {
    from: Person,
    group: bool,
    reply_to: Option<String>,
}

impl Beside {
    fn of(incoming: &Incoming) -> Self {
        Self { from: incoming.from.clone(), group: incoming.group, reply_to: incoming.reply_to.clone() }
    }
}

/// Who is at the other end of a dialog that begins.
struct Who {
    group: bool,
    person: Option<String>,
}

/// The dialog of a chat in an open line; a new one where there is none and it may begin.
fn chat(
    conn: &mut Conn,
    connection: &ConnectionRow,
    channel: &ChannelRow,
    chat: &str,
    begins: Option<&Who>,
    now: Moment,
) -> Result<Option<OpenLineChatRow>> {
    let bare = plain(chat);
    let of_line = |row: &OpenLineChatRow| place_of(row) == place(connection);
    let known = crate::on!(conn, open_line::of_chat(&channel.id, bare))?.into_iter().find(of_line);
    if let Some(row) = known {
        crate::on!(conn, open_line::touch(&row.id, now.0))?;
        return Ok(Some(row));
    }
    let Some(who) = begins else { return Ok(None) };
    // a group speaks in one chat, so it is one person for the portal; who wrote stands in its texts
    let person =
        if who.group { format!("group-{bare}") } else { who.person.clone().unwrap_or_else(|| bare.to_owned()) };
    let row = OpenLineChatRow {
        id: OpenLineChatId::new().to_string(),
        company: connection.company.clone(),
        portal: connection.portal.clone(),
        messenger: connection.messenger.clone(),
        open_line: connection.open_line,
        channel: channel.id.clone(),
        chat: bare.to_owned(),
        external: external_id(&format!("{}-{bare}", channel.account)),
        person: external_id(plain(&person)),
        im_chat: None,
        im_user: None,
        session: None,
        closed: false,
        title: None,
        contact: None,
        lead: None,
        deal: None,
        owner: None,
        assigned: None,
        active_at: now.0,
    };
    if crate::on!(conn, open_line::create_chat(&row))? {
        return Ok(Some(row));
    }
    // another process was faster, or the account was attached anew and goes on in its old dialog
    crate::on!(conn, open_line::by_external(place(connection), &row.external))
}

/// WhatsApp's ending of chats that are phones is no part of the name by which they are known.
fn plain(chat: &str) -> &str {
    chat.strip_suffix("@c.us").unwrap_or(chat)
}

/// What is to be written.
struct Draft<'a> {
    kind: &'static str,
    key: String,
    message: Option<&'a str>,
    body: Option<String>,
    author: Option<i64>,
}

/// Writes a post down; the call that carries it out, and those that must be made before it. Where the line does not work it is
/// parked. What is said after something that still waits in its dialog goes behind it, whatever its own rank is.
fn post(
    conn: &mut Conn,
    connection: &ConnectionRow,
    chat: &OpenLineChatRow,
    draft: Draft<'_>,
    rank: Rank,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let (Ok(company), Ok(portal)) = (chat.company.parse(), chat.portal.parse()) else { return Ok(Vec::new()) };
    if crate::on!(conn, portal::lane_of(company, portal))?.is_none() {
        return Ok(Vec::new());
    }
    let parked = connection.state != "on";
    let row = PostRow {
        id: OpenLinePostId::new().to_string(),
        company: chat.company.clone(),
        chat: chat.id.clone(),
        key: draft.key,
        kind: draft.kind.to_owned(),
        message: draft.message.map(str::to_owned),
        body: draft.body,
        author: draft.author,
        state: if parked { "parked" } else { "waiting" }.to_owned(),
        reason: None,
        tried_at: None,
        said: None,
        echo: None,
        made_at: now.0,
        done_at: None,
    };
    // asked before the post is there itself
    let ahead = crate::on!(conn, open_post::last_waiting(&chat.id))?;
    if !crate::on!(conn, open_post::create(&row))? || parked {
        return Ok(Vec::new());
    }
    let ahead = ahead.map(|ahead| outbox::by_merge_key(conn, company, &merge_key(&ahead))).transpose()?.flatten();
    let ahead = ahead.map_or(rank, |(errand, _)| errand.rank);
    let mut new = Vec::new();
    if rank == Rank::Live && ahead == Rank::Marketing {
        new = later::hastened(conn, company, chat, now)?;
    }
    // what could not be hastened, because its call is being made, may come back to the queue: nothing overtakes it there
    let rank = if new.is_empty() { ahead } else { rank };
    new.extend(errand(conn, chat, &row.id, rank, now)?);
    Ok(new)
}

/// The call that carries a post out; none where the portal is not there any more.
fn errand(conn: &mut Conn, chat: &OpenLineChatRow, id: &str, rank: Rank, now: Moment) -> Result<Option<NewErrand>> {
    let (Ok(company), Ok(portal), Ok(post)) = (chat.company.parse(), chat.portal.parse(), id.parse()) else {
        return Ok(None);
    };
    let lane = crate::on!(conn, portal::lane_of(company, portal))?;
    Ok(lane.map(|lane| NewErrand {
        company,
        lane,
        rank,
        // a dialog keeps its order, and dialogs do not wait for each other
        peer: format!("ol:{}", chat.id),
        work: Work::OpenLine { portal, post },
        origin: Origin::Nobody,
        not_before: None,
        expires_at: Some(now.plus_ms(POST_TTL_MS)),
        dedup_key: None,
        merge_key: Some(merge_key(id)),
    }))
}

/// By which the errand of a post is found while it waits.
fn merge_key(post: &str) -> String {
    format!("ol:post:{post}")
}

/// The call that tends a dialog; none where the portal is not there any more.
fn care(
    conn: &mut Conn,
    chat: &OpenLineChatRow,
    care: ChatCare,
    not_before: Moment,
    now: Moment,
) -> Result<Option<NewErrand>> {
    let (Ok(company), Ok(portal), Ok(id)) = (chat.company.parse(), chat.portal.parse(), chat.id.parse()) else {
        return Ok(None);
    };
    let lane = crate::on!(conn, portal::lane_of(company, portal))?;
    Ok(lane.map(|lane| NewErrand {
        company,
        lane,
        // after what customers say, before marketing
        rank: Rank::Service,
        peer: format!("ol:{}", chat.id),
        merge_key: Some(format!("ol:{}:{}", chat.id, care.key())),
        work: Work::OpenLineChat { portal, chat: id, care },
        origin: Origin::Nobody,
        not_before: Some(not_before).filter(|at| *at > now),
        expires_at: Some(now.plus_ms(POST_TTL_MS)),
        dedup_key: None,
    }))
}

/// Writes a note of the system into a dialog, whatever the settings say: an operator must know. Gives back the call.
fn note(conn: &mut Conn, chat: &OpenLineChatRow, (key, text): (&str, String), now: Moment) -> Result<Vec<NewErrand>> {
    let Some(connection) = crate::on!(conn, open_line::connection(&chat.portal, &chat.messenger, chat.open_line))?
    else {
        return Ok(Vec::new());
    };
    let draft = Draft { kind: "note", key: format!("n:{key}"), message: None, body: Some(text), author: Some(SYSTEM) };
    post(conn, &connection, chat, draft, Rank::Live, now)
}

/// What the settings say of a message of ours.
struct Asked {
    shown: bool,
    begins: bool,
    rank: Rank,
}

fn asked(origin: &Origin, settings: &Settings) -> Option<Asked> {
    let publish = settings.publish;
    let (shown, begins, rank) = match kind_of_origin(origin)? {
        Kind::Operator => (true, true, Rank::Live),
        Kind::Robot => (publish.robots, true, Rank::Live),
        Kind::Api => (publish.api, true, Rank::Live),
        Kind::Sms => (publish.sms, settings.sms_creates_chat, Rank::Live),
        // hundreds of them must not stand before what customers say
        Kind::Mailing => (publish.mailings, settings.mailing_creates_chat, Rank::Marketing),
    };
    Some(Asked { shown: shown && publish.outgoing, begins, rank })
}

/// Who sent a message of ours, as far as open lines tell them apart.
enum Kind {
    Operator,
    Robot,
    Api,
    Sms,
    Mailing,
}

/// None for what nobody asked for: invitations, letters of this server.
const fn kind_of_origin(origin: &Origin) -> Option<Kind> {
    match origin {
        Origin::Nobody => None,
        Origin::OpenLine { .. } => Some(Kind::Operator),
        Origin::Robot { .. } => Some(Kind::Robot),
        Origin::Api { .. } => Some(Kind::Api),
        Origin::Sms { .. } => Some(Kind::Sms),
        Origin::Recipient { .. } => Some(Kind::Mailing),
    }
}

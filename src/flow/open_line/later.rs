//! What is learned of a message or of a chat after it was shown: files that came, a text that was cut, a name; and what must be
//! shown before something else.

use super::{Draft, connections, mark, merge_key, place, place_of, plain, post, render};
use crate::app::App;
use crate::model::errand::{NewErrand, Rank};
use crate::model::id::{ChannelId, CompanyId};
use crate::model::moment::Moment;
use crate::store::outbox;
use crate::store::row::{ArrivalRow, ConnectionRow, OpenLineChatRow, PostRow};
use crate::store::{Conn, Result};

/// A file of a message came after the message had been shown without it. Gives back the calls.
///
/// # Errors
/// Those of the database.
pub fn file_came(app: &App, conn: &mut Conn, arrival: &ArrivalRow, now: Moment) -> Result<Vec<NewErrand>> {
    let (mut new, message) = (Vec::new(), &arrival.message);
    let connections = connections(app, conn, &arrival.channel)?;
    if connections.is_empty() {
        return Ok(new);
    }
    // whoever ends a post in this moment looks for the file, or is seen here
    crate::on!(conn, open_post::hold(message))?;
    for (connection, chat, post) in shown(conn, &connections, message)? {
        if post.state == "done" && render::lacked(post.reason.as_deref()).contains(&arrival.place) {
            new.extend(file(conn, connection, (&chat, &post), arrival.place, now)?);
        }
    }
    Ok(new)
}

/// Where a message is shown, or will be: the connection, the dialog and the post of each place.
pub(super) fn shown<'c>(
    conn: &mut Conn,
    connections: &'c [ConnectionRow],
    message: &str,
) -> Result<Vec<(&'c ConnectionRow, OpenLineChatRow, PostRow)>> {
    let mut found = Vec::new();
    for post in crate::on!(conn, open_post::of_message(message))? {
        if post.kind != "message" || post.state == "failed" {
            continue;
        }
        let Some(chat) = crate::on!(conn, open_line::chat(&post.chat))? else { continue };
        let connection = connections.iter().find(|connection| place(connection) == place_of(&chat));
        found.extend(connection.map(|connection| (connection, chat, post)));
    }
    Ok(found)
}

/// Files that came while their message was on its way without them. Gives back the calls.
pub(super) fn files_meanwhile(
    conn: &mut Conn,
    chat: &OpenLineChatRow,
    shown: &PostRow,
    reason: Option<&str>,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let (lacked, mut new) = (render::lacked(reason), Vec::new());
    let (false, Some(message), Ok(company)) = (lacked.is_empty(), &shown.message, chat.company.parse::<CompanyId>())
    else {
        return Ok(new);
    };
    let at = place_of(chat);
    let Some(connection) = crate::on!(conn, open_line::connection(at.0, at.1, at.2))? else { return Ok(new) };
    for arrival in crate::on!(conn, arrival::of_messages(company, std::slice::from_ref(message)))? {
        if arrival.due_at.is_none() && lacked.contains(&arrival.place) {
            new.extend(file(conn, &connection, (chat, shown), arrival.place, now)?);
        }
    }
    Ok(new)
}

fn file(
    conn: &mut Conn,
    connection: &ConnectionRow,
    (chat, shown): (&OpenLineChatRow, &PostRow),
    at: i16,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let Some(message) = shown.message.as_deref() else { return Ok(Vec::new()) };
    let (key, body) = (format!("f:{message}:{at}"), Some(at.to_string()));
    let draft = Draft { kind: "file", key, message: Some(message), body, author: shown.author };
    post(conn, connection, chat, draft, Rank::Live, now)
}

/// A message that had come cut is whole: where it was shown already, its text is changed. Gives back the calls.
///
/// # Errors
/// Those of the database.
pub fn completed(
    app: &App,
    conn: &mut Conn,
    channel: &str,
    message: &str,
    text: &str,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let mut new = Vec::new();
    let connections = connections(app, conn, channel)?;
    if connections.is_empty() {
        return Ok(new);
    }
    for (connection, chat, _) in shown(conn, &connections, message)? {
        let (key, body) = (format!("w:{message}"), Some(text.to_owned()));
        let draft = Draft { kind: "edit", key, message: Some(message), body, author: None };
        new.extend(post(conn, connection, &chat, draft, Rank::Live, now)?);
    }
    Ok(new)
}

/// A chat is called otherwise on our side: its dialogs in open lines follow. Gives back the calls.
///
/// # Errors
/// Those of the database.
pub fn titled(
    app: &App,
    conn: &mut Conn,
    channel: ChannelId,
    chat: &str,
    title: &str,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    call(app, conn, channel, (chat, title), |_| true, now)
}

/// The vendor told how a customer is called: dialogs that have no name yet but the vendor's number are called so. Gives back the
/// calls.
///
/// # Errors
/// Those of the database.
pub fn named(
    app: &App,
    conn: &mut Conn,
    channel: ChannelId,
    chat: &str,
    name: &str,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let nameless = |row: &OpenLineChatRow| row.title.as_deref().is_none_or(|title| title == row.chat);
    call(app, conn, channel, (chat, name), nameless, now)
}

fn call(
    app: &App,
    conn: &mut Conn,
    channel: ChannelId,
    (chat, title): (&str, &str),
    which: impl Fn(&OpenLineChatRow) -> bool,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let (mut new, channel) = (Vec::new(), channel.to_string());
    let connections = connections(app, conn, &channel)?;
    if connections.is_empty() {
        return Ok(new);
    }
    for row in crate::on!(conn, open_line::of_chat(&channel, plain(chat)))? {
        if which(&row) && connections.iter().any(|connection| place(connection) == place_of(&row)) {
            new.extend(mark::rename(conn, &row, title, now)?);
        }
    }
    Ok(new)
}

/// Somebody writes: what a mailing wrote into the same dialog before, and what still waits behind everything else, stands before it.
/// Gives back the calls in their new order; none where one of them is being made, since the others keep their order with it.
pub(super) fn hastened(
    conn: &mut Conn,
    company: CompanyId,
    chat: &OpenLineChatRow,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let (mut mailings, mut new) = (Vec::new(), Vec::new());
    for post in crate::on!(conn, open_post::waiting(&chat.id))? {
        match outbox::by_merge_key(conn, company, &merge_key(&post))? {
            // what is being written down now has no call yet
            None => {}
            Some((_, true)) => return Ok(new),
            // nothing of a mailing stands before what somebody said: that hastened it
            Some((errand, _)) if errand.rank != Rank::Marketing => break,
            Some((errand, _)) => mailings.push((post, errand.id)),
        }
    }
    for (post, errand) in mailings.iter().rev() {
        // its call began in this moment
        if outbox::withdraw_one(conn, *errand)?.is_none() {
            break;
        }
        new.extend(super::errand(conn, chat, post, Rank::Live, now)?);
    }
    Ok(new)
}

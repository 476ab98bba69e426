//! A letter that came in: it goes into the chat of the thread that it answers, and an answer of ours goes on from it.

use crate::app::App;
use crate::flow::receive;
use crate::model::id::ChannelId;
use crate::model::message::{Incoming, Letter, Thread};
use crate::model::moment::Moment;
use crate::store::outbox::Accepted;
use crate::store::row::{ChannelRow, text};
use crate::store::{Conn, Result};

/// Ids of a thread that are kept: the first one and the last ones.
const IDS: usize = 20;

/// Works a letter, inside the transaction that marks it as worked.
///
/// # Errors
/// Those of the database.
pub fn work(
    app: &App,
    conn: &mut Conn,
    channel: &ChannelRow,
    id: ChannelId,
    letter: &Letter,
    now: Moment,
) -> Result<Vec<Accepted>> {
    let incoming = &letter.message;
    // the same letter may lie in two folders, or be looked at again when a server forgot its numbers
    if crate::on!(conn, message::by_vendor_id(id, &incoming.vendor_id))?.is_some() {
        return Ok(Vec::new());
    }
    let chat = chat_of(conn, id, letter)?;
    if letter.junk && !is_known(conn, id, &chat)? {
        tracing::debug!(channel = channel.id, "a letter of a stranger that the server takes for spam is left there");
        return Ok(Vec::new());
    }
    let incoming = Incoming { chat: chat.clone(), ..incoming.clone() };
    let content = text(&Letter { message: incoming.clone(), ..letter.clone() })?;
    let accepted = receive::enter(app, conn, (channel, id), &incoming, content, now)?;
    // forms of web sites are machines whose letters people answer; what answers by itself asks for no other address
    if !letter.auto || letter.answers_to.is_some() {
        crate::on!(conn, dialog::set_thread(id, &chat, &text(&thread(letter))?))?;
    }
    Ok(accepted)
}

/// Whether we have spoken with whoever writes: then the server is not believed that a letter is spam.
fn is_known(conn: &mut Conn, id: ChannelId, chat: &str) -> Result<bool> {
    // a slash may stand in the name of a mailbox, and never in its domain
    let about = chat.rsplit_once('/').filter(|(_, subject)| !subject.contains('@'));
    let address = about.map_or(chat, |(address, _)| address);
    crate::on!(conn, dialog::knows(id, address))
}

/// The chat of the newest forerunner that is known. Threads are told by whoever wrote the letter, so a forerunner counts only
/// where it was said to or by the same address; otherwise the letter's own chat holds.
fn chat_of(conn: &mut Conn, id: ChannelId, letter: &Letter) -> Result<String> {
    let own = &letter.message.chat;
    let address = own.rsplit_once('/').map_or(own.as_str(), |(address, _)| address);
    for forerunner in letter.references.iter().rev() {
        if let Some(found) = crate::on!(conn, message::by_vendor_id(id, forerunner))? {
            let same = found.chat == address || found.chat.rsplit_once('/').is_some_and(|(known, _)| known == address);
            if same && found.chat.contains('/') == own.contains('/') {
                return Ok(found.chat);
            }
        }
    }
    Ok(own.clone())
}

fn thread(letter: &Letter) -> Thread {
    let mut ids = letter.references.clone();
    ids.push(letter.message.vendor_id.clone());
    if ids.len() > IDS {
        let surplus = ids.len() - IDS;
        ids.drain(1..=surplus);
    }
    Thread { subject: letter.subject.clone(), ids, answers_to: letter.answers_to.clone() }
}

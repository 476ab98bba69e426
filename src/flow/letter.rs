//! A letter that came in: it goes into the chat of the thread that it answers, and an answer of ours goes on from it.

use crate::flow::receive;
use crate::model::id::ChannelId;
use crate::model::message::{Incoming, Letter, Thread};
use crate::model::moment::Moment;
use crate::store::row::{ChannelRow, text};
use crate::store::{Conn, Result};

/// Ids of a thread that are kept: the first one and the last ones.
const IDS: usize = 20;

/// Works a letter, inside the transaction that marks it as worked.
///
/// # Errors
/// Those of the database.
pub fn work(conn: &mut Conn, channel: &ChannelRow, id: ChannelId, letter: &Letter, now: Moment) -> Result<()> {
    let incoming = &letter.message;
    // the same letter may lie in two folders, or be looked at again when a server forgot its numbers
    if crate::on!(conn, message::by_vendor_id(id, &incoming.vendor_id))?.is_some() {
        return Ok(());
    }
    let chat = chat_of(conn, id, letter)?;
    let incoming = Incoming { chat: chat.clone(), ..incoming.clone() };
    let content = text(&Letter { message: incoming.clone(), ..letter.clone() })?;
    receive::enter(conn, channel, id, &incoming, content, now)?;
    // forms of web sites are machines whose letters people answer; what answers by itself asks for no other address
    if !letter.auto || letter.answers_to.is_some() {
        crate::on!(conn, dialog::set_thread(id, &chat, &text(&thread(letter))?))?;
    }
    Ok(())
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

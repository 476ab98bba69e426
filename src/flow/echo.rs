//! What a vendor tells of our own side: that it wrote (here, on the phone, in the vendor's cabinet), and what of it was read.
//!
//! Such word may be faster than the answer to the call of ours that it speaks of, so it waits while a call of the channel is
//! in the air. A claim is written down before its call and settled together with the history: whoever sees no claim any more
//! sees the message.

use crate::app::App;
use crate::flow::receipt;
use crate::model::errand::{NewErrand, Work};
use crate::model::id::{ChannelId, LaneId};
use crate::model::message::{Content, Event, Incoming, MEDIA_MISSING, MediaKind, Peer, Receipt};
use crate::model::moment::Moment;
use crate::model::status::Status;
use crate::store::outbox;
use crate::store::row::{HookRow, value};
use crate::store::{Conn, Result};

/// Word about our own side waits no longer than this, in milliseconds: by then a call that was in the air when it came is
/// over, unless it carries a large file.
const PATIENCE_MS: i64 = 120_000;

/// A message of unknown fate is recognised in what the vendor tells of our side for so long, in milliseconds.
const RECOGNISED_MS: i64 = 15 * 60_000;

/// So many errands at the head of a lane are looked through for one that was tried.
const TRIED: i64 = 500;

/// More messages than this are hardly ever left unread in one chat.
const UNREAD: i64 = 500;

/// Whether a delivery speaks of our own side while a call of its channel is in the air.
///
/// # Errors
/// Those of the store.
pub(crate) async fn must_wait(app: &App, hook: &HookRow) -> Result<bool> {
    let body = hook.body.as_deref().unwrap_or("null");
    // the cheap look first: nearly all that comes in was said by customers
    let speaks_of_us = hook.source == "messenger" && (body.contains("\"ours\":true") || body.starts_with("{\"Read\":"));
    if !speaks_of_us || app.clock.now().since_ms(Moment(hook.received_at)) > PATIENCE_MS {
        return Ok(false);
    }
    let (Ok(id), Event::Message(_) | Event::Taken(_) | Event::Read { .. }) =
        (hook.owner.parse::<ChannelId>(), value("hooks", body)?)
    else {
        return Ok(false);
    };
    app.store
        .read(move |conn| {
            let Some(channel) = crate::on!(conn, channel::whosever(id))? else { return Ok(false) };
            crate::on!(conn, errand::any_flies(channel.lane))
        })
        .await
}

/// Settles word that our own side wrote something, where we know of it: a message that left through us needs nothing, and one
/// whose fate was unknown is known now. None where it was written elsewhere. Gives back the errands that came of it.
///
/// # Errors
/// Those of the database.
pub fn settle(
    app: &App,
    conn: &mut Conn,
    (channel, lane): (ChannelId, LaneId),
    incoming: &Incoming,
    now: Moment,
) -> Result<Option<Vec<NewErrand>>> {
    // the queue first: what leaves it in between is in the history by then
    let tried = outbox::look(conn, lane, TRIED)?.into_iter().find_map(|(errand, flies, _)| {
        let (Work::Send { outgoing, message, .. }, true) = (&errand.work, flies || errand.attempts > 0) else {
            return None;
        };
        (is_to(&outgoing.to, incoming) && is_same(&outgoing.content, incoming)).then_some(*message)
    });
    if let Some(message) = tried {
        // it was cut off and will be sent again; not every vendor names it then
        receipt::keep(conn, channel, &Receipt { key: Some(message.to_string()), ..taken(incoming) }, now)?;
        return Ok(Some(Vec::new()));
    }
    if crate::on!(conn, message::in_chat(channel, &incoming.chat, &incoming.vendor_id))?.is_some() {
        return Ok(Some(Vec::new()));
    }
    let since = incoming.at.plus_ms(-RECOGNISED_MS);
    let nameless = crate::on!(conn, message::nameless_since(channel, &names(incoming), since.0))?;
    let says = |content: &str| value("messages", content).is_ok_and(|content: Content| is_same(&content, incoming));
    let Some(ours) = nameless.into_iter().find(|row| says(&row.content)) else { return Ok(None) };
    crate::on!(conn, message::name(&ours.id, &incoming.vendor_id))?;
    crate::on!(conn, message::set_chat(&ours.id, &incoming.chat))?;
    let ours = crate::store::row::MessageRow { vendor_id: Some(incoming.vendor_id.clone()), ..ours };
    receipt::apply_to(app, conn, channel, &ours, &taken(incoming), now).map(Some)
}

/// Everything of ours in a chat was read up to a message. Gives back the errands that came of it.
///
/// # Errors
/// Those of the database.
pub fn read(
    app: &App,
    conn: &mut Conn,
    channel: ChannelId,
    chat: &str,
    up_to: i64,
    at: Moment,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let mut new = Vec::new();
    for row in crate::on!(conn, message::unread(channel, chat, UNREAD))? {
        let Some(vendor_id) = row.vendor_id.clone().filter(|id| number(id).is_some_and(|number| number <= up_to))
        else {
            continue;
        };
        let viewed = Receipt { vendor_id, key: None, status: Status::Viewed, at, error: None };
        // the row is known: its number may be another message's in another chat
        new.extend(receipt::apply_to(app, conn, channel, &row, &viewed, now)?);
    }
    Ok(new)
}

/// The names under which a message of ours may stand whose call told none.
fn names(incoming: &Incoming) -> Vec<String> {
    let mut names = vec![incoming.chat.clone()];
    if !incoming.group {
        let person = [incoming.from.phone.clone().map(Peer::Phone), incoming.from.username.clone().map(Peer::Username)];
        names.extend(person.into_iter().flatten().map(|peer| peer.chat_id()));
    }
    names
}

/// Whether the chat is that of a recipient as whoever asked knew it. Of our own messages the vendor tells who is at the other
/// end; where it hides the phone or the name, it may be anybody's.
fn is_to(to: &Peer, incoming: &Incoming) -> bool {
    let may_be = |known: &Option<String>, asked: &str| known.as_deref().is_none_or(|known| known == asked);
    match to {
        Peer::Chat(chat) => *chat == incoming.chat,
        _ if incoming.group => false,
        Peer::Phone(digits) => may_be(&incoming.from.phone, digits),
        Peer::Username(name) => may_be(&incoming.from.username, &name.to_lowercase()),
        Peer::Email(_) => true,
    }
}

/// Two messages of the same words and the same kind of file in the same chat within minutes are the same one as far as anybody
/// can tell.
fn is_same(content: &Content, incoming: &Incoming) -> bool {
    let text = |text: &Option<String>| text.as_deref().map(str::trim).unwrap_or_default().to_owned();
    let (ours, theirs) = (content.media.as_ref().map(|file| file.kind), incoming.media.first().map(|file| file.kind));
    let same_file = match (ours, theirs) {
        // of what was sent through the gateway it tells that there is a file, and no more
        (Some(_), None) => incoming.note.as_deref() == Some(MEDIA_MISSING),
        (ours, theirs) => ours.map(shown_as) == theirs.map(shown_as),
    };
    same_file && text(&content.text) == text(&incoming.text)
}

/// Vendors tell of a voice message as of any sound.
const fn shown_as(kind: MediaKind) -> MediaKind {
    match kind {
        MediaKind::Voice => MediaKind::Audio,
        other => other,
    }
}

fn taken(incoming: &Incoming) -> Receipt {
    let vendor_id = incoming.vendor_id.clone();
    Receipt { vendor_id, key: None, status: Status::Sent, at: incoming.at, error: None }
}

/// The number at the end of a vendor's id.
fn number(vendor_id: &str) -> Option<i64> {
    let start = vendor_id.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    vendor_id.get(start..)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn the_number_of_a_message_stands_at_the_end_of_its_id() {
        assert_eq!(number("300000001_325"), Some(325));
        assert_eq!(number("325"), Some(325));
        assert_eq!(number("-5_7"), Some(7));
        for none in ["", "wamid.", "300000001_"] {
            assert_eq!(number(none), None, "{none}");
        }
    }
}

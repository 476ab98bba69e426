//! What a message of the API has beside its text: the message that it answers, what there is to press, a place, cards of people.

use serde::Deserialize;
use utoipa::ToSchema;

use super::{MessageIn, MessageRefusal};
use crate::messenger::{self, About};
use crate::model::address::phone_digits;
use crate::model::errand::{NewErrand, Work};
use crate::model::id::{ChannelId, CompanyId, MessageId};
use crate::model::interactive::Interactive;
use crate::model::message::{Card, Content, Kind, Peer, Place};
use crate::model::result::Code;
use crate::store::row::{ChannelRow, MessageRow};
use crate::store::{Conn, Result};

/// The longest title or address of a place, in characters.
const PLACE_WORDS: usize = 200;

/// The longest name on a card, in characters.
const CARD_NAME: usize = 100;

/// A place on the map, as the API takes it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceIn {
    /// Degrees north, from -90 to 90.
    pub latitude: f64,
    /// Degrees east, from -180 to 180.
    pub longitude: f64,
    /// What is written beside it.
    #[serde(default)]
    pub title: Option<String>,
    /// Its address, in words.
    #[serde(default)]
    pub address: Option<String>,
}

/// Somebody's card, as the API takes it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactIn {
    /// The name.
    pub name: String,
    /// The phone in any spelling.
    pub phone: String,
}

fn about_of(channel: &ChannelRow) -> Option<&'static About> {
    Kind::from_slug(&channel.messenger).and_then(messenger::of).map(messenger::Messenger::about)
}

/// The place and the cards of a message; nothing where it has none.
pub(super) fn parts(channel: &ChannelRow, message: &MessageIn, region: &str) -> std::result::Result<Content, Code> {
    let about = about_of(channel).ok_or(Code::ChannelNotFound)?;
    let (place, cards) = (message.place.as_ref(), message.contacts.as_slice());
    if message.interactive.is_some() {
        if !about.abilities.interactive {
            return Err(Code::NotSupported);
        }
        if place.is_some() || !cards.is_empty() || message.template.is_some() {
            return Err(Code::PartsMixed);
        }
    }
    if place.is_none() && cards.is_empty() {
        return Ok(Content::default());
    }
    if (place.is_some() && !about.abilities.places) || (!cards.is_empty() && !about.abilities.cards) {
        return Err(Code::NotSupported);
    }
    let more = !message.text.trim().is_empty() || message.file.is_some() || message.template.is_some();
    if more || (place.is_some() && !cards.is_empty()) {
        return Err(Code::PartsMixed);
    }
    let place = place.map(|place| read_place(place).ok_or(Code::PlaceBad)).transpose()?;
    if cards.len() > about.card_limit {
        return Err(Code::ContactsBad);
    }
    let cards: Option<Vec<Card>> = cards.iter().map(|card| read_card(card, region)).collect();
    Ok(Content { place, cards: cards.ok_or(Code::ContactsBad)?, ..Content::default() })
}

fn read_place(place: &PlaceIn) -> Option<Place> {
    let words = |words: &Option<String>| {
        let words = words.as_deref().map(str::trim).filter(|words| !words.is_empty()).map(str::to_owned);
        let fits = words.as_ref().is_none_or(|words| words.chars().count() <= PLACE_WORDS);
        fits.then_some(words)
    };
    Place::at(place.latitude, place.longitude, words(&place.title)?, words(&place.address)?)
}

fn read_card(card: &ContactIn, region: &str) -> Option<Card> {
    let name = card.name.trim();
    let good = !name.is_empty() && name.chars().count() <= CARD_NAME && !name.chars().any(char::is_control);
    let phone = phone_digits(&card.phone, region)?;
    good.then(|| Card { name: name.to_owned(), phone })
}

/// The same message with what there is to press, where all of it fits beneath the text that leaves.
pub(super) fn with_interactive(
    mut errand: NewErrand,
    channel: &ChannelRow,
    interactive: Option<&Interactive>,
) -> std::result::Result<NewErrand, MessageRefusal> {
    let Some(interactive) = interactive else { return Ok(errand) };
    let about = about_of(channel).ok_or(Code::ChannelNotFound)?;
    if let Work::Send { outgoing, .. } = &mut errand.work {
        let content = &mut outgoing.content;
        let (text, file) = (content.text.as_deref().unwrap_or_default(), content.media.as_ref());
        let checked = interactive.check(text, file.map(|file| file.kind), &about.interactive);
        checked.map_err(MessageRefusal::Interactive)?;
        content.interactive = Some(interactive.clone());
    }
    Ok(errand)
}

/// The vendor's id of the message that is answered; none where nothing is.
pub(super) fn answered(
    conn: &mut Conn,
    company: CompanyId,
    channel: &ChannelRow,
    id: Option<MessageId>,
    to: &Peer,
) -> Result<std::result::Result<Option<String>, Code>> {
    let Some(id) = id else { return Ok(Ok(None)) };
    if !about_of(channel).is_some_and(|about| about.abilities.answers) {
        return Ok(Err(Code::NotSupported));
    }
    let found = crate::on!(conn, message::by_id(company, id))?;
    let Some((row, vendor_id)) = found.and_then(|row| row.vendor_id.clone().map(|vendor_id| (row, vendor_id))) else {
        return Ok(Err(Code::ReplyNotFound));
    };
    if row.channel == channel.id && is_of_dialog(conn, channel, &row, to)? {
        Ok(Ok(Some(vendor_id)))
    } else {
        Ok(Err(Code::ReplyElsewhere))
    }
}

/// Whether a message belongs to the dialog with whom the answer goes to, by whichever name.
fn is_of_dialog(conn: &mut Conn, channel: &ChannelRow, row: &MessageRow, to: &Peer) -> Result<bool> {
    let bare = |chat: &str| chat.trim_end_matches("@c.us").to_owned();
    let (Peer::Phone(name) | Peer::Username(name) | Peer::Chat(name) | Peer::Email(name)) = to;
    if bare(name) == bare(&row.chat) {
        return Ok(true);
    }
    let Ok(id) = channel.id.parse::<ChannelId>() else { return Ok(false) };
    let dialog = match to {
        Peer::Phone(phone) => crate::on!(conn, dialog::by_contact(id, None, Some(phone)))?,
        Peer::Username(name) => crate::on!(conn, dialog::by_contact(id, Some(name), None))?,
        Peer::Chat(_) | Peer::Email(_) => None,
    };
    if dialog.is_some_and(|dialog| bare(&dialog.chat) == bare(&row.chat)) {
        return Ok(true);
    }
    Ok(crate::on!(conn, chat_name::shown(id, name))?.is_some_and(|shown| bare(&shown) == bare(&row.chat)))
}

//! What Telegram tells, read as our events. Pure: the same update is always the same event with the same key.

use grammers_tl_types::{enums, types};

use super::book::{self, Book, message_name};
use super::file::{FileKind, Place};
use super::react;
use crate::model::message::{Event, Incoming, IncomingMedia, MEDIA_MISSING, MediaKind, Person};
use crate::model::moment::Moment;

/// An update as events, each with its key against repetition. What we do not use is none.
pub(super) fn events(update: &enums::Update, book: &Book, me: i64, now: Moment) -> Vec<(String, Event)> {
    match update {
        enums::Update::NewMessage(update) => new(&update.message, book, me),
        enums::Update::NewChannelMessage(update) => new(&update.message, book, me),
        enums::Update::EditMessage(update) => edited(&update.message, book, me),
        enums::Update::EditChannelMessage(update) => edited(&update.message, book, me),
        enums::Update::DeleteMessages(update) => {
            let ids = update.messages.iter().map(ToString::to_string).collect();
            // numbers are unique within the account, and nothing says which chat it was
            deleted(String::new(), ids, now)
        }
        enums::Update::DeleteChannelMessages(update) => {
            let peer = types::PeerChannel { channel_id: update.channel_id }.into();
            let chat = book::id_of(&peer);
            deleted(chat.to_string(), update.messages.iter().map(|id| message_name(chat, *id)).collect(), now)
        }
        enums::Update::ReadHistoryOutbox(update) => read_up_to(book::id_of(&update.peer), update.max_id, now),
        enums::Update::ReadChannelOutbox(update) => {
            let peer = types::PeerChannel { channel_id: update.channel_id }.into();
            read_up_to(book::id_of(&peer), update.max_id, now)
        }
        enums::Update::MessageReactions(update) => react::events(update, book, me, now),
        _ => Vec::new(),
    }
}

/// What an account, of number 1, hears in the bytes of `Updates`, with the people that they name; none where they are no such
/// bytes. For what measures it, and throws bytes at it: an account reads its updates where the connection has unpacked them.
#[must_use]
pub fn told(bytes: &[u8]) -> Option<Vec<(String, Event)>> {
    use grammers_tl_types::Deserializable as _;
    let (updates, users, chats) = match enums::Updates::from_bytes(bytes).ok()? {
        enums::Updates::Updates(told) => (told.updates, told.users, told.chats),
        enums::Updates::Combined(told) => (told.updates, told.users, told.chats),
        enums::Updates::UpdateShort(told) => (vec![told.update], Vec::new(), Vec::new()),
        _ => return None,
    };
    let mut book = Book::default();
    book.learn(&users, &chats);
    Some(updates.iter().flat_map(|update| events(update, &book, 1, Moment(0))).collect())
}

fn deleted(chat: String, vendor_ids: Vec<String>, at: Moment) -> Vec<(String, Event)> {
    vec![(format!("d{}", vendor_ids.join(",")), Event::Deleted { chat, vendor_ids, at })]
}

fn read_up_to(chat: i64, max_id: i32, now: Moment) -> Vec<(String, Event)> {
    let event = Event::Read { chat: chat.to_string(), up_to: i64::from(max_id), at: now };
    vec![(format!("r{chat}:{max_id}"), event)]
}

fn new(message: &enums::Message, book: &Book, me: i64) -> Vec<(String, Event)> {
    match message {
        enums::Message::Message(message) => {
            let chat = book::id_of(&message.peer_id);
            let key = format!("m{}", message_name(chat, message.id));
            // what the owner writes down for himself, and what Telegram or a machine says, is no customer's
            if chat == me || book.is_deaf(chat) {
                return vec![(key, Event::Ignored { what: "a chat without people".to_owned() })];
            }
            vec![(key, Event::Message(Box::new(incoming(message, chat, book, me))))]
        }
        enums::Message::Service(message) => service(message),
        enums::Message::Empty(_) => Vec::new(),
    }
}

fn service(message: &types::MessageService) -> Vec<(String, Event)> {
    let enums::MessageAction::ChatMigrateTo(moved) = &message.action else { return Vec::new() };
    let to: enums::Peer = types::PeerChannel { channel_id: moved.channel_id }.into();
    let (from, to) = (book::id_of(&message.peer_id), book::id_of(&to));
    vec![(format!("v{from}:{to}"), Event::Moved { from: from.to_string(), to: to.to_string() })]
}

fn edited(message: &enums::Message, book: &Book, me: i64) -> Vec<(String, Event)> {
    let enums::Message::Message(message) = message else { return Vec::new() };
    let chat = book::id_of(&message.peer_id);
    // views and reactions come as edits that are not shown
    if message.edit_hide || chat == me || book.is_deaf(chat) {
        return Vec::new();
    }
    let vendor_id = message_name(chat, message.id);
    let edited = message.edit_date.unwrap_or(message.date);
    let (key, at) = (format!("e{vendor_id}:{edited}"), Moment(i64::from(edited) * 1_000));
    let text = Some(message.message.clone()).filter(|text| !text.is_empty());
    vec![(key, Event::Edited { chat: chat.to_string(), vendor_id, text, at })]
}

fn incoming(message: &types::Message, chat: i64, book: &Book, me: i64) -> Incoming {
    let group = chat < 0;
    let writer = message.from_id.as_ref().map(book::id_of);
    let ours = message.out || writer == Some(me);
    // in a private chat the dialog is the other side's, whoever wrote
    let from =
        if group { writer.map_or_else(Person::default, |writer| book.person(writer)) } else { book.person(chat) };
    let (place, card, note) = beside(message.media.as_ref());
    let file = file(message, chat);
    let text = Some(message.message.clone()).filter(|text| !text.is_empty()).or(card);
    let nothing = text.is_none() && file.is_none() && place.is_none() && note.is_none();
    Incoming {
        vendor_id: message_name(chat, message.id),
        chat: chat.to_string(),
        group,
        title: if group { book.title(chat) } else { None },
        from,
        at: Moment(i64::from(message.date) * 1_000),
        text,
        media: file.map(|(media, _)| media).into_iter().collect(),
        place,
        reply_to: answered(message, chat),
        ours,
        note: note.or(nothing.then_some("unsupported")).map(str::to_owned),
        payload: None,
        referral: std::collections::BTreeMap::new(),
    }
}

fn answered(message: &types::Message, chat: i64) -> Option<String> {
    match message.reply_to.as_ref()? {
        // the thread of a forum looks like an answer to its first message
        enums::MessageReplyHeader::Header(header) if !header.forum_topic || header.reply_to_top_id.is_some() => {
            header.reply_to_msg_id.map(|id| message_name(chat, id))
        }
        _ => None,
    }
}

type Beside = (Option<(f64, f64, Option<String>)>, Option<String>, Option<&'static str>);

/// A place, a card as one line, and what else it was.
fn beside(media: Option<&enums::MessageMedia>) -> Beside {
    let point = |geo: &enums::GeoPoint| match geo {
        enums::GeoPoint::Point(point) => Some((point.lat, point.long)),
        enums::GeoPoint::Empty => None,
    };
    match media {
        None | Some(enums::MessageMedia::Empty | enums::MessageMedia::WebPage(_)) => (None, None, None),
        Some(enums::MessageMedia::Photo(photo)) => (None, None, photo.photo.is_none().then_some(MEDIA_MISSING)),
        Some(enums::MessageMedia::Document(file)) => (None, None, file.document.is_none().then_some(MEDIA_MISSING)),
        Some(enums::MessageMedia::Geo(geo)) => (point(&geo.geo).map(|(lat, long)| (lat, long, None)), None, None),
        Some(enums::MessageMedia::GeoLive(geo)) => (point(&geo.geo).map(|(lat, long)| (lat, long, None)), None, None),
        Some(enums::MessageMedia::Venue(venue)) => {
            let parts = [venue.title.as_str(), venue.address.as_str()];
            let title = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
            let title = Some(title).filter(|title| !title.is_empty());
            (point(&venue.geo).map(|(lat, long)| (lat, long, title)), None, None)
        }
        Some(enums::MessageMedia::Contact(card)) => {
            let parts = [card.first_name.as_str(), card.last_name.as_str(), card.phone_number.as_str()];
            let line = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
            (None, Some(line).filter(|line| !line.is_empty()), Some("contacts"))
        }
        Some(enums::MessageMedia::Poll(_)) => (None, None, Some("poll")),
        Some(enums::MessageMedia::Dice(_)) => (None, None, Some("dice")),
        Some(enums::MessageMedia::Game(_)) => (None, None, Some("game")),
        Some(enums::MessageMedia::Story(_)) => (None, None, Some("story")),
        Some(enums::MessageMedia::Invoice(_)) => (None, None, Some("invoice")),
        Some(_) => (None, None, Some("unsupported")),
    }
}

/// The file of a message, and where it lies.
pub(super) fn file(message: &types::Message, chat: i64) -> Option<(IncomingMedia, Place)> {
    let at = (chat, message.id);
    match message.media.as_ref()? {
        enums::MessageMedia::Photo(media) => match media.photo.as_ref()? {
            enums::Photo::Photo(photo) => picture(photo, at),
            enums::Photo::Empty(_) => None,
        },
        enums::MessageMedia::Document(media) => match media.document.as_ref()? {
            enums::Document::Document(document) => file_of(document, at),
            enums::Document::Empty(_) => None,
        },
        _ => None,
    }
}

fn picture(photo: &types::Photo, message: (i64, i32)) -> Option<(IncomingMedia, Place)> {
    let sizes = photo.sizes.iter().filter_map(|size| match size {
        enums::PhotoSize::Size(size) => Some((size.r#type.clone(), size.size)),
        enums::PhotoSize::Progressive(size) => Some((size.r#type.clone(), size.sizes.iter().copied().max()?)),
        _ => None,
    });
    // of two that are as large the later one has more points
    let (name, size) = sizes.max_by_key(|(_, size)| *size)?;
    let place = Place {
        kind: FileKind::Photo,
        id: photo.id,
        hash: photo.access_hash,
        reference: hex::encode(&photo.file_reference),
        centre: photo.dc_id,
        size: name,
        message,
    };
    let media = IncomingMedia {
        kind: MediaKind::Image,
        vendor_id: serde_json::to_string(&place).ok()?,
        name: None,
        mime: Some("image/jpeg".to_owned()),
        size: u64::try_from(size).ok(),
    };
    Some((media, place))
}

fn file_of(document: &types::Document, message: (i64, i32)) -> Option<(IncomingMedia, Place)> {
    let place = Place {
        kind: FileKind::Document,
        id: document.id,
        hash: document.access_hash,
        reference: hex::encode(&document.file_reference),
        centre: document.dc_id,
        size: String::new(),
        message,
    };
    let name = document.attributes.iter().find_map(|attribute| match attribute {
        enums::DocumentAttribute::Filename(named) => Some(named.file_name.clone()),
        _ => None,
    });
    let media = IncomingMedia {
        kind: kind_of(&document.attributes),
        vendor_id: serde_json::to_string(&place).ok()?,
        name: name.filter(|name| !name.is_empty()),
        mime: Some(document.mime_type.clone()).filter(|mime| !mime.is_empty()),
        size: u64::try_from(document.size).ok(),
    };
    Some((media, place))
}

fn kind_of(attributes: &[enums::DocumentAttribute]) -> MediaKind {
    let mut kind = MediaKind::Document;
    for attribute in attributes {
        match attribute {
            // a moving sticker is a film as well
            enums::DocumentAttribute::Sticker(_) => return MediaKind::Sticker,
            enums::DocumentAttribute::Audio(sound) if sound.voice => return MediaKind::Voice,
            enums::DocumentAttribute::Audio(_) => kind = MediaKind::Audio,
            enums::DocumentAttribute::Video(_) | enums::DocumentAttribute::Animated => kind = MediaKind::Video,
            _ => {}
        }
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(1_790_000_000_000);
    const ME: i64 = 1;

    fn user(id: i64, name: &str, bot: bool) -> enums::User {
        // the schema grows; what a test does not name stays as the bytes of an empty user have it
        let mut bytes = 0xb1b8_cc83_u32.to_le_bytes().to_vec();
        bytes.extend([0; 8]);
        bytes.extend(id.to_le_bytes());
        let mut read = grammers_tl_types::Deserializable::from_bytes(&bytes).unwrap();
        if let enums::User::User(user) = &mut read {
            (user.bot, user.first_name, user.access_hash) = (bot, Some(name.to_owned()), Some(7));
            user.username = Some("Anna_P".to_owned());
        }
        read
    }

    fn message(id: i32, peer: &enums::Peer, text: &str) -> types::Message {
        let mut bytes = 0x7600_b9d3_u32.to_le_bytes().to_vec();
        bytes.extend([0; 8]);
        bytes.extend(id.to_le_bytes());
        bytes.extend(grammers_tl_types::Serializable::to_bytes(peer));
        bytes.extend(1_790_000_000_i32.to_le_bytes());
        bytes.extend(grammers_tl_types::Serializable::to_bytes(&text.to_owned()));
        match grammers_tl_types::Deserializable::from_bytes(&bytes).unwrap() {
            enums::Message::Message(message) => message,
            other => panic!("{other:?}"),
        }
    }

    fn private(user_id: i64) -> enums::Peer {
        types::PeerUser { user_id }.into()
    }

    fn channel(channel_id: i64) -> enums::Peer {
        types::PeerChannel { channel_id }.into()
    }

    fn book() -> Book {
        let mut book = Book::default();
        book.learn(&[user(5, "Анна", false), user(6, "Бот", true)], &[]);
        book
    }

    fn told(update: &enums::Update) -> Vec<(String, Event)> {
        events(update, &book(), ME, NOW)
    }

    fn new_message(message: types::Message) -> enums::Update {
        types::UpdateNewMessage { message: message.into(), pts: 1, pts_count: 1 }.into()
    }

    fn heard(message: types::Message) -> Incoming {
        match told(&new_message(message)).remove(0).1 {
            Event::Message(incoming) => *incoming,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_private_message_is_the_persons_and_keeps_its_key() {
        let update = new_message(message(9, &private(5), "Привет"));
        let (key, event) = told(&update).remove(0);
        assert_eq!(key, "m9");
        let Event::Message(incoming) = event else { panic!("{event:?}") };
        assert_eq!((incoming.vendor_id.as_str(), incoming.chat.as_str(), incoming.ours), ("9", "5", false));
        assert_eq!((incoming.from.name.as_deref(), incoming.from.username.as_deref()), (Some("Анна"), Some("anna_p")));
        assert_eq!((incoming.text.as_deref(), incoming.at), (Some("Привет"), NOW));
        assert_eq!(told(&update).remove(0).0, key);
    }

    #[test]
    fn what_the_owner_wrote_belongs_to_the_other_sides_dialog() {
        let incoming =
            heard(types::Message { out: true, from_id: Some(private(ME)), ..message(9, &private(5), "Да") });
        assert!(incoming.ours && incoming.from.vendor_id.as_deref() == Some("5"));
    }

    #[test]
    fn notes_to_oneself_codes_of_telegram_and_machines_are_nobodys_words() {
        for peer in [ME, book::SERVICE, 6] {
            let event = told(&new_message(message(9, &private(peer), "12345"))).remove(0).1;
            assert!(matches!(event, Event::Ignored { .. }), "{peer}: {event:?}");
        }
    }

    #[test]
    fn messages_of_supergroups_are_named_by_channel_and_number() {
        let said = types::Message { from_id: Some(private(5)), ..message(9, &channel(77), "Всем") };
        let update = types::UpdateNewChannelMessage { message: said.into(), pts: 1, pts_count: 1 }.into();
        let (key, event) = told(&update).remove(0);
        let Event::Message(incoming) = event else { panic!("{event:?}") };
        assert_eq!((key.as_str(), incoming.vendor_id.as_str()), ("m77_9", "77_9"));
        assert_eq!((incoming.chat.as_str(), incoming.group), ("-1000000000077", true));
        assert_eq!(incoming.from.name.as_deref(), Some("Анна"));
        let read = types::UpdateReadChannelOutbox { channel_id: 77, max_id: 12 }.into();
        let event = told(&read).remove(0).1;
        assert_eq!(event, Event::Read { chat: "-1000000000077".to_owned(), up_to: 12, at: NOW });
        let gone =
            types::UpdateDeleteChannelMessages { channel_id: 77, messages: vec![9], pts: 2, pts_count: 1 }.into();
        let event = told(&gone).remove(0).1;
        assert_eq!(
            event,
            Event::Deleted { chat: "-1000000000077".to_owned(), vendor_ids: vec!["77_9".to_owned()], at: NOW }
        );
    }

    #[test]
    fn edits_that_nobody_sees_are_left_out() {
        let edited = |hidden| {
            let message =
                types::Message { edit_hide: hidden, edit_date: Some(5), ..message(9, &private(5), "Иначе") };
            told(&types::UpdateEditMessage { message: message.into(), pts: 1, pts_count: 1 }.into())
        };
        assert!(edited(true).is_empty());
        let (key, event) = edited(false).remove(0);
        assert_eq!(key, "e9:5");
        assert!(matches!(event, Event::Edited { text: Some(text), .. } if text == "Иначе"));
    }

    #[test]
    fn a_basic_group_that_became_a_supergroup_has_moved() {
        let action = types::MessageActionChatMigrateTo { channel_id: 77 }.into();
        let service = types::MessageService {
            out: false,
            mentioned: false,
            media_unread: false,
            reactions_are_possible: false,
            silent: false,
            post: false,
            legacy: false,
            id: 3,
            from_id: None,
            peer_id: types::PeerChat { chat_id: 8 }.into(),
            saved_peer_id: None,
            reply_to: None,
            date: 0,
            action,
            reactions: None,
            ttl_period: None,
        };
        let update = types::UpdateNewMessage { message: service.into(), pts: 1, pts_count: 1 }.into();
        let event = told(&update).remove(0).1;
        assert_eq!(event, Event::Moved { from: "-8".to_owned(), to: "-1000000000077".to_owned() });
    }

    #[test]
    fn a_message_that_shows_nothing_we_know_is_named_so() {
        assert_eq!(heard(message(9, &private(5), "")).note.as_deref(), Some("unsupported"));
        let media = Some(enums::MessageMedia::Unsupported);
        let incoming = heard(types::Message { media, ..message(9, &private(5), "") });
        assert_eq!(incoming.note.as_deref(), Some("unsupported"));
        // a link shows itself in the text
        let incoming = heard(message(9, &private(5), "https://example.test"));
        assert_eq!((incoming.note, incoming.media.len()), (None, 0));
    }

    #[test]
    fn of_a_picture_the_largest_size_is_fetched() {
        let size = |name: &str, size| types::PhotoSize { r#type: name.to_owned(), w: 1, h: 1, size }.into();
        let progressive =
            types::PhotoSizeProgressive { r#type: "y".to_owned(), w: 1, h: 1, sizes: vec![10, 900, 50] }.into();
        let photo = types::Photo {
            has_stickers: false,
            id: 5,
            access_hash: 6,
            file_reference: vec![1, 2],
            date: 0,
            sizes: vec![
                size("m", 300),
                progressive,
                enums::PhotoSize::from(types::PhotoSizeEmpty { r#type: "s".to_owned() }),
            ],
            video_sizes: None,
            dc_id: 4,
        };
        let (media, place) = picture(&photo, (5, 9)).unwrap();
        assert_eq!((place.size.as_str(), media.size, place.centre), ("y", Some(900), 4));
        assert_eq!(serde_json::from_str::<Place>(&media.vendor_id).unwrap(), place);
    }
}

//! Sending: the person is found, a file is uploaded, and one call makes the message. It carries a number made of our key, so
//! that Telegram drops it where it has it already.

use grammers_tl_types::{enums, functions, types};
use sha2::{Digest as _, Sha256};

use super::driver::Trouble;
use super::line::{self, Line};
use super::{ABOUT, answer, book, file};
use crate::messenger::parcel::refused;
use crate::messenger::{Checked, Wire};
use crate::model::message::{Card, Content, Media, MediaKind, Outgoing, Peer, Place};
use crate::model::result::Code;
use crate::model::vendor::{Answer, Scope};

/// Contacts that Telegram does not import now may be asked for again after so long.
const IMPORT_AGAIN_MS: i64 = 3_600_000;

pub(super) async fn send(wire: &Wire, message: &Outgoing) -> Answer {
    match try_send(wire, message).await {
        Ok(answer) | Err(answer) => answer,
    }
}

async fn try_send(wire: &Wire, message: &Outgoing) -> Result<Answer, Answer> {
    check(&message.content)?;
    let line = line::borrow(wire)?;
    let chat = find(&line, &message.to, message.names.as_ref()).await?;
    let media = media(wire, &line, &message.content).await?;
    match post(&line, chat, message, media.as_ref()).await {
        Err(trouble) if trouble.is("PEER_ID_INVALID") && !matches!(message.to, Peer::Chat(_)) => {
            // what was known of the person is out of date; who is named by phone or by name can be found anew, once
            line.book.lock().forget(chat);
            let chat = find(&line, &message.to, message.names.as_ref()).await?;
            done(&line, message, chat, post(&line, chat, message, media.as_ref()).await)
        }
        told => done(&line, message, chat, told),
    }
}

/// What needs no call to be known.
fn check(content: &Content) -> Result<(), Answer> {
    // characters are counted as pairs of bytes there
    let length = content.text.as_deref().map_or(0, |text| text.encode_utf16().count());
    let blank = content.text.as_deref().is_none_or(|text| text.trim().is_empty());
    let parts = usize::from(content.media.is_some()) + usize::from(content.place.is_some()) + content.cards.len();
    // several cards would be several messages
    if content.template.is_some() || content.interactive.is_some() || content.subject.is_some() || parts > 1 {
        return Err(refused(Code::NotSupported));
    }
    let Some(media) = &content.media else {
        return match parts {
            // a place and a card have no text beside them
            1 if !blank => Err(refused(Code::NotSupported)),
            0 if blank => Err(refused(Code::MessageEmpty)),
            0 if length > ABOUT.text_limit => Err(refused(Code::MessageTooLong)),
            _ => Ok(()),
        };
    };
    let limit = file::limit_of(media.kind);
    if limit == 0 {
        return Err(refused(Code::NotSupported));
    }
    if length > ABOUT.caption_limit {
        return Err(refused(Code::MessageTooLong));
    }
    if media.size.is_some_and(|size| size > limit) { Err(refused(Code::FileTooBig)) } else { Ok(()) }
}

/// The chat that a message goes to.
pub(super) async fn find(line: &Line, to: &Peer, names: Option<&(String, String)>) -> Result<i64, Answer> {
    match to {
        Peer::Chat(chat) => {
            let id: i64 = chat.parse().map_err(|_| refused(Code::AddressBad))?;
            let book = line.book.lock();
            let id = book.now(id);
            let known = book.input(id).is_some();
            if known { Ok(id) } else { Err(Answer::Nobody { text: "this account never met that chat".to_owned() }) }
        }
        Peer::Username(name) => {
            let known = line.book.lock().by_name(name);
            match known {
                Some(id) => Ok(id),
                None => resolve_name(line, name).await,
            }
        }
        Peer::Phone(phone) => {
            let known = line.book.lock().by_phone(phone);
            match known {
                Some(id) => Ok(id),
                None => import(line, phone, names).await,
            }
        }
        Peer::Email(_) => Err(refused(Code::NotSupported)),
    }
}

/// Looks a name up. Telegram counts these looks, and what they told is kept for good.
async fn resolve_name(line: &Line, name: &str) -> Result<i64, Answer> {
    let call = functions::contacts::ResolveUsername { username: name.to_owned(), referer: None };
    let enums::contacts::ResolvedPeer::Peer(found) = line.call(&call).await.map_err(answer::of)?;
    learn(line, &found.users, &found.chats);
    let id = book::id_of(&found.peer);
    if line.book.lock().is_deaf(id) {
        return Err(Answer::Refused { code: Code::CannotWriteFirst, text: "it is a bot or a channel".to_owned() });
    }
    Ok(id)
}

/// Puts a phone into the contacts of the account, which is how somebody is found who never wrote.
async fn import(line: &Line, phone: &str, names: Option<&(String, String)>) -> Result<i64, Answer> {
    let (first, last) = names.cloned().unwrap_or_default();
    let contact = types::InputPhoneContact {
        client_id: 0,
        phone: format!("+{phone}"),
        // a contact without a name is not taken
        first_name: if first.trim().is_empty() { format!("+{phone}") } else { first },
        last_name: last,
        note: None,
    };
    let call = functions::contacts::ImportContacts { contacts: vec![contact.into()] };
    let enums::contacts::ImportedContacts::Contacts(told) = line.call(&call).await.map_err(answer::of)?;
    learn(line, &told.users, &[]);
    let Some(enums::ImportedContact::Contact(found)) = told.imported.first() else {
        return Err(if told.retry_contacts.is_empty() {
            Answer::Nobody { text: "the phone has no Telegram, or hides it".to_owned() }
        } else {
            Answer::Busy { after_ms: IMPORT_AGAIN_MS, scope: Scope::Recipient }
        });
    };
    line.book.lock().learn_phone(found.user_id, phone);
    line.news.notify_one();
    Ok(found.user_id)
}

fn learn(line: &Line, users: &[enums::User], chats: &[enums::Chat]) {
    if line.book.lock().learn(users, chats) {
        line.news.notify_one();
    }
}

/// Gets to know somebody: a phone is put into the contacts, a name is looked up.
pub(super) async fn meet(wire: &Wire, who: &Peer) -> Result<Checked, Answer> {
    let line = line::borrow(wire)?;
    match find(&line, who, None).await {
        Ok(id) => Ok(Checked { chat: Some(id.to_string()) }),
        Err(Answer::Nobody { .. }) => Ok(Checked { chat: None }),
        // whoever is put into the contacts twice is in them once
        Err(Answer::Unsure { seen, .. }) => Err(Answer::Down { seen }),
        Err(other) => Err(other),
    }
}

/// Whether a phone has Telegram, as far as its owner lets that be seen.
pub(super) async fn check_phone(wire: &Wire, phone: &str) -> Result<Checked, Answer> {
    let line = line::borrow(wire).map_err(|answer| match answer {
        Answer::Busy { .. } => Answer::Down { seen: "the line of the account is not open in this process".to_owned() },
        other => other,
    })?;
    let call = functions::contacts::ResolvePhone { phone: phone.to_owned() };
    match line.call(&call).await {
        Ok(enums::contacts::ResolvedPeer::Peer(found)) => {
            learn(&line, &found.users, &found.chats);
            Ok(Checked { chat: Some(book::id_of(&found.peer).to_string()) })
        }
        Err(trouble) if trouble.is("PHONE_NOT_OCCUPIED") => Ok(Checked { chat: None }),
        // a look may be repeated
        Err(trouble) => Err(match answer::of(trouble) {
            Answer::Unsure { seen, .. } => Answer::Down { seen },
            other => other,
        }),
    }
}

/// What goes with a message besides its text.
async fn media(wire: &Wire, line: &Line, content: &Content) -> Result<Option<enums::InputMedia>, Answer> {
    if let Some(media) = &content.media {
        let input = file::upload(wire, line, media).await?;
        return Ok(Some(uploaded(media, input)));
    }
    Ok(content.place.as_ref().map(place).or_else(|| content.cards.first().map(card)))
}

fn uploaded(media: &Media, input: enums::InputFile) -> enums::InputMedia {
    let photo = matches!(media.mime.as_str(), "image/jpeg" | "image/png");
    if media.kind == MediaKind::Image && photo {
        return types::InputMediaUploadedPhoto {
            spoiler: false,
            live_photo: false,
            file: input,
            stickers: None,
            ttl_seconds: None,
            video: None,
        }
        .into();
    }
    types::InputMediaUploadedDocument {
        nosound_video: false,
        force_file: media.kind == MediaKind::Document,
        spoiler: false,
        file: input,
        thumb: None,
        mime_type: media.mime.clone(),
        attributes: attributes(media),
        stickers: None,
        video_cover: None,
        video_timestamp: None,
        ttl_seconds: None,
    }
    .into()
}

/// How a device shows a file. Lengths and sizes of pictures are not known here; devices find them out.
fn attributes(media: &Media) -> Vec<enums::DocumentAttribute> {
    let name = types::DocumentAttributeFilename { file_name: media.name.clone() }.into();
    let sound = |voice| {
        types::DocumentAttributeAudio { voice, duration: 0, title: None, performer: None, waveform: None }.into()
    };
    match media.kind {
        MediaKind::Voice => vec![sound(true)],
        MediaKind::Audio => vec![sound(false), name],
        MediaKind::Video => {
            let video = types::DocumentAttributeVideo {
                round_message: false,
                supports_streaming: true,
                nosound: false,
                duration: 0.0,
                w: 0,
                h: 0,
                preload_prefix_size: None,
                video_start_ts: None,
                video_codec: None,
            };
            vec![video.into(), name]
        }
        MediaKind::Image | MediaKind::Sticker | MediaKind::Document => vec![name],
    }
}

fn place(place: &Place) -> enums::InputMedia {
    let (lat, long) = place.degrees();
    let geo_point = types::InputGeoPoint { lat, long, accuracy_radius: None }.into();
    let (title, address) = (place.title.as_deref(), place.address.as_deref());
    match title.or(address).map(str::trim).filter(|title| !title.is_empty()) {
        None => types::InputMediaGeoPoint { geo_point }.into(),
        Some(title) => types::InputMediaVenue {
            geo_point,
            title: title.to_owned(),
            address: address.filter(|_| place.title.is_some()).unwrap_or_default().to_owned(),
            provider: String::new(),
            venue_id: String::new(),
            venue_type: String::new(),
        }
        .into(),
    }
}

fn card(card: &Card) -> enums::InputMedia {
    types::InputMediaContact {
        phone_number: format!("+{}", card.phone),
        first_name: card.name.clone(),
        last_name: String::new(),
        vcard: String::new(),
    }
    .into()
}

/// The number of a message, the same at every attempt. Telegram knows it for each chat.
pub(super) fn random_id(key: &str) -> i64 {
    let digest = Sha256::digest(key.as_bytes());
    let id = digest.iter().take(8).fold(0_i64, |id, byte| id.wrapping_shl(8) | i64::from(*byte));
    // zero stands for none
    if id == 0 { 1 } else { id }
}

async fn post(
    line: &Line,
    chat: i64,
    message: &Outgoing,
    media: Option<&enums::InputMedia>,
) -> Result<enums::Updates, Trouble> {
    let peer = line.book.lock().input(chat).unwrap_or(enums::InputPeer::Empty);
    let reply_to = message.reply_to.as_deref().and_then(book::message_number).map(answered);
    let text = message.content.text.clone().unwrap_or_default();
    let random_id = random_id(&message.key);
    let told = match media {
        None => line.call(&text_call(peer, reply_to, text, random_id)).await,
        Some(media) => line.call(&media_call(peer, reply_to, text, random_id, media.clone())).await,
    };
    match told {
        // the answered message may be gone, which is no reason to keep the answer back
        Err(trouble) if message.reply_to.is_some() && is_about_reply(&trouble) => {
            let peer = line.book.lock().input(chat).unwrap_or(enums::InputPeer::Empty);
            let text = message.content.text.clone().unwrap_or_default();
            match media {
                None => line.call(&text_call(peer, None, text, random_id)).await,
                Some(media) => line.call(&media_call(peer, None, text, random_id, media.clone())).await,
            }
        }
        told => told,
    }
}

fn is_about_reply(trouble: &Trouble) -> bool {
    ["REPLY_MESSAGE_ID_INVALID", "REPLY_TO_INVALID", "MSG_ID_INVALID"].iter().any(|name| trouble.is(name))
}

fn answered(id: i32) -> enums::InputReplyTo {
    types::InputReplyToMessage {
        reply_to_msg_id: id,
        top_msg_id: None,
        reply_to_peer_id: None,
        quote_text: None,
        quote_entities: None,
        quote_offset: None,
        monoforum_peer_id: None,
        todo_item_id: None,
        poll_option: None,
    }
    .into()
}

fn text_call(
    peer: enums::InputPeer,
    reply_to: Option<enums::InputReplyTo>,
    message: String,
    random_id: i64,
) -> functions::messages::SendMessage {
    functions::messages::SendMessage {
        no_webpage: false,
        silent: false,
        background: false,
        clear_draft: false,
        noforwards: false,
        update_stickersets_order: false,
        invert_media: false,
        allow_paid_floodskip: false,
        peer,
        reply_to,
        message,
        random_id,
        reply_markup: None,
        entities: None,
        schedule_date: None,
        schedule_repeat_period: None,
        send_as: None,
        quick_reply_shortcut: None,
        effect: None,
        allow_paid_stars: None,
        suggested_post: None,
        rich_message: None,
    }
}

fn media_call(
    peer: enums::InputPeer,
    reply_to: Option<enums::InputReplyTo>,
    message: String,
    random_id: i64,
    media: enums::InputMedia,
) -> functions::messages::SendMedia {
    functions::messages::SendMedia {
        silent: false,
        background: false,
        clear_draft: false,
        noforwards: false,
        update_stickersets_order: false,
        invert_media: false,
        allow_paid_floodskip: false,
        peer,
        reply_to,
        media,
        message,
        random_id,
        reply_markup: None,
        entities: None,
        schedule_date: None,
        schedule_repeat_period: None,
        send_as: None,
        quick_reply_shortcut: None,
        effect: None,
        allow_paid_stars: None,
        suggested_post: None,
    }
}

fn done(line: &Line, message: &Outgoing, chat: i64, told: Result<enums::Updates, Trouble>) -> Result<Answer, Answer> {
    let named = Some(chat.to_string());
    match told {
        Ok(updates) => {
            learn_from(line, &updates);
            let id = made(&updates, random_id(&message.key)).map(|id| book::message_name(chat, id));
            Ok(Answer::Done { vendor_ids: id.into_iter().collect(), chat: named })
        }
        // it was taken at an earlier attempt; what it is called there comes with the updates of our own side
        Err(trouble) if trouble.is("RANDOM_ID_DUPLICATE") => Ok(Answer::Done { vendor_ids: Vec::new(), chat: named }),
        Err(trouble) => Err(answer::of(trouble)),
    }
}

pub(super) fn learn_from(line: &Line, updates: &enums::Updates) {
    match updates {
        enums::Updates::Updates(told) => learn(line, &told.users, &told.chats),
        enums::Updates::Combined(told) => learn(line, &told.users, &told.chats),
        _ => {}
    }
}

/// The number that Telegram gave the message.
fn made(updates: &enums::Updates, random_id: i64) -> Option<i32> {
    let among = |updates: &[enums::Update]| {
        updates.iter().find_map(|update| match update {
            enums::Update::MessageId(named) if named.random_id == random_id => Some(named.id),
            _ => None,
        })
    };
    match updates {
        enums::Updates::UpdateShortSentMessage(sent) => Some(sent.id),
        enums::Updates::Updates(told) => among(&told.updates),
        enums::Updates::Combined(told) => among(&told.updates),
        _ => None,
    }
}

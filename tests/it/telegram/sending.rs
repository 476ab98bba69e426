//! Sending: finding people, texts, files, places and cards; and what Telegram's refusals mean.

use serde_json::{Value, json};
use switchboard::messenger::Messenger as _;
use switchboard::messenger::telegram::Telegram;
use switchboard::model::message::{Card, Content, Kind, Media, MediaKind, Outgoing, Peer, Place};
use switchboard::model::moment::Moment;
use switchboard::model::result::Code;
use switchboard::model::vendor::{Answer, Scope};

use super::{ACCOUNT, Account, CUSTOMER, Memory, Town};
use crate::messengers::page::checked;
use crate::messengers::wire::FILE;

pub(super) fn to(to: Peer, key: &str, content: Content) -> Outgoing {
    Outgoing { key: key.to_owned(), to, names: None, content, reply_to: None, window_until: None, thread: None }
}

pub(super) fn text(text: &str) -> Content {
    Content { text: Some(text.to_owned()), ..Content::default() }
}

pub(super) fn file(kind: MediaKind, name: &str, mime: &str, source: &str) -> Content {
    let (name, mime, source) = (name.to_owned(), mime.to_owned(), source.to_owned());
    Content { media: Some(Media { kind, name, mime, source, size: None }), ..Content::default() }
}

pub(super) fn phone(digits: &str) -> Peer {
    Peer::Phone(digits.to_owned())
}

pub(super) async fn send(account: &Account, message: &Outgoing) -> Answer {
    Telegram.send(&account.wire, message, Moment(0)).await
}

pub(super) fn done(answer: Answer) -> (String, String) {
    match answer {
        Answer::Done { mut vendor_ids, chat } if vendor_ids.len() == 1 => (vendor_ids.remove(0), chat.unwrap()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
pub(crate) async fn a_phone_is_put_into_the_contacts_and_written_to() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    let mut message = to(phone(CUSTOMER), "msg_1", text("Здравствуйте!"));
    message.names = Some(("Анна".to_owned(), "Петрова".to_owned()));
    let (id, chat) = done(send(&account, &message).await);
    assert_eq!(chat, town.chat(CUSTOMER).await);
    let got = town.got(CUSTOMER).await;
    assert_eq!(
        (got.len(), got[0]["id"].as_str(), got[0]["text"].as_str()),
        (1, Some(id.as_str()), Some("Здравствуйте!"))
    );
    let calls = town.calls("contacts.importContacts").await;
    let contact = &calls[0]["params"]["contacts"][0];
    assert_eq!((contact["phone"].as_str(), contact["first_name"].as_str()), (Some("+79990000001"), Some("Анна")));
    // the second time the person is known, by phone and by chat
    done(send(&account, &to(phone(CUSTOMER), "msg_2", text("Ещё"))).await);
    done(send(&account, &to(Peer::Chat(chat), "msg_3", text("И ещё"))).await);
    assert_eq!(town.calls("contacts.importContacts").await.len(), 1);
    // a phone without Telegram
    let answer = send(&account, &to(phone("79160000000"), "msg_4", text("?"))).await;
    assert!(matches!(answer, Answer::Nobody { .. }), "{answer:?}");
    town.change(json!({ "retries": 1 })).await;
    let answer = send(&account, &to(phone("79990000002"), "msg_5", text("?"))).await;
    assert!(matches!(answer, Answer::Busy { scope: Scope::Recipient, .. }), "{answer:?}");
    account.stop().await;
    town.clear().await;
    checked(Kind::Telegram, 5);
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_known_after_a_restart() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    let name = || Peer::Username(format!("client_{CUSTOMER}"));
    let (_, chat) = done(send(&account, &to(name(), "msg_1", text("раз"))).await);
    done(send(&account, &to(name(), "msg_2", text("два"))).await);
    let answer = send(&account, &to(Peer::Username("nobody_there".to_owned()), "msg_3", text("?"))).await;
    assert!(matches!(answer, Answer::Nobody { .. }), "{answer:?}");
    let answer = send(&account, &to(Peer::Username("нет".to_owned()), "msg_4", text("?"))).await;
    assert!(matches!(answer, Answer::Refused { code: Code::AddressBad, .. }), "{answer:?}");
    assert_eq!(town.calls("contacts.resolveUsername").await.len(), 3);
    // something that comes in is written down after whom the account met
    town.say("слышу").await;
    account.memory.has_heard(1).await;
    let (wire, memory) = account.stop().await;
    let account = Account::listen(wire, memory).await;
    done(send(&account, &to(name(), "msg_5", text("три"))).await);
    done(send(&account, &to(Peer::Chat(chat), "msg_6", text("четыре"))).await);
    assert_eq!(town.calls("contacts.resolveUsername").await.len(), 3);
    let answer = send(&account, &to(Peer::Chat("4242".to_owned()), "msg_7", text("?"))).await;
    assert!(matches!(answer, Answer::Nobody { .. }), "{answer:?}");
    account.stop().await;
    town.clear().await;
}

#[tokio::test]
pub(crate) async fn a_message_whose_fate_was_unknown_is_sent_again_and_reaches_nobody_twice() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    let message = to(phone(CUSTOMER), "msg_1", text("Один раз"));
    done(send(&account, &to(phone(CUSTOMER), "msg_0", text("Сначала"))).await);
    town.fault("messages.sendMessage", json!({ "kind": "cut" })).await;
    let answer = send(&account, &message).await;
    assert!(matches!(answer, Answer::Unsure { resendable: true, .. }), "{answer:?}");
    let (ended, wire, memory) = account.ended().await;
    assert!(matches!(ended, Answer::Down { .. }), "{ended:?}");
    let account = Account::listen(wire, memory).await;
    let answer = send(&account, &message).await;
    assert!(matches!(&answer, Answer::Done { vendor_ids, .. } if vendor_ids.is_empty()), "{answer:?}");
    let texts: Vec<Value> = town.got(CUSTOMER).await.into_iter().map(|one| one["text"].clone()).collect();
    assert_eq!(texts, ["Сначала", "Один раз"]);
    // and the difference tells what it is called
    let told = account.memory.told();
    assert!(told.iter().any(|line| line.contains("Один раз") && line.ends_with("by us")), "{told:#?}");
    account.stop().await;
    town.clear().await;
    checked(Kind::Telegram, 1);
}

#[tokio::test]
pub(crate) async fn files_places_and_cards_arrive_as_what_they_are() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    let place = Place { latitude_e7: 557_558_000, longitude_e7: 376_173_000, title: None, address: None };
    let named = Place { title: Some("Склад".to_owned()), ..place.clone() };
    let card = Card { name: "Иван".to_owned(), phone: "79161234567".to_owned() };
    let captioned =
        Content { text: Some("Фото".to_owned()), ..file(MediaKind::Image, "a.jpg", "image/jpeg", "store:good") };
    let contents = [
        (captioned, "image"),
        (file(MediaKind::Image, "a.gif", "image/gif", "store:good"), "document"),
        (file(MediaKind::Voice, "a.ogg", "audio/ogg", "store:good"), "voice"),
        (file(MediaKind::Audio, "a.mp3", "audio/mpeg", "store:good"), "audio"),
        (file(MediaKind::Video, "a.mp4", "video/mp4", "store:good"), "video"),
        (file(MediaKind::Document, "Счёт.pdf", "application/pdf", "store:crumbs"), "document"),
        (Content { place: Some(place), ..Content::default() }, "location"),
        (Content { place: Some(named), ..Content::default() }, "location"),
        (Content { cards: vec![card], ..Content::default() }, "contact"),
    ];
    for (n, (content, _)) in contents.iter().enumerate() {
        done(send(&account, &to(phone(CUSTOMER), &format!("msg_{n}"), content.clone())).await);
    }
    let got = town.got(CUSTOMER).await;
    let kinds: Vec<&str> = got.iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, contents.iter().map(|(_, kind)| *kind).collect::<Vec<_>>());
    assert_eq!((got[0]["text"].as_str(), got[5]["media"]["name"].as_str()), (Some("Фото"), Some("Счёт.pdf")));
    for one in got.iter().filter(|one| !one["media"].is_null()) {
        assert_eq!(one["media"]["size"].as_u64(), Some(FILE.len() as u64));
    }
    account.stop().await;
    town.clear().await;
    checked(Kind::Telegram, 9);
}

#[tokio::test]
pub(crate) async fn an_answer_names_what_it_answers_and_goes_without_where_that_is_gone() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    let asked = town.say("Когда?").await;
    account.memory.has_heard(1).await;
    let chat = Peer::Chat(town.chat(CUSTOMER).await);
    let answering =
        |id: &str, key: &str| Outgoing { reply_to: Some(id.to_owned()), ..to(chat.clone(), key, text("Завтра")) };
    done(send(&account, &answering(&asked, "msg_1")).await);
    done(send(&account, &answering("99999", "msg_2")).await);
    let calls = town.calls("messages.sendMessage").await;
    let replies: Vec<i64> =
        calls.iter().filter_map(|call| call["params"]["reply_to"]["reply_to_msg_id"].as_i64()).collect();
    assert_eq!(replies, [asked.parse::<i64>().unwrap(), 99999]);
    assert_eq!(town.got(CUSTOMER).await.len(), 2);
    account.stop().await;
    town.clear().await;
    checked(Kind::Telegram, 2);
}

#[tokio::test]
pub(crate) async fn what_cannot_be_sent_is_refused_before_anything_leaves() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    let long = "я".repeat(4097);
    let astral = "🙂".repeat(2049);
    let captioned =
        Content { text: Some("я".repeat(1025)), ..file(MediaKind::Image, "a.jpg", "image/jpeg", "store:good") };
    let card = Card { name: "Иван".to_owned(), phone: "79161234567".to_owned() };
    let two = Content { cards: vec![card.clone(), card], ..Content::default() };
    for (content, code) in [
        (text(&long), Code::MessageTooLong),
        (text(&astral), Code::MessageTooLong),
        (text("  "), Code::MessageEmpty),
        (captioned, Code::MessageTooLong),
        (two, Code::NotSupported),
    ] {
        let answer = send(&account, &to(phone(CUSTOMER), "msg_1", content)).await;
        assert!(matches!(&answer, Answer::Refused { code: is, .. } if *is == code), "{code:?}: {answer:?}");
    }
    let answer = send(&account, &to(Peer::Email("a@b.test".to_owned()), "msg_1", text("?"))).await;
    assert!(matches!(answer, Answer::Refused { code: Code::NotSupported, .. }), "{answer:?}");
    let missing = file(MediaKind::Document, "a", "text/plain", "store:none");
    let answer = send(&account, &to(phone(CUSTOMER), "msg_1", missing)).await;
    assert!(matches!(answer, Answer::Refused { code: Code::FileGone, .. }), "{answer:?}");
    let broken = file(MediaKind::Document, "a", "text/plain", "store:broken");
    let answer = send(&account, &to(phone(CUSTOMER), "msg_1", broken)).await;
    assert!(matches!(answer, Answer::Down { .. }), "{answer:?}");
    assert!(town.got(CUSTOMER).await.is_empty());
    assert!(town.calls("messages.sendMessage").await.is_empty());
    account.stop().await;
    town.clear().await;
    checked(Kind::Telegram, 8);
}

#[tokio::test]
pub(crate) async fn refusals_of_telegram_steer_the_lane() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    done(send(&account, &to(phone(CUSTOMER), "msg_0", text("Здравствуйте!"))).await);
    let busy = |after_ms, scope| Answer::Busy { after_ms, scope };
    for (name, code, answer) in [
        ("FLOOD_WAIT_37", 420, busy(37_000, Scope::Lane)),
        ("SLOWMODE_WAIT_5", 420, busy(5_000, Scope::Recipient)),
        ("PEER_FLOOD", 400, busy(86_400_000, Scope::Strangers)),
        ("USER_IS_BLOCKED", 400, Answer::Refused { code: Code::Blocked, text: "USER_IS_BLOCKED".to_owned() }),
        ("SESSION_REVOKED", 401, Answer::Expired { seen: "SESSION_REVOKED".to_owned() }),
    ] {
        town.fault("messages.sendMessage", json!({ "kind": "refuse", "text": name, "code": code })).await;
        assert_eq!(send(&account, &to(phone(CUSTOMER), "msg_1", text("?"))).await, answer, "{name}");
    }
    // a stranger who may not be written to, and one who blocked the account
    town.change(json!({ "limited": true })).await;
    let answer = send(&account, &to(phone("79990000002"), "msg_2", text("?"))).await;
    assert_eq!(answer, busy(86_400_000, Scope::Strangers));
    town.control("POST", "/_/phones", json!({ "id": CUSTOMER, "blocked": [ACCOUNT] })).await;
    let answer = send(&account, &to(phone(CUSTOMER), "msg_3", text("?"))).await;
    assert!(matches!(answer, Answer::Refused { code: Code::Blocked, .. }), "{answer:?}");
    account.stop().await;
    town.clear().await;
    checked(Kind::Telegram, 7);
}

#[tokio::test]
pub(crate) async fn nothing_leaves_where_nobody_listens_and_no_attempt_is_counted() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    let (wire, _) = account.stop().await;
    let message = to(phone(CUSTOMER), "msg_1", text("?"));
    let answer = Telegram.send(&wire, &message, Moment(0)).await;
    assert!(matches!(answer, Answer::Busy { scope: Scope::Lane, .. }), "{answer:?}");
    assert!(matches!(Telegram.check_phone(&wire, CUSTOMER).await, Err(Answer::Down { .. })));
    let account = Account::listen(wire, Memory::from(Value::Null)).await;
    let found = Telegram.check_phone(&account.wire, CUSTOMER).await.unwrap();
    assert_eq!(found.chat, Some(town.chat(CUSTOMER).await));
    assert_eq!(Telegram.check_phone(&account.wire, "79160000000").await.unwrap().chat, None);
    account.stop().await;
    town.clear().await;
    checked(Kind::Telegram, 2);
}

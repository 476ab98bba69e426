//! Listening: what customers write, change, delete and read, what the owner writes elsewhere, and what happened while nobody
//! listened.

use base64::Engine as _;
use serde_json::{Value, json};
use switchboard::messenger::telegram::Telegram;
use switchboard::messenger::{Delivery, Messenger as _, NotTaken};
use switchboard::model::message::{Content, IncomingMedia, Kind, MediaKind, Outgoing, Peer};
use switchboard::model::moment::Moment;
use switchboard::model::result::Code;
use switchboard::model::vendor::Answer;

use super::{ACCOUNT, Account, CUSTOMER, Memory, Town, secrets};
use crate::messengers::page::checked;
use crate::messengers::wire::whole;

fn texts(told: &[String]) -> Vec<String> {
    told.iter()
        .filter_map(|line| line.split(" | text ").nth(1))
        .map(|rest| rest.split(" | ").next().unwrap().to_owned())
        .collect()
}

async fn send(account: &Account, chat: &str, key: &str) -> String {
    let message = Outgoing {
        key: key.to_owned(),
        to: Peer::Chat(chat.to_owned()),
        names: None,
        content: Content { text: Some(key.to_owned()), ..Content::default() },
        reply_to: None,
        window_until: None,
        thread: None,
    };
    match Telegram.send(&account.wire, &message, Moment(0)).await {
        Answer::Done { mut vendor_ids, .. } => vendor_ids.remove(0),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
pub(crate) async fn what_was_said_before_is_left_alone_and_what_comes_is_heard_at_once() {
    let town = Town::build().await;
    town.say("до подключения").await;
    let account = Account::open(&town).await;
    let first = town.say("Здравствуйте!").await;
    // the second one comes in the short form
    let second = town.say("Вы тут?").await;
    let told = account.memory.has_heard(2).await;
    let chat = town.chat(CUSTOMER).await;
    assert_eq!(texts(&told), ["Здравствуйте!", "Вы тут?"]);
    for (line, id) in told.iter().zip([first, second]) {
        assert!(
            line.starts_with(&format!("message {id} in {chat} | from Анна | name client_{CUSTOMER} | id {chat}")),
            "{line}"
        );
    }
    assert_eq!(account.memory.gaps(), 0);
    account.stop().await;
    town.clear().await;
    checked(Kind::Telegram, 2);
}

#[tokio::test]
async fn what_comes_between_the_sign_in_and_the_first_listening_is_heard() {
    let town = Town::build().await;
    town.say("до подключения").await;
    let (secrets, cursor) = town.sign_in().await;
    town.say("Вы уже тут?").await;
    town.say("Ау!").await;
    let account = Account::listen(town.wire(&secrets), Memory::from(cursor)).await;
    assert_eq!(texts(&account.memory.has_heard(2).await), ["Вы уже тут?", "Ау!"]);
    account.stop().await;
    town.clear().await;
    checked(Kind::Telegram, 2);
}

#[tokio::test]
pub(crate) async fn a_gap_is_filled_in_order_and_nothing_is_heard_twice() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    town.say("0").await;
    account.memory.has_heard(1).await;
    let (wire, memory) = account.stop().await;
    // more than Telegram tells at once
    for n in 1..=130 {
        town.say(&n.to_string()).await;
    }
    let account = Account::listen(wire, memory).await;
    account.memory.has_heard(131).await;
    town.say("131").await;
    let told = texts(&account.memory.has_heard(132).await);
    assert_eq!(told, (0..=131).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(account.memory.gaps(), 0);
    account.stop().await;
    town.clear().await;
    checked(Kind::Telegram, 132);
}

#[tokio::test]
async fn a_gap_that_telegram_does_not_tell_any_more_is_marked() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    town.say("до").await;
    account.memory.has_heard(1).await;
    let (wire, memory) = account.stop().await;
    town.say("пропало").await;
    town.change(json!({ "forget": true })).await;
    let account = Account::listen(wire, memory).await;
    assert_eq!(account.memory.gaps(), 1);
    town.say("после").await;
    let told = texts(&account.memory.has_heard(2).await);
    assert_eq!((told, account.memory.gaps()), (vec!["до".to_owned(), "после".to_owned()], 1));
    account.stop().await;
    town.clear().await;
}

#[tokio::test]
async fn a_number_that_is_missing_is_noticed_while_listening() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    town.say("0").await;
    account.memory.has_heard(1).await;
    town.change(json!({ "silent": true })).await;
    town.say("1").await;
    town.say("2").await;
    town.change(json!({ "silent": false })).await;
    town.say("3").await;
    let told = account.memory.has_heard(4).await;
    assert_eq!(texts(&told), ["0", "1", "2", "3"]);
    account.stop().await;
    town.clear().await;
}

#[tokio::test]
async fn a_line_that_breaks_ends_the_listening_and_is_made_anew() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    town.change(json!({ "hang_up": true })).await;
    let (answer, wire, memory) = account.ended().await;
    assert!(matches!(answer, Answer::Down { .. }), "{answer:?}");
    town.say("пока не слышно").await;
    let account = Account::listen(wire, memory).await;
    assert_eq!(texts(&account.memory.has_heard(1).await), ["пока не слышно"]);
    account.stop().await;
    town.clear().await;
}

#[tokio::test]
pub(crate) async fn a_session_that_is_ended_on_the_phone_or_used_twice_is_over() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    town.change(json!({ "revoke": true })).await;
    let (_, wire, memory) = account.ended().await;
    let cursor = Value::Null;
    let answer = Telegram.listen(&wire, cursor, &*memory).await;
    assert!(matches!(&answer, Answer::Expired { seen } if seen == "AUTH_KEY_UNREGISTERED"), "{answer:?}");
    // a channel without a session
    let none = switchboard::messenger::Wire { secrets: secrets(&json!({})), ..wire };
    assert!(matches!(Telegram.listen(&none, Value::Null, &*memory).await, Answer::Expired { .. }));
    // two processes with one key: the key is void
    let account = Account::open(&town).await;
    let twice = Telegram.listen(&account.wire, Value::Null, &*memory).await;
    assert!(matches!(&twice, Answer::Expired { seen } if seen == "AUTH_KEY_DUPLICATED"), "{twice:?}");
    account.stop().await;
    town.clear().await;
    checked(Kind::Telegram, 3);
}

#[tokio::test]
pub(crate) async fn changes_deletions_and_readings_are_heard_live_and_after_a_gap() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    let id = town.say("Здравстуйте").await;
    account.memory.has_heard(1).await;
    let chat = town.chat(CUSTOMER).await;
    let ours = send(&account, &chat, "msg_1").await;
    let path = format!("/_/mtproto/phones/{CUSTOMER}");
    town.control("POST", &format!("{path}/edit"), json!({ "id": id, "text": "Здравствуйте" })).await;
    town.control("POST", &format!("/_/phones/{CUSTOMER}/read"), json!({})).await;
    town.control("POST", &format!("{path}/delete"), json!({ "ids": [id] })).await;
    // our own message is told as well once the numbers are complete
    let told = account.memory.has_heard(5).await;
    assert!(told.contains(&format!("edited {id} in {chat}: Здравствуйте")), "{told:#?}");
    assert!(told.iter().any(|line| line.starts_with(&format!("read up to {ours} in {chat}"))), "{told:#?}");
    assert!(told.contains(&format!("deleted {id} in ")), "{told:#?}");
    let (wire, memory) = account.stop().await;
    let second = town.say("Ещё").await;
    town.control("POST", &format!("{path}/edit"), json!({ "id": second, "text": "Ещё раз" })).await;
    let account = Account::listen(wire, memory).await;
    let told = account.memory.has_heard(7).await;
    assert_eq!(told.last().unwrap(), &format!("edited {second} in {chat}: Ещё раз"));
    account.stop().await;
    town.clear().await;
    checked(Kind::Telegram, 7);
}

#[tokio::test]
pub(crate) async fn what_the_owner_writes_elsewhere_is_ours_and_notes_and_codes_are_nobodys() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    let said = json!({ "text": "Пишу с телефона", "ours": true });
    town.control("POST", &format!("/_/mtproto/phones/{CUSTOMER}/say"), said).await;
    let told = account.memory.has_heard(1).await;
    let chat = town.chat(CUSTOMER).await;
    assert!(told[0].contains(&format!("in {chat}")) && told[0].ends_with("by us"), "{told:?}");
    assert!(told[0].contains("from Анна"), "the dialog is the customer's: {told:?}");
    account.stop().await;
    town.clear().await;
    checked(Kind::Telegram, 1);
}

#[tokio::test]
pub(crate) async fn a_group_is_heard_and_answered() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    let members = json!([CUSTOMER, "79990000002"]);
    let group = json!({ "id": 77, "title": "Стройка", "members": members });
    town.control("POST", &format!("/_/mtproto/accounts/{ACCOUNT}/groups"), group).await;
    let said = json!({ "text": "Кто привезёт?", "group": 77 });
    town.control("POST", &format!("/_/mtproto/phones/{CUSTOMER}/say"), said).await;
    let told = account.memory.has_heard(1).await;
    assert!(told[0].contains("in -77 | group Стройка | from Анна"), "{told:?}");
    send(&account, "-77", "msg_1").await;
    for phone in [CUSTOMER, "79990000002"] {
        assert_eq!(town.got(phone).await.len(), 1, "{phone}");
    }
    account.stop().await;
    town.clear().await;
    checked(Kind::Telegram, 1);
}

#[tokio::test]
pub(crate) async fn files_come_with_what_they_are_and_are_fetched_wherever_they_lie() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    let large = vec![7_u8; 1_300_000];
    let body = base64::engine::general_purpose::STANDARD.encode(&large);
    for (kind, name, mime) in [
        ("image", "a.jpg", "image/jpeg"),
        ("voice", "a.ogg", "audio/ogg"),
        ("audio", "a.mp3", "audio/mpeg"),
        ("video", "a.mp4", "video/mp4"),
        ("sticker", "a.webp", "image/webp"),
        ("document", "Счёт.pdf", "application/pdf"),
    ] {
        let media = json!({ "kind": kind, "name": name, "mime": mime, "base64": body });
        town.say_all(json!({ "text": "", "media": media })).await;
    }
    town.say_all(json!({ "text": "", "place": { "latitude": 55.7558, "longitude": 37.6173 } })).await;
    town.say_all(json!({ "text": "", "card": { "name": "Иван", "phone": "+79161234567" } })).await;
    let told = account.memory.has_heard(8).await;
    for (line, kind) in told.iter().zip(["Image", "Voice", "Audio", "Video", "Sticker", "Document"]) {
        assert!(line.contains(&format!("media {kind} ")), "{line}");
    }
    assert!(told[6].contains("55.7558") && told[7].contains("Иван +79161234567"), "{told:#?}");
    let document = &told[5];
    let start = document.find('{').unwrap();
    let end = document.rfind('}').unwrap();
    let media = IncomingMedia {
        kind: MediaKind::Document,
        vendor_id: document[start..=end].to_owned(),
        name: None,
        mime: Some("application/pdf".to_owned()),
        size: None,
    };
    let fetch = |limit| Telegram.fetch_media(&account.wire, &media, limit);
    assert_eq!(whole(fetch(10 << 20).await.unwrap()).await.unwrap(), large);
    let refused = whole(fetch(1_000_000).await.unwrap()).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::FileTooLarge);
    let refused = fetch(100_000).await.err().unwrap();
    assert!(matches!(refused, Answer::Refused { code: Code::FileTooBig, .. }), "{refused:?}");
    // its name runs out, and the file moves to another data centre
    town.change(json!({ "expire_files": true })).await;
    assert_eq!(whole(fetch(10 << 20).await.unwrap()).await.unwrap(), large);
    town.change(json!({ "move_files": 4 })).await;
    assert_eq!(whole(fetch(10 << 20).await.unwrap()).await.unwrap(), large);
    account.stop().await;
    town.clear().await;
    checked(Kind::Telegram, 8);
}

#[test]
pub(crate) fn nobody_posts_updates() {
    let wire = crate::messengers::wire::patient("", &json!({}), &json!({}));
    for (method, body) in [("GET", &b""[..]), ("POST", b"{}"), ("POST", b"\x4a\xe2\x40\x74")] {
        let delivery = Delivery { method, query: "", headers: &[], body, at: Moment(0) };
        assert_eq!(Telegram.receive(&wire, &delivery), Err(NotTaken::Forged));
    }
    checked(Kind::Telegram, 3);
}

#[tokio::test]
pub(crate) async fn updates_that_cannot_be_read_cost_no_message() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    town.say("0").await;
    account.memory.has_heard(1).await;
    // nothing, too little, no update at all, an update cut short, a vector of billions
    let damaged =
        ["", "00", "deadbeef", "4ae24074", "4ae2407415c4b51cffffffff", "0000000000000000000000000000000000000000"];
    for (n, bytes) in damaged.iter().enumerate() {
        town.change(json!({ "silent": true })).await;
        town.say(&(2 * n + 1).to_string()).await;
        town.change(json!({ "silent": false, "tell": bytes })).await;
        town.say(&(2 * n + 2).to_string()).await;
    }
    let told = texts(&account.memory.has_heard(13).await);
    assert_eq!(told, (0..=12).map(|n| n.to_string()).collect::<Vec<_>>());
    account.stop().await;
    town.clear().await;
    checked(Kind::Telegram, damaged.len());
}

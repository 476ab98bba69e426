//! Changing and deleting what the account has sent.

use serde_json::json;
use switchboard::messenger::Messenger as _;
use switchboard::messenger::telegram::Telegram;
use switchboard::model::change::{ChangeAct, Said};
use switchboard::model::message::{Kind, MediaKind, Peer};
use switchboard::model::moment::Moment;
use switchboard::model::result::Code;
use switchboard::model::vendor::{Answer, Scope};

use super::sending::{done, file, phone, send, text, to};
use super::{Account, CUSTOMER, Town};
use crate::messengers::page::checked;

async fn change(account: &Account, said: &Said, act: &ChangeAct) -> Answer {
    Telegram.change(&account.wire, said, act, Moment(0)).await
}

fn edit(text: &str) -> ChangeAct {
    ChangeAct::Edit { text: text.to_owned() }
}

#[tokio::test]
pub(crate) async fn texts_and_captions_are_changed_and_messages_deleted_for_both_sides() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    let (id, chat) = done(send(&account, &to(phone(CUSTOMER), "msg_1", text("Как"))).await);
    let words = Said { chat: chat.clone(), vendor_id: id, media: None };
    assert_eq!(change(&account, &words, &edit("Так")).await, Answer::done());
    // what is so already is no trouble
    assert_eq!(change(&account, &words, &edit("Так")).await, Answer::done());
    let mut picture = file(MediaKind::Image, "a.jpg", "image/jpeg", "store:good");
    picture.text = Some("Подпись".to_owned());
    let (id, chat) = done(send(&account, &to(Peer::Chat(chat), "msg_2", picture)).await);
    let picture = Said { chat, vendor_id: id, media: Some(MediaKind::Image) };
    assert_eq!(change(&account, &picture, &edit("Другая")).await, Answer::done());
    let got = town.got(CUSTOMER).await;
    let shown: Vec<_> = got.iter().map(|one| (one["text"].as_str().unwrap(), one["edited"] == true)).collect();
    assert_eq!(shown, [("Так", true), ("Другая", true)]);
    assert_eq!(got[1]["kind"], "image", "the file stays");
    assert_eq!(change(&account, &words, &ChangeAct::Delete).await, Answer::done());
    assert_eq!(change(&account, &words, &ChangeAct::Delete).await, Answer::done());
    let got = town.got(CUSTOMER).await;
    assert_eq!((&got[0]["status"], &got[1]["status"]), (&json!("deleted"), &json!("sent")));
    account.stop().await;
    town.clear().await;
    checked(Kind::Telegram, 5);
}

#[tokio::test]
pub(crate) async fn what_telegram_does_not_change_has_a_stable_code() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    let theirs = town.say("Здравствуйте").await;
    account.memory.has_heard(1).await;
    let (id, chat) = done(send(&account, &to(phone(CUSTOMER), "msg_1", text("Как"))).await);
    let ours = Said { chat: chat.clone(), vendor_id: id, media: None };
    let theirs = Said { vendor_id: theirs, ..ours.clone() };
    let code = |answer: Answer| match answer {
        Answer::Refused { code, .. } => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(change(&account, &theirs, &edit("x")).await), Code::Unchangeable);
    let unknown = Said { vendor_id: "99999".to_owned(), ..ours.clone() };
    assert_eq!(code(change(&account, &unknown, &edit("x")).await), Code::Unchangeable);
    let nobody = Said { chat: "77".to_owned(), ..ours.clone() };
    assert_eq!(code(change(&account, &nobody, &edit("x")).await), Code::AddressBad);
    town.fault("messages.editMessage", json!({ "kind": "refuse", "text": "FLOOD_WAIT_7", "code": 420 })).await;
    let busy = Answer::Busy { after_ms: 7_000, scope: Scope::Lane };
    assert_eq!(change(&account, &ours, &edit("x")).await, busy);
    town.control("POST", "/_/clock", json!({ "advance_ms": 49 * 3_600_000 })).await;
    assert_eq!(code(change(&account, &ours, &edit("x")).await), Code::ChangeTooLate);
    assert_eq!(change(&account, &ours, &ChangeAct::Delete).await, Answer::done());
    account.stop().await;
    town.clear().await;
    checked(Kind::Telegram, 5);
}

fn react(emoji: Option<&str>) -> ChangeAct {
    ChangeAct::React { emoji: emoji.map(str::to_owned) }
}

#[tokio::test]
pub(crate) async fn a_message_is_reacted_to_and_others_are_heard() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    let (id, chat) = done(send(&account, &to(phone(CUSTOMER), "msg_1", text("Готово"))).await);
    let ours = Said { chat: chat.clone(), vendor_id: id.clone(), media: None };
    assert_eq!(change(&account, &ours, &react(Some("👍"))).await, Answer::done());
    assert_eq!(town.got(CUSTOMER).await[0]["reaction"], "👍");
    assert_eq!(change(&account, &ours, &react(None)).await, Answer::done());
    assert_eq!(town.got(CUSTOMER).await[0]["reaction"], json!(null));
    let code = |answer: Answer| match answer {
        Answer::Refused { code, .. } => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(change(&account, &ours, &react(Some("🫥"))).await), Code::ReactionBad);
    let unknown = Said { vendor_id: "99999".to_owned(), ..ours };
    assert_eq!(code(change(&account, &unknown, &react(Some("👍"))).await), Code::Unchangeable);
    let reacting = |emoji: Option<&str>| json!({ "messenger": "telegram", "id": id, "emoji": emoji });
    let path = format!("/_/phones/{CUSTOMER}/react");
    town.control("POST", &path, reacting(Some("❤"))).await;
    let heard = account.memory.has_heard(2).await;
    assert!(
        heard.iter().any(|one| one.starts_with(&format!("reaction ❤ to {id} in {chat} by {chat} at "))),
        "{heard:?}"
    );
    town.control("POST", &path, reacting(None)).await;
    let heard = account.memory.has_heard(3).await;
    let gone = format!("reaction taken back to {id} in {chat} by {chat} at ");
    assert!(heard.iter().any(|one| one.starts_with(&gone)), "{heard:?}");
    account.stop().await;
    town.clear().await;
    checked(Kind::Telegram, 6);
}

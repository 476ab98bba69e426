//! Groups: made, filled, renamed, left; basic ones that become supergroups; people who let nobody add them.

use serde_json::{Value, json};
use switchboard::messenger::Messenger as _;
use switchboard::messenger::telegram::Telegram;
use switchboard::model::group::{GroupAct, GroupDone, LeftOut};
use switchboard::model::message::{Content, Kind, Media, MediaKind, Outgoing, Peer};
use switchboard::model::moment::Moment;
use switchboard::model::result::Code;
use switchboard::model::vendor::{Answer, Scope};

use super::{ACCOUNT, Account, CUSTOMER, Town};
use crate::messengers::page::checked;

const SHY: &str = "79990000002";
const THIRD: &str = "79990000003";
const NOWHERE: &str = "79160000000";

fn phone(digits: &str) -> Peer {
    Peer::Phone(digits.to_owned())
}

fn phones(all: &[&str]) -> Vec<Peer> {
    all.iter().map(|digits| phone(digits)).collect()
}

fn left(done: &GroupDone) -> Vec<(Peer, Code)> {
    done.left_out.iter().map(|LeftOut { who, code, .. }| (who.clone(), *code)).collect()
}

async fn act(account: &Account, act: GroupAct) -> Result<GroupDone, Answer> {
    Telegram.act_in_group(&account.wire, &act).await
}

fn create(title: &str, people: Vec<Peer>) -> GroupAct {
    GroupAct::Create { title: title.to_owned(), people }
}

fn add(chat: &str, people: Vec<Peer>) -> GroupAct {
    GroupAct::Add { chat: chat.to_owned(), people }
}

fn rename(chat: &str, title: &str) -> GroupAct {
    GroupAct::Rename { chat: chat.to_owned(), title: title.to_owned() }
}

async fn say(account: &Account, chat: &str, key: &str, media: Option<Media>) -> Answer {
    let content = Content { text: Some(key.to_owned()), media, ..Content::default() };
    let (key, to) = (key.to_owned(), Peer::Chat(chat.to_owned()));
    let message = Outgoing { key, to, names: None, content, reply_to: None, window_until: None, thread: None };
    Telegram.send(&account.wire, &message, Moment(0)).await
}

fn a_file() -> Media {
    let (name, mime, source) = ("Счёт.pdf".to_owned(), "application/pdf".to_owned(), "store:good".to_owned());
    Media { kind: MediaKind::Document, name, mime, source, size: None }
}

/// Whom the only group of a kind holds, in the order in which they came.
async fn members(town: &Town, kind: &str) -> Vec<String> {
    let all = town.account().await[kind][0]["members"].as_array().unwrap().clone();
    all.iter().map(Value::to_string).collect()
}

async fn texts(town: &Town, phone: &str) -> Vec<String> {
    town.got(phone).await.iter().map(|one| one["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
pub(crate) async fn a_group_is_made_filled_renamed_and_left() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    town.change(json!({ "closed": [SHY] })).await;
    let done = act(&account, create("Стройка", phones(&[CUSTOMER, SHY, NOWHERE]))).await.unwrap();
    assert_eq!(left(&done), [(phone(NOWHERE), Code::Nobody), (phone(SHY), Code::GroupPrivacy)]);
    assert!(done.invite.as_deref().is_some_and(|link| link.starts_with("https://t.me/+")), "{done:?}");
    let chat = done.chat.clone();
    for (key, media) in [("msg_1", None), ("msg_2", Some(a_file()))] {
        let answer = say(&account, &chat, key, media).await;
        assert!(matches!(&answer, Answer::Done { chat: Some(named), .. } if *named == chat), "{answer:?}");
    }
    let got = town.got(CUSTOMER).await;
    assert_eq!(
        (got.len(), got[0]["tag"].as_str(), got[1]["kind"].as_str()),
        (2, Some(chat.as_str()), Some("document"))
    );
    let named = Peer::Username(format!("client_{THIRD}"));
    // somebody is named twice, and somebody is in it already
    let done = act(&account, add(&chat, vec![named, phone(THIRD), phone(CUSTOMER)])).await.unwrap();
    assert!(done.left_out.is_empty() && done.invite.is_none(), "who is in it already is not left out: {done:?}");
    assert_eq!(members(&town, "groups").await, [town.chat(CUSTOMER).await, town.chat(THIRD).await]);
    let done = act(&account, add(&chat, phones(&[SHY]))).await.unwrap();
    assert_eq!((left(&done), done.invite.is_some()), (vec![(phone(SHY), Code::GroupPrivacy)], true));
    for _ in 0..2 {
        // a second time changes nothing and harms nobody
        act(&account, rename(&chat, "Стройка, сдано")).await.unwrap();
    }
    assert_eq!(town.account().await["groups"][0]["title"], "Стройка, сдано");
    for _ in 0..2 {
        act(&account, GroupAct::Leave { chat: chat.clone() }).await.unwrap();
    }
    assert_eq!(town.account().await["groups"][0]["left"], true);
    let answer = say(&account, &chat, "msg_3", None).await;
    assert!(matches!(answer, Answer::Refused { code: Code::Blocked, .. }), "{answer:?}");
    account.stop().await;
    town.clear().await;
    checked(Kind::Telegram, 8);
}

#[tokio::test]
pub(crate) async fn a_group_that_became_a_supergroup_goes_on_under_its_new_number() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    let old = act(&account, create("Стройка", phones(&[CUSTOMER]))).await.unwrap().chat;
    let path = format!("/_/mtproto/accounts/{ACCOUNT}/groups/{}/migrate", old.trim_start_matches('-'));
    let moved = town.control("POST", &path, json!({})).await["id"].as_i64().unwrap();
    let new = format!("-100{moved:010}");
    let told = account.memory.has_heard(1).await;
    assert!(told.iter().any(|line| line.contains(&old) && line.contains(&new)), "{told:?}");
    town.change(json!({ "closed": [SHY] })).await;
    // asked for by the old number and by the new one
    let done = act(&account, add(&old, phones(&[SHY, THIRD, CUSTOMER]))).await.unwrap();
    assert_eq!((left(&done), done.invite.is_some()), (vec![(phone(SHY), Code::GroupPrivacy)], true));
    assert_eq!(done.chat, new);
    assert_eq!(members(&town, "supergroups").await, [town.chat(CUSTOMER).await, town.chat(THIRD).await]);
    assert_eq!(town.calls("channels.inviteToChannel").await.len(), 1, "all at once");
    assert_eq!(act(&account, rename(&new, "Дом")).await.unwrap().chat, new);
    assert_eq!(act(&account, rename(&old, "Дом")).await.unwrap().chat, new);
    assert_eq!(town.account().await["supergroups"][0]["title"], "Дом");
    for (key, chat, media) in [("msg_1", &old, None), ("msg_2", &new, Some(a_file()))] {
        let answer = say(&account, chat, key, media).await;
        assert!(matches!(&answer, Answer::Done { chat: Some(named), .. } if *named == new), "{answer:?}");
    }
    assert_eq!(texts(&town, THIRD).await, ["msg_1", "msg_2"]);
    // what is said there is heard under the new number, and our own words are fetched with it
    let said = json!({ "text": "Вижу", "group": moved });
    town.control("POST", &format!("/_/mtproto/phones/{CUSTOMER}/say"), said).await;
    let told = account.memory.has_heard(2).await;
    assert!(told.iter().any(|line| line.contains(&new) && line.contains("Вижу")), "{told:?}");
    let (wire, memory) = account.stop().await;
    // whom the account met is written down, so the old number is good after a restart too
    let account = Account::listen(wire, memory).await;
    act(&account, GroupAct::Leave { chat: old }).await.unwrap();
    assert_eq!(town.account().await["supergroups"][0]["left"], true);
    account.stop().await;
    town.clear().await;
    checked(Kind::Telegram, 8);
}

#[tokio::test]
pub(crate) async fn a_call_about_a_group_that_is_cut_is_made_again_and_brings_nobody_in_twice() {
    let town = Town::build().await;
    let mut account = Account::open(&town).await;
    let made = act(&account, create("Стройка", phones(&[CUSTOMER]))).await.unwrap();
    town.change(json!({ "closed": [SHY] })).await;
    let order = add(&made.chat, phones(&[THIRD, SHY]));
    for method in ["contacts.importContacts", "messages.addChatUser", "messages.exportChatInvite"] {
        town.fault(method, json!({ "kind": "cut" })).await;
        let answer = act(&account, order.clone()).await.unwrap_err();
        let again = matches!(answer, Answer::Unsure { resendable: true, .. } | Answer::Down { .. });
        assert!(again, "{method}: {answer:?}");
        let (_, wire, memory) = account.ended().await;
        account = Account::listen(wire, memory).await;
    }
    let done = act(&account, order).await.unwrap();
    assert_eq!((left(&done), done.invite.is_some()), (vec![(phone(SHY), Code::GroupPrivacy)], true));
    assert_eq!(members(&town, "groups").await, [town.chat(CUSTOMER).await, town.chat(THIRD).await]);
    // a group of unknown fate is never made again
    town.fault("messages.createChat", json!({ "kind": "cut" })).await;
    let answer = act(&account, create("Пусто", phones(&[CUSTOMER]))).await.unwrap_err();
    assert!(matches!(answer, Answer::Unsure { resendable: false, .. }), "{answer:?}");
    account.ended().await;
    town.clear().await;
    checked(Kind::Telegram, 5);
}

#[tokio::test]
pub(crate) async fn refusals_about_groups_tell_people_apart_from_the_account() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    let answer = act(&account, create("Пусто", phones(&[NOWHERE]))).await.unwrap_err();
    assert!(matches!(answer, Answer::Nobody { .. }), "{answer:?}");
    for chat in ["42", "никто", "-1000000000042"] {
        let answer = act(&account, GroupAct::Leave { chat: chat.to_owned() }).await.unwrap_err();
        assert!(matches!(answer, Answer::Refused { code: Code::AddressBad, .. }), "{chat}: {answer:?}");
    }
    let chat = act(&account, create("Стройка", phones(&[CUSTOMER]))).await.unwrap().chat;
    let refuse = async |method: &str, code: i32, text: &str| {
        town.fault(method, json!({ "kind": "refuse", "text": text, "code": code })).await;
    };
    for (code, text, meant) in [
        (403, "USER_PRIVACY_RESTRICTED", Code::GroupPrivacy),
        (403, "USER_NOT_MUTUAL_CONTACT", Code::GroupPrivacy),
        (403, "USER_CHANNELS_TOO_MUCH", Code::GroupPrivacy),
        (400, "USER_ID_INVALID", Code::AddressBad),
        (400, "INPUT_USER_DEACTIVATED", Code::Nobody),
    ] {
        refuse("messages.addChatUser", code, text).await;
        let done = act(&account, add(&chat, phones(&[THIRD]))).await.unwrap();
        assert_eq!(
            (left(&done), done.invite.is_some()),
            (vec![(phone(THIRD), meant)], meant == Code::GroupPrivacy),
            "{text}"
        );
    }
    let busy = |after_ms, scope| Answer::Busy { after_ms, scope };
    for (code, text, meant) in [
        (420, "FLOOD_WAIT_37", busy(37_000, Scope::Lane)),
        (400, "PEER_FLOOD", busy(86_400_000, Scope::Strangers)),
        (400, "CHAT_ADMIN_REQUIRED", Answer::Refused { code: Code::Blocked, text: "CHAT_ADMIN_REQUIRED".to_owned() }),
    ] {
        refuse("messages.addChatUser", code, text).await;
        assert_eq!(act(&account, add(&chat, phones(&[THIRD]))).await, Err(meant), "{text}");
    }
    // once somebody is in, the others are told of at once and not tried
    act(&account, add(&chat, phones(&[THIRD]))).await.unwrap();
    town.change(json!({ "limited": true })).await;
    let named = || Peer::Username(format!("client_{SHY}"));
    let done = act(&account, add(&chat, vec![phone(THIRD), named()])).await.unwrap();
    assert_eq!(left(&done), [(named(), Code::SpamSuspected)]);
    account.stop().await;
    town.clear().await;
    checked(Kind::Telegram, 13);
}

//! Signing in, step by step.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use switchboard::messenger::telegram::Telegram;
use switchboard::messenger::{AttachNext, AttachStep, Attachment, Messenger as _};
use switchboard::model::vendor::Answer;

use super::{ACCOUNT, Account, PHONE, Town, secrets};

async fn ask_for_code(town: &Town) -> Value {
    match town.step(json!({ "phone": "+7 903 111-22-33" }), Value::Null).await.unwrap() {
        AttachNext::Form { fields, kept } => {
            assert_eq!(fields.iter().map(|field| field.name).collect::<Vec<_>>(), ["code"]);
            kept
        }
        other => panic!("{other:?}"),
    }
}

async fn code(town: &Town) -> String {
    town.account().await["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_phone_and_its_code_attach_the_account() {
    let town = Town::build().await;
    let kept = ask_for_code(&town).await;
    let code = code(&town).await;
    // as a person types it
    let typed = format!(" {} {}", &code[..2], &code[2..]);
    let AttachNext::Done(Attachment { secrets, settings, account, .. }) =
        town.step(json!({ "code": typed }), kept).await.unwrap()
    else {
        panic!("not attached")
    };
    assert_eq!(account, ACCOUNT.to_string());
    assert_eq!(settings, json!({ "title": "Ромашка", "address": "@romashka", "phone": format!("+{PHONE}") }));
    let kept: Value = serde_json::from_str(secrets.expose_secret()).unwrap();
    assert_eq!((kept["me"].as_i64(), kept["api_id"].as_i64()), (Some(ACCOUNT), Some(12345)));
    assert!(kept["centres"][0]["key"].as_str().unwrap().len() == 512);
    assert_eq!(town.account().await["sessions"], 1);
    town.clear().await;
}

#[tokio::test]
async fn a_wrong_code_may_be_typed_again_and_a_void_one_may_not() {
    let town = Town::build().await;
    let kept = ask_for_code(&town).await;
    for (typed, about) in [("", "code"), ("00000", "code")] {
        let error = town.step(json!({ "code": typed }), kept.clone()).await.unwrap_err();
        assert_eq!(error.field, about, "{error:?}");
    }
    town.change(json!({ "void_code": true })).await;
    let error = town.step(json!({ "code": code(&town).await }), kept).await.unwrap_err();
    assert!(error.field.is_empty() && error.en.contains("forwarded") && error.ru.contains("перес"), "{error:?}");
    let kept = ask_for_code(&town).await;
    let done = town.step(json!({ "code": code(&town).await }), kept).await.unwrap();
    assert!(matches!(done, AttachNext::Done(_)), "{done:?}");
    town.clear().await;
}

#[tokio::test]
async fn an_account_with_a_password_asks_for_it_after_the_code() {
    let town = Town::build().await;
    town.change(json!({ "password": "пароль с пробелами" })).await;
    let kept = ask_for_code(&town).await;
    let AttachNext::Form { fields, kept } = town.step(json!({ "code": code(&town).await }), kept).await.unwrap() else {
        panic!("no form for the password")
    };
    assert!(fields.len() == 1 && fields[0].name == "password" && fields[0].secret);
    let error = town.step(json!({ "password": "не тот" }), kept.clone()).await.unwrap_err();
    assert!(error.field == "password" && error.en.contains("wrong"), "{error:?}");
    let error = town.step(json!({ "password": "" }), kept.clone()).await.unwrap_err();
    assert_eq!(error.field, "password");
    let done = town.step(json!({ "password": "пароль с пробелами" }), kept).await.unwrap();
    assert!(
        matches!(&done, AttachNext::Done(Attachment { account, .. }) if *account == ACCOUNT.to_string()),
        "{done:?}"
    );
    town.clear().await;
}

#[tokio::test]
async fn a_qr_code_is_shown_until_it_is_scanned() {
    let town = Town::build().await;
    let AttachNext::Qr { text, good_ms, again_ms, kept } = town.step(json!({}), Value::Null).await.unwrap() else {
        panic!("no picture")
    };
    assert!(text.starts_with("tg://login?token=") && good_ms > again_ms, "{text}");
    // nobody has scanned it yet: another picture
    let AttachNext::Qr { text: second, kept, .. } = town.step(json!({}), kept).await.unwrap() else {
        panic!("no picture")
    };
    assert_ne!(text, second);
    let path = format!("/_/mtproto/accounts/{ACCOUNT}/scan");
    // whoever scanned the picture before it was changed has scanned a good one
    assert_eq!(town.control("POST", &path, json!({ "text": text })).await["scanned"], true);
    let done = town.step(json!({}), kept).await.unwrap();
    assert!(matches!(done, AttachNext::Done(_)), "{done:?}");
    town.clear().await;
}

#[tokio::test]
async fn a_scanned_code_of_an_account_with_a_password_asks_for_it() {
    let town = Town::build().await;
    town.change(json!({ "password": "secret" })).await;
    let AttachNext::Qr { text, kept, .. } = town.step(json!({ "phone": "" }), Value::Null).await.unwrap() else {
        panic!("no picture")
    };
    town.control("POST", &format!("/_/mtproto/accounts/{ACCOUNT}/scan"), json!({ "text": text })).await;
    let AttachNext::Form { kept, .. } = town.step(json!({}), kept).await.unwrap() else { panic!("no form") };
    let done = town.step(json!({ "password": "secret" }), kept).await.unwrap();
    assert!(matches!(done, AttachNext::Done(_)), "{done:?}");
    town.clear().await;
}

#[tokio::test]
async fn an_account_of_another_data_centre_is_followed_there() {
    let town = Town::build().await;
    town.change(json!({ "home": 4 })).await;
    let (kept, _) = town.sign_in().await;
    assert_eq!(kept["home"], 4);
    let AttachNext::Qr { text, kept, .. } = town.step(json!({}), Value::Null).await.unwrap() else {
        panic!("no picture")
    };
    town.control("POST", &format!("/_/mtproto/accounts/{ACCOUNT}/scan"), json!({ "text": text })).await;
    let done = town.step(json!({}), kept).await.unwrap();
    let AttachNext::Done(Attachment { secrets, .. }) = done else { panic!("{done:?}") };
    let wire = town.wire(&serde_json::from_str(secrets.expose_secret()).unwrap());
    let account = Account::listen(wire, super::Memory::from(Value::Null)).await;
    account.stop().await;
    town.clear().await;
}

#[tokio::test]
async fn what_is_wrong_is_said_at_its_field_with_the_remedy() {
    let town = Town::build().await;
    for (phone, en) in [("123", "international"), ("call me", "international"), ("0790311", "international")] {
        let error = town.step(json!({ "phone": phone }), Value::Null).await.unwrap_err();
        assert!(error.field == "phone" && error.en.contains(en), "{phone}: {error:?}");
    }
    // a phone without an account
    let kept = match town.step(json!({ "phone": "79160000000" }), Value::Null).await.unwrap() {
        AttachNext::Form { kept, .. } => kept,
        other => panic!("{other:?}"),
    };
    let codes = town.control("GET", "/_/mtproto/accounts", Value::Null).await["codes"].clone();
    let error = town.step(json!({ "code": codes["79160000000"] }), kept).await.unwrap_err();
    assert!(error.field.is_empty() && error.en.contains("no Telegram account"), "{error:?}");
    for (name, field, en) in [
        ("PHONE_NUMBER_BANNED", "phone", "banned"),
        ("PHONE_NUMBER_FLOOD", "phone", "24 h"),
        ("FLOOD_WAIT_1200", "phone", "20 min"),
        ("API_ID_INVALID", "", "telegram.api_id"),
    ] {
        town.fault("auth.sendCode", json!({ "kind": "refuse", "text": name })).await;
        let error = town.step(json!({ "phone": PHONE }), Value::Null).await.unwrap_err();
        assert!(error.field == field && error.en.contains(en), "{name}: {error:?}");
    }
    let step = AttachStep {
        answers: serde_json::Map::new(),
        webhook_url: String::new(),
        return_url: String::new(),
        kept: Value::Null,
    };
    let error = Telegram.attach(&town.wire(&json!({})), &step).await.unwrap_err();
    assert!(error.en.contains("telegram.api_hash") && error.ru.contains("my.telegram.org"), "{error:?}");
    town.clear().await;
}

#[tokio::test]
async fn a_channel_that_is_switched_off_ends_its_session() {
    let town = Town::build().await;
    let account = Account::open(&town).await;
    assert_eq!(Telegram.detach(&account.wire).await, Answer::done());
    assert_eq!(town.account().await["sessions"], 0);
    let (wire, _) = account.stop().await;
    // a second time nothing is left to end
    assert_eq!(Telegram.detach(&wire).await, Answer::done());
    // and where nobody listens a line is opened for it
    let wire = switchboard::messenger::Wire { secrets: secrets(&town.sign_in().await.0), ..wire };
    assert_eq!(Telegram.detach(&wire).await, Answer::done());
    assert_eq!(town.account().await["sessions"], 0);
    town.clear().await;
}

//! Open lines against the fixtures: events that portals post, bodies that we post, replies that they give.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use switchboard::crm::bitrix24::bb;
use switchboard::crm::bitrix24::connector;
use switchboard::crm::bitrix24::event::{LineEvent, LineWhat, is_of_lines};
use switchboard::crm::bitrix24::open_line::{
    self as wire, Chat, Client, Place, Said, read_history, read_lines, read_taken,
};
use switchboard::model::message::Kind;

use super::{form, json as fixture, names};

/// The fixtures speak of a connector `switchboard_wa`; ours of WhatsApp Business has a longer name.
fn event(name: &str) -> LineEvent {
    let text = form(name).to_string().replace("switchboard_wa", "SWITCHBOARD_WABA");
    LineEvent::read(&serde_json::from_str(&text).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

const AT: Place = Place { kind: Kind::Waba, line: 12 };

#[test]
fn operators_words_are_read_with_their_files_and_without_a_loss() {
    let LineWhat::Said(kind, line, words) = event("event_message_add_text.form").what else { panic!() };
    assert_eq!((kind, line, words.len()), (Kind::Waba, 12, 1));
    assert_eq!((words[0].im, words[0].user, words[0].chat.as_str()), ((1807, 86497), 27, "wa-79990000001"));
    let (name, text) = bb::signature(&words[0].text);
    assert_eq!((name, text), (Some("Мария Орлова"), "Добрый день! Ваш заказ & счёт готовы 🎉 100% = скидка?"));

    let LineWhat::Said(_, _, words) = event("event_message_add_files.form").what else { panic!() };
    let files: Vec<_> =
        words[0].files.iter().map(|file| (file.name.as_str(), file.mime.as_deref(), file.size)).collect();
    assert_eq!(
        files,
        [("счёт 17.pdf", Some("application/pdf"), Some(48213)), ("photo.jpg", Some("image/jpeg"), Some(182_044))]
    );
    assert!(words[0].files[0].url.contains("FILE_ID=5437"), "the direct link goes before the short one");
    assert_eq!(bb::signature(&words[0].text), (Some("Мария Орлова"), ""));

    let LineWhat::Said(_, _, words) = event("event_message_add_batch.form").what else { panic!() };
    assert_eq!(words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>(), ["Первое", "Второе"]);
    let LineWhat::Said(_, _, words) = event("event_message_add_literal_brackets.form").what else { panic!() };
    assert_eq!(words[0].text, "два слова");
    let LineWhat::Said(_, _, words) = event("event_message_add_system.form").what else { panic!() };
    assert_eq!(words[0].user, 0);
    assert_eq!(
        bb::read(&words[0].text).as_whatsapp(),
        "Добро пожаловать в открытую линию *«Пример»*\nВам ответит первый освободившийся оператор."
    );
    let LineWhat::Said(_, _, words) = event("event_message_add_bbcode.form").what else { panic!() };
    let (_, text) = bb::signature(&words[0].text);
    assert_eq!(
        bb::read(text).as_whatsapp(),
        "_Курсив_ ~зачёркнуто~ Оплатить (https://example.com/pay?x=1&y=2)\nhttps://example.com/plain Мария меню\n--\nвторая строка"
    );
}

#[test]
fn changes_sessions_and_lines_are_read() {
    let LineWhat::Changed(_, _, changes) = event("event_message_update.form").what else { panic!() };
    assert_eq!(
        (changes[0].im, changes[0].ids.as_slice()),
        ((1807, 86497), ["wamid.fixture-out-0001".to_owned()].as_slice())
    );
    assert_eq!(bb::signature(&changes[0].text), (Some("Мария Орлова"), "Исправленный текст"));
    let LineWhat::Deleted(_, _, changes) = event("event_message_delete.form").what else { panic!() };
    assert_eq!(changes[0].ids, ["wamid.fixture-out-0001"]);
    let LineWhat::Started(_, _, sessions) = event("event_dialog_start.form").what else { panic!() };
    assert_eq!((sessions[0].id, sessions[0].user, sessions[0].chat.as_str()), (3282, Some(585), "wa-79990000001"));
    let LineWhat::Started(_, _, sessions) = event("event_dialog_start_docs_variant.form").what else { panic!() };
    assert_eq!((sessions[0].user, sessions[0].chat.as_str()), (None, "8"));
    assert!(matches!(event("event_dialog_finish.form").what, LineWhat::Finished(_, 12, _)));
    assert_eq!(event("event_status_delete.form").what, LineWhat::Disconnected(Kind::Waba, 12));
    assert_eq!(event("event_line_delete.form").what, LineWhat::LineDeleted(107));
}

#[test]
fn connectors_of_others_are_left_alone_and_what_is_missing_is_named() {
    for name in names("event_message_", ".form") {
        let read = LineEvent::read(&form(&name)).unwrap();
        assert_eq!(read.what, LineWhat::Foreign, "{name}: the fixture's connector is none of ours");
        assert!(is_of_lines(form(&name)["event"].as_str().unwrap()));
    }
    assert!(!is_of_lines("ONAPPTEST") && is_of_lines("OnImConnectorLineDelete"));
    let mut bad = form("event_message_delete.form");
    bad["data"]["CONNECTOR"] = json!("switchboard_waba");
    bad["data"]["MESSAGES"][0]["message"] = json!({});
    assert_eq!(LineEvent::read(&bad).unwrap_err().to_string(), "data[MESSAGES][0][message][id] is missing");
    bad["data"]["MESSAGES"][0]["message"] = json!({ "id": ["1"] });
    bad["data"]["MESSAGES"][0]["im"]["chat_id"] = json!("x");
    assert!(LineEvent::read(&bad).unwrap_err().to_string().contains("chat_id] is not a whole number"));
}

/// The keys of a value, as paths; places in lists count as one.
fn keys(value: &Value, at: &str, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter().filter(|(key, _)| *key != "auth") {
                let path = format!("{at}/{key}");
                keys(value, &path, all);
                all.insert(path);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, at, all)),
        _ => {}
    }
}

/// Every key that we write is one that the fixture has.
fn fits(body: &Value, name: &str) {
    let (mut ours, mut theirs) = (BTreeSet::new(), BTreeSet::new());
    keys(body, "", &mut ours);
    keys(&fixture(name), "", &mut theirs);
    let more: Vec<_> = ours.difference(&theirs).collect();
    assert!(more.is_empty(), "{name} has no {more:?}");
}

#[test]
fn the_bodies_of_open_lines_have_the_vendors_shape() {
    let client = Client {
        id: "79990000001".into(),
        name: "Иван Петров".into(),
        phone: Some("79990000001".into()),
        email: Some("ivan@example.com".into()),
        url: Some("https://wa.example.com/79990000001".into()),
    };
    let chat =
        Chat { id: "wa-79990000001".into(), name: Some("Иван Петров".into()), url: client.url.clone() };
    let said = Said {
        id: "wamid.fixture-in-0002".into(),
        date_s: 1_767_258_003,
        text: "Смотрите файл".into(),
        files: vec![("https://app.example.com/media/fixture-signed/spec.pdf".into(), "spec.pdf".into())],
        tracked: false,
        author: None,
    };
    let body = wire::send_body(AT, &client, &chat, &said);
    fits(&body, "req_send_messages_files.json");
    let stated = fixture("req_send_messages_files.json");
    assert_eq!(body["MESSAGES"][0]["message"], stated["MESSAGES"][0]["message"]);
    assert_eq!(body["MESSAGES"][0]["user"]["phone"], stated["MESSAGES"][0]["user"]["phone"]);
    let note = Said { author: Some(0), tracked: true, files: vec![], ..said };
    fits(&wire::send_body(AT, &client, &chat, &note), "req_send_messages_system_note.json");

    let mut stated = fixture("req_send_status_delivery.json");
    stated.as_object_mut().unwrap().remove("auth");
    stated["CONNECTOR"] = json!("switchboard_waba");
    let ids = ["wamid.fixture-out-0001".to_owned()];
    assert_eq!(wire::mark_body(AT, (1807, 86497), "wa-79990000001", &ids, 1_767_258_007), stated);

    fits(&wire::update_body(AT, "79990000001", "c", "m", 1, "t"), "req_update_messages.json");
    fits(&wire::delete_body(AT, "79990000001", "c", "m"), "req_delete_messages.json");
    fits(&wire::name_body(AT, "79990000001", "c", "Иван"), "req_chat_name_set.json");
    fits(&wire::lines_body(0), "req_config_list_get.json");
    fits(&connector::activate_body(Kind::Waba, 12, true), "req_imconnector_activate.json");
    fits(&connector::data_body(Kind::Waba, 12, "WhatsApp", Some("https://wa.me/1")), "req_imconnector_data_set.json");
    for step in connector::steps("https://app.example.com/b24/connector/settings") {
        fits(&step.params, "req_imconnector_register.json");
    }
}

#[test]
fn replies_of_open_lines_are_read_item_by_item() {
    let result = |name: &str| fixture(name)["result"].clone();
    let taken = read_taken(&result("resp_send_messages.json"));
    assert_eq!((taken.good, taken.user, taken.session, taken.chat), (true, Some(585), Some(3282), Some(1807)));
    let silent = read_taken(&result("resp_send_messages_no_session.json"));
    assert_eq!((silent.good, silent.chat), (true, None));
    assert!(read_taken(&result("resp_send_messages_flags.json")).good);
    // a call that worked may hold a message that did not
    let mut failed = result("resp_send_messages_partial_error.json");
    failed["DATA"]["RESULT"].as_array_mut().unwrap().remove(0);
    let failed = read_taken(&failed);
    assert_eq!((failed.good, failed.errors.as_str()), (false, "Not all the required data is specified"));
    assert!(
        read_taken(&result("resp_update_messages.json")).good && read_taken(&result("resp_delete_messages.json")).good
    );

    let told = read_history(&result("resp_session_history_get.json"));
    assert_eq!(told.iter().map(|told| (told.id, told.sender)).collect::<Vec<_>>(), [(86496, 585), (86497, 27)]);
    assert_eq!(
        (told[1].ours.as_slice(), told[1].files.as_slice()),
        (["wamid.fixture-out-0001".to_owned()].as_slice(), [5437].as_slice())
    );
    assert_eq!(told[0].at, Some(1_767_258_001_000));
    assert_eq!(
        read_lines(&result("resp_config_list_get.json")),
        [(12, "Продажи".to_owned(), true), (15, "Поддержка".to_owned(), true)]
    );
    assert!(connector::is_ready(&result("resp_imconnector_status_ready.json")));
    assert!(!connector::is_ready(&result("resp_imconnector_status_off.json")));
    assert_eq!(connector::refusal(&result("resp_imconnector_register.json")), None);
    assert!(connector::refusal(&result("resp_imconnector_register_error.json")).is_some());
    let dialog = result("resp_dialog_get.json");
    assert_eq!((wire::card_of(&dialog, "CONTACT"), wire::card_of(&dialog, "DEAL")), (Some(275), Some(8061)));
}

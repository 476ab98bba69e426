//! What goes wrong between us and a portal: it is too busy, away for a day, or does not say how a call ended.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard::model::clock::{Clock, HandClock};
use switchboard::model::errand::{Rank, Work};
use switchboard::model::message::Kind;
use switchboard::model::open_line::Settings;
use switchboard::serve::Role;
use switchboard::store::outbox;

use super::{CUSTOMER, message, said, says};
use crate::trips::stage::{self, Stage};
use crate::trips::whatsapp_web;

const MINUTE_MS: i64 = 60_000;

/// How many messages of ours the sandbox's portal has of each text.
fn once(chat: &Value) {
    let mut all = said(chat);
    all.sort();
    let count = all.len();
    all.dedup();
    assert_eq!(all.len(), count, "something is there twice: {chat}");
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_call_whose_end_nobody_saw_leaves_one_message(url: &str) {
        let clock = Arc::new(HandClock::at(chrono::Utc::now().into()));
        let stage = Stage::at(url, Arc::clone(&clock) as Arc<dyn Clock>, roles()).await;
        stage.install().await;
        stage.connected(Kind::Waba, Settings::default()).await;
        // the very first message of a chat, and one of a chat that is known
        for (text, kind) in [("Первое", "cut"), ("Второе", "cut"), ("Третье", "cut_before"), ("Четвёртое", "cut")] {
            let fault = json!({ "vendor": "bitrix24", "method": "imconnector.send.messages", "kind": kind, "times": 1 });
            stage.control("POST", "/_/faults", fault).await;
            stage.customer_says(json!({ "messenger": "waba", "text": text })).await;
            until(&stage, &clock, "the errand is over", async || {
                stage.waiting(stage.lane("portal").await).await.is_empty() && has(&stage, text).await
            }).await;
        }
        let chat = stage.chats().await.remove(0);
        assert_eq!(said(&chat), ["Первое", "Второе", "Третье", "Четвёртое"]);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_portal_that_is_away_for_a_day_gets_everything_in_order_and_once(url: &str) {
        let clock = Arc::new(HandClock::at(chrono::Utc::now().into()));
        let stage = Stage::at(url, Arc::clone(&clock) as Arc<dyn Clock>, roles()).await;
        stage.install().await;
        stage.connected(Kind::Waba, Settings::default()).await;
        let customers = [79_990_000_001_i64, 79_990_000_002, 79_990_000_003];
        for customer in customers {
            speak(&stage, customer, "Начало").await;
            until(&stage, &clock, "the chat is there", async || stage.chats().await.len() > index(customer)).await;
        }
        let chats = stage.chats().await;
        let fault = json!({ "vendor": "bitrix24", "kind": "html" });
        stage.control("POST", "/_/faults", fault).await;
        let mut operators = Vec::new();
        for hour in 0..24 {
            for (customer, chat) in customers.iter().zip(&chats) {
                speak(&stage, *customer, &format!("вопрос {hour}")).await;
                // its people still work in it: what they write comes to us, and what we say of it does not reach it
                if hour % 6 == 0 {
                    operators.push((*customer, stage.operator(chat, json!({ "text": format!("ответ {hour}") })).await));
                    let phone = customer.to_string();
                    until(&stage, &clock, "the answer is on the phone", async || {
                        stage.came(&phone).await.len() == usize::try_from(hour / 6 + 1).unwrap()
                    }).await;
                }
            }
            pass(&stage, &clock, 60).await;
        }
        stage.control("DELETE", "/_/faults", Value::Null).await;
        let lane = stage.lane("portal").await;
        until(&stage, &clock, "nothing waits for the portal", async || stage.waiting(lane).await.is_empty()).await;
        for (customer, chat) in customers.iter().zip(stage.chats().await) {
            let questions: Vec<String> = said(&chat).into_iter().filter(|text| text.starts_with("вопрос")).collect();
            let expected: Vec<String> = (0..24).map(|hour| format!("вопрос {hour}")).collect();
            assert_eq!(questions, expected, "of {customer}");
            once(&chat);
            let answers: Vec<String> = stage.came(&customer.to_string()).await;
            assert_eq!(answers, ["ответ 0", "ответ 6", "ответ 12", "ответ 18"], "of {customer}");
            for (_, id) in operators.iter().filter(|(of, _)| of == customer) {
                let told = message(&chat, *id);
                assert_eq!((&told["delivered"], &told["deliveries"]), (&json!(true), &json!(1)), "{told}");
            }
        }
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn fifty_messages_at_once_come_at_the_portals_own_pace_and_before_statuses(url: &str) {
        // five calls at once and then three a second: what the portal lets through, and what this server is told of it
        let more = "[pace]\nportal_per_second = 3\nportal_burst = 5\n";
        let stage = Stage::with(url, Arc::new(switchboard::model::clock::SystemClock::new()), Role::ALL.into(), more).await;
        stage.install().await;
        stage.connected(Kind::Waba, Settings::default()).await;
        stage.control("POST", "/_/phones", json!({ "from": "79995550000", "count": 50, "name": "Покупатель", "window": 24 })).await;
        // the bucket of both sides is empty, and statuses of SMS wait already
        tokio::time::sleep(Duration::from_secs(2)).await;
        stage.control("POST", "/_/b24/demo/limits", json!({ "rate": 3, "depth": 6 })).await;
        stage.control("DELETE", "/_/ledger", Value::Null).await;
        let phones = &stage;
        let talk = (0..50).map(|n| async move {
            let path = format!("/_/phones/{}/say", 79_995_550_000_i64 + n);
            phones.control("POST", &path, json!({ "messenger": "waba", "text": format!("Сообщение {n}") })).await;
        });
        futures_util::future::join_all(talk).await;
        stage.letter(3, "Скидка").await;
        let calls = stage.wait_for("all fifty are in the open line", |stage| async move {
            let calls = stage.calls("bitrix24", "imconnector.send.messages").await;
            (calls.iter().filter(|call| call["status"] == 200).count() == 50).then_some(calls)
        }).await;
        let at: Vec<i64> = calls.iter().map(|call| call["at_us"].as_i64().unwrap()).collect();
        let (first, last) = (at.iter().min().unwrap(), at.iter().max().unwrap());
        let took_ms = (last - first) / 1000;
        // five leave at once, forty-five follow at three a second
        let ideal_ms = 45 * 1000 / 3;
        println!("fifty messages: {took_ms} ms, the portal's own limit is {ideal_ms} ms");
        assert!(took_ms <= ideal_ms * 110 / 100, "{took_ms} ms, the limit is {ideal_ms} ms");
        assert!(calls.iter().all(|call| call["status"] == 200), "the portal had to say that we are too fast");
        let batches = stage.calls("bitrix24", "batch").await;
        let early = batches.iter().filter(|call| call["at_us"].as_i64().unwrap() < *last).count();
        assert_eq!(early, 0, "statuses and marks wait until everything is said");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn errands_of_several_calls_keep_the_limit_of_the_portal(url: &str) {
        let more = "[pace]\nportal_per_second = 3\nportal_burst = 5\n";
        let stage = Stage::with(url, Arc::new(switchboard::model::clock::SystemClock::new()), Role::ALL.into(), more).await;
        stage.install().await;
        let settings = Settings { sync_title: true, sync_responsible: true, ..Settings::default() };
        stage.connected(Kind::Waba, settings).await;
        // as at a real portal, there is a little room between its bucket and ours
        stage.control("POST", "/_/b24/demo/limits", json!({ "rate": 3, "depth": 9 })).await;
        stage.control("DELETE", "/_/ledger", Value::Null).await;
        for customer in 79_990_000_001..79_990_000_001 + stage::CUSTOMERS {
            speak(&stage, customer, "Здравствуйте").await;
        }
        let all = usize::try_from(stage::CUSTOMERS).unwrap();
        // each dialog is one call, and the look at its card are three more at once
        stage.wait_for("all cards were looked at", |stage| async move {
            let chats = stage.server.app.store.read(|conn| switchboard::on!(conn, open_line::active_since(0, "", 20)));
            (chats.await.unwrap().iter().filter(|chat| chat.assigned.is_some()).count() == all).then_some(())
        }).await;
        let ledger = stage.control("GET", "/_/ledger?vendor=bitrix24&limit=10000", Value::Null).await;
        let calls = ledger["entries"].as_array().unwrap();
        let refused = calls.iter().filter(|call| call["status"] != 200).count();
        assert!(calls.len() >= all * 4, "{}", calls.len());
        assert_eq!(refused, 0, "the portal had to say {refused} times that we are too fast");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_day_without_the_portal_keeps_files_changes_and_mailings_in_their_order(url: &str) {
        let clock = Arc::new(HandClock::at(chrono::Utc::now().into()));
        let stage = Stage::at(url, Arc::clone(&clock) as Arc<dyn Clock>, roles()).await;
        stage.install().await;
        let phone = whatsapp_web::linked(&stage).await;
        stage.connected(Kind::WhatsappWeb, Settings { mailing_creates_chat: true, ..Settings::default() }).await;
        stage.connected(Kind::Waba, Settings::default()).await;
        let file = |name: &str, text: &str| json!({ "kind": "document", "name": name, "mime": "application/pdf",
            "base64": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text) });
        let say = async |mut said: Value| {
            said["messenger"] = json!("whatsapp_web");
            let told = stage.control("POST", &format!("/_/phones/{CUSTOMER}/say"), said).await;
            told["id"].as_str().unwrap().to_owned()
        };
        let tell = async |event: &str, payload: Value| {
            let path = format!("/_/waha/sessions/{}/event", phone.session);
            stage.control("POST", &path, json!({ "event": event, "payload": payload })).await;
        };
        let edit = async |id: &str, text: &str| tell("message.edited", changed(id, text, clock.now().0 / 1000)).await;
        let delete = async |id: &str| {
            let after = changed(id, "", clock.now().0 / 1000);
            let gone = json!({ "revokedMessageId": after["editedMessageId"], "after": after, "before": null });
            tell("message.revoked", gone).await;
        };
        let mine = async || {
            let chats = stage.chats().await;
            chats.into_iter().find(|chat| chat["connector"] == "switchboard_whatsapp_web").unwrap_or_default()
        };

        let begin = say(json!({ "text": "Начало" })).await;
        until(&stage, &clock, "the chat is there", async || has(&stage, "Начало").await).await;
        let first = stage.operator(&mine().await, json!({ "text": "Слушаю" })).await;
        let second = stage.operator(&mine().await, json!({ "text": "Лишнее" })).await;
        // what an operator said can be changed for some minutes
        slowly(&stage, &clock, "both are delivered", async || {
            let chat = mine().await;
            [first, second].iter().all(|id| message(&chat, *id)["delivered"] == true)
        }).await;
        stage.control("POST", "/_/faults", json!({ "vendor": "bitrix24", "kind": "html" })).await;
        // people in the portal still work: what they change reaches the phone
        let chat = mine().await;
        let act = |act: &str| format!("/_/b24/demo/chats/{}/{act}", chat["id"]);
        stage.control("POST", &act("edit"), json!({ "id": first, "text": "Слушаю вас" })).await;
        stage.control("POST", &act("delete"), json!({ "id": second })).await;
        let there = [("Слушаю вас".to_owned(), false), ("Лишнее".to_owned(), true)];
        slowly(&stage, &clock, "both are changed on the phone", async || on_phone(&stage).await == there).await;
        let (mut ids, mut late) = (Vec::new(), 0);
        for round in 0..8 {
            ids.push(say(json!({ "text": format!("вопрос {round}") })).await);
            match round {
                1 => {
                    say(json!({ "text": "Вот договор", "media": file("договор.pdf", "%PDF-1.4 договор") })).await;
                }
                // what was said in the outage, and before it
                2 => {
                    edit(&ids[0], "вопрос 0, точнее").await;
                    edit(&begin, "Начало дня").await;
                }
                3 => delete(&ids[2]).await,
                4 => {
                    stage.letter(3, "Скидка в субботу").await;
                    until(&stage, &clock, "it is on the phone", async || on_phone(&stage).await.len() == 3).await;
                }
                5 => {
                    let files = json!([file("счёт.pdf", "%PDF-1.4 счёт")]);
                    late = stage.operator(&chat, json!({ "text": "Счёт", "files": files })).await;
                    until(&stage, &clock, "it is on the phone", async || on_phone(&stage).await.len() == 4).await;
                }
                6 => {
                    // the dialog of another messenger begins
                    let said = json!({ "messenger": "waba", "text": "А в воскресенье?" });
                    stage.control("POST", "/_/phones/79990000001/say", said).await;
                }
                _ => {}
            }
            pass(&stage, &clock, 180).await;
        }
        let came: Vec<String> = on_phone(&stage).await.into_iter().map(|(text, _)| text).collect();
        assert_eq!(came, ["Слушаю вас", "Лишнее", "Скидка в субботу", "Счёт"]);
        stage.control("DELETE", "/_/faults", Value::Null).await;
        let lane = stage.lane("portal").await;
        until(&stage, &clock, "nothing waits for the portal", async || stage.waiting(lane).await.is_empty()).await;
        let chat = mine().await;
        let by = |customer: bool| {
            let messages = chat["messages"].as_array().unwrap().iter();
            let shown = messages.filter(|one| one["deleted"] != true && (one["author"] == chat["user"]) == customer);
            shown.map(|one| one["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(by(true), [
            "Начало дня", "вопрос 0, точнее", "вопрос 1", "Вот договор", "вопрос 3", "вопрос 4", "вопрос 5", "вопрос 6",
            "вопрос 7",
        ]);
        assert_eq!(by(false), ["Слушаю вас", "Счёт", "Скидка в субботу"]);
        // the letter has its place among what the customer said
        let place = |text: &str| chat["messages"].as_array().unwrap().iter().position(|one| one["text"] == text).unwrap();
        assert!(["вопрос 4", "Скидка в субботу", "вопрос 5"].map(place).is_sorted(), "{chat}");
        let sizes: Vec<u64> = chat["messages"].as_array().unwrap().iter().filter_map(|one| one["files"][0]["size"].as_u64()).collect();
        assert_eq!(sizes, ["%PDF-1.4 договор".len() as u64], "the file is whole and there once");
        let told = message(&chat, late);
        assert_eq!((&told["delivered"], &told["deliveries"]), (&json!(true), &json!(1)), "{told}");
        let mut others: Vec<Vec<String>> = stage.chats().await.iter().skip(1).map(said).collect();
        others.sort();
        assert_eq!(others, [["А в воскресенье?"], ["Скидка в субботу"], ["Скидка в субботу"]]);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_mailings_that_wait_go_before_what_the_customer_says_next(url: &str) {
        let clock = Arc::new(HandClock::at(chrono::Utc::now().into()));
        let stage = Stage::at(url, Arc::clone(&clock) as Arc<dyn Clock>, roles()).await;
        stage.install().await;
        stage.connected(Kind::Waba, Settings { mailing_creates_chat: true, ..Settings::default() }).await;
        speak(&stage, 79_990_000_001, "Начало").await;
        until(&stage, &clock, "the chat is there", async || has(&stage, "Начало").await).await;
        stage.control("POST", "/_/faults", json!({ "vendor": "bitrix24", "kind": "html" })).await;
        let lane = stage.lane("portal").await;
        let posts = async || {
            let look = stage.server.app.store.read(move |conn| outbox::look(conn, lane, 1000));
            let mut posts = look.await.unwrap();
            posts.retain(|(errand, ..)| matches!(errand.work, Work::OpenLine { .. }));
            posts
        };
        let ranks = async || posts().await.into_iter().map(|(errand, ..)| errand.rank).collect::<Vec<_>>();
        let letters: Vec<String> = (1..=12).map(|n| format!("Скидка {n}")).collect();
        for (letter, before) in letters.iter().zip(0..) {
            stage.letter(1, letter).await;
            until(&stage, &clock, "it waits", async || posts().await.len() == before + 1).await;
        }
        assert_eq!(ranks().await, [Rank::Marketing; 12]);
        stage.wait_for("no call is being made", |_| async { posts().await.iter().all(|(_, flies, _)| !flies).then_some(()) }).await;
        for (text, waiting) in [("Беру", 13), ("Две", 14)] {
            speak(&stage, 79_990_000_001, text).await;
            stage.wait_for("it waits too", |_| async { (posts().await.len() == waiting).then_some(()) }).await;
        }
        assert_eq!(ranks().await, [Rank::Live; 14]);
        stage.control("DELETE", "/_/faults", Value::Null).await;
        until(&stage, &clock, "nothing waits for the portal", async || stage.waiting(lane).await.is_empty()).await;
        let chat = stage.chats().await.remove(0);
        let shown: Vec<&str> = chat["messages"].as_array().unwrap().iter().filter_map(|one| one["text"].as_str()).collect();
        let expected: Vec<&str> = letters.iter().map(String::as_str).chain(["Беру", "Две"]).collect();
        assert_eq!(shown[shown.len() - 14..], expected);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_operators_said_while_nobody_heard_is_sent_once_and_marked_late(url: &str) {
        let clock = Arc::new(HandClock::at(chrono::Utc::now().into()));
        let stage = Stage::at(url, Arc::clone(&clock) as Arc<dyn Clock>, roles()).await;
        stage.install().await;
        stage.connected(Kind::Waba, Settings { author: Some(33), ..Settings::default() }).await;
        stage.customer_says(json!({ "messenger": "waba", "text": "Вы тут?" })).await;
        until(&stage, &clock, "the customer is heard", async || has(&stage, "Вы тут?").await).await;
        let chat = stage.chats().await.remove(0);
        let heard = stage.operator(&chat, json!({ "text": "Да" })).await;
        until(&stage, &clock, "it is delivered", async || {
            message(&stage.chats().await[0], heard)["delivered"] == true
        }).await;
        // the keeper has said that it is there; then events get lost for ten minutes
        pass(&stage, &clock, 2).await;
        until(&stage, &clock, "the server is there", async || seen(&stage).await.is_some()).await;
        let lost = stage.operator(&chat, json!({ "text": "Приходите [b]завтра[/b]", "silent": true })).await;
        let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, "%PDF-1.4 карта");
        let file = json!([{ "name": "карта.pdf", "mime": "application/pdf", "base64": text }]);
        let with_file = stage.operator(&chat, json!({ "text": "", "files": file, "silent": true })).await;
        // nobody was there: the clock leaps, as it does for a process that was down
        leap(&stage, &clock, 10 * MINUTE_MS).await;
        until(&stage, &clock, "both are delivered", async || {
            let chat = stage.chats().await.remove(0);
            [lost, with_file].iter().all(|id| message(&chat, *id)["delivered"] == true)
        }).await;
        until(&stage, &clock, "the operator is told", async || has(&stage, "с опозданием").await).await;
        // a second gap finds nothing new
        leap(&stage, &clock, 10 * MINUTE_MS).await;
        pass(&stage, &clock, 3).await;
        let lane = stage.lane("portal").await;
        until(&stage, &clock, "nothing waits for the portal", async || stage.waiting(lane).await.is_empty()).await;
        let phone = stage.control("GET", &format!("/_/phones/{CUSTOMER}"), Value::Null).await;
        let got: Vec<&str> = phone["messages"].as_array().unwrap().iter()
            .filter(|one| one["direction"] == "received").map(|one| one["kind"].as_str().unwrap()).collect();
        assert_eq!(got, ["text", "text", "document"], "{phone}");
        assert_eq!(stage.came(CUSTOMER).await[..2], ["Да", "Приходите *завтра*"]);
        let late = says("с опозданием сообщений: 2");
        assert!(late(&stage.chats().await[0]));
        stage.clear().await;
    }
}

/// What the gateway of WhatsApp Web tells of a message of the customer's that got another text.
fn changed(id: &str, text: &str, at_s: i64) -> Value {
    let (chat, bare) = id.rsplit_once('_').unwrap();
    json!({ "id": format!("{chat}_3A{:0>18}", text.len()), "timestamp": at_s, "from": format!("{CUSTOMER}@c.us"), "fromMe": false,
        "body": text, "editedMessageId": bare })
}

/// The texts that came to the customer's phone, each with whether it was taken back.
async fn on_phone(stage: &Stage) -> Vec<(String, bool)> {
    let phone = stage.control("GET", &format!("/_/phones/{CUSTOMER}"), Value::Null).await;
    let came = phone["messages"].as_array().unwrap().iter().filter(|one| one["direction"] == "received");
    came.map(|one| (one["text"].as_str().unwrap().to_owned(), one["status"] == "deleted")).collect()
}

fn roles() -> switchboard::serve::Roles {
    Role::ALL.into()
}

fn index(customer: i64) -> usize {
    usize::try_from(customer - 79_990_000_001).unwrap()
}

async fn speak(stage: &Stage, customer: i64, text: &str) {
    let said = json!({ "messenger": "waba", "text": text });
    stage.control("POST", &format!("/_/phones/{customer}/say"), said).await;
}

pub(super) async fn has(stage: &Stage, text: &str) -> bool {
    stage.chats().await.iter().any(|chat| said(chat).iter().any(|one| one.contains(text)))
}

async fn seen(stage: &Stage) -> Option<i64> {
    stage.server.app.store.read(|conn| switchboard::on!(conn, open_line::seen())).await.unwrap()
}

/// So many minutes pass, here and at the vendors: nearly all of them in a leap, the last one two seconds at a time.
async fn pass(stage: &Stage, clock: &HandClock, minutes: i64) {
    leap(stage, clock, (minutes - 1) * MINUTE_MS).await;
    for _ in 0..30 {
        leap(stage, clock, 2_000).await;
        tokio::time::sleep(Duration::from_millis(8)).await;
    }
}

async fn leap(stage: &Stage, clock: &HandClock, ms: i64) {
    stage.control("POST", "/_/clock", json!({ "advance_ms": ms })).await;
    clock.advance_ms(ms);
}

/// Waits while the clocks go on, a second at a time.
pub(super) async fn until(stage: &Stage, clock: &HandClock, what: &str, look: impl AsyncFnMut() -> bool) {
    step(stage, clock, what, 1_000, look).await;
}

/// The same a twentieth of a second at a time, for what must not take long by the clock however slow the machine is.
async fn slowly(stage: &Stage, clock: &HandClock, what: &str, look: impl AsyncFnMut() -> bool) {
    step(stage, clock, what, 50, look).await;
}

async fn step(stage: &Stage, clock: &HandClock, what: &str, step_ms: i64, mut look: impl AsyncFnMut() -> bool) {
    for _ in 0..2_000 {
        if look().await {
            return;
        }
        leap(stage, clock, step_ms).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not in time: {what}: {:?}", stage.chats().await);
}

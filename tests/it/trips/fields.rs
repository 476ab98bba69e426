//! Every field of the robot, fired at a portal and read in the results of the step.

use serde_json::{Map, Value, json};
use switchboard::flow::channel;
use switchboard::model::errand::Rank;
use switchboard::model::message::Kind;

use super::stage::{self, Stage};

const BOT: &str = "100200300:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Attaches the bot to the line, and lets a person write to it first.
async fn attach_bot(stage: &Stage) {
    let answers: Map<String, Value> = json!({ "token": BOT }).as_object().unwrap().clone();
    let step = channel::Step { answers, ..channel::Step::default() };
    channel::attach(&stage.server.app, stage.company, stage.line, Kind::TelegramBot, step).await.unwrap();
    let lane = stage.newest_lane().await;
    stage.set_pace(lane).await;
    stage.control("POST", "/_/phones", json!({ "id": "79990000001", "username": "Ivan_P" })).await;
    let start = json!({ "messenger": "telegram_bot", "text": "/start" });
    stage.control("POST", "/_/phones/79990000001/say", start).await;
    let (store, company) = (&stage.server.app.store, stage.company);
    stage
        .wait_for("the dialog is known", |_| async move {
            let dialogs = store.read(move |conn| switchboard::on!(conn, dialog::newest(company, 100))).await.unwrap();
            (i64::try_from(dialogs.len()).unwrap() == stage::CUSTOMERS + 1).then_some(())
        })
        .await;
}

async fn details(stage: &Stage, properties: Value) -> String {
    stage.answer_to(properties).await["details"].as_str().unwrap().to_owned()
}

/// The code of the only entry of a result.
fn code(details: &str) -> String {
    details.split(['[', ']']).nth(1).unwrap_or_default().to_owned()
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn several_phones_are_separated_in_every_spelling(url: &str) {
        let stage = Stage::set(url).await;
        let phones = " 8 (999) 000-00-01,,+7-999-000-00-02 ; 79990000003;\n9990000004 ,\u{a0}+7 999 000 00 01;";
        let result = stage.answer_to(json!({ "phones": phones, "message": "Раз" })).await;
        assert_eq!(result["details"], "79990000001:Y:; 79990000002:Y:; 79990000003:Y:; 79990000004:Y:");
        assert_eq!((&result["status"], &result["in_time"]), (&json!("Y"), &json!("1")));
        for phone in ["79990000001", "79990000002", "79990000003", "79990000004"] {
            assert_eq!(stage.texts(phone).await, ["Раз"], "{phone}");
        }
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn chat_ids_user_names_and_the_messenger_field_reach_people(url: &str) {
        let stage = Stage::set(url).await;
        attach_bot(&stage).await;
        let chat = stage.control("GET", "/_/phones/79990000001", Value::Null).await["chat_id"].to_string();
        let to = |name: &str, value: &str| json!({ name: value, "message": "Раз", "channel": "telegram_bot",
            "first_name": "Иван", "last_name": "Петров" });
        assert_eq!(details(&stage, to("chat_ids", " @IVAN_p ; ")).await, "@ivan_p:Y:");
        assert_eq!(details(&stage, to("chat_ids", &chat)).await, format!("{chat}:Y:"));
        assert_eq!(details(&stage, to("messenger", "https://t.me/Ivan_P")).await, "@ivan_p:Y:");
        let imol = format!("imol|switchboard_tg|12|{chat}|585");
        assert_eq!(details(&stage, to("messenger", &imol)).await, format!("{chat}:Y:"));
        // where the channel is left to us, a chat of Telegram goes to the bot and a phone to WhatsApp
        let auto = json!({ "chat_ids": chat, "phones": "+79990000002", "message": "Два" });
        assert_eq!(details(&stage, auto).await, format!("79990000002:Y:; {chat}:Y:"));
        // whoever never wrote to the bot is nobody to it
        assert_eq!(code(&details(&stage, to("chat_ids", "@stranger_1")).await), "nobody");
        let sent = stage.calls("telegram", "sendMessage").await;
        let good = sent.iter().filter(|call| call["status"] == 200).count();
        assert_eq!((good, stage.texts("79990000002").await), (5, vec!["Два".to_owned()]));
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_line_and_the_channel_are_chosen_or_refused_with_a_code(url: &str) {
        let stage = Stage::set(url).await;
        let line = stage.line.to_string();
        let robot = |line: &str, channel: &str| json!({ "phones": "+79990000001", "message": "Раз", "line_id": line, "channel": channel });
        assert_eq!(details(&stage, robot("", "auto")).await, "79990000001:Y:");
        assert_eq!(details(&stage, robot(&format!(" {line} "), "waba")).await, "79990000001:Y:");
        for (line, channel, expected) in [
            ("999", "auto", "line_not_found"),
            ("первая", "auto", "line_not_found"),
            (line.as_str(), "telegram_bot", "channel_not_found"),
            (line.as_str(), "icq", "channel_not_found"),
        ] {
            let result = stage.answer_to(robot(line, channel)).await;
            assert_eq!((code(result["details"].as_str().unwrap()).as_str(), &result["status"]), (expected, &json!("N")));
            assert!(result["details"].as_str().unwrap().starts_with("79990000001:N:["), "{result}");
        }
        let other = stage.api_with("POST", "/api/v1/lines", json!({ "name": "Вторая" })).await["id"].to_string();
        assert_eq!(code(&details(&stage, robot("", "auto")).await), "line_not_chosen");
        assert_eq!(code(&details(&stage, robot(&other, "auto")).await), "channel_not_found");
        stage.sql("UPDATE lines SET expires_at = 1 WHERE name = 'Вторая'").await;
        assert_eq!(details(&stage, robot("", "auto")).await, "79990000001:Y:");
        assert_eq!(code(&details(&stage, robot(&other, "auto")).await), "line_expired");
        stage.sql("UPDATE channels SET state = 'lost'").await;
        assert_eq!(code(&details(&stage, robot("", "auto")).await), "channel_lost");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn without_the_exact_result_the_queue_answers_at_once(url: &str) {
        let stage = Stage::set(url).await;
        let lane = stage.lane("channel").await;
        stage.api("POST", &format!("/api/v1/lanes/{lane}/pause")).await;
        let fast = json!({ "phones": "+79990000001", "message": "Раз", "async_result": "N", "card_comment": "N" });
        assert_eq!(details(&stage, fast).await, "79990000001:Y:");
        assert_eq!(stage.texts("79990000001").await, [""; 0]);
        let exact = json!({ "phones": "+79990000002", "message": "Два", "card_comment": "Y" });
        stage.fire(exact).await;
        stage.wait_for("both messages wait", |stage| async move {
            (stage.waiting(lane).await.len() == 2).then_some(())
        }).await;
        assert_eq!((&stage.step().await["state"], stage.comments().await), (&json!("waiting"), vec![]));
        stage.api("POST", &format!("/api/v1/lanes/{lane}/resume")).await;
        stage.wait_for("the exact answer and its comment came", |stage| async move {
            (stage.step().await["state"] == "answered" && !stage.comments().await.is_empty()).then_some(())
        }).await;
        assert_eq!(stage.comments().await, ["[Switchboard] 79990000002:Y:"]);
        assert_eq!(stage.texts("79990000001").await, ["Раз"]);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_queue_of_a_robot_decides_the_rank(url: &str) {
        let stage = Stage::set(url).await;
        let lane = stage.lane("channel").await;
        stage.api("POST", &format!("/api/v1/lanes/{lane}/pause")).await;
        for (queue, rank) in [("mailing", Rank::Mailing), ("messages", Rank::Service), ("urgent", Rank::Live)] {
            stage.fire(json!({ "phones": "+79990000001", "message": queue, "queue": queue, "async_result": "N" })).await;
            stage.wait_for("the message waits in its place", |stage| async move {
                let waiting = stage.waiting(lane).await;
                waiting.iter().any(|errand| errand.rank == rank).then_some(())
            }).await;
        }
        stage.api("POST", &format!("/api/v1/lanes/{lane}/resume")).await;
        stage.wait_for("all have left", |stage| async move {
            (stage.texts("79990000001").await.len() == 3).then_some(())
        }).await;
        // the urgent one does not wait for the pace of the others, so only those two have an order
        let texts = stage.texts("79990000001").await;
        let place = |text: &str| texts.iter().position(|sent| sent == text).unwrap();
        assert!(place("messages") < place("mailing") && place("urgent") < place("mailing"), "{texts:?}");
        assert_eq!(code(&details(&stage, json!({ "phones": "+79990000001", "message": "x", "queue": "?" })).await), "request_bad");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_first_that_has_the_messenger_gets_it_or_all_of_them(url: &str) {
        let stage = Stage::set(url).await;
        stage.control("POST", "/_/phones", json!({ "id": "79990000001", "whatsapp": false })).await;
        let phones = "+79990000001, +79990000002, +79990000003";
        let first = stage.answer_to(json!({ "phones": phones, "message": "Раз", "recipients": "first" })).await;
        let details = first["details"].as_str().unwrap();
        assert!(details.starts_with("79990000001:N:[nobody]") && details.ends_with("; 79990000002:Y:"), "{details}");
        assert_eq!(first["status"], "Y");
        let all = stage.answer_to(json!({ "phones": phones, "message": "Два", "recipients": "all" })).await;
        let details = all["details"].as_str().unwrap();
        assert!(details.starts_with("79990000001:N:[nobody]"), "{details}");
        assert!(details.ends_with("; 79990000002:Y:; 79990000003:Y:"), "{details}");
        assert_eq!(all["status"], "N");
        assert_eq!((stage.texts("79990000002").await, stage.texts("79990000003").await),
            (vec!["Раз".to_owned(), "Два".to_owned()], vec!["Два".to_owned()]));
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn before_the_time_out_a_robot_hears_that_its_message_is_queued(url: &str) {
        let stage = Stage::set(url).await;
        let lane = stage.lane("channel").await;
        stage.api("POST", &format!("/api/v1/lanes/{lane}/pause")).await;
        stage.fire_within(json!({ "phones": "+79990000001", "message": "Раз" }), 4).await;
        let step = stage.answered_step().await;
        let took_ms = step["done_at"].as_i64().unwrap() - step["fired_at"].as_i64().unwrap();
        assert!((0..4000).contains(&took_ms), "answered after {took_ms} ms of 4000");
        assert_eq!((&step["returned"]["status"], &step["returned"]["in_time"]), (&json!("N"), &json!("0")));
        assert_eq!(step["returned"]["details"], "79990000001:N:[queued] сообщение ещё в очереди");
        // it is sent all the same, and the robot is not answered a second time
        stage.api("POST", &format!("/api/v1/lanes/{lane}/resume")).await;
        stage.wait_for("the message left and was delivered", |stage| async move {
            let list = stage.api("GET", "/api/v1/messages").await;
            let messages = list["messages"].as_array().unwrap().clone();
            let ours = messages.iter().find(|message| message["to"] == "79990000001" || message["chat"] == "79990000001");
            ours.filter(|message| message["status"] == "delivered").map(|_| ())
        }).await;
        assert_eq!(stage.portal().await["steps"]["ignored_answers"], 0);
        assert_eq!(stage.calls("bitrix24", "bizproc.event.send").await.len(), 1);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_token_that_is_over_leaves_the_comment_alone(url: &str) {
        let stage = Stage::set(url).await;
        stage.control("POST", "/_/settings", json!({ "strict_answers": true })).await;
        let lane = stage.lane("channel").await;
        stage.api("POST", &format!("/api/v1/lanes/{lane}/pause")).await;
        stage.fire_within(json!({ "phones": "+79990000001", "message": "Раз", "card_comment": "Y" }), 660).await;
        stage.wait_for("the message waits", |stage| async move {
            (stage.waiting(lane).await.len() == 1).then_some(())
        }).await;
        // for the portal the time of the step is over
        stage.control("POST", "/_/clock", json!({ "advance_ms": 700_000 })).await;
        assert_eq!(stage.step().await["state"], "timed_out");
        stage.api("POST", &format!("/api/v1/lanes/{lane}/resume")).await;
        stage.wait_for("the comment is written", |stage| async move {
            (!stage.comments().await.is_empty()).then_some(())
        }).await;
        let portal = stage.lane("portal").await;
        stage.wait_for("nothing waits any more", |stage| async move {
            stage.waiting(portal).await.is_empty().then_some(())
        }).await;
        assert_eq!(stage.comments().await, ["[Switchboard] 79990000001:Y:"]);
        let answers = stage.calls("bitrix24", "bizproc.event.send").await;
        assert_eq!(answers.iter().map(|call| call["status"].as_i64().unwrap()).collect::<Vec<_>>(), [403]);
        assert_eq!(stage.row().await.unwrap().state, "installed");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_call_that_comes_twice_is_one_message_and_one_answer(url: &str) {
        let stage = Stage::set(url).await;
        stage.control("POST", "/_/b24/demo/habits", json!({ "doubles": true })).await;
        for _ in 0..3 {
            assert_eq!(details(&stage, json!({ "phones": "+79990000001", "message": "Раз" })).await, "79990000001:Y:");
        }
        assert_eq!(stage.texts("79990000001").await, ["Раз"; 3]);
        assert_eq!(stage.calls("bitrix24", "bizproc.event.send").await.len(), 3);
        assert_eq!(stage.portal().await["steps"]["ignored_answers"], 0);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_call_that_cannot_be_read_is_answered_on_the_step_and_in_the_card(url: &str) {
        let stage = Stage::set(url).await;
        let long = "я".repeat(600_000);
        for (properties, expected) in [
            (json!({ "phones": "+79990000001", "message": " \n " }), "message_empty"),
            (json!({ "phones": "+79990000001", "message": long }), "message_too_long"),
            (json!({ "phones": "+79990000001", "message": "x", "recipients": "some" }), "request_bad"),
            (json!({ "phones": "\u{0}, ;", "message": "x\u{0}" }), "address_empty"),
            (json!({ "phones": "12\u{0}34", "message": "x", "first_name": "\u{0}" }), "address_bad"),
            (json!({ "chat_ids": "a@b", "message": "x" }), "address_bad"),
            (json!({ "phones": "9".repeat(1_000_000), "message": "x" }), "address_bad"),
        ] {
            let result = stage.answer_to(properties).await;
            assert_eq!((code(result["details"].as_str().unwrap()).as_str(), &result["status"]), (expected, &json!("N")));
        }
        stage.wait_for("every refusal stands in the card", |stage| async move {
            (stage.comments().await.len() == 7).then_some(())
        }).await;
        stage.clear().await;
    }
}

//! WhatsApp Web end to end: the sandbox's gateway, a linked phone, and customers who write.

use serde_json::{Value, json};

use super::stage::Stage;

const CUSTOMER: &str = "79990000001";
const OWNER: &str = "79031112233";

/// A phone that is linked by its QR code: the channel and the session at the gateway.
pub(super) struct Phone {
    pub(super) channel: String,
    lane: i64,
    pub(super) session: String,
}

pub(super) async fn linked(stage: &Stage) -> Phone {
    stage.control("POST", "/_/waha", json!({ "key": "gateway-key" })).await;
    let channel = link(stage, json!({ "messenger": "whatsapp_web" })).await;
    let told = stage.api("GET", &format!("/api/v1/channels/{channel}")).await;
    let lane = told["lane"].as_i64().unwrap();
    stage.set_pace(lane).await;
    let sessions = stage.control("GET", "/_/waha", Value::Null).await;
    let session = sessions["sessions"][0]["name"].as_str().unwrap().to_owned();
    Phone { channel, lane, session }
}

/// Goes through the dialogue, and scans the code when it is shown.
async fn link(stage: &Stage, first: Value) -> String {
    let path = format!("/api/v1/lines/{}/channels", stage.line);
    let mut body = first;
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    let mut beat = tokio::time::interval(std::time::Duration::from_millis(20));
    loop {
        let told = stage.api_with("POST", &path, body).await;
        assert!(tokio::time::Instant::now() < end, "still {told}");
        if told["step"] == "done" {
            return told["channel"].as_str().unwrap().to_owned();
        }
        if told["step"] == "qr" {
            let sessions = stage.control("GET", "/_/waha", Value::Null).await;
            let sessions = sessions["sessions"].as_array().unwrap().clone();
            if let Some(session) = sessions.iter().find(|session| session["qr"] == told["text"]) {
                let path = format!("/_/waha/sessions/{}/scan", session["name"].as_str().unwrap());
                stage.control("POST", &path, json!({ "phone": OWNER, "name": "Ромашка", "qr": told["text"] })).await;
            }
        }
        body = json!({ "messenger": "whatsapp_web", "kept": told["kept"] });
        beat.tick().await;
    }
}

async fn say(stage: &Stage, phone: &Phone, to: &str, text: &str) -> String {
    let body = json!({ "to": to, "text": text, "channel": phone.channel, "urgent": true });
    stage.api_with("POST", "/api/v1/messages", body).await["id"].as_str().unwrap().to_owned()
}

async fn reaches(stage: &Stage, id: &str, status: &str) -> Value {
    let path = format!("/api/v1/messages/{id}");
    stage
        .wait_for(&format!("{id} is {status}"), |stage| {
            let path = path.clone();
            async move {
                let told = stage.api("GET", &path).await;
                (told["status"] == status).then_some(told)
            }
        })
        .await
}

async fn channel_is(stage: &Stage, phone: &Phone, wanted: &str, lane: &str) {
    let path = format!("/api/v1/channels/{}", phone.channel);
    stage
        .wait_for(&format!("the channel is {wanted}, its lane {lane}"), |stage| {
            let path = path.clone();
            async move {
                let told = stage.api("GET", &path).await;
                (told["state"] == wanted && told["lane_state"] == lane).then_some(())
            }
        })
        .await;
}

/// What a phone got through WhatsApp Web, in order.
async fn got(stage: &Stage, phone: &str) -> Vec<String> {
    let told = stage.control("GET", &format!("/_/phones/{phone}"), Value::Null).await;
    let all = told["messages"].as_array().unwrap().iter();
    let ours = all.filter(|message| message["messenger"] == "whatsapp_web" && message["direction"] == "received");
    ours.map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

/// What the history holds of the channel, newest first: whether we said it, the chat, the text or the whole content.
async fn history(stage: &Stage, phone: &Phone) -> Vec<(bool, String, Value)> {
    let company = stage.company;
    let rows = stage.server.app.store.read(move |conn| switchboard::on!(conn, message::newest(company, 1000)));
    let rows = rows.await.unwrap().into_iter().filter(|row| row.channel == phone.channel);
    rows.map(|row| (row.outgoing, row.chat, serde_json::from_str(&row.content).unwrap())).collect()
}

async fn heard(stage: &Stage, phone: &Phone, count: usize) -> Vec<(bool, String, Value)> {
    stage
        .wait_for(&format!("{count} messages are in the history"), |stage| async move {
            let rows = history(stage, phone).await;
            (rows.len() >= count).then_some(rows)
        })
        .await
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_linked_phone_talks_in_both_directions(url: &str) {
        let stage = Stage::without_portal(url).await;
        let phone = linked(&stage).await;
        let first = say(&stage, &phone, CUSTOMER, "Здравствуйте!").await;
        let told = reaches(&stage, &first, "delivered").await;
        assert_eq!(told["chat"], "79990000001@c.us", "{told}");
        stage.control("POST", &format!("/_/phones/{CUSTOMER}/read"), json!({ "line": phone.session })).await;
        reaches(&stage, &first, "viewed").await;
        let second = say(&stage, &phone, CUSTOMER, "Заказ готов").await;
        reaches(&stage, &second, "delivered").await;
        assert_eq!(got(&stage, CUSTOMER).await, ["Здравствуйте!", "Заказ готов"]);
        assert_eq!(stage.calls("waha", "check-exists").await.len(), 1, "a phone is looked up once");

        let path = format!("/_/phones/{CUSTOMER}/say");
        for said in [
            json!({ "text": "Когда?" }),
            json!({ "text": "Вот", "media": { "kind": "image", "name": "a.jpg", "mime": "image/jpeg" } }),
            json!({ "media": { "kind": "voice", "name": "v.ogg", "mime": "audio/ogg; codecs=opus" } }),
            json!({ "place": { "latitude": "55.75", "longitude": "37.62", "live": false, "name": "Склад" } }),
            json!({ "card": { "name": "Анна", "phone": "79165554433" } }),
        ] {
            let mut said = said;
            said["messenger"] = json!("whatsapp_web");
            stage.control("POST", &path, said).await;
        }
        stage.control("POST", &format!("/_/waha/sessions/{}/say", phone.session), json!({ "to": CUSTOMER, "text": "С телефона" })).await;
        let rows = heard(&stage, &phone, 8).await;
        let mut said: Vec<(bool, String, Value)> = rows.into_iter().rev().collect();
        assert!(said.iter().all(|(_, chat, _)| chat == "79990000001@c.us"), "{said:?}");
        said.retain(|(outgoing, ..)| !outgoing);
        assert_eq!(said.len(), 5, "each was told twice and entered once: {said:?}");
        assert_eq!(said[0].2["text"], "Когда?");
        assert_eq!((&said[1].2["media"][0]["kind"], &said[1].2["text"]), (&json!("image"), &json!("Вот")));
        assert_eq!(said[2].2["media"][0]["kind"], "voice");
        assert_eq!(said[3].2["place"], json!([55.75, 37.62, "Склад"]));
        assert_eq!(said[4].2["text"], "Анна +79165554433");
        let own: Vec<Value> = history(&stage, &phone).await.into_iter().filter(|row| row.0).map(|row| row.2).collect();
        assert!(own.iter().any(|content| content["text"] == "С телефона"), "{own:?}");

        // whoever wrote is answered in the chat in which they wrote
        let third = say(&stage, &phone, CUSTOMER, "Завтра").await;
        reaches(&stage, &third, "delivered").await;
        assert_eq!(stage.calls("waha", "check-exists").await.len(), 1);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_device_removed_on_the_phone_keeps_its_queue_until_it_is_linked_again(url: &str) {
        let stage = Stage::without_portal(url).await;
        let phone = linked(&stage).await;
        let first = say(&stage, &phone, CUSTOMER, "Раз").await;
        reaches(&stage, &first, "delivered").await;
        stage.api("POST", &format!("/api/v1/lanes/{}/pause", phone.lane)).await;
        let waiting = say(&stage, &phone, CUSTOMER, "Два").await;
        stage.control("POST", &format!("/_/waha/sessions/{}/remove", phone.session), json!({})).await;
        channel_is(&stage, &phone, "relink", "lost").await;
        let again = link(&stage, json!({ "messenger": "whatsapp_web", "channel": phone.channel })).await;
        assert_eq!(again, phone.channel);
        channel_is(&stage, &phone, "connected", "held").await;
        let decide = format!("/api/v1/channels/{}/decide", phone.channel);
        stage.api_with("POST", &decide, json!({ "decision": "send_all" })).await;
        reaches(&stage, &waiting, "delivered").await;
        assert_eq!(got(&stage, CUSTOMER).await, ["Раз", "Два"]);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_session_that_stumbles_and_comes_back_goes_on_by_itself(url: &str) {
        let stage = Stage::without_portal(url).await;
        let phone = linked(&stage).await;
        let path = format!("/_/waha/sessions/{}/move", phone.session);
        stage.control("POST", &path, json!({ "status": "FAILED" })).await;
        channel_is(&stage, &phone, "lost", "lost").await;
        stage.control("POST", &path, json!({ "status": "WORKING" })).await;
        channel_is(&stage, &phone, "connected", "running").await;
        let id = say(&stage, &phone, CUSTOMER, "Снова здесь").await;
        reaches(&stage, &id, "delivered").await;
        // words that were overtaken change nothing: the gateway's clock tells their order
        let late = json!({ "event": "session.status", "payload": { "name": phone.session, "status": "FAILED", "statuses": [], "data": null } });
        stage.control("POST", "/_/clock", json!({ "advance_ms": -600_000 })).await;
        stage.control("POST", &format!("/_/waha/sessions/{}/event", phone.session), late).await;
        let id = say(&stage, &phone, CUSTOMER, "И опять").await;
        reaches(&stage, &id, "delivered").await;
        stage.wait_for("the late word was worked", |stage| async move {
            stage.server.app.store.read(|conn| switchboard::on!(conn, hook::waiting(10))).await.unwrap().is_empty().then_some(())
        }).await;
        channel_is(&stage, &phone, "connected", "running").await;
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_text_whose_fate_is_unknown_is_sent_again_and_arrives_once(url: &str) {
        let stage = Stage::without_portal(url).await;
        let phone = linked(&stage).await;
        let fault = json!({ "vendor": "waha", "method": "sendText", "kind": "cut", "times": 2 });
        stage.control("POST", "/_/faults", fault).await;
        let id = say(&stage, &phone, CUSTOMER, "Один раз").await;
        reaches(&stage, &id, "delivered").await;
        let calls = stage.calls("waha", "sendText").await;
        assert!(calls.len() >= 2, "{calls:?}");
        assert!(calls.iter().all(|call| call["params"]["id"] == calls[0]["params"]["id"]), "{calls:?}");
        assert_eq!(got(&stage, CUSTOMER).await, ["Один раз"]);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_file_whose_fate_is_unknown_is_never_sent_again_and_known_by_what_the_gateway_tells(url: &str) {
        let stage = Stage::without_portal(url).await;
        let phone = linked(&stage).await;
        let fault = json!({ "vendor": "waha", "method": "sendFile", "kind": "cut", "times": 1 });
        stage.control("POST", "/_/faults", fault).await;
        let made = stage.upload("счёт.pdf", "application/pdf", b"%PDF-1.7 the bill".to_vec()).await;
        let file = json!({ "source": made["source"] });
        let body = json!({ "to": CUSTOMER, "text": "Счёт", "file": file, "channel": phone.channel, "urgent": true });
        let id = stage.api_with("POST", "/api/v1/messages", body).await["id"].as_str().unwrap().to_owned();
        reaches(&stage, &id, "delivered").await;
        stage.control("POST", &format!("/_/phones/{CUSTOMER}/read"), json!({})).await;
        reaches(&stage, &id, "viewed").await;
        assert_eq!(stage.calls("waha", "sendFile").await.len(), 1);
        assert_eq!(got(&stage, CUSTOMER).await, ["Счёт"]);
        assert_eq!(history(&stage, &phone).await.len(), 1);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn two_names_of_one_person_become_one_dialog(url: &str) {
        let stage = Stage::without_portal(url).await;
        let phone = linked(&stage).await;
        let (names, path) = (format!("/_/waha/sessions/{}", phone.session), format!("/_/phones/{CUSTOMER}/say"));
        let mut count = 0;
        for (shown, text) in [("hidden", "Кто я?"), ("told", "Это я"), ("hidden", "Всё ещё я"), ("shown", "И я")] {
            stage.control("POST", &names, json!({ "names": shown })).await;
            stage.control("POST", &path, json!({ "messenger": "whatsapp_web", "text": text })).await;
            count += 1;
            heard(&stage, &phone, count).await;
        }
        let rows = history(&stage, &phone).await;
        assert!(rows.iter().all(|(_, chat, _)| chat == "79990000001@c.us"), "{rows:?}");
        let company = stage.company;
        let dialogs = stage.server.app.store.read(move |conn| switchboard::on!(conn, dialog::newest(company, 100)));
        let dialogs = dialogs.await.unwrap().into_iter().filter(|dialog| dialog.channel == phone.channel);
        assert_eq!(dialogs.map(|dialog| dialog.chat).collect::<Vec<_>>(), ["79990000001@c.us"]);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_phone_behind_a_hidden_name_is_asked_for(url: &str) {
        let stage = Stage::without_portal(url).await;
        let phone = linked(&stage).await;
        stage.control("POST", &format!("/_/waha/sessions/{}", phone.session), json!({ "names": "hidden" })).await;
        let path = format!("/_/phones/{CUSTOMER}/say");
        for text in ["Кто я?", "А я кто?"] {
            stage.control("POST", &path, json!({ "messenger": "whatsapp_web", "text": text })).await;
        }
        stage.wait_for("both messages are in the chat that shows the phone", |stage| {
            let phone = &phone;
            async move {
                let rows = history(stage, phone).await;
                (rows.len() == 2 && rows.iter().all(|(_, chat, _)| chat == "79990000001@c.us")).then_some(())
            }
        }).await;
        assert_eq!(stage.calls("waha", "lids").await.len(), 1, "it is asked for once");
        // the contact has its phone now, so whoever writes to the phone writes into this dialog
        let id = say(&stage, &phone, CUSTOMER, "Вы Анна").await;
        reaches(&stage, &id, "delivered").await;
        assert!(stage.calls("waha", "check-exists").await.is_empty());
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn phones_are_looked_up_within_a_budget_and_nobody_is_written_to(url: &str) {
        let stage = Stage::without_portal(url).await;
        let phone = linked(&stage).await;
        stage.control("POST", "/_/phones", json!({ "id": "79995550000", "whatsapp": false })).await;
        let path = format!("/api/v1/channels/{}/phones", phone.channel);
        let told = stage.api_with("POST", &path, json!({ "phones": ["+7 999 555-00-00", CUSTOMER] })).await;
        assert_eq!((&told["phones"][0]["exists"], &told["phones"][1]["exists"]), (&json!(false), &json!(true)), "{told}");
        assert_eq!((&told["phones"][1]["chat"], &told["left_today"]), (&json!("79990000001@c.us"), &json!(3)), "{told}");
        let id = say(&stage, &phone, "79995550000", "Есть кто?").await;
        let told = reaches(&stage, &id, "error").await;
        assert_eq!(told["code"], "nobody", "{told}");
        assert!(stage.calls("waha", "sendText").await.is_empty());
        let many: Vec<String> = (2..8).map(|n| format!("7999000000{n}")).collect();
        let told = stage.api_with("POST", &path, json!({ "phones": many })).await;
        let unasked = told["phones"].as_array().unwrap().iter().filter(|phone| phone["unasked"] == "limit").count();
        assert_eq!((unasked, &told["left_today"]), (3, &json!(0)), "{told}");
        assert_eq!(stage.calls("waha", "check-exists").await.len(), 5);
        // the budget spares the account questions, not messages
        let id = say(&stage, &phone, "79990000007", "Без вопроса").await;
        reaches(&stage, &id, "delivered").await;
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_delivery_of_somebody_else_is_refused(url: &str) {
        let stage = Stage::without_portal(url).await;
        let phone = linked(&stage).await;
        let sessions = stage.control("GET", "/_/waha", Value::Null).await;
        let hook = sessions["sessions"][0]["webhook"].as_str().unwrap().to_owned();
        let body = json!({ "id": "evt_1", "timestamp": 1, "session": phone.session, "event": "session.status",
            "payload": { "name": phone.session, "status": "FAILED", "statuses": [] } });
        for signature in ["", "00", &"0".repeat(128)] {
            let request = crate::rig::client().post(&hook).header("x-webhook-hmac", signature).json(&body);
            let status = request.send().await.unwrap().status().as_u16();
            assert!((400..500).contains(&status), "{signature}: {status}");
        }
        channel_is(&stage, &phone, "connected", "running").await;
        stage.clear().await;
    }
}

//! Each of the twelve robots, fired at the deal of the sandbox with good and bad input, and read on the step and in the card.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::stage::Stage;
use super::vk::community;
use super::whatsapp_web::linked;

const ANNA: &str = "79990000001";
const BORIS: &str = "79990000002";
const VERA: &str = "79990000003";

/// Fires a robot; the number of its step.
async fn fire(stage: &Stage, robot: &str, properties: Value, timeout_s: i64) -> Value {
    let call = json!({ "deal": 8061, "properties": properties, "use_subscription": "Y", "timeout_s": timeout_s });
    let fired = stage.control("POST", &format!("/_/b24/demo/robots/switchboard_{robot}/fire"), call).await;
    fired["steps"][0].clone()
}

/// What a step returned, once it is answered.
async fn answer(stage: &Stage, step: &Value) -> Value {
    let found = stage.wait_for("the robot is answered", |stage| async move {
        let steps = stage.control("GET", "/_/b24/demo/steps?deal=8061", Value::Null).await;
        let steps = steps["steps"].as_array().unwrap().clone();
        steps.into_iter().find(|one| one["n"] == *step && one["state"] == "answered")
    });
    found.await["returned"].clone()
}

/// Fires a robot and waits for its results.
async fn results(stage: &Stage, robot: &str, properties: Value) -> Value {
    let step = fire(stage, robot, properties, 660).await;
    answer(stage, &step).await
}

async fn details(stage: &Stage, robot: &str, properties: Value) -> String {
    results(stage, robot, properties).await["details"].as_str().unwrap().to_owned()
}

/// The three results that every robot has.
fn three(results: &Value) -> (&str, &str, &str) {
    let text = |name: &str| results[name].as_str().unwrap();
    (text("status"), text("details"), text("in_time"))
}

/// The files that a phone got: name, size, caption.
async fn files(stage: &Stage, phone: &str) -> Vec<(String, u64, String)> {
    let told = stage.control("GET", &format!("/_/phones/{phone}"), Value::Null).await;
    let all = told["messages"].as_array().unwrap().iter().filter(|one| one["media"].is_object());
    let told = |one: &Value| {
        let media = &one["media"];
        let text = one["text"].as_str().unwrap_or_default().to_owned();
        (media["name"].as_str().unwrap().to_owned(), media["size"].as_u64().unwrap(), text)
    };
    all.map(told).collect()
}

async fn put_file(stage: &Stage, file: Value) {
    stage.control("POST", "/_/b24/demo/disk", file).await;
}

async fn put_document(stage: &Stage, document: Value) {
    stage.control("POST", "/_/b24/demo/documents", document).await;
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_file_of_the_disk_is_fetched_once_and_sent_to_all(url: &str) {
        let stage = Stage::set(url).await;
        let text = "договор ".repeat(1000);
        put_file(&stage, json!({ "id": 7001, "name": "Договор.txt", "mime": "text/plain", "text": text })).await;
        let robot = json!({ "phones": "+79990000001; +79990000002; 12", "disk_file_id": "n7001", "message": "{Ваш|Ваш} договор",
            "card_comment": "Y" });
        let results = results(&stage, "send_file", robot).await;
        let (status, details, in_time) = three(&results);
        assert_eq!((status, in_time), ("N", "1"), "{results}");
        assert!(details.starts_with("79990000001:Y:; 79990000002:Y:; 12:N:[address_bad]"), "{details}");
        for phone in [ANNA, BORIS] {
            let expected = ("Договор.txt".to_owned(), text.len() as u64, "Ваш договор".to_owned());
            assert_eq!(files(&stage, phone).await, [expected]);
        }
        assert_eq!(stage.calls("bitrix24", "disk.file.get").await.len(), 1);
        assert_eq!(stage.calls("bitrix24", "download").await.len(), 1);
        stage.wait_for("the result stands in the card", |stage| async move {
            (stage.comments().await.len() == 1).then_some(())
        }).await;
        assert!(stage.comments().await[0].starts_with("[Switchboard] 79990000001:Y:; 79990000002:Y:"));
        // the operator sees the file in the dialog too
        let told = stage.api("GET", "/api/v1/messages").await;
        let ours = told["messages"].as_array().unwrap().iter().filter(|one| one["files"] != json!([])).count();
        assert_eq!(ours, 2, "{told}");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_file_that_cannot_be_sent_is_told_with_a_stable_code(url: &str) {
        let stage = Stage::set(url).await;
        let png = BASE64_STANDARD.encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
        put_file(&stage, json!({ "id": 1, "name": "a.txt", "mime": "text/plain", "text": "x", "bin": true })).await;
        put_file(&stage, json!({ "id": 2, "name": "a.txt", "mime": "text/plain", "text": "x", "lost": true })).await;
        put_file(&stage, json!({ "id": 3, "name": "a.txt", "mime": "text/plain", "text": "x", "denied_to": [1, 27, 33] })).await;
        put_file(&stage, json!({ "id": 4, "name": "a.png", "mime": "image/png", "base64": png, "size": 6_000_000 })).await;
        let send = |id: &str| json!({ "phones": "+79990000001", "disk_file_id": id });
        for (id, code) in [
            ("999", "file_gone"),
            ("1", "file_gone"),
            ("2", "file_gone"),
            ("3", "no_rights"),
            ("4", "file_too_big"),
            ("", "file_id_bad"),
            ("https://demo.bitrix24.test/disk/5", "file_id_bad"),
        ] {
            let results = results(&stage, "send_file", send(id)).await;
            let (status, details, in_time) = three(&results);
            assert_eq!((status, in_time), ("N", "1"));
            assert!(details.starts_with(&format!("79990000001:N:[{code}] ")), "{id}: {details}");
        }
        assert_eq!(files(&stage, ANNA).await, []);
        // a portal that answers a page, and one that answers nothing, are asked again
        for kind in ["html", "cut"] {
            let fault = json!({ "vendor": "bitrix24", "method": "disk.file.get", "kind": kind, "times": 1 });
            stage.control("POST", "/_/faults", fault).await;
            assert_eq!(details(&stage, "send_file", send("5437")).await, "79990000001:Y:");
        }
        let fault = json!({ "vendor": "bitrix24", "method": "download", "kind": "html", "times": 1 });
        stage.control("POST", "/_/faults", fault).await;
        assert_eq!(details(&stage, "send_file", send("5437")).await, "79990000001:Y:");
        assert_eq!(files(&stage, ANNA).await.len(), 3);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_file_goes_to_the_first_that_has_the_messenger(url: &str) {
        let stage = Stage::set(url).await;
        stage.control("POST", "/_/phones", json!({ "id": ANNA, "whatsapp": false })).await;
        let robot = json!({ "phones": "+79990000001, +79990000002, +79990000003", "disk_file_id": "5437", "recipients": "first" });
        let results = results(&stage, "send_file", robot).await;
        let (status, details, _) = three(&results);
        assert!(details.starts_with("79990000001:N:[nobody]") && details.ends_with("; 79990000002:Y:"), "{details}");
        assert_eq!((status, files(&stage, BORIS).await.len(), files(&stage, VERA).await.len()), ("Y", 1, 0));
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_document_is_waited_for_until_its_pdf_is_there(url: &str) {
        let stage = Stage::set(url).await;
        put_document(&stage, json!({ "id": 70, "title": "Акт 5", "deal": 8061, "ready_ms": 600_000 })).await;
        let send = json!({ "phones": "+79990000001", "document_id": "", "message": "Ваш акт" });
        let step = fire(&stage, "send_document", send, 0).await;
        stage.wait_for("the portal was asked, and has no PDF yet", |stage| async move {
            (stage.calls("bitrix24", "crm.documentgenerator.document.get").await.len() == 1).then_some(())
        }).await;
        assert_eq!(files(&stage, ANNA).await, []);
        stage.control("POST", "/_/clock", json!({ "advance_ms": 700_000 })).await;
        assert_eq!(three(&answer(&stage, &step).await), ("Y", "79990000001:Y:", "1"));
        let got = files(&stage, ANNA).await;
        assert_eq!((got.len(), got[0].0.as_str(), got[0].2.as_str()), (1, "Акт 5.pdf", "Ваш акт"));
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_document_that_is_not_ready_in_time_is_told_with_a_stable_code(url: &str) {
        let stage = Stage::set(url).await;
        put_document(&stage, json!({ "id": 70, "title": "Акт 5", "deal": 8062 })).await;
        put_document(&stage, json!({ "id": 71, "title": "Акт 6", "deal": 8062, "broken": true })).await;
        let send = |id: &str, format: &str| json!({ "phones": "+79990000001", "document_id": id, "format": format });
        let step = fire(&stage, "send_document", send("70", "pdf"), 8).await;
        let late = answer(&stage, &step).await;
        let (status, details, in_time) = three(&late);
        assert_eq!((status, in_time), ("N", "1"));
        assert!(details.starts_with("79990000001:N:[document_not_ready] "), "{details}");
        assert!(stage.calls("bitrix24", "crm.documentgenerator.document.get").await.len() > 1, "it was asked once only");
        assert_eq!(files(&stage, ANNA).await, []);
        // as it is it can be sent at once, and so is one of which no PDF can be made
        assert_eq!(self::details(&stage, "send_document", send("70", "docx")).await, "79990000001:Y:");
        assert_eq!(self::details(&stage, "send_document", send("71", "pdf")).await, "79990000001:Y:");
        let names: Vec<String> = files(&stage, ANNA).await.into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names, ["Акт 5.docx", "Акт 6.docx"]);
        for id in ["999", ""] {
            if id.is_empty() {
                put_document(&stage, json!({ "id": 61, "title": "Чужой", "deal": 8063, "ready_ms": 0 })).await;
            }
            let details = self::details(&stage, "send_document", send(id, "pdf")).await;
            assert!(details.starts_with("79990000001:N:[file_gone] "), "{id}: {details}");
        }
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_group_is_made_filled_written_into_renamed_and_deleted_by_robots(url: &str) {
        let stage = Stage::set(url).await;
        linked(&stage).await;
        stage.control("POST", "/_/waha/closed", json!({ "phones": [BORIS] })).await;
        stage.control("POST", "/_/phones", json!({ "id": VERA, "whatsapp": false })).await;
        let make = json!({ "title": "Заказ 15", "phones": "+7 999 000-00-01; 79990000002, 79990000003; 12", "card_comment": "Y" });
        let made = results(&stage, "create_group", make).await;
        assert_eq!(made["status"], "Y", "{made}");
        let chat = made["chat_id"].as_str().unwrap().to_owned();
        let lists = ["added", "invited", "refused"].map(|name| made[name].as_str().unwrap());
        assert_eq!(lists, [ANNA, BORIS, "79990000003, 12"]);
        assert!(made["invite_link"].as_str().unwrap().contains("chat.whatsapp.com/"), "{made}");
        let details = made["details"].as_str().unwrap();
        assert!(details.starts_with(&format!("{chat}:Y:; 79990000002:N:[group_privacy] ")), "{details}");
        assert!(details.contains("; 79990000003:N:[nobody] ") && details.contains("; 12:N:[address_bad] "), "{details}");

        // nobody says which line or channel: the group is found by its id
        let say = json!({ "group_ids": chat, "message": "Всем привет" });
        assert_eq!(self::details(&stage, "group_message", say).await, format!("{chat}:Y:"));
        let say = json!({ "group_ids": chat, "message": "Ваш счёт", "document_id": "61" });
        assert_eq!(self::details(&stage, "group_message", say).await, format!("{chat}:Y:"));
        let send = json!({ "group_ids": chat, "disk_file_id": "5437" });
        assert_eq!(self::details(&stage, "group_file", send).await, format!("{chat}:Y:"));
        let names: Vec<String> = files(&stage, ANNA).await.into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names, ["Счёт 17.pdf", "счёт 17.pdf"]);

        stage.control("POST", "/_/waha/closed", json!({ "phones": [] })).await;
        let added = results(&stage, "add_to_group", json!({ "group_ids": chat, "phones": "+79990000002" })).await;
        assert_eq!((&added["status"], &added["added"], &added["refused"]), (&json!("Y"), &json!(BORIS), &json!("")), "{added}");
        let renamed = self::details(&stage, "rename_chat", json!({ "chat_ids": chat, "title": "Заказ 15, доставка" })).await;
        assert_eq!(renamed, format!("{chat}:Y:"));
        let group = stage.control("GET", "/_/waha", Value::Null).await["sessions"][0]["groups"][0].clone();
        assert_eq!((&group["subject"], &group["members"]), (&json!("Заказ 15, доставка"), &json!([ANNA, BORIS])));

        let gone = results(&stage, "delete_group", json!({ "group_ids": chat })).await;
        assert_eq!(three(&gone), ("Y", format!("{chat}:Y:").as_str(), "1"));
        let group = stage.control("GET", "/_/waha", Value::Null).await["sessions"][0]["groups"][0].clone();
        assert_eq!(group["inside"], false);
        let again = self::details(&stage, "delete_group", json!({ "group_ids": chat })).await;
        assert!(again.starts_with(&format!("{chat}:N:[refused]")), "{again}");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_group_is_made_where_its_people_can_be_reached(url: &str) {
        let stage = Stage::set(url).await;
        // a community of VK makes chats too, and is asked first, but knows nobody by phone
        community(&stage).await;
        linked(&stage).await;
        let made = results(&stage, "create_group", json!({ "title": "Заказ 16", "phones": "+79990000001" })).await;
        assert_eq!((&made["status"], &made["added"], &made["refused"]), (&json!("Y"), &json!(ANNA), &json!("")), "{made}");
        assert!(made["chat_id"].as_str().unwrap().ends_with("@g.us"), "{made}");
        let named = json!({ "title": "Заказ 17", "phones": "+79990000001", "channel": "vk" });
        let made = results(&stage, "create_group", named).await;
        assert!(!made["chat_id"].as_str().unwrap().contains('@'), "{made}");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn robots_for_groups_tell_what_is_wrong_with_a_stable_code(url: &str) {
        let stage = Stage::set(url).await;
        let only_waba = details(&stage, "create_group", json!({ "title": "x", "phones": ANNA })).await;
        assert!(only_waba.starts_with(":N:[not_supported] "), "{only_waba}");
        linked(&stage).await;
        stage.control("POST", "/_/phones", json!({ "id": VERA, "whatsapp": false })).await;
        for (robot, properties, start) in [
            ("create_group", json!({ "title": " ", "phones": ANNA }), ":N:[title_bad] "),
            ("create_group", json!({ "title": "x", "phones": "" }), ":N:[address_empty] "),
            ("create_group", json!({ "title": "x", "phones": "12" }), ":N:[address_empty] "),
            ("create_group", json!({ "title": "x", "phones": ANNA, "line_id": "999" }), ":N:[line_not_found] "),
            ("create_group", json!({ "title": "x", "phones": VERA }), ":N:[nobody] "),
            ("add_to_group", json!({ "group_ids": "", "phones": ANNA }), ":N:[group_empty] "),
            ("add_to_group", json!({ "group_ids": "@name", "phones": ANNA }), "@name:N:[address_bad] "),
            ("group_message", json!({ "group_ids": "1@g.us", "message": "" }), "1@g.us:N:[message_empty] "),
            ("group_file", json!({ "group_ids": "1@g.us", "disk_file_id": "x" }), "1@g.us:N:[file_id_bad] "),
            ("delete_group", json!({ "group_ids": "1@g.us" }), "1@g.us:N:[refused] "),
        ] {
            let results = results(&stage, robot, properties.clone()).await;
            let (status, details, in_time) = three(&results);
            assert_eq!((status, in_time), ("N", "1"), "{robot} {properties}");
            assert!(details.starts_with(start), "{robot} {properties}: {details}");
        }
        let nobody = results(&stage, "create_group", json!({ "title": "x", "phones": VERA })).await;
        assert_eq!((&nobody["refused"], &nobody["chat_id"]), (&json!(VERA), &json!("")), "{nobody}");
        assert_eq!(nobody["details"], ":N:[nobody] WhatsApp Web: по этому адресу нет мессенджера");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_phone_is_checked_without_a_message(url: &str) {
        let stage = Stage::set(url).await;
        let only_waba = details(&stage, "check_phone", json!({ "phones": ANNA })).await;
        assert!(only_waba.starts_with("79990000001:N:[not_supported] "), "{only_waba}");
        linked(&stage).await;
        stage.control("POST", "/_/phones", json!({ "id": BORIS, "whatsapp": false })).await;
        let asked = json!({ "phones": "8 999 000-00-01; 79990000002; 12", "card_comment": "Y" });
        for _ in 0..2 {
            let checked = results(&stage, "check_phone", asked.clone()).await;
            let (status, details, in_time) = three(&checked);
            assert_eq!((status, in_time), ("N", "1"), "{checked}");
            assert!(details.starts_with("79990000001:Y:; 79990000002:N:[nobody] "), "{details}");
            assert!(details.contains("; 12:N:[address_bad] "), "{details}");
            assert_eq!((&checked["found"], &checked["missing"]), (&json!(ANNA), &json!(BORIS)));
        }
        // what was looked at is known, and the day has a budget of five
        assert_eq!(stage.calls("waha", "check-exists").await.len(), 2);
        let many = json!({ "phones": "79990000004, 79990000005, 79990000006, 79990000007" });
        let over = details(&stage, "check_phone", many).await;
        assert!(over.starts_with("79990000004:Y:; 79990000005:Y:; 79990000006:Y:; 79990000007:N:[check_limit] "), "{over}");
        let one = results(&stage, "check_phone", json!({ "phones": ANNA })).await;
        assert_eq!(three(&one), ("Y", "79990000001:Y:", "1"));
        assert_eq!(stage.texts(ANNA).await, [""; 0]);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn tags_are_set_and_removed_and_a_chat_gets_another_title(url: &str) {
        let stage = Stage::set(url).await;
        let channels = stage.api("GET", "/api/v1/channels").await;
        let channel = channels["channels"][0]["id"].as_str().unwrap().to_owned();
        let chat = format!("/api/v1/channels/{channel}/chats/{ANNA}");
        let tags = |tags: &str| json!({ "phones": "+79990000001", "tags": tags, "card_comment": "Y" });
        assert_eq!(details(&stage, "set_tags", tags("Горячий; VIP клиент")).await, "79990000001:Y:");
        assert_eq!(details(&stage, "set_tags", tags("ГОРЯЧИЙ, опт")).await, "79990000001:Y:");
        assert_eq!(stage.api("GET", &chat).await["tags"], json!(["Горячий", "VIP клиент", "опт"]));
        assert_eq!(details(&stage, "remove_tags", tags("vip клиент, нет такой")).await, "79990000001:Y:");
        assert_eq!(stage.api("GET", &chat).await["tags"], json!(["Горячий", "опт"]));
        let renamed = details(&stage, "rename_chat", json!({ "phones": "+79990000001", "title": " Иван,  сделка 8061 " })).await;
        assert_eq!(renamed, "79990000001:Y:");
        assert_eq!(stage.api("GET", &chat).await["title"], "Иван, сделка 8061");
        let many: Vec<String> = (0..19).map(|n| format!("метка {n}")).collect();
        for (robot, properties, start) in [
            ("set_tags", tags(" ;"), "79990000001:N:[tag_bad] "),
            ("set_tags", tags(&"я".repeat(41)), "79990000001:N:[tag_bad] "),
            ("set_tags", tags(&many.join(",")), "79990000001:N:[tag_bad] "),
            ("set_tags", json!({ "phones": "+79995550000", "tags": "x" }), "79995550000:N:[dialog_not_found] "),
            ("set_tags", json!({ "phones": "", "tags": "x" }), ":N:[address_empty] "),
            ("remove_tags", json!({ "phones": ANNA, "tags": "x", "line_id": "77" }), "79990000001:N:[line_not_found] "),
            ("rename_chat", json!({ "phones": ANNA, "title": "" }), "79990000001:N:[title_bad] "),
            ("rename_chat", json!({ "phones": ANNA, "title": "x", "channel": "vk" }), "79990000001:N:[channel_not_found] "),
        ] {
            let results = results(&stage, robot, properties.clone()).await;
            assert_eq!((&results["status"], &results["in_time"]), (&json!("N"), &json!("1")), "{properties}");
            let details = results["details"].as_str().unwrap();
            assert!(details.starts_with(start), "{robot} {properties}: {details}");
        }
        assert_eq!(stage.api("GET", &chat).await["tags"], json!(["Горячий", "опт"]));
        stage.clear().await;
    }
}

/// A robot of another program, and one that nobody filled in, hear why nothing was done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_robot_answers_a_call_in_which_nothing_was_filled_in() {
    let (_folder, url) = crate::postgres::fresh_sqlite();
    let stage = Stage::set(&url).await;
    let robots = stage.portal().await["robots"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(robots.len(), 12, "{robots:?}");
    for robot in robots {
        let results = results(&stage, robot.strip_prefix("switchboard_").unwrap(), json!({})).await;
        let (status, details, in_time) = three(&results);
        assert_eq!((status, in_time), ("N", "1"), "{robot}");
        assert!(details.starts_with(":N:["), "{robot}: {details}");
    }
    stage.clear().await;
}

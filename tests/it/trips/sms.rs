//! The SMS provider: who sends, what the portal hears, and what a demo line may do.

use serde_json::{Value, json};
use switchboard::model::errand::Rank;

use super::stage::{self, Stage};

/// A letter of one message, to these numbers.
async fn letter(stage: &Stage, kind: &str, to: &[&str], text: &str) {
    let code = format!("switchboard_{}", stage.line);
    let letter = json!({ "code": code, "text": text, "to": to, "kind": kind });
    stage.control("POST", "/_/b24/demo/letters", letter).await;
}

/// The statuses of the messages of a letter, once they are what is waited for.
async fn statuses(stage: &Stage, count: usize, wanted: &'static [&'static str]) -> Vec<String> {
    stage
        .wait_for("the portal knows what became of the letter", |stage| async move {
            let letter = stage.last_letter().await;
            let all: Vec<String> = letter["messages"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|message| message["pushed"].as_array().is_some_and(|pushed| !pushed.is_empty()))
                .map(|message| message["status"].as_str().unwrap().to_owned())
                .collect();
            (all.len() == count && all.iter().all(|status| wanted.contains(&status.as_str()))).then_some(all)
        })
        .await
}

/// An SMS as the portal posts it, from a part of it that we do not know.
async fn post_by_hand(stage: &Stage, module: &str, message: &str, text: &str) -> u16 {
    let card = stage.portal().await;
    let handler = card["senders"][format!("switchboard_{}", stage.line)]["HANDLER"].as_str().unwrap().to_owned();
    let path = handler.strip_prefix(&stage.address).unwrap();
    let fields = [
        ("module_id", module),
        ("code", &format!("switchboard_{}", stage.line)),
        ("message_id", message),
        ("message_to", "+79990000004"),
        ("message_body", text),
        ("auth[member_id]", card["member_id"].as_str().unwrap()),
        ("auth[application_token]", card["application_token"].as_str().unwrap()),
    ];
    stage.post(path, form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()).await.0
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn each_part_of_the_portal_has_its_rank(url: &str) {
        let stage = Stage::set(url).await;
        let lane = stage.lane("channel").await;
        stage.api("POST", &format!("/api/v1/lanes/{lane}/pause")).await;
        letter(&stage, "crm", &["+79990000001"], "из карточки").await;
        letter(&stage, "bizproc", &["+79990000002"], "из процесса").await;
        letter(&stage, "sender", &["+79990000003"], "из рассылки").await;
        assert_eq!(post_by_hand(&stage, "somethingnew", "0123456789abcdef0123456789abcdef", "Совсем другое").await, 200);
        // once more: a repetition changes nothing
        assert_eq!(post_by_hand(&stage, "somethingnew", "0123456789abcdef0123456789abcdef", "Совсем другое").await, 200);
        let waiting = stage.wait_for("all four wait", |stage| async move {
            let waiting = stage.waiting(lane).await;
            (waiting.len() == 4).then_some(waiting)
        }).await;
        let mut ranks: Vec<(String, Rank)> = waiting.into_iter().map(|errand| (errand.peer, errand.rank)).collect();
        ranks.sort();
        let expected = [
            ("79990000001", Rank::Live),
            ("79990000002", Rank::Service),
            ("79990000003", Rank::Marketing),
            ("79990000004", Rank::Marketing),
        ];
        assert_eq!(ranks, expected.map(|(peer, rank)| (peer.to_owned(), rank)));
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn statuses_are_merged_batched_and_last_in_the_lane(url: &str) {
        let stage = Stage::set(url).await;
        let portal = stage.lane("portal").await;
        let customers: Vec<String> = (1..=stage::CUSTOMERS).map(|n| format!("+7999000{n:04}")).collect();
        let customers: Vec<&str> = customers.iter().map(String::as_str).collect();
        stage.api("POST", &format!("/api/v1/lanes/{portal}/pause")).await;
        // more words than one batch holds
        for _ in 0..8 {
            letter(&stage, "crm", &customers, "Ваш заказ готов").await;
        }
        stage.fire(json!({ "phones": "+79990000001", "message": "Раз", "card_comment": "N" })).await;
        // each message was sent and then delivered: the later word took the place of the earlier one
        stage.wait_for("all is sent and every word waits", |stage| async move {
            let waiting = stage.waiting(portal).await;
            let (statuses, calls): (Vec<_>, Vec<_>) = waiting.iter().partition(|errand| errand.peer.starts_with("sms:"));
            let delivered = statuses.iter().filter(|errand| format!("{:?}", errand.work).contains("\"delivered\"")).count();
            ((statuses.len(), delivered, calls.len()) == (64, 64, 1)).then_some(())
        }).await;
        stage.api("POST", &format!("/api/v1/lanes/{portal}/resume")).await;
        assert_eq!(statuses(&stage, 8, &["delivered"]).await.len(), 8);
        stage.wait_for("nothing waits any more", |stage| async move {
            stage.waiting(portal).await.is_empty().then_some(())
        }).await;
        assert_eq!(stage.calls("bitrix24", "messageservice.message.status.update").await.len(), 0);
        let installed = 2;
        let batches = stage.calls("bitrix24", "batch").await.split_off(installed);
        let sizes: Vec<usize> = batches.iter().map(|batch| batch["params"]["cmd"].as_object().unwrap().len()).collect();
        assert!(sizes.iter().all(|size| *size <= 50) && sizes.iter().sum::<usize>() == 64, "{sizes:?}");
        assert!(sizes.len() <= 4, "{sizes:?}");
        let answer = stage.calls("bitrix24", "bizproc.event.send").await[0]["at_us"].as_i64().unwrap();
        assert!(batches.iter().all(|batch| batch["at_us"].as_i64().unwrap() > answer), "a status overtook an answer");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_cannot_be_sent_is_told_to_the_portal(url: &str) {
        let stage = Stage::set(url).await;
        letter(&stage, "crm", &["+79990000001", "без номера", ""], " ").await;
        assert_eq!(statuses(&stage, 3, &["failed"]).await.len(), 3);
        letter(&stage, "sender", &["12"], "Раз").await;
        assert_eq!(statuses(&stage, 1, &["failed"]).await, ["failed"]);
        stage.control("POST", "/_/phones", json!({ "id": "79990000005", "whatsapp": false })).await;
        letter(&stage, "bizproc", &["+79990000005"], "Раз").await;
        assert_eq!(statuses(&stage, 1, &["undelivered"]).await, ["undelivered"]);
        stage.sql("UPDATE lines SET expires_at = 1").await;
        letter(&stage, "sender", &["+79990000001"], "Раз").await;
        assert_eq!(statuses(&stage, 1, &["failed"]).await, ["failed"]);
        assert_eq!(stage.texts("79990000001").await, [""; 0]);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_demo_line_sends_ten_messages_of_letters_in_all(url: &str) {
        let stage = Stage::set(url).await;
        stage.sql("UPDATE lines SET plan = 'demo'").await;
        stage.letter(7, "Первая рассылка").await;
        assert_eq!(statuses(&stage, 7, &["delivered"]).await.len(), 7);
        stage.letter(5, "Вторая, совсем о другом: приходите").await;
        let mut second = statuses(&stage, 5, &["delivered", "failed"]).await;
        second.sort();
        assert_eq!(second, ["delivered", "delivered", "delivered", "failed", "failed"]);
        let mailings = stage.api("GET", "/api/v1/mailings").await;
        let not_sent: i64 =
            mailings["mailings"].as_array().unwrap().iter().map(|one| one["counts"]["not_sent"].as_i64().unwrap()).sum();
        assert_eq!(not_sent, 2, "{mailings}");
        // robots are no mailings
        assert_eq!(stage.answer_to(json!({ "phones": "+79990000001", "message": "Раз" })).await["status"], "Y");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_message_without_an_author_is_proven_by_its_address(url: &str) {
        let stage = Stage::set(url).await;
        stage.control("POST", "/_/b24/demo/habits", json!({ "no_tokens": true, "literal": true })).await;
        letter(&stage, "bizproc", &["+79990000001"], "Раз").await;
        assert_eq!(statuses(&stage, 1, &["delivered"]).await, ["delivered"]);
        let card = stage.portal().await;
        let handler = card["senders"][format!("switchboard_{}", stage.line)]["HANDLER"].as_str().unwrap().to_owned();
        let path = handler.strip_prefix(&stage.address).unwrap().to_owned();
        let member = card["member_id"].as_str().unwrap();
        let form = |extra: &str| format!("module_id=crm&code=switchboard_{}&message_id=00&message_to=%2B79990000001&\
            message_body=x&auth[member_id]={member}{extra}", stage.line);
        assert_eq!(stage.post(&path, form("")).await.0, 200, "no application token, and the right address");
        assert_eq!(stage.post(&path, form("&auth[application_token]=wrong")).await.0, 403);
        assert_eq!(stage.post("/bitrix24/sms/0123456789", form("")).await.0, 403);
        assert_eq!(stage.post("/bitrix24/sms/%00", form("")).await.0, 403);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn another_administrator_tells_what_the_first_one_may_not(url: &str) {
        let stage = Stage::set(url).await;
        let page = json!({ "url": format!("{}/bitrix24/app", stage.address), "user": 27 });
        stage.control("POST", "/_/b24/demo/open", page).await;
        // a while ago user 33 was an administrator too, and has the freshest tokens
        let page = json!({ "url": format!("{}/bitrix24/app", stage.address), "user": 33 });
        stage.control("POST", "/_/b24/demo/open", page).await;
        stage.sql("UPDATE portal_tokens SET is_admin = (user_id = '33')").await;
        letter(&stage, "crm", &["+79990000001"], "Раз").await;
        assert_eq!(statuses(&stage, 1, &["delivered"]).await, ["delivered"]);
        stage.clear().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_of_a_letter_shows_who_got_what() {
    let (_folder, url) = crate::postgres::fresh_sqlite();
    let stage = Stage::set(&url).await;
    letter(&stage, "sender", &["+79990000001", "+79990000002"], "Скидка для вас").await;
    statuses(&stage, 2, &["delivered"]).await;
    let mailing = stage.only_mailing().await;
    let shown: Value = stage.api("GET", &format!("/api/v1/mailings/{mailing}")).await;
    let text = shown.to_string();
    assert!(text.contains("79990000001") && text.contains("79990000002") && text.contains("delivered"), "{text}");
    stage.clear().await;
}

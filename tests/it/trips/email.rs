//! A mailbox at the sandbox's mail server end to end: written to, answered, cut off, with a token that runs out.

use serde_json::{Value, json};

use super::stage::Stage;

const PHONE: &str = "79990000001";
const ANNA: &str = "client_79990000001@example.com";
const OWN: &str = "sales@company.test";

/// Makes a mailbox and says what a person fills in for it.
async fn mailbox(stage: &Stage) -> (Value, Value) {
    let made = json!({ "address": OWN, "password": "secret", "client_id": "client", "client_secret": "keep" });
    let card = stage.control("POST", "/_/mail/boxes", made).await;
    let mut form = json!({ "service": "custom", "address": OWN, "from_name": "Ромашка" });
    for server in ["imap", "smtp"] {
        for name in ["host", "port", "security"] {
            form[format!("{server}_{name}")] = card[server][name].clone();
        }
    }
    (card, form)
}

async fn attached(stage: &Stage, proof: Value) -> String {
    let (_, mut form) = mailbox(stage).await;
    form.as_object_mut().unwrap().extend(proof.as_object().cloned().unwrap());
    listening(stage, form).await
}

/// Attaches the mailbox and waits until the server idles there: letters that come earlier are none of ours.
async fn listening(stage: &Stage, form: Value) -> String {
    let channel = stage.attach_channel("email", form).await["id"].as_str().unwrap().to_owned();
    connected(stage).await;
    channel
}

async fn connected(stage: &Stage) {
    let company = stage.company;
    stage
        .wait_for("the mailbox is listened to", move |stage| async move {
            let rows = stage.server.app.store.read(move |conn| switchboard::on!(conn, listening::of_company(company)));
            rows.await.unwrap().first().and_then(|row| row.connected_at)
        })
        .await;
}

async fn writes(stage: &Stage, said: Value) -> String {
    let mut said = said;
    said["messenger"] = json!("email");
    stage.control("POST", &format!("/_/phones/{PHONE}/say"), said).await["id"].as_str().unwrap().to_owned()
}

async fn on_the_phone(stage: &Stage) -> Vec<Value> {
    let phone = stage.control("GET", &format!("/_/phones/{PHONE}"), Value::Null).await;
    let messages = phone["messages"].as_array().unwrap().iter();
    messages.filter(|one| one["messenger"] == "email" && one["direction"] == "received").cloned().collect()
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_customer_writes_a_letter_and_is_answered_in_its_thread(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = attached(&stage, json!({ "password": "secret" })).await;
        let file = json!({ "name": "счёт.pdf", "mime": "application/pdf", "base64": "JVBERi0xLjQ=" });
        let first = writes(&stage, json!({ "subject": "Заказ 7", "text": "Когда?", "media": file })).await;
        stage.wait_for_history(&channel, &["< [Заказ 7] Когда?"]).await;
        stage.sent(json!({ "to": ANNA, "text": "Завтра", "messenger": "email" }), "sent").await;
        let came = on_the_phone(&stage).await.remove(0);
        assert_eq!((&came["subject"], &came["text"], &came["tag"]), (&json!("Re: Заказ 7"), &json!("Завтра"), &json!(first)));
        let answer = json!({ "text": "Спасибо", "quote": came["id"] });
        writes(&stage, answer).await;
        let said = ["< [Заказ 7] Когда?", "> Завтра", "< [Re: Заказ 7] Спасибо"];
        stage.wait_for_history(&channel, &said).await;
        // a copy lies among the sent ones, once
        let boxes = stage.control("GET", "/_/mail/boxes", Value::Null).await;
        assert_eq!(boxes["boxes"][0]["sent"]["letters"].as_array().unwrap().len(), 1, "{boxes}");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_answer_to_a_letter_of_a_web_form_goes_to_whom_it_names(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = attached(&stage, json!({ "password": "secret" })).await;
        let form = |id: &str, reply_to: &str, text: &str| {
            format!("From: Site <noreply@site.example>\r\nTo: {OWN}\r\n{reply_to}Message-ID: <{id}@site.example>\r\nSubject: Order\r\nDate: Thu, 26 Nov 2026 10:00:00 +0300\r\n\r\n{text}\r\n")
        };
        let lay = async |raw: String| stage.control("POST", &format!("/_/mail/boxes/{OWN}"), json!({ "raw": raw })).await;
        lay(form("f1", &format!("Reply-To: Anna <{ANNA}>\r\n"), "Call me")).await;
        stage.wait_for_history(&channel, &["< [Order] Call me"]).await;
        let answer = json!({ "to": "noreply@site.example", "text": "Звоним", "messenger": "email" });
        let sent = stage.sent(answer.clone(), "sent").await;
        assert_eq!(sent["chat"], "noreply@site.example");
        let came = on_the_phone(&stage).await.remove(0);
        assert_eq!((&came["subject"], &came["text"], &came["tag"]), (&json!("Re: Order"), &json!("Звоним"), &json!("f1@site.example")));
        // a letter that names nobody is answered to its sender again
        lay(form("f2", "", "And me")).await;
        stage.wait_for_history(&channel, &["< [Order] Call me", "> Звоним", "< [Order] And me"]).await;
        let gone = stage.sent(answer, "error").await;
        assert_eq!(gone["code"], "nobody", "{gone}");
        assert_eq!(on_the_phone(&stage).await.len(), 1);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_letter_that_comes_back_is_an_error_with_the_reason(url: &str) {
        let stage = Stage::without_portal(url).await;
        attached(&stage, json!({ "password": "secret" })).await;
        let gone = stage.sent(json!({ "to": "ghost@example.com", "text": "1", "messenger": "email" }), "error").await;
        assert_eq!(gone["code"], "nobody", "{gone}");
        let fault = json!({ "vendor": "mail", "method": "deliver", "match": ANNA, "kind": "refuse", "times": 1,
            "text": "552 5.2.2 Mailbox full" });
        stage.control("POST", "/_/faults", fault).await;
        let full = stage.sent(json!({ "to": ANNA, "text": "1", "messenger": "email" }), "error").await;
        assert_eq!(full["code"], "refused", "{full}");
        assert!(full["reason"].as_str().unwrap().contains("Mailbox full"), "{full}");
        let nobody = stage.sent(json!({ "to": "who@example.com", "text": "1", "messenger": "email" }), "error").await;
        assert_eq!(nobody["code"], "nobody", "{nobody}");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_token_that_ran_out_is_renewed_and_one_that_was_taken_back_ends_the_channel(url: &str) {
        let stage = Stage::without_portal(url).await;
        let (card, mut form) = mailbox(&stage).await;
        form["refresh_token"] = card["refresh_token"].clone();
        form["client_id"] = json!("client");
        form["client_secret"] = json!("keep");
        let channel = listening(&stage, form).await;
        let begun = stage.calls("mail", "refresh").await.len();
        assert_eq!(begun, 1, "the first token was asked for");
        stage.control("POST", &format!("/_/mail/boxes/{OWN}"), json!({ "expire": true })).await;
        stage.sent(json!({ "to": ANNA, "text": "Завтра", "messenger": "email" }), "sent").await;
        assert_eq!(stage.calls("mail", "refresh").await.len(), begun + 1);
        // the listener begins anew with the token that the other task got
        connected(&stage).await;
        writes(&stage, json!({ "subject": "Заказ", "text": "Спасибо" })).await;
        stage.wait_for_history(&channel, &["> Завтра", "< [Заказ] Спасибо"]).await;
        stage.control("POST", &format!("/_/mail/boxes/{OWN}"), json!({ "revoke": true })).await;
        stage.api_with("POST", "/api/v1/messages", json!({ "to": ANNA, "text": "1", "messenger": "email" })).await;
        let path = format!("/api/v1/channels/{channel}");
        let lost = stage.wait_for("the channel is lost", |stage| {
            let path = path.clone();
            async move { Some(stage.api("GET", &path).await).filter(|card| card["state"] == "lost") }
        });
        let lost = lost.await;
        assert!(!lost.to_string().contains("1//"), "{lost}");
        stage.clear().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_refresh_token_is_told_at_its_field() {
    let (_folder, url) = crate::postgres::fresh_sqlite();
    let stage = Stage::without_portal(&url).await;
    let (card, mut form) = mailbox(&stage).await;
    form["refresh_token"] = card["refresh_token"].clone();
    form["client_id"] = json!("client");
    for (name, value) in [("client_secret", "wrong"), ("refresh_token", "1//wrong")] {
        let mut wrong = form.clone();
        wrong["client_secret"] = json!("keep");
        wrong[name] = json!(value);
        let path = format!("/api/v1/lines/{}/channels", stage.line);
        let (status, told) = stage.api_reply("POST", &path, json!({ "messenger": "email", "answers": wrong })).await;
        assert_eq!((status, &told["error"]["field"]), (422, &json!("refresh_token")), "{told}");
        assert!(!told.to_string().contains("wrong"), "{told}");
    }
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_that_numbers_its_letters_anew_tells_nothing_twice() {
    let (_folder, url) = crate::postgres::fresh_sqlite();
    let stage = Stage::without_portal(&url).await;
    let channel = attached(&stage, json!({ "password": "secret" })).await;
    for n in 1..=3 {
        writes(&stage, json!({ "subject": format!("S{n}"), "text": "1" })).await;
    }
    let three = ["< [S1] 1", "< [S2] 1", "< [S3] 1"];
    stage.wait_for_history(&channel, &three).await;
    stage.control("POST", &format!("/_/mail/boxes/{OWN}"), json!({ "renumber": true })).await;
    writes(&stage, json!({ "subject": "S4", "text": "1" })).await;
    stage.wait_for_history(&channel, &["< [S1] 1", "< [S2] 1", "< [S3] 1", "< [S4] 1"]).await;
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_letter_comes_by_its_parts() {
    let (_folder, url) = crate::postgres::fresh_sqlite();
    let stage = Stage::without_portal(&url).await;
    let channel = attached(&stage, json!({ "password": "secret" })).await;
    // above the size that is fetched whole: text parts by their sections, files by themselves
    let base64 = "QUFB".repeat(200_000);
    let file = json!({ "name": "план.zip", "mime": "application/zip", "base64": base64 });
    writes(&stage, json!({ "subject": "План", "text": "Во вложении", "media": file })).await;
    stage.wait_for_history(&channel, &["< [План] Во вложении"]).await;
    stage.clear().await;
}

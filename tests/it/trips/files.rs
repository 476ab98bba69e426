//! Files end to end: a customer sends one, it is kept, and one of ours goes out.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::stage::Stage;

const PHONE: &str = "79990000001";
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR and so on";

/// The first message of a channel that has files, once all of them are kept.
async fn kept(stage: &Stage, channel: &str) -> Value {
    stage
        .wait_for("the file of the customer is kept", |stage| async move {
            let told = stage.api("GET", "/api/v1/messages").await;
            let all = told["messages"].as_array().unwrap().clone();
            let mut with = all.into_iter().filter(|one| one["channel"] == channel && one["files"] != json!([]));
            with.find(|one| one["files"].as_array().unwrap().iter().all(|file| file["state"] == "kept"))
        })
        .await
}

async fn download(file: &Value) -> Vec<u8> {
    reqwest::get(file["url"].as_str().unwrap()).await.unwrap().bytes().await.unwrap().to_vec()
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_picture_of_a_customer_is_kept_and_a_file_of_ours_arrives(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channels = stage.api("GET", "/api/v1/channels").await;
        let channel = channels["channels"][0]["id"].as_str().unwrap().to_owned();
        let media = json!({ "kind": "image", "name": "a.png", "mime": "image/png", "base64": BASE64_STANDARD.encode(PICTURE) });
        stage.control("POST", &format!("/_/phones/{PHONE}/say"), json!({ "messenger": "waba", "text": "Вот", "media": media })).await;
        let message = kept(&stage, &channel).await;
        let file = &message["files"][0];
        assert_eq!((file["mime"].as_str(), file["kind"].as_str()), (Some("image/png"), Some("image")), "{message}");
        assert_eq!(download(file).await, PICTURE);

        let body = b"%PDF-1.7 the contract".to_vec();
        let made = stage.upload("Договор.pdf", "application/pdf", body.clone()).await;
        let sent = json!({ "to": PHONE, "channel": channel, "text": "Ваш договор", "urgent": true, "file": { "source": made["source"] } });
        let told = stage.sent(sent, "delivered").await;
        assert_eq!(download(&told["files"][0]).await, body);
        let phone = stage.control("GET", &format!("/_/phones/{PHONE}"), Value::Null).await;
        let got = phone["messages"].as_array().unwrap().iter().rfind(|one| one["text"] == "Ваш договор").unwrap().clone();
        let told = (got["media"]["name"].as_str(), got["media"]["size"].as_u64());
        assert_eq!(told, (Some("Договор.pdf"), Some(body.len() as u64)), "{got}");
        stage.clear().await;
    }
}

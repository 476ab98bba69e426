//! Large files of bots: through a Bot API server of one's own, and what is said where there is none.

use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use switchboard::model::clock::SystemClock;
use switchboard::serve::Role;

use super::stage::Stage;

const TOKEN: &str = "100200300:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const PHONE: &str = "79990000001";
const LARGE: usize = 60 << 20;

/// The bot is attached and the customer writes to it; the channel, and the chat to answer to.
async fn bot(stage: &Stage) -> (String, String) {
    let card = stage.attach_channel("telegram_bot", json!({ "token": TOKEN })).await;
    let channel = card["id"].as_str().unwrap().to_owned();
    stage
        .control(
            "POST",
            &format!("/_/phones/{PHONE}/say"),
            json!({ "messenger": "telegram_bot", "text": "Здравствуйте" }),
        )
        .await;
    stage.wait_for_history(&channel, &["< Здравствуйте"]).await;
    let told = stage.api("GET", "/api/v1/messages").await;
    let first = told["messages"].as_array().unwrap().iter().find(|one| one["channel"] == channel).unwrap();
    let chat = first["chat"].as_str().unwrap().to_owned();
    (channel, chat)
}

/// The customer sends a large film; what became of it.
async fn film(stage: &Stage, channel: &str) -> Value {
    let media = json!({ "kind": "document", "name": "film.mp4", "mime": "video/mp4", "base64": "AAAA", "size": LARGE });
    let said = json!({ "messenger": "telegram_bot", "text": "Вот", "media": media });
    stage.control("POST", &format!("/_/phones/{PHONE}/say"), said).await;
    stage
        .wait_for("the film is kept or given up", |stage| async move {
            let told = stage.api("GET", "/api/v1/messages").await;
            let all = told["messages"].as_array().unwrap().clone();
            // ours of before has a file too
            let with =
                all.into_iter().find(|one| one["channel"] == channel && one["files"][0]["name"] == "film.mp4")?;
            let file = with["files"][0].clone();
            (file["state"] == "kept" || !file["code"].is_null()).then_some(file)
        })
        .await
}

async fn limit_of_documents(stage: &Stage) -> u64 {
    let listed = stage.api("GET", "/api/v1/messengers").await;
    let bot = listed["messengers"].as_array().unwrap().iter().find(|one| one["kind"] == "telegram_bot").unwrap();
    let limits = bot["about"]["media_limits"].as_array().unwrap();
    limits.iter().find(|limit| limit[0] == "document").unwrap()[1].as_u64().unwrap()
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_server_of_ones_own_carries_large_files_both_ways(url: &str) {
        let folder = crate::postgres::Folder::new();
        let place = folder.path().display().to_string();
        let more = format!("[telegram_bot]\nlocal_server = \"{{base}}/tg\"\nlocal_folder = \"{place}\"\n");
        let stage = Stage::with(url, Arc::new(SystemClock::new()), Role::ALL.into(), &more).await;
        stage.control("POST", "/_/settings", json!({ "telegram_local": place })).await;
        assert_eq!(limit_of_documents(&stage).await, 2000 << 20);
        let (channel, chat) = bot(&stage).await;
        let made = stage.upload("film.zip", "application/zip", vec![7; LARGE]).await;
        let sent = json!({ "to": chat, "channel": channel, "text": "Ваш фильм", "urgent": true,
            "file": { "source": made["source"], "kind": "document" } });
        stage.sent(sent, "sent").await;
        let phone = stage.control("GET", &format!("/_/phones/{PHONE}"), Value::Null).await;
        let got = phone["messages"].as_array().unwrap().iter().rfind(|one| one["text"] == "Ваш фильм").unwrap().clone();
        assert_eq!(got["media"]["size"].as_u64(), Some(LARGE as u64), "{got}");

        let file = film(&stage, &channel).await;
        assert_eq!((file["state"].as_str(), file["size"].as_u64()), (Some("kept"), Some(LARGE as u64)), "{file}");
        let bytes = reqwest::get(file["url"].as_str().unwrap()).await.unwrap().bytes().await.unwrap();
        let laid = folder.path().join(TOKEN).join("documents");
        let laid = std::fs::read_dir(laid).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
        assert!(laid.into_iter().any(|whole| whole.len() == LARGE && Sha256::digest(&bytes) == Sha256::digest(&whole)));
        // it was read from the disk
        assert!(stage.calls("telegram", "file").await.is_empty());
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn without_one_a_large_file_is_refused_and_the_remedy_is_told(url: &str) {
        let stage = Stage::without_portal(url).await;
        assert_eq!(limit_of_documents(&stage).await, 50 << 20);
        let (channel, chat) = bot(&stage).await;
        let made = stage.upload("film.zip", "application/zip", vec![7; LARGE]).await;
        let body = json!({ "to": chat, "channel": channel, "file": { "source": made["source"], "kind": "document" } });
        let error = stage.refused("/api/v1/messages", body).await;
        assert_eq!((&error["code"], &error["field"]), (&json!("file_too_big"), &json!("file")), "{error}");
        let words = error["message"].as_str().unwrap();
        assert!(words.contains("50 МБ") && words.contains("telegram_bot.local_server"), "{words}");
        let file = film(&stage, &channel).await;
        assert_eq!(file["code"], "file_too_big", "{file}");
        assert!(stage.calls("telegram", "getFile").await.is_empty(), "the size was known");
        stage.clear().await;
    }
}

//! Groups of WhatsApp Web end to end: made, filled, written into, renamed, left.

use serde_json::{Value, json};
use switchboard::flow::perform;
use switchboard::model::vendor::{Answer, Scope};

use super::stage::{GAP_MS, Stage};
use super::whatsapp_web::{Phone, linked};

const ANNA: &str = "79990000001";
const BORIS: &str = "79990000002";
const VERA: &str = "79990000003";

async fn groups(stage: &Stage) -> Value {
    stage.control("GET", "/_/waha", Value::Null).await["sessions"][0]["groups"].clone()
}

async fn texts_in(stage: &Stage, phone: &str, chat: &str) -> Vec<String> {
    let phone = stage.control("GET", &format!("/_/phones/{phone}"), Value::Null).await;
    let messages = phone["messages"].as_array().unwrap().iter();
    let of_chat = messages.filter(|one| one["messenger"] == "whatsapp_web" && one["tag"] == chat);
    of_chat.map(|one| one["text"].as_str().unwrap().to_owned()).collect()
}

async fn invitations(stage: &Stage, phone: &str) -> Vec<String> {
    let phone = stage.control("GET", &format!("/_/phones/{phone}"), Value::Null).await;
    let messages = phone["messages"].as_array().unwrap().iter();
    let texts = messages.filter_map(|one| one["text"].as_str());
    texts.filter(|text| text.contains("chat.whatsapp.com/")).map(str::to_owned).collect()
}

fn of(phone: &Phone) -> String {
    format!("/api/v1/channels/{}/groups", phone.channel)
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_group_is_made_filled_written_into_renamed_and_left(url: &str) {
        let stage = Stage::without_portal(url).await;
        let phone = linked(&stage).await;
        // one of them lets nobody add her, one is not in the messenger at all
        stage.control("POST", "/_/waha/closed", json!({ "phones": [BORIS] })).await;
        stage.control("POST", "/_/phones", json!({ "id": VERA, "whatsapp": false })).await;
        for phone in [ANNA, BORIS] {
            stage.control("POST", "/_/phones", json!({ "id": phone, "reads": true })).await;
        }
        let body = json!({ "title": "Заказ 15", "people": ["+7 999 000-00-01", BORIS, VERA] });
        let made = stage.act_over(&stage.api_with("POST", &of(&phone), body).await).await;
        assert_eq!((&made["state"], &made["act"], &made["code"]), (&json!("done"), &json!("create"), &Value::Null), "{made}");
        let chat = made["chat"].as_str().unwrap().to_owned();
        let told: Vec<(&str, &str, Option<&str>)> = made["people"].as_array().unwrap().iter()
            .map(|one| (one["to"].as_str().unwrap(), one["outcome"].as_str().unwrap(), one["code"].as_str())).collect();
        assert_eq!(told, [(ANNA, "added", None), (BORIS, "invited", Some("group_privacy")), (VERA, "left_out", Some("nobody"))]);
        let invited = made["people"][1]["message"].as_str().unwrap();
        stage.wait_for_message(invited, "viewed").await;
        assert_eq!(groups(&stage).await[0]["members"], json!([ANNA]));
        let sent = invitations(&stage, BORIS).await;
        assert_eq!(sent.len(), 1, "{sent:?}");
        assert!(sent[0].starts_with("Приглашаем вас в группу «Заказ 15»:\nhttps://chat.whatsapp.com/"), "{sent:?}");

        let message = json!({ "to": chat, "text": "Всем привет", "channel": phone.channel });
        stage.sent(message, "viewed").await;
        assert_eq!(texts_in(&stage, ANNA, &chat).await, ["Всем привет"]);
        let said = json!({ "messenger": "whatsapp_web", "text": "И вам", "group": chat });
        stage.control("POST", &format!("/_/phones/{ANNA}/say"), said).await;
        stage.wait_for("the answer came into the group", |stage| {
            let (channel, chat) = (phone.channel.clone(), chat.clone());
            async move {
                let history = stage.history(&channel).await;
                let told = stage.api("GET", &format!("/api/v1/channels/{channel}/chats/{chat}")).await;
                (history.contains(&"< И вам".to_owned()) && told["group"] == true && told["title"] == "Заказ 15").then_some(())
            }
        }).await;

        stage.control("POST", "/_/waha/closed", json!({ "phones": [] })).await;
        let body = json!({ "people": [ANNA, BORIS] });
        let added = stage.act_over(&stage.api_with("POST", &format!("{}/{chat}/people", of(&phone)), body).await).await;
        assert_eq!(added["state"], "done", "{added}");
        assert!(added["people"].as_array().unwrap().iter().all(|one| one["outcome"] == "added"), "{added}");
        assert_eq!(groups(&stage).await[0]["members"], json!([ANNA, BORIS]));

        let body = json!({ "title": "Заказ 15, доставка" });
        let renamed = stage.act_over(&stage.api_with("PATCH", &format!("{}/{chat}", of(&phone)), body).await).await;
        assert_eq!(renamed["state"], "done", "{renamed}");
        assert_eq!(groups(&stage).await[0]["subject"], "Заказ 15, доставка");
        let listed = stage.api("GET", &of(&phone)).await;
        assert_eq!(listed["groups"], json!([{ "chat": chat, "title": "Заказ 15, доставка", "allowed": true }]));

        let left = stage.act_over(&stage.api("DELETE", &format!("{}/{chat}", of(&phone))).await).await;
        assert_eq!(left["state"], "done", "{left}");
        assert_eq!(groups(&stage).await[0]["inside"], false);
        assert_eq!(stage.api("GET", &of(&phone)).await["groups"][0]["allowed"], false);
        let again = stage.act_over(&stage.api("DELETE", &format!("{}/{chat}", of(&phone))).await).await;
        assert_eq!((&again["state"], &again["code"]), (&json!("failed"), &json!("refused")), "{again}");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_group_of_unknown_fate_is_not_made_twice_and_an_addition_is_done_again(url: &str) {
        let stage = Stage::without_portal(url).await;
        let phone = linked(&stage).await;
        let fault = json!({ "vendor": "waha", "method": "groups", "kind": "cut", "times": 1 });
        stage.control("POST", "/_/faults", fault).await;
        let body = json!({ "title": "Раз", "people": [ANNA] });
        let made = stage.act_over(&stage.api_with("POST", &of(&phone), body).await).await;
        assert_eq!(made["state"], "unknown", "{made}");
        assert_eq!(stage.calls("waha", "groups").await.len(), 1);
        let chat = groups(&stage).await[0]["id"].as_str().unwrap().to_owned();
        let fault = json!({ "vendor": "waha", "method": "participants/add", "kind": "cut", "times": 1 });
        stage.control("POST", "/_/faults", fault).await;
        let body = json!({ "people": [BORIS] });
        let added = stage.act_over(&stage.api_with("POST", &format!("{}/{chat}/people", of(&phone)), body).await).await;
        assert_eq!((&added["state"], &added["people"][0]["outcome"]), (&json!("done"), &json!("added")), "{added}");
        assert_eq!(stage.calls("waha", "participants/add").await.len(), 2);
        assert_eq!(groups(&stage).await[0]["members"], json!([ANNA, BORIS]));
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_to_be_done_with_groups_rests_in_an_expired_line_and_is_done_when_it_goes_on(url: &str) {
        let stage = Stage::without_portal(url).await;
        let phone = linked(&stage).await;
        let lane = stage.newest_lane().await;
        stage.api("POST", &format!("/api/v1/lanes/{lane}/pause")).await;
        stage.api_with("POST", &of(&phone), json!({ "title": "Раз", "people": [ANNA] })).await;
        let path = format!("/api/v1/lines/{}", stage.line);
        stage.api_with("PATCH", &path, json!({ "name": "Продажи", "expires_at": 1 })).await;
        let waits = stage.waiting(lane).await;
        let answer = perform::perform(&stage.server.app, waits.clone()).await;
        assert_eq!(answer, [Answer::Busy { after_ms: 60_000, scope: Scope::Lane }], "the lane rests and counts no attempt");
        assert!(stage.calls("waha", "groups").await.is_empty(), "nothing left");
        assert_eq!(stage.waiting(lane).await.len(), 1);
        stage.api_with("PATCH", &path, json!({ "name": "Продажи", "expires_at": null })).await;
        let answer = perform::perform(&stage.server.app, waits).await;
        assert!(matches!(answer[..], [Answer::Done { .. }]), "{answer:?}");
        assert_eq!(groups(&stage).await[0]["members"], json!([ANNA]));
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_done_with_groups_keeps_the_pace_of_the_lane(url: &str) {
        let stage = Stage::without_portal(url).await;
        let phone = linked(&stage).await;
        let first = json!({ "title": "Раз", "people": [ANNA] });
        let second = json!({ "title": "Два", "people": [ANNA] });
        let (first, second) = (stage.api_with("POST", &of(&phone), first).await, stage.api_with("POST", &of(&phone), second).await);
        stage.act_over(&first).await;
        stage.act_over(&second).await;
        let starts = stage.vendor_starts_us("waha", "groups").await;
        assert_eq!(starts.len(), 2);
        assert!(starts[1] - starts[0] >= GAP_MS * 2 / 3 * 1000, "{starts:?}");
        stage.clear().await;
    }
}

//! Groups of a Telegram account end to end: people who are met one after the other, one who is invited, a supergroup.

use serde_json::{Value, json};

use super::stage::Stage;
use super::telegram::{ACCOUNT, signed_in};

const ANNA: &str = "79990000001";
const BORIS: &str = "79990000002";
const VERA: &str = "79990000003";

async fn account(stage: &Stage) -> Value {
    stage.control("GET", "/_/mtproto/accounts", Value::Null).await["accounts"][0].clone()
}

async fn change(stage: &Stage, what: Value) {
    stage.control("POST", &format!("/_/mtproto/accounts/{ACCOUNT}"), what).await;
}

async fn fault(stage: &Stage, method: &str) {
    let fault = json!({ "vendor": "mtproto", "method": method, "kind": "cut", "times": 1 });
    stage.control("POST", "/_/faults", fault).await;
}

/// They write first, so they are no strangers.
async fn write_first(stage: &Stage, channel: &str, phones: &[&str]) {
    for (n, phone) in phones.iter().enumerate() {
        let said = json!({ "messenger": "telegram", "text": format!("{n}") });
        stage.control("POST", &format!("/_/phones/{phone}/say"), said).await;
    }
    let said: Vec<String> = (0..phones.len()).map(|n| format!("< {n}")).collect();
    stage.wait_for_history(channel, &said.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

async fn got(stage: &Stage, phone: &str) -> Vec<String> {
    let told = stage.control("GET", &format!("/_/phones/{phone}"), Value::Null).await;
    let all = told["messages"].as_array().unwrap().iter();
    let ours = all.filter(|one| one["messenger"] == "telegram" && one["direction"] == "received");
    ours.map(|one| one["text"].as_str().unwrap().to_owned()).collect()
}

/// The name of somebody in Telegram. Phones of people who are no contacts are not told, so whoever wrote is known by it.
fn name(phone: &str) -> String {
    format!("@client_{phone}")
}

fn people(act: &Value) -> Vec<(String, String, Option<String>)> {
    let word = |one: &Value, name: &str| one[name].as_str().map(str::to_owned);
    let all = act["people"].as_array().unwrap().iter();
    all.map(|one| (word(one, "to").unwrap(), word(one, "outcome").unwrap(), word(one, "code"))).collect()
}

fn person(to: &str, outcome: &str, code: Option<&str>) -> (String, String, Option<String>) {
    (to.to_owned(), outcome.to_owned(), code.map(str::to_owned))
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_group_is_made_written_into_moved_renamed_and_left(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = signed_in(&stage).await;
        let id = channel["id"].as_str().unwrap();
        let groups = format!("/api/v1/channels/{id}/groups");
        write_first(&stage, id, &[BORIS]).await;
        change(&stage, json!({ "closed": [BORIS] })).await;
        // a stranger by phone, one who wrote, a stranger by name, and nobody
        let (boris, vera) = (name(BORIS), name(VERA));
        let body = json!({ "title": "Заказ 15", "people": ["+7 999 000-00-01", boris, vera, "@nobody_there"] });
        let made = stage.act_over(&stage.api_with("POST", &groups, body).await).await;
        assert_eq!((&made["state"], &made["code"]), (&json!("done"), &Value::Null), "{made}");
        let told = [person(ANNA, "added", None), person(&boris, "invited", Some("group_privacy")),
            person(&vera, "added", None), person("@nobody_there", "left_out", Some("nobody"))];
        assert_eq!(people(&made), told);
        let chat = made["chat"].as_str().unwrap().to_owned();
        stage.wait_for_message(made["people"][1]["message"].as_str().unwrap(), "sent").await;
        let invited = got(&stage, BORIS).await;
        assert_eq!(invited.len(), 1, "{invited:?}");
        assert!(invited[0].starts_with("Приглашаем вас в группу «Заказ 15»:\nhttps://t.me/+"), "{invited:?}");

        stage.sent(json!({ "to": chat, "text": "Всем привет", "channel": id }), "sent").await;
        let file = stage.upload("Счёт.pdf", "application/pdf", b"%PDF-1.4".to_vec()).await;
        stage.sent(json!({ "to": chat, "text": "Счёт", "file": { "source": file["source"] }, "channel": id }), "sent").await;
        assert_eq!(got(&stage, ANNA).await, ["Всем привет", "Счёт"]);
        let number: i64 = chat.trim_start_matches('-').parse().unwrap();
        let path = format!("/_/mtproto/accounts/{ACCOUNT}/groups/{number}/migrate");
        let moved = stage.control("POST", &path, json!({})).await["id"].as_i64().unwrap();
        let new = format!("-100{moved:010}");
        stage.wait_for("the group has its new name", |stage| {
            let (groups, new) = (groups.clone(), new.clone());
            async move { (stage.api("GET", &groups).await["groups"][0]["chat"] == new).then_some(()) }
        }).await;

        // whoever still knows the old name reaches the group
        let body = json!({ "title": "Заказ 15, доставка" });
        let renamed = stage.act_over(&stage.api_with("PATCH", &format!("{groups}/{chat}"), body).await).await;
        assert_eq!((&renamed["state"], &renamed["chat"]), (&json!("done"), &json!(new)), "{renamed}");
        change(&stage, json!({ "closed": [] })).await;
        let body = json!({ "people": [ANNA, boris] });
        let added = stage.act_over(&stage.api_with("POST", &format!("{groups}/{new}/people"), body).await).await;
        assert_eq!(people(&added), [person(ANNA, "added", None), person(&boris, "added", None)], "{added}");
        stage.sent(json!({ "to": new, "text": "Переехали", "channel": id }), "sent").await;
        assert_eq!(got(&stage, VERA).await, ["Всем привет", "Счёт", "Переехали"]);
        let said = json!({ "text": "И вам", "group": moved });
        stage.control("POST", &format!("/_/mtproto/phones/{ANNA}/say"), said).await;
        stage.wait_for("the answer came into the group", |stage| async move {
            stage.history(id).await.contains(&"< И вам".to_owned()).then_some(())
        }).await;
        let listed = stage.api("GET", &groups).await;
        assert_eq!(listed["groups"], json!([{ "chat": new, "title": "Заказ 15, доставка", "allowed": true }]));
        let left = stage.act_over(&stage.api("DELETE", &format!("{groups}/{new}")).await).await;
        assert_eq!(left["state"], "done", "{left}");
        assert_eq!(account(&stage).await["supergroups"][0]["left"], true);
        assert_eq!(stage.api("GET", &groups).await["groups"][0]["allowed"], false);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_call_that_is_cut_is_made_again_and_nobody_is_invited_twice(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = signed_in(&stage).await;
        let id = channel["id"].as_str().unwrap();
        let groups = format!("/api/v1/channels/{id}/groups");
        write_first(&stage, id, &[BORIS, VERA]).await;
        let made = stage.act_over(&stage.api_with("POST", &groups, json!({ "title": "Раз", "people": [ANNA] })).await).await;
        let chat = made["chat"].as_str().unwrap();
        change(&stage, json!({ "closed": [VERA] })).await;
        for method in ["messages.addChatUser", "messages.exportChatInvite"] {
            fault(&stage, method).await;
        }
        let (boris, vera) = (name(BORIS), name(VERA));
        let body = json!({ "people": [boris, vera] });
        let added = stage.act_over(&stage.api_with("POST", &format!("{groups}/{chat}/people"), body).await).await;
        assert_eq!(people(&added), [person(&boris, "added", None), person(&vera, "invited", Some("group_privacy"))], "{added}");
        stage.wait_for_message(added["people"][1]["message"].as_str().unwrap(), "sent").await;
        assert_eq!(got(&stage, VERA).await.len(), 1);
        assert_eq!(account(&stage).await["groups"][0]["members"].as_array().unwrap().len(), 2);
        assert_eq!(stage.calls("mtproto", "messages.exportChatInvite").await.len(), 2);
        // nothing drops a second group, so one of unknown fate is not made again
        fault(&stage, "messages.createChat").await;
        let made = stage.act_over(&stage.api_with("POST", &groups, json!({ "title": "Два", "people": [ANNA] })).await).await;
        assert_eq!(made["state"], "unknown", "{made}");
        assert_eq!(stage.calls("mtproto", "messages.createChat").await.len(), 2);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn strangers_are_brought_into_groups_no_faster_than_they_are_written_to(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = signed_in(&stage).await;
        let (id, lane) = (channel["id"].as_str().unwrap(), channel["lane"].as_i64().unwrap());
        let groups = format!("/api/v1/channels/{id}/groups");
        let body = json!({ "title": "Раз", "people": [ANNA, BORIS, name(VERA)] });
        let act = stage.api_with("POST", &groups, body).await;
        // the first of them is met, the second one waits for three minutes and the group with them
        stage.wait_for("the act waits", |stage| async move {
            let calls = stage.calls("mtproto", "contacts.importContacts").await.len();
            (calls == 1 && stage.waiting(lane).await.len() == 1).then_some(())
        }).await;
        let said = stage.sent(json!({ "to": name(VERA), "text": "Добрый день", "channel": id }), "sent").await;
        assert_eq!(said["status"], "sent", "the lane goes on");
        assert!(stage.calls("mtproto", "messages.createChat").await.is_empty());
        let waits = stage.waiting(lane).await;
        stage.sql("UPDATE first_gates SET last_at = last_at - 180000").await;
        let answer = switchboard::flow::perform::perform(&stage.server.app, waits).await;
        assert!(matches!(answer[..], [switchboard::model::vendor::Answer::Done { .. }]), "{answer:?}");
        assert_eq!(stage.calls("mtproto", "contacts.importContacts").await.len(), 2, "each is met once");
        assert_eq!(account(&stage).await["groups"][0]["members"].as_array().unwrap().len(), 3);
        assert_eq!(stage.api("GET", &format!("/api/v1/group-acts/{}", act["id"].as_str().unwrap())).await["state"], "waiting");
        // where the account is limited, whoever asked hears at once who cannot come
        change(&stage, json!({ "limited": true })).await;
        stage.sql("UPDATE first_gates SET last_at = 0, held_until = 9000000000000").await;
        let body = json!({ "title": "Два", "people": ["79990000004"] });
        let made = stage.act_over(&stage.api_with("POST", &groups, body).await).await;
        assert_eq!((&made["state"], &made["code"]), (&json!("failed"), &json!("spam_suspected")), "{made}");
        stage.clear().await;
    }
}

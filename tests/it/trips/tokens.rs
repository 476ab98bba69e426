//! Tokens of a portal: renewed once, lost, and found again.

use futures_util::future::join_all;
use serde_json::{Value, json};
use switchboard::flow::portal;

use super::stage::Stage;

async fn renewals(stage: &Stage) -> usize {
    stage.calls("oauth", "token").await.len()
}

/// Opens the page of the application as an employee of the portal.
async fn open(stage: &Stage, user: i64) {
    let page = json!({ "url": format!("{}/bitrix24/app", stage.address), "user": user });
    let opened = stage.control("POST", "/_/b24/demo/open", page).await;
    assert_eq!(opened["status"], 200, "{opened}");
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_tasks_renew_an_expired_token_once(url: &str) {
        let stage = Stage::set(url).await;
        let (app, company) = (&stage.server.app, stage.company);
        let id = stage.row().await.unwrap().id.parse().unwrap();
        stage.control("POST", "/_/b24/demo/expire-tokens", Value::Null).await;
        // nobody here knows that the token expired: every one of them hears it from the portal
        let calls = (0..20).map(|_| portal::call(app, company, id, "server.time", &Value::Null));
        for outcome in join_all(calls).await {
            outcome.unwrap().unwrap();
        }
        assert_eq!(renewals(&stage).await, 1);
        assert_eq!(stage.answer_to(json!({ "phones": "+79990000001", "message": "Раз" })).await["status"], "Y");
        assert_eq!(renewals(&stage).await, 1);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_token_that_expires_in_the_middle_costs_a_robot_nothing(url: &str) {
        let stage = Stage::set(url).await;
        let fault = json!({ "vendor": "bitrix24", "method": "bizproc.event.send", "kind": "token_expired", "times": 1 });
        stage.control("POST", "/_/faults", fault).await;
        assert_eq!(stage.answer_to(json!({ "phones": "+79990000001", "message": "Раз" })).await["status"], "Y");
        let calls = stage.calls("bitrix24", "bizproc.event.send").await;
        assert_eq!(calls.iter().map(|call| call["status"].as_i64().unwrap()).collect::<Vec<_>>(), [401, 200]);
        assert_eq!(renewals(&stage).await, 1);
        assert_eq!(stage.row().await.unwrap().state, "installed");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_tokens_of_another_administrator_help_when_one_has_left(url: &str) {
        let stage = Stage::set(url).await;
        open(&stage, 27).await;
        for user in [1, 27] {
            stage.control("POST", "/_/b24/demo/revoke", json!({ "user": user })).await;
            stage.control("POST", "/_/b24/demo/habits", json!({ "no_tokens": true })).await;
            assert_eq!(stage.answer_to(json!({ "phones": "+79990000001", "message": "Раз" })).await["status"], "Y");
            open(&stage, if user == 1 { 1 } else { 27 }).await;
        }
        assert_eq!(stage.row().await.unwrap().state, "installed");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_lost_portal_keeps_what_waits_and_tells_it_when_it_is_found(url: &str) {
        let stage = Stage::set(url).await;
        let lane = stage.lane("portal").await;
        let fire = |stage: &Stage, text: &str| {
            let robot = json!({ "phones": "+79990000001", "message": text, "card_comment": "N" });
            let base = stage.base.clone();
            async move {
                let call = json!({ "deal": 8061, "properties": robot, "use_subscription": "Y", "timeout_s": 0 });
                let fire = format!("{base}/_/b24/demo/robots/switchboard_send/fire");
                crate::rig::client().post(fire).json(&call).send().await.unwrap();
            }
        };
        let answered = |stage: &Stage| {
            let base = stage.base.clone();
            async move {
                let steps = reqwest::get(format!("{base}/_/b24/demo/steps")).await.unwrap();
                steps.json::<Value>().await.unwrap()["counts"]["answered"].as_i64().unwrap()
            }
        };
        // the robots bring no tokens, and every token that we have is refused
        stage.control("POST", "/_/b24/demo/habits", json!({ "no_tokens": true })).await;
        stage.control("POST", "/_/b24/demo/revoke", json!({})).await;
        fire(&stage, "Раз").await;
        stage.wait_for_state("lost").await;
        let told = stage.api("GET", "/api/v1/portals").await["portals"][0].clone();
        assert_eq!((&told["state"], &told["lane_state"], &told["lane"]), (&json!("lost"), &json!("lost"), &json!(lane)));
        // what comes in is taken all the same, and the messages leave
        fire(&stage, "Два").await;
        stage.wait_for("both answers wait in the lane that stands", |stage| async move {
            (stage.waiting(lane).await.len() == 2).then_some(())
        }).await;
        let asked = stage.calls("bitrix24", "bizproc.event.send").await.len();
        assert_eq!((stage.texts("79990000001").await.len(), answered(&stage).await), (2, 0));

        open(&stage, 1).await;
        stage.wait_for("both robots are answered", |stage| async move {
            (answered(stage).await == 2).then_some(())
        }).await;
        assert_eq!(stage.calls("bitrix24", "bizproc.event.send").await.len(), asked + 2);
        assert_eq!(stage.row().await.unwrap().state, "installed");

        // lost once more; this time a robot brings what is missing
        stage.control("POST", "/_/b24/demo/revoke", json!({})).await;
        fire(&stage, "Три").await;
        stage.wait_for_state("lost").await;
        stage.control("POST", "/_/b24/demo/habits", json!({})).await;
        fire(&stage, "Четыре").await;
        stage.wait_for("all robots are answered", |stage| async move {
            (answered(stage).await == 4).then_some(())
        }).await;
        assert_eq!(stage.row().await.unwrap().state, "installed");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_authorization_server_that_is_down_loses_nothing(url: &str) {
        let stage = Stage::set(url).await;
        stage.control("POST", "/_/b24/demo/expire-tokens", Value::Null).await;
        for kind in ["down", "html", "cut_before"] {
            let fault = json!({ "vendor": "oauth", "method": "token", "kind": kind, "times": 1 });
            stage.control("POST", "/_/faults", fault).await;
        }
        assert_eq!(stage.answer_to(json!({ "phones": "+79990000001", "message": "Раз" })).await["status"], "Y");
        assert_eq!(stage.row().await.unwrap().state, "installed");
        stage.clear().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_on_one_database_renew_a_token_once() {
    let url = crate::postgres::fresh_database();
    let stage = Stage::set(&url).await;
    let other = stage.another_server(&url).await;
    let id = stage.row().await.unwrap().id.parse().unwrap();
    for round in 1..=3 {
        stage.control("POST", "/_/b24/demo/expire-tokens", Value::Null).await;
        let calls = (0..20).map(|n| {
            let app = if n % 2 == 0 { &stage.server.app } else { &other.app };
            portal::call(app, stage.company, id, "server.time", &Value::Null)
        });
        for outcome in join_all(calls).await {
            outcome.unwrap().unwrap();
        }
        assert_eq!(renewals(&stage).await, round);
    }
    other.stop().await;
    stage.clear().await;
}

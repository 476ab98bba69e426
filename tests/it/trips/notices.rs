//! What vendors tell of a channel reaches the people of its portal.

use serde_json::{Value, json};
use switchboard::flow::perform;
use switchboard::model::vendor::{Answer, Scope};

use super::stage::Stage;

async fn notices(stage: &Stage) -> Vec<Value> {
    stage.portal().await["notices"].as_array().unwrap().clone()
}

async fn channel(stage: &Stage) -> Value {
    stage.api("GET", "/api/v1/channels").await["channels"][0].clone()
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_number_that_meta_suspects_of_spam_is_shown_so_and_its_portal_is_told(url: &str) {
        let stage = Stage::set(url).await;
        let fault = json!({ "vendor": "waba", "method": "messages", "kind": "refuse", "code": 131_048, "times": 1 });
        stage.control("POST", "/_/faults", fault).await;
        let message = json!({ "to": "79990000001", "text": "Раз", "messenger": "waba" });
        stage.api_with("POST", "/api/v1/messages", message).await;
        let seen = stage.wait_for("the channel is suspected", |stage| async move {
            let seen = channel(stage).await;
            (seen["state"] == "spam").then_some(seen)
        });
        let seen = seen.await;
        assert_eq!(seen["health"]["error"]["code"], "spam_suspected", "{seen}");
        let told = stage.wait_for("the portal is told", |stage| async move { notices(stage).await.pop() }).await;
        assert!(told["text"].as_str().unwrap().contains("подозревает спам"), "{told}");
        assert_eq!(stage.calls("bitrix24", "im.notify.system.add").await.len(), 1, "once for each administrator");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_waits_in_an_expired_line_does_not_leave_and_is_not_lost(url: &str) {
        let stage = Stage::set(url).await;
        let lane = channel(&stage).await["lane"].as_i64().unwrap();
        stage.api("POST", &format!("/api/v1/lanes/{lane}/pause")).await;
        let message = json!({ "to": "79990000001", "text": "Раз", "messenger": "waba" });
        stage.api_with("POST", "/api/v1/messages", message).await;
        let path = format!("/api/v1/lines/{}", stage.line);
        stage.api_with("PATCH", &path, json!({ "name": "Продажи", "expires_at": 1 })).await;
        let waits = stage.waiting(lane).await;
        let answer = perform::perform(&stage.server.app, waits.clone()).await;
        assert_eq!(answer, [Answer::Busy { after_ms: 60_000, scope: Scope::Lane }], "the lane rests and counts no attempt");
        assert_eq!(stage.calls("waba", "messages").await.len(), 0, "nothing left");
        assert_eq!(stage.api("GET", "/api/v1/queue").await["lanes"][0]["waiting"], 1);
        stage.api_with("PATCH", &path, json!({ "name": "Продажи", "expires_at": null })).await;
        let answer = perform::perform(&stage.server.app, waits).await;
        assert!(matches!(answer[..], [Answer::Done { .. }]), "{answer:?}");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_lost_channel_is_told_to_the_administrator_of_the_portal(url: &str) {
        let stage = Stage::set(url).await;
        let fault = json!({ "vendor": "waba", "method": "messages", "kind": "refuse", "code": 190, "times": 1 });
        stage.control("POST", "/_/faults", fault).await;
        let message = json!({ "to": "79990000001", "text": "Раз", "messenger": "waba" });
        stage.api_with("POST", "/api/v1/messages", message).await;
        let told = stage.wait_for("the portal is told", |stage| async move { notices(stage).await.pop() }).await;
        let text = told["text"].as_str().unwrap();
        assert!(text.contains("не работает с") && text.contains("Продажи") && text.contains("(190)"), "{text}");
        let seen = channel(&stage).await;
        assert_eq!((seen["state"].as_str(), seen["health"]["error"]["code"].as_str()), (Some("lost"), Some("channel_lost")));
        let installer = stage.row().await.unwrap();
        let people = stage.server.app.store.read(move |conn| switchboard::on!(conn, portal::tokens(installer.id.parse().unwrap())));
        let admin = people.await.unwrap().remove(0).user_id;
        assert_eq!(told["user"].to_string(), admin, "{told}");
        assert_eq!(notices(&stage).await.len(), 1);
        stage.clear().await;
    }
}

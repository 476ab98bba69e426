//! The limits of a portal: its bucket, and the time of each method.

use serde_json::{Value, json};

use super::stage::Stage;

fn statuses(calls: &[Value]) -> Vec<i64> {
    calls.iter().map(|call| call["status"].as_i64().unwrap()).collect()
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_portal_is_called_no_faster_than_it_lets_us(url: &str) {
        let stage = Stage::set(url).await;
        stage.control("POST", "/_/b24/demo/limits", json!({ "rate": 2, "depth": 3 })).await;
        // the answers leave at once, each with a comment: ten calls
        for _ in 0..5 {
            stage.fire(json!({ "phones": "+79990000001", "message": "Раз", "async_result": "N" })).await;
        }
        stage.wait_for("all robots are answered and all comments are written", |stage| async move {
            let counts = stage.portal().await["steps"]["answered"].clone();
            (counts == 5 && stage.comments().await.len() == 5).then_some(())
        }).await;
        let mut calls = stage.calls("bitrix24", "bizproc.event.send").await;
        calls.extend(stage.calls("bitrix24", "crm.timeline.comment.add").await);
        assert_eq!(statuses(&calls), [200; 10], "the portal had to say that we are too fast");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_full_bucket_delays_and_loses_nothing(url: &str) {
        let stage = Stage::set(url).await;
        let fault = json!({ "vendor": "bitrix24", "method": "bizproc.event.send", "kind": "busy", "times": 2 });
        stage.control("POST", "/_/faults", fault).await;
        assert_eq!(stage.answer_to(json!({ "phones": "+79990000001", "message": "Раз" })).await["status"], "Y");
        assert_eq!(statuses(&stage.calls("bitrix24", "bizproc.event.send").await), [503, 503, 200]);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_method_that_used_up_its_time_rests_and_the_others_go_on(url: &str) {
        let stage = Stage::set(url).await;
        let limit = json!({ "blocked_method": "bizproc.event.send", "blocked_s": 5 });
        stage.control("POST", "/_/b24/demo/limits", limit).await;
        stage.fire(json!({ "phones": "+79990000001", "message": "Раз" })).await;
        stage.wait_for("the portal said that the method rests", |stage| async move {
            (statuses(&stage.calls("bitrix24", "bizproc.event.send").await) == [429]).then_some(())
        }).await;
        // robots that come now do not ask again, and comments are not held up
        for text in ["Два", "Три"] {
            stage.fire(json!({ "phones": "+79990000002", "message": text })).await;
        }
        stage.wait_for("the comments are written", |stage| async move {
            (stage.comments().await.len() == 3).then_some(())
        }).await;
        assert_eq!(statuses(&stage.calls("bitrix24", "bizproc.event.send").await), [429]);
        stage.wait_for("all robots are answered after the rest", |stage| async move {
            (stage.portal().await["steps"]["answered"] == 3).then_some(())
        }).await;
        let mut calls = statuses(&stage.calls("bitrix24", "bizproc.event.send").await);
        calls.sort_unstable();
        assert_eq!(calls, [200, 200, 200, 429]);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_answer_whose_fate_is_unknown_is_given_again_and_a_comment_is_not(url: &str) {
        let stage = Stage::set(url).await;
        for method in ["bizproc.event.send", "crm.timeline.comment.add"] {
            let fault = json!({ "vendor": "bitrix24", "method": method, "kind": "cut", "times": 1 });
            stage.control("POST", "/_/faults", fault).await;
        }
        assert_eq!(stage.answer_to(json!({ "phones": "+79990000001", "message": "Раз" })).await["status"], "Y");
        let lane = stage.lane("portal").await;
        stage.wait_for("nothing waits any more", |stage| async move {
            stage.waiting(lane).await.is_empty().then_some(())
        }).await;
        assert_eq!(stage.calls("bitrix24", "bizproc.event.send").await.len(), 2);
        assert_eq!((stage.comments().await.len(), stage.calls("bitrix24", "crm.timeline.comment.add").await.len()), (1, 1));
        stage.clear().await;
    }
}

//! Connectors: put into the contact centre once, connected to lines, taken away, and what is said meanwhile.

use serde_json::{Value, json};
use switchboard::flow::install;
use switchboard::flow::open_line::settings::{self, ConnectError};
use switchboard::model::message::Kind;
use switchboard::model::open_line::Settings;

use super::{CUSTOMER, LINE, said, says};
use crate::trips::stage::Stage;

/// How a connection stands.
async fn state(stage: &Stage) -> String {
    let portal = stage.portal_id().await;
    settings::read(&stage.server.app, stage.company, portal, Kind::Waba, LINE).await.unwrap().state
}

async fn turned(stage: &Stage, to: &str) {
    stage
        .wait_for(&format!("the connection is {to}"), |stage| async move { (state(stage).await == to).then_some(()) })
        .await;
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn installing_three_times_leaves_one_of_everything_and_what_was_connected(url: &str) {
        let stage = Stage::set(url).await;
        stage.connected(Kind::Waba, Settings::default()).await;
        let standing = |card: &Value| {
            let lines = &card["open_lines"];
            let count = |what: &Value| what.as_object().map(serde_json::Map::len).or_else(|| what.as_array().map(Vec::len));
            (count(&lines["connectors"]), count(&card["events"]), lines["lines"][0]["connectors"].clone())
        };
        let once = standing(&stage.portal().await);
        assert_eq!(once, (Some(8), Some(10), json!(["switchboard_waba"])));
        for _ in 0..2 {
            stage.install().await;
            assert_eq!(standing(&stage.portal().await), once);
        }
        // an update takes connectors away; they come back, and so does the connection
        stage.control("POST", "/_/b24/demo/update", json!({})).await;
        stage.wait_for("everything stands again", |stage| async move {
            (standing(&stage.portal().await) == (Some(8), Some(10), json!(["switchboard_waba"]))).then_some(())
        }).await;
        let card = stage.portal().await;
        let waba = &card["open_lines"]["connectors"]["switchboard_waba"];
        assert_eq!(waba["NAME"], "Switchboard - WhatsApp Business");
        assert_eq!(waba["PLACEMENT_HANDLER"], format!("{}/bitrix24/connector", stage.address));
        assert!(install::put_again(&stage.server.app).await.unwrap().iter().all(|(_, done)| done.is_ok()));
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_missing_scope_is_named_and_the_rest_is_installed(url: &str) {
        let stage = Stage::without_portal(url).await;
        let scope = json!({ "scope": "crm,im,placement,bizproc,messageservice,user_brief" });
        stage.control("POST", "/_/b24/demo/limits", scope).await;
        let done = stage.control("POST", "/_/b24/demo/install", json!({ "mode": "page", "finish": false })).await;
        let body = done["page"]["body"].as_str().unwrap().replace("&quot;", "\"");
        let told = |method: &str| body.matches(&format!("{{\"method\":\"{method}\",\"code\":\"insufficient_scope\"")).count();
        // eight connectors that fail for one reason are told once
        assert_eq!((told("imconnector.list"), told("imconnector.register")), (1, 0), "{body}");
        let card = stage.portal().await;
        assert!(card["robots"]["switchboard_send"].is_object(), "{card}");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn connecting_says_what_is_wrong_and_changes_nothing(url: &str) {
        let stage = Stage::set(url).await;
        let bad = Settings { ignored: vec!["звоните".into()], ..Settings::default() };
        let refused = stage.connect(Kind::Waba, LINE, bad).await.unwrap_err();
        assert!(matches!(&refused, ConnectError::Wrong(wrong) if wrong[0].field == "settings.ignored.0"), "{refused:?}");
        // a line that is not there, and a portal that is away
        let refused = stage.connect(Kind::Waba, 777, Settings::default()).await.unwrap_err();
        assert_eq!(refused.code(), "portal_refused");
        let fault = json!({ "vendor": "bitrix24", "method": "imconnector.activate", "kind": "html", "times": 1 });
        stage.control("POST", "/_/faults", fault).await;
        let refused = stage.connect(Kind::Waba, LINE, Settings::default()).await.unwrap_err();
        assert!(refused.words().0.contains("повторите"), "{refused:?}");
        assert_eq!(state(&stage).await, "failed");
        stage.connected(Kind::Waba, Settings::default()).await;
        // one account is in one line of a portal
        let refused = stage.connect(Kind::Waba, 15, Settings::default()).await.unwrap_err();
        assert!(matches!(refused, ConnectError::ChannelTaken(LINE)), "{refused:?}");
        let portal = stage.portal_id().await;
        let lines = settings::open_lines(&stage.server.app, stage.company, portal).await.unwrap();
        assert_eq!(lines.iter().map(|line| line.name.as_str()).collect::<Vec<_>>(), ["Продажи", "Поддержка"]);
        let all = settings::list(&stage.server.app, stage.company, portal).await.unwrap();
        let on: Vec<i64> = all.iter().filter(|one| one.state == "on").map(|one| one.open_line).collect();
        assert_eq!(on, [LINE]);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_portal_with_hundreds_of_lines_shows_all_of_them(url: &str) {
        let stage = Stage::set(url).await;
        for line in 101..=500 {
            stage.control("POST", &format!("/_/b24/demo/lines/{line}"), json!({ "name": format!("Точка {line}") })).await;
        }
        let (app, portal) = (&stage.server.app, stage.portal_id().await);
        stage.control("DELETE", "/_/ledger", Value::Null).await;
        let lines = settings::open_lines(app, stage.company, portal).await.unwrap();
        let ids: Vec<i64> = lines.iter().map(|line| line.id).collect();
        let expected: Vec<i64> = [12, 15].into_iter().chain(101..=500).collect();
        assert_eq!(ids, expected);
        assert_eq!(stage.calls("bitrix24", "imopenlines.config.list.get").await.len(), 3);
        // the last one works as any other
        let connection = stage.connect(Kind::Waba, 500, Settings::default()).await.unwrap();
        assert_eq!((connection.state.as_str(), connection.open_line_name.as_deref()), ("on", Some("Точка 500")));
        let again = settings::refresh(app, stage.company, portal, Kind::Waba, 500).await.unwrap();
        assert_eq!(again.state, "on");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_line_that_is_off_keeps_what_was_said_until_it_is_on(url: &str) {
        let stage = Stage::set(url).await;
        stage.connected(Kind::Waba, Settings::default()).await;
        stage.customer_says(json!({ "messenger": "waba", "text": "Раз" })).await;
        stage.chat_where("the customer is heard", CUSTOMER, says("Раз")).await;
        stage.control("POST", "/_/b24/demo/lines/12", json!({ "active": false })).await;
        for text in ["Два", "Три"] {
            stage.customer_says(json!({ "messenger": "waba", "text": text })).await;
        }
        turned(&stage, "inactive").await;
        let (app, portal) = (&stage.server.app, stage.portal_id().await);
        stage.wait_for("both wait", |_| async move {
            let read = settings::read(app, stage.company, portal, Kind::Waba, LINE).await.unwrap();
            (read.waiting == 2).then_some(())
        }).await;
        stage.control("POST", "/_/b24/demo/lines/12", json!({ "active": true })).await;
        let back = settings::refresh(app, stage.company, portal, Kind::Waba, LINE).await.unwrap();
        assert_eq!((back.state.as_str(), back.waiting), ("on", 0));
        let chat = stage.chat_where("all of it is there", CUSTOMER, says("Три")).await;
        assert_eq!(said(&chat), ["Раз", "Два", "Три"]);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_taken_away_in_the_portal_shows_here(url: &str) {
        let stage = Stage::set(url).await;
        stage.connected(Kind::Waba, Settings::default()).await;
        stage.control("POST", "/_/b24/demo/lines/12", json!({ "disconnect": "switchboard_waba" })).await;
        turned(&stage, "switched_off").await;
        stage.connected(Kind::Waba, Settings::default()).await;
        stage.control("POST", "/_/b24/demo/lines/12", json!({ "delete": true })).await;
        turned(&stage, "deleted").await;
        let (app, portal) = (&stage.server.app, stage.portal_id().await);
        let off = settings::disconnect(app, stage.company, portal, Kind::Waba, LINE).await.unwrap();
        assert_eq!(off.state, "off");
        // the account is free again
        let other = stage.connect(Kind::Waba, 15, Settings::default()).await.unwrap();
        assert_eq!(other.state, "on");
        stage.customer_says(json!({ "messenger": "waba", "text": "Здесь?" })).await;
        let chat = stage.chat_where("the other line hears", CUSTOMER, says("Здесь?")).await;
        assert_eq!(chat["line"], 15);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_line_that_is_no_sms_provider_is_taken_out_of_the_list_and_back(url: &str) {
        let stage = Stage::set(url).await;
        let sender = format!("switchboard_{}", stage.line);
        let has = |card: &Value| card["senders"][&sender].is_object();
        stage.connected(Kind::Waba, Settings { sms_provider: false, ..Settings::default() }).await;
        stage.wait_for("it is gone", |stage| async move { (!has(&stage.portal().await)).then_some(()) }).await;
        stage.install().await;
        assert!(!has(&stage.portal().await), "an installation does not bring it back");
        stage.connected(Kind::Waba, Settings::default()).await;
        stage.wait_for("it is back", |stage| async move { has(&stage.portal().await).then_some(()) }).await;
        stage.clear().await;
    }
}

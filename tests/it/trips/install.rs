//! The life of the application in a portal, over real sockets.

use serde_json::{Value, json};

use super::stage::Stage;
use switchboard::model::id::PortalId;
use switchboard::store::row::PortalPatch;

/// An event of the application's life as the portal would post it, with the tokens of an administrator.
async fn life(stage: &Stage, event: &str, application_token: &str, ts: i64) -> String {
    let card = stage.portal().await;
    let pair = stage.control("POST", "/_/b24/demo/tokens", json!({ "user": 1 })).await;
    let fields = [
        ("event".to_owned(), event.to_owned()),
        ("data[VERSION]".to_owned(), "1".to_owned()),
        ("ts".to_owned(), ts.to_string()),
        ("auth[access_token]".to_owned(), pair["access_token"].as_str().unwrap().to_owned()),
        ("auth[refresh_token]".to_owned(), pair["refresh_token"].as_str().unwrap().to_owned()),
        ("auth[server_endpoint]".to_owned(), card["server_endpoint"].as_str().unwrap().to_owned()),
        ("auth[member_id]".to_owned(), card["member_id"].as_str().unwrap().to_owned()),
        ("auth[application_token]".to_owned(), application_token.to_owned()),
    ];
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn count(card: &Value, what: &str) -> usize {
    card[what].as_object().map(serde_json::Map::len).or_else(|| card[what].as_array().map(Vec::len)).unwrap()
}

/// Robots, senders and events that stand in the portal.
fn standing(card: &Value) -> (usize, usize, usize) {
    (count(card, "robots"), count(card, "senders"), count(card, "events"))
}

fn now_s() -> i64 {
    chrono::Utc::now().timestamp()
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_local_app_is_installed_by_its_page_and_once_more_without_harm(url: &str) {
        let stage = Stage::without_portal(url).await;
        let page = stage.control("POST", "/_/b24/demo/install", json!({ "mode": "page", "finish": true })).await;
        let body = page["page"]["body"].as_str().unwrap();
        assert!(body.contains("name=\"boot\" content=\"{&quot;page&quot;:&quot;install&quot;"), "{body}");
        assert!(body.contains("&quot;troubles&quot;:[]") && !body.contains("bitrix24.com"), "{body}");
        let first = stage.row().await.unwrap();
        assert_eq!(standing(&stage.portal().await), (12, 1, 10));
        for _ in 0..2 {
            stage.install().await;
            assert_eq!(standing(&stage.portal().await), (12, 1, 10));
        }
        let again = stage.row().await.unwrap();
        assert_eq!((&again.id, again.lane, &again.hook_key), (&first.id, first.lane, &first.hook_key));
        // a line that is made later becomes a sender by itself, and its new name is told
        let lines = json!({ "name": "Сервис" });
        let line = stage.api_with("POST", "/api/v1/lines", lines).await["id"].as_i64().unwrap();
        stage.api_with("PATCH", &format!("/api/v1/lines/{line}"), json!({ "name": "Поддержка" })).await;
        stage.wait_for("the sender of the line has its new name", |stage| async move {
            let sender = stage.portal().await["senders"][format!("switchboard_{line}")].clone();
            (sender["NAME"]["ru"] == "Switchboard: Поддержка").then_some(())
        }).await;
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_marketplace_app_is_installed_by_its_event(url: &str) {
        let stage = Stage::without_portal(url).await;
        // the page and the event, each twice and in any order: one portal comes of it
        stage.control("POST", "/_/b24/demo/habits", json!({ "doubles": true, "literal": true })).await;
        stage.control("POST", "/_/b24/demo/install", json!({ "mode": "event" })).await;
        stage.wait_for("everything stands in the portal", |stage| async move {
            (standing(&stage.portal().await) == (12, 1, 10)).then_some(())
        }).await;
        stage.control("POST", "/_/b24/demo/install", json!({ "mode": "both", "finish": true })).await;
        let row = stage.wait_for_state("installed").await;
        assert_eq!(row.member_id, stage.portal().await["member_id"].as_str().unwrap());
        stage.control("POST", "/_/b24/demo/habits", json!({})).await;
        assert_eq!(stage.answer_to(json!({ "phones": "+79990000001", "message": "Раз" })).await["status"], "Y");
        assert_eq!(standing(&stage.portal().await), (12, 1, 10));
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_update_takes_everything_away_and_it_is_put_back_with_the_new_token(url: &str) {
        let stage = Stage::set(url).await;
        let old = stage.portal().await["application_token"].clone();
        stage.control("POST", "/_/b24/demo/update", json!({})).await;
        stage.wait_for("everything stands in the portal again", |stage| async move {
            (standing(&stage.portal().await) == (12, 1, 10)).then_some(())
        }).await;
        stage.control("POST", "/_/b24/demo/finish", Value::Null).await;
        assert_ne!(stage.portal().await["application_token"], old);
        // the new token is known: a robot's call is believed
        assert_eq!(stage.answer_to(json!({ "phones": "+79990000001", "message": "Раз" })).await["status"], "Y");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_uninstalled_portal_is_silent_until_it_is_installed_again(url: &str) {
        let stage = Stage::set(url).await;
        stage.letter(8, "Приходите на распродажу").await;
        stage.wait_for("the letter has begun", |stage| async move {
            (!stage.vendor_starts_us("waba", "messages").await.is_empty()).then_some(())
        }).await;
        let token = stage.portal().await["application_token"].as_str().unwrap().to_owned();
        stage.control("POST", "/_/b24/demo/uninstall", json!({ "clean": false })).await;
        let row = stage.wait_for_state("uninstalled").await;
        assert!(!row.application_token.is_empty());
        let mailing = stage.only_mailing().await;
        let list = stage.api("GET", "/api/v1/mailings").await;
        assert_eq!(list["mailings"][0]["state"], "stopped", "{mailing}");
        let left = stage.vendor_starts_us("waba", "messages").await.len();
        assert!(left < 8, "{left} messages left");
        // nobody is told anything any more, and a robot of before is not believed
        stage.wait_for("nothing waits for the portal", |stage| async move {
            stage.waiting(row.lane).await.is_empty().then_some(())
        }).await;
        let robot = format!("code=switchboard_send&workflow_id=w&event_token=t&document_id[]=crm&document_id[]=c&\
            document_id[]=DEAL_8061&auth[member_id]={}&auth[application_token]={token}", row.member_id);
        assert_eq!(stage.post("/bitrix24/robot", robot).await.0, 403);

        stage.install().await;
        assert_eq!(stage.row().await.unwrap().state, "installed");
        assert_eq!(stage.answer_to(json!({ "phones": "+79990000002", "message": "Раз" })).await["status"], "Y");
        stage.control("POST", "/_/b24/demo/uninstall", json!({ "clean": true })).await;
        let row = stage.wait_for_state("uninstalled").await;
        assert_eq!(row.application_token, "");
        let (id, store) = (row.id.clone(), &stage.server.app.store);
        let promised = store.read(move |conn| switchboard::on!(conn, answer::due(i64::MAX, 100))).await.unwrap();
        assert!(promised.iter().all(|answer| answer.portal != id));
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn late_events_of_an_earlier_installation_change_nothing(url: &str) {
        let stage = Stage::set(url).await;
        let before = stage.row().await.unwrap();
        let token = stage.portal().await["application_token"].as_str().unwrap().to_owned();
        let hooks = |stage: &Stage| {
            let store = std::sync::Arc::clone(&stage.server.app.store);
            async move { store.read(|conn| switchboard::on!(conn, hook::backlog())).await.unwrap().0 }
        };
        // an installation of an hour ago, whose access token is good still, with a token of that time
        let install = life(&stage, "ONAPPINSTALL", "the-token-of-an-hour-ago", now_s() - 3600).await;
        assert_eq!(stage.post("/bitrix24/event", install).await.0, 200);
        // an uninstallation of before the last installation: with the token of that time, and with today's
        let uninstall = life(&stage, "ONAPPUNINSTALL", "the-token-of-an-hour-ago", now_s() - 3600).await;
        assert_eq!(stage.post("/bitrix24/event", uninstall).await.0, 403);
        let uninstall = life(&stage, "ONAPPUNINSTALL", &token, now_s() - 3600).await;
        assert_eq!(stage.post("/bitrix24/event", uninstall).await.0, 200);
        stage.wait_for("all events are worked", |stage| async move { (hooks(stage).await == 0).then_some(()) }).await;
        assert_eq!(stage.row().await.unwrap(), before);
        assert_eq!(stage.answer_to(json!({ "phones": "+79990000001", "message": "Раз" })).await["status"], "Y");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn only_an_administrator_installs_and_only_a_proven_portal(url: &str) {
        let stage = Stage::without_portal(url).await;
        let install = json!({ "mode": "page", "finish": true, "user": 33 });
        let done = stage.control("POST", "/_/b24/demo/install", install).await;
        assert_eq!(done["page"]["status"], 403, "{done}");
        assert!(done["page"]["body"].as_str().unwrap().contains("&quot;refusal&quot;:&quot;not_administrator&quot;"), "{done}");
        let member = stage.portal().await["member_id"].as_str().unwrap().to_owned();
        let server = stage.portal().await["server_endpoint"].as_str().unwrap().to_owned();
        let calls = stage.calls("oauth", "app.info").await.len();
        let page = |auth: &str, member: &str, server: &str| {
            format!("AUTH_ID={auth}&REFRESH_ID=r&member_id={member}&SERVER_ENDPOINT={server}&APPLICATION_TOKEN=x")
        };
        let path = "/bitrix24/install?DOMAIN=demo.bitrix24.test&PROTOCOL=1&LANG=en&APP_SID=1";
        for (what, form) in [
            ("a token that nobody knows", page("0123", &member, &server)),
            ("a server of a stranger's own", page("0123", &member, "https://evil.example/rest/")),
            ("no token", format!("member_id={member}")),
        ] {
            let (status, body) = stage.post(path, form).await;
            assert_eq!(status, 403, "{what}: {body}");
            assert!(body.contains("&quot;refusal&quot;:&quot;not_the_portal&quot;"), "{what}: {body}");
        }
        // the stranger's server was asked nothing, the vendor's was asked once
        assert_eq!(stage.calls("oauth", "app.info").await.len(), calls + 1);
        let pair = stage.control("POST", "/_/b24/demo/tokens", json!({ "user": 1 })).await;
        let other = page(pair["access_token"].as_str().unwrap(), "0123456789abcdef0123456789abcdef", &server);
        assert_eq!(stage.post(path, other).await.0, 403, "the token of another portal");
        assert_eq!(stage.row().await, None);
        // whoever opens the application's own page as an administrator of a portal that we forgot has it installed
        let app = json!({ "url": format!("{}/bitrix24/app", stage.address), "user": 1 });
        let opened = stage.control("POST", "/_/b24/demo/open", app).await;
        assert_eq!(opened["status"], 200, "{opened}");
        assert_eq!(standing(&stage.portal().await), (12, 1, 10));
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_portal_that_moved_is_followed_once_it_has_shown_that_it_is_the_same(url: &str) {
        let stage = Stage::set(url).await;
        let before = stage.row().await.unwrap();
        stage.control("POST", "/_/b24/demo/rename", json!({ "to": "moved", "domain": "moved.bitrix24.test" })).await;
        let call = json!({ "deal": 8061, "use_subscription": "Y", "timeout_s": 660,
            "properties": { "phones": "+79990000001", "message": "Раз", "card_comment": "Y" } });
        stage.control("POST", "/_/b24/moved/robots/switchboard_send/fire", call).await;
        stage.wait_for("the robot of the moved portal is answered", |stage| async move {
            let steps = stage.control("GET", "/_/b24/moved/steps?deal=8061", Value::Null).await;
            (steps["steps"][0]["returned"]["status"] == "Y").then_some(())
        }).await;
        let after = stage.row().await.unwrap();
        assert_eq!((after.id, after.member_id), (before.id, before.member_id));
        assert!(after.client_endpoint.ends_with("/b24/moved/rest/"), "{}", after.client_endpoint);
        stage.clear().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_portal_that_is_uninstalled_while_it_is_lost_stays_uninstalled() {
    let database = crate::postgres::fresh_database();
    let stage = Stage::set(&database).await;
    let (app, company) = (stage.server.app.clone(), stage.company);
    let id: PortalId = stage.row().await.unwrap().id.parse().unwrap();
    let ((told, tells), (let_go, goes)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel::<()>());
    let store = app.store.clone();
    let uninstalls = tokio::spawn(async move {
        let written = store.write(move |conn| {
            let patch = PortalPatch { state: Some("uninstalled".to_owned()), ..PortalPatch::default() };
            switchboard::on!(conn, portal::patch(company, id, &patch))?;
            told.send(()).unwrap();
            goes.recv().unwrap();
            Ok(())
        });
        written.await.unwrap();
    });
    tokio::task::spawn_blocking(move || tells.recv().unwrap()).await.unwrap();
    let (lost, ()) = tokio::join!(switchboard::flow::portal::lose(&app, company, id, "no token is good"), async {
        stage.somebody_waits_for_a_row("the loss waits for the uninstallation").await;
        let_go.send(()).unwrap();
    });
    lost.unwrap();
    uninstalls.await.unwrap();
    assert_eq!(stage.row().await.unwrap().state, "uninstalled");
    stage.clear().await;
}

//! Pages inside a portal: who may frame them, what opens them, and what their scripts may ask, over real sockets.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard::flow::framed;
use switchboard::model::clock::HandClock;
use switchboard::model::moment::Moment;
use switchboard::serve::Role;

use super::stage::Stage;

/// A page as a browser got it.
struct Page {
    status: u16,
    policy: String,
    boot: Value,
    body: String,
}

impl Page {
    fn token(&self) -> &str {
        self.boot["token"].as_str().unwrap_or_else(|| panic!("no token: {}", self.boot))
    }
}

/// What stands in the page for its scripts.
fn boot_of(body: &str) -> Value {
    let (_, rest) = body.split_once("name=\"boot\" content=\"").unwrap_or_else(|| panic!("no boot in {body}"));
    let (text, _) = rest.split_once('"').unwrap();
    let text = text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    serde_json::from_str(&text).unwrap()
}

/// The form that the portal would post, to be changed by whoever forges it.
async fn form(
    stage: &Stage,
    path: &str,
    user: i64,
    placement: &str,
    options: Value,
) -> (String, Vec<(String, String)>) {
    let asked =
        json!({ "url": format!("{}{path}", stage.address), "user": user, "placement": placement, "options": options });
    let told = stage.control("POST", "/_/b24/demo/frame", asked).await;
    let fields = told["fields"].as_object().unwrap();
    let fields = fields.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
    (told["url"].as_str().unwrap().to_owned(), fields)
}

async fn post(url: &str, fields: &[(String, String)]) -> Page {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = crate::rig::client().post(url).header("content-type", "application/x-www-form-urlencoded");
    let reply = request.body(body).send().await.unwrap();
    let status = reply.status().as_u16();
    let policy = reply.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(!reply.headers().contains_key("x-frame-options") && !reply.headers().contains_key("set-cookie"));
    assert_eq!(reply.headers()["cache-control"], "no-store");
    let body = reply.text().await.unwrap();
    let boot = if body.contains("name=\"boot\"") { boot_of(&body) } else { Value::Null };
    Page { status, policy, boot, body }
}

async fn open(stage: &Stage, path: &str, user: i64) -> Page {
    let (url, fields) = form(stage, path, user, "DEFAULT", json!({})).await;
    post(&url, &fields).await
}

/// Asks the API with the token of a page.
async fn ask(stage: &Stage, token: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
    let request = crate::rig::client().request(method.parse().unwrap(), format!("{}/api/v1{path}", stage.address));
    let request = if token.is_empty() { request } else { request.bearer_auth(token) };
    let reply = if body.is_null() { request } else { request.json(&body) }.send().await.unwrap();
    let (status, text) = (reply.status().as_u16(), reply.text().await.unwrap());
    (status, serde_json::from_str(&text).unwrap_or_default())
}

fn with(fields: &[(String, String)], name: &str, value: &str) -> Vec<(String, String)> {
    let rest = fields.iter().filter(|(known, _)| known != name).cloned();
    rest.chain([(name.to_owned(), value.to_owned())]).collect()
}

/// How many of each kind stand in the portal.
fn standing(card: &Value) -> [usize; 4] {
    let count =
        |what: &str| card[what].as_object().map(serde_json::Map::len).or_else(|| card[what].as_array().map(Vec::len));
    ["robots", "senders", "events", "placements"].map(|what| count(what).unwrap())
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_page_is_framed_by_its_portal_alone_and_its_token_opens_nothing_else(url: &str) {
        let stage = Stage::set(url).await;
        let page = open(&stage, "/bitrix24/app", 1).await;
        assert_eq!(page.status, 200, "{}", page.body);
        assert!(page.policy.contains(&format!("frame-ancestors {};", stage.base)), "{}", page.policy);
        for part in ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'"] {
            assert!(page.policy.contains(part), "{}", page.policy);
        }
        assert!(!page.policy.contains("unsafe") && !page.policy.contains('*'), "{}", page.policy);
        assert_eq!((&page.boot["page"], &page.boot["admin"], &page.boot["user_id"]), (&json!("app"), &json!(true), &json!(1)));
        let token = page.token();
        assert!(token.starts_with("sp_") && !token.contains(':'), "{token}");
        assert_eq!(ask(&stage, token, "GET", "/b24/state", Value::Null).await.0, 200);
        // it is no token of a user, and that of a user is none of a page
        for path in ["/lines", "/channels", "/me", "/messages"] {
            assert_eq!(ask(&stage, token, "GET", path, Value::Null).await.0, 401, "{path}");
        }
        assert_eq!(stage.status_of("GET", "/api/v1/b24/state").await, 401);
        for forged in ["", "sp_", "sp_1.AAAA.BBBB", &format!("{token}A"), &token.replacen('.', ".A", 1), "sp_\u{e9}"] {
            let forged: String = forged.chars().filter(char::is_ascii).collect();
            assert_eq!(ask(&stage, &forged, "GET", "/b24/state", Value::Null).await.0, 401, "{forged}");
        }
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_page_that_no_portal_opened_is_refused(url: &str) {
        let stage = Stage::set(url).await;
        let before = stage.row().await.unwrap();
        let (url, fields) = form(&stage, "/bitrix24/app", 33, "DEFAULT", json!({})).await;
        // an unknown access token, with and without the right application token
        for fields in [with(&fields, "AUTH_ID", "0123456789"), with(&with(&fields, "AUTH_ID", "0123"), "APPLICATION_TOKEN", "x")] {
            let page = post(&url, &fields).await;
            assert_eq!((page.status, &page.boot["refusal"]), (403, &json!("not_the_portal")), "{}", page.body);
            assert!(page.boot["token"].is_null());
        }
        // an authorization server of the stranger's own, and another portal's id
        for (name, value) in [("SERVER_ENDPOINT", "https://oauth.evil.example/rest/"), ("member_id", "00112233445566778899aabbccddeeff")] {
            let fields = with(&with(&fields, name, value), "APPLICATION_TOKEN", "x");
            assert_eq!(post(&url, &fields).await.status, 403, "{name}");
        }
        // an employee's own page with another application token: it is shown, and the token is not believed
        let page = post(&url, &with(&fields, "APPLICATION_TOKEN", "poison")).await;
        assert_eq!((page.status, &page.boot["admin"]), (200, &json!(false)), "{}", page.body);
        assert_eq!(stage.row().await.unwrap().application_token, before.application_token);
        // what cannot be read names its field
        let page = crate::rig::client().post(format!("{}/bitrix24/card?DOMAIN=x", stage.address)).body("AUTH_ID=1").send().await.unwrap();
        assert_eq!(page.status().as_u16(), 400);
        assert!(page.text().await.unwrap().contains("member_id"));
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn settings_are_for_administrators_of_the_portal(url: &str) {
        let stage = Stage::set(url).await;
        let (admin, employee) = (open(&stage, "/bitrix24/app", 27).await, open(&stage, "/bitrix24/app", 33).await);
        let settings = json!({ "tabs": ["deal", "deal", "nothing"], "writers": "admins" });
        for (method, path, body) in [("POST", "/b24/check", json!({})), ("GET", "/b24/check", Value::Null), ("POST", "/b24/install", json!({})), ("PUT", "/b24/settings", settings.clone())] {
            let (status, told) = ask(&stage, employee.token(), method, path, body).await;
            assert_eq!((status, &told["error"]["code"]), (403, &json!("forbidden")), "{method} {path}: {told}");
        }
        let (status, told) = ask(&stage, admin.token(), "PUT", "/b24/settings", settings).await;
        assert_eq!((status, &told["troubles"]), (200, &json!([])), "{told}");
        let placed = stage.portal().await["placements"].clone();
        assert_eq!((placed.as_array().unwrap().len(), &placed[0]["placement"]), (1, &json!("CRM_DEAL_DETAIL_TAB")));
        let (_, state) = ask(&stage, employee.token(), "GET", "/b24/state", Value::Null).await;
        assert_eq!(state["settings"], json!({ "tabs": ["deal"], "writers": "admins" }));
        // writing is for administrators now; a setting that nobody knows is refused
        let message = json!({ "channel": state["lines"][0]["channels"][0]["id"], "to": "+79990000001", "text": "Раз" });
        assert_eq!(ask(&stage, employee.token(), "POST", "/b24/messages", message.clone()).await.0, 403);
        assert_eq!(ask(&stage, admin.token(), "POST", "/b24/messages", message).await.0, 202);
        assert_eq!(ask(&stage, admin.token(), "PUT", "/b24/settings", json!({ "tabs": [], "writers": "all", "x": 1 })).await.0, 400);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_installer_run_three_times_leaves_exactly_one_of_everything(url: &str) {
        let stage = Stage::set(url).await;
        let first = standing(&stage.portal().await);
        assert_eq!(first[3], 3, "a tab in contacts, leads and deals: {first:?}");
        let token = open(&stage, "/bitrix24/app", 1).await.token().to_owned();
        stage.install().await;
        let (status, report) = ask(&stage, &token, "POST", "/b24/install", json!({})).await;
        assert_eq!((status, &report["troubles"]), (200, &json!([])), "{report}");
        assert_eq!(standing(&stage.portal().await), first);
        // after an update of the application nothing is left, and one run puts it back
        stage.control("POST", "/_/b24/demo/update", json!({})).await;
        stage.wait_for("everything stands again", |stage| async move {
            (standing(&stage.portal().await) == first).then_some(())
        }).await;
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_missing_right_takes_away_its_own_part_alone_and_is_named(url: &str) {
        let stage = Stage::without_portal(url).await;
        stage.control("POST", "/_/b24/demo/limits", json!({ "rate": 0, "scope": "crm,imopenlines,imconnector,im,contact_center,placement,messageservice,disk,user" })).await;
        let (url, fields) = form(&stage, "/bitrix24/install", 1, "DEFAULT", json!({})).await;
        let page = post(&url, &fields).await;
        assert_eq!(page.boot["missing_scopes"], json!(["bizproc"]));
        let troubles = page.boot["report"]["troubles"].as_array().unwrap();
        assert_eq!((troubles.len(), &troubles[0]["code"]), (1, &json!("insufficient_scope")), "{troubles:?}");
        let [robots, senders, events, placements] = standing(&stage.portal().await);
        assert_eq!((robots, senders, placements), (0, 1, 3));
        assert!(events > 0);
        stage.control("POST", "/_/b24/demo/finish", json!({})).await;
        let token = open(&stage, "/bitrix24/app", 1).await.token().to_owned();
        let (_, check) = ask(&stage, &token, "POST", "/b24/check", json!({})).await;
        assert_eq!(check["missing_scopes"], json!(["bizproc"]));
        let part = |name: &str| check["parts"].as_array().unwrap().iter().find(|part| part["name"] == name).unwrap().clone();
        assert_eq!(part("robots")["trouble"]["code"], "insufficient_scope");
        assert_eq!((&part("tabs")["standing"], &part("tabs")["trouble"]), (&json!(3), &Value::Null));
        // the right is given, and the same page installs the rest
        stage.control("POST", "/_/b24/demo/limits", json!({ "rate": 0, "scope": "crm,imopenlines,imconnector,im,contact_center,placement,messageservice,disk,user,bizproc" })).await;
        let (_, report) = ask(&stage, &token, "POST", "/b24/install", json!({})).await;
        assert_eq!(report["troubles"], json!([]));
        assert!(standing(&stage.portal().await)[0] > 0);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_event_of_test_shows_that_events_arrive_and_nothing_else_does(url: &str) {
        let stage = Stage::without_portal(url).await;
        // the installer's page is open: nobody has ended the installation, so no event would come
        let (url, fields) = form(&stage, "/bitrix24/install", 1, "DEFAULT", json!({})).await;
        let token = post(&url, &fields).await.token().to_owned();
        let (_, check) = ask(&stage, &token, "POST", "/b24/check", json!({})).await;
        assert_eq!((&check["installed"], &check["test_trouble"]["code"]), (&json!(false), &json!("not_finished")));
        stage.control("POST", "/_/b24/demo/finish", json!({})).await;
        let (_, check) = ask(&stage, &token, "POST", "/b24/check", json!({})).await;
        assert_eq!((&check["installed"], &check["test_trouble"]), (&json!(true), &Value::Null), "{check}");
        let heard = stage.wait_for("the event has come", |stage| {
            let token = token.clone();
            async move {
                let (_, test) = ask(stage, &token, "GET", "/b24/check", Value::Null).await;
                test["heard_at"].as_i64()
            }
        }).await;
        assert!(heard > 0);
        // an event of a test that nobody asked for says nothing of the next one
        let row = stage.row().await.unwrap();
        stage.control("POST", "/_/b24/demo/habits", json!({ "delay_ms": 3_600_000 })).await;
        let (_, check) = ask(&stage, &token, "POST", "/b24/check", json!({})).await;
        assert_eq!(check["test"]["heard_at"], Value::Null);
        framed::hear_test(&stage.server.app, &row, &json!({ "switchboard": "another" })).await.unwrap();
        framed::hear_test(&stage.server.app, &row, &json!([])).await.unwrap();
        assert_eq!(ask(&stage, &token, "GET", "/b24/check", Value::Null).await.1["heard_at"], Value::Null);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_card_shows_the_dialogs_of_its_client_and_no_number_is_checked(url: &str) {
        let stage = Stage::set(url).await;
        let (url, fields) = form(&stage, "/bitrix24/card", 33, "CRM_DEAL_DETAIL_TAB", json!({ "ID": "8061" })).await;
        let page = post(&url, &fields).await;
        assert_eq!((&page.boot["placement"], &page.boot["options"]["ID"]), (&json!("CRM_DEAL_DETAIL_TAB"), &json!("8061")));
        let token = page.token().to_owned();
        let asked = |ledger: Value| ledger["last"].clone();
        let before = asked(stage.control("GET", "/_/ledger?vendor=waba", Value::Null).await);
        let (status, card) = ask(&stage, &token, "GET", "/b24/cards/deal/8061", Value::Null).await;
        assert_eq!(status, 200, "{card}");
        assert_eq!((&card["client"]["name"], &card["client"]["phones"]), (&json!("Иван"), &json!(["79990000001"])));
        let dialogs = card["dialogs"].as_array().unwrap();
        assert_eq!((dialogs.len(), &dialogs[0]["last"]["text"]), (1, &json!("Добрый день")), "{card}");
        assert!(dialogs[0]["window_until"].as_i64().unwrap() > 0);
        let messengers = stage.control("GET", &format!("/_/ledger?vendor=waba&since={before}"), Value::Null).await;
        assert_eq!(messengers["entries"], json!([]), "nothing was asked of the messenger");
        // the history is named by the key alone, and the key is this employee's
        let key = dialogs[0]["key"].as_str().unwrap();
        let history = format!("/b24/history?key={}", form_urlencoded::byte_serialize(key.as_bytes()).collect::<String>());
        let (_, told) = ask(&stage, &token, "GET", &history, Value::Null).await;
        assert_eq!((told["messages"].as_array().unwrap().len(), &told["messages"][0]["outgoing"]), (1, &json!(false)));
        let other = open(&stage, "/bitrix24/app", 27).await;
        assert_eq!(ask(&stage, other.token(), "GET", &history, Value::Null).await.0, 404);
        assert_eq!(ask(&stage, &token, "GET", "/b24/history?key=1:a:b", Value::Null).await.0, 404);
        // an answer into the dialog arrives, once however often it is asked for
        let answer = json!({ "key": key, "text": "Здравствуйте!" });
        let client = crate::rig::client();
        for _ in 0..2 {
            let request = client.post(format!("{}/api/v1/b24/messages", stage.address)).bearer_auth(&token);
            let reply = request.header("idempotency-key", "k1").json(&answer).send().await.unwrap();
            assert_eq!(reply.status().as_u16(), 202);
        }
        stage.wait_for("the answer has arrived", |stage| async move {
            (!stage.texts("79990000001").await.is_empty()).then_some(())
        }).await;
        assert_eq!(stage.texts("79990000001").await, ["Здравствуйте!"]);
        // the tags that a robot sets stand at the dialog
        assert_eq!(card["dialogs"][0]["tags"], json!([]));
        let call = json!({ "deal": 8061, "properties": { "phones": "+79990000001", "tags": "Горячий; VIP клиент" } });
        stage.control("POST", "/_/b24/demo/robots/switchboard_set_tags/fire", call).await;
        let token = token.as_str();
        stage.wait_for("the card shows the tags", |stage| async move {
            let (_, card) = ask(stage, token, "GET", "/b24/cards/deal/8061", Value::Null).await;
            (card["dialogs"][0]["tags"] == json!(["Горячий", "VIP клиент"])).then_some(())
        }).await;
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_card_that_cannot_be_read_says_why(url: &str) {
        let stage = Stage::set(url).await;
        let token = open(&stage, "/bitrix24/app", 33).await.token().to_owned();
        // a deal of nobody, a lead, a card that is not there, and a kind that is none
        let (status, card) = ask(&stage, &token, "GET", "/b24/cards/deal/8069", Value::Null).await;
        assert_eq!((status, &card["client"]["phones"], &card["dialogs"]), (200, &json!([]), &json!([])), "{card}");
        let (status, card) = ask(&stage, &token, "GET", "/b24/cards/lead/98", Value::Null).await;
        assert_eq!((status, &card["client"]["phones"]), (200, &json!(["79990000098"])), "{card}");
        for path in ["/b24/cards/deal/1234567", "/b24/cards/user/1", "/b24/cards/deal/x"] {
            assert_eq!(ask(&stage, &token, "GET", path, Value::Null).await.0, 404, "{path}");
        }
        // what is written first, and what is wrong with it
        let (_, state) = ask(&stage, &token, "GET", "/b24/state", Value::Null).await;
        let channel = state["lines"][0]["channels"][0]["id"].clone();
        for (message, field) in [
            (json!({ "channel": channel, "to": "никто", "text": "Раз" }), "to"),
            (json!({ "channel": channel, "to": "+79990000002", "text": " " }), "text"),
            (json!({ "to": "+79990000002", "text": "Раз" }), "channel"),
        ] {
            let (status, told) = ask(&stage, &token, "POST", "/b24/messages", message).await;
            assert_eq!((status, &told["error"]["field"]), (422, &json!(field)), "{told}");
        }
        // the portal answers with a page, is busy, hides the application, and is not paid
        for (fault, code) in [(json!({ "kind": "html" }), "portal_down"), (json!({ "kind": "busy" }), "portal_busy"), (json!({ "kind": "down" }), "portal_down")] {
            let mut plan = json!({ "vendor": "bitrix24", "method": "crm.item.get", "times": 1 });
            plan.as_object_mut().unwrap().extend(fault.as_object().unwrap().clone());
            stage.control("POST", "/_/faults", plan).await;
            let (status, told) = ask(&stage, &token, "GET", "/b24/cards/deal/8061", Value::Null).await;
            assert_eq!((status, &told["error"]["code"]), (409, &json!(code)), "{told}");
        }
        for (limits, code) in [(json!({ "rate": 0, "hidden_from": [33] }), "portal_no_rights"), (json!({ "rate": 0, "hidden_from": [], "commercial": false }), "portal_unpaid")] {
            stage.control("POST", "/_/b24/demo/limits", limits).await;
            let (status, told) = ask(&stage, &token, "GET", "/b24/cards/deal/8061", Value::Null).await;
            assert_eq!((status, &told["error"]["code"]), (409, &json!(code)), "{told}");
        }
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_token_ends_with_its_time_is_renewed_by_the_portal_and_dies_with_the_installation(url: &str) {
        let now = chrono::Utc::now().timestamp_millis();
        let clock = Arc::new(HandClock::at(Moment(now)));
        let stage = Stage::at(url, Arc::clone(&clock) as _, [Role::Http, Role::Feeder].into()).await;
        stage.install().await;
        let page = open(&stage, "/bitrix24/app", 33).await;
        let (token, portal) = (page.token().to_owned(), page.boot["portal"].clone());
        assert_eq!(ask(&stage, &token, "GET", "/b24/state", Value::Null).await.0, 200);
        clock.advance_ms(framed::TOKEN_MS);
        assert_eq!(ask(&stage, &token, "GET", "/b24/state", Value::Null).await.0, 401);
        // the frame gives its scripts a fresh access token, and that of nobody else does
        let pair = stage.control("POST", "/_/b24/demo/tokens", json!({ "user": 33 })).await;
        let another = switchboard::model::id::PortalId::new();
        for wrong in [json!({ "portal": portal, "access_token": "0123" }), json!({ "portal": another, "access_token": pair["access_token"] })] {
            assert_eq!(ask(&stage, "", "POST", "/b24/tokens", wrong).await.0, 403);
        }
        let (status, fresh) = ask(&stage, "", "POST", "/b24/tokens", json!({ "portal": portal, "access_token": pair["access_token"] })).await;
        assert_eq!((status, &fresh["admin"]), (201, &json!(false)), "{fresh}");
        let fresh = fresh["token"].as_str().unwrap().to_owned();
        assert_eq!(ask(&stage, &fresh, "GET", "/b24/state", Value::Null).await.0, 200);
        stage.control("POST", "/_/b24/demo/uninstall", json!({ "clean": false })).await;
        stage.wait_for_state("uninstalled").await;
        assert_eq!(ask(&stage, &fresh, "GET", "/b24/state", Value::Null).await.0, 401);
        stage.clear().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_of_another_company_is_not_seen_through_a_portal() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let stage = Stage::set(&database).await;
    // the same client writes to a channel of another company on the same server
    let store = Arc::clone(&stage.server.app.store);
    let other = switchboard::model::id::CompanyId::new();
    let made = store.write(move |conn| {
        switchboard::on!(conn, company::create(other, "Чужая", "Europe/Moscow", 0))?;
        let contact = switchboard::store::row::ContactRow {
            id: switchboard::model::id::ContactId::new().to_string(),
            company: other.to_string(),
            name: "Чужой клиент".into(),
            phone: Some("79990000001".into()),
            username: None,
            created_at: 0,
        };
        switchboard::on!(conn, dialog::create_contact(&contact))
    });
    made.await.unwrap();
    let token = open(&stage, "/bitrix24/app", 1).await.token().to_owned();
    let (_, card) = ask(&stage, &token, "GET", "/b24/cards/deal/8061", Value::Null).await;
    assert_eq!(card["dialogs"].as_array().unwrap().len(), 1);
    assert!(!card.to_string().contains("Чужой"), "{card}");
    tokio::time::timeout(Duration::from_secs(20), stage.clear()).await.unwrap();
}

//! Signing in at a vendor's page and coming back from it: once, in time, and by whoever went.

use serde_json::{Map, Value, json};
use switchboard::model::id::UserId;
use switchboard::sandbox;
use switchboard::store::row::NewUser;

use crate::rig::{Reply, Rig, Tenant};

const RETURN: &str = "/api/v1/attaching/return";

/// A server, Avito beside it, and a browser that goes where it is sent.
struct Scene {
    vendors: sandbox::Running,
    rig: Rig,
    browser: reqwest::Client,
}

impl Scene {
    async fn set(database: &str) -> Self {
        let config = sandbox::Config { bind: ([127, 0, 0, 1], 0).into(), public: None, switchboard: None };
        let vendors = sandbox::Running::start(config).await.unwrap();
        let avito = format!("{}/avito", vendors.base());
        let settings = [
            ("SWITCHBOARD_VENDORS__AVITO", avito.as_str()),
            ("SWITCHBOARD_AVITO__CLIENT_ID", "application"),
            ("SWITCHBOARD_AVITO__CLIENT_SECRET", "secret-of-the-application"),
        ];
        let rig = Rig::start_with(database, &settings).await;
        let browser = crate::rig::plain_client().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let account = json!({ "id": 94_235_311, "name": "Пётр", "client_id": "application",
            "client_secret": "secret-of-the-application", "redirect": format!("{}/attach/return", rig.base) });
        let made = browser.post(format!("{}/_/avito/accounts", vendors.base())).json(&account).send().await.unwrap();
        assert!(made.status().is_success());
        Self { vendors, rig, browser }
    }

    /// Begins, goes to Avito's page and comes back: the first step, and what the address brought.
    async fn visit(&self, tenant: &Tenant) -> (Value, Map<String, Value>) {
        let path = format!("/api/v1/lines/{}/channels", tenant.line);
        let first = self.rig.post(&path, &tenant.admin, json!({ "messenger": "avito" })).await.json();
        assert_eq!(first["step"], "redirect", "{first}");
        let page = self.browser.get(first["url"].as_str().unwrap()).send().await.unwrap();
        let back = url::Url::parse(page.headers()["location"].to_str().unwrap()).unwrap();
        assert_eq!(back.path(), "/attach/return");
        (first, back.query_pairs().map(|(name, value)| (name.into_owned(), json!(value))).collect())
    }

    async fn come_back(&self, token: &str, answers: &Map<String, Value>) -> Reply {
        self.rig.post(RETURN, token, json!({ "answers": answers })).await
    }

    async fn clear(self) {
        self.rig.server.stop().await;
        self.vendors.stop().await;
    }
}

fn refused(reply: &Reply) {
    assert_eq!((reply.status, reply.code().as_str()), (422, "not_attached"), "{reply:?}");
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_sent_to_the_page_comes_back_once_and_the_channel_is_attached(database: &str) {
    let scene = Scene::set(database).await;
    let tenant = scene.rig.tenant("one.example").await;
    let (first, back) = scene.visit(&tenant).await;
    let done = scene.come_back(&tenant.admin, &back).await;
    assert_eq!(done.status, 201, "{done:?}");
    let told = done.json();
    assert_eq!((&told["line"], &told["messenger"], &told["next"]["step"]), (&json!(tenant.line), &json!("avito"), &json!("done")));
    let channel = told["next"]["channel"].as_str().unwrap();
    let card = scene.rig.get(&format!("/api/v1/channels/{channel}"), &tenant.admin).await.json();
    assert_eq!((&card["title"], &card["state"]), (&json!("Пётр"), &json!("connected")));
    refused(&scene.come_back(&tenant.admin, &back).await);
    let path = format!("/api/v1/lines/{}/channels", tenant.line);
    let again = json!({ "messenger": "avito", "answers": back, "kept": first["kept"] });
    refused(&scene.rig.post(&path, &tenant.admin, again).await);
    scene.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_comes_back_with_the_word_of_somebody(database: &str) {
    let scene = Scene::set(database).await;
    let (ours, theirs) = (scene.rig.tenant("ours.example").await, scene.rig.tenant("theirs.example").await);
    let company = ours.company;
    let hash = crate::rig::cheap_hash("a long enough password");
    let other = NewUser { id: UserId::new(), login: "second@ours.example".into(), name: "Второй".into(), role: "admin".into(), password_hash: hash };
    scene.rig.server.app.store.write(move |conn| switchboard::on!(conn, user::create(company, &other, 0))).await.unwrap();
    let second = scene.rig.sign_in("second@ours.example").await;
    let (_, back) = scene.visit(&ours).await;
    assert_eq!(scene.come_back("", &back).await.status, 401);
    assert_eq!(scene.come_back(&ours.operator, &back).await.status, 403);
    refused(&scene.come_back(&theirs.admin, &back).await);
    // a strange company does not even use the word up
    refused(&scene.come_back(&second, &back).await);
    refused(&scene.come_back(&ours.admin, &back).await);
    let channels = scene.rig.get("/api/v1/channels", &ours.admin).await.json();
    assert_eq!(channels["channels"], json!([]));
    let (_, back) = scene.visit(&ours).await;
    refused(&scene.come_back(&theirs.admin, &back).await);
    assert_eq!(scene.come_back(&ours.admin, &back).await.status, 201);
    scene.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stays_at_the_page_too_long_or_says_no_begins_again(database: &str) {
    let scene = Scene::set(database).await;
    let tenant = scene.rig.tenant("one.example").await;
    let (_, late) = scene.visit(&tenant).await;
    scene.rig.clock.advance_ms(20 * 60_000 + 1);
    refused(&scene.come_back(&tenant.admin, &late).await);
    let (_, back) = scene.visit(&tenant).await;
    scene.rig.clock.advance_ms(20 * 60_000);
    let denied = json!({ "error": "access_denied", "state": back["state"] });
    let reply = scene.come_back(&tenant.admin, denied.as_object().unwrap()).await;
    refused(&reply);
    assert_eq!(reply.json()["error"]["field"], "code", "{reply:?}");
    refused(&scene.come_back(&tenant.admin, &back).await);
    for bad in [json!({}), json!({ "code": "x" }), json!({ "state": 5 }), json!({ "state": "x".repeat(20_000) })] {
        refused(&scene.come_back(&tenant.admin, bad.as_object().unwrap()).await);
    }
    scene.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_brings_the_answer_itself_once(database: &str) {
    let scene = Scene::set(database).await;
    let tenant = scene.rig.tenant("one.example").await;
    let (first, back) = scene.visit(&tenant).await;
    let path = format!("/api/v1/lines/{}/channels", tenant.line);
    let step = |answers: Value| json!({ "messenger": "avito", "answers": answers, "kept": first["kept"] });
    for bad in [json!({}), json!({ "code": back["code"], "state": "another" })] {
        refused(&scene.rig.post(&path, &tenant.admin, step(bad)).await);
    }
    let done = scene.rig.post(&path, &tenant.admin, step(json!(back))).await;
    assert_eq!((done.status, done.json()["step"].as_str().unwrap()), (201, "done"));
    refused(&scene.come_back(&tenant.admin, &back).await);
    scene.clear().await;
}
}

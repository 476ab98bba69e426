//! A VK community is attached by signing in at VK: the list of communities, the chosen one, and every way in which it fails.

use serde_json::{Map, Value, json};
use switchboard::sandbox;

use crate::mail::until;
use crate::rig::{Reply, Rig, Tenant};

const RETURN: &str = "/api/v1/attaching/return";
const FIRST: &str = "vk1.a.first-key-of-the-community";
const SECOND: &str = "vk1.a.second-key-of-the-community";

/// A server, VK beside it, and a browser that goes where it is sent.
struct Scene {
    vendors: sandbox::Running,
    rig: Rig,
    tenant: Tenant,
    browser: reqwest::Client,
}

impl Scene {
    async fn set(database: &str) -> Self {
        let keys = [("SWITCHBOARD_VK__CLIENT_ID", "51000001"), ("SWITCHBOARD_VK__CLIENT_SECRET", "protected-key")];
        Self::with(database, &keys).await
    }

    async fn with(database: &str, keys: &[(&str, &str)]) -> Self {
        let config = sandbox::Config { bind: ([127, 0, 0, 1], 0).into(), public: None, switchboard: None };
        let vendors = sandbox::Running::start(config).await.unwrap();
        let vk = format!("{}/vk/method", vendors.base());
        let mut settings = vec![("SWITCHBOARD_VENDORS__VK", vk.as_str())];
        settings.extend(keys);
        let rig = Rig::start_with(database, &settings).await;
        let tenant = rig.tenant("one.example").await;
        let browser = crate::rig::plain_client().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let scene = Self { vendors, rig, tenant, browser };
        let back = format!("{}/attach/return", scene.rig.base);
        let application = json!({ "client_id": "51000001", "client_secret": "protected-key", "redirect": back });
        scene.control("/_/vk/applications", application).await;
        for (id, token, name) in [(200_000_001, FIRST, "Ромашка"), (200_000_002, SECOND, "Василёк & Ко")]
        {
            scene.control("/_/vk/communities", json!({ "id": id, "token": token, "name": name })).await;
        }
        scene
    }

    async fn control(&self, path: &str, body: Value) {
        let reply = self.browser.post(format!("{}{path}", self.vendors.base())).json(&body).send().await.unwrap();
        assert!(reply.status().is_success(), "{path}: {reply:?}");
    }

    async fn servers(&self, id: i64) -> Value {
        let path = format!("{}/_/vk/communities", self.vendors.base());
        let told: Value = self.browser.get(path).send().await.unwrap().json().await.unwrap();
        let all = told["communities"].as_array().unwrap().clone();
        all.into_iter().find(|one| one["id"] == id).unwrap()["servers"].take()
    }

    async fn step(&self, body: Value) -> Reply {
        let path = format!("/api/v1/lines/{}/channels", self.tenant.line);
        self.rig.post(&path, &self.tenant.admin, body).await
    }

    async fn begin(&self) -> Value {
        let first = self.step(json!({ "messenger": "vk" })).await.json();
        assert_eq!(first["step"], "redirect", "{first}");
        first
    }

    /// The person opens VK's page and presses a button of it; what the address that VK led back to brought.
    async fn visit(&self, redirect: &Value, button: &str) -> Map<String, Value> {
        let url = redirect["url"].as_str().unwrap();
        let page = self.browser.get(url).send().await.unwrap();
        assert_eq!(page.status().as_u16(), 200, "{url}");
        let html = page.text().await.unwrap();
        let link = html.split(&format!("data-test=\"{button}\" href=\"")).nth(1).unwrap().split('"').next().unwrap();
        let link = url::Url::parse(url).unwrap().join(&link.replace("&amp;", "&")).unwrap();
        let moved = self.browser.get(link).send().await.unwrap();
        let back = url::Url::parse(moved.headers()["location"].to_str().unwrap()).unwrap();
        assert_eq!(back.path(), "/attach/return");
        back.query_pairs().map(|(name, value)| (name.into_owned(), json!(value))).collect()
    }

    async fn come_back(&self, token: &str, answers: &Map<String, Value>) -> Reply {
        self.rig.post(RETURN, token, json!({ "answers": answers })).await
    }

    /// Signs in and comes to the choice.
    async fn choice(&self) -> Value {
        let back = self.visit(&self.begin().await, "allow").await;
        let told = self.come_back(&self.tenant.admin, &back).await;
        assert_eq!(told.status, 200, "{told:?}");
        let next = told.json()["next"].take();
        assert_eq!(next["step"], "choose", "{next}");
        next
    }

    async fn choose(&self, choice: &Value, id: &str) -> Reply {
        self.step(json!({ "messenger": "vk", "answers": { "community": id }, "kept": choice["kept"] })).await
    }

    async fn channels(&self) -> Value {
        self.rig.get("/api/v1/channels", &self.tenant.admin).await.json()["channels"].take()
    }

    async fn clear(self) {
        self.rig.server.stop().await;
        self.vendors.stop().await;
    }
}

/// Refused without a field, so that the wizard begins anew, with these words in the reason.
fn refused(reply: &Reply, words: &str) {
    assert_eq!((reply.status, reply.code().as_str()), (422, "not_attached"), "{reply:?}");
    let error = reply.json()["error"].take();
    assert_eq!(error["field"].as_str().unwrap_or_default(), "", "{error}");
    assert!(error["message"].as_str().unwrap().contains(words), "{error}");
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_signs_in_chooses_a_community_and_it_is_attached(database: &str) {
    let scene = Scene::set(database).await;
    let messengers = scene.rig.get("/api/v1/messengers", &scene.tenant.admin).await.json();
    let card = |kind: &str| messengers["messengers"].as_array().unwrap().iter().find(|one| one["kind"] == kind).unwrap().clone();
    assert_eq!((&card("vk")["sign_in"], &card("waba")["sign_in"]), (&json!(["Войти через ВКонтакте", "Sign in with VK"]), &Value::Null));
    let choice = scene.choice().await;
    assert_eq!(choice["field"]["name"], "community");
    assert_eq!(choice["options"], json!([
        { "value": "200000001", "title": "Ромашка", "about": "vk.com/club200000001" },
        { "value": "200000002", "title": "Василёк & Ко", "about": "vk.com/club200000002" },
    ]));
    // what was not offered cannot be chosen, and the dialogue goes on
    for bad in ["", "200000003", "200000002,200000001"] {
        let reply = scene.choose(&choice, bad).await;
        assert_eq!((reply.status, &reply.json()["error"]["field"]), (422, &json!("community")), "{bad}");
    }
    let second = scene.choose(&choice, "200000002").await.json();
    assert_eq!(second["step"], "redirect", "{second}");
    let done = scene.come_back(&scene.tenant.admin, &scene.visit(&second, "allow").await).await;
    assert_eq!(done.status, 201, "{done:?}");
    let channel = done.json()["next"]["channel"].as_str().unwrap().to_owned();
    let card = scene.rig.get(&format!("/api/v1/channels/{channel}"), &scene.tenant.admin).await.json();
    assert_eq!((&card["title"], &card["address"], &card["state"]), (&json!("Василёк & Ко"), &json!("vk.com/club200000002"), &json!("connected")));
    // VK posts to us now, and has asked for the proof
    until("VK has confirmed our address", async || (scene.servers(200_000_002).await[0]["status"] == "ok").then_some(())).await;
    assert_eq!(scene.servers(200_000_001).await, json!([]));
    scene.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_of_a_community_attaches_it_beside_the_sign_in(database: &str) {
    let scene = Scene::set(database).await;
    let by_key = scene.step(json!({ "messenger": "vk", "answers": { "token": FIRST } })).await;
    assert_eq!(by_key.status, 201, "{by_key:?}");
    // signing in attaches the same one again, and keeps its address
    let before = scene.servers(200_000_001).await;
    let second = scene.choose(&scene.choice().await, "200000001").await.json();
    let again = scene.come_back(&scene.tenant.admin, &scene.visit(&second, "allow").await).await;
    assert_eq!((again.status, &again.json()["next"]["channel"]), (201, &by_key.json()["channel"]), "{again:?}");
    assert_eq!((scene.servers(200_000_001).await[0]["url"].clone(), scene.channels().await.as_array().unwrap().len()), (before[0]["url"].clone(), 1));
    // a channel that is attached again stays with its community
    let named = scene.step(json!({ "messenger": "vk", "channel": by_key.json()["channel"] })).await.json();
    let told = scene.come_back(&scene.tenant.admin, &scene.visit(&named, "allow").await).await.json();
    let second = scene.choose(&told["next"], "200000002").await.json();
    let other = scene.come_back(&scene.tenant.admin, &scene.visit(&second, "allow").await).await;
    assert_eq!((other.status, other.code().as_str()), (409, "other_account"), "{other:?}");
    scene.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_application_of_vk_there_is_the_key_alone(database: &str) {
    let scene = Scene::with(database, &[("SWITCHBOARD_VK__CLIENT_ID", "51000001")]).await;
    let messengers = scene.rig.get("/api/v1/messengers", &scene.tenant.admin).await.json();
    assert!(messengers["messengers"].as_array().unwrap().iter().all(|one| one["sign_in"].is_null()), "{messengers}");
    let reply = scene.step(json!({ "messenger": "vk" })).await;
    assert_eq!((reply.status, &reply.json()["error"]["field"]), (422, &json!("token")), "{reply:?}");
    assert_eq!(scene.step(json!({ "messenger": "vk", "answers": { "token": FIRST } })).await.status, 201);
    scene.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_goes_on_with_the_sign_in_of_somebody_else(database: &str) {
    let scene = Scene::set(database).await;
    let theirs = scene.rig.tenant("theirs.example").await;
    let anew = "Начните подключение заново";
    let back = scene.visit(&scene.begin().await, "allow").await;
    refused(&scene.come_back(&theirs.admin, &back).await, anew);
    assert_eq!(scene.come_back(&scene.tenant.operator, &back).await.status, 403);
    let mut stolen = back.clone();
    stolen.insert("state".to_owned(), json!("another"));
    refused(&scene.come_back(&scene.tenant.admin, &stolen).await, anew);
    assert_eq!(scene.come_back(&scene.tenant.admin, &back).await.status, 200);
    refused(&scene.come_back(&scene.tenant.admin, &back).await, anew);
    // the second visit has a word of its own, and the first one's does not do for it
    let choice = scene.choice().await;
    let second = scene.choose(&choice, "200000001").await.json();
    let mut answers = scene.visit(&second, "allow").await;
    let own = answers.insert("state".to_owned(), back["state"].clone()).unwrap();
    refused(&scene.come_back(&scene.tenant.admin, &answers).await, anew);
    answers.insert("state".to_owned(), own);
    refused(&scene.come_back(&theirs.admin, &answers).await, anew);
    // a choice is sealed for its line
    let foreign = json!({ "messenger": "vk", "answers": { "community": "200000001" }, "kept": choice["kept"] });
    let foreign = scene.rig.post(&format!("/api/v1/lines/{}/channels", theirs.line), &theirs.admin, foreign).await;
    assert!(!matches!(foreign.status, 200 | 201 | 500), "{foreign:?}");
    assert_eq!(scene.channels().await, json!([]));
    assert_eq!(scene.come_back(&scene.tenant.admin, &answers).await.status, 201);
    scene.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_says_no_at_vk_is_told_to_allow(database: &str) {
    let scene = Scene::set(database).await;
    let no = scene.visit(&scene.begin().await, "deny").await;
    assert_eq!(no["error"], "access_denied");
    refused(&scene.come_back(&scene.tenant.admin, &no).await, "Разрешить");
    let second = scene.choose(&scene.choice().await, "200000001").await.json();
    let no = scene.visit(&second, "deny").await;
    refused(&scene.come_back(&scene.tenant.admin, &no).await, "User denied your request");
    assert_eq!((scene.channels().await, scene.servers(200_000_001).await), (json!([]), json!([])));
    scene.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_manages_no_community_is_told_so(database: &str) {
    let scene = Scene::set(database).await;
    scene.control("/_/vk/communities/200000002", json!({ "managed": false })).await;
    assert_eq!(scene.choice().await["options"].as_array().unwrap().len(), 1);
    scene.control("/_/vk/communities/200000001", json!({ "managed": false })).await;
    let back = scene.visit(&scene.begin().await, "allow").await;
    refused(&scene.come_back(&scene.tenant.admin, &back).await, "нет сообществ, которыми он управляет");
    scene.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_vk_does_not_take_is_told_and_nothing_is_attached(database: &str) {
    let scene = Scene::set(database).await;
    let admin = scene.tenant.admin.as_str();
    // a code that VK does not know
    let mut back = scene.visit(&scene.begin().await, "allow").await;
    back.insert("code".to_owned(), json!("made-up"));
    refused(&scene.come_back(admin, &back).await, "Code is invalid or expired.");
    // a key of the person that is refused, and a page that is none of the API's
    let fault = |method: &str, kind: &str| json!({ "vendor": "vk", "method": method, "kind": kind, "times": 1 });
    for (method, kind, words) in
        [("groups.get", "token_expired", "не принимает ключ"), ("access_token", "html", "не отвечает"), ("groups.get", "busy", "просит подождать")]
    {
        let back = scene.visit(&scene.begin().await, "allow").await;
        scene.control("/_/faults", fault(method, kind)).await;
        refused(&scene.come_back(admin, &back).await, words);
    }
    // a key of the community that is refused, or may not do what we need
    let choice = scene.choice().await;
    let second = scene.choose(&choice, "200000001").await.json();
    let back = scene.visit(&second, "allow").await;
    scene.control("/_/faults", fault("groups.getTokenPermissions", "token_expired")).await;
    refused(&scene.come_back(admin, &back).await, "не принимает ключ");
    scene.control("/_/vk/communities/200000001", json!({ "rights": ["photos"] })).await;
    let second = scene.choose(&choice, "200000001").await.json();
    refused(&scene.come_back(admin, &scene.visit(&second, "allow").await).await, "нет прав");
    assert_eq!(scene.channels().await, json!([]));
    // the protected key of the application was changed at VK
    let application = json!({ "client_id": "51000001", "client_secret": "another", "redirect": format!("{}/attach/return", scene.rig.base) });
    let back = scene.visit(&scene.begin().await, "allow").await;
    scene.control("/_/vk/applications", application).await;
    refused(&scene.come_back(admin, &back).await, "client_secret is incorrect");
    scene.clear().await;
}
}

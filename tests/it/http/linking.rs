//! Phones that are linked step by step against the sandbox's gateway: the QR code lives, codes are typed, tries are counted.

use serde_json::{Value, json};
use switchboard::sandbox;

use crate::rig::{Reply, Rig, Tenant};

const KEY: &str = "gateway-key";

/// A server, a gateway beside it, and the phone in the tester's hand.
struct Scene {
    vendors: sandbox::Running,
    rig: Rig,
    client: reqwest::Client,
}

impl Scene {
    async fn set(database: &str) -> Self {
        let config = sandbox::Config { bind: ([127, 0, 0, 1], 0).into(), public: None, switchboard: None };
        let vendors = sandbox::Running::start(config).await.unwrap();
        let gateway = format!("{}/waha", vendors.base());
        let settings = [
            ("SWITCHBOARD_VENDORS__WHATSAPP_WEB", gateway.as_str()),
            ("SWITCHBOARD_VENDORS__WHATSAPP_WEB_KEY", KEY),
            ("SWITCHBOARD_LIMITS__REQUESTS_PER_SECOND", "10000"),
            ("SWITCHBOARD_LIMITS__REQUESTS_BURST", "10000"),
        ];
        let rig = Rig::start_with(database, &settings).await;
        let scene = Self { vendors, rig, client: crate::rig::client() };
        scene.control("POST", "/_/waha", json!({ "key": KEY })).await;
        scene
    }

    async fn control(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.vendors.base()));
        let reply = if body.is_null() { request } else { request.json(&body) }.send().await.unwrap();
        (reply.status().as_u16(), reply.json().await.unwrap_or_default())
    }

    async fn sessions(&self) -> Vec<Value> {
        self.control("GET", "/_/waha", Value::Null).await.1["sessions"].as_array().unwrap().clone()
    }

    async fn only_session(&self) -> String {
        let sessions = self.sessions().await;
        assert_eq!(sessions.len(), 1, "{sessions:?}");
        sessions[0]["name"].as_str().unwrap().to_owned()
    }

    async fn step(&self, tenant: &Tenant, answers: Value, kept: Option<&str>) -> Reply {
        self.step_of(tenant, json!({ "messenger": "whatsapp_web", "answers": answers, "kept": kept })).await
    }

    async fn step_of(&self, tenant: &Tenant, body: Value) -> Reply {
        self.rig.post(&format!("/api/v1/lines/{}/channels", tenant.line), &tenant.admin, body).await
    }

    /// Asks again until the step is another than waiting, as a page would.
    async fn until(&self, tenant: &Tenant, mut reply: Reply) -> Value {
        let end = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
        let mut beat = tokio::time::interval(std::time::Duration::from_millis(20));
        loop {
            assert!(reply.status < 300, "{reply:?}");
            let told = reply.json();
            if told["step"] != "wait" {
                return told;
            }
            assert!(told["what"][0].is_string() && told["again_ms"].as_i64() > Some(0), "{told}");
            assert!(tokio::time::Instant::now() < end, "still {told}");
            beat.tick().await;
            reply = self.step(tenant, json!({}), told["kept"].as_str()).await;
        }
    }

    /// Shows the QR code of a new dialogue.
    async fn qr(&self, tenant: &Tenant) -> Value {
        let shown = self.until(tenant, self.step(tenant, json!({}), None).await).await;
        assert_eq!(shown["step"], "qr", "{shown}");
        shown
    }

    async fn scan(&self, session: &str, who: Value) -> u16 {
        self.control("POST", &format!("/_/waha/sessions/{session}/scan"), who).await.0
    }

    async fn again(&self, tenant: &Tenant, shown: &Value) -> Value {
        self.until(tenant, self.step(tenant, json!({}), shown["kept"].as_str()).await).await
    }

    async fn clear(self) {
        self.rig.server.stop().await;
        self.vendors.stop().await;
    }
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_qr_code_is_shown_live_until_the_phone_has_scanned_it(database: &str) {
    let scene = Scene::set(database).await;
    let tenant = scene.rig.tenant("one.example").await;
    let first = scene.qr(&tenant).await;
    assert!(first["good_ms"].as_i64() > Some(0) && first["again_ms"].as_i64() > Some(0), "{first}");
    assert!(!first.to_string().contains(KEY), "the key of the gateway stays here: {first}");
    let session = scene.only_session().await;
    assert_eq!(scene.again(&tenant, &first).await["text"], first["text"], "the picture stays while it is good");

    scene.control("POST", "/_/clock", json!({ "advance_ms": 61_000 })).await;
    let second = scene.again(&tenant, &first).await;
    assert_ne!(second["text"], first["text"], "the picture changes");
    assert_eq!(scene.scan(&session, json!({ "phone": "79031112233", "qr": first["text"] })).await, 400, "an old one links nothing");
    // an older `kept` is as good as the newest, and a second page shows the same picture
    assert_eq!(scene.again(&tenant, &first).await["text"], second["text"]);
    assert_eq!(scene.qr(&tenant).await["text"], second["text"]);

    let who = json!({ "phone": "79031112233", "qr": second["text"], "name": "Ромашка" });
    assert_eq!(scene.scan(&session, who).await, 200);
    let done = scene.again(&tenant, &second).await;
    assert_eq!(done["step"], "done", "{done}");
    let channels = scene.rig.get("/api/v1/channels", &tenant.admin).await.json();
    let channel = &channels["channels"][0];
    assert_eq!((channel["messenger"].as_str(), channel["title"].as_str()), (Some("whatsapp_web"), Some("Ромашка")));
    assert_eq!((channel["address"].as_str(), channel["state"].as_str()), (Some("79031112233"), Some("connected")));
    // the page that was slower is told the same
    assert_eq!(scene.again(&tenant, &first).await["channel"], done["channel"]);
    scene.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_typed_into_the_phone_instead(database: &str) {
    let scene = Scene::set(database).await;
    let tenant = scene.rig.tenant("one.example").await;
    let qr = scene.qr(&tenant).await;
    let bad = scene.step(&tenant, json!({ "phone": "12" }), qr["kept"].as_str()).await;
    assert_eq!((bad.status, bad.json()["error"]["field"].as_str()), (422, Some("phone")));
    let phone = json!({ "phone": "+7 903 111-22-33" });
    let code = scene.until(&tenant, scene.step(&tenant, phone, qr["kept"].as_str()).await).await;
    assert_eq!((code["step"].as_str(), code["compare"].as_bool()), (Some("code"), Some(false)), "{code}");
    assert_eq!(scene.again(&tenant, &code).await["text"], code["text"], "asking again makes no new code");
    let session = scene.only_session().await;
    let typed = |code: Value| json!({ "phone": "79031112233", "code": code, "passkey": true, "compare": true });
    let path = format!("/_/waha/sessions/{session}/type");
    assert_eq!(scene.control("POST", &path, typed(json!("AAAA-AAAA"))).await.0, 400);
    assert_eq!(scene.control("POST", &path, typed(code["text"].clone())).await.0, 200);

    let passkey = scene.again(&tenant, &code).await;
    assert_eq!((passkey["step"].as_str(), passkey["challenge"]["rpId"].as_str()), (Some("passkey"), Some("web.whatsapp.com")));
    let wrong = scene.step(&tenant, json!({ "credential": "нет" }), passkey["kept"].as_str()).await;
    assert_eq!((wrong.status, wrong.json()["error"]["field"].as_str()), (422, Some("credential")));
    let credential = json!({ "id": "a", "rawId": "a", "type": "public-key", "response": {} });
    let compare = scene.step(&tenant, json!({ "credential": credential }), passkey["kept"].as_str()).await;
    let compare = scene.until(&tenant, compare).await;
    assert_eq!((compare["step"].as_str(), compare["compare"].as_bool()), (Some("code"), Some(true)), "{compare}");
    let done = scene.step(&tenant, json!({ "confirmed": true }), compare["kept"].as_str()).await;
    assert_eq!(scene.until(&tenant, done).await["step"], "done");
    scene.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_run_out_and_tries_are_counted(database: &str) {
    let scene = Scene::set(database).await;
    let tenant = scene.rig.tenant("one.example").await;
    let first = scene.qr(&tenant).await;
    scene.control("POST", "/_/clock", json!({ "advance_ms": 1_000_000 })).await;
    let over = scene.step(&tenant, json!({}), first["kept"].as_str()).await;
    assert_eq!((over.status, over.code().as_str(), over.json()["error"].get("field")), (422, "not_attached", None));
    for _ in 0..5 {
        assert_ne!(scene.qr(&tenant).await["text"], first["text"], "it begins anew");
    }
    scene.only_session().await;
    let often = scene.step(&tenant, json!({}), None).await;
    assert_eq!((often.status, often.code().as_str()), (422, "not_attached"), "{}", often.text);
    scene.rig.clock.advance_ms(3_600_001);
    scene.qr(&tenant).await;
    scene.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_belongs_to_one_channel_and_a_channel_to_one_phone(database: &str) {
    let scene = Scene::set(database).await;
    let (one, other) = (scene.rig.tenant("one.example").await, scene.rig.tenant("other.example").await);
    let link = async |tenant: &Tenant, shown: Value, phone: &str| {
        let waiting = scene.sessions().await.into_iter().find(|session| session["qr"] == shown["text"]).unwrap();
        assert_eq!(scene.scan(waiting["name"].as_str().unwrap(), json!({ "phone": phone })).await, 200);
        let end = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
        loop {
            let reply = scene.step(tenant, json!({}), shown["kept"].as_str()).await;
            if reply.status != 200 || tokio::time::Instant::now() > end {
                return reply;
            }
        }
    };
    let done = link(&one, scene.qr(&one).await, "79031112233").await;
    assert_eq!(done.status, 201, "{}", done.text);
    let channel = done.json()["channel"].as_str().unwrap().to_owned();

    let taken = link(&other, scene.qr(&other).await, "79031112233").await;
    assert_eq!((taken.status, taken.code().as_str()), (409, "account_taken"), "{}", taken.text);
    assert_eq!(scene.sessions().await.len(), 1, "what was linked for nothing is let go");

    // the same phone in the same line without naming the channel: the channel goes on with the new session
    let again = link(&one, scene.qr(&one).await, "79031112233").await;
    assert_eq!((again.status, again.json()["channel"].as_str()), (201, Some(channel.as_str())), "{}", again.text);
    assert_eq!(scene.sessions().await.len(), 1, "the session before it is let go");

    let off = scene.rig.post(&format!("/api/v1/channels/{channel}/detach"), &other.admin, json!({})).await;
    assert_eq!(off.status, 404, "another company's");
    let off = scene.rig.post(&format!("/api/v1/channels/{channel}/detach"), &one.operator, json!({})).await;
    assert_eq!(off.status, 403);
    let off = scene.rig.post(&format!("/api/v1/channels/{channel}/detach"), &one.admin, json!({})).await;
    assert_eq!((off.status, scene.sessions().await.len()), (204, 0), "{}", off.text);
    let seen = scene.rig.get(&format!("/api/v1/channels/{channel}"), &one.admin).await.json();
    assert_eq!((seen["state"].as_str(), seen["lane_state"].as_str()), (Some("off"), Some("lost")));

    let named = json!({ "messenger": "whatsapp_web", "channel": channel });
    let foreign = scene.step_of(&other, named.clone()).await;
    assert_eq!(foreign.status, 404, "{}", foreign.text);
    let shown = scene.until(&one, scene.step_of(&one, named.clone()).await).await;
    let wrong = link(&one, shown, "79035556677").await;
    assert_eq!((wrong.status, wrong.code().as_str()), (409, "other_account"), "{}", wrong.text);
    let shown = scene.until(&one, scene.step_of(&one, named).await).await;
    let back = link(&one, shown, "79031112233").await;
    assert_eq!((back.status, back.json()["channel"].as_str()), (201, Some(channel.as_str())), "{}", back.text);
    let seen = scene.rig.get(&format!("/api/v1/channels/{channel}"), &one.admin).await.json();
    assert_eq!((seen["state"].as_str(), seen["lane_state"].as_str()), (Some("connected"), Some("running")));
    scene.clear().await;
}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_opens_only_where_it_was_given() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let scene = Scene::set(&database).await;
    let (one, other) = (scene.rig.tenant("one.example").await, scene.rig.tenant("other.example").await);
    let shown = scene.qr(&one).await;
    let kept = shown["kept"].as_str().unwrap();
    for (tenant, kept) in [(&other, kept), (&one, "rubbish"), (&one, &kept[..kept.len() - 2])] {
        let reply = scene.step(tenant, json!({}), Some(kept)).await;
        assert_eq!((reply.status, reply.code().as_str()), (409, "wrong_state"), "{}", reply.text);
    }
    let path = format!("/api/v1/lines/{}/channels", one.line);
    let operator = scene.rig.post(&path, &one.operator, json!({ "messenger": "whatsapp_web" })).await;
    assert_eq!(operator.status, 403);
    scene.clear().await;
}

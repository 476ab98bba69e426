//! The sandbox, over real sockets: what it answers, what it emits, what it keeps count of.

mod second_reader;

use std::sync::Arc;

use actix_web::{App, HttpRequest, HttpServer, web};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use switchboard::sandbox::{Config, Running};
use tokio::sync::mpsc;

const BOT: &str = "7000000001:AAHfixtureTokenFixtureTokenFixtureTok";
const PHONE: &str = "79990000001";
const CHAT: i64 = 5_990_000_001;

/// A sandbox and a client.
struct Rig {
    sandbox: Running,
    http: reqwest::Client,
}

impl Rig {
    async fn new() -> Self {
        let bind = "127.0.0.1:0".parse().unwrap();
        let sandbox = Running::start(Config { bind, public: None, switchboard: None }).await.unwrap();
        let http = crate::rig::plain_client().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { sandbox, http }
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let reply = self.http.post(format!("{}{path}", self.sandbox.base())).json(&body).send().await.unwrap();
        (reply.status().as_u16(), reply.json().await.unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        self.http.get(format!("{}{path}", self.sandbox.base())).send().await.unwrap().json().await.unwrap()
    }

    async fn bot(&self, method: &str, body: Value) -> (u16, Value) {
        self.post(&format!("/tg/bot{BOT}/{method}"), body).await
    }

    async fn rest(&self, token: &str, method: &str, mut body: Value) -> (u16, Value) {
        body["auth"] = json!(token);
        self.post(&format!("/b24/demo/rest/{method}"), body).await
    }

    /// A portal with the app in place; says its card and a pair of tokens.
    async fn portal(&self) -> (Value, Value) {
        let (_, card) = self.post("/_/b24/demo", json!({})).await;
        self.post("/_/b24/demo/install", json!({"mode": "event"})).await;
        let (_, pair) = self.post("/_/b24/demo/tokens", json!({})).await;
        (card, pair)
    }
}

/// One request that somebody posted to us.
struct Got {
    headers: Vec<(String, String)>,
    query: String,
    body: Vec<u8>,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Pairs of the form, as they came.
    fn pairs(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(&self.body).into_owned().collect()
    }

    fn field(&self, key: &str) -> String {
        self.pairs().into_iter().find(|(name, _)| name == key).map(|(_, value)| value).unwrap_or_default()
    }
}

/// An address that takes everything; the first `refusals` posts are answered 500.
fn listen(refusals: usize) -> (String, mpsc::UnboundedReceiver<Got>) {
    let (send, receive) = mpsc::unbounded_channel();
    let left = Arc::new(std::sync::atomic::AtomicUsize::new(refusals));
    let server = HttpServer::new(move || {
        let (send, left) = (send.clone(), Arc::clone(&left));
        App::new().default_service(web::to(move |request: HttpRequest, body: web::Bytes| {
            let (send, left) = (send.clone(), Arc::clone(&left));
            async move {
                let headers = request.headers().iter();
                let headers =
                    headers.map(|(key, value)| (key.to_string(), value.to_str().unwrap_or("").to_owned())).collect();
                let _ = send.send(Got { headers, query: request.query_string().to_owned(), body: body.to_vec() });
                let query = web::Query::<Vec<(String, String)>>::from_query(request.query_string()).unwrap();
                let challenge = query.iter().find(|(key, _)| key == "hub.challenge").map(|(_, value)| value.clone());
                let order = std::sync::atomic::Ordering::SeqCst;
                if left.fetch_update(order, order, |left| left.checked_sub(1)).is_ok() {
                    return actix_web::HttpResponse::InternalServerError().finish();
                }
                actix_web::HttpResponse::Ok().body(challenge.unwrap_or_default())
            }
        }))
    })
    .workers(1)
    .disable_signals()
    .bind("127.0.0.1:0")
    .unwrap();
    let addr = server.addrs()[0];
    tokio::spawn(server.run());
    (format!("http://{addr}"), receive)
}

#[tokio::test]
async fn a_bot_may_write_only_after_start() {
    let rig = Rig::new().await;
    rig.post("/_/telegram/bots", json!({"token": BOT})).await;
    let hello = json!({"chat_id": CHAT, "text": "<b>Привет</b>", "parse_mode": "HTML"});
    assert_eq!(rig.bot("sendMessage", hello.clone()).await.1["description"], "Bad Request: chat not found");
    rig.post("/_/phones", json!({"id": PHONE})).await;
    let (status, refused) = rig.bot("sendMessage", hello.clone()).await;
    assert_eq!(
        (status, refused["description"].as_str()),
        (403, Some("Forbidden: bot can't initiate conversation with a user"))
    );
    rig.post(&format!("/_/phones/{PHONE}/say"), json!({"messenger": "telegram_bot", "text": "/start"})).await;
    let (status, sent) = rig.bot("sendMessage", hello).await;
    assert_eq!((status, sent["result"]["text"].as_str()), (200, Some("Привет")));
    let phone = rig.get(&format!("/_/phones/{PHONE}")).await;
    assert_eq!(phone["messages"][1]["text"], "Привет");
    assert_eq!(rig.post("/tg/bot1:x/getMe", json!({})).await.0, 401);
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn updates_come_in_order_with_the_secret_until_taken() {
    let rig = Rig::new().await;
    let (url, mut got) = listen(1);
    rig.post("/_/telegram/bots", json!({"token": BOT})).await;
    rig.post("/_/phones", json!({"id": PHONE})).await;
    rig.bot("setWebhook", json!({"url": format!("{url}/hook"), "secret_token": "s-1"})).await;
    for text in ["/start", "раз", "два"] {
        rig.post(&format!("/_/phones/{PHONE}/say"), json!({"messenger": "telegram_bot", "text": text})).await;
    }
    let mut seen = Vec::new();
    for _ in 0..4 {
        let update = got.recv().await.unwrap();
        assert_eq!(update.header("x-telegram-bot-api-secret-token"), "s-1");
        seen.push((
            update.json()["message"]["text"].as_str().unwrap().to_owned(),
            update.json()["update_id"].as_i64().unwrap(),
        ));
    }
    let texts: Vec<&str> = seen.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(texts, ["/start", "/start", "раз", "два"]);
    assert!(seen[1].1 < seen[2].1 && seen[2].1 < seen[3].1);
}

#[tokio::test]
async fn a_file_of_a_bot_goes_up_and_comes_down() {
    let rig = Rig::new().await;
    rig.post("/_/telegram/bots", json!({"token": BOT})).await;
    rig.post("/_/phones", json!({"id": PHONE, "started": true})).await;
    let part =
        reqwest::multipart::Part::bytes(b"%PDF-1".to_vec()).file_name("Счёт.pdf").mime_str("application/pdf").unwrap();
    let form = reqwest::multipart::Form::new()
        .text("chat_id", CHAT.to_string())
        .text("caption", "Счёт")
        .part("document", part);
    let url = format!("{}/tg/bot{BOT}/sendDocument", rig.sandbox.base());
    let sent: Value = rig.http.post(url).multipart(form).send().await.unwrap().json().await.unwrap();
    assert_eq!(sent["result"]["document"]["file_name"], "Счёт.pdf");
    let file = rig.bot("getFile", json!({"file_id": sent["result"]["document"]["file_id"]})).await.1;
    let path = file["result"]["file_path"].as_str().unwrap();
    let down = rig.http.get(format!("{}/tg/file/bot{BOT}/{path}", rig.sandbox.base())).send().await.unwrap();
    assert_eq!(down.bytes().await.unwrap().as_ref(), b"%PDF-1");
    let phone = rig.get(&format!("/_/phones/{PHONE}")).await;
    assert_eq!(phone["messages"][0]["media"]["size"], 6);
}

#[tokio::test]
async fn whatsapp_signs_statuses_over_escaped_bytes() {
    let rig = Rig::new().await;
    let (url, mut got) = listen(0);
    let given = json!({"id": "240000000000002", "account": "230000000000001", "token": "EAAG", "app_secret": "s", "webhook": format!("{url}/waba")});
    rig.post("/_/waba/numbers", given).await;
    rig.post("/_/phones", json!({"id": PHONE, "name": "Анна", "window": 24})).await;
    let verified = rig.post("/_/waba/accounts/230000000000001/verify", json!({})).await.1;
    assert_eq!(verified["verified"], true);
    assert!(got.recv().await.unwrap().query.contains("hub.verify_token=switchboard-verify"));
    let message = json!({"messaging_product": "whatsapp", "to": "+79990000001", "type": "text", "text": {"body": "Да/нет"}, "biz_opaque_callback_data": "msg:1"});
    let url = format!("{}/graph/v23.0/240000000000002/messages", rig.sandbox.base());
    let sent: Value =
        rig.http.post(&url).bearer_auth("EAAG").json(&message).send().await.unwrap().json().await.unwrap();
    let mut statuses = Vec::new();
    while statuses.len() < 2 {
        let got = got.recv().await.unwrap();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"s").unwrap();
        mac.update(&got.body);
        assert_eq!(got.header("x-hub-signature-256"), format!("sha256={}", hex::encode(mac.finalize().into_bytes())));
        assert!(got.body.is_ascii() && String::from_utf8_lossy(&got.body).contains("\\u0410"));
        for change in got.json()["entry"][0]["changes"].as_array().unwrap() {
            let status = &change["value"]["statuses"][0];
            assert_eq!(
                (&status["id"], status["biz_opaque_callback_data"].as_str()),
                (&sent["messages"][0]["id"], Some("msg:1"))
            );
            statuses.push(status["status"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(statuses, ["sent", "delivered"]);
    let refused = rig.http.post(&url).bearer_auth("other").json(&message).send().await.unwrap();
    assert_eq!(refused.status(), 401);
}

#[tokio::test]
async fn outside_the_window_only_a_whole_template_gets_through() {
    let rig = Rig::new().await;
    let (hook, mut got) = listen(0);
    rig.post("/_/waba/numbers", json!({"id": "24", "account": "23", "token": "EAAG", "webhook": hook})).await;
    rig.post("/_/phones", json!({"id": PHONE})).await;
    let url = format!("{}/graph/v23.0/24/messages", rig.sandbox.base());
    let send = async |body: Value| {
        let reply = rig.http.post(&url).bearer_auth("EAAG").json(&body).send().await.unwrap();
        (reply.status().as_u16(), reply.json::<Value>().await.unwrap())
    };
    let text = json!({"messaging_product": "whatsapp", "to": PHONE, "type": "text", "text": {"body": "x"}});
    assert_eq!(send(text).await.0, 200);
    let status = got.recv().await.unwrap().json();
    assert_eq!(status.pointer("/entry/0/changes/0/value/statuses/0/errors/0/code"), Some(&json!(131_047)));
    let template = |parameters: Value| {
        json!({"messaging_product": "whatsapp", "to": PHONE, "type": "template",
        "template": {"name": "greeting", "language": {"code": "ru"}, "components": [{"type": "body", "parameters": parameters}]}})
    };
    let (status, refused) = send(template(json!([{"type": "text", "text": "Анна"}]))).await;
    assert_eq!((status, refused["error"]["code"].as_i64()), (400, Some(132_000)));
    let both = json!([{"type": "text", "text": "Анна"}, {"type": "text", "text": "Ждём вас"}]);
    assert_eq!(send(template(both)).await.0, 200);
    let phone = rig.get(&format!("/_/phones/{PHONE}")).await;
    assert_eq!(phone["messages"][0]["text"], "Здравствуйте, Анна! Ждём вас");
    let nobody = json!({"messaging_product": "whatsapp", "to": "79005550000", "type": "text", "text": {"body": "x"}});
    assert_eq!(send(nobody).await.0, 200);
    let missing = send(json!({"messaging_product": "whatsapp", "to": PHONE, "type": "template", "template": {"name": "no", "language": {"code": "ru"}}})).await;
    assert_eq!((missing.0, missing.1["error"]["code"].as_i64()), (404, Some(132_001)));
}

#[tokio::test]
async fn tokens_rotate_expire_and_are_told_apart() {
    let rig = Rig::new().await;
    let (card, pair) = rig.portal().await;
    let access = pair["access_token"].as_str().unwrap();
    assert_eq!(rig.rest(access, "profile", json!({})).await.1["result"]["ADMIN"], true);
    let endpoint = card["server_endpoint"].as_str().unwrap();
    let info: Value =
        rig.http.get(format!("{endpoint}app.info?auth={access}")).send().await.unwrap().json().await.unwrap();
    assert_eq!(info["result"]["install"]["member_id"], card["member_id"]);
    rig.post("/_/b24/demo/expire-tokens", json!({})).await;
    let (status, expired) = rig.rest(access, "profile", json!({})).await;
    assert_eq!((status, expired["error"].as_str()), (401, Some("expired_token")));
    assert_eq!(rig.rest("nonsense", "profile", json!({})).await.1["error"], "invalid_token");
    assert_eq!(rig.rest("", "profile", json!({})).await.1["error"], "NO_AUTH_FOUND");
    let token_url = endpoint.replace("/rest/", "/oauth/token/");
    let refresh = |token: &Value| {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", card["client_id"].as_str().unwrap()),
            ("client_secret", card["client_secret"].as_str().unwrap()),
            ("refresh_token", token.as_str().unwrap()),
        ];
        rig.http.post(&token_url).form(&form).send()
    };
    let fresh: Value = refresh(&pair["refresh_token"]).await.unwrap().json().await.unwrap();
    assert_eq!(rig.rest(fresh["access_token"].as_str().unwrap(), "server.time", json!({})).await.0, 200);
    let again: Value = refresh(&pair["refresh_token"]).await.unwrap().json().await.unwrap();
    assert_eq!(again["error"], "invalid_grant");
}

#[tokio::test]
async fn a_robot_is_fired_in_the_vendors_shape_and_takes_one_answer() {
    let rig = Rig::new().await;
    let (url, mut got) = listen(0);
    let (_, pair) = rig.portal().await;
    let access = pair["access_token"].as_str().unwrap();
    let text =
        |kind: &str| json!({"Name": {"ru": "Поле"}, "Type": kind, "Required": "Y", "Multiple": "N", "Default": ""});
    let robot = json!({"CODE": "switchboard_send", "HANDLER": format!("{url}/robot"), "AUTH_USER_ID": 27, "USE_SUBSCRIPTION": "Y",
        "NAME": {"ru": "Сообщение"}, "PROPERTIES": {"channel": text("string"), "phone": text("string"), "text": text("text")},
        "RETURN_PROPERTIES": {"status": text("string")}});
    assert_eq!(rig.rest(access, "bizproc.robot.add", robot.clone()).await.0, 200);
    assert_eq!(rig.rest(access, "bizproc.robot.add", robot).await.1["error"], "ERROR_ACTIVITY_ALREADY_INSTALLED");
    let firing = json!({"properties": {"channel": "wa", "phone": "+79990000001", "text": "Счёт\nготов"}, "timeout_s": 660, "stage": "EXECUTING"});
    assert_eq!(rig.post("/_/b24/demo/robots/switchboard_send/fire", firing).await.0, 200);
    let call = got.recv().await.unwrap();
    assert_eq!(keys(&decode(&call.body)), keys(&fixture("handler_robot_wait.form")));
    assert_eq!(call.field("properties[text]"), "Счёт\nготов");
    let token = call.field("event_token");
    let forged = format!("{token}0");
    let answer = |token: &str| json!({"EVENT_TOKEN": token, "RETURN_VALUES": {"STATUS": "1:Y:", "other": 1}, "LOG_MESSAGE": "готово"});
    assert_eq!(rig.rest(access, "bizproc.event.send", answer(&forged)).await.0, 403);
    for _ in 0..2 {
        assert_eq!(rig.rest(access, "bizproc.event.send", answer(&token)).await.1["result"], true);
    }
    let steps = rig.get("/_/b24/demo/steps").await;
    assert_eq!(steps["steps"][0]["returned"], json!({"status": "1:Y:"}));
    assert_eq!((&steps["counts"]["answered"], &steps["counts"]["ignored_answers"]), (&json!(1), &json!(1)));
    rig.post("/_/b24/demo/robots/switchboard_send/fire", json!({"timeout_s": 60})).await;
    rig.post("/_/clock", json!({"advance_ms": 61_000})).await;
    let steps = rig.get("/_/b24/demo/steps").await;
    assert_eq!(
        (&steps["steps"][0]["state"], &steps["steps"][0]["returned"]["IsTimeout"]),
        (&json!("timed_out"), &json!(1))
    );
}

#[tokio::test]
async fn a_letter_is_one_post_for_each_contact() {
    let rig = Rig::new().await;
    let (url, mut got) = listen(0);
    let (_, pair) = rig.portal().await;
    let access = pair["access_token"].as_str().unwrap();
    let sender = json!({"CODE": "line_1", "TYPE": "SMS", "HANDLER": format!("{url}/sms"), "NAME": "Линия 1"});
    assert_eq!(rig.rest(access, "messageservice.sender.add", sender).await.0, 200);
    for (kind, file) in [
        ("sender", "handler_sms_marketing.form"),
        ("crm", "handler_sms_crm.form"),
        ("bizproc", "handler_sms_bizproc.form"),
    ] {
        rig.post("/_/b24/demo/letters", json!({"code": "line_1", "text": "Код, {name}", "kind": kind, "count": 3}))
            .await;
        for _ in 0..3 {
            let call = got.recv().await.unwrap();
            assert_eq!(keys(&decode(&call.body)), keys(&fixture(file)), "{kind}");
            let update = json!({"CODE": "line_1", "MESSAGE_ID": call.field("message_id"), "STATUS": "delivered"});
            assert_eq!(rig.rest(access, "messageservice.message.status.update", update).await.1["result"], true);
        }
        let letter = rig.get("/_/b24/demo/letters/last").await;
        assert!(letter["messages"].as_array().unwrap().iter().all(|message| message["status"] == "delivered"));
    }
    let unknown = json!({"CODE": "line_1", "MESSAGE_ID": "0", "STATUS": "sent"});
    assert_eq!(
        rig.rest(access, "messageservice.message.status.update", unknown).await.1["error"],
        "ERROR_MESSAGE_NOT_FOUND"
    );
}

#[tokio::test]
async fn a_batch_names_earlier_results_and_halts() {
    let rig = Rig::new().await;
    let (_, pair) = rig.portal().await;
    let access = pair["access_token"].as_str().unwrap();
    let body = format!(
        r#"{{"auth":"{access}","halt":1,"cmd":{{"find":"crm.duplicate.findbycomm?type=PHONE&values%5B0%5D=%2B79990000001&entity_type=CONTACT","contact":"crm.item.get?entityTypeId=3&id=$result[find][CONTACT][0]","again":"batch?cmd=1","never":"profile"}}}}"#
    );
    let url = format!("{}/b24/demo/rest/batch.json", rig.sandbox.base());
    let reply: Value = rig
        .http
        .post(url)
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(reply["result"]["result"]["contact"]["item"]["name"], "Анна");
    assert_eq!(reply["result"]["result_error"]["again"]["error"], "ERROR_BATCH_METHOD_NOT_ALLOWED");
    assert!(reply["result"]["result"]["never"].is_null() && reply["result"]["result_total"] == json!([]));
}

#[tokio::test]
async fn the_fifty_first_call_in_a_second_is_one_too_many() {
    let rig = Rig::new().await;
    let (_, pair) = rig.portal().await;
    let access = pair["access_token"].as_str().unwrap();
    let calls = (0..60).map(|_| rig.rest(access, "server.time", json!({})));
    let answers = futures_util::future::join_all(calls).await;
    let refused =
        answers.iter().filter(|(status, body)| *status == 503 && body["error"] == "QUERY_LIMIT_EXCEEDED").count();
    assert!((1..=10).contains(&refused), "{refused}");
    rig.post("/_/b24/demo/limits", json!({"rate": 0, "blocked_method": "profile"})).await;
    let (status, blocked) = rig.rest(access, "profile", json!({})).await;
    assert_eq!((status, blocked["error"].as_str()), (429, Some("OPERATION_TIME_LIMIT")));
    rig.post("/_/b24/demo/rename", json!({"to": "new"})).await;
    assert_eq!(rig.rest(access, "server.time", json!({})).await.0, 302);
}

#[tokio::test]
async fn the_installer_page_is_posted_as_the_frame_does() {
    let rig = Rig::new().await;
    let (url, mut got) = listen(0);
    rig.post("/_/b24/demo", json!({"installer_url": format!("{url}/install"), "event_url": format!("{url}/event")}))
        .await;
    let (_, installed) = rig.post("/_/b24/demo/install", json!({"mode": "page", "finish": false})).await;
    assert_eq!(installed["installed"], false);
    let page = got.recv().await.unwrap();
    assert_eq!(keys(&decode(&page.body)), keys(&fixture("page_install.form")));
    assert_eq!(keys(&decode(page.query.as_bytes())), keys(&fixture("page_install.query")));
    let token = page.field("AUTH_ID");
    assert_eq!(rig.rest(&token, "app.info", json!({})).await.1["result"]["INSTALLED"], false);
    rig.rest(&token, "event.bind", json!({"event": "OnAppTest", "handler": format!("{url}/event")})).await;
    rig.rest(&token, "event.test", json!({"a": 1})).await;
    rig.post("/_/b24/demo/finish", json!({})).await;
    rig.rest(&token, "event.test", json!({"a": 2})).await;
    let event = got.recv().await.unwrap();
    assert_eq!((event.field("event").as_str(), event.field("data[QUERY][a]").as_str()), ("ONAPPTEST", "2"));
    rig.post("/_/b24/demo/uninstall", json!({})).await;
    let gone = got.recv().await.unwrap();
    assert_eq!(keys(&decode(&gone.body)), keys(&fixture("event_onappuninstall.form")));
    assert_eq!(rig.rest(&token, "profile", json!({})).await.1["error"], "invalid_token");
}

#[tokio::test]
async fn a_cut_call_is_taken_and_a_call_cut_before_is_not() {
    let rig = Rig::new().await;
    rig.post("/_/telegram/bots", json!({"token": BOT})).await;
    rig.post("/_/phones", json!({"id": PHONE, "started": true})).await;
    for (kind, received) in [("cut_before", 0), ("cut", 1)] {
        rig.post("/_/faults", json!({"vendor": "telegram", "method": "sendMessage", "kind": kind, "times": 1})).await;
        let url = format!("{}/tg/bot{BOT}/sendMessage", rig.sandbox.base());
        let fresh = crate::rig::plain_client().build().unwrap();
        let reply = fresh.post(url).json(&json!({"chat_id": CHAT, "text": "x"})).send().await;
        assert!(reply.is_err(), "{kind}");
        assert_eq!(rig.get(&format!("/_/phones/{PHONE}")).await["received"], received, "{kind}");
    }
    rig.post("/_/faults", json!({"vendor": "telegram", "kind": "busy", "times": 1, "after_ms": 35_000})).await;
    let (status, busy) = rig.bot("sendMessage", json!({"chat_id": CHAT, "text": "x"})).await;
    assert_eq!((status, &busy["parameters"]["retry_after"]), (429, &json!(35)));
    let ledger = rig.get("/_/ledger?vendor=telegram&method=sendMessage").await;
    let met: Vec<(&str, i64)> = ledger["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["fault"].as_str().unwrap(), it["status"].as_i64().unwrap()))
        .collect();
    assert_eq!(met, [("cut_before", 0), ("cut", 0), ("busy", 429)]);
}

fn fixture(name: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../fixtures/bitrix24/decoded_forms.json")).unwrap();
    all[name].clone()
}

/// Every path of brackets in a form, with list numbers left out.
fn decode(body: &[u8]) -> Value {
    let paths: Vec<String> =
        form_urlencoded::parse(body).map(|(key, _)| key.replace(']', "").replace('[', "/")).collect();
    json!(paths)
}

fn keys(value: &Value) -> std::collections::BTreeSet<String> {
    let mut found = std::collections::BTreeSet::new();
    if let Some(paths) = value.as_array() {
        return paths.iter().map(|path| path.as_str().unwrap().to_owned()).collect();
    }
    walk(value, String::new(), &mut found);
    found
}

fn walk(value: &Value, path: String, found: &mut std::collections::BTreeSet<String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}/{key}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| walk(value, below(key), found)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, value)| walk(value, below(&n.to_string()), found));
        }
        _ => {
            found.insert(path);
        }
    }
}

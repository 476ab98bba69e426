//! What the sandbox's portals send, read by the kit that the vendor publishes for Python (`b24pysdk`, `tests/b24pysdk`): a page, events
//! with and without a person behind them, robots, tokens. Neither our client nor our sandbox has a word in it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

use super::{Got, Rig, listen};

/// What the kit made of payloads of these kinds.
fn read(payloads: &[(&str, Value)]) -> Vec<Value> {
    let base = std::env::var("CARGO_TARGET_DIR").map_or_else(|_| root().join("target"), PathBuf::from);
    let python = base.join("b24pysdk/bin/python");
    let mut child = Command::new(&python)
        .arg(root().join("tests/b24pysdk/read.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}: run scripts/need b24pysdk", python.display()));
    let payloads: Vec<Value> =
        payloads.iter().map(|(kind, fields)| json!({ "kind": kind, "fields": fields })).collect();
    child.stdin.take().unwrap().write_all(json!(payloads).to_string().as_bytes()).unwrap();
    let told = child.wait_with_output().unwrap();
    assert!(told.status.success(), "the kit did not run");
    serde_json::from_slice(&told.stdout).unwrap()
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// The fields of a form and of its query, flat, as frameworks of Python give them.
fn flat(got: &Got) -> Value {
    let query = form_urlencoded::parse(got.query.as_bytes()).into_owned();
    Value::Object(query.chain(got.pairs()).map(|(key, value)| (key, json!(value))).collect::<Map<_, _>>())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vendors_kit_reads_everything_that_a_portal_posts() {
    let rig = Rig::new().await;
    let (url, mut got) = listen(0);
    let made = json!({ "installer_url": format!("{url}/install"), "event_url": format!("{url}/event") });
    let (_, card) = rig.post("/_/b24/demo", made).await;
    rig.post("/_/b24/demo/install", json!({ "mode": "page", "finish": true })).await;
    let page = got.recv().await.unwrap();
    let (_, pair) = rig.post("/_/b24/demo/tokens", json!({})).await;
    let access = pair["access_token"].as_str().unwrap();
    for event in ["ONAPPTEST", "ONCRMDEALUPDATE", "ONAPPUPDATE", "ONAPPUNINSTALL"] {
        let bind = json!({ "event": event, "handler": format!("{url}/event") });
        assert_eq!(rig.rest(access, "event.bind", bind).await.0, 200, "{event}");
    }
    let robot = json!({ "CODE": "r", "HANDLER": format!("{url}/robot"), "AUTH_USER_ID": 27, "USE_SUBSCRIPTION": "Y", "NAME": "Робот",
        "PROPERTIES": { "text": { "Name": "Текст", "Type": "text" }, "phones": { "Name": "Телефоны", "Type": "string", "Multiple": "Y" } } });
    assert_eq!(rig.rest(access, "bizproc.robot.add", robot).await.0, 200);
    let firing = json!({ "properties": { "text": "Счёт\n№ [17]", "phones": ["+79990000001", "+79990000002"] }, "timeout_s": 660 });
    rig.post("/_/b24/demo/robots/r/fire", firing.clone()).await;
    let fired = got.recv().await.unwrap();
    rig.post("/_/b24/demo/habits", json!({ "literal": true, "no_tokens": true })).await;
    rig.post("/_/b24/demo/event", json!({ "event": "ONCRMDEALUPDATE", "data": { "FIELDS": { "ID": 8061 } } })).await;
    let system = got.recv().await.unwrap();
    rig.post("/_/b24/demo/habits", json!({})).await;
    rig.rest(access, "event.test", json!({ "any": "data" })).await;
    let test = got.recv().await.unwrap();
    rig.post("/_/b24/demo/update", json!({})).await;
    let mut life = vec![got.recv().await.unwrap()];
    rig.post(
        "/_/b24/demo/open",
        json!({ "url": format!("{url}/tab"), "placement": "CRM_DEAL_DETAIL_TAB", "options": { "ID": "8061" } }),
    )
    .await;
    let tab = got.recv().await.unwrap();

    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", card["client_id"].as_str().unwrap()),
        ("client_secret", card["client_secret"].as_str().unwrap()),
        ("refresh_token", pair["refresh_token"].as_str().unwrap()),
    ];
    let token = rig.http.post(format!("{}/oauth/token/", rig.sandbox.base())).form(&form).send().await.unwrap();
    let token: Value = token.json().await.unwrap();
    let info = rig.get(&format!("/rest/app.info?auth={}", token["access_token"].as_str().unwrap())).await;

    let mut life = flat(&life.remove(0));
    // the vendor's page of this event has no such field, and the vendor's kit does not go without it
    assert!(life["event_handler_id"].is_null(), "{life}");
    life["event_handler_id"] = json!("1");
    let payloads = [
        ("page", flat(&page)),
        ("page", flat(&tab)),
        ("event", flat(&test)),
        ("event", flat(&system)),
        ("event", life),
        ("robot", flat(&fired)),
        ("token", token),
        ("app_info", info["result"].clone()),
    ];
    let read = read(&payloads);
    for ((kind, fields), told) in payloads.iter().zip(&read) {
        assert!(told["error"].is_null(), "{kind}: {} of {fields}", told["error"]);
    }
    let member = &card["member_id"];
    let read: Vec<&Value> = read.iter().map(|told| &told["read"]).collect();
    assert_eq!((&read[0]["member_id"], &read[0]["placement"]), (member, &json!("DEFAULT")));
    assert_eq!(read[1]["placement_options"]["ID"], "8061");
    assert_eq!((&read[2]["event"], &read[2]["data"]["QUERY"]["any"]), (&json!("ONAPPTEST"), &json!("data")));
    assert_eq!((&read[3]["auth"]["member_id"], &read[3]["data"]["FIELDS"]["ID"]), (member, &json!("8061")));
    assert_eq!(read[4]["event"], "ONAPPUPDATE");
    let robot = read[5];
    assert_eq!(
        (&robot["code"], &robot["timeout_duration"], &robot["use_subscription"]),
        (&json!("r"), &json!(660), &json!(true))
    );
    assert_eq!(robot["document_id"], json!(["crm", "CCrmDocumentDeal", "DEAL_8061"]));
    assert_eq!(robot["properties"], json!({ "text": "Счёт\n№ [17]", "phones": ["+79990000001", "+79990000002"] }));
    assert_eq!(read[6]["expires_in"], 3600);
    assert_eq!((&read[7]["client_id"], &read[7]["install"]["member_id"]), (&card["client_id"], member));
    rig.sandbox.stop().await;
}

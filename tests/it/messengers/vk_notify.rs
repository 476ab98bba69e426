//! VK Notify: its rows in the suite, one for each aggregator, and what only it does.

use std::collections::BTreeSet;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use switchboard::messenger::{AttachError, AttachNext, AttachStep, Attachment, Messenger, Wire};
use switchboard::model::message::{Content, Outgoing, Peer, Template, TemplateValue};
use switchboard::model::result::Code;
use switchboard::model::vendor::{Answer, Scope};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::case::{Case, KEY, NOW, Proof, file, nothing, text};
use super::outgoing::sent;
use super::wire::wire;

const TOKEN: &str = "a1b2c3d4-key-of-the-aggregator";
const SECRET: &str = "5d0c9a41f2";
const HOOK: &str = "https://switchboard.example.test/hook/vkn/1";

pub(super) fn cases(messenger: &'static dyn Messenger) -> Vec<Case> {
    vec![devino(messenger, "devino"), devino(messenger, "devino_legacy"), edna(messenger)]
}

fn devino(messenger: &'static dyn Messenger, provider: &str) -> Case {
    let success = json!({"result": [{"code": "OK", "messageId": "5c1"}]});
    let item = |code: &str, text: &str| (200, json!({"result": [{"code": code, "description": text}]}));
    let unsure = |seen: &str| Answer::Unsure { seen: seen.to_owned(), resendable: false };
    let mut answers = common(&success, false);
    answers.extend([
        with(item("INVALID_PHONE", "x"), refused(Code::Refused, "(HTTP 200) INVALID_PHONE, x")),
        with(item("UNKNOWN_TEMPLATE", "x"), refused(Code::TemplateBad, "(HTTP 200) UNKNOWN_TEMPLATE, x")),
        with(item("NOT_ENOUGH_BALANCE", "x"), Answer::Expired { seen: "(HTTP 200) NOT_ENOUGH_BALANCE, x".to_owned() }),
        (200, json!({"result": []}), unsure("a success without a message id")),
        (200, json!({"result": [{"messageId": 1}]}), unsure("a success without a message id")),
        // a conflict says nothing about repetition here
        (409, json!({"message": "no"}), refused(Code::Refused, "(HTTP 409) no")),
    ]);
    let settings = json!({"provider": provider, "service": "my_service", "routes": ["VK"], "policy": "any",
        "validity": 3600});
    let settings = if provider == "devino" { without(settings, "validity") } else { settings };
    Case { answers, success, recorded: &[("resp_send_edna.json", 200, "Unsure")], ..row(messenger, settings) }
}

fn edna(messenger: &'static dyn Messenger) -> Case {
    let success = json!({"requestId": KEY});
    let mut answers = common(&success, true);
    answers.extend([
        // the first of two calls was taken
        (409, json!({"title": "x"}), done()),
        (400, json!({"code": "duplicate-request-id", "title": "Duplicate"}), done()),
        (
            200,
            json!({"requestId": "another"}),
            Answer::Unsure { seen: "a success without a message id".to_owned(), resendable: true },
        ),
    ]);
    let settings = json!({"provider": "edna", "cascade": "5190"});
    Case { answers, success, recorded: &[("resp_send_edna.json", 200, "Unsure")], ..row(messenger, settings) }
}

fn row(messenger: &'static dyn Messenger, settings: Value) -> Case {
    Case {
        messenger,
        folder: "vk-notify",
        secrets: json!({"api_token": TOKEN, "secret": SECRET}),
        settings,
        peer: Peer::Phone("79161234567".to_owned()),
        proof: Proof::Query("s", SECRET),
        file_id: super::case::by_number,
        prepare: nothing,
        answers: Vec::new(),
        recorded: &[],
        success: Value::Null,
    }
}

/// What the contract says of every aggregator.
fn common(success: &Value, resendable: bool) -> Vec<(u16, Value, Answer)> {
    let said = |status: u16| (status, json!({"code": "x", "title": "said"}));
    let unsure = |status: u16| Answer::Unsure { seen: format!("HTTP {status}"), resendable };
    let expired = |status: u16| Answer::Expired { seen: format!("(HTTP {status}) x, said") };
    let mut rows = vec![(200, success.clone(), done())];
    rows.extend(
        [400, 404, 422].map(|status| with(said(status), refused(Code::Refused, &format!("(HTTP {status}) x, said")))),
    );
    rows.extend([401, 402, 403].map(|status| with(said(status), expired(status))));
    rows.extend([408, 500, 503].map(|status| with(said(status), unsure(status))));
    rows.push(with(said(429), Answer::Busy { after_ms: 1_000, scope: Scope::Lane }));
    rows
}

fn with((status, body): (u16, Value), answer: Answer) -> (u16, Value, Answer) {
    (status, body, answer)
}

fn done() -> Answer {
    Answer::Done { vendor_ids: vec![KEY.to_owned()], chat: None }
}

fn refused(code: Code, text: &str) -> Answer {
    Answer::Refused { code, text: text.to_owned() }
}

fn without(mut value: Value, name: &str) -> Value {
    value.as_object_mut().unwrap().remove(name);
    value
}

/// A template that says this.
pub(super) fn words(said: &str) -> Content {
    let value = TemplateValue { name: Some("words".to_owned()), text: said.to_owned() };
    let template = Template {
        name: "words".to_owned(),
        language: "ru".to_owned(),
        body: vec![value],
        header_text: None,
        header_media: None,
        buttons: Vec::new(),
    };
    Content { text: Some(said.to_owned()), template: Some(template), ..Content::default() }
}

fn fixture(name: &str) -> Value {
    let file = format!("{}/tests/fixtures/vk-notify/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// No aggregator publishes a schema: a call has exactly the fields of the contract's example, each of the same kind.
pub(super) fn check(request: &Request) {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let example = match request.url.path() {
        "/api/cascade/schedule" => {
            assert_eq!(request.headers["x-api-key"], TOKEN);
            fixture("req_edna.json")
        }
        "/vk/messages" => {
            assert_eq!(request.headers["authorization"], format!("Key {TOKEN}"));
            let legacy = body["messages"][0].get("to").is_some();
            fixture(if legacy { "req_devino_legacy.json" } else { "req_devino.json" })
        }
        other => panic!("no call {other}"),
    };
    alike(&body, &example, "");
}

fn alike(ours: &Value, theirs: &Value, at: &str) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let names = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<BTreeSet<_>>();
            // the names in the values of a template are the template's own
            let free = at.ends_with("tmpl_data") || at.ends_with("templateData");
            assert!(free || names(ours) == names(theirs), "{at}: {:?}, not {:?}", names(ours), names(theirs));
            for (name, value) in ours.iter().filter(|_| !free) {
                alike(value, &theirs[name], &format!("{at}/{name}"));
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            for value in ours {
                alike(value, &theirs[0], &format!("{at}/0"));
            }
        }
        (ours, theirs) => {
            assert_eq!(std::mem::discriminant(ours), std::mem::discriminant(theirs), "{at}: {ours}, not {theirs}");
        }
    }
}

fn of(provider: &str) -> Case {
    super::case::cases().into_iter().find(|case| case.settings["provider"] == provider).unwrap()
}

/// The contract's own examples.
#[tokio::test]
async fn every_aggregator_gets_exactly_what_the_contract_shows() {
    let value = |name: &str, text: &str| TemplateValue { name: Some(name.to_owned()), text: text.to_owned() };
    for (provider, example, template, value) in [
        ("devino", "req_devino.json", "order_ready", value("order_id", "42")),
        ("devino_legacy", "req_devino_legacy.json", "16", value("attr1", "100.50")),
        ("edna", "req_edna.json", "order_ready", value("order_id", "42")),
    ] {
        let case = of(provider);
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(200).set_body_json(&case.success);
        Mock::given(method("POST")).respond_with(answer).mount(&server).await;
        let mut content = words("Заказ 42 готов");
        content.template.as_mut().unwrap().name = template.to_owned();
        content.template.as_mut().unwrap().body = vec![value];
        let message = Outgoing { key: "01JD0000000000000000000042".to_owned(), ..case.message(content) };
        case.messenger.send(&case.patient_wire(&server.uri()), &message, NOW).await;
        let requests = server.received_requests().await.unwrap();
        let sent: Value = serde_json::from_slice(&requests[0].body).unwrap();
        // nobody signs statuses, so our address carries a secret beside what the example shows
        let text = sent.to_string().replace(&format!("{HOOK}?s={SECRET}"), HOOK);
        let mut sent: Value = serde_json::from_str(&text).unwrap();
        if provider == "edna" {
            assert_eq!(requests[0].url.path(), "/api/cascade/schedule");
        } else {
            sent["messages"][0]["callbackData"] = fixture(example)["messages"][0]["callbackData"].clone();
        }
        assert_eq!(sent, fixture(example), "{provider}");
    }
}

#[tokio::test]
pub(super) async fn files_are_refused() {
    for case in super::case::cases().into_iter().filter(Case::templates_only) {
        for kind in super::case::KINDS {
            for source in ["store:good", "https://files.example.test/a.bin"] {
                let (answer, requests) = sent(&case, file(kind, source, Some("Подпись")), None).await;
                assert!(matches!(answer, Answer::Refused { code: Code::NotSupported, .. }), "{kind:?}: {answer:?}");
                assert!(requests.is_empty());
                case.checked(1);
            }
        }
    }
}

#[tokio::test]
pub(super) async fn only_templates_to_phones_are_sent() {
    for case in super::case::cases().into_iter().filter(Case::templates_only) {
        let nameless = Content { text: None, ..words("1") };
        for (content, code) in [
            (Content::default(), Some(Code::MessageEmpty)),
            (text(" \n"), Some(Code::MessageEmpty)),
            (text("Здравствуйте"), Some(Code::TemplateNeeded)),
            (text(&"я".repeat(2049)), Some(Code::MessageTooLong)),
            (words(&"я".repeat(2049)), Some(Code::MessageTooLong)),
            (words(&"я".repeat(2048)), None),
            // edna compares texts, so it must be given one
            (nameless, (case.settings["provider"] == "edna").then_some(Code::TemplateNotFound)),
        ] {
            let (answer, requests) = sent(&case, content.clone(), None).await;
            match code {
                Some(code) => {
                    assert!(
                        matches!(answer, Answer::Refused { code: told, .. } if told == code),
                        "{content:?}: {answer:?}"
                    );
                    assert!(requests.is_empty());
                }
                None => assert_eq!((answer, requests.len()), (done(), 1), "{content:?}"),
            }
            case.checked(1);
        }
        for (to, code) in [
            (Peer::Chat("79161234567".to_owned()), None),
            (Peer::Chat("u2i-x".to_owned()), Some(Code::AddressBad)),
            (Peer::Phone("123".to_owned()), Some(Code::AddressBad)),
            (Peer::Username("anna".to_owned()), Some(Code::NotSupported)),
            (Peer::Email("a@b.ru".to_owned()), Some(Code::NotSupported)),
        ] {
            let server = super::outgoing::taking(&case).await;
            let message = Outgoing { to: to.clone(), ..case.message(words("1")) };
            let answer = case.messenger.send(&case.patient_wire(&server.uri()), &message, NOW).await;
            match code {
                Some(code) => assert!(matches!(answer, Answer::Refused { code: told, .. } if told == code), "{to:?}"),
                None => assert_eq!(answer, done(), "{to:?}"),
            }
        }
    }
}

#[tokio::test]
async fn an_aggregator_that_asks_to_wait_says_how_long() {
    for case in super::case::cases().into_iter().filter(Case::templates_only) {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(429).insert_header("Retry-After", "7").set_body_json(json!({}));
        Mock::given(method("POST")).respond_with(answer).mount(&server).await;
        let answer = case.messenger.send(&case.patient_wire(&server.uri()), &case.message(words("1")), NOW).await;
        assert_eq!(answer, Answer::Busy { after_ms: 7_000, scope: Scope::Lane });
    }
}

async fn step(server: &MockServer, answers: Value, kept: Value) -> Result<AttachNext, AttachError> {
    let step = AttachStep {
        answers: answers.as_object().unwrap().clone(),
        webhook_url: HOOK.to_owned(),
        return_url: String::new(),
        kept,
    };
    let messenger = switchboard::messenger::of(switchboard::model::message::Kind::VkNotify).unwrap();
    messenger.attach(&wire(&server.uri(), &json!({}), &json!({})), &step).await
}

async fn answering(verb: &str, status: u16, body: Value) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path(verb))
        .respond_with(ResponseTemplate::new(status).set_body_json(body))
        .mount(&server)
        .await;
    server
}

#[tokio::test]
async fn the_aggregator_is_chosen_and_its_form_filled_in() {
    let server = answering("/vk/messages", 400, json!({"message": "messages is empty"})).await;
    for (answers, field) in [(json!({}), "provider"), (json!({"provider": "sms"}), "provider")] {
        assert_eq!(step(&server, answers, Value::Null).await.unwrap_err().field, field);
    }
    let asked = |next: Result<AttachNext, AttachError>| match next {
        Ok(AttachNext::Form { fields, kept }) => (fields.iter().map(|field| field.name).collect::<Vec<_>>(), kept),
        other => panic!("{other:?}"),
    };
    let (fields, kept) = asked(step(&server, json!({"provider": "Devino"}), Value::Null).await);
    assert_eq!(fields, ["api_token", "service", "community", "email", "routes", "policy"]);
    let (fields, _) = asked(step(&server, json!({"provider": "devino_legacy"}), Value::Null).await);
    assert!(fields.contains(&"validity"));
    let (fields, _) = asked(step(&server, json!({"provider": " edna "}), Value::Null).await);
    assert_eq!(fields, ["api_token", "cascade", "community", "email"]);
    let good = json!({"api_token": TOKEN, "service": "my_service"});
    for (name, value) in [
        ("api_token", " "),
        ("api_token", "with a space"),
        ("service", ""),
        ("routes", "telegram"),
        ("policy", "everybody"),
        ("email", "nobody"),
    ] {
        let mut bad = good.clone();
        bad[name] = json!(value);
        let error = step(&server, bad, kept.clone()).await.unwrap_err();
        assert_eq!(error.field, name, "{value}");
        assert!(error.ru.chars().any(|c| ('а'..='я').contains(&c)) && !error.en.is_empty());
    }
    for value in ["14", "86401", "час"] {
        let bad = json!({"provider": "devino_legacy", "api_token": TOKEN, "service": "s", "validity": value});
        assert_eq!(step(&server, bad, Value::Null).await.unwrap_err().field, "validity");
    }
    let mut answers = good.clone();
    answers["routes"] = json!("VK, OK");
    answers["community"] = json!("vk.com/romashka");
    let Ok(AttachNext::Done(Attachment { secrets, settings, account, .. })) = step(&server, answers, kept).await else {
        panic!()
    };
    assert_eq!(account, "devino/my_service");
    assert_eq!(
        (&settings["routes"], &settings["policy"], &settings["title"]),
        (&json!(["VK", "OK"]), &json!("any"), &json!("vk.com/romashka"))
    );
    let secrets: Value = serde_json::from_str(secrets.expose_secret()).unwrap();
    assert_eq!(secrets["api_token"], TOKEN);
    assert_eq!(secrets["secret"].as_str().unwrap().len(), 64);
    // nothing was sent to anybody
    for request in server.received_requests().await.unwrap() {
        assert_eq!(serde_json::from_slice::<Value>(&request.body).unwrap(), json!({"messages": []}));
    }
}

#[tokio::test]
async fn a_channel_is_told_otherwise_without_being_attached_again() {
    let server = answering("/vk/messages", 400, json!({"message": "messages is empty"})).await;
    let answers =
        json!({"provider": "devino_legacy", "api_token": TOKEN, "service": "s", "routes": "vk,ok", "validity": 600});
    let AttachNext::Done(done) = step(&server, answers, Value::Null).await.unwrap() else { panic!("attached") };
    let channel = Wire {
        secrets: done.secrets.clone(),
        settings: done.settings.clone(),
        ..wire(&server.uri(), &json!({}), &json!({}))
    };
    let vk_notify = switchboard::messenger::of(switchboard::model::message::Kind::VkNotify).unwrap();
    let names: Vec<&str> = vk_notify.settings_form(&channel).iter().map(|field| field.name).collect();
    let values = vk_notify.settings(&channel).unwrap();
    assert_eq!(names, ["api_token", "community", "email", "routes", "policy", "validity"]);
    assert_eq!(
        (&values["routes"], &values["policy"], &values["validity"]),
        (&json!("vk,ok"), &json!("any"), &json!("600"))
    );
    assert!(!values.contains_key("api_token"), "secrets are never shown");
    let change = async |answers: Value| {
        let answers = answers.as_object().cloned().unwrap();
        vk_notify.configure(&channel, &answers).unwrap().await
    };
    let before = server.received_requests().await.unwrap().len();
    let Ok(AttachNext::Done(changed)) =
        change(json!({"email": "boss@romashka.test", "policy": "verified_phone_number", "api_token": ""})).await
    else {
        panic!("changed")
    };
    assert_eq!(changed.account, done.account);
    assert_eq!(changed.secrets.expose_secret(), done.secrets.expose_secret(), "the key stays");
    let shown = ["email", "policy", "routes", "service", "validity"].map(|name| changed.settings[name].clone());
    assert_eq!(json!(shown), json!(["boss@romashka.test", "verified_phone_number", ["VK", "OK"], "s", 600]));
    assert_eq!(server.received_requests().await.unwrap().len(), before, "nobody is asked for what is ours");
    let Ok(AttachNext::Done(other)) = change(json!({"api_token": "another-key"})).await else { panic!("changed") };
    assert!(other.secrets.expose_secret().contains("another-key"));
    assert_eq!(server.received_requests().await.unwrap().len(), before + 1, "another key is tried");
    for (answers, field) in [(json!({"validity": "час"}), "validity"), (json!({"email": "nobody"}), "email")] {
        assert_eq!(change(answers).await.unwrap_err().field, field);
    }
}

#[tokio::test]
async fn a_key_that_is_not_taken_is_told_at_its_field() {
    for (status, field) in [(401, "api_token"), (403, "api_token"), (402, "api_token"), (429, ""), (503, "")] {
        let server = answering("/vk/messages", status, json!({"message": "no"})).await;
        let answers = json!({"provider": "devino", "api_token": TOKEN, "service": "s"});
        assert_eq!(step(&server, answers, Value::Null).await.unwrap_err().field, field, "devino {status}");
        let server = answering("/api/messages/history", status, json!({"title": "no"})).await;
        let answers = json!({"provider": "edna", "api_token": TOKEN, "cascade": "5190"});
        let error = step(&server, answers, Value::Null).await.unwrap_err();
        assert_eq!(error.field, field, "edna {status}");
        assert!(!format!("{error:?}").contains(TOKEN));
    }
}

#[tokio::test]
async fn a_key_of_edna_is_tried_by_a_question_and_nobody_is_told_an_address() {
    for (status, body) in [(200, json!({"content": []})), (400, json!({"title": "Bad request"}))] {
        let server = answering("/api/messages/history", status, body).await;
        let answers = json!({"provider": "edna", "api_token": TOKEN, "cascade": "5190"});
        let next = step(&server, answers, Value::Null).await.unwrap();
        assert!(matches!(next, AttachNext::Done(_)), "{next:?}");
        let asked = server.received_requests().await.unwrap();
        assert_eq!(asked.iter().map(|one| one.url.path()).collect::<Vec<_>>(), ["/api/messages/history"]);
    }
}

#[tokio::test]
async fn every_cascade_of_an_account_of_edna_proves_the_same_address() {
    let secret_of = async |token: &str, cascade: &str| {
        let server = answering("/api/messages/history", 400, json!({"title": "Bad request"})).await;
        let answers = json!({"provider": "edna", "api_token": token, "cascade": cascade});
        let AttachNext::Done(done) = step(&server, answers, Value::Null).await.unwrap() else { panic!("attached") };
        let secrets: Value = serde_json::from_str(done.secrets.expose_secret()).unwrap();
        secrets["secret"].as_str().unwrap().to_owned()
    };
    let one = secret_of(TOKEN, "5190").await;
    assert_eq!((one.len(), &one), (64, &secret_of(TOKEN, "5191").await));
    assert_ne!(one, secret_of("another-key-of-the-aggregator", "5190").await);
    // what concerns another cascade is told to its channel
    let status =
        |cascade: i64| json!({"requestId": KEY, "messageId": 1, "cascadeId": cascade, "status": "READ"}).to_string();
    let elsewhere = |cascade| of("edna").receive(status(cascade).as_bytes()).unwrap().elsewhere;
    assert_eq!((elsewhere(5191), elsewhere(5190)), (vec!["edna/5191".to_owned()], Vec::new()));
}

#[tokio::test]
async fn edna_is_told_where_statuses_go_and_devino_with_each_message() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/api/callback/set"))
        .and(header("x-api-key", TOKEN))
        .respond_with(ResponseTemplate::new(200))
        .expect(1)
        .mount(&server)
        .await;
    for provider in ["edna", "devino"] {
        let case = of(provider);
        let wire: Wire = case.patient_wire(&server.uri());
        case.messenger.announce(&wire, HOOK).await.unwrap();
    }
    let requests = server.received_requests().await.unwrap();
    let told: Value = serde_json::from_slice(&requests[0].body).unwrap();
    assert_eq!(told, json!({"statusCallbackUrl": format!("{HOOK}?s={SECRET}")}));
}

/// A word that nobody knows is kept as it is; what looks like a known one and is none, too.
#[test]
fn a_status_that_nobody_knows_is_never_a_delivery() {
    let case = of("edna");
    for word in ["DELIVERED_LATE", "deliver", "", " delivered", "READY", "2", "OK"] {
        let body = json!({"requestId": KEY, "messageId": 1, "status": word}).to_string();
        let events = case.receive(body.as_bytes()).unwrap().events;
        let told = super::incoming::tell(&events[0].1);
        let kept = told.starts_with("sent") && told.ends_with(&format!("unknown: {word}"));
        assert!(kept || (word.is_empty() && told.starts_with("ignored")), "{word}: {told}");
    }
}

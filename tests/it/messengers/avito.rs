//! Avito: its row in the suite, and what only it does.

use std::sync::LazyLock;

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};
use switchboard::messenger::{AttachError, AttachNext, AttachStep, Attachment, Boxed, Messenger, NotTaken, Wire};
use switchboard::model::message::{IncomingMedia, MediaKind, Peer};
use switchboard::model::result::Code;
use switchboard::model::vendor::{Answer, Scope};
use wiremock::matchers::{body_string_contains, header, method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::case::{Case, NOW, Proof, cases, file, text};
use super::outgoing::{sent, taking};
use super::wire::FILE;

const TOKEN: &str = "kChqt9ewQNAcwgbHp4yFd5-token";
const SECRET: &str = "3b9a0c55f1";
const CHAT: &str = "u2i-OuCbYGTXVLZlr6Q~Zr5Bmw";
const SEND: &str = "/messenger/v1/accounts/94235311/chats/u2i-OuCbYGTXVLZlr6Q~Zr5Bmw/messages";
const HOOK: &str = "https://switchboard.example.test/hook/channel/0a1b";

pub(super) fn case(messenger: &'static dyn Messenger) -> Case {
    let error = |code: u16, message: &str| (code, json!({"error": {"code": code, "message": message}}));
    let row = |(status, body): (u16, Value), answer: Answer| (status, body, answer);
    let success = json!({"id": "bdcc5bac2d00345f1cc66fa657813999", "created": 1_795_171_200, "type": "text",
        "direction": "out", "content": {"text": "привет"}});
    let refused = |code, text: &str| Answer::Refused { code, text: text.to_owned() };
    Case {
        messenger,
        folder: "avito",
        secrets: json!({"client_id": "client-1", "client_secret": "key-of-the-client", "access_token": TOKEN,
            "secret": SECRET}),
        settings: json!({"user_id": "94235311"}),
        peer: Peer::Chat(CHAT.to_owned()),
        proof: Proof::Query("s", SECRET),
        file_id: |server| format!("{}/files/a.pdf", server.uri()),
        prepare,
        answers: vec![
            (
                200,
                success.clone(),
                Answer::Done {
                    vendor_ids: vec!["bdcc5bac2d00345f1cc66fa657813999".to_owned()],
                    chat: Some(CHAT.to_owned()),
                },
            ),
            row(error(429, "Too many"), Answer::Busy { after_ms: 60_000, scope: Scope::Lane }),
            row(error(403, "Forbidden"), Answer::Expired { seen: "(403) Forbidden".to_owned() }),
            row(error(401, "Unauthorized"), Answer::Expired { seen: "(401) Unauthorized".to_owned() }),
            row(error(400, "Too long"), refused(Code::Refused, "(400) Too long")),
            row(error(404, "No chat"), Answer::Nobody { text: "(404) No chat".to_owned() }),
            row(error(500, "Internal"), Answer::Unsure { seen: "(500) Internal".to_owned(), resendable: false }),
            (
                200,
                json!({"ok": true}),
                Answer::Unsure { seen: "a success without a message id".to_owned(), resendable: false },
            ),
        ],
        recorded: &[
            ("resp_send_text.json", 200, "Done { vendor_ids: [\"bdcc5bac2d00345f1cc66fa657813999\"]"),
            ("resp_send_image.json", 200, "Done { vendor_ids: [\"bdcc5bac2d00345f1cc66fa657814000\"]"),
            ("resp_error_400_validation.json", 400, "Refused { code: Refused, text: \"(400) Validation error, message"),
            ("resp_error_402.json", 402, "Expired { seen: \"(402)"),
            ("resp_error_403.json", 403, "Expired { seen: \"(403)"),
        ],
        success,
    }
}

fn fixture(name: &str) -> Value {
    let file = format!("{}/tests/fixtures/avito/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn prepare(server: &MockServer) -> Boxed<'_, ()> {
    Box::pin(async move {
        let answer = ResponseTemplate::new(200).set_body_json(fixture("resp_upload_images.json"));
        Mock::given(path("/messenger/v1/accounts/94235311/uploadImages")).respond_with(answer).mount(server).await;
    })
}

pub(super) async fn offer_file(server: &MockServer) {
    let answer = ResponseTemplate::new(200).set_body_bytes(FILE);
    Mock::given(method("GET")).and(path("/files/a.pdf")).respond_with(answer).mount(server).await;
}

static SCHEMAS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let read = |name: &str| -> Value {
        let file = format!("{}/tests/fixtures/schemas/avito/{name}.openapi.json", env!("CARGO_MANIFEST_DIR"));
        let mut schema: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        if name == "messenger" {
            // the file requires a field that the body does not have
            schema["components"]["schemas"]["sendMessageRequestBody"]["required"] = json!(["type", "message"]);
        }
        schema
    };
    ["messenger", "auth", "account"].map(read).into()
});

/// A call is held against the operation of its path: the parameters, the header and the body.
pub(super) fn check(request: &Request) {
    let verb = request.method.as_str().to_lowercase();
    let (schema, operation) = operation(request, &verb);
    if !request.url.path().ends_with("/token") {
        assert_eq!(request.headers["authorization"], format!("Bearer {TOKEN}"), "{}", request.url);
    }
    let content = &operation["requestBody"]["content"];
    if let Some(wanted) = content.get("application/json") {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        check_body(schema, &wanted["schema"], &body);
    } else if content.get("multipart/form-data").is_some() {
        let body = String::from_utf8_lossy(&request.body);
        assert!(body.contains("name=\"uploadfile[]\"") && body.matches("Content-Disposition").count() == 1, "{body}");
    } else if content.get("application/x-www-form-urlencoded").is_some() {
        let fields = form(request);
        // the three calls have one path, told apart in the file by marks that nobody sees
        let name = match fields["grant_type"].as_str().unwrap() {
            "client_credentials" => "GetTokenRequest",
            "authorization_code" => "GetTokenOAuthRequest",
            "refresh_token" => "RefreshRequest",
            other => panic!("no grant {other}"),
        };
        check_body(schema, &json!({"$ref": format!("#/components/schemas/{name}")}), &Value::Object(fields));
    } else {
        assert!(request.body.is_empty(), "{}", request.url);
    }
}

fn operation<'a>(request: &Request, verb: &str) -> (&'a Value, &'a Value) {
    let parts: Vec<&str> = request.url.path().trim_matches('/').split('/').collect();
    for schema in SCHEMAS.iter() {
        for (template, verbs) in schema["paths"].as_object().unwrap() {
            let wanted: Vec<&str> = template.trim_matches('/').split('/').collect();
            let fits = |(wanted, part): (&&str, &&str)| wanted == part || wanted.starts_with('{');
            if wanted.len() == parts.len() && wanted.iter().zip(&parts).all(fits) {
                return (schema, verbs.get(verb).unwrap_or_else(|| panic!("no {verb} at {template}")));
            }
        }
    }
    panic!("no path {}", request.url.path())
}

fn check_body(schema: &Value, wanted: &Value, body: &Value) {
    let mut whole = wanted.clone();
    whole["components"] = schema["components"].clone();
    let validator = jsonschema::validator_for(&whole).unwrap();
    let errors: Vec<String> = validator.iter_errors(body).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{body}: {errors:?}");
    // the file forbids no other fields, and we send none
    let name = wanted["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
    let known = schema["components"]["schemas"][name]["properties"].as_object().unwrap();
    for field in body.as_object().unwrap().keys() {
        assert!(known.contains_key(field), "{name}.{field} is unknown");
    }
}

fn form(request: &Request) -> Map<String, Value> {
    form_urlencoded::parse(&request.body).map(|(name, value)| (name.into_owned(), json!(value))).collect()
}

#[test]
fn the_schema_tells_good_from_bad() {
    let schema = &SCHEMAS[0];
    let body = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    check_body(schema, &body("sendMessageRequestBody"), &json!({"type": "text", "message": {"text": "x"}}));
    for (name, bad) in [
        ("sendMessageRequestBody", json!({"type": "image", "message": {"text": "x"}})),
        ("sendMessageRequestBody", json!({"type": "text", "message": {"text": "x".repeat(1001)}})),
        ("sendMessageRequestBody", json!({"type": "text", "message": {"text": "x"}, "more": 1})),
        ("sendImageMessageRequestBody", json!({})),
        ("webhookSubscribeRequestBody", json!({"url": 5})),
    ] {
        assert!(std::panic::catch_unwind(|| check_body(schema, &body(name), &bad)).is_err(), "{name} {bad}");
    }
}

fn ours() -> Case {
    cases().into_iter().find(|case| case.folder == "avito").unwrap()
}

#[tokio::test]
async fn a_picture_is_uploaded_and_named_by_its_key() {
    let case = ours();
    let (answer, requests) = sent(&case, file(MediaKind::Image, "store:good", None), None).await;
    assert!(matches!(answer, Answer::Done { .. }), "{answer:?}");
    let paths: Vec<&str> = requests.iter().map(|request| request.url.path()).collect();
    assert_eq!(paths, ["/messenger/v1/accounts/94235311/uploadImages", &format!("{SEND}/image")]);
    let body: Value = serde_json::from_slice(&requests[1].body).unwrap();
    assert_eq!(body, json!({"image_id": "12345.12345abcdefghijklm"}));
}

#[tokio::test]
async fn another_file_goes_as_an_address_or_not_at_all() {
    let case = ours();
    let source = "https://files.example.test/a.bin";
    let (answer, requests) = sent(&case, file(MediaKind::Document, source, Some("Договор")), None).await;
    assert!(matches!(answer, Answer::Done { .. }), "{answer:?}");
    let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
    assert_eq!(body["message"]["text"], format!("Договор\n{source}"));
    for content in [
        file(MediaKind::Document, "store:good", None),
        file(MediaKind::Voice, "store:good", None),
        file(MediaKind::Image, "store:good", Some("подпись")),
    ] {
        let (answer, requests) = sent(&case, content, None).await;
        assert!(matches!(answer, Answer::Refused { code: Code::NotSupported, .. }), "{answer:?}");
        assert!(requests.is_empty());
    }
}

#[tokio::test]
async fn a_chat_is_escaped_in_the_address_and_nothing_else_is_written_to() {
    let case = ours();
    let server = taking(&case).await;
    let mut message = case.message(text("1"));
    message.to = Peer::Chat("u2i-a/../b?c#d~%".to_owned());
    let answer = case.messenger.send(&case.patient_wire(&server.uri()), &message, NOW).await;
    assert!(matches!(answer, Answer::Done { .. }), "{answer:?}");
    let asked = server.received_requests().await.unwrap().remove(0).url;
    assert_eq!(asked.path(), "/messenger/v1/accounts/94235311/chats/u2i-a%2F..%2Fb%3Fc%23d~%25/messages");
    for (to, code) in [
        (Peer::Username("anna".to_owned()), Code::CannotWriteFirst),
        (Peer::Chat("..".to_owned()), Code::AddressBad),
        (Peer::Chat(" ".to_owned()), Code::AddressBad),
    ] {
        message.to = to;
        let answer = case.messenger.send(&case.wire("http://127.0.0.1:9"), &message, NOW).await;
        assert!(matches!(answer, Answer::Refused { code: told, .. } if told == code), "{answer:?}");
    }
}

#[tokio::test]
async fn a_token_that_has_run_out_is_not_even_tried() {
    let mut case = ours();
    case.secrets["expires_at"] = json!(NOW.0);
    let server = taking(&case).await;
    let wire = case.patient_wire(&server.uri());
    let answer = case.messenger.send(&wire, &case.message(text("1")), NOW).await;
    assert!(matches!(answer, Answer::Expired { .. }), "{answer:?}");
    assert!(server.received_requests().await.unwrap().is_empty());
    let earlier = NOW.plus_ms(-3_600_000);
    let answer = case.messenger.send(&wire, &case.message(text("1")), earlier).await;
    assert!(matches!(answer, Answer::Done { .. }), "{answer:?}");
}

async fn renewed(secrets: &Value, status: u16, body: &Value) -> (Result<Value, Answer>, Vec<Request>) {
    let mut case = ours();
    case.secrets = secrets.clone();
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(status).set_body_json(body);
    Mock::given(path("/token")).respond_with(answer).mount(&server).await;
    let wire: Wire = case.patient_wire(&server.uri());
    let renewed = case.messenger.renew(&wire, NOW).expect("Avito renews").await;
    let renewed = renewed.map(|secrets| serde_json::from_str(secrets.expose_secret()).unwrap());
    (renewed, server.received_requests().await.unwrap())
}

#[tokio::test]
async fn a_token_is_renewed_the_way_it_was_given() {
    let case = ours();
    let told = fixture("resp_token_client_credentials.json");
    let (secrets, requests) = renewed(&case.secrets, 200, &told).await;
    let secrets = secrets.unwrap();
    requests.iter().for_each(check);
    assert_eq!(form(&requests[0])["grant_type"], "client_credentials");
    assert_eq!((&secrets["access_token"], &secrets["secret"]), (&told["access_token"], &json!(SECRET)));
    assert_eq!(secrets["expires_at"], NOW.plus_ms(86_400_000).0);

    let mut with_pair = case.secrets.clone();
    with_pair["refresh_token"] = json!("first-refresh");
    let told = fixture("resp_token_authorization_code.json");
    let (secrets, requests) = renewed(&with_pair, 200, &told).await;
    requests.iter().for_each(check);
    let asked = form(&requests[0]);
    assert_eq!((&asked["grant_type"], &asked["refresh_token"]), (&json!("refresh_token"), &json!("first-refresh")));
    assert_eq!(secrets.unwrap()["refresh_token"], told["refresh_token"]);
}

#[tokio::test]
async fn a_renewal_that_fails_says_whether_a_person_is_needed() {
    let secrets = ours().secrets;
    for (status, body, for_a_person) in [
        (200, json!({"error": "invalid_client", "error_description": "no such client"}), true),
        (401, json!({"error": {"code": 401, "message": "Unauthorized"}}), true),
        (403, json!("page"), true),
        (200, json!({}), false),
        (503, json!("page"), false),
        (429, json!({"error": "too many"}), false),
    ] {
        let (renewed, _) = renewed(&secrets, status, &body).await;
        let answer = renewed.unwrap_err();
        assert_eq!(matches!(answer, Answer::Expired { .. }), for_a_person, "{status} {body}: {answer:?}");
        ours().assert_no_secret(&format!("{answer:?}"));
    }
}

#[test]
fn the_secret_stands_in_the_address() {
    let case = ours();
    let told = case.fixture_json("url_secret.json");
    for delivery in told["deliveries"].as_array().unwrap() {
        let at = delivery["path_and_query"].as_str().unwrap();
        let query = at.split_once('?').map_or("", |(_, query)| query);
        let body = match delivery["body_file"].as_str() {
            Some(name) => case.fixture(name),
            None => delivery["body"].as_str().unwrap().as_bytes().to_vec(),
        };
        let signature = [("x-avito-messenger-signature".to_owned(), "0".repeat(64))];
        let answer = case.receive_as(&body, query, &signature);
        assert_eq!(answer.is_ok(), delivery["expected_status"] == 200, "{at}: {answer:?}");
        assert!(answer.is_ok() || answer == Err(NotTaken::Forged));
    }
}

#[test]
fn what_is_said_to_another_account_is_received_there() {
    let case = ours();
    let mut body = case.fixture_json("hook_text.json");
    body["payload"]["value"]["user_id"] = json!(5);
    let received = case.receive(body.to_string().as_bytes()).unwrap();
    assert_eq!((received.events.len(), received.elsewhere), (0, vec!["5".to_owned()]));
}

fn lines(kind: &str, content: &Value, more: &[(&str, Value)]) -> Vec<String> {
    let mut value = json!({"id": "m1", "chat_id": "u2i-1", "user_id": 94_235_311, "author_id": 5, "created": 2,
        "type": kind, "content": content});
    for (name, other) in more {
        value[*name] = other.clone();
    }
    let body = json!({"id": "x", "payload": {"type": "message", "value": value}});
    let received = ours().receive(body.to_string().as_bytes()).unwrap();
    received.events.iter().map(|(key, event)| format!("{key} => {}", super::incoming::tell(event))).collect()
}

#[test]
fn every_content_of_a_message_is_read() {
    let item = json!({"item": {"title": "Mazda 3", "price_string": "5 ₽", "item_url": "https://x"}});
    for (kind, content, told) in [
        ("item", item, " | text Mazda 3, 5 ₽, https://x"),
        ("appCall", json!({}), " | note call"),
        ("video", json!({}), " | note unsupported"),
        ("hologram", json!({}), " | note unsupported"),
        (
            "image",
            json!({"image": {"sizes": {"9x9": "https://x/9", "10x10": "https://x/10"}}}),
            " | media Image https://x/10 image/jpeg",
        ),
    ] {
        assert_eq!(lines(kind, &content, &[]), [format!("m1:{kind} => message m1 in u2i-1 | id 5 | at 2000{told}")]);
    }
    assert_eq!(lines("text", &json!({}), &[]), ["m1:text => ignored text"]);
    let quoted = lines("text", &json!({"text": "да"}), &[("quote", json!({"id": "m0"}))]);
    assert_eq!(quoted, ["m1:text => message m1 in u2i-1 | id 5 | at 2000 | text да | answers m0"]);
}

#[test]
fn our_own_message_that_was_read_brings_its_mark_along() {
    let more = [("author_id", json!(94_235_311)), ("read", json!(3))];
    let told = lines("text", &json!({"text": "да"}), &more);
    let expected = [
        "m1:text => message m1 in u2i-1 | id 94235311 | at 2000 | text да | by us",
        "m1:read => viewed m1 (no key) at 3000",
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn the_address_of_a_voice_note_is_asked_for_first() {
    let case = ours();
    let server = MockServer::start().await;
    let id = "9f0c1a7e-1111-4222-8333-444455556666";
    let urls = json!({"voices_urls": {id: format!("{}/files/a.pdf", server.uri())}});
    Mock::given(path("/messenger/v1/accounts/94235311/getVoiceFiles"))
        .and(query_param("voice_ids", id))
        .and(header("authorization", format!("Bearer {TOKEN}").as_str()))
        .respond_with(ResponseTemplate::new(200).set_body_json(urls))
        .expect(1)
        .mount(&server)
        .await;
    offer_file(&server).await;
    let received = case.receive(&case.fixture("hook_voice.json")).unwrap();
    let switchboard::model::message::Event::Message(message) = &received.events[0].1 else { panic!("a message") };
    let media: &IncomingMedia = &message.media[0];
    let fetched = case.messenger.fetch_media(&case.patient_wire(&server.uri()), media, 100).await.ok().unwrap();
    assert_eq!(fetched.mime.as_deref(), Some("audio/mp4"));
    assert_eq!(super::wire::whole(fetched).await.unwrap(), FILE);
    check(&server.received_requests().await.unwrap()[0]);
}

struct Attaching {
    next: Result<AttachNext, AttachError>,
    requests: Vec<Request>,
}

async fn attach(answers: &[(&str, u16, Value)], filled: Value, kept: Value, own_keys: bool) -> Attaching {
    let mut case = ours();
    case.secrets = if own_keys { json!({"client_id": "app-1", "client_secret": "key-of-the-app"}) } else { json!({}) };
    let server = MockServer::start().await;
    for (at, status, body) in answers {
        let answer = ResponseTemplate::new(*status).set_body_json(body);
        Mock::given(path(*at)).respond_with(answer).mount(&server).await;
    }
    let step = AttachStep {
        answers: filled.as_object().cloned().unwrap(),
        webhook_url: HOOK.to_owned(),
        return_url: String::new(),
        kept,
    };
    let next = case.messenger.attach(&case.patient_wire(&server.uri()), &step).await;
    let shown = format!("{next:?}");
    for secret in ["key-of-the-client", "key-of-the-app"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    Attaching { next, requests: server.received_requests().await.unwrap() }
}

#[tokio::test]
async fn an_account_is_attached_by_its_own_keys() {
    let mut token = fixture("resp_token_client_credentials.json");
    token["access_token"] = json!(TOKEN);
    let answers = [("/token", 200, token), ("/core/v1/accounts/self", 200, fixture("resp_accounts_self.json"))];
    let filled = json!({"client_id": " client-1 ", "client_secret": "key-of-the-client"});
    let attached = attach(&answers, filled, Value::Null, false).await;
    attached.requests.iter().for_each(check);
    let AttachNext::Done(Attachment { secrets, settings, account, .. }) = attached.next.unwrap() else {
        panic!("attached")
    };
    assert_eq!(account, "94235311");
    assert_eq!((&settings["title"], &settings["user_id"]), (&json!("Пётр"), &json!("94235311")));
    let secrets: Value = serde_json::from_str(secrets.expose_secret()).unwrap();
    assert_eq!((&secrets["access_token"], &secrets["client_id"]), (&json!(TOKEN), &json!("client-1")));
    assert_eq!(secrets["secret"].as_str().unwrap().len(), 64);
}

#[tokio::test]
async fn an_account_is_attached_by_signing_in_at_the_site() {
    let first = attach(&[], json!({"client_id": "", "client_secret": ""}), Value::Null, true).await;
    let AttachNext::Redirect { url, state, kept } = first.next.unwrap() else { panic!("a page of Avito") };
    let url = url::Url::parse(&url).unwrap();
    assert_eq!(url.path(), "/oauth");
    let asked: Map<String, Value> = url.query_pairs().map(|(name, value)| (name.into_owned(), json!(value))).collect();
    assert_eq!((&asked["client_id"], &asked["response_type"]), (&json!("app-1"), &json!("code")));
    assert_eq!(asked["scope"], "messenger:read,messenger:write,user:read");
    assert_eq!((&asked["state"], &kept["state"]), (&json!(state), &json!(state)));

    let mut token = fixture("resp_token_authorization_code.json");
    token["access_token"] = json!(TOKEN);
    let answers = [("/token", 200, token), ("/core/v1/accounts/self", 200, fixture("resp_accounts_self.json"))];
    let back = json!({"code": "the-code", "state": kept["state"]});
    let attached = attach(&answers, back, kept.clone(), true).await;
    attached.requests.iter().for_each(check);
    assert_eq!(form(&attached.requests[0])["code"], "the-code");
    let AttachNext::Done(Attachment { secrets, .. }) = attached.next.unwrap() else { panic!("attached") };
    assert!(secrets.expose_secret().contains("\"refresh_token\":\"QNAcwgbH"));

    for back in [json!({"code": "the-code", "state": "another"}), json!({"state": kept["state"]}), json!({})] {
        let refused = attach(&answers, back, kept.clone(), true).await;
        assert_eq!(refused.next.unwrap_err().field, "code");
        assert!(refused.requests.is_empty());
    }
}

#[tokio::test]
async fn each_failure_names_the_field_to_mend() {
    let token = || fixture("resp_token_client_credentials.json");
    let error = |code: u16| json!({"error": {"code": code, "message": "said"}});
    let keys = || json!({"client_id": "client-1", "client_secret": "key-of-the-client"});
    for (answers, filled, field, word) in [
        (vec![], json!({}), "client_id", "Client ID"),
        (vec![], json!({"client_id": "client-1"}), "client_secret", "ключей"),
        (vec![], json!({"client_id": "с пробелом", "client_secret": "x"}), "client_id", "ключей"),
        (vec![("/token", 200, json!({"error": "invalid_client"}))], keys(), "client_secret", "ключей"),
        (vec![("/token", 503, json!("page"))], keys(), "", "не отвечает"),
        (vec![("/token", 200, token()), ("/core/v1/accounts/self", 402, error(402))], keys(), "", "тариф"),
        (vec![("/token", 200, token()), ("/core/v1/accounts/self", 403, error(403))], keys(), "", "отклонило"),
    ] {
        let told = attach(&answers, filled.clone(), Value::Null, false).await.next.unwrap_err();
        assert_eq!(told.field, field, "{filled}: {told:?}");
        assert!(told.ru.contains(word), "{told:?}");
    }
}

#[tokio::test]
async fn avito_is_told_our_address_with_the_secret_and_old_ones_go() {
    let case = ours();
    let server = MockServer::start().await;
    let old = "https://switchboard.example.test/hook/channel/9f?s=old";
    let subscriptions = json!({"subscriptions": [{"url": old, "version": "3"}, {"url": format!("{HOOK}?s={SECRET}"),
        "version": "3"}, {"url": "https://other-crm.example.test/hook", "version": "3"}]});
    for (at, body) in [
        ("/messenger/v3/webhook", fixture("resp_ok.json")),
        ("/messenger/v1/subscriptions", subscriptions),
        ("/messenger/v1/webhook/unsubscribe", fixture("resp_ok.json")),
    ] {
        Mock::given(path(at)).respond_with(ResponseTemplate::new(200).set_body_json(body)).mount(&server).await;
    }
    case.messenger.announce(&case.patient_wire(&server.uri()), HOOK).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    requests.iter().for_each(check);
    let body = |at: usize| serde_json::from_slice::<Value>(&requests[at].body).unwrap();
    assert_eq!(body(0), json!({"url": format!("{HOOK}?s={SECRET}")}));
    assert_eq!((requests.len(), body(2)), (3, json!({"url": old})));
    server.reset().await;
    let refused = json!({"error": {"code": 402, "message": "Payment required"}});
    let answer = ResponseTemplate::new(402).set_body_json(refused);
    Mock::given(body_string_contains("url")).respond_with(answer).mount(&server).await;
    let error = case.messenger.announce(&case.patient_wire(&server.uri()), HOOK).await.unwrap_err();
    assert!(error.ru.contains("тариф") && error.en.contains("tariff"), "{error:?}");
}

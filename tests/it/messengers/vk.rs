//! VK communities: their row in the suite, and what only they do.

use std::sync::LazyLock;

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};
use switchboard::messenger::{AttachError, AttachNext, AttachStep, Attachment, Boxed, Messenger, NotTaken};
use switchboard::model::message::{Content, MediaKind, Peer, Place};
use switchboard::model::result::Code;
use switchboard::model::vendor::{Answer, Scope};
use wiremock::matchers::{body_string_contains, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::case::{Case, NOW, Proof, cases, file, text};
use super::outgoing::{sent, taking};
use super::wire::FILE;

const TOKEN: &str = "vk1.a.key-of-the-community-0123456789";
const SECRET: &str = "vk-secret-77";
const HOOK: &str = "https://switchboard.example.test/hook/channel/0a1b";

pub(super) fn case(messenger: &'static dyn Messenger) -> Case {
    let error = |code: i64, words: &str| json!({"error": {"error_code": code, "error_msg": words}});
    let of_peer = |code: i64| {
        json!({"response": [{"peer_id": 300_000_001, "message_id": 0, "conversation_message_id": 0,
            "error": {"code": code, "description": "no"}}]})
    };
    let success = json!({"response": [{"peer_id": 300_000_001, "message_id": 1505, "conversation_message_id": 325}]});
    let refused = |code, text: &str| Answer::Refused { code, text: text.to_owned() };
    let unsure = |seen: &str| Answer::Unsure { seen: seen.to_owned(), resendable: true };
    Case {
        messenger,
        folder: "vk",
        secrets: json!({"token": TOKEN, "secret": SECRET}),
        settings: json!({"group_id": "200000001"}),
        peer: Peer::Chat("300000001".to_owned()),
        proof: Proof::Body("secret", SECRET),
        file_id: |server| format!("{}/files/a.pdf", server.uri()),
        prepare,
        answers: vec![
            (
                200,
                success.clone(),
                Answer::Done { vendor_ids: vec!["300000001_325".to_owned()], chat: Some("300000001".to_owned()) },
            ),
            (200, error(6, "Too many"), Answer::Busy { after_ms: 1_000, scope: Scope::Lane }),
            (200, error(9, "Flood"), Answer::Busy { after_ms: 60_000, scope: Scope::Recipient }),
            (200, of_peer(9), Answer::Busy { after_ms: 60_000, scope: Scope::Recipient }),
            (200, error(5, "Token"), Answer::Expired { seen: "(5) Token".to_owned() }),
            (200, error(901, "No"), refused(Code::CannotWriteFirst, "(901) No")),
            (200, of_peer(901), refused(Code::CannotWriteFirst, "(901) no")),
            (200, of_peer(900), refused(Code::Blocked, "(900) no")),
            (200, error(18, "Deleted"), Answer::Nobody { text: "(18) Deleted".to_owned() }),
            (200, error(10, "Internal"), unsure("(10) Internal")),
            (200, json!({"response": []}), unsure("a success without a message id")),
            (200, json!({"execute_errors": []}), unsure("HTTP 200 without an answer of the API")),
        ],
        recorded: &[
            ("resp_send_peer_ids.json", 200, "Done { vendor_ids: [\"300000001_325\"], chat: Some(\"300000001\")"),
            // the answer to a call with `peer_id`, which is not ours
            ("resp_send_single.json", 200, "Done { vendor_ids: [], chat: Some(\"300000001\")"),
            ("resp_error_5.json", 200, "Expired"),
            ("resp_error_6.json", 200, "Busy { after_ms: 1000, scope: Lane"),
            ("resp_error_901.json", 200, "Refused { code: CannotWriteFirst"),
        ],
        success,
    }
}

fn flow(name: &str) -> Value {
    let file = format!("{}/tests/fixtures/vk/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// Uploads as the fixtures tell them, with the upload address on this server.
fn prepare(server: &MockServer) -> Boxed<'_, ()> {
    Box::pin(async move {
        let photo = flow("resp_upload_photo_flow.json");
        let document = flow("resp_upload_doc_flow.json");
        for (asked, posted, saved, told) in [
            ("/photos.getMessagesUploadServer", "/upload/photo", "/photos.saveMessagesPhoto", &photo),
            ("/docs.getMessagesUploadServer", "/upload/doc", "/docs.save", &document),
        ] {
            let mut where_to = told["getMessagesUploadServer"].clone();
            where_to["response"]["upload_url"] = json!(format!("{}{posted}?act=do_add", server.uri()));
            for (at, body) in [(asked, &where_to), (posted, &told["upload"]), (saved, &told["save"])] {
                let answer = ResponseTemplate::new(200).set_body_json(body);
                Mock::given(path(at)).respond_with(answer).mount(server).await;
            }
        }
    })
}

pub(super) async fn offer_file(server: &MockServer) {
    let answer = ResponseTemplate::new(200).set_body_bytes(FILE);
    Mock::given(method("GET")).and(path("/files/a.pdf")).respond_with(answer).mount(server).await;
}

static METHODS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let read = |name: &str| {
        let file = format!("{}/tests/fixtures/schemas/vk/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let all: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        all["methods"].as_array().unwrap().clone()
    };
    ["messages", "groups", "docs", "photos", "users"].into_iter().flat_map(read).collect()
});

fn form(request: &Request) -> Map<String, Value> {
    form_urlencoded::parse(&request.body).map(|(name, value)| (name.into_owned(), json!(value))).collect()
}

/// A call is held against the method's parameters, an upload against the one field that it has.
pub(super) fn check(request: &Request) {
    assert_eq!(request.method.as_str(), "POST");
    let name = request.url.path().trim_start_matches('/');
    if let Some(kind) = name.strip_prefix("upload/") {
        let body = String::from_utf8_lossy(&request.body);
        let field = if kind == "photo" { "name=\"photo\"" } else { "name=\"file\"" };
        assert!(body.contains(field) && body.matches("Content-Disposition").count() == 1, "{body}");
        return;
    }
    let mut fields = form(request);
    assert_eq!(fields.remove("access_token"), Some(json!(TOKEN)));
    assert_eq!(fields.remove("v"), Some(json!("5.199")));
    check_call(name, &fields);
}

fn check_call(name: &str, fields: &Map<String, Value>) {
    let found = METHODS.iter().find(|method| method["name"] == name).unwrap_or_else(|| panic!("no method {name}"));
    let known = found["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    for parameter in known.iter().filter(|parameter| parameter["required"] == true) {
        assert!(fields.contains_key(parameter["name"].as_str().unwrap()), "{name} misses {}", parameter["name"]);
    }
    for (field, value) in fields {
        let parameter = known.iter().find(|parameter| parameter["name"] == *field);
        let parameter = parameter.unwrap_or_else(|| panic!("{name}.{field} is unknown"));
        check_value(parameter, value.as_str().unwrap(), &format!("{name}.{field}"));
    }
}

fn check_value(parameter: &Value, value: &str, what: &str) {
    match parameter["type"].as_str().unwrap_or("string") {
        "integer" => {
            let number: i64 = value.parse().unwrap_or_else(|_| panic!("{what} is {value}"));
            assert!(parameter["minimum"].as_i64().is_none_or(|least| number >= least), "{what} is {value}");
        }
        "boolean" => assert!(matches!(value, "0" | "1"), "{what} is {value}"),
        "array" if parameter["items"]["type"] == "integer" => {
            assert!(value.split(',').all(|one| one.parse::<i64>().is_ok()), "{what} is {value}");
        }
        _ => {
            let most = parameter["maxLength"].as_u64().unwrap_or(u64::MAX);
            assert!(value.chars().count() as u64 <= most, "{what} is too long");
            let words = parameter["enum"].as_array();
            assert!(words.is_none_or(|words| words.contains(&json!(value))), "{what} is {value}");
        }
    }
}

#[test]
fn the_schema_tells_good_from_bad() {
    let fields = |value: Value| value.as_object().unwrap().clone();
    check_call("messages.send", &fields(json!({"peer_ids": "1,2", "random_id": "5", "message": "x"})));
    for (name, bad) in [
        ("messages.send", json!({"peer_ids": "x"})),
        ("messages.send", json!({"random_id": "1.5"})),
        ("messages.send", json!({"text": "x"})),
        ("messages.send", json!({"message": "x".repeat(9001)})),
        ("messages.sent", json!({})),
        ("docs.save", json!({})),
        ("docs.getMessagesUploadServer", json!({"type": "film"})),
        ("groups.addCallbackServer", json!({"group_id": "1", "url": "x", "title": "a title that is too long"})),
    ] {
        assert!(std::panic::catch_unwind(|| check_call(name, &fields(bad.clone()))).is_err(), "{name} {bad}");
    }
}

fn ours() -> Case {
    cases().into_iter().find(|case| case.folder == "vk").unwrap()
}

#[tokio::test]
async fn the_same_message_has_the_same_random_id_at_every_attempt() {
    let case = ours();
    let ids = |requests: &[Request]| form(requests.last().unwrap())["random_id"].as_str().unwrap().to_owned();
    let (_, first) = sent(&case, text("Раз"), None).await;
    let (_, second) = sent(&case, text("Раз"), None).await;
    let (_, with_file) = sent(&case, file(MediaKind::Image, "store:good", None), None).await;
    assert_eq!(ids(&first), ids(&second));
    assert_eq!(ids(&first), ids(&with_file));
    let server = taking(&case).await;
    let mut other = case.message(text("Раз"));
    other.key = "msg:another".to_owned();
    case.messenger.send(&case.patient_wire(&server.uri()), &other, NOW).await;
    let other = ids(&server.received_requests().await.unwrap());
    assert_ne!(ids(&first), other);
    assert!(other.parse::<i32>().unwrap() > 0);
}

#[tokio::test]
async fn an_answer_quotes_the_message_of_its_own_chat_only() {
    let case = ours();
    let (_, requests) = sent(&case, text("Да"), Some("300000001_320")).await;
    let quoted: Value = serde_json::from_str(form(&requests[0])["forward"].as_str().unwrap()).unwrap();
    assert_eq!(quoted, json!({"peer_id": 300_000_001, "conversation_message_ids": [320], "is_reply": true}));
    for elsewhere in ["wall-200000001_40_55", "300000002_320"] {
        let (answer, requests) = sent(&case, text("Да"), Some(elsewhere)).await;
        assert!(matches!(answer, Answer::Done { .. }));
        assert!(!form(&requests[0]).contains_key("forward"), "{elsewhere}");
    }
}

#[tokio::test]
async fn pictures_voice_notes_and_documents_go_their_own_ways() {
    let case = ours();
    for (kind, asked, attachment) in [
        (MediaKind::Image, "/photos.getMessagesUploadServer", "photo-200000001_457239100_cc33dd44"),
        (MediaKind::Document, "/docs.getMessagesUploadServer", "doc300000001_655000010_aa11bb22"),
        (MediaKind::Voice, "/docs.getMessagesUploadServer", "doc300000001_655000010_aa11bb22"),
    ] {
        let (_, requests) = sent(&case, file(kind, "store:good", None), None).await;
        assert_eq!(requests[0].url.path(), asked);
        assert_eq!(form(requests.last().unwrap())["attachment"], attachment);
        let asked_type = form(&requests[0]).get("type").cloned();
        let expected = match kind {
            MediaKind::Image => None,
            MediaKind::Voice => Some(json!("audio_message")),
            _ => Some(json!("doc")),
        };
        assert_eq!(asked_type, expected);
    }
}

#[tokio::test]
async fn a_file_that_vk_does_not_take_is_refused_with_its_reason() {
    let case = ours();
    let kinds = [
        ("/upload/photo", MediaKind::Image, json!({"server": 1, "photo": "[]", "hash": "x"})),
        ("/upload/doc", MediaKind::Document, json!({"error": "wrong", "error_descr": "Формат не поддерживается"})),
    ];
    for (at, kind, body) in kinds {
        let server = MockServer::start().await;
        Mock::given(path(at)).respond_with(ResponseTemplate::new(200).set_body_json(body)).mount(&server).await;
        prepare(&server).await;
        let message = case.message(file(kind, "store:good", None));
        let answer = case.messenger.send(&case.patient_wire(&server.uri()), &message, NOW).await;
        assert!(matches!(answer, Answer::Refused { code: Code::FileBad, .. }), "{answer:?}");
    }
}

#[tokio::test]
async fn an_upload_that_failed_is_begun_anew_once() {
    let case = ours();
    let server = MockServer::start().await;
    let failed = json!({"error": {"error_code": 22, "error_msg": "Upload error"}});
    let failing = ResponseTemplate::new(200).set_body_json(failed);
    Mock::given(path("/docs.save")).respond_with(failing).up_to_n_times(1).expect(1).mount(&server).await;
    prepare(&server).await;
    let taken = ResponseTemplate::new(200).set_body_json(&case.success);
    Mock::given(path("/messages.send")).respond_with(taken).expect(1).mount(&server).await;
    let message = case.message(file(MediaKind::Document, "store:good", None));
    let answer = case.messenger.send(&case.patient_wire(&server.uri()), &message, NOW).await;
    assert!(matches!(answer, Answer::Done { .. }), "{answer:?}");
}

#[tokio::test]
async fn an_upload_without_an_answer_is_down_because_nobody_saw_it() {
    let case = ours();
    let server = MockServer::start().await;
    Mock::given(path("/upload/doc")).respond_with(ResponseTemplate::new(502)).expect(1).mount(&server).await;
    prepare(&server).await;
    let message = case.message(file(MediaKind::Document, "store:good", None));
    let answer = case.messenger.send(&case.patient_wire(&server.uri()), &message, NOW).await;
    assert!(matches!(answer, Answer::Down { .. }), "{answer:?}");
}

#[test]
fn the_address_is_proved_for_our_community_only() {
    let case = ours();
    let told = case.fixture_json("confirmation.json");
    let request = |change: fn(&mut Value)| {
        let mut body = told["request"].clone();
        change(&mut body);
        case.receive_as(body.to_string().as_bytes(), "", &[])
    };
    for received in [request(|_| ()), request(|body| drop(body.as_object_mut().unwrap().remove("secret")))] {
        let received = received.unwrap();
        assert!(received.proof && received.events.is_empty());
    }
    assert_eq!(request(|body| body["group_id"] = json!(200_000_002)), Err(NotTaken::Forged));
}

#[tokio::test]
async fn the_confirmation_code_is_asked_anew_each_time() {
    let case = ours();
    let told = case.fixture_json("confirmation.json");
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_json(json!({"response": {"code": told["confirmation_code"]}}));
    Mock::given(path("/groups.getCallbackConfirmationCode")).respond_with(answer).expect(2).mount(&server).await;
    for _ in 0..2 {
        let reply = case.messenger.prove(&case.patient_wire(&server.uri())).await.unwrap();
        assert_eq!((reply.mime, json!(reply.body)), ("text/plain", told["expected"]["body"].clone()));
    }
    server.received_requests().await.unwrap().iter().for_each(check);
}

#[test]
fn every_event_is_answered_with_the_one_word_and_a_repetition_has_the_same_key() {
    let case = ours();
    let again = case.fixture_json("retry_delivery.json");
    let body = case.fixture(again["body_file"].as_str().unwrap());
    let first = case.receive(&body).unwrap();
    let repeated = case.receive_with(&body, &[("x-retry-counter".to_owned(), "2".to_owned())]).unwrap();
    assert_eq!(first, repeated);
    assert_eq!(json!(first.reply.body), again["expected"]["body"]);
    let unknown = json!({"type": "vkpay_transaction", "group_id": 200_000_001, "event_id": "x", "secret": SECRET});
    let received = case.receive(unknown.to_string().as_bytes()).unwrap();
    assert_eq!(received.reply.body, "ok");
    assert_eq!(super::incoming::tell(&received.events[0].1), "ignored vkpay_transaction");
}

#[test]
fn a_wrong_secret_is_refused() {
    let case = ours();
    let wrong = case.fixture_json("wrong_secret.json");
    let body = wrong["body"].to_string();
    assert_eq!(case.receive_as(body.as_bytes(), "", &[]), Err(NotTaken::Forged));
    assert_eq!(wrong["expected_status"], 403);
}

#[test]
fn what_is_said_to_another_community_is_received_there() {
    let case = ours();
    let mut body = case.fixture_json("cb_message_new_text.json");
    body["group_id"] = json!(200_000_002);
    let received = case.receive(body.to_string().as_bytes()).unwrap();
    assert_eq!((received.events.len(), received.elsewhere), (0, vec!["200000002".to_owned()]));
}

fn line(kind: &str, object: &Value) -> String {
    let body = json!({"type": kind, "object": object, "group_id": 200_000_001, "event_id": "x", "secret": SECRET});
    super::incoming::tell(&ours().receive(body.to_string().as_bytes()).unwrap().events[0].1)
}

#[test]
fn every_content_of_a_message_is_read() {
    let attached = |kind: &str, object: Value| json!({"attachments": [{"type": kind, kind: object}]});
    let sizes =
        json!([{"width": 9, "height": 9, "url": "https://x/9"}, {"width": 1, "height": 1, "url": "https://x/1"}]);
    for (content, told) in [
        (attached("sticker", json!({"images": sizes})), " | media Sticker https://x/9 image/png"),
        (attached("graffiti", json!({"url": "https://x/g"})), " | media Image https://x/g image/png"),
        (
            attached("audio", json!({"artist": "Кино", "title": "Кукушка", "url": "https://x/a"})),
            " | media Audio https://x/a Кино — Кукушка.mp3 audio/mpeg",
        ),
        (attached("audio", json!({"artist": "Кино", "title": "Кукушка"})), " | text Кино — Кукушка"),
        (attached("audio_message", json!({"link_mp3": "https://x/v"})), " | media Voice https://x/v audio/mpeg"),
        (attached("video", json!({"owner_id": -5, "id": 7})), " | text https://vk.com/video-5_7"),
        (attached("link", json!({"url": "https://x"})), " | text https://x"),
        (attached("wall", json!({"to_id": -5, "id": 7})), " | text https://vk.com/wall-5_7"),
        (attached("market", json!({"title": "Чайник", "price": {"text": "5 ₽"}})), " | text Чайник, 5 ₽"),
        (attached("poll", json!({"id": 1})), " | note poll"),
        (attached("hologram", json!({"id": 1})), " | note unsupported"),
        (
            json!({"geo": {"coordinates": {"latitude": 1.5, "longitude": 2.0}, "place": {"title": "Кафе"}}}),
            " | place 1.5 2 Кафе",
        ),
        (
            json!({"text": "см.", "fwd_messages": [{"text": "раз\nдва", "fwd_messages": [{"text": "три"}]}]}),
            " | text см.\n> раз\n> два\n> три",
        ),
    ] {
        let mut message = json!({"peer_id": 5, "from_id": 5, "date": 2, "conversation_message_id": 7});
        message.as_object_mut().unwrap().extend(content.as_object().cloned().unwrap());
        let told = format!("message 5_7 in 5 | id 5 | at 2000{told}");
        assert_eq!(line("message_new", &json!({"message": message})), told);
    }
}

#[test]
fn the_community_itself_and_other_communities_are_told_apart() {
    let own = json!({"peer_id": 5, "from_id": -200_000_001, "date": 2, "conversation_message_id": 7, "text": "x"});
    assert_eq!(line("message_reply", &own), "message 5_7 in 5 | id -200000001 | at 2000 | text x | by us");
    let comment = json!({"id": 1, "from_id": -200_000_001, "date": 2, "text": "x", "post_id": 3, "owner_id": -5});
    assert_eq!(line("wall_reply_new", &comment), "ignored wall_reply_new");
    let read_by_us = json!({"from_id": -200_000_001, "peer_id": 5, "conversation_message_id": 7});
    assert_eq!(line("message_read", &read_by_us), "ignored message_read");
    let kicked = json!({"message": {"peer_id": 2_000_000_007, "from_id": 5, "date": 2, "conversation_message_id": 7,
        "action": {"type": "chat_kick_user", "member_id": -200_000_001}}});
    assert_eq!(line("message_new", &kicked), "forbidden in 2000000007");
    let reaction = json!({"reacted_id": 5, "peer_id": 5, "cmid": 7, "reaction_id": 1});
    assert_eq!(line("message_reaction_event", &reaction), "reaction 1 to 5_7 in 5 by 5 at 0");
    let ours = json!({"reacted_id": -200_000_001, "peer_id": 5, "cmid": 7});
    assert_eq!(line("message_reaction_event", &ours), "reaction taken back to 5_7 in 5 by us at 0");
}

async fn vendor(answers: &[(&str, Value)]) -> MockServer {
    let server = MockServer::start().await;
    for (name, body) in answers {
        let answer = ResponseTemplate::new(200).set_body_json(body);
        Mock::given(path(format!("/{name}"))).respond_with(answer).mount(&server).await;
    }
    server
}

async fn attach(answers: &[(&str, Value)], token: &str) -> Result<AttachNext, AttachError> {
    let case = ours();
    let server = vendor(answers).await;
    let step = AttachStep {
        answers: json!({"token": token}).as_object().cloned().unwrap(),
        webhook_url: HOOK.to_owned(),
        return_url: String::new(),
        kept: Value::Null,
    };
    let next = case.messenger.attach(&case.patient_wire(&server.uri()), &step).await;
    case.assert_no_secret(&format!("{next:?}"));
    server.received_requests().await.unwrap().iter().for_each(check);
    next
}

fn rights(names: &[&str]) -> Value {
    let held: Vec<Value> = names.iter().map(|name| json!({"name": name, "setting": 1})).collect();
    json!({"response": {"mask": 1, "permissions": held}})
}

#[tokio::test]
async fn a_community_is_attached_by_its_key() {
    let group = json!({"id": 200_000_001, "name": "Ромашка", "screen_name": "romashka"});
    for told in [json!({"groups": [group], "profiles": []}), json!([group])] {
        let answers = [
            ("groups.getTokenPermissions", rights(&["messages", "manage", "photos"])),
            ("groups.getById", json!({"response": told})),
        ];
        let AttachNext::Done(Attachment { secrets, settings, account, .. }) = attach(&answers, TOKEN).await.unwrap()
        else {
            panic!("attached")
        };
        assert_eq!(account, "200000001");
        assert_eq!(settings, json!({"title": "Ромашка", "address": "vk.com/romashka", "group_id": "200000001"}));
        let secrets: Value = serde_json::from_str(secrets.expose_secret()).unwrap();
        assert_eq!((&secrets["token"], secrets["secret"].as_str().unwrap().len()), (&json!(TOKEN), 50));
    }
}

/// A step of a sign-in at a vendor where this server has keys.
async fn sign_in(vendor: &str, kept: Value, answers: Value) -> Result<AttachNext, AttachError> {
    let mut wire = ours().patient_wire(vendor);
    wire.secrets = json!({"client_id": "51000001", "client_secret": "protected-key"}).to_string().into();
    let step = AttachStep {
        answers: answers.as_object().cloned().unwrap(),
        webhook_url: HOOK.to_owned(),
        return_url: "https://switchboard.example.test/attach/return".to_owned(),
        kept,
    };
    let next = ours().messenger.attach(&wire, &step).await;
    let shown = format!("{next:?}");
    assert!(!shown.contains("protected-key") && !shown.contains("vk1.a."), "{shown}");
    next
}

fn asked(url: &str) -> Map<String, Value> {
    let url = url::Url::parse(url).unwrap();
    url.query_pairs().map(|(name, value)| (name.into_owned(), json!(value))).collect()
}

#[tokio::test]
async fn the_page_of_the_sign_in_belongs_to_the_host_of_the_api() {
    for (vendor, page) in [
        ("https://api.vk.com/method", "https://oauth.vk.com/authorize?"),
        ("https://api.vk.ru/method", "https://oauth.vk.ru/authorize?"),
        ("https://proxy.example.test/vk/method", "https://proxy.example.test/vk/oauth/authorize?"),
    ] {
        let AttachNext::Redirect { url, state, .. } = sign_in(vendor, Value::Null, json!({})).await.unwrap() else {
            panic!("a page to go to")
        };
        assert!(url.starts_with(page), "{url}");
        let mut query = asked(&url);
        assert_eq!((query.remove("state"), state.len()), (Some(json!(state)), 64));
        let expected = json!({"client_id": "51000001", "redirect_uri": "https://switchboard.example.test/attach/return",
            "display": "page", "scope": "groups", "response_type": "code", "v": "5.199"});
        assert_eq!(Value::Object(query), expected);
    }
}

#[tokio::test]
async fn a_sign_in_asks_vk_what_its_documents_have() {
    let group = json!({"id": 200_000_001, "name": "Ромашка", "screen_name": "romashka", "is_admin": 1});
    let server = vendor(&[
        ("oauth/access_token", json!({"access_token": "vk1.a.of-the-person", "expires_in": 86_400, "user_id": 5})),
        ("groups.get", json!({"response": {"count": 1, "items": [group]}})),
    ])
    .await;
    let begun = sign_in(&server.uri(), Value::Null, json!({})).await.unwrap();
    let AttachNext::Redirect { kept, state, .. } = begun else { panic!("{begun:?}") };
    let chosen = sign_in(&server.uri(), kept, json!({"code": "c1", "state": state})).await.unwrap();
    let AttachNext::Choose { options, kept, .. } = chosen else { panic!("{chosen:?}") };
    assert_eq!((options[0].title.as_str(), options[0].about.as_str()), ("Ромашка", "vk.com/romashka"));
    let second = sign_in(&server.uri(), kept, json!({"community": "200000001"})).await.unwrap();
    let AttachNext::Redirect { url, kept, state } = second else { panic!("{second:?}") };
    let query = asked(&url);
    assert_eq!((&query["group_ids"], &query["scope"]), (&json!("200000001"), &json!("messages,photos,docs,manage")));
    let requests = server.received_requests().await.unwrap();
    let exchange = json!({"client_id": "51000001", "client_secret": "protected-key", "code": "c1",
        "redirect_uri": "https://switchboard.example.test/attach/return"});
    assert_eq!(
        (requests[0].method.as_str(), asked(requests[0].url.as_str())),
        ("GET", exchange.as_object().unwrap().clone())
    );
    let mut fields = form(&requests[1]);
    assert_eq!(
        (fields.remove("access_token"), fields.remove("v")),
        (Some(json!("vk1.a.of-the-person")), Some(json!("5.199")))
    );
    check_call("groups.get", &fields);
    // a key for another community is not taken for the chosen one's
    for told in [
        json!({"groups": [{"group_id": 200_000_002, "access_token": TOKEN}], "expires_in": 0}),
        json!({"groups": []}),
        json!({"access_token": TOKEN}),
    ] {
        let server = vendor(&[("oauth/access_token", told)]).await;
        let error = sign_in(&server.uri(), kept.clone(), json!({"code": "c2", "state": state})).await.unwrap_err();
        assert!(error.field.is_empty() && error.ru.contains("не к тому сообществу"), "{error:?}");
        assert_eq!(server.received_requests().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn each_failure_names_the_field_to_mend() {
    let error = |code: i64| json!({"error": {"error_code": code, "error_msg": "said"}});
    for (answers, field, word) in [
        (vec![("groups.getTokenPermissions", error(27))], "token", "ключ"),
        (vec![("groups.getTokenPermissions", rights(&["photos"]))], "token", "сообщения"),
        (vec![("groups.getTokenPermissions", rights(&["messages"]))], "token", "управление"),
        (vec![("groups.getTokenPermissions", error(6))], "", "подождать"),
        (vec![("groups.getTokenPermissions", json!("page"))], "", "не отвечает"),
    ] {
        let told = attach(&answers, TOKEN).await.unwrap_err();
        assert_eq!(told.field, field, "{told:?}");
        assert!(told.ru.contains(word), "{told:?}");
    }
    assert_eq!(attach(&[], "не то").await.unwrap_err().field, "token");
}

#[tokio::test]
async fn vk_is_told_our_address_once_and_old_ones_go() {
    let case = ours();
    let entry = |id: i64, url: &str| json!({"id": id, "title": "x", "creator_id": 1, "url": url, "secret_key": "", "status": "ok"});
    let old = "https://switchboard.example.test/hook/channel/9f";
    for (known, changed) in [
        (vec![entry(3, "https://other.example.test/hook")], "groups.addCallbackServer"),
        (vec![entry(3, HOOK), entry(4, old)], "groups.editCallbackServer"),
    ] {
        let server = vendor(&[
            ("groups.getCallbackServers", json!({"response": {"count": 1, "items": known}})),
            ("groups.addCallbackServer", json!({"response": {"server_id": 5}})),
            ("groups.editCallbackServer", json!({"response": 1})),
            ("groups.deleteCallbackServer", json!({"response": 1})),
            ("groups.setCallbackSettings", json!({"response": 1})),
        ])
        .await;
        case.messenger.announce(&case.patient_wire(&server.uri()), HOOK).await.unwrap();
        let requests = server.received_requests().await.unwrap();
        requests.iter().for_each(check);
        let called = |name: &str| requests.iter().filter(|one| one.url.path().ends_with(name)).collect::<Vec<_>>();
        let entries = called(changed);
        assert_eq!(entries.len(), 1, "{changed}");
        assert_eq!((&form(entries[0])["url"], &form(entries[0])["secret_key"]), (&json!(HOOK), &json!(SECRET)));
        let gone: Vec<Value> =
            called("deleteCallbackServer").iter().map(|one| form(one)["server_id"].clone()).collect();
        let (stale, id) = if known.len() == 2 { (vec![json!("4")], "3") } else { (vec![], "5") };
        assert_eq!(gone, stale);
        let wanted = form(called("setCallbackSettings")[0]);
        assert_eq!(wanted["server_id"], id);
        for event in ["message_new", "message_reply", "message_read", "message_deny", "wall_reply_new"] {
            assert_eq!(wanted[event], "1", "{event}");
        }
    }
}

#[tokio::test]
async fn ten_servers_of_others_are_told_with_the_way_out() {
    let case = ours();
    let full = json!({"error": {"error_code": 2000, "error_msg": "Cannot add more than 10 servers"}});
    let server = vendor(&[
        ("groups.getCallbackServers", json!({"response": {"count": 0, "items": []}})),
        ("groups.addCallbackServer", full),
    ])
    .await;
    let error = case.messenger.announce(&case.patient_wire(&server.uri()), HOOK).await.unwrap_err();
    assert!(error.ru.contains("Удалите") && error.en.contains("Delete"), "{error:?}");
}

#[tokio::test]
async fn a_name_or_a_phone_leads_nowhere_before_the_customer_wrote() {
    let case = ours();
    for (to, code) in [
        (Peer::Username("anna_p".to_owned()), Code::CannotWriteFirst),
        (Peer::Email("a@example.test".to_owned()), Code::CannotWriteFirst),
        (Peer::Chat("anna_p".to_owned()), Code::AddressBad),
        (Peer::Chat("0".to_owned()), Code::AddressBad),
    ] {
        let mut message = case.message(text("1"));
        message.to = to;
        let answer = case.messenger.send(&case.wire("http://127.0.0.1:9"), &message, NOW).await;
        assert!(matches!(answer, Answer::Refused { code: told, .. } if told == code), "{answer:?}");
    }
    let server = MockServer::start().await;
    let taken = json!({"response": [{"peer_id": 2_000_000_007, "conversation_message_id": 13}]});
    let answer = ResponseTemplate::new(200).set_body_json(taken);
    Mock::given(body_string_contains("peer_ids=2000000007")).respond_with(answer).expect(1).mount(&server).await;
    let mut message = case.message(text("1"));
    message.to = Peer::Chat("2000000007".to_owned());
    let answer = case.messenger.send(&case.patient_wire(&server.uri()), &message, NOW).await;
    assert!(matches!(answer, Answer::Done { vendor_ids, .. } if vendor_ids == ["2000000007_13"]));
}

#[tokio::test]
async fn people_and_communities_are_asked_for_by_their_numbers() {
    let case = ours();
    let server = MockServer::start().await;
    let answer = |body: Value| ResponseTemplate::new(200).set_body_json(body);
    Mock::given(path("/users.get")).respond_with(answer(flow("resp_users_get.json"))).mount(&server).await;
    let group =
        json!({"response": {"groups": [{"id": 5, "name": "Ромашка", "screen_name": "Romashka"}], "profiles": []}});
    Mock::given(path("/groups.getById")).respond_with(answer(group)).mount(&server).await;
    let wire = case.patient_wire(&server.uri());
    for (id, name, username) in [("300000001", "Анна Петрова", "anna_p"), ("-5", "Ромашка", "romashka")]
    {
        let person = case.messenger.person(&wire, id).await.unwrap().unwrap();
        assert_eq!((person.name.as_deref(), person.username.as_deref()), (Some(name), Some(username)));
    }
    server.received_requests().await.unwrap().iter().for_each(check);
    for (body, expected) in [
        (json!({"response": []}), Ok(None)),
        (json!({"error": {"error_code": 10, "error_msg": "x"}}), Err(Answer::Down { seen: "(10) x".to_owned() })),
    ] {
        let server = MockServer::start().await;
        Mock::given(method("POST")).respond_with(answer(body)).mount(&server).await;
        assert_eq!(case.messenger.person(&case.patient_wire(&server.uri()), "1").await, expected);
    }
}

#[tokio::test]
async fn a_message_that_was_cut_is_asked_for_whole_and_an_answer_to_a_notification_is_marked() {
    let case = ours();
    let mut body = case.fixture_json("cb_message_new_text.json");
    let mut whole = body["object"]["message"].clone();
    body["object"]["message"]["is_cropped"] = json!(true);
    let read = |body: &Value| match case.receive(body.to_string().as_bytes()).unwrap().events.remove(0).1 {
        switchboard::model::message::Event::Message(incoming) => *incoming,
        other => panic!("{other:?}"),
    };
    let cut = read(&body);
    assert_eq!(cut.note.as_deref(), Some("cropped"));
    whole["text"] = json!("и ещё много слов");
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_json(json!({"response": {"count": 1, "items": [whole]}}));
    Mock::given(method("POST")).respond_with(answer).mount(&server).await;
    let found = case.messenger.whole(&case.patient_wire(&server.uri()), &cut).await.unwrap().unwrap();
    assert_eq!((found.text.as_deref(), found.note.as_deref()), (Some("и ещё много слов"), None));
    server.received_requests().await.unwrap().iter().for_each(check);
    let mut body = case.fixture_json("cb_message_new_text.json");
    body["object"]["message"]["message_tag"] = json!("tag-of-the-notification");
    let answered = read(&body);
    assert_eq!(
        (answered.note.as_deref(), answered.reply_to.as_deref()),
        (Some("notify"), Some("tag-of-the-notification"))
    );
}

#[tokio::test]
async fn a_place_leaves_with_words_beside_it() {
    let case = cases().into_iter().find(|case| case.folder == "vk").unwrap();
    let office = Place::at(55.7539, 37.6208, Some("Офис".to_owned()), Some("Тверская, 1".to_owned())).unwrap();
    let bare = Place::at(55.7539, 37.6208, None, None).unwrap();
    for (content, message) in [
        (Content { place: Some(office.clone()), ..Content::default() }, "Офис, Тверская, 1"),
        (Content { place: Some(bare), ..Content::default() }, "55.7539, 37.6208"),
        (Content { place: Some(office), ..text("Ждём вас") }, "Ждём вас"),
    ] {
        let (answer, requests) = sent(&case, content, None).await;
        assert!(matches!(answer, Answer::Done { .. }), "{answer:?}");
        requests.iter().for_each(check);
        let fields = form(&requests[0]);
        let told = ["message", "lat", "long"].map(|name| fields[name].as_str().unwrap().to_owned());
        assert_eq!(told, [message, "55.7539", "37.6208"]);
    }
}

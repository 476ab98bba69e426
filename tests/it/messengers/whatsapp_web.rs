//! `WhatsApp` Web: its row in the suite, and what only it does.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use switchboard::messenger::{AttachNext, AttachStep, Attachment, Messenger};
use switchboard::model::message::{Card, Content, MediaKind, Peer, Place};
use switchboard::model::result::Code;
use switchboard::model::vendor::{Answer, Scope};
use switchboard::net::signature::{hmac_sha512_hex, verify_sha512_hex};
use wiremock::matchers::{body_partial_json, header, method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::case::{Case, NOW, Proof, cases, file, nothing, text};
use super::outgoing::sent;
use super::wire::{FILE, VENDOR_KEY};

const HOOK_SECRET: &str = "my-secret-key";
const HOOK: &str = "https://switchboard.example.test/hook/channel/abc";

pub(super) fn case(messenger: &'static dyn Messenger) -> Case {
    let success = json!({"id": "true_79161234567@c.us_3EB0CCCCCCCCCCCCCCCC", "timestamp": 1_795_171_200, "_data": {}});
    let chat = Some("79161234567@c.us".to_owned());
    let taken = Answer::Done { vendor_ids: vec!["3EB0CCCCCCCCCCCCCCCC".to_owned()], chat };
    let state =
        |status: &str| json!({"error": "Session status is not as expected", "status": status, "expected": ["WORKING"]});
    let seen = |status: &str| format!("{status}: Session status is not as expected");
    let stumbled =
        |details: &str| json!({"statusCode": 500, "exception": {"message": "2 UNKNOWN", "details": details}});
    Case {
        messenger,
        folder: "whatsapp_web",
        secrets: json!({"hook_secret": HOOK_SECRET}),
        settings: json!({"session": "acc-1", "address": "79031112233"}),
        peer: Peer::Phone("79161234567".to_owned()),
        proof: Proof::Header("x-webhook-hmac", |body| hmac_sha512_hex(HOOK_SECRET.as_bytes(), body)),
        file_id: |_| FILE_PATH.to_owned(),
        prepare: nothing,
        answers: vec![
            (201, success.clone(), taken.clone()),
            (201, json!({"id": {"_serialized": "true_79161234567@c.us_3EB0CCCCCCCCCCCCCCCC"}}), taken),
            (429, json!({"message": "slow down"}), Answer::Busy { after_ms: 60_000, scope: Scope::Lane }),
            (500, stumbled("rate-overlimit"), Answer::Busy { after_ms: 60_000, scope: Scope::Lane }),
            (422, state("SCAN_QR_CODE"), Answer::Expired { seen: seen("SCAN_QR_CODE") }),
            (422, state("PASSKEY_REQUIRED"), Answer::Expired { seen: seen("PASSKEY_REQUIRED") }),
            (422, state("FAILED"), Answer::Expired { seen: seen("FAILED") }),
            (422, state("STARTING"), Answer::Down { seen: seen("STARTING") }),
            (422, state("STOPPED"), Answer::Down { seen: seen("STOPPED") }),
            (503, json!({"message": "starting"}), Answer::Down { seen: "starting".to_owned() }),
            (
                500,
                stumbled("no LID found for 7@s.whatsapp.net from server"),
                Answer::Nobody { text: "no LID found for 7@s.whatsapp.net from server".to_owned() },
            ),
            (
                500,
                stumbled("server returned error 463"),
                Answer::Refused { code: Code::SpamSuspected, text: "server returned error 463".to_owned() },
            ),
            (
                500,
                stumbled("context deadline exceeded"),
                Answer::Unsure { seen: "context deadline exceeded".to_owned(), resendable: true },
            ),
            (
                400,
                json!({"message": ["text must be a string"]}),
                Answer::Refused { code: Code::Refused, text: "[\"text must be a string\"]".to_owned() },
            ),
        ],
        recorded: &[
            ("resp_error_400.json", 400, "Refused { code: Refused, text: \"[\\\"text must be a string"),
            ("resp_error_401.json", 401, "Down { seen: \"the gateway refuses the key of the settings"),
            ("resp_error_404_session.json", 404, "Expired { seen: \"the gateway has no such session"),
            ("resp_error_422_failed.json", 422, "Expired { seen: \"FAILED: "),
            ("resp_error_422_scan_qr_code.json", 422, "Expired { seen: \"SCAN_QR_CODE: "),
            ("resp_error_422_starting.json", 422, "Down { seen: \"STARTING: "),
            ("resp_error_422_stopped.json", 422, "Down { seen: \"STOPPED: "),
            ("resp_error_500_463.json", 500, "Refused { code: SpamSuspected, text: \"server returned error 463"),
            ("resp_error_500_no_lid.json", 500, "Nobody { text: \"no LID found"),
            ("resp_error_500_rate.json", 500, "Busy { after_ms: 60000, scope: Lane"),
            ("resp_error_500_unclear.json", 500, "Unsure { seen: \"context deadline exceeded\", resendable: true"),
            ("resp_send_text.json", 201, "Done { vendor_ids: [\"3EB0CCCCCCCCCCCCCCCC\"]"),
        ],
        success,
    }
}

pub(super) const FILE_PATH: &str = "/api/files/acc-1/3EB0BBBBBBBBBBBBBBBB.pdf";

pub(super) async fn offer_file(_: &Case, server: &MockServer) {
    Mock::given(path(FILE_PATH))
        .and(header("x-api-key", VENDOR_KEY))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(FILE))
        .mount(server)
        .await;
}

fn ours() -> Case {
    cases().into_iter().find(|case| case.folder == "whatsapp_web").unwrap()
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

#[test]
fn the_vectors_of_the_contract_are_met() {
    let case = ours();
    let vectors = case.fixture_json("hmac_vectors.json");
    for vector in vectors["vectors"].as_array().unwrap() {
        let bytes = match vector["body_base64"].as_str() {
            Some(text) => BASE64_STANDARD.decode(text).unwrap(),
            None => case.fixture(vector["body_file"].as_str().unwrap()),
        };
        let good =
            verify_sha512_hex(vector["key"].as_str().unwrap().as_bytes(), &bytes, vector["hmac"].as_str().unwrap());
        assert_eq!(good, vector["valid"].as_bool().unwrap(), "{}", vector["name"]);
    }
}

#[tokio::test]
async fn a_text_carries_the_same_id_at_every_attempt_and_a_file_none() {
    let case = ours();
    let (first, requests) = sent(&case, text("Здравствуйте!"), Some("false_79161234567@c.us_3AAA")).await;
    let (_, again) = sent(&case, text("Здравствуйте!"), None).await;
    let (told, repeated) = (body(&requests[0]), body(&again[0]));
    assert_eq!(told["id"], repeated["id"]);
    assert_eq!(told["reply_to"], "false_79161234567@c.us_3AAA");
    assert!(told["id"].as_str().unwrap().starts_with("3EB0"), "{told}");
    assert!(matches!(first, Answer::Done { .. }));
    // a success without a name is ours by the name that we gave, where we gave one
    let server = MockServer::start().await;
    Mock::given(path("/api/sendText"))
        .respond_with(ResponseTemplate::new(201).set_body_json(json!({})))
        .mount(&server)
        .await;
    Mock::given(path("/api/sendFile"))
        .respond_with(ResponseTemplate::new(201).set_body_json(json!({})))
        .mount(&server)
        .await;
    let wire = case.patient_wire(&server.uri());
    let answer = case.messenger.send(&wire, &case.message(text("Здравствуйте!")), NOW).await;
    let Answer::Done { vendor_ids, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(vendor_ids, [told["id"].as_str().unwrap()]);
    let answer = case.messenger.send(&wire, &case.message(file(MediaKind::Document, "store:good", None)), NOW).await;
    assert!(matches!(answer, Answer::Unsure { resendable: false, .. }), "{answer:?}");
}

#[tokio::test]
async fn places_and_cards_leave_in_the_vendors_shape() {
    let case = ours();
    let place =
        Place {
            latitude_e7: 557_539_000, longitude_e7: -376_208_000, title: Some("Офис".to_owned()), address: None
        };
    let (answer, requests) = sent(&case, Content { place: Some(place.clone()), ..Content::default() }, None).await;
    assert!(matches!(answer, Answer::Done { .. }), "{answer:?}");
    super::schemas::check_waha(&requests[0]);
    let told = body(&requests[0]);
    assert_eq!((told["latitude"].as_f64(), told["longitude"].as_f64()), (Some(55.7539), Some(-37.6208)));
    let card = Card { name: "Анна, \r\nEND:VCARD; бухгалтер".to_owned(), phone: "79161234567".to_owned() };
    let (answer, requests) = sent(&case, Content { cards: vec![card.clone()], ..Content::default() }, None).await;
    assert!(matches!(answer, Answer::Done { .. }), "{answer:?}");
    super::schemas::check_waha(&requests[0]);
    let vcard = body(&requests[0])["contacts"][0]["vcard"].as_str().unwrap().to_owned();
    assert_eq!(vcard.lines().count(), 5, "a name brings no line of its own: {vcard}");
    assert!(vcard.contains("FN:Анна\\, END:VCARD\\; бухгалтер\n") && vcard.contains("waid=79161234567:+79161234567"));
    for content in [
        Content { place: Some(place.clone()), ..text("и текст") },
        Content { cards: vec![card], place: Some(place), ..Content::default() },
    ] {
        let (answer, requests) = sent(&case, content, None).await;
        assert!(matches!(answer, Answer::Refused { code: Code::NotSupported, .. }) && requests.is_empty());
    }
}

#[tokio::test]
async fn a_file_is_sent_whole_whatever_its_length() {
    let case = ours();
    for (kind, to) in [
        (MediaKind::Image, "/api/sendImage"),
        (MediaKind::Video, "/api/sendVideo"),
        (MediaKind::Audio, "/api/sendFile"),
        (MediaKind::Voice, "/api/sendVoice"),
        (MediaKind::Document, "/api/sendFile"),
    ] {
        for source in ["store:good", "store:crumbs"] {
            let (_, requests) = sent(&case, file(kind, source, None), None).await;
            assert_eq!(requests[0].url.path(), to);
            assert_eq!(requests[0].headers["content-length"].to_str().unwrap(), requests[0].body.len().to_string());
            let data = body(&requests[0])["file"]["data"].as_str().unwrap().to_owned();
            assert_eq!(BASE64_STANDARD.decode(data).unwrap(), FILE, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn a_file_of_another_session_is_not_fetched() {
    let case = ours();
    let server = MockServer::start().await;
    let media = |vendor_id: &str| switchboard::model::message::IncomingMedia {
        kind: MediaKind::Document,
        vendor_id: vendor_id.to_owned(),
        name: None,
        mime: None,
        size: None,
    };
    for path in
        ["/api/files/acc-2/x.pdf", "/api/files/acc-1/../acc-2/x.pdf", "/api/sessions", "http://169.254.169.254/x", ""]
    {
        let answer =
            case.messenger.fetch_media(&case.patient_wire(&server.uri()), &media(path), 100).await.err().unwrap();
        assert!(matches!(answer, Answer::Refused { code: Code::FileGone, .. }), "{path}: {answer:?}");
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_phone_is_asked_about_and_the_chat_of_the_answer_is_used() {
    let case = ours();
    let server = MockServer::start().await;
    for (phone, file) in
        [("79161234567", "resp_check_exists_true.json"), ("79161234568", "resp_check_exists_false.json")]
    {
        Mock::given(path("/api/contacts/check-exists"))
            .and(query_param("phone", phone))
            .and(query_param("session", "acc-1"))
            .respond_with(ResponseTemplate::new(200).set_body_bytes(case.fixture(file)))
            .mount(&server)
            .await;
    }
    let wire = case.patient_wire(&server.uri());
    let found = case.messenger.check_phone(&wire, "79161234567").await.unwrap();
    assert_eq!(found.chat.as_deref(), Some("79161234567@c.us"));
    assert_eq!(case.messenger.check_phone(&wire, "79161234568").await.unwrap().chat, None);
    server.received_requests().await.unwrap().iter().for_each(super::schemas::check_waha);
    let answer = case.messenger.check_phone(&case.wire("http://127.0.0.1:9"), "79161234567").await.unwrap_err();
    assert!(matches!(answer, Answer::Down { .. }), "{answer:?}");
}

#[tokio::test]
async fn the_phone_behind_a_hidden_name_is_read_only_where_it_is_told() {
    let case = ours();
    let server = MockServer::start().await;
    for (hidden, told) in
        [("1", json!({"lid": "1@lid", "pn": "79161234567@c.us"})), ("2", json!({"lid": "2@lid", "pn": null}))]
    {
        Mock::given(path(format!("/api/acc-1/lids/{hidden}%40lid")))
            .respond_with(ResponseTemplate::new(200).set_body_json(told))
            .mount(&server)
            .await;
    }
    let wire = case.patient_wire(&server.uri());
    assert_eq!(case.messenger.shown_name(&wire, "1@lid").await, Ok(Some("79161234567@c.us".to_owned())));
    assert_eq!(case.messenger.shown_name(&wire, "2@lid").await, Ok(None));
    for foreign in ["79161234567@c.us", "1/../../sessions@lid", "status@broadcast"] {
        assert_eq!(case.messenger.shown_name(&wire, foreign).await, Ok(None), "{foreign}");
    }
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 2);
    requests.iter().for_each(super::schemas::check_waha);
}

fn step(answers: &Value, kept: &Value) -> AttachStep {
    AttachStep {
        answers: answers.as_object().unwrap().clone(),
        webhook_url: HOOK.to_owned(),
        return_url: String::new(),
        kept: kept.clone(),
    }
}

#[tokio::test]
async fn a_session_is_made_with_its_own_address_and_secret_and_shows_what_the_gateway_tells() {
    let case = ours();
    let server = MockServer::start().await;
    let made = json!({"name": "x", "status": "STARTING"});
    Mock::given(method("POST"))
        .and(path("/api/sessions"))
        .respond_with(ResponseTemplate::new(201).set_body_json(&made))
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(404).set_body_bytes(case.fixture("resp_error_404_session.json")))
        .mount(&server)
        .await;
    let wire = case.patient_wire(&server.uri());
    let next = case.messenger.attach(&wire, &step(&json!({}), &Value::Null)).await.unwrap();
    let AttachNext::Wait { kept, .. } = next else { panic!("{next:?}") };
    let requests = server.received_requests().await.unwrap();
    requests.iter().for_each(super::schemas::check_waha);
    let told = body(&requests[1]);
    let webhook = &told["config"]["webhooks"][0];
    assert_eq!(webhook["url"], HOOK);
    assert!(
        webhook["hmac"]["key"].as_str().unwrap().len() == 64 && !told["name"].as_str().unwrap().contains("abc"),
        "{told}"
    );
    let session = told["name"].as_str().unwrap().to_owned();
    let secret = webhook["hmac"]["key"].clone();

    server.reset().await;
    let status = async |status: &str, me: Value| {
        server.reset().await;
        let card = json!({"name": session, "status": status, "me": me, "config": told["config"]});
        Mock::given(path(format!("/api/sessions/{session}")))
            .respond_with(ResponseTemplate::new(200).set_body_json(card))
            .mount(&server)
            .await;
    };
    status("SCAN_QR_CODE", Value::Null).await;
    Mock::given(path(format!("/api/{session}/auth/qr")))
        .and(query_param("format", "raw"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(case.fixture("resp_qr_raw.json")))
        .mount(&server)
        .await;
    Mock::given(path(format!("/api/{session}/auth/request-code")))
        .and(body_partial_json(json!({"phoneNumber": "79161234567"})))
        .respond_with(ResponseTemplate::new(201).set_body_bytes(case.fixture("resp_request_code.json")))
        .expect(2)
        .mount(&server)
        .await;
    let take = async |answers: Value, kept: &Value| case.messenger.attach(&wire, &step(&answers, kept)).await;
    let next = take(json!({}), &kept).await.unwrap();
    let AttachNext::Qr { text, kept, .. } = next else { panic!("{next:?}") };
    assert_eq!(text, "2@abcdefghijklmnop,qrstuvwxyz,0123456789=");
    assert_eq!(take(json!({"phone": "12"}), &kept).await.unwrap_err().field, "phone");
    let next = take(json!({"phone": "+7 916 123-45-67"}), &kept).await.unwrap();
    let AttachNext::Code { text, compare: false, kept: coded, .. } = next else { panic!("{next:?}") };
    assert_eq!(text, "ABCD-ABCD");
    // asking again asks the gateway for nothing, the same phone once more asks for a new code, no phone shows the picture
    assert!(matches!(take(json!({}), &coded).await.unwrap(), AttachNext::Code { .. }));
    assert!(matches!(take(json!({"phone": "79161234567"}), &coded).await.unwrap(), AttachNext::Code { .. }));
    assert!(matches!(take(json!({"phone": ""}), &coded).await.unwrap(), AttachNext::Qr { .. }));
    server.received_requests().await.unwrap().iter().for_each(super::schemas::check_waha);
    server.verify().await;

    status("FAILED", Value::Null).await;
    assert_eq!(take(json!({}), &kept).await.unwrap_err().field, "");
    status("WORKING", json!({"id": "79031112233:12@s.whatsapp.net", "pushName": "Компания"})).await;
    let next = take(json!({}), &kept).await.unwrap();
    let AttachNext::Done(Attachment { secrets, settings, account, .. }) = next else { panic!("{next:?}") };
    assert_eq!(
        (account.as_str(), settings["address"].as_str(), settings["title"].as_str()),
        ("79031112233", Some("79031112233"), Some("Компания"))
    );
    assert_eq!(settings["session"], json!(session));
    assert!(secrets.expose_secret().contains(secret.as_str().unwrap()));
}

#[tokio::test]
async fn a_passkey_and_a_comparison_are_asked_for_and_passed_on() {
    let case = ours();
    let server = MockServer::start().await;
    let kept = json!({"session": "s1"});
    let wire = case.patient_wire(&server.uri());
    let status = async |status: &str| {
        server.reset().await;
        Mock::given(path("/api/sessions/s1"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({"status": status})))
            .mount(&server)
            .await;
    };
    let challenge = case.fixture_json("ev_session_status_passkey.json")["payload"]["data"].clone();
    status("PASSKEY_REQUIRED").await;
    Mock::given(path("/api/s1/auth/passkey/challenge"))
        .respond_with(ResponseTemplate::new(200).set_body_json(&challenge))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path("/api/s1/auth/passkey"))
        .respond_with(ResponseTemplate::new(201))
        .expect(2)
        .mount(&server)
        .await;
    let next = case.messenger.attach(&wire, &step(&json!({}), &kept)).await.unwrap();
    assert!(matches!(next, AttachNext::Passkey { challenge: ref told, .. } if *told == challenge), "{next:?}");
    let credential = json!({"id": "a", "rawId": "a", "type": "public-key", "response": {"clientDataJSON": "x", "authenticatorData": "y", "signature": "z"}});
    for given in [credential.clone(), json!(credential.to_string())] {
        let next = case.messenger.attach(&wire, &step(&json!({"credential": given}), &kept)).await.unwrap();
        assert!(matches!(next, AttachNext::Wait { .. }), "{next:?}");
    }
    let error = case.messenger.attach(&wire, &step(&json!({"credential": "привет"}), &kept)).await.unwrap_err();
    assert_eq!(error.field, "credential");
    server.received_requests().await.unwrap().iter().for_each(super::schemas::check_waha);
    server.verify().await;

    status("PASSKEY_CONFIRMATION_REQUIRED").await;
    Mock::given(path("/api/s1/auth/passkey/confirmation"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"code": "WX7"})))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path("/api/s1/auth/passkey/confirm"))
        .respond_with(ResponseTemplate::new(201))
        .expect(1)
        .mount(&server)
        .await;
    let next = case.messenger.attach(&wire, &step(&json!({}), &kept)).await.unwrap();
    assert!(matches!(next, AttachNext::Code { compare: true, ref text, .. } if text == "WX7"), "{next:?}");
    let next = case.messenger.attach(&wire, &step(&json!({"confirmed": true}), &kept)).await.unwrap();
    assert!(matches!(next, AttachNext::Wait { .. }), "{next:?}");
    server.verify().await;
}

#[tokio::test]
async fn without_a_key_or_a_gateway_the_person_is_told_what_to_set() {
    let case = ours();
    let mut wire = case.wire("http://127.0.0.1:9");
    let told = case.messenger.attach(&wire, &step(&json!({}), &Value::Null)).await.unwrap_err();
    assert!(told.ru.contains("vendors.whatsapp_web") && told.en.contains("vendors.whatsapp_web"), "{told}");
    assert!(!format!("{told:?}").contains(VENDOR_KEY));
    wire.vendor_key = secrecy::SecretString::from(String::new());
    let told = case.messenger.attach(&wire, &step(&json!({}), &Value::Null)).await.unwrap_err();
    assert!(told.en.contains("vendors.whatsapp_web_key"), "{told}");
}

//! `WhatsApp` Business: its row in the suite, and what only it does.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use switchboard::messenger::{AttachNext, AttachStep, Attachment, Delivery, Messenger, NotTaken};
use switchboard::model::interactive::{ChoiceList, Interactive, LinkButton, ListRow, ListSection, PressButton};
use switchboard::model::message::{Content, Event, Media, MediaKind, Peer, Template, TemplateButton, TemplateValue};
use switchboard::model::result::Code;
use switchboard::model::template::TemplateHeader;
use switchboard::model::vendor::{Answer, Scope};
use wiremock::matchers::{body_partial_json, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::case::{Case, KEY, NOW, Proof, by_number, cases, error_of, file, hub_signature, nothing, text};
use super::outgoing::sent;
use super::wire::FILE;

const APP_SECRET: &str = "5f3c8f0a2b7d4e6f9a1c0d2e4f6a8b0c";
const TOKEN: &str = "EAAtoken-of-the-system-user";

pub(super) fn case(messenger: &'static dyn Messenger) -> Case {
    let said = |code: i64, message: &str| format!("({code}) {message}");
    let wamid = "wamid.b3V0LTAwMTA=";
    let success = json!({"id": "4490709327384033", "messaging_product": "whatsapp",
        "contacts": [{"input": "+79161234567", "wa_id": "79161234567"}], "messages": [{"id": wamid}]});
    let taken = Answer::Done { vendor_ids: vec![wamid.to_owned()], chat: None };
    let mut held = success.clone();
    held["messages"][0]["message_status"] = json!("held_for_quality_assessment");
    Case {
        messenger,
        folder: "waba",
        secrets: json!({"token": TOKEN, "app_secret": APP_SECRET, "verify_token": "switchboard-verify", "pin": "918273"}),
        settings: json!({"phone_number_id": "240000000000002", "waba_id": "230000000000001"}),
        peer: Peer::Phone("79161234567".to_owned()),
        proof: Proof::Header("x-hub-signature-256", |body| hub_signature(APP_SECRET, body)),
        file_id: by_number,
        prepare: nothing,
        answers: vec![
            (200, success.clone(), taken.clone()),
            (200, held, taken),
            (429, error_of(130_429, "Rate limit hit"), Answer::Busy { after_ms: 5_000, scope: Scope::Lane }),
            (400, error_of(131_056, "Pair rate"), Answer::Busy { after_ms: 6_000, scope: Scope::Recipient }),
            (400, error_of(131_048, "Spam rate"), Answer::Busy { after_ms: 3_600_000, scope: Scope::Suspected }),
            (401, error_of(190, "Expired"), Answer::Expired { seen: said(190, "Expired") }),
            (
                404,
                error_of(132_001, "No template"),
                Answer::Refused { code: Code::TemplateNotFound, text: said(132_001, "No template") },
            ),
            (
                400,
                error_of(131_047, "Window"),
                Answer::Refused { code: Code::WindowClosed, text: said(131_047, "Window") },
            ),
            (400, error_of(131_026, "Undeliverable"), Answer::Nobody { text: said(131_026, "Undeliverable") }),
            (500, error_of(131_000, "Trouble"), Answer::Down { seen: said(131_000, "Trouble") }),
            (
                200,
                json!({"messages": []}),
                Answer::Unsure { seen: "a success without a message id".to_owned(), resendable: false },
            ),
        ],
        recorded: &[
            ("resp_send_ok.json", 200, "Done { vendor_ids: [\"wamid.b3V0LTAwMTA=\"], chat: None"),
            ("resp_send_template_held.json", 200, "Done { vendor_ids: [\"wamid.b3V0LTAwMTU=\"]"),
            ("resp_error_100_param.json", 400, "Refused { code: Refused, text: \"(100) Parameter value is not valid"),
            ("resp_error_130429.json", 429, "Busy { after_ms: 5000, scope: Lane"),
            ("resp_error_132000_params.json", 400, "Refused { code: TemplateBad"),
            ("resp_error_132001_no_template.json", 404, "Refused { code: TemplateNotFound"),
            ("resp_error_190_token.json", 401, "Expired"),
        ],
        success,
    }
}

pub(super) async fn offer_file(_: &Case, server: &MockServer) {
    let found = json!({"id": "1003383421387256", "url": format!("{}/attachments/1", server.uri()),
        "mime_type": "image/jpeg", "messaging_product": "whatsapp"});
    let bearer = format!("Bearer {TOKEN}");
    Mock::given(path("/1003383421387256"))
        .and(query_param("phone_number_id", "240000000000002"))
        .and(header("authorization", bearer.as_str()))
        .respond_with(ResponseTemplate::new(200).set_body_json(found))
        .mount(server)
        .await;
    Mock::given(path("/attachments/1"))
        .and(header("authorization", bearer.as_str()))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(FILE))
        .mount(server)
        .await;
}

/// The message of the fixture `req_template_named_params.json`.
pub(super) fn template_content() -> Content {
    let value = |name: &str, text: &str| TemplateValue { name: Some(name.to_owned()), text: text.to_owned() };
    let button =
        |index, kind: &str, value: &str| TemplateButton { index, kind: kind.to_owned(), value: value.to_owned() };
    let template = Template {
        name: "order_update_v1".to_owned(),
        language: "ru".to_owned(),
        body: vec![value("customer_name", "Анна"), value("order_id", "42")],
        header_text: None,
        header_media: Some(Media {
            kind: MediaKind::Document,
            name: "invoice.pdf".to_owned(),
            mime: "application/pdf".to_owned(),
            source: "store:good".to_owned(),
            size: None,
        }),
        buttons: vec![button(0, "quick_reply", "CONFIRM:42"), button(1, "url", "42")],
    };
    Content { template: Some(template), ..Content::default() }
}

fn ours() -> Case {
    cases().into_iter().find(|case| case.folder == "waba").unwrap()
}

#[tokio::test]
async fn a_template_with_named_values_is_the_request_of_the_contract() {
    let case = ours();
    let (answer, requests) = sent(&case, template_content(), None).await;
    assert!(matches!(answer, Answer::Done { .. }), "{answer:?}");
    requests.iter().for_each(super::schemas::check_waba);
    let mut body: Value = serde_json::from_slice(&requests[1].body).unwrap();
    assert_eq!(body["biz_opaque_callback_data"], KEY);
    let wanted = case.fixture_json("req_template_named_params.json");
    body["biz_opaque_callback_data"] = wanted["biz_opaque_callback_data"].clone();
    assert_eq!(body, wanted);
}

#[tokio::test]
async fn a_template_with_positions_goes_without_names_and_after_the_window() {
    let case = ours();
    let mut content = template_content();
    let template = content.template.as_mut().unwrap();
    template.header_media = None;
    template.header_text = Some(TemplateValue { name: None, text: "Заказ".to_owned() });
    template.body = vec![TemplateValue { name: None, text: "строка\nи\tещё     одна".to_owned() }];
    template.buttons = vec![TemplateButton { index: 2, kind: "copy_code".to_owned(), value: "SALE".to_owned() }];
    let server = super::outgoing::taking(&case).await;
    let mut message = case.message(content);
    message.window_until = Some(NOW.plus_ms(-1));
    let answer = case.messenger.send(&case.patient_wire(&server.uri()), &message, NOW).await;
    assert!(matches!(answer, Answer::Done { .. }), "{answer:?}");
    let requests = server.received_requests().await.unwrap();
    let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
    super::schemas::check_waba_message(&body);
    assert_eq!(
        body["template"]["components"],
        json!([
            {"type": "header", "parameters": [{"type": "text", "text": "Заказ"}]},
            {"type": "body", "parameters": [{"type": "text", "text": "строка и ещё одна"}]},
            {"type": "button", "sub_type": "copy_code", "index": "2",
                "parameters": [{"type": "coupon_code", "coupon_code": "SALE"}]},
        ])
    );
}

fn press(id: &str, title: &str) -> PressButton {
    PressButton { id: id.to_owned(), title: title.to_owned() }
}

fn buttons() -> Interactive {
    Interactive { buttons: vec![press("yes", "Да"), press("no", "Нет")], ..Interactive::default() }
}

fn list() -> Interactive {
    let row = |id: &str, words: Option<&str>| ListRow {
        id: id.to_owned(),
        title: format!("Строка {id}"),
        description: words.map(str::to_owned),
    };
    let section = |title: &str, rows| ListSection { title: Some(title.to_owned()), rows };
    let sections = vec![
        section("Утро", vec![row("a", Some("до полудня")), row("b", None)]),
        section("Вечер", vec![row("c", None)]),
    ];
    let list = ChoiceList { button: "Выбрать".to_owned(), sections };
    let header = Some("Когда приехать".to_owned());
    Interactive {
        header, footer: Some("Ответ придёт сразу".to_owned()), list: Some(list), ..Interactive::default()
    }
}

fn link() -> Interactive {
    let link = LinkButton { title: "Открыть".to_owned(), url: "https://example.test/?a=1".to_owned() };
    Interactive { link: Some(link), ..Interactive::default() }
}

fn asking(interactive: Interactive) -> Content {
    Content {
        text: Some("Приехать завтра?".to_owned()), interactive: Some(interactive), ..Content::default()
    }
}

#[tokio::test]
pub(super) async fn what_there_is_to_press_fits_the_schema() {
    let case = ours();
    let body = json!({"text": "Приехать завтра?"});
    let rows = [
        (
            buttons(),
            json!({"type": "button", "body": body, "action": {"buttons": [
                {"type": "reply", "reply": {"id": "yes", "title": "Да"}},
                {"type": "reply", "reply": {"id": "no", "title": "Нет"}}]}}),
        ),
        (
            list(),
            json!({"type": "list", "header": {"type": "text", "text": "Когда приехать"}, "body": body,
                "footer": {"text": "Ответ придёт сразу"}, "action": {"button": "Выбрать", "sections": [
                {"title": "Утро", "rows": [{"id": "a", "title": "Строка a", "description": "до полудня"},
                    {"id": "b", "title": "Строка b"}]},
                {"title": "Вечер", "rows": [{"id": "c", "title": "Строка c"}]}]}}),
        ),
        (
            link(),
            json!({"type": "cta_url", "body": body, "action": {"name": "cta_url",
                "parameters": {"display_text": "Открыть", "url": "https://example.test/?a=1"}}}),
        ),
    ];
    for (interactive, wanted) in rows {
        let (answer, requests) = sent(&case, asking(interactive), Some("wamid.aW4tdGV4dC0wMDAx")).await;
        assert!(matches!(answer, Answer::Done { .. }), "{answer:?}");
        requests.iter().for_each(super::schemas::check_waba);
        let told: Value = serde_json::from_slice(&requests[0].body).unwrap();
        assert_eq!((&told["type"], &told["interactive"]), (&json!("interactive"), &wanted));
        assert_eq!((&told["biz_opaque_callback_data"], &told["recipient_type"]), (&json!(KEY), &json!("individual")));
        case.checked(1);
    }
    // a file of ours stands above the text
    let with_file = Content { media: file(MediaKind::Document, "store:good", None).media, ..asking(buttons()) };
    let (answer, requests) = sent(&case, with_file, None).await;
    assert!(matches!(answer, Answer::Done { .. }), "{answer:?}");
    requests.iter().for_each(super::schemas::check_waba);
    let told: Value = serde_json::from_slice(&requests[1].body).unwrap();
    let header = json!({"type": "document", "document": {"id": "4490709327384033", "filename": "Договор.pdf"}});
    assert_eq!(told["interactive"]["header"], header);
    case.checked(1);
}

#[tokio::test]
async fn what_cannot_be_pressed_is_refused_before_anything_leaves() {
    let case = ours();
    let mut many = buttons();
    many.buttons.extend([press("a", "А"), press("b", "Б")]);
    let (answer, requests) = sent(&case, asking(many), None).await;
    let Answer::Refused { code: Code::InteractiveBad, text } = answer else { panic!("{answer:?}") };
    assert!(text.starts_with("interactive.buttons: ") && requests.is_empty(), "{text}");
    let wordy = Content { text: Some("я".repeat(1025)), ..asking(buttons()) };
    let (answer, requests) = sent(&case, wordy, None).await;
    assert!(matches!(answer, Answer::Refused { code: Code::InteractiveBad, .. }) && requests.is_empty(), "{answer:?}");
    // groups take none
    let server = super::outgoing::taking(&case).await;
    let mut message = case.message(asking(buttons()));
    message.to = Peer::Chat("Y2FwaV9ncm91cDo3NDk1MTIzNDU2NzoxMjAzNjMwMDAwMDAwMDAwMDAwZD".to_owned());
    let answer = case.messenger.send(&case.patient_wire(&server.uri()), &message, NOW).await;
    assert!(matches!(answer, Answer::Refused { code: Code::NotSupported, .. }), "{answer:?}");
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_text_carries_our_key_and_the_message_it_answers() {
    let case = ours();
    let (_, requests) = sent(&case, text("Да"), Some("wamid.aW4tdGV4dC0wMDAx")).await;
    let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
    assert_eq!(requests[0].url.path(), "/240000000000002/messages");
    assert_eq!(
        body,
        json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": "+79161234567", "type": "text",
            "text": {"body": "Да", "preview_url": false}, "context": {"message_id": "wamid.aW4tdGV4dC0wMDAx"},
            "biz_opaque_callback_data": KEY})
    );
}

#[tokio::test]
async fn a_person_without_a_phone_and_a_group_are_addressed_by_their_ids() {
    let case = ours();
    let group = "Y2FwaV9ncm91cDo3NDk1MTIzNDU2NzoxMjAzNjMwMDAwMDAwMDAwMDAwZD";
    for (to, fields, told) in [
        (
            "RU.81203344556677889900",
            json!({"recipient_type": "individual", "recipient": "RU.81203344556677889900"}),
            true,
        ),
        ("79161234567", json!({"recipient_type": "individual", "to": "+79161234567"}), false),
        (group, json!({"recipient_type": "group", "to": group}), true),
    ] {
        let server = MockServer::start().await;
        let taken = ResponseTemplate::new(200).set_body_json(&case.success);
        Mock::given(body_partial_json(fields)).respond_with(taken).expect(1).mount(&server).await;
        let mut message = case.message(text("1"));
        message.to = Peer::Chat(to.to_owned());
        let answer = case.messenger.send(&case.patient_wire(&server.uri()), &message, NOW).await;
        assert!(matches!(&answer, Answer::Done { chat, .. } if chat.is_some() == told), "{to}: {answer:?}");
    }
}

#[tokio::test]
async fn an_upload_without_an_answer_is_down_because_nobody_saw_it() {
    let case = ours();
    let server = MockServer::start().await;
    Mock::given(path("/240000000000002/media")).respond_with(ResponseTemplate::new(502)).expect(1).mount(&server).await;
    let message = case.message(file(MediaKind::Image, "store:good", None));
    let answer = case.messenger.send(&case.patient_wire(&server.uri()), &message, NOW).await;
    assert!(matches!(answer, Answer::Down { .. }), "{answer:?}");
}

#[tokio::test]
async fn a_sound_with_a_text_is_refused_whole() {
    let (answer, requests) = sent(&ours(), file(MediaKind::Voice, "store:good", Some("текст")), None).await;
    assert!(matches!(answer, Answer::Refused { code: Code::NotSupported, .. }));
    assert!(requests.is_empty());
}

#[test]
fn the_signature_vectors_are_met() {
    let case = ours();
    let vectors = case.fixture_json("signature_vectors.json");
    for vector in vectors["vectors"].as_array().unwrap() {
        let body = BASE64_STANDARD.decode(vector["body_base64"].as_str().unwrap()).unwrap();
        let headers = [("x-hub-signature-256".to_owned(), vector["header"].as_str().unwrap().to_owned())];
        let forged = matches!(case.receive_with(&body, &headers), Err(NotTaken::Forged));
        assert_eq!(!forged, vector["valid"].as_bool().unwrap(), "{}", vector["name"]);
    }
    for (name, signature) in vectors["file_signatures"].as_object().unwrap() {
        let headers = [("x-hub-signature-256".to_owned(), signature.as_str().unwrap().to_owned())];
        assert!(case.receive_with(&case.fixture(name), &headers).is_ok(), "{name}");
    }
}

#[test]
fn the_address_is_proved_only_to_who_knows_the_token() {
    let case = ours();
    let vectors = case.fixture_json("verify_get_request.json");
    let ask = |query: &Value| {
        let mut text = form_urlencoded::Serializer::new(String::new());
        for (name, value) in query.as_object().unwrap() {
            text.append_pair(name, value.as_str().unwrap());
        }
        let query = text.finish();
        let delivery = Delivery { method: "GET", query: &query, headers: &[], body: b"", at: NOW };
        case.messenger.receive(&case.wire("http://127.0.0.1:9"), &delivery)
    };
    let proved = ask(&vectors["request"]["query"]).unwrap();
    assert_eq!((proved.reply.mime, proved.reply.body.as_str()), ("text/plain", "1158201444"));
    assert!(proved.events.is_empty());
    for negative in vectors["negative_cases"].as_array().unwrap() {
        assert_eq!(ask(&negative["query"]), Err(NotTaken::Forged));
    }
}

#[test]
fn a_batch_names_the_other_numbers_that_it_speaks_of() {
    let case = ours();
    let received = case.receive(&case.fixture("batch_two_changes_mixed.json")).unwrap();
    assert_eq!((received.events.len(), received.elsewhere), (2, vec!["240000000000999".to_owned()]));
    let mut other = ours();
    other.settings = json!({"phone_number_id": "240000000000999", "waba_id": "230000000000777"});
    let received = other.receive(&case.fixture("batch_two_changes_mixed.json")).unwrap();
    assert_eq!((received.events.len(), received.elsewhere), (1, vec!["240000000000002".to_owned()]));
}

#[test]
fn receipts_of_every_word_move_the_status() {
    let case = ours();
    let mut body = case.fixture_json("status_sent.json");
    for (word, told) in
        [("sent", "sent"), ("delivered", "delivered"), ("read", "viewed"), ("played", "viewed"), ("failed", "error")]
    {
        body["entry"][0]["changes"][0]["value"]["statuses"][0]["status"] = json!(word);
        let received = case.receive(body.to_string().as_bytes()).unwrap();
        let (key, Event::Receipt(receipt)) = &received.events[0] else { panic!("{word}") };
        assert_eq!(
            (key.as_str(), receipt.status.to_string().as_str()),
            (format!("wamid.b3V0LTAwMTA=:{word}").as_str(), told)
        );
    }
    body["entry"][0]["changes"][0]["value"]["statuses"][0]["status"] = json!("teleported");
    assert!(matches!(case.receive(body.to_string().as_bytes()).unwrap().events[0].1, Event::Ignored { .. }));
}

fn step(change: &[(&str, &str)]) -> AttachStep {
    let mut answers = json!({"phone_number_id": "240000000000002", "waba_id": "230000000000001", "token": TOKEN,
        "app_secret": APP_SECRET, "verify_token": "switchboard-verify", "pin": ""});
    for (name, value) in change {
        answers[*name] = json!(value);
    }
    AttachStep {
        answers: answers.as_object().cloned().unwrap(),
        webhook_url: String::new(),
        return_url: String::new(),
        kept: Value::Null,
    }
}

async fn attach(answers: &[(&str, u16, Value)], change: &[(&str, &str)]) -> Result<AttachNext, (&'static str, String)> {
    let case = ours();
    let server = MockServer::start().await;
    for (at, status, body) in answers {
        let answer = ResponseTemplate::new(*status).set_body_json(body);
        Mock::given(path(*at))
            .and(header("authorization", format!("Bearer {TOKEN}").as_str()))
            .respond_with(answer)
            .mount(&server)
            .await;
    }
    let next = case.messenger.attach(&case.patient_wire(&server.uri()), &step(change)).await;
    case.assert_no_secret(&format!("{next:?}"));
    next.map_err(|error| (error.field, error.ru))
}

const SUBSCRIBE: &str = "/230000000000001/subscribed_apps";
const REGISTER: &str = "/240000000000002/register";
const HEALTH: &str = "/240000000000002";

#[tokio::test]
async fn a_number_is_attached_by_hand() {
    let yes = json!({"success": true});
    let health = json!({"display_phone_number": "+7 495 123-45-67", "verified_name": "Окна", "quality_rating": "GREEN",
        "messaging_limit_tier": "TIER_1K", "id": "240000000000002"});
    let answers = [(SUBSCRIBE, 200, yes.clone()), (REGISTER, 200, yes), (HEALTH, 200, health)];
    let next = attach(&answers, &[("pin", "918273")]).await.unwrap();
    let AttachNext::Done(Attachment { secrets, settings, account, .. }) = next else { panic!("attached") };
    assert_eq!(account, "240000000000002");
    assert_eq!((settings["title"].as_str(), settings["address"].as_str()), (Some("Окна"), Some("74951234567")));
    let secrets: Value = serde_json::from_str(secrets.expose_secret()).unwrap();
    assert_eq!(secrets, ours().secrets);
}

#[tokio::test]
async fn each_failure_names_the_field_to_mend() {
    let yes = || json!({"success": true});
    for (answers, field) in [
        (vec![(SUBSCRIBE, 401, error_of(190, "x"))], "token"),
        (vec![(SUBSCRIBE, 403, error_of(200, "x"))], "token"),
        (vec![(SUBSCRIBE, 400, error_of(100, "x"))], "waba_id"),
        (vec![(SUBSCRIBE, 400, error_of(33, "x"))], "waba_id"),
        (vec![(SUBSCRIBE, 200, yes()), (REGISTER, 400, error_of(133_005, "x"))], "pin"),
        (vec![(SUBSCRIBE, 200, yes()), (REGISTER, 200, yes()), (HEALTH, 400, error_of(100, "x"))], "phone_number_id"),
        (vec![(SUBSCRIBE, 503, json!("down"))], ""),
    ] {
        let (told, text) = attach(&answers, &[("pin", "918273")]).await.unwrap_err();
        assert_eq!(told, field, "{text}");
        assert!(text.chars().any(|c| ('а'..='я').contains(&c)));
    }
    for field in ["phone_number_id", "waba_id", "token", "app_secret", "verify_token", "pin"] {
        assert_eq!(attach(&[], &[(field, "не то")]).await.unwrap_err().0, field);
    }
}

#[tokio::test]
async fn a_token_leaves_only_where_the_vendor_is_reached_the_same_way() {
    let case = ours();
    let server = MockServer::start().await;
    let found = json!({"id": "1", "url": "ftp://elsewhere.example.test/1", "mime_type": "image/jpeg"});
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_json(found))
        .expect(1)
        .mount(&server)
        .await;
    let media = switchboard::model::message::IncomingMedia {
        kind: MediaKind::Image,
        vendor_id: "1".to_owned(),
        name: None,
        mime: None,
        size: None,
    };
    let answer = case.messenger.fetch_media(&case.patient_wire(&server.uri()), &media, 10).await.err().unwrap();
    assert!(matches!(answer, Answer::Refused { code: Code::FileGone, .. }));
}

fn lines(field: &str, value: Value) -> Vec<String> {
    let mut value = value;
    value["metadata"] = json!({"phone_number_id": "240000000000002"});
    let body = json!({"object": "whatsapp_business_account",
        "entry": [{"id": "230000000000001", "changes": [{"field": field, "value": value}]}]});
    let received = ours().receive(body.to_string().as_bytes()).unwrap();
    received.events.iter().map(|(_, event)| super::incoming::tell(event)).collect()
}

#[test]
fn every_content_of_a_message_is_read() {
    for (kind, object, told) in [
        ("video", json!({"id": "7", "mime_type": "video/mp4", "caption": "x"}), " | text x | media Video 7 video/mp4"),
        ("audio", json!({"id": "7"}), " | media Audio 7"),
        ("sticker", json!({"id": "7", "mime_type": "image/webp", "animated": false}), " | media Sticker 7 image/webp"),
        ("document", json!({"id": "../7"}), ""),
        (
            "interactive",
            json!({"type": "list_reply", "list_reply": {"id": "a", "title": "Первый", "description": "x"}}),
            " | text Первый | note button | sends back a",
        ),
        (
            "interactive",
            json!({"type": "nfm_reply", "nfm_reply": {"name": "flow", "body": "Sent", "response_json": "{\"a\":1}"}}),
            " | text Sent | note form | sends back {\"a\":1}",
        ),
        ("order", json!({"catalog_id": "1", "text": "хочу", "product_items": []}), " | text хочу | note order"),
        ("unknown", json!({}), " | note unsupported"),
        ("hologram", json!({"id": "7"}), " | note unsupported"),
    ] {
        let message = json!({"from": "7916", "id": "wamid.1", "timestamp": "2", "type": kind, kind: object});
        let told = format!("message wamid.1 in 7916 | phone 7916 | at 2000{told}");
        assert_eq!(lines("messages", json!({"messages": [message]})), [told], "{kind}");
    }
}

#[test]
fn what_our_side_wrote_on_the_phone_is_ours() {
    let echo =
        json!({"from": "7495", "to": "7916", "id": "wamid.1", "timestamp": "2", "type": "text", "text": {"body": "x"}});
    let told = lines("smb_message_echoes", json!({"message_echoes": [echo]}));
    assert_eq!(told, ["message wamid.1 in 7916 | at 2000 | text x | by us"]);
}

#[test]
fn words_about_the_account_are_trouble_only_where_it_is_punished_and_how_it_stands_is_asked() {
    let told = |field: &str, seen: &str, first: &[&str]| {
        let wanted: Vec<String> =
            first.iter().map(|one| format!("{one} {seen}")).chain([format!("asks how it stands: {seen}")]).collect();
        assert_eq!(lines(field, json!({"event": seen})), wanted, "{field} {seen}");
    };
    told("account_update", "ACCOUNT_VIOLATION", &["suspected"]);
    told("account_update", "ACCOUNT_DELETED", &["trouble"]);
    told("phone_number_quality_update", "FLAGGED", &["suspected"]);
    told("phone_number_quality_update", "UNFLAGGED", &["cleared"]);
    told("phone_number_quality_update", "DOWNGRADE", &[]);
    told("account_update", "VERIFIED_ACCOUNT", &[]);
    assert_eq!(
        lines("phone_number_name_update", json!({"decision": "APPROVED"})),
        ["asks how it stands: phone_number_name_update"]
    );
    assert_eq!(lines("user_id_update", json!({})), ["ignored user_id_update"]);
    let errors = json!({"errors": [{"code": 131_031, "title": "Locked"}]});
    assert_eq!(lines("messages", errors), ["trouble (131031) Locked"]);
}

#[test]
fn what_meta_thinks_of_a_template_is_told() {
    let named = json!({"message_template_id": 1, "message_template_name": "order", "message_template_language": "ru"});
    let with = |name: &str, value: &str| {
        let mut value_of = named.clone();
        value_of[name] = json!(value);
        value_of
    };
    assert_eq!(
        lines("message_template_quality_update", with("new_quality_score", "YELLOW")),
        ["template order ru rated YELLOW in -"]
    );
    assert_eq!(
        lines("template_category_update", with("new_category", "MARKETING")),
        ["template order ru rated - in MARKETING"]
    );
}

#[tokio::test]
async fn templates_are_listed_page_by_page() {
    let case = ours();
    let server = MockServer::start().await;
    let first = case.fixture_json("resp_templates_page.json");
    let mut page = first.clone();
    page["paging"]["next"] = json!(format!("{}/elsewhere", server.uri()));
    let mut last = first;
    last["data"][0]["language"] = json!("en");
    last["data"][0]["status"] = json!("PAUSED");
    last["data"][0]["quality_score"] = json!({"score": "RED"});
    let list = |page: &Value| ResponseTemplate::new(200).set_body_json(page);
    let at = "/230000000000001/message_templates";
    Mock::given(path(at)).and(query_param("after", "MjQZD")).respond_with(list(&last)).expect(1).mount(&server).await;
    Mock::given(path(at)).and(query_param("limit", "100")).respond_with(list(&page)).expect(1).mount(&server).await;
    let cards = case.messenger.templates(&case.patient_wire(&server.uri())).await.unwrap();
    assert_eq!(cards.len(), 2);
    let card = &cards[0];
    assert_eq!((card.name.as_str(), card.language.as_str(), card.named), ("order_update_v1", "ru", true));
    assert_eq!(card.values, ["customer_name", "order_id"]);
    assert_eq!(card.header, Some(TemplateHeader::File { file: MediaKind::Document }));
    let presses: Vec<_> = card.buttons.iter().map(|press| (press.kind.as_str(), press.value)).collect();
    assert_eq!(presses, [("quick_reply", false), ("url", true)]);
    assert_eq!((cards[1].status.as_str(), cards[1].quality.as_deref()), ("PAUSED", Some("RED")));
    for request in server.received_requests().await.unwrap() {
        assert_eq!(request.headers["authorization"], format!("Bearer {TOKEN}"));
    }
    // what is refused there is a channel that is lost, and what did not come may be asked for again
    for (status, body, wanted) in [(401, error_of(190, "x"), "Expired"), (502, json!("x"), "Down")] {
        let server = MockServer::start().await;
        Mock::given(path(at)).respond_with(ResponseTemplate::new(status).set_body_json(body)).mount(&server).await;
        let answer = case.messenger.templates(&case.patient_wire(&server.uri())).await.unwrap_err();
        assert!(format!("{answer:?}").starts_with(wanted), "{answer:?}");
    }
}

#[tokio::test]
async fn a_number_is_attached_by_the_code_of_the_sign_up() {
    let server = MockServer::start().await;
    let yes = || ResponseTemplate::new(200).set_body_json(json!({"success": true}));
    let token = json!({"access_token": TOKEN, "token_type": "bearer"});
    Mock::given(path("/oauth/access_token"))
        .and(query_param("client_id", "670843887433847"))
        .and(query_param("client_secret", APP_SECRET))
        .and(query_param("code", "AQBx-code"))
        .respond_with(ResponseTemplate::new(200).set_body_json(token))
        .expect(1)
        .mount(&server)
        .await;
    // looked at first, and subscribed when the channel is there
    Mock::given(path(SUBSCRIBE)).respond_with(yes()).expect(2).mount(&server).await;
    Mock::given(path(REGISTER)).respond_with(yes()).expect(1).mount(&server).await;
    let health = json!({"display_phone_number": "+7 495 123-45-67", "verified_name": "Окна", "id": "240000000000002"});
    Mock::given(path(HEALTH)).respond_with(ResponseTemplate::new(200).set_body_json(health)).mount(&server).await;
    let mut case = ours();
    case.secrets = json!({"client_id": "670843887433847", "client_secret": APP_SECRET});
    let answers = json!({"code": "AQBx-code", "phone_number_id": "240000000000002", "waba_id": "230000000000001"});
    let step = AttachStep {
        answers: answers.as_object().cloned().unwrap(),
        webhook_url: String::new(),
        return_url: String::new(),
        kept: Value::Null,
    };
    let next = case.messenger.attach(&case.patient_wire(&server.uri()), &step).await.unwrap();
    let asked = server.received_requests().await.unwrap();
    let asked: Vec<&str> =
        asked.iter().filter(|one| one.url.path() == SUBSCRIBE).map(|one| one.method.as_str()).collect();
    assert_eq!(asked, ["GET"], "the address of the account is nobody's yet");
    let AttachNext::Done(Attachment { secrets, settings, account, .. }) = next else { panic!("attached") };
    let secrets: Value = serde_json::from_str(secrets.expose_secret()).unwrap();
    assert_eq!((account.as_str(), settings["embedded"].as_bool()), ("240000000000002", Some(true)));
    assert_eq!((secrets["token"].as_str(), secrets["app_secret"].as_str()), (Some(TOKEN), Some(APP_SECRET)));
    let pin = secrets["pin"].as_str().unwrap().to_owned();
    assert!(pin.len() == 6 && pin.chars().all(|c| c.is_ascii_digit()));
    let requests = server.received_requests().await.unwrap();
    let register = requests.iter().find(|request| request.url.path() == REGISTER).unwrap();
    assert_eq!(register.body_json::<Value>().unwrap()["pin"], json!(pin), "the number gets the code that is kept");

    // when the channel is written down Meta is told where to post, with the word that proves the address
    (case.secrets, case.settings) = (secrets.clone(), settings);
    let hook = "https://switchboard.example.test/hook/waba/key";
    case.messenger.announce(&case.patient_wire(&server.uri()), hook).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    let told = requests.iter().rfind(|request| request.url.path() == SUBSCRIBE).unwrap();
    let expected = json!({"override_callback_uri": hook, "verify_token": secrets["verify_token"]});
    assert_eq!(told.body_json::<Value>().unwrap(), expected);
    // a number that was attached by hand has its address in the settings of its app
    let plain = MockServer::start().await;
    Mock::given(path("/1/subscribed_apps")).respond_with(yes()).expect(2).mount(&plain).await;
    let mut by_hand = ours();
    by_hand.settings["waba_id"] = json!("1");
    by_hand.messenger.announce(&by_hand.patient_wire(&plain.uri()), hook).await.unwrap();
    assert_eq!(by_hand.messenger.detach(&by_hand.patient_wire(&plain.uri())).await, Answer::done());
    let told = plain.received_requests().await.unwrap();
    assert_eq!(told[0].body_json::<Value>().unwrap(), json!({}));
    assert_eq!((told[0].method.as_str(), told[1].method.as_str()), ("POST", "DELETE"));
}

#[tokio::test]
async fn a_code_that_is_not_taken_says_to_begin_again() {
    let code = |keys: Value, answer: (u16, Value)| async move {
        let server = MockServer::start().await;
        let (status, body) = answer;
        Mock::given(path("/oauth/access_token"))
            .respond_with(ResponseTemplate::new(status).set_body_json(body))
            .mount(&server)
            .await;
        let mut case = ours();
        case.secrets = keys;
        let answers = json!({"code": "old", "phone_number_id": "240000000000002", "waba_id": "230000000000001"});
        let answers = answers.as_object().cloned().unwrap();
        let step = AttachStep { answers, webhook_url: String::new(), return_url: String::new(), kept: Value::Null };
        let error = case.messenger.attach(&case.patient_wire(&server.uri()), &step).await.unwrap_err();
        (error.field, error.en)
    };
    let keys = || json!({"client_id": "1", "client_secret": APP_SECRET});
    let (field, text) = code(keys(), (400, error_of(100, "This authorization code has expired."))).await;
    assert!(field == "code" && text.contains("Begin again") && text.contains("expired"), "{text}");
    assert_eq!(code(keys(), (200, json!({"token_type": "bearer"}))).await.0, "");
    let (field, text) = code(json!({}), (200, json!({}))).await;
    assert!(field == "code" && text.contains("waba.client_id"), "{text}");
}

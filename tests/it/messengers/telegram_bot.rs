//! Telegram bots: their row in the suite, and what only they do.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use switchboard::messenger::{AttachNext, AttachStep, Attachment, Messenger};
use switchboard::model::message::{IncomingMedia, MediaKind, Peer};
use switchboard::model::result::Code;
use switchboard::model::vendor::{Answer, Scope};
use wiremock::matchers::{body_partial_json, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::case::{Case, NOW, Proof, by_number, cases, file, nothing, text};
use super::outgoing::sent;
use super::wire::FILE;

const TOKEN: &str = "7000000001:AAE-token_of_the_bot_0123456789abcd";

pub(super) fn case(messenger: &'static dyn Messenger) -> Case {
    let error =
        |code: u16, description: &str| (code, json!({"ok": false, "error_code": code, "description": description}));
    let row = |(status, body): (u16, Value), answer: Answer| (status, body, answer);
    let blocked = "Forbidden: bot was blocked by the user";
    let lost = "Bad Request: chat not found";
    let success: Value =
        json!({"ok": true, "result": {"message_id": 110, "date": 1, "chat": {"id": 5_000_000_001_i64}}});
    Case {
        messenger,
        folder: "telegram-bot",
        secrets: json!({"token": TOKEN, "secret": "Sb_9f3-secret"}),
        settings: json!({}),
        peer: Peer::Chat("5000000001".to_owned()),
        proof: Proof::Header("x-telegram-bot-api-secret-token", |_| "Sb_9f3-secret".to_owned()),
        file_id: by_number,
        prepare: nothing,
        answers: vec![
            (200, success.clone(), Answer::Done { vendor_ids: vec!["110".to_owned()], chat: None }),
            (
                429,
                json!({"ok": false, "error_code": 429, "description": "Too Many Requests: retry after 35",
                    "parameters": {"retry_after": 35}}),
                Answer::Busy { after_ms: 35_000, scope: Scope::Lane },
            ),
            row(error(401, "Unauthorized"), Answer::Expired { seen: "Unauthorized".to_owned() }),
            row(error(403, blocked), Answer::Refused { code: Code::Blocked, text: blocked.to_owned() }),
            row(error(400, lost), Answer::Nobody { text: lost.to_owned() }),
            row(error(500, "Internal"), Answer::Unsure { seen: "Internal".to_owned(), resendable: false }),
            (
                200,
                json!({"ok": true, "result": true}),
                Answer::Unsure { seen: "a success without a message id".to_owned(), resendable: false },
            ),
        ],
        recorded: &[
            ("resp_send_message_ok.json", 200, "Done { vendor_ids: [\"110\"], chat: None"),
            // an album answers with a list, which no call of ours asks for
            ("resp_send_media_group_ok.json", 200, "Unsure"),
            ("resp_error_400_chat_not_found.json", 400, "Nobody"),
            ("resp_error_400_delete.json", 400, "Refused { code: Unchangeable"),
            ("resp_error_400_file_too_big.json", 400, "Refused { code: FileTooBig"),
            // it moves on and on
            ("resp_error_400_migrated.json", 400, "Refused { code: Refused"),
            ("resp_error_401.json", 401, "Expired"),
            ("resp_error_403_blocked.json", 403, "Refused { code: Blocked"),
            ("resp_error_403_initiate.json", 403, "Refused { code: CannotWriteFirst"),
            ("resp_error_409_webhook_active.json", 409, "Expired"),
            ("resp_error_429.json", 429, "Busy { after_ms: 35000, scope: Lane"),
        ],
        success,
    }
}

pub(super) async fn offer_file(_: &Case, server: &MockServer) {
    let found =
        json!({"ok": true, "result": {"file_id": "x", "file_unique_id": "y", "file_path": "documents/file_5.pdf"}});
    Mock::given(path(format!("/bot{TOKEN}/getFile")))
        .and(body_partial_json(json!({"file_id": "1003383421387256"})))
        .respond_with(ResponseTemplate::new(200).set_body_json(found))
        .mount(server)
        .await;
    Mock::given(method("GET"))
        .and(path(format!("/file/bot{TOKEN}/documents/file_5.pdf")))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(FILE))
        .mount(server)
        .await;
}

fn ours() -> Case {
    cases().into_iter().find(|case| case.folder == "telegram-bot").unwrap()
}

#[tokio::test]
async fn a_group_that_became_a_supergroup_is_written_to_under_its_new_id() {
    let case = ours();
    let server = MockServer::start().await;
    let moved = ResponseTemplate::new(400).set_body_json(case.fixture_json("resp_error_400_migrated.json"));
    Mock::given(body_partial_json(json!({"chat_id": -4_000_000_001_i64})))
        .respond_with(moved)
        .expect(1)
        .mount(&server)
        .await;
    let made = json!({"ok": true, "result": {"message_id": 7, "chat": {"id": -1_001_234_567_890_i64}}});
    let taken = ResponseTemplate::new(200).set_body_json(made);
    Mock::given(body_partial_json(json!({"chat_id": -1_001_234_567_890_i64})))
        .respond_with(taken)
        .expect(1)
        .mount(&server)
        .await;
    let mut message = case.message(text("1"));
    message.to = Peer::Chat("-4000000001".to_owned());
    let answer = case.messenger.send(&case.patient_wire(&server.uri()), &message, NOW).await;
    assert_eq!(answer, Answer::Done { vendor_ids: vec!["7".to_owned()], chat: Some("-1001234567890".to_owned()) });
}

#[tokio::test]
async fn an_answer_to_a_message_that_is_gone_goes_without_it() {
    let case = ours();
    let server = MockServer::start().await;
    let gone = json!({"ok": false, "error_code": 400, "description": "Bad Request: message to be replied not found"});
    Mock::given(body_partial_json(json!({"reply_parameters": {"message_id": 5}})))
        .respond_with(ResponseTemplate::new(400).set_body_json(gone))
        .expect(1)
        .mount(&server)
        .await;
    let taken = ResponseTemplate::new(200).set_body_json(&case.success);
    Mock::given(path(format!("/bot{TOKEN}/sendMessage"))).respond_with(taken).expect(1).mount(&server).await;
    let mut message = case.message(text("1"));
    message.reply_to = Some("5".to_owned());
    assert!(matches!(case.messenger.send(&case.patient_wire(&server.uri()), &message, NOW).await, Answer::Done { .. }));
}

#[tokio::test]
async fn text_is_sent_as_it_is_and_counted_in_utf16() {
    let case = ours();
    let (_, requests) = sent(&case, text("<b>*x*</b> & \\"), None).await;
    let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
    assert_eq!(body, json!({"chat_id": 5_000_000_001_i64, "text": "<b>*x*</b> & \\"}));
    assert!(matches!(sent(&case, text(&"👋".repeat(2048)), None).await.0, Answer::Done { .. }));
    let (answer, _) = sent(&case, text(&format!("{}x", "👋".repeat(2048))), None).await;
    assert!(matches!(answer, Answer::Refused { code: Code::MessageTooLong, .. }));
}

#[tokio::test]
async fn an_address_that_telegram_would_not_take_as_a_document_is_sent_as_bytes() {
    let case = ours();
    let mut content = file(MediaKind::Document, "https://files.example.test/report.xls", Some("Отчёт"));
    content.media.as_mut().unwrap().mime = "application/vnd.ms-excel".to_owned();
    let (answer, requests) = sent(&case, content, None).await;
    assert!(matches!(answer, Answer::Done { .. }));
    assert!(requests[0].body.windows(FILE.len()).any(|part| part == FILE));
}

#[tokio::test]
async fn peers_are_numbers_channels_and_chats_of_business_accounts() {
    let case = ours();
    for (to, fields) in [
        (Peer::Chat("@shop".to_owned()), json!({"chat_id": "@shop"})),
        (Peer::Username("shop".to_owned()), json!({"chat_id": "@shop"})),
        (Peer::Chat("-1001".to_owned()), json!({"chat_id": -1001})),
        (Peer::Chat("bc_0001/500".to_owned()), json!({"chat_id": 500, "business_connection_id": "bc_0001"})),
    ] {
        let server = MockServer::start().await;
        let taken = ResponseTemplate::new(200).set_body_json(&case.success);
        Mock::given(body_partial_json(fields)).respond_with(taken).expect(1).mount(&server).await;
        let mut message = case.message(text("1"));
        message.to = to.clone();
        let answer = case.messenger.send(&case.patient_wire(&server.uri()), &message, NOW).await;
        assert!(matches!(answer, Answer::Done { .. }), "{to:?}: {answer:?}");
    }
    let mut message = case.message(text("1"));
    message.to = Peer::Chat("79990000001@c.us".to_owned());
    let answer = case.messenger.send(&case.wire("http://127.0.0.1:9"), &message, NOW).await;
    assert!(matches!(answer, Answer::Refused { code: Code::AddressBad, .. }));
}

#[test]
fn a_pressed_button_is_settled_by_our_answer() {
    let case = ours();
    let received = case.receive(&case.fixture("update_callback_query.json")).unwrap();
    assert_eq!(received.reply.mime, "application/json");
    let call: Value = serde_json::from_str(&received.reply.body).unwrap();
    assert_eq!(call, json!({"method": "answerCallbackQuery", "callback_query_id": "21474836484000000"}));
    super::schemas::check_telegram_call(
        "answerCallbackQuery",
        &json!({"callback_query_id": call["callback_query_id"]}),
    );
    assert!(case.receive(&case.fixture("update_message_text.json")).unwrap().reply.body.is_empty());
}

fn step(token: &str) -> AttachStep {
    AttachStep {
        answers: json!({"token": token}).as_object().cloned().unwrap(),
        webhook_url: "https://switchboard.example.test/hook/tg/1".to_owned(),
        return_url: String::new(),
        kept: Value::Null,
    }
}

#[tokio::test]
async fn a_bot_is_attached_with_a_secret_of_its_own() {
    let case = ours();
    let server = MockServer::start().await;
    let bot = json!({"ok": true, "result": {"id": 7_000_000_001_i64, "is_bot": true, "first_name": "Switchboard",
        "username": "switchboard_test_bot", "can_read_all_group_messages": false}});
    for (name, answer) in [("getMe", bot), ("setWebhook", json!({"ok": true, "result": true}))] {
        let answer = ResponseTemplate::new(200).set_body_json(answer);
        Mock::given(path(format!("/bot{TOKEN}/{name}"))).respond_with(answer).expect(1).mount(&server).await;
    }
    let mut case = case;
    let next = case.messenger.attach(&case.patient_wire(&server.uri()), &step(TOKEN)).await.unwrap();
    case.assert_no_secret(&format!("{next:?}"));
    let AttachNext::Done(Attachment { secrets, settings, account, .. }) = next else { panic!("attached") };
    assert_eq!((account.as_str(), settings["address"].as_str()), ("7000000001", Some("@switchboard_test_bot")));
    let secrets: Value = serde_json::from_str(secrets.expose_secret()).unwrap();
    // Telegram is told only when the channel is written down
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
    assert!(case.messenger.announces());
    case.secrets = secrets.clone();
    let address = "https://switchboard.example.test/hook/tg/1";
    case.messenger.announce(&case.patient_wire(&server.uri()), address).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    requests.iter().for_each(super::schemas::check_telegram);
    let hook: Value = serde_json::from_slice(&requests[1].body).unwrap();
    assert_eq!((&hook["secret_token"], hook["url"].as_str()), (&secrets["secret"], Some(address)));
    assert_eq!(secrets["secret"].as_str().unwrap().len(), 64);
    assert_eq!(secrets["token"], TOKEN);
}

#[tokio::test]
async fn a_bot_takes_back_its_own_address_and_no_other() {
    let case = ours();
    for (told, gone) in [("https://before.example.test/hook/vkn/1", 1), ("https://other.example.test/bot", 0), ("", 0)]
    {
        let server = MockServer::start().await;
        let info =
            json!({"ok": true, "result": {"url": told, "has_custom_certificate": false, "pending_update_count": 0}});
        for (name, answer, times) in
            [("getWebhookInfo", info, 1), ("deleteWebhook", json!({"ok": true, "result": true}), gone)]
        {
            let answer = ResponseTemplate::new(200).set_body_json(answer);
            Mock::given(path(format!("/bot{TOKEN}/{name}"))).respond_with(answer).expect(times).mount(&server).await;
        }
        assert_eq!(case.messenger.detach(&case.patient_wire(&server.uri())).await, Answer::done());
        server.received_requests().await.unwrap().iter().for_each(super::schemas::check_telegram);
    }
    for (status, body, expected) in [
        (401, case.fixture_json("resp_error_401.json"), "Done"),
        (502, json!({"ok": false, "error_code": 502, "description": "Bad Gateway"}), "Down"),
    ] {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(status).set_body_json(body);
        Mock::given(wiremock::matchers::any()).respond_with(answer).mount(&server).await;
        let answer = case.messenger.detach(&case.patient_wire(&server.uri())).await;
        assert!(format!("{answer:?}").starts_with(expected), "{answer:?}");
    }
}

/// What comes of a file of the customer whose path the server tells so.
async fn fetched(local: Option<&std::path::Path>, told: &str, limit: u64) -> Result<Vec<u8>, Answer> {
    let (case, server) = (ours(), MockServer::start().await);
    let file = json!({"ok": true, "result": {"file_id": "x", "file_unique_id": "y", "file_path": told}});
    let answer = ResponseTemplate::new(200).set_body_json(file);
    Mock::given(path(format!("/bot{TOKEN}/getFile"))).respond_with(answer).expect(1).mount(&server).await;
    let mut wire = case.patient_wire(&server.uri());
    wire.local = local.map(std::path::Path::to_path_buf);
    let media =
        IncomingMedia { kind: MediaKind::Document, vendor_id: "x".to_owned(), name: None, mime: None, size: None };
    let fetched = case.messenger.fetch_media(&wire, &media, limit).await?;
    Ok(super::wire::whole(fetched).await.unwrap())
}

#[tokio::test]
async fn a_server_of_ones_own_is_read_from_below_its_folder_only() {
    let folder = crate::postgres::Folder::new();
    let (inside, outside) = (folder.path().join("bot api"), folder.path().join("bot api beside"));
    for place in [&inside, &outside] {
        std::fs::create_dir_all(place.join("documents")).unwrap();
        std::fs::write(place.join("documents/a.pdf"), FILE).unwrap();
    }
    std::os::unix::fs::symlink(outside.join("documents/a.pdf"), inside.join("link.pdf")).unwrap();
    std::os::unix::fs::symlink(&inside, folder.path().join("mounted")).unwrap();
    let told = |place: &std::path::Path, rest: &str| format!("{}/{rest}", place.display());
    let good = told(&inside, "documents/a.pdf");
    assert_eq!(fetched(Some(&inside), &good, 1 << 20).await.unwrap(), FILE);
    // the folder itself may be a link
    assert_eq!(fetched(Some(&folder.path().join("mounted")), &good, 1 << 20).await.unwrap(), FILE);
    let too_big = fetched(Some(&inside), &good, FILE.len() as u64 - 1).await.unwrap_err();
    assert!(matches!(too_big, Answer::Refused { code: Code::FileTooBig, .. }), "{too_big:?}");
    for path in [
        told(&outside, "documents/a.pdf"),
        told(&inside, "link.pdf"),
        told(&inside, "../bot api beside/documents/a.pdf"),
        told(&inside, "documents"),
        told(&inside, "documents/gone.pdf"),
        "/etc/passwd".to_owned(),
        "/proc/self/environ".to_owned(),
    ] {
        let refused = fetched(Some(&inside), &path, 1 << 20).await.unwrap_err();
        assert!(matches!(refused, Answer::Refused { code: Code::FileGone, .. }), "{path}: {refused:?}");
    }
    // without the setting nothing is read from a disk, and the remedy is told
    match fetched(None, &good, 1 << 20).await.unwrap_err() {
        Answer::Refused { code: Code::FileGone, text } => assert!(text.contains("telegram_bot.local_folder"), "{text}"),
        other => panic!("{other:?}"),
    }
    // a folder that is away may come back
    let away = fetched(Some(&folder.path().join("nowhere")), &good, 1 << 20).await.unwrap_err();
    assert!(matches!(away, Answer::Down { .. }), "{away:?}");
}

#[tokio::test]
async fn what_is_too_large_says_why_and_what_raises_the_limit() {
    let case = ours();
    let server = MockServer::start().await;
    let taken = ResponseTemplate::new(200).set_body_json(&case.success);
    Mock::given(wiremock::matchers::any()).respond_with(taken).expect(1).mount(&server).await;
    let mut wire = case.patient_wire(&server.uri());
    let of = |kind: MediaKind, size: u64| {
        let mut content = file(kind, "store:good", None);
        content.media.as_mut().unwrap().size = Some(size);
        case.message(content)
    };
    let text = |answer: Answer| match answer {
        Answer::Refused { code: Code::FileTooBig, text } => text,
        other => panic!("{other:?}"),
    };
    let refused = text(case.messenger.send(&wire, &of(MediaKind::Document, 60 << 20), NOW).await);
    assert!(refused.contains("50 MB") && refused.contains("telegram_bot.local_server"), "{refused}");
    // no server takes larger pictures, or more than 2000 MB
    for (kind, size) in [(MediaKind::Image, 11 << 20), (MediaKind::Video, 2001 << 20)] {
        let refused = text(case.messenger.send(&wire, &of(kind, size), NOW).await);
        assert!(!refused.contains("50 MB"), "{refused}");
    }
    let media = IncomingMedia {
        kind: MediaKind::Video,
        vendor_id: "x".to_owned(),
        name: None,
        mime: None,
        size: Some(21 << 20),
    };
    let refused = text(case.messenger.fetch_media(&wire, &media, 1 << 30).await.err().unwrap());
    assert!(refused.contains("20 MB") && refused.contains("telegram_bot.local_server"), "{refused}");
    wire.local = Some("/nowhere".into());
    let answer = case.messenger.send(&wire, &of(MediaKind::Document, 60 << 20), NOW).await;
    assert!(matches!(answer, Answer::Done { .. }), "{answer:?}");
    text(case.messenger.send(&wire, &of(MediaKind::Video, 2001 << 20), NOW).await);
}

#[tokio::test]
async fn a_wrong_token_is_told_at_its_field() {
    let case = ours();
    let server = MockServer::start().await;
    let refused = ResponseTemplate::new(401).set_body_json(case.fixture_json("resp_error_401.json"));
    Mock::given(wiremock::matchers::any()).respond_with(refused).expect(1).mount(&server).await;
    for token in [TOKEN, "not a token"] {
        let error = case.messenger.attach(&case.patient_wire(&server.uri()), &step(token)).await.unwrap_err();
        assert_eq!(error.field, "token");
        case.assert_no_secret(&format!("{error:?} {error}"));
    }
    let error = case.messenger.attach(&case.wire("http://127.0.0.1:9"), &step(TOKEN)).await.unwrap_err();
    assert_eq!(error.field, "");
    case.assert_no_secret(&format!("{error:?} {error}"));
}

#[tokio::test]
async fn a_bot_that_is_switched_off_is_posted_from_no_more() {
    let case = ours();
    let error = |code: u16| json!({"ok": false, "error_code": code, "description": "said"});
    for (status, body, told) in [
        (200, json!({"ok": true, "result": true}), Answer::done()),
        // nobody can speak for a bot whose token was taken away
        (401, error(401), Answer::done()),
        (502, error(502), Answer::Down { seen: "said".to_owned() }),
    ] {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(status).set_body_json(body);
        let method = format!("/bot{TOKEN}/deleteWebhook");
        Mock::given(path(method)).respond_with(answer).expect(1).mount(&server).await;
        assert_eq!(case.messenger.detach(&case.patient_wire(&server.uri())).await, told);
        server.received_requests().await.unwrap().iter().for_each(super::schemas::check_telegram);
    }
}

#[test]
fn every_content_of_a_message_is_read() {
    let case = ours();
    let chat = json!({"id": 5, "type": "private", "first_name": "A"});
    for (kind, content, told) in [
        ("message", json!({"sticker": {"file_id": "s", "is_video": true}}), " | media Sticker s video/webm"),
        (
            "message",
            json!({"animation": {"file_id": "a", "file_size": 9}, "document": {"file_id": "d"}}),
            " | media Video a video/mp4 9",
        ),
        ("message", json!({"video_note": {"file_id": "n"}}), " | media Video n video/mp4"),
        (
            "message",
            json!({"audio": {"file_id": "u", "mime_type": "audio/mpeg"}, "caption": "песня"}),
            " | text песня | media Audio u audio/mpeg",
        ),
        ("message", json!({"location": {"latitude": 1.5, "longitude": 2.0}}), " | place 1.5 2 "),
        (
            "message",
            json!({"location": {"latitude": 1.5, "longitude": 2.0}, "venue": {"title": "Кафе", "address": "Мира, 1"}}),
            " | place 1.5 2 Кафе, Мира, 1",
        ),
        ("message", json!({"poll": {"id": "1"}}), " | note poll"),
        (
            "message",
            json!({"contact": {"phone_number": "+7 916", "first_name": "Другой", "user_id": 6}}),
            " | text Другой +7 916 | note contacts",
        ),
        (
            "business_message",
            json!({"business_connection_id": "bc", "text": "от владельца", "chat": {"id": 9, "type": "private"}}),
            " | text от владельца | by us",
        ),
    ] {
        let mut message = json!({"message_id": 1, "date": 2, "chat": chat, "from": {"id": 5, "first_name": "A"}});
        message.as_object_mut().unwrap().extend(content.as_object().cloned().unwrap());
        let place = if kind == "message" { "5" } else { "bc/9" };
        assert_eq!(line(&case, kind, &message), format!("message 1 in {place} | from A | id 5 | at 2000{told}"));
    }
}

#[test]
fn service_messages_and_channels_are_told_apart() {
    let case = ours();
    let channel = json!({"id": -100, "type": "channel", "title": "Новости"});
    let post = json!({"message_id": 1, "date": 2, "chat": channel, "sender_chat": channel, "text": "x"});
    assert_eq!(
        line(&case, "channel_post", &post),
        "message 1 in -100 | group Новости | from Новости | id -100 | at 2000 | text x"
    );
    for service in ["new_chat_members", "left_chat_member", "pinned_message", "migrate_from_chat_id"] {
        let message = json!({"message_id": 1, "date": 2, "chat": {"id": -5, "type": "group"}, service: []});
        assert_eq!(line(&case, "message", &message), "ignored message", "{service}");
    }
    for (status, told) in
        [("left", "forbidden in 5"), ("administrator", "allowed in 5"), ("restricted", "forbidden in 5")]
    {
        let member = json!({"chat": {"id": 5, "type": "group"}, "new_chat_member": {"status": status}});
        assert_eq!(line(&case, "my_chat_member", &member), told);
    }
}

fn line(case: &Case, kind: &str, body: &Value) -> String {
    let received = case.receive(json!({"update_id": 1, kind: body}).to_string().as_bytes()).unwrap();
    super::incoming::tell(&received.events[0].1)
}

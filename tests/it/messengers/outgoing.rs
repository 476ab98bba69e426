//! What leaves: every kind of message, held against the vendor's own schema.

use switchboard::model::message::{Content, IncomingMedia, MediaKind, Peer};
use switchboard::model::result::Code;
use switchboard::model::vendor::Answer;
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers};

use super::case::{Case, NOW, cases, file, text, with_files};
use super::wire::FILE;

/// A vendor that takes everything.
pub(super) async fn taking(case: &Case) -> MockServer {
    let server = MockServer::start().await;
    (case.prepare)(&server).await;
    let answer = ResponseTemplate::new(200).set_body_json(&case.success);
    Mock::given(matchers::any()).respond_with(answer).mount(&server).await;
    server
}

/// Sends one message and gives back what reached the vendor.
pub(super) async fn sent(case: &Case, content: Content, reply_to: Option<&str>) -> (Answer, Vec<Request>) {
    let server = taking(case).await;
    let mut message = case.message(content);
    message.reply_to = reply_to.map(str::to_owned);
    let answer = case.messenger.send(&case.patient_wire(&server.uri()), &message, NOW).await;
    (answer, server.received_requests().await.unwrap())
}

pub(super) fn check(case: &Case, requests: &[Request]) {
    for request in requests {
        match case.folder {
            "telegram-bot" => super::schemas::check_telegram(request),
            "vk" => super::vk::check(request),
            "avito" => super::avito::check(request),
            "whatsapp_web" => super::schemas::check_waha(request),
            "vk-notify" => super::vk_notify::check(request),
            _ => super::schemas::check_waba(request),
        }
    }
}

#[tokio::test]
pub(super) async fn every_kind_of_message_fits_the_schema() {
    for case in cases() {
        let captions = |kind| match case.folder {
            "telegram-bot" | "vk" => kind != MediaKind::Sticker,
            "avito" => !matches!(kind, MediaKind::Sticker | MediaKind::Image),
            _ => matches!(kind, MediaKind::Image | MediaKind::Video | MediaKind::Document),
        };
        let mut contents = vec![case.words("Здравствуйте! https://example.test"), case.words("<b>&amp;</b> *_[x](y)")];
        for kind in case.kinds() {
            for source in ["store:good", "https://files.example.test/a.bin"] {
                if case.takes(kind, source) {
                    contents.push(file(kind, source, captions(kind).then_some("Подпись")));
                    contents.push(file(kind, source, None));
                }
            }
        }
        for content in contents {
            for reply_to in [None, Some("101")] {
                let what = format!("{}: {content:?}", case.name());
                let (answer, requests) = sent(&case, content.clone(), reply_to).await;
                assert!(
                    matches!(answer, Answer::Done { ref vendor_ids, .. } if vendor_ids.len() == 1),
                    "{what}: {answer:?}"
                );
                check(&case, &requests);
                case.checked(requests.len());
                let media = content.media.as_ref();
                // some vendors fetch an address themselves; the gateway of ours is never given one
                let bytes = match case.folder {
                    "vk" | "whatsapp_web" => media.is_some(),
                    "avito" => media.is_some_and(|media| media.kind == MediaKind::Image),
                    _ => media.is_some_and(|media| media.source.starts_with("store:")),
                };
                let carried = requests.iter().any(|request| Case::carries(&request.body));
                assert_eq!(carried, bytes, "{what}");
            }
        }
    }
}

#[tokio::test]
pub(super) async fn what_cannot_be_sent_is_refused_before_anything_leaves() {
    for case in with_files() {
        let about = case.messenger.about();
        let long = |count: usize| Some("я".repeat(count));
        let mut heavy = file(MediaKind::Image, "store:good", None);
        heavy.media.as_mut().unwrap().size = Some(u64::MAX);
        let mut wordy = file(MediaKind::Image, "store:good", None);
        wordy.text = long(about.caption_limit + 1);
        for (content, code) in [
            (Content::default(), Code::MessageEmpty),
            (text(" \n"), Code::MessageEmpty),
            (Content { text: long(about.text_limit + 1), ..Content::default() }, Code::MessageTooLong),
            (wordy, Code::MessageTooLong),
            (heavy, Code::FileTooBig),
            (file(MediaKind::Sticker, "store:good", Some("подпись")), Code::NotSupported),
        ] {
            let (answer, requests) = sent(&case, content, None).await;
            assert!(
                matches!(answer, Answer::Refused { code: told, .. } if told == code),
                "{}: {answer:?}",
                case.name()
            );
            assert!(requests.is_empty(), "{}", case.name());
            case.checked(1);
        }
        let (answer, _) = sent(&case, Content { text: long(about.text_limit), ..Content::default() }, None).await;
        assert!(matches!(answer, Answer::Done { .. }), "{}", case.name());
    }
}

#[tokio::test]
pub(super) async fn abilities_agree_with_answers() {
    for case in cases() {
        let abilities = case.messenger.about().abilities;
        let server = taking(&case).await;
        let mut message = case.message(case.words("1"));
        message.to = Peer::Phone("79161234567".to_owned());
        let answer = case.messenger.send(&case.patient_wire(&server.uri()), &message, NOW).await;
        if abilities.first_by_phone {
            assert!(matches!(answer, Answer::Done { .. }), "{}", case.name());
        } else {
            assert!(
                matches!(answer, Answer::Refused { code: Code::CannotWriteFirst, .. }),
                "{}: {answer:?}",
                case.name()
            );
            assert!(server.received_requests().await.unwrap().is_empty());
        }
        message = case.message(text("1"));
        message.window_until = Some(NOW);
        let answer = case.messenger.send(&case.patient_wire(&server.uri()), &message, NOW).await;
        let closed = matches!(answer, Answer::Refused { code: Code::WindowClosed | Code::TemplateNeeded, .. });
        assert_eq!(closed, !abilities.free_text_always, "{}: {answer:?}", case.name());
        let templates_only = matches!(answer, Answer::Refused { code: Code::TemplateNeeded, .. });
        assert_eq!(templates_only, abilities.templates_only, "{}: {answer:?}", case.name());
        let template = if templates_only { case.words("1") } else { super::waba::template_content() };
        message = case.message(template);
        let answer = case.messenger.send(&case.patient_wire(&server.uri()), &message, NOW).await;
        assert_eq!(matches!(answer, Answer::Done { .. }), abilities.templates, "{}: {answer:?}", case.name());
        case.checked(3);
    }
}

#[tokio::test]
pub(super) async fn a_file_that_came_in_is_fetched_up_to_its_limit() {
    for case in with_files() {
        let server = MockServer::start().await;
        match case.folder {
            "telegram-bot" => super::telegram_bot::offer_file(&case, &server).await,
            "vk" => super::vk::offer_file(&server).await,
            "avito" => super::avito::offer_file(&server).await,
            "whatsapp_web" => super::whatsapp_web::offer_file(&case, &server).await,
            _ => super::waba::offer_file(&case, &server).await,
        }
        let media = IncomingMedia {
            kind: MediaKind::Document,
            vendor_id: (case.file_id)(&server),
            name: None,
            mime: Some("application/pdf".to_owned()),
            size: None,
        };
        let wire = case.patient_wire(&server.uri());
        let fetched = case
            .messenger
            .fetch_media(&wire, &media, FILE.len() as u64)
            .await
            .unwrap_or_else(|answer| panic!("{}: {answer:?}", case.name()));
        assert_eq!(fetched.mime.as_deref(), Some("application/pdf"));
        assert_eq!(super::wire::whole(fetched).await.unwrap(), FILE);
        let asked = server.received_requests().await.unwrap();
        // the file itself is no method of the Bot API
        let methods =
            asked.iter().filter(|request| case.folder == "telegram-bot" && request.url.path().ends_with("/getFile"));
        let checked = methods.inspect(|request| super::schemas::check_telegram(request)).count();
        assert_eq!(checked, usize::from(case.folder == "telegram-bot"));
        let too_big = |answer: &Answer| matches!(answer, Answer::Refused { code: Code::FileTooBig, .. });
        let answer = case.messenger.fetch_media(&wire, &media, FILE.len() as u64 - 1).await.err().unwrap();
        assert!(too_big(&answer), "{}: {answer:?}", case.name());
        let announced = IncomingMedia { size: Some(1 << 40), ..media.clone() };
        assert!(too_big(&case.messenger.fetch_media(&wire, &announced, 1 << 20).await.err().unwrap()));
        // nobody is there: a fetch may be repeated, so it is never unsure
        let lost = IncomingMedia { vendor_id: media.vendor_id.replace(&server.uri(), "http://127.0.0.1:9"), ..media };
        let answer = case.messenger.fetch_media(&case.wire("http://127.0.0.1:9"), &lost, 100).await.err().unwrap();
        assert!(matches!(answer, Answer::Down { .. }), "{}: {answer:?}", case.name());
        case.assert_no_secret(&format!("{answer:?}"));
        case.checked(4);
    }
}

#[tokio::test]
pub(super) async fn a_file_keeps_its_name_and_brings_no_header_of_its_own() {
    for case in with_files() {
        for (name, told) in [
            ("Договор 1.pdf", "filename=\"Договор 1.pdf\""),
            ("a\r\nX-Evil: 1\r\n\r\nb.pdf", "filename=\"a__X-Evil: 1____b.pdf\""),
            ("", "filename=\"file\""),
        ] {
            let mut content = file(case.file_kind(), "store:good", None);
            content.media.as_mut().unwrap().name = name.to_owned();
            let (_, requests) = sent(&case, content, None).await;
            let bodies: Vec<_> = requests.iter().map(|request| String::from_utf8_lossy(&request.body)).collect();
            let told = match told.strip_prefix("filename=").filter(|_| case.folder == "whatsapp_web") {
                Some(name) => format!("\"filename\":{name}"),
                None => told.to_owned(),
            };
            assert!(bodies.iter().any(|body| body.contains(&told)), "{}: {bodies:?}", case.name());
            assert!(!bodies.iter().any(|body| body.contains("\r\nX-Evil")), "{}", case.name());
            case.checked(1);
        }
    }
}

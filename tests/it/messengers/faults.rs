//! What can go wrong on a socket, each produced on a real one: no answer of ours may claim more than it knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use switchboard::model::vendor::Answer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use super::case::{Case, NOW, cases, file, with_files};

/// What the vendor's end of the socket does with each connection.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Closes before it reads a byte.
    CutBeforeBody,
    /// Reads the request whole, and closes.
    CutAfterBody,
    /// Answers with a page.
    Page(u16),
    /// Begins an answer and never goes on.
    Hang,
    /// Announces a longer answer than it gives.
    HalfAnswer,
    /// Answers with more than anybody reads.
    Flood,
    /// Answers in another protocol.
    Noise,
}

/// A vendor with a fault, and how many whole requests it got.
async fn broken_vendor(fault: Fault) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, fault, Arc::clone(&counter)));
        }
    });
    (address, requests)
}

async fn serve(mut stream: TcpStream, fault: Fault, requests: Arc<AtomicUsize>) {
    if matches!(fault, Fault::CutBeforeBody) {
        return;
    }
    read_request(&mut stream).await;
    requests.fetch_add(1, Ordering::SeqCst);
    let answer = match fault {
        Fault::CutBeforeBody | Fault::CutAfterBody => return,
        Fault::Page(status) => {
            format!("HTTP/1.1 {status} Page\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\r\n<html></html>")
        }
        Fault::Hang => "H".to_owned(),
        Fault::HalfAnswer => "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"ok\":true,".to_owned(),
        Fault::Flood => format!("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n{}", " ".repeat(100_000)),
        Fault::Noise => "220 mail.example.test ESMTP\r\n".to_owned(),
    };
    // the other side may have gone already, which is a fault like the others
    let _ = stream.write_all(answer.as_bytes()).await;
    if matches!(fault, Fault::Hang) {
        let _ = stream.read(&mut [0; 1]).await;
    }
}

/// Reads headers and as much of a body as they announce.
async fn read_request(stream: &mut TcpStream) {
    let mut seen = Vec::new();
    let mut wanted = None;
    let mut part = [0; 4096];
    while wanted.is_none_or(|wanted| seen.len() < wanted) {
        let Ok(count @ 1..) = stream.read(&mut part).await else { return };
        seen.extend_from_slice(&part[..count]);
        let end = seen.windows(4).position(|four| four == b"\r\n\r\n");
        if let (None, Some(end)) = (wanted, end) {
            let head = String::from_utf8_lossy(&seen[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            wanted = Some(end + 4 + length.unwrap_or(0));
        }
    }
}

async fn send_text(case: &Case, vendor: &str) -> Answer {
    let answer = case.messenger.send(&case.wire(vendor), &case.message(case.words("Здравствуйте!")), NOW).await;
    case.assert_no_secret(&format!("{answer:?}"));
    answer
}

#[tokio::test]
pub(super) async fn after_the_request_left_no_fault_is_taken_for_a_refusal() {
    for fault in [
        Fault::CutBeforeBody,
        Fault::CutAfterBody,
        Fault::Page(200),
        Fault::Page(500),
        Fault::Page(502),
        Fault::Page(504),
        Fault::Hang,
        Fault::HalfAnswer,
        Fault::Flood,
        Fault::Noise,
    ] {
        for case in cases() {
            let (vendor, requests) = broken_vendor(fault).await;
            let answer = send_text(&case, &vendor).await;
            let resendable = case.drops_repeats();
            assert!(
                matches!(answer, Answer::Unsure { resendable: told, .. } if told == resendable),
                "{} {fault:?}: {answer:?}",
                case.name()
            );
            assert!(requests.load(Ordering::SeqCst) <= 1, "{} {fault:?}: sent again", case.name());
            case.checked(1);
        }
    }
}

#[tokio::test]
pub(super) async fn a_page_that_kept_the_call_back_is_down() {
    for case in cases() {
        for status in [302, 403, 404, 407] {
            let (vendor, _) = broken_vendor(Fault::Page(status)).await;
            let answer = send_text(&case, &vendor).await;
            assert!(matches!(answer, Answer::Down { .. }), "{} {status}: {answer:?}", case.name());
            case.checked(1);
        }
        let (vendor, _) = broken_vendor(Fault::Page(429)).await;
        assert!(matches!(send_text(&case, &vendor).await, Answer::Busy { .. }), "{}", case.name());
    }
}

#[tokio::test]
pub(super) async fn without_a_connection_the_vendor_is_down() {
    for case in cases() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        for vendor in [closed.as_str(), "http://name.invalid", "no address at all"] {
            let answer = send_text(&case, vendor).await;
            assert!(matches!(answer, Answer::Down { .. }), "{} {vendor}: {answer:?}", case.name());
            case.checked(1);
        }
        // a server that speaks no TLS gets no byte of the request
        let (plain, requests) = broken_vendor(Fault::Noise).await;
        let answer = send_text(&case, &plain.replace("http:", "https:")).await;
        assert!(matches!(answer, Answer::Down { .. }), "{}: {answer:?}", case.name());
        assert_eq!(requests.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
pub(super) async fn every_answer_of_the_vendor_steers_the_queue_as_the_contract_says() {
    for case in cases() {
        for (status, body, expected) in &case.answers {
            let server = MockServer::start().await;
            let answer = ResponseTemplate::new(*status).set_body_json(body);
            Mock::given(matchers::any()).respond_with(answer).expect(1).mount(&server).await;
            let answer =
                case.messenger.send(&case.patient_wire(&server.uri()), &case.message(case.words("1")), NOW).await;
            assert_eq!(&answer, expected, "{}: {body}", case.name());
            case.checked(1);
        }
        for (what, is) in [
            ("done", (|answer: &Answer| matches!(answer, Answer::Done { .. })) as fn(&Answer) -> bool),
            ("busy", |answer| matches!(answer, Answer::Busy { .. })),
            ("expired", |answer| matches!(answer, Answer::Expired { .. })),
            ("refused", |answer| matches!(answer, Answer::Refused { .. })),
            ("nobody", |answer| matches!(answer, Answer::Nobody { .. })),
        ] {
            // a status alone tells that nobody is there, where templates are all that is sent
            let told =
                case.answers.iter().any(|(_, _, answer)| is(answer)) || (what == "nobody" && case.templates_only());
            assert!(told, "{}: no row for {what}", case.name());
        }
    }
}

#[tokio::test]
pub(super) async fn a_file_of_ours_that_breaks_off_was_not_taken() {
    for case in with_files() {
        let (vendor, _) = broken_vendor(Fault::CutAfterBody).await;
        for (source, down) in [("store:broken", true), ("store:missing", false)] {
            let message = case.message(file(case.file_kind(), source, None));
            let answer = case.messenger.send(&case.wire(&vendor), &message, NOW).await;
            assert_eq!(matches!(answer, Answer::Down { .. }), down, "{} {source}: {answer:?}", case.name());
            assert_eq!(matches!(answer, Answer::Refused { .. }), !down, "{} {source}: {answer:?}", case.name());
            case.checked(1);
        }
    }
}

#[tokio::test]
pub(super) async fn every_recorded_answer_is_understood() {
    for case in cases() {
        for (file, status, expected) in case.recorded() {
            let server = MockServer::start().await;
            let answer = ResponseTemplate::new(status).set_body_bytes(case.fixture(file));
            Mock::given(matchers::any()).respond_with(answer).mount(&server).await;
            let answer =
                case.messenger.send(&case.patient_wire(&server.uri()), &case.message(case.words("1")), NOW).await;
            assert!(format!("{answer:?}").starts_with(expected), "{file}: {answer:?}");
            case.checked(1);
        }
    }
}

//! What can go wrong on the way to a mail server, each produced on a socket: no answer of ours may claim more than it knows.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use secrecy::SecretString;
use serde_json::{Value, json};
use switchboard::messenger::{Messenger as _, Wire, email::Email};
use switchboard::model::message::{Content, Kind, MediaKind, Outgoing, Peer};
use switchboard::model::moment::Moment;
use switchboard::model::result::Code;
use switchboard::model::vendor::Answer;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::{address, letter, post};
use crate::messengers::page::checked;
use crate::messengers::wire::{patient, wire};

const NOW: Moment = Moment(1_795_171_300_000);

/// How a server answers to the beginnings of lines. Nothing closes the connection, `hang` never answers.
type Script = HashMap<&'static str, &'static str>;

const CLOSE: &str = "";
const HANG: &str = "hang";

/// A server that keeps to its script, and what it heard.
async fn scripted(changes: &[(&'static str, &'static str)]) -> (u16, Arc<Mutex<Vec<String>>>) {
    let mut script: Script = HashMap::from([
        ("greeting", "220 mx.example.test ESMTP"),
        ("EHLO", "250-mx.example.test\r\n250-AUTH PLAIN LOGIN XOAUTH2\r\n250 8BITMIME"),
        ("AUTH", "235 2.7.0 in"),
        ("MAIL", "250 2.1.0 ok"),
        ("RCPT", "250 2.1.5 ok"),
        ("DATA", "354 go on"),
        (".", "250 2.0.0 queued as 1"),
        ("QUIT", "221 bye"),
    ]);
    script.extend(changes.iter().copied());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, script.clone(), Arc::clone(&log)));
        }
    });
    (port, heard)
}

async fn talk(stream: tokio::net::TcpStream, script: Script, log: Arc<Mutex<Vec<String>>>) {
    let mut stream = BufReader::new(stream);
    let mut said = "greeting".to_owned();
    loop {
        let known = script.iter().find(|(begins, _)| said.starts_with(*begins));
        match known {
            Some((_, &CLOSE)) => return,
            Some((_, &HANG)) => std::future::pending().await,
            Some((_, reply)) if stream.write_all(format!("{reply}\r\n").as_bytes()).await.is_err() => return,
            // answered, or a line of the letter
            Some(_) | None => {}
        }
        said.clear();
        if !matches!(stream.read_line(&mut said).await, Ok(1..)) {
            return;
        }
        said = said.trim_end().to_owned();
        log.lock().push(said.clone());
    }
}

fn account(own: &str, smtp: u16) -> Value {
    json!({
        "address": own, "login": own, "server_keeps_sent": true,
        "imap": {"host": "localhost", "port": post().imaps, "security": "ssl"},
        "smtp": {"host": "127.0.0.1", "port": smtp, "security": "none"},
    })
}

fn hasty(own: &str, smtp: u16) -> Wire {
    Wire {
        dial: post().dial(),
        secrets: SecretString::from(json!({"password": "secret"}).to_string()),
        ..wire("", &json!({}), &account(own, smtp))
    }
}

fn message(text: &str) -> Outgoing {
    Outgoing {
        key: "ms_1".to_owned(),
        to: Peer::Email("anna@example.test".to_owned()),
        names: None,
        content: Content { text: Some(text.to_owned()), ..Content::default() },
        reply_to: None,
        window_until: None,
        thread: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn before_the_final_dot_nothing_was_taken() {
    for at in ["greeting", "EHLO", "AUTH", "MAIL", "RCPT", "DATA"] {
        for reply in [CLOSE, HANG, "garbage \u{1}\u{2}"] {
            let (smtp, heard) = scripted(&[(at, reply)]).await;
            let answer = Email.send(&hasty(&address("sales"), smtp), &message("1"), NOW).await;
            assert!(matches!(answer, Answer::Down { .. }), "{at} {reply}: {answer:?}");
            assert!(!format!("{answer:?}").contains("secret"));
            assert!(!heard.lock().iter().any(|line| line == "."), "{at} {reply}");
            checked(Kind::Email, 1);
        }
    }
    let (smtp, _) = scripted(&[("greeting", "554 5.3.2 not today")]).await;
    let answer = Email.send(&hasty(&address("sales"), smtp), &message("1"), NOW).await;
    assert!(matches!(answer, Answer::Down { .. }), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn after_the_final_dot_only_an_answer_or_a_copy_tells() {
    for reply in [CLOSE, HANG, "garbage"] {
        let own = address("sales");
        let (smtp, heard) = scripted(&[(".", reply)]).await;
        let mut wire = hasty(&own, smtp);
        // the login to the real mailbox takes its time
        wire.http = patient("", &json!({}), &json!({})).http;
        let quick = if reply == HANG { hasty(&own, smtp) } else { wire.clone() };
        let answer = Email.send(&quick, &message("1"), NOW).await;
        assert!(matches!(answer, Answer::Unsure { resendable: false, .. }), "{reply}: {answer:?}");
        assert_eq!(heard.lock().iter().filter(|line| line.starts_with("DATA")).count(), 1, "{reply}: sent again");
        checked(Kind::Email, 1);
        if reply == HANG {
            continue;
        }
        // where the server keeps copies, the letter is among them
        let copy = letter(&own, "anna@example.test", "sb.ms_1@company.test", "1", "1");
        post().put(&post().mailbox(&own).join(".&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-"), "1800000000.1.test", &copy);
        let answer = Email.send(&wire, &message("1"), NOW).await;
        assert!(
            matches!(&answer, Answer::Done { vendor_ids, .. } if vendor_ids == &["sb.ms_1@company.test"]),
            "{answer:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn what_cannot_be_sent_is_refused_before_anything_leaves() {
    let (smtp, heard) = scripted(&[]).await;
    let wire = hasty(&address("sales"), smtp);
    let mut heavy = crate::messengers::case::file(MediaKind::Image, "store:good", None);
    heavy.media.as_mut().unwrap().size = Some(u64::MAX);
    let text = |text: &str| Content { text: Some(text.to_owned()), ..Content::default() };
    for (content, code) in [
        (Content::default(), Code::MessageEmpty),
        (text(" \n"), Code::MessageEmpty),
        (text(&"я".repeat(100_001)), Code::MessageTooLong),
        (heavy, Code::FileTooBig),
        (crate::messengers::case::file(MediaKind::Document, "store:missing", None), Code::FileGone),
    ] {
        let answer = Email.send(&wire, &Outgoing { content, ..message("1") }, NOW).await;
        assert!(matches!(answer, Answer::Refused { code: told, .. } if told == code), "{answer:?}");
        checked(Kind::Email, 1);
    }
    for (to, code) in [
        (Peer::Phone("79990000001".to_owned()), Code::CannotWriteFirst),
        (Peer::Username("anna".to_owned()), Code::AddressBad),
        (Peer::Chat("5000000001".to_owned()), Code::AddressBad),
    ] {
        let answer = Email.send(&wire, &Outgoing { to, ..message("1") }, NOW).await;
        assert!(matches!(answer, Answer::Refused { code: told, .. } if told == code), "{answer:?}");
        checked(Kind::Email, 1);
    }
    let broken = crate::messengers::case::file(MediaKind::Document, "store:broken", None);
    let answer = Email.send(&wire, &Outgoing { content: broken, ..message("1") }, NOW).await;
    assert!(matches!(answer, Answer::Down { .. }), "{answer:?}");
    assert!(heard.lock().is_empty());
}

/// User, token and what is said for them, from the contract.
fn vectors() -> Vec<(String, String, String)> {
    let file = std::fs::read(crate::messengers::email::fixtures().join("xoauth2_vectors.json")).unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    let text = |vector: &Value, name: &str| vector[name].as_str().unwrap().to_owned();
    file["vectors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|vector| (text(vector, "user"), text(vector, "token"), text(vector, "initial_response")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_logs_in_by_xoauth2_and_a_refused_one_is_expired() {
    for (user, token, said) in vectors() {
        let challenge = "334 eyJzdGF0dXMiOiI0MDAifQ==";
        let (smtp, heard) = scripted(&[("AUTH", challenge), ("NOBODY", "")]).await;
        let mut wire = hasty(&user, smtp);
        wire.secrets = SecretString::from(json!({"access_token": token}).to_string());
        let sending = tokio::spawn(async move { Email.send(&wire, &message("1"), NOW).await });
        super::until("the token is said", async || {
            heard.lock().iter().any(|line| line.starts_with("AUTH")).then_some(())
        })
        .await;
        assert!(heard.lock().contains(&format!("AUTH XOAUTH2 {said}")));
        sending.abort();
        // the challenge is answered with an empty line, and then the refusal comes
        let (imap, heard) =
            scripted(&[("greeting", "* OK hello"), ("A", "+ "), (&*said.clone().leak(), "+ eyJzdGF0dXMiOiI0MDAifQ==")])
                .await;
        let mut wire = hasty(&user, smtp);
        wire.secrets = SecretString::from(json!({"access_token": token}).to_string());
        wire.settings["imap"] = json!({"host": "127.0.0.1", "port": imap, "security": "none"});
        let ear = super::listening::Memory::new();
        let listening = tokio::spawn(async move { Email.listen(&wire, Value::Null, &*ear).await });
        super::until("the token is said", async || heard.lock().contains(&said).then_some(())).await;
        super::until("the empty line is said", async || {
            heard.lock().last().is_some_and(String::is_empty).then_some(())
        })
        .await;
        assert!(heard.lock()[0].ends_with("AUTHENTICATE XOAUTH2"));
        listening.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn a_server_that_floods_is_left() {
    let flood: &'static str = format!("* OK {}", "x".repeat(5 << 20)).leak();
    let deep: &'static str = format!("* OK hi\r\n* 1 FETCH (BODYSTRUCTURE {}", "(".repeat(100_000)).leak();
    let lying = "* OK hi\r\n* 1 FETCH (BODY[] {4000000000}";
    for greeting in [flood, deep, lying] {
        let (imap, _) = scripted(&[("greeting", greeting)]).await;
        let mut wire = hasty(&address("sales"), 1);
        wire.settings["imap"] = json!({"host": "127.0.0.1", "port": imap, "security": "none"});
        let ear = super::listening::Memory::new();
        let answer = Email.listen(&wire, Value::Null, &*ear).await;
        assert!(matches!(answer, Answer::Down { .. }), "{answer:?}");
        checked(Kind::Email, 1);
    }
    let endless: &'static str = format!("220 {}", "x".repeat(5 << 20)).leak();
    let (smtp, _) = scripted(&[("greeting", endless)]).await;
    let answer = Email.send(&hasty(&address("sales"), smtp), &message("1"), NOW).await;
    assert!(matches!(answer, Answer::Down { .. }), "{answer:?}");
}

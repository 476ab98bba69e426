//! The messenger against the real servers: attaching, sending, fetching files.

use std::sync::Arc;

use mail_parser::MimeHeaders as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use switchboard::messenger::{AttachNext, AttachStep, Attachment, Messenger as _, Wire, email::Email};
use switchboard::model::message::{Content, IncomingMedia, Kind, MediaKind, Outgoing, Peer, Thread};
use switchboard::model::moment::Moment;
use switchboard::model::result::Code;
use switchboard::model::vendor::{Answer, Scope};

use super::listening::Memory;
use super::{address, letter, post, until};
use crate::messengers::page::checked;
use crate::messengers::wire::{FILE, patient, whole};

const NOW: Moment = Moment(1_795_171_300_000);

fn bare() -> Wire {
    Wire { dial: post().dial(), ..patient("", &json!({}), &json!({})) }
}

async fn attach(answers: Value) -> Result<Wire, (String, String)> {
    Ok(attach_and_begin(answers).await?.0)
}

/// The way to a mailbox, and where listening to it begins.
async fn attach_and_begin(answers: Value) -> Result<(Wire, Value), (String, String)> {
    let step = AttachStep {
        answers: answers.as_object().cloned().unwrap(),
        webhook_url: "https://switchboard.example.test/hook".to_owned(),
        return_url: String::new(),
        kept: Value::Null,
    };
    let wire = bare();
    match Email.attach(&wire, &step).await {
        Ok(AttachNext::Done(Attachment { secrets, settings, account, cursor })) => {
            assert_eq!(account, answers["address"]);
            Ok((Wire { secrets, settings, ..wire }, cursor))
        }
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err((error.field.to_owned(), format!("{error} {}", error.ru))),
    }
}

async fn attached(address: &str) -> Wire {
    attach(post().form(address)).await.unwrap()
}

fn message(to: &str, text: &str) -> Outgoing {
    Outgoing {
        key: format!("ms_{}", uuid::Uuid::now_v7().simple()),
        to: Peer::Email(to.to_owned()),
        names: None,
        content: Content { text: Some(text.to_owned()), ..Content::default() },
        reply_to: None,
        window_until: None,
        thread: None,
    }
}

/// Sends a letter to an address of its own, and gives back what came there.
async fn arrived(wire: &Wire, mut outgoing: Outgoing) -> (String, String) {
    let to = address("anna");
    outgoing.to = Peer::Email(to.clone());
    let answer = Email.send(wire, &outgoing, NOW).await;
    let Answer::Done { vendor_ids, .. } = &answer else { panic!("{answer:?}") };
    let letter = until("the letter arrives", async || post().letters(&to, None).pop()).await;
    checked(Kind::Email, 1);
    (vendor_ids[0].clone(), String::from_utf8(letter).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_attached_with_both_kinds_of_tls() {
    let own = address("sales");
    for (imap, imap_security, smtp, smtp_security) in
        [(post().imaps, "ssl", post().smtp, "starttls"), (post().imap, "starttls", post().smtps, "ssl")]
    {
        let mut form = post().form(&own);
        form["imap_port"] = json!(imap);
        form["imap_security"] = json!(imap_security);
        form["smtp_port"] = json!(smtp.to_string());
        form["smtp_security"] = json!(smtp_security);
        let wire = attach(form).await.unwrap();
        assert_eq!(wire.settings["title"], "Ромашка");
        assert_eq!(wire.settings["address"], own);
        assert!(!wire.settings.to_string().contains("secret"));
        assert_eq!(serde_json::from_str::<Value>(wire.secrets.expose_secret()).unwrap(), json!({"password": "secret"}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_between_the_attaching_and_the_first_listening_is_heard() {
    let own = address("sales");
    post().deliver(&own, &letter("anna@example.test", &own, "before@example.test", "before", "text"));
    let (wire, cursor) = attach_and_begin(post().form(&own)).await.unwrap();
    post().deliver(&own, &letter("anna@example.test", &own, "after@example.test", "after", "text"));
    let memory = Memory::from(cursor);
    let listening = memory.clone().listen(wire);
    assert_eq!(memory.has_heard(1).await, ["after"]);
    listening.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signature_stands_at_the_end_of_every_letter() {
    let mut form = post().form(&address("sales"));
    form["signature"] = json!("С уважением,\r\nотдел продаж «Ромашки»");
    let wire = attach(form).await.unwrap();
    let (_, letter) = arrived(&wire, message("", "Заказ готов\n")).await;
    let parsed = mail_parser::MessageParser::default().parse(letter.as_bytes()).unwrap();
    let text = parsed.body_text(0).unwrap().replace("\r\n", "\n");
    assert_eq!(text.trim_end(), "Заказ готов\n\n-- \nС уважением,\nотдел продаж «Ромашки»");
    assert_eq!(parsed.subject(), Some("Заказ готов"), "the signature makes no subject");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_folders_that_the_owner_named_are_listened_to_and_kept_in() {
    let own = address("sales");
    let mut form = post().form(&own);
    (form["inbox_folder"], form["sent_folder"]) = (json!("Заявки"), json!("Отправлено"));
    assert_eq!(attach(form.clone()).await.err().unwrap().0, "inbox_folder");
    // the letter in the inbox is nobody's concern
    post().deliver(&own, &letter("anna@example.test", &own, "other@example.test", "other", "text"));
    let lay = |folder: &str, name: &str, id: &str| {
        let bytes = letter("anna@example.test", &own, &format!("{id}@example.test"), id, "text");
        post().put(&post().mailbox(&own).join(folder), name, &bytes);
    };
    lay(".&BBcEMARPBDIEOgQ4-", "1800000001.1.test", "before");
    assert_eq!(attach(form.clone()).await.err().unwrap().0, "sent_folder");
    lay(".&BB4EQgQ,BEAEMAQyBDsENQQ9BD4-", "1800000001.2.test", "sent");
    let (wire, cursor) = attach_and_begin(form).await.unwrap();
    let memory = Memory::from(cursor);
    let listening = memory.clone().listen(wire.clone());
    lay(".&BBcEMARPBDIEOgQ4-", "1800000002.3.test", "after");
    assert_eq!(memory.has_heard(1).await, ["after"]);
    listening.abort();
    arrived(&wire, message("", "Заказ готов")).await;
    assert_eq!(
        post().letters(&own, Some("&BB4EQgQ,BEAEMAQyBDsENQQ9BD4-")).len(),
        2,
        "the copy lies where it was asked for"
    );
    assert_eq!(post().letters(&own, Some("Sent")).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_mailbox_is_told_at_its_field() {
    let own = address("sales");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (field, change) in [
        ("password", json!({"password": "wrong"})),
        ("access_token", json!({"access_token": "ya29"})),
        ("imap_host", json!({"imap_port": closed})),
        ("imap_host", json!({"imap_host": "nobody.invalid"})),
        ("imap_host", json!({"imap_host": "10.0.0.1"})),
        ("imap_host", json!({"imap_host": "a b"})),
        ("smtp_host", json!({"smtp_port": closed})),
        // the certificate is another host's
        ("imap_security", json!({"imap_host": "127.0.0.1"})),
        // no TLS where it is expected at once
        ("imap_security", json!({"imap_port": post().imap})),
        ("smtp_security", json!({"smtp_port": post().smtp, "smtp_security": "ssl"})),
    ] {
        let mut form = post().form(&own);
        form.as_object_mut().unwrap().extend(change.as_object().cloned().unwrap());
        let (told, text) = attach(form).await.err().unwrap_or_else(|| panic!("{change}: attached"));
        assert_eq!(told, field, "{change}: {text}");
        assert!(!text.contains("wrong") && !text.contains("ya29"), "{text}");
    }
    // an authority that nobody named is not trusted
    let step = AttachStep {
        answers: post().form(&own).as_object().cloned().unwrap(),
        webhook_url: String::new(),
        return_url: String::new(),
        kept: Value::Null,
    };
    let error = Email.attach(&patient("", &json!({}), &json!({})), &step).await.err().unwrap();
    assert_eq!(error.field, "imap_security", "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_taken_by_both_servers_and_a_stale_one_is_told_at_its_field() {
    let own = address("sales");
    let now = chrono::Utc::now().timestamp();
    let mut form = post().form(&own);
    form.as_object_mut().unwrap().remove("password");
    form["access_token"] = json!(super::token(&own, now + 3600));
    let wire = attach(form.clone()).await.unwrap();
    let (id, raw) = arrived(&wire, message("", "По токену")).await;
    assert!(raw.contains(&id));
    for token in [super::token(&own, now - 10), super::token(&address("other"), now + 3600), "ya29.x".to_owned()] {
        form["access_token"] = json!(token);
        let (field, told) = attach(form.clone()).await.err().unwrap();
        assert_eq!(field, "access_token", "{told}");
        assert!(!told.contains(&token));
    }
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn a_letter_has_all_that_a_letter_needs() {
    let own = address("sales");
    let wire = attached(&own).await;
    let mut outgoing = message("", "Здравствуйте!\nЗаказ готов.\n.\n..точки");
    outgoing.content.subject = Some("Заказ №7\r\nBcc: evil@example.test".to_owned());
    let key = outgoing.key.clone();
    let (id, raw) = arrived(&wire, outgoing).await;
    assert_eq!(id, format!("sb.{key}@company.test"));
    let read = mail_parser::MessageParser::default().parse(&raw).unwrap();
    assert_eq!(read.message_id(), Some(id.as_str()));
    assert_eq!(read.subject(), Some("Заказ №7 Bcc: evil@example.test"));
    assert!(read.bcc().is_none() && raw.contains(&format!("X-Switchboard-Id: {key}")));
    let from = read.from().unwrap().first().unwrap();
    assert_eq!((from.name(), from.address()), (Some("Ромашка"), Some(own.as_str())));
    assert_eq!(read.date().unwrap().to_timestamp(), NOW.0 / 1000);
    assert_eq!(read.body_text(0).unwrap().replace("\r\n", "\n").trim_end(), "Здравствуйте!\nЗаказ готов.\n.\n..точки");
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn an_answer_goes_into_its_thread() {
    let wire = attached(&address("sales")).await;
    let mut outgoing = message("", "Завтра");
    let ids: Vec<String> = (0..30).map(|n| format!("m{n}@mail.example.test")).collect();
    outgoing.thread = Some(Thread { subject: Some("RE: Re: Вопрос".to_owned()), ids, answers_to: None });
    let (_, raw) = arrived(&wire, outgoing.clone()).await;
    let read = mail_parser::MessageParser::default().parse(&raw).unwrap();
    assert_eq!(read.subject(), Some("Re: Вопрос"));
    assert_eq!(read.in_reply_to().as_text(), Some("m29@mail.example.test"));
    let references = read.references().as_text_list().unwrap();
    assert_eq!(
        (references.len(), references[0].as_ref(), references[19].as_ref()),
        (20, "m0@mail.example.test", "m29@mail.example.test")
    );
    // another letter of the thread may be answered, and a new subject begins a new thread
    outgoing.reply_to = Some("m5@mail.example.test".to_owned());
    outgoing.key.push('a');
    let (_, raw) = arrived(&wire, outgoing.clone()).await;
    assert_eq!(
        mail_parser::MessageParser::default().parse(&raw).unwrap().in_reply_to().as_text(),
        Some("m5@mail.example.test")
    );
    outgoing.reply_to = None;
    outgoing.content.subject = Some("Новое".to_owned());
    outgoing.key.push('b');
    let (_, raw) = arrived(&wire, outgoing).await;
    let read = mail_parser::MessageParser::default().parse(&raw).unwrap();
    assert_eq!((read.subject(), read.in_reply_to().as_text()), (Some("Новое"), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_where_its_writer_asked_for_it() {
    let wire = attached(&address("sales")).await;
    let (form, asked) = (address("form"), address("asked"));
    let mut outgoing = message("", "Звоним");
    outgoing.to = Peer::Email(form.clone());
    let ids = vec!["m1@mail.example.test".to_owned()];
    outgoing.thread = Some(Thread { subject: Some("Заявка".to_owned()), ids, answers_to: Some(asked.clone()) });
    for (subject, to) in [(None, &asked), (Some("RE: Заявка"), &asked), (Some("Другое"), &form)] {
        outgoing.content.subject = subject.map(str::to_owned);
        outgoing.key.push('a');
        let answer = Email.send(&wire, &outgoing, NOW).await;
        // the chat is that of the address that the letter came from
        let Answer::Done { vendor_ids, chat } = answer else { panic!("{answer:?}") };
        assert_eq!(chat.as_deref().map(|chat| chat.split('/').next().unwrap()), Some(form.as_str()));
        let came = async || {
            let letters = post().letters(to, None).into_iter().map(|letter| String::from_utf8(letter).unwrap());
            letters.into_iter().find(|raw| raw.contains(&vendor_ids[0]))
        };
        let raw = until("the letter arrives", came).await;
        let read = mail_parser::MessageParser::default().parse(&raw).unwrap();
        assert_eq!(read.to().unwrap().first().unwrap().address(), Some(to.as_str()), "{subject:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_without_a_subject_is_named_by_its_first_line() {
    let wire = attached(&address("sales")).await;
    let (_, raw) = arrived(&wire, message("", "\n  Добрый день, Иван!\nВторая строка")).await;
    let read = mail_parser::MessageParser::default().parse(&raw).unwrap();
    assert_eq!(read.subject(), Some("Добрый день, Иван!"));
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn every_kind_of_file_arrives_under_its_name() {
    let wire = attached(&address("sales")).await;
    for (n, kind) in crate::messengers::case::KINDS.into_iter().enumerate() {
        for caption in [None, Some("Подпись")] {
            let mut outgoing = message("", "");
            outgoing.content = crate::messengers::case::file(kind, "store:good", caption);
            let media = outgoing.content.media.clone().unwrap();
            if n > 0 && caption.is_some() {
                continue;
            }
            let (_, raw) = arrived(&wire, outgoing).await;
            let read = mail_parser::MessageParser::default().parse(&raw).unwrap();
            let file = read.attachment(0).unwrap();
            assert_eq!((file.contents(), file.attachment_name()), (FILE, Some(media.name.as_str())), "{kind:?}");
            let kind = file.content_type().unwrap();
            assert_eq!(format!("{}/{}", kind.ctype(), kind.subtype().unwrap()), media.mime);
            assert_eq!(read.body_text(0).map(|text| text.trim().to_owned()), caption.map(str::to_owned));
        }
    }
    for (name, told) in [("a\r\nX-Evil: 1\r\n\r\nb.pdf", "a__X-Evil: 1____b.pdf"), ("", "file")] {
        let mut outgoing = message("", "");
        outgoing.content = crate::messengers::case::file(MediaKind::Document, "store:good", None);
        outgoing.content.media.as_mut().unwrap().name = name.to_owned();
        let (_, raw) = arrived(&wire, outgoing).await;
        let read = mail_parser::MessageParser::default().parse(&raw).unwrap();
        assert_eq!(read.attachment(0).unwrap().attachment_name(), Some(told));
        assert!(read.header_raw("X-Evil").is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn the_server_s_refusals_steer_the_queue() {
    let wire = attached(&address("sales")).await;
    for (to, is) in [
        ("stranger@company.test", (|answer| matches!(answer, Answer::Nobody { .. })) as fn(&Answer) -> bool),
        ("gray@company.test", |answer| matches!(answer, Answer::Busy { scope: Scope::Recipient, .. })),
        ("full@company.test", |answer| matches!(answer, Answer::Refused { code: Code::Refused, .. })),
        ("spam@company.test", |answer| matches!(answer, Answer::Refused { code: Code::Refused, .. })),
        ("quota@company.test", |answer| matches!(answer, Answer::Busy { scope: Scope::Lane, .. })),
        ("not an address", |answer| matches!(answer, Answer::Refused { code: Code::AddressBad, .. })),
        ("a@company.test\r\nRCPT TO:<b@company.test>", |answer| {
            matches!(answer, Answer::Refused { code: Code::AddressBad, .. })
        }),
    ] {
        let answer = Email.send(&wire, &message(to, "1"), NOW).await;
        assert!(is(&answer), "{to}: {answer:?}");
        checked(Kind::Email, 1);
    }
    let mut large = message("anna@company.test", "1");
    large.content.text = Some("я".repeat(100_000));
    assert!(matches!(Email.send(&wire, &large, NOW).await, Answer::Done { .. }));
    let wrong = Wire { secrets: SecretString::from(json!({"password": "wrong"}).to_string()), ..wire };
    let answer = Email.send(&wrong, &message("anna@company.test", "1"), NOW).await;
    assert!(matches!(answer, Answer::Expired { .. }), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn a_sent_letter_has_its_copy_among_the_sent_ones_once() {
    let own = address("sales");
    let wire = attached(&own).await;
    let (id, _) = arrived(&wire, message("", "1")).await;
    let sent = post().letters(&own, Some("&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-"));
    assert_eq!(sent.len(), 1);
    assert!(String::from_utf8_lossy(&sent[0]).contains(&id));
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn a_file_that_came_in_is_fetched_by_itself_and_up_to_its_limit() {
    let own = address("sales");
    let wire = attached(&own).await;
    let fixture = std::fs::read(crate::messengers::email::fixtures().join("in_attachment_rfc2231.eml")).unwrap();
    post().deliver(&own, &fixture);
    post().deliver(&own, &letter("a@example.test", &own, "1@a", "x", "y"));
    let validity = uid_validity(&own).await;
    let media = |section: &str| IncomingMedia {
        kind: MediaKind::Document,
        vendor_id: format!("inbox:{validity}:1:{section}"),
        name: None,
        mime: Some("application/pdf".to_owned()),
        size: None,
    };
    let fetched = Email.fetch_media(&wire, &media("2"), 1 << 20).await.ok().unwrap();
    assert_eq!(fetched.mime.as_deref(), Some("application/pdf"));
    assert_eq!(whole(fetched).await.unwrap(), b"%PDF-1.4\n%%EOF\n");
    // the characters of a text file stay as they are
    let text = Email.fetch_media(&wire, &media("1"), 1 << 20).await.ok().unwrap();
    assert_eq!(whole(text).await.unwrap(), b"\xC4\xEE\xE3\xEE\xE2\xEE\xF0");
    for (section, limit, code) in [("2", 5, Code::FileTooBig), ("9", 1 << 20, Code::FileGone), ("x", 9, Code::FileGone)]
    {
        let answer = Email.fetch_media(&wire, &media(section), limit).await.err().unwrap();
        assert!(matches!(answer, Answer::Refused { code: told, .. } if told == code), "{section}: {answer:?}");
        checked(Kind::Email, 1);
    }
    let void = IncomingMedia { vendor_id: format!("inbox:{}:1:2", validity + 1), ..media("2") };
    assert!(matches!(
        Email.fetch_media(&wire, &void, 1 << 20).await,
        Err(Answer::Refused { code: Code::FileGone, .. })
    ));
    let announced = IncomingMedia { size: Some(1 << 40), ..media("2") };
    assert!(matches!(
        Email.fetch_media(&wire, &announced, 9).await,
        Err(Answer::Refused { code: Code::FileTooBig, .. })
    ));
}

/// The validity that Dovecot gave to an inbox: it stands in the file that numbers its letters.
async fn uid_validity(own: &str) -> u32 {
    let list = post().mailbox(own).join("dovecot-uidlist");
    // the mailbox was opened when it was attached
    let text = until("the mailbox is numbered", async || std::fs::read_to_string(&list).ok()).await;
    let word = text.lines().next().unwrap().split(' ').find_map(|word| word.strip_prefix('V')).unwrap().to_owned();
    word.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn without_tls_nothing_is_said_unless_the_settings_allow_it() {
    let own = address("sales");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(tokio::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"* OK hello\r\n").await;
            let mut bytes = vec![0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut bytes).await {
                log.lock().await.extend_from_slice(&bytes[..count]);
                let _ = stream.write_all(b"s1 BAD no TLS here\r\n").await;
            }
        }
    });
    let mut form = post().form(&own);
    form["imap_port"] = json!(port);
    form["imap_security"] = json!("starttls");
    // a server that takes STARTTLS away gets no password
    assert_eq!(attach(form).await.err().unwrap().0, "imap_security");
    let said = String::from_utf8(seen.lock().await.clone()).unwrap();
    assert_eq!(said, "s1 STARTTLS\r\n");
    checked(Kind::Email, 1);
}

//! E-mail: letters as they lie in a mailbox. What needs servers is in `tests/it/mail`, beside real ones.

use std::collections::HashMap;
use std::path::PathBuf;

use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::json;
use switchboard::messenger::email::letter::{Around, Folder, read};
use switchboard::messenger::email::{Email, Habits};
use switchboard::messenger::{Delivery, Messenger as _, NotTaken, Wire};
use switchboard::model::message::{Event, Kind, Letter};
use switchboard::model::moment::Moment;

use super::case::NOW;
use super::page::{Once, checked};

/// The messengers that listen, and so are proven beside their servers.
pub(super) const LISTENING: [Kind; 2] = [Kind::Email, Kind::Telegram];

pub(crate) fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/email")
}

fn around(habits: Habits) -> Around<'static> {
    Around {
        own: "sales@company.test",
        folder: Folder::Inbox,
        validity: 7,
        uid: 9,
        at: NOW,
        habits,
        sizes: HashMap::new(),
    }
}

fn event(raw: &[u8], habits: Habits) -> Event {
    read(raw, &around(habits)).1
}

fn letter(raw: &str) -> Letter {
    grouped(raw, Habits::default())
}

fn grouped(raw: &str, habits: Habits) -> Letter {
    match event(raw.replace('\n', "\r\n").as_bytes(), habits) {
        Event::Letter(letter) => *letter,
        other => panic!("{other:?}"),
    }
}

pub(super) fn tell(letter: &Letter) -> String {
    let mut line =
        super::incoming::tell(&Event::Message(Box::new(letter.message.clone()))).replacen("message", "letter", 1);
    let mut add = |what: &str, value: Option<String>| {
        if let Some(value) = value {
            line.extend([" | ", what, " ", &value]);
        }
    };
    add("subject", letter.subject.clone());
    add("after", Some(letter.references.join(" ")).filter(|ids| !ids.is_empty()));
    add("html", letter.html.clone());
    add("whole", letter.whole.as_ref().map(|text| text.replace('\n', "\\n")));
    add("machine", letter.auto.then(|| "yes".to_owned()));
    line
}

#[test]
pub(super) fn every_fixture_of_a_mailbox_is_read_as_expected() {
    let expected = std::fs::read_to_string(fixtures().join("expected.txt")).unwrap();
    let mut names: Vec<String> = std::fs::read_dir(fixtures())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("in_"))
        .collect();
    names.sort();
    let mut told = String::new();
    for name in &names {
        let raw = std::fs::read(fixtures().join(name)).unwrap();
        let (key, event) = read(&raw, &around(Habits::default()));
        assert_eq!(read(&raw, &around(Habits::default())).0, key, "{name}: the key is always the same");
        let kind = key.split(':').next().unwrap();
        told.extend([name, "\n  ", kind, " => ", &super::incoming::tell(&event), "\n"]);
        checked(Kind::Email, 1);
    }
    assert_eq!(told, expected);
}

#[test]
pub(super) fn nobody_posts_letters() {
    let wire: Wire = super::wire::patient("", &json!({}), &json!({}));
    let wire = Wire { secrets: SecretString::from(json!({"password": "x"}).to_string()), ..wire };
    let body = std::fs::read(fixtures().join("in_new_thread.eml")).unwrap();
    for method in ["GET", "POST"] {
        let delivery = Delivery { method, query: "", headers: &[], body: &body, at: NOW };
        assert_eq!(Email.receive(&wire, &delivery), Err(NotTaken::Forged));
        checked(Kind::Email, 1);
    }
}

#[test]
fn answers_go_where_one_other_address_asks_for_them() {
    let of = |reply_to: &str| {
        let read = letter(&format!(
            "From: Site <noreply@site.test>\nTo: sales@company.test\nSubject: x\n{reply_to}Auto-Submitted: auto-generated\n\nCall me\n"
        ));
        // the chat is that of the sender in any case
        assert_eq!(read.message.chat, letter("From: noreply@site.test\nTo: x@y.test\nSubject: x\n\n1\n").message.chat);
        read.answers_to
    };
    let own = around(Habits::default()).own.to_owned();
    assert_eq!(of("Reply-To: =?utf-8?B?0JDQvdC90LA=?= <Anna@Example.test>\n").as_deref(), Some("anna@example.test"));
    for none in [
        String::new(),
        "Reply-To: noreply@site.test\n".to_owned(),
        format!("Reply-To: {own}\n"),
        "Reply-To: a@b.test, c@d.test\n".to_owned(),
        "Reply-To: Some group: a@b.test, c@d.test;\n".to_owned(),
        "Reply-To: nobody\n".to_owned(),
        "Reply-To:\n".to_owned(),
    ] {
        assert_eq!(of(&none), None, "{none}");
    }
}

#[test]
pub(super) fn every_charset_is_read() {
    for (charset, encoded) in [
        ("windows-1251", "=CF=F0=E8=E2=E5=F2"),
        ("koi8-r", "=F0=D2=C9=D7=C5=D4"),
        ("iso-8859-5", "=BF=E0=D8=D2=D5=E2"),
        ("utf-8", "=D0=9F=D1=80=D0=B8=D0=B2=D0=B5=D1=82"),
    ] {
        let read = letter(&format!(
            "From: a@b.test\nTo: x@y.test\nSubject: =?{charset}?Q?{encoded}?= =?{charset}?Q?{encoded}?=\n\
             Content-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: quoted-printable\n\n{encoded}\n"
        ));
        assert_eq!(read.subject.as_deref(), Some("ПриветПривет"), "{charset}");
        assert_eq!(read.message.text.as_deref(), Some("[ПриветПривет] Привет"), "{charset}");
        checked(Kind::Email, 1);
    }
}

#[test]
fn bytes_that_nobody_encoded_are_read_by_their_charset() {
    let raw = |charset: &str, text: &[u8]| {
        let head = format!("From: a@b.test\r\nContent-Type: text/plain; charset={charset}\r\n");
        [head.as_bytes(), b"Content-Transfer-Encoding: 8bit\r\n\r\n", text, b"\r\n"].concat()
    };
    for (charset, bytes) in [
        ("windows-1251", &b"\xCF\xF0\xE8\xE2\xE5\xF2"[..]),
        ("WINDOWS-1251", b"\xCF\xF0\xE8\xE2\xE5\xF2"),
        ("cp1251", b"\xCF\xF0\xE8\xE2\xE5\xF2"),
        ("\"koi8-r\"", b"\xF0\xD2\xC9\xD7\xC5\xD4"),
        ("utf-8", "Привет".as_bytes()),
    ] {
        let Event::Letter(read) = event(&raw(charset, bytes), Habits::default()) else { panic!("{charset}") };
        assert_eq!(read.message.text.as_deref(), Some("Привет"), "{charset}");
    }
    // a label that lies, or that nobody knows, leaves a letter that can be shown
    for charset in ["utf-8", "klingon", "us-ascii", ""] {
        let Event::Letter(read) = event(&raw(charset, b"\xCF\xF0\xE8\xE2\xE5\xF2 abc"), Habits::default()) else {
            panic!("{charset}")
        };
        assert!(read.message.text.unwrap().ends_with("abc"), "{charset}");
    }
    let subject = [b"From: a@b.test\r\nSubject: \xCF\xF0\xE8 abc\r\n\r\nx\r\n".as_slice()].concat();
    let Event::Letter(read) = event(&subject, Habits::default()) else { panic!() };
    assert!(read.subject.unwrap().ends_with("abc"));
}

#[test]
fn names_of_people_hold_no_control_characters() {
    let raw = "From: =?utf-8?B?0JDQvdC90LAADQpCY2M6IGV2aWw=?= <a@b.test>\nSubject: =?utf-8?Q?a=00=0D=0Ab?=\n\nx\n";
    let read = letter(raw);
    let name = read.message.from.name.unwrap();
    assert!(!name.chars().any(char::is_control), "{name:?}");
    assert!(!read.subject.unwrap().contains('\0'));
}

#[test]
fn letters_of_a_subject_are_one_chat_where_they_are_grouped() {
    let habits = Habits { group_letters: true, ..Habits::default() };
    let read = |subject: &str| grouped(&format!("From: a@b.test\nSubject: {subject}\n\ntext\n"), habits).message;
    let (first, again, other) = (read("Order 7"), read("RE: Fwd: order  7"), read("Order 8"));
    assert_eq!((first.title.as_deref(), first.text.as_deref()), (Some("Order 7"), Some("text")));
    assert!(first.chat == again.chat && first.chat != other.chat && first.chat.starts_with("a@b.test/"));
    // «off»: the subject stands in front of the text, and one address is one chat
    let apart = letter("From: a@b.test\nSubject: Order 7\n\ntext\n").message;
    assert_eq!((apart.chat.as_str(), apart.title.as_deref()), ("a@b.test", Some("a@b.test")));
    assert_eq!(apart.text.as_deref(), Some("[Order 7] text"));
}

#[test]
fn links_are_removed_where_the_owner_wants_it() {
    let raw = "From: a@b.test\nContent-Type: multipart/alternative; boundary=x\n\n--x\n\nSee https://evil.test/a now\n--x\n\
        Content-Type: text/html\n\n<p>See <a href=\"https://evil.test/a\">https://evil.test/a</a> now</p>\n--x--\n";
    let shown = letter(raw);
    assert!(shown.message.text.unwrap().contains("evil.test") && shown.html.unwrap().contains("href"));
    let hidden = grouped(raw, Habits { remove_links: true, ..Habits::default() });
    assert_eq!(hidden.message.text.as_deref(), Some("See [ссылка удалена] now"));
    assert!(!hidden.html.unwrap().contains("evil.test"));
}

#[test]
pub(super) fn files_have_names_that_harm_nobody() {
    let names = |disposition: &str| {
        let raw =
            format!("From: a@b.test\nContent-Type: application/x-thing\nContent-Disposition: {disposition}\n\nbytes\n");
        letter(&raw).message.media.pop().unwrap().name.unwrap()
    };
    for (disposition, told) in [
        ("attachment; filename=\"../../etc/passwd\"", "passwd"),
        ("attachment; filename=\"C:\\\\Windows\\\\a.exe\"", "a.exe"),
        ("attachment; filename*=UTF-8''a%0D%0AX-Evil%3A%201.pdf", "a__X-Evil: 1.pdf"),
        ("attachment; filename*=UTF-8''%E2%80%AEfdp.exe", "fdp.exe"),
        ("attachment; filename*0*=UTF-8''%D0%94%D0%BE; filename*1*=%D0%B3%D0%BE%D0%B2%D0%BE%D1%80.pdf", "Договор.pdf"),
        ("attachment; filename=\"=?koi8-r?B?5M/Hz9fP0i5wZGY=?=\"", "Договор.pdf"),
        ("attachment; filename=\".htaccess\"", "htaccess"),
        ("attachment", "file"),
    ] {
        assert_eq!(names(disposition), told, "{disposition}");
        checked(Kind::Email, 1);
    }
    assert!(names(&format!("attachment; filename=\"{}.pdf\"", "я".repeat(900))).len() <= 200);
}

#[test]
fn svg_and_zip_are_files_and_no_pictures() {
    let raw = "From: a@b.test\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: image/svg+xml; name=a.svg\n\n<svg/>\n--x\n\
        Content-Type: application/zip; name=a.zip\nContent-Transfer-Encoding: base64\n\nUEsDBA==\n--x\nContent-Type: image/png; name=a.png\n\n1\n--x--\n";
    let kinds: Vec<String> =
        letter(raw).message.media.iter().map(|media| format!("{:?} {}", media.kind, media.vendor_id)).collect();
    assert_eq!(kinds, ["Document inbox:7:9:1", "Document inbox:7:9:2", "Image inbox:7:9:3"]);
}

#[test]
fn the_sections_of_files_are_those_of_imap() {
    let raw = "From: a@b.test\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/alternative; boundary=y\n\n\
        --y\n\ntext\n--y\nContent-Type: multipart/related; boundary=z\n\n--z\nContent-Type: text/html\n\n<img src='cid:1'>\n--z\n\
        Content-Type: image/png\nContent-ID: <1>\n\n1\n--z--\n--y--\n--x\nContent-Type: message/rfc822\n\nSubject: inner\n\ninner\n--x--\n";
    let read = letter(raw);
    let media: Vec<(&str, &str)> =
        read.message.media.iter().map(|media| (media.vendor_id.as_str(), media.name.as_deref().unwrap())).collect();
    assert_eq!(media, [("inbox:7:9:1.2.2", "file"), ("inbox:7:9:2", "letter.eml")]);
    assert!(read.html.unwrap().contains("cid:1"));
}

#[test]
fn an_own_letter_is_ours_and_a_copy_of_ours_is_a_receipt() {
    let sent = |raw: &str| {
        let around = Around { folder: Folder::Sent, ..around(Habits::default()) };
        super::incoming::tell(&read(raw.replace('\n', "\r\n").as_bytes(), &around).1)
    };
    assert_eq!(
        sent(
            "Message-ID: <sb.ms_1@company.test>\nX-Switchboard-Id: ms_1\nFrom: sales@company.test\nTo: a@b.test\n\nx\n"
        ),
        format!("sent sb.ms_1@company.test (ms_1) at {}", NOW.0)
    );
    // a server that gives letters other ids leaves our own header
    assert_eq!(
        sent("Message-ID: <other@server>\nX-Switchboard-Id: ms_1\nFrom: sales@company.test\nTo: a@b.test\n\nx\n"),
        format!("sent other@server (ms_1) at {}", NOW.0)
    );
    let elsewhere = "Message-ID: <1@company.test>\nFrom: sales@company.test\nTo: Anna <A@b.test>\nSubject: S\n\nx\n";
    let told = format!("letter 1@company.test in a@b.test | at {} | text [S] x | by us | subject S", NOW.0);
    assert_eq!(sent(elsewhere), told);
    assert_eq!(super::incoming::tell(&event(elsewhere.as_bytes(), Habits::default())), told);
}

#[test]
fn a_letter_s_word_about_itself_is_bounded() {
    let many = (0..500).map(|n| format!(" <r{n}@b.test>\n")).collect::<Vec<_>>().concat();
    let read = letter(&format!("From: a@b.test\nMessage-ID: <{}@b.test>\nReferences:{many}\n\nx\n", "i".repeat(9000)));
    assert_eq!((read.references.len(), read.references[0].as_str()), (20, "r0@b.test"));
    assert!(read.message.vendor_id.starts_with("no-id."));
}

/// Letters that were made to break whoever reads them.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let nested = |n| format!("Content-Type: multipart/mixed; boundary=\"b{n}\"\r\n\r\n--b{n}\r\n");
    let nested = (0..5000).map(nested).collect::<Vec<_>>().concat();
    let parts = format!(
        "From: a@b.test\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n{}--x--\r\n",
        "--x\r\nContent-Type: application/pdf; name=a\r\n\r\nx\r\n".repeat(20_000)
    );
    let letters = "Content-Type: message/rfc822\r\n\r\n".repeat(5000);
    let open = format!("From: a@b.test\r\nContent-Type: text/html\r\n\r\n{}", "<div><b>".repeat(100_000));
    let table = format!("From: a@b.test\r\nContent-Type: text/html\r\n\r\n{}", "<table><a><p>".repeat(30_000));
    let quoted = format!("From: a@b.test\r\nContent-Type: text/html\r\n\r\n<p {}>", "a=\"<\" ".repeat(60_000));
    vec![
        ("nested parts", format!("From: a@b.test\r\n{nested}").into_bytes()),
        ("nested letters", format!("From: a@b.test\r\n{letters}").into_bytes()),
        ("many parts", parts.into_bytes()),
        (
            "huge header",
            format!("From: a@b.test\r\nSubject: {}\r\n\r\nx", "=?utf-8?Q?=D0=9F?= ".repeat(100_000)).into_bytes(),
        ),
        ("many headers", format!("From: a@b.test\r\n{}\r\nx", "X-A: b\r\n".repeat(100_000)).into_bytes()),
        ("addresses", format!("From: {}\r\n\r\nx", "(((a@b.test,".repeat(50_000)).into_bytes()),
        ("open tags", open.into_bytes()),
        (
            "as many open tags as are shown",
            format!("From: a@b.test\r\nContent-Type: text/html\r\n\r\n{}", "<div><b>".repeat(4900)).into_bytes(),
        ),
        ("open tables", table.into_bytes()),
        ("open attributes", quoted.into_bytes()),
        ("links", format!("From: a@b.test\r\n\r\n{}", "http://a ".repeat(20_000)).into_bytes()),
        ("one word", format!("From: a@b.test\r\n\r\n{}", "www".repeat(60_000)).into_bytes()),
        ("zeros", [b"From: a@b.test\r\nSubject: a\0b\r\n\r\n".as_slice(), &[0; 1000]].concat()),
        ("nothing", Vec::new()),
    ]
}

#[test]
pub(super) fn bombs_do_not_go_off() {
    static ONCE: Once = Once::new();
    ONCE.run(|| {
        for (name, raw) in bombs() {
            for habits in
                [Habits::default(), Habits { group_letters: true, remove_links: true, server_keeps_sent: false }]
            {
                let began = std::time::Instant::now();
                let event = event(&raw, habits);
                let kept = serde_json::to_string(&event).unwrap().len();
                assert!(kept < 3 << 20, "{name}: {kept} bytes are kept");
                assert!(!serde_json::to_string(&event).unwrap().contains("\\u0000"), "{name}");
                if let Event::Letter(letter) = &event {
                    assert!(letter.message.media.len() <= 200, "{name}");
                }
                // a build without optimisation beside other tests on a slow machine: what explodes takes far longer
                assert!(began.elapsed().as_secs() < 120, "{name}: {:?}", began.elapsed());
                checked(Kind::Email, 1);
            }
        }
    });
}

fn any_raw() -> impl Strategy<Value = Vec<u8>> {
    let names = [
        "in_attachment_rfc2231.eml",
        "in_autoreply.eml",
        "in_dsn_delayed.eml",
        "in_dsn_hard_bounce.eml",
        "in_new_thread.eml",
        "in_reply_threaded.eml",
    ];
    let pieces = prop::sample::select(vec![
        "\r\n",
        "\r\n\r\n",
        "--b1",
        "--m1--",
        "=?utf-8?B?",
        "?=",
        "Content-Type: ",
        "multipart/report",
        "boundary=",
        "\"",
        "<",
        ">",
        "(",
        "charset=koi8-r",
        "base64",
        "=D0",
        "\0",
        "From: ",
        "message/delivery-status",
        "Action: failed",
        "filename*0*=",
    ]);
    let change = (any::<prop::sample::Index>(), 0_u8..5, any::<u8>(), pieces);
    (prop::sample::select(names.to_vec()), prop::collection::vec(change, 0..12)).prop_map(|(name, changes)| {
        let mut raw = std::fs::read(fixtures().join(name)).unwrap();
        for (at, kind, byte, piece) in changes {
            let at = at.index(raw.len().max(1)).min(raw.len());
            match kind {
                0 if at < raw.len() => raw[at] = byte,
                1 if at < raw.len() => drop(raw.remove(at)),
                2 => raw.truncate(at.max(1)),
                3 => drop(raw.splice(at..at, [byte; 3])),
                _ => drop(raw.splice(at..at, piece.bytes())),
            }
        }
        raw
    })
}

fn check(raw: &[u8]) -> Result<(), TestCaseError> {
    for folder in [Folder::Inbox, Folder::Sent] {
        for on in [false, true] {
            let habits = Habits { group_letters: on, remove_links: on, server_keeps_sent: false };
            let around = Around { folder, ..around(habits) };
            let (key, event) = read(raw, &around);
            prop_assert_eq!(&key, &read(raw, &around).0);
            prop_assert!(key.len() <= 100);
            // what is kept reads back as it was
            let kept = serde_json::to_string(&event).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Event>(&kept).unwrap(), &event);
            if let Event::Letter(letter) = &event {
                prop_assert!(!letter.message.chat.is_empty() && letter.message.chat.len() < 400);
                prop_assert!(letter.html.as_ref().is_none_or(|html| !html.to_lowercase().contains("<script")));
            }
        }
    }
    Ok(())
}

/// How often each kind of damage is done.
const DAMAGES: u32 = 400;

/// Both kinds of damage, for the page.
pub(super) fn damaged_letters_break_nothing() {
    broken_letters_are_read_and_never_more();
    any_bytes_are_read_and_never_more();
    checked(Kind::Email, 2 * DAMAGES as usize);
}

/// What the fixtures are when they are heard.
pub(super) fn heard() -> Vec<(String, Event)> {
    let files = std::fs::read_dir(fixtures()).unwrap().map(|file| file.unwrap().path());
    let letters = files.filter(|path| path.extension().is_some_and(|kind| kind == "eml"));
    letters.map(|path| read(&std::fs::read(path).unwrap(), &around(Habits::default()))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: DAMAGES, ..ProptestConfig::default() })]

    #[test]
    fn broken_letters_are_read_and_never_more(raw in any_raw()) {
        check(&raw)?;
    }

    #[test]
    fn any_bytes_are_read_and_never_more(raw in prop::collection::vec(any::<u8>(), 0..2000)) {
        check(&raw)?;
    }
}

#[test]
fn a_moment_of_a_letter_is_the_server_s() {
    let lying = letter("From: a@b.test\nDate: Fri, 1 Jan 2100 00:00:00 +0000\n\nx\n");
    assert_eq!(lying.message.at, Moment(NOW.0));
}

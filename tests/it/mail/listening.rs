//! Listening to a real mailbox: what comes is heard once and in its order, whatever happens to the connection.

use std::sync::Arc;

use parking_lot::Mutex;
use secrecy::SecretString;
use serde_json::{Value, json};
use switchboard::messenger::{Boxed, Deaf, Ear, Heard, Messenger as _, Wire, email::Email};
use switchboard::model::clock::{Clock as _, HandClock};
use switchboard::model::message::Event;
use switchboard::model::moment::Moment;
use switchboard::model::vendor::Answer;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Post, address, letter, post, until};
use crate::messengers::wire::{patient, whole};

/// An ear that remembers.
pub(super) struct Memory {
    clock: HandClock,
    kept: Mutex<(Vec<String>, Value)>,
    heard: watch::Sender<usize>,
    connected: watch::Sender<usize>,
    deaf: Mutex<bool>,
}

impl Memory {
    pub(super) fn new() -> Arc<Self> {
        Self::from(Value::Null)
    }

    /// Remembers nothing but where it begins.
    pub(super) fn from(cursor: Value) -> Arc<Self> {
        Arc::new(Self {
            // the day of the letters, so that a search by date finds them
            clock: HandClock::at(chrono::Utc::now().into()),
            kept: Mutex::new((Vec::new(), cursor)),
            heard: watch::Sender::default(),
            connected: watch::Sender::default(),
            deaf: Mutex::default(),
        })
    }

    fn texts(&self) -> Vec<String> {
        self.kept.lock().0.clone()
    }

    /// Begins to listen from where it ends.
    pub(super) fn listen(self: Arc<Self>, wire: Wire) -> JoinHandle<Answer> {
        tokio::spawn(async move {
            let cursor = self.kept.lock().1.clone();
            Email.listen(&wire, cursor, &*self).await
        })
    }

    pub(super) async fn has_heard(&self, count: usize) -> Vec<String> {
        let mut heard = self.heard.subscribe();
        let waited = tokio::time::timeout(std::time::Duration::from_mins(2), heard.wait_for(|heard| *heard >= count));
        assert!(waited.await.is_ok(), "{count} letters are not heard: {:?}", self.texts());
        self.texts()
    }

    async fn has_connected(&self, times: usize) {
        let mut connected = self.connected.subscribe();
        let waited = tokio::time::timeout(std::time::Duration::from_mins(2), connected.wait_for(|seen| *seen >= times));
        assert!(waited.await.is_ok(), "the mailbox does not connect");
    }
}

impl Ear for Memory {
    fn hear(&self, heard: Heard) -> Boxed<'_, Result<(), Deaf>> {
        if *self.deaf.lock() {
            return Box::pin(std::future::ready(Err(Deaf("deaf".to_owned()))));
        }
        let new = heard.events.iter().map(|(_, event)| match event {
            Event::Letter(letter) => letter.subject.clone().unwrap_or_default(),
            other => crate::messengers::incoming::tell(other),
        });
        let mut kept = self.kept.lock();
        kept.0.extend(new);
        kept.1 = heard.cursor;
        self.heard.send_replace(kept.0.len());
        Box::pin(std::future::ready(Ok(())))
    }

    fn connected(&self) -> Boxed<'_, ()> {
        self.connected.send_modify(|times| *times += 1);
        Box::pin(std::future::ready(()))
    }

    fn rest(&self, ms: i64) -> Boxed<'_, ()> {
        let until = self.clock.tick().plus_ms(ms);
        self.clock.sleep_until(until)
    }

    fn now(&self) -> Moment {
        self.clock.now()
    }
}

fn wire(post: &Post, own: &str) -> Wire {
    let settings = json!({
        "address": own, "login": own,
        "imap": {"host": "localhost", "port": post.imaps, "security": "ssl"},
        "smtp": {"host": "localhost", "port": post.smtp, "security": "starttls"},
    });
    Wire {
        dial: post.dial(),
        secrets: SecretString::from(json!({"password": "secret"}).to_string()),
        ..patient("", &json!({}), &settings)
    }
}

/// Begins to listen from where the memory ends.
fn listen(post: &'static Post, own: &str, memory: &Arc<Memory>) -> JoinHandle<Answer> {
    Arc::clone(memory).listen(wire(post, own))
}

fn numbered(own: &str, n: usize) -> Vec<u8> {
    letter("anna@example.test", own, &format!("m{n}@example.test"), &format!("S{n}"), "text")
}

fn subjects(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|n| format!("S{n}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_there_is_left_alone_and_what_comes_is_told_at_once() {
    let own = address("sales");
    (0..30).for_each(|n| post().deliver(&own, &numbered(&own, n)));
    let memory = Memory::new();
    let listening = listen(post(), &own, &memory);
    memory.has_connected(1).await;
    // no clock moves: the server itself tells
    post().deliver(&own, &numbered(&own, 30));
    assert_eq!(memory.has_heard(1).await, subjects([30]));
    post().deliver(&own, &numbered(&own, 31));
    assert_eq!(memory.has_heard(2).await, subjects([30, 31]));
    // nothing is marked as read by being heard
    assert!(post().letters(&own, None).len() == 32);
    let seen = std::fs::read_dir(post().mailbox(&own).join("cur")).into_iter().flatten().flatten();
    assert_eq!(seen.filter(|file| file.file_name().to_string_lossy().contains(",S")).count(), 0);
    listening.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_is_filled_in_order_and_nothing_is_heard_twice() {
    let own = address("sales");
    let memory = Memory::new();
    let listening = listen(post(), &own, &memory);
    memory.has_connected(1).await;
    post().deliver(&own, &numbered(&own, 0));
    memory.has_heard(1).await;
    listening.abort();
    // half an hour passes, and more come than are handed over at once
    memory.clock.advance_ms(30 * 60_000);
    (1..=120).for_each(|n| post().deliver(&own, &numbered(&own, n)));
    let listening = listen(post(), &own, &memory);
    assert_eq!(memory.has_heard(121).await, subjects(0..=120));
    memory.has_connected(2).await;
    listening.abort();
    let listening = listen(post(), &own, &memory);
    memory.has_connected(3).await;
    assert_eq!(memory.texts().len(), 121);
    listening.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn half_an_hour_without_a_connection_is_heard_in_its_order_and_once() {
    const MINUTE_MS: i64 = 60_000;
    let own = address("sales");
    let memory = Memory::new();
    let listening = listen(post(), &own, &memory);
    memory.has_connected(1).await;
    post().deliver(&own, &numbered(&own, 0));
    memory.has_heard(1).await;
    listening.abort();
    let began = memory.clock.now();
    for minute in 1..=30 {
        memory.clock.advance_ms(MINUTE_MS);
        post().deliver(&own, &numbered(&own, minute));
    }
    assert_eq!(memory.clock.now().since_ms(began), 30 * MINUTE_MS);
    assert_eq!(memory.texts(), subjects([0]));
    let listening = listen(post(), &own, &memory);
    // the gap is told before the connection counts as standing
    memory.has_connected(2).await;
    assert_eq!(memory.texts(), subjects(0..=30));
    listening.abort();
    // a second gap without a letter in it, and what comes then is the only news
    memory.clock.advance_ms(30 * MINUTE_MS);
    let listening = listen(post(), &own, &memory);
    memory.has_connected(3).await;
    assert_eq!(memory.texts().len(), 31);
    post().deliver(&own, &numbered(&own, 31));
    assert_eq!(memory.has_heard(32).await, subjects(0..=31));
    listening.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_is_begun_anew_and_the_sent_letters_are_looked_at() {
    let own = address("sales");
    let memory = Memory::new();
    let listening = listen(post(), &own, &memory);
    memory.has_connected(1).await;
    let sent = post().mailbox(&own).join(".&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-");
    post().put(
        &sent,
        "1800000000.1.test",
        &letter(&own, "anna@example.test", "own@company.test", "Из телефона", "text"),
    );
    // nobody tells of another folder: it is looked at when the IDLE ends
    assert!(memory.texts().is_empty());
    until("the IDLE ends", async || {
        // the wait may begin a moment after the connection stands
        memory.clock.advance_ms(180_000);
        (!memory.texts().is_empty()).then_some(())
    })
    .await;
    assert_eq!(memory.texts(), ["Из телефона"]);
    post().deliver(&own, &numbered(&own, 1));
    assert_eq!(memory.has_heard(2).await, ["Из телефона", "S1"]);
    listening.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_for_spam_is_looked_at_with_the_sent_letters() {
    let own = address("sales");
    let memory = Memory::new();
    // «Спам»
    let junk = post().mailbox(&own).join(".&BCEEPwQwBDw-");
    post().deliver(&own, &numbered(&own, 0));
    post().put(&junk, "1800000000.1.test", &numbered(&own, 1));
    post().give(&post().mailbox(&own));
    let listening = listen(post(), &own, &memory);
    memory.has_connected(1).await;
    post().put(&junk, "1800000001.2.test", &numbered(&own, 2));
    until("the IDLE ends", async || {
        memory.clock.advance_ms(180_000);
        (!memory.texts().is_empty()).then_some(())
    })
    .await;
    // what lay there already is left alone
    assert_eq!(memory.texts(), subjects([2]));
    // somebody moves it into the inbox: it is heard there too, and the flows know it by its id
    post().deliver(&own, &numbered(&own, 2));
    assert_eq!(memory.has_heard(2).await, subjects([2, 2]));
    listening.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_ends_the_listening_with_a_reason() {
    // its own servers: the others are everybody's
    static OWN: std::sync::OnceLock<Post> = std::sync::OnceLock::new();
    let post = OWN.get_or_init(Post::start);
    let own = address("sales");
    let memory = Memory::new();
    let listening = listen(post, &own, &memory);
    memory.has_connected(1).await;
    post.stop_imap();
    let answer = listening.await.unwrap();
    assert!(matches!(answer, Answer::Down { .. }), "{answer:?}");
    let answer = listen(post, &own, &memory).await.unwrap();
    assert!(matches!(answer, Answer::Down { .. }), "{answer:?}");
    post.deliver(&own, &numbered(&own, 1));
    post.start_imap();
    let listening = listen(post, &own, &memory);
    assert_eq!(memory.has_heard(1).await, ["S1"]);
    listening.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_is_expired_and_a_deaf_ear_ends_the_connection() {
    let own = address("sales");
    let memory = Memory::new();
    let wrong = Wire { secrets: SecretString::from(json!({"password": "wrong"}).to_string()), ..wire(post(), &own) };
    let answer = Email.listen(&wrong, Value::Null, &*memory).await;
    assert!(matches!(answer, Answer::Expired { .. }) && !format!("{answer:?}").contains("wrong"), "{answer:?}");
    *memory.deaf.lock() = true;
    let answer = Email.listen(&wire(post(), &own), Value::Null, &*memory).await;
    assert!(matches!(answer, Answer::Down { .. }), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_numbers_its_letters_anew_is_looked_through_again() {
    // its own servers: the others are everybody's
    static OWN: std::sync::OnceLock<Post> = std::sync::OnceLock::new();
    let post = OWN.get_or_init(Post::start);
    let own = address("sales");
    let memory = Memory::new();
    let listening = listen(post, &own, &memory);
    memory.has_connected(1).await;
    (0..3).for_each(|n| post.deliver(&own, &numbered(&own, n)));
    memory.has_heard(3).await;
    post.stop_imap();
    listening.await.unwrap();
    // the numbers become void, and a letter comes meanwhile
    let validity = |cursor: &Value| cursor["inbox"]["validity"].as_u64().unwrap();
    let before = validity(&memory.kept.lock().1);
    let list = post.mailbox(&own).join("dovecot-uidlist");
    let numbers = std::fs::read_to_string(&list).unwrap();
    assert!(numbers.contains(&format!(" V{before} ")), "{numbers}");
    std::fs::write(&list, numbers.replace(&format!(" V{before} "), &format!(" V{} ", before + 7))).unwrap();
    post.deliver(&own, &numbered(&own, 3));
    post.start_imap();
    let listening = listen(post, &own, &memory);
    memory.has_connected(2).await;
    // each is told again under its old key, so that only the new one is news
    assert_eq!(memory.texts()[3..], subjects(0..=3));
    assert_eq!(validity(&memory.kept.lock().1), before + 7);
    listening.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_letter_is_heard_without_its_files() {
    let own = address("sales");
    let memory = Memory::new();
    let listening = listen(post(), &own, &memory);
    memory.has_connected(1).await;
    let file = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB\r\n".repeat(60_000);
    let large = format!(
        "Message-ID: <large@example.test>\r\nFrom: anna@example.test\r\nTo: {own}\r\nSubject: Large\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"x y\"\r\n\r\n--x y\r\nContent-Type: multipart/alternative; boundary=y\r\n\r\n--y\r\n\
         Content-Type: text/plain; charset=windows-1251\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C4=EE=E3=EE=E2=EE=F0\r\n\
         --y\r\nContent-Type: text/html\r\n\r\n<p>html</p>\r\n--y--\r\n--x y\r\nContent-Type: application/pdf; name=a.pdf\r\n\
         Content-Disposition: attachment; filename*=UTF-8''%D0%94.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n{file}--x y--\r\n"
    );
    post().deliver(&own, large.as_bytes());
    memory.has_heard(1).await;
    listening.abort();
    let mut seen = Vec::new();
    // read once more with an ear that keeps the whole event
    let ear = Whole { events: Mutex::default(), memory: Memory::new() };
    let mut cursor = memory.kept.lock().1.clone();
    cursor["inbox"]["next"] = json!(1);
    let wire = wire_of(&own);
    let again = tokio::time::timeout(std::time::Duration::from_mins(2), async {
        tokio::select! {
            answer = Email.listen(&wire, cursor, &ear) => panic!("{answer:?}"),
            () = ear.memory.has_connected(1) => {}
        }
    });
    again.await.unwrap();
    seen.append(&mut ear.events.lock());
    let Event::Letter(read) = seen.remove(0) else { panic!("a letter") };
    assert_eq!(read.message.text.as_deref(), Some("[Large] Договор"));
    assert_eq!(read.html.as_deref().map(str::trim), Some("<p>html</p>"));
    let file = &read.message.media[0];
    assert_eq!((file.name.as_deref(), file.mime.as_deref()), (Some("Д.pdf"), Some("application/pdf")));
    let size = file.size.unwrap();
    assert!((3_400_000..3_500_000).contains(&size), "{size}");
    let fetched = Email.fetch_media(&wire_of(&own), file, 4 << 20).await.ok().unwrap();
    let bytes = whole(fetched).await.unwrap();
    assert!(bytes.len() == 60_000 * 57 && bytes.iter().all(|byte| *byte == b'A'));
}

fn wire_of(own: &str) -> Wire {
    wire(post(), own)
}

/// An ear that keeps events whole.
struct Whole {
    events: Mutex<Vec<Event>>,
    memory: Arc<Memory>,
}

impl Ear for Whole {
    fn hear(&self, heard: Heard) -> Boxed<'_, Result<(), Deaf>> {
        self.events.lock().extend(heard.events.into_iter().map(|(_, event)| event));
        Box::pin(std::future::ready(Ok(())))
    }

    fn connected(&self) -> Boxed<'_, ()> {
        self.memory.connected()
    }

    fn rest(&self, ms: i64) -> Boxed<'_, ()> {
        self.memory.rest(ms)
    }

    fn now(&self) -> Moment {
        self.memory.now()
    }
}

/// Run by hand, because it makes so many files: `cargo test --test it hundred_thousand -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes a minute"]
async fn a_mailbox_of_a_hundred_thousand_letters_attaches_without_reading_them() {
    let own = address("sales");
    let mailbox = post().mailbox(&own);
    for folder in ["tmp", "new", "cur"] {
        std::fs::create_dir_all(mailbox.join(folder)).unwrap();
    }
    for n in 0..100_000 {
        std::fs::write(mailbox.join("cur").join(format!("1600000000.{n}.test:2,S")), numbered(&own, n)).unwrap();
    }
    post().give(&mailbox);
    // without the pages of the program itself, which a build for tests has many of
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<i64>().unwrap()
    };
    let (memory, before, began) = (Memory::new(), resident(), std::time::Instant::now());
    let listening = listen(post(), &own, &memory);
    memory.has_connected(1).await;
    println!("100 000 letters: {} ms, {} KB more resident", began.elapsed().as_millis(), resident() - before);
    assert!(memory.texts().is_empty());
    post().deliver(&own, &numbered(&own, 100_000));
    assert_eq!(memory.has_heard(1).await, subjects([100_000]));
    println!("and one more: {} KB more resident", resident() - before);
    listening.abort();
}

//! The Telegram bot beside a Bot API that somebody else wrote: the npm package `telegram-test-api`, in `tests/bot_api`, as a
//! process of its own on a free port. Our sandbox could be wrong the way our client is; this one was written by strangers.
//! What it does not know stands in [`UNKNOWN`], is looked at too, and is proven elsewhere.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard::flow::channel::{self, Attached, Step};
use switchboard::flow::message::{self as messages, MessageIn, MessageOut};
use switchboard::model::clock::SystemClock;
use switchboard::model::id::{ChannelId, CompanyId, LineId};
use switchboard::model::message::{Event, Kind, MediaKind, Peer};
use switchboard::model::moment::Moment;
use switchboard::model::vendor::Answer;
use switchboard::on;
use switchboard::serve::{Role, Running};
use switchboard::store::row::{ChannelRow, DialogRow, MessageRow, NewLine};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::case::{Case, NOW, cases, file, text};

const TOKEN: &str = "7000000001:AAE-token_of_the_bot_0123456789abcd";
const ANNA: i64 = 5_000_000_001;

/// What the package does not know of what we use, and where it is proven instead. What it answers to a method that it does not
/// know is an error 500 without the words of the API, after which nobody can tell what became of a message.
const UNKNOWN: [(&str, &str); 8] = [
    ("sendPhoto", "the schema of the Bot API, `tests/fixtures/telegram-bot`, and the sandbox (`outgoing.rs`)"),
    ("sendVideo", "the same"),
    ("sendAudio", "the same"),
    ("sendVoice", "the same"),
    ("sendSticker", "the same"),
    ("sendDocument", "the same"),
    ("getFile", "`telegram_bot.rs` and the sandbox (`incoming.rs`)"),
    ("getWebhookInfo", "`telegram_bot.rs` and the sandbox (`tests/it/http/posts.rs`)"),
];

/// The package's server.
struct BotApi {
    base: String,
    client: reqwest::Client,
    said: Lines<BufReader<ChildStdout>>,
    // it ends when this closes, however this process ends
    _talk: ChildStdin,
    process: Child,
}

impl BotApi {
    async fn start(how: &str) -> Self {
        let folder = format!("{}/tests/bot_api", env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new("node");
        command.arg("server.mjs").args(Some(how).filter(|how| !how.is_empty())).current_dir(folder);
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("Node.js is here");
        let talk = process.stdin.take().unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let base = said.next_line().await.unwrap();
        let base = base.expect("the package is installed: scripts/need bot_api");
        Self { base, client: crate::rig::client(), said, _talk: talk, process }
    }

    /// Asks it; the status and the body.
    async fn ask(&self, path: &str, body: Value) -> (u16, Value) {
        let reply = self.client.post(format!("{}{path}", self.base)).json(&body).send().await.unwrap();
        (reply.status().as_u16(), reply.json().await.unwrap_or_default())
    }

    /// A customer does something in the package's client.
    async fn customer(&self, path: &str, body: Value) {
        assert_eq!(self.ask(path, body).await, (200, json!({"ok": true, "result": null})));
    }

    /// How our server answered the next delivery.
    async fn delivered(&mut self) -> String {
        let line = tokio::time::timeout(Duration::from_secs(20), self.said.next_line()).await;
        line.expect("it delivers within 20 seconds").unwrap().expect("it still runs")
    }

    /// What the bot said and was not looked at yet, as the package keeps it.
    async fn bot_said(&self, chat: &str) -> Vec<Value> {
        let (_, told) = self.ask("/getUpdates", json!({"token": TOKEN, "chatId": chat})).await;
        told["result"].as_array().unwrap().clone()
    }

    async fn stop(mut self) {
        self.process.kill().await.unwrap();
    }
}

/// A message as the package's own client makes it.
fn said(words: &str, more: Value) -> Value {
    let mut message = json!({
        "botToken": TOKEN, "date": 1_795_171_200, "text": words,
        "from": {"id": ANNA, "first_name": "Анна", "username": "anna", "is_bot": false},
        "chat": {"id": ANNA, "title": "Анна", "first_name": "Анна", "username": "anna", "type": "private"},
    });
    let Value::Object(more) = more else { panic!("fields are told: {more}") };
    message.as_object_mut().unwrap().extend(more);
    message
}

/// A whole server with a bot on its line.
struct House {
    server: Running,
    company: CompanyId,
    line: LineId,
    channel: ChannelId,
}

impl House {
    async fn open(database: &str, vendor: &BotApi) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let settings =
            [("SWITCHBOARD_VENDORS__TELEGRAM_BOT", vendor.base.as_str()), ("SWITCHBOARD_PACE__LIVE_MS", "0")];
        let config = crate::rig::config(database, &base, &settings);
        let server = Running::start_on(Some(listener), config, Role::ALL.into(), Arc::new(SystemClock::new()));
        let server = server.await.unwrap();
        let company = CompanyId::new();
        let line = server.app.store.write(move |conn| {
            on!(conn, company::create(company, "Ромашка", "Europe/Moscow", 0))?;
            let line =
                NewLine { name: "Бот".into(), plan: "paid".into(), expires_at: Moment(i64::MAX / 2), hours: None };
            on!(conn, line::create(company, &line, 0))
        });
        let line = line.await.unwrap();
        let step = Step { answers: json!({"token": TOKEN}).as_object().cloned().unwrap(), ..Step::default() };
        let attached = channel::attach(&server.app, company, line, Kind::TelegramBot, step).await.unwrap();
        let Attached::Done { channel } = attached else { panic!("{attached:?}") };
        Self { server, company, line, channel: channel.parse().unwrap() }
    }

    async fn card(&self) -> ChannelRow {
        let (company, id) = (self.company, self.channel);
        self.server.app.store.read(move |conn| on!(conn, channel::by_id(company, id))).await.unwrap().unwrap()
    }

    /// The history once it has so many messages, oldest first.
    async fn history(&self, count: usize) -> Vec<MessageRow> {
        crate::mail::until("the history has it", async || {
            let company = self.company;
            let found = self.server.app.store.read(move |conn| on!(conn, message::newest(company, 100))).await;
            let mut found = found.unwrap();
            found.reverse();
            (found.len() >= count).then_some(found)
        })
        .await
    }

    async fn dialogs(&self) -> Vec<DialogRow> {
        let company = self.company;
        self.server.app.store.read(move |conn| on!(conn, dialog::newest(company, 100))).await.unwrap()
    }

    /// Sends a message and waits for its status.
    async fn says(&self, to: &str, words: &str, status: &str) -> MessageOut {
        let message: MessageIn = serde_json::from_value(json!({
            "line": self.line, "messenger": "telegram_bot", "to": to, "text": words, "urgent": true }))
        .unwrap();
        let id = messages::post(&self.server.app, self.company, message, None).await.unwrap().unwrap();
        crate::mail::until("the message has its status", async || {
            let found = messages::find(&self.server.app, self.company, id).await.unwrap()?;
            (found.status == status).then_some(found)
        })
        .await
    }
}

fn shown(row: &MessageRow) -> (i64, String, bool, String) {
    let content: Value = serde_json::from_str(&row.content).unwrap();
    (
        row.chat.parse().unwrap(),
        row.vendor_id.clone().unwrap(),
        row.outgoing,
        content["text"].as_str().unwrap().to_owned(),
    )
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn strangers_bot_api_and_our_server_understand_each_other(database: &str) {
        let mut vendor = BotApi::start("").await;
        let house = House::open(database, &vendor).await;
        // getMe and setWebhook
        let card = house.card().await;
        let settings: Value = serde_json::from_str(&card.settings).unwrap();
        assert_eq!((card.account.as_str(), &settings["title"], &settings["address"]), ("666", &json!("Test First name"), &json!("@TestNameBot")));
        // a text, a command with a deep link and a pressed button are delivered to our address, each in its own shape
        vendor.customer("/sendMessage", said("Здравствуйте 👋", json!({}))).await;
        assert_eq!(vendor.delivered().await, "delivered 200 \"\"");
        let start = json!([{"offset": 0, "length": 6, "type": "bot_command"}]);
        vendor.customer("/sendCommand", said("/start lead-5", json!({"entities": start}))).await;
        assert_eq!(vendor.delivered().await, "delivered 200 \"\"");
        let under = said("Выберите", json!({"message_id": 77}));
        vendor.customer("/sendCallback", json!({"botToken": TOKEN, "from": under["from"], "message": under, "data": "yes"})).await;
        let settled = vendor.delivered().await;
        assert!(settled.contains("answerCallbackQuery"), "{settled}");
        let rows: Vec<_> = house.history(3).await.iter().map(shown).collect();
        assert_eq!(rows[0], (ANNA, "1".to_owned(), false, "Здравствуйте 👋".to_owned()));
        assert_eq!(rows[1], (ANNA, "2".to_owned(), false, "/start lead-5".to_owned()));
        assert_eq!(rows[2], (ANNA, "button:1".to_owned(), false, "yes".to_owned()));
        assert_eq!(house.dialogs().await.len(), 1);
        // the answer is kept by the package under the number that we were told
        let sent = house.says(&ANNA.to_string(), "Добрый день! <b>*x*</b> & 👋", "sent").await;
        let got = vendor.bot_said(&ANNA.to_string()).await;
        assert_eq!(got.len(), 1, "{got:?}");
        assert_eq!((&got[0]["message"]["text"], &got[0]["message"]["chat_id"]), (&json!("Добрый день! <b>*x*</b> & 👋"), &json!(ANNA)));
        let row = house.history(4).await.pop().unwrap();
        assert_eq!((row.id, row.vendor_id), (sent.id, Some(got[0]["messageId"].to_string())));
        // in a group too
        let group = json!({"chat": {"id": -4_000_000_001_i64, "type": "group", "title": "Отдел"}});
        vendor.customer("/sendMessage", said("Всем привет", group)).await;
        assert_eq!(vendor.delivered().await, "delivered 200 \"\"");
        house.history(5).await;
        house.says("-4000000001", "И вам", "sent").await;
        assert_eq!(vendor.bot_said("-4000000001").await[0]["message"]["text"], "И вам");
        assert_eq!(house.dialogs().await.iter().filter(|dialog| dialog.title == "Отдел").count(), 1);
        // a bot that is switched off is posted from no more: what is said then waits at the package
        channel::switch_off(&house.server.app, house.company, house.channel).await.unwrap();
        vendor.customer("/sendMessage", said("Есть кто?", json!({}))).await;
        let (_, waits) = vendor.ask(&format!("/bot{TOKEN}/getUpdates"), json!({})).await;
        assert_eq!(waits["result"][0]["message"]["text"], "Есть кто?", "{waits}");
        house.server.stop().await;
        vendor.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_of_the_package_without_our_secret_is_not_let_in() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let mut vendor = BotApi::start("bare").await;
    let house = House::open(&database, &vendor).await;
    vendor.customer("/sendMessage", said("Здравствуйте", json!({}))).await;
    assert_eq!(vendor.delivered().await, "delivered 403");
    house.server.stop().await;
    vendor.stop().await;
}

fn ours() -> Case {
    cases().into_iter().find(|case| case.folder == "telegram-bot").unwrap()
}

#[tokio::test]
async fn what_the_package_keeps_for_whoever_asks_is_read_like_a_delivery() {
    let (vendor, case) = (BotApi::start("").await, ours());
    vendor.customer("/sendMessage", said("Первое", json!({}))).await;
    vendor.customer("/sendMessage", said("Второе", json!({"reply_to_message": {"message_id": 1}}))).await;
    let (status, told) = vendor.ask(&format!("/bot{TOKEN}/getUpdates"), json!({})).await;
    assert_eq!((status, &told["ok"]), (200, &json!(true)));
    let updates = told["result"].as_array().unwrap();
    let read: Vec<String> = updates
        .iter()
        .map(|update| {
            let received = case.receive(update.to_string().as_bytes()).unwrap();
            assert_eq!(received.events[0].0, update["update_id"].to_string());
            assert!(matches!(received.events[0].1, Event::Message(_)));
            super::incoming::tell(&received.events[0].1)
        })
        .collect();
    let from = format!("in {ANNA} | from Анна | name anna | id {ANNA} | at 1795171200000");
    assert_eq!(read.len(), 2, "{told}");
    assert_eq!(read[0], format!("message 1 {from} | text Первое"));
    assert_eq!(read[1], format!("message 2 {from} | text Второе | answers 1"));
    vendor.stop().await;
}

#[tokio::test]
async fn an_answer_names_what_it_answers_in_the_shape_that_the_package_keeps() {
    let (vendor, case) = (BotApi::start("").await, ours());
    let mut message = case.message(text("Отвечаю"));
    (message.reply_to, message.to) = (Some("41".to_owned()), Peer::Chat(ANNA.to_string()));
    let answer = case.messenger.send(&case.patient_wire(&vendor.base), &message, NOW).await;
    assert_eq!(answer, Answer::Done { vendor_ids: vec!["1".to_owned()], chat: None });
    let got = vendor.bot_said(&ANNA.to_string()).await;
    assert_eq!(got[0]["message"]["reply_parameters"]["message_id"], 41, "{got:?}");
    vendor.stop().await;
}

/// The table is true: whatever stands in it is unknown to the package, and nothing that we send is taken for sent by mistake.
#[tokio::test]
async fn what_the_package_does_not_know_is_told_and_never_taken_for_sent() {
    let (vendor, case) = (BotApi::start("").await, ours());
    for (method, instead) in UNKNOWN {
        let (status, told) = vendor.ask(&format!("/bot{TOKEN}/{method}"), json!({})).await;
        assert!(!instead.is_empty() && status == 500, "{method}: {status} {told}");
        assert!(told["message"].as_str().unwrap().contains("is not supported"), "{method}: {told}");
    }
    for kind in case.kinds() {
        let caption = (kind != MediaKind::Sticker).then_some("Подпись");
        let message = case.message(file(kind, "store:good", caption));
        let answer = case.messenger.send(&case.patient_wire(&vendor.base), &message, NOW).await;
        assert!(matches!(answer, Answer::Unsure { resendable: false, .. }), "{kind:?}: {answer:?}");
    }
    vendor.stop().await;
}

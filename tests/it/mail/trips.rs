//! Whole trips of letters: a server in this process, real mail servers beside it.

use std::collections::HashMap;
use std::sync::Arc;

use secrecy::SecretString;
use serde_json::{Value, json};
use switchboard::flow::channel::{self, Attached, Step};
use switchboard::flow::{credentials, receive};
use switchboard::messenger::email::Habits;
use switchboard::messenger::email::letter::{Around, Folder, read};
use switchboard::model::clock::SystemClock;
use switchboard::model::id::{ChannelId, CompanyId, LineId, MessageId};
use switchboard::model::message::Kind;
use switchboard::model::moment::Moment;
use switchboard::model::pace::Pace;
use switchboard::model::status::Status;
use switchboard::serve::{Role, Running};
use switchboard::store::row::{ChannelRow, DialogRow, MessageRow, NewLine};
use switchboard::{flow, on};

use super::{Post, address, letter, post, until};

/// A server with a company, a line and a mailbox on it.
pub(super) struct House {
    pub(super) server: Running,
    pub(super) company: CompanyId,
    pub(super) line: LineId,
    pub(super) own: String,
    channel: ChannelId,
}

async fn serve(database: &str, authority: &std::path::Path, roles: &[Role]) -> Running {
    let settings =
        [("SWITCHBOARD_VENDORS__CA_FILE", authority.to_str().unwrap()), ("SWITCHBOARD_OUTBOX__STATUS_DELAY_MS", "0")];
    let config = crate::rig::config(database, "https://switchboard.example.test", &settings);
    Running::start_on(None, config, roles.iter().copied().collect(), Arc::new(SystemClock::new())).await.unwrap()
}

const ALL: [Role; 4] = [Role::Pump, Role::Feeder, Role::Listener, Role::Keeper];

impl House {
    pub(super) async fn open(database: &str, post: &Post, more: Value) -> Self {
        let server = serve(database, &post.authority(), &ALL).await;
        let company = CompanyId::new();
        let line = server.app.store.write(move |conn| {
            on!(conn, company::create(company, "Ромашка", "Europe/Moscow", 0))?;
            let line =
                NewLine {
                    name: "Почта".into(), plan: "paid".into(), expires_at: Moment(i64::MAX / 2), hours: None
                };
            on!(conn, line::create(company, &line, 0))
        });
        let line = line.await.unwrap();
        let own = address("sales");
        let mut answers = post.form(&own);
        answers.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        let step = Step { answers: answers.as_object().cloned().unwrap(), ..Step::default() };
        let attached = channel::attach(&server.app, company, line, Kind::Email, step).await.unwrap();
        let Attached::Done { channel: id } = attached else { panic!("{attached:?}") };
        let id: ChannelId = id.parse().unwrap();
        let pace = Pace::Gap { from_ms: 1000, to_ms: 1000, live_ms: 100 };
        channel::set_pace(&server.app, company, id, pace).await.unwrap();
        let house = Self { server, company, line, own, channel: id };
        house.listens().await;
        house
    }

    async fn row(&self) -> ChannelRow {
        let (company, id) = (self.company, self.channel);
        self.server.app.store.read(move |conn| on!(conn, channel::by_id(company, id))).await.unwrap().unwrap()
    }

    /// Since when the mailbox is connected, and why it is not.
    async fn fares(&self) -> (Option<i64>, Option<String>) {
        let company = self.company;
        let all = self.server.app.store.read(move |conn| on!(conn, listening::of_company(company))).await.unwrap();
        all.first().map_or((None, None), |row| (row.connected_at, row.error.clone()))
    }

    async fn listens(&self) {
        until("the mailbox is listened to", async || self.fares().await.0).await;
    }

    async fn messages(&self) -> Vec<MessageRow> {
        let company = self.company;
        let found = self.server.app.store.read(move |conn| on!(conn, message::newest(company, 100))).await;
        let mut found = found.unwrap();
        found.reverse();
        found
    }

    async fn dialogs(&self) -> Vec<DialogRow> {
        let company = self.company;
        self.server.app.store.read(move |conn| on!(conn, dialog::newest(company, 100))).await.unwrap()
    }

    async fn has_messages(&self, count: usize) -> Vec<MessageRow> {
        until("the messages are there", async || {
            let found = self.messages().await;
            (found.len() >= count).then_some(found)
        })
        .await
    }

    async fn say(&self, to: &str, text: &str, subject: Option<&str>) -> MessageId {
        let message: flow::message::MessageIn = serde_json::from_value(json!({
            "line": self.line, "messenger": "email", "to": to, "text": text, "urgent": true, "subject": subject }))
        .unwrap();
        flow::message::post(&self.server.app, self.company, message, None).await.unwrap().unwrap()
    }

    async fn becomes(&self, id: MessageId, status: &str) -> flow::message::MessageOut {
        until(&format!("the message is {status}"), async || {
            let found = flow::message::find(&self.server.app, self.company, id).await.unwrap()?;
            (found.status == status).then_some(found)
        })
        .await
    }
}

/// The newest letter in somebody's inbox.
async fn newest(address: &str, count: usize) -> String {
    let raw = until("the letter arrives", async || {
        let mut letters = post().letters(address, None);
        (letters.len() >= count).then(|| letters.pop().unwrap())
    });
    String::from_utf8(raw.await).unwrap()
}

fn header(raw: &str, name: &str) -> String {
    let parsed = mail_parser::MessageParser::default().parse(raw).unwrap();
    parsed.header_raw(name.to_owned()).unwrap_or_default().trim().to_owned()
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread")]
    async fn a_letter_becomes_a_dialog_and_the_answer_goes_into_its_thread(database: &str) {
        let house = House::open(database, post(), json!({})).await;
        let anna = address("anna");
        post().deliver(&house.own, &letter(&anna, &house.own, "first@mail.test", "Вопрос".escape_default().to_string().as_str(), "Когда?"));
        let got = house.has_messages(1).await;
        assert_eq!((got[0].chat.as_str(), got[0].outgoing, got[0].vendor_id.as_deref()), (anna.as_str(), false, Some("first@mail.test")));
        let dialog = house.dialogs().await.remove(0);
        assert_eq!((dialog.chat.as_str(), dialog.title.as_str()), (anna.as_str(), anna.as_str()));
        assert!(dialog.incoming_at.is_some());
        // the API shows what came in
        let shown = flow::message::newest(&house.server.app, house.company, 10).await.unwrap();
        assert!(shown[0].content.text.as_deref().unwrap().ends_with("Когда?"));
        let id = house.say(&anna, "Завтра", None).await;
        let sent = house.becomes(id, "sent").await;
        assert_eq!(sent.chat, anna);
        let raw = newest(&anna, 1).await;
        assert_eq!(header(&raw, "In-Reply-To"), "<first@mail.test>");
        assert!(header(&raw, "Subject").starts_with("Re: "));
        assert_eq!(header(&raw, "Message-ID"), format!("<sb.{id}@company.test>"));
        // the same letter once more, as a server may show it after a move, changes nothing
        post().deliver(&house.own, &letter(&anna, &house.own, "first@mail.test", "x", "Когда?"));
        post().deliver(&house.own, &letter(&anna, &house.own, "second@mail.test", "x", "Спасибо"));
        let got = house.has_messages(3).await;
        assert_eq!(got.iter().filter(|row| !row.outgoing).count(), 2);
        assert_eq!(house.dialogs().await.len(), 1);
        house.server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_the_spam_only_letters_of_people_we_know_are_shown(database: &str) {
        let house = House::open(database, post(), json!({})).await;
        let (anna, stranger) = (address("anna"), address("stranger"));
        post().deliver(&house.own, &letter(&anna, &house.own, "first@mail.test", "x", "Когда?"));
        house.has_messages(1).await;
        let hear = async |from: &str, id: &str, folder: Folder| {
            let raw = letter(from, &house.own, id, "x", "Ещё раз");
            let around = Around { own: &house.own, folder, validity: 1, uid: 1, at: house.server.app.clock.now(),
                habits: Habits::default(), sizes: HashMap::new() };
            let (key, event) = read(&raw, &around);
            let (app, row) = (house.server.app.clone(), house.row().await);
            let work = house.server.app.store.write(move |conn| receive::work(&app, conn, &row, &event, app.clock.now()).map(|_| ()));
            work.await.unwrap();
            key
        };
        let spam = hear(&stranger, "spam@mail.test", Folder::Junk).await;
        hear(&anna, "second@mail.test", Folder::Junk).await;
        let got = house.has_messages(2).await;
        assert_eq!(got.iter().map(|row| row.chat.as_str()).collect::<Vec<_>>(), [anna.as_str(); 2]);
        assert!(got[1].content.contains(r#""note":"junk""#), "{}", got[1].content);
        // taken out of the spam, it is a letter as others are; what was shown already is not shown twice
        assert_ne!(hear(&stranger, "spam@mail.test", Folder::Inbox).await, spam);
        hear(&anna, "second@mail.test", Folder::Inbox).await;
        assert_eq!(house.messages().await.len(), 3);
        house.server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_letter_that_comes_back_makes_its_message_an_error(database: &str) {
        let house = House::open(database, post(), json!({})).await;
        let id = house.say(&address("ghost"), "Здравствуйте", Some("Заказ")).await;
        let came_back = house.becomes(id, "error").await;
        assert_eq!(came_back.code.as_deref(), Some("nobody"));
        assert!(came_back.reason.as_deref().unwrap().contains("5.1.1"), "{came_back:?}");
        // a report is no letter of a customer
        assert!(house.dialogs().await.is_empty());
        house.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grouped_letters_keep_the_chat_of_their_thread() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let house = House::open(&database, post(), json!({"group_letters": "да"})).await;
    let anna = address("anna");
    let id = house.say(&anna, "Готово", Some("Заказ 7")).await;
    let chat = house.becomes(id, "sent").await.chat;
    assert!(chat.starts_with(&format!("{anna}/")), "{chat}");
    // she answers under another subject; somebody else names the same thread
    let answer = |from: &str, id: &str, after: &str, subject: &str| {
        format!(
            "Message-ID: <{id}@mail.test>\r\nFrom: {from}\r\nTo: x@company.test\r\nIn-Reply-To: <{after}>\r\nSubject: {subject}\r\n\r\ntext\r\n"
        )
    };
    let ours = format!("sb.{id}@company.test");
    post().deliver(&house.own, answer(&anna, "a", &ours, "Other").as_bytes());
    post().deliver(&house.own, answer(&address("eve"), "b", &ours, "Other").as_bytes());
    post().deliver(&house.own, answer(&anna, "c", "unknown@mail.test", "Third").as_bytes());
    let got = house.has_messages(4).await;
    let chat_of = |id: &str| got.iter().find(|row| row.vendor_id.as_deref() == Some(id)).unwrap().chat.clone();
    assert_eq!(chat_of("a@mail.test"), chat);
    assert!(!chat_of("b@mail.test").starts_with(&anna));
    assert!(chat_of("c@mail.test").starts_with(&anna) && chat_of("c@mail.test") != chat);
    let titles: Vec<String> = house.dialogs().await.into_iter().map(|dialog| dialog.title).collect();
    assert_eq!(titles.iter().filter(|title| *title == "Third").count(), 1, "{titles:?}");
    // both of her chats are one contact's
    let contacts: std::collections::HashSet<_> = house
        .dialogs()
        .await
        .into_iter()
        .filter(|dialog| dialog.chat.starts_with(&anna))
        .map(|dialog| dialog.contact)
        .collect();
    assert_eq!(contacts.len(), 1);
    house.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_is_away_tells_why_and_comes_back_by_itself() {
    static OWN: std::sync::OnceLock<Post> = std::sync::OnceLock::new();
    let post = OWN.get_or_init(Post::start);
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let house = House::open(&database, post, json!({})).await;
    post.stop_imap();
    let error = until("the mailbox is away", async || house.fares().await.1).await;
    assert!(!error.contains("secret"), "{error}");
    assert_eq!((house.fares().await.0, house.row().await.state.as_str()), (None, "connected"));
    post.deliver(&house.own, &letter("anna@example.test", &house.own, "m1@mail.test", "x", "y"));
    post.start_imap();
    house.listens().await;
    assert_eq!(house.fares().await.1, None);
    house.has_messages(1).await;
    house.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_whose_password_was_changed_is_lost_with_its_lane() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let house = House::open(&database, post(), json!({})).await;
    let row = house.row().await;
    let wrong = SecretString::from(json!({"password": "wrong"}).to_string());
    let sealed = credentials::seal(&house.server.app, "channels", &row.id, &wrong);
    let (id, from) = (row.id.clone(), row.secrets.clone());
    house.server.app.store.write(move |conn| on!(conn, channel::reseal(&id, &from, &sealed))).await.unwrap();
    // the listener sees the change by itself and begins anew
    let lost = until("the channel is lost", async || Some(house.row().await).filter(|row| row.state == "lost")).await;
    assert!(!lost.lost_reason.unwrap().contains("wrong"));
    house.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_listens_and_another_takes_over() {
    let database = crate::postgres::fresh_database();
    let house = House::open(&database, post(), json!({})).await;
    let second = serve(&database, &post().authority(), &[Role::Listener, Role::Feeder]).await;
    let holders = async || {
        let shards = second.app.store.read(|conn| on!(conn, owner::shards(switchboard::store::owner::Post::Listener)));
        let mut names: Vec<Option<String>> = shards.await.unwrap().into_iter().map(|(_, owner)| owner).collect();
        names.sort();
        names.dedup();
        names
    };
    // the shards are shared, so one of the two listens
    until("two processes share", async || {
        (holders().await.len() == 2 && !holders().await.contains(&None)).then_some(())
    })
    .await;
    post().deliver(&house.own, &letter("anna@example.test", &house.own, "m1@mail.test", "x", "y"));
    house.has_messages(1).await;
    let (company, own) = (house.company, house.own.clone());
    house.server.stop().await;
    post().deliver(&own, &letter("anna@example.test", &own, "m2@mail.test", "x", "y"));
    let count =
        async || second.app.store.read(move |conn| on!(conn, message::newest(company, 100))).await.unwrap().len();
    until("the second process hears", async || (count().await == 2).then_some(())).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mailboxes_of_a_dead_process_move_on() {
    let database = crate::postgres::fresh_database();
    let house = House::open(&database, post(), json!({})).await;
    let (company, own) = (house.company, house.own.clone());
    house.server.stop().await;
    let store = switchboard::store::Store::open(switchboard::store::Options::new(&*database)).unwrap();
    // it holds every shard and says no word: nobody listens until its beat has stood still
    let dead = store.write(|conn| {
        on!(conn, owner::enter("listener:dead"))?;
        on!(conn, owner::take_shards(&(60..120).collect::<Vec<i16>>(), "listener:dead"))
    });
    assert_eq!(dead.await.unwrap().len(), 60);
    post().deliver(&own, &letter("anna@example.test", &own, "m1@mail.test", "x", "y"));
    let second = serve(&database, &post().authority(), &ALL).await;
    let count =
        async || second.app.store.read(move |conn| on!(conn, message::newest(company, 100))).await.unwrap().len();
    until("the heir hears", async || (count().await == 1).then_some(())).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_unknown_fate_is_settled_by_its_copy_among_the_sent_ones() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let house = House::open(&database, post(), json!({})).await;
    let (id, company, own) = (MessageId::new(), house.company, house.own.clone());
    let row = MessageRow {
        id: id.to_string(),
        company: company.to_string(),
        channel: house.channel.to_string(),
        chat: "anna@example.test".to_owned(),
        outgoing: true,
        status: Status::Unknown.to_db(),
        vendor_id: None,
        content: json!({ "text": "1" }).to_string(),
        origin: json!({ "by": "nobody" }).to_string(),
        code: None,
        reason: None,
        accepted_at: 1,
        sent_at: None,
        delivered_at: None,
        viewed_at: None,
    };
    house.server.app.store.write(move |conn| on!(conn, message::enter(std::slice::from_ref(&row)))).await.unwrap();
    house.server.stop().await;
    let copy = letter(&own, "anna@example.test", &format!("sb.{id}@company.test"), "1", "1");
    let sent = post().mailbox(&own).join(".&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-");
    post().put(&sent, "1800000000.1.test", &copy);
    let again = serve(&database, &post().authority(), &ALL).await;
    until("the message is known to be sent", async || {
        let found = flow::message::find(&again.app, company, id).await.unwrap()?;
        (found.status == "sent").then_some(())
    })
    .await;
    again.stop().await;
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread")]
    async fn the_settings_of_a_mailbox_change_without_attaching_it_again(database: &str) {
        let house = House::open(database, post(), json!({ "group_letters": "no" })).await;
        let (app, company, id) = (&house.server.app, house.company, house.channel);
        let (fields, values) = channel::settings(app, company, id).await.unwrap();
        let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
        assert!(names.contains(&"smtp_host") && !names.contains(&"service"), "{names:?}");
        assert_eq!((values["address"].as_str(), &values["group_letters"]), (Some(house.own.as_str()), &json!(false)));
        assert!(!values.contains_key("password"), "secrets are never shown: {values:?}");
        assert_eq!((&values["auth"], values["imap_port"].is_u64()), (&json!("password"), true), "{values:?}");
        let given = |answers: Value| answers.as_object().cloned().unwrap();

        // habits change, everything else stays
        let before = house.row().await;
        channel::configure(app, company, id, given(json!({ "group_letters": true, "remove_links": "yes" }))).await.unwrap();
        let (_, values) = channel::settings(app, company, id).await.unwrap();
        assert_eq!((&values["group_letters"], &values["remove_links"]), (&json!(true), &json!(true)));
        let after = house.row().await;
        assert_eq!((after.state, after.account, after.connected_at), (before.state, before.account, before.connected_at));
        let secret = |sealed: &str| {
            let opened = credentials::open(app, "channels", &id.to_string(), sealed).unwrap();
            secrecy::ExposeSecret::expose_secret(&opened).to_owned()
        };
        assert_eq!(secret(&after.secrets), secret(&before.secrets), "the password stays");

        // what a server decides about is tried, and what is wrong is told at its field
        for (answers, field) in [
            (json!({ "password": "wrong" }), "password"),
            (json!({ "smtp_port": "1" }), "smtp_host"),
            (json!({ "address": "nonsense" }), "address"),
            (json!({ "auth": "oauth" }), "refresh_token"),
            (json!({ "imap_security": "maybe" }), "imap_security"),
        ] {
            match channel::configure(app, company, id, given(answers)).await {
                Err(channel::ChannelError::Attach(error)) => assert_eq!(error.field, field, "{error:?}"),
                other => panic!("{field}: {other:?}"),
            }
        }
        let (_, kept) = channel::settings(app, company, id).await.unwrap();
        assert_eq!(kept, values, "what was refused changed nothing");

        // the habit that was changed holds for the next letter
        house.listens().await;
        let anna = address("anna");
        post().deliver(&house.own, &letter(&anna, &house.own, "grouped@mail.test", "Order 7", "text"));
        let got = house.has_messages(1).await;
        assert_ne!(got[0].chat, anna, "one chat for each subject: {}", got[0].chat);
        house.server.stop().await;
    }
}

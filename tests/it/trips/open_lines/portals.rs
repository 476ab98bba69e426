//! Several portals of one company: a channel may be in open lines of both, and each sees the whole dialog. Companies see nothing of
//! each other.

use base64::Engine as _;
use serde_json::{Value, json};
use switchboard::flow::channel;
use switchboard::flow::open_line::settings::{self, ConnectError, ConnectionIn, ConnectionOut};
use switchboard::model::id::{ChannelId, CompanyId, LineId, PortalId};
use switchboard::model::message::Kind;
use switchboard::model::moment::Moment;
use switchboard::model::open_line::{Publish, Settings};
use switchboard::store::row::NewLine;

use super::{CUSTOMER, LINE, message, said, says};
use crate::trips::stage::Stage;
use crate::trips::whatsapp_web;

/// A portal, by its name in the sandbox.
struct Portal {
    name: &'static str,
    company: CompanyId,
    id: PortalId,
    lane: i64,
}

impl Portal {
    /// A portal that was installed.
    async fn of(stage: &Stage, name: &'static str) -> Self {
        let card = stage.control("GET", &format!("/_/b24/{name}"), Value::Null).await;
        let member = card["member_id"].as_str().unwrap().to_owned();
        let row = stage.server.app.store.read(move |conn| switchboard::on!(conn, portal::by_member(&member)));
        let row = row.await.unwrap().unwrap();
        Self { name, company: row.company.parse().unwrap(), id: row.id.parse().unwrap(), lane: row.lane }
    }

    /// One more portal, in which an administrator installs the application.
    async fn installed(stage: &Stage, name: &'static str) -> Self {
        let portal = json!({ "client_id": "local.switchboard", "client_secret": "portal-secret",
            "installer_url": format!("{}/bitrix24/install", stage.address), "event_url": format!("{}/bitrix24/event", stage.address) });
        stage.control("POST", &format!("/_/b24/{name}"), portal).await;
        stage.control("POST", &format!("/_/b24/{name}/limits"), json!({ "rate": 0 })).await;
        let install = json!({ "mode": "page", "finish": true });
        let done = stage.control("POST", &format!("/_/b24/{name}/install"), install).await;
        assert_eq!(done["page"]["status"], 200, "{done}");
        Self::of(stage, name).await
    }

    async fn connect(
        &self,
        stage: &Stage,
        kind: Kind,
        channel: ChannelId,
        settings: Settings,
    ) -> Result<ConnectionOut, ConnectError> {
        let given = ConnectionIn { channel, settings };
        settings::connect(&stage.server.app, self.company, self.id, kind, LINE, given).await
    }

    async fn chats(&self, stage: &Stage) -> Vec<Value> {
        let told = stage.control("GET", &format!("/_/b24/{}/chats", self.name), Value::Null).await;
        told["chats"].as_array().unwrap().clone()
    }

    /// Waits for a chat in which something is so.
    async fn chat_where(&self, stage: &Stage, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let is = &is;
        let look = |stage| async move { self.chats(stage).await.into_iter().find(|chat| is(chat)) };
        stage.wait_for(&format!("{what}, in {}", self.name), look).await
    }

    /// An operator does something in a chat.
    async fn act(&self, stage: &Stage, chat: &Value, act: &str, given: Value) -> i64 {
        let path = format!("/_/b24/{}/chats/{}/{act}", self.name, chat["id"]);
        stage.control("POST", &path, given).await["id"].as_i64().unwrap()
    }
}

/// Waits until nothing is left to be told to these portals.
async fn quiet(stage: &Stage, portals: &[&Portal]) {
    stage
        .wait_for("nothing waits for the portals", |stage| async move {
            for portal in portals {
                if !stage.waiting(portal.lane).await.is_empty() {
                    return None;
                }
            }
            Some(())
        })
        .await;
}

/// How often a portal was sent a message that says this.
async fn sent_into(stage: &Stage, portal: &Portal, text: &str) -> usize {
    let calls = stage.calls("bitrix24", "imconnector.send.messages").await;
    calls.iter().filter(|call| call["who"] == portal.name && call["params"].to_string().contains(text)).count()
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_answer_in_one_portal_is_shown_once_in_the_other_and_never_comes_back(url: &str) {
        let stage = Stage::set(url).await;
        let waba = stage.channel_of(Kind::Waba).await;
        let (first, second) = (Portal::of(&stage, "demo").await, Portal::installed(&stage, "second").await);
        assert_eq!(first.company, second.company);
        // in the one what others said stands as notes, in the other in the name of an employee, which the portal tells back
        first.connect(&stage, Kind::Waba, waba, Settings::default()).await.unwrap();
        second.connect(&stage, Kind::Waba, waba, Settings { author: Some(33), ..Settings::default() }).await.unwrap();
        stage.customer_says(json!({ "messenger": "waba", "text": "Вы работаете?" })).await;
        let here = first.chat_where(&stage, "the customer is heard", says("Вы работаете?")).await;
        let there = second.chat_where(&stage, "the customer is heard", says("Вы работаете?")).await;
        let id = first.act(&stage, &here, "say", json!({ "user": 27, "text": "До [b]девяти[/b]" })).await;
        first.chat_where(&stage, "it is delivered", |chat| message(chat, id)["delivered"] == true).await;
        let seen = second.chat_where(&stage, "the answer is there", says("До *девяти*")).await;
        assert_eq!(seen["messages"][1]["author"], 33, "{seen}");
        let back = second.act(&stage, &there, "say", json!({ "user": 27, "text": "И в субботу" })).await;
        second.chat_where(&stage, "it is delivered", |chat| message(chat, back)["delivered"] == true).await;
        let seen = first.chat_where(&stage, "the answer is there", says("И в субботу")).await;
        assert_eq!(seen["messages"][2]["author"], 0, "a note of the system: {seen}");
        // what was shown in the name of an employee came back, is known, and is sent to nobody
        second.chat_where(&stage, "all of it is marked", |chat| {
            chat["messages"].as_array().unwrap().iter().all(|one| one["delivered"] == true)
        }).await;
        quiet(&stage, &[&first, &second]).await;
        assert_eq!(stage.came(CUSTOMER).await, ["До *девяти*", "И в субботу"]);
        assert_eq!(said(&first.chats(&stage).await[0]), ["Вы работаете?", "До [b]девяти[/b]", "И в субботу"]);
        assert_eq!(said(&second.chats(&stage).await[0]), ["Вы работаете?", "До *девяти*", "И в субботу"]);
        assert_eq!((sent_into(&stage, &first, "девяти").await, sent_into(&stage, &second, "девяти").await), (0, 1));
        assert_eq!((sent_into(&stage, &first, "субботу").await, sent_into(&stage, &second, "субботу").await), (1, 0));
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn files_of_an_operator_are_whole_in_the_other_portal(url: &str) {
        let stage = Stage::set(url).await;
        let waba = stage.channel_of(Kind::Waba).await;
        let (first, second) = (Portal::of(&stage, "demo").await, Portal::installed(&stage, "second").await);
        for portal in [&first, &second] {
            portal.connect(&stage, Kind::Waba, waba, Settings::default()).await.unwrap();
        }
        stage.customer_says(json!({ "messenger": "waba", "text": "Пришлите счёт" })).await;
        let here = first.chat_where(&stage, "the customer is heard", says("счёт")).await;
        let content = "%PDF-1.4 счёт";
        let file = json!([{ "name": "счёт.pdf", "mime": "application/pdf",
            "base64": base64::engine::general_purpose::STANDARD.encode(content) }]);
        first.act(&stage, &here, "say", json!({ "user": 27, "text": "Вот", "files": file })).await;
        // the link of the first portal is given to nobody but those who come from its page
        let seen = second.chat_where(&stage, "the file is there", |chat| {
            chat["messages"].as_array().unwrap().iter().any(|one| one["files"][0]["size"].is_u64())
        }).await;
        let shown = seen["messages"].as_array().unwrap().last().unwrap();
        assert_eq!((&shown["text"], &shown["files"][0]["name"]), (&json!("Вот"), &json!("счёт.pdf")));
        assert_eq!(shown["files"][0]["size"], content.len(), "{shown}");
        assert!(!shown["files"][0]["url"].as_str().unwrap().contains("/b24/"), "{shown}");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_an_operator_changes_and_takes_back_changes_in_the_other_portal(url: &str) {
        let stage = Stage::set(url).await;
        let phone: ChannelId = whatsapp_web::linked(&stage).await.channel.parse().unwrap();
        let (first, second) = (Portal::of(&stage, "demo").await, Portal::installed(&stage, "second").await);
        for portal in [&first, &second] {
            portal.connect(&stage, Kind::WhatsappWeb, phone, Settings::default()).await.unwrap();
        }
        stage.customer_says(json!({ "messenger": "whatsapp_web", "text": "Когда?" })).await;
        let here = first.chat_where(&stage, "the customer is heard", says("Когда?")).await;
        let id = first.act(&stage, &here, "say", json!({ "user": 27, "text": "В 9" })).await;
        first.chat_where(&stage, "it is delivered", |chat| message(chat, id)["delivered"] == true).await;
        second.chat_where(&stage, "the answer is there", says("В 9")).await;
        first.act(&stage, &here, "edit", json!({ "id": id, "text": "В 10" })).await;
        second.chat_where(&stage, "the text is the new one", |chat| said(chat) == ["Когда?", "В 10"]).await;
        first.act(&stage, &here, "delete", json!({ "id": id })).await;
        second.chat_where(&stage, "it is gone", |chat| said(chat) == ["Когда?"]).await;
        quiet(&stage, &[&first, &second]).await;
        assert_eq!(said(&first.chats(&stage).await[0]), ["Когда?"]);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_other_portal_shows_what_its_settings_ask_for(url: &str) {
        let stage = Stage::set(url).await;
        let waba = stage.channel_of(Kind::Waba).await;
        let (first, second) = (Portal::of(&stage, "demo").await, Portal::installed(&stage, "second").await);
        let third = Portal::installed(&stage, "third").await;
        first.connect(&stage, Kind::Waba, waba, Settings::default()).await.unwrap();
        let silent = Publish { outgoing: false, ..Publish::default() };
        second.connect(&stage, Kind::Waba, waba, Settings { publish: silent, ..Settings::default() }).await.unwrap();
        let ignored = vec!["+7 999 000-00-01".to_owned()];
        third.connect(&stage, Kind::Waba, waba, Settings { ignored, ..Settings::default() }).await.unwrap();
        stage.customer_says(json!({ "messenger": "waba", "text": "Есть кто?" })).await;
        let here = first.chat_where(&stage, "the customer is heard", says("Есть кто?")).await;
        let id = first.act(&stage, &here, "say", json!({ "user": 27, "text": "Да" })).await;
        first.chat_where(&stage, "it is delivered", |chat| message(chat, id)["delivered"] == true).await;
        // whoever is ignored nowhere has the answer in the third portal as well
        let other = json!({ "messenger": "waba", "text": "А мне?" });
        stage.control("POST", "/_/phones/79990000002/say", other).await;
        let chat = first.chat_where(&stage, "another customer is heard", says("А мне?")).await;
        first.act(&stage, &chat, "say", json!({ "user": 27, "text": "И вам" })).await;
        third.chat_where(&stage, "the answer is there", |chat| said(chat) == ["А мне?", "И вам"]).await;
        quiet(&stage, &[&first, &second, &third]).await;
        let second: Vec<Vec<String>> = second.chats(&stage).await.iter().map(said).collect();
        assert_eq!(second, [["Есть кто?"], ["А мне?"]]);
        assert_eq!(third.chats(&stage).await.len(), 1, "a number that is ignored makes no chat");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn portals_have_their_own_channels_and_nothing_crosses_companies(url: &str) {
        let stage = Stage::set(url).await;
        let waba = stage.channel_of(Kind::Waba).await;
        let token = "100200300:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let bot = stage.attach_channel("telegram_bot", json!({ "token": token })).await;
        let bot: ChannelId = bot["id"].as_str().unwrap().parse().unwrap();
        let phone: ChannelId = whatsapp_web::linked(&stage).await.channel.parse().unwrap();
        let (first, second) = (Portal::of(&stage, "demo").await, Portal::installed(&stage, "second").await);
        for portal in [&first, &second] {
            portal.connect(&stage, Kind::Waba, waba, Settings::default()).await.unwrap();
        }
        first.connect(&stage, Kind::TelegramBot, bot, Settings::default()).await.unwrap();
        second.connect(&stage, Kind::WhatsappWeb, phone, Settings::default()).await.unwrap();
        // where there are several companies a portal that nobody knows has its own
        let store = &stage.server.app.store;
        store.write(|conn| switchboard::on!(conn, company::create(CompanyId::new(), "Лютик", "Europe/Moscow", 0))).await.unwrap();
        let stranger = Portal::installed(&stage, "stranger").await;
        assert!(stranger.company != first.company);
        let foreign = bot_of(&stage, stranger.company).await;
        stranger.connect(&stage, Kind::TelegramBot, foreign, Settings::default()).await.unwrap();

        let say = async |messenger: &str, line: Option<&str>, text: &str| {
            stage.customer_says(json!({ "messenger": messenger, "line": line, "text": text })).await;
        };
        say("waba", None, "Всем").await;
        say("telegram_bot", Some("100200300"), "Первому").await;
        say("whatsapp_web", None, "Второму").await;
        say("telegram_bot", Some("200300400"), "Чужому").await;
        let mut chats = Vec::new();
        for (portal, texts) in [(&first, ["Всем", "Первому"]), (&second, ["Всем", "Второму"])] {
            for text in texts {
                chats.push((portal, portal.chat_where(&stage, "the customer is heard", says(text)).await));
            }
        }
        chats.push((&stranger, stranger.chat_where(&stage, "the customer is heard", says("Чужому")).await));
        for (portal, chat) in &chats {
            let text = format!("ответ {} {}", portal.name, chat["connector"].as_str().unwrap());
            let id = portal.act(&stage, chat, "say", json!({ "user": 27, "text": text })).await;
            portal.chat_where(&stage, "it is delivered", |chat| message(chat, id)["delivered"] == true).await;
        }
        // what one company has cannot be named by another
        let refused = stranger.connect(&stage, Kind::Waba, waba, Settings::default()).await.unwrap_err();
        assert!(matches!(refused, ConnectError::ChannelNotFound), "{refused:?}");
        let (app, of_stranger) = (&stage.server.app, stranger.company);
        let given = ConnectionIn { channel: foreign, settings: Settings::default() };
        let refused = settings::connect(app, of_stranger, first.id, Kind::TelegramBot, LINE, given).await.unwrap_err();
        assert!(matches!(refused, ConnectError::PortalNotFound), "{refused:?}");
        assert!(settings::list(app, of_stranger, first.id).await.unwrap().is_empty());
        assert_eq!(settings::read(app, of_stranger, first.id, Kind::Waba, LINE).await.unwrap().state, "new");
        // nor can its portal speak in a chat of another one
        let waba_chat = &chats[0].1;
        let forged = json!({ "CONNECTOR": "switchboard_waba", "LINE": LINE, "MESSAGES": [{
            "im": { "chat_id": waba_chat["id"], "message_id": 5 }, "message": { "user_id": 27, "text": "Чужое", "files": [] },
            "chat": { "id": waba_chat["external"] } }] });
        let fired = json!({ "event": "ONIMCONNECTORMESSAGEADD", "data": forged, "user": 27 });
        let posts = stage.control("POST", "/_/b24/stranger/event", fired).await;
        assert_eq!(posts["posts"], 1, "{posts}");
        second.act(&stage, &chats[2].1, "say", json!({ "user": 27, "text": "Последнее" })).await;
        first.chat_where(&stage, "what both have goes on", says("Последнее")).await;
        quiet(&stage, &[&first, &second, &stranger]).await;
        let mut came = stage.came(CUSTOMER).await;
        came.sort();
        assert_eq!(came, [
            "Последнее", "ответ demo switchboard_telegram_bot", "ответ demo switchboard_waba", "ответ second switchboard_waba",
            "ответ second switchboard_whatsapp_web", "ответ stranger switchboard_telegram_bot",
        ]);
        // who said what first in which portal is chance
        let all = async |portal: &Portal| {
            let mut all: Vec<String> = portal.chats(&stage).await.iter().flat_map(said).collect();
            all.sort();
            all
        };
        let shared = ["Всем", "Последнее", "ответ demo switchboard_waba", "ответ second switchboard_waba"];
        let with = |own: [&str; 2]| {
            let mut all: Vec<String> = shared.iter().chain(&own).map(|text| (*text).to_owned()).collect();
            all.sort();
            all
        };
        assert_eq!(all(&first).await, with(["Первому", "ответ demo switchboard_telegram_bot"]));
        assert_eq!(all(&second).await, with(["Второму", "ответ second switchboard_whatsapp_web"]));
        assert_eq!(all(&stranger).await, ["Чужому", "ответ stranger switchboard_telegram_bot"]);
        stage.clear().await;
    }
}

/// A bot of another company, in a line of its own.
async fn bot_of(stage: &Stage, company: CompanyId) -> ChannelId {
    let token = "200300400:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";
    stage.control("POST", "/_/telegram/bots", json!({ "token": token })).await;
    let new = NewLine { name: "Чужая".into(), plan: "paid".into(), expires_at: Moment(i64::MAX / 2), hours: None };
    let line = stage.server.app.store.write(move |conn| switchboard::on!(conn, line::create(company, &new, 0)));
    let line: LineId = line.await.unwrap();
    let answers = json!({ "token": token }).as_object().unwrap().clone();
    let step = channel::Step { answers, ..channel::Step::default() };
    channel::attach(&stage.server.app, company, line, Kind::TelegramBot, step).await.unwrap();
    let rows = stage.server.app.store.read(move |conn| switchboard::on!(conn, channel::of_company(company)));
    rows.await.unwrap().remove(0).id.parse().unwrap()
}

//! Messengers that are posted to and ask beside that: what they ask fits the vendor's file, what they hear has the keys of
//! deliveries, and the vendor's budget is spared.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use switchboard::messenger::{Boxed, Deaf, Ear, Heard};
use switchboard::model::clock::{Clock as _, HandClock};
use switchboard::model::moment::Moment;
use switchboard::model::vendor::Answer;
use wiremock::matchers::{method, path, path_regex};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::case::{Case, cases};
use super::incoming::tell;
use super::schemas::check_waha;

/// An ear that remembers what was heard, and how long it was let rest; it is deaf after so many rests.
struct Memory {
    clock: HandClock,
    heard: Mutex<Vec<Heard>>,
    rests: Mutex<Vec<i64>>,
    most: usize,
    unread: Vec<(String, Moment)>,
}

impl Memory {
    fn new(most: usize, unread: &[(&str, i64)]) -> Arc<Self> {
        let clock = HandClock::at(Moment(1_795_171_300_000));
        let unread = unread.iter().map(|(chat, ago_ms)| ((*chat).to_owned(), clock.now().plus_ms(-ago_ms))).collect();
        Arc::new(Self { clock, heard: Mutex::default(), rests: Mutex::default(), most, unread })
    }

    fn events(&self) -> Vec<String> {
        let heard = self.heard.lock();
        heard.iter().flat_map(|heard| &heard.events).map(|(key, event)| format!("{key} | {}", tell(event))).collect()
    }
}

impl Ear for Memory {
    fn hear(&self, heard: Heard) -> Boxed<'_, Result<(), Deaf>> {
        self.heard.lock().push(heard);
        Box::pin(std::future::ready(Ok(())))
    }

    fn connected(&self) -> Boxed<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn unread(&self) -> Boxed<'_, Vec<(String, Moment)>> {
        Box::pin(std::future::ready(self.unread.clone()))
    }

    fn rest(&self, ms: i64) -> Boxed<'_, ()> {
        self.clock.advance_ms(ms);
        let over = {
            let mut rests = self.rests.lock();
            rests.push(ms);
            rests.len() >= self.most
        };
        Box::pin(async move {
            if over {
                std::future::pending::<()>().await;
            }
        })
    }

    fn now(&self) -> Moment {
        self.clock.now()
    }
}

fn ours(folder: &str) -> Case {
    cases().into_iter().find(|case| case.folder == folder).unwrap()
}

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/avito/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Listens until the memory rests for the last time.
async fn listen(case: &Case, server: &MockServer, cursor: Value, memory: &Arc<Memory>) -> Option<Answer> {
    let wire = case.patient_wire(&server.uri());
    let listening = case.messenger.listen(&wire, cursor, &**memory);
    let over = async {
        loop {
            if memory.rests.lock().len() >= memory.most {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answer = listening => Some(answer),
        () = over => None,
    }
}

fn check_avito(request: &Request) {
    super::avito::check(request);
    let schema: Value = serde_json::from_str(
        &std::fs::read_to_string(format!(
            "{}/tests/fixtures/schemas/avito/messenger.openapi.json",
            env!("CARGO_MANIFEST_DIR")
        ))
        .unwrap(),
    )
    .unwrap();
    let template = if request.url.path().ends_with("/messages/") {
        "/messenger/v3/accounts/{user_id}/chats/{chat_id}/messages/"
    } else {
        "/messenger/v2/accounts/{user_id}/chats"
    };
    let known = schema["paths"][template]["get"]["parameters"].as_array().unwrap();
    for (name, _) in request.url.query_pairs() {
        assert!(known.iter().any(|parameter| parameter["name"] == *name), "{template} knows no {name}");
    }
}

async fn avito(left: i64) -> MockServer {
    let server = MockServer::start().await;
    let figures = |answer: ResponseTemplate| {
        answer.insert_header("X-RateLimit-Limit", "100").insert_header("X-RateLimit-Remaining", left.to_string())
    };
    let chats = figures(ResponseTemplate::new(200).set_body_json(fixture("resp_chats_v2.json")));
    Mock::given(method("GET"))
        .and(path("/messenger/v2/accounts/94235311/chats"))
        .respond_with(chats)
        .mount(&server)
        .await;
    let messages = figures(ResponseTemplate::new(200).set_body_json(fixture("resp_messages_v3.json")));
    Mock::given(path_regex("/messages/$")).respond_with(messages).mount(&server).await;
    server
}

#[tokio::test]
async fn avito_is_asked_for_what_was_said_since_and_tells_it_in_order() {
    let (case, server, memory) = (ours("avito"), avito(90).await, Memory::new(3, &[]));
    assert!(listen(&case, &server, json!({"since": 1_795_171_100}), &memory).await.is_none());
    let events = memory.events();
    assert_eq!(events.len(), 4, "{events:#?}");
    assert!(events[0].starts_with("bdcc5bac2d00345f1cc66fa657813958:text | "), "{events:#?}");
    assert!(events[1].starts_with("bdcc5bac2d00345f1cc66fa657813959:text | "), "{events:#?}");
    assert!(events[2].starts_with("bdcc5bac2d00345f1cc66fa657813959:read | viewed"), "{events:#?}");
    assert!(events[3].contains("with Some(\"Анна\") about Some(\"Mazda 3 2008\")"), "{events:#?}");
    assert_eq!(memory.heard.lock()[0].cursor, json!({"since": 1_795_171_200}));
    let requests = server.received_requests().await.unwrap();
    requests.iter().for_each(check_avito);
    // three looks at the chats, and one into the chat that changed
    let looks = requests.iter().filter(|request| request.url.path().ends_with("/chats")).count();
    assert_eq!((looks, requests.len()), (3, 4));
    assert!(requests[0].url.query().unwrap().contains("chat_types=u2i%2Cu2u%2Ca2u"), "{}", requests[0].url);
}

#[tokio::test]
async fn what_is_not_read_is_looked_at_often_first_and_then_once_an_hour() {
    let (case, server) = (ours("avito"), avito(90).await);
    // forty looks of two minutes are eighty minutes: the first message is old, the second one gets old
    let memory = Memory::new(40, &[("u2i-old", 3 * 3_600_000), ("u2i-new", 60_000)]);
    assert!(listen(&case, &server, json!({"since": 1_795_171_200 + 3_600}), &memory).await.is_none());
    let requests = server.received_requests().await.unwrap();
    let count = |chat: &str| requests.iter().filter(|request| request.url.path().contains(chat)).count();
    assert_eq!(count("u2i-old"), 2);
    assert!((17..=20).contains(&count("u2i-new")), "{}", count("u2i-new"));
    assert!(memory.events().iter().all(|event| event.contains(":read | viewed")), "{:#?}", memory.events());
}

#[tokio::test]
async fn where_little_of_the_budget_is_left_the_account_rests_a_minute() {
    let (case, server, memory) = (ours("avito"), avito(9).await, Memory::new(3, &[("u2i-new", 60_000)]));
    assert!(listen(&case, &server, json!({"since": 1_795_171_100}), &memory).await.is_none());
    // a minute before the chat is looked into, then the pause between two looks, then a minute again
    assert_eq!(*memory.rests.lock(), [60_000, 120_000, 60_000]);
    let requests = server.received_requests().await.unwrap();
    assert!(!requests.iter().any(|request| request.url.path().contains("u2i-new")), "read marks can wait");
}

#[tokio::test]
async fn avito_that_asks_to_wait_is_waited_for_and_one_that_refuses_ends_it() {
    let case = ours("avito");
    let error = |status: u16| json!({"error": {"code": status, "message": "said"}});
    let server = MockServer::start().await;
    let busy = ResponseTemplate::new(429).set_body_json(error(429)).insert_header("Retry-After", "7");
    Mock::given(method("GET")).respond_with(busy).mount(&server).await;
    let memory = Memory::new(2, &[]);
    assert!(listen(&case, &server, json!({"since": 1}), &memory).await.is_none());
    assert_eq!(memory.rests.lock()[0], 7_000);
    for (status, word) in [(403, "Expired"), (503, "Down"), (402, "Refused")] {
        server.reset().await;
        let answer = ResponseTemplate::new(status).set_body_json(error(status));
        Mock::given(method("GET")).respond_with(answer).mount(&server).await;
        let answer = listen(&case, &server, json!({"since": 1}), &Memory::new(2, &[])).await.unwrap();
        assert!(format!("{answer:?}").starts_with(word), "{answer:?}");
    }
}

#[tokio::test]
async fn avito_takes_its_own_subscription_back_and_no_other() {
    let case = ours("avito");
    let server = MockServer::start().await;
    let secret = case.secrets["secret"].as_str().unwrap();
    let own = format!("https://switchboard.example.test/hook/channel/abc?s={secret}");
    let known = json!({"subscriptions": [{"url": own, "version": "3"},
        {"url": "https://switchboard.example.test/hook/channel/abd?s=other", "version": "3"}]});
    for (at, body) in
        [("/messenger/v1/subscriptions", known), ("/messenger/v1/webhook/unsubscribe", json!({"ok": true}))]
    {
        Mock::given(path(at)).respond_with(ResponseTemplate::new(200).set_body_json(body)).mount(&server).await;
    }
    let wire = case.patient_wire(&server.uri());
    assert_eq!(case.messenger.detach(&wire).await, Answer::done());
    let requests = server.received_requests().await.unwrap();
    requests.iter().for_each(super::avito::check);
    let gone: Vec<Value> = requests
        .iter()
        .filter(|one| one.url.path().ends_with("unsubscribe"))
        .map(|one| serde_json::from_slice(&one.body).unwrap())
        .collect();
    assert_eq!(gone, [json!({"url": own})]);
    server.reset().await;
    // keys that are gone leave nothing to take back
    let refused = json!({"error": {"code": 403, "message": "Forbidden"}});
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(403).set_body_json(refused)).mount(&server).await;
    assert_eq!(case.messenger.detach(&wire).await, Answer::done());
    let chat = "u2i-a~b/c";
    server.reset().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"ok": true})))
        .mount(&server)
        .await;
    assert_eq!(case.messenger.mark_read(&wire, chat).await, Answer::done());
    server.received_requests().await.unwrap().iter().for_each(super::avito::check);
}

fn told(id: &str, at: i64, body: &str) -> Value {
    json!({"id": id, "timestamp": at, "from": "79161234567@c.us", "fromMe": id.starts_with("true"), "to": "79031112233@c.us",
        "participant": null, "body": body, "hasMedia": false, "media": null, "ack": 1, "ackName": "SERVER", "vCards": [], "_data": {}})
}

#[tokio::test]
async fn the_chats_of_the_gateway_are_walked_through_and_told_in_one_order() {
    let case = ours("whatsapp_web");
    let server = MockServer::start().await;
    let card = json!({"name": "acc-1", "status": "WORKING", "me": {"id": "79031112233@c.us", "pushName": "Ромашка"}});
    let now = 1_795_171_300;
    let (first, second) = ("false_79161234567@c.us_3AAA", "false_79160000002@c.us_3ABB");
    let overview = json!([
        {"id": "79160000002@c.us", "name": null, "picture": null, "lastMessage": told(second, now - 30, "Два"), "_chat": {}},
        {"id": "79161234567@c.us", "name": null, "picture": null, "lastMessage": told("true_79161234567@c.us_3EB0CC", now - 20, "Три"), "_chat": {}},
        {"id": "79160000003@c.us", "name": null, "picture": null, "lastMessage": told("false_79160000003@c.us_3ACC", 1, "давно"), "_chat": {}},
    ]);
    let of_first = json!([told(first, now - 40, "Раз"), told("true_79161234567@c.us_3EB0CC", now - 20, "Три")]);
    for (at, body) in [
        ("/api/sessions/acc-1", card.clone()),
        ("/api/acc-1/chats/overview", overview),
        ("/api/acc-1/chats/79161234567%40c.us/messages", of_first),
        ("/api/acc-1/chats/79160000002%40c.us/messages", json!([told(second, now - 30, "Два")])),
    ] {
        Mock::given(method("GET"))
            .and(path(at))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .mount(&server)
            .await;
    }
    let memory = Memory::new(3, &[]);
    assert!(listen(&case, &server, json!({"since": now - 60, "status": "WORKING"}), &memory).await.is_none());
    let keys: Vec<String> =
        memory.heard.lock().iter().flat_map(|heard| heard.events.clone()).map(|(key, _)| key).collect();
    assert_eq!(keys, ["message:false:3AAA", "message:false:3ABB", "message:true:3EB0CC"]);
    assert!(memory.heard.lock().iter().all(|heard| !heard.gap));
    let requests = server.received_requests().await.unwrap();
    requests.iter().for_each(check_waha);
    // the session is looked at every minute, the chats are walked through once
    assert_eq!(requests.iter().filter(|one| one.url.path().ends_with("overview")).count(), 1);

    server.reset().await;
    let missing = ResponseTemplate::new(404).set_body_json(json!({"message": "Session not found"}));
    Mock::given(method("GET")).respond_with(missing).mount(&server).await;
    let answer = listen(&case, &server, json!({"since": now}), &Memory::new(2, &[])).await.unwrap();
    assert!(matches!(answer, Answer::Expired { .. }), "{answer:?}");
    server.reset().await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(502).set_body_string("<html>")).mount(&server).await;
    let answer = listen(&case, &server, json!({"since": now}), &Memory::new(2, &[])).await.unwrap();
    assert!(matches!(answer, Answer::Down { .. }), "{answer:?}");
}

#[tokio::test]
async fn a_session_that_was_unlinked_and_came_back_is_told_with_a_gap() {
    let case = ours("whatsapp_web");
    let server = MockServer::start().await;
    let card = json!({"name": "acc-1", "status": "WORKING", "me": {"id": "79031112233@c.us", "pushName": "Ромашка"}});
    for (at, body) in [("/api/sessions/acc-1", card), ("/api/acc-1/chats/overview", json!([]))] {
        Mock::given(method("GET"))
            .and(path(at))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .mount(&server)
            .await;
    }
    let memory = Memory::new(2, &[]);
    let cursor = json!({"since": 1_795_171_000, "status": "SCAN_QR_CODE", "unlinked": true});
    assert!(listen(&case, &server, cursor, &memory).await.is_none());
    let heard = memory.heard.lock();
    assert!(heard[0].events[0].0.starts_with("link:look:WORKING:"), "{heard:?}");
    assert!(heard.iter().any(|heard| heard.gap) && heard.last().unwrap().cursor["unlinked"] == false, "{heard:?}");
}

//! Letters of CRM-marketing, with the clock in the tester's hand: what leaves when, what is held back, and what the portal hears.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard::flow::mailing;
use switchboard::flow::tell::Verdict;
use switchboard::model::clock::{Clock, HandClock};
use switchboard::model::id::MailingId;
use switchboard::model::status::Status;
use switchboard::serve::Role;
use switchboard::store::outbox;

use super::stage::{CUSTOMERS, Stage};

const TEXT: &str =
    "Здравствуйте, {name}! {Скидка|Только для вас скидка} 20% на доставку до конца недели, {{Поле}} и {=Document:ID}.";

/// The pace of the channel: long beside the steps by which the clock goes on while a slow machine settles a call.
const GAP_MS: i64 = 3_000;

/// A server whose clock stands until it is moved, and a hundred customers who wrote to it.
struct Scene {
    stage: Stage,
    clock: Arc<HandClock>,
}

impl Scene {
    async fn set(database: &str, customers: i64) -> Self {
        let clock = Arc::new(HandClock::at(chrono::Utc::now().into()));
        let stage = Stage::at(database, Arc::clone(&clock) as Arc<dyn Clock>, Role::ALL.into()).await;
        stage.install().await;
        let lane = stage.lane("channel").await;
        stage.set_pace_of(lane, GAP_MS).await;
        let scene = Self { stage, clock };
        let first = format!("7999{:07}", CUSTOMERS + 1);
        let more = json!({ "from": first, "count": 100 - CUSTOMERS, "name": "Клиент", "started": true, "window": 24 });
        scene.stage.control("POST", "/_/phones", more).await;
        for n in CUSTOMERS..customers {
            let say = json!({ "messenger": "waba", "text": "Добрый день" });
            scene.stage.control("POST", &format!("/_/phones/{}/say", 79_990_000_001 + n), say).await;
        }
        let company = scene.stage.company;
        let wanted = usize::try_from(customers.max(CUSTOMERS)).unwrap();
        scene
            .until("everybody is known", async || {
                let dialogs =
                    scene.stage.server.app.store.read(move |conn| switchboard::on!(conn, dialog::newest(company, 200)));
                dialogs.await.unwrap().iter().filter(|dialog| dialog.incoming_at.is_some()).count() == wanted
            })
            .await;
        scene
    }

    /// Waits while the clock crawls, a millisecond between two looks: too slow for a gap to pass, yet what the server looks at
    /// again by its clock (a receipt that came in the moment of its call's answer, a transaction that PostgreSQL broke off) is found.
    async fn until(&self, what: &str, look: impl AsyncFnMut() -> bool) {
        self.pass_until(what, 1, look).await;
    }

    /// Moves the clock a little at a time until something has happened.
    async fn pass_until(&self, what: &str, step_ms: i64, mut look: impl AsyncFnMut() -> bool) {
        let end = tokio::time::Instant::now() + Duration::from_mins(4);
        let mut beat = tokio::time::interval(Duration::from_millis(10));
        while !look().await {
            assert!(tokio::time::Instant::now() < end, "not in time: {what}");
            self.clock.advance_ms(step_ms);
            beat.tick().await;
        }
    }

    /// Sends an urgent text to a customer and waits until it has this status; the message.
    async fn urgent(&self, to: &str, text: &str, status: &str) -> Value {
        let asked = json!({ "to": to, "text": text, "urgent": true });
        let id = self.stage.api_with("POST", "/api/v1/messages", asked).await["id"].as_str().unwrap().to_owned();
        let message = async || self.stage.api("GET", &format!("/api/v1/messages/{id}")).await;
        self.until(&format!("the message is {status}"), async || message().await["status"] == status).await;
        message().await
    }

    async fn left(&self) -> usize {
        self.stage.vendor_starts_us("waba", "messages").await.len()
    }

    async fn mailing(&self) -> Value {
        let list = self.stage.api("GET", "/api/v1/mailings").await;
        assert_eq!(list["mailings"].as_array().map(Vec::len), Some(1), "{list}");
        list["mailings"][0].clone()
    }

    /// After the first `before` messages others leave, the next of them at once, until it is `count`: the clock stops with the last one.
    async fn leave(&self, before: usize, count: usize) {
        let lane = self.stage.lane("channel").await;
        let at_rest = async || {
            let look = self.stage.server.app.store.read(move |conn| outbox::look(conn, lane, 10));
            let (waits, flies): (Vec<_>, Vec<_>) = look.await.unwrap().into_iter().partition(|(_, flies, _)| !flies);
            let counts = self.mailing().await["counts"].clone();
            let number = |name: &str| usize::try_from(counts[name].as_i64().unwrap()).unwrap();
            let gone = number("sent") + number("delivered") + number("viewed");
            flies.is_empty() && gone == self.left().await && (waits.len() == 1 || number("pending") == 0)
        };
        self.pass_until("one leaves", 5, async || self.left().await > before).await;
        loop {
            // the clock nearly stands until the call is over and the next message waits: a gap lets exactly one more leave. The feeder
            // that was rung before the commit looks again by this clock
            self.pass_until("nothing is in the air", 5, at_rest).await;
            let left = self.left().await;
            assert!(left <= count, "{left} messages left instead of {count}");
            if left == count {
                return;
            }
            for _ in 0..6 {
                // the beats by which a process keeps its lanes go by this clock too, and by a database that takes its time
                self.clock.advance_ms(GAP_MS / 6);
                self.stage.api("GET", "/api/v1/mailings").await;
            }
            self.until("the next message leaves", async || self.left().await > left).await;
        }
    }

    async fn turn(&self, verb: &str) -> Value {
        let mailing = self.mailing().await["id"].as_str().unwrap().to_owned();
        self.stage.api("POST", &format!("/api/v1/mailings/{mailing}/{verb}")).await
    }

    /// The letter is handed over whole.
    async fn hand_over(&self, count: i64) {
        self.stage.letter(count, TEXT).await;
        let whole = async || {
            let list = self.stage.api("GET", "/api/v1/mailings").await;
            list["mailings"][0]["total"] == count && list["mailings"].as_array().map(Vec::len) == Some(1)
        };
        self.until("the letter is one mailing", whole).await;
    }

    /// How the portal has the messages of the letter.
    async fn in_portal(&self, status: &str) -> usize {
        let letter = self.stage.last_letter().await;
        let told =
            |one: &&Value| one["status"] == status && one["pushed"].as_array().is_some_and(|all| !all.is_empty());
        letter["messages"].as_array().unwrap().iter().filter(told).count()
    }

    /// The calls that told statuses: batches after those of the installation.
    async fn status_calls(&self) -> usize {
        let batches = self.stage.calls("bitrix24", "batch").await;
        let of_status =
            |call: &&Value| call["params"]["cmd"].to_string().contains("messageservice.message.status.update");
        batches.iter().filter(of_status).count()
    }
}

/// How many messages of ours a phone got.
async fn received(stage: &Stage, phone: &str) -> usize {
    let told = stage.control("GET", &format!("/_/phones/{phone}"), Value::Null).await;
    told["messages"].as_array().unwrap().iter().filter(|one| one["direction"] == "received").count()
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_letter_of_a_hundred_is_paused_at_seven_and_stopped_at_twenty(url: &str) {
        let scene = Scene::set(url, 100).await;
        scene.hand_over(100).await;
        scene.leave(0, 7).await;
        let paused = scene.turn("pause").await;
        assert_eq!((&paused["state"], &paused["in_flight"]), (&json!("paused"), &json!(0)));
        scene.clock.advance_ms(600_000);
        let seen = scene.mailing().await;
        assert_eq!((&seen["counts"]["pending"], &seen["eta_at"]), (&json!(93), &Value::Null), "{seen}");
        assert_eq!(scene.left().await, 7);

        assert_eq!(scene.turn("resume").await["state"], "running");
        let seen = scene.mailing().await;
        let (now, eta) = (scene.clock.now().0, seen["eta_at"].as_i64().unwrap());
        assert!((92 * GAP_MS..=94 * GAP_MS).contains(&(eta - now)), "{} ms are forecast", eta - now);
        assert!(seen["handed_at"].as_i64().unwrap() <= now - 600_000, "{seen}");
        scene.leave(7, 20).await;
        let stopped = scene.turn("stop").await;
        assert_eq!((&stopped["state"], &stopped["in_flight"]), (&json!("stopped"), &json!(0)));

        scene.pass_until("the portal knows how each of them ended", 1_000, async || {
            (scene.in_portal("delivered").await, scene.in_portal("failed").await) == (20, 80)
        }).await;
        assert_eq!(scene.left().await, 20, "a message left after the stop");
        let seen = scene.mailing().await;
        assert_eq!((&seen["state"], &seen["total"], &seen["counts"]["not_sent"]), (&json!("stopped"), &json!(100), &json!(80)));
        let ledger = scene.stage.api("GET", &format!("/api/v1/mailings/{}", seen["id"].as_str().unwrap())).await;
        let reason = json!({ "code": "stopped", "reason": "отправка остановлена" });
        let told = ledger["recipients"].as_array().unwrap().iter().filter(|row| row["status"] == "not_sent");
        assert_eq!(told.filter(|row| row["code"] == reason["code"] && row["reason"] == reason["reason"]).count(), 80);
        // Bitrix24 has no reason beside a status: whoever began the letter is told
        let notices = scene.stage.portal().await["notices"].clone();
        let notice = notices.as_array().unwrap().iter().find(|one| one["text"].as_str().unwrap().contains("остановлена"));
        let notice = notice.unwrap_or_else(|| panic!("nobody was told: {notices}"));
        assert!(notice["user"] == 1 && notice["text"].as_str().unwrap().contains("Не отправлено сообщений: 80"), "{notice}");
        scene.stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_handed_over_after_the_stop_is_refused_and_stands_in_the_ledger(url: &str) {
        let scene = Scene::set(url, 0).await;
        scene.hand_over(3).await;
        scene.leave(0, 1).await;
        scene.turn("stop").await;
        scene.stage.letter(2, TEXT).await;
        scene.until("the late rows are in the ledger", async || scene.mailing().await["total"] == 5).await;
        let seen = scene.mailing().await;
        assert_eq!((&seen["state"], &seen["counts"]["not_sent"]), (&json!("stopped"), &json!(4)), "{seen}");
        scene.pass_until("the portal knows", 1_000, async || scene.in_portal("failed").await == 2).await;
        assert_eq!(scene.left().await, 1);
        scene.stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_letter_waits_for_the_hours_of_its_line(url: &str) {
        let scene = Scene::set(url, 0).await;
        let minute = |ms: i64| (ms / 60_000).rem_euclid(1440);
        let now = scene.clock.now().0;
        let (from, to) = (minute(now + 2 * 3_600_000), minute(now + 3 * 3_600_000));
        let hours = json!({ "days": [1, 2, 3, 4, 5, 6, 7], "from_minute": from, "to_minute": to, "zone": "UTC" });
        let line = format!("/api/v1/lines/{}", scene.stage.line);
        scene.stage.api_with("PATCH", &line, json!({ "name": "Продажи", "hours": hours })).await;
        scene.hand_over(2).await;
        let opens = (now + 2 * 3_600_000) / 60_000 * 60_000;
        let eta = scene.mailing().await["eta_at"].as_i64().unwrap();
        assert!((opens..opens + 10_000).contains(&eta), "{eta} is forecast, the line opens at {opens}");
        scene.clock.advance_ms(3_600_000);
        assert_eq!(scene.left().await, 0);
        // an answer of an operator does not ask for hours
        scene.urgent("79990000005", "Перезвоню", "delivered").await;
        assert_eq!(scene.left().await, 1);
        scene.clock.advance_ms(opens - 1_000 - scene.clock.now().0);
        assert_eq!(scene.left().await, 1);
        // a slow machine must not see the hour of the line pass between two looks
        scene.pass_until("the letter leaves when the line opens", 250, async || scene.left().await == 3).await;
        assert!(scene.clock.now().0 >= opens);
        scene.stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_refused_mailings_is_passed_over(url: &str) {
        let scene = Scene::set(url, 0).await;
        let say = async |text: &str| {
            let said = json!({ "messenger": "waba", "text": text });
            scene.stage.control("POST", "/_/phones/79990000002/say", said).await;
            let list = async || scene.stage.api("GET", "/api/v1/messages").await["messages"].to_string().contains(text);
            scene.until("it was heard", list).await;
        };
        say("А стоп-кран у вас есть?").await;
        say("СТОП!").await;
        scene.hand_over(3).await;
        scene.pass_until("the letter is over", GAP_MS, async || scene.mailing().await["state"] == "finished").await;
        scene.pass_until("the portal knows", 1_000, async || {
            (scene.in_portal("delivered").await, scene.in_portal("failed").await) == (2, 1)
        }).await;
        let seen = scene.mailing().await;
        assert_eq!((&seen["counts"]["skipped"], scene.left().await), (&json!(1), 2), "{seen}");
        let ledger = scene.stage.api("GET", &format!("/api/v1/mailings/{}", seen["id"].as_str().unwrap())).await;
        let skipped = ledger["recipients"].as_array().unwrap().iter().find(|row| row["status"] == "skipped").unwrap().clone();
        assert_eq!((&skipped["to"], &skipped["code"]), (&json!("79990000002"), &json!("opted_out")), "{skipped}");
        assert_eq!(received(&scene.stage, "79990000002").await, 0);
        // who wants them again gets them again
        say("Старт").await;
        scene.stage.letter(3, "Совсем другое письмо: приходите на выставку в субботу").await;
        scene.pass_until("everybody gets the next one", GAP_MS, async || scene.left().await == 5).await;
        assert_eq!(received(&scene.stage, "79990000002").await, 1);
        scene.stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_stopped_marketing_at_the_vendor_is_passed_over_from_then_on(url: &str) {
        let scene = Scene::set(url, 0).await;
        let stopped = json!({ "vendor": "waba", "method": "messages", "kind": "refuse", "code": 131_050, "status": 400, "times": 1 });
        scene.stage.control("POST", "/_/faults", stopped).await;
        let refused = scene.urgent("79990000002", "Акция", "error").await;
        assert_eq!(refused["code"], "opted_out", "{refused}");
        scene.hand_over(3).await;
        scene.pass_until("the letter is over", GAP_MS, async || scene.mailing().await["state"] == "finished").await;
        let seen = scene.mailing().await;
        assert_eq!((&seen["counts"]["skipped"], received(&scene.stage, "79990000002").await), (&json!(1), 0), "{seen}");
        scene.stage.clear().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_statuses_of_a_letter_of_a_hundred_cost_ten_calls_beyond_the_fewest() {
    let (_folder, url) = crate::postgres::fresh_sqlite();
    let scene = Scene::set(&url, 100).await;
    scene.hand_over(100).await;
    scene.leave(0, 100).await;
    scene
        .pass_until("the letter is over in the portal", 1_000, async || scene.in_portal("delivered").await == 100)
        .await;
    // a call carries fifty, so a hundred need two
    let calls = scene.status_calls().await;
    assert!(calls <= 2 + 10, "{calls} calls");
    let mut texts = Vec::new();
    for n in 0..100 {
        texts.extend(scene.stage.texts(&(79_990_000_001_i64 + n).to_string()).await);
    }
    assert_eq!(texts.len(), 100);
    assert!(
        texts.iter().all(|text| text.ends_with("20% на доставку до конца недели, {{Поле}} и {=Document:ID}.")),
        "{}",
        texts[0]
    );
    let short = texts.iter().filter(|text| text.contains("! Скидка 20%")).count();
    assert!((1..100).contains(&short), "every message got the same variant");
    scene.stage.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_that_comes_while_a_letter_is_stopped_has_the_last_word() {
    let database = crate::postgres::fresh_database();
    let stage = Stage::set(&database).await;
    stage.letter(1, "Приходите на распродажу").await;
    let in_portal = async || stage.last_letter().await["messages"][0].clone();
    stage.wait_for("the portal has it", |_| async { (in_portal().await["status"] == "delivered").then_some(()) }).await;
    let id: MailingId = stage.only_mailing().await.parse().unwrap();
    let (app, company) = (stage.server.app.clone(), stage.company);
    let mailing = stage.only_mailing().await;
    let recipient = app.store.read(move |conn| switchboard::on!(conn, mailing::rows(id, 10))).await.unwrap()[0].clone();
    let pushed = in_portal().await["pushed"].as_array().unwrap().len();
    stage.sql("UPDATE recipients SET status = 'sent'; UPDATE mailings SET state = 'paused'").await;

    let ((told, tells), (let_go, goes)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel::<()>());
    let (inner, row) = (app.clone(), recipient.id.parse().unwrap());
    let receipt = tokio::spawn(async move {
        let (store, writes) = (inner.store.clone(), inner.clone());
        let accepted = store.write(move |conn| {
            let verdict = Verdict { status: Status::Delivered, code: None, reason: String::new() };
            let now = writes.clock.now();
            let new = mailing::tell(&writes, conn, company, id, row, &verdict, now)?;
            let accepted = outbox::accept(conn, now, &new)?;
            told.send(()).unwrap();
            goes.recv().unwrap();
            Ok(accepted.into_iter().flatten().collect::<Vec<_>>())
        });
        inner.bell.accepted(accepted.await.unwrap());
    });
    tokio::task::spawn_blocking(move || tells.recv().unwrap()).await.unwrap();
    let path = format!("/api/v1/mailings/{mailing}/stop");
    let (stopped, ()) = tokio::join!(stage.api("POST", &path), async {
        stage.somebody_waits_for_a_row("the stop waits for the receipt").await;
        let_go.send(()).unwrap();
    });
    receipt.await.unwrap();
    assert_eq!(stopped["state"], "stopped", "{stopped}");
    let last = stage
        .wait_for("the portal is told once more", |_| async {
            let message = in_portal().await;
            (message["pushed"].as_array().unwrap().len() > pushed).then_some(message)
        })
        .await;
    assert_eq!(last["status"], "delivered", "{last}");
    stage.clear().await;
}

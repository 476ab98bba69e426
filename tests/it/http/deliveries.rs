//! What messengers posted, as it came: kept sealed, shown without secrets, forgotten soon.

use secrecy::SecretString;
use serde_json::{Value, json};
use switchboard::flow::{credentials, delivery};
use switchboard::store::Keyring;

use super::channels::{TOKEN, attach, only_channel, sandbox_with_a_bot};
use crate::rig::{Rig, Tenant};

/// A bot that is attached, and where its deliveries go.
struct Bot {
    rig: Rig,
    tenant: Tenant,
    vendors: switchboard::sandbox::Running,
    channel: String,
    hook: String,
    secret: String,
}

impl Bot {
    async fn start(database: &str, settings: &[(&str, &str)]) -> Self {
        let (vendors, telegram) = sandbox_with_a_bot().await;
        let mut all = vec![("SWITCHBOARD_VENDORS__TELEGRAM_BOT", telegram.as_str())];
        all.extend(settings);
        let rig = Rig::start_with(database, &all).await;
        let tenant = rig.tenant("one.example").await;
        assert_eq!(attach(&rig, &tenant, TOKEN).await.status, 201);
        let channel = only_channel(&rig, &tenant).await["id"].as_str().unwrap().to_owned();
        let (app, id) = (&rig.server.app, channel.parse().unwrap());
        let company = tenant.company;
        let row =
            app.store.read(move |conn| switchboard::on!(conn, channel::by_id(company, id))).await.unwrap().unwrap();
        let secrets = switchboard::flow::credentials::open(app, "channels", &row.id, &row.secrets).unwrap();
        let secrets: Value = serde_json::from_str(secrecy::ExposeSecret::expose_secret(&secrets)).unwrap();
        let secret = secrets["secret"].as_str().unwrap().to_owned();
        Self { hook: format!("/hook/telegram_bot/{}", row.hook_key), rig, tenant, vendors, channel, secret }
    }

    async fn post(&self, secret: &str, body: String) -> u16 {
        let url = format!("{}{}", self.rig.base, self.hook);
        let sent = crate::rig::client().post(url).header("x-telegram-bot-api-secret-token", secret).body(body).send();
        sent.await.unwrap().status().as_u16()
    }

    async fn says(&self, number: i64, text: &str) {
        let body = json!({ "update_id": number, "message": { "message_id": number, "date": 1_795_171_200,
            "chat": { "id": 77, "type": "private" }, "from": { "id": 77, "is_bot": false, "first_name": "Анна" }, "text": text } });
        assert_eq!(self.post(&self.secret, body.to_string()).await, 200);
    }

    async fn list(&self) -> Vec<Value> {
        let reply = self.rig.get(&format!("/api/v1/channels/{}/deliveries", self.channel), &self.tenant.admin).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()["deliveries"].as_array().unwrap().clone()
    }

    async fn show(&self, delivery: &Value) -> Value {
        let path = format!("/api/v1/channels/{}/deliveries/{}", self.channel, delivery["n"]);
        let reply = self.rig.get(&path, &self.tenant.admin).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert!(!reply.text.contains(&self.secret), "{}", reply.text);
        reply.json()
    }

    async fn stop(self) {
        self.rig.server.stop().await;
        self.vendors.stop().await;
    }
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn with_a_new_key_what_was_kept_is_sealed_again_and_the_old_key_may_go(url: &str) {
        let bot = Bot::start(url, &[]).await;
        for number in 1..=3 {
            bot.says(number, "Добрый день").await;
        }
        let store = bot.rig.server.app.store.clone();
        let ring = |keys: &[u8]| {
            let keys = keys.iter().map(|n| SecretString::from(format!("{n}:{}", format!("{n:02}").repeat(32))));
            Keyring::parse(&keys.collect::<Vec<_>>()).unwrap()
        };
        let lost = store.write(move |conn| credentials::reseal(conn, &ring(&[2]))).await.unwrap_err().to_string();
        assert!(lost.contains("put the key that sealed it back"), "{lost}");
        let count = store.write(move |conn| credentials::reseal(conn, &ring(&[2, 1]))).await.unwrap();
        assert!(count >= 4, "{count}");
        let kept = store.read(|conn| switchboard::on!(conn, delivery::sealed_after(0, 10))).await.unwrap();
        assert_eq!(kept.len(), 3);
        for (_, channel, sealed) in kept {
            assert!(ring(&[2]).open(&format!("deliveries:{channel}"), &sealed).is_some(), "{sealed}");
        }
        let others = store.read(|conn| switchboard::on!(conn, sealed::all())).await.unwrap();
        assert!(!others.is_empty());
        for (place, sealed) in others {
            assert!(ring(&[2]).open(&place, &sealed).is_some(), "{place}");
        }
        assert_eq!(store.write(move |conn| credentials::reseal(conn, &ring(&[2, 1]))).await.unwrap(), 0);
        bot.stop().await;
    }

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_messenger_posted_is_kept_sealed_and_shown_without_secrets(database: &str) {
    let bot = Bot::start(database, &[]).await;
    bot.says(1, "Сколько стоит доставка?").await;
    assert_eq!(bot.post(&bot.secret, "{\"update_id\": ".to_owned()).await, 400);
    assert_eq!(bot.post("nobody's", "{}".to_owned()).await, 403);
    let kept = bot.list().await;
    let shown: Vec<_> = kept.iter().map(|one| (one["outcome"].as_str().unwrap(), one["events"].as_i64(), one["cut"].as_bool())).collect();
    assert_eq!(shown, [("unreadable", Some(0), Some(false)), ("taken", Some(1), Some(false))], "whoever proves nothing is not kept");
    let whole = bot.show(&kept[1]).await;
    assert!(whole["body"].as_str().unwrap().contains("Сколько стоит доставка?"), "{whole}");
    assert_eq!((whole["method"].as_str(), whole["binary"].as_bool()), (Some("POST"), Some(false)));
    let header = whole["headers"].as_array().unwrap().iter().find(|one| one["name"] == "x-telegram-bot-api-secret-token");
    assert_eq!(header.unwrap()["value"], "•••");
    // at rest nothing of it can be read
    let app = &bot.rig.server.app;
    let (company, id) = (bot.tenant.company, bot.channel.parse().unwrap());
    let rows = app.store.read(move |conn| switchboard::on!(conn, delivery::of_channel(company, id, i64::MAX, 9))).await.unwrap();
    assert!(rows.iter().all(|row| !row.sealed.contains("update_id") && !row.sealed.contains(&bot.secret)));
    bot.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_old_and_too_many_deliveries_are_forgotten_and_long_ones_cut(database: &str) {
    let bot = Bot::start(database, &[("SWITCHBOARD_KEEP__DELIVERIES", "3"), ("SWITCHBOARD_KEEP__DELIVERY_KB", "1")]).await;
    for number in 1..=5 {
        bot.says(number, "x").await;
    }
    bot.says(6, &"я".repeat(2_000)).await;
    delivery::forget(&bot.rig.server.app).await.unwrap();
    let kept = bot.list().await;
    assert_eq!(kept.len(), 3);
    assert_eq!(kept.iter().map(|one| one["cut"].as_bool().unwrap()).collect::<Vec<_>>(), [true, false, false]);
    assert!(kept[0]["size"].as_i64().unwrap() > 4_000, "{}", kept[0]);
    let body = bot.show(&kept[0]).await["body"].as_str().unwrap().to_owned();
    assert!(body.len() <= 1_024 && body.contains("яяя"), "{}", body.len());
    bot.rig.clock.advance_ms(73 * 3_600_000);
    bot.says(7, "y").await;
    delivery::forget(&bot.rig.server.app).await.unwrap();
    assert_eq!(bot.list().await.len(), 1);
    bot.stop().await;
}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_are_an_administrators_alone_and_are_not_kept_where_the_settings_say_so() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let bot = Bot::start(&database, &[("SWITCHBOARD_KEEP__DELIVERIES", "0")]).await;
    bot.says(1, "x").await;
    assert!(bot.list().await.is_empty());
    let other = bot.rig.tenant("other.example").await;
    for rest in ["", "/1"] {
        let path = format!("/api/v1/channels/{}/deliveries{rest}", bot.channel);
        assert_eq!(bot.rig.get(&path, &other.admin).await.status, 404, "{path}");
        assert_eq!(bot.rig.get(&path, &bot.tenant.operator).await.status, 403, "{path}");
    }
    bot.stop().await;
}

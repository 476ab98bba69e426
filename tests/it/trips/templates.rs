//! Templates of WhatsApp Business end to end: listed, filled in, held against what the vendor keeps, and changed by its word.

use serde_json::{Value, json};
use switchboard::flow::receive;
use switchboard::model::id::ChannelId;
use switchboard::model::message::Event;

use super::stage::Stage;

const PHONE: &str = "79990000001";

async fn waba(stage: &Stage) -> String {
    stage.api("GET", "/api/v1/channels").await["channels"][0]["id"].as_str().unwrap().to_owned()
}

/// Meta tells something of a template; it is worked as the feeder works it.
async fn told(stage: &Stage, channel: &str, event: Event) {
    let (app, id): (_, ChannelId) = (stage.server.app.clone(), channel.parse().unwrap());
    let worked = stage.server.app.store.write(move |conn| {
        let row = switchboard::on!(conn, channel::whosever(id))?.unwrap();
        receive::work(&app, conn, &row, &event, app.clock.now()).map(|_| ())
    });
    worked.await.unwrap();
}

async fn refused(stage: &Stage, message: Value) -> (String, String) {
    let (_, reply) = stage.api_reply("POST", "/api/v1/messages", message).await;
    let error = &reply["error"];
    (error["code"].as_str().unwrap_or_default().to_owned(), error["field"].as_str().unwrap_or_default().to_owned())
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_template_is_listed_filled_in_and_held_against_what_the_vendor_keeps(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = waba(&stage).await;
        let path = format!("/api/v1/channels/{channel}/templates");
        let empty = stage.api("GET", &path).await;
        assert_eq!((&empty["synced_at"], &empty["templates"]), (&Value::Null, &json!([])));
        let listed = stage.api_with("POST", &format!("{path}/sync"), json!({})).await;
        let names: Vec<_> = listed["templates"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["greeting", "order_update_v1"]);
        assert_eq!(stage.api("GET", &path).await, listed);

        let made = stage.upload("Счёт.pdf", "application/pdf", b"%PDF-1.7".to_vec()).await;
        let template = json!({ "name": "order_update_v1", "language": "ru", "named": { "customer_name": "Анна", "order_id": "42" },
            "file": { "source": made["source"] }, "buttons": [{ "index": 1, "value": "42" }] });
        let message = |template: Value| json!({ "to": PHONE, "channel": channel, "urgent": true, "template": template });
        stage.sent(message(template.clone()), "delivered").await;
        let texts = stage.texts(PHONE).await;
        assert!(texts.last().unwrap().starts_with("Здравствуйте, Анна! Заказ 42 готов."), "{texts:?}");

        for (change, value, code) in [
            ("name", json!("unknown"), "template_not_found"),
            ("name", json!("order\u{0}"), "template_not_found"),
            ("language", json!("en"), "template_not_found"),
            ("named", json!({ "customer_name": "Анна" }), "template_bad"),
            ("file", Value::Null, "template_bad"),
            ("buttons", json!([]), "template_bad"),
        ] {
            let mut template = template.clone();
            template[change] = value;
            assert_eq!(refused(&stage, message(template)).await, (code.to_owned(), "template".to_owned()), "{change}");
        }
        let mut both = message(template.clone());
        both["text"] = json!("и текст");
        assert_eq!(refused(&stage, both).await.0, "template_bad");

        let named = || ("order_update_v1".to_owned(), "ru".to_owned());
        let (name, language) = named();
        told(&stage, &channel, Event::TemplateRated { name, language, quality: Some("RED".into()), category: Some("MARKETING".into()) }).await;
        let (name, language) = named();
        told(&stage, &channel, Event::Template { name, language, state: "PAUSED".into(), reason: Some("low quality".into()) }).await;
        let card = stage.api("GET", &path).await["templates"][1].clone();
        let told_of = ["status", "quality", "category", "reason"].map(|name| card[name].as_str().unwrap_or_default().to_owned());
        assert_eq!(told_of, ["PAUSED", "RED", "MARKETING", "low quality"]);
        assert_eq!(refused(&stage, message(template.clone())).await.0, "template_off");
        let (name, language) = named();
        told(&stage, &channel, Event::Template { name, language, state: "REINSTATED".into(), reason: None }).await;
        assert_eq!(stage.api("GET", &path).await["templates"][1]["reason"], Value::Null);
        stage.sent(message(template), "delivered").await;
        stage.clear().await;
    }
}

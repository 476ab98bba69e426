//! Letters about what is no loss of a channel: a bot that another program took over, templates and applications of VK Notify.

use serde_json::json;
use switchboard::flow::{herald, notice, overtaken};
use switchboard::model::id::ChannelId;
use switchboard::model::result::Code;

use super::channels::{TOKEN, attach, only_channel, sandbox_with_a_bot};
use super::post_office::PostOffice;
use crate::rig::Rig;

const HOUR_MS: i64 = 3_600_000;

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_that_another_program_took_over_is_told_of_once_a_day(database: &str) {
    let (vendors, telegram) = sandbox_with_a_bot().await;
    let post = PostOffice::open().await;
    let settings = [post.settings().as_slice(), &[("SWITCHBOARD_VENDORS__TELEGRAM_BOT", &telegram)]].concat();
    let rig = Rig::start_with(database, &settings).await;
    let tenant = rig.tenant("one.example").await;
    assert_eq!(attach(&rig, &tenant, TOKEN).await.status, 201);
    let look = async || {
        overtaken::round(&rig.server.app).await.unwrap();
        herald::round(&rig.server.app).await.unwrap();
    };
    look().await;
    assert_eq!(only_channel(&rig, &tenant).await["health"]["error"], json!(null), "Telegram posts to us");
    let stolen = crate::rig::client().post(format!("{telegram}/bot{TOKEN}/setWebhook"));
    let stolen = stolen.json(&json!({ "url": "https://other.example/secret-path" })).send().await.unwrap();
    assert!(stolen.status().is_success());
    for _ in 0..2 {
        look().await;
    }
    let seen = only_channel(&rig, &tenant).await;
    let error = &seen["health"]["error"];
    assert_eq!((&error["code"], &error["text"], &seen["state"]), (&json!("webhook_taken"), &json!("other.example"), &json!("connected")));
    let letters = post.letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0].subject.starts_with("Канал не получает сообщения"), "{letters:?}");
    assert!(letters[0].text.contains("other.example") && !letters[0].text.contains("secret-path"), "{letters:?}");
    rig.clock.advance_ms(25 * HOUR_MS);
    look().await;
    assert_eq!(post.letters().len(), 2, "it is told again the next day");
    // attached again it is ours again
    assert_eq!(attach(&rig, &tenant, TOKEN).await.status, 201);
    rig.clock.advance_ms(25 * HOUR_MS);
    look().await;
    assert_eq!(post.letters().len(), 2);
    rig.server.stop().await;
    vendors.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_looks_after_vk_notify_is_written_to(database: &str) {
    let post = PostOffice::open().await;
    let rig = Rig::start_with(database, &post.settings()).await;
    let tenant = rig.tenant("one.example").await;
    let (channel, _) = rig.channel_of(&tenant, "vk_notify", "devino/romashka").await;
    let (other, _) = rig.channel(&tenant, "100").await;
    let sql = format!("UPDATE channels SET settings = '{{\"email\": \"boss@romashka.example\"}}' WHERE id IN ('{channel}', '{other}')");
    rig.server.app.store.write(move |conn| conn.batch(&sql)).await.unwrap();
    let company = tenant.company;
    let refused = async |channel: ChannelId, template: &'static str, code: Code| {
        let app = rig.server.app.clone();
        let told = rig.server.app.store.write(move |conn| {
            notice::template_refused(&app, conn, (company, channel), template, (code, "template is paused"), app.clock.now())
        });
        told.await.unwrap();
        herald::round(&rig.server.app).await.unwrap();
    };
    refused(channel, "order_ready", Code::Refused).await;
    refused(other, "order_ready", Code::TemplateBad).await;
    assert!(post.letters().is_empty(), "only templates, and only of VK Notify");
    for template in ["order_ready", "order_ready", "order_sent"] {
        refused(channel, template, Code::TemplateBad).await;
    }
    let letters = post.letters();
    assert_eq!(letters.len(), 2, "once a day for each template: {letters:?}");
    assert!(letters.iter().all(|letter| letter.to == "boss@romashka.example" && letter.text.contains("template is paused")), "{letters:?}");
    rig.clock.advance_ms(25 * HOUR_MS);
    refused(channel, "order_ready", Code::TemplateBad).await;
    assert_eq!(post.letters().len(), 3);

    // an application goes its way: the administrators hear of its news, and so does the channel's address
    let form = json!({
        "edo": false, "edo_id": "", "edo_operator": "", "legal_form": "ooo", "company_name": "Ромашка", "inn": "7707083893",
        "ogrn": "1027700132195", "kpp": "773601001", "address": "117997, Москва, ул. Вавилова, д. 19",
        "signer_position": "Генеральный директор", "signer_name": "Иванов Иван Иванович", "signer_basis": "Устава",
    });
    let made = rig.post("/api/v1/applications", &tenant.admin, form).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let path = format!("/api/v1/applications/{}/move", made.json()["id"].as_str().unwrap());
    let before = post.letters().len();
    for stage in ["sent", "checked", "refused"] {
        let body = json!({ "to": stage, "reason": "Нет доверенности" });
        assert_eq!(rig.post(&path, &tenant.admin, body).await.status, 200);
        herald::round(&rig.server.app).await.unwrap();
    }
    let told: Vec<(String, String)> = post.letters()[before..].iter().map(|letter| (letter.to.clone(), letter.subject.clone())).collect();
    assert_eq!(told.len(), 4, "{told:?}");
    for subject in ["Заявка № 1 на VK Notify проверена, ждём решения", "Заявка № 1 на VK Notify отклонена"] {
        for to in ["boss@romashka.example", "admin@one.example"] {
            assert!(told.contains(&(to.to_owned(), subject.to_owned())), "{to} {subject}: {told:?}");
        }
    }
    assert!(post.letters().last().unwrap().text.contains("Причина: Нет доверенности."));
    rig.server.stop().await;
}
}

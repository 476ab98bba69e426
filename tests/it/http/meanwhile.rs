//! A mailing goes on while a stranger of it is held back.

use serde_json::json;
use switchboard::loops::feeder;
use switchboard::model::id::{ChannelId, ContactId, DialogId, MailingId, RecipientId};
use switchboard::model::message::Peer;
use switchboard::store::row::{ContactRow, DialogRow, MailingRow, RecipientRow};

use crate::rig::{Rig, START, Tenant};

const STRANGERS: [&str; 2] = ["79990000001", "79990000002"];
const KNOWN: [&str; 2] = ["79990000003", "79990000004"];

/// A mailing to two strangers, two people who wrote before, and one more stranger.
async fn mailing(rig: &Rig, tenant: &Tenant, channel: ChannelId, lane: i64) -> MailingId {
    let id = MailingId::new();
    let (company, now) = (tenant.company.to_string(), START.0);
    let row = MailingRow {
        id: id.to_string(),
        company: company.clone(),
        channel: channel.to_string(),
        lane,
        title: "Новости".to_owned(),
        state: "running".to_owned(),
        portal: None,
        sender_code: None,
        author: None,
        shape: None,
        last_row_at: now,
        created_at: now,
    };
    let written = rig.server.app.store.write(move |conn| {
        switchboard::on!(conn, mailing::create(&row))?;
        for phone in KNOWN {
            let contact = ContactRow {
                id: ContactId::new().to_string(),
                company: company.clone(),
                name: phone.to_owned(),
                phone: Some(phone.to_owned()),
                username: None,
                created_at: now,
            };
            let dialog = DialogRow {
                id: DialogId::new().to_string(),
                company: company.clone(),
                channel: channel.to_string(),
                contact: Some(contact.id.clone()),
                chat: format!("5{phone}"),
                title: phone.to_owned(),
                is_group: false,
                allowed: true,
                incoming_at: None,
                created_at: now,
                thread: None,
                led_at: None,
                free_until: None,
            };
            switchboard::on!(conn, dialog::create_contact(&contact))?;
            switchboard::on!(conn, dialog::create(&dialog))?;
        }
        for phone in STRANGERS.iter().chain(&KNOWN).chain(&["79990000005"]) {
            let recipient = RecipientRow {
                id: RecipientId::new().to_string(),
                company: company.clone(),
                mailing: id.to_string(),
                peer: serde_json::to_string(&Peer::Phone((*phone).to_owned())).unwrap(),
                content: json!({ "text": "Здравствуйте" }).to_string(),
                status: "pending".to_owned(),
                code: None,
                reason: None,
                message: None,
                vendor_message: None,
                accepted_at: now,
                sent_at: None,
            };
            switchboard::on!(conn, mailing::add(&recipient))?;
        }
        Ok(())
    });
    written.await.unwrap();
    id
}

/// Whom the outbox waits to write to, in their order.
async fn in_outbox(rig: &Rig, lane: i64) -> Vec<String> {
    let look = rig.server.app.store.read(move |conn| switchboard::store::outbox::look(conn, lane, 100));
    let mut peers: Vec<String> = look.await.unwrap().into_iter().map(|(errand, ..)| errand.peer).collect();
    peers.sort();
    peers
}

/// Everything that waits for somebody is held back for so long.
async fn hold(rig: &Rig, peer: &str, for_ms: i64) {
    let until = START.0 + for_ms;
    let sql = format!("UPDATE errands SET not_before = {until} WHERE peer LIKE '%{peer}%'");
    rig.server.app.store.write(move |conn| conn.batch(&sql)).await.unwrap();
}

async fn feed(rig: &Rig) {
    while feeder::round(&rig.server.app).await.unwrap() {}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_who_is_held_back_does_not_hold_those_who_are_none(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let (channel, lane) = rig.channel_of(&tenant, "telegram", "1").await;
    // nothing leaves meanwhile
    assert_eq!(rig.post(&format!("/api/v1/lanes/{lane}/pause"), &tenant.admin, json!({})).await.status, 204);
    let mailing = mailing(&rig, &tenant, channel, lane).await;
    feed(&rig).await;
    assert_eq!(in_outbox(&rig, lane).await, [STRANGERS[0]], "one row at a time");
    // a short pause is no reason to let others go first
    hold(&rig, STRANGERS[0], 30_000).await;
    feed(&rig).await;
    assert_eq!(in_outbox(&rig, lane).await, [STRANGERS[0]]);
    hold(&rig, STRANGERS[0], 180_000).await;
    feed(&rig).await;
    assert_eq!(in_outbox(&rig, lane).await, [STRANGERS[0], KNOWN[0]], "the next stranger stays in the ledger");
    hold(&rig, KNOWN[0], 180_000).await;
    feed(&rig).await;
    hold(&rig, KNOWN[1], 180_000).await;
    feed(&rig).await;
    assert_eq!(in_outbox(&rig, lane).await, [STRANGERS[0], KNOWN[0], KNOWN[1]], "nobody is left but strangers");
    let company = tenant.company;
    let state = rig.server.app.store.read(move |conn| switchboard::on!(conn, mailing::by_id(company, mailing)));
    assert_eq!(state.await.unwrap().unwrap().state, "running", "what is held back is not over");
    // a pause acts at once on all of them
    assert_eq!(rig.post(&format!("/api/v1/mailings/{mailing}/pause"), &tenant.operator, json!({})).await.status, 200);
    assert!(in_outbox(&rig, lane).await.is_empty());
    rig.server.stop().await;
}
}

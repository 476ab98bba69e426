//! Customers of WhatsApp Business who hide their phones: one person is one dialog, whatever Meta calls him.

use switchboard::flow::receive;
use switchboard::model::id::ChannelId;
use switchboard::model::message::{Event, Incoming, Person};

use crate::rig::{Rig, START};

const PHONE: &str = "79161234567";
const NAME: &str = "RU.81203344556677889900";

async fn comes(rig: &Rig, channel: ChannelId, event: Event) {
    let app = rig.server.app.clone();
    let worked = rig.server.app.store.write(move |conn| {
        let row = switchboard::on!(conn, channel::whosever(channel))?.unwrap();
        receive::work(&app, conn, &row, &event, START).map(|_| ())
    });
    worked.await.unwrap();
}

/// A message of the customer, with his phone or without.
fn says(id: &str, phone: Option<&str>, text: &str) -> Event {
    let chat = phone.unwrap_or(NAME).to_owned();
    let from = Person {
        name: Some("Анна".to_owned()),
        phone: phone.map(str::to_owned),
        vendor_id: Some(NAME.to_owned()),
        username: None,
    };
    Event::Message(Box::new(Incoming {
        vendor_id: id.to_owned(),
        chat,
        group: false,
        title: None,
        from,
        at: START,
        text: Some(text.to_owned()),
        media: Vec::new(),
        place: None,
        reply_to: None,
        ours: false,
        note: None,
        payload: None,
        referral: std::collections::BTreeMap::new(),
    }))
}

/// The chats of the dialogs, and in which chat each message is, oldest first.
async fn chats(rig: &Rig, company: switchboard::model::id::CompanyId) -> (Vec<String>, Vec<String>) {
    let read = rig.server.app.store.read(move |conn| {
        let dialogs = switchboard::on!(conn, dialog::newest(company, 100))?;
        let messages = switchboard::on!(conn, message::newest(company, 100))?;
        Ok((dialogs, messages))
    });
    let (dialogs, messages) = read.await.unwrap();
    let messages = messages.into_iter().rev().map(|row| row.chat).collect();
    (dialogs.into_iter().map(|dialog| dialog.chat).collect(), messages)
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hides_the_phone_later_goes_on_in_the_same_dialog(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let (channel, _) = rig.channel(&tenant, "100").await;
    comes(&rig, channel, says("1", Some(PHONE), "с телефоном")).await;
    comes(&rig, channel, says("2", None, "без телефона")).await;
    assert_eq!(chats(&rig, tenant.company).await, (vec![PHONE.to_owned()], vec![PHONE.to_owned(); 2]));
    // the number is changed, and hidden again: the dialog goes along
    comes(&rig, channel, Event::Moved { from: PHONE.to_owned(), to: "79167654321".to_owned() }).await;
    comes(&rig, channel, says("3", None, "после смены номера")).await;
    let (dialogs, messages) = chats(&rig, tenant.company).await;
    assert_eq!((dialogs, messages.last().map(String::as_str)), (vec!["79167654321".to_owned()], Some("79167654321")));
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shows_the_phone_later_brings_the_dialog_along(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let (channel, _) = rig.channel(&tenant, "100").await;
    comes(&rig, channel, says("1", None, "без телефона")).await;
    assert_eq!(chats(&rig, tenant.company).await, (vec![NAME.to_owned()], vec![NAME.to_owned()]));
    comes(&rig, channel, says("2", Some(PHONE), "с телефоном")).await;
    assert_eq!(chats(&rig, tenant.company).await, (vec![PHONE.to_owned()], vec![PHONE.to_owned(); 2]));
    let company = tenant.company;
    let dialog = rig.server.app.store.read(move |conn| switchboard::on!(conn, dialog::newest(company, 1))).await.unwrap();
    assert!(dialog[0].contact.is_some() && dialog[0].incoming_at.is_some());
    rig.server.stop().await;
}
}

//! Receipts come in any order, more than once, and before the message that they speak of.

use serde_json::json;
use switchboard::flow::{echo, receipt};
use switchboard::model::id::{ChannelId, MessageId};
use switchboard::model::message::Receipt;
use switchboard::model::result::Code;
use switchboard::model::status::Status;
use switchboard::store::row::MessageRow;

use crate::rig::{Rig, START};

const WORDS: [Status; 4] = [Status::Sent, Status::Delivered, Status::Viewed, Status::Error];

fn said(vendor_id: &str, status: Status) -> Receipt {
    let error = (status == Status::Error).then(|| (Code::Refused, "the vendor's reason".to_owned()));
    Receipt { vendor_id: vendor_id.to_owned(), key: None, status, at: START.plus_ms(status.to_db().into()), error }
}

fn row(company: &str, channel: ChannelId, chat: &str, vendor_id: Option<&str>, status: Status) -> MessageRow {
    MessageRow {
        id: MessageId::new().to_string(),
        company: company.to_owned(),
        channel: channel.to_string(),
        chat: chat.to_owned(),
        outgoing: true,
        status: status.to_db(),
        vendor_id: vendor_id.map(str::to_owned),
        content: json!({ "text": "x" }).to_string(),
        origin: json!({ "by": "nobody" }).to_string(),
        code: None,
        reason: None,
        accepted_at: START.0,
        sent_at: Some(START.0),
        delivered_at: None,
        viewed_at: None,
    }
}

/// Every order of these words.
fn orders(words: &[Status]) -> Vec<Vec<Status>> {
    if words.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, first) in words.iter().enumerate() {
        let rest = [&words[..at], &words[at + 1..]].concat();
        all.extend(orders(&rest).into_iter().map(|rest| [vec![*first], rest].concat()));
    }
    all
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn receipts_in_any_order_and_before_their_message_end_in_the_same_state(database: &str) {
        let rig = Rig::start(database).await;
        let tenant = rig.tenant("one.example").await;
        let (channel, _) = rig.channel(&tenant, "1").await;
        let company = tenant.company.to_string();
        let mut number = 0;
        for words in [&WORDS[..3], &WORDS[..]] {
            let mut ends = std::collections::BTreeSet::new();
            for order in orders(words) {
                // the message is entered before, between or after its receipts
                for entered_at in 0..=order.len() {
                    number += 1;
                    let (app, company, order) = (rig.server.app.clone(), company.clone(), order.clone());
                    let end = rig.server.app.store.write(move |conn| {
                        let name = format!("m{number}");
                        let entered = row(&company, channel, "5", Some(&name), Status::Sent);
                        for (at, word) in order.iter().map(Some).chain([None]).enumerate() {
                            if at == entered_at {
                                switchboard::on!(conn, message::enter(std::slice::from_ref(&entered)))?;
                                receipt::apply_early(&app, conn, channel, std::slice::from_ref(&name), START)?;
                            }
                            // each of them twice
                            for word in word.into_iter().chain(word) {
                                receipt::apply(&app, conn, channel, &said(&name, *word), START)?;
                            }
                        }
                        switchboard::on!(conn, message::by_vendor_id(channel, &name))
                    });
                    ends.insert(end.await.unwrap().unwrap().status);
                }
            }
            assert_eq!(ends.into_iter().collect::<Vec<_>>(), [Status::Viewed.to_db()]);
        }
        rig.server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_mark_reads_everything_up_to_a_message_and_nothing_else(database: &str) {
        let rig = Rig::start(database).await;
        let tenant = rig.tenant("one.example").await;
        let (channel, _) = rig.channel(&tenant, "1").await;
        let (other, _) = rig.channel(&tenant, "2").await;
        let (app, company) = (rig.server.app.clone(), tenant.company.to_string());
        let seen = rig.server.app.store.write(move |conn| {
            let of = |channel, chat, name| row(&company, channel, chat, Some(name), Status::Sent);
            let rows = [
                of(channel, "5", "5_9"),
                of(channel, "5", "5_10"),
                of(channel, "5", "5_11"),
                of(channel, "6", "6_1"),
                of(other, "5", "5_8"),
                row(&company, channel, "5", None, Status::Unknown),
            ];
            switchboard::on!(conn, message::enter(&rows))?;
            for _ in 0..2 {
                echo::read(&app, conn, channel, "5", 10, START.plus_ms(7), START)?;
            }
            let mut seen = Vec::new();
            for (channel, name) in [(channel, "5_9"), (channel, "5_10"), (channel, "5_11"), (channel, "6_1"), (other, "5_8")] {
                let row = switchboard::on!(conn, message::by_vendor_id(channel, name))?.unwrap();
                seen.push((name, Status::from_db(row.status), row.viewed_at));
            }
            Ok(seen)
        });
        let viewed = Some(START.0 + 7);
        assert_eq!(seen.await.unwrap(), [
            ("5_9", Status::Viewed, viewed),
            ("5_10", Status::Viewed, viewed),
            ("5_11", Status::Sent, None),
            ("6_1", Status::Sent, None),
            ("5_8", Status::Sent, None),
        ]);
        rig.server.stop().await;
    }
}

//! Receipts come in any order, more than once, and before the message that they speak of.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;
use switchboard::app::App;
use switchboard::flow::{echo, receipt, receive, settle};
use switchboard::model::errand::{Errand, NewErrand, Rank, Work};
use switchboard::model::id::{ChannelId, MessageId};
use switchboard::model::message::{Content, Event, Incoming, Outgoing, Peer, Person, Receipt};
use switchboard::model::origin::Origin;
use switchboard::model::result::Code;
use switchboard::model::status::Status;
use switchboard::model::vendor::Answer;
use switchboard::store::Conn;
use switchboard::store::outbox::{self, Want};
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

/// One word of a vendor about one of the messages of a story.
type Word = (usize, Status);

/// Messages of one story at most.
const MESSAGES: usize = 3;

/// A story: what a vendor says, and twice how it comes: the order with repetitions, and after how many words each message is
/// entered. A message whose call ended without an answer is unknown, and only our key in the receipts names it.
#[derive(Debug, Clone)]
struct Story {
    unknown: [bool; MESSAGES],
    tellings: [Telling; 2],
}

#[derive(Debug, Clone)]
struct Telling {
    words: Vec<Word>,
    entered_after: [usize; MESSAGES],
}

fn any_story() -> impl Strategy<Value = Story> {
    let word = (0..MESSAGES, prop::sample::select(WORDS.to_vec()));
    (prop::collection::vec(word, 0..8), any::<[bool; MESSAGES]>()).prop_flat_map(|(words, unknown)| {
        let telling = move || {
            let repeated = prop::collection::vec(1..3_usize, words.len());
            let words = words.clone();
            let all = repeated.prop_map(move |times| {
                let again = words.iter().zip(times).flat_map(|(word, times)| std::iter::repeat_n(*word, times));
                again.collect::<Vec<Word>>()
            });
            (all.prop_shuffle(), [0..9_usize, 0..9, 0..9])
                .prop_map(|(words, entered_after)| Telling { words, entered_after })
        };
        [telling(), telling()].prop_map(move |tellings| Story { unknown, tellings })
    })
}

/// What is left of a message when everything was said.
type End = (Status, Option<String>, Option<String>, [Option<i64>; 3]);

fn end_of(row: &MessageRow) -> End {
    let moments = [row.sent_at, row.delivered_at, row.viewed_at];
    (Status::from_db(row.status), row.code.clone(), row.reason.clone(), moments)
}

/// Tells a story to the database, inside one transaction.
fn tell(
    app: &App,
    conn: &mut Conn,
    company: &str,
    channel: ChannelId,
    (unknown, telling): ([bool; MESSAGES], &Telling),
) -> switchboard::store::Result<Vec<End>> {
    let rows: Vec<MessageRow> = (0..MESSAGES)
        .map(|n| {
            let name = MessageId::new().to_string();
            let (vendor_id, status, sent_at) =
                if unknown[n] { (None, Status::Unknown, None) } else { (Some(&*name), Status::Sent, Some(START.0)) };
            MessageRow { sent_at, ..row(company, channel, "5", vendor_id, status) }
        })
        .collect();
    // the vendor names a message as its own, and tells our key with it
    let name = |n: usize| rows[n].vendor_id.clone().unwrap_or_else(|| format!("vendor-{}", rows[n].id));
    for at in 0..=telling.words.len() {
        for n in (0..MESSAGES).filter(|n| telling.entered_after[*n].min(telling.words.len()) == at) {
            switchboard::on!(conn, message::enter(std::slice::from_ref(&rows[n])))?;
            let kept = if unknown[n] { receipt::kept_name(&rows[n].id) } else { name(n) };
            receipt::apply_early(app, conn, channel, &[kept], START)?;
        }
        if let Some((n, word)) = telling.words.get(at) {
            let said = Receipt { key: unknown[*n].then(|| rows[*n].id.clone()), ..said(&name(*n), *word) };
            receipt::apply(app, conn, channel, &said, START)?;
        }
    }
    let mut ends = Vec::new();
    for row in &rows {
        let id: MessageId = row.id.parse().unwrap();
        ends.push(end_of(&switchboard::on!(conn, message::of_channel(channel, id))?.unwrap()));
    }
    Ok(ends)
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn however_receipts_come_the_message_ends_the_same(database: &str) {
        let rig = Rig::start(database).await;
        let tenant = rig.tenant("one.example").await;
        let (channel, _) = rig.channel(&tenant, "1").await;
        let (app, company) = (rig.server.app.clone(), tenant.company.to_string());
        let config = ProptestConfig { failure_persistence: None, cases: 150, ..ProptestConfig::default() };
        let here = tokio::runtime::Handle::current();
        let told = |story: Story| {
            let (inner, company, told) = (app.clone(), company.clone(), story.clone());
            let ends = here.block_on(app.store.write(move |conn| {
                let mut ends = Vec::new();
                for telling in &told.tellings {
                    ends.push(tell(&inner, conn, &company, channel, (told.unknown, telling))?);
                }
                Ok(ends)
            })).unwrap();
            prop_assert_eq!(&ends[0], &ends[1]);
            for (n, (status, code, reason, moments)) in ends[0].iter().enumerate() {
                let words = || story.tellings[0].words.iter().filter(|(of, _)| *of == n).map(|(_, word)| *word);
                let start = if story.unknown[n] { Status::Unknown } else { Status::Sent };
                prop_assert_eq!(*status, words().fold(start, Status::after));
                prop_assert_eq!(code.is_some(), *status == Status::Error);
                prop_assert_eq!(reason.is_some(), *status == Status::Error);
                // each moment is known where the word for it came, whatever came before it
                for (word, moment) in [Status::Delivered, Status::Viewed].into_iter().zip(&moments[1..]) {
                    let at = words().any(|said| said == word).then(|| START.plus_ms(word.to_db().into()).0);
                    prop_assert_eq!(*moment, at);
                }
            }
            Ok(())
        };
        tokio::task::block_in_place(|| {
            TestRunner::new(config).run(&any_story(), told).unwrap_or_else(|error| panic!("{error}"));
        });
        rig.server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_receipt_that_was_faster_than_a_call_without_an_answer_settles_it(database: &str) {
        let rig = Rig::start(database).await;
        let tenant = rig.tenant("one.example").await;
        let (channel, lane) = rig.channel(&tenant, "1").await;
        let app = rig.server.app.clone();
        for (words, told, ends) in [
            (&[Status::Sent, Status::Delivered][..], Some(Status::Delivered), Status::Delivered),
            (&[Status::Error][..], Some(Status::Error), Status::Error),
            (&[][..], None, Status::Unknown),
        ] {
            let id = MessageId::new();
            let outgoing = Outgoing {
                key: id.to_string(),
                to: Peer::Chat("5".into()),
                names: None,
                content: Content { text: Some("x".into()), ..Content::default() },
                reply_to: None,
                window_until: None,
                thread: None,
            };
            let errand = Errand {
                id: 1,
                company: tenant.company,
                lane,
                rank: switchboard::model::errand::Rank::Service,
                peer: "5".into(),
                work: Work::Send { channel, outgoing: Box::new(outgoing), message: id },
                origin: Origin::Nobody,
                accepted_at: START,
                expires_at: None,
                attempts: 1,
            };
            let inner = app.clone();
            let row = app.store.write(move |conn| {
                for word in words {
                    let said = Receipt { key: Some(id.to_string()), ..said(&format!("wamid-{id}"), *word) };
                    receipt::apply(&inner, conn, channel, &said, START)?;
                }
                let answer = Answer::Unsure { seen: "no answer".into(), resendable: false };
                settle::settle(&inner, conn, &[settle::Over { errand: &errand, answer: &answer, ours: true }], START)?;
                switchboard::on!(conn, message::of_channel(channel, id))
            });
            let row = row.await.unwrap().unwrap();
            assert_eq!(Status::from_db(row.status), ends);
            assert_eq!(row.delivered_at, (told == Some(Status::Delivered)).then_some(START.0 + 2));
            let code = match ends {
                Status::Unknown => Some("unknown"),
                Status::Error => Some("refused"),
                _ => None,
            };
            assert_eq!(row.code.as_deref(), code);
        }
        rig.server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_message_that_was_taken_without_a_name_gets_it_from_its_echo_whenever_that_comes(database: &str) {
        let rig = Rig::start(database).await;
        let tenant = rig.tenant("one.example").await;
        let (channel, lane) = rig.channel(&tenant, "1").await;
        let row = rig.server.app.store.read(move |conn| switchboard::on!(conn, channel::whosever(channel)));
        let row = row.await.unwrap().unwrap();
        rig.server.app.store.write(|conn| switchboard::on!(conn, owner::enter("me"))).await.unwrap();
        let want = Want { lane, live: false, ranks: (0, 3), after: (-1, 0), limit: 10, blocked: vec![], ready: vec![] };
        for (number, echo_first) in [(1, true), (2, false)] {
            let id = MessageId::new();
            let outgoing = Outgoing {
                key: id.to_string(),
                to: Peer::Phone("79990000001".into()),
                names: None,
                content: Content { text: Some(format!("Заказ {number}")), ..Content::default() },
                reply_to: None,
                window_until: None,
                thread: None,
            };
            let work = Work::Send { channel, outgoing: Box::new(outgoing), message: id };
            let new = NewErrand {
                company: tenant.company,
                lane,
                rank: Rank::Service,
                peer: "79990000001".into(),
                work,
                origin: Origin::Nobody,
                not_before: None,
                expires_at: None,
                dedup_key: None,
                merge_key: None,
            };
            let echo = |to: &str, name: &str| Event::Message(Box::new(Incoming {
                vendor_id: name.to_owned(),
                chat: name[..1].to_owned(),
                group: false,
                title: None,
                from: Person { phone: Some(to.to_owned()), ..Person::default() },
                at: START,
                text: Some(format!("Заказ {number}")),
                media: Vec::new(),
                place: None,
                reply_to: None,
                ours: true,
                note: None,
                payload: None,
                referral: std::collections::BTreeMap::new(),
            }));
            let (ours, others) = (echo("79990000001", &format!("5_{number}")), echo("79990000002", &format!("6_{number}")));
            let (app, row, company, want) = (rig.server.app.clone(), row.clone(), tenant.company, want.clone());
            let ended = rig.server.app.store.write(move |conn| {
                outbox::accept(conn, START, std::slice::from_ref(&new))?;
                let claim = format!("claim {number}");
                let errand = outbox::claim(conn, "me", &claim, START, std::slice::from_ref(&want), false)?.remove(0);
                let answer = Answer::Done { vendor_ids: Vec::new(), chat: Some("5".into()) };
                let over = settle::Over { errand: &errand, answer: &answer, ours: true };
                // the owner writes the same to somebody else on the phone
                receive::work(&app, conn, &row, &others, START)?;
                if echo_first {
                    receive::work(&app, conn, &row, &ours, START)?;
                }
                settle::settle(&app, conn, &[over], START)?;
                outbox::remove(conn, &[errand.id])?;
                if !echo_first {
                    receive::work(&app, conn, &row, &ours, START)?;
                }
                echo::read(&app, conn, channel, "5", number, START.plus_ms(7), START)?;
                let mut said = switchboard::on!(conn, message::newest(company, 10))?;
                said.retain(|row| row.content.contains(&format!("Заказ {number}")));
                Ok(said)
            });
            let mut ended: Vec<_> = ended.await.unwrap().into_iter().map(|row| (row.vendor_id.unwrap_or_default(), Status::from_db(row.status))).collect();
            ended.sort_by(|a, b| a.0.cmp(&b.0));
            assert_eq!(ended, [(format!("5_{number}"), Status::Viewed), (format!("6_{number}"), Status::Sent)], "{echo_first}");
        }
        rig.server.stop().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_number_that_two_chats_share_names_two_messages(database: &str) {
        let rig = Rig::start(database).await;
        let tenant = rig.tenant("one.example").await;
        // each supergroup counts its messages anew
        let (first, second) = ("-1001000000001", "-1001000000002");
        let (channel, _) = rig.channel_of(&tenant, "telegram", "1").await;
        let row = rig.server.app.store.read(move |conn| switchboard::on!(conn, channel::whosever(channel)));
        let row = row.await.unwrap().unwrap();
        let (app, company) = (rig.server.app.clone(), tenant.company);
        let written = |chat: &str, text: &str| Event::Message(Box::new(Incoming {
            vendor_id: "5".to_owned(),
            chat: chat.to_owned(),
            group: true,
            title: None,
            from: Person::default(),
            at: START,
            text: Some(text.to_owned()),
            media: Vec::new(),
            place: None,
            reply_to: None,
            ours: true,
            note: None,
            payload: None,
            referral: std::collections::BTreeMap::new(),
        }));
        let said = [written(first, "в первой"), written(second, "во второй"), written(second, "во второй")];
        let ended = rig.server.app.store.write(move |conn| {
            for event in &said {
                receive::work(&app, conn, &row, event, START)?;
            }
            // what was read in the second chat was not read in the first
            echo::read(&app, conn, channel, second, 5, START.plus_ms(7), START)?;
            switchboard::on!(conn, message::newest(company, 10))
        });
        let mut ended: Vec<_> = ended.await.unwrap().into_iter().map(|row| (row.chat, Status::from_db(row.status))).collect();
        ended.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(ended, [(first.to_owned(), Status::Sent), (second.to_owned(), Status::Viewed)]);
        rig.server.stop().await;
    }

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

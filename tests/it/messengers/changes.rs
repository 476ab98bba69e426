//! Changing and deleting: what a messenger declares is what it does, its requests fit the vendor's schema, and its answers steer the
//! queue.

use serde_json::{Value, json};
use switchboard::messenger::catalogue;
use switchboard::model::change::{ChangeAct, Said};
use switchboard::model::message::{Kind, MediaKind};
use switchboard::model::result::Code;
use switchboard::model::vendor::{Answer, Scope};
use wiremock::matchers::{any, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::case::{Case, NOW, cases};
use super::wire::mute;

fn edit(text: &str) -> ChangeAct {
    ChangeAct::Edit { text: text.to_owned() }
}

pub(super) fn said(chat: &str, vendor_id: &str, media: Option<MediaKind>) -> Said {
    Said { chat: chat.to_owned(), vendor_id: vendor_id.to_owned(), media }
}

pub(super) fn of(folder: &str) -> Case {
    cases().into_iter().find(|case| case.folder == folder).unwrap()
}

/// Whether an answer is the one that is wanted.
type Wanted = Box<dyn Fn(&Answer) -> bool>;

/// A message of ours as each vendor names it.
pub(super) fn ours(case: &Case, media: Option<MediaKind>) -> Said {
    match case.folder {
        "telegram-bot" => said("5000000001", "110", media),
        "vk" => said("300000001", "300000001_325", media),
        "avito" => said("u2i-OuCbYGTXVLZlr6Q~Zr5Bmw", "bdcc5bac2d00345f1cc66fa657813999", media),
        "whatsapp_web" => said("79161234567@c.us", "3EB0AAAAAAAAAAAAAAAA", media),
        "waba" => said("79161234567", "wamid.b3V0LTAwMTA=", media),
        other => panic!("{other} changes nothing"),
    }
}

/// What the vendor answers when all went well.
pub(super) fn success(case: &Case, act: &ChangeAct) -> Value {
    match (case.folder, act) {
        ("telegram-bot", _) => json!({"ok": true, "result": true}),
        ("waba", _) => case.success.clone(),
        ("vk", ChangeAct::Edit { .. }) => json!({"response": 1}),
        ("vk", ChangeAct::Delete) => {
            json!({"response": [{"peer_id": 300_000_001, "conversation_message_id": 325, "response": 1}]})
        }
        _ => json!({}),
    }
}

/// Has a message changed at a vendor that answers like this, and gives back what reached it.
pub(super) async fn changed(
    case: &Case,
    said: &Said,
    act: &ChangeAct,
    status: u16,
    body: Value,
) -> (Answer, Vec<Request>) {
    let server = MockServer::start().await;
    let files = json!({"response": {"count": 1, "items": [{"attachments": [
        {"type": "photo", "photo": {"owner_id": -200_000_001, "id": 457, "access_key": "ab12"}},
        {"type": "doc", "doc": {"owner_id": 5, "id": 6}}
    ]}]}});
    let asked = ResponseTemplate::new(200).set_body_json(files);
    Mock::given(path("/messages.getByConversationMessageId")).respond_with(asked).mount(&server).await;
    Mock::given(any()).respond_with(ResponseTemplate::new(status).set_body_json(body)).mount(&server).await;
    let answer = case.messenger.change(&case.patient_wire(&server.uri()), said, act, NOW).await;
    (answer, server.received_requests().await.unwrap())
}

pub(super) fn check(case: &Case, request: &Request) {
    match case.folder {
        "telegram-bot" => super::schemas::check_telegram(request),
        "vk" => super::vk::check(request),
        "avito" => super::avito::check(request),
        "waba" => super::schemas::check_waba(request),
        _ => super::schemas::check_waha(request),
    }
}

#[test]
pub(super) fn what_a_messenger_does_with_sent_messages_is_declared_as_the_contract_has_it() {
    let hour = 3_600_000;
    for messenger in catalogue() {
        let about = messenger.about();
        let changes = about.changes;
        let told = (
            about.abilities.edits.then_some(changes.edit_within_ms),
            about.abilities.deletes.then_some(changes.delete_within_ms),
        );
        let expected = match about.kind {
            Kind::WhatsappWeb => (Some(Some(hour / 4)), Some(Some(48 * hour))),
            Kind::TelegramBot => (Some(None), Some(Some(48 * hour))),
            Kind::Telegram => (Some(Some(48 * hour)), Some(None)),
            Kind::Vk => (Some(Some(24 * hour)), Some(Some(24 * hour))),
            Kind::Avito => (None, Some(Some(hour))),
            Kind::Waba | Kind::VkNotify | Kind::Email => (None, None),
        };
        assert_eq!(told, expected, "{}", about.kind.slug());
        assert_eq!(about.abilities.cards, about.card_limit > 0, "{}", about.kind.slug());
        assert_eq!(about.abilities.interactive, about.interactive.buttons > 0, "{}", about.kind.slug());
        let reacts = match about.kind {
            Kind::Waba => Some(Some(30 * 24 * hour)),
            Kind::WhatsappWeb | Kind::Telegram | Kind::TelegramBot => Some(None),
            Kind::Vk | Kind::Avito | Kind::VkNotify | Kind::Email => None,
        };
        let told = about.abilities.reactions.then_some(changes.react_within_ms);
        assert_eq!(told, reacts, "{}", about.kind.slug());
        super::page::checked(about.kind, 4);
    }
}

#[tokio::test]
pub(super) async fn what_a_messenger_does_not_change_it_refuses_by_a_stable_code() {
    for messenger in catalogue() {
        let abilities = messenger.about().abilities;
        for (can, act) in [(abilities.edits, edit("x")), (abilities.deletes, ChangeAct::Delete)] {
            if !can {
                let wire = mute(&json!({}), &json!({}));
                let answer = messenger.change(&wire, &said("1", "2", None), &act, NOW).await;
                assert!(matches!(answer, Answer::Refused { code: Code::NotSupported, .. }), "{answer:?}");
                super::page::checked(messenger.about().kind, 1);
            }
        }
    }
}

#[tokio::test]
pub(super) async fn every_change_fits_the_schema() {
    for case in cases() {
        let about = case.messenger.about();
        let mut acts = Vec::new();
        if about.abilities.edits {
            acts.push((edit("Новый текст <b> https://example.test"), None));
            if about.changes.captions {
                acts.push((edit("Подпись"), Some(MediaKind::Image)));
            }
        }
        if about.abilities.deletes {
            acts.push((ChangeAct::Delete, None));
        }
        for (act, media) in acts {
            let good = success(&case, &act);
            let (answer, requests) = changed(&case, &ours(&case, media), &act, 200, good).await;
            assert_eq!(answer, Answer::done(), "{}: {act:?}", case.name());
            assert!(!requests.is_empty());
            for request in &requests {
                check(&case, request);
            }
            case.checked(requests.len());
        }
    }
}

fn form(request: &Request) -> Vec<(String, String)> {
    form_urlencoded::parse(&request.body).into_owned().collect()
}

#[tokio::test]
async fn the_calls_are_those_of_the_contract() {
    let bot = of("telegram-bot");
    let body = |request: &Request| serde_json::from_slice::<Value>(&request.body).unwrap();
    for (act, media, method, expected) in [
        (
            edit("Иначе"),
            None,
            "editMessageText",
            json!({"chat_id": 5_000_000_001_i64, "message_id": 110, "text": "Иначе"}),
        ),
        (
            edit("Иначе"),
            Some(MediaKind::Voice),
            "editMessageCaption",
            json!({"chat_id": 5_000_000_001_i64, "message_id": 110, "caption": "Иначе"}),
        ),
        (ChangeAct::Delete, None, "deleteMessage", json!({"chat_id": 5_000_000_001_i64, "message_id": 110})),
    ] {
        let (_, requests) = changed(&bot, &ours(&bot, media), &act, 200, success(&bot, &act)).await;
        assert!(requests[0].url.path().ends_with(method), "{}", requests[0].url);
        assert_eq!(body(&requests[0]), expected);
    }
    let business = said("bc1/5000000001", "110", None);
    let (_, requests) = changed(&bot, &business, &ChangeAct::Delete, 200, success(&bot, &ChangeAct::Delete)).await;
    check(&bot, &requests[0]);
    assert_eq!(body(&requests[0]), json!({"business_connection_id": "bc1", "message_ids": [110]}));

    let vk = of("vk");
    // what is not named again is lost with the change
    let (_, requests) =
        changed(&vk, &ours(&vk, Some(MediaKind::Image)), &edit("Иначе"), 200, json!({"response": 1})).await;
    let fields = form(requests.last().unwrap());
    assert!(fields.contains(&("attachment".to_owned(), "photo-200000001_457_ab12,doc5_6".to_owned())), "{fields:?}");
    let (_, requests) = changed(&vk, &ours(&vk, None), &ChangeAct::Delete, 200, success(&vk, &ChangeAct::Delete)).await;
    let fields = form(&requests[0]);
    for wanted in [("peer_id", "300000001"), ("cmids", "325"), ("delete_for_all", "1")] {
        assert!(fields.contains(&(wanted.0.to_owned(), wanted.1.to_owned())), "{wanted:?}");
    }

    let web = of("whatsapp_web");
    let at = "/api/acc-1/chats/79161234567%40c.us/messages/true_79161234567%40c.us_3EB0AAAAAAAAAAAAAAAA";
    for (act, verb) in [(edit("Иначе"), "PUT"), (ChangeAct::Delete, "DELETE")] {
        let (_, requests) = changed(&web, &ours(&web, None), &act, 200, json!({})).await;
        assert_eq!((requests[0].method.as_str(), requests[0].url.path()), (verb, at));
    }
    let (answer, requests) = changed(&web, &ours(&web, Some(MediaKind::Image)), &edit("x"), 200, json!({})).await;
    assert!(matches!(answer, Answer::Refused { code: Code::Unchangeable, .. }) && requests.is_empty());

    let avito = of("avito");
    let (_, requests) = changed(&avito, &ours(&avito, None), &ChangeAct::Delete, 200, json!({})).await;
    let at =
        "/messenger/v1/accounts/94235311/chats/u2i-OuCbYGTXVLZlr6Q~Zr5Bmw/messages/bdcc5bac2d00345f1cc66fa657813999";
    assert_eq!((requests[0].method.as_str(), requests[0].url.path()), ("POST", at));
}

#[tokio::test]
pub(super) async fn what_the_vendor_says_of_a_change_steers_the_queue() {
    let code = |code| move |answer: &Answer| matches!(answer, Answer::Refused { code: is, .. } if *is == code);
    let is_done: fn(&Answer) -> bool = |answer| *answer == Answer::done();
    let bot_error = |code: u16, text: &str| (code, json!({"ok": false, "error_code": code, "description": text}));
    let bot = of("telegram-bot");
    let moved = json!({"ok": false, "error_code": 400, "parameters": {"migrate_to_chat_id": -100_500},
        "description": "Bad Request: group chat was upgraded to a supergroup chat"});
    let rows: Vec<(ChangeAct, (u16, Value), Wanted)> = vec![
        (edit("x"), bot_error(400, "Bad Request: message is not modified: same"), Box::new(is_done)),
        (ChangeAct::Delete, bot_error(400, "Bad Request: message to delete not found"), Box::new(is_done)),
        (edit("x"), bot_error(400, "Bad Request: message to edit not found"), Box::new(code(Code::Deleted))),
        (edit("x"), bot_error(400, "Bad Request: message can't be edited"), Box::new(code(Code::Unchangeable))),
        (
            ChangeAct::Delete,
            bot_error(400, "Bad Request: message can't be deleted for everyone"),
            Box::new(code(Code::Unchangeable)),
        ),
        // numbers of messages mean others after a move
        (ChangeAct::Delete, (400, moved), Box::new(code(Code::Unchangeable))),
        (edit("x"), bot_error(403, "Forbidden: bot was blocked by the user"), Box::new(code(Code::Blocked))),
        (edit("x"), bot_error(401, "Unauthorized"), Box::new(|answer| matches!(answer, Answer::Expired { .. }))),
        (edit("x"), bot_error(500, "Internal"), Box::new(|answer| matches!(answer, Answer::Unsure { .. }))),
    ];
    for (act, (status, body), wanted) in rows {
        let (answer, requests) = changed(&bot, &ours(&bot, None), &act, status, body.clone()).await;
        assert!(wanted(&answer) && requests.len() == 1, "{body}: {answer:?}");
        bot.checked(1);
    }
    let vk = of("vk");
    let of_message =
        |code: i64| json!({"response": [{"peer_id": 300_000_001, "error": {"code": code, "description": "x"}}]});
    let of_call = |code: i64| json!({"error": {"error_code": code, "error_msg": "x"}});
    for (act, body, wanted) in [
        (edit("x"), of_call(909), Code::ChangeTooLate),
        (edit("x"), of_call(920), Code::Unchangeable),
        (ChangeAct::Delete, of_message(924), Code::ChangeTooLate),
        (ChangeAct::Delete, json!({"response": [{"response": 0}]}), Code::Unchangeable),
    ] {
        let (answer, _) = changed(&vk, &ours(&vk, None), &act, 200, body.clone()).await;
        assert!(code(wanted)(&answer), "{body}: {answer:?}");
        vk.checked(1);
    }
    let (answer, _) = changed(&vk, &ours(&vk, None), &edit("x"), 200, of_call(6)).await;
    assert_eq!(answer, Answer::Busy { after_ms: 1_000, scope: Scope::Lane });
    let comment = said("300000001", "wall-200000001_40_x", None);
    let (answer, requests) = changed(&vk, &comment, &ChangeAct::Delete, 200, json!({"response": 1})).await;
    assert!(code(Code::Unchangeable)(&answer) && requests.is_empty());
    let web = of("whatsapp_web");
    let gone = |message: &str| json!({"message": message, "error": "Not Found", "statusCode": 404});
    for (act, body, wanted) in [
        (ChangeAct::Delete, gone("Message not found"), Answer::done()),
        (
            edit("x"),
            gone("Message not found"),
            Answer::Refused { code: Code::Deleted, text: "Message not found".to_owned() },
        ),
    ] {
        let (answer, _) = changed(&web, &ours(&web, None), &act, 404, body).await;
        assert_eq!(answer, wanted);
        web.checked(1);
    }
    let (answer, _) = changed(&web, &ours(&web, None), &edit("x"), 404, gone("Session not found")).await;
    assert!(matches!(answer, Answer::Expired { .. }), "{answer:?}");
    let avito = of("avito");
    let error = |status: u16| json!({"error": {"code": status, "message": "x"}});
    for (status, wanted) in [
        (404, Answer::done()),
        (400, Answer::Refused { code: Code::Unchangeable, text: "(400) x".to_owned() }),
        (403, Answer::Expired { seen: "(403) x".to_owned() }),
    ] {
        let (answer, _) = changed(&avito, &ours(&avito, None), &ChangeAct::Delete, status, error(status)).await;
        assert_eq!(answer, wanted);
        avito.checked(1);
    }
}

#[tokio::test]
async fn places_and_cards_of_bots_and_of_the_business_api_fit_the_schema() {
    use switchboard::model::message::{Card, Content, Place};
    let place = |title: Option<&str>| Content {
        place: Place::at(55.7539, 37.6208, title.map(str::to_owned), title.map(|_| "Тверская, 1".to_owned())),
        ..Content::default()
    };
    let card = Card { name: "Анна".to_owned(), phone: "79161234567".to_owned() };
    let cards = Content { cards: vec![card], ..Content::default() };
    for (folder, ways) in [
        ("telegram-bot", ["/sendLocation", "/sendVenue", "/sendContact"]),
        ("waba", ["/messages", "/messages", "/messages"]),
    ] {
        let case = of(folder);
        for (content, way) in [place(None), place(Some("Офис")), cards.clone()].into_iter().zip(ways) {
            let (answer, requests) = super::outgoing::sent(&case, content, None).await;
            assert!(matches!(answer, Answer::Done { .. }), "{folder}: {answer:?}");
            assert!(requests[0].url.path().ends_with(way), "{}", requests[0].url);
            super::outgoing::check(&case, &requests);
        }
        let mixed = Content { text: Some("и текст".to_owned()), ..cards.clone() };
        let (answer, requests) = super::outgoing::sent(&case, mixed, None).await;
        assert!(matches!(answer, Answer::Refused { code: Code::NotSupported, .. }) && requests.is_empty());
    }
}

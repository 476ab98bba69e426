//! Reactions, and things to press: who has them says so and calls as the contract has it, who has not refuses them.

use serde_json::{Value, json};
use switchboard::messenger::catalogue;
use switchboard::model::change::ChangeAct;
use switchboard::model::interactive::{Interactive, PressButton};
use switchboard::model::message::{Content, Kind};
use switchboard::model::result::Code;
use switchboard::model::vendor::{Answer, Scope};
use wiremock::Request;

use super::case::{Case, NOW, cases, error_of};
use super::changes::{changed, check, of, ours, said, success};
use super::wire::mute;

fn react(emoji: Option<&str>) -> ChangeAct {
    ChangeAct::React { emoji: emoji.map(str::to_owned) }
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

/// The request that a reaction is at each vendor: verb, end of the address, body.
fn wanted(case: &Case, emoji: &str) -> (&'static str, &'static str, Value) {
    match case.folder {
        "waba" => (
            "POST",
            "/240000000000002/messages",
            json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": "+79161234567",
                "type": "reaction", "reaction": {"message_id": "wamid.b3V0LTAwMTA=", "emoji": emoji}}),
        ),
        "whatsapp_web" => (
            "PUT",
            "/api/reaction",
            json!({"session": "acc-1", "messageId": "true_79161234567@c.us_3EB0AAAAAAAAAAAAAAAA", "reaction": emoji}),
        ),
        "telegram-bot" => {
            let reaction: Vec<Value> = Some(emoji)
                .filter(|emoji| !emoji.is_empty())
                .map(|emoji| json!({"type": "emoji", "emoji": emoji}))
                .into_iter()
                .collect();
            (
                "POST",
                "/setMessageReaction",
                json!({"chat_id": 5_000_000_001_i64, "message_id": 110, "reaction": reaction}),
            )
        }
        other => panic!("{other} has no reactions"),
    }
}

#[tokio::test]
pub(super) async fn every_reaction_fits_the_schema() {
    for case in cases().into_iter().filter(|case| case.messenger.about().abilities.reactions) {
        for emoji in [Some("👍"), None] {
            let act = react(emoji);
            let (answer, requests) = changed(&case, &ours(&case, None), &act, 200, success(&case, &act)).await;
            assert_eq!(answer, Answer::done(), "{}", case.name());
            let (verb, end, told) = wanted(&case, emoji.unwrap_or_default());
            assert_eq!((requests.len(), requests[0].method.as_str()), (1, verb), "{}", case.name());
            assert!(requests[0].url.path().ends_with(end), "{}", requests[0].url);
            assert_eq!(body(&requests[0]), told, "{}", case.name());
            check(&case, &requests[0]);
            case.checked(1);
        }
    }
    // what came in is reacted to under its whole name
    let web = of("whatsapp_web");
    let theirs = said("79161234567@c.us", "false_79161234567@c.us_3AREACT00000000000001", None);
    let (_, requests) = changed(&web, &theirs, &react(Some("👍")), 200, json!({})).await;
    assert_eq!(body(&requests[0])["messageId"], "false_79161234567@c.us_3AREACT00000000000001");
    let hidden = said("RU.81203344556677889900", "wamid.aW4=", None);
    let waba = of("waba");
    let (_, requests) = changed(&waba, &hidden, &react(Some("👍")), 200, waba.success.clone()).await;
    check(&waba, &requests[0]);
    assert_eq!(body(&requests[0])["recipient"], "RU.81203344556677889900");
}

#[tokio::test]
pub(super) async fn who_has_no_reactions_or_buttons_refuses_them_by_a_stable_code() {
    for messenger in catalogue().iter().filter(|messenger| !messenger.about().abilities.reactions) {
        let kind = messenger.about().kind;
        let named = if kind == Kind::Vk { said("300000001", "300000001_325", None) } else { said("1", "2", None) };
        let wire = mute(&json!({}), &json!({}));
        let answer = messenger.change(&wire, &named, &react(Some("👍")), NOW).await;
        assert!(matches!(answer, Answer::Refused { code: Code::NotSupported, .. }), "{kind:?}: {answer:?}");
        super::page::checked(kind, 1);
    }
    let button = PressButton { id: "a".to_owned(), title: "Да".to_owned() };
    let interactive = Interactive { buttons: vec![button], ..Interactive::default() };
    for case in cases().into_iter().filter(|case| !case.messenger.about().abilities.interactive) {
        let content =
            Content { text: Some("1".to_owned()), interactive: Some(interactive.clone()), ..Content::default() };
        let (answer, requests) = super::outgoing::sent(&case, content, None).await;
        assert!(matches!(answer, Answer::Refused { code: Code::NotSupported, .. }), "{}: {answer:?}", case.name());
        assert!(requests.is_empty(), "{}", case.name());
        case.checked(1);
    }
}

#[tokio::test]
pub(super) async fn what_the_vendor_says_of_a_reaction_steers_the_queue() {
    let code = |code: Code, text: &str| Answer::Refused { code, text: text.to_owned() };
    let act = react(Some("👍"));
    let waba = of("waba");
    for (status, told, wanted) in [
        (400, error_of(131_009, "No such message"), code(Code::Refused, "(131009) No such message")),
        (400, error_of(131_047, "Window"), code(Code::WindowClosed, "(131047) Window")),
        (429, error_of(130_429, "Slow"), Answer::Busy { after_ms: 5_000, scope: Scope::Lane }),
        (401, error_of(190, "Expired"), Answer::Expired { seen: "(190) Expired".to_owned() }),
    ] {
        let (answer, _) = changed(&waba, &ours(&waba, None), &act, status, told).await;
        assert_eq!(answer, wanted);
        waba.checked(1);
    }
    let bot = of("telegram-bot");
    let error = |text: &str| json!({"ok": false, "error_code": 400, "description": text});
    for (text, wanted) in [
        ("Bad Request: REACTION_INVALID", Code::ReactionBad),
        ("Bad Request: message to react not found", Code::Deleted),
    ] {
        let (answer, _) = changed(&bot, &ours(&bot, None), &act, 400, error(text)).await;
        assert_eq!(answer, code(wanted, text));
        bot.checked(1);
    }
    let (answer, requests) = changed(&bot, &said("bc1/5000000001", "110", None), &act, 200, json!({})).await;
    assert!(matches!(answer, Answer::Refused { code: Code::NotSupported, .. }) && requests.is_empty(), "{answer:?}");
    let web = of("whatsapp_web");
    let gone = json!({"message": "Message not found", "error": "Not Found", "statusCode": 404});
    let (answer, _) = changed(&web, &ours(&web, None), &act, 404, gone).await;
    assert_eq!(answer, code(Code::Deleted, "Message not found"));
    web.checked(1);
}

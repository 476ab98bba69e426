//! Groups: what a messenger declares is what it does, and everything else has a stable answer.

use serde_json::{Value, json};
use switchboard::messenger::{Groups, catalogue};
use switchboard::model::group::{GroupAct, GroupDone, LeftOut};
use switchboard::model::message::Peer;
use switchboard::model::result::Code;
use switchboard::model::vendor::Answer;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::case::cases;
use super::schemas::check_waha;
use super::wire::mute;

const GROUP: &str = "120363000000000000@g.us";

fn acts() -> [GroupAct; 4] {
    let people = vec![Peer::Phone("79161234567".to_owned()), Peer::Chat("123@lid".to_owned())];
    [
        GroupAct::Create { title: "Заказ 15".to_owned(), people: people.clone() },
        GroupAct::Add { chat: GROUP.to_owned(), people },
        GroupAct::Rename { chat: GROUP.to_owned(), title: "Заказ".to_owned() },
        GroupAct::Leave { chat: GROUP.to_owned() },
    ]
}

#[tokio::test]
async fn what_a_messenger_does_not_do_with_groups_it_refuses_by_a_stable_code() {
    for messenger in catalogue() {
        let (groups, what) = (messenger.groups(), messenger.about().kind.slug());
        let does = acts().iter().any(|act| groups.does(act));
        assert_eq!(does, groups.title_limit > 0 && groups.most_people > 0, "{what}");
        assert!(!does || messenger.about().abilities.groups, "{what} makes groups and is in none");
        for act in acts().iter().filter(|act| !groups.does(act)) {
            let wire = mute(&json!({}), &json!({}));
            let done = messenger.act_in_group(&wire, act).await;
            assert!(matches!(done, Err(Answer::Refused { code: Code::NotSupported, .. })), "{what}: {done:?}");
        }
        assert!(!(messenger.catches_up() && messenger.about().abilities.listens), "{what} listens twice");
    }
}

#[test]
fn the_gateway_of_whatsapp_web_does_all_of_it() {
    let ours = cases().into_iter().find(|case| case.folder == "whatsapp_web").unwrap();
    let all = Groups { create: true, add: true, rename: true, leave: true, title_limit: 100, most_people: 50 };
    assert_eq!(ours.messenger.groups(), all);
}

async fn act(act: &GroupAct, answers: &[(&str, &str, u16, Value)]) -> Result<GroupDone, Answer> {
    let case = cases().into_iter().find(|case| case.folder == "whatsapp_web").unwrap();
    let server = MockServer::start().await;
    for (verb, at, status, body) in answers {
        let answer = ResponseTemplate::new(*status).set_body_json(body);
        Mock::given(method(*verb)).and(path(*at)).respond_with(answer).mount(&server).await;
    }
    let done = case.messenger.act_in_group(&case.patient_wire(&server.uri()), act).await;
    server.received_requests().await.unwrap().iter().for_each(check_waha);
    done
}

fn at(rest: &str) -> String {
    format!("/api/acc-1/groups/120363000000000000%40g.us/{rest}")
}

#[tokio::test]
async fn who_may_not_be_added_comes_with_the_address_to_join_by() {
    let [create, add, ..] = acts();
    let members = json!([{"JID": "9@lid", "PhoneNumber": "79161234567@s.whatsapp.net", "Error": 403},
        {"JID": "123@lid", "Error": 0}]);
    let made = json!({"JID": GROUP, "Name": "Заказ 15", "Participants": members});
    let code = json!("https://chat.whatsapp.com/AbCdEfGhIjKl");
    let expected = GroupDone {
        chat: GROUP.to_owned(),
        left_out: vec![LeftOut {
            who: Peer::Phone("79161234567".to_owned()),
            code: Code::GroupPrivacy,
            text: "(403)".to_owned(),
        }],
        invite: Some("https://chat.whatsapp.com/AbCdEfGhIjKl".to_owned()),
    };
    let invite = at("invite-code");
    let answers = [("POST", "/api/acc-1/groups", 201, made.clone()), ("GET", invite.as_str(), 200, code.clone())];
    assert_eq!(act(&create, &answers).await, Ok(expected.clone()));
    let path = at("participants/add");
    let answers = [("POST", path.as_str(), 200, members), ("GET", invite.as_str(), 200, json!("AbCdEfGhIjKl"))];
    assert_eq!(act(&add, &answers).await, Ok(expected.clone()));
    // a group without its invitation is a group all the same
    let answers = [("POST", "/api/acc-1/groups", 201, made), ("GET", invite.as_str(), 500, json!({"message": "x"}))];
    assert_eq!(act(&create, &answers).await, Ok(GroupDone { invite: None, ..expected }));
}

#[tokio::test]
async fn a_group_is_renamed_and_left_and_a_second_one_is_never_made_by_chance() {
    let [create, _, rename, leave] = acts();
    let done = GroupDone { chat: GROUP.to_owned(), left_out: Vec::new(), invite: None };
    let (subject, out) = (at("subject"), at("leave"));
    assert_eq!(act(&rename, &[("PUT", subject.as_str(), 200, json!(true))]).await, Ok(done.clone()));
    assert_eq!(act(&leave, &[("POST", out.as_str(), 200, Value::Null)]).await, Ok(done));
    for body in [json!({"Name": "Заказ 15"}), json!({"JID": "79161234567@c.us"})] {
        let unclear = act(&create, &[("POST", "/api/acc-1/groups", 201, body)]).await;
        assert!(matches!(unclear, Err(Answer::Unsure { resendable: false, .. })), "{unclear:?}");
    }
    let forbidden = json!({"statusCode": 500, "exception": {"details": "info query returned status 403: forbidden"}});
    let refused = act(&rename, &[("PUT", subject.as_str(), 500, forbidden)]).await;
    assert_eq!(
        refused,
        Err(Answer::Refused { code: Code::Refused, text: "info query returned status 403: forbidden".to_owned() })
    );
    let gone = act(&leave, &[("POST", out.as_str(), 404, json!({"message": "Group not found"}))]).await;
    assert!(matches!(gone, Err(Answer::Refused { code: Code::Refused, .. })), "{gone:?}");
    let strange = GroupAct::Leave { chat: "79161234567@c.us".to_owned() };
    assert!(matches!(act(&strange, &[]).await, Err(Answer::Refused { code: Code::AddressBad, .. })));
}

/// The call that VK hears for an act, and what comes of the answers.
async fn in_vk(
    act: &GroupAct,
    answers: &[(&str, Value)],
) -> (Result<GroupDone, Answer>, Vec<(String, Vec<(String, String)>)>) {
    let case = cases().into_iter().find(|case| case.folder == "vk").unwrap();
    let server = MockServer::start().await;
    for (name, body) in answers {
        let answer = ResponseTemplate::new(200).set_body_json(body);
        let once = Mock::given(method("POST")).and(path(format!("/{name}"))).respond_with(answer);
        once.up_to_n_times(1).mount(&server).await;
    }
    let done = case.messenger.act_in_group(&case.patient_wire(&server.uri()), act).await;
    let heard = server.received_requests().await.unwrap();
    heard.iter().for_each(super::vk::check);
    let calls = heard.iter().map(|request| {
        let fields: Vec<(String, String)> = form_urlencoded::parse(&request.body)
            .filter(|(name, _)| !["access_token", "v"].contains(&name.as_ref()))
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        (request.url.path().trim_start_matches('/').to_owned(), fields)
    });
    (done, calls.collect())
}

fn person(number: i64) -> Peer {
    Peer::Chat(number.to_string())
}

#[tokio::test]
async fn a_community_makes_a_chat_and_whoever_it_may_not_take_in_gets_its_address() {
    let people = vec![person(300_000_001), person(300_000_002), Peer::Phone("79161234567".to_owned())];
    let create = GroupAct::Create { title: "Заказ 15".to_owned(), people };
    let link = json!({"response": {"link": "https://vk.me/join/AbC"}});
    let made = json!({"response": {"chat_id": 7, "peer_ids": [300_000_001]}});
    let (done, calls) =
        in_vk(&create, &[("messages.createChat", made), ("messages.getInviteLink", link.clone())]).await;
    let done = done.unwrap();
    let out: Vec<(Peer, Code)> = done.left_out.into_iter().map(|one| (one.who, one.code)).collect();
    assert_eq!(
        out,
        [(person(300_000_002), Code::GroupPrivacy), (Peer::Phone("79161234567".to_owned()), Code::CannotWriteFirst)]
    );
    assert_eq!((done.chat.as_str(), done.invite.as_deref()), ("2000000007", Some("https://vk.me/join/AbC")));
    assert!(calls[0].1.contains(&("user_ids".to_owned(), "300000001,300000002".to_owned())), "{calls:?}");
    // one of them is refused: nothing was made, so it is made without them
    let no = json!({"error": {"error_code": 936, "error_msg": "Contact not found"}});
    let answers = [
        ("messages.createChat", no),
        ("messages.createChat", json!({"response": {"chat_id": 8}})),
        ("messages.getInviteLink", link),
    ];
    let (done, calls) = in_vk(&create, &answers).await;
    let done = done.unwrap();
    assert_eq!((done.chat.as_str(), done.left_out.len(), done.invite.is_some()), ("2000000008", 3, true));
    assert!(!calls[1].1.iter().any(|(name, _)| name == "user_ids"), "{calls:?}");
    // nobody knows whether it was made: a second one is never made by chance
    let lost = json!({"error": {"error_code": 10, "error_msg": "Internal"}});
    let (done, calls) = in_vk(&create, &[("messages.createChat", lost)]).await;
    assert!(matches!(done, Err(Answer::Unsure { resendable: false, .. })), "{done:?}");
    assert_eq!(calls.len(), 1);
    // the channel is not lost over an ability that chats alone need
    let bots = json!({"error": {"error_code": 912, "error_msg": "This is a chat bot feature"}});
    let (done, _) = in_vk(&create, &[("messages.createChat", bots)]).await;
    assert!(matches!(done, Err(Answer::Refused { code: Code::NotSupported, .. })), "{done:?}");
}

#[tokio::test]
async fn a_chat_of_a_community_is_filled_by_its_address_renamed_and_left() {
    let chat = "2000000007".to_owned();
    let add = GroupAct::Add { chat: chat.clone(), people: vec![person(300_000_001)] };
    let link = json!({"response": {"link": "https://vk.me/join/AbC"}});
    let (done, calls) = in_vk(&add, &[("messages.getInviteLink", link)]).await;
    let done = done.unwrap();
    assert_eq!((done.left_out[0].code, done.invite.as_deref()), (Code::GroupPrivacy, Some("https://vk.me/join/AbC")));
    assert_eq!(calls[0].1[0], ("peer_id".to_owned(), chat.clone()));
    let ok = || json!({"response": 1});
    let rename = GroupAct::Rename { chat: chat.clone(), title: "Заказ".to_owned() };
    let (done, calls) = in_vk(&rename, &[("messages.editChat", ok())]).await;
    assert_eq!(done.unwrap().chat, chat);
    assert_eq!(calls[0].1, [("chat_id".to_owned(), "7".to_owned()), ("title".to_owned(), "Заказ".to_owned())]);
    let leave = GroupAct::Leave { chat: chat.clone() };
    let (done, calls) = in_vk(&leave, &[("messages.removeChatUser", ok())]).await;
    assert_eq!(done.unwrap().chat, chat);
    assert!(calls[0].1.contains(&("member_id".to_owned(), "-200000001".to_owned())), "{calls:?}");
    for (code, gone) in [(935, true), (917, false)] {
        let error = json!({"error": {"error_code": code, "error_msg": "no"}});
        let (done, _) = in_vk(&leave, &[("messages.removeChatUser", error)]).await;
        assert_eq!(done.is_ok(), gone, "{code}: {done:?}");
    }
    let strange = GroupAct::Leave { chat: "300000001".to_owned() };
    assert!(matches!(in_vk(&strange, &[]).await.0, Err(Answer::Refused { code: Code::AddressBad, .. })));
}

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

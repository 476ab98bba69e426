//! Groups of WhatsApp Business: asked for, found in the list, filled by their address, renamed, deleted.

use serde_json::{Value, json};
use switchboard::model::group::{GroupAct, GroupDone, LeftOut};
use switchboard::model::message::Peer;
use switchboard::model::result::Code;
use switchboard::model::vendor::Answer;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::case::{cases, error_of};
use super::schemas::check_waba_group;

const NUMBER: &str = "/240000000000002/groups";
const GROUP: &str = "Y2FwaV9ncm91cDo3NDk1MTIzNDU2NzoxMjAzNjMwMDAwMDAwMDAwMDAwZD";
const LINK: &str = "https://chat.whatsapp.com/LINK_ID";

/// What comes of an act, and the calls that Meta heard. Each answer is given once, in this order for each address.
async fn act(act: &GroupAct, answers: &[(&str, &str, u16, Value)]) -> (Result<GroupDone, Answer>, Vec<String>) {
    let case = cases().into_iter().find(|case| case.folder == "waba").unwrap();
    let server = MockServer::start().await;
    for (verb, at, status, body) in answers {
        let answer = ResponseTemplate::new(*status).set_body_json(body);
        Mock::given(method(*verb)).and(path(*at)).respond_with(answer).up_to_n_times(1).mount(&server).await;
    }
    let done = case.messenger.act_in_group(&case.patient_wire(&server.uri()), act).await;
    let heard = server.received_requests().await.unwrap();
    heard.iter().for_each(check_waba_group);
    (done, heard.iter().map(|one| format!("{} {}", one.method, one.url.path())).collect())
}

fn listed(groups: &[(&str, &str)], after: Option<&str>) -> Value {
    let cards: Vec<Value> = groups.iter().map(|(id, subject)| json!({"id": id, "subject": subject})).collect();
    json!({"data": {"groups": cards}, "paging": {"cursors": after.map_or(json!({}), |after| json!({"after": after}))}})
}

fn ordered() -> Value {
    json!({"messaging_product": "whatsapp", "request_id": "784D93D0C468593037EA0B1ECA245D9C"})
}

fn people() -> Vec<Peer> {
    vec![Peer::Phone("79161234567".to_owned()), Peer::Chat("RU.81200001".to_owned())]
}

fn invited() -> Vec<LeftOut> {
    let text = "people join by the address of the group".to_owned();
    people().into_iter().map(|who| LeftOut { who, code: Code::GroupPrivacy, text: text.clone() }).collect()
}

#[tokio::test]
async fn a_group_that_was_asked_for_is_found_among_others_of_its_title() {
    let create = GroupAct::Create { title: " Сделка 42 ".to_owned(), people: people() };
    let before = listed(&[("OLD", "Сделка 42"), ("OTHER", "Сделка 43")], None);
    let after = listed(&[(GROUP, "Сделка 42")], None);
    let link = format!("/{GROUP}/invite_link");
    let told = json!({"messaging_product": "whatsapp", "invite_link": LINK});
    let answers = [
        ("GET", NUMBER, 200, before.clone()),
        ("POST", NUMBER, 200, ordered()),
        // not there yet, and then a page that cannot be had
        ("GET", NUMBER, 200, before.clone()),
        ("GET", NUMBER, 500, error_of(131_000, "Trouble")),
        ("GET", NUMBER, 200, listed(&[("OLD", "Сделка 42")], Some("2"))),
        ("GET", NUMBER, 200, after.clone()),
        ("GET", link.as_str(), 200, told.clone()),
    ];
    let (done, calls) = act(&create, &answers).await;
    let expected = GroupDone { chat: GROUP.to_owned(), left_out: invited(), invite: Some(LINK.to_owned()) };
    assert_eq!(done, Ok(expected.clone()), "{calls:?}");
    assert_eq!(calls.iter().filter(|call| call.starts_with("POST")).count(), 1, "{calls:?}");
    // a group without its address is a group all the same
    let answers = [
        ("GET", NUMBER, 200, before),
        ("POST", NUMBER, 200, ordered()),
        ("GET", NUMBER, 200, after),
        ("GET", link.as_str(), 200, json!({"invite_link": "https://example.com/x"})),
    ];
    assert_eq!(act(&create, &answers).await.0, Ok(GroupDone { invite: None, ..expected }));
}

#[tokio::test]
async fn a_group_of_unknown_fate_is_not_asked_for_twice_and_what_asks_for_nothing_is_repeated() {
    let create = GroupAct::Create { title: "Сделка 42".to_owned(), people: people() };
    let none = || listed(&[], None);
    // Meta took the order and never shows the group
    let mut answers = vec![("GET", NUMBER, 200, none()), ("POST", NUMBER, 200, ordered())];
    answers.extend((0..4).map(|_| ("GET", NUMBER, 200, none())));
    let (done, calls) = act(&create, &answers).await;
    assert!(matches!(done, Err(Answer::Unsure { resendable: false, .. })), "{done:?}");
    assert_eq!(calls.len(), 6, "{calls:?}");
    // the answer to the order was lost
    let (done, _) =
        act(&create, &[("GET", NUMBER, 200, none()), ("POST", NUMBER, 500, json!({"error": {"code": 7}}))]).await;
    assert!(matches!(done, Err(Answer::Unsure { resendable: false, .. })), "{done:?}");
    // nothing was ordered before the list is known
    let (done, calls) = act(&create, &[("GET", NUMBER, 500, json!({"error": {"code": 7}}))]).await;
    assert!(matches!(done, Err(Answer::Down { .. })), "{done:?}");
    assert_eq!(calls.len(), 1, "{calls:?}");
    // a number that may have no groups goes on with its messages; one without a token does not
    for (code, goes_on) in [(10, true), (200, true), (131_005, true), (190, false)] {
        let refused = [("GET", NUMBER, 200, none()), ("POST", NUMBER, 403, error_of(code, "No"))];
        let done = act(&create, &refused).await.0;
        let refused = matches!(done, Err(Answer::Refused { code: Code::NotSupported, .. }));
        assert_eq!(refused, goes_on, "{done:?}");
        assert!(goes_on || matches!(done, Err(Answer::Expired { .. })), "{done:?}");
    }
}

#[tokio::test]
async fn a_group_is_filled_by_its_address_renamed_and_deleted() {
    let (node, link) = (format!("/{GROUP}"), format!("/{GROUP}/invite_link"));
    let done = GroupDone { chat: GROUP.to_owned(), left_out: Vec::new(), invite: None };
    let add = GroupAct::Add { chat: GROUP.to_owned(), people: people() };
    let told = json!({"messaging_product": "whatsapp", "invite_link": LINK});
    let filled = GroupDone { left_out: invited(), invite: Some(LINK.to_owned()), ..done.clone() };
    assert_eq!(act(&add, &[("GET", link.as_str(), 200, told)]).await.0, Ok(filled));
    let rename = GroupAct::Rename { chat: GROUP.to_owned(), title: "Сделка 43".to_owned() };
    assert_eq!(act(&rename, &[("POST", node.as_str(), 200, ordered())]).await.0, Ok(done.clone()));
    let leave = GroupAct::Leave { chat: GROUP.to_owned() };
    assert_eq!(act(&leave, &[("DELETE", node.as_str(), 200, json!({"success": true}))]).await.0, Ok(done));
    for strange in ["79161234567", "RU.81200001", "../me", "a/b"] {
        let (done, calls) = act(&GroupAct::Leave { chat: strange.to_owned() }, &[]).await;
        assert!(matches!(done, Err(Answer::Refused { code: Code::AddressBad, .. })), "{strange}: {done:?}");
        assert_eq!(calls, Vec::<String>::new());
    }
}

//! What portals post to us, and the bodies we post to them, against the fixtures.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use switchboard::crm::bitrix24::card::{Card, comment};
use switchboard::crm::bitrix24::event::{Page, RobotCall, SmsCall, What, read_event, token_matches};
use switchboard::crm::bitrix24::robot::{Robot, answer};
use switchboard::crm::bitrix24::sms::{Sender, SmsStatus, status_body};
use switchboard::model::errand::Rank;
use switchboard::model::moment::Moment;

use super::{form, json as fixture, names};

const MEMBER: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90";

fn secret(secret: Option<&SecretString>) -> Option<&str> {
    secret.map(ExposeSecret::expose_secret)
}

fn card(kind: &str, id: i64) -> Card {
    Card { kind: kind.into(), id }
}

#[test]
fn every_event_is_read_and_carries_its_portal() {
    for name in names("event_", ".form") {
        let event = read_event(&form(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(event.auth.member_id, MEMBER, "{name}");
        assert!(event.at.is_some(), "{name}");
    }
}

#[test]
fn the_events_of_an_applications_life_are_told_apart() {
    let what = |name: &str| read_event(&form(name)).unwrap().what;
    for (name, expected) in [
        ("event_onappinstall.form", What::Installed { version: Some(1), finished: true }),
        ("event_onappinstall_full.form", What::Installed { version: Some(1), finished: true }),
        ("event_onappupdate.form", What::Updated { version: Some(2) }),
        ("event_onappuninstall.form", What::Uninstalled { clean: true }),
        ("event_onappuninstall_full.form", What::Uninstalled { clean: false }),
        ("event_onapppayment.form", What::Payment),
        (
            "event_onappmethodconfirm.form",
            What::MethodConfirmed { method: "voximplant.user.get".into(), confirmed: true },
        ),
        ("event_onapptest.form", What::Test { query: json!({"any": "data"}) }),
        ("event_line_delete.form", What::Other("ONIMCONNECTORLINEDELETE".into())),
        ("event_onofflineevent.form", What::Other("ONOFFLINEEVENT".into())),
    ] {
        assert_eq!(what(name), expected, "{name}");
    }
}

#[test]
fn an_install_brings_tokens_and_an_uninstall_brings_only_the_proof() {
    let install = read_event(&form("event_onappinstall.form")).unwrap();
    assert_eq!(secret(install.auth.access_token.as_ref()), Some("fixture-access-token-0001"));
    assert_eq!(secret(install.auth.refresh_token.as_ref()), Some("fixture-refresh-token-0001"));
    assert_eq!(install.auth.server_endpoint.as_deref(), Some("https://oauth.bitrix24.tech/rest/"));
    assert_eq!(install.auth.client_endpoint.as_deref(), Some("https://example.bitrix24.ru/rest/"));
    assert_eq!(install.auth.expires_at, Some(Moment(1_767_261_600_000)));
    assert!(install.auth.scopes.contains(&"messageservice".to_owned()));
    let token = install.auth.application_token.unwrap();

    let uninstall = read_event(&form("event_onappuninstall.form")).unwrap();
    assert!(uninstall.auth.access_token.is_none() && uninstall.auth.refresh_token.is_none());
    assert!(token_matches(&token, uninstall.auth.application_token.as_ref()));
    let payment = read_event(&form("event_onapppayment.form")).unwrap();
    assert!(!token_matches(&token, payment.auth.application_token.as_ref()));
    assert!(!format!("{uninstall:?}{payment:?}").contains("0011223344"), "a token is in the debug text");
}

#[test]
fn pages_of_new_and_old_portals_are_read() {
    for name in names("page_", ".form") {
        let page = Page::read(&form(&name.replace(".form", ".query")), &form(&name)).unwrap();
        assert_eq!((page.member_id.as_str(), page.domain.as_str()), (MEMBER, "example.bitrix24.ru"), "{name}");
        assert_eq!((page.language.as_str(), page.expires_in_s), ("ru", 3600), "{name}");
        assert_eq!(secret(page.access_token.as_ref()), Some("fixture-access-token-0001"), "{name}");
        assert!(page.options.is_object(), "{name}");
        let old = name == "page_main_legacy.form";
        assert_eq!((page.application_token.is_none(), page.server_endpoint.is_none()), (old, old), "{name}");
    }
    let settings = Page::read(&form("page_setting_connector.query"), &form("page_setting_connector.form")).unwrap();
    assert_eq!(settings.placement, "SETTING_CONNECTOR");
    assert_eq!(settings.options["CONNECTOR"], "switchboard_wa");
}

#[test]
fn a_page_without_its_portal_names_the_field() {
    let query = form("page_install.query");
    let error = Page::read(&query, &json!({"AUTH_ID": "x"})).unwrap_err();
    assert_eq!(error.to_string(), "member_id is missing");
    let error = Page::read(&json!({}), &form("page_install.form")).unwrap_err();
    assert_eq!(error.to_string(), "DOMAIN is missing");
}

#[test]
fn every_robot_call_is_read() {
    let call = |name: &str| RobotCall::read(&form(name)).unwrap();
    for name in names("handler_robot_", ".form") {
        let call = call(&name);
        assert_eq!((call.code.as_str(), call.auth.member_id.as_str()), ("switchboard_send", MEMBER), "{name}");
        assert!(call.event_token.len() > 100 && call.event_token.contains('|'), "{name}");
        assert!(call.auth.refresh_token.is_some(), "{name}");
    }
    let wait = call("handler_robot_wait.form");
    assert_eq!((wait.waits, wait.timeout_s, wait.card), (true, 660, Some(card("deal", 8061))));
    let wait = call("handler_robot_wait.form");
    assert_eq!(wait.waits_until(Moment(0)), Some(Moment(1_767_258_660_000)));
    assert_eq!(wait.properties["text"], "Здравствуйте, Иван!\nСчёт № 17 готов.");
    assert_eq!(call("handler_robot_nowait.form").waits_until(Moment(0)), None);
    assert_eq!(call("handler_robot_multiple.form").properties["phones"], json!(["+79990000001", "+79990000002"]));
    assert_eq!(call("handler_robot_smart_process.form").card.unwrap().kind, "dynamic_177");
}

#[test]
fn a_robot_call_without_its_token_names_the_field() {
    let mut form = form("handler_robot_wait.form");
    form["event_token"] = json!("");
    assert_eq!(RobotCall::read(&form).unwrap_err().to_string(), "event_token is missing");
    form["document_id"] = json!(["crm"]);
    assert_eq!(RobotCall::read(&form).unwrap_err().to_string(), "document_id is missing");
}

#[test]
fn every_sms_is_read_and_has_its_rank() {
    let call = |name: &str| SmsCall::read(&form(name)).unwrap();
    for (name, rank, author) in [
        ("handler_sms_crm.form", Rank::Live, true),
        ("handler_sms_bizproc.form", Rank::Service, true),
        ("handler_sms_marketing.form", Rank::Marketing, true),
        ("handler_sms_no_author.form", Rank::Service, false),
    ] {
        let call = call(name);
        assert_eq!((call.rank(), call.module_is_known()), (rank, true), "{name}");
        assert_eq!((call.code.as_str(), call.phone.as_str()), ("switchboard_wa", "+79990000001"), "{name}");
        assert_eq!((call.message_id.len(), call.auth.access_token.is_some()), (32, author), "{name}");
        assert!(!call.text.is_empty(), "{name}");
    }
    assert!(!call("handler_sms_crm.form").cards.is_empty());
    assert_eq!(call("handler_sms_bizproc.form").cards, [card("lead", 98)]);
    assert!(call("handler_sms_marketing.form").cards.is_empty());

    let mut newer = form("handler_sms_marketing.form");
    newer["module_id"] = json!("something_new");
    let newer = SmsCall::read(&newer).unwrap();
    assert_eq!((newer.rank(), newer.module_is_known()), (Rank::Marketing, false));
}

#[test]
fn an_sms_may_carry_its_text_in_the_properties_alone() {
    let mut form = form("handler_sms_crm.form");
    let text = form["message_body"].take();
    let phone = form["message_to"].take();
    let call = SmsCall::read(&form).unwrap();
    assert_eq!((json!(call.text), json!(call.phone)), (text, phone));
    form["properties"] = json!([]);
    assert_eq!(SmsCall::read(&form).unwrap_err().to_string(), "message_to is missing");
}

/// The keys of an object with those of its inner objects, values left out.
fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().filter(|key| *key != "auth").cloned().collect()
}

#[test]
fn the_bodies_we_post_have_the_vendors_shape() {
    let stated = fixture("req_robot_add.json");
    let parts = Robot::ALL.iter().flat_map(|robot| ["PROPERTIES", "RETURN_PROPERTIES"].map(|part| (robot, part)));
    for (robot, part) in parts {
        let mut robot = robot.install_body("https://app.example.com/b24/robot", 1);
        // the recorded robot has no page of its own; one that has tells where it is
        let page = robot.as_object_mut().unwrap().remove("PLACEMENT_HANDLER");
        assert_eq!(page.is_some(), robot["USE_PLACEMENT"] == "Y");
        assert_eq!(keys(&robot), keys(&stated));
        for (name, property) in robot[part].as_object().unwrap() {
            let known = ["Name", "Description", "Type", "Options", "Required", "Multiple", "Default"];
            assert!(keys(property).iter().all(|key| known.contains(&key.as_str())), "{name}");
            assert!(property["Name"]["ru"].is_string() && property["Name"]["en"].is_string(), "{name}");
            let kinds = ["bool", "int", "select", "string", "text", "user"];
            assert!(kinds.contains(&property["Type"].as_str().unwrap()), "{name}");
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{name}");
            assert_eq!(property["Type"] == "select", property["Options"].is_object(), "{name}");
        }
    }
    let sender =
        Sender { line: 12, title: "Продажи".into(), handler: "https://app.example.com/b24/sms/s".into() };
    assert_eq!(keys(&sender.add_body()), keys(&fixture("req_sender_add.json")));

    let mut stated = fixture("req_message_status_update.json");
    stated.as_object_mut().unwrap().remove("auth");
    let id = stated["MESSAGE_ID"].as_str().unwrap().to_owned();
    assert_eq!(status_body("switchboard_wa", &id, SmsStatus::Delivered), stated);

    let mut stated = fixture("req_timeline_comment_add.json");
    stated.as_object_mut().unwrap().remove("auth");
    let (method, body) = comment(&card("deal", 8061), "Сообщение доставлено в WhatsApp");
    assert_eq!((method, body), ("crm.timeline.comment.add", stated));

    let (method, body) = answer("token", &json!({"status": "Y"}));
    assert_eq!((method, keys(&body)), ("bizproc.event.send", keys(&fixture("req_event_send.json"))));
}

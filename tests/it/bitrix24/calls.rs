//! The REST client over real sockets: every recorded reply, and every row of the vendor's table of errors.

use std::time::Duration;

use serde_json::{Value, json};
use switchboard::crm::bitrix24::batch::{Batch, Part};
use switchboard::crm::bitrix24::client::{Operating, Portal, Success, call, moved_endpoint};
use switchboard::crm::bitrix24::fault::Fault;
use switchboard::model::moment::Moment;
use switchboard::model::result::Code;
use switchboard::model::vendor::{Answer, Scope};
use switchboard::net::http::Limits;
use wiremock::matchers::{body_json, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{http, json as fixture, names};

const NOW: Moment = Moment(1_767_258_000_000);

fn portal(server: &MockServer) -> Portal {
    Portal {
        client_endpoint: format!("{}/rest/", server.uri()),
        access_token: "fixture-access-token-0001".into(),
        member_id: "m".into(),
    }
}

/// What one reply becomes.
async fn outcome(reply: ResponseTemplate) -> Result<Success, Fault> {
    let server = MockServer::start().await;
    Mock::given(method("POST")).and(path("/rest/some.method")).respond_with(reply).expect(1).mount(&server).await;
    call(&http(), &portal(&server), "some.method", &json!({}), Limits::CALL).await
}

async fn fault(status: u16, body: Value) -> Fault {
    outcome(ResponseTemplate::new(status).set_body_json(body)).await.unwrap_err()
}

#[tokio::test]
async fn a_call_is_a_post_of_json_with_the_token_in_its_body() {
    let server = MockServer::start().await;
    let body = json!({"fields": {"ENTITY_ID": 8061}, "auth": "fixture-access-token-0001"});
    Mock::given(method("POST"))
        .and(path("/rest/crm.timeline.comment.add"))
        .and(header("content-type", "application/json"))
        .and(body_json(body))
        .respond_with(ResponseTemplate::new(200).set_body_json(fixture("resp_timeline_comment_add.json")))
        .expect(1)
        .mount(&server)
        .await;
    let params = json!({"fields": {"ENTITY_ID": 8061}});
    let http = http();
    let success = call(&http, &portal(&server), "crm.timeline.comment.add", &params, Limits::CALL).await.unwrap();
    assert_eq!(success.result, fixture("resp_timeline_comment_add.json")["result"]);
    let request = &server.received_requests().await.unwrap()[0];
    assert_eq!(request.url.query(), None);
}

#[tokio::test]
async fn every_recorded_reply_is_a_success_with_its_result_and_its_time() {
    for name in names("resp_", ".json") {
        let body = fixture(&name);
        let outcome = outcome(ResponseTemplate::new(200).set_body_json(&body)).await;
        let refused = |code: &str, text: &str| Err(Fault::Refused { code: code.into(), text: text.into() });
        match name.as_str() {
            "resp_imconnector_register_error.json" => {
                assert_eq!(outcome, refused("CONNECTOR_ID_REQUIRED", "Connector ID is not specified"));
            }
            "resp_placement_bind_error.json" => {
                assert_eq!(outcome, refused("ERROR_ARGUMENT", "Argument 'PLACEMENT' is null or empty"));
            }
            _ => {
                let operating = Operating { used_ms: 120, reset_at: Moment(1_767_258_600_000) };
                let success = Success {
                    result: body["result"].clone(),
                    next: body["next"].as_i64(),
                    total: body["total"].as_i64(),
                    operating: Some(operating),
                };
                assert_eq!(outcome, Ok(success), "{name}");
            }
        }
    }
}

/// The fault of every recorded error.
fn stated(name: &str, text: String) -> Fault {
    let refused = |code: &str| Fault::Refused { code: code.into(), text: text.clone() };
    let rights = |code: &str| Fault::NoRights { code: code.into(), text: text.clone() };
    let token = |code: &str| Fault::Token { code: code.into() };
    match name {
        "err_400_argument_messages.json" | "err_400_message_structure.json" => refused("ERROR_ARGUMENT"),
        "err_400_chat_not_in_crm.json" => refused("CHAT_NOT_IN_CRM"),
        "err_400_crm_not_found.json" => refused("NOT_FOUND"),
        "err_400_event_not_found.json" => refused("ERROR_EVENT_NOT_FOUND"),
        "err_400_message_status_incorrect.json" => refused("ERROR_MESSAGE_STATUS_INCORRECT"),
        "err_400_not_active_line.json" => refused("NOT_ACTIVE_LINE"),
        "err_400_robot_already_installed.json" => refused("ERROR_ACTIVITY_ALREADY_INSTALLED"),
        "err_400_robot_validation.json" => refused("ERROR_ACTIVITY_VALIDATION_FAILURE"),
        "err_400_sender_already_installed.json" => refused("ERROR_SENDER_ALREADY_INSTALLED"),
        "err_400_transfer_id_empty.json" => refused("TRANSFER_ID_EMPTY"),
        "err_401_expired_token.json" => token("expired_token"),
        "err_401_invalid_token.json" => token("invalid_token"),
        "err_401_no_auth_found.json" => token("NO_AUTH_FOUND"),
        "err_403_access_denied.json" => rights("ACCESS_DENIED"),
        "err_403_access_denied_tariff.json" => Fault::Unpaid { text },
        "err_403_insufficient_scope.json" => refused("insufficient_scope"),
        "err_403_user_access_error.json" => rights("user_access_error"),
        "err_403_wrong_auth_type.json" => refused("WRONG_AUTH_TYPE"),
        "err_404_method_not_found.json" => refused("ERROR_METHOD_NOT_FOUND"),
        "err_429_operation_time_limit.json" => Fault::MethodResting { until: None },
        "err_503_overload_limit.json" => Fault::Blocked,
        "err_503_query_limit_exceeded.json" => Fault::TooFast,
        other => panic!("{other} has no stated fault"),
    }
}

#[tokio::test]
async fn every_recorded_error_is_told_apart() {
    for name in names("err_", ".json") {
        let (body, status) = (fixture(&name), name[4..7].parse().unwrap());
        let text = body["error_description"].as_str().unwrap().to_owned();
        assert_eq!(fault(status, body).await, stated(&name, text), "{name}");
    }
}

#[tokio::test]
async fn every_row_of_the_error_table_has_its_answer() {
    let (second, ten_minutes, hour, day) = (1_000, 600_000, 3_600_000, 86_400_000);
    let lane = |after_ms| Answer::Busy { after_ms, scope: Scope::Lane };
    let one = |after_ms| Answer::Busy { after_ms, scope: Scope::Recipient };
    let refused = |text: &str| Answer::Refused { code: Code::Refused, text: text.into() };
    let expired = |code: &str| Answer::Expired { seen: format!("the token was refused: {code}") };
    let unsure = |seen: &str| Answer::Unsure { seen: format!("the call's fate is unknown: {seen}"), resendable: false };
    for (status, code, answer) in [
        (400, "INVALID_REQUEST", refused("INVALID_REQUEST text")),
        (400, "ERROR_BATCH_LENGTH_EXCEEDED", refused("ERROR_BATCH_LENGTH_EXCEEDED text")),
        (400, "INVALID_ARG_VALUE", refused("INVALID_ARG_VALUE text")),
        (401, "expired_token", expired("expired_token")),
        (401, "invalid_token", expired("invalid_token")),
        (401, "NO_AUTH_FOUND", expired("NO_AUTH_FOUND")),
        (401, "PAYMENT_REQUIRED", lane(hour)),
        (401, "authorization_error", lane(hour)),
        (401, "ACCESS_DENIED", lane(hour)),
        (401, "METHOD_CONFIRM_WAITING", one(ten_minutes)),
        (403, "METHOD_CONFIRM_DENIED", refused("METHOD_CONFIRM_DENIED text")),
        (403, "ACCESS_DENIED", refused("ACCESS_DENIED text")),
        (403, "INVALID_CREDENTIALS", refused("INVALID_CREDENTIALS text")),
        (403, "insufficient_scope", refused("insufficient_scope text")),
        (403, "user_access_error", refused("user_access_error text")),
        (403, "WRONG_AUTH_TYPE", refused("WRONG_AUTH_TYPE text")),
        (404, "ERROR_METHOD_NOT_FOUND", refused("ERROR_METHOD_NOT_FOUND text")),
        (404, "ERROR_MANIFEST_IS_NOT_AVAILABLE", refused("ERROR_MANIFEST_IS_NOT_AVAILABLE text")),
        (405, "ERROR_BATCH_METHOD_NOT_ALLOWED", refused("ERROR_BATCH_METHOD_NOT_ALLOWED text")),
        (410, "PORTAL_DELETED", lane(day)),
        (500, "PORTAL_DELETED", lane(day)),
        (429, "OPERATION_TIME_LIMIT", one(60 * second)),
        (500, "INTERNAL_SERVER_ERROR", unsure("INTERNAL_SERVER_ERROR")),
        (500, "ERROR_UNEXPECTED_ANSWER", unsure("ERROR_UNEXPECTED_ANSWER")),
        (503, "QUERY_LIMIT_EXCEEDED", lane(second)),
        (503, "OVERLOAD_LIMIT", lane(hour)),
    ] {
        let fault = fault(status, json!({"error": code, "error_description": "text"})).await;
        assert_eq!(fault.answer(false, NOW), answer, "{status} {code}");
    }
}

#[tokio::test]
async fn a_method_without_budget_rests_until_the_portal_says() {
    let body =
        json!({"error": "OPERATION_TIME_LIMIT", "time": {"operating": 480.5, "operating_reset_at": 1_767_258_090}});
    let fault = fault(429, body).await;
    assert_eq!(fault, Fault::MethodResting { until: Some(Moment(1_767_258_090_000)) });
    assert_eq!(fault.answer(false, NOW), Answer::Busy { after_ms: 90_000, scope: Scope::Recipient });
}

#[tokio::test]
async fn errors_in_odd_shapes_are_read() {
    let refused = |code: &str, text: &str| Fault::Refused { code: code.into(), text: text.into() };
    for (status, body, expected) in [
        (400, json!({"error": "", "error_description": "Not found"}), refused("", "Not found")),
        (400, json!({"error": 100, "error_description": "missing"}), refused("100", "missing")),
        (400, json!({"error": "Access denied"}), refused("Access denied", "")),
        (200, json!({"error": "NOT_FOUND", "error_description": "x"}), refused("NOT_FOUND", "x")),
        (400, json!({"error": {"code": "BAD", "message": "x", "validation": []}}), refused("BAD", "x")),
        (401, json!({"error": "something_new"}), Fault::Token { code: "something_new".into() }),
        (200, json!({"error": "expired_token"}), Fault::Token { code: "expired_token".into() }),
    ] {
        assert_eq!(fault(status, body).await, expected);
    }
}

#[tokio::test]
async fn pages_and_empty_bodies_are_no_replies() {
    let page = |status| ResponseTemplate::new(status).set_body_raw("<html>nginx</html>", "text/html");
    for status in [200, 500, 502, 503, 504] {
        assert!(matches!(outcome(page(status)).await, Err(Fault::Unsure(_))), "{status}");
        assert!(matches!(outcome(ResponseTemplate::new(status)).await, Err(Fault::Unsure(_))), "{status}");
    }
    for status in [403, 404, 413] {
        let fault = outcome(page(status)).await.unwrap_err();
        assert!(matches!(fault, Fault::NotReached(_)), "{status}");
        assert!(matches!(fault.answer(false, NOW), Answer::Down { .. }));
    }
    assert!(matches!(outcome(ResponseTemplate::new(200).set_body_json(json!([]))).await, Err(Fault::Unsure(_))));
}

#[tokio::test]
async fn a_silent_portal_leaves_the_fate_open_and_a_closed_port_does_not() {
    let http = http();
    let server = MockServer::start().await;
    let late = ResponseTemplate::new(200).set_delay(Duration::from_mins(1));
    Mock::given(method("POST")).respond_with(late).mount(&server).await;
    let limits = Limits { deadline: Duration::from_millis(200), ..Limits::CALL };
    let fault = call(&http, &portal(&server), "m", &json!({}), limits).await.unwrap_err();
    assert!(matches!(fault.answer(false, NOW), Answer::Unsure { resendable: false, .. }));
    assert!(matches!(fault.answer(true, NOW), Answer::Unsure { resendable: true, .. }));

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let gone = Portal { client_endpoint: format!("http://{address}/rest/"), ..portal(&server) };
    let fault = call(&http, &gone, "m", &json!({}), Limits::CALL).await.unwrap_err();
    assert!(matches!(fault, Fault::NotReached(_)));
    assert!(!format!("{fault:?}").contains("fixture-access-token"));
}

#[tokio::test]
async fn a_moved_portal_is_told_and_not_followed() {
    let (old, new) = (MockServer::start().await, MockServer::start().await);
    let location = format!("{}/rest/profile", new.uri());
    let moved = ResponseTemplate::new(302).insert_header("Location", location.as_str());
    Mock::given(method("POST")).respond_with(moved).expect(1).mount(&old).await;
    let profile = ResponseTemplate::new(200).set_body_json(fixture("resp_profile.json"));
    Mock::given(method("POST")).and(path("/rest/profile")).respond_with(profile).expect(1).mount(&new).await;

    let (http, portal) = (http(), portal(&old));
    let fault = call(&http, &portal, "profile", &json!({}), Limits::CALL).await.unwrap_err();
    assert_eq!(fault, Fault::Moved { location: location.clone() });
    assert_eq!(new.received_requests().await.unwrap().len(), 0);

    let client_endpoint = moved_endpoint(&portal, "profile", &location).unwrap();
    let there = Portal { client_endpoint, ..portal };
    call(&http, &there, "profile", &json!({}), Limits::CALL).await.unwrap();
    assert_eq!(
        new.received_requests().await.unwrap()[0].body_json::<Value>().unwrap()["auth"],
        "fixture-access-token-0001"
    );
}

#[tokio::test]
async fn a_batch_of_fifty_goes_as_one_call_and_each_part_is_answered() {
    let server = MockServer::start().await;
    let failed = json!({"error": "ERROR_MESSAGE_NOT_FOUND", "error_description": "Message not found!"});
    let limit = json!({"error": "QUERY_LIMIT_EXCEEDED", "error_description": ""});
    let result = json!({
        "result": {"c00": true}, "result_error": {"c01": failed, "c02": limit},
        "result_total": [], "result_next": [], "result_time": []
    });
    let reply = ResponseTemplate::new(200).set_body_json(json!({"result": result}));
    Mock::given(method("POST")).and(path("/rest/batch")).respond_with(reply).expect(1).mount(&server).await;

    let mut batch = Batch::new();
    for n in 0..50 {
        batch.push("messageservice.message.status.update", &json!({"MESSAGE_ID": n})).unwrap();
    }
    let success = call(&http(), &portal(&server), "batch", &batch.params(), Limits::CALL).await.unwrap();
    let parts = batch.read(&success.result);
    let refused = Fault::Refused { code: "ERROR_MESSAGE_NOT_FOUND".into(), text: "Message not found!".into() };
    assert_eq!(parts[..3], [Part::Done(json!(true)), Part::Failed(refused), Part::Failed(Fault::TooFast)]);
    assert!(parts[3..].iter().all(|part| *part == Part::NotTried) && parts.len() == 50);
    let sent = server.received_requests().await.unwrap()[0].body_json::<Value>().unwrap();
    assert_eq!(sent["cmd"]["c49"], "messageservice.message.status.update?MESSAGE_ID=49");
}

/// The rows of the contract's tables: HTTP statuses, codes, the text that belongs to a code, and what is to be done.
fn stated_rows(columns: usize) -> Vec<(Vec<u16>, Vec<String>, String, String)> {
    let page = String::from_utf8(super::bytes("error_table.md")).unwrap();
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let codes_at = columns - 3;
        let codes = cells.get(codes_at).filter(|cell| cells.len() == columns && cell.starts_with('`'))?;
        if *codes == "`error`" {
            return None;
        }
        let statuses = cells[0].split('/').filter_map(|status| status.parse().ok()).collect();
        let quoted = codes.split('"').nth(1).unwrap_or("text").to_owned();
        let codes = codes.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        Some((statuses, codes, quoted, cells[columns - 1].to_owned()))
    });
    rows.collect()
}

#[tokio::test]
async fn every_code_of_the_contract_does_what_the_contract_asks_for() {
    let rows = stated_rows(4);
    assert_eq!(rows.iter().map(|(_, codes, ..)| codes.len()).sum::<usize>(), 27, "{rows:?}");
    for (statuses, codes, text, action) in rows {
        for (status, code) in statuses.iter().flat_map(|status| codes.iter().map(move |code| (*status, code))) {
            let fault = fault(status, json!({"error": code, "error_description": text})).await;
            let fits = match action.as_str() {
                action if action.starts_with("refresh") => matches!(fault, Fault::Token { .. }),
                action if action.starts_with("pause portal") => matches!(fault, Fault::Unpaid { .. }),
                action if action.starts_with("wait for") && code.ends_with("DENIED") => {
                    matches!(fault, Fault::Refused { .. })
                }
                action if action.starts_with("wait for") => fault == Fault::NeedsConsent,
                "try admin token" | "other user's token" => matches!(fault, Fault::NoRights { .. }),
                action if action.starts_with("mark") => fault == Fault::Gone,
                action if action.starts_with("after") => matches!(fault, Fault::MethodResting { .. }),
                action if action.starts_with("backoff;") => matches!(fault, Fault::Unsure(_)),
                action if action.starts_with("backoff from") => fault == Fault::TooFast,
                action if action.starts_with("stop portal") => fault == Fault::Blocked,
                action if action.starts_with("no") => matches!(fault, Fault::Refused { .. }),
                other => panic!("nobody has said how «{other}» is tested"),
            };
            assert!(fits, "{status} {code} «{action}» became {fault:?}");
        }
    }
}

#[test]
fn the_contract_names_every_code_of_the_token_endpoint_that_the_tests_walk() {
    let named: Vec<String> = stated_rows(3).into_iter().flat_map(|(_, codes, ..)| codes).collect();
    assert_eq!(named.len(), 11, "{named:?}");
    for code in named {
        assert!(super::tokens::WALKED.contains(&code.as_str()), "{code} is not walked");
    }
}

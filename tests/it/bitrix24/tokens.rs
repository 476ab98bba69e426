//! OAuth over real sockets.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use switchboard::crm::bitrix24::oauth::{AppKeys, AuthServer, OauthError, Tokens, exchange_code, introspect, refresh};
use wiremock::matchers::{body_string, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{http, json as fixture};

/// The codes that the tests below walk.
pub(super) const WALKED: [&str; 11] = [
    "invalid_grant",
    "invalid_client",
    "PAYMENT_REQUIRED",
    "invalid_request",
    "wrong_client",
    "insufficient_scope",
    "invalid_scope",
    "NOT_INSTALLED",
    "APPLICATION_NOT_FOUND",
    "PORTAL_DELETED",
    "authorization_error",
];

fn keys() -> AppKeys {
    AppKeys { client_id: "local.0".into(), client_secret: "the-secret".into() }
}

fn auth_server(server: &MockServer) -> AuthServer {
    AuthServer::of(&format!("{}/rest/", server.uri()), &[server.address().to_string()]).unwrap()
}

async fn refresh_with(status: u16, body: Value) -> Result<Tokens, OauthError> {
    let server = MockServer::start().await;
    let reply = ResponseTemplate::new(status).set_body_json(body);
    Mock::given(method("POST")).and(path("/oauth/token/")).respond_with(reply).expect(1).mount(&server).await;
    refresh(&http(), &keys(), &auth_server(&server), &"old".into()).await
}

#[tokio::test]
async fn a_renewal_posts_a_form_and_reads_the_new_pair() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/oauth/token/"))
        .and(body_string("grant_type=refresh_token&client_id=local.0&client_secret=the-secret&refresh_token=old"))
        .respond_with(ResponseTemplate::new(200).set_body_json(fixture("oauth_token_refresh.json")))
        .expect(1)
        .mount(&server)
        .await;
    let tokens = refresh(&http(), &keys(), &auth_server(&server), &"old".into()).await.unwrap();
    assert_eq!(tokens.access_token.expose_secret(), "fixture-access-token-0002");
    assert_eq!(tokens.refresh_token.expose_secret(), "fixture-refresh-token-0002");
    assert_eq!((tokens.expires_in_s, tokens.user_id), (3600, Some(27)));
    assert_eq!(tokens.client_endpoint, "https://example.bitrix24.ru/rest/");
    assert_eq!(tokens.server_endpoint.as_deref(), Some("https://oauth.bitrix24.tech/rest/"));
    assert_eq!(tokens.member_id, "a1b2c3d4e5f60718293a4b5c6d7e8f90");
    assert!(!format!("{tokens:?}").contains("fixture-"), "a token is in the debug text");
    assert_eq!(server.received_requests().await.unwrap()[0].url.query(), None);
}

#[tokio::test]
async fn a_code_is_exchanged() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(body_string("grant_type=authorization_code&client_id=local.0&client_secret=the-secret&code=c%2B1"))
        .respond_with(ResponseTemplate::new(200).set_body_json(fixture("oauth_token_code.json")))
        .mount(&server)
        .await;
    let tokens = exchange_code(&http(), &keys(), &auth_server(&server), "c+1").await.unwrap();
    assert_eq!((tokens.refresh_token.expose_secret(), tokens.user_id), ("fixture-refresh-token-0001", None));
}

#[tokio::test]
async fn every_refusal_says_what_to_do_whatever_its_http_status() {
    for status in [200, 400, 401, 402] {
        for (name, expected) in [
            ("oauth_error_invalid_grant.json", OauthError::GrantGone),
            ("oauth_error_invalid_client.json", OauthError::WrongKeys),
            ("oauth_error_payment_required.json", OauthError::Unpaid),
        ] {
            assert_eq!(refresh_with(status, fixture(name)).await.unwrap_err(), expected, "{name} {status}");
        }
    }
    for (code, expected) in [
        ("invalid_request", OauthError::Malformed("invalid_request".into())),
        ("wrong_client", OauthError::WrongKeys),
        ("insufficient_scope", OauthError::Scopes),
        ("invalid_scope", OauthError::Scopes),
        ("NOT_INSTALLED", OauthError::Gone("NOT_INSTALLED".into())),
        ("APPLICATION_NOT_FOUND", OauthError::Gone("APPLICATION_NOT_FOUND".into())),
        ("PORTAL_DELETED", OauthError::Gone("PORTAL_DELETED".into())),
        ("authorization_error", OauthError::Gone("authorization_error".into())),
    ] {
        assert_eq!(refresh_with(400, json!({"error": code})).await.unwrap_err(), expected);
    }
}

#[tokio::test]
async fn every_code_of_the_contract_is_told_apart() {
    for code in WALKED {
        let error = refresh_with(400, json!({"error": code})).await.unwrap_err();
        let fits = match code {
            "invalid_grant" => error == OauthError::GrantGone,
            "invalid_client" | "wrong_client" => error == OauthError::WrongKeys,
            "PAYMENT_REQUIRED" => error == OauthError::Unpaid,
            "invalid_request" => matches!(error, OauthError::Malformed(_)),
            "insufficient_scope" | "invalid_scope" => error == OauthError::Scopes,
            _ => error == OauthError::Gone(code.into()),
        };
        assert!(fits, "{code} became {error:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_whole_leaves_the_token_in_doubt() {
    for (status, body) in [(200, json!({"access_token": "x"})), (200, json!(null)), (502, json!("gateway"))] {
        assert!(matches!(refresh_with(status, body).await, Err(OauthError::Unsure(_))));
    }
    assert!(matches!(refresh_with(404, json!("page")).await, Err(OauthError::NotReached(_))));
}

#[tokio::test]
async fn the_authorization_server_tells_whose_a_token_is() {
    let server = MockServer::start().await;
    let known = ResponseTemplate::new(200).set_body_json(fixture("oauth_app_info.json"));
    let unknown = ResponseTemplate::new(401).set_body_json(fixture("err_401_invalid_token.json"));
    let ours = Mock::given(method("GET")).and(path("/rest/app.info")).and(query_param("auth", "known"));
    ours.respond_with(known).mount(&server).await;
    Mock::given(path("/rest/app.info")).and(query_param("auth", "other")).respond_with(unknown).mount(&server).await;
    let (http, auth) = (http(), auth_server(&server));
    let info = introspect(&http, &auth, &"known".into()).await.unwrap();
    assert_eq!(info.client_id, "local.00000000000000.00000000");
    assert_eq!(
        (info.member_id.as_str(), info.domain.as_str()),
        ("a1b2c3d4e5f60718293a4b5c6d7e8f90", "example.bitrix24.ru")
    );
    assert_eq!((info.user_id, info.installed, info.status.as_deref()), (Some(27), true, Some("L")));
    assert_eq!(introspect(&http, &auth, &"other".into()).await, Err(OauthError::TokenBad));
}

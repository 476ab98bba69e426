//! The document of the API: it is the file that is kept, it names every address, and answers have the shapes it promises.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::rig::{Reply, Rig};

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&switchboard::http::openapi::document().unwrap()).unwrap());

/// Fails where an answer of the API is not what the document says. Every answer that a rig gets goes through here.
pub fn hold(method: &str, path: &str, reply: &Reply) {
    let Some(path) = path.strip_prefix("/api/v1") else { return };
    let Some(operation) = operation(method, path) else {
        assert!([404, 405, 429].contains(&reply.status), "{method} {path} is not in the document: {reply:?}");
        return;
    };
    let promised = operation["responses"].get(reply.status.to_string());
    assert!(promised.is_some() || reply.status >= 400, "{method} {path} does not promise {}", reply.status);
    if reply.status < 400 && promised.is_some_and(|promised| promised["content"].get("application/pdf").is_some()) {
        assert!(reply.text.starts_with("%PDF-"), "{method} {path} promises a document");
        return;
    }
    let shape = &promised.unwrap_or(&Value::Null)["content"]["application/json"]["schema"];
    let shape =
        if shape.is_null() && reply.status >= 400 { &json!({"$ref": "#/components/schemas/ErrorOut"}) } else { shape };
    if shape.is_null() {
        assert_eq!(reply.text, "", "{method} {path} promises no body");
        return;
    }
    let mut schema = shape.clone();
    schema["components"] = DOCUMENT["components"].clone();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let wrong: Vec<_> =
        validator.iter_errors(&reply.json()).map(|error| format!("{}: {error}", error.instance_path)).collect();
    assert!(wrong.is_empty(), "{method} {path} answers otherwise than promised: {wrong:?}\n{}", reply.text);
}

fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let fits = |pattern: &str| {
        let (wanted, given): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
        wanted.len() == given.len()
            && wanted.iter().zip(&given).all(|(one, other)| one == other || one.starts_with('{'))
    };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let found: Vec<_> = paths.iter().filter(|(pattern, _)| fits(pattern)).collect();
    // an address without a variable part wins over one that has it
    let (_, operations) = found.iter().min_by_key(|(pattern, _)| pattern.matches('{').count())?;
    operations.get(method.to_lowercase())
}

#[test]
fn the_document_that_is_kept_is_the_one_of_the_code() {
    let kept = include_str!("../../../docs/openapi.json");
    let made = switchboard::http::openapi::document().unwrap();
    assert_eq!(kept, made, "write it again: cargo run -- openapi > docs/openapi.json");
}

#[test]
fn the_document_names_every_address_of_the_api_and_no_other() {
    let routes = include_str!("../../../src/http/routes.rs");
    let (_, api) = routes.split_once("fn api(").unwrap();
    let mut served = BTreeSet::new();
    for line in api.lines().filter(|line| line.contains("resource(\"")) {
        let path = line.split('"').nth(1).unwrap();
        for method in ["get", "post", "put", "patch", "delete"] {
            if line.contains(&format!("({method}().to(")) {
                served.insert(format!("{method} {path}"));
            }
        }
    }
    let mut named = BTreeSet::new();
    for (path, operations) in DOCUMENT["paths"].as_object().unwrap() {
        named.extend(operations.as_object().unwrap().keys().map(|method| format!("{method} {path}")));
    }
    assert!(named.len() > 20, "{named:?}");
    assert_eq!(named, served, "left the document, right routes.rs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_address_of_the_document_asks_for_the_proof_that_it_names() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let rig = Rig::start(&database).await;
    for (path, operations) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let address = format!("/api/v1{}", path.replace("{id}", "1"));
            let reply = rig.send(rig.request(&method.to_uppercase(), &address, "").json(&json!({}))).await;
            let open = operation.get("security").is_some_and(|ways| *ways == json!([{}]));
            assert_eq!(reply.status == 401, !open, "{method} {path}: {reply:?}");
        }
    }
    assert_eq!(rig.get("/api/v1/openapi.json", "").await.json(), *DOCUMENT);
    rig.server.stop().await;
}

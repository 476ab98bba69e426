//! The calls that a trip made to its portal, against the methods as the vendor describes them: the names of parameters, and which of them
//! must be there (`tests/fixtures/schemas/bitrix24-methods.json`, taken from the published descriptions of August 2026).

use serde_json::{Map, Value};
use switchboard::model::php_form;

/// What is wrong with calls of the ledger; each is told once.
pub fn wrong(calls: &[Value]) -> Vec<String> {
    let table: Value = serde_json::from_str(include_str!("../../fixtures/schemas/bitrix24-methods.json")).unwrap();
    let mut wrong = Vec::new();
    for call in calls {
        // a call that was cut before its body came has no parameters
        let (method, Some(params)) = (call["method"].as_str().unwrap(), call["params"].as_object()) else { continue };
        check(&table, method, params, true, &mut wrong);
        let commands = params.get("cmd").and_then(Value::as_object).into_iter().flat_map(Map::values);
        for command in commands.filter(|_| method == "batch").filter_map(Value::as_str) {
            let (method, query) = command.split_once('?').unwrap_or((command, ""));
            // the ledger keeps the beginning of long texts: of a command that was cut only the names that are whole are looked at
            let (query, whole) = match query.strip_suffix('…') {
                Some(cut) => (cut.rsplit_once('&').map_or("", |(kept, _)| kept), false),
                None => (query, true),
            };
            let params = php_form::decode(query.as_bytes()).unwrap();
            check(&table, method, params.as_object().unwrap(), whole, &mut wrong);
        }
    }
    wrong.sort();
    wrong.dedup();
    wrong
}

fn check(table: &Value, method: &str, params: &Map<String, Value>, whole: bool, wrong: &mut Vec<String>) {
    // the addresses of files are no methods
    if method == "download"
        || ["download", "getpdf", "getimage"].iter().any(|end| method.ends_with(&format!("document.{end}")))
    {
        return;
    }
    let described = table.as_object().unwrap().iter().find(|(name, _)| name.eq_ignore_ascii_case(method));
    let Some((_, described)) = described else {
        wrong.push(format!("{method} is not described"));
        return;
    };
    let names = |group: &str| described[group].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
    let required: Vec<String> = names("required").collect();
    let known: Vec<String> = names("may").chain(required.clone()).collect();
    for name in required.iter().filter(|_| whole) {
        if !params.keys().any(|given| given == name) {
            wrong.push(format!("{method} lacks {name}"));
        }
    }
    // the vendor gives back whatever a test of events is given
    let takes_all = known.iter().any(|name| name == "any");
    for name in params.keys().filter(|name| *name != "auth") {
        if !takes_all && !known.contains(name) {
            wrong.push(format!("{method} knows no {name}"));
        }
    }
}

#[test]
fn a_misspelt_parameter_and_a_missing_one_are_found() {
    let call = |method: &str, params: Value| serde_json::json!({ "method": method, "params": params });
    let calls = [
        call("disk.file.get", serde_json::json!({ "ID": 1, "auth": "x" })),
        call("batch", serde_json::json!({ "cmd": { "c0": "bizproc.robot.delete?CODE=a&WHY=b" }, "halt": 0 })),
        call("crm.deal.get", serde_json::json!({})),
    ];
    let expected = [
        "bizproc.robot.delete knows no WHY",
        "crm.deal.get is not described",
        "disk.file.get knows no ID",
        "disk.file.get lacks id",
    ];
    assert_eq!(wrong(&calls), expected);
}

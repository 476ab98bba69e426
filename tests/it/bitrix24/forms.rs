//! The form decoder against the stated values and against PHP itself.

use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use switchboard::crm::bitrix24::event::{Page, RobotCall, SmsCall, read_event};
use switchboard::crm::bitrix24::robot::SendRequest;
use switchboard::model::php_form::{decode, without_zeros};

use super::{bytes, json, names};

#[test]
fn every_fixture_decodes_exactly_as_stated() {
    let stated = json("decoded_forms.json");
    let stated = stated.as_object().unwrap();
    for (name, value) in stated {
        assert_eq!(decode(&bytes(name)).as_ref(), Ok(value), "{name}");
    }
    let on_disk = names("", ".form").len() + names("", ".query").len();
    assert_eq!(on_disk, stated.len(), "a form has no stated value");
}

/// Reads one form per line, percent-encoded as a whole, and prints what PHP makes of it. Lists are put in order, as ours are.
const SCRIPT: &str = "
function order(&$v) { if (is_array($v)) { ksort($v); foreach ($v as &$c) order($c); } }
foreach (explode(\"\\n\", stream_get_contents(STDIN)) as $line) {
    parse_str(rawurldecode($line), $form);
    foreach ($form as &$value) order($value);
    unset($value);
    echo json_encode((object) $form, JSON_THROW_ON_ERROR), \"\\n\";
}";

#[test]
fn php_itself_reads_forms_the_same_way() {
    let mut runner = TestRunner::deterministic();
    let strategy = any_form();
    let forms: Vec<String> = (0..6000).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
    let Some(php) = ask_php(&forms) else {
        println!("skipped: there is no php on this machine");
        return;
    };
    assert_eq!(php.len(), forms.len());
    for (form, expected) in forms.iter().zip(php) {
        assert_eq!(decode(form.as_bytes()), Ok(expected), "{form}");
    }
}

/// Forms whose variables meet in the same maps, with soup between them.
fn any_form() -> impl Strategy<Value = String> {
    const BASES: &[&str] = &["a", "a", "a", "b", " a", "a.b", "0"];
    const INDEXES: &[&str] = &["[]", "[]", "[0]", "[1]", "[2]", "[7]", "[b]", "[007]", "[ ]", "[ 0]", "[x"];
    const SOUP: &[&str] =
        &["a", "1", "[", "]", "[]", "][", "=", "&", "+", "%5B", "%5D", "%00", "%2E", ".", " ", "%D1%8F", "%09", "%zz"];
    let indexes = proptest::collection::vec(proptest::sample::select(INDEXES), 0..4);
    let variable = (proptest::sample::select(BASES), indexes, "[a-c]{0,2}")
        .prop_map(|(base, indexes, value)| format!("{base}{}={value}&", indexes.concat()));
    let soup = proptest::collection::vec(proptest::sample::select(SOUP), 0..8).prop_map(|soup| soup.concat() + "&");
    proptest::collection::vec(prop_oneof![4 => variable, 1 => soup], 0..8).prop_map(|parts| parts.concat())
}

fn ask_php(forms: &[String]) -> Option<Vec<Value>> {
    let mut child =
        Command::new("php").args(["-n", "-r", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let encode = |form: &String| form.bytes().fold(String::new(), |line, byte| format!("{line}%{byte:02X}"));
    let lines: Vec<_> = forms.iter().map(encode).collect();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(lines.join("\n").as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    Some(String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Everything that reads what a portal posts.
fn read_all(form: &Value) {
    let _ = read_event(form);
    let _ = SmsCall::read(form);
    let _ = Page::read(form, form);
    let _ = SendRequest::read(form, "RU");
    if let Ok(call) = RobotCall::read(form) {
        let _ = call.waits_until(switchboard::model::moment::Moment(i64::MAX));
        let _ = SendRequest::read(&call.properties, "RU");
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    const NAMES: [&str; 24] = [
        "event",
        "data",
        "ts",
        "auth",
        "member_id",
        "application_token",
        "expires_in",
        "user_id",
        "scope",
        "code",
        "workflow_id",
        "event_token",
        "document_id",
        "properties",
        "timeout_duration",
        "message_id",
        "message_to",
        "message_body",
        "bindings",
        "OWNER_ID",
        "phones",
        "message",
        "line_id",
        "0",
    ];
    let leaf = prop_oneof![
        any::<String>().prop_map(Value::String),
        "[0-9;,@+ \u{0}-]{0,30}".prop_map(Value::String),
        any::<i64>().prop_map(|number| Value::String(number.to_string())),
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec((proptest::sample::select(&NAMES[..]), inner.clone()), 0..8).prop_map(|pairs| {
                Value::Object(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
            proptest::collection::vec(inner, 0..4).prop_map(Value::Array),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_form_makes_a_reader_panic(form in any_value()) {
        read_all(&form);
    }

    #[test]
    fn a_spoiled_delivery_is_read_or_refused(
        which in any::<proptest::sample::Index>(),
        spoils in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), 0u8..3), 1..12),
    ) {
        let names = names("", ".form");
        let mut body = bytes(&names[which.index(names.len())]);
        for (at, byte, how) in spoils {
            let at = at.index(body.len());
            match how {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => body.truncate(at.max(1)),
            }
        }
        if let Ok(form) = decode(&body).map(without_zeros) {
            read_all(&form);
            prop_assert!(!form.to_string().contains("\\u0000"));
        }
    }
}

//! The form decoder against the stated values and against PHP itself.

use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use switchboard::model::php_form::decode;

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

//! Bitrix24 against the fixtures, which are what portals really send.

mod calls;
mod deliveries;
mod forms;
mod open_lines;
mod robots_page;
mod tokens;

use std::path::PathBuf;

use serde_json::Value;
use switchboard::model::result::table_markdown;
use switchboard::net::http::Http;

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/fixtures/bitrix24", name].iter().collect()
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&bytes(name)).unwrap()
}

fn form(name: &str) -> Value {
    switchboard::model::php_form::decode(&bytes(name)).unwrap()
}

fn http() -> Http {
    Http::new().unwrap()
}

/// The names of all fixtures that begin and end so.
fn names(prefix: &str, suffix: &str) -> Vec<String> {
    let files = std::fs::read_dir(path("")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with(prefix) && name.ends_with(suffix)).collect();
    names.sort();
    assert!(!names.is_empty(), "no fixture {prefix}*{suffix}");
    names
}

#[test]
fn the_published_table_of_codes_is_the_one_of_the_program() {
    let page: PathBuf = [env!("CARGO_MANIFEST_DIR"), "docs/result-codes.md"].iter().collect();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&page, table_markdown()).unwrap();
    }
    let on_disk = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(on_disk == table_markdown(), "docs/result-codes.md is old: run the tests once with UPDATE_DOCS=1");
}

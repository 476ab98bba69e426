//! The rules of the house that no compiler knows: layers, names, twins and texts. ARCHITECTURE.md tells the reasons.

mod layers;
mod migrations;
mod source;
mod texts;

use std::path::Path;

use serde_json::Value;

use source::{files_under, read, root};

/// Names that say nothing about what is inside, so that everything ends up inside.
const EMPTY_NAMES: [&str; 10] =
    ["util", "utils", "common", "helper", "helpers", "manager", "managers", "misc", "shared", "stuff"];

/// A file of this length has more than one story; split it by story.
const MOST_LINES: usize = 500;

#[test]
fn no_module_has_an_empty_name() {
    for file in files_under("src", "rs").into_iter().chain(files_under("tests", "rs")) {
        let short = file.strip_prefix(root()).unwrap();
        for part in short.with_extension("").components() {
            let name = part.as_os_str().to_str().unwrap();
            assert!(!EMPTY_NAMES.contains(&name), "{}: name it after what it does", short.display());
            assert_ne!(name, "mod", "{}: a module foo is src/foo.rs", short.display());
        }
    }
}

#[test]
fn files_stay_readable_in_one_sitting() {
    let mut lengths: Vec<_> =
        files_under("src", "rs").into_iter().map(|file| (read(&file).lines().count(), file)).collect();
    lengths.sort();
    let median = lengths.get(lengths.len() / 2).map_or(0, |(lines, _)| *lines);
    println!("{} files under src, median {median} lines; the longest:", lengths.len());
    for (lines, file) in lengths.iter().rev().take(10) {
        println!("{lines:5} {}", file.strip_prefix(root()).unwrap().display());
    }
    let (lines, file) = lengths.last().unwrap();
    assert!(*lines <= MOST_LINES, "{} has {lines} lines, the house allows {MOST_LINES}", file.display());
}

#[test]
fn robots_speak_russian_and_english() {
    for file in files_under("robots", "json") {
        let robot: Value = serde_json::from_str(&read(&file)).unwrap();
        assert_in_both_languages(&robot["NAME"], &file, "NAME");
        for group in ["PROPERTIES", "RETURN_PROPERTIES"] {
            for (key, property) in robot[group].as_object().into_iter().flatten() {
                assert_in_both_languages(&property["Name"], &file, key);
            }
        }
        let waits = &robot["USE_SUBSCRIPTION"];
        assert!(["Y", "N"].iter().any(|choice| waits == choice), "{}: set USE_SUBSCRIPTION", file.display());
    }
}

fn assert_in_both_languages(text: &Value, file: &Path, what: &str) {
    for language in ["ru", "en"] {
        let told = text[language].as_str().is_some_and(|text| !text.trim().is_empty());
        assert!(told, "{}: {what} has no text in {language}", file.display());
    }
}

#[test]
fn lock_files_name_no_registry() {
    for file in ["tests/browser/package-lock.json", "web/package-lock.json"].map(|name| root().join(name)) {
        let named = file.exists() && read(&file).contains("\"resolved\"");
        assert!(!named, "{}: npm config set omit-lockfile-registry-resolved true, and lock again", file.display());
    }
}

#[test]
fn the_changelog_has_a_place_for_the_next_change() {
    let changelog = read(&root().join("CHANGELOG.md"));
    assert!(changelog.contains("## [Unreleased]"), "CHANGELOG.md needs its section [Unreleased]");
}

//! What the texts of the house name must exist: settings, variables, commands and files.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use super::source::{files_under, read, root};

/// Everything that people read or copy from.
fn texts() -> Vec<(String, String)> {
    let named = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "Dockerfile",
        "compose.yaml",
        "config.default.toml",
        "Makefile",
    ];
    let files = named.map(|name| root().join(name)).into_iter();
    let files = files.chain(files_under("docs", "md")).chain(files_under("contrib", "service"));
    files.map(|file| (file.strip_prefix(root()).unwrap().display().to_string(), read(&file))).collect()
}

/// Every setting, as `server.listen`, and every section.
fn settings() -> BTreeSet<String> {
    let table: toml::Table = read(&root().join("config.default.toml")).parse().unwrap();
    let mut all = BTreeSet::new();
    for (name, value) in &table {
        all.insert(name.clone());
        all.extend(value.as_table().into_iter().flat_map(|inner| inner.keys().map(move |key| format!("{name}.{key}"))));
    }
    all
}

#[test]
fn every_variable_that_a_text_names_is_a_setting() {
    let settings = settings();
    let mut seen = 0;
    for (file, text) in texts() {
        for (at, _) in text.match_indices("SWITCHBOARD_") {
            let rest = &text[at + "SWITCHBOARD_".len()..];
            let name: String =
                rest.chars().take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_').collect();
            // «SWITCHBOARD_*» and «SWITCHBOARD_<SECTION>__<KEY>» stand for all of them
            if name.is_empty() || name == "CONFIG" {
                continue;
            }
            let key = name.to_lowercase().replace("__", ".");
            assert!(settings.contains(&key), "{file}: SWITCHBOARD_{name} sets nothing; there is no {key}");
            seen += 1;
        }
    }
    assert!(seen >= 6, "only {seen} variables are named at all");
}

#[test]
fn every_setting_that_a_text_names_exists() {
    let settings = settings();
    for (file, text) in texts() {
        for word in text.split('`').skip(1).step_by(2) {
            let Some((section, key)) = word.split_once('.') else { continue };
            let is_setting = settings.iter().any(|name| name.starts_with(&format!("{section}.")));
            let key = key.split(' ').next().unwrap_or_default();
            if is_setting && key.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
                assert!(settings.contains(&format!("{section}.{key}")), "{file}: there is no setting {word}");
            }
        }
    }
}

#[test]
fn every_command_that_a_text_names_exists() {
    let help = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_switchboard")).args(arguments).arg("--help").output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let mut known = BTreeSet::new();
    for (file, text) in texts() {
        let lines = text.lines().filter_map(|line| line.strip_prefix("    switchboard "));
        let quoted = text.split('`').skip(1).step_by(2).filter_map(|word| word.strip_prefix("switchboard "));
        for command in lines.chain(quoted) {
            let mut words = command.split_whitespace().filter(|word| word.chars().all(|c| c.is_ascii_lowercase()));
            let command: Vec<&str> =
                if command.starts_with("user ") { words.by_ref().take(2).collect() } else { words.take(1).collect() };
            if command.first().is_none_or(|name| *name == "keys" && command.len() > 1)
                || !known.insert(command.join(" "))
            {
                continue;
            }
            let (good, told) = help(&command);
            assert!(good && told.len() > 100, "{file}: there is no command `switchboard {}`", command.join(" "));
        }
    }
    assert!(known.len() >= 6, "{known:?}");
}

#[test]
fn every_target_of_make_and_every_local_file_that_a_text_names_exists() {
    let makefile = read(&root().join("Makefile"));
    for (file, text) in
        texts().into_iter().filter(|(file, _)| std::path::Path::new(file).extension().is_some_and(|kind| kind == "md"))
    {
        for word in text.split('`').skip(1).step_by(2).chain(text.lines().filter_map(|line| line.strip_prefix("    ")))
        {
            if let Some(target) = word.strip_prefix("make ").and_then(|rest| rest.split_whitespace().next()) {
                assert!(makefile.contains(&format!("\n{target}:")), "{file}: there is no target {target}");
            }
            let names_source = word.starts_with("src/") || word.starts_with("tests/") || word.starts_with("robots/");
            if names_source && !word.contains(['<', ' ', '*']) {
                assert!(root().join(word).exists(), "{file}: there is no {word}");
            }
        }
        // `flow/robot.rs` in ARCHITECTURE.md is a file under src
        if file == "ARCHITECTURE.md" {
            for word in
                text.split('`').skip(1).step_by(2).filter(|word| word.contains('/') && !word.contains(['<', ' ']))
            {
                let places: [PathBuf; 2] = [root().join("src").join(word), root().join(word)];
                assert!(places.iter().any(|place| place.exists()), "{file}: there is no {word}");
            }
        }
    }
}

#[test]
fn the_image_is_built_from_everything_that_the_program_includes() {
    let taken = read(&root().join(".dockerignore"));
    let taken: Vec<&str> = taken.lines().filter_map(|line| line.strip_prefix('!')).collect();
    for source in files_under("src", "rs") {
        let text = read(&source);
        for (at, _) in text.match_indices("include_str!(\"") {
            let name = text[at..].split('"').nth(1).unwrap();
            let included = source.parent().unwrap().join(name).canonicalize().unwrap();
            let short = included.strip_prefix(root().canonicalize().unwrap()).unwrap().to_owned();
            assert!(
                taken.iter().any(|folder| short.starts_with(folder)),
                ".dockerignore leaves {} out",
                short.display()
            );
        }
    }
    assert!(taken.contains(&"migrations"), ".dockerignore leaves the migrations out");
}

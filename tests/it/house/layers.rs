//! Who may know whom.

use super::source::{Source, parse, root, sources};

/// A module of the crate's root, and the modules that it may name. What is missing here may not exist.
const LAYERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("config", &["model"]),
    ("net", &["model"]),
    ("messenger", &["model", "net"]),
    ("crm", &["model", "net"]),
    ("store", &["model", "config"]),
    ("error", &["model", "config", "net", "store", "messenger", "crm"]),
    ("app", &["model", "config", "net", "store", "messenger", "crm", "error"]),
    ("flow", &["model", "config", "net", "store", "messenger", "crm", "error", "app"]),
    ("loops", &["model", "config", "net", "store", "messenger", "crm", "error", "app", "flow"]),
    ("http", &["model", "config", "net", "store", "messenger", "crm", "error", "app", "flow"]),
    ("serve", &["model", "config", "net", "store", "messenger", "crm", "error", "app", "flow", "loops", "http"]),
    ("sandbox", &["model"]),
];

/// The doors: they start things, so they may name everything. Only these may name the sandbox.
const DOORS: &[&str] = &["main", "command", "commands", "demo"];

/// All that the sandbox may take from us: it must not repeat our mistakes about the wire.
const SANDBOX_MAY_NAME: &[&str] = &["id", "moment", "clock"];

#[test]
fn every_file_names_only_the_layers_below_it() {
    let broken: Vec<_> = sources().iter().flat_map(broken_in).collect();
    assert!(broken.is_empty(), "layers of ARCHITECTURE.md, held by LAYERS in this file:\n{}", broken.join("\n"));
}

#[test]
fn only_the_store_knows_sql() {
    for source in sources().iter().filter(|source| layer(source) != "store") {
        let names_diesel = source.paths.iter().any(|path| path[0].starts_with("diesel"));
        assert!(!names_diesel, "{}: diesel belongs into src/store", source.name);
        let sql = source.strings.iter().find(|text| is_sql(text));
        assert!(sql.is_none(), "{}: SQL belongs into src/store: {}", source.name, sql.unwrap());
    }
}

#[test]
fn the_reader_sees_every_way_to_name_a_module() {
    let text = "
        use crate::{net::http, model::{id::Id, moment}};
        fn f() { super::super::store::open(); g!(\"SELECT 1 FROM t\", crate::flow::send(1)); }
        #[cfg(test)] mod tests { use super::super::waba; fn f() -> crate::app::App { crate::VERSION } }";
    let source = parse(&root().join("src/messenger/telegram/bot.rs"), text);
    let named: Vec<_> = source.paths.iter().map(|path| path.join("::")).collect();
    for path in ["crate::net::http", "crate::model::id::Id", "crate::messenger::telegram::waba", "crate::flow::send"] {
        assert!(named.iter().any(|name| name == path), "{path} not among {named:?}");
    }
    assert!(source.strings.iter().any(|text| is_sql(text)));
    let refused: Vec<_> =
        broken_in(&source).into_iter().map(|line| line.rsplit_once(' ').unwrap().1.to_owned()).collect();
    assert_eq!(refused, ["crate::flow::send", "crate::app::App"]);
}

fn broken_in(source: &Source) -> Vec<String> {
    let own = layer(source);
    let ours = source.paths.iter().filter(|path| path[0] == "crate" && path.len() > 1);
    ours.filter(|path| own != path[1] && !may_name(own, &path[1..]))
        .map(|path| format!("{}: {own} may not name {}", source.name, path.join("::")))
        .collect()
}

fn may_name(own: &str, path: &[String]) -> bool {
    let (other, below) = (path[0].as_str(), path.get(1).map(String::as_str));
    let is_module = LAYERS.iter().map(|(name, _)| name).chain(DOORS).any(|name| *name == other);
    let is_item_of_the_root = !is_module && !root().join("src").join(other).exists() && !has_file(other);
    if is_item_of_the_root || own.is_empty() || DOORS.contains(&own) {
        return true;
    }
    let allowed = LAYERS.iter().find(|(name, _)| *name == own).is_some_and(|(_, below)| below.contains(&other));
    allowed && (own != "sandbox" || below.is_some_and(|name| SANDBOX_MAY_NAME.contains(&name)))
}

fn has_file(module: &str) -> bool {
    root().join("src").join(module).with_extension("rs").exists()
}

/// The module of the crate's root that a file belongs to; nothing for lib.rs itself.
fn layer(source: &Source) -> &str {
    source.module.first().map_or("", String::as_str)
}

fn is_sql(text: &str) -> bool {
    let has = |words: &[&str]| words.iter().all(|word| text.contains(word));
    [&["SELECT ", " FROM "][..], &["INSERT INTO "], &["DELETE FROM "], &["UPDATE ", " SET "], &["CREATE TABLE "]]
        .iter()
        .any(|words| has(words))
}

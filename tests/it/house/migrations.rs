//! The migrations of both databases are twins: same steps, same tables, same columns.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::source::{read, root};

/// What only SQLite has: there a claim writes no wide row (`flights` for the column `state`), starts of calls gather, and
/// numbers are counted by a row instead of a sequence. ARCHITECTURE.md tells why.
const ONLY_SQLITE: [&str; 3] = ["flights", "starts", "errand_count"];

/// Columns that only PostgreSQL has, with their tables.
const ONLY_POSTGRES: [(&str, &str); 1] = [("errands", "state")];

/// Columns by table.
type Tables = BTreeMap<String, BTreeSet<String>>;

#[test]
fn both_databases_have_the_same_steps_with_a_way_back() {
    let steps = steps_of("sqlite");
    assert_eq!(steps, steps_of("postgres"));
    for database in ["sqlite", "postgres"] {
        for file in
            steps.iter().flat_map(|step| ["up.sql", "down.sql"].map(|name| folder(database).join(step).join(name)))
        {
            assert!(!read(&file).trim().is_empty(), "{} is empty", file.display());
        }
    }
}

#[test]
fn both_databases_get_the_same_tables_and_columns() {
    for step in steps_of("sqlite") {
        let tables = |database| tables_in(&read(&folder(database).join(&step).join("up.sql")));
        let (mut sqlite, mut postgres) = (tables("sqlite"), tables("postgres"));
        sqlite.retain(|table, _| !ONLY_SQLITE.contains(&table.as_str()));
        for (table, column) in ONLY_POSTGRES {
            postgres.entry(table.to_owned()).and_modify(|columns| _ = columns.remove(column));
        }
        for table in sqlite.keys().chain(postgres.keys()) {
            assert_eq!(sqlite.get(table), postgres.get(table), "{step}, {table}: sqlite left, postgres right");
        }
    }
}

#[test]
fn the_reader_of_migrations_sees_tables_and_columns() {
    let tables = tables_in(
        "-- CREATE TABLE not_this (x)
        CREATE TABLE IF NOT EXISTS lanes (
            id TEXT PRIMARY KEY, -- a comment, with (brackets
            pace NUMERIC(10, 2) CHECK (pace > 0),
            note TEXT DEFAULT 'a, b',
            UNIQUE (id, pace)
        ) STRICT;
        create table \"b\" (c int) WITH (fillfactor = 70, autovacuum_enabled = on);
        ALTER TABLE lanes ADD COLUMN due_at BIGINT;",
    );
    let columns = |table: &str| tables[table].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(tables.keys().collect::<Vec<_>>(), ["b", "lanes"]);
    assert_eq!(columns("lanes"), ["due_at", "id", "note", "pace"]);
    assert_eq!(columns("b"), ["c"]);
}

fn folder(database: &str) -> PathBuf {
    root().join("migrations").join(database)
}

fn steps_of(database: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder(database)).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Reads `CREATE TABLE` and `ALTER TABLE ... ADD COLUMN`, as far as our own migrations spell them.
fn tables_in(sql: &str) -> Tables {
    let mut tables = Tables::new();
    for statement in without_comments(sql).split(';') {
        let (head, body) = statement.split_once('(').unwrap_or((statement, ""));
        let words: Vec<_> = head.split_whitespace().map(str::to_lowercase).collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["create", "table", .., name] => {
                tables.insert(bare(name), columns_in(body));
            }
            ["alter", "table", name, "add", "column", column, ..] => {
                tables.entry(bare(name)).or_default().insert(bare(column));
            }
            _ => {}
        }
    }
    tables
}

fn columns_in(body: &str) -> BTreeSet<String> {
    const NOT_COLUMNS: [&str; 6] = ["constraint", "primary", "unique", "foreign", "check", "exclude"];
    let first_words = at_top_level(body).into_iter().filter_map(|part| part.split_whitespace().next().map(bare));
    first_words.filter(|word| !NOT_COLUMNS.contains(&word.as_str())).collect()
}

/// Splits at the commas that are in no brackets and no quotes, up to the bracket that ends the table.
fn at_top_level(body: &str) -> Vec<String> {
    let (mut depth, mut quoted) = (0, false);
    let mut parts = vec![String::new()];
    for sign in body.chars() {
        match sign {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            break;
        }
        if sign == ',' && depth == 0 && !quoted {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(sign);
        }
    }
    parts
}

fn without_comments(sql: &str) -> String {
    sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn bare(name: &str) -> String {
    name.split('(').next().unwrap_or_default().trim_matches('"').to_lowercase()
}

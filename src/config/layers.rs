//! Where settings come from, and how one source lies over the other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{ConfigError, DEFAULTS};

/// What begins every variable of ours.
const PREFIX: &str = "SWITCHBOARD_";

/// Variables of ours that are no settings.
const NOT_SETTINGS: [&str; 2] = ["CONFIG", "BINARY"];

/// The file that is read by itself.
const USUAL_FILE: &str = "switchboard.toml";

/// What settings are read from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The name and the text of the file.
    pub file: Option<(String, String)>,
    /// The environment.
    pub environment: Vec<(String, String)>,
}

/// All sources as one table, and where each key came from.
pub(super) struct Merged {
    pub(super) table: Table,
    origins: BTreeMap<String, String>,
}

impl Sources {
    /// The sources of this process.
    ///
    /// # Errors
    /// Where a file was named and cannot be read.
    pub fn of_process(file: Option<&Path>) -> Result<Self, ConfigError> {
        let environment: Vec<_> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let named = file.map(Path::to_owned).or_else(|| std::env::var_os("SWITCHBOARD_CONFIG").map(PathBuf::from));
        let path = named.or_else(|| Some(PathBuf::from(USUAL_FILE)).filter(|path| path.exists()));
        let file = path.map(|path| read_file(&path)).transpose()?;
        Ok(Self { file, environment })
    }
}

impl Merged {
    /// The sentence about a key.
    pub(super) fn error(&self, key: &str, problem: &str, remedy: &str) -> ConfigError {
        let origin = self.origins.get(key).map_or("config.default.toml", String::as_str);
        error(key, origin, problem, remedy)
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        find(&self.table, key)
    }
}

/// Lays the sources over each other.
pub(super) fn merge(sources: &Sources) -> Result<Merged, ConfigError> {
    let table: Table = DEFAULTS.parse().map_err(|error: toml::de::Error| {
        self::error("(unnamed)", "config.default.toml", &format!("cannot be read ({})", error.message()), "mend it")
    })?;
    let mut merged = Merged { table, origins: BTreeMap::new() };
    if let Some((name, text)) = &sources.file {
        let file: Table = text.parse().map_err(|fault: toml::de::Error| {
            let line =
                fault.span().map_or(1, |span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
            error("(unnamed)", name, &format!("cannot be read ({} in line {line})", fault.message()), "mend that line")
        })?;
        lay(&mut merged, &file, "", name)?;
    }
    for (name, text) in variables(&sources.environment) {
        let key = name
            .strip_prefix(PREFIX)
            .map_or_else(|| "database.url".to_owned(), |rest| rest.to_lowercase().replace("__", "."));
        let Some(now) = merged.get(&key).filter(|now| !now.is_table()) else {
            return Err(unknown(&merged, &key, &name));
        };
        let value = parse_like(now, &text)
            .ok_or_else(|| error(&key, &name, &format!("is not {}", kind(now)), "write it so"))?;
        put(&mut merged, &key, value, &name);
    }
    Ok(merged)
}

fn read_file(path: &Path) -> Result<(String, String), ConfigError> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((name, text)),
        Err(fault) => Err(error(
            "(all)",
            &name,
            &format!("cannot be read ({fault})"),
            "name a file that is there and may be read",
        )),
    }
}

/// The variables that are settings, `DATABASE_URL` first so that a more exact name wins over it. Empty ones count as unset:
/// compose files pass them on so.
fn variables(environment: &[(String, String)]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, value) in environment.iter().filter(|(_, value)| !value.is_empty()) {
        if name == "DATABASE_URL" {
            found.insert(0, (name.clone(), value.clone()));
        }
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        // Kubernetes tells every container about a service named «switchboard» in variables of this form
        let of_kubernetes = rest.starts_with("PORT") || rest.starts_with("SERVICE_");
        if !of_kubernetes && !NOT_SETTINGS.contains(&rest) {
            found.push((name.clone(), value.clone()));
        }
    }
    found
}

fn lay(merged: &mut Merged, over: &Table, prefix: &str, origin: &str) -> Result<(), ConfigError> {
    for (name, value) in over {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let Some(now) = merged.get(&key) else { return Err(unknown(merged, &key, origin)) };
        match (now, value) {
            (Value::Table(_), Value::Table(inner)) => lay(merged, inner, &key, origin)?,
            (now, value) if now.same_type(value) => put(merged, &key, value.clone(), origin),
            (now, _) => return Err(error(&key, origin, &format!("is not {}", kind(now)), "write it so")),
        }
    }
    Ok(())
}

fn put(merged: &mut Merged, key: &str, value: Value, origin: &str) {
    merged.origins.insert(key.to_owned(), origin.to_owned());
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    let table = if section.is_empty() {
        Some(&mut merged.table)
    } else {
        merged.table.get_mut(section).and_then(Value::as_table_mut)
    };
    if let Some(table) = table {
        table.insert(name.to_owned(), value);
    }
}

fn find<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        Some((section, rest)) => find(table.get(section)?.as_table()?, rest),
        None => table.get(key),
    }
}

fn parse_like(now: &Value, text: &str) -> Option<Value> {
    Some(match now {
        Value::String(_) => Value::String(text.to_owned()),
        Value::Integer(_) => Value::Integer(text.trim().parse().ok()?),
        Value::Boolean(_) => Value::Boolean(text.trim().parse().ok()?),
        Value::Array(_) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Value::Array(parts.map(|part| Value::String(part.to_owned())).collect())
        }
        Value::Float(_) | Value::Datetime(_) | Value::Table(_) => return None,
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
        Value::Float(_) | Value::Datetime(_) => "of the kind that is expected",
    }
}

fn unknown(merged: &Merged, key: &str, origin: &str) -> ConfigError {
    let remedy = nearest(&merged.table, key).map_or_else(
        || "take it out, or look it up in config.default.toml".to_owned(),
        |near| format!("did you mean {near}?"),
    );
    error(key, origin, "is unknown", &remedy)
}

/// The known key that differs least, where it differs little.
fn nearest(table: &Table, key: &str) -> Option<String> {
    let keys = table.iter().flat_map(|(name, value)| match value {
        Value::Table(inner) => inner.keys().map(|inner| format!("{name}.{inner}")).collect(),
        _ => vec![name.clone()],
    });
    let near = keys.map(|known| (distance(&known, key), known)).min()?;
    (near.0 <= 3).then_some(near.1)
}

/// How many letters must be put in, taken out or changed.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut next = vec![i + 1];
        for (pair, b) in row.windows(2).zip(&other) {
            let (diagonal, above) = (pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0));
            let left = next.last().copied().unwrap_or(0);
            next.push((diagonal + usize::from(a != *b)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

fn error(key: &str, origin: &str, problem: &str, remedy: &str) -> ConfigError {
    ConfigError {
        key: key.to_owned(),
        origin: origin.to_owned(),
        problem: problem.to_owned(),
        remedy: remedy.to_owned(),
    }
}

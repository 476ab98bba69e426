//! `batch`: up to fifty calls in one request, later ones may name results of earlier ones.

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value, json};

use super::Trouble;
use crate::sandbox::args::{Args, as_text, as_yes};
use crate::sandbox::door::Call;
use crate::sandbox::form;

/// The most commands in a batch.
const MOST: usize = 50;

/// What one command gave: the result with `total` and `next`, and its `time`.
pub(crate) type Done = (Value, Option<usize>, Option<usize>, Value);

/// Runs a batch; `run` does one command.
pub(crate) fn run(call: &Call, mut run: impl FnMut(&str, Args) -> Result<Done, Trouble>) -> Result<Value, Trouble> {
    let args = &call.args;
    let mut commands = read(args.any_case("cmd").unwrap_or(&Value::Null));
    let order = order(call);
    commands.sort_by_key(|(key, _)| order.iter().position(|name| name == key));
    if commands.is_empty() {
        return Err(Trouble::argument("cmd"));
    }
    let halt = args.any_case("halt").is_some_and(as_yes);
    let mut out = Outcome::default();
    for (n, (key, command)) in commands.into_iter().enumerate() {
        let done = if n >= MOST {
            Err(Trouble::of(400, "ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded"))
        } else {
            one(&command, &out.results, &mut run)
        };
        let is_error = done.is_err();
        out.put(&key, done);
        if is_error && halt {
            break;
        }
    }
    Ok(out.write())
}

#[derive(Default)]
struct Outcome {
    results: Map<String, Value>,
    errors: Map<String, Value>,
    totals: Map<String, Value>,
    nexts: Map<String, Value>,
    times: Map<String, Value>,
}

impl Outcome {
    fn put(&mut self, key: &str, done: Result<Done, Trouble>) {
        match done {
            Ok((result, total, next, time)) => {
                self.results.insert(key.to_owned(), result);
                self.totals.extend(total.map(|total| (key.to_owned(), json!(total))));
                self.nexts.extend(next.map(|next| (key.to_owned(), json!(next))));
                self.times.insert(key.to_owned(), time);
            }
            Err(trouble) => {
                self.errors.insert(key.to_owned(), trouble.body());
            }
        }
    }

    fn write(self) -> Value {
        json!({"result": as_php(self.results), "result_error": as_php(self.errors), "result_total": as_php(self.totals),
            "result_next": as_php(self.nexts), "result_time": as_php(self.times)})
    }
}

/// A map as PHP writes it: empty ones and those with keys 0..n-1 are lists.
fn as_php(mut map: Map<String, Value>) -> Value {
    if (0..map.len()).all(|n| map.contains_key(&n.to_string())) {
        return Value::Array((0..map.len()).filter_map(|n| map.remove(&n.to_string())).collect());
    }
    Value::Object(map)
}

fn read(cmd: &Value) -> Vec<(String, String)> {
    match cmd {
        Value::Object(map) => map.iter().filter_map(|(key, command)| Some((key.clone(), as_text(command)?))).collect(),
        Value::Array(list) => {
            list.iter().enumerate().filter_map(|(n, command)| Some((n.to_string(), as_text(command)?))).collect()
        }
        _ => Vec::new(),
    }
}

/// The keys of the commands as they stood in the body: a decoded map does not keep their order.
fn order(call: &Call) -> Vec<String> {
    if let Ok(body) = serde_json::from_slice::<Body>(&call.body) {
        return body.cmd.0;
    }
    let fields = form_urlencoded::parse(&call.body).chain(form_urlencoded::parse(call.query.as_bytes()));
    fields.filter_map(|(key, _)| Some(key.strip_prefix("cmd[")?.strip_suffix(']')?.to_owned())).collect()
}

#[derive(Deserialize)]
struct Body {
    #[serde(alias = "CMD", default)]
    cmd: Keys,
}

#[derive(Default)]
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Keys;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("commands by key")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, _)) = map.next_entry::<String, IgnoredAny>()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while list.next_element::<IgnoredAny>()?.is_some() {
                    keys.push(keys.len().to_string());
                }
                Ok(Keys(keys))
            }
        }

        from.deserialize_any(Read)
    }
}

fn one(
    command: &str,
    earlier: &Map<String, Value>,
    run: &mut impl FnMut(&str, Args) -> Result<Done, Trouble>,
) -> Result<Done, Trouble> {
    let (method, query) = command.split_once('?').unwrap_or((command, ""));
    let method = method.trim_end_matches(".json").to_ascii_lowercase();
    if method == "batch" {
        return Err(Trouble::of(405, "ERROR_BATCH_METHOD_NOT_ALLOWED", "Method is not allowed for batch usage"));
    }
    let given = resolve(form::decode(query.as_bytes()), earlier);
    run(&method, Args::of(given))
}

/// Puts earlier results where `$result[key][field]` names them.
fn resolve(value: Value, earlier: &Map<String, Value>) -> Value {
    match value {
        Value::String(text) if text.contains("$result[") => fill(&text, earlier),
        Value::Array(items) => items.into_iter().map(|item| resolve(item, earlier)).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, resolve(value, earlier))).collect(),
        other => other,
    }
}

fn fill(text: &str, earlier: &Map<String, Value>) -> Value {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("$result[") {
        let (before, reference) = rest.split_at(at);
        out.push_str(before);
        let (keys, length) = read_keys(reference);
        let found = look_up(earlier, &keys);
        if before.is_empty()
            && out.is_empty()
            && length == reference.len()
            && found.is_some_and(|it| it.is_object() || it.is_array())
        {
            return found.cloned().unwrap_or_default();
        }
        out.push_str(&found.and_then(as_text).unwrap_or_default());
        rest = reference.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    Value::String(out)
}

fn read_keys(reference: &str) -> (Vec<String>, usize) {
    let mut keys = Vec::new();
    let mut at = "$result".len();
    while let Some(rest) = reference.get(at..).and_then(|rest| rest.strip_prefix('[')) {
        let Some(end) = rest.find(']') else { break };
        keys.push(rest.get(..end).unwrap_or_default().to_owned());
        at += end + 2;
    }
    (keys, at)
}

fn look_up<'a>(earlier: &'a Map<String, Value>, keys: &[String]) -> Option<&'a Value> {
    let (first, rest) = keys.split_first()?;
    rest.iter().try_fold(earlier.get(first)?, |value, key| match value {
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        other => other.get(key),
    })
}

//! Up to fifty calls in one (`settings/how-to-call-rest-api/batch.md`). A batch counts as one call for the portal's bucket.

use form_urlencoded::byte_serialize;
use serde_json::{Value, json};

use super::fault::Fault;

/// The most commands of one batch.
pub const LIMIT: usize = 50;

/// A batch that holds [`LIMIT`] commands already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a batch holds {LIMIT} calls at most")]
pub struct BatchFull;

/// A batch on its way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    commands: Vec<String>,
    halt: bool,
}

/// What became of one command.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// It worked.
    Done(Value),
    /// It did not.
    Failed(Fault),
    /// It was not tried: a command before it failed and the batch halts, or the portal ran out of time.
    NotTried,
}

impl Batch {
    /// A batch that goes on after a command has failed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A batch that stops at the first command that fails.
    #[must_use]
    pub const fn halting() -> Self {
        Self { commands: Vec::new(), halt: true }
    }

    /// Adds a call and gives its key, by which a later call can name its result: `$result[c00][ID]`.
    ///
    /// # Errors
    /// [`BatchFull`] at the fifty-first.
    pub fn push(&mut self, method: &str, params: &Value) -> Result<String, BatchFull> {
        if self.commands.len() >= LIMIT {
            return Err(BatchFull);
        }
        let mut pairs = Vec::new();
        flatten("", params, &mut pairs);
        self.commands.push(format!("{method}?{}", pairs.join("&")));
        Ok(key(self.commands.len() - 1))
    }

    /// How many commands it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// The parameters of the method `batch`.
    #[must_use]
    pub fn params(&self) -> Value {
        // the keys sort as the commands stand: the portal works them in the order of the object
        let cmd: serde_json::Map<_, _> =
            self.commands.iter().enumerate().map(|(index, command)| (key(index), json!(command))).collect();
        json!({ "halt": i32::from(self.halt), "cmd": cmd })
    }

    /// What became of each command, in their order. `result` is the result of the method `batch`.
    #[must_use]
    pub fn read(&self, result: &Value) -> Vec<Part> {
        // an empty map comes as [], where no key is found either
        let of = |map: &str, index| result.get(map).and_then(|map| map.get(key(index)));
        (0..self.commands.len())
            .map(|index| match (of("result_error", index), of("result", index)) {
                (Some(error), _) => Part::Failed(fault(error)),
                (None, Some(result)) => Part::Done(result.clone()),
                (None, None) => Part::NotTried,
            })
            .collect()
    }
}

fn key(index: usize) -> String {
    format!("c{index:02}")
}

fn fault(error: &Value) -> Fault {
    Fault::of_body(None, error).unwrap_or_else(|| Fault::Refused { code: String::new(), text: error.to_string() })
}

/// Writes parameters as PHP reads them from a query, encoded once.
fn flatten(name: &str, value: &Value, pairs: &mut Vec<String>) {
    let child = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}[{key}]") };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| flatten(&child(key), value, pairs)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| flatten(&child(&index.to_string()), value, pairs));
        }
        Value::Null => {}
        Value::Bool(yes) => pairs.push(pair(name, if *yes { "1" } else { "0" })),
        Value::String(text) => pairs.push(pair(name, text)),
        Value::Number(number) => pairs.push(pair(name, &number.to_string())),
    }
}

fn pair(name: &str, value: &str) -> String {
    byte_serialize(name.as_bytes()).chain(["="]).chain(byte_serialize(value.as_bytes())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::php_form;
    use proptest::prelude::*;

    #[test]
    fn a_command_is_encoded_once_and_reads_back() {
        let mut batch = Batch::new();
        let params =
            json!({"type": "PHONE", "values": ["+79990000001", "a&b=c%20"], "x": {"y": true, "z": 5, "n": null}});
        assert_eq!(batch.push("crm.duplicate.findbycomm", &params), Ok("c00".to_owned()));
        let body = batch.params();
        let command = body["cmd"]["c00"].as_str().unwrap();
        let (method, query) = command.split_once('?').unwrap();
        assert_eq!(method, "crm.duplicate.findbycomm");
        let read = json!({"type": "PHONE", "values": ["+79990000001", "a&b=c%20"], "x": {"y": "1", "z": "5"}});
        assert_eq!(php_form::decode(query.as_bytes()), Ok(read));
    }

    #[test]
    fn the_order_of_fifty_commands_is_kept_and_one_more_is_refused() {
        let mut batch = Batch::halting();
        for n in 0..50 {
            batch.push("m", &json!({"n": n})).unwrap();
        }
        assert_eq!(batch.push("m", &json!({})), Err(BatchFull));
        let params = batch.params();
        let commands: Vec<_> = params["cmd"].as_object().unwrap().values().cloned().collect();
        let expected: Vec<_> = (0..50).map(|n| json!(format!("m?n={n}"))).collect();
        assert_eq!((commands, params["halt"].clone()), (expected, json!(1)));
    }

    #[test]
    fn each_command_gets_its_own_answer() {
        let mut batch = Batch::new();
        for _ in 0..3 {
            batch.push("m", &json!({})).unwrap();
        }
        let result = json!({
            "result": {"c00": true},
            "result_error": {"c01": {"error": "NOT_FOUND", "error_description": "Element not found"}},
            "result_total": [], "result_next": [], "result_time": []
        });
        let refused = Fault::Refused { code: "NOT_FOUND".into(), text: "Element not found".into() };
        assert_eq!(batch.read(&result), [Part::Done(json!(true)), Part::Failed(refused), Part::NotTried]);
        let none = json!({"result": [], "result_error": []});
        assert_eq!(batch.read(&none), [Part::NotTried, Part::NotTried, Part::NotTried]);
    }

    proptest! {
        #[test]
        fn any_text_survives_the_encoding(text in "\\PC{1,40}") {
            let mut batch = Batch::new();
            batch.push("m", &json!({"a": {"b": text}})).unwrap();
            let params = batch.params();
            let query = params["cmd"]["c00"].as_str().unwrap().strip_prefix("m?").unwrap();
            prop_assert_eq!(php_form::decode(query.as_bytes()), Ok(json!({"a": {"b": text}})));
        }
    }
}

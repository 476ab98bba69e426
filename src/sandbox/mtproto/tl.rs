//! The type language of Telegram's API, read from its schema at run time: bytes become JSON, JSON becomes bytes.
//!
//! A constructor is an object whose `_` is its name; bytes are hexadecimal digits, a field that is absent stays absent.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

const VECTOR: u32 = 0x1cb5_c415;
const TRUE: u32 = 0x9972_75b5;
const FALSE: u32 = 0xbc79_9737;

/// The lines that are spoken here, unaltered.
const TEXT: &str = include_str!("schema.tl");

/// A constructor or a function.
#[derive(Debug)]
pub(crate) struct Definition {
    /// Its name, e.g. `messages.sendMessage`.
    pub(crate) name: String,
    id: u32,
    fields: Vec<(String, String)>,
    /// The type it belongs to, or that it answers.
    pub(crate) result: String,
    is_function: bool,
}

/// The schema.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    by_id: HashMap<u32, Definition>,
    ids: HashMap<String, u32>,
}

/// The schema of this sandbox.
pub(crate) fn schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| Schema::read(TEXT))
}

/// What cannot be read or written.
pub(crate) type Wrong = String;

impl Schema {
    fn read(text: &str) -> Self {
        let mut schema = Self::default();
        let mut is_function = false;
        for line in text.lines().map(str::trim) {
            if line == "---functions---" {
                is_function = true;
            }
            let Some(read) = read_line(line, is_function) else { continue };
            schema.ids.insert(read.name.clone(), read.id);
            schema.by_id.insert(read.id, read);
        }
        schema
    }

    /// A function by the number that its call begins with.
    pub(crate) fn function(&self, bytes: &[u8]) -> Option<&Definition> {
        let id = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
        self.by_id.get(&id).filter(|definition| definition.is_function)
    }

    /// Reads a call; every byte must be spoken for.
    pub(crate) fn call(&self, bytes: &[u8]) -> Result<Value, Wrong> {
        let mut reader = Reader { bytes, at: 0 };
        let id = reader.number()?;
        let function = self.by_id.get(&id).filter(|definition| definition.is_function);
        let function = function.ok_or_else(|| format!("no function {id:08x} in the schema"))?;
        let call = self.fields(function, &mut reader)?;
        if reader.at == bytes.len() { Ok(call) } else { Err(format!("{}: bytes are left over", function.name)) }
    }

    fn fields(&self, definition: &Definition, reader: &mut Reader<'_>) -> Result<Value, Wrong> {
        let mut read = Map::from_iter([("_".to_owned(), json!(definition.name))]);
        let mut flags: HashMap<&str, u32> = HashMap::new();
        for (name, kind) in &definition.fields {
            if kind == "#" {
                flags.insert(name, reader.number()?);
                continue;
            }
            let (bit, kind) = optional(kind);
            if let Some((flag, bit)) = bit
                && flags.get(flag).is_none_or(|set| set & (1 << bit) == 0)
            {
                continue;
            }
            let value = self.value(kind, reader).map_err(|wrong| format!("{}.{name}: {wrong}", definition.name))?;
            read.insert(name.clone(), value);
        }
        Ok(Value::Object(read))
    }

    fn value(&self, kind: &str, reader: &mut Reader<'_>) -> Result<Value, Wrong> {
        if let Some(inner) = kind.strip_prefix("Vector<").and_then(|rest| rest.strip_suffix('>')) {
            if reader.number()? != VECTOR {
                return Err("no vector".to_owned());
            }
            let count = reader.number()?;
            return (0..count).map(|_| self.value(inner, reader)).collect();
        }
        match kind {
            "true" => Ok(json!(true)),
            "int" => Ok(json!(i32::from_le_bytes(reader.take()?))),
            "long" => Ok(json!(i64::from_le_bytes(reader.take()?))),
            "double" => Ok(json!(f64::from_le_bytes(reader.take()?))),
            "string" => Ok(json!(String::from_utf8(reader.text()?).map_err(|_| "no UTF-8".to_owned())?)),
            "bytes" => Ok(json!(hex::encode(reader.text()?))),
            "Bool" => match reader.number()? {
                TRUE => Ok(json!(true)),
                FALSE => Ok(json!(false)),
                other => Err(format!("{other:08x} is no Bool")),
            },
            boxed => {
                let id = reader.number()?;
                let definition = self.by_id.get(&id).ok_or_else(|| format!("no constructor {id:08x} in the schema"))?;
                if definition.result != boxed || definition.is_function {
                    return Err(format!("{} is no {boxed}", definition.name));
                }
                self.fields(definition, reader)
            }
        }
    }

    /// Writes a value as a type.
    pub(crate) fn write(&self, kind: &str, value: &Value) -> Result<Vec<u8>, Wrong> {
        let mut out = Vec::new();
        self.put(kind, value, &mut out)?;
        Ok(out)
    }

    fn put(&self, kind: &str, value: &Value, out: &mut Vec<u8>) -> Result<(), Wrong> {
        let whole = || value.as_i64().ok_or_else(|| format!("{value} is no number"));
        if let Some(inner) = kind.strip_prefix("Vector<").and_then(|rest| rest.strip_suffix('>')) {
            let list = value.as_array().ok_or_else(|| format!("{value} is no list"))?;
            out.extend(VECTOR.to_le_bytes());
            out.extend(u32::try_from(list.len()).unwrap_or_default().to_le_bytes());
            return list.iter().try_for_each(|one| self.put(inner, one, out));
        }
        match kind {
            "true" => {}
            "int" => out.extend(i32::try_from(whole()?).map_err(|_| format!("{value} is too large"))?.to_le_bytes()),
            "long" => out.extend(whole()?.to_le_bytes()),
            "double" => out.extend(value.as_f64().unwrap_or_default().to_le_bytes()),
            "string" => put_text(value.as_str().unwrap_or_default().as_bytes(), out),
            "bytes" => {
                let bytes = hex::decode(value.as_str().unwrap_or_default()).map_err(|_| "no hex".to_owned())?;
                put_text(&bytes, out);
            }
            "Bool" => out.extend(if value.as_bool().unwrap_or_default() { TRUE } else { FALSE }.to_le_bytes()),
            boxed => self.put_boxed(boxed, value, out)?,
        }
        Ok(())
    }

    fn put_boxed(&self, kind: &str, value: &Value, out: &mut Vec<u8>) -> Result<(), Wrong> {
        let name = value.get("_").and_then(Value::as_str).ok_or_else(|| format!("{value} has no name for {kind}"))?;
        let definition = self.ids.get(name).and_then(|id| self.by_id.get(id));
        let definition = definition.filter(|it| it.result == kind).ok_or_else(|| format!("{name} is no {kind}"))?;
        out.extend(definition.id.to_le_bytes());
        let given = |name: &str| value.get(name).filter(|field| !field.is_null() && **field != Value::Bool(false));
        for (name, kind) in &definition.fields {
            if kind == "#" {
                let set = definition.fields.iter().filter_map(|(field, kind)| Some((field, optional(kind).0?)));
                let set = set.filter(|(field, (flag, _))| flag == name && given(field).is_some());
                out.extend(set.fold(0_u32, |all, (_, (_, bit))| all | 1 << bit).to_le_bytes());
                continue;
            }
            let (bit, kind) = optional(kind);
            let field = if bit.is_some() { given(name) } else { value.get(name) };
            match field {
                Some(field) => {
                    self.put(kind, field, out).map_err(|wrong| format!("{}.{name}: {wrong}", definition.name))?;
                }
                None if bit.is_some() => {}
                None => return Err(format!("{}.{name} is missing", definition.name)),
            }
        }
        Ok(())
    }
}

/// An error as the server tells it.
pub(crate) fn rpc_error(code: i32, text: &str) -> Vec<u8> {
    let mut out = 0x2144_ca19_u32.to_le_bytes().to_vec();
    out.extend(code.to_le_bytes());
    put_text(text.as_bytes(), &mut out);
    out
}

fn read_line(line: &str, is_function: bool) -> Option<Definition> {
    let (left, result) = line.strip_suffix(';')?.split_once(" = ")?;
    let mut parts = left.split_whitespace();
    let (name, id) = parts.next()?.split_once('#')?;
    let fields = parts.filter_map(|part| part.split_once(':'));
    Some(Definition {
        name: name.to_owned(),
        id: u32::from_str_radix(id, 16).ok()?,
        fields: fields.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect(),
        result: result.to_owned(),
        is_function,
    })
}

/// `flags.3?int` is the bit 3 of `flags` and an `int`.
fn optional(kind: &str) -> (Option<(&str, u32)>, &str) {
    let split = || {
        let (condition, kind) = kind.split_once('?')?;
        let (flag, bit) = condition.split_once('.')?;
        Some(((flag, bit.parse().ok()?), kind))
    };
    split().map_or((None, kind), |(bit, kind)| (Some(bit), kind))
}

fn put_text(text: &[u8], out: &mut Vec<u8>) {
    let head = match u8::try_from(text.len()) {
        Ok(length) if length < 254 => {
            out.push(length);
            1
        }
        _ => {
            let length = u32::try_from(text.len()).unwrap_or_default();
            out.extend((0xfe | length << 8).to_le_bytes());
            4
        }
    };
    out.extend(text);
    out.resize(out.len() + (4 - (head + text.len()) % 4) % 4, 0);
}

struct Reader<'r> {
    bytes: &'r [u8],
    at: usize,
}

impl Reader<'_> {
    fn slice(&mut self, count: usize) -> Result<&[u8], Wrong> {
        let end = self.at.saturating_add(count);
        let taken = self.bytes.get(self.at..end).ok_or_else(|| "the bytes end too early".to_owned())?;
        self.at = end;
        Ok(taken)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Wrong> {
        self.slice(N)?.try_into().map_err(|_| "the bytes end too early".to_owned())
    }

    fn number(&mut self) -> Result<u32, Wrong> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn text(&mut self) -> Result<Vec<u8>, Wrong> {
        let [first] = self.take()?;
        let (head, length) = if first == 254 {
            let [low, middle, high] = self.take()?;
            (4, u32::from_le_bytes([low, middle, high, 0]) as usize)
        } else {
            (1, usize::from(first))
        };
        let text = self.slice(length)?.to_vec();
        self.slice((4 - (head + length) % 4) % 4)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let user =
            json!({"_": "user", "contact": true, "id": 5_000_000_001_i64, "access_hash": -7, "first_name": "Анна"});
        let bytes = schema().write("User", &user).unwrap();
        let mut reader = Reader { bytes: &bytes, at: 0 };
        assert_eq!(schema().value("User", &mut reader).unwrap(), user);
        assert_eq!(reader.at, bytes.len());
        for length in [0, 1, 3, 253, 254, 255, 70_000] {
            let text = json!("x".repeat(length));
            let bytes = schema().write("string", &text).unwrap();
            assert_eq!(bytes.len() % 4, 0);
            assert_eq!(schema().value("string", &mut Reader { bytes: &bytes, at: 0 }).unwrap(), text);
        }
    }

    #[test]
    fn what_is_not_in_the_schema_is_refused() {
        assert!(schema().call(&[1, 2, 3, 4]).unwrap_err().contains("04030201"));
        assert!(schema().call(&[1]).is_err());
        let mut call = 0xedd4_882a_u32.to_le_bytes().to_vec();
        assert_eq!(schema().call(&call).unwrap(), json!({"_": "updates.getState"}));
        call.push(0);
        assert!(schema().call(&call).unwrap_err().contains("left over"));
        assert!(schema().write("User", &json!({"_": "peerUser", "user_id": 1})).is_err());
        assert!(schema().write("Peer", &json!({"_": "peerUser"})).unwrap_err().contains("missing"));
    }
}

//! Open lines of a portal: connectors, chats and what is said there (`imconnector.*`, `imopenlines.*`).

mod chat;
pub(crate) mod say;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Trouble;
use super::event::{self, Post};
use super::oauth::Tokens;
use super::portal::Portal;
use crate::sandbox::args::{Args, as_text, as_whole, as_yes, text_at};
use crate::sandbox::state::Sandbox;

pub(crate) use chat::{Chat, Message};

/// An open line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// How it is called.
    pub(crate) name: String,
    /// Switched on.
    pub(crate) active: bool,
}

/// How a connector stands on a line.
#[derive(Debug, Clone, Default)]
struct Link {
    active: bool,
    connected: bool,
    error: bool,
    data: Value,
}

/// Everything that a portal has of open lines.
#[derive(Debug)]
pub(crate) struct OpenLines {
    /// Connectors of the app, by their id.
    connectors: BTreeMap<String, Map<String, Value>>,
    /// The lines.
    pub(crate) lines: BTreeMap<i64, Line>,
    links: BTreeMap<(String, i64), Link>,
    users: BTreeMap<String, i64>,
    /// The chats, by their number.
    pub(crate) chats: BTreeMap<i64, Chat>,
    next: i64,
}

impl Default for OpenLines {
    fn default() -> Self {
        let line = |name: &str| Line { name: name.to_owned(), active: true };
        Self {
            connectors: BTreeMap::new(),
            lines: BTreeMap::from([(12, line("Продажи")), (15, line("Поддержка"))]),
            links: BTreeMap::new(),
            users: BTreeMap::new(),
            chats: BTreeMap::new(),
            next: 1800,
        }
    }
}

impl OpenLines {
    fn number(&mut self) -> i64 {
        self.next += 1;
        self.next
    }

    /// An update or a removal of the app takes its connectors away; the chats stay.
    pub(crate) fn forget_connectors(&mut self) {
        self.connectors.clear();
        self.links.clear();
    }

    /// Takes a line away, with what was connected to it.
    pub(crate) fn delete(&mut self, line: i64) -> bool {
        self.links.retain(|(_, of), _| *of != line);
        self.lines.remove(&line).is_some()
    }

    /// An administrator disconnects a connector from a line.
    pub(crate) fn disconnect(&mut self, connector: &str, line: i64) -> bool {
        self.links.remove(&(connector.to_owned(), line)).is_some()
    }

    fn is_ready(&self, connector: &str, line: i64) -> bool {
        let stands = self.links.get(&(connector.to_owned(), line));
        let works = stands.is_some_and(|it| it.active && it.connected && !it.error);
        works && self.connectors.contains_key(connector) && self.lines.get(&line).is_some_and(|line| line.active)
    }

    fn flag(&self, connector: &str, name: &str, default: bool) -> bool {
        self.connectors.get(connector).and_then(|it| it.get(name)).map_or(default, as_yes)
    }

    /// How it looks to the control.
    pub(crate) fn card(&self) -> Value {
        let shown: Vec<Value> = self
            .lines
            .iter()
            .map(|(id, line)| {
                let on: Vec<&str> = self
                    .links
                    .keys()
                    .filter(|(connector, of)| of == id && self.is_ready(connector, *id))
                    .map(|(connector, _)| connector.as_str())
                    .collect();
                json!({"id": id, "name": line.name, "active": line.active, "connectors": on})
            })
            .collect();
        let status = |((connector, line), link): (&(String, i64), &Link)| {
            json!({"connector": connector, "line": line, "active": link.active, "connection": link.connected,
                "register": self.connectors.contains_key(connector), "error": link.error})
        };
        let statuses: Vec<Value> = self.links.iter().map(status).collect();
        json!({"connectors": self.connectors, "lines": shown, "statuses": statuses, "chats": self.chats.len()})
    }
}

/// What a method may touch besides the portal.
pub(crate) struct Desk<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) tokens: &'a mut Tokens,
    pub(crate) posts: &'a mut Vec<Post>,
}

impl Desk<'_> {
    /// Fires an event in the name of an employee.
    pub(crate) fn fire(&mut self, portal: &Portal, event: &str, data: &Value, user: Option<i64>) {
        self.posts.extend(event::fire(self.sandbox, self.tokens, portal, event, data, user));
    }
}

/// Answers a method of open lines; none where it is another one.
pub(crate) fn answer(
    desk: &mut Desk<'_>,
    portal: &mut Portal,
    method: &str,
    args: &Args,
) -> Option<Result<Value, Trouble>> {
    Some(match method {
        "imconnector.register" => Ok(register(portal, args)),
        "imconnector.unregister" => Ok(unregister(portal, args)),
        "imconnector.activate" => activate(portal, args),
        "imconnector.connector.data.set" => set_data(portal, args),
        "imconnector.status" => status(portal, args),
        "imconnector.list" => Ok(list(portal)),
        "imconnector.set.error" => set_error(portal, args),
        "imconnector.send.messages" => each(desk, portal, args, chat::take),
        "imconnector.update.messages" => each(desk, portal, args, chat::update),
        "imconnector.delete.messages" => each(desk, portal, args, chat::delete),
        "imconnector.send.status.delivery" => each(desk, portal, args, chat::deliver).map(|_| marked()),
        "imconnector.send.status.reading" => each(desk, portal, args, chat::read).map(|_| marked()),
        "imconnector.chat.name.set" => chat::rename(portal, args),
        "imopenlines.config.list.get" => lines(portal, args),
        "imopenlines.dialog.get" => chat::dialog(portal, args),
        "imopenlines.session.history.get" => chat::history(portal, args),
        "imopenlines.operator.transfer" => chat::transfer(portal, args),
        _ => return None,
    })
}

fn marked() -> Value {
    json!({"SUCCESS": true, "DATA": []})
}

/// Keys in the modules of connectors are read in any case.
fn upper(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.to_ascii_uppercase(), upper(value))).collect(),
        Value::Array(items) => items.iter().map(upper).collect(),
        other => other.clone(),
    }
}

/// The same for what is inside messages.
fn lower(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.to_ascii_lowercase(), lower(value))).collect(),
        Value::Array(items) => items.iter().map(lower).collect(),
        other => other.clone(),
    }
}

fn register(portal: &mut Portal, args: &Args) -> Value {
    let refused = |code: &str| json!({"result": false, "error": code, "error_description": "Ошибка регистрации"});
    let given = upper(&Value::Object(args.0.clone()));
    let text = |name: &str| Some(text_at(&given, name)).filter(|text| !text.is_empty());
    let Some(id) = text("ID") else { return refused("CONNECTOR_ID_REQUIRED") };
    if id.contains('.') {
        return refused("APPLICATION_REGISTRATION_ERROR_POINT");
    }
    if text("NAME").is_none() {
        return refused("NAME_REQUIRED");
    }
    let image = given.pointer("/ICON/DATA_IMAGE").and_then(Value::as_str).unwrap_or_default();
    if !image.starts_with("data:image/svg+xml") {
        return refused("ICON_REQUIRED");
    }
    if text("PLACEMENT_HANDLER").is_none() {
        return refused("NO_PLACEMENT_HANDLER");
    }
    let mut map = given.as_object().cloned().unwrap_or_default();
    map.remove("AUTH");
    portal.open_lines.connectors.insert(id.to_ascii_lowercase(), map);
    json!({"result": true})
}

fn unregister(portal: &mut Portal, args: &Args) -> Value {
    let id = args.text("ID").unwrap_or_default().to_ascii_lowercase();
    portal.open_lines.links.retain(|(connector, _), _| *connector != id);
    match portal.open_lines.connectors.remove(&id) {
        Some(_) => json!({"result": true}),
        None => json!({"result": false, "error": "APPLICATION_UNREGISTRATION_ERROR", "error_description": "Ошибка"}),
    }
}

/// The connector and the line of a call.
fn place(portal: &Portal, args: &Args) -> Result<(String, i64), Trouble> {
    let connector = args.text("CONNECTOR").ok_or_else(|| Trouble::argument("CONNECTOR"))?.to_ascii_lowercase();
    let line = args.whole("LINE").ok_or_else(|| Trouble::argument("LINE"))?;
    if portal.open_lines.connectors.contains_key(&connector) {
        return Ok((connector, line));
    }
    Err(Trouble::of(400, "IMCONNECTOR_NO_CORRECT_PROVIDER", "Could not find the provider"))
}

fn activate(portal: &mut Portal, args: &Args) -> Result<Value, Trouble> {
    let key = place(portal, args)?;
    // every text that is not empty switches on, `N` too
    let active = args.any_case("ACTIVE").and_then(as_text).is_some_and(|text| !text.is_empty() && text != "0");
    if !portal.open_lines.lines.contains_key(&key.1) {
        return Err(Trouble::of(400, "NOT_ACTIVE_LINE", "The line is not active"));
    }
    portal.open_lines.links.entry(key).or_default().active = active;
    Ok(json!(true))
}

fn set_data(portal: &mut Portal, args: &Args) -> Result<Value, Trouble> {
    let key = place(portal, args)?;
    let data = args.any_case("DATA").filter(|data| data.is_object()).ok_or_else(|| Trouble::argument("DATA"))?;
    let link = portal.open_lines.links.entry(key).or_default();
    (link.connected, link.error, link.data) = (true, false, upper(data));
    Ok(json!(true))
}

fn set_error(portal: &mut Portal, args: &Args) -> Result<Value, Trouble> {
    let key = place(portal, args)?;
    portal.open_lines.links.entry(key).or_default().error = true;
    Ok(marked())
}

fn status(portal: &Portal, args: &Args) -> Result<Value, Trouble> {
    let connector = args.text("CONNECTOR").ok_or_else(|| Trouble::argument("CONNECTOR"))?.to_ascii_lowercase();
    let line = args.whole("LINE").unwrap_or(0);
    let stands = portal.open_lines.links.get(&(connector.clone(), line)).cloned().unwrap_or_default();
    Ok(
        json!({"LINE": line, "CONNECTOR": connector, "ERROR": stands.error, "CONFIGURED": stands.active && stands.connected,
        "STATUS": portal.open_lines.is_ready(&connector, line)}),
    )
}

fn list(portal: &Portal) -> Value {
    let named =
        portal.open_lines.connectors.iter().map(|(id, it)| (id.clone(), it.get("NAME").cloned().unwrap_or_default()));
    Value::Object(named.collect())
}

fn lines(portal: &Portal, args: &Args) -> Result<Value, Trouble> {
    let known = ["select", "order", "filter", "limit", "offset"];
    let params = args.any_case("PARAMS");
    if let Some(Value::Object(params)) = params
        && params.keys().any(|key| !known.contains(&key.as_str()))
    {
        return Err(Trouble::of(400, "INVALID_FORMAT", "Invalid format"));
    }
    let card = |(id, one): (&i64, &Line)| json!({"ID": id.to_string(), "LINE_NAME": one.name, "ACTIVE": if one.active { "Y" } else { "N" }});
    let asked =
        |name: &str| usize::try_from(params.and_then(|params| number_at(params, name)).unwrap_or(0)).unwrap_or(0);
    // what is left out or nonsense is a page of the usual size
    let limit = Some(asked("limit")).filter(|limit| *limit > 0).map_or(50, |limit| limit.min(200));
    Ok(portal.open_lines.lines.iter().skip(asked("offset")).take(limit).map(card).collect())
}

/// What is done with one message of a call.
type One = fn(&mut Desk<'_>, &mut Portal, (&str, i64), &Value) -> Value;

/// Goes through the messages of a call; one that is bad does not stop the others.
fn each(desk: &mut Desk<'_>, portal: &mut Portal, args: &Args, one: One) -> Result<Value, Trouble> {
    let (connector, line) = place(portal, args)?;
    let messages = match args.any_case("MESSAGES") {
        Some(Value::Array(messages)) if !messages.is_empty() => messages.clone(),
        _ => {
            let text = "The value of an argument 'MESSAGES' must be of type array";
            return Err(Trouble::of(400, "ERROR_ARGUMENT", text));
        }
    };
    if !portal.open_lines.is_ready(&connector, line) {
        return Err(Trouble::of(400, "NOT_ACTIVE_LINE", "The line is not active or the connector is not connected"));
    }
    let items: Vec<Value> = messages.iter().map(lower).collect();
    let whole = |item: &Value| {
        let is_mark = item.get("im").is_some();
        (is_mark || item.get("user").is_some_and(Value::is_object))
            && ["message", "chat"].iter().all(|part| item.get(*part).is_some_and(Value::is_object))
    };
    if !items.iter().all(whole) {
        let text = "The incorrect structure of a message inside MESSAGES parameter";
        return Err(Trouble::of(400, "ERROR_ARGUMENT", text));
    }
    let results: Vec<Value> = items.iter().map(|item| one(desk, portal, (&connector, line), item)).collect();
    Ok(json!({"SUCCESS": true, "DATA": {"RESULT": results}}))
}

/// The number at a key, however it is written.
fn number_at(value: &Value, key: &str) -> Option<i64> {
    value.get(key).and_then(as_whole)
}

//! Robots: their registration, a step that fires one, and the one answer that each step takes.

use std::collections::{HashMap, VecDeque};

use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::Sha256;

use super::event::{self, Post, check_handler};
use super::oauth::{Tokens, auth_of};
use super::{Portal, Trouble};
use crate::model::moment::Moment;
use crate::sandbox::args::{Args, as_text, as_yes, text_at};
use crate::sandbox::form;
use crate::sandbox::state::{Sandbox, random_hex};

/// The types that a property may have.
const TYPES: [&str; 10] = ["bool", "date", "datetime", "double", "file", "int", "select", "string", "text", "user"];

/// One run of a robot in a deal.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Step {
    /// Its number, rising.
    pub(crate) n: u64,
    /// The code of the robot.
    pub(crate) code: String,
    /// The deal.
    pub(crate) deal: i64,
    /// The workflow it belongs to.
    pub(crate) workflow_id: String,
    /// `waiting`, `answered`, `timed_out` or `passed` (it did not wait).
    pub(crate) state: &'static str,
    /// What was filled in.
    pub(crate) properties: Value,
    /// What the robot gave back.
    pub(crate) returned: Map<String, Value>,
    /// What `bizproc.activity.log` and the answers said.
    pub(crate) log: Vec<String>,
    /// Answers that came after the first one.
    pub(crate) ignored: u32,
    /// When it was fired, milliseconds of UTC.
    pub(crate) fired_at: i64,
    /// When it was answered or timed out.
    pub(crate) done_at: Option<i64>,
    /// When its time is over.
    pub(crate) timeout_at: Option<i64>,
}

/// All steps of a portal.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    by_token: HashMap<String, Step>,
    order: VecDeque<String>,
    clocked: VecDeque<String>,
    secret: Option<String>,
    next: u64,
}

/// What a stage fires.
#[derive(Debug, Clone, serde::Deserialize)]
pub(crate) struct Firing {
    /// The deal; the first one when absent.
    pub(crate) deal: Option<i64>,
    /// What was filled in on the page.
    #[serde(default)]
    pub(crate) properties: Map<String, Value>,
    /// `Y` or `N` as set in this step; as registered when absent.
    pub(crate) use_subscription: Option<String>,
    /// Seconds; 0 waits without end.
    #[serde(default)]
    pub(crate) timeout_s: i64,
    /// The employee whose tokens go along; `AUTH_USER_ID` or 1 when absent.
    pub(crate) user: Option<i64>,
    /// How many times in one burst.
    #[serde(default = "once")]
    pub(crate) times: usize,
    /// Moves the deal to this stage first.
    pub(crate) stage: Option<String>,
}

fn once() -> usize {
    1
}

impl Steps {
    /// The latest steps, newest first.
    pub(crate) fn latest(&self, most: usize, deal: Option<i64>) -> Vec<&Step> {
        let steps = self.order.iter().rev().filter_map(|token| self.by_token.get(token));
        steps.filter(|step| deal.is_none_or(|deal| step.deal == deal)).take(most).collect()
    }

    /// How many steps are in each state, and how many answers came too often.
    pub(crate) fn counts(&self) -> Value {
        let count = |state: &str| self.by_token.values().filter(|step| step.state == state).count();
        let ignored: u32 = self.by_token.values().map(|step| step.ignored).sum();
        json!({"waiting": count("waiting"), "answered": count("answered"), "timed_out": count("timed_out"),
            "passed": count("passed"), "ignored_answers": ignored})
    }
}

/// `bizproc.robot.add`.
pub(crate) fn add(portal: &mut Portal, args: &Args) -> Result<Value, Trouble> {
    let code = args.text("CODE").ok_or_else(|| wrong("Empty activity code!"))?;
    if !code.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')) {
        return Err(wrong("Wrong activity code!"));
    }
    let robot: Map<String, Value> = args
        .0
        .iter()
        .filter(|(key, _)| *key != "auth")
        .map(|(key, value)| (key.to_uppercase(), value.clone()))
        .collect();
    let robot = Value::Object(robot);
    check(&robot, true)?;
    if portal.robots.contains_key(&code) {
        return Err(Trouble::of(
            400,
            "ERROR_ACTIVITY_ALREADY_INSTALLED",
            "Activity or Automation rule already installed!",
        ));
    }
    portal.robots.insert(code, robot);
    Ok(Value::Bool(true))
}

/// `bizproc.robot.update`.
pub(crate) fn update(portal: &mut Portal, args: &Args) -> Result<Value, Trouble> {
    let code = args.text("CODE").ok_or_else(|| wrong("Empty activity code!"))?;
    let robot = portal.robots.get_mut(&code).ok_or_else(missing)?;
    let fields = args.any_case("FIELDS").and_then(Value::as_object).filter(|fields| !fields.is_empty());
    let fields = fields.ok_or_else(|| wrong("No fields to update"))?;
    let mut changed = robot.clone();
    if let Some(map) = changed.as_object_mut() {
        map.extend(
            fields
                .iter()
                .filter(|(key, _)| !key.eq_ignore_ascii_case("CODE"))
                .map(|(key, value)| (key.to_uppercase(), value.clone())),
        );
    }
    check(&changed, false)?;
    *robot = changed;
    Ok(Value::Bool(true))
}

/// `bizproc.robot.delete`.
pub(crate) fn delete(portal: &mut Portal, args: &Args) -> Result<Value, Trouble> {
    let code = args.text("CODE").ok_or_else(|| wrong("Empty activity code!"))?;
    portal.robots.remove(&code).map(|_| Value::Bool(true)).ok_or_else(missing)
}

fn missing() -> Trouble {
    Trouble::of(400, "ERROR_ACTIVITY_NOT_FOUND", "Activity or Automation rule not found!")
}

fn wrong(text: &str) -> Trouble {
    Trouble::of(400, "ERROR_ACTIVITY_VALIDATION_FAILURE", text)
}

fn check(robot: &Value, is_new: bool) -> Result<(), Trouble> {
    if is_new && text_at(robot, "HANDLER").is_empty() {
        return Err(Trouble::of(400, "ERROR_WRONG_HANDLER_URL", "Wrong handler URL"));
    }
    check_handler(&text_at(robot, "HANDLER"))?;
    if !is_named(robot.get("NAME")) {
        return Err(wrong("Empty activity NAME!"));
    }
    if as_yes(robot.get("USE_PLACEMENT").unwrap_or(&Value::Null)) {
        check_handler(&text_at(robot, "PLACEMENT_HANDLER"))?;
    }
    for group in ["PROPERTIES", "RETURN_PROPERTIES"] {
        match robot.get(group) {
            None | Some(Value::Null) => {}
            // PHP writes an empty map as an empty list
            Some(Value::Array(items)) if items.is_empty() => {}
            Some(Value::Object(map)) => map.iter().try_for_each(|(key, property)| check_property(key, property))?,
            Some(_) => return Err(wrong("Wrong properties array!")),
        }
    }
    if robot.get("FILTER").is_some_and(|filter| !filter.is_object() && !filter.is_null()) {
        return Err(wrong("Wrong activity FILTER!"));
    }
    if robot.get("DOCUMENT_TYPE").is_some_and(|kind| kind.as_array().is_none_or(|kind| kind.len() != 3)) {
        return Err(wrong("Wrong activity DOCUMENT_TYPE!"));
    }
    Ok(())
}

fn check_property(key: &str, property: &Value) -> Result<(), Trouble> {
    let is_key = key.starts_with(|first: char| first.is_ascii_alphabetic())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_key {
        return Err(wrong(&format!("Wrong property key {key}!")));
    }
    if !is_named(property.get("Name").or_else(|| property.get("NAME"))) {
        return Err(wrong(&format!("Empty property NAME {key}!")));
    }
    let kind =
        property.get("Type").or_else(|| property.get("TYPE")).and_then(as_text).unwrap_or_else(|| "string".to_owned());
    if TYPES.contains(&kind.as_str()) || kind.starts_with("UF:") {
        Ok(())
    } else {
        Err(wrong("Wrong properties array!"))
    }
}

fn is_named(name: Option<&Value>) -> bool {
    match name {
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Object(map)) => map.values().any(|text| text.as_str().is_some_and(|text| !text.is_empty())),
        _ => false,
    }
}

/// Fires a robot in a deal: what is to be posted, and the numbers of the steps.
pub(crate) fn fire(
    sandbox: &Sandbox,
    tokens: &mut Tokens,
    portal: &mut Portal,
    code: &str,
    firing: &Firing,
) -> Result<(Vec<Post>, Vec<u64>), Trouble> {
    let robot = portal.robots.get(code).cloned().ok_or_else(missing)?;
    let deal = firing.deal.or_else(|| portal.crm.first_deal()).unwrap_or(0);
    if let Some(stage) = &firing.stage {
        portal.crm.move_deal(deal, stage).ok_or_else(|| Trouble::of(400, "NOT_FOUND", "Element not found"))?;
    }
    let registered = text_at(&robot, "USE_SUBSCRIPTION");
    let waits = firing.use_subscription.clone().unwrap_or(registered) == "Y";
    let user = firing.user.or_else(|| robot.get("AUTH_USER_ID").and_then(Value::as_i64)).unwrap_or(1);
    let auth = auth_of(sandbox, tokens, portal, (!portal.habits.no_tokens).then_some(user), true);
    let mut posts = Vec::new();
    let mut numbers = Vec::new();
    for _ in 0..firing.times {
        let (token, step) = new_step(sandbox, portal, code, deal, firing, waits);
        let fields = [
            ("workflow_id", json!(step.workflow_id)),
            ("code", json!(code)),
            ("document_id", json!(["crm", "CCrmDocumentDeal", format!("DEAL_{deal}")])),
            ("document_type", json!(["crm", "CCrmDocumentDeal", "DEAL"])),
            ("event_token", json!(token)),
            ("properties", fill_in(&robot, &firing.properties)),
            ("use_subscription", json!(if waits { "Y" } else { "N" })),
            ("timeout_duration", json!(firing.timeout_s)),
            ("ts", json!(sandbox.unix())),
            ("auth", auth.clone()),
        ];
        posts.push(Post {
            portal: portal.name.clone(),
            url: text_at(&robot, "HANDLER"),
            body: form::encode(&fields, event::brackets(portal)),
            what: format!("robot {code}"),
            delay_ms: portal.habits.delay_ms,
        });
        numbers.push(step.n);
        if step.timeout_at.is_some() {
            portal.steps.clocked.push_back(token.clone());
        }
        portal.steps.order.push_back(token.clone());
        portal.steps.by_token.insert(token, step);
    }
    if portal.habits.doubles {
        posts = posts.into_iter().flat_map(|post| [post.clone(), post]).collect();
    }
    Ok((posts, numbers))
}

fn new_step(
    sandbox: &Sandbox,
    portal: &mut Portal,
    code: &str,
    deal: i64,
    firing: &Firing,
    waits: bool,
) -> (String, Step) {
    portal.steps.next += 1;
    let n = portal.steps.next;
    let now = sandbox.now().0;
    let workflow_id = format!("{}.{n:08}", random_hex(7));
    let inner = format!("{workflow_id}|A{}_{}_{}_{}|{}", 10_000 + n % 90_000, 79_843, 85_254, 57_332, random_hex(16));
    let token = format!("{inner}.{}", sign(portal, &inner));
    let step = Step {
        n,
        code: code.to_owned(),
        deal,
        workflow_id,
        state: if waits { "waiting" } else { "passed" },
        properties: Value::Object(firing.properties.clone()),
        returned: Map::new(),
        log: Vec::new(),
        ignored: 0,
        fired_at: now,
        done_at: None,
        timeout_at: (waits && firing.timeout_s > 0).then(|| now + firing.timeout_s * 1000),
    };
    (token, step)
}

fn sign(portal: &mut Portal, inner: &str) -> String {
    let secret = portal.steps.secret.get_or_insert_with(|| random_hex(16));
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(inner.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// The values as the handler gets them: only registered keys, nothing as an empty text, multiple ones as a list.
fn fill_in(robot: &Value, given: &Map<String, Value>) -> Value {
    let Some(properties) = robot.get("PROPERTIES").and_then(Value::as_object) else { return json!({}) };
    let filled = properties.iter().filter_map(|(key, property)| {
        let value = given.get(key).or_else(|| property.get("Default")).cloned().unwrap_or(Value::Null);
        let is_multiple = property.get("Multiple").is_some_and(as_yes);
        let is_bool = text_at(property, "Type") == "bool";
        let value = match value {
            Value::Bool(yes) if is_bool => json!(if yes { "Y" } else { "N" }),
            Value::Null if is_multiple => return None,
            Value::Null => json!(""),
            Value::Array(items) if items.is_empty() => return None,
            Value::Array(items) => Value::Array(items),
            scalar if is_multiple => json!([scalar]),
            scalar => scalar,
        };
        Some((key.clone(), value))
    });
    Value::Object(filled.collect())
}

/// The step of a token whose signature is good.
fn find<'a>(portal: &'a mut Portal, args: &Args) -> Result<&'a mut Step, Trouble> {
    let token = args.text("EVENT_TOKEN").ok_or_else(Trouble::denied)?;
    let (inner, given) = token.rsplit_once('.').ok_or_else(Trouble::denied)?;
    if sign(portal, inner) != given {
        return Err(Trouble::denied());
    }
    portal.steps.by_token.get_mut(&token).ok_or_else(Trouble::denied)
}

/// `bizproc.event.send`. A second answer changes nothing; `is_strict` refuses it.
pub(crate) fn take_answer(portal: &mut Portal, args: &Args, now: Moment, is_strict: bool) -> Result<Value, Trouble> {
    let declared: Vec<String> = {
        let code = find(portal, args)?.code.clone();
        let robot = portal.robots.get(&code);
        let outputs = robot.and_then(|robot| robot.get("RETURN_PROPERTIES")?.as_object());
        outputs.map(|outputs| outputs.keys().cloned().collect()).unwrap_or_default()
    };
    let step = find(portal, args)?;
    if step.state != "waiting" {
        step.ignored += 1;
        return if is_strict { Err(Trouble::denied()) } else { Ok(Value::Bool(true)) };
    }
    for (key, value) in args.any_case("RETURN_VALUES").and_then(Value::as_object).into_iter().flatten() {
        if let Some(name) = declared.iter().find(|name| name.eq_ignore_ascii_case(key)) {
            step.returned.insert(name.clone(), value.clone());
        }
    }
    step.log.extend(args.text("LOG_MESSAGE"));
    step.state = "answered";
    step.done_at = Some(now.0);
    Ok(Value::Bool(true))
}

/// `bizproc.activity.log`.
pub(crate) fn write_log(portal: &mut Portal, args: &Args) -> Result<Value, Trouble> {
    let text = args.text("LOG_MESSAGE");
    let step = find(portal, args)?;
    let text = text.ok_or_else(|| Trouble::of(400, "ERROR_EMPTY_LOG_MESSAGE", "Empty log message!"))?;
    if step.state == "waiting" {
        step.log.push(text);
    }
    Ok(Value::Bool(true))
}

/// Ends the steps whose time is over, with the default values.
pub(crate) fn time_out(portal: &mut Portal, now: Moment) {
    let clocked = std::mem::take(&mut portal.steps.clocked);
    for token in clocked {
        let Some(step) = portal.steps.by_token.get_mut(&token) else { continue };
        if step.state != "waiting" {
            continue;
        }
        if step.timeout_at.is_some_and(|at| now.0 < at) {
            portal.steps.clocked.push_back(token);
            continue;
        }
        step.state = "timed_out";
        step.done_at = Some(now.0);
        let outputs = portal.robots.get(&step.code).and_then(|robot| robot.get("RETURN_PROPERTIES")?.as_object());
        let defaults = outputs.into_iter().flatten().map(|(key, it)| (key.clone(), json!(text_at(it, "Default"))));
        step.returned = defaults.chain([("IsTimeout".to_owned(), json!(1))]).collect();
    }
}

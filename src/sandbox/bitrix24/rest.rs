//! REST of a portal: who calls, may he, and which method it is.

use serde_json::{Value, json};

use super::event::{self, Post};
use super::open_line::{self, Desk};
use super::{Bitrix24, Portal, Trouble, batch, disk, robot, sms};
use crate::sandbox::answer::Answer;
use crate::sandbox::args::{Args, as_text, as_whole};
use crate::sandbox::door::Call;
use crate::sandbox::limit::Bucket;
use crate::sandbox::state::Sandbox;

/// How long one call is said to work, seconds.
const WORK_S: f64 = 0.01;

/// What a method gives: the result, and `total` and `next` of a list.
type Reply = (Value, Option<usize>, Option<usize>);

/// Answers a call; what is to be posted because of it goes into `posts`.
pub(crate) fn answer(
    sandbox: &Sandbox,
    bitrix24: &mut Bitrix24,
    name: &str,
    method: &str,
    hook: bool,
    call: &Call,
    posts: &mut Vec<Post>,
) -> Answer {
    let method = method.to_ascii_lowercase();
    let done = admit(sandbox, bitrix24, name, &method, hook, call)
        .and_then(|user| Ok((user, enter(sandbox, bitrix24, name, &method)?)))
        .and_then(|(user, ())| dispatch(sandbox, bitrix24, name, &method, user, call, posts));
    let portal = bitrix24.portals.get_mut(name);
    match (done, portal) {
        (Ok((result, total, next)), Some(portal)) => {
            let mut body = json!({"result": result, "time": time(sandbox, portal, &method)});
            if let Some(map) = body.as_object_mut() {
                map.extend(total.map(|total| ("total".to_owned(), json!(total))));
                map.extend(next.map(|next| ("next".to_owned(), json!(next))));
            }
            Answer::json(200, body)
        }
        (Err(trouble), Some(portal)) if trouble.code == "OPERATION_TIME_LIMIT" => {
            operation_limit(portal.blocked_methods.get(&method).copied().unwrap_or_default())
        }
        (Err(trouble), _) => trouble.answer(),
        (Ok(_), None) => no_portal().answer(),
    }
}

/// The answer to a method that worked too long; `time` says when to come back.
pub(crate) fn operation_limit(reset_at: i64) -> Answer {
    let trouble = Trouble::of(429, "OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit.");
    let mut body = trouble.body();
    if let Some(map) = body.as_object_mut() {
        map.insert("time".to_owned(), json!({"operating": 480.1, "operating_reset_at": reset_at}));
    }
    Answer::json(429, body)
}

fn no_portal() -> Trouble {
    Trouble::of(410, "PORTAL_DELETED", "Portal was deleted")
}

/// Checks the caller and the limits of the portal; says which employee it is.
fn admit(
    sandbox: &Sandbox,
    bitrix24: &mut Bitrix24,
    name: &str,
    method: &str,
    hook: bool,
    call: &Call,
) -> Result<i64, Trouble> {
    let portal = bitrix24.portals.get_mut(name).ok_or_else(no_portal)?;
    if portal.overloaded {
        return Err(Trouble::of(503, "OVERLOAD_LIMIT", "REST API is blocked due to overload."));
    }
    let (drain, depth) = portal.rate;
    if drain > 0.0 {
        let bucket = portal.buckets.entry(call.peer.clone()).or_insert_with(|| Bucket::new(drain, depth));
        if !bucket.take(sandbox.tick().0) {
            return Err(Trouble::of(503, "QUERY_LIMIT_EXCEEDED", "Too many requests"));
        }
    }
    if hook {
        return if needs_app(method) { Err(wrong_auth()) } else { Ok(1) };
    }
    let token = call.args.get("auth").and_then(as_text).filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| Trouble::of(401, "NO_AUTH_FOUND", "Wrong authorization data"))?;
    let holder = bitrix24.tokens.holder(&token, sandbox.now())?;
    if holder.member_id != portal.member_id {
        return Err(Trouble::of(401, "NO_AUTH_FOUND", "Wrong authorization data"));
    }
    let user = holder.user;
    if !portal.commercial {
        return Err(Trouble::of(403, "ACCESS_DENIED", "REST API is available only on commercial plans"));
    }
    if portal.hidden_from.contains(&user) {
        return Err(Trouble::of(403, "user_access_error", "The user does not have access to the application"));
    }
    Ok(user)
}

/// Checks the scope and the operating time of one method, and charges it.
fn enter(sandbox: &Sandbox, bitrix24: &mut Bitrix24, name: &str, method: &str) -> Result<(), Trouble> {
    let portal = bitrix24.portals.get_mut(name).ok_or_else(no_portal)?;
    let scope = scope_of(method);
    let has_scope = scope.is_empty()
        || scope.split('|').any(|scope| portal.app.scope.split([',', ' ']).any(|granted| granted == scope));
    if !has_scope {
        let text = "The request requires higher privileges than provided by the access token";
        return Err(Trouble::of(403, "insufficient_scope", text));
    }
    if portal.blocked_methods.get(method).is_some_and(|until| sandbox.unix() < *until) {
        return Err(Trouble::of(429, "OPERATION_TIME_LIMIT", ""));
    }
    *portal.operating.entry(method.to_owned()).or_default() += WORK_S;
    Ok(())
}

fn scope_of(method: &str) -> &'static str {
    match method.split('.').next().unwrap_or_default() {
        "bizproc" => "bizproc",
        "messageservice" => "messageservice",
        "imconnector" => "imconnector",
        "imopenlines" => "imopenlines",
        "crm" => "crm",
        "disk" => "disk",
        "im" => "im",
        "placement" => "placement",
        "user" if method == "user.get" || method == "user.current" => "user|user_brief|user_basic",
        _ => "",
    }
}

fn needs_app(method: &str) -> bool {
    [
        "bizproc.robot.",
        "bizproc.event.",
        "bizproc.activity.",
        "messageservice.",
        "imconnector.",
        "event.",
        "placement.",
        "app.",
    ]
    .iter()
    .any(|family| method.starts_with(family))
}

fn needs_admin(method: &str) -> bool {
    (method.starts_with("bizproc.robot.") || method.starts_with("messageservice.sender.")) || method == "app.option.set"
}

fn wrong_auth() -> Trouble {
    let text = "Current authorization type is denied for this method Application context required";
    Trouble::of(403, "WRONG_AUTH_TYPE", text)
}

fn dispatch(
    sandbox: &Sandbox,
    bitrix24: &mut Bitrix24,
    name: &str,
    method: &str,
    user: i64,
    call: &Call,
    posts: &mut Vec<Post>,
) -> Result<Reply, Trouble> {
    if method != "batch" {
        return one(sandbox, bitrix24, name, method, user, &call.args, posts);
    }
    let result = batch::run(call, |method, args| {
        let said = serde_json::to_vec(&args.0).unwrap_or_default();
        if let Some(fault) = sandbox.faults.meet_within("bitrix24", &format!("batch/{method}"), &said) {
            return Err(super::trouble_by_plan(&fault));
        }
        enter(sandbox, bitrix24, name, method)?;
        let (result, total, next) = one(sandbox, bitrix24, name, method, user, &args, posts)?;
        let time = bitrix24.portals.get(name).map(|portal| time(sandbox, portal, method)).unwrap_or_default();
        Ok((result, total, next, time))
    })?;
    Ok((result, None, None))
}

fn one(
    sandbox: &Sandbox,
    bitrix24: &mut Bitrix24,
    name: &str,
    method: &str,
    user: i64,
    args: &Args,
    posts: &mut Vec<Post>,
) -> Result<Reply, Trouble> {
    let portal = bitrix24.portals.get_mut(name).ok_or_else(no_portal)?;
    let person =
        portal.user(user).cloned().ok_or_else(|| Trouble::of(401, "NO_AUTH_FOUND", "Wrong authorization data"))?;
    if needs_admin(method) && !person.admin {
        return Err(Trouble::denied());
    }
    let now = sandbox.now();
    if method == "crm.documentgenerator.document.list" {
        let (documents, total) = disk::list_documents(portal, args);
        return Ok((documents, Some(total), None));
    }
    if method == "crm.item.list" {
        return portal.crm.list(args).map(|(items, total, next)| (items, Some(total), next));
    }
    let mut desk = Desk { sandbox, tokens: &mut bitrix24.tokens, posts };
    if let Some(done) = open_line::answer(&mut desk, portal, method, args) {
        return done.map(|result| (result, None, None));
    }
    let result = match method {
        "app.info" => Ok(app_info(portal)),
        "profile" => {
            Ok(json!({"ID": user.to_string(), "ADMIN": person.admin, "NAME": person.name.0, "LAST_NAME": person.name.1,
            "PERSONAL_GENDER": "", "TIME_ZONE": ""}))
        }
        "user.admin" => Ok(json!(person.admin)),
        "user.current" => Ok(card(&person)),
        "user.get" => Ok(portal.users.iter().map(card).collect()),
        "scope" => Ok(portal.app.scope.split(',').collect()),
        "server.time" => Ok(json!(iso(sandbox))),
        "feature.get" => Ok(json!({"value": "N"})),
        "method.get" => Ok(
            json!({"isExisting": is_known(&args.text("name").unwrap_or_default()), "isAvailable": is_known(&args.text("name").unwrap_or_default())}),
        ),
        "app.option.get" => Ok(get_option(portal, args)),
        "app.option.set" => Ok(set_options(portal, args)),
        "event.bind" => event::bind(portal, user, args),
        "event.unbind" => event::unbind(portal, args),
        "event.get" => Ok(portal.binds.iter().map(event::Bind::card).collect()),
        "event.test" => {
            let data = json!({"QUERY": args.0, "LANGUAGE_ID": "ru"});
            posts.extend(event::fire(sandbox, &mut bitrix24.tokens, portal, "ONAPPTEST", &data, Some(user)));
            Ok(json!(1))
        }
        "placement.bind" => bind_placement(portal, args),
        "placement.get" => Ok(Value::Array(portal.placements.clone())),
        "placement.unbind" => Ok(unbind_placement(portal, args)),
        "bizproc.robot.add" => robot::add(portal, args),
        "bizproc.robot.update" => robot::update(portal, args),
        "bizproc.robot.delete" => robot::delete(portal, args),
        "bizproc.robot.list" => Ok(portal.robots.keys().cloned().collect()),
        "bizproc.event.send" => robot::take_answer(portal, args, now, sandbox.settings.lock().strict_answers),
        "bizproc.activity.log" => robot::write_log(portal, args),
        "messageservice.sender.add" => sms::add(portal, args),
        "messageservice.sender.update" => sms::update(portal, args),
        "messageservice.sender.delete" => sms::delete(portal, args),
        "messageservice.sender.list" => Ok(portal.senders.keys().cloned().collect()),
        "messageservice.message.status.update" => sms::set_status(portal, user, args, now),
        "crm.timeline.comment.add" => {
            let id = portal.next_id();
            portal.crm.add_comment(id, args, now.0)
        }
        "disk.file.get" => disk::get_file(portal, &portal.endpoint(sandbox), user, args),
        "crm.documentgenerator.document.get" => disk::get_document(portal, &portal.endpoint(sandbox), args, now),
        "crm.item.get" => portal.crm.get(args),
        "crm.item.update" => {
            let done = portal.crm.update(args);
            let kind = match args.get("entityTypeId").and_then(as_whole) {
                Some(1) => "ONCRMLEADUPDATE",
                Some(2) => "ONCRMDEALUPDATE",
                _ => "ONCRMCONTACTUPDATE",
            };
            if done.is_ok() {
                // portals tell of what the application changed too
                let data = json!({"FIELDS": {"ID": args.get("id").and_then(as_text)}});
                posts.extend(event::fire(sandbox, &mut bitrix24.tokens, portal, kind, &data, Some(user)));
            }
            done
        }
        "crm.duplicate.findbycomm" => portal.crm.find_by_phone(args),
        "im.notify" | "im.notify.system.add" | "im.notify.personal.add" => notify(portal, args, now.0),
        _ => Err(Trouble::of(404, "ERROR_METHOD_NOT_FOUND", "Method not found!")),
    };
    result.map(|result| (result, None, None))
}

fn is_known(method: &str) -> bool {
    [
        "app.",
        "user.",
        "event.",
        "bizproc.",
        "messageservice.",
        "crm.",
        "im.notify",
        "imconnector.",
        "imopenlines.",
        "disk.",
        "placement.",
        "profile",
        "scope",
        "server.time",
    ]
    .iter()
    .any(|family| method.starts_with(family))
}

fn app_info(portal: &Portal) -> Value {
    let app = &portal.app;
    json!({"ID": 6, "CODE": app.client_id, "VERSION": app.version, "STATUS": app.status, "INSTALLED": app.installed,
        "PAYMENT_EXPIRED": "N", "DAYS": null, "LANGUAGE_ID": "ru", "LICENSE": format!("ru_{}100", portal.licence),
        "LICENSE_TYPE": format!("{}100", portal.licence), "LICENSE_FAMILY": portal.licence})
}

fn card(person: &super::portal::User) -> Value {
    json!({"ID": person.id.to_string(), "ACTIVE": true, "NAME": person.name.0, "LAST_NAME": person.name.1, "SECOND_NAME": "",
        "EMAIL": format!("user{}@example.com", person.id), "TIME_ZONE": "", "WORK_POSITION": "Менеджер", "UF_DEPARTMENT": [1],
        "USER_TYPE": "employee"})
}

fn get_option(portal: &Portal, args: &Args) -> Value {
    match args.text("option") {
        Some(name) => portal.options.get(&name).cloned().unwrap_or_else(|| json!("")),
        None if portal.options.is_empty() => json!([]),
        None => json!(portal.options),
    }
}

fn set_options(portal: &mut Portal, args: &Args) -> Value {
    let given = args.any_case("options").and_then(Value::as_object).cloned().unwrap_or_default();
    portal.options.extend(given);
    json!(true)
}

fn bind_placement(portal: &mut Portal, args: &Args) -> Result<Value, Trouble> {
    let code = args.text("PLACEMENT").ok_or_else(|| Trouble::argument("PLACEMENT"))?;
    let handler =
        args.text("HANDLER").ok_or_else(|| Trouble::of(200, "EMPTY_ERROR_HANDLER_URL", "Handler URL is empty"))?;
    let is_there = |placement: &Value| {
        placement.get("placement").is_some_and(|it| *it == code)
            && placement.get("handler").is_some_and(|it| *it == handler)
    };
    if portal.placements.iter().any(is_there) {
        return Err(Trouble::of(400, "ERROR_CORE", "Unable to set placement handler: Handler already binded"));
    }
    portal
        .placements
        .push(json!({"placement": code, "userId": 0, "handler": handler, "options": [], "title": args.text("TITLE"),
        "description": "", "langAll": args.any_case("LANG_ALL")}));
    Ok(json!(true))
}

fn unbind_placement(portal: &mut Portal, args: &Args) -> Value {
    let (code, handler) = (args.text("PLACEMENT"), args.text("HANDLER"));
    let before = portal.placements.len();
    portal.placements.retain(|placement| {
        let is_code = placement.get("placement").and_then(as_text) == code;
        !(is_code && handler.as_ref().is_none_or(|handler| placement.get("handler").is_some_and(|it| it == handler)))
    });
    json!({"count": before - portal.placements.len()})
}

fn notify(portal: &mut Portal, args: &Args, at: i64) -> Result<Value, Trouble> {
    let user = args
        .whole("USER_ID")
        .or_else(|| args.whole("TO"))
        .ok_or_else(|| Trouble::of(400, "USER_ID_EMPTY", "User ID can't be empty"))?;
    let text = args.text("MESSAGE").ok_or_else(|| Trouble::of(400, "MESSAGE_EMPTY", "Message can't be empty"))?;
    let id = portal.next_id();
    let tag = args.text("TAG");
    if tag.is_some() {
        portal.notices.retain(|notice| notice.get("tag").and_then(as_text) != tag);
    }
    portal.notices.push(json!({"id": id, "user": user, "text": text, "tag": tag, "at": at}));
    Ok(json!(id))
}

fn iso(sandbox: &Sandbox) -> String {
    chrono::FixedOffset::east_opt(3 * 3600).map_or_else(String::new, |zone| {
        sandbox.now().to_utc().with_timezone(&zone).format("%Y-%m-%dT%H:%M:%S%:z").to_string()
    })
}

fn time(sandbox: &Sandbox, portal: &Portal, method: &str) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century fit")]
    let now = sandbox.now().0 as f64 / 1000.0;
    let date = iso(sandbox);
    json!({"start": now, "finish": now + WORK_S, "duration": WORK_S, "processing": WORK_S, "date_start": date, "date_finish": date,
        "operating_reset_at": sandbox.unix() + 600, "operating": portal.operating.get(method).copied().unwrap_or(0.0)})
}

//! Signing in at VK: the page where a person lets an application in, and what its code is exchanged for.
//!
//! The Authorization Code of VK: without `group_ids` it gives a key of the person, with them one for each community.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Community, Trouble, Vk};
use crate::sandbox::answer::{Answer, Body};
use crate::sandbox::door::Call;
use crate::sandbox::state::{Sandbox, random_hex};

/// How long a code is good, seconds.
const CODE_S: i64 = 3600;

/// Whoever signs in, and where.
#[derive(Debug, Default)]
pub(crate) struct SignIn {
    /// The applications, by id.
    pub(crate) applications: HashMap<String, Application>,
    /// Codes that were not exchanged yet.
    codes: HashMap<String, Code>,
    /// Keys of the person.
    tokens: HashSet<String>,
}

/// A web application that is registered at VK.
#[derive(Debug)]
pub(crate) struct Application {
    /// Its protected key.
    pub(crate) secret: String,
    /// The address that it leads back to.
    pub(crate) redirect: String,
}

/// What was allowed.
#[derive(Debug)]
struct Code {
    application: String,
    redirect: String,
    groups: Vec<i64>,
    until: i64,
}

/// What an application asks for.
struct Request {
    application: String,
    redirect: String,
    state: String,
    groups: Vec<i64>,
    query: String,
}

/// Answers below `/vk/oauth`.
pub(crate) fn answer(sandbox: &Sandbox, path: &str, call: &Call) -> Answer {
    if path == "access_token" {
        return exchange(sandbox, call);
    }
    let request = match Request::read(&sandbox.vk.lock(), call) {
        Ok(request) => request,
        Err(trouble) => return trouble,
    };
    match path {
        "authorize" => page(&sandbox.vk.lock(), &request),
        "authorize/allow" => allow(sandbox, &request),
        "authorize/deny" => {
            let said = [
                ("error", "access_denied"),
                ("error_reason", "user_denied"),
                ("error_description", "User denied your request"),
            ];
            lead_back(&request, &said)
        }
        _ => refuse(404, "invalid_request", "no such page"),
    }
}

impl Request {
    fn read(vk: &Vk, call: &Call) -> Result<Self, Answer> {
        let text = |key: &str| call.args.text(key).unwrap_or_default();
        let (application, redirect) = (text("client_id"), text("redirect_uri"));
        let Some(known) = vk.sign_in.applications.get(&application) else {
            return Err(refuse(401, "invalid_client", "client_id is incorrect"));
        };
        if known.redirect != redirect {
            return Err(refuse(400, "invalid_request", "redirect_uri is incorrect, check application redirect uri"));
        }
        if text("response_type") != "code" {
            return Err(refuse(400, "unsupported_response_type", "response_type is unknown"));
        }
        let asked = text("group_ids");
        let numbers: Vec<Option<i64>> =
            asked.split(',').filter(|one| !one.is_empty()).map(|one| one.parse().ok()).collect();
        let managed = |id: &i64| vk.communities.get(id).is_some_and(|community| community.managed);
        let groups: Vec<i64> = numbers.iter().flatten().copied().filter(managed).collect();
        if groups.len() != numbers.len() {
            return Err(refuse(400, "invalid_request", "group_ids are incorrect"));
        }
        let wanted = if groups.is_empty() { "groups" } else { "messages" };
        if !text("scope").split(',').any(|one| one == wanted) {
            return Err(refuse(400, "invalid_scope", "the scope does not fit"));
        }
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(call.args.0.keys().map(|key| (key.as_str(), text(key))))
            .finish();
        Ok(Self { application, redirect, state: text("state"), groups, query })
    }
}

/// The page itself, with its two buttons.
fn page(vk: &Vk, request: &Request) -> Answer {
    let named = |id: &i64| vk.communities.get(id).map(|community| escaped(&community.name));
    let whose: Vec<String> = request.groups.iter().filter_map(named).collect();
    let what = if whose.is_empty() {
        "Приложение просит показать ваши сообщества".to_owned()
    } else {
        format!(
            "Приложение просит доступ к сообществу «{}»: сообщения, фотографии, файлы, управление",
            whose.join("», «")
        )
    };
    let mut html = String::from(
        "<!doctype html><html lang=\"ru\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
        <title>ВКонтакте | Вход</title><body style=\"font:16px sans-serif;max-width:24rem;margin:4rem auto;padding:0 1rem\">",
    );
    let _ = write!(html, "<h1 style=\"font-size:1.25rem\">Песочница ВКонтакте</h1><p>{what}</p>");
    for (way, label) in [("allow", "Разрешить"), ("deny", "Отмена")] {
        let link = escaped(&format!("authorize/{way}?{}", request.query));
        let _ = write!(html, "<p><a data-test=\"{way}\" href=\"{link}\">{label}</a></p>");
    }
    Answer { status: 200, body: Body::Raw(Bytes::from(html), "text/html; charset=utf-8".to_owned()), header: None }
}

fn allow(sandbox: &Sandbox, request: &Request) -> Answer {
    let code = random_hex(9);
    let allowed = Code {
        application: request.application.clone(),
        redirect: request.redirect.clone(),
        groups: request.groups.clone(),
        until: sandbox.unix() + CODE_S,
    };
    sandbox.vk.lock().sign_in.codes.insert(code.clone(), allowed);
    lead_back(request, &[("code", &code)])
}

fn lead_back(request: &Request, brought: &[(&str, &str)]) -> Answer {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(brought)
        .append_pair("state", &request.state)
        .finish();
    let place = format!("{}?{query}", request.redirect);
    Answer { status: 302, body: Body::Raw(Bytes::new(), "text/html".to_owned()), header: Some(("Location", place)) }
}

fn exchange(sandbox: &Sandbox, call: &Call) -> Answer {
    let text = |key: &str| call.args.text(key).unwrap_or_default();
    let now = sandbox.unix();
    let mut vk = sandbox.vk.lock();
    let known = vk.sign_in.applications.get(&text("client_id"));
    if known.is_none_or(|application| application.secret != text("client_secret")) {
        return refuse(401, "invalid_client", "client_secret is incorrect");
    }
    // a code is good once
    let code = vk.sign_in.codes.remove(&text("code")).filter(|code| code.until > now);
    let Some(code) = code.filter(|code| code.application == text("client_id")) else {
        return refuse(401, "invalid_grant", "Code is invalid or expired.");
    };
    if code.redirect != text("redirect_uri") {
        return refuse(401, "invalid_grant", "redirect_uri does not match");
    }
    if code.groups.is_empty() {
        let token = format!("vk1.a.{}", random_hex(20));
        vk.sign_in.tokens.insert(token.clone());
        return Answer::json(200, json!({"access_token": token, "expires_in": 86_400, "user_id": 390_000_000}));
    }
    let key = |id: &i64| {
        vk.communities.get(id).map(|community| json!({"group_id": community.id, "access_token": community.token}))
    };
    let groups: Vec<Value> = code.groups.iter().filter_map(key).collect();
    Answer::json(200, json!({"groups": groups, "expires_in": 0}))
}

/// What a key of the person is told; none where the key is another's.
pub(super) fn for_a_person(sandbox: &Sandbox, method: &str, call: &Call) -> Option<Result<Value, Trouble>> {
    let vk = sandbox.vk.lock();
    if !vk.sign_in.tokens.contains(&call.args.text("access_token")?) {
        return None;
    }
    Some(match method {
        "groups.get" if call.args.text("filter").as_deref() == Some("admin") => Ok(managed(&vk, call)),
        "groups.get" => Err(Trouble::bad("filter")),
        // a person may do much more, which nobody here asks for
        _ => Err(Trouble::of(15)),
    })
}

fn managed(vk: &Vk, call: &Call) -> Value {
    let mut own: Vec<&Community> = vk.communities.values().filter(|community| community.managed).collect();
    own.sort_by_key(|community| community.id);
    let whole = call.args.yes("extended");
    let items: Vec<Value> = own.iter().map(|one| if whole { card(one) } else { json!(one.id) }).collect();
    json!({"count": items.len(), "items": items})
}

fn card(community: &Community) -> Value {
    json!({"id": community.id, "name": community.name, "screen_name": community.screen_name, "is_closed": 0,
        "type": "group", "is_admin": 1, "admin_level": 3, "is_member": 1})
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

fn refuse(status: u16, error: &str, description: &str) -> Answer {
    Answer::json(status, json!({"error": error, "error_description": description}))
}

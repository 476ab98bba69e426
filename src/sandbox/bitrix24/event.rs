//! What the portal posts to the app: events in the brackets of PHP, never repeated.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::oauth::{Tokens, auth_of};
use super::{Portal, Trouble};
use crate::sandbox::args::Args;
use crate::sandbox::form::{self, Brackets};
use crate::sandbox::state::Sandbox;

/// How many posts are under way at once.
const AT_ONCE: usize = 32;

/// Life of the app: the events that come before `installFinish` too.
const LIFE: [&str; 3] = ["ONAPPINSTALL", "ONAPPUPDATE", "ONAPPUNINSTALL"];

/// One bound event.
#[derive(Debug, Clone)]
pub(crate) struct Bind {
    id: i64,
    event: String,
    handler: String,
    user: i64,
}

impl Bind {
    /// As `event.get` shows it.
    pub(crate) fn card(&self) -> Value {
        json!({"event": self.event, "handler": self.handler, "auth_type": self.user.to_string(), "offline": 0})
    }
}

/// How the portal sends its events.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "habits are switched one by one")]
pub(crate) struct Habits {
    /// Brackets as they are, spaces as `%20`.
    pub(crate) literal: bool,
    /// Every event twice.
    pub(crate) doubles: bool,
    /// Events of one burst in the reverse order.
    pub(crate) reversed: bool,
    /// How late events come, milliseconds.
    pub(crate) delay_ms: u64,
    /// Without tokens of employees.
    pub(crate) no_tokens: bool,
    /// The replies of open lines tell of no session.
    pub(crate) no_sessions: bool,
    /// Open lines take no message with files.
    pub(crate) refuses_files: bool,
    /// Without `application_token`.
    pub(crate) no_application_token: bool,
}

/// Something to post to the app.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    /// The portal that posts.
    pub(crate) portal: String,
    /// Where to.
    pub(crate) url: String,
    /// The form.
    pub(crate) body: String,
    /// What it is, for people.
    pub(crate) what: String,
    /// How late, milliseconds.
    pub(crate) delay_ms: u64,
}

/// `event.bind`.
pub(crate) fn bind(portal: &mut Portal, user: i64, args: &Args) -> Result<Value, Trouble> {
    let event = args.text("event").ok_or_else(|| Trouble::argument("EVENT"))?.to_uppercase();
    let handler = args.text("handler").ok_or_else(|| Trouble::argument("HANDLER"))?;
    if !is_known(&event) {
        return Err(Trouble::of(400, "ERROR_EVENT_NOT_FOUND", "Event not found"));
    }
    let auth_type = args.whole("auth_type").unwrap_or(0);
    let is_admin = portal.user(user).is_some_and(|user| user.admin);
    if auth_type != 0 && auth_type != user && !is_admin {
        return Err(Trouble::of(
            403,
            "ACCESS_DENIED",
            "Event binding with AUTH_TYPE requires administrator access rights",
        ));
    }
    check_handler(&handler)?;
    if portal.binds.iter().any(|bind| bind.event == event && bind.handler == handler) {
        return Err(Trouble::of(400, "ERROR_CORE", "Unable to set event handler: Handler already binded"));
    }
    let id = portal.next_id();
    portal.binds.push(Bind { id, event, handler, user: auth_type });
    Ok(Value::Bool(true))
}

/// `event.unbind`.
pub(crate) fn unbind(portal: &mut Portal, args: &Args) -> Result<Value, Trouble> {
    let event = args.text("event").ok_or_else(|| Trouble::argument("EVENT"))?;
    let handler = args.text("handler").ok_or_else(|| Trouble::argument("HANDLER"))?;
    let before = portal.binds.len();
    portal.binds.retain(|bind| !(bind.event.eq_ignore_ascii_case(&event) && bind.handler == handler));
    Ok(json!({"count": before - portal.binds.len()}))
}

/// Whether an address can be a handler.
///
/// # Errors
/// As the vendor's on-premise source has it.
pub(crate) fn check_handler(url: &str) -> Result<(), Trouble> {
    let parsed = url::Url::parse(url).map_err(|_| Trouble::of(400, "ERROR_WRONG_HANDLER_URL", "Wrong handler URL"))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(Trouble::of(400, "ERROR_UNSUPPORTED_PROTOCOL", "Unsupported event handler protocol"));
    }
    let has_host =
        parsed.host_str().is_some_and(|host| host.contains('.') || host == "localhost" || host.contains(':'));
    if has_host { Ok(()) } else { Err(Trouble::of(400, "ERROR_WRONG_HANDLER_URL", "Wrong handler URL")) }
}

fn is_known(event: &str) -> bool {
    let exact = [
        "ONAPPINSTALL",
        "ONAPPUPDATE",
        "ONAPPUNINSTALL",
        "ONAPPPAYMENT",
        "ONAPPMETHODCONFIRM",
        "ONAPPTEST",
        "ONUSERADD",
        "ONOFFLINEEVENT",
        "ONSESSIONSTART",
        "ONSESSIONFINISH",
    ];
    let families = ["ONCRM", "ONIMCONNECTOR", "ONOPENLINEMESSAGE", "ONIMBOT"];
    exact.contains(&event) || families.iter().any(|family| event.starts_with(family))
}

/// The posts of an event to everybody who bound it. `user` is the employee behind it.
pub(crate) fn fire(
    sandbox: &Sandbox,
    tokens: &mut Tokens,
    portal: &Portal,
    event: &str,
    data: &Value,
    user: Option<i64>,
) -> Vec<Post> {
    let bound: Vec<Bind> = portal.binds.iter().filter(|bind| bind.event == event).cloned().collect();
    if !portal.app.installed && !LIFE.contains(&event) {
        return Vec::new();
    }
    bound
        .iter()
        .flat_map(|bind| {
            let acting = if bind.user == 0 { user } else { Some(bind.user) };
            one(sandbox, tokens, portal, event, data, acting, &bind.handler, Some(bind.id))
        })
        .collect()
}

/// The posts of an event to one address: one, or two when the portal doubles.
#[expect(clippy::too_many_arguments, reason = "an event has that many parts, and only two callers")]
pub(crate) fn one(
    sandbox: &Sandbox,
    tokens: &mut Tokens,
    portal: &Portal,
    event: &str,
    data: &Value,
    user: Option<i64>,
    url: &str,
    bind: Option<i64>,
) -> Vec<Post> {
    let habits = &portal.habits;
    let is_life = LIFE.contains(&event);
    let acting = user.filter(|_| (is_life || !habits.no_tokens) && event != "ONAPPUNINSTALL");
    let mut auth = auth_of(sandbox, tokens, portal, acting, is_life);
    if let (true, Some(auth)) = (habits.no_application_token, auth.as_object_mut()) {
        auth.remove("application_token");
    }
    let fields = [
        ("event", json!(event)),
        ("event_handler_id", bind.map_or(Value::Null, |id| json!(id))),
        ("data", data.clone()),
        ("ts", json!(sandbox.unix())),
        ("auth", auth),
    ];
    let post = Post {
        portal: portal.name.clone(),
        url: url.to_owned(),
        body: form::encode(&fields, brackets(portal)),
        what: event.to_owned(),
        delay_ms: habits.delay_ms,
    };
    vec![post; if habits.doubles { 2 } else { 1 }]
}

/// The spelling of brackets that the portal uses.
pub(crate) fn brackets(portal: &Portal) -> Brackets {
    if portal.habits.literal { Brackets::Literal } else { Brackets::Encoded }
}

/// Posts everything beside the request; nothing is repeated.
pub(crate) fn send(sandbox: &Arc<Sandbox>, mut posts: Vec<Post>) {
    let Some(first) = posts.first() else { return };
    if sandbox.bitrix24.lock().portals.get(&first.portal).is_some_and(|portal| portal.habits.reversed) {
        posts.reverse();
    }
    let beside = Arc::clone(sandbox);
    sandbox.spawn(async move {
        use futures_util::StreamExt;
        let posts = futures_util::stream::iter(posts.into_iter().map(|post| post_one(&beside, post)));
        posts.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    });
}

async fn post_one(sandbox: &Sandbox, post: Post) {
    if post.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(post.delay_ms)).await;
    }
    let reply = post_form(sandbox, &post.url, post.body).await;
    let status = reply.map_or(0, |(status, _)| status);
    let at = sandbox.now().0;
    if let Some(portal) = sandbox.bitrix24.lock().portals.get_mut(&post.portal) {
        portal.note_post(json!({"what": post.what, "url": post.url, "status": status, "at": at}));
    }
}

/// Posts a form and says status and body of the reply; `None` when there was none.
pub(crate) async fn post_form(sandbox: &Sandbox, url: &str, body: String) -> Option<(u16, String)> {
    let request = sandbox.http.post(url).header("content-type", "application/x-www-form-urlencoded").body(body);
    let reply = request.send().await.ok()?;
    let status = reply.status().as_u16();
    Some((status, reply.text().await.unwrap_or_default()))
}

//! The Callback API: addresses that prove themselves, and events that are repeated until they are taken.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Community, Server, Trouble, VERSION, object, with_community};
use crate::sandbox::args::as_yes;
use crate::sandbox::door::Call;
use crate::sandbox::state::{Sandbox, random_hex};

/// The first pause after a failed delivery; it doubles. The vendor's own pauses are longer.
const FIRST_PAUSE_MS: u64 = 200;
const LONGEST_PAUSE_MS: u64 = 30_000;

/// The most servers of a community.
const MOST: usize = 10;

/// What waits to be posted to a server.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    /// The address is to prove itself.
    Confirm,
    /// An event of this type.
    Event(&'static str, Value),
}

/// The methods that set servers up.
pub(super) fn settings(sandbox: &Arc<Sandbox>, group: i64, method: &str, call: &Call) -> Result<Value, Trouble> {
    match method {
        "groups.getCallbackConfirmationCode" => {
            with_community(sandbox, group, |community| Ok(json!({"code": community.code})))
        }
        "groups.getCallbackServers" => with_community(sandbox, group, |community| {
            let items: Vec<Value> = community.servers.iter().map(tell).collect();
            Ok(json!({"count": items.len(), "items": items}))
        }),
        "groups.addCallbackServer" => add(sandbox, group, call),
        "groups.editCallbackServer" => edit(sandbox, group, call),
        "groups.deleteCallbackServer" => {
            let id = call.args.whole("server_id");
            with_community(sandbox, group, |community| {
                community.servers.retain(|server| Some(server.id) != id);
                Ok(json!(1))
            })
        }
        "groups.setCallbackSettings" => with_server(sandbox, group, call, |server| {
            for (name, value) in &call.args.0 {
                if as_yes(value) && !matches!(name.as_str(), "group_id" | "server_id" | "api_version") {
                    server.events.insert(name.clone());
                } else {
                    server.events.remove(name);
                }
            }
            Ok(json!(1))
        }),
        _ => Err(Trouble::of(3)),
    }
}

fn tell(server: &Server) -> Value {
    json!({"id": server.id, "title": server.title, "creator_id": 1, "url": server.url, "secret_key": server.secret,
        "status": server.status})
}

fn with_server(
    sandbox: &Sandbox,
    group: i64,
    call: &Call,
    work: impl FnOnce(&mut Server) -> Result<Value, Trouble>,
) -> Result<Value, Trouble> {
    let id = call.args.whole("server_id").unwrap_or(0);
    with_community(sandbox, group, |community| {
        let server = community.servers.iter_mut().find(|server| server.id == id);
        work(server.ok_or_else(|| Trouble::bad("server_id"))?)
    })
}

fn read(call: &Call) -> Result<(String, String, String), Trouble> {
    let url = call.args.text("url").filter(|url| url::Url::parse(url).is_ok()).ok_or_else(|| Trouble::bad("url"))?;
    let title = call.args.text("title").filter(|title| title.chars().count() <= 14);
    let secret = call.args.text("secret_key").unwrap_or_default();
    if secret.chars().count() > 50 {
        return Err(Trouble::bad("secret_key"));
    }
    Ok((url, title.ok_or_else(|| Trouble::bad("title"))?, secret))
}

fn add(sandbox: &Arc<Sandbox>, group: i64, call: &Call) -> Result<Value, Trouble> {
    let (url, title, secret) = read(call)?;
    let (outbox, queue) = tokio::sync::mpsc::unbounded_channel();
    let id = with_community(sandbox, group, |community| {
        if community.servers.len() >= MOST {
            return Err(Trouble::of(2_000));
        }
        let id = community.servers.iter().map(|server| server.id).max().unwrap_or(0) + 1;
        let _ = outbox.send(Item::Confirm);
        let events = HashSet::new();
        community.servers.push(Server { id, url, title, secret, status: "wait", events, doubles: 0, outbox });
        community.code = random_hex(4);
        Ok(id)
    })?;
    let beside = Arc::clone(sandbox);
    sandbox.spawn(deliver_all(beside, group, id, queue));
    Ok(json!({"server_id": id}))
}

fn edit(sandbox: &Sandbox, group: i64, call: &Call) -> Result<Value, Trouble> {
    let (url, title, secret) = read(call)?;
    with_server(sandbox, group, call, |server| {
        (server.url, server.title, server.secret, server.status) = (url, title, secret, "wait");
        let _ = server.outbox.send(Item::Confirm);
        Ok(json!(1))
    })?;
    with_community(sandbox, group, |community| {
        community.code = random_hex(4);
        Ok(json!(1))
    })
}

/// Sends an event on its way to every server that wants it.
pub(crate) fn push(community: &mut Community, kind: &'static str, event: &Value) {
    for server in community.servers.iter_mut().filter(|server| server.events.contains(kind)) {
        let _ = server.outbox.send(Item::Event(kind, event.clone()));
    }
}

async fn deliver_all(sandbox: Arc<Sandbox>, group: i64, id: i64, mut queue: UnboundedReceiver<Item>) {
    while let Some(item) = queue.recv().await {
        let taken = match item {
            Item::Confirm => confirm(&sandbox, group, id).await,
            Item::Event(kind, event) => deliver(&sandbox, group, id, kind, event).await,
        };
        if taken.is_none() {
            return;
        }
    }
}

/// Nothing where the server is gone.
async fn confirm(sandbox: &Sandbox, group: i64, id: i64) -> Option<()> {
    let (url, secret, code, _) = target(sandbox, group, id)?;
    let body = envelope("confirmation", group, &secret, None);
    let reply = sandbox.http.post(&url).header("content-type", "application/json").body(body.to_string()).send().await;
    let told = match reply {
        Ok(reply) if reply.status().as_u16() == 200 => reply.text().await.unwrap_or_default(),
        _ => String::new(),
    };
    set_status(sandbox, group, id, if told == code { "ok" } else { "failed" });
    Some(())
}

async fn deliver(sandbox: &Sandbox, group: i64, id: i64, kind: &'static str, event: Value) -> Option<()> {
    let (_, _, _, doubles) = target(sandbox, group, id)?;
    let event_id = random_hex(20);
    for _ in 0..=u32::from(doubles > 0) {
        deliver_one(sandbox, group, id, kind, &event, &event_id).await?;
    }
    Some(())
}

async fn deliver_one(
    sandbox: &Sandbox,
    group: i64,
    id: i64,
    kind: &'static str,
    event: &Value,
    event_id: &str,
) -> Option<()> {
    let (mut pause_ms, mut attempt) = (FIRST_PAUSE_MS, 0);
    loop {
        let (url, secret, ..) = target(sandbox, group, id)?;
        let mut body = envelope(kind, group, &secret, Some(event));
        if let Some(body) = body.as_object_mut() {
            body.insert("event_id".to_owned(), json!(event_id));
        }
        let mut request = sandbox.http.post(&url).header("content-type", "application/json").body(body.to_string());
        if attempt > 0 {
            request = request.header("X-Retry-Counter", attempt.to_string());
        }
        let told = match request.send().await {
            Ok(reply) if reply.status().as_u16() == 200 => reply.text().await.unwrap_or_default(),
            _ => String::new(),
        };
        match told.as_str() {
            "ok" => {
                set_status(sandbox, group, id, "ok");
                return Some(());
            }
            "remove" => {
                let mut vk = sandbox.vk.lock();
                vk.communities.get_mut(&group)?.servers.retain(|server| server.id != id);
                return None;
            }
            _ => {}
        }
        attempt += 1;
        if attempt > 3 {
            set_status(sandbox, group, id, "failed");
        }
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        pause_ms = (pause_ms * 2).min(LONGEST_PAUSE_MS);
    }
}

fn envelope(kind: &str, group: i64, secret: &str, event: Option<&Value>) -> Value {
    object([
        ("group_id", Some(json!(group))),
        ("type", Some(json!(kind))),
        ("event_id", Some(json!(random_hex(20)))),
        ("v", Some(json!(VERSION))),
        ("secret", (!secret.is_empty()).then(|| json!(secret))),
        ("object", event.cloned()),
    ])
}

/// Where a server is, its secret, the code that is expected, and how many events are still delivered twice.
fn target(sandbox: &Sandbox, group: i64, id: i64) -> Option<(String, String, String, u32)> {
    let mut vk = sandbox.vk.lock();
    let community = vk.communities.get_mut(&group)?;
    let code = community.code.clone();
    let server = community.servers.iter_mut().find(|server| server.id == id)?;
    let doubles = server.doubles;
    server.doubles = doubles.saturating_sub(1);
    Some((server.url.clone(), server.secret.clone(), code, doubles))
}

fn set_status(sandbox: &Sandbox, group: i64, id: i64, status: &'static str) {
    let mut vk = sandbox.vk.lock();
    let servers = vk.communities.get_mut(&group).map(|community| &mut community.servers);
    if let Some(server) = servers.and_then(|servers| servers.iter_mut().find(|server| server.id == id)) {
        server.status = status;
    }
}

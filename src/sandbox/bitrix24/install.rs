//! The life of the app in a portal: installed, updated, moved, removed. Pages are opened as the frame of the portal does it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::event::{self, Post};
use super::{Bitrix24, Portal};
use crate::sandbox::form::{self, Brackets};
use crate::sandbox::state::{Sandbox, random_hex};

/// A page that is to be opened: its address with the query, and the form.
#[derive(Debug)]
pub(crate) struct Page {
    /// The address.
    pub(crate) url: String,
    /// The id of this rendering, which the scripts of the page name in everything that they ask of the portal.
    pub(crate) sid: String,
    /// The fields of the form; those that are null are not sent.
    pub(crate) fields: Vec<(&'static str, Value)>,
}

/// Makes the page POST that the frame of the portal makes for an employee.
#[expect(clippy::too_many_arguments, reason = "a page has that many parts")]
pub(crate) fn page(
    sandbox: &Sandbox,
    bitrix24: &mut Bitrix24,
    name: &str,
    url: &str,
    placement: &str,
    options: Option<&Value>,
    user: i64,
    lang: &str,
) -> Option<Page> {
    let portal = bitrix24.portals.get(name)?;
    let pair = bitrix24.tokens.issue(&portal.member_id, user, sandbox.now());
    let is_https = sandbox.base().starts_with("https://");
    let sid = random_hex(16);
    let query = [
        ("DOMAIN", json!(portal.domain)),
        ("PROTOCOL", json!(if is_https { "1" } else { "0" })),
        ("LANG", json!(lang)),
        ("APP_SID", json!(sid)),
    ];
    let fields = vec![
        ("AUTH_ID", json!(pair.access)),
        ("AUTH_EXPIRES", json!(super::oauth::ACCESS_S)),
        ("REFRESH_ID", json!(pair.refresh)),
        ("SERVER_ENDPOINT", json!(format!("{}/rest/", sandbox.base()))),
        ("APPLICATION_TOKEN", json!(portal.app.application_token)),
        ("APPLICATION_SCOPE", json!(portal.app.scope)),
        ("member_id", json!(portal.member_id)),
        ("status", json!(portal.app.status)),
        ("PLACEMENT", json!(placement)),
        ("PLACEMENT_OPTIONS", options.map_or(Value::Null, |options| json!(options.to_string().replace('/', "\\/")))),
    ];
    let mark = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{mark}{}", form::encode(&query, Brackets::Encoded));
    Some(Page { url, sid, fields })
}

/// Opens a page and says status and text of the reply.
pub(crate) async fn open(sandbox: &Sandbox, page: Page) -> Value {
    match event::post_form(sandbox, &page.url, form::encode(&page.fields, Brackets::Encoded)).await {
        Some((status, text)) => json!({"status": status, "body": text}),
        None => json!({"status": 0, "body": ""}),
    }
}

/// Puts the app into the portal. With pages it waits for `installFinish`; without, ONAPPINSTALL goes out at once.
pub(crate) async fn install(sandbox: &Arc<Sandbox>, name: &str, mode: &str, finish: bool, user: i64) -> Option<Value> {
    let (posts, page) = {
        let mut bitrix24 = sandbox.bitrix24.lock();
        let portal = bitrix24.portals.get_mut(name)?;
        if !portal.app.present {
            portal.app.application_token = random_hex(16);
        }
        portal.app.present = true;
        portal.app.installed = mode == "event";
        let (installer, handler) = (portal.app.installer_url.clone(), portal.app.event_url.clone());
        let posts = if mode == "page" || handler.is_empty() {
            Vec::new()
        } else {
            let data = json!({"VERSION": portal.app.version, "ACTIVE": "Y", "INSTALLED": if portal.app.installed { "Y" } else { "N" }, "LANGUAGE_ID": "ru"});
            life(sandbox, &mut bitrix24, name, "ONAPPINSTALL", &data, Some(user), &[handler])
        };
        let page = if mode == "event" {
            None
        } else {
            page(sandbox, &mut bitrix24, name, &installer, "DEFAULT", None, user, "ru")
        };
        (posts, page)
    };
    event::send(sandbox, posts);
    let Some(page) = page else { return Some(json!({"installed": true})) };
    let reply = open(sandbox, page).await;
    let is_shown = reply.get("status").and_then(Value::as_u64).is_some_and(|status| (200..300).contains(&status));
    if finish && is_shown {
        self::finish(sandbox, name);
    }
    Some(json!({"installed": finish && is_shown, "page": reply}))
}

/// What `BX24.installFinish()` does.
pub(crate) fn finish(sandbox: &Sandbox, name: &str) -> bool {
    let mut bitrix24 = sandbox.bitrix24.lock();
    let portal = bitrix24.portals.get_mut(name).filter(|portal| portal.app.present);
    portal.map(|portal| portal.app.installed = true).is_some()
}

/// Puts a new version in place: registrations go, the application token changes, ONAPPUPDATE goes out.
pub(crate) fn update(sandbox: &Arc<Sandbox>, name: &str, user: i64) -> Option<()> {
    let posts = {
        let mut bitrix24 = sandbox.bitrix24.lock();
        let portal = bitrix24.portals.get_mut(name)?;
        let urls = life_urls(portal, "ONAPPUPDATE");
        portal.drop_registrations();
        portal.app.application_token = random_hex(16);
        portal.app.version += 1;
        portal.app.installed = portal.app.installer_url.is_empty();
        let data =
            json!({"VERSION": portal.app.version, "PREVIOUS_VERSION": portal.app.version - 1, "LANGUAGE_ID": "ru"});
        life(sandbox, &mut bitrix24, name, "ONAPPUPDATE", &data, Some(user), &urls)
    };
    event::send(sandbox, posts);
    Some(())
}

/// Removes the app: registrations and tokens go, ONAPPUNINSTALL goes out without tokens.
pub(crate) fn uninstall(sandbox: &Arc<Sandbox>, name: &str, clean: bool) -> Option<()> {
    let posts = {
        let mut bitrix24 = sandbox.bitrix24.lock();
        let portal = bitrix24.portals.get_mut(name)?;
        let urls = life_urls(portal, "ONAPPUNINSTALL");
        portal.drop_registrations();
        portal.app.installed = false;
        portal.app.present = false;
        let member_id = portal.member_id.clone();
        let data = json!({"LANGUAGE_ID": "ru", "CLEAN": if clean { "1" } else { "0" }});
        let posts = life(sandbox, &mut bitrix24, name, "ONAPPUNINSTALL", &data, None, &urls);
        bitrix24.tokens.revoke(&member_id, None);
        posts
    };
    event::send(sandbox, posts);
    Some(())
}

/// Gives the portal another name and host. The old address answers 302 from now on.
pub(crate) fn rename(bitrix24: &mut Bitrix24, name: &str, new: &str, domain: Option<&str>) -> Option<()> {
    let mut portal = bitrix24.portals.remove(name)?;
    new.clone_into(&mut portal.name);
    portal.domain = domain.map_or_else(|| format!("{new}.bitrix24.test"), str::to_owned);
    bitrix24.moved.remove(new);
    bitrix24.moved.insert(name.to_owned(), new.to_owned());
    bitrix24.portals.insert(new.to_owned(), portal);
    Some(())
}

/// Addresses bound to an event of the app's life, and the installation handler.
fn life_urls(portal: &Portal, event: &str) -> Vec<String> {
    let bound = portal.binds.iter().map(event::Bind::card);
    let bound = bound.filter(|bind| bind.get("event").is_some_and(|name| name == event));
    let mut urls: Vec<String> = bound.filter_map(|bind| Some(bind.get("handler")?.as_str()?.to_owned())).collect();
    if urls.is_empty() && !portal.app.event_url.is_empty() {
        urls.push(portal.app.event_url.clone());
    }
    urls
}

fn life(
    sandbox: &Sandbox,
    bitrix24: &mut Bitrix24,
    name: &str,
    event: &str,
    data: &Value,
    user: Option<i64>,
    urls: &[String],
) -> Vec<Post> {
    let Some(portal) = bitrix24.portals.get(name) else { return Vec::new() };
    let tokens = &mut bitrix24.tokens;
    urls.iter().flat_map(|url| event::one(sandbox, tokens, portal, event, data, user, url, None)).collect()
}

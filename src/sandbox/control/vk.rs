//! The control of VK communities.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use serde_json::{Value, json};

use super::{missing, tell};
use crate::sandbox::args::{as_text, as_whole, as_yes};
use crate::sandbox::state::{Sandbox, random_hex};
use crate::sandbox::vk::Community;
use crate::sandbox::vk::oauth::Application;

/// The routes of communities.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/_/vk/applications", web::post().to(register))
        .route("/_/vk/communities", web::post().to(make))
        .route("/_/vk/communities", web::get().to(list))
        .route("/_/vk/communities/{id}", web::post().to(change));
}

async fn make(sandbox: Data<Sandbox>, given: Json<Value>) -> HttpResponse {
    let text = |key: &str| given.get(key).and_then(as_text);
    let serial = i64::try_from(sandbox.serial()).unwrap_or(0);
    let id = given.get("id").and_then(as_whole).unwrap_or(200_000_000 + serial);
    let token = text("token").unwrap_or_else(|| format!("vk1.a.{}", random_hex(20)));
    let mut community = Community::new(id, token);
    community.name = text("name").unwrap_or(community.name);
    community.screen_name = text("screen_name").unwrap_or(community.screen_name);
    set_rights(&mut community, &given);
    let told = json!({"id": id, "name": community.name, "screen_name": community.screen_name, "token": community.token,
        "base": format!("{}/vk/method", sandbox.base())});
    sandbox.vk.lock().communities.insert(id, community);
    tell(told)
}

async fn register(sandbox: Data<Sandbox>, given: Json<Value>) -> HttpResponse {
    let text = |key: &str| given.get(key).and_then(as_text);
    let id = text("client_id").unwrap_or_else(|| format!("5{}", sandbox.serial()));
    let secret = text("client_secret").unwrap_or_else(|| random_hex(10));
    let told = json!({"client_id": id, "client_secret": secret, "base": format!("{}/vk/oauth", sandbox.base())});
    let application = Application { secret, redirect: text("redirect").unwrap_or_default() };
    sandbox.vk.lock().sign_in.applications.insert(id, application);
    tell(told)
}

fn set_rights(community: &mut Community, given: &Value) {
    if let Some(rights) = given.get("rights").and_then(Value::as_array) {
        community.rights = rights.iter().filter_map(as_text).collect();
    }
    if let Some(managed) = given.get("managed") {
        community.managed = as_yes(managed);
    }
}

async fn list(sandbox: Data<Sandbox>) -> HttpResponse {
    let vk = sandbox.vk.lock();
    let communities: Vec<Value> = vk
        .communities
        .values()
        .map(|one| {
            let servers: Vec<Value> = one
                .servers
                .iter()
                .map(|server| json!({"id": server.id, "url": server.url, "title": server.title, "status": server.status, "events": server.events}))
                .collect();
            let chats: Vec<Value> = one.chats.iter().map(|(number, chat)| {
                json!({"peer": 2_000_000_000 + number, "title": chat.title, "members": chat.members, "here": chat.here, "link": chat.link})
            }).collect();
            json!({"id": one.id, "name": one.name, "screen_name": one.screen_name, "servers": servers, "chats": chats})
        })
        .collect();
    tell(json!({"communities": communities}))
}

async fn change(sandbox: Data<Sandbox>, id: Path<i64>, given: Json<Value>) -> HttpResponse {
    let mut vk = sandbox.vk.lock();
    let Some(community) = vk.communities.get_mut(&id) else { return missing("community") };
    set_rights(community, &given);
    if let Some(token) = given.get("token").and_then(as_text) {
        community.token = token;
    }
    let doubles = given.get("doubles").and_then(as_whole).and_then(|count| u32::try_from(count).ok());
    if let Some(doubles) = doubles {
        community.servers.iter_mut().for_each(|server| server.doubles = doubles);
    }
    tell(json!({"ok": true}))
}

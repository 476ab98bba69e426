//! The control of open lines: what a person sees and does in the portal.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use serde_json::{Value, json};

use super::{missing, refuse, tell};
use crate::sandbox::bitrix24::open_line::say;
use crate::sandbox::state::Sandbox;

/// The routes of open lines.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/_/b24/{portal}/chats", web::get().to(list))
        .route("/_/b24/{portal}/chats/{chat}/{act}", web::post().to(act))
        .route("/_/b24/{portal}/lines/{line}", web::post().to(change_line))
        .route("/_/b24/{portal}/files/{file}", web::get().to(give_file));
}

async fn list(sandbox: Data<Sandbox>, name: Path<String>) -> HttpResponse {
    let bitrix24 = sandbox.bitrix24.lock();
    let Some(portal) = bitrix24.portals.get(name.as_str()) else { return missing("portal") };
    let chats: Vec<Value> =
        portal.open_lines.chats.values().map(crate::sandbox::bitrix24::open_line::Chat::card).collect();
    tell(json!({"chats": chats, "lines": portal.open_lines.card()}))
}

async fn act(sandbox: Data<Sandbox>, path: Path<(String, i64, String)>, given: Json<Value>) -> HttpResponse {
    let (name, chat, act) = path.into_inner();
    let done = say::with(&sandbox.into_inner(), &name, |desk, portal| match act.as_str() {
        "say" => say::say(desk, portal, chat, &given),
        "edit" => say::edit(desk, portal, chat, &given),
        "delete" => say::delete(desk, portal, chat, &given),
        "finish" => say::finish(desk, portal, chat),
        _ => Err("act is one of say, edit, delete, finish".to_owned()),
    });
    answer(done)
}

async fn change_line(sandbox: Data<Sandbox>, path: Path<(String, i64)>, given: Json<Value>) -> HttpResponse {
    let (name, line) = path.into_inner();
    answer(say::with(&sandbox.into_inner(), &name, |desk, portal| say::change_line(desk, portal, line, &given)))
}

fn answer(done: Option<Result<i64, String>>) -> HttpResponse {
    match done {
        None => missing("portal"),
        Some(Ok(id)) => tell(json!({"id": id})),
        Some(Err(why)) => refuse(&why),
    }
}

/// The front server of a portal wants to know who asks and where he comes from.
async fn give_file(sandbox: Data<Sandbox>, request: actix_web::HttpRequest, path: Path<(String, i64)>) -> HttpResponse {
    let (name, file) = path.into_inner();
    let has = |header: &str| request.headers().contains_key(header);
    if !has("referer") || !has("user-agent") {
        return HttpResponse::Forbidden().finish();
    }
    let bitrix24 = sandbox.bitrix24.lock();
    match bitrix24.portals.get(&name).and_then(|portal| portal.disk.file(file)) {
        Some(file) => HttpResponse::Ok().content_type(file.mime.clone()).body(file.bytes.clone()),
        None => missing("file"),
    }
}

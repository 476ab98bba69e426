//! The control of frames: what a browser needs to open a page of the app as the portal does.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use serde_json::{Map, Value, json};

use super::{missing, tell};
use crate::sandbox::args::{as_text, as_whole};
use crate::sandbox::bitrix24::{Bitrix24, install, oauth};
use crate::sandbox::state::{Sandbox, random_hex};

/// The routes of frames.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/_/b24/{portal}/frame", web::post().to(open_frame))
        .route("/_/b24/{portal}/cards", web::get().to(list_cards));
}

async fn list_cards(sandbox: Data<Sandbox>, name: Path<String>) -> HttpResponse {
    match sandbox.bitrix24.lock().portals.get(name.as_str()) {
        Some(portal) => tell(json!({"cards": portal.crm.cards()})),
        None => missing("portal"),
    }
}

async fn open_frame(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    let mut bitrix24 = sandbox.bitrix24.lock();
    match frame(&sandbox, &mut bitrix24, &name, &given) {
        Some(frame) => tell(frame),
        None => missing("portal or employee"),
    }
}

fn frame(sandbox: &Sandbox, bitrix24: &mut Bitrix24, name: &str, given: &Value) -> Option<Value> {
    let text = |key: &str| given.get(key).and_then(as_text).filter(|text| !text.is_empty());
    let user = given.get("user").and_then(as_whole).unwrap_or(1);
    let placement = text("placement").unwrap_or_else(|| "DEFAULT".to_owned());
    let lang = text("lang").unwrap_or_else(|| "ru".to_owned());
    let portal = bitrix24.portals.get_mut(name)?;
    let is_admin = portal.user(user)?.admin;
    if !portal.app.present {
        portal.app.present = true;
        portal.app.application_token = random_hex(16);
    }
    // until the installer has ended it is opened instead of everything else
    let (installed, member_id) = (portal.app.installed, portal.member_id.clone());
    let due = if installed { portal.app.page_url.clone() } else { portal.app.installer_url.clone() };
    let url = text("url").filter(|_| installed).unwrap_or(due);
    let page = install::page(sandbox, bitrix24, name, &url, &placement, given.get("options"), user, &lang)?;
    let fields: Map<String, Value> = page
        .fields
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| ((*key).to_owned(), json!(as_text(value).unwrap_or_default())))
        .collect();
    let of = |key: &str| fields.get(key).cloned().unwrap_or_default();
    let init = json!({"LANG": lang, "INSTALL": !installed, "FIRST_RUN": false, "IS_ADMIN": is_admin, "MEMBER_ID": member_id,
        "AUTH_ID": of("AUTH_ID"), "REFRESH_ID": of("REFRESH_ID"), "AUTH_EXPIRES": oauth::ACCESS_S.to_string(),
        "PLACEMENT": placement, "PLACEMENT_OPTIONS": given.get("options").cloned().unwrap_or_else(|| json!({})),
        "USER_OPTIONS": {}, "APP_OPTIONS": {}});
    Some(json!({"url": page.url, "fields": fields, "sid": page.sid, "init": init}))
}

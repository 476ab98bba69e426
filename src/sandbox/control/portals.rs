//! The control of portals.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json, Path, Query, ServiceConfig};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{missing, refuse, tell};
use crate::sandbox::args::{as_text, as_whole, as_yes, text_at};
use crate::sandbox::bitrix24::robot::Firing;
use crate::sandbox::bitrix24::sms::Letter;
use crate::sandbox::bitrix24::{Portal, Trouble, disk, event, install, robot, sms};
use crate::sandbox::state::Sandbox;

/// The routes of portals.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/_/b24", web::get().to(list))
        .route("/_/b24/{portal}", web::post().to(make))
        .route("/_/b24/{portal}", web::get().to(show))
        .route("/_/b24/{portal}/install", web::post().to(install_app))
        .route("/_/b24/{portal}/finish", web::post().to(finish))
        .route("/_/b24/{portal}/update", web::post().to(update))
        .route("/_/b24/{portal}/uninstall", web::post().to(uninstall))
        .route("/_/b24/{portal}/open", web::post().to(open))
        .route("/_/b24/{portal}/expire-tokens", web::post().to(expire))
        .route("/_/b24/{portal}/revoke", web::post().to(revoke))
        .route("/_/b24/{portal}/code", web::post().to(give_code))
        .route("/_/b24/{portal}/tokens", web::post().to(give_tokens))
        .route("/_/b24/{portal}/rename", web::post().to(rename))
        .route("/_/b24/{portal}/limits", web::post().to(limit))
        .route("/_/b24/{portal}/habits", web::post().to(set_habits))
        .route("/_/b24/{portal}/event", web::post().to(fire_event))
        .route("/_/b24/{portal}/deals", web::post().to(put_deal))
        .route("/_/b24/{portal}/disk", web::post().to(put_file))
        .route("/_/b24/{portal}/documents", web::post().to(put_document))
        .route("/_/b24/{portal}/deals/{deal}/stage", web::post().to(move_deal))
        .route("/_/b24/{portal}/responsible", web::post().to(entrust))
        .route("/_/b24/{portal}/robots/{code}/fire", web::post().to(fire_robot))
        .route("/_/b24/{portal}/steps", web::get().to(list_steps))
        .route("/_/b24/{portal}/letters", web::post().to(start_letter))
        .route("/_/b24/{portal}/letters/{letter}", web::get().to(show_letter));
}

async fn list(sandbox: Data<Sandbox>) -> HttpResponse {
    let bitrix24 = sandbox.bitrix24.lock();
    let mut portals: Vec<&Portal> = bitrix24.portals.values().collect();
    portals.sort_by(|one, other| one.name.cmp(&other.name));
    tell(json!({"portals": portals.iter().map(|portal| portal.card(&sandbox)).collect::<Vec<_>>()}))
}

async fn make(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !is_name(&name) {
        return refuse("the name of a portal is made of letters, digits and hyphens");
    }
    let mut bitrix24 = sandbox.bitrix24.lock();
    let portal = bitrix24.portals.entry(name.clone()).or_insert_with(|| Portal::new(&name, &given));
    tell(portal.card(&sandbox))
}

fn with(sandbox: &Sandbox, name: &str, work: impl FnOnce(&mut Portal) -> Value) -> HttpResponse {
    match sandbox.bitrix24.lock().portals.get_mut(name) {
        Some(portal) => tell(work(portal)),
        None => missing("portal"),
    }
}

fn done(what: Option<()>) -> HttpResponse {
    what.map_or_else(|| missing("portal"), |()| tell(json!({"ok": true})))
}

fn user_of(given: &Value) -> i64 {
    given.get("user").and_then(as_whole).unwrap_or(1)
}

async fn show(sandbox: Data<Sandbox>, name: Path<String>) -> HttpResponse {
    with(&sandbox, &name, |portal| {
        let mut card = portal.card(&sandbox);
        if let Some(card) = card.as_object_mut() {
            card.insert("steps".to_owned(), portal.steps.counts());
            card.insert("letters".to_owned(), json!(portal.texts.letters()));
        }
        card
    })
}

async fn install_app(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    if let Some(portal) = sandbox.bitrix24.lock().portals.get_mut(name.as_str()) {
        let text = |key: &str| given.get(key).and_then(as_text);
        portal.app.installer_url = text("installer_url").unwrap_or_else(|| portal.app.installer_url.clone());
        portal.app.event_url = text("event_url").unwrap_or_else(|| portal.app.event_url.clone());
    }
    let mode = given.get("mode").and_then(as_text).unwrap_or_else(|| "page".to_owned());
    let finish = given.get("finish").is_none_or(as_yes);
    let sandbox = sandbox.into_inner();
    let installed = install::install(&sandbox, &name, &mode, finish, user_of(&given)).await;
    installed.map_or_else(|| missing("portal"), tell)
}

async fn finish(sandbox: Data<Sandbox>, name: Path<String>) -> HttpResponse {
    done(install::finish(&sandbox, &name).then_some(()))
}

async fn update(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    done(install::update(&sandbox.into_inner(), &name, user_of(&given)))
}

async fn uninstall(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    done(install::uninstall(&sandbox.into_inner(), &name, given.get("clean").is_some_and(as_yes)))
}

async fn open(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    let placement = given.get("placement").and_then(as_text).unwrap_or_else(|| "DEFAULT".to_owned());
    let page = install::page(
        &sandbox,
        &mut sandbox.bitrix24.lock(),
        &name,
        &text_at(&given, "url"),
        &placement,
        given.get("options"),
        user_of(&given),
        "ru",
    );
    let Some(page) = page else { return missing("portal") };
    tell(install::open(&sandbox, page).await)
}

async fn expire(sandbox: Data<Sandbox>, name: Path<String>) -> HttpResponse {
    let mut bitrix24 = sandbox.bitrix24.lock();
    let Some(member_id) = bitrix24.portals.get(name.as_str()).map(|portal| portal.member_id.clone()) else {
        return missing("portal");
    };
    tell(json!({"expired": bitrix24.tokens.expire(&member_id, sandbox.now())}))
}

async fn revoke(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    let mut bitrix24 = sandbox.bitrix24.lock();
    let member_id = bitrix24.portals.get(name.as_str()).map(|portal| portal.member_id.clone());
    done(member_id.map(|member_id| bitrix24.tokens.revoke(&member_id, given.get("user").and_then(as_whole))))
}

async fn give_code(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    let mut bitrix24 = sandbox.bitrix24.lock();
    let Some(member_id) = bitrix24.portals.get(name.as_str()).map(|portal| portal.member_id.clone()) else {
        return missing("portal");
    };
    tell(json!({"code": bitrix24.tokens.issue_code(&member_id, user_of(&given), sandbox.now())}))
}

async fn give_tokens(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    let mut bitrix24 = sandbox.bitrix24.lock();
    let Some(member_id) = bitrix24.portals.get(name.as_str()).map(|portal| portal.member_id.clone()) else {
        return missing("portal");
    };
    let pair = bitrix24.tokens.issue(&member_id, user_of(&given), sandbox.now());
    tell(json!({"access_token": pair.access, "refresh_token": pair.refresh, "expires": pair.expires}))
}

async fn rename(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    let domain = given.get("domain").and_then(as_text);
    done(install::rename(&mut sandbox.bitrix24.lock(), &name, &text_at(&given, "to"), domain.as_deref()))
}

async fn limit(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    let now_s = sandbox.unix();
    with(&sandbox, &name, |portal| {
        let number = |key: &str| given.get(key).and_then(Value::as_f64);
        portal.rate = (number("rate").unwrap_or(portal.rate.0), number("depth").unwrap_or(portal.rate.1));
        portal.buckets.clear();
        portal.commercial = given.get("commercial").map_or(portal.commercial, as_yes);
        portal.overloaded = given.get("overloaded").map_or(portal.overloaded, as_yes);
        if let Some(hidden) = given.get("hidden_from").and_then(Value::as_array) {
            portal.hidden_from = hidden.iter().filter_map(as_whole).collect();
        }
        if let Some(scope) = given.get("scope").and_then(as_text) {
            portal.app.scope = scope;
        }
        if let Some(method) = given.get("blocked_method").and_then(as_text) {
            let until = now_s + given.get("blocked_s").and_then(as_whole).unwrap_or(600);
            portal.blocked_methods.insert(method.to_ascii_lowercase(), until);
        }
        json!({"ok": true})
    })
}

async fn set_habits(sandbox: Data<Sandbox>, name: Path<String>, habits: Json<event::Habits>) -> HttpResponse {
    with(&sandbox, &name, |portal| {
        portal.habits = habits.into_inner();
        json!(portal.habits)
    })
}

async fn fire_event(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    let posts = {
        let mut bitrix24 = sandbox.bitrix24.lock();
        let bitrix24 = &mut *bitrix24;
        let Some(portal) = bitrix24.portals.get(name.as_str()) else { return missing("portal") };
        let data = given.get("data").cloned().unwrap_or_default();
        let user = given.get("user").and_then(as_whole);
        event::fire(&sandbox, &mut bitrix24.tokens, portal, &text_at(&given, "event").to_uppercase(), &data, user)
    };
    let count = posts.len();
    event::send(&sandbox.into_inner(), posts);
    tell(json!({"posts": count}))
}

async fn put_deal(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    with(&sandbox, &name, |portal| {
        let id = given.get("id").and_then(as_whole).unwrap_or_else(|| portal.next_id());
        portal.crm.put_contact(id, &text_at(&given, "name"), &text_at(&given, "last_name"), &text_at(&given, "phone"));
        portal.crm.put_deal(id, &text_at(&given, "title"), id);
        json!({"id": id})
    })
}

async fn put_file(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    with(&sandbox, &name, |portal| {
        let id = given.get("id").and_then(as_whole).unwrap_or_else(|| portal.next_id());
        if given.get("gone").is_some_and(as_yes) {
            return json!({"id": id, "gone": portal.disk.remove_file(id)});
        }
        let size = given.get("size").and_then(as_whole).and_then(|size| usize::try_from(size).ok());
        let mut bytes = text_at(&given, "text").into_bytes();
        if let Ok(told) = BASE64_STANDARD.decode(text_at(&given, "base64")) {
            bytes.extend_from_slice(&told);
        }
        bytes.resize(size.unwrap_or(bytes.len()), b'x');
        let mut file = disk::File::of(&text_at(&given, "name"), &text_at(&given, "mime"), bytes.into());
        file.in_bin = given.get("bin").is_some_and(as_yes);
        file.is_lost = given.get("lost").is_some_and(as_yes);
        let denied = given.get("denied_to").and_then(Value::as_array);
        file.denied_to = denied.into_iter().flatten().filter_map(as_whole).collect();
        portal.disk.put_file(id, file);
        json!({"id": id})
    })
}

async fn put_document(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    let now = sandbox.now();
    with(&sandbox, &name, |portal| {
        let id = given.get("id").and_then(as_whole).unwrap_or_else(|| portal.next_id());
        let document = disk::Document {
            title: text_at(&given, "title"),
            deal: given.get("deal").and_then(as_whole).or_else(|| portal.crm.first_deal()).unwrap_or(0),
            pdf_at: given.get("ready_ms").and_then(as_whole).map(|ms| now.plus_ms(ms)),
            is_broken: given.get("broken").is_some_and(as_yes),
        };
        portal.disk.put_document(id, document);
        json!({"id": id})
    })
}

async fn move_deal(sandbox: Data<Sandbox>, path: Path<(String, i64)>, given: Json<Value>) -> HttpResponse {
    let (name, deal) = path.into_inner();
    let posts = {
        let mut bitrix24 = sandbox.bitrix24.lock();
        let bitrix24 = &mut *bitrix24;
        let Some(portal) = bitrix24.portals.get_mut(&name) else { return missing("portal") };
        if portal.crm.move_deal(deal, &text_at(&given, "stage")).is_none() {
            return missing("deal");
        }
        let data = json!({"FIELDS": {"ID": deal}});
        event::fire(&sandbox, &mut bitrix24.tokens, portal, "ONCRMDEALUPDATE", &data, Some(1))
    };
    event::send(&sandbox.into_inner(), posts);
    tell(json!({"ok": true}))
}

async fn entrust(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    let (kind, number) = (text_at(&given, "kind"), |key: &str| given.get(key).and_then(as_whole).unwrap_or(0));
    let (id, user) = (number("id"), number("user"));
    let posts = {
        let mut bitrix24 = sandbox.bitrix24.lock();
        let bitrix24 = &mut *bitrix24;
        let Some(portal) = bitrix24.portals.get_mut(name.as_str()) else { return missing("portal") };
        if portal.user(user).is_none() {
            return missing("user");
        }
        if portal.crm.entrust(&kind, id, user).is_none() {
            return missing("card");
        }
        let event = format!("ONCRM{}UPDATE", kind.to_uppercase());
        event::fire(&sandbox, &mut bitrix24.tokens, portal, &event, &json!({"FIELDS": {"ID": id}}), Some(1))
    };
    event::send(&sandbox.into_inner(), posts);
    tell(json!({"ok": true}))
}

async fn fire_robot(sandbox: Data<Sandbox>, path: Path<(String, String)>, firing: Json<Firing>) -> HttpResponse {
    let (name, code) = path.into_inner();
    let fired = {
        let mut bitrix24 = sandbox.bitrix24.lock();
        let bitrix24 = &mut *bitrix24;
        let Some(portal) = bitrix24.portals.get_mut(&name) else { return missing("portal") };
        robot::fire(&sandbox, &mut bitrix24.tokens, portal, &code, &firing).map(|(mut posts, steps)| {
            if firing.stage.is_some() {
                let data = json!({"FIELDS": {"ID": firing.deal.or_else(|| portal.crm.first_deal())}});
                posts.extend(event::fire(&sandbox, &mut bitrix24.tokens, portal, "ONCRMDEALUPDATE", &data, Some(1)));
            }
            (posts, steps)
        })
    };
    finish_posts(sandbox, fired, |steps| json!({"steps": steps}))
}

fn finish_posts<T>(
    sandbox: Data<Sandbox>,
    made: Result<(Vec<event::Post>, T), Trouble>,
    show: impl FnOnce(T) -> Value,
) -> HttpResponse {
    match made {
        Ok((posts, made)) => {
            event::send(&sandbox.into_inner(), posts);
            tell(show(made))
        }
        Err(trouble) => refuse(&format!("{}: {}", trouble.code, trouble.text)),
    }
}

#[derive(Deserialize)]
struct Which {
    deal: Option<i64>,
    limit: Option<usize>,
}

async fn list_steps(sandbox: Data<Sandbox>, name: Path<String>, which: Query<Which>) -> HttpResponse {
    with(
        &sandbox,
        &name,
        |portal| json!({"counts": portal.steps.counts(), "steps": portal.steps.latest(which.limit.unwrap_or(50), which.deal)}),
    )
}

async fn start_letter(sandbox: Data<Sandbox>, name: Path<String>, letter: Json<Letter>) -> HttpResponse {
    let made = {
        let mut bitrix24 = sandbox.bitrix24.lock();
        let bitrix24 = &mut *bitrix24;
        let Some(portal) = bitrix24.portals.get_mut(name.as_str()) else { return missing("portal") };
        sms::send_letter(&sandbox, &mut bitrix24.tokens, portal, &letter)
    };
    finish_posts(sandbox, made, |letter| json!({"letter": letter}))
}

async fn show_letter(sandbox: Data<Sandbox>, path: Path<(String, String)>) -> HttpResponse {
    let (name, letter) = path.into_inner();
    with(&sandbox, &name, |portal| {
        let number = letter.parse().ok().or_else(|| portal.texts.letters().first().copied()).unwrap_or(0);
        json!({"letter": number, "messages": portal.texts.of_letter(number)})
    })
}

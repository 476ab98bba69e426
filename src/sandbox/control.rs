//! The control of the sandbox: JSON under `/_/`, for tests and for the page. Errors are `{"error": "…"}` with 4xx.
//!
//! | route | body or query | what it does |
//! | --- | --- | --- |
//! | `POST /_/reset` | | forgets everything: portals, bots, numbers, phones, faults, the ledger, settings, the clock |
//! | `GET /_/settings` | | `{telegram_limits, waba_limits, vk_limits, auto_phones, window_by_answer, status_delay_ms, telegram_local, strict_answers}`; `telegram_local` is the folder of a Bot API server with `--local` |
//! | `POST /_/settings` | any of these | changes them |
//! | `POST /_/clock` | `{advance_ms}` | moves the calendar of the sandbox (tokens, windows, time-outs) |
//! | `GET /_/ledger` | `?vendor=&method=&who=&since=&limit=` | `{entries: [{n, vendor, method, who, at_us, at, params, status, fault}], last, kept, counts: [{vendor, method, status, calls}]}`; `since` is an `n` |
//! | `DELETE /_/ledger` | `?kept=` | forgets the calls; `kept` sets how many are kept from now on |
//! | `GET /_/faults` | | the planned faults |
//! | `POST /_/faults` | `{vendor, method?, match?, kind, code?, text?, status?, times?, delay_ms?, after_ms?}` | plans one → `{id}`. vendor: `telegram mtproto waba waha vk vk_notify avito mail bitrix24 oauth`; kind: `busy down slow cut cut_before token_expired html empty refuse`; the method `batch/<method>` meets commands inside a batch of Bitrix24 |
//! | `DELETE /_/faults` | `?id=` | drops one, or all |
//! | `POST /_/telegram/bots` | `{token, username?, name?}` | registers a token → `{id, username, base}` |
//! | `GET /_/telegram/bots` | | bots with `webhook` as `getWebhookInfo` tells it |
//! | `POST /_/telegram/bots/{id}/doubles` | `{count}` | the next updates are delivered twice |
//! | `POST /_/waba/numbers` | `{id?, account?, number?, name?, token?, app_secret?, verify_token?, webhook?, subscribed?}` | registers a number → all of these and `base`. `subscribed` is true when a webhook is given |
//! | `GET /_/waba/numbers` | | numbers and accounts |
//! | `GET /_/waba/groups` | | groups, and who is in them |
//! | `POST /_/waba/groups/join` | `{link, phone}` | a phone opens the address of a group |
//! | `POST /_/waba/numbers/{id}` | `{quality?, tier?, official?}` | what Meta thinks of a number |
//! | `POST /_/waba/accounts/{id}/tell` | `{field, value}` | posts a change of any field to the app |
//! | `POST /_/waba/accounts/{id}` | `{webhook?, subscribed?, doubles?, reversed?, templates?}` | changes an account; `doubles` and `reversed` count deliveries; `templates` replaces the list |
//! | `POST /_/waba/accounts/{id}/verify` | | makes the verification GET → `{verified, reason?}` |
//! | `POST /_/waha` | `{key?}` | sets the key of the gateway → `{key, base}` |
//! | `GET /_/waha` | | sessions with `status`, `me`, `qr` as it is shown now, `code`, `webhook`, `groups`; `closed`: phones that let nobody add them to groups |
//! | `POST /_/waha/closed` | `{phones}` | which phones these are |
//! | `POST /_/waha/sessions/{name}` | `{names}` | how customers are named: `shown`, `told` (hidden, the phone beside) or `hidden` |
//! | `POST /_/waha/sessions/{name}/scan` | `{phone, name?, qr?, passkey?, compare?}` | the owner's phone scans the code; an old `qr` is refused |
//! | `POST /_/waha/sessions/{name}/type` | `{phone, code, name?, passkey?, compare?}` | the owner types the code |
//! | `POST /_/waha/sessions/{name}/remove` | | the owner removes the device on the phone |
//! | `POST /_/waha/sessions/{name}/move` | `{status}` | the session comes to another state |
//! | `POST /_/waha/sessions/{name}/say` | `{to, text}` | the owner writes on the phone → `{id}` |
//! | `POST /_/waha/sessions/{name}/event` | `{event, payload}` | posts any event |
//! | `POST /_/vk/applications` | `{client_id?, client_secret?, redirect}` | registers an application that people sign in to → its keys and `base`; `redirect` is where a sign-in leads back to |
//! | `POST /_/vk/communities` | `{id?, token?, name?, screen_name?, rights?, managed?}` | registers a community → its card with `token` and `base`; `managed` tells whether whoever signs in manages it, which is so unless told |
//! | `GET /_/vk/communities` | | communities with their servers |
//! | `POST /_/vk/communities/{id}` | `{rights?, token?, managed?, doubles?}` | changes a community; `doubles` counts events of every server |
//! | `POST /_/notify/accounts` | `{provider: devino edna, key?, name?, templates?: {name: text}, paid?}` | registers an account of an aggregator; `name` is the sender of Devino or the cascade of edna |
//! | `GET /_/notify/accounts` | | accounts with their templates |
//! | `POST /_/notify/accounts/{name}` | `{templates?, paid?, doubles?, word?}` | changes an account; `word` is told in place of every status |
//! | `POST /_/avito/accounts` | `{id?, name?, client_id?, client_secret?, redirect?, paid?}` | registers an account → its keys and `base`; `redirect` is where a sign-in leads back to |
//! | `GET /_/avito/accounts` | | accounts with their subscriptions and chats |
//! | `POST /_/avito/accounts/{id}` | `{paid?, expire?, revoke?, doubles?}` | changes an account: `expire` ends every token, `revoke` the keys too |
//! | `POST /_/mail/boxes` | `{address, password?, client_id?, client_secret?}` | makes a mailbox → its card with `password`, `imap`, `smtp`, and tokens where a client is named. Faults of `mail`: methods `login`, `rcpt`, `letter`, `append`, `deliver` (the letter comes back) and `token` |
//! | `GET /_/mail/boxes` | | mailboxes with their folders, and the servers |
//! | `POST /_/mail/boxes/{address}` | `{password?, renumber?, expire?, revoke?, raw?}` | changes a mailbox: `renumber` makes every UID void, `expire` ends the access tokens, `revoke` the refresh tokens too, `raw` lays a letter into the inbox as it stands |
//! | `GET /_/accounts` | | what a person types to attach what is here: `{accounts: [{messenger, title, line, fields: [[name, value]]}]}` |
//! | `POST /_/mtproto/accounts` | `{phone, id?, name?, username?, password?, home?}` | makes a Telegram account → its card and `base`; `home` is the data centre |
//! | `GET /_/mtproto/accounts` | | accounts with the `code` that was sent last and QR codes `waiting`, open `lines`, `sessions`, contacts, groups |
//! | `POST /_/mtproto/accounts/{id}` | `{password?, home?, limited?, silent?, retries?, closed?, forget?, void_code?, expire_files?, move_files?, revoke?, hang_up?, tell?}` | changes an account. `tell`: sends these bytes, in hexadecimal digits, as an update; `limited`: strangers may not be written to; `closed`: phones that let nobody add them to groups; `silent`: updates are found in the difference only; `retries`: so many imports are put off; `forget`: what happened so far is told no more; `move_files`: to a data centre; `hang_up`: lines are closed |
//! | `POST /_/mtproto/accounts/{id}/scan` | `{text}` | the owner scans a QR code → `{scanned}` |
//! | `POST /_/mtproto/accounts/{id}/groups` | `{id?, title?, members}` | makes a group of phones |
//! | `POST /_/mtproto/accounts/{id}/groups/{group}/migrate` | `{silent?}` | the group becomes a supergroup → `{id}`; `silent`: nobody is told |
//! | `POST /_/mtproto/phones/{id}/say` | `{text, line?, quote?, group?, ours?}` | writes, in a group too; `ours`: the owner writes to the phone on another device |
//! | `POST /_/mtproto/phones/{id}/edit`, `/delete` | `{id, text, line?}`, `{ids, line?}` | changes a message, deletes messages for both sides |
//! | `POST /_/phones` | `{id, name?, username?, whatsapp?, vk?, online?, reads?, started?, blocked?, window?}` or `{from, count, …}` | makes or changes phones. `started`: true for every bot; `blocked`: ids of bots; `window`: hours that every WhatsApp number may write freely |
//! | `GET /_/phones` | `?messages=N` | phones with their latest N messages |
//! | `GET /_/phones/{id}` | `?since=n` | one phone with `messages` |
//! | `POST /_/phones/{id}/say` | `{messenger, text?, subject?, media?: {kind, name, mime, base64? , size?}, place?: {latitude, longitude, name?}, card?: {name, phone}, line?, press?, quote?, comment?, allow?, tag?, cropped?, group?, led_by?, referral?}` | the customer writes; `tag`: an answer to a notification, `cropped`: the delivery brings ten letters, both in VK; `led_by`: the marks `[ref, ref_source]` of a link to a VK community; `comment`: under a post of the VK community; `allow`: messages of the community are allowed or forbidden, and nothing is written; `line` is the bot or number id (the only one when absent); `/start` opens a bot; `referral`: the advertisement that led to WhatsApp, as Meta tells it; `press` presses a button of the message `quote` → `{id}` |
//! | `POST /_/phones/{id}/react` | `{messenger, id, emoji?}` | reacts to a message, or takes the reaction back; in WhatsApp and Telegram |
//! | `POST /_/phones/{id}/read` | `{line?}` | reads what came by WhatsApp, VK, VK Notify and Avito, with read marks |
//! | `GET /_/b24` | | all portals |
//! | `POST /_/b24/{portal}` | `{client_id?, client_secret?, member_id?, domain?, installer_url?, page_url?, event_url?, scope?, status?, licence?}` | makes a portal → its card with keys, `endpoint`, `server_endpoint` |
//! | `GET /_/b24/{portal}` | | its card: app, robots, senders, events, deals, notices, posts |
//! | `POST /_/b24/{portal}/install` | `{mode: page event both, finish?, user?, installer_url?, event_url?}` | installs → `{installed, page?: {status, body}}` |
//! | `POST /_/b24/{portal}/finish` | | `BX24.installFinish()` |
//! | `POST /_/b24/{portal}/update`, `/uninstall` | `{user?}`, `{clean?}` | a new version; removal |
//! | `POST /_/b24/{portal}/open` | `{url, placement?, options?, user?}` | opens a page of the app in the frame → `{status, body}` |
//! | `POST /_/b24/{portal}/frame` | `{url?, placement?, options?, user?, lang?}` | what a frame needs to open a page in a browser: its address, its fields, and what its scripts are told → `{url, fields, sid, init}`; without `url` the installer or the app, whichever is due |
//! | `GET /_/b24/{portal}/cards` | | leads, deals and contacts, for the pages of cards |
//! | `POST /_/b24/{portal}/expire-tokens` | | every access token expires at once → `{expired}` |
//! | `POST /_/b24/{portal}/revoke` | `{user?}` | tokens die for good |
//! | `POST /_/b24/{portal}/code` | `{user?}` | a code for `authorization_code` → `{code}` |
//! | `POST /_/b24/{portal}/tokens` | `{user?}` | a pair → `{access_token, refresh_token, expires}` |
//! | `POST /_/b24/{portal}/rename` | `{to, domain?}` | moves the portal; the old address answers 302 |
//! | `POST /_/b24/{portal}/limits` | `{rate?, depth?, commercial?, overloaded?, hidden_from?, scope?, blocked_method?, blocked_s?}` | limits and refusals; rate 0 counts nothing |
//! | `POST /_/b24/{portal}/habits` | `{literal, doubles, reversed, delay_ms, no_tokens, no_application_token}` | how events are sent |
//! | `POST /_/b24/{portal}/event` | `{event, data, user?}` | fires an event to its handlers → `{posts}` |
//! | `POST /_/b24/{portal}/deals` | `{id, title, name, last_name?, phone}` | puts a deal with a contact |
//! | `POST /_/b24/{portal}/disk` | `{id?, name, mime, text?, base64?, size?, bin?, lost?, denied_to?: [user], gone?}` | puts a file on the Disk; `bin`: it lies in the bin, `lost`: its address answers 404, `gone`: takes it away → `{id}` |
//! | `POST /_/b24/{portal}/documents` | `{id?, title, deal?, ready_ms?, broken?}` | puts a document; its PDF is there after `ready_ms`, never where that is left out; `broken`: no PDF can be made of it → `{id}` |
//! | `POST /_/b24/{portal}/deals/{id}/stage` | `{stage}` | moves a deal without a robot; ONCRMDEALUPDATE goes out |
//! | `POST /_/b24/{portal}/responsible` | `{kind: lead deal contact, id, user}` | another employee becomes responsible for a card; ONCRM…UPDATE goes out |
//! | `POST /_/b24/{portal}/robots/{code}/fire` | `{deal?, properties, use_subscription?, timeout_s?, user?, times?, stage?}` | fires a robot → `{steps}` |
//! | `GET /_/b24/{portal}/steps` | `?deal=&limit=` | `{counts, steps}`, newest first |
//! | `POST /_/b24/{portal}/letters` | `{code, text, kind?, count? or to?, author?, deal?}` | a letter of N SMS posts → `{letter}`; `{name}` in the text is the contact's name |
//! | `GET /_/b24/{portal}/letters/{n}` | | `{messages: [{id, to, text, status, pushed, …}]}`; n = `last` for the latest |
//! | `GET /_/b24/{portal}/chats` | | `{chats: [{id, connector, line, external, person, user, name, owner, session, closed, contact, messages}], lines: {connectors, lines}}` of open lines |
//! | `POST /_/b24/{portal}/chats/{id}/say` | `{user?, text?, files?: [{name, mime, base64}], silent?}` | an operator writes → `{id}`; user 0 is the line itself; `silent` loses the event |
//! | `POST /_/b24/{portal}/chats/{id}/edit`, `/delete`, `/finish` | `{id, text}`, `{id}`, `{}` | changes a message, takes it back, ends the session |
//! | `POST /_/b24/{portal}/lines/{id}` | `{name?, active?, disconnect?: connector, delete?}` | changes an open line, or makes it |
//! | `GET /_/b24/{portal}/files/{id}` | | a file of an operator, for whoever sends `Referer` and `User-Agent` |
//! | `ANY /_/switchboard/{path}` | | passes to Switchboard with its bearer token |
//! | `POST /_/switchboard` | `{url, token}` | says where Switchboard is |

mod avito;
mod frames;
mod gateway;
mod mail;
mod mtproto;
mod notify;
mod open_lines;
mod portals;
mod switchboard;
mod vendors;
mod vk;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json, Query, ServiceConfig};
use serde::Deserialize;
use serde_json::{Value, json};

use super::fault::Fault;
use super::ledger::Wanted;
use super::state::{Sandbox, Settings};

/// The routes of the control.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .app_data(web::JsonConfig::default().limit(64 * 1024 * 1024).error_handler(|error, _| {
            let text = error.to_string();
            actix_web::error::InternalError::from_response(error, refuse(&text)).into()
        }))
        .route("/_/reset", web::post().to(reset))
        .route("/_/settings", web::get().to(show_settings))
        .route("/_/settings", web::post().to(change_settings))
        .route("/_/clock", web::post().to(move_clock))
        .route("/_/ledger", web::get().to(show_ledger))
        .route("/_/ledger", web::delete().to(clear_ledger))
        .route("/_/faults", web::get().to(list_faults))
        .route("/_/faults", web::post().to(plan_fault))
        .route("/_/faults", web::delete().to(drop_faults))
        .configure(vendors::routes)
        .configure(vk::routes)
        .configure(avito::routes)
        .configure(notify::routes)
        .configure(gateway::routes)
        .configure(mail::routes)
        .configure(mtproto::routes)
        .configure(portals::routes)
        .configure(open_lines::routes)
        .configure(frames::routes)
        .configure(switchboard::routes);
}

/// An error of the control.
pub(crate) fn refuse(text: &str) -> HttpResponse {
    HttpResponse::BadRequest().json(json!({"error": text}))
}

/// An answer of the control.
pub(crate) fn tell(value: Value) -> HttpResponse {
    HttpResponse::Ok().json(value)
}

/// The answer when something is not there.
pub(crate) fn missing(what: &str) -> HttpResponse {
    HttpResponse::NotFound().json(json!({"error": format!("no such {what}")}))
}

async fn reset(sandbox: Data<Sandbox>) -> HttpResponse {
    sandbox.reset();
    tell(json!({"ok": true}))
}

async fn show_settings(sandbox: Data<Sandbox>) -> HttpResponse {
    tell(json!(*sandbox.settings.lock()))
}

async fn change_settings(sandbox: Data<Sandbox>, given: Json<Value>) -> HttpResponse {
    let mut settings = sandbox.settings.lock();
    let mut changed = json!(*settings);
    if let (Some(changed), Some(given)) = (changed.as_object_mut(), given.as_object()) {
        changed.extend(given.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    match serde_json::from_value::<Settings>(changed) {
        Ok(changed) => {
            *settings = changed;
            tell(json!(*settings))
        }
        Err(error) => refuse(&error.to_string()),
    }
}

#[derive(Deserialize)]
struct Advance {
    advance_ms: i64,
}

async fn move_clock(sandbox: Data<Sandbox>, by: Json<Advance>) -> HttpResponse {
    sandbox.move_clock(by.advance_ms);
    sandbox.bitrix24.lock().time_out(sandbox.now());
    tell(json!({"now": sandbox.now()}))
}

async fn show_ledger(sandbox: Data<Sandbox>, wanted: Query<Wanted>) -> HttpResponse {
    tell(sandbox.ledger.show(&wanted))
}

#[derive(Deserialize)]
struct Kept {
    kept: Option<usize>,
}

async fn clear_ledger(sandbox: Data<Sandbox>, kept: Query<Kept>) -> HttpResponse {
    sandbox.ledger.clear(kept.kept);
    tell(json!({"ok": true}))
}

async fn list_faults(sandbox: Data<Sandbox>) -> HttpResponse {
    tell(json!({"faults": sandbox.faults.list()}))
}

/// Whose calls a fault can be planned for.
const VENDORS: [&str; 10] =
    ["telegram", "mtproto", "waba", "waha", "vk", "vk_notify", "avito", "mail", "bitrix24", "oauth"];

async fn plan_fault(sandbox: Data<Sandbox>, fault: Json<Fault>) -> HttpResponse {
    let fault = fault.into_inner();
    if !VENDORS.contains(&fault.vendor.as_str()) {
        return refuse("vendor is one of telegram, mtproto, waba, waha, vk, vk_notify, avito, mail, bitrix24, oauth");
    }
    if fault.kind == super::fault::Kind::CutBefore && fault.needle.is_some() {
        return refuse("cut_before happens before the body is read, so it cannot match");
    }
    tell(json!({"id": sandbox.faults.plan(fault)}))
}

#[derive(Deserialize)]
struct One {
    id: Option<u64>,
}

async fn drop_faults(sandbox: Data<Sandbox>, one: Query<One>) -> HttpResponse {
    sandbox.faults.drop_planned(one.id);
    tell(json!({"ok": true}))
}

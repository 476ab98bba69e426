//! Every address, its handler and its right, on one page.
//!
//! | right | is |
//! | --- | --- |
//! | anyone | no proof is asked |
//! | user | `Signed`: a bearer token or the session cookie |
//! | admin | `Admin`: the same, of a user who administers the company |
//! | employee | `PortalEmployee`: a bearer token of a page inside a portal |
//! | portal admin | `PortalAdmin`: the same, of an administrator of that portal |
//! | own proof | the handler itself checks what the caller brings |

use actix_web::web::{ServiceConfig, delete, get, patch, post, put, resource, scope};

use super::channel::{deliveries, settings};
use super::hook::{bitrix24, messenger as hook};
use super::{
    application, attaching, cabinet, channel, chat, file, framed, group, health, line, live, mailing, measure, message,
    messenger, openapi, portal, queue, session, set_up, template, webhook,
};

/// Tells the server its addresses.
pub(super) fn configure(config: &mut ServiceConfig) {
    config
        // address                                                     handler                          right
        .service(resource("/").route(get().to(cabinet::show_page))) //                                  anyone
        .service(resource("/assets/{name}").route(get().to(cabinet::show_asset))) //                    anyone
        .service(resource("/health").route(get().to(health::show_ready))) //                            anyone
        .service(resource("/health/live").route(get().to(health::show_live))) //                        anyone
        .service(resource("/health/ready").route(get().to(health::show_ready))) //                      anyone
        .service(resource("/metrics").route(get().to(measure::show_metrics))) //                        own proof
        .service(resource("/bitrix24/install").route(post().to(bitrix24::install))) //                  own proof
        .service(resource("/bitrix24/app").route(post().to(bitrix24::app_page))) //                     own proof
        .service(resource("/bitrix24/card").route(post().to(bitrix24::card))) //                        own proof
        .service(resource("/bitrix24/connector").route(post().to(bitrix24::connector))) //              own proof
        .service(resource("/bitrix24/robot-settings").route(post().to(bitrix24::robot_settings))) //    own proof
        .service(resource("/bitrix24/event").route(post().to(bitrix24::event))) //                      own proof
        .service(resource("/bitrix24/robot").route(post().to(bitrix24::robot))) //                      own proof
        .service(resource("/bitrix24/sms/{key}").route(post().to(bitrix24::sms))) //                    own proof
        .service(
            resource("/hook/{messenger}/{key}")
                .route(get().to(hook::take)) //                                                    own proof
                .route(post().to(hook::take)), //                                                  own proof
        )
        .service(resource("/file/{id}").route(get().to(file::download_file))) //                        own proof
        .service(scope("/api/v1").configure(api));
}

#[rustfmt::skip] // one line for each address
fn api(config: &mut ServiceConfig) {
    config
        .service(resource("/openapi.json").route(get().to(openapi::show_document))) // anyone
        .service(resource("/setup").route(get().to(set_up::show_set_up)).route(post().to(set_up::do_set_up))) // anyone
        .service(resource("/tokens").route(post().to(session::create_token)).route(delete().to(session::delete_token))) // anyone, user
        .service(resource("/me").route(get().to(session::show_me))) // user
        .service(resource("/events").route(get().to(live::stream_events))) // user
        .service(resource("/messengers").route(get().to(messenger::list_messengers))) // user
        .service(resource("/lines").route(get().to(line::list_lines)).route(post().to(line::create_line))) // user, admin
        .service(resource("/lines/{id}").route(patch().to(line::change_line))) // admin
        .service(resource("/lines/{id}/channels").route(post().to(channel::attach_channel))) // admin
        .service(resource("/attaching/return").route(post().to(attaching::return_from_vendor))) // admin
        .service(resource("/channels").route(get().to(channel::list_channels))) // user
        .service(resource("/channels/{id}").route(get().to(channel::show_channel)).route(patch().to(channel::set_pace))) // user, admin
        .service(resource("/channels/{id}/settings").route(get().to(settings::show_settings)).route(put().to(settings::change_settings))) // admin
        .service(resource("/channels/{id}/deliveries").route(get().to(deliveries::list_deliveries))) // admin
        .service(resource("/channels/{id}/deliveries/{n}").route(get().to(deliveries::show_delivery))) // admin
        .service(resource("/channels/{id}/detach").route(post().to(channel::detach_channel))) // admin
        .service(resource("/channels/{id}/phones").route(post().to(channel::check_phones))) // user
        .service(resource("/channels/{id}/templates").route(get().to(template::list_templates)).route(post().to(template::keep_template))) // user, admin
        .service(resource("/channels/{id}/templates/sync").route(post().to(template::sync_templates))) // user
        .service(resource("/channels/{id}/decide").route(post().to(channel::decide_channel))) // admin
        .service(resource("/channels/{id}/templates/{name}").route(delete().to(template::forget_template))) // admin
        .service(resource("/applications").route(get().to(application::list_applications)).route(post().to(application::create_application))) // user, admin
        .service(resource("/applications/{id}/statement").route(get().to(application::show_statement))) // user
        .service(resource("/applications/{id}/move").route(post().to(application::move_application))) // admin
        .service(resource("/applications/{id}/seen").route(post().to(application::see_application))) // user
        .service(resource("/channels/{id}/groups").route(get().to(group::list_groups)).route(post().to(group::create_group))) // user
        .service(resource("/channels/{id}/groups/{chat}").route(patch().to(group::rename_group)).route(delete().to(group::leave_group))) // user
        .service(resource("/channels/{id}/groups/{chat}/people").route(post().to(group::add_people))) // user
        .service(resource("/channels/{id}/chats/{chat}").route(get().to(chat::show_chat))) // user
        .service(resource("/channels/{id}/chats/{chat}/read").route(post().to(chat::mark_read))) // user
        .service(resource("/channels/{id}/webhook").route(put().to(webhook::keep_webhook)).route(delete().to(webhook::remove_webhook))) // admin
        .service(resource("/webhooks").route(get().to(webhook::list_webhooks))) // admin
        .service(resource("/webhooks/{id}/events").route(get().to(webhook::list_webhook_events))) // admin
        .service(resource("/webhooks/{id}/replay").route(post().to(webhook::replay_webhook))) // admin
        .service(resource("/group-acts/{id}").route(get().to(group::show_group_act))) // user
        .service(resource("/portals").route(get().to(portal::list_portals))) // user
        .service(resource("/queue").route(get().to(queue::show_queue))) // user
        .service(resource("/lanes/{id}/pause").route(post().to(queue::pause_lane))) // admin
        .service(resource("/lanes/{id}/resume").route(post().to(queue::resume_lane))) // admin
        .service(resource("/lanes/{id}/clear").route(post().to(queue::clear_lane))) // admin
        .service(resource("/messages").route(get().to(message::list_messages)).route(post().to(message::create_message))) // user
        .service(resource("/messages/{id}").route(get().to(message::show_message)).route(patch().to(message::change_message)).route(delete().to(message::delete_message))) // user
        .service(resource("/messages/{id}/reaction").route(put().to(message::react_to_message)).route(delete().to(message::take_reaction_back))) // user
        .service(resource("/messages/{id}/decide").route(post().to(message::decide_message))) // user
        .service(resource("/files").route(post().to(file::upload_file))) // user
        .service(resource("/files/{id}").route(get().to(file::show_file))) // user
        .service(resource("/mailings").route(get().to(mailing::list_mailings))) // user
        .service(resource("/mailings/{id}").route(get().to(mailing::show_mailing))) // user
        .service(resource("/mailings/{id}/pause").route(post().to(mailing::pause_mailing))) // user
        .service(resource("/mailings/{id}/resume").route(post().to(mailing::resume_mailing))) // user
        .service(resource("/mailings/{id}/stop").route(post().to(mailing::stop_mailing))) // user
        .service(resource("/b24/tokens").route(post().to(framed::renew_token))) // own proof
        .service(resource("/b24/state").route(get().to(framed::show_state))) // employee
        .service(resource("/b24/check").route(get().to(framed::show_test)).route(post().to(framed::check_portal))) // portal admin
        .service(resource("/b24/install").route(post().to(framed::install_again))) // portal admin
        .service(resource("/b24/settings").route(put().to(framed::change_portal_settings))) // portal admin
        .service(resource("/b24/cards/{card}/{id}").route(get().to(framed::card::show_card))) // employee
        .service(resource("/b24/connections").route(get().to(framed::connector::list_connections))) // portal admin
        .service(resource("/b24/connections/{connector}/requests").route(post().to(framed::connector::ask_for_account))) // portal admin
        .service(resource("/b24/connections/{connector}/{line}").route(get().to(framed::connector::show_connection)).route(put().to(framed::connector::connect)).route(delete().to(framed::connector::disconnect))) // portal admin
        .service(resource("/b24/channels/{id}/webhook").route(get().to(framed::webhook::show_webhook)).route(put().to(framed::webhook::keep_webhook)).route(delete().to(framed::webhook::remove_webhook))) // portal admin
        .service(resource("/b24/history").route(get().to(framed::card::show_history))) // employee
        .service(resource("/b24/messages").route(post().to(framed::card::write_message))) // employee
        .service(resource("/b24/messages/{id}").route(get().to(framed::card::show_card_message))) // employee
        .service(resource("/b24/channels/{id}/templates").route(get().to(framed::card::list_card_templates)).route(post().to(framed::card::sync_card_templates))); // employee
}

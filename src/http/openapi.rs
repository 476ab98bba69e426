//! The document of our own API: made from the handlers, kept as `docs/openapi.json`, and what the cabinet's types are made
//! from. A test holds it against `routes.rs` and against what the server really answers.

use actix_web::HttpResponse;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{
    application, attaching, auth, channel, chat, file, framed, group, line, live, mailing, message, messenger, portal,
    queue, session, set_up, template, webhook,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Switchboard",
        description = "Lines, channels, the queue, messages and mailings of one company. Moments are milliseconds of UTC. \
            Errors are in Russian, or in English where Accept-Language likes it better.",
        license(name = "MIT OR Apache-2.0")
    ),
    servers((url = "/api/v1")),
    security(("token" = []), ("cookie" = [])),
    paths(
        show_document,
        set_up::show_set_up,
        set_up::do_set_up,
        session::create_token,
        session::delete_token,
        session::show_me,
        live::stream_events,
        messenger::list_messengers,
        line::list_lines,
        line::create_line,
        line::change_line,
        channel::attach_channel,
        attaching::return_from_vendor,
        channel::list_channels,
        channel::show_channel,
        channel::set_pace,
        channel::settings::show_settings,
        channel::settings::change_settings,
        channel::deliveries::list_deliveries,
        channel::deliveries::show_delivery,
        channel::detach_channel,
        channel::check_phones,
        channel::decide_channel,
        template::list_templates,
        template::sync_templates,
        template::keep_template,
        template::forget_template,
        application::list_applications,
        application::create_application,
        application::show_statement,
        application::move_application,
        application::see_application,
        chat::show_chat,
        chat::mark_read,
        group::list_groups,
        group::create_group,
        group::rename_group,
        group::leave_group,
        group::add_people,
        group::show_group_act,
        webhook::list_webhooks,
        webhook::keep_webhook,
        webhook::remove_webhook,
        webhook::list_webhook_events,
        webhook::replay_webhook,
        portal::list_portals,
        queue::show_queue,
        queue::pause_lane,
        queue::resume_lane,
        queue::clear_lane,
        message::list_messages,
        message::create_message,
        message::show_message,
        message::change_message,
        message::delete_message,
        message::decide_message,
        message::react_to_message,
        message::take_reaction_back,
        file::upload_file,
        file::show_file,
        mailing::list_mailings,
        mailing::show_mailing,
        mailing::pause_mailing,
        mailing::resume_mailing,
        mailing::stop_mailing,
        framed::renew_token,
        framed::show_state,
        framed::show_test,
        framed::check_portal,
        framed::install_again,
        framed::change_portal_settings,
        framed::connector::list_connections,
        framed::connector::show_connection,
        framed::connector::connect,
        framed::connector::disconnect,
        framed::connector::ask_for_account,
        framed::webhook::show_webhook,
        framed::webhook::keep_webhook,
        framed::webhook::remove_webhook,
        framed::card::show_card,
        framed::card::show_history,
        framed::card::write_message,
        framed::card::show_card_message,
        framed::card::list_card_templates,
        framed::card::sync_card_templates,
    ),
    modifiers(&Ways)
)]
struct Document;

/// The ways to prove who asks.
struct Ways;

impl Modify for Ways {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("token", SecurityScheme::Http(token));
        let cookie =
            ApiKeyValue::with_description(auth::COOKIE, "with the header X-Switchboard where it changes anything");
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}

/// The document, as it is kept in `docs/openapi.json`.
///
/// # Errors
/// Where it cannot be written as JSON.
pub fn document() -> serde_json::Result<String> {
    Document::openapi().to_pretty_json().map(|text| text + "\n")
}

/// Shows this document.
#[utoipa::path(get, path = "/openapi.json", tag = "session", security(()), responses((status = 200, body = Object)))]
pub(super) async fn show_document() -> HttpResponse {
    HttpResponse::Ok().json(Document::openapi())
}

//! Every address, its handler and its right, on one page.
//!
//! | right | is |
//! | --- | --- |
//! | anyone | no proof is asked |
//! | user | `Signed`: a bearer token or the session cookie |
//! | admin | `Admin`: the same, of a user who administers the company |
//! | own proof | the handler itself checks what the caller brings |

use actix_web::web::{ServiceConfig, delete, get, post, resource, scope};

use super::hook::{bitrix24, messenger};
use super::{health, mailing, measure, page, session};

/// Tells the server its addresses.
pub(super) fn configure(config: &mut ServiceConfig) {
    config
        // address                                                     handler                          right
        .service(resource("/").route(get().to(page::show_page))) //                                     anyone
        .service(resource("/health/live").route(get().to(health::show_live))) //                        anyone
        .service(resource("/health/ready").route(get().to(health::show_ready))) //                      anyone
        .service(resource("/metrics").route(get().to(measure::show_metrics))) //                        own proof
        .service(resource("/bitrix24/install").route(post().to(bitrix24::install))) //                  own proof
        .service(resource("/bitrix24/app").route(post().to(bitrix24::app_page))) //                     own proof
        .service(resource("/bitrix24/event").route(post().to(bitrix24::event))) //                      own proof
        .service(resource("/bitrix24/robot").route(post().to(bitrix24::robot))) //                      own proof
        .service(resource("/bitrix24/sms/{key}").route(post().to(bitrix24::sms))) //                    own proof
        .service(
            resource("/hook/{messenger}/{key}")
                .route(get().to(messenger::take)) //                                                    own proof
                .route(post().to(messenger::take)), //                                                  own proof
        )
        .service(scope("/api/v1").configure(api));
}

fn api(config: &mut ServiceConfig) {
    config
        .service(
            resource("/tokens")
                .route(post().to(session::create_token)) //                                             anyone
                .route(delete().to(session::delete_token)), //                                          user
        )
        .service(resource("/mailings").route(get().to(mailing::list_mailings))) //                      user
        .service(resource("/mailings/{id}").route(get().to(mailing::show_mailing))) //                  user
        .service(resource("/mailings/{id}/pause").route(post().to(mailing::pause_mailing))) //          user
        .service(resource("/mailings/{id}/resume").route(post().to(mailing::resume_mailing))) //        user
        .service(resource("/mailings/{id}/stop").route(post().to(mailing::stop_mailing))) //            user
        .service(resource("/me").route(get().to(session::show_me))); //                                 user
}

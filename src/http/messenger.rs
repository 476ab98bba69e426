//! Messengers: what can be attached.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::Signed;
use crate::app::App;
use crate::flow::perform;
use crate::messenger::{self, About, Groups};
use crate::model::message::Kind;

/// A messenger.
#[derive(Serialize, ToSchema)]
pub(super) struct MessengerOut {
    kind: Kind,
    /// Its name on screen, in Russian and in English.
    title: (&'static str, &'static str),
    /// What it is and can do; null where this server cannot attach it yet.
    about: Option<&'static About>,
    /// What the button says that leads to the vendor's page instead of filling in the form, in Russian and in English; null where
    /// the vendor has no such page, or this server no keys there.
    sign_in: Option<(&'static str, &'static str)>,
    /// What it does with groups beside writing into them.
    groups: Groups,
}

/// All messengers, those that cannot be attached yet among them.
#[derive(Serialize, ToSchema)]
pub(super) struct MessengersOut {
    messengers: Vec<MessengerOut>,
}

/// Shows what can be attached, with the fields of each form.
#[utoipa::path(get, path = "/messengers", tag = "channels", responses((status = 200, body = MessengersOut)))]
pub(super) async fn list_messengers(app: web::Data<App>, _: Signed) -> HttpResponse {
    let messengers = Kind::ALL.into_iter().map(|kind| {
        let found = messenger::of(kind);
        let about = found.map(|found| perform::about(&app, found));
        let groups = found.map(messenger::Messenger::groups).unwrap_or_default();
        let sign_in = found.and_then(messenger::Messenger::signs_in).filter(|_| perform::has_own_keys(&app, kind));
        let title = about.map_or_else(|| kind.title(), |about| about.title);
        MessengerOut { kind, title, about, sign_in, groups }
    });
    HttpResponse::Ok().json(MessengersOut { messengers: messengers.collect() })
}

//! Webhooks of channels.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Admin;
use super::error::{ApiError, ErrorOut, Told};
use crate::app::App;
use crate::flow::webhook::settings::{
    self, MOST_SHOWN, WebhookEvent, WebhookIn, WebhookKept, WebhookOut, WebhookRefusal,
};
use crate::model::id::{ChannelId, WebhookId};
use crate::model::webhook::Topic;
use crate::net::guard::GuardError;

/// The webhooks of the company, oldest first.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhooksOut {
    webhooks: Vec<WebhookOut>,
}

/// Events of a webhook, in their order.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookEventsOut {
    events: Vec<WebhookEvent>,
}

/// Which events.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WebhookEventsAsked {
    /// Only those that are `waiting`, `delivered` or `failed`.
    state: Option<String>,
    /// Only those behind this number.
    after: Option<i64>,
    /// So many at most; 100 where it is left out, and never more than 200.
    limit: Option<i64>,
}

/// Which events are sent again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayIn {
    /// The first number.
    from: i64,
    /// The last number.
    to: i64,
}

/// How many events are sent again.
#[derive(Serialize, ToSchema)]
pub(super) struct ReplayOut {
    events: usize,
}

/// Shows the webhooks of the company.
#[utoipa::path(get, path = "/webhooks", tag = "webhooks", responses((status = 200, body = WebhooksOut)))]
pub(super) async fn list_webhooks(app: web::Data<App>, admin: Admin) -> Told {
    let webhooks = settings::list(&app, admin.0.company).await?;
    Ok(HttpResponse::Ok().json(WebhooksOut { webhooks }))
}

/// Sets the webhook of a channel up, or changes it. What is posted there is signed; `docs/webhooks.md` says how.
#[utoipa::path(put, path = "/channels/{id}/webhook", tag = "webhooks", params(("id" = String, Path)),
    request_body = WebhookIn,
    responses((status = 200, body = WebhookKept), (status = 404, body = ErrorOut), (status = 422, body = ErrorOut)))]
pub(super) async fn keep_webhook(
    app: web::Data<App>,
    admin: Admin,
    id: web::Path<ChannelId>,
    input: web::Json<WebhookIn>,
) -> Told {
    let kept = settings::keep(&app, admin.0.company, *id, input.into_inner()).await.map_err(refusal)?;
    Ok(HttpResponse::Ok().json(kept))
}

/// Takes the webhook of a channel away, with everything that it was told.
#[utoipa::path(delete, path = "/channels/{id}/webhook", tag = "webhooks", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorOut)))]
pub(super) async fn remove_webhook(app: web::Data<App>, admin: Admin, id: web::Path<ChannelId>) -> Told {
    if settings::remove(&app, admin.0.company, *id).await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(ApiError::NotFound)
    }
}

/// Shows events of a webhook that are kept, in their order.
#[utoipa::path(get, path = "/webhooks/{id}/events", tag = "webhooks", params(("id" = String, Path), WebhookEventsAsked),
    responses((status = 200, body = WebhookEventsOut), (status = 404, body = ErrorOut), (status = 422, body = ErrorOut)))]
pub(super) async fn list_webhook_events(
    app: web::Data<App>,
    admin: Admin,
    id: web::Path<WebhookId>,
    asked: web::Query<WebhookEventsAsked>,
) -> Told {
    let state = asked.state.as_deref().map(state).transpose()?;
    let limit = asked.limit.unwrap_or(100);
    if !(1..=MOST_SHOWN).contains(&limit) {
        let (ru, en) =
            (format!("Событий показывается от 1 до {MOST_SHOWN}"), format!("1 to {MOST_SHOWN} events are shown"));
        return Err(ApiError::bad("limit", ru, en));
    }
    let range = (asked.after.unwrap_or(0), limit);
    let events = settings::events(&app, admin.0.company, *id, state, range).await?.ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok().json(WebhookEventsOut { events }))
}

/// Sends events once more that are over, in a range of numbers and behind what waits.
#[utoipa::path(post, path = "/webhooks/{id}/replay", tag = "webhooks", params(("id" = String, Path)),
    request_body = ReplayIn,
    responses((status = 202, body = ReplayOut), (status = 404, body = ErrorOut), (status = 409, body = ErrorOut),
        (status = 422, body = ErrorOut)))]
pub(super) async fn replay_webhook(
    app: web::Data<App>,
    admin: Admin,
    id: web::Path<WebhookId>,
    input: web::Json<ReplayIn>,
) -> Told {
    let ReplayIn { from, to } = input.into_inner();
    if from < 1 {
        return Err(ApiError::bad("from", "Номера событий начинаются с 1", "The numbers of events begin with 1"));
    }
    if to < from {
        return Err(ApiError::bad("to", "Последний номер не меньше первого", "The last number is not below the first"));
    }
    let events = settings::replay(&app, admin.0.company, *id, (from, to)).await.map_err(refusal)?;
    Ok(HttpResponse::Accepted().json(ReplayOut { events }))
}

fn state(given: &str) -> Told<&'static str> {
    ["waiting", "delivered", "failed"].into_iter().find(|state| *state == given).ok_or_else(|| {
        ApiError::bad("state", "Состояние — waiting, delivered или failed", "The state is waiting, delivered or failed")
    })
}

/// What is wrong, at its field, and what to do.
pub(super) fn refusal(refusal: WebhookRefusal) -> ApiError {
    match refusal {
        WebhookRefusal::NotFound => ApiError::NotFound,
        WebhookRefusal::Address(GuardError::Private) => ApiError::bad(
            "url",
            "Адрес ведёт в частную сеть: укажите публичный или разрешите сеть в vendors.allow_networks",
            "The address leads into a private network: give a public one, or let the network through by vendors.allow_networks",
        ),
        WebhookRefusal::Address(_) => ApiError::bad(
            "url",
            "Нужен адрес вида https://example.com/hook, без логина и пароля внутри",
            "An address as https://example.com/hook is needed, without a login and a password inside",
        ),
        WebhookRefusal::TooLong(most) => ApiError::bad(
            "url",
            format!("В адресе не больше {most} знаков"),
            format!("The address has at most {most} letters"),
        ),
        WebhookRefusal::NoEvents => ApiError::bad(
            "events",
            "Выберите хотя бы одно событие: сообщения или статусы сообщений",
            "Choose at least one event: messages or statuses of messages",
        ),
        WebhookRefusal::NoEvent(given) => {
            let known = Topic::ALL.map(Topic::slug).join(", ");
            ApiError::bad(
                "events",
                format!("Нет события «{given}»; есть {known}"),
                format!("There is no event {given}; there are {known}"),
            )
        }
        WebhookRefusal::Off => ApiError::Conflict {
            code: "webhook_off",
            ru: "Вебхук выключен: сохраните его адрес ещё раз, и он включится".to_owned(),
            en: "The webhook is off: save its address once more, and it is on".to_owned(),
        },
        WebhookRefusal::NoSecret => ApiError::Inner("no random bytes for the secret of a webhook".to_owned()),
        WebhookRefusal::Store(error) => error.into(),
    }
}

//! Mailings: list them, pause, resume, stop.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::Signed;
use super::error::{ApiError, ErrorOut, Told};
use crate::app::App;
use crate::app::live::Topics;
use crate::flow::mailing::{self, MailingOut, RowOut, Turned};
use crate::model::id::{CompanyId, MailingId};
use crate::model::moment::Moment;
use crate::store::{Conn, Result as Stored};

/// Mailings.
#[derive(Serialize, ToSchema)]
pub(super) struct MailingsOut {
    /// The server's moment.
    #[schema(value_type = i64)]
    now: Moment,
    mailings: Vec<MailingOut>,
}

/// The ledger of a mailing.
#[derive(Serialize, ToSchema)]
pub(super) struct LedgerOut {
    recipients: Vec<RowOut>,
}

/// The newest mailings with their counts and forecasts.
#[utoipa::path(get, path = "/mailings", tag = "mailings", responses((status = 200, body = MailingsOut)))]
pub(super) async fn list_mailings(app: web::Data<App>, signed: Signed) -> Told {
    let mailings = mailing::overview(&app, signed.company).await?;
    Ok(HttpResponse::Ok().json(MailingsOut { now: app.clock.now(), mailings }))
}

/// The ledger of one mailing.
#[utoipa::path(get, path = "/mailings/{id}", tag = "mailings", params(("id" = String, Path)),
    responses((status = 200, body = LedgerOut), (status = 404, body = ErrorOut)))]
pub(super) async fn show_mailing(app: web::Data<App>, signed: Signed, id: web::Path<MailingId>) -> Told {
    let (company, id) = (signed.company, id.into_inner());
    let recipients = app.store.read(move |conn| mailing::ledger(conn, company, id)).await?.ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok().json(LedgerOut { recipients }))
}

/// Pauses a mailing at once.
#[utoipa::path(post, path = "/mailings/{id}/pause", tag = "mailings", params(("id" = String, Path)),
    responses((status = 200, body = Turned), (status = 404, body = ErrorOut), (status = 409, body = ErrorOut)))]
pub(super) async fn pause_mailing(app: web::Data<App>, signed: Signed, id: web::Path<MailingId>) -> Told {
    turn(&app, &signed, *id, mailing::pause).await
}

/// Lets a paused mailing go on.
#[utoipa::path(post, path = "/mailings/{id}/resume", tag = "mailings", params(("id" = String, Path)),
    responses((status = 200, body = Turned), (status = 404, body = ErrorOut), (status = 409, body = ErrorOut)))]
pub(super) async fn resume_mailing(app: web::Data<App>, signed: Signed, id: web::Path<MailingId>) -> Told {
    turn(&app, &signed, *id, mailing::resume).await
}

/// Stops a mailing for good. The answer tells how many calls were open and cannot be taken back.
#[utoipa::path(post, path = "/mailings/{id}/stop", tag = "mailings", params(("id" = String, Path)),
    responses((status = 200, body = Turned), (status = 404, body = ErrorOut), (status = 409, body = ErrorOut)))]
pub(super) async fn stop_mailing(app: web::Data<App>, signed: Signed, id: web::Path<MailingId>) -> Told {
    let inner = App::clone(&app);
    turn(&app, &signed, *id, move |conn, company, id| mailing::stop(&inner, conn, company, id, inner.clock.now())).await
}

async fn turn(
    app: &App,
    signed: &Signed,
    id: MailingId,
    turn: impl Fn(&mut Conn, CompanyId, MailingId) -> Stored<Option<Turned>> + Send + 'static,
) -> Told {
    let company = signed.company;
    let turned = app
        .store
        .write(move |conn| {
            let known = crate::on!(conn, mailing::by_id(company, id))?.is_some();
            Ok((known, turn(conn, company, id)?))
        })
        .await?;
    match turned {
        (_, Some(turned)) => {
            app.bell.accepted(turned.accepted.clone());
            app.bell.feed();
            app.live.touch(company, Topics::MAILINGS.with(Topics::QUEUE));
            Ok(HttpResponse::Ok().json(turned))
        }
        (true, None) => Err(ApiError::Conflict {
            code: "mailing_state",
            ru: "рассылка не в том состоянии: обновите список".to_owned(),
            en: "the mailing is not in a state for that: look at the list again".to_owned(),
        }),
        (false, None) => Err(ApiError::NotFound),
    }
}

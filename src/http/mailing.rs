//! Mailings: list them, pause, resume, stop.

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::auth::Signed;
use super::error::{ApiError, Told};
use crate::app::App;
use crate::flow::mailing::{self, Turned};
use crate::model::id::{CompanyId, MailingId};
use crate::store::{Conn, Result as Stored};

/// The newest mailings with their counts and forecasts.
pub(super) async fn list_mailings(app: web::Data<App>, signed: Signed) -> Told {
    let mailings = mailing::overview(&app, signed.company).await?;
    Ok(HttpResponse::Ok().json(json!({ "now": app.clock.now(), "mailings": mailings })))
}

/// The ledger of one mailing.
pub(super) async fn show_mailing(app: web::Data<App>, signed: Signed, id: web::Path<MailingId>) -> Told {
    let (company, id) = (signed.company, id.into_inner());
    let rows = app.store.read(move |conn| mailing::ledger(conn, company, id)).await?.ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok().json(json!({ "recipients": rows })))
}

/// Pauses a mailing at once.
pub(super) async fn pause_mailing(app: web::Data<App>, signed: Signed, id: web::Path<MailingId>) -> Told {
    turn(&app, &signed, *id, mailing::pause).await
}

/// Lets a paused mailing go on.
pub(super) async fn resume_mailing(app: web::Data<App>, signed: Signed, id: web::Path<MailingId>) -> Told {
    turn(&app, &signed, *id, mailing::resume).await
}

/// Stops a mailing for good. The answer tells how many calls were open and cannot be taken back.
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

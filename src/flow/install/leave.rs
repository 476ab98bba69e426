//! A portal that goes.

use serde_json::json;

use super::{InstallError, ids};
use crate::app::App;
use crate::crm::bitrix24::event::{Auth, token_matches};
use crate::flow::{credentials, mailing, portal};
use crate::model::id::{CompanyId, PortalId};
use crate::model::moment::Moment;
use crate::store::outbox;
use crate::store::row::{PortalPatch, PortalRow};
use crate::store::{Conn, Result};

/// What waits in the lane of a portal is taken out in parts of this size.
const AT_ONCE: i64 = 1000;

/// Uninstalls a portal, if it is the portal that says so and it is not an old word about an earlier installation. Its letters
/// stop: nobody there can see or stop them any more. `clean` removes deliveries and promises too, as its administrator asked;
/// messages belong to the company and stay.
///
/// # Errors
/// [`InstallError`].
pub(super) async fn uninstall(
    app: &App,
    row: &PortalRow,
    auth: &Auth,
    clean: bool,
) -> std::result::Result<(), InstallError> {
    if row.application_token.is_empty() {
        return Err(InstallError::NotThePortal);
    }
    let stored = credentials::open(app, "portals", &row.id, &row.application_token)?;
    if !token_matches(&stored, auth.application_token.as_ref()) {
        return Err(InstallError::NotThePortal);
    }
    let (company, id) = ids(row)?;
    // events overtake each other: where REST still answers, the application was installed again in the meantime
    if portal::call(app, company, id, "app.info", &json!({})).await?.is_ok() {
        tracing::info!(portal = row.id, "an old uninstallation was left aside: the portal still answers");
        return Ok(());
    }
    let (inner, now, lane, row) = (app.clone(), app.clock.now(), row.lane, row.clone());
    tracing::info!(portal = row.id, clean, "a portal was uninstalled");
    app.store.write(move |conn| forget(&inner, conn, company, id, &row, clean, now)).await?;
    app.known.forget();
    app.bell.changed(lane);
    Ok(())
}

fn forget(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    id: PortalId,
    row: &PortalRow,
    clean: bool,
    now: Moment,
) -> Result<()> {
    let patch = PortalPatch {
        state: Some("uninstalled".to_owned()),
        application_token: clean.then(String::new),
        ..PortalPatch::default()
    };
    crate::on!(conn, portal::patch(company, id, &patch))?;
    crate::on!(conn, portal::forget_tokens(id))?;
    for letter in crate::on!(conn, mailing::open_of_portal(&row.id))? {
        if let Ok(letter) = letter.id.parse() {
            mailing::stop(app, conn, company, letter, now)?;
        }
    }
    // what is accepted at this very moment must not wait for ever in a lane that was lost: it is refused without a call
    portal::run_again(conn, company, row.lane)?;
    // nobody is left to be told
    while !outbox::withdraw_lane(conn, row.lane, now.plus_ms(1), AT_ONCE)?.is_empty() {}
    if clean { crate::on!(conn, portal::clean(row)) } else { Ok(()) }
}

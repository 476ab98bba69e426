//! Putting our things into every installed portal again.

use serde_json::json;

use super::{InstallError, Trouble, put_in_place};
use crate::app::App;
use crate::crm::bitrix24::client::Portal;
use crate::crm::bitrix24::fault::Fault;
use crate::flow::{credentials, portal};
use crate::model::id::{CompanyId, PortalId};
use crate::store::Result;
use crate::store::row::{PortalRow, TokenPairRow};

/// Puts robots, events and SMS senders into every installed portal again. For each portal: its host, and how many steps were
/// taken or why none were.
///
/// # Errors
/// Those of the store.
pub async fn put_again(app: &App) -> Result<Vec<(String, std::result::Result<usize, String>)>> {
    let mut done = Vec::new();
    for (id, _) in app.store.read(|conn| crate::on!(conn, company::all())).await? {
        let Ok(company) = id.parse::<CompanyId>() else { continue };
        let rows = app.store.read(move |conn| crate::on!(conn, portal::of_company(company))).await?;
        for row in rows.into_iter().filter(|row| row.state != "uninstalled") {
            let outcome = put(app, company, &row).await?;
            done.push((row.domain, outcome));
        }
    }
    Ok(done)
}

async fn put(app: &App, company: CompanyId, row: &PortalRow) -> Result<std::result::Result<usize, String>> {
    let Ok(id) = row.id.parse() else { return Ok(Err("its id cannot be read".to_owned())) };
    // this call renews the tokens where they are old
    if let Err(fault) = portal::call(app, company, id, "app.info", &json!({})).await? {
        return Ok(Err(fault.to_string()));
    }
    let pairs = app.store.read(move |conn| crate::on!(conn, portal::tokens(id))).await?;
    let Some(pair) = pairs.into_iter().find(|pair| pair.is_admin) else {
        return Ok(Err("no administrator's token is good: open the application in the portal".to_owned()));
    };
    match put_in_place(app, row, &target(app, row, &pair)?).await {
        Ok((steps, troubles)) if troubles.is_empty() => Ok(Ok(steps.len())),
        Ok((_, troubles)) => Ok(Err(troubles.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))),
        Err(error) => Ok(Err(error.to_string())),
    }
}

/// Puts our things into one portal again for one of its administrators. The steps that were taken, and what did not work.
///
/// # Errors
/// [`InstallError`].
pub(crate) async fn put_for(
    app: &App,
    company: CompanyId,
    id: PortalId,
    user_id: i64,
) -> std::result::Result<(Vec<&'static str>, Vec<Trouble>), InstallError> {
    let (row, target) = as_employee(app, company, id, user_id).await?;
    put_in_place(app, &row, &target).await
}

/// A portal, and what a call to it as one of its employees needs; their token is renewed where it is old.
///
/// # Errors
/// [`InstallError`].
pub(super) async fn as_employee(
    app: &App,
    company: CompanyId,
    id: PortalId,
    user_id: i64,
) -> std::result::Result<(PortalRow, Portal), InstallError> {
    portal::call_of(app, company, id, user_id, "app.info", &json!({})).await??;
    let (row, pairs) = app
        .store
        .read(move |conn| Ok((crate::on!(conn, portal::by_id(company, id))?, crate::on!(conn, portal::tokens(id))?)))
        .await?;
    let user = user_id.to_string();
    let pair = pairs.into_iter().find(|pair| pair.user_id == user);
    let (Some(row), Some(pair)) = (row, pair) else {
        return Err(InstallError::Portal(Fault::Token { code: "NO_TOKEN".to_owned() }));
    };
    let target = target(app, &row, &pair)?;
    Ok((row, target))
}

fn target(app: &App, row: &PortalRow, pair: &TokenPairRow) -> Result<Portal> {
    let place = format!("{}:{}", pair.portal, pair.user_id);
    Ok(Portal {
        client_endpoint: row.client_endpoint.clone(),
        access_token: credentials::open(app, "portal_tokens", &place, &pair.access_token)?,
        member_id: row.member_id.clone(),
    })
}

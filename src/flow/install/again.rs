//! Putting our things into every installed portal again.

use serde_json::json;

use super::put_in_place;
use crate::app::App;
use crate::crm::bitrix24::client::Portal;
use crate::flow::{credentials, portal};
use crate::model::id::CompanyId;
use crate::store::Result;
use crate::store::row::PortalRow;

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
    let place = format!("{}:{}", pair.portal, pair.user_id);
    let target = Portal {
        client_endpoint: row.client_endpoint.clone(),
        access_token: credentials::open(app, "portal_tokens", &place, &pair.access_token)?,
        member_id: row.member_id.clone(),
    };
    match put_in_place(app, row, &target).await {
        Ok((steps, troubles)) if troubles.is_empty() => Ok(Ok(steps.len())),
        Ok((_, troubles)) => Ok(Err(troubles.join("; "))),
        Err(error) => Ok(Err(error.to_string())),
    }
}

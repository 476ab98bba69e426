//! Losing a portal, when no token of its people is good any more, and finding it again. What waits in its lane stays.

use secrecy::SecretString;

use super::token::sealed;
use crate::app::App;
use crate::crm::bitrix24::event::Auth;
use crate::model::id::{CompanyId, LaneId, PortalId};
use crate::store::row::{LaneState, PortalRow, TokenPairRow};
use crate::store::{Conn, Result, notice};

/// A portal refused every token that we have: its lane stops, and people are told. Its calls wait for better tokens.
///
/// # Errors
/// Those of the store.
pub async fn lose(app: &App, company: CompanyId, id: PortalId, seen: &str) -> Result<()> {
    let lost = app
        .store
        .write(move |conn| {
            // one that was uninstalled in the meantime stays so
            if !crate::on!(conn, portal::turn(company, id, "installed", "lost"))? {
                return Ok(None);
            }
            let Some(row) = crate::on!(conn, portal::by_id(company, id))? else { return Ok(None) };
            let from = [LaneState::Running, LaneState::Paused, LaneState::Held].map(LaneState::to_db);
            crate::on!(conn, lane::set_state(company, row.lane, &from, LaneState::Lost.to_db()))?;
            notice::changed(conn, row.lane)?;
            Ok(Some(row))
        })
        .await?;
    if let Some(row) = lost {
        app.known.forget();
        app.bell.changed(row.lane);
        tracing::error!(
            portal = row.id,
            domain = row.domain,
            seen,
            "a portal is lost: let an administrator open the application in it"
        );
    }
    Ok(())
}

/// A robot of a lost portal called, and brought tokens: they are kept, and the lane goes on.
///
/// # Errors
/// Those of the store.
pub(crate) async fn find_again(app: &App, row: &PortalRow, auth: &Auth) -> Result<()> {
    let (Some(access), Some(refresh), Some(user)) = (&auth.access_token, &auth.refresh_token, auth.user_id) else {
        return Ok(());
    };
    let (access, refresh, user): (SecretString, SecretString, String) =
        (access.clone(), refresh.clone(), user.to_string());
    let now = app.clock.now();
    let left_ms = auth.expires_at.map_or(3_600_000, |at| at.since_ms(now));
    let (inner, row) = (app.clone(), row.clone());
    let lane = row.lane;
    app.store
        .write(move |conn| {
            let (Ok(company), Ok(id)) = (row.company.parse(), row.id.parse()) else { return Ok(()) };
            if !crate::on!(conn, portal::turn(company, id, "lost", "installed"))? {
                return Ok(());
            }
            let is_admin = crate::on!(conn, portal::is_admin(&row.id, &user))?;
            let pair = TokenPairRow::of(&row.id, &user, is_admin);
            let pair = sealed(&inner, pair, &access, &refresh, (left_ms / 1000).clamp(0, 3600));
            crate::on!(conn, portal::keep_tokens(&pair))?;
            run_again(conn, company, lane)
        })
        .await?;
    app.known.forget();
    app.bell.changed(lane);
    Ok(())
}

/// The lane of a portal that was lost runs again: what waits there is told late, which harms nobody.
///
/// # Errors
/// Those of the database.
pub fn run_again(conn: &mut Conn, company: CompanyId, lane: LaneId) -> Result<()> {
    crate::on!(conn, lane::set_state(company, lane, &[LaneState::Lost.to_db()], LaneState::Running.to_db()))?;
    notice::changed(conn, lane)
}

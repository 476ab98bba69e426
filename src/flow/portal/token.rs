//! The tokens of a portal's people: renewing them once for all tasks and all processes.

use secrecy::{ExposeSecret as _, SecretString};

use super::{auth_server, keys, unreadable};
use crate::app::App;
use crate::crm::bitrix24::fault::Fault;
use crate::crm::bitrix24::oauth::{self, OauthError};
use crate::flow::credentials;
use crate::model::id::PortalId;
use crate::store::Result;
use crate::store::row::{PortalRow, TokenPairRow};

/// The right to renew is held no longer than this, in milliseconds: longer than the call may take.
const RENEWAL_MS: i64 = 40_000;

/// Between two looks whether another process has renewed the pair, in milliseconds.
const LOOK_MS: i64 = 200;

/// Renews a pair: one process does it, the others wait for its result. A refused pair is read once more, since another
/// process may have been faster, and is then given up.
pub(super) async fn renew(app: &App, portal: &PortalRow, pair: TokenPairRow) -> Result<Result<TokenPairRow, Fault>> {
    let id: PortalId = portal.id.parse().map_err(|_| unreadable("portals"))?;
    let owner = uuid::Uuid::now_v7().simple().to_string();
    let began = app.clock.tick();
    loop {
        let now = app.clock.now();
        let (user, version, name) = (pair.user_id.clone(), pair.version, owner.clone());
        let leased = app
            .store
            .write(move |conn| {
                crate::on!(conn, portal::lease_tokens(id, &user, version, &name, now.0, now.plus_ms(RENEWAL_MS).0))
            })
            .await?;
        if leased {
            return exchange(app, portal, id, pair).await;
        }
        let user = pair.user_id.clone();
        let pairs = app.store.read(move |conn| crate::on!(conn, portal::tokens(id))).await?;
        match pairs.into_iter().find(|other| other.user_id == user) {
            Some(other) if other.version != pair.version => return Ok(Ok(other)),
            Some(_) if app.clock.tick().since_ms(began) < RENEWAL_MS => {
                app.clock.sleep_until(app.clock.tick().plus_ms(LOOK_MS)).await;
            }
            Some(_) => return Ok(Err(Fault::NotReached("somebody else renews the token and does not end".to_owned()))),
            None => return Ok(Err(Fault::Token { code: "expired_token".to_owned() })),
        }
    }
}

async fn exchange(
    app: &App,
    portal: &PortalRow,
    id: PortalId,
    pair: TokenPairRow,
) -> Result<Result<TokenPairRow, Fault>> {
    let refresh = credentials::open(app, "portal_tokens", &place(&pair), &pair.refresh_token)?;
    let asked = match auth_server(app, &portal.server_endpoint) {
        Ok(server) => oauth::refresh(&app.http, &keys(app), &server, &refresh).await,
        Err(error) => Err(error),
    };
    let (user, version) = (pair.user_id.clone(), pair.version);
    let tokens = match asked {
        Ok(tokens) if tokens.member_id == portal.member_id => tokens,
        outcome => {
            let error = outcome.err().unwrap_or(OauthError::GrantGone);
            tracing::warn!(%error, portal = portal.id, "a token could not be renewed");
            let dead = matches!(error, OauthError::GrantGone);
            let newer = app
                .store
                .write(move |conn| {
                    crate::on!(conn, portal::drop_lease(id, &user, version, dead))?;
                    // a page or an installation may have brought a better pair while this one was refused
                    let pairs = crate::on!(conn, portal::tokens(id))?;
                    Ok(pairs.into_iter().find(|other| other.user_id == user && other.version != version))
                })
                .await?;
            return Ok(newer.ok_or_else(|| fault_of(error)));
        }
    };
    let fresh = sealed(app, pair, &tokens.access_token, &tokens.refresh_token, tokens.expires_in_s);
    let row = fresh.clone();
    // the new pair is kept before it is used: a crash in between would lose the only good refresh token
    app.store
        .write(move |conn| {
            crate::on!(
                conn,
                portal::renew_tokens(id, &row.user_id, version, &row.access_token, &row.refresh_token, row.expires_at)
            )
        })
        .await?;
    Ok(Ok(TokenPairRow { version: version + 1, ..fresh }))
}

fn fault_of(error: OauthError) -> Fault {
    match error {
        OauthError::NotReached(seen) | OauthError::Unsure(seen) => Fault::NotReached(seen),
        OauthError::Unpaid => Fault::Unpaid { text: "the application is not paid".to_owned() },
        OauthError::Gone(_) => Fault::Gone,
        other => Fault::Token { code: other.to_string() },
    }
}

/// A token pair with new tokens, sealed.
#[must_use]
pub fn sealed(
    app: &App,
    pair: TokenPairRow,
    access: &SecretString,
    refresh: &SecretString,
    expires_in_s: i64,
) -> TokenPairRow {
    let at = place(&pair);
    TokenPairRow {
        access_token: credentials::seal(app, "portal_tokens", &at, access),
        refresh_token: credentials::seal_some(app, "portal_tokens", &at, Some(refresh)),
        expires_at: app.clock.now().plus_ms(expires_in_s.saturating_mul(1000)).0,
        dead: refresh.expose_secret().is_empty(),
        ..pair
    }
}

/// Where the tokens of a pair are sealed for.
pub(super) fn place(pair: &TokenPairRow) -> String {
    format!("{}:{}", pair.portal, pair.user_id)
}

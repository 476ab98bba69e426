//! The first run: a server that has no user yet takes its first administrator from the page.

use chrono_tz::Tz;
use secrecy::SecretString;

use crate::app::App;
use crate::flow::sign_in::{self, SignInError, Token};
use crate::model::id::{CompanyId, UserId};
use crate::store::row::NewUser;
use crate::store::{Result, founding};

/// Who sets the server up, checked already.
#[derive(Debug, Clone)]
pub struct Founder {
    /// The company's name.
    pub company: String,
    /// Its zone.
    pub zone: Tz,
    /// The administrator's name.
    pub name: String,
    /// Their login, in lower case.
    pub login: String,
    /// Their password.
    pub password: SecretString,
}

/// Whether the server waits for its first administrator.
///
/// # Errors
/// Those of the store.
pub(crate) async fn is_needed(app: &App) -> Result<bool> {
    Ok(!app.store.read(|conn| crate::on!(conn, user::any())).await?)
}

/// Makes the company and its administrator, and signs them in; none where somebody was first.
///
/// # Errors
/// [`SignInError`].
pub(crate) async fn set_up(app: &App, founder: Founder) -> Result<Option<Token>, SignInError> {
    // asked before the costly part, so that a server that is set up is not kept busy with it
    if !is_needed(app).await? {
        return Ok(None);
    }
    let Founder { company: title, zone, name, login, password } = founder;
    let hashed = tokio::task::spawn_blocking(move || sign_in::hash_password(&password)).await;
    let password_hash = hashed.map_err(|error| SignInError::Machine(error.to_string()))??;
    let (company, now) = (CompanyId::new(), app.clock.now().0);
    let known = login.clone();
    let user = NewUser { id: UserId::new(), login, name, role: "admin".to_owned(), password_hash };
    let made = app.store.write(move |conn| founding::found(conn, company, &title, zone.name(), &user, now)).await?;
    if !made {
        return Ok(None);
    }
    tracing::info!(%company, "the first administrator was made");
    let user = app.store.read(move |conn| crate::on!(conn, user::by_login(&known))).await?;
    match user {
        Some(user) => sign_in::give_token(app, &user).await.map(Some),
        None => Ok(None),
    }
}

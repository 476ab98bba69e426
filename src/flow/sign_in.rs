//! Signing in: a password becomes a token, a token becomes a user.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::app::App;
use crate::model::moment::Moment;
use crate::store::StoreError;
use crate::store::row::UserRow;

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The login or the password is wrong; which of them is not told.
    #[error("the login or the password is wrong")]
    Wrong,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The machine failed: no random bytes, no thread.
    #[error("{0}")]
    Machine(String),
}

/// A token, as it is given once and never shown again.
#[derive(Clone)]
pub struct Token {
    /// The text.
    pub text: String,
    /// Until when it is good.
    pub expires_at: Moment,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// Longer passwords are not hashed: whoever sends them wants to keep us busy.
pub const LONGEST_PASSWORD: usize = 256;

/// A login as it is kept: without blanks around it, in lower case; none where it is none.
#[must_use]
pub fn login_of(typed: &str) -> Option<String> {
    let login = typed.trim().to_lowercase();
    let is_login = !login.is_empty() && login.len() <= LONGEST_PASSWORD && !login.chars().any(char::is_control);
    is_login.then_some(login)
}

/// Signs in with a login and a password.
///
/// # Errors
/// [`SignInError`].
pub(crate) async fn sign_in(app: &App, login: &str, password: &SecretString) -> Result<Token, SignInError> {
    let login = login_of(login).filter(|_| password.expose_secret().len() <= LONGEST_PASSWORD);
    let login = login.ok_or(SignInError::Wrong)?;
    let user = app.store.read(move |conn| crate::on!(conn, user::by_login(&login))).await?;
    let (hash, given) = (user.as_ref().map(|user| user.password_hash.clone()), password.clone());
    // a login that is not there takes as long as one that is, so that nobody learns which logins there are
    let good = tokio::task::spawn_blocking(move || match hash {
        Some(hash) => fits(&given, &hash),
        None => hash_password(&given).is_err(),
    });
    let good = good.await.map_err(|error| SignInError::Machine(error.to_string()))?;
    match user.filter(|_| good) {
        Some(user) => give_token(app, &user).await,
        None => Err(SignInError::Wrong),
    }
}

/// Gives a user a token.
///
/// # Errors
/// [`SignInError`].
pub(crate) async fn give_token(app: &App, user: &UserRow) -> Result<Token, SignInError> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| SignInError::Machine(error.to_string()))?;
    let text = format!("sb_{}", BASE64.encode(bytes));
    let now = app.clock.now();
    let expires_at = now.plus_ms(app.config.server.token_hours.saturating_mul(3_600_000));
    let (company, id) = user.ids()?;
    let hash = hash_token(&text);
    app.store.write(move |conn| crate::on!(conn, token::create(company, id, &hash, now.0, expires_at.0))).await?;
    Ok(Token { text, expires_at })
}

/// Whose token this is. The table is asked for the hash, so comparing takes no longer for a better guess.
///
/// # Errors
/// Those of the store.
pub(crate) async fn holder(app: &App, token: &str) -> Result<Option<UserRow>, StoreError> {
    let (hash, now) = (hash_token(token), app.clock.now().0);
    app.store.read(move |conn| crate::on!(conn, token::holder(&hash, now))).await
}

/// Forgets a token.
///
/// # Errors
/// Those of the store.
pub(crate) async fn sign_out(app: &App, token: &str) -> Result<bool, StoreError> {
    let hash = hash_token(token);
    app.store.write(move |conn| crate::on!(conn, token::forget(&hash))).await
}

/// Hashes a password as it is kept. Takes some ten milliseconds of a core, on purpose.
///
/// # Errors
/// Where the machine gives no random bytes.
pub fn hash_password(password: &SecretString) -> Result<String, SignInError> {
    let hash = Argon2::default().hash_password(password.expose_secret().as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| SignInError::Machine(error.to_string()))
}

/// A password for a new user, to be changed by them.
///
/// # Errors
/// Where the machine gives no random bytes.
pub fn fresh_password() -> Result<SecretString, SignInError> {
    let mut bytes = [0u8; 12];
    getrandom::fill(&mut bytes).map_err(|error| SignInError::Machine(error.to_string()))?;
    Ok(SecretString::from(BASE64.encode(bytes)))
}

fn fits(password: &SecretString, hash: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.expose_secret().as_bytes(), &hash).is_ok())
}

fn hash_token(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

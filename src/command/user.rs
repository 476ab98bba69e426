//! `switchboard user`: the people who sign in, for the person who runs the server.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::Config;
use crate::flow::sign_in;
use crate::model::clock::{Clock as _, SystemClock};
use crate::model::id::{CompanyId, UserId};
use crate::serve::store_options;
use crate::store::row::NewUser;
use crate::store::{Conn, connect, migrate};

/// Makes and lists the people who sign in. Works while the server runs.
#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Makes a user and prints the password.
    Add {
        /// What is typed to sign in, an e-mail address as a rule.
        login: String,
        /// The name on screen.
        #[arg(long, default_value = "")]
        name: String,
        /// The company, by name; it is made where it is not there. The only one is taken when this is left out.
        #[arg(long)]
        company: Option<String>,
        /// The zone of a company that is made.
        #[arg(long, default_value = "Europe/Moscow")]
        zone: chrono_tz::Tz,
        /// Does not administer the company.
        #[arg(long)]
        operator: bool,
    },
    /// Lists all users.
    List,
    /// Sets a new password, prints it, and signs the user out everywhere.
    Password {
        /// The login.
        login: String,
    },
}

impl User {
    pub(super) fn run(&self, config: &Config) -> anyhow::Result<ExitCode> {
        let options = store_options(config);
        migrate(&options)?;
        let mut conn = connect(&options)?;
        match self {
            Self::Add { login, name, company, zone, operator } => {
                let company = company_of(&mut conn, company.as_deref(), zone.name())?;
                let password = add(&mut conn, company, login, name, *operator)?;
                super::tell(&format!("Login  {login}  {}", password.expose_secret()));
            }
            Self::List => list(&mut conn)?,
            Self::Password { login } => set_password(&mut conn, login)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Makes a user; the answer is the password.
pub(super) fn add(
    conn: &mut Conn,
    company: CompanyId,
    login: &str,
    name: &str,
    operator: bool,
) -> anyhow::Result<SecretString> {
    let password = sign_in::fresh_password()?;
    let login = login.trim().to_lowercase();
    if login.is_empty() || login.len() > 200 {
        bail!("a login has 1 to 200 letters");
    }
    let new = NewUser {
        id: UserId::new(),
        login: login.clone(),
        name: if name.is_empty() { login.clone() } else { name.to_owned() },
        role: if operator { "operator" } else { "admin" }.to_owned(),
        password_hash: sign_in::hash_password(&password)?,
    };
    let now = SystemClock::new().now();
    match crate::on!(conn, user::create(company, &new, now.0)) {
        Err(error) if error.is_duplicate() => {
            bail!("the login {login} is taken; `switchboard user list` shows by whom")
        }
        made => made.map(|()| password).map_err(Into::into),
    }
}

/// The company of this name, made where it is not there; the only one where no name is given.
fn company_of(conn: &mut Conn, name: Option<&str>, zone: &str) -> anyhow::Result<CompanyId> {
    let all = crate::on!(conn, company::all())?;
    let found = match (name, all.as_slice()) {
        (Some(name), all) => all.iter().find(|(_, known)| known == name),
        (None, [one]) => Some(one),
        (None, []) => None,
        (None, _) => bail!("there are several companies: name one of them with --company"),
    };
    if let Some((id, _)) = found {
        return id.parse().context("the id of the company cannot be read");
    }
    let id = CompanyId::new();
    crate::on!(conn, company::create(id, name.unwrap_or("Switchboard"), zone, SystemClock::new().now().0))?;
    Ok(id)
}

fn list(conn: &mut Conn) -> anyhow::Result<()> {
    let companies = crate::on!(conn, company::all())?;
    for user in crate::on!(conn, user::all())? {
        let company = companies.iter().find(|(id, _)| *id == user.company).map_or("", |(_, name)| name);
        super::tell(&format!("{}  {}  {}  {company}", user.login, user.role, user.name));
    }
    Ok(())
}

fn set_password(conn: &mut Conn, login: &str) -> anyhow::Result<()> {
    let login = login.trim().to_lowercase();
    let user = crate::on!(conn, user::by_login(&login))?.with_context(|| format!("there is no user {login}"))?;
    let (company, id) = user.ids()?;
    let password = sign_in::fresh_password()?;
    let hash = sign_in::hash_password(&password)?;
    crate::on!(conn, user::set_password(company, id, &hash))?;
    crate::on!(conn, token::forget_all(company, id))?;
    super::tell(&format!("Login  {login}  {}", password.expose_secret()));
    Ok(())
}

//! `switchboard backup` and `switchboard restore`: the whole database in one file.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::app::keys;
use crate::config::Config;
use crate::serve::store_options;
use crate::store::{Options, backup};

/// Writes the whole database into one file, as it is at one moment, while the server runs.
///
/// SQLite needs nothing else; for PostgreSQL `pg_dump` is called. The keys that open the secrets are not in it: keep a copy of
/// them elsewhere.
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to write; it must not be there yet.
    file: PathBuf,
}

/// Puts the database of a backup in place. The server must not run.
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The file that `switchboard backup` wrote.
    file: PathBuf,
    /// Replaces a database that is there; without it a restore goes only where nothing is.
    #[arg(long)]
    replace: bool,
}

impl Backup {
    pub(super) fn run(&self, config: &Config) -> anyhow::Result<ExitCode> {
        let options = store_options(config);
        if self.file.exists() {
            bail!("{} is there already: name another file", self.file.display());
        }
        if options.is_postgres() {
            let mut command = Command::new("pg_dump");
            command.args(["--format=custom", "--no-owner", "--file"]).arg(&self.file);
            call(connected(command, &options.url)?, "pg_dump")?;
        } else {
            if !Path::new(options.sqlite_path()).exists() {
                bail!("{} is not there: nothing to write", options.sqlite_path());
            }
            backup::copy_sqlite(&options, &self.file)?;
        }
        super::tell(&format!("The database is in {}.", self.file.display()));
        if let Some(key) = keys::file(config).filter(|path| config.keys.is_empty() && path.exists()) {
            super::tell(&format!(
                "The key that opens its secrets is in {}: keep a copy of it apart from the backup.",
                key.display()
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Restore {
    pub(super) fn run(&self, config: &Config) -> anyhow::Result<ExitCode> {
        let options = store_options(config);
        if !self.file.exists() {
            bail!("{} is not there: name a file that `switchboard backup` wrote", self.file.display());
        }
        if options.is_postgres() {
            let mut command = Command::new("pg_restore");
            command.args(["--no-owner", "--single-transaction", "--exit-on-error"]);
            if self.replace {
                command.args(["--clean", "--if-exists"]);
            }
            command.arg("--dbname").arg(database_of(&options.url)?).arg(&self.file);
            call(connected(command, &options.url)?, "pg_restore")?;
        } else {
            restore_sqlite(&options, &self.file, self.replace)?;
        }
        super::tell("The database is in place. Start the server with the keys that it was written with.");
        Ok(ExitCode::SUCCESS)
    }
}

/// The copy is made beside the database and moved over it at once, so that a crash leaves the old one or the new one.
fn restore_sqlite(options: &Options, file: &Path, replace: bool) -> anyhow::Result<()> {
    let target = Path::new(options.sqlite_path());
    backup::check_sqlite(file).with_context(|| format!("{} is no backup", file.display()))?;
    if target.exists() && !replace {
        bail!("{} is there already: add --replace to put the backup in its place", target.display());
    }
    let _lock = backup::lock_sqlite(options).context("the server must not run")?;
    let fresh = target.with_extension("restored");
    std::fs::copy(file, &fresh).with_context(|| format!("{} cannot be written", fresh.display()))?;
    std::fs::File::open(&fresh)?.sync_all()?;
    for ending in ["-wal", "-shm"] {
        let mut beside = target.as_os_str().to_owned();
        beside.push(ending);
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    std::fs::rename(&fresh, target).with_context(|| format!("{} cannot be replaced", target.display()))
}

/// Tells a tool of PostgreSQL where the database is. The password goes through the environment: arguments are seen by everybody
/// on the machine.
fn connected(mut command: Command, url: &str) -> anyhow::Result<Command> {
    let url = url::Url::parse(url).context("database.url cannot be read")?;
    let decode = |text: &str| {
        form_urlencoded::parse(format!("v={}", text.replace('+', "%2B")).as_bytes())
            .next()
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    command.env("PGHOST", url.host_str().unwrap_or("localhost"));
    command.env("PGPORT", url.port().unwrap_or(5432).to_string());
    command.env("PGDATABASE", decode(url.path().trim_start_matches('/')));
    if !url.username().is_empty() {
        command.env("PGUSER", decode(url.username()));
    }
    if let Some(password) = url.password() {
        command.env("PGPASSWORD", decode(password));
    }
    Ok(command)
}

fn database_of(url: &str) -> anyhow::Result<String> {
    Ok(url::Url::parse(url).context("database.url cannot be read")?.path().trim_start_matches('/').to_owned())
}

fn call(mut command: Command, name: &str) -> anyhow::Result<()> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!("{name} failed with {status}; what it said stands above"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("{name} is not here: install the client of PostgreSQL, on Debian `apt-get install postgresql-client`")
        }
        Err(error) => Err(error).with_context(|| format!("{name} cannot be called")),
    }
}

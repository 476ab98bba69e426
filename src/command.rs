//! The commands of the binary. `switchboard <command> --help` tells each of them.

mod backup;
mod demo;
mod doctor;
mod keys;
mod logging;
mod migrate;
mod robots;
mod sandbox;
mod serve;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Config;

/// Joins messengers with Bitrix24: what a portal hands over leaves once, at a pace that keeps the number alive, and the
/// portal hears what became of it.
#[derive(Debug, Parser)]
#[command(name = "switchboard", version, after_help = HELP)]
struct Cli {
    /// Settings to read instead of `./switchboard.toml`; `SWITCHBOARD_CONFIG` does the same.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

const HELP: &str =
    "Every setting with its comment: `switchboard config`. A first look without any setting: `switchboard demo`.";

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Demo(demo::Demo),
    Sandbox(sandbox::Sandbox),
    Migrate(migrate::Migrate),
    #[command(subcommand)]
    User(user::User),
    #[command(subcommand)]
    Robots(robots::Robots),
    Doctor(doctor::Doctor),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Keys(keys::Keys),
    /// Prints the document of the API, which is `docs/openapi.json`.
    Openapi,
    /// Prints every setting with its comment and its default, to begin a file of your own from.
    Config,
}

/// Reads the arguments of the process and does what they say.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            tell_error(&format!("switchboard: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let settings = || Config::load(cli.config.as_deref());
    match cli.command {
        Command::Serve(serve) => serve.run(settings()?),
        Command::Demo(demo) => demo.run(),
        Command::Sandbox(sandbox) => sandbox.run(),
        Command::Migrate(migrate) => migrate.run(&settings()?),
        Command::User(user) => user.run(&settings()?),
        Command::Robots(robots) => robots.run(settings()?),
        Command::Doctor(doctor) => doctor.run(settings()),
        Command::Backup(backup) => backup.run(&settings()?),
        Command::Restore(restore) => restore.run(&settings()?),
        Command::Keys(keys) => keys.run(),
        Command::Openapi => {
            tell(crate::http::openapi::document()?.trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Command::Config => {
            tell(crate::config::DEFAULTS.trim_end());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Prints a line for the person or script that called. A closed pipe ends the printing, not the command.
fn tell(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// The same for what went wrong.
fn tell_error(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A runtime for a command.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

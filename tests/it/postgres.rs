//! Databases for tests, so that one test function runs on `SQLite` and on `PostgreSQL`.
//!
//! `PostgreSQL` is the server of `TEST_DATABASE_URL` when that is set: it must allow `CREATE DATABASE`, and the databases
//! named `switchboard_test_*` stay there for a look. Otherwise every test process starts one cluster of its own, on a
//! free loopback port, from the binaries that Debian's package `postgresql-15` brings; in memory, where the machine has plenty
//! of it: whoever kills a process does not see the difference, and the disk is spared. That cluster ends with the process,
//! however the process ends: its keeper is a shell that reads a pipe, and the pipe closes when we die.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::ops::Deref;
use std::os::unix::{fs::MetadataExt, process::CommandExt};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, OnceLock};

use diesel::{Connection, PgConnection, RunQueryDsl};
use switchboard::store::{Options, migrate};
use url::Url;
use uuid::Uuid;

/// A folder that is removed, with all that is in it, when the value is dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes an empty folder with a new name under the system's temporary folder.
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(new_name());
        std::fs::create_dir_all(&path).expect("the temporary folder takes a new folder");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // a folder that stays behind harms nobody, and a panic in `drop` would hide the test's own
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// The address of a `SQLite` file that does not exist yet, and the folder that must outlive it.
pub fn empty_sqlite() -> (Folder, String) {
    let folder = Folder::new();
    let url = format!("sqlite:{}", folder.path().join("switchboard.db").display());
    (folder, url)
}

/// The address of a `SQLite` file in which our tables are, and nothing else, and the folder that must outlive it.
pub fn fresh_sqlite() -> (Folder, String) {
    static MADE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let (folder, url) = empty_sqlite();
        migrate(&Options::new(url)).expect("the tables can be made");
        std::fs::read(folder.path().join("switchboard.db")).expect("the file is there")
    });
    let (folder, url) = empty_sqlite();
    std::fs::write(folder.path().join("switchboard.db"), &*MADE).expect("the temporary folder takes a file");
    (folder, url)
}

/// A `PostgreSQL` database: read as text, it is its address. It goes with the value, unless the server is somebody's own.
pub struct Database {
    url: String,
    name: String,
}

impl Deref for Database {
    type Target = str;

    fn deref(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if std::env::var_os("TEST_DATABASE_URL").is_none() {
            // one that stays behind goes with the cluster
            drop(order(&server_url(), &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)));
        }
    }
}

/// The address of a new, empty `PostgreSQL` database, which stays until its cluster goes.
pub fn empty_database() -> String {
    database_on(&server_url(), &new_name(), "template1")
}

/// A new `PostgreSQL` database in which our tables are, and nothing else. They are made once: hundreds of tests that each made
/// them would do little else.
pub fn fresh_database() -> Database {
    static MADE: LazyLock<String> = LazyLock::new(|| {
        let name = new_name();
        migrate(&Options::new(database_on(&server_url(), &name, "template1"))).expect("the tables can be made");
        name
    });
    let name = new_name();
    Database { url: database_on(&server_url(), &name, &MADE), name }
}

fn order(server: &str, sql: &str) -> Result<usize, Box<dyn Error>> {
    Ok(diesel::sql_query(sql).execute(&mut PgConnection::establish(server)?)?)
}

fn database_on(server: &str, name: &str, template: &str) -> String {
    order(server, &format!("CREATE DATABASE {name} TEMPLATE {template}")).expect("a test may create a database");
    let mut url = Url::parse(server).expect("TEST_DATABASE_URL is an address");
    url.set_path(name);
    url.into()
}

/// Turns one test function that takes the address of a fresh database into two tests, `<name>::sqlite` and
/// `<name>::postgres`. The attributes (`#[tokio::test]`, `#[test]`, ...) go to both.
///
/// ```ignore
/// on_both_databases! {
///     #[tokio::test]
///     async fn a_claimed_errand_is_not_claimed_twice(database: &str) { ... }
/// }
/// ```
macro_rules! on_both_databases {
    ($($(#[$attribute:meta])* async fn $name:ident($url:ident: &str) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports, reason = "a story may need nothing from around it")]
            use super::*;

            async fn story($url: &str) $body

            $(#[$attribute])*
            async fn sqlite() {
                let (_folder, url) = $crate::postgres::fresh_sqlite();
                story(&url).await;
            }

            $(#[$attribute])*
            async fn postgres() {
                story(&$crate::postgres::fresh_database()).await;
            }
        }
    )+};
    ($($(#[$attribute:meta])* fn $name:ident($url:ident: &str) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports, reason = "a story may need nothing from around it")]
            use super::*;

            fn story($url: &str) $body

            $(#[$attribute])*
            fn sqlite() {
                let (_folder, url) = $crate::postgres::fresh_sqlite();
                story(&url);
            }

            $(#[$attribute])*
            fn postgres() {
                story(&$crate::postgres::fresh_database());
            }
        }
    )+};
}

/// Initialises, starts and announces a cluster, does what its standard input says until it ends, which is the end of the
/// test process, and removes everything. `$1` is the port.
const KEEPER: &str = r#"
PATH="$PATH:$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)"
command -v initdb >/dev/null || { echo "no PostgreSQL here: apt-get install postgresql-15"; exit 1; }
above() { [ "${1:-0}" -gt 4000000 ]; } # kilobytes
memory=$(awk '/^MemAvailable/ { print $2 / 2 }' /proc/meminfo)
above "$(df -Pk /dev/shm 2>/dev/null | awk 'END { print $4 }')" && above "${memory%.*}" && place=/dev/shm
folder=$(mktemp -d "${place:-/tmp}/switchboard_test_cluster.XXXXXX") && cd "$folder" || exit 1
trap '' PIPE # we may be gone before the announcement
trap 'exit 1' HUP INT TERM
trap 'pg_ctl -D data -m immediate stop >/dev/null 2>&1; cd / && rm -rf "$folder"' EXIT
start() { pg_ctl -D data -w -l log -o "-h 127.0.0.1 -p $1 -k '' -c max_connections=200 -c fsync=on" start >/dev/null 2>&1; }
initdb -D data -U switchboard -A trust -E UTF8 --locale=C.UTF-8 --no-sync >log 2>&1 && start "$1" ||
{ tr '\n' ' ' <log; echo; exit 1; }
echo ready
while read -r word; do
  case $word in
    crash) pg_ctl -D data -m immediate stop >/dev/null 2>&1; echo crashed ;;
    start) start "$1"; echo ready ;;
  esac
done
"#;

/// A cluster that ends with this process, or earlier with this value.
pub struct Cluster {
    url: String,
    /// Held for its closing: the keeper ends when this pipe does.
    life_line: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Cluster {
    /// A cluster for one test alone, which may do to it what it likes.
    pub fn own() -> Self {
        start_cluster()
    }

    /// The address of a new, empty database.
    pub fn database(&self) -> String {
        database_on(&self.url, &new_name(), "template1")
    }

    /// All its processes die at once and leave everything as it is, as when the machine is cut off.
    pub fn crash(&mut self) {
        assert_eq!(self.ask("crash"), "crashed");
    }

    /// It comes up again, and recovers.
    pub fn start(&mut self) {
        assert_eq!(self.ask("start"), "ready");
    }

    fn ask(&mut self, word: &str) -> String {
        writeln!(self.life_line, "{word}").expect("the keeper listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the keeper answers");
        answer.trim().to_owned()
    }
}

fn server_url() -> String {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    std::env::var("TEST_DATABASE_URL").unwrap_or_else(|_| CLUSTER.get_or_init(start_cluster).url.clone())
}

/// Another process may take the free port before `PostgreSQL` does, hence more than one try.
fn start_cluster() -> Cluster {
    let mut answers = Vec::new();
    for _ in 0..3 {
        match try_to_start() {
            Ok(cluster) => return cluster,
            Err(answer) => answers.push(answer),
        }
    }
    panic!("PostgreSQL does not start for the tests: {answers:?}")
}

fn try_to_start() -> Result<Cluster, String> {
    let port = free_port();
    let mut keeper = keeper_command(port)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // a Ctrl-C for the tests is not one for the keeper, which still has to tidy up
        .process_group(0)
        .spawn()
        .map_err(|error| error.to_string())?;
    let life_line = keeper.stdin.take().ok_or("the keeper has no input")?;
    let output = keeper.stdout.take().ok_or("the keeper has no output")?;
    let (mut answer, mut answers) = (String::new(), BufReader::new(output));
    answers.read_line(&mut answer).map_err(|error| error.to_string())?;
    if answer.trim() != "ready" {
        return Err(answer);
    }
    Ok(Cluster { url: format!("postgres://switchboard@127.0.0.1:{port}/postgres"), life_line, answers })
}

/// `PostgreSQL` refuses to run as root, so root hands it to the user `postgres`.
fn keeper_command(port: u16) -> Command {
    let as_root = std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    let mut command = Command::new(if as_root { "setpriv" } else { "sh" });
    if as_root {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "sh"]);
    }
    command.args(["-c", KEEPER, "keeper", &port.to_string()]);
    command
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

fn new_name() -> String {
    format!("switchboard_test_{}", Uuid::now_v7().simple())
}

mod tests {
    use super::*;
    use diesel::sql_types::Text;

    #[derive(diesel::QueryableByName)]
    struct Setting {
        #[diesel(sql_type = Text)]
        setting: String,
    }

    fn setting(url: &str, name: &str) -> String {
        let mut connection = PgConnection::establish(url).unwrap();
        let query = format!("SELECT current_setting('{name}') AS setting");
        diesel::sql_query(query).get_result::<Setting>(&mut connection).unwrap().setting
    }

    #[test]
    fn two_fresh_databases_are_two_and_durable() {
        let (one, other) = (fresh_database(), fresh_database());
        assert_ne!(*one, *other);
        assert_eq!(setting(&one, "fsync"), "on");
        assert_eq!(setting(&other, "server_encoding"), "UTF8");
    }

    #[test]
    fn a_folder_goes_with_its_guard() {
        let (folder, url) = empty_sqlite();
        let path = folder.path().to_owned();
        assert!(url.starts_with("sqlite:/") && path.is_dir());
        drop(folder);
        assert!(!path.exists());
    }

    on_both_databases! {
        #[tokio::test]
        async fn one_story_runs_on_both(database: &str) {
            assert!(database.starts_with("sqlite:") || database.starts_with("postgres://"));
        }
    }
}

//! The real binary as a process of its own, and what its log tells.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use switchboard::model::clock::{Clock as _, SystemClock};
use switchboard::model::moment::Tick;
use tokio::sync::watch;

/// A call that a server began, by its own clock; the sandbox on this machine counts by the same one.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    pub process: u32,
    pub lane: i64,
    pub at: Tick,
}

/// What the processes of a test wrote into their logs.
#[derive(Debug, Default)]
pub struct Journal {
    pub starts: Mutex<Vec<Start>>,
    pub troubles: Mutex<Vec<String>>,
}

/// A server in a process of its own. It is killed when it is dropped.
pub struct Server {
    child: Child,
    ready: watch::Receiver<Option<bool>>,
    reader: Option<std::thread::JoinHandle<()>>,
    pub born: Tick,
}

impl Server {
    /// Starts the binary; it is ready some time later.
    pub fn start(settings: &Path, port: u16, journal: &Arc<Journal>) -> Self {
        let born = SystemClock::new().tick();
        let mut child = command(settings)
            .args(["serve", "--listen", &format!("127.0.0.1:{port}")])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, ready) = watch::channel(None);
        let (lines, journal, process) = (child.stderr.take().unwrap(), Arc::clone(journal), child.id());
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                journal.read(process, &line, &tell);
            }
            tell.send_if_modified(|known| known.is_none().then(|| *known = Some(false)).is_some());
        });
        Self { child, ready, reader: Some(reader), born }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it is ready; tells whether it ever was.
    pub async fn comes_up(&self) -> bool {
        let mut ready = self.ready.clone();
        let known = tokio::time::timeout(Duration::from_mins(1), ready.wait_for(Option::is_some)).await;
        known.expect("the server is ready within a minute").is_ok_and(|ready| *ready == Some(true))
    }

    /// Waits until it is ready.
    pub async fn ready(&self) {
        assert!(self.comes_up().await, "the server did not come up");
    }

    /// SIGKILL: nothing of it is left when this returns.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.join();
    }

    /// Sends it a signal by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// SIGTERM, and how it ended.
    pub async fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        tokio::task::spawn_blocking(move || self.join()).await.unwrap()
    }

    /// Waits for its end.
    pub fn join(&mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        status
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // a test that failed must not leave servers behind
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary with these settings and nothing else of this machine.
pub fn command(settings: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.arg("--config").arg(settings).current_dir(settings.parent().unwrap());
    command
}

impl Journal {
    fn read(&self, process: u32, text: &str, ready: &watch::Sender<Option<bool>>) {
        let said: Value = serde_json::from_str(text).unwrap_or_default();
        match said["message"].as_str() {
            Some("ready") => {
                ready.send_replace(Some(true));
            }
            Some("a call begins") if said["track"] == "Second" => {
                let (lane, at) = (said["lane"].as_i64().unwrap(), Tick(said["tick"].as_i64().unwrap()));
                self.starts.lock().push(Start { process, lane, at });
            }
            _ if matches!(said["level"].as_str(), Some("ERROR") | None) => {
                self.troubles.lock().push(text.to_owned());
            }
            _ => {}
        }
    }

    /// How many calls a process began since a tick.
    pub fn begun(&self, process: u32, since: Tick) -> usize {
        self.starts.lock().iter().filter(|start| start.process == process && start.at >= since).count()
    }
}

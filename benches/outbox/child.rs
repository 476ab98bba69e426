//! A pump in a process of its own, and how the bench drives it: `ready`, then `go`, counts of settled errands, `stop`.

use std::io::{BufRead as _, Write as _};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use switchboard::model::clock::{Clock, SystemClock};
use switchboard::model::moment::{Moment, Tick};
use switchboard::serve::Roles;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdin, Command};

use crate::pumping::{self, Inside};
use crate::{Asked, stage};

/// The machine's clock, whose calendar can be made to jump.
#[derive(Debug, Default)]
struct JumpClock {
    inner: SystemClock,
    jumped_ms: AtomicI64,
}

impl Clock for JumpClock {
    fn now(&self) -> Moment {
        self.inner.now().plus_ms(self.jumped_ms.load(Ordering::Relaxed))
    }

    fn tick(&self) -> Tick {
        self.inner.tick()
    }

    fn boot(&self) -> &str {
        self.inner.boot()
    }

    fn sleep_until(&self, tick: Tick) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.inner.sleep_until(tick)
    }
}

/// What the process does.
pub async fn pump(asked: &Asked) {
    let clock = Arc::new(JumpClock::default());
    let server = stage::server(&asked.url, &[], Roles::new(), Arc::clone(&clock) as Arc<dyn Clock>).await;
    let log = asked
        .text("log")
        .map(|path| std::fs::OpenOptions::new().create(true).append(true).open(path).expect("the log can be opened"));
    let trade = Inside::new(&server.app, log);
    let (tell, mut hear) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let _ = tell.send(line);
        }
    });
    say("ready");
    assert_eq!(hear.recv().await.as_deref(), Some("go"));
    let (bell, running) = pumping::start(&server.app, trade.clone());
    let mut told = 0;
    loop {
        let line = tokio::time::timeout(Duration::from_millis(5), hear.recv()).await;
        match line {
            Ok(Some(line)) if line.starts_with("jump ") => {
                clock.jumped_ms.fetch_add(line[5..].parse().unwrap(), Ordering::Relaxed);
            }
            Ok(_) => break,
            Err(_) => {
                let settled = trade.settled();
                if settled != told {
                    told = settled;
                    say(&settled.to_string());
                }
            }
        }
    }
    bell.stop().await;
    running.await.unwrap();
    server.stop().await;
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // whoever started us may be gone
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// A process that the bench started.
pub struct Child {
    process: tokio::process::Child,
    input: ChildStdin,
    settled: Arc<AtomicU64>,
    pub pid: u32,
}

impl Child {
    /// Starts a pump and waits until it is ready; it does nothing before `go`.
    pub async fn pump(asked: &Asked, log: Option<&str>) -> Self {
        let mut words = vec!["--phase", "pump"];
        words.extend(log.iter().flat_map(|log| ["--log", log]));
        let (child, mut lines) = Self::start(asked, &words);
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("ready"));
        let settled = Arc::clone(&child.settled);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                settled.store(line.parse().unwrap_or_default(), Ordering::Relaxed);
            }
        });
        child
    }

    /// Starts this program with other words.
    pub fn start(asked: &Asked, words: &[&str]) -> (Self, tokio::io::Lines<BufReader<tokio::process::ChildStdout>>) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(words).env("DATABASE_URL", &asked.url).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (input, pid) = (process.stdin.take().unwrap(), process.id().unwrap());
        (Self { process, input, settled: Arc::default(), pid }, lines)
    }

    pub fn settled(&self) -> u64 {
        self.settled.load(Ordering::Relaxed)
    }

    pub async fn say(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        self.input.flush().await.unwrap();
    }

    /// SIGKILL: nothing is tidied up.
    pub async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    /// Asks it to end, and waits.
    pub async fn stop(mut self) {
        let _ = self.input.write_all(b"stop\n").await;
        drop(self.input);
        assert!(self.process.wait().await.unwrap().success());
    }

    /// Waits for its own end.
    pub async fn wait(mut self) {
        drop(self.input);
        self.process.wait().await.unwrap();
    }
}

/// A line of `/proc/<pid>/status` in megabytes, as `VmRSS` and `VmHWM`.
pub fn memory_mb(pid: u32, line: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kb = status.lines().find_map(|text| text.strip_prefix(line)?.trim_start_matches(':').split_whitespace().next());
    crate::report::rounded(kb.and_then(|kb| kb.parse::<f64>().ok()).unwrap_or_default() / 1024.0, 1)
}

/// Seconds of processor time that a process has used.
pub fn cpu_s(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100.0
}

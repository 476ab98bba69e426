//! Lanes with a pace: how late their calls are, and whether one is ever early.
//!
//! What counts is the vendor's side: each call is written into a log at the moment at which it reaches the vendor, and the
//! log is judged afterwards. A call is late by what lies between it and the one before in its lane, beyond the gap.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard::model::clock::{Clock as _, SystemClock};
use switchboard::model::id::LaneId;
use switchboard::model::moment::Tick;
use switchboard::model::pace::Pace;
use switchboard::serve::Roles;

use crate::child::{Child, memory_mb};
use crate::report::{mark, ms, quantile, result, rounded};
use crate::stage::{self, Seed};
use crate::{Asked, pumping};

/// The first calls are due so long after the seed, in milliseconds: the processes load their lanes meanwhile.
const LEAD_MS: i64 = 6_000;

struct Run {
    folder: std::path::PathBuf,
    logs: usize,
    children: Vec<Child>,
}

impl Run {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("switchboard-lanes-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self { folder, logs: 0, children: Vec::new() }
    }

    /// Starts a process; it has a log of its own.
    async fn start(&mut self, asked: &Asked) {
        self.logs += 1;
        let log = self.folder.join(self.logs.to_string()).display().to_string();
        self.children.push(Child::pump(asked, Some(&log)).await);
    }

    async fn go(&mut self) {
        for child in &mut self.children {
            child.say("go").await;
        }
    }

    fn log(&self, number: usize) -> Vec<(LaneId, Tick)> {
        pumping::records(&std::fs::read(self.folder.join(number.to_string())).unwrap_or_default())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// 100 000 lanes at 15 s. `--variant` does something to the processes in the middle: `restart`, `kill`, `outage` of 30 s,
/// `jump` of the calendar by an hour on and back; `four` shares the lanes among four processes.
pub async fn lanes(asked: &Asked) {
    let (count, gap_ms) = (asked.number("lanes", 100_000, 2_000), asked.number("gap-ms", 15_000, 3_000));
    let seconds = asked.number("seconds", 60, 12);
    let variant = asked.text("variant").unwrap_or("plain").to_owned();
    if variant == "four" && !asked.is_postgres() {
        return result(&json!({ "variant": variant }));
    }
    let mut run = Run::new();
    let outage_s = if variant == "outage" { asked.number("outage-s", 30, 6) } else { 0 };
    let each = (seconds + outage_s) * 1000 / gap_ms + 3;
    let server = stage::server(&asked.url, &[], Roles::new(), Arc::new(SystemClock::new())).await;
    let house = stage::house(&server.app).await;
    let pace = Pace::Gap { from_ms: gap_ms, to_ms: gap_ms, live_ms: 1_000 };
    let seed = Seed { house, lanes: count, first: 0, errands: count * each, pace, lead_ms: Some(LEAD_MS) };
    seed.write(&server.app).await;
    server.stop().await;
    for _ in 0..if variant == "four" { 4 } else { 1 } {
        run.start(asked).await;
    }
    run.go().await;
    // the first round of calls is not judged: only what lies between two calls is
    tokio::time::sleep(Duration::from_millis((LEAD_MS + 2_000).unsigned_abs())).await;
    mark("run");
    let from = SystemClock::new().tick();
    disturb(asked, &mut run, &variant, Duration::from_secs(seconds.unsigned_abs()), outage_s).await;
    let until = SystemClock::new().tick();
    let memory: f64 = run.children.iter().map(|child| memory_mb(child.pid, "VmHWM")).sum();
    mark("end");
    for child in run.children.drain(..) {
        child.stop().await;
    }
    let calls: Vec<(LaneId, Tick)> = (1..=run.logs).flat_map(|number| run.log(number)).collect();
    let mut figures = judge(calls, gap_ms, from, until);
    figures["rss_mb"] = json!(rounded(memory, 1));
    figures["variant"] = json!(variant);
    figures["lanes"] = json!(count);
    result(&figures);
}

async fn disturb(asked: &Asked, run: &mut Run, variant: &str, whole: Duration, outage_s: i64) {
    let (third, rest) = (whole / 3, whole / 3 * 2);
    tokio::time::sleep(third).await;
    match variant {
        "restart" | "outage" => {
            for child in run.children.drain(..) {
                child.stop().await;
            }
            tokio::time::sleep(Duration::from_secs(outage_s.unsigned_abs())).await;
            run.start(asked).await;
            run.go().await;
        }
        "kill" => {
            for child in run.children.drain(..) {
                child.kill().await;
            }
            run.start(asked).await;
            run.go().await;
        }
        "jump" => {
            run.children[0].say("jump 3600000").await;
            tokio::time::sleep(third).await;
            run.children[0].say("jump -7200000").await;
            tokio::time::sleep(third).await;
            return;
        }
        _ => {}
    }
    tokio::time::sleep(rest).await;
}

fn judge(mut calls: Vec<(LaneId, Tick)>, gap_ms: i64, from: Tick, until: Tick) -> Value {
    calls.sort_unstable();
    let (mut late, mut short, mut least) = (Vec::new(), 0, i64::MAX);
    for pair in calls.windows(2) {
        let ((lane, before), (other, at)) = (pair[0], pair[1]);
        if lane != other {
            continue;
        }
        let beyond_us = at.0 - before.0 - gap_ms * 1000;
        short += i64::from(beyond_us < 0);
        least = least.min(beyond_us);
        if at >= from && at < until {
            late.push(beyond_us);
        }
    }
    late.sort_unstable();
    let seconds = (until.0 - from.0) as f64 / 1e6;
    json!({
        "calls": calls.len(), "judged": late.len(), "calls_per_s": rounded(late.len() as f64 / seconds, 0),
        "late_p50_ms": ms(quantile(&late, 0.5)), "late_p99_ms": ms(quantile(&late, 0.99)),
        "late_p999_ms": ms(quantile(&late, 0.999)), "late_max_ms": ms(late.last().copied().unwrap_or_default()),
        "short_gaps": short, "closest_ms": ms(least),
    })
}

/// Two processes share the lanes of one PostgreSQL; one is killed. How long do its lanes stand?
pub async fn takeover(asked: &Asked) {
    if !asked.is_postgres() {
        return result(&json!({}));
    }
    let mut run = Run::new();
    let server = stage::server(&asked.url, &[], Roles::new(), Arc::new(SystemClock::new())).await;
    let house = stage::house(&server.app).await;
    let pace = Pace::Gap { from_ms: 200, to_ms: 200, live_ms: 200 };
    let seed = Seed { house, lanes: 600, first: 0, errands: 600 * 200, pace, lead_ms: Some(0) };
    seed.write(&server.app).await;
    server.stop().await;
    run.start(asked).await;
    run.start(asked).await;
    run.go().await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    mark("run");
    run.children.remove(0).kill().await;
    let killed = SystemClock::new().tick();
    tokio::time::sleep(Duration::from_secs(14)).await;
    mark("end");
    run.children.remove(0).stop().await;
    let (dead, heir) = (run.log(1), run.log(2));
    let mut last: HashMap<LaneId, (Tick, bool)> = HashMap::new();
    for ((lane, at), by_dead) in dead.iter().map(|call| (call, true)).chain(heir.iter().map(|call| (call, false))) {
        if *at <= killed {
            let entry = last.entry(*lane).or_insert((*at, by_dead));
            if entry.0 < *at {
                *entry = (*at, by_dead);
            }
        }
    }
    let mut stood = Vec::new();
    for (lane, _) in last.iter().filter(|(_, (_, by_dead))| *by_dead) {
        let again = heir.iter().filter(|(of, at)| of == lane && *at > killed).map(|(_, at)| at.0).min();
        stood.push(again.map_or(i64::MAX, |again| again - killed.0));
    }
    stood.sort_unstable();
    let mut calls = dead;
    calls.extend(heir);
    let judged = judge(calls, 200, killed, killed);
    result(&json!({
        "lanes_of_the_dead": stood.len(), "never": stood.iter().filter(|us| **us == i64::MAX).count(),
        "again_p50_ms": ms(quantile(&stood, 0.5)), "again_max_ms": ms(stood.last().copied().unwrap_or_default()),
        "short_gaps": judged["short_gaps"], "closest_ms": judged["closest_ms"],
    }));
}

//! A seeded simulator of lanes, retries and mailings: the pump's own state machine between a database in memory, a vendor
//! with every answer, and everything that breaks. `SIMULATOR_SEEDS` says how many seeds are run, `SIMULATOR_SEED` runs one.
//! A seed that fails is printed and kept in `simulator/seeds.txt`; those are always run first.

mod database;
mod process;
mod vendor;
mod witness;
mod world;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

/// Seeds of a usual run.
const SEEDS: u64 = 1_000;

#[derive(Default)]
struct Total {
    starts: usize,
    ends: usize,
    answers: BTreeMap<&'static str, usize>,
    failed: Vec<u64>,
}

#[test]
fn every_seed_keeps_every_promise_of_the_outbox() {
    let kept = std::fs::read_to_string(seeds_file()).unwrap_or_default();
    let kept: Vec<u64> = kept.lines().filter_map(|line| line.trim().parse().ok()).collect();
    let seeds: Vec<u64> = match (number("SIMULATOR_SEED"), number("SIMULATOR_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, count) => kept.iter().copied().chain(0..count.unwrap_or(SEEDS)).collect(),
    };
    let (total, next) = (Mutex::new(Total::default()), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    run(*seed, &total);
                }
            });
        }
    });
    let total = total.into_inner();
    println!("{} seeds, {} calls, {} ends, answers {:?}", seeds.len(), total.starts, total.ends, total.answers);
    keep(total.failed.iter().filter(|seed| !kept.contains(seed)));
    assert!(total.failed.is_empty(), "seeds {:?} fail; one alone: SIMULATOR_SEED={}", total.failed, total.failed[0]);
    // a simulator that does nothing keeps every promise
    let least = if seeds.len() > 100 { 20 * seeds.len() } else { 0 };
    assert!(total.starts >= least, "only {} calls", total.starts);
}

fn run(seed: u64, total: &Mutex<Total>) {
    if let Ok(sum) = catch_unwind(|| world::run(seed)) {
        let mut total = total.lock();
        total.starts += sum.starts;
        total.ends += sum.ends;
        for (name, count) in sum.answers {
            *total.answers.entry(name).or_default() += count;
        }
    } else {
        eprintln!("seed {seed} fails, see above");
        total.lock().failed.push(seed);
    }
}

fn keep<'a>(failed: impl Iterator<Item = &'a u64>) {
    let lines: Vec<String> = failed.map(|seed| format!("{seed}\n")).collect();
    if lines.is_empty() {
        return;
    }
    let file = std::fs::OpenOptions::new().create(true).append(true).open(seeds_file());
    if let Err(error) = file.and_then(|mut file| file.write_all(lines.concat().as_bytes())) {
        eprintln!("the failing seeds could not be kept: {error}");
    }
}

fn seeds_file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/simulator/seeds.txt")
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

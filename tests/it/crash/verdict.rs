//! What became of everything that was asked, told by those who cannot be wrong about it: the vendor's ledger, the portal's
//! steps, the history.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use switchboard::model::moment::Tick;
use switchboard::model::status::Status;
use switchboard::store::row::MessageRow;

use super::process::Start;
use super::town::{GAP_MS, Town};

/// So long the end of a run may take.
const LONGEST_DRAIN: Duration = Duration::from_mins(2);

/// A message that the vendor took.
#[derive(Debug, Clone)]
struct Taken {
    who: String,
    at_us: i64,
    text: String,
}

/// The figures of a run.
#[derive(Debug, Default)]
pub struct Verdict {
    pub acknowledged: usize,
    pub sent: usize,
    pub unknown: usize,
    pub unknown_at_vendor: usize,
    pub answered: u64,
    pub repeated_answers: u64,
    pub shortest_gap_us: i64,
    pub shortest_start_gap_us: i64,
    pub longest_way_us: i64,
}

/// Waits until nothing is left to do.
pub async fn drain(town: &Town, acknowledged: &BTreeSet<String>) {
    let mut left = (0, 0, 0);
    let mut quiet = async || {
        let (waiting, hooks, due) = town.database(|conn| {
            let depth = switchboard::on!(conn, errand::depth())?;
            let (hooks, _) = switchboard::on!(conn, hook::backlog())?;
            Ok((depth.iter().map(|(_, count, _)| *count).sum::<i64>(), hooks, history(conn, town)?.len()))
        });
        left = (waiting, hooks, due);
        (waiting == 0 && hooks == 0 && due >= acknowledged.len()).then_some(())
    };
    let end = tokio::time::Instant::now() + LONGEST_DRAIN;
    let mut beat = tokio::time::interval(Duration::from_millis(100));
    while quiet().await.is_none() {
        beat.tick().await;
        assert!(
            tokio::time::Instant::now() < end,
            "stuck: (errands, deliveries, history) {left:?}, {} acknowledged; in the air {:?}; {:?}",
            acknowledged.len(),
            town.in_air().collect::<Vec<_>>(),
            town.journal.troubles.lock()
        );
    }
    // a robot that waits for a receipt is answered a minute after its message left, at the latest
    let answered = async || {
        let open = steps(town).await;
        let open = open.iter().filter(|step| step["state"] == "waiting");
        open.map(text_of_step).all(|text| !acknowledged.contains(&text)).then_some(())
    };
    town.wait_for("every robot is answered", LONGEST_DRAIN, answered).await;
}

/// Judges a run whose load is over and drained.
pub async fn judge(town: &Town, acknowledged: &BTreeSet<String>) -> Verdict {
    let mut verdict = Verdict { acknowledged: acknowledged.len(), ..Verdict::default() };
    let taken = taken(town).await;
    let mut at_vendor: BTreeMap<&str, usize> = BTreeMap::new();
    for one in &taken {
        *at_vendor.entry(&one.text).or_default() += 1;
    }
    let doubled: Vec<_> = at_vendor.iter().filter(|(_, count)| **count > 1).collect();
    assert!(doubled.is_empty(), "sent twice: {doubled:?}");
    let rows = town.database(|conn| history(conn, town));
    let mut by_text: BTreeMap<String, Status> = BTreeMap::new();
    for row in rows {
        let (text, status) = (text_of(&row), Status::from_db(row.status));
        assert!(by_text.insert(text.clone(), status).is_none(), "two messages for one request: {text}");
        let left = at_vendor.contains_key(text.as_str());
        match status {
            Status::Sent | Status::Delivered | Status::Viewed => {
                assert!(left, "said to be sent, and the vendor knows nothing of it: {text}");
                verdict.sent += 1;
            }
            Status::Unknown => {
                verdict.unknown += 1;
                verdict.unknown_at_vendor += usize::from(left);
            }
            other => panic!("{text}: {other:?}, {:?}, {:?}", row.code, row.reason),
        }
    }
    let lost: Vec<_> = acknowledged.iter().filter(|text| !by_text.contains_key(*text)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let unheard: Vec<_> = at_vendor.keys().filter(|text| !by_text.contains_key(**text)).collect();
    assert!(unheard.is_empty(), "sent, and nobody knows of it: {unheard:?}");
    judge_robots(town, &by_text, &mut verdict).await;
    judge_pace(town, &taken, &mut verdict);
    verdict
}

async fn judge_robots(town: &Town, by_text: &BTreeMap<String, Status>, verdict: &mut Verdict) {
    for step in steps(town).await {
        let text = text_of_step(&step);
        match by_text.get(&text) {
            Some(status) => {
                assert_eq!(step["state"], "answered", "{step}");
                let good = *status != Status::Unknown;
                let said = step["returned"]["status"] == "Y";
                // a receipt may have cleared up what was unknown when the robot was answered
                assert!(good || !said, "{text} is {status:?}: {step}");
                verdict.answered += 1;
            }
            // the server was killed before it could take the call: the portal was not told that it had
            None => assert_eq!(step["state"], "waiting", "{step}"),
        }
        verdict.repeated_answers += step["ignored"].as_u64().unwrap();
    }
}

/// No call is under way longer, in microseconds: a start so long before belongs to a process that was killed before it called.
const LONGEST_WAY_US: i64 = 500_000;

/// The gaps: by the servers' own clocks they hold exactly; at the vendor a gap is shorter by as much as the earlier call was
/// under way, which both clocks together tell.
fn judge_pace(town: &Town, taken: &[Taken], verdict: &mut Verdict) {
    let gap_us = GAP_MS * 1000;
    (verdict.shortest_gap_us, verdict.shortest_start_gap_us) = (i64::MAX, i64::MAX);
    let starts = town.journal.starts.lock().clone();
    for lane in &town.lanes {
        let mut starts: Vec<Start> = starts.iter().filter(|start| start.lane == lane.id).copied().collect();
        starts.sort_unstable_by_key(|start| start.at);
        for pair in starts.windows(2) {
            let between = pair[1].at.0 - pair[0].at.0;
            verdict.shortest_start_gap_us = verdict.shortest_start_gap_us.min(between);
            assert!(between >= gap_us, "lane {}: {between} us between {:?} and {:?}", lane.id, pair[0], pair[1]);
        }
        let mut arrivals: Vec<i64> = taken.iter().filter(|one| one.who == lane.who).map(|one| one.at_us).collect();
        arrivals.sort_unstable();
        let mut before = i64::MIN;
        let mut ways = Vec::new();
        for at in &arrivals {
            // on a busy machine the next call may begin before the vendor has read this one: they come in their order
            let own = starts
                .iter()
                .find(|start| start.at.0 > before && start.at.0 <= *at && *at - start.at.0 <= LONGEST_WAY_US);
            // a start that was not written down belongs to a process that was killed in that moment
            ways.push(own.map(|start| *at - start.at.0));
            before = own.map_or(before, |start| start.at.0);
        }
        let longest = ways.iter().flatten().copied().max().unwrap_or_default();
        verdict.longest_way_us = verdict.longest_way_us.max(longest);
        for (pair, way) in arrivals.windows(2).zip(&ways) {
            let between = pair[1] - pair[0];
            verdict.shortest_gap_us = verdict.shortest_gap_us.min(between);
            let least = gap_us - way.unwrap_or(longest);
            assert!(
                between >= least,
                "lane {}: {between} us at the vendor, the call was {way:?} us under way",
                lane.id
            );
        }
    }
}

/// The longest time in which no message left, between two ticks, in milliseconds.
pub async fn longest_pause_ms(town: &Town, from: Tick, to: Tick) -> i64 {
    let mut at: Vec<i64> = taken(town).await.iter().map(|one| one.at_us).collect();
    at.retain(|at| (from.0..=to.0).contains(at));
    at.extend([from.0, to.0]);
    at.sort_unstable();
    at.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default() / 1000
}

/// How long after a tick each lane's next message left, in milliseconds.
pub async fn next_sends_ms(town: &Town, since: Tick) -> Vec<Option<i64>> {
    let taken = taken(town).await;
    let of_lane =
        |who: &str| taken.iter().filter(|one| one.who == who && one.at_us > since.0).map(|one| one.at_us).min();
    town.lanes.iter().map(|lane| of_lane(&lane.who).map(|at| (at - since.0) / 1000)).collect()
}

impl Verdict {
    /// The figures as lines, after a heading.
    pub fn lines(&self) -> String {
        let mut text = String::new();
        let ms = |us: i64| format!("{}.{} ms", us / 1000, us % 1000 / 100);
        let _ = writeln!(text, "  acknowledged {}, sent {}, doubled 0, lost 0", self.acknowledged, self.sent);
        let _ = writeln!(text, "  unknown {}, {} of them had reached the vendor", self.unknown, self.unknown_at_vendor);
        let _ = writeln!(
            text,
            "  robots answered {}, each once; answers repeated after a crash and ignored by the portal {}",
            self.answered, self.repeated_answers
        );
        let _ = writeln!(
            text,
            "  shortest gap of a lane of {GAP_MS} ms: {} between starts, {} at the vendor (longest way of a call {})",
            ms(self.shortest_start_gap_us),
            ms(self.shortest_gap_us),
            ms(self.longest_way_us)
        );
        text
    }
}

/// Writes a report where `scripts/test` finds it, and prints it.
#[allow(clippy::print_stdout, reason = "the report of a test")]
pub fn report(name: &str, text: &str) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    std::fs::write(target.join(format!("crash-report-{name}.txt")), text).unwrap();
    println!("{text}");
}

pub fn history(conn: &mut switchboard::store::Conn, town: &Town) -> switchboard::store::Result<Vec<MessageRow>> {
    let rows = switchboard::on!(conn, message::newest(town.company, 1_000_000))?;
    Ok(rows.into_iter().filter(|row| row.outgoing).collect())
}

pub fn text_of(row: &MessageRow) -> String {
    let content: Value = serde_json::from_str(&row.content).unwrap();
    content["text"].as_str().unwrap().to_owned()
}

fn text_of_step(step: &Value) -> String {
    step["properties"]["message"].as_str().unwrap().to_owned()
}

async fn steps(town: &Town) -> Vec<Value> {
    let steps = town.control("GET", "/_/b24/demo/steps?limit=1000000", Value::Null).await;
    steps["steps"].as_array().unwrap().clone()
}

async fn taken(town: &Town) -> Vec<Taken> {
    let ledger = town.control("GET", "/_/ledger?vendor=waba&method=messages", Value::Null).await;
    assert_eq!(ledger["entries"].as_array().unwrap().iter().filter(|entry| entry["status"] != 200).count(), 0);
    let entries = ledger["entries"].as_array().unwrap().iter();
    entries
        .map(|entry| Taken {
            who: entry["who"].as_str().unwrap().to_owned(),
            at_us: entry["at_us"].as_i64().unwrap(),
            text: entry["params"]["text"]["body"].as_str().unwrap().to_owned(),
        })
        .collect()
}

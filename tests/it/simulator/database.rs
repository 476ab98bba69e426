//! The database as the outbox uses it, by the same rules, in memory.

use std::collections::{BTreeMap, BTreeSet};

use switchboard::loops::pump::lanes::Fate;
use switchboard::loops::pump::trade::Settled;
use switchboard::model::errand::{Errand, Rank, Work};
use switchboard::model::id::{CompanyId, ErrandId, LaneId, PortalId};
use switchboard::model::moment::Moment;
use switchboard::model::origin::Origin;
use switchboard::model::pace::Pace;
use switchboard::model::window::Window;
use switchboard::store::outbox::{Accepted, Want};
use switchboard::store::row::{LaneRow, LaneState, Sent};

/// A row of the outbox.
pub struct Row {
    pub errand: Errand,
    pub flying: bool,
    pub not_before: Moment,
    /// It was planned for a moment, so it does not hold others to its recipient.
    pub planned: bool,
    pub mailing: Option<usize>,
    /// Since when its lane's process knows of it, in real microseconds.
    pub known_us: Option<i64>,
}

/// A mailing and its ledger: pending rows have no errand, taken ones have one.
#[derive(Default)]
pub struct Mailing {
    pub lane: LaneId,
    pub rank: i16,
    pub state: &'static str,
    pub pending: Vec<String>,
    pub queued: BTreeMap<ErrandId, String>,
    pub ended: usize,
    pub size: usize,
}

/// The tables.
#[derive(Default)]
pub struct Database {
    pub errands: BTreeMap<ErrandId, Row>,
    pub lanes: BTreeMap<LaneId, LaneRow>,
    pub owner_of: BTreeMap<LaneId, String>,
    pub owners: BTreeSet<String>,
    pub claims: BTreeMap<u64, (String, Vec<ErrandId>)>,
    pub mailings: Vec<Mailing>,
    last: ErrandId,
    ids: Option<(CompanyId, PortalId)>,
}

/// What a settling transaction writes.
#[derive(Clone)]
pub struct Batch {
    pub owner: String,
    pub boot: String,
    pub settled: Vec<Settled>,
    pub sent: Vec<Sent>,
    pub closed: Vec<u64>,
}

pub fn is_repeatable(errand: &Errand) -> bool {
    matches!(errand.work, Work::PortalCall { repeatable: true, .. })
}

impl Database {
    pub fn add_lane(&mut self, id: LaneId, pace: Pace) {
        let row = LaneRow {
            id,
            company: String::new(),
            kind: "channel".into(),
            shard: i16::try_from(id).unwrap(),
            state: 0,
            pace: serde_json::to_string(&pace).unwrap(),
            hours: None,
            version: 0,
            sent_boot: None,
            sent_tick: 0,
            sent_gap_ms: 0,
            live_tick: 0,
        };
        self.lanes.insert(id, row);
    }

    /// Accepts an errand.
    pub fn accept(
        &mut self,
        (lane, rank, peer): (LaneId, i16, &str),
        repeatable: bool,
        not_before: Moment,
        expires_at: Option<Moment>,
        mailing: Option<usize>,
    ) -> Accepted {
        self.last += 1;
        let (company, portal) = *self.ids.get_or_insert_with(|| (CompanyId::new(), PortalId::new()));
        let errand = Errand {
            id: self.last,
            company,
            lane,
            rank: Rank::from_db(rank),
            peer: peer.to_owned(),
            work: Work::PortalCall { portal, method: String::new(), params: serde_json::Value::Null, repeatable },
            origin: Origin::Nobody,
            accepted_at: Moment(0),
            expires_at,
            attempts: 0,
        };
        let accepted = Accepted { id: self.last, lane, rank: errand.rank, not_before };
        let row = Row { errand, flying: false, not_before, planned: not_before.0 > 0, mailing, known_us: None };
        self.errands.insert(self.last, row);
        accepted
    }

    /// Claims; none where the process was struck out.
    pub fn claim(&mut self, owner: &str, claim: u64, by: Moment, wants: &[Want]) -> Option<Vec<Errand>> {
        if !self.owners.contains(owner) {
            return None;
        }
        if let Some((_, ids)) = self.claims.get(&claim) {
            let flying = ids.iter().filter_map(|id| self.errands.get(id)).filter(|row| row.flying);
            return Some(flying.map(|row| row.errand.clone()).collect());
        }
        let mut got = Vec::new();
        for want in wants {
            let mut rows: Vec<&mut Row> = self.errands.values_mut().filter(|row| wanted(row, want, by)).collect();
            rows.sort_by_key(|row| (row.errand.rank, row.errand.id));
            for row in rows.into_iter().take(usize::try_from(want.limit).unwrap()) {
                row.flying = true;
                row.known_us = None;
                got.push(row.errand.clone());
            }
        }
        if !got.is_empty() {
            self.claims.insert(claim, (owner.to_owned(), got.iter().map(|errand| errand.id).collect()));
        }
        Some(got)
    }

    /// Writes down what became of errands. Gives back those that were this process's to end.
    pub fn settle(&mut self, batch: &Batch) -> Vec<(Errand, Fate)> {
        let mut over = Vec::new();
        if self.owners.contains(&batch.owner) {
            for entry in &batch.settled {
                let id = entry.errand.id;
                let Some(row) = self.errands.get_mut(&id).filter(|row| row.flying) else { continue };
                if let Fate::Again { not_before, attempts } = entry.fate {
                    (row.flying, row.not_before, row.errand.attempts) = (false, not_before, attempts);
                } else {
                    self.end(id);
                    over.push((entry.errand.clone(), entry.fate.clone()));
                }
            }
        }
        for sent in &batch.sent {
            self.set_sent(&batch.boot, sent);
        }
        for claim in &batch.closed {
            self.claims.remove(claim);
        }
        over
    }

    /// An errand is over, and so is its row of a ledger.
    pub fn end(&mut self, id: ErrandId) {
        let Some(row) = self.errands.remove(&id) else { return };
        if let Some(mailing) = row.mailing {
            let mailing = &mut self.mailings[mailing];
            assert!(mailing.queued.remove(&id).is_some(), "errand {id} ended twice in its ledger");
            mailing.ended += 1;
        }
    }

    /// The rule of `outbox::set_sent`.
    pub fn set_sent(&mut self, boot: &str, sent: &Sent) {
        let row = self.lanes.get_mut(&sent.lane).unwrap();
        let same = row.sent_boot.as_deref() == Some(boot);
        if let Some((tick, gap_ms)) = sent.paced {
            if same && row.sent_tick + row.sent_gap_ms * 1000 <= tick.0 + gap_ms * 1000 {
                (row.sent_tick, row.sent_gap_ms) = (tick.0, gap_ms);
            } else if !same {
                row.sent_boot = Some(boot.to_owned());
                (row.sent_tick, row.sent_gap_ms, row.live_tick) = (tick.0, gap_ms, 0);
            }
        }
        let same = row.sent_boot.as_deref() == Some(boot);
        if let Some(tick) = sent.live {
            if same {
                row.live_tick = row.live_tick.max(tick.0);
            } else {
                row.sent_boot = Some(boot.to_owned());
                (row.sent_tick, row.live_tick) = (tick.0, tick.0);
            }
        }
    }

    /// Takes over what a dead process left in the air; its lanes become free.
    pub fn inherit(&mut self, dead: &str) -> Vec<Errand> {
        self.owners.remove(dead);
        let mut ids: BTreeSet<ErrandId> = BTreeSet::new();
        self.claims.retain(|_, (owner, list)| {
            if owner == dead {
                ids.extend(list.iter());
            }
            owner != dead
        });
        let mine = |row: &&Row| row.flying && self.owner_of.get(&row.errand.lane).is_some_and(|owner| owner == dead);
        let rows = ids.iter().filter_map(|id| self.errands.get(id)).filter(mine);
        rows.map(|row| row.errand.clone()).collect()
    }

    pub fn state(&self, lane: LaneId) -> LaneState {
        LaneState::from_db(self.lanes[&lane].state)
    }

    pub fn set_hours(&mut self, lane: LaneId, hours: Option<&Window>) {
        self.lanes.get_mut(&lane).unwrap().hours = hours.map(|hours| serde_json::to_string(hours).unwrap());
    }

    /// The rule of `mailing::feed`: at most one row of a running mailing is in the outbox.
    pub fn feed(&mut self, n: usize) -> Option<Accepted> {
        let mailing = &mut self.mailings[n];
        if mailing.state != "running" || !mailing.queued.is_empty() {
            return None;
        }
        if mailing.pending.is_empty() {
            mailing.state = "finished";
            return None;
        }
        let peer = mailing.pending.remove(0);
        let (lane, rank) = (mailing.lane, mailing.rank);
        let accepted = self.accept((lane, rank, &peer), false, Moment(0), None, Some(n));
        self.mailings[n].queued.insert(accepted.id, peer);
        Some(accepted)
    }

    /// The rules of `mailing::pause` and `mailing::stop`: what waits goes back into the ledger, and ends there on a stop.
    pub fn turn_mailing(&mut self, n: usize, to: &'static str) {
        let waiting: Vec<ErrandId> = self
            .errands
            .values()
            .filter(|row| row.mailing == Some(n) && !row.flying)
            .map(|row| row.errand.id)
            .collect();
        let mailing = &mut self.mailings[n];
        mailing.state = to;
        for id in waiting {
            self.errands.remove(&id);
            let peer = mailing.queued.remove(&id).unwrap();
            mailing.pending.insert(0, peer);
        }
        if to == "stopped" {
            mailing.ended += std::mem::take(&mut mailing.pending).len();
        }
    }

    /// The counts of every mailing add up, and its taken rows are what the outbox holds of it.
    pub fn check_ledgers(&self) {
        for (n, mailing) in self.mailings.iter().enumerate() {
            let sum = mailing.pending.len() + mailing.queued.len() + mailing.ended;
            assert_eq!(sum, mailing.size, "the counts of mailing {n} do not add up");
            let here = self.errands.values().filter(|row| row.mailing == Some(n)).count();
            assert_eq!(here, mailing.queued.len(), "mailing {n} and the outbox disagree");
            assert!(here <= 1, "mailing {n} has {here} errands in the outbox");
        }
    }
}

/// Whether a claim takes a row.
pub fn wanted(row: &Row, want: &Want, by: Moment) -> bool {
    let (rank, id) = (row.errand.rank.to_db(), row.errand.id);
    row.errand.lane == want.lane
        && !row.flying
        && (want.ranks.0..=want.ranks.1).contains(&rank)
        && (rank, id) > want.after
        && (row.not_before <= by || want.ready.contains(&id))
        && !want.blocked.iter().any(|(of, peer)| *of == rank && *peer == row.errand.peer)
}

//! What is claimed for a lane, and what becomes of it until it starts.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;

use super::lane::{Lane, START, Track, Which};
use super::lanes::{Flight, Rules};
use crate::model::errand::Errand;
use crate::model::moment::{Moment, Tick};
use crate::model::pace::Pace;
use crate::store::outbox::Want;

/// When a track may be claimed, if there is room for it.
pub(super) fn eligible(lane: &Lane, which: Which, rules: &Rules, now: Moment, tick: Tick) -> Option<Tick> {
    (limit(lane, which, rules) > 0).then(|| lane.next(which, now, tick)).flatten()
}

/// How many errands of a track may be claimed now.
pub(super) fn limit(lane: &Lane, which: Which, rules: &Rules) -> i32 {
    let room = |most: u32| i32::try_from(most.saturating_sub(lane.flying)).unwrap_or(i32::MAX);
    match (lane.pace, which) {
        (Pace::Bucket { .. }, Which::Second) if room(rules.lane_flights) > 0 => rules.batch_size,
        _ if lane.is_unpaced(which) => room(u32::try_from(rules.claim_size).unwrap_or(u32::MAX)),
        _ => room(rules.lane_flights).min(1),
    }
}

/// Keeps an errand back while an earlier one of its rank to the same recipient is in the air.
pub(super) fn hold(lane: &mut Lane, errand: Errand) -> Option<Errand> {
    if errand.peer.is_empty() {
        return Some(errand);
    }
    match lane.in_air.entry((errand.rank.to_db(), errand.peer.clone())) {
        Entry::Occupied(mut open) => {
            open.get_mut().push_back(errand);
            None
        }
        Entry::Vacant(free) => {
            free.insert(VecDeque::new());
            Some(errand)
        }
    }
}

pub(super) fn flight(lane: &mut Lane, which: Which, errands: Vec<Errand>, tick: Tick) -> Flight {
    let rest = lane.rest_until.max(tick);
    let start = if lane.is_unpaced(which) { rest } else { lane.track(which).due.max(rest) };
    lane.track(which).unstarted += 1;
    Flight { lane: lane.id, which, start, errands }
}

/// Lets recipients go whose pause is over, and looks at their errands again.
pub(super) fn release(lane: &mut Lane, horizon: Tick) {
    let over: Vec<i16> =
        lane.blocked.iter().filter(|blocked| blocked.until <= horizon).map(|blocked| blocked.rank).collect();
    if over.is_empty() {
        return;
    }
    lane.blocked.retain(|blocked| blocked.until > horizon);
    for rank in over {
        lane.track(lane.which(rank)).rewind();
    }
}

pub(super) fn want(lane: &mut Lane, which: Which, rules: &Rules) -> Want {
    let (ranks, limit) = (lane.ranks(which), limit(lane, which, rules));
    let mut blocked: Vec<(i16, String)> = lane
        .blocked
        .iter()
        .filter(|blocked| !blocked.peer.is_empty() && (ranks.0..=ranks.1).contains(&blocked.rank))
        .map(|blocked| (blocked.rank, blocked.peer.clone()))
        .collect();
    if !lane.is_unpaced(which) {
        // a paced lane must not spend its turn on a recipient whose call is still open
        blocked.extend(lane.in_air.keys().cloned());
    }
    let id = lane.id;
    let track = lane.track(which);
    track.claiming = true;
    track.woken = false;
    Want { lane: id, live: which == Which::First, ranks, after: track.after, limit, blocked }
}

/// What a claim says about the rest of the track.
pub(super) fn looked(track: &mut Track, want: &Want, got: &[Errand]) {
    track.claiming = false;
    let full = i32::try_from(got.len()).unwrap_or(i32::MAX) >= want.limit;
    if track.woken {
        return;
    }
    if full {
        if let Some(last) = got.last() {
            track.after = (last.rank.to_db(), last.id);
        }
    } else if want.after == START {
        track.work = false;
        track.after = START;
    } else {
        // numbers are not committed in their order when several processes accept: look once from the beginning
        track.after = START;
    }
}

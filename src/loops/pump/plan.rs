//! What is claimed for a lane, and what becomes of it until it starts.

use super::lane::{Blocked, Lane, START, Track, Which};
use super::lanes::{Boarded, Flight, Rules};
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

/// Takes in what was claimed for a track.
pub(super) fn board(
    lane: &mut Lane,
    which: Which,
    errands: Vec<Errand>,
    (now, tick): (Moment, Tick),
    boarded: &mut Boarded,
) {
    lane.flying += u32::try_from(errands.len()).unwrap_or(u32::MAX);
    let batch = matches!(lane.pace, Pace::Bucket { .. }) && which == Which::Second;
    let mut groups: Vec<Vec<Errand>> = Vec::new();
    for errand in errands {
        if errand.expires_at.is_some_and(|at| at <= now) {
            keep_place(lane, &errand);
            boarded.late.push(errand);
            continue;
        }
        if is_behind(lane, &errand) {
            keep_place(lane, &errand);
            boarded.back.push(errand);
            continue;
        }
        let Some(errand) = hold(lane, errand) else { continue };
        match groups.last_mut().filter(|_| batch) {
            Some(group) => group.push(errand),
            None => groups.push(vec![errand]),
        }
    }
    for errands in groups {
        boarded.flights.push(flight(lane, which, errands, now, tick));
    }
}

/// Whether an earlier errand to the same recipient was put back since this one was asked for.
fn is_behind(lane: &Lane, errand: &Errand) -> bool {
    let rank = errand.rank.to_db();
    let same = |blocked: &Blocked| blocked.rank == rank && blocked.id < errand.id && blocked.peer == errand.peer;
    !errand.peer.is_empty() && lane.blocked.iter().any(same)
}

/// Keeps an errand back while an earlier one of its rank to the same recipient is on its way.
fn hold(lane: &mut Lane, errand: Errand) -> Option<Errand> {
    if errand.peer.is_empty() {
        return Some(errand);
    }
    let air = lane.in_air.entry(place(&errand)).or_default();
    if air.open > 0 {
        air.held.push_back(errand);
        return None;
    }
    air.open = 1;
    Some(errand)
}

/// An errand goes back or is over without a call: it keeps its recipient's place until that is written down.
fn keep_place(lane: &mut Lane, errand: &Errand) {
    if !errand.peer.is_empty() {
        lane.in_air.entry(place(errand)).or_default().open += 1;
    }
}

/// What was claimed behind an errand that goes back goes back too, and keeps its place until that is written down.
pub(super) fn recall(lane: &mut Lane, errand: &Errand) -> Vec<Errand> {
    let Some(air) = lane.in_air.get_mut(&place(errand)) else { return Vec::new() };
    let held: Vec<Errand> = std::mem::take(&mut air.held).into();
    air.open += u32::try_from(held.len()).unwrap_or(0);
    held
}

/// An errand is settled. Gives back the next one to its recipient, if that may start now.
pub(super) fn give_place(lane: &mut Lane, errand: &Errand) -> Option<Errand> {
    let key = place(errand);
    let air = lane.in_air.get_mut(&key)?;
    air.open = air.open.saturating_sub(1);
    if air.open > 0 {
        return None;
    }
    let next = air.held.pop_front();
    if next.is_some() {
        air.open = 1;
    } else {
        lane.in_air.remove(&key);
    }
    next
}

fn place(errand: &Errand) -> (i16, String) {
    (errand.rank.to_db(), errand.peer.clone())
}

pub(super) fn flight(lane: &mut Lane, which: Which, errands: Vec<Errand>, now: Moment, tick: Tick) -> Flight {
    let start = lane.opens(which, now, tick).map_or(tick, |opens| opens.max(tick));
    lane.track(which).unstarted += 1;
    Flight { lane: lane.id, which, start, errands }
}

/// Lets recipients go whose pause is over, and looks at their errands again.
pub(super) fn release(lane: &mut Lane, tick: Tick) {
    if lane.blocked.iter().all(|blocked| blocked.until > tick) {
        return;
    }
    let (over, rest) = std::mem::take(&mut lane.blocked).into_iter().partition(|blocked| blocked.until <= tick);
    lane.blocked = rest;
    let over: Vec<Blocked> = over;
    for blocked in over {
        let track = lane.track(lane.which(blocked.rank));
        track.rewind();
        track.ready.push(blocked.id);
    }
}

pub(super) fn want(lane: &mut Lane, which: Which, rules: &Rules, share: i32) -> Want {
    let (ranks, limit) = (lane.ranks(which), limit(lane, which, rules).min(share));
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
    Want {
        lane: id,
        live: which == Which::First,
        ranks,
        after: track.after,
        limit,
        blocked,
        ready: track.ready.clone(),
    }
}

/// What a claim says about the rest of the track.
pub(super) fn looked(track: &mut Track, want: &Want, got: &[Errand]) {
    track.claiming = false;
    track.ready.retain(|id| got.iter().all(|errand| errand.id != *id));
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
        if want.blocked.is_empty() {
            // what was not found was withdrawn
            track.ready.retain(|id| !want.ready.contains(id));
        }
    } else {
        // numbers are not committed in their order when several processes accept: look once from the beginning
        track.after = START;
    }
}

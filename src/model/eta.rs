//! When each waiting errand of a lane will leave, if nothing else comes: a pure forecast from the pump's next moments, the
//! pace and the hours.
//!
//! Where the gap is drawn from an interval, its mean is taken. Ranks go in their order; live answers have their own track;
//! messages of one rank to one recipient keep their order, so one that waits for its moment holds those behind it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::errand::Rank;
use super::moment::Moment;
use super::pace::Pace;
use super::window::Window;

/// A lane, as the forecast needs it.
#[derive(Debug, Clone, Copy)]
pub struct Timetable<'a> {
    /// The next live answer may leave then.
    pub live_at: Moment,
    /// The next paced message may leave then.
    pub paced_at: Moment,
    /// The pace.
    pub pace: Pace,
    /// The hours; none is round the clock.
    pub hours: Option<&'a Window>,
}

/// An errand that waits. They come in the order of acceptance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its rank.
    pub rank: Rank,
    /// Its recipient; empty where order is of no matter.
    pub peer: String,
    /// Not before this moment.
    pub not_before: Moment,
}

/// Whether a rank goes by a track.
type OfTrack = fn(Rank) -> bool;

/// When each of them will leave; none where the hours never open.
#[must_use]
pub fn forecast(lane: Timetable<'_>, waiting: &[Waiting]) -> Vec<Option<Moment>> {
    let mut etas = vec![None; waiting.len()];
    let moments = ready_moments(waiting);
    // a portal has one bucket for everything, a channel has a track for live answers and one for the rest
    let tracks: &[(i64, OfTrack)] = match lane.pace {
        Pace::Gap { .. } => &[(0, |rank| rank == Rank::Live), (1, |rank| rank != Rank::Live)],
        Pace::Bucket { .. } => &[(1, |_| true)],
    };
    for (track, of_track) in tracks {
        let entries = waiting.iter().zip(&moments).enumerate().filter(|(_, (entry, _))| of_track(entry.rank));
        let queue = entries.map(|(index, (entry, ready))| (ready.0, entry.rank, index)).collect();
        run(lane, *track == 0, queue, &mut etas);
    }
    etas
}

/// From when on each may leave: its own moment, or that of one before it to the same recipient.
fn ready_moments(waiting: &[Waiting]) -> Vec<Moment> {
    let mut last: HashMap<(Rank, &str), Moment> = HashMap::new();
    let mut ready = Vec::with_capacity(waiting.len());
    for entry in waiting {
        if entry.peer.is_empty() {
            ready.push(entry.not_before);
            continue;
        }
        let at = last.entry((entry.rank, &entry.peer)).or_insert(entry.not_before);
        *at = (*at).max(entry.not_before);
        ready.push(*at);
    }
    ready
}

/// One track: at each free moment the first of those that are ready leaves.
fn run(lane: Timetable<'_>, live: bool, mut later: Vec<(i64, Rank, usize)>, etas: &mut [Option<Moment>]) {
    later.sort_unstable_by_key(|entry| Reverse(*entry));
    let mut ready: BinaryHeap<Reverse<(Rank, usize)>> = BinaryHeap::new();
    let mut due = Due::of(lane, live);
    loop {
        let mut at = due.next();
        if ready.is_empty() {
            let Some((moment, ..)) = later.last() else { return };
            at = at.max(*moment);
        }
        // live answers and the calls of a portal do not ask the hours
        if let Some(hours) = lane.hours.filter(|_| !live && matches!(lane.pace, Pace::Gap { .. })) {
            let Some(open) = hours.next_open(Moment(at)) else { return };
            at = at.max(open.0);
        }
        while let Some((_, rank, index)) = later.pop_if(|(moment, ..)| *moment <= at) {
            ready.push(Reverse((rank, index)));
        }
        let Some(Reverse((_, index))) = ready.pop() else { return };
        if let Some(eta) = etas.get_mut(index) {
            *eta = Some(Moment(at));
        }
        due.left(at);
    }
}

/// When the next call of a track is due; in microseconds inside, so that thirds of a second do not add up to seconds.
#[expect(clippy::struct_field_names, reason = "names carry their unit")]
struct Due {
    at_us: i64,
    step_us: i64,
    room_us: i64,
}

impl Due {
    fn of(lane: Timetable<'_>, live: bool) -> Self {
        let at_us = if live { lane.live_at } else { lane.paced_at }.0.saturating_mul(1000);
        let (step_us, room_us) = match lane.pace {
            Pace::Gap { live_ms, .. } if live => (live_ms.saturating_mul(1000), 0),
            Pace::Gap { from_ms, to_ms, .. } => (from_ms.saturating_add(to_ms).saturating_mul(500), 0),
            Pace::Bucket { per_second_milli, burst } => {
                let step_us = 1_000_000_000 / per_second_milli.max(1);
                (step_us, step_us.saturating_mul((burst - 1).max(0)))
            }
        };
        Self { at_us, step_us, room_us }
    }

    /// In whole milliseconds, rounded up: never before the pace allows.
    fn next(&self) -> i64 {
        self.at_us.div_euclid(1000) + i64::from(self.at_us.rem_euclid(1000) > 0)
    }

    fn left(&mut self, at_ms: i64) {
        let moment_us = at_ms.saturating_mul(1000);
        // rounding must not add up; a wait for the hours or for an errand's own moment counts
        let start_us = if at_ms == self.next() { self.at_us } else { moment_us };
        self.at_us = if self.room_us == 0 {
            start_us.saturating_add(self.step_us)
        } else {
            self.at_us.max(moment_us.saturating_sub(self.room_us)).saturating_add(self.step_us)
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn waiting(rank: Rank, peer: &str, not_before: i64) -> Waiting {
        Waiting { rank, peer: peer.to_owned(), not_before: Moment(not_before) }
    }

    fn lane(pace: Pace) -> Timetable<'static> {
        Timetable { live_at: Moment(500), paced_at: Moment(1_000), pace, hours: None }
    }

    const FIFTEEN: Pace = Pace::Gap { from_ms: 15_000, to_ms: 15_000, live_ms: 1_000 };

    fn etas(lane: Timetable<'_>, list: &[Waiting]) -> Vec<i64> {
        forecast(lane, list).into_iter().map(|eta| eta.map_or(-1, |at| at.0)).collect()
    }

    #[test]
    fn ranks_go_in_their_order_and_live_answers_apart() {
        let list = [
            waiting(Rank::Mailing, "a", 0),
            waiting(Rank::Service, "b", 0),
            waiting(Rank::Live, "c", 0),
            waiting(Rank::Mailing, "d", 0),
            waiting(Rank::Live, "e", 0),
        ];
        assert_eq!(etas(lane(FIFTEEN), &list), [16_000, 1_000, 500, 31_000, 1_500]);
    }

    #[test]
    fn one_that_is_planned_for_later_lets_others_pass_but_not_those_to_the_same_person() {
        let list =
            [waiting(Rank::Service, "a", 20_000), waiting(Rank::Service, "a", 0), waiting(Rank::Service, "b", 0)];
        assert_eq!(etas(lane(FIFTEEN), &list), [20_000, 35_000, 1_000]);
    }

    #[test]
    fn closed_hours_hold_paced_messages_and_no_live_answers() {
        // 1970-01-01 was a Thursday; open from 10:00 to 10:01
        let hours = Window { days: vec![4], from_minute: 600, to_minute: 601, zone: chrono_tz::UTC };
        let lane = Timetable { hours: Some(&hours), ..lane(FIFTEEN) };
        let list: Vec<_> = (0..6).map(|_| waiting(Rank::Service, "", 0)).chain([waiting(Rank::Live, "", 0)]).collect();
        let open = 36_000_000;
        let week = 7 * 86_400_000;
        let expected = [open, open + 15_000, open + 30_000, open + 45_000, open + week, open + week + 15_000, 500];
        assert_eq!(etas(lane, &list), expected);
        let never = Window { days: vec![], ..hours };
        assert_eq!(etas(Timetable { hours: Some(&never), ..lane }, &list), [-1, -1, -1, -1, -1, -1, 500]);
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_pace() {
        let pace = Pace::Bucket { per_second_milli: 3_000, burst: 2 };
        let list: Vec<_> = (0..5).map(|_| waiting(Rank::Mailing, "", 0)).collect();
        // due long ago: two at once, then a third of a second apart
        let table = Timetable { live_at: Moment(0), paced_at: Moment(0), pace, hours: None };
        let late: Vec<_> = list.iter().map(|entry| Waiting { not_before: Moment(10_000), ..entry.clone() }).collect();
        assert_eq!(etas(table, &late), [10_000, 10_000, 10_334, 10_667, 11_000]);
    }

    fn any_waiting() -> impl Strategy<Value = Vec<Waiting>> {
        let one = (0i16..4, 0u8..4, prop_oneof![Just(0i64), 0i64..200_000]);
        prop::collection::vec(one, 0..40).prop_map(|list| {
            list.into_iter()
                .map(|(rank, peer, at)| waiting(Rank::from_db(rank), ["", "a", "b", "c"][usize::from(peer)], at))
                .collect()
        })
    }

    proptest! {
        #[test]
        fn never_before_the_pace_and_its_own_moment_allow(list in any_waiting(), gap in 0i64..20_000, live in 0i64..3_000) {
            let lane = lane(Pace::Gap { from_ms: gap, to_ms: gap, live_ms: live });
            let etas = forecast(lane, &list);
            for (is_live, first, step) in [(true, 500, live), (false, 1_000, gap)] {
                let mut track: Vec<i64> = list.iter().zip(&etas)
                    .filter(|(entry, _)| (entry.rank == Rank::Live) == is_live)
                    .map(|(entry, eta)| { let at = eta.unwrap(); assert!(at >= entry.not_before); at.0 })
                    .collect();
                track.sort_unstable();
                prop_assert!(track.first().is_none_or(|at| *at >= first));
                prop_assert!(track.windows(2).all(|pair| pair[1] - pair[0] >= step));
            }
        }

        #[test]
        fn never_falls_inside_a_rank_for_one_person_and_for_all_where_nothing_is_planned(list in any_waiting(), gap in 1i64..20_000) {
            let pace = Pace::Gap { from_ms: gap, to_ms: gap, live_ms: 1 };
            let unplanned: Vec<_> = list.iter().map(|entry| Waiting { not_before: Moment(0), ..entry.clone() }).collect();
            for (list, same_peer) in [(&list, true), (&unplanned, false)] {
                let etas = forecast(lane(pace), list);
                for (i, a) in list.iter().enumerate() {
                    for (j, b) in list.iter().enumerate().skip(i + 1) {
                        let together = a.rank == b.rank && (!same_peer || (a.peer == b.peer && !a.peer.is_empty()));
                        prop_assert!(!together || etas[i] <= etas[j]);
                    }
                }
            }
        }

        #[test]
        fn exact_where_the_gap_is_always_the_same_and_nothing_new_comes(list in any_waiting(), gap in 1i64..20_000) {
            // the pump's own rule, told another way: at each free moment, the lowest rank and number that may leave
            let pace = Pace::Gap { from_ms: gap, to_ms: gap, live_ms: 7 };
            let etas = forecast(lane(pace), &list);
            for (is_live, first, step) in [(true, 500, 7), (false, 1_000, gap)] {
                let mut left: Vec<usize> = (0..list.len()).filter(|i| (list[*i].rank == Rank::Live) == is_live).collect();
                let mut now = first;
                while !left.is_empty() {
                    let may = |i: usize, left: &[usize]| list[i].not_before.0 <= now && !left.iter().any(|j| {
                        *j < i && list[*j].rank == list[i].rank && !list[i].peer.is_empty() && list[*j].peer == list[i].peer
                    });
                    match left.iter().copied().filter(|i| may(*i, &left)).min_by_key(|i| (list[*i].rank, *i)) {
                        Some(i) => {
                            prop_assert_eq!(etas[i], Some(Moment(now)));
                            left.retain(|j| *j != i);
                            now += step;
                        }
                        None => now = left.iter().map(|i| list[*i].not_before.0).filter(|at| *at > now).min().unwrap(),
                    }
                }
            }
        }
    }
}

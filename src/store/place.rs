//! The place of an errand, which is its number: its lane, its rank, and a count that only rises. So the errands of a lane
//! stand together in the table, in the order in which they leave, and are found without an index.

use std::ops::RangeInclusive;

use crate::model::id::{ErrandId, LaneId};

/// Bits of the count: two hundred thousand million errands.
const COUNT_BITS: u32 = 38;

/// Bits of the rank, of which there are four.
const RANK_BITS: u32 = 2;

/// The lowest number of a rank in a lane; no errand has it, since the count begins at 1.
pub(super) const fn first(lane: LaneId, rank: i16) -> ErrandId {
    ((lane << RANK_BITS) + rank as i64) << COUNT_BITS
}

/// The number of the errand that is counted as `count`.
pub(super) const fn of(lane: LaneId, rank: i16, count: i64) -> ErrandId {
    first(lane, rank) + count
}

/// The numbers of a lane, from a lowest to a highest rank.
pub(super) const fn ranks(lane: LaneId, low: i16, high: i16) -> RangeInclusive<ErrandId> {
    first(lane, low)..=first(lane, high + 1) - 1
}

/// All numbers of a lane.
pub(super) const fn lane(lane: LaneId) -> RangeInclusive<ErrandId> {
    ranks(lane, 0, 3)
}

/// The lane and the rank in a number.
pub(super) const fn lane_and_rank(id: ErrandId) -> (LaneId, i16) {
    (id >> (COUNT_BITS + RANK_BITS), ((id >> COUNT_BITS) & 3) as i16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_sort_by_lane_then_rank_then_count() {
        let places = [of(1, 0, 900), of(1, 3, 1), of(1, 3, 2), of(2, 0, 1), of(8_000_000, 3, 1 << 37)];
        assert!(places.is_sorted() && places.iter().all(|place| *place > 0));
        assert_eq!(places.map(lane_and_rank), [(1, 0), (1, 3), (1, 3), (2, 0), (8_000_000, 3)]);
        assert!(lane(1).contains(&places[2]) && !lane(1).contains(&places[3]) && !ranks(1, 0, 2).contains(&places[1]));
    }
}

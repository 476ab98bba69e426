//! What people do: they ask for messages, pause, stop, change the pace and the hours, and move the clock.

use super::*;

impl World {
    pub(super) fn arrive(&mut self) {
        let lane = self.any_lane();
        for _ in 0..self.random.random_range(1..6) {
            let rank = self.random.random_range(0..4);
            let peer = match self.random.random_range(0..10) {
                0 => String::new(),
                1 => "bad".to_owned(),
                n => format!("p{n}"),
            };
            let not_before = if self.random.random_bool(0.1) {
                self.now().plus_ms(self.random.random_range(1..120_000))
            } else {
                Moment(0)
            };
            let expires_at =
                self.random.random_bool(0.2).then(|| self.now().plus_ms(self.random.random_range(1_000..200_000)));
            let repeatable = self.random.random_bool(0.3);
            self.accepted += 1;
            let accepted = self.database.accept((lane, rank, &peer), repeatable, not_before, expires_at, None);
            self.say(accepted);
        }
    }

    pub(super) fn feed(&mut self) {
        for n in 0..self.database.mailings.len() {
            if let Some(accepted) = self.database.feed(n) {
                self.accepted += 1;
                self.say(accepted);
            }
        }
        self.after(400 * MS, if self.calm { 3 * SECOND } else { 600 * MS }, Event::Feed);
    }

    /// The keeper ends what waited too long.
    pub(super) fn keep(&mut self) {
        let now = self.now();
        let answer = Answer::Refused { code: switchboard::model::result::Code::TooLate, text: String::new() };
        self.withdraw(&answer, |row| row.errand.expires_at.is_some_and(|at| at <= now));
        self.after(400 * MS, if self.calm { 3 * SECOND } else { 600 * MS }, Event::Keep);
    }

    fn withdraw(&mut self, answer: &Answer, which: impl Fn(&super::super::database::Row) -> bool) {
        let rows = self.database.errands.values().filter(|row| !row.flying && which(row));
        let errands: Vec<Errand> = rows.map(|row| row.errand.clone()).collect();
        for errand in errands {
            self.database.end(errand.id);
            self.witness.end(&errand, &Fate::Final(answer.clone()));
        }
    }

    pub(super) fn trouble(&mut self) {
        let lane = self.any_lane();
        match self.random.random_range(0..15) {
            0 | 1 => self.crash(),
            2 => self.reboot(),
            3 | 4 => self.stall(),
            5 | 6 => self.hand_over(),
            7 | 8 => {
                let sign = if self.random.random_bool(0.5) { 1 } else { -1 };
                self.wall_ahead_ms += sign * self.random.random_range(1_000..=3_600_000);
            }
            9 => {
                let state = self.database.state(lane);
                let to = if state == LaneState::Running { LaneState::Paused } else { LaneState::Running };
                self.set_state(lane, to);
            }
            10 => self.come_back(lane),
            11 => self.change_pace(lane),
            12 => {
                let hours = self.random.random_bool(0.5).then(|| self.any_hours());
                self.database.set_hours(lane, hours.as_ref());
                self.changed(lane);
            }
            _ => self.turn_mailing(),
        }
    }

    /// A lost channel is attached again: what waits is held until somebody decides.
    fn come_back(&mut self, lane: LaneId) {
        match self.database.state(lane) {
            LaneState::Lost => self.set_state(lane, LaneState::Held),
            LaneState::Held => {
                if self.random.random_bool(0.3) {
                    let code = switchboard::model::result::Code::Discarded;
                    let answer = Answer::Refused { code, text: String::new() };
                    self.withdraw(&answer, |row| row.errand.lane == lane);
                }
                self.set_state(lane, LaneState::Running);
            }
            LaneState::Running | LaneState::Paused => {}
        }
    }

    /// Paced lanes stay paced and buckets stay buckets: the kind of a lane is that of its channel or portal.
    fn change_pace(&mut self, lane: LaneId) {
        let old = self.database.lanes[&lane].pace().unwrap();
        let new = self.any_pace();
        if matches!(old, Pace::Gap { .. }) == matches!(new, Pace::Gap { .. }) {
            self.database.lanes.get_mut(&lane).unwrap().pace = serde_json::to_string(&new).unwrap();
            self.changed(lane);
        }
    }

    fn any_hours(&mut self) -> Window {
        let minute = u16::try_from(self.now().to_utc().timestamp().rem_euclid(86_400) / 60).unwrap();
        let from_minute = (minute + self.random.random_range(0..4)) % 1440;
        let to_minute = (from_minute + self.random.random_range(1..120)) % 1440;
        Window { days: vec![1, 2, 3, 4, 5, 6, 7], from_minute, to_minute, zone: chrono_tz::UTC }
    }

    fn turn_mailing(&mut self) {
        if self.database.mailings.is_empty() {
            return;
        }
        let n = self.random.random_range(0..self.database.mailings.len());
        let to = match (self.database.mailings[n].state, self.random.random_range(0..4)) {
            ("paused", 1..4) => "running",
            ("running", 1..4) => "paused",
            ("running" | "paused", _) => "stopped",
            _ => return,
        };
        if to == "running" {
            self.database.mailings[n].state = to;
            return;
        }
        let waiting = self.database.errands.values().filter(|row| row.mailing == Some(n) && !row.flying);
        let waiting: Vec<i64> = waiting.map(|row| row.errand.id).collect();
        // they go back into the ledger, whence they come again as other errands
        self.accepted -= waiting.len();
        self.witness.forbidden.extend(waiting);
        self.database.turn_mailing(n, to);
    }

    /// Nothing more breaks, and everybody lets everything run.
    pub(super) fn calm(&mut self) {
        self.calm = true;
        self.wall_ahead_ms = START;
        for lane in self.database.lanes.keys().copied().collect::<Vec<_>>() {
            self.database.set_hours(lane, None);
            self.set_state(lane, LaneState::Running);
        }
        for mailing in self.database.mailings.iter_mut().filter(|mailing| mailing.state == "paused") {
            mailing.state = "running";
        }
        for slot in 0..self.slots.len() {
            if self.slots[slot].process.is_none() {
                self.after(0, SECOND, Event::Revive(slot));
            }
        }
    }
}

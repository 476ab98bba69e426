//! The hours in which a line may write first: days, from, to, and the zone they are meant in.

use chrono::{Datelike, Duration, NaiveTime, TimeZone, Timelike};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::moment::Moment;

/// Days and hours. Live answers do not ask it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Window {
    /// Days of the week, 1 is Monday, 7 is Sunday.
    pub days: Vec<u8>,
    /// Minute of the day at which it opens.
    pub from_minute: u16,
    /// Minute of the day at which it closes; not above 1440. Where it is not above `from_minute`, the window runs over midnight
    /// and belongs to the day on which it opened.
    pub to_minute: u16,
    /// The zone, as `Europe/Moscow`.
    #[schema(value_type = String)]
    pub zone: Tz,
}

impl Window {
    /// The first moment not before `at` in which the window is open; none where no day is chosen.
    #[must_use]
    pub fn next_open(&self, at: Moment) -> Option<Moment> {
        let local = at.to_utc().with_timezone(&self.zone);
        // yesterday's window may still run; a week ahead every chosen day has come
        for offset in -1..=8 {
            let day = local.date_naive().checked_add_signed(Duration::days(offset))?;
            let weekday = u8::try_from(day.weekday().number_from_monday()).unwrap_or(0);
            if !self.days.contains(&weekday) {
                continue;
            }
            let opens = self.moment_of(day, i64::from(self.from_minute));
            let over_midnight = if self.to_minute > self.from_minute { 0 } else { 1440 };
            let closes = self.moment_of(day, i64::from(self.to_minute) + over_midnight);
            if at < closes && opens < closes {
                return Some(opens.max(at));
            }
        }
        None
    }

    /// Whether the window is open at this moment.
    #[must_use]
    pub fn is_open(&self, at: Moment) -> bool {
        self.next_open(at) == Some(at)
    }

    /// The moment of a minute counted from the midnight of a day, by the wall: on the days when clocks are moved, an hour
    /// that does not exist counts as the moment after the gap, and of an hour that comes twice the first is meant.
    fn moment_of(&self, day: chrono::NaiveDate, minute: i64) -> Moment {
        let day = day + Duration::days(minute.div_euclid(1440));
        let minute = u32::try_from(minute.rem_euclid(1440)).unwrap_or(0);
        let time = NaiveTime::from_hms_opt(minute / 60, minute % 60, 0).unwrap_or_default();
        let mut wall = day.and_time(time);
        for _ in 0..=8 {
            if let Some(at) = self.zone.from_local_datetime(&wall).earliest() {
                return at.with_timezone(&chrono::Utc).into();
            }
            wall += Duration::minutes(i64::from(30 - wall.minute() % 30));
        }
        chrono::Utc.from_utc_datetime(&wall).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        chrono::DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&chrono::Utc).into()
    }

    fn office() -> Window {
        Window { days: vec![1, 2, 3, 4, 5], from_minute: 540, to_minute: 1080, zone: chrono_tz::Europe::Moscow }
    }

    #[test]
    fn inside_the_hours_it_is_open_at_once() {
        let noon = at("2026-08-03T12:00:00+03:00");
        assert_eq!(office().next_open(noon), Some(noon));
    }

    #[test]
    fn at_the_closing_minute_it_is_tomorrow_morning() {
        assert_eq!(office().next_open(at("2026-08-03T18:00:00+03:00")), Some(at("2026-08-04T09:00:00+03:00")));
        assert!(office().is_open(at("2026-08-03T17:59:59+03:00")));
    }

    #[test]
    fn a_friday_evening_waits_for_monday() {
        assert_eq!(office().next_open(at("2026-08-07T20:00:00+03:00")), Some(at("2026-08-10T09:00:00+03:00")));
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_it_opened() {
        let night = Window { days: vec![1], from_minute: 1320, to_minute: 360, zone: chrono_tz::Europe::Moscow };
        assert!(night.is_open(at("2026-08-04T05:00:00+03:00")));
        assert!(!night.is_open(at("2026-08-04T23:00:00+03:00")));
    }

    #[test]
    fn without_a_day_it_never_opens() {
        assert_eq!(Window { days: vec![], ..office() }.next_open(at("2026-08-03T12:00:00Z")), None);
    }

    #[test]
    fn an_hour_that_the_clock_change_leaves_out_opens_after_the_gap() {
        let berlin = Window { days: vec![7], from_minute: 150, to_minute: 600, zone: chrono_tz::Europe::Berlin };
        assert_eq!(berlin.next_open(at("2026-03-29T00:00:00+01:00")), Some(at("2026-03-29T03:00:00+02:00")));
    }
}

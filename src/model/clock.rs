//! The clock that the server runs by, and one that tests move.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::moment::{Moment, Tick};

/// Where time comes from. Every wait of the server goes through it, so that a test can move it.
pub trait Clock: Send + Sync + 'static {
    /// The moment of the calendar. Never blocks; called often.
    fn now(&self) -> Moment;

    /// The tick of the machine. Never blocks; called often.
    fn tick(&self) -> Tick;

    /// Both, of one instant: whoever compares them must not read them one after the other.
    fn read(&self) -> (Moment, Tick) {
        (self.now(), self.tick())
    }

    /// Which start of which machine the ticks belong to. Ticks of different boots cannot be compared.
    fn boot(&self) -> &str;

    /// Waits until the tick has come. May return late, never early.
    fn sleep_until(&self, tick: Tick) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// The machine's own clocks.
#[derive(Debug)]
pub struct SystemClock {
    boot: String,
}

impl SystemClock {
    /// Reads which start of the machine this is. Where the machine does not tell, every process is a boot of its own,
    /// which only makes the pace more careful after a restart.
    #[must_use]
    pub fn new() -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map(|id| id.trim().to_owned())
            .ok()
            .filter(|id| id.len() >= 8)
            .unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        Self { boot }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        chrono::Utc::now().into()
    }

    fn tick(&self) -> Tick {
        // goes on while the machine sleeps, and is the same for all processes of one boot
        let at = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Tick(at.tv_sec * 1_000_000 + at.tv_nsec / 1_000)
    }

    fn boot(&self) -> &str {
        &self.boot
    }

    fn sleep_until(&self, tick: Tick) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let wait = u64::try_from(tick.0 - self.tick().0).unwrap_or(0);
        Box::pin(tokio::time::sleep(Duration::from_micros(wait)))
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct HandClock {
    boot: String,
    /// The moment in milliseconds and the tick in microseconds.
    hands: tokio::sync::watch::Sender<(i64, i64)>,
}

impl HandClock {
    /// A clock that stands at this moment; its ticks begin at zero.
    #[must_use]
    pub fn at(now: Moment) -> Self {
        Self::booted(now, "hand")
    }

    /// The same for a machine that was started anew at this moment.
    #[must_use]
    pub fn booted(now: Moment, boot: &str) -> Self {
        Self { boot: boot.to_owned(), hands: tokio::sync::watch::Sender::new((now.0, 0)) }
    }

    /// Moves both clocks on together, as real time does.
    pub fn advance_ms(&self, ms: i64) {
        self.hands.send_modify(|(now_ms, us)| (*now_ms, *us) = (*now_ms + ms, *us + ms * 1000));
    }

    /// Moves the calendar alone, as a person or a time server may do.
    pub fn jump_ms(&self, ms: i64) {
        self.hands.send_modify(|(now_ms, _)| *now_ms += ms);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Moment {
        self.read().0
    }

    fn tick(&self) -> Tick {
        self.read().1
    }

    fn read(&self) -> (Moment, Tick) {
        let (now_ms, us) = *self.hands.borrow();
        (Moment(now_ms), Tick(us))
    }

    fn boot(&self) -> &str {
        &self.boot
    }

    fn sleep_until(&self, tick: Tick) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut moved = self.hands.subscribe();
        Box::pin(async move {
            // the sender lives as long as the clock, so this ends only when the tick has come
            let _ = moved.wait_for(|(_, us)| *us >= tick.0).await;
        })
    }
}

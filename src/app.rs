//! What every flow needs at hand: the store, the clock, the way out, the keys, the settings.

pub mod keys;
pub mod live;
mod posts;
pub mod shelf;

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;

use self::shelf::Shelf;
use crate::config::Config;
use crate::messenger::Lines;
use crate::model::clock::Clock;
use crate::model::id::{ChannelId, LaneId, LineId, PortalId};
use crate::model::message::{Kind, Peer};
use crate::model::moment::{Moment, Tick};
use crate::net::dial::Dial;
use crate::net::guard::Guard;
use crate::net::http::Http;
use crate::store::outbox::Accepted;
use crate::store::row::{ChannelRow, DialogRow, PortalRow};
use crate::store::{Keyring, Store};

pub use self::posts::Posts;

/// When the next calls of a lane are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneDue {
    /// The next live answer.
    pub live_at: Moment,
    /// The next paced message.
    pub paced_at: Moment,
    /// How many calls may leave at once: the portal's budget. None where the lane has no bucket.
    pub calls_left: Option<i64>,
}

/// How flows reach the pump of this process, if it has one.
pub trait Bell: Send + Sync {
    /// Errands were accepted and committed. Never blocks.
    fn accepted(&self, errands: Vec<Accepted>);

    /// A lane's state, pace or hours were changed and committed. Never blocks.
    fn changed(&self, lane: LaneId);

    /// What people are shown of a lane's channel was changed and committed. Never blocks.
    fn seen(&self, lane: LaneId);

    /// Something was written that the feeder works: a delivery, a row of a mailing. Never blocks.
    fn feed(&self);

    /// When the next calls of these lanes are due, as far as this process pumps them.
    fn look(&self, lanes: Vec<LaneId>) -> Pin<Box<dyn Future<Output = HashMap<LaneId, LaneDue>> + Send + '_>>;
}

/// What every flow needs at hand. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The settings.
    pub config: Arc<Config>,
    /// The database.
    pub store: Arc<Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The way out.
    pub http: Arc<Http>,
    /// The way out for what is no HTTP.
    pub dial: Arc<Dial>,
    /// The way to addresses that people give.
    pub guard: Guard,
    /// Where the content of files lies.
    pub shelf: Shelf,
    /// The keys that seal secrets.
    pub keys: Arc<Keyring>,
    /// The pump.
    pub bell: Arc<dyn Bell>,
    /// What is asked for at every call and changes seldom.
    pub known: Arc<Known>,
    /// Methods of portals that rest.
    pub resting: Arc<Resting>,
    /// Who looks at pages.
    pub live: Arc<live::Live>,
    /// Lines to vendors that this process keeps open.
    pub lines: Arc<Lines>,
    /// What this process holds.
    pub posts: Arc<Posts>,
}

/// Methods of portals whose time budget is used up: each rests by itself until the moment that the portal told, whatever
/// errand asks for it. A portal's lane is leased to one process, so one process needs to know.
#[derive(Debug, Default)]
pub struct Resting(Mutex<HashMap<(PortalId, String), Moment>>);

impl Resting {
    /// Until when a method rests; none where it does not.
    #[must_use]
    pub fn until(&self, portal: PortalId, method: &str, now: Moment) -> Option<Moment> {
        self.0.lock().get(&(portal, method.to_owned())).copied().filter(|until| *until > now)
    }

    /// Lets a method rest.
    pub fn rest(&self, portal: PortalId, method: &str, until: Moment, now: Moment) {
        let mut resting = self.0.lock();
        resting.retain(|_, until| *until > now);
        resting.insert((portal, method.to_owned()), until);
    }
}

/// Whom a message goes to, and through which channel.
pub type Recipient = (ChannelId, Peer);

/// Rows that are asked for at every call and change seldom; kept for [`Known::GOOD_MS`].
#[derive(Debug, Default)]
pub struct Known {
    portals: Mutex<HashMap<String, (Tick, PortalRow)>>,
    channels: Mutex<HashMap<ChannelId, (Tick, ChannelRow)>>,
    lines: Mutex<HashMap<LineId, (Tick, Moment)>>,
    dialogs: Mutex<HashMap<Recipient, (Tick, Option<DialogRow>)>>,
    asked: Mutex<HashSet<String>>,
    unlined: Mutex<HashMap<ChannelId, Tick>>,
    unhooked: Mutex<HashMap<ChannelId, Tick>>,
}

impl Known {
    /// How long a row is believed, in milliseconds. A change made by another process is seen after that.
    pub const GOOD_MS: i64 = 1_000;

    /// The portal of a member id, if it was read just now.
    #[must_use]
    pub fn portal(&self, member_id: &str, tick: Tick) -> Option<PortalRow> {
        let portals = self.portals.lock();
        portals.get(member_id).filter(|(read, _)| tick.since_ms(*read) < Self::GOOD_MS).map(|(_, row)| row.clone())
    }

    /// Keeps a portal that was read just now.
    pub fn keep_portal(&self, row: PortalRow, tick: Tick) {
        let mut portals = self.portals.lock();
        portals.retain(|_, (read, _)| tick.since_ms(*read) < Self::GOOD_MS);
        portals.insert(row.member_id.clone(), (tick, row));
    }

    /// A channel, if it was read just now.
    #[must_use]
    pub fn channel(&self, id: ChannelId, tick: Tick) -> Option<ChannelRow> {
        let channels = self.channels.lock();
        channels.get(&id).filter(|(read, _)| tick.since_ms(*read) < Self::GOOD_MS).map(|(_, row)| row.clone())
    }

    /// Whether a channel was read just now and will still be known in a moment.
    #[must_use]
    pub fn has_channel(&self, id: ChannelId, tick: Tick) -> bool {
        self.channels.lock().get(&id).is_some_and(|(read, _)| tick.since_ms(*read) < Self::GOOD_MS / 2)
    }

    /// Keeps channels that were read just now.
    pub fn keep_channels(&self, rows: Vec<ChannelRow>, tick: Tick) {
        for row in rows {
            if let Ok(id) = row.id.parse() {
                self.keep_channel(id, row, tick);
            }
        }
    }

    /// Keeps a channel that was read just now.
    pub fn keep_channel(&self, id: ChannelId, row: ChannelRow, tick: Tick) {
        let mut channels = self.channels.lock();
        // swept when it is about to grow, so that sweeping costs each entry a little and memory stays bounded
        if channels.len() >= channels.capacity().max(1_024) {
            channels.retain(|_, (read, _)| tick.since_ms(*read) < Self::GOOD_MS);
        }
        channels.insert(id, (tick, row));
    }

    /// Until when a line may send, if that was read just now.
    #[must_use]
    pub fn line_end(&self, line: LineId, tick: Tick) -> Option<Moment> {
        self.lines.lock().get(&line).filter(|(read, _)| tick.since_ms(*read) < Self::GOOD_MS).map(|(_, end)| *end)
    }

    /// Keeps until when lines may send, as it was read just now.
    pub fn keep_line_ends(&self, ends: Vec<(LineId, i64)>, tick: Tick) {
        let mut lines = self.lines.lock();
        if lines.len() >= lines.capacity().max(1_024) {
            lines.retain(|_, (read, _)| tick.since_ms(*read) < Self::GOOD_MS);
        }
        lines.extend(ends.into_iter().map(|(line, end)| (line, (tick, Moment(end)))));
    }

    /// The messenger of a channel that was read lately: what a channel is never changes.
    #[must_use]
    pub fn messenger(&self, id: ChannelId) -> Option<Kind> {
        self.channels.lock().get(&id).and_then(|(_, row)| Kind::from_slug(&row.messenger))
    }

    /// Keeps dialogs that were looked for just now for calls that are about to be made; none where there is none.
    pub fn keep_dialogs(&self, found: Vec<(Recipient, Option<DialogRow>)>, tick: Tick) {
        let mut dialogs = self.dialogs.lock();
        dialogs.retain(|_, (read, _)| tick.since_ms(*read) < Self::GOOD_MS);
        dialogs.extend(found.into_iter().map(|(to, dialog)| (to, (tick, dialog))));
    }

    /// Takes a dialog that was looked for just now.
    #[must_use]
    pub fn take_dialog(&self, channel: ChannelId, to: &Peer, tick: Tick) -> Option<Option<DialogRow>> {
        let taken = self.dialogs.lock().remove(&(channel, to.clone()));
        taken.filter(|(read, _)| tick.since_ms(*read) < Self::GOOD_MS).map(|(_, dialog)| dialog)
    }

    /// Whether a channel was found in no open line just now.
    #[must_use]
    pub fn is_unlined(&self, id: ChannelId, tick: Tick) -> bool {
        self.unlined.lock().get(&id).is_some_and(|read| tick.since_ms(*read) < Self::GOOD_MS)
    }

    /// Keeps that a channel is in no open line.
    pub fn keep_unlined(&self, id: ChannelId, tick: Tick) {
        let mut unlined = self.unlined.lock();
        if unlined.len() >= unlined.capacity().max(1_024) {
            unlined.retain(|_, read| tick.since_ms(*read) < Self::GOOD_MS);
        }
        unlined.insert(id, tick);
    }

    /// Whether a channel was found to have no webhook just now.
    #[must_use]
    pub fn is_unhooked(&self, id: ChannelId, tick: Tick) -> bool {
        self.unhooked.lock().get(&id).is_some_and(|read| tick.since_ms(*read) < Self::GOOD_MS)
    }

    /// Keeps that a channel has no webhook.
    pub fn keep_unhooked(&self, id: ChannelId, tick: Tick) {
        let mut unhooked = self.unhooked.lock();
        if unhooked.len() >= unhooked.capacity().max(1_024) {
            unhooked.retain(|_, read| tick.since_ms(*read) < Self::GOOD_MS);
        }
        unhooked.insert(id, tick);
    }

    /// Whether this question to a vendor is put for the first time by this process.
    #[must_use]
    pub fn asks_first(&self, question: String) -> bool {
        let mut asked = self.asked.lock();
        // to ask once more after so many is cheaper than to keep them for ever
        if asked.len() >= 10_000 {
            asked.clear();
        }
        asked.insert(question)
    }

    /// A question that got no answer may be asked once more.
    pub fn ask_again(&self, question: &str) {
        self.asked.lock().remove(question);
    }

    /// Forgets everything: something was changed here.
    pub fn forget(&self) {
        self.portals.lock().clear();
        self.channels.lock().clear();
        self.lines.lock().clear();
        self.dialogs.lock().clear();
        self.unlined.lock().clear();
        self.unhooked.lock().clear();
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("store", &self.store).finish_non_exhaustive()
    }
}

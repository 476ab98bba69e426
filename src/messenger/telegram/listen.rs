//! Listening: what happened since the place where it ended is fetched in its order, then Telegram tells of what is new. The
//! library keeps the states of the account and its channels, and knows when something was missed.

use std::sync::Arc;

use grammers_session::types::{ChannelState, UpdatesState};
use grammers_session::updates::{MessageBoxes, PrematureEndReason, UpdateAndPeers, UpdatesLike};
use grammers_tl_types::{enums, functions};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;

use super::driver::Trouble;
use super::line::{Lent, Line};
use super::session::{Kept, Session};
use super::{answer, read};
use crate::messenger::{Ear, Heard, Wire};
use crate::model::message::Event;
use crate::model::vendor::Answer;

/// So many messages of a channel are fetched at once.
const OF_CHANNEL: i32 = 100;

/// A silent line is tried after so long, in milliseconds.
const TRY_MS: i64 = 60_000;

/// Where the listening stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    pts: i32,
    qts: i32,
    date: i32,
    seq: i32,
    #[serde(default)]
    channels: Vec<(i64, i32)>,
}

impl Cursor {
    fn of(state: UpdatesState) -> Self {
        let channels = state.channels.into_iter().map(|channel| (channel.id, channel.pts)).collect();
        Self { pts: state.pts, qts: state.qts, date: state.date, seq: state.seq, channels }
    }

    fn state(self) -> UpdatesState {
        let channels = self.channels.into_iter().map(|(id, pts)| ChannelState { id, pts }).collect();
        UpdatesState { pts: self.pts, qts: self.qts, date: self.date, seq: self.seq, channels }
    }
}

/// Why listening ends.
enum End {
    Trouble(Trouble),
    Deaf(String),
}

impl From<Trouble> for End {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// Where an account stands now, as the first cursor of its listening.
pub(super) async fn here(line: &Line) -> Result<Value, Trouble> {
    let mut boxes = MessageBoxes::new();
    let enums::updates::State::State(state) = line.call(&functions::updates::GetState {}).await?;
    boxes.set_state(state);
    Ok(serde_json::to_value(Cursor::of(boxes.session_state())).unwrap_or_default())
}

pub(super) async fn listen(wire: &Wire, cursor: Value, ear: &dyn Ear) -> Answer {
    let Some(kept) = Kept::of(&wire.secrets).filter(|kept| kept.name().is_some()) else {
        return Answer::Expired { seen: "the channel has no session".to_owned() };
    };
    let (line, updates) = match Line::open(wire, Arc::new(Session::open(&kept)), kept.me).await {
        Ok((line, updates)) => (Arc::new(line), updates),
        Err(trouble) => return as_end(trouble),
    };
    let mut listening = Listening { line: Arc::clone(&line), ear, boxes: MessageBoxes::new(), updates, gap: false };
    let notes = match ear.notes().await {
        Ok(notes) => notes,
        Err(deaf) => return Answer::Down { seen: deaf.0 },
    };
    line.book.lock().read(notes);
    if let Err(end) = listening.begin(serde_json::from_value(cursor).ok()).await {
        return why(end);
    }
    let _lent = Lent::new(wire, &kept, &line);
    match Box::pin(listening.go_on()).await {
        Ok(never) => never,
        Err(end) => why(end),
    }
}

/// A difference tells messages, and apart from them what became of them: that of one which is not there yet would be lost.
fn messages_first((mut updates, users, chats): UpdateAndPeers) -> UpdateAndPeers {
    let is_new =
        |update: &enums::Update| matches!(update, enums::Update::NewMessage(_) | enums::Update::NewChannelMessage(_));
    updates.sort_by_key(|(update, _)| !is_new(update));
    (updates, users, chats)
}

fn why(end: End) -> Answer {
    match end {
        End::Trouble(trouble) => as_end(trouble),
        End::Deaf(seen) => Answer::Down { seen },
    }
}

/// Nothing is sent by listening, so nothing of it is ever unsure.
fn as_end(trouble: Trouble) -> Answer {
    match answer::of(trouble) {
        Answer::Unsure { seen, .. } => Answer::Down { seen },
        other => other,
    }
}

struct Listening<'l> {
    line: Arc<Line>,
    ear: &'l dyn Ear,
    boxes: MessageBoxes,
    updates: mpsc::Receiver<UpdatesLike>,
    /// Something was missed that cannot be fetched any more; it is told with what is heard next.
    gap: bool,
}

impl Listening<'_> {
    /// Goes on from a place, or begins with the next message where there is none.
    async fn begin(&mut self, cursor: Option<Cursor>) -> Result<(), End> {
        match cursor {
            Some(cursor) if cursor.pts > 0 => self.boxes = MessageBoxes::load(cursor.state()),
            _ => {
                let enums::updates::State::State(state) = self.line.call(&functions::updates::GetState {}).await?;
                self.boxes.set_state(state);
                self.hear(Vec::new()).await?;
            }
        }
        Ok(())
    }

    async fn go_on(mut self) -> Result<Answer, End> {
        let mut told = false;
        loop {
            let deadline = self.boxes.check_deadlines();
            if let Some(call) = self.boxes.get_difference() {
                let difference = self.line.call(&call).await?;
                self.gap |= matches!(difference, enums::updates::Difference::TooLong(_));
                let heard = messages_first(self.boxes.apply_difference(difference));
                self.take(heard).await?;
                continue;
            }
            if let Some(call) = self.boxes.get_channel_difference() {
                self.fetch_channel(call).await?;
                continue;
            }
            if !told {
                self.ear.connected().await;
                told = true;
            }
            let line = Arc::clone(&self.line);
            tokio::select! {
                updates = self.updates.recv() => match updates {
                    Some(UpdatesLike::ConnectionClosed) | None => {
                        return Ok(Answer::Down { seen: "the connection was closed".to_owned() });
                    }
                    Some(updates) => self.process(updates).await?,
                },
                () = line.news.notified() => self.write_down().await?,
                () = tokio::time::sleep_until(deadline.into()) => {}
                () = self.ear.rest(TRY_MS) => {
                    // a line that died without a word is found dead by this
                    self.line.call(&functions::updates::GetState {}).await?;
                }
            }
        }
    }

    async fn process(&mut self, updates: UpdatesLike) -> Result<(), End> {
        let updates = if self.is_short_of(&updates) {
            // the difference tells the same together with the people, without whom nobody could be answered
            UpdatesLike::Updates(enums::Updates::TooLong)
        } else {
            updates
        };
        match self.boxes.process_updates(updates) {
            Ok(heard) => self.take(heard).await,
            // the difference is fetched in the next round
            Err(_gap) => Ok(()),
        }
    }

    /// Whether a message came in the short form, which names no people, of somebody whom the account has not met.
    fn is_short_of(&self, updates: &UpdatesLike) -> bool {
        let UpdatesLike::Updates(updates) = updates else { return false };
        let book = self.line.book.lock();
        match updates {
            enums::Updates::UpdateShortMessage(told) => book.input(told.user_id).is_none(),
            enums::Updates::UpdateShortChatMessage(told) => {
                book.input(told.from_id).is_none() || book.title(super::book::below(told.chat_id)).is_none()
            }
            _ => false,
        }
    }

    async fn fetch_channel(&mut self, mut call: functions::updates::GetChannelDifference) -> Result<(), End> {
        let enums::InputChannel::Channel(named) = &call.channel else {
            self.boxes.end_channel_difference(PrematureEndReason::Banned);
            return Ok(());
        };
        let known = self.line.book.lock().channel(named.channel_id);
        let Some(channel) = known else {
            self.boxes.end_channel_difference(PrematureEndReason::Banned);
            return Ok(());
        };
        (call.channel, call.limit) = (channel, OF_CHANNEL);
        match self.line.call(&call).await {
            Ok(difference) => {
                self.gap |= matches!(difference, enums::updates::ChannelDifference::TooLong(_));
                let heard = messages_first(self.boxes.apply_channel_difference(difference));
                self.take(heard).await
            }
            Err(trouble) if ["CHANNEL_PRIVATE", "CHANNEL_INVALID"].iter().any(|name| trouble.is(name)) => {
                self.boxes.end_channel_difference(PrematureEndReason::Banned);
                Ok(())
            }
            Err(Trouble::Refused(error)) if error.code == 500 || error.is("PERSISTENT_TIMESTAMP_OUTDATED") => {
                self.boxes.end_channel_difference(PrematureEndReason::TemporaryServerIssues);
                Ok(())
            }
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// Takes what happened: people first, so that whoever wrote can be answered.
    async fn take(&mut self, (updates, users, chats): UpdateAndPeers) -> Result<(), End> {
        let events: Vec<(String, Event)> = {
            let mut book = self.line.book.lock();
            book.learn(&users, &chats);
            let now = self.ear.now();
            let events = updates.iter().flat_map(|(update, _)| read::events(update, &book, self.line.me, now));
            let events: Vec<(String, Event)> = events.collect();
            for (_, event) in &events {
                if let Event::Moved { from, to } = event
                    && let (Ok(from), Ok(to)) = (from.parse(), to.parse())
                {
                    book.follow(from, to);
                }
            }
            events
        };
        self.write_down().await?;
        self.hear(events).await
    }

    async fn hear(&mut self, events: Vec<(String, Event)>) -> Result<(), End> {
        let cursor = serde_json::to_value(Cursor::of(self.boxes.session_state())).unwrap_or_default();
        let gap = std::mem::take(&mut self.gap);
        self.ear.hear(Heard { events, cursor, gap }).await.map_err(|deaf| End::Deaf(deaf.0))
    }

    /// Writes down whom the account has met.
    async fn write_down(&self) -> Result<(), End> {
        let news = self.line.book.lock().take_news();
        if news.is_empty() {
            return Ok(());
        }
        self.ear.note(news).await.map_err(|deaf| End::Deaf(deaf.0))
    }
}

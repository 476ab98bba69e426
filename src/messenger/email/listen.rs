//! Listening: what came since the last time is fetched in its order, then the server tells of new letters (IDLE, RFC 2177).
//!
//! A mailbox that is listened to for the first time begins with the next letter; what lies there already is left alone.

use std::collections::HashMap;
use std::time::Duration;

use async_imap::extensions::idle::IdleResponse;
use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::account::{self, Account};
use super::door::{At, Trouble, within};
use super::letter::{self, Around};
use super::mailbox::{self, Found, Mailbox, Others};
use super::{structure, token};
use crate::messenger::{Ear, Heard, Wire};
use crate::model::message::Event;
use crate::model::moment::Moment;
use crate::model::vendor::Answer;

/// An IDLE is begun anew after so long, in milliseconds, because routers on the way forget silent connections; and then the
/// sent letters and those that were taken for spam are looked at.
const IDLE_MS: i64 = 180_000;

/// Where the server has no IDLE, it is asked so often.
const POLL_MS: i64 = 45_000;

/// Letters up to this size are fetched whole.
const WHOLE: u32 = 192 << 10;

/// So many letters, or so many bytes of them, are handed over at once.
const AT_ONCE: usize = 50;
const BYTES_AT_ONCE: usize = 1 << 20;

/// So many UIDs are asked about at once.
const STRIDE: usize = 500;

/// After the UIDs became void, letters are looked at again that came up to a day before what was heard last.
const LOOK_BACK_MS: i64 = 86_400_000;

/// Where the listening stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    inbox: Option<Spot>,
    sent: Option<Spot>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    junk: Option<Spot>,
}

/// Where a folder stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Spot {
    validity: u32,
    /// The first UID that was not heard.
    next: u32,
    /// When the folder was looked at last; zero where it never was.
    at: i64,
    /// The name that the owner gave the folder; empty where it is found.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
}

/// The first cursor of a mailbox whose inbox stands so.
pub(super) fn from(account: &Account, inbox: mailbox::Folder) -> Value {
    let name = account.folders.inbox.clone().unwrap_or_default();
    let inbox = Some(Spot { validity: inbox.validity, next: inbox.next, at: 0, name });
    serde_json::to_value(Cursor { inbox, sent: None, junk: None }).unwrap_or_default()
}

pub(super) async fn listen(wire: &Wire, cursor: Value, ear: &dyn Ear) -> Answer {
    let account = match account::of_wire(wire) {
        Ok(account) => account,
        Err(seen) => return Answer::Expired { seen },
    };
    if let Some(answer) = token::has_run_out(wire, ear.now()) {
        return answer;
    }
    let cursor = serde_json::from_value(cursor).unwrap_or_default();
    match Listening::begin(wire, &account, cursor, ear).await {
        Ok(listening) => match listening.go_on().await {
            Ok(never) => never,
            Err(trouble) => trouble.answer(),
        },
        Err(trouble) => trouble.answer(),
    }
}

struct Listening<'l> {
    mailbox: Mailbox,
    account: &'l Account,
    cursor: Cursor,
    ear: &'l dyn Ear,
    others: Others,
    idles: bool,
}

impl<'l> Listening<'l> {
    async fn begin(wire: &Wire, account: &'l Account, cursor: Cursor, ear: &'l dyn Ear) -> Result<Self, Trouble> {
        let mut mailbox = Mailbox::enter(wire, account).await?;
        let others = mailbox.others().await?;
        let deadline = mailbox.deadline;
        let session = mailbox.session()?;
        let idles =
            within(deadline, async { Ok(session.capabilities().await.map_err(mailbox::talk)?.has_str("IDLE")) });
        let idles = idles.await?;
        Ok(Self { mailbox, account, cursor, ear, others, idles })
    }

    async fn go_on(mut self) -> Result<Answer, Trouble> {
        self.look_at_others().await?;
        self.look_at_inbox().await?;
        self.ear.connected().await;
        loop {
            let due = if self.idles { self.idle().await? } else { self.poll().await? };
            if due {
                self.look_at_others().await?;
            }
            self.look_at_inbox().await?;
        }
    }

    /// Waits until the server tells of something; tells whether the other folders are due.
    async fn idle(&mut self) -> Result<bool, Trouble> {
        // the library gives the session away for the time of an IDLE
        let deadline = self.mailbox.deadline;
        let Some(session) = self.mailbox.session.take() else { return Err(Trouble::new(At::Talk, "no session")) };
        let mut idle = session.idle();
        within(deadline, async { idle.init().await.map_err(mailbox::talk) }).await?;
        let due = {
            let (told, _interrupt) = idle.wait_with_timeout(Duration::from_hours(24));
            tokio::select! {
                told = told => {
                    if let IdleResponse::ManualInterrupt = told.map_err(mailbox::talk)? {
                        return Err(Trouble::new(At::Talk, "the server closed the connection"));
                    }
                    false
                }
                () = self.ear.rest(IDLE_MS) => true,
            }
        };
        let session = within(deadline, async { idle.done().await.map_err(mailbox::talk) }).await?;
        self.mailbox.session = Some(session);
        Ok(due)
    }

    async fn poll(&mut self) -> Result<bool, Trouble> {
        self.ear.rest(POLL_MS).await;
        Ok(true)
    }

    async fn look_at_inbox(&mut self) -> Result<(), Trouble> {
        let name = self.mailbox.inbox.clone();
        self.look_at(&name, letter::Folder::Inbox).await
    }

    /// Looks at the sent letters and at those that were taken for spam.
    async fn look_at_others(&mut self) -> Result<(), Trouble> {
        let Others { sent, junk } = self.others.clone();
        for (name, which) in [(sent, letter::Folder::Sent), (junk, letter::Folder::Junk)] {
            if let Some(name) = name {
                self.look_at(&name, which).await?;
            }
        }
        Ok(())
    }

    /// Hears what is new in a folder.
    async fn look_at(&mut self, name: &str, which: letter::Folder) -> Result<(), Trouble> {
        let folder = self.mailbox.examine(name).await?;
        let now = self.ear.now();
        // a place that became void before the folder was ever looked at is none
        let spot = self.spot(which).filter(|spot| spot.validity == folder.validity || spot.at > 0).cloned();
        let uids = match spot {
            None => {
                self.set_spot(which, folder.validity, folder.next, now);
                return self.hear(Vec::new()).await;
            }
            Some(spot) if spot.validity != folder.validity => {
                let from = DateTime::from_timestamp_millis(spot.at.saturating_sub(LOOK_BACK_MS)).unwrap_or_default();
                let uids = self.mailbox.search(&format!("SINCE {}", from.format("%d-%b-%Y"))).await?;
                tracing::info!(
                    letters = uids.len(),
                    "the UIDs of a folder became void: recent letters are looked at again"
                );
                uids
            }
            Some(spot) if spot.next >= folder.next => return Ok(()),
            Some(spot) => {
                // the last letter answers to such a range even where none is newer
                let uids = self.mailbox.search(&format!("UID {}:*", spot.next)).await?;
                uids.into_iter().filter(|uid| *uid >= spot.next).collect()
            }
        };
        for stride in uids.chunks(STRIDE) {
            self.hear_letters(which, folder, stride, now).await?;
        }
        // letters that were deleted in between have moved the place on as well
        let known = self.spot(which).filter(|spot| spot.validity == folder.validity).map_or(0, |spot| spot.next);
        self.set_spot(which, folder.validity, folder.next.max(known), now);
        self.hear(Vec::new()).await
    }

    async fn hear_letters(
        &mut self,
        which: letter::Folder,
        folder: mailbox::Folder,
        uids: &[u32],
        now: Moment,
    ) -> Result<(), Trouble> {
        let set: Vec<String> = uids.iter().map(ToString::to_string).collect();
        let found = self.mailbox.found(&set.join(",")).await?;
        let (mut events, mut bytes) = (Vec::new(), 0);
        for one in found {
            if let Some((key, event, size)) = self.read(which, folder.validity, one).await? {
                events.push((key, event));
                bytes += size;
            }
            if events.len() >= AT_ONCE || bytes >= BYTES_AT_ONCE {
                self.set_spot(which, folder.validity, one.uid.saturating_add(1), now);
                self.hear(std::mem::take(&mut events)).await?;
                bytes = 0;
            }
        }
        if let (false, Some(last)) = (events.is_empty(), uids.last()) {
            self.set_spot(which, folder.validity, last.saturating_add(1), now);
            self.hear(events).await?;
        }
        Ok(())
    }

    /// One letter as an event, and how many bytes were read for it; none where it is gone.
    async fn read(
        &mut self,
        which: letter::Folder,
        validity: u32,
        found: Found,
    ) -> Result<Option<(String, Event, usize)>, Trouble> {
        let whole = found.size <= WHOLE;
        let query = if whole { "(UID INTERNALDATE BODY.PEEK[])" } else { "(UID INTERNALDATE)" };
        let Some(fetched) = self.mailbox.fetch(found.uid, query, u64::from(WHOLE) * 2).await? else { return Ok(None) };
        let at = fetched.internal_date().map_or_else(|| self.ear.now(), |at| Moment(at.timestamp_millis()));
        let (raw, sizes) = if whole {
            (fetched.body().unwrap_or_default().to_vec(), HashMap::new())
        } else {
            match structure::skeleton(&mut self.mailbox, found.uid).await? {
                Some(skeleton) => skeleton,
                None => return Ok(None),
            }
        };
        let around = Around {
            own: &self.account.address,
            folder: which,
            validity,
            uid: found.uid,
            at,
            habits: self.account.habits,
            sizes,
        };
        let (key, event) = letter::read(&raw, &around);
        Ok(Some((key, event, raw.len())))
    }

    async fn hear(&mut self, events: Vec<(String, Event)>) -> Result<(), Trouble> {
        let cursor = serde_json::to_value(&self.cursor).unwrap_or_default();
        self.ear.hear(Heard { events, cursor, gap: false }).await.map_err(|deaf| Trouble::new(At::Talk, deaf))
    }

    /// Where a folder stands; none where it is listened to for the first time, or the owner named another one.
    fn spot(&self, which: letter::Folder) -> Option<&Spot> {
        let spot = match which {
            letter::Folder::Inbox => self.cursor.inbox.as_ref(),
            letter::Folder::Sent => self.cursor.sent.as_ref(),
            letter::Folder::Junk => self.cursor.junk.as_ref(),
        };
        spot.filter(|spot| spot.name == self.named(which))
    }

    fn named(&self, which: letter::Folder) -> &str {
        let folders = &self.account.folders;
        let named = match which {
            letter::Folder::Inbox => folders.inbox.as_deref(),
            letter::Folder::Sent => folders.sent.as_deref(),
            letter::Folder::Junk => None,
        };
        named.unwrap_or_default()
    }

    fn set_spot(&mut self, which: letter::Folder, validity: u32, next: u32, now: Moment) {
        let spot = Some(Spot { validity, next, at: now.0, name: self.named(which).to_owned() });
        match which {
            letter::Folder::Inbox => self.cursor.inbox = spot,
            letter::Folder::Sent => self.cursor.sent = spot,
            letter::Folder::Junk => self.cursor.junk = spot,
        }
    }
}

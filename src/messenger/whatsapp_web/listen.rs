//! Watching the gateway: how it and the session stand, and what was said while its deliveries did not reach us. The gateway
//! keeps the messages of its chats; they are asked for when it or we were away, and now and then beside the deliveries.

use reqwest::Method;
use serde_json::{Value, json};

use super::answer::repeatable;
use super::incoming;
use super::name;
use super::receive::link_of;
use super::session::{self, Session};
use super::{call, session_of};
use crate::messenger::{Ear, Heard, Wire, field};
use crate::model::message::{Event, Link};
use crate::model::vendor::Answer;

/// Between two looks at the session, in milliseconds.
const LOOK_MS: i64 = 60_000;

/// Between two looks at the chats while everything stands, in looks at the session: deliveries may be lost one by one.
const EVERY: u32 = 10;

/// What was said so long before the last look is looked at again, in seconds: clocks differ, and messages come late.
const OVERLAP_S: i64 = 120;

/// Chats and messages of one call.
const CHATS: i64 = 20;
const MESSAGES: i64 = 50;

/// The most of both that are walked through; what is beyond may be missed.
const MOST_CHATS: i64 = 2_000;
const MOST_MESSAGES: i64 = 2_000;

pub(super) async fn listen(wire: &Wire, cursor: Value, ear: &dyn Ear) -> Answer {
    let mut watch = Watch {
        session: session_of(wire),
        // what was said before the phone was linked is not ours
        since: field::number(&cursor, "since").unwrap_or_else(|| ear.now().0 / 1000),
        status: field::text(&cursor, "status").unwrap_or_else(|| "WORKING".to_owned()),
        unlinked: cursor.get("unlinked").and_then(Value::as_bool).unwrap_or_default(),
    };
    let mut stands = false;
    loop {
        // the first look is that after a gap: ours, or that of the connection to the gateway
        for look in 0..EVERY {
            match watch.look(wire, ear, look == 0).await {
                Ok(true) if !stands => {
                    stands = true;
                    ear.connected().await;
                }
                Ok(_) => {}
                Err(Answer::Busy { after_ms, .. }) => ear.rest(after_ms).await,
                Err(answer) => return answer,
            }
            ear.rest(LOOK_MS).await;
        }
    }
}

struct Watch {
    session: String,
    /// From this second on the chats are looked through next.
    since: i64,
    /// How the session stood at the last look.
    status: String,
    /// Whether the phone removed the device since the chats were looked through: what was said then nobody keeps for us.
    unlinked: bool,
}

impl Watch {
    /// Looks at the session, and through the chats where they are due or the session came back. Tells whether it works.
    async fn look(&mut self, wire: &Wire, ear: &dyn Ear, due: bool) -> Result<bool, Answer> {
        let found = session::look(wire, &self.session).await?;
        let found = found.ok_or_else(|| Answer::Expired { seen: "the gateway has no such session".to_owned() })?;
        let came_back = self.follow(wire, ear, &found).await?;
        if self.status != "WORKING" {
            return Ok(false);
        }
        if due || came_back {
            self.catch_up(wire, ear).await?;
        }
        Ok(true)
    }

    /// The word about a session that was lost on the way is told by us. Tells whether the session came back.
    async fn follow(&mut self, wire: &Wire, ear: &dyn Ear, found: &Session) -> Result<bool, Answer> {
        if found.status == self.status {
            return Ok(false);
        }
        self.status.clone_from(&found.status);
        let link = link_of(&found.status, found.phone.as_deref(), wire);
        self.unlinked |= link == Some(Link::Relink);
        let now = ear.now();
        let told = link.map(|link| {
            let key = format!("link:look:{}:{}", found.status, now.0);
            (key, Event::Link { link, seen: field::short(&found.status), at: now })
        });
        self.hear(ear, told.into_iter().collect(), false).await?;
        Ok(found.status == "WORKING")
    }

    /// Fetches what was said since the last look, in order.
    async fn catch_up(&mut self, wire: &Wire, ear: &dyn Ear) -> Result<(), Answer> {
        let from = self.since - OVERLAP_S;
        let (chats, mut gap) = self.changed(wire, from).await?;
        let mut said: Vec<(i64, Vec<(String, Event)>)> = Vec::new();
        for chat in &chats {
            gap |= self.messages(wire, chat, from, &mut said).await?;
        }
        // the sort keeps the order of what was written in one second
        said.sort_by_key(|(at, _)| *at);
        let newest = said.last().map_or(0, |(at, _)| *at);
        let events = said.into_iter().flat_map(|(_, events)| events).collect();
        // by the vendor's clock alone: ours may be ahead of it
        self.since = self.since.max(newest);
        let gap = gap || std::mem::take(&mut self.unlinked);
        self.hear(ear, events, gap).await
    }

    async fn hear(&self, ear: &dyn Ear, events: Vec<(String, Event)>, gap: bool) -> Result<(), Answer> {
        let cursor = json!({"since": self.since, "status": self.status, "unlinked": self.unlinked});
        ear.hear(Heard { events, cursor, gap }).await.map_err(|deaf| Answer::Down { seen: deaf.to_string() })
    }

    /// The chats in which something was said since, and whether there may be more.
    async fn changed(&self, wire: &Wire, from: i64) -> Result<(Vec<String>, bool), Answer> {
        let mut changed = Vec::new();
        let mut offset = 0;
        while offset < MOST_CHATS {
            let query = [("limit", CHATS.to_string()), ("offset", offset.to_string())];
            let told = self.ask(wire, "chats/overview", &query).await?;
            let page = told.as_array().map(Vec::as_slice).unwrap_or_default();
            // the newest come first
            let new = page.iter().take_while(|chat| {
                chat.get("lastMessage").and_then(|last| field::number(last, "timestamp")).is_some_and(|at| at >= from)
            });
            let before = changed.len();
            let mut seen = 0;
            for chat in new {
                seen += 1;
                changed.extend(field::text(chat, "id").and_then(|id| name::chat(&id)));
            }
            tracing::trace!(new = changed.len() - before, "chats of a page");
            if seen < page.len() || i64::try_from(page.len()).unwrap_or(0) < CHATS {
                return Ok((changed, false));
            }
            offset += CHATS;
        }
        Ok((changed, true))
    }

    /// Adds what was said in a chat since, oldest first. Tells whether there may be more.
    async fn messages(
        &self,
        wire: &Wire,
        chat: &str,
        from: i64,
        said: &mut Vec<(i64, Vec<(String, Event)>)>,
    ) -> Result<bool, Answer> {
        let path = format!("chats/{}/messages", chat.replace('@', "%40"));
        let mut offset = 0;
        while offset < MOST_MESSAGES {
            let query = [
                ("limit", MESSAGES.to_string()),
                ("offset", offset.to_string()),
                ("sortOrder", "asc".to_owned()),
                ("filter.timestamp.gte", from.to_string()),
                ("downloadMedia", "true".to_owned()),
            ];
            let told = self.ask(wire, &path, &query).await?;
            let page = told.as_array().map(Vec::as_slice).unwrap_or_default();
            for message in page {
                let at = field::number(message, "timestamp").unwrap_or_default();
                said.push((at, incoming::message(message, crate::model::moment::Moment(at.saturating_mul(1_000)))));
            }
            if i64::try_from(page.len()).unwrap_or(0) < MESSAGES {
                return Ok(false);
            }
            offset += MESSAGES;
        }
        Ok(true)
    }

    async fn ask(&self, wire: &Wire, what: &str, query: &[(&str, String)]) -> Result<Value, Answer> {
        let request = call(wire, Method::GET, &format!("/api/{}/{what}", self.session)).query(query);
        // files that came are fetched by the gateway before it answers
        repeatable(wire.http.call(request, wire.http.limits().with_file()).await)
    }
}

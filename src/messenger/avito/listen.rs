//! Asking for what the webhook may have missed, for read marks, which never come by it, and for the names of chats. The place
//! to go on from is the second of the newest change that was seen; what is seen twice is dropped by its key.

use std::collections::HashMap;

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::receive::read;
use super::{answer, request, token, user_id};
use crate::messenger::{Ear, Heard, Wire, field};
use crate::model::message::Event;
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::vendor::Answer;

/// Between two looks at the chats, in milliseconds.
const ROUND_MS: i64 = 120_000;

/// How long the account rests where its budget of the minute is nearly used up.
const REST_MS: i64 = 60_000;

/// The most that one call tells, and the furthest that it reaches back.
const PAGE: i64 = 100;
const FURTHEST: i64 = 1_000;

/// A message that is not read within this is looked at once an hour, in milliseconds.
const SOON_MS: i64 = 35 * 60_000;
const HOUR_MS: i64 = 3_600_000;

/// So many chats are looked at in one round for read marks alone.
const MOST_UNREAD: usize = 20;

/// Messages that are looked through for read marks.
const MARKED: i64 = 20;

pub(super) async fn listen(wire: &Wire, cursor: Value, ear: &dyn Ear) -> Answer {
    let mut watch = Watch {
        account: user_id(wire),
        // what was said before the account was attached is not ours
        since: field::number(&cursor, "since").unwrap_or_else(|| ear.now().0 / 1000 - 60),
        seen: HashMap::new(),
        looked: HashMap::new(),
        tight: false,
    };
    let mut stands = false;
    loop {
        let done = async {
            watch.catch_up(wire, ear).await?;
            watch.look_for_marks(wire, ear).await
        };
        match done.await.map_err(answer::repeatable) {
            Ok(()) if !stands => {
                stands = true;
                ear.connected().await;
            }
            Ok(()) => {}
            Err(Answer::Busy { after_ms, .. }) => ear.rest(after_ms).await,
            // another token would not help: it is waited for somebody to pay, or to let us in again
            Err(Answer::Expired { seen }) if is_of_no_use(wire, &seen, ear.now()) => {
                return Answer::Refused { code: Code::Refused, text: seen };
            }
            Err(answer) => return answer,
        }
        ear.rest(ROUND_MS).await;
    }
}

/// Whether a refusal has nothing to do with the age of the token.
fn is_of_no_use(wire: &Wire, seen: &str, now: Moment) -> bool {
    seen.starts_with("(402)") || seen.starts_with("HTTP 402") || token::is_new(wire, now)
}

/// What is remembered between two looks.
struct Watch {
    account: String,
    /// The second of the newest change that was seen.
    since: i64,
    /// The last message of each chat that changed in that very second.
    seen: HashMap<String, String>,
    /// When each chat was last looked at for read marks.
    looked: HashMap<String, Moment>,
    /// Whether the budget of the minute is nearly used up.
    tight: bool,
}

impl Watch {
    /// Fetches what was said since the last look, in order.
    async fn catch_up(&mut self, wire: &Wire, ear: &dyn Ear) -> Result<(), Answer> {
        let (chats, mut gap) = self.changed(wire, ear).await?;
        let (mut said, mut cards) = (Vec::new(), Vec::new());
        let mut newest = self.since;
        for chat in &chats {
            let Some(id) = field::id(chat, "id") else { continue };
            newest = newest.max(changed_at(chat));
            let last = last_message(chat);
            if self.seen.get(&id).is_some_and(|seen| *seen == last) {
                continue;
            }
            gap |= self.messages(wire, ear, &id, &mut said).await?;
            cards.extend(card(chat, &id, &self.account));
        }
        said.sort_by_key(|(at, _)| *at);
        let events: Vec<(String, Event)> = said.into_iter().flat_map(|(_, events)| events).chain(cards).collect();
        let cursor = json!({"since": newest});
        if newest > self.since || !events.is_empty() {
            ear.hear(Heard { events, cursor, gap }).await.map_err(|deaf| Answer::Down { seen: deaf.to_string() })?;
        }
        self.since = newest;
        self.seen = chats
            .iter()
            .filter(|chat| changed_at(chat) >= newest)
            .filter_map(|chat| Some((field::id(chat, "id")?, last_message(chat))))
            .collect();
        Ok(())
    }

    /// The chats that changed since the last look, newest first, and whether there may be more than can be reached.
    async fn changed(&mut self, wire: &Wire, ear: &dyn Ear) -> Result<(Vec<Value>, bool), Answer> {
        let mut changed = Vec::new();
        let mut offset = 0;
        loop {
            let query =
                [("chat_types", "u2i,u2u,a2u".to_owned()), ("limit", PAGE.to_string()), ("offset", offset.to_string())];
            let account = self.account.clone();
            let told = self.ask(wire, ear, &["messenger", "v2", "accounts", &account, "chats"], &query).await?;
            let page = field::list(&told, "chats");
            let new = page.iter().filter(|chat| changed_at(chat) >= self.since).count();
            changed.extend(page.iter().filter(|chat| changed_at(chat) >= self.since).cloned());
            if new < page.len() || i64::try_from(page.len()).unwrap_or(0) < PAGE {
                return Ok((changed, false));
            }
            offset += PAGE;
            if offset > FURTHEST {
                return Ok((changed, true));
            }
        }
    }

    /// Adds the messages of a chat since the last look. Tells whether there may be more than can be reached.
    async fn messages(
        &mut self,
        wire: &Wire,
        ear: &dyn Ear,
        chat: &str,
        said: &mut Vec<(i64, Vec<(String, Event)>)>,
    ) -> Result<bool, Answer> {
        let mut offset = 0;
        loop {
            let told = self.history(wire, ear, chat, PAGE, offset).await?;
            let page = told.as_array().map(Vec::as_slice).unwrap_or_default();
            // the newest come first; what was written in one second keeps the order in which it was written
            let new: Vec<&Value> = page.iter().filter(|message| created(message) >= self.since).collect();
            let read_on = new.len() == page.len() && i64::try_from(page.len()).unwrap_or(0) == PAGE;
            let older: Vec<_> =
                new.iter().rev().map(|message| (created(message), self.events(message, chat))).collect();
            said.splice(0..0, older);
            offset += PAGE;
            if !read_on {
                return Ok(false);
            }
            if offset > FURTHEST {
                return Ok(true);
            }
        }
    }

    fn events(&self, message: &Value, chat: &str) -> Vec<(String, Event)> {
        let Some(id) = field::id(message, "id") else { return Vec::new() };
        let mut fields: Map<String, Value> = message.as_object().cloned().unwrap_or_default();
        fields.insert("chat_id".to_owned(), json!(chat));
        read(&Value::Object(fields), id, &self.account)
    }

    /// Looks whether what we wrote was read: often in the beginning, then once an hour for a day.
    async fn look_for_marks(&mut self, wire: &Wire, ear: &dyn Ear) -> Result<(), Answer> {
        let now = ear.now();
        let unread = ear.unread().await;
        self.looked.retain(|chat, _| unread.iter().any(|(one, _)| one == chat));
        let due = |chat: &str, sent_at: Moment| {
            let pause_ms = if now.since_ms(sent_at) <= SOON_MS { 0 } else { HOUR_MS };
            self.looked.get(chat).is_none_or(|at| now.since_ms(*at) >= pause_ms)
        };
        let chats: Vec<String> =
            unread.iter().filter(|(chat, at)| due(chat, *at)).map(|(chat, _)| chat.clone()).take(MOST_UNREAD).collect();
        for chat in chats {
            if self.tight {
                return Ok(());
            }
            self.looked.insert(chat.clone(), now);
            let told = match self.history(wire, ear, &chat, MARKED, 0).await {
                Ok(told) => told,
                // the chat is gone
                Err(Answer::Nobody { .. }) => continue,
                Err(answer) => return Err(answer),
            };
            let messages = told.as_array().map(Vec::as_slice).unwrap_or_default();
            let marks = messages.iter().rev().flat_map(|message| self.events(message, &chat));
            let events: Vec<_> = marks.filter(|(_, event)| matches!(event, Event::Receipt(_))).collect();
            if !events.is_empty() {
                let heard = Heard { events, cursor: json!({"since": self.since}), gap: false };
                ear.hear(heard).await.map_err(|deaf| Answer::Down { seen: deaf.to_string() })?;
            }
        }
        Ok(())
    }

    async fn history(
        &mut self,
        wire: &Wire,
        ear: &dyn Ear,
        chat: &str,
        limit: i64,
        offset: i64,
    ) -> Result<Value, Answer> {
        let account = self.account.clone();
        // the slash at the end belongs to the address
        let path = ["messenger", "v3", "accounts", &account, "chats", chat, "messages", ""];
        self.ask(wire, ear, &path, &[("limit", limit.to_string()), ("offset", offset.to_string())]).await
    }

    /// Asks, and rests where little is left of the budget of the minute: the answers of people need it too.
    async fn ask(
        &mut self,
        wire: &Wire,
        ear: &dyn Ear,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Value, Answer> {
        if std::mem::take(&mut self.tight) {
            ear.rest(REST_MS).await;
        }
        let request = request(wire, Method::GET, path)?.query(query);
        let called = wire.http.call(request, wire.http.limits()).await;
        if let Ok(reply) = &called {
            let figure = |name: &str| reply.header(name).and_then(|value| value.trim().parse::<i64>().ok());
            let (left, all) = (figure("x-ratelimit-remaining"), figure("x-ratelimit-limit"));
            self.tight = left.zip(all).is_some_and(|(left, all)| left.saturating_mul(10) < all);
            // the history of a chat is a bare list
            if let (200..300, body @ Value::Array(_)) = (reply.status, reply.json()) {
                return Ok(body);
            }
        }
        answer::result_of(called)
    }
}

fn changed_at(chat: &Value) -> i64 {
    let last = chat.get("last_message").map_or(0, created);
    field::number(chat, "updated").unwrap_or_default().max(last)
}

fn created(message: &Value) -> i64 {
    field::number(message, "created").unwrap_or_default()
}

fn last_message(chat: &Value) -> String {
    chat.get("last_message").and_then(|last| field::id(last, "id")).unwrap_or_default()
}

/// What a chat is about, and with whom; told again only where something of it changed.
fn card(chat: &Value, id: &str, account: &str) -> Option<(String, Event)> {
    let buyer = field::list(chat, "users").iter().find(|user| field::id(user, "id").as_deref() != Some(account));
    let name = buyer.and_then(|buyer| field::text(buyer, "name"));
    let item = chat.pointer("/context/value").unwrap_or(&Value::Null);
    let (about, link) = (field::text(item, "title"), field::text(item, "url"));
    let link = link.filter(|link| link.starts_with("https://"));
    if name.is_none() && about.is_none() {
        return None;
    }
    let key = format!("chat:{id}:{}:{}", name.as_deref().unwrap_or_default(), about.as_deref().unwrap_or_default());
    Some((key, Event::Chat { chat: id.to_owned(), name, about, link }))
}

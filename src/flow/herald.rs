//! Telling the people of a company what happened to a channel: a letter to each administrator, a notification in each portal.

use chrono_tz::Tz;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::app::App;
use crate::config::Mail;
use crate::flow::{health, perform};
use crate::messenger::{Wire, email};
use crate::model::errand::{NewErrand, Rank, Work};
use crate::model::id::{ChannelId, CompanyId, NoticeId, PortalId};
use crate::model::message::{Content, Kind, Outgoing, Peer};
use crate::model::moment::Moment;
use crate::model::origin::Origin;
use crate::model::vendor::Answer;
use crate::store::outbox::{self, Accepted};
use crate::store::row::{ChannelRow, HealthRow, NoticeRow, PortalRow};
use crate::store::{Conn, Result};

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// The channel is lost since a moment.
    Lost {
        /// Since when.
        since: Moment,
        /// What the vendor said.
        said: String,
    },
    /// It works again.
    Back {
        /// Since when.
        since: Moment,
    },
    /// It was lost for a while, and works again.
    Flapped {
        /// Since when it was not well.
        since: Moment,
        /// How often it was lost.
        times: i32,
    },
    /// The vendor posts to another program.
    Overtaken {
        /// Its host; empty where the vendor posts to nobody.
        host: String,
    },
    /// The vendor suspects spam.
    Spam {
        /// What the vendor said.
        said: String,
    },
}

/// A portal is told within so many milliseconds or not at all.
const PORTAL_TTL_MS: i64 = 3 * 24 * 3_600_000;

/// A letter is tried for so long, in milliseconds.
const LETTER_TTL_MS: i64 = 24 * 3_600_000;

/// How long a letter may be on its way before nobody knows what became of it: longer than any call.
const SENDING_MS: i64 = 20 * 60_000;

/// The first pause after a letter that did not leave; each further one is twice as long.
const FIRST_PAUSE_MS: i64 = 30_000;

/// The longest pause.
const LONGEST_PAUSE_MS: i64 = 3_600_000;

/// So many are worked in one round.
const AT_ONCE: i64 = 100;

/// What a letter has become.
const WAITS: i16 = 0;
const LEFT: i16 = 2;
const UNKNOWN: i16 = 3;
const GIVEN_UP: i16 = 4;

/// Tells what was planned for this moment, ends what vendors suspected, and sends letters whose time has come.
///
/// # Errors
/// Those of the store.
pub async fn round(app: &App) -> Result<()> {
    let now = app.clock.now();
    let (turns, over) = app
        .store
        .read(move |conn| {
            let turns = crate::on!(conn, health::to_tell(now.0, AT_ONCE))?;
            Ok((turns, crate::on!(conn, health::suspected_until(now.0, AT_ONCE))?))
        })
        .await?;
    for turn in turns {
        let inner = app.clone();
        let told = app.store.write(move |conn| tell_turn(&inner, conn, &turn, now)).await?;
        app.bell.accepted(told);
    }
    for row in over {
        let lane = row.lane;
        app.store.write(move |conn| health::clear_until(conn, &row, Some(now), now)).await?;
        app.bell.seen(lane);
    }
    for letter in app.store.read(move |conn| crate::on!(conn, notice::due(now.0, AT_ONCE))).await? {
        send(app, letter).await?;
    }
    Ok(())
}

/// Tells what became of a channel since people were told last. Whoever takes the plan tells it, and what it is now decides.
fn tell_turn(app: &App, conn: &mut Conn, turn: &HealthRow, now: Moment) -> Result<Vec<Accepted>> {
    let Some(tell_at) = turn.tell_at else { return Ok(Vec::new()) };
    let Ok(id) = turn.channel.parse::<ChannelId>() else { return Ok(Vec::new()) };
    if !crate::on!(conn, health::take(&turn.channel, tell_at))? {
        return Ok(Vec::new());
    }
    let Some(row) = crate::on!(conn, channel::whosever(id))? else { return Ok(Vec::new()) };
    // what was read before the right was taken may be old
    let seen = crate::on!(conn, health::of_channel(id))?.unwrap_or_else(|| turn.clone());
    let since = Moment(seen.turned_at.unwrap_or(now.0));
    let lost = ["lost", "relink"].contains(&row.state.as_str());
    let word = match (seen.told_lost, lost, row.state.as_str()) {
        (false, true, _) => Word::Lost { since, said: row.lost_reason.clone().unwrap_or_default() },
        (true, false, "connected") => Word::Back { since: Moment(row.connected_at) },
        (false, false, "connected") if seen.falls > 0 => Word::Flapped { since, times: seen.falls },
        _ => {
            crate::on!(conn, health::set_told(&turn.channel, lost))?;
            return Ok(Vec::new());
        }
    };
    crate::on!(conn, health::set_told(&turn.channel, lost))?;
    tell(app, conn, &row, &word, now)
}

/// Writes the letters and the calls that tell a word. Gives back the calls.
///
/// # Errors
/// Those of the database.
pub fn tell(app: &App, conn: &mut Conn, row: &ChannelRow, word: &Word, now: Moment) -> Result<Vec<Accepted>> {
    let Ok(company) = row.company.parse::<CompanyId>() else { return Ok(Vec::new()) };
    let (name, zone) = crate::on!(conn, company::by_id(company))?.unwrap_or_default();
    let line = crate::on!(conn, line::by_id(company, row.line))?.map_or_else(String::new, |line| line.name);
    let place = Place { app, row, company: &name, line: &line, zone: zone.parse().unwrap_or(Tz::UTC) };
    let (subject, body) = place.words(word);
    if !app.config.mail.server.is_empty() {
        for admin in crate::on!(conn, user::admins(company))?.iter().filter(|admin| email::is_address(&admin.login)) {
            let letter = NoticeRow {
                id: NoticeId::new().to_string(),
                company: row.company.clone(),
                address: admin.login.clone(),
                subject: subject.clone(),
                body: body.clone(),
                state: WAITS,
                attempts: 0,
                due_at: now.0,
                created_at: now.0,
            };
            crate::on!(conn, notice::write(&letter))?;
        }
    }
    let portals: Vec<PortalRow> = crate::on!(conn, portal::of_company(company))?;
    let mut calls = Vec::new();
    for portal in portals.iter().filter(|portal| portal.state != "uninstalled") {
        calls.extend(notify(conn, company, portal, row, &body, now)?);
    }
    Ok(outbox::accept(conn, now, &calls)?.into_iter().flatten().collect())
}

/// The calls that notify the administrators of a portal, or whoever installed it where none is known. A newer word about a channel
/// replaces the older one, here while it waits and there by its tag.
fn notify(
    conn: &mut Conn,
    company: CompanyId,
    portal: &PortalRow,
    row: &ChannelRow,
    body: &str,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let Ok(id) = portal.id.parse::<PortalId>() else { return Ok(Vec::new()) };
    let people = crate::on!(conn, portal::tokens(id))?;
    let admins = people.iter().filter(|pair| pair.is_admin).count();
    let told = people.iter().take(admins.max(1));
    Ok(told
        .map(|pair| NewErrand {
            company,
            lane: portal.lane,
            rank: Rank::Service,
            peer: format!("notice:{}", row.id),
            work: Work::PortalCall {
                portal: id,
                method: "im.notify.system.add".to_owned(),
                params: json!({ "USER_ID": user_id(&pair.user_id), "MESSAGE": body, "TAG": format!("switchboard|channel|{}", row.id) }),
                // the portal replaces a notification with the same tag
                repeatable: true,
            },
            origin: Origin::Nobody,
            not_before: None,
            expires_at: Some(now.plus_ms(PORTAL_TTL_MS)),
            dedup_key: None,
            merge_key: Some(format!("notice:{}:{}", row.id, pair.user_id)),
        })
        .collect())
}

fn user_id(text: &str) -> Value {
    text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number))
}

/// Sends a letter that is ours to send, and keeps what became of it.
async fn send(app: &App, letter: NoticeRow) -> Result<()> {
    let now = app.clock.now();
    if letter.state != WAITS {
        // whoever sent it did not come back: it may have left
        let (id, until) = (letter.id.clone(), letter.due_at);
        app.store.write(move |conn| crate::on!(conn, notice::land(&id, until, UNKNOWN, until))).await?;
        tracing::warn!(notice = letter.id, "it is not known whether a notice left; it is not sent again");
        return Ok(());
    }
    let (id, due_at, until) = (letter.id.clone(), letter.due_at, now.plus_ms(SENDING_MS).0);
    if !app.store.write(move |conn| crate::on!(conn, notice::take(&id, due_at, until))).await? {
        return Ok(());
    }
    let answer = email::post(&wire(app), &outgoing(&letter), now).await;
    let (state, due_at) = fate(&letter, &answer, app.clock.now());
    if state != LEFT {
        tracing::warn!(notice = letter.id, ?answer, state, "a notice did not leave by e-mail");
    }
    let id = letter.id;
    app.store.write(move |conn| crate::on!(conn, notice::land(&id, until, state, due_at))).await?;
    Ok(())
}

/// What an answer means for a letter: its state, and when it is tried again.
fn fate(letter: &NoticeRow, answer: &Answer, now: Moment) -> (i16, i64) {
    let pause_ms = match answer {
        Answer::Done { .. } => return (LEFT, now.0),
        Answer::Unsure { .. } => return (UNKNOWN, now.0),
        Answer::Refused { .. } | Answer::Nobody { .. } => return (GIVEN_UP, now.0),
        Answer::Busy { after_ms, .. } => *after_ms,
        // a refused login is mended in the settings, and the letter is still worth reading
        Answer::Down { .. } | Answer::Expired { .. } => {
            let power = u32::try_from(letter.attempts.clamp(0, 16)).unwrap_or(0);
            FIRST_PAUSE_MS.saturating_mul(2_i64.saturating_pow(power)).min(LONGEST_PAUSE_MS)
        }
    };
    let due_at = now.plus_ms(pause_ms).0;
    if due_at > letter.created_at.saturating_add(LETTER_TTL_MS) { (GIVEN_UP, now.0) } else { (WAITS, due_at) }
}

/// The mail server of the settings, as the messenger sees one.
fn wire(app: &App) -> Wire {
    let (settings, secrets) = mailbox(&app.config.mail);
    Wire { secrets, settings, ..perform::bare_wire(app, "email") }
}

/// The settings and the secrets of the mailbox that letters of this server leave from.
#[must_use]
pub fn mailbox(mail: &Mail) -> (Value, SecretString) {
    let server = json!({ "host": mail.server, "port": mail.port, "security": mail.security });
    let settings = json!({ "address": mail.from, "from_name": "Switchboard", "login": mail.login, "imap": server, "smtp": server });
    let secrets = json!({ "password": mail.password.expose_secret() }).to_string();
    (settings, secrets.into())
}

fn outgoing(letter: &NoticeRow) -> Outgoing {
    Outgoing {
        key: letter.id.clone(),
        to: Peer::Email(letter.address.clone()),
        names: None,
        content: Content {
            text: Some(letter.body.clone()),
            subject: Some(letter.subject.clone()),
            ..Content::default()
        },
        reply_to: None,
        window_until: None,
        thread: None,
    }
}

/// What a word is about.
struct Place<'a> {
    app: &'a App,
    row: &'a ChannelRow,
    company: &'a str,
    line: &'a str,
    zone: Tz,
}

impl Place<'_> {
    /// The subject and the text.
    fn words(&self, word: &Word) -> (String, String) {
        if self.app.config.notices.language == "en" { self.english(word) } else { self.russian(word) }
    }

    fn russian(&self, word: &Word) -> (String, String) {
        let (title, line, company) = (health::title(self.row, false), self.line, self.company);
        let place = format!("Канал «{title}», линия «{line}», компания «{company}»");
        let (subject, what) = match word {
            Word::Lost { since, said } => (
                format!("Канал отключён: {title}"),
                format!(
                    "не работает с {}.{} Очередь сохранена. Привяжите канал заново",
                    self.at(*since),
                    why("Причина", said)
                ),
            ),
            Word::Back { since } => (
                format!("Канал снова подключён: {title}"),
                format!(
                    "снова работает с {}. Проверьте очередь: то, что ждало, может стоять в карантине",
                    self.at(*since)
                ),
            ),
            Word::Flapped { since, times } => (
                format!("Связь с каналом прерывалась: {title}"),
                format!(
                    "с {} связь терялась (раз: {times}), сейчас канал работает. Проверьте очередь",
                    self.at(*since)
                ),
            ),
            Word::Overtaken { host } => (
                format!("Канал не получает сообщения: {title}"),
                format!(
                    "входящие сообщения уходят другой программе.{} Отключите её и привяжите канал заново",
                    why("Мессенджер отправляет их на", host)
                ),
            ),
            Word::Spam { said } => (
                format!("Подозрение на спам: {title}"),
                format!(
                    "мессенджер подозревает спам.{} Остановите рассылки и не пишите первыми новым людям, иначе канал могут заблокировать{}",
                    why("Он сообщил", said),
                    if self.has_spam_bot() {
                        ". Срок ограничения скажет в Telegram бот @SpamBot"
                    } else {
                        ""
                    }
                ),
            ),
        };
        (subject, format!("{place}: {what}.{}", self.link()))
    }

    fn english(&self, word: &Word) -> (String, String) {
        let (title, line, company) = (health::title(self.row, true), self.line, self.company);
        let place = format!("Channel «{title}», line «{line}», company «{company}»");
        let (subject, what) = match word {
            Word::Lost { since, said } => (
                format!("Channel lost: {title}"),
                format!(
                    "has not worked since {}.{} Its queue is kept. Attach the channel again",
                    self.at(*since),
                    why("Reason", said)
                ),
            ),
            Word::Back { since } => (
                format!("Channel works again: {title}"),
                format!("has worked again since {}. Look at the queue: what waited may be held", self.at(*since)),
            ),
            Word::Flapped { since, times } => (
                format!("Channel was interrupted: {title}"),
                format!(
                    "was interrupted from {} on (times: {times}) and works now. Look at the queue",
                    self.at(*since)
                ),
            ),
            Word::Overtaken { host } => (
                format!("Channel hears nothing: {title}"),
                format!(
                    "what is said to it goes to another program.{} Switch that off and attach the channel again",
                    why("The messenger posts to", host)
                ),
            ),
            Word::Spam { said } => (
                format!("Spam suspected: {title}"),
                format!(
                    "the messenger suspects spam.{} Stop mailings and do not write first to new people, or the channel may be blocked{}",
                    why("It said", said),
                    if self.has_spam_bot() { ". @SpamBot in Telegram tells until when the limit holds" } else { "" }
                ),
            ),
        };
        (subject, format!("{place}: {what}.{}", self.link()))
    }

    /// Whether the messenger tells by a bot of its own how long it limits an account.
    fn has_spam_bot(&self) -> bool {
        self.row.messenger == Kind::Telegram.slug()
    }

    /// A moment where the company is.
    fn at(&self, at: Moment) -> String {
        at.to_utc().with_timezone(&self.zone).format("%d.%m.%Y %H:%M %Z").to_string()
    }

    fn link(&self) -> String {
        let base = &self.app.config.server.public_url;
        if base.is_empty() { String::new() } else { format!(" {base}/lines/{}", self.row.line) }
    }
}

fn why(label: &str, said: &str) -> String {
    let said = said.trim().trim_end_matches('.');
    if said.is_empty() { String::new() } else { format!(" {label}: {said}.") }
}

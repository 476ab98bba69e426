//! What stands before a phase begins: settings, a company, channels with lanes, errands that wait.

use std::sync::Arc;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::Integer;
use secrecy::SecretString;
use switchboard::app::App;
use switchboard::config::{Config, Sources};
use switchboard::flow::credentials;
use switchboard::flow::route::{self, TextRequest};
use switchboard::model::clock::Clock;
use switchboard::model::errand::{NewErrand, Rank};
use switchboard::model::id::{ChannelId, CompanyId, LineId};
use switchboard::model::message::Peer;
use switchboard::model::moment::{Moment, Tick};
use switchboard::model::origin::Origin;
use switchboard::model::pace::Pace;
use switchboard::serve::{Roles, Running};
use switchboard::store::row::{ChannelRow, NewLane, NewLine, text};
use switchboard::store::{Conn, Result};

pub const KEY: &str = "1:0101010101010101010101010101010101010101010101010101010101010101";

const TEXT: &str = "Здравствуйте, Иван! Ваш заказ № 17 готов, ждём вас сегодня до 20:00.";

/// Settings of the server: the defaults, a key, and what loopback needs.
pub fn settings(url: &str, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let usual = [
        ("SWITCHBOARD_DATABASE__URL", url),
        ("SWITCHBOARD_KEYS", KEY),
        ("SWITCHBOARD_SERVER__PUBLIC_URL", "http://127.0.0.1:1"),
        ("SWITCHBOARD_VENDORS__ALLOW_HTTP", "true"),
        ("SWITCHBOARD_VENDORS__ALLOW_NETWORKS", "127.0.0.0/8"),
    ];
    usual.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A server with these roles that listens nowhere.
pub async fn server(url: &str, more: &[(&str, &str)], roles: Roles, clock: Arc<dyn Clock>) -> Running {
    let config = Config::read(&Sources { file: None, environment: settings(url, more) }).unwrap();
    Running::start_on(None, config, roles, clock).await.unwrap()
}

/// A company with a line.
#[derive(Debug, Clone, Copy)]
pub struct House {
    pub company: CompanyId,
    pub line: LineId,
}

pub async fn house(app: &App) -> House {
    let company = CompanyId::new();
    let made = app.store.write(move |conn| {
        switchboard::on!(conn, company::create(company, "Ромашка", "Europe/Moscow", 0))?;
        let line =
            NewLine { name: "Линия".into(), plan: "paid".into(), expires_at: Moment(i64::MAX / 2), hours: None };
        switchboard::on!(conn, line::create(company, &line, 0))
    });
    House { company, line: made.await.unwrap() }
}

/// Channels of a bot, made as attaching makes them.
pub async fn channels(app: &App, house: House, count: usize, pace: Pace) -> Vec<ChannelRow> {
    let inner = app.clone();
    let made = app.store.write(move |conn| {
        (0..count)
            .map(|n| {
                let new = NewLane { kind: "channel".into(), pace, hours: None };
                let lane = switchboard::on!(conn, lane::create(house.company, &new))?;
                let id = ChannelId::new().to_string();
                let secret = SecretString::from(r#"{"token":"100200300:AADemo"}"#.to_owned());
                let row = ChannelRow {
                    company: house.company.to_string(),
                    line: house.line,
                    lane,
                    messenger: "telegram_bot".into(),
                    account: format!("bot-{}-{n}", house.line),
                    state: "connected".into(),
                    secrets: credentials::seal(&inner, "channels", &id, &secret),
                    settings: r#"{"title":"Бот","address":"@bot"}"#.into(),
                    hook_key: format!("key-{}-{n}", house.line),
                    lost_reason: None,
                    connected_at: 0,
                    created_at: 0,
                    id,
                };
                switchboard::on!(conn, channel::create(&row))?;
                Ok(row)
            })
            .collect::<Result<Vec<_>>>()
    });
    made.await.unwrap()
}

/// The errand of a message, as the API makes it for a caller who names each message by a key of his own.
pub fn errand(app: &App, house: House, channels: &[ChannelRow], n: usize) -> NewErrand {
    let request = TextRequest {
        company: house.company,
        to: Peer::Chat((700_000_000 + n % 50_000).to_string()),
        names: None,
        text: TEXT.to_owned(),
        media: None,
        rank: Rank::Service,
        origin: Origin::Api { tracking: Some(format!("order-{n}")) },
    };
    let (mut errand, _) = route::text_errand(app, &channels[n % channels.len()], request, app.clock.now()).unwrap();
    errand.dedup_key = Some(format!("api:order-{n}"));
    errand
}

/// Lanes with one channel each, and errands in all of them in turn, written by SQL: what a server finds that was busy before.
#[derive(Debug, Clone, Copy)]
pub struct Seed {
    pub house: House,
    pub lanes: i64,
    /// How many errands were written before: their lanes are there.
    pub first: i64,
    pub errands: i64,
    pub pace: Pace,
    /// The lanes were in use: their next calls are due within one gap, evenly, and the first one after so many milliseconds.
    pub lead_ms: Option<i64>,
}

impl Seed {
    /// Writes it; the numbers of lanes begin at 1, so the database must be fresh. The lane of the errand `n` is
    /// `1 + n % lanes`.
    pub async fn write(self, app: &App) {
        let now = app.clock.now();
        app.store.write(move |conn| self.insert_errands(conn, now)).await.unwrap();
        if self.first == 0 {
            let (boot, tick) = (app.clock.boot().to_owned(), app.clock.tick());
            app.store.write(move |conn| self.insert_lanes(conn, &boot, tick)).await.unwrap();
        }
        let (url, is_postgres) = (app.config.database.url.clone(), app.config.is_postgres());
        tokio::task::spawn_blocking(move || if is_postgres { rest_postgres(&url) } else { rest_sqlite(&url) })
            .await
            .unwrap();
    }

    fn insert_lanes(self, conn: &mut Conn, boot: &str, tick: Tick) -> Result<()> {
        let Self { house: House { company, line }, lanes, pace, lead_ms, .. } = self;
        let (gap_ms, pace) = match pace {
            Pace::Gap { from_ms, .. } => (from_ms, text(&pace)?),
            Pace::Bucket { .. } => (0, text(&pace)?),
        };
        let sent = lead_ms.map_or_else(
            || "NULL, 0".to_owned(),
            // by a step that is prime to the count, so that neighbours in number are none in time
            |lead_ms| {
                let from = tick.plus_ms(lead_ms - gap_ms).0;
                format!("'{boot}', {from} + (n * 7919 % {lanes}) * {} / {lanes}", gap_ms * 1000)
            },
        );
        let (id, lane) = (hex(conn, "n"), series(conn, lanes));
        // as autovacuum does it; on SQLite the server never asks for statistics
        let analyze = if matches!(conn, Conn::Postgres(_)) { "ANALYZE" } else { "" };
        conn.batch(&format!(
            "INSERT INTO lanes (id, company, kind, shard, state, pace, hours, version, sent_boot, sent_tick, sent_gap_ms, \
             live_tick) SELECT n, '{company}', 'channel', n % 60, 0, '{pace}', NULL, 0, {sent}, {gap_ms}, 0 FROM {lane};
             INSERT INTO channels (id, company, line, lane, messenger, account, state, secrets, settings, hook_key, \
             lost_reason, connected_at, created_at) SELECT 'ch_' || {id}, '{company}', {line}, n, 'telegram_bot', \
             'bot' || n, 'connected', '', '{{}}', 'key' || n, NULL, 0, 0 FROM {lane}; {analyze}"
        ))
    }

    fn insert_errands(self, conn: &mut Conn, now: Moment) -> Result<()> {
        let Self { house: House { company, .. }, lanes, first, errands, .. } = self;
        let (channel, message) = (hex(conn, &format!("1 + n % {lanes}")), hex(conn, &format!("{first} + n")));
        let (errand, day, now) = (series(conn, errands), now.0 + 86_400_000, now.0);
        let (counted, state, zero) = match conn {
            Conn::Sqlite(_) => (format!("UPDATE errand_count SET last = {first} + {errands}"), "", ""),
            Conn::Postgres(_) => (format!("SELECT setval('errand_count', {first} + {errands})"), "state,", "0,"),
        };
        conn.batch(&format!(
            "INSERT INTO errands (id, company, lane, rank, peer, {state} attempts, not_before, accepted_at, expires_at, \
             merge_key, mailing, work, origin) SELECT ((((1 + n % {lanes}) << 2) + 1) << 38) + {first} + n, '{company}', \
             1 + n % {lanes}, 1, CAST(700000000 + n AS TEXT), {zero} 0, 0, {now}, {day}, NULL, NULL, \
             '{{\"do\":\"send\",\"channel\":\"ch_' || {channel} || '\",\"message\":\"ms_' || {message} \
             || '\",\"outgoing\":{{\"key\":\"ms_' || {message} || '\",\"to\":{{\"chat\":\"' || (700000000 + n) || \
             '\"}},\"content\":{{\"text\":\"{TEXT}\"}}}}}}', '{{\"by\":\"api\",\"tracking\":null}}' FROM {errand};
             INSERT INTO expiries (due, lane) SELECT DISTINCT ({day} + 999) / 1000 * 1000, lane FROM errands WHERE true \
             ON CONFLICT DO NOTHING; {counted}"
        ))
    }
}

/// What the moving of SQLite's log came to.
#[derive(QueryableByName)]
struct Moved {
    #[diesel(sql_type = Integer)]
    busy: i32,
}

/// Moves what was seeded out of the log. A queue of a million did not come in the last second: its moving is over long before,
/// and no part of what is measured.
fn rest_sqlite(url: &str) {
    let mut conn = SqliteConnection::establish(url.trim_start_matches("sqlite:")).unwrap();
    conn.batch_execute("PRAGMA busy_timeout = 60000").unwrap();
    // busy where the server's own thread moves it at this moment
    while diesel::sql_query("PRAGMA wal_checkpoint(TRUNCATE)").get_result::<Moved>(&mut conn).unwrap().busy != 0 {
        std::thread::yield_now();
    }
}

/// The same on PostgreSQL.
fn rest_postgres(url: &str) {
    PgConnection::establish(url).unwrap().batch_execute("CHECKPOINT").unwrap();
}

/// A number as the 32 digits of an id.
fn hex(conn: &Conn, number: &str) -> String {
    match conn {
        Conn::Sqlite(_) => format!("printf('%032x', {number})"),
        Conn::Postgres(_) => format!("lpad(to_hex({number}), 32, '0')"),
    }
}

/// The numbers from 1 to `count` as a table.
fn series(conn: &Conn, count: i64) -> String {
    match conn {
        Conn::Sqlite(_) => format!(
            "(WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) SELECT n FROM s) s"
        ),
        Conn::Postgres(_) => format!("generate_series(1::bigint, {count}::bigint) AS s (n)"),
    }
}

/// How many errands the table holds.
pub async fn left(app: &App) -> i64 {
    let depth = app.store.read(|conn| switchboard::on!(conn, errand::depth())).await.unwrap();
    depth.iter().map(|(_, count, _)| count).sum()
}

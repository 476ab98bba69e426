//! The queue as people see it: every channel's lane, what waits in it, and when it will leave.

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::{App, LaneDue};
use crate::flow::settle::{self, Over};
use crate::messenger;
use crate::model::change::{ChangeAct, Said};
use crate::model::errand::{Errand, Rank, Work};
use crate::model::eta::{Timetable, Waiting, forecast};
use crate::model::group::GroupAct;
use crate::model::id::{CompanyId, LaneId, LineId};
use crate::model::message::{Content, Kind, Peer};
use crate::model::moment::{Moment, Tick};
use crate::model::pace::Pace;
use crate::model::result::Code;
use crate::model::vendor::Answer;
use crate::store::outbox::{self, Accepted};
use crate::store::row::{ChannelRow, LaneRow, LaneState, LineRow, RecipientRow, value};
use crate::store::{Conn, Result};

/// So many errands of a lane are shown.
const SHOWN: i64 = 50;

/// The end of a longer queue is not foretold: that takes long, and it comes otherwise anyway.
const MOST_FORECAST: usize = 10_000;

/// So many letters of a text are shown.
const TEXT_SHOWN: usize = 200;

/// So many errands are ended in one transaction.
const AT_ONCE: i64 = 200;

/// The queue.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QueueOut {
    /// The server's moment.
    #[schema(value_type = i64)]
    pub now: Moment,
    /// The lanes, in their order.
    pub lanes: Vec<LaneOut>,
}

/// A lane.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LaneOut {
    /// Its number.
    pub id: LaneId,
    /// Its line and its messenger, for the screen.
    pub title: String,
    /// Its line.
    pub line: LineId,
    /// The name of its line.
    pub line_name: String,
    /// The messenger.
    #[schema(value_type = Kind)]
    pub messenger: String,
    /// The channel.
    pub channel: String,
    /// How it stands.
    pub state: QueueState,
    /// When the next message leaves; none where nothing does.
    #[schema(value_type = Option<i64>)]
    pub next_at: Option<Moment>,
    /// When the last of what waits leaves, if nothing else comes; none where nobody can tell.
    #[schema(value_type = Option<i64>)]
    pub ends_at: Option<Moment>,
    /// How many wait, with those that mailings hold back.
    pub waiting: i64,
    /// How many calls are open.
    pub in_flight: usize,
    /// The first of them.
    pub errands: Vec<ErrandOut>,
}

/// How a lane stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QueueState {
    /// It runs.
    Running,
    /// It runs, outside its hours.
    Closed,
    /// A person paused it.
    Paused,
    /// Its channel came back, and somebody must decide about what waits.
    Held,
    /// Its channel is lost.
    Lost,
    /// Its line has expired.
    Expired,
}

/// An errand.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ErrandOut {
    /// Its number, as text since it is larger than the numbers of a browser; below 0 for a row that its mailing holds back.
    pub id: String,
    /// Its rank, 0 goes first.
    pub rank: i16,
    /// Who gets it.
    pub to: String,
    /// The beginning of its text.
    pub text: String,
    /// When it leaves; none where nobody can tell.
    #[schema(value_type = Option<i64>)]
    pub eta_at: Option<Moment>,
    /// `waiting` or `flying`.
    pub state: &'static str,
}

/// Ends what waits in a lane now and belongs to no mailing: the feeder would only bring the next row of one. The answer is
/// how many are not sent; none where the company has no such lane of a channel.
///
/// # Errors
/// Those of the store.
pub(crate) async fn clear(app: &App, company: CompanyId, lane: LaneId) -> Result<Option<usize>> {
    let known = app.store.read(move |conn| crate::on!(conn, channel::of_lane(company, lane))).await?;
    if known.is_none() {
        return Ok(None);
    }
    let (mut count, before) = (0, app.clock.now().plus_ms(1));
    loop {
        let inner = app.clone();
        let (ended, accepted) = app.store.write(move |conn| clear_some(&inner, conn, lane, before)).await?;
        app.bell.accepted(accepted);
        if ended == 0 {
            return Ok(Some(count));
        }
        count += ended;
    }
}

fn clear_some(app: &App, conn: &mut Conn, lane: LaneId, before: Moment) -> Result<(usize, Vec<Accepted>)> {
    let gone = outbox::withdraw_unmailed(conn, lane, before, AT_ONCE)?;
    let answer = Answer::Refused { code: Code::Discarded, text: String::new() };
    let over: Vec<Over<'_>> = gone.iter().map(|errand| Over { errand, answer: &answer, ours: true }).collect();
    Ok((over.len(), settle::settle(app, conn, &over, app.clock.now())?))
}

/// What the store knows of a lane.
struct Seen {
    row: LaneRow,
    channel: ChannelRow,
    line: String,
    line_ends: i64,
    errands: Vec<(Errand, bool, Moment)>,
    pending: Vec<(RecipientRow, bool)>,
    waiting: i64,
}

/// The queue of a company.
///
/// # Errors
/// Those of the store.
pub(crate) async fn look(app: &App, company: CompanyId) -> Result<QueueOut> {
    let seen = app.store.read(move |conn| see(conn, company)).await?;
    let due = app.bell.look(seen.iter().map(|seen| seen.row.id).collect()).await;
    let lanes = seen.iter().map(|seen| lane_out(app, seen, &due)).collect::<Result<_>>()?;
    Ok(QueueOut { now: app.clock.now(), lanes })
}

fn see(conn: &mut Conn, company: CompanyId) -> Result<Vec<Seen>> {
    let lines: Vec<LineRow> = crate::on!(conn, line::of_company(company))?;
    let rows: Vec<LaneRow> = crate::on!(conn, lane::of_company(company))?;
    let mut channels: HashMap<LaneId, ChannelRow> =
        crate::on!(conn, channel::of_company(company))?.into_iter().map(|row| (row.lane, row)).collect();
    let mut seen = Vec::new();
    for row in rows {
        let Some(channel) = channels.remove(&row.id) else { continue };
        let own = lines.iter().find(|line| line.id == channel.line);
        let (line, line_ends) = own.map_or((String::new(), i64::MAX), |line| (line.name.clone(), line.expires_at));
        let errands = outbox::look(conn, row.id, SHOWN)?;
        let pending = crate::on!(conn, queue::pending_rows(row.id, SHOWN))?;
        let held: i64 = crate::on!(conn, mailing::pending_of_lane(row.id))?.iter().map(|(_, count)| count).sum();
        let waiting = crate::on!(conn, errand::waiting(row.id))? + held;
        seen.push(Seen { row, channel, line, line_ends, errands, pending, waiting });
    }
    Ok(seen)
}

fn lane_out(app: &App, seen: &Seen, due: &HashMap<LaneId, LaneDue>) -> Result<LaneOut> {
    let (now, pace, hours) = (app.clock.now(), seen.row.pace()?, seen.row.hours()?);
    let state = LaneState::from_db(seen.row.state);
    let due = due.get(&seen.row.id).copied().unwrap_or_else(|| due_of_row(app, &seen.row, pace));
    let table =
        Timetable { live_at: due.live_at.max(now), paced_at: due.paced_at.max(now), pace, hours: hours.as_ref() };
    let (mut errands, mut waiting) = entries(seen)?;
    let ends = follow(&mut waiting, seen.waiting);
    let expired = seen.line_ends <= now.0;
    let etas =
        if state == LaneState::Running && !expired { forecast(table, &waiting) } else { vec![None; waiting.len()] };
    let next_at = etas.iter().flatten().min().copied();
    let ends_at = etas.iter().flatten().max().copied().filter(|_| ends && etas.iter().all(Option::is_some));
    let mut etas = etas.into_iter();
    for errand in errands.iter_mut().filter(|errand| errand.state == "waiting") {
        errand.eta_at = etas.next().flatten();
    }
    errands.truncate(usize::try_from(SHOWN).unwrap_or(usize::MAX));
    let open = hours.as_ref().is_none_or(|hours| hours.next_open(now) == Some(now));
    let title =
        Kind::from_slug(&seen.channel.messenger).and_then(messenger::of).map_or("", |found| found.about().title.0);
    Ok(LaneOut {
        id: seen.row.id,
        title: format!("{} · {title}", seen.line),
        line: seen.channel.line,
        line_name: seen.line.clone(),
        messenger: seen.channel.messenger.clone(),
        channel: seen.channel.id.clone(),
        state: state_of(state, open, expired),
        next_at,
        ends_at,
        waiting: seen.waiting,
        in_flight: errands.iter().filter(|errand| errand.state == "flying").count(),
        errands,
    })
}

/// Lets those follow that wait and are not shown, as far as they may be counted for a forecast; tells whether that are all.
fn follow(waiting: &mut Vec<Waiting>, all: i64) -> bool {
    let all = usize::try_from(all).unwrap_or(0);
    let rest = Waiting { rank: Rank::Mailing, peer: String::new(), not_before: Moment(0) };
    waiting.resize(all.min(MOST_FORECAST).max(waiting.len()), rest);
    all <= MOST_FORECAST
}

const fn state_of(state: LaneState, open: bool, expired: bool) -> QueueState {
    match state {
        LaneState::Running if expired => QueueState::Expired,
        LaneState::Running if open => QueueState::Running,
        LaneState::Running => QueueState::Closed,
        LaneState::Paused => QueueState::Paused,
        LaneState::Held => QueueState::Held,
        LaneState::Lost => QueueState::Lost,
    }
}

/// What is shown of something that is to be done with a group: the group, and the words of the people who keep the queue.
fn group_words(order: &GroupAct) -> (String, String) {
    let (to, text) = match order {
        GroupAct::Create { title, .. } => (title.as_str(), "создать группу (create a group)"),
        GroupAct::Add { chat, .. } => (chat.as_str(), "добавить в группу (add to the group)"),
        GroupAct::Rename { chat, .. } => (chat.as_str(), "переименовать группу (rename the group)"),
        GroupAct::Leave { chat } => (chat.as_str(), "выйти из группы (leave the group)"),
    };
    (to.to_owned(), text.to_owned())
}

/// The same of a message that is to be changed.
fn change_words(said: &Said, act: &ChangeAct) -> (String, String) {
    let words = match act {
        ChangeAct::Edit { text } => format!("изменить сообщение (change a message): {text}"),
        ChangeAct::Delete => "удалить сообщение (delete a message)".to_owned(),
        ChangeAct::React { emoji: Some(emoji) } => format!("реакция (a reaction): {emoji}"),
        ChangeAct::React { emoji: None } => "снять реакцию (take a reaction back)".to_owned(),
    };
    (said.chat.clone(), words.chars().take(TEXT_SHOWN).collect())
}

/// What is shown of a lane, and its waiting part as the forecast needs it: the outbox first, then what mailings hold back.
fn entries(seen: &Seen) -> Result<(Vec<ErrandOut>, Vec<Waiting>)> {
    let (mut shown, mut waiting) = (Vec::new(), Vec::new());
    for (errand, flying, not_before) in &seen.errands {
        let (to, text) = match &errand.work {
            Work::Send { outgoing, .. } => (outgoing.to.chat_id(), beginning(&outgoing.content)),
            Work::Group { order, .. } => group_words(order),
            Work::Change { said, act, .. } => change_words(said, act),
            Work::Check { phone, .. } => (phone.clone(), "проверить номер (check the phone)".to_owned()),
            Work::Fetch { .. } => (String::new(), "disk".to_owned()),
            Work::PortalCall { method, .. } | Work::OpenLineMark { method, .. } => (String::new(), method.clone()),
            Work::SmsStatus { status, .. } => (String::new(), status.clone()),
            Work::OpenLine { .. } => (String::new(), "imconnector.send.messages".to_owned()),
            Work::OpenLineChat { care, .. } => (String::new(), care.slug().to_owned()),
            Work::Webhook { number, .. } => (String::new(), number.to_string()),
        };
        let state = if *flying { "flying" } else { "waiting" };
        if !flying {
            waiting.push(Waiting { rank: errand.rank, peer: errand.peer.clone(), not_before: *not_before });
        }
        shown.push(ErrandOut { id: errand.id.to_string(), rank: errand.rank.to_db(), to, text, eta_at: None, state });
    }
    for ((row, of_portal), id) in seen.pending.iter().zip((1..).map(|n: i64| format!("-{n}"))) {
        let (to, content): (Peer, Content) = (value("recipients", &row.peer)?, value("recipients", &row.content)?);
        let rank = if *of_portal { Rank::Marketing } else { Rank::Mailing };
        waiting.push(Waiting { rank, peer: String::new(), not_before: Moment(0) });
        let (to, text) = (to.chat_id(), beginning(&content));
        shown.push(ErrandOut { id, rank: rank.to_db(), to, text, eta_at: None, state: "waiting" });
    }
    Ok((shown, waiting))
}

fn beginning(content: &Content) -> String {
    let text = content.text.as_deref().or(content.media.as_ref().map(|media| media.name.as_str()));
    let text = text.or(content.template.as_ref().map(|template| template.name.as_str())).unwrap_or_default();
    text.chars().take(TEXT_SHOWN).collect()
}

/// The next moments of a lane that another process pumps, from what was written down with its last calls.
fn due_of_row(app: &App, row: &LaneRow, pace: Pace) -> LaneDue {
    let (now, tick) = app.clock.read();
    if row.sent_boot.as_deref() != Some(app.clock.boot()) {
        return LaneDue { live_at: now, paced_at: now, calls_left: None };
    }
    let at = |due: Tick| now.plus_ms(due.since_ms(tick).max(0));
    let live_ms = match pace {
        Pace::Gap { live_ms, .. } => live_ms,
        Pace::Bucket { .. } => 0,
    };
    LaneDue {
        live_at: at(Tick(row.live_tick).plus_ms(live_ms)),
        paced_at: at(Tick(row.sent_tick).plus_ms(row.sent_gap_ms)),
        calls_left: None,
    }
}

//! Changing and deleting messages, and reacting to them. What waits in the queue is changed there. What has left is changed by a call of the vendor,
//! which waits in the lane of its channel like a live answer. Vendors tell of changes too; all of them are written down beside
//! the message, whose own row stays as it was said.

mod carry;
mod heard;
mod shown;
mod waiting;

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::live::Topics;
use crate::flow::tell::Verdict;
use crate::flow::{message, open_line, route, window};
use crate::messenger::{self, About};
use crate::model::change::{ChangeAct, Said, is_emoji};
use crate::model::errand::{NewErrand, Rank, Work};
use crate::model::id::{ChangeId, ChannelId, CompanyId, MessageId};
use crate::model::message::{Content, Kind, MediaKind};
use crate::model::moment::Moment;
use crate::model::origin::Origin;
use crate::model::result::Code;
use crate::model::status::Status;
use crate::store::outbox::{self, Accepted};
use crate::store::row::{ChangeEnd, ChangeRow, ChannelRow, MessageRow, value};
use crate::store::{Conn, Result};

pub(crate) use carry::carry_out;
pub use heard::{Reacted, deleted, edited, reacted};
pub use shown::{ChangeOut, Changed, ReactionOut, VersionOut, changed, waiting as said_while_waiting};

/// What was accepted.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = MessageChangeMade)]
pub struct ChangeMade {
    /// Its id; null where the message was still waiting and nothing had to be asked of the vendor.
    pub id: Option<String>,
    /// `done` where the message was still waiting, `waiting` where the vendor is asked.
    pub state: &'static str,
}

/// Why it will never be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeRefusal {
    /// The company has no such message.
    NotFound,
    /// The code.
    No(Code),
}

/// What comes of asking: the outcome, and errands that were accepted.
type Asked = (std::result::Result<ChangeMade, ChangeRefusal>, Vec<Accepted>);

const fn no(code: Code) -> Asked {
    (Err(ChangeRefusal::No(code)), Vec::new())
}

/// Changes a message, or accepts that it is to be changed.
///
/// # Errors
/// The outer error is the store's. The inner one says why it can never be done.
pub(crate) async fn post(
    app: &App,
    company: CompanyId,
    id: MessageId,
    act: ChangeAct,
) -> Result<std::result::Result<ChangeMade, ChangeRefusal>> {
    let inner = app.clone();
    let (outcome, accepted) = app.store.write(move |conn| ask(&inner, conn, company, id, &act)).await?;
    if outcome.is_ok() {
        app.live.touch(company, Topics::MESSAGES.with(Topics::QUEUE));
    }
    app.bell.accepted(accepted);
    Ok(outcome)
}

fn ask(app: &App, conn: &mut Conn, company: CompanyId, id: MessageId, act: &ChangeAct) -> Result<Asked> {
    ask_as(app, conn, company, id, (act, Origin::Nobody))
}

fn ask_as(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    id: MessageId,
    (act, origin): (&ChangeAct, Origin),
) -> Result<Asked> {
    let now = app.clock.now();
    // the queue is asked first: what leaves it in between is in the history by then
    if let Some((errand, flies)) = outbox::by_merge_key(conn, company, &message::merge_key(id))? {
        return waiting::change(app, conn, errand, flies, act, now);
    }
    let Some(row) = crate::on!(conn, message::by_id(company, id))? else {
        return Ok((Err(ChangeRefusal::NotFound), Vec::new()));
    };
    match order(app, conn, company, &row, (act, origin), now)? {
        Ok((made, errand)) => Ok((Ok(made), outbox::accept(conn, now, &[errand])?.into_iter().flatten().collect())),
        Err(code) => Ok(no(code)),
    }
}

/// The same inside a transaction, for whoever is told of the end: the errands that were accepted.
///
/// # Errors
/// The outer error is the database's. The inner one says why it can never be done.
pub fn asked_for(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    id: MessageId,
    act: &ChangeAct,
    origin: Origin,
) -> Result<std::result::Result<Vec<Accepted>, Code>> {
    let (made, accepted) = ask_as(app, conn, company, id, (act, origin))?;
    if made.is_ok() {
        app.live.touch(company, Topics::MESSAGES.with(Topics::QUEUE));
    }
    Ok(match made {
        Ok(_) => Ok(accepted),
        Err(ChangeRefusal::No(code)) => Err(code),
        Err(ChangeRefusal::NotFound) => Err(Code::NeverSent),
    })
}

/// The errand of a change, which is written down.
fn order(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    row: &MessageRow,
    (act, origin): (&ChangeAct, Origin),
    now: Moment,
) -> Result<std::result::Result<(ChangeMade, NewErrand), Code>> {
    let Some((channel, about)) = channel_of(conn, company, &row.channel)? else {
        return Ok(Err(Code::ChannelNotFound));
    };
    if let Err(code) = route::line(conn, company, Some(channel.line), now)? {
        return Ok(Err(code));
    }
    if channel.state != "connected" {
        return Ok(Err(Code::ChannelLost));
    }
    let before = crate::on!(conn, change::of_messages(company, std::slice::from_ref(row)))?;
    let said = match check(about, row, &before, act, now)? {
        Ok(said) => said,
        Err(code) => return Ok(Err(code)),
    };
    let Ok(channel_id) = channel.id.parse() else { return Ok(Err(Code::ChannelNotFound)) };
    // a reaction is a free message of the vendor's
    let open_until = match act {
        ChangeAct::React { .. } => window::of_chat(conn, about, channel_id, &row.chat)?,
        ChangeAct::Edit { .. } | ChangeAct::Delete => None,
    };
    if open_until.is_some_and(|until| until <= now) {
        return Ok(Err(Code::WindowClosed));
    }
    let (id, chat) = (ChangeId::new(), row.chat.clone());
    let asked = ChangeRow {
        id: id.to_string(),
        company: company.to_string(),
        channel: channel.id.clone(),
        chat: chat.clone(),
        vendor_id: said.vendor_id.clone(),
        message: Some(row.id.clone()),
        key: id.to_string(),
        act: act.slug().to_owned(),
        text: act.text().map(str::to_owned),
        state: "waiting".to_owned(),
        code: None,
        reason: None,
        asked: true,
        asked_at: now.0,
        done_at: None,
        who: None,
    };
    crate::on!(conn, change::enter(&asked))?;
    let ttl_ms = app.config.outbox.default_ttl_hours.saturating_mul(3_600_000);
    let over = about.changes.within_ms(act).map(|within_ms| said_at(row).plus_ms(within_ms));
    let over = over.into_iter().chain(open_until).min();
    let work = Work::Change { channel: channel_id, change: id, said: Box::new(said), act: act.clone() };
    let errand = NewErrand {
        company,
        lane: channel.lane,
        rank: Rank::Live,
        // changes of one chat happen in the order in which they were asked for
        peer: chat,
        work,
        origin,
        not_before: None,
        expires_at: Some(over.map_or(now.plus_ms(ttl_ms), |over| over.min(now.plus_ms(ttl_ms)))),
        dedup_key: None,
        merge_key: None,
    };
    Ok(Ok((ChangeMade { id: Some(id.to_string()), state: "waiting" }, errand)))
}

/// The channel of a message, and the card of its messenger.
fn channel_of(conn: &mut Conn, company: CompanyId, channel: &str) -> Result<Option<(ChannelRow, &'static About)>> {
    let Ok(id) = channel.parse::<ChannelId>() else { return Ok(None) };
    let Some(channel) = crate::on!(conn, channel::by_id(company, id))? else { return Ok(None) };
    let about = Kind::from_slug(&channel.messenger).and_then(messenger::of).map(messenger::Messenger::about);
    Ok(about.map(|about| (channel, about)))
}

/// When a message was said, as far as that is known.
fn said_at(row: &MessageRow) -> Moment {
    Moment(row.sent_at.unwrap_or(row.accepted_at))
}

/// What needs no call to be known.
fn check(
    about: &About,
    row: &MessageRow,
    before: &[ChangeRow],
    act: &ChangeAct,
    now: Moment,
) -> Result<std::result::Result<Said, Code>> {
    let can = match act {
        ChangeAct::Edit { .. } => about.abilities.edits,
        ChangeAct::Delete => about.abilities.deletes,
        ChangeAct::React { .. } => about.abilities.reactions,
    };
    if !can {
        return Ok(Err(Code::NotSupported));
    }
    let may = match act {
        ChangeAct::Edit { .. } => row.outgoing,
        ChangeAct::Delete => row.outgoing || about.changes.deletes_theirs,
        ChangeAct::React { emoji } if emoji.as_deref().is_some_and(|emoji| !is_emoji(emoji)) => {
            return Ok(Err(Code::ReactionBad));
        }
        ChangeAct::React { .. } => true,
    };
    if !may {
        return Ok(Err(Code::NotOurs));
    }
    match Status::from_db(row.status) {
        Status::Unknown => return Ok(Err(Code::Unknown)),
        Status::Error | Status::NotSent => return Ok(Err(Code::NeverSent)),
        Status::Sent | Status::Delivered | Status::Viewed => {}
    }
    let is_gone = |change: &ChangeRow| change.act == "delete" && matches!(&*change.state, "done" | "waiting");
    if before.iter().any(is_gone) {
        return Ok(Err(Code::Deleted));
    }
    let age_ms = now.since_ms(said_at(row));
    if about.changes.within_ms(act).is_some_and(|within_ms| age_ms > within_ms) {
        return Ok(Err(Code::ChangeTooLate));
    }
    let Some(vendor_id) = row.vendor_id.clone() else { return Ok(Err(Code::Unchangeable)) };
    let kept = Kept::read(&row.content)?;
    let die = kept.is_die && !kept.group && !matches!(act, ChangeAct::React { .. });
    if die && about.changes.dice_after_ms.is_some_and(|after_ms| age_ms < after_ms) {
        return Ok(Err(Code::ChangeTooEarly));
    }
    if let ChangeAct::Edit { text } = act
        && let Err(code) = fits(about, &kept, text)
    {
        return Ok(Err(code));
    }
    Ok(Ok(Said { chat: row.chat.clone(), vendor_id, media: kept.media }))
}

/// What the history says of a message, as far as it decides about changes.
struct Kept {
    media: Option<MediaKind>,
    /// It has no text that could be another one: a template, a place, a card.
    wordless: bool,
    group: bool,
    is_die: bool,
}

impl Kept {
    fn read(content: &str) -> Result<Self> {
        let all: serde_json::Value = value("messages", content)?;
        let content: Content = serde_json::from_value(all.clone()).unwrap_or_default();
        Ok(Self {
            media: content.media.as_ref().map(|media| media.kind),
            wordless: content.has_more_than_words(),
            group: all.get("group") == Some(&serde_json::Value::Bool(true)),
            is_die: all.get("note").and_then(serde_json::Value::as_str) == Some("dice"),
        })
    }
}

fn fits(about: &About, kept: &Kept, text: &str) -> std::result::Result<(), Code> {
    let captions = about.changes.captions && kept.media != Some(MediaKind::Sticker);
    if kept.wordless || (kept.media.is_some() && !captions) {
        return Err(Code::Unchangeable);
    }
    if text.trim().is_empty() && kept.media.is_none() {
        return Err(Code::MessageEmpty);
    }
    let limit = if kept.media.is_some() { about.caption_limit } else { about.text_limit };
    if text.encode_utf16().count() > limit { Err(Code::MessageTooLong) } else { Ok(()) }
}

/// Writes down what became of a change that was asked for here, in the transaction that takes its errand out of the outbox. Gives
/// back the errands that came of it: where the message is shown, it changes too.
///
/// # Errors
/// Those of the database.
pub fn settle(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    id: ChangeId,
    verdict: &Verdict,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let state = match verdict.status {
        Status::Sent | Status::Delivered | Status::Viewed => "done",
        Status::Error => "failed",
        Status::NotSent => "not_done",
        Status::Unknown => "unknown",
    };
    let good = state == "done";
    let end = ChangeEnd {
        state: state.to_owned(),
        code: verdict.code.map(|code| code.slug().to_owned()),
        reason: Some(verdict.reason.clone()).filter(|reason| !reason.is_empty()),
        done_at: good.then_some(now.0),
    };
    if !crate::on!(conn, change::end(company, id, &end))? {
        return Ok(Vec::new());
    }
    app.live.touch(company, Topics::MESSAGES);
    match if good { crate::on!(conn, change::by_id(company, id))? } else { None } {
        Some(row) => open_line::changed(app, conn, &row, now),
        None => Ok(Vec::new()),
    }
}

//! A message that has not left yet is changed in the queue, and nobody is called.

use super::shown::DRAFT;
use super::{Asked, ChangeMade, ChangeRefusal, channel_of, no};
use crate::app::App;
use crate::flow::settle::{self, Over};
use crate::model::change::ChangeAct;
use crate::model::errand::{Errand, Work};
use crate::model::id::ChangeId;
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::vendor::Answer;
use crate::store::outbox;
use crate::store::row::ChangeRow;
use crate::store::{Conn, Result};

/// Changes the errand of a message, or takes it out. One that is in the air, or was tried before, may have been taken.
pub(super) fn change(
    app: &App,
    conn: &mut Conn,
    errand: Errand,
    flies: bool,
    act: &ChangeAct,
    now: Moment,
) -> Result<Asked> {
    if flies || errand.attempts > 0 {
        return Ok(no(Code::InFlight));
    }
    match act {
        ChangeAct::Edit { text } => edit(conn, errand, text, now),
        ChangeAct::Delete => withdraw(app, conn, &errand, now),
        // nobody has it yet
        ChangeAct::React { .. } => Ok(no(Code::NeverSent)),
    }
}

const fn done() -> ChangeMade {
    ChangeMade { id: None, state: "done" }
}

fn edit(conn: &mut Conn, mut errand: Errand, text: &str, now: Moment) -> Result<Asked> {
    let Work::Send { channel, outgoing, message } = &mut errand.work else {
        return Ok((Err(ChangeRefusal::NotFound), Vec::new()));
    };
    let Some((_, about)) = channel_of(conn, errand.company, &channel.to_string())? else {
        return Ok(no(Code::ChannelNotFound));
    };
    let content = &mut outgoing.content;
    if content.has_more_than_words() {
        return Ok(no(Code::Unchangeable));
    }
    if text.trim().is_empty() && content.media.is_none() {
        return Ok(no(Code::MessageEmpty));
    }
    let limit = if content.media.is_some() { about.caption_limit } else { about.text_limit };
    if text.encode_utf16().count() > limit {
        return Ok(no(Code::MessageTooLong));
    }
    let new = Some(text.to_owned()).filter(|text| !text.trim().is_empty());
    if new == content.text {
        return Ok((Ok(done()), Vec::new()));
    }
    let before = std::mem::replace(&mut content.text, new);
    let draft = ChangeRow {
        id: ChangeId::new().to_string(),
        company: errand.company.to_string(),
        channel: channel.to_string(),
        chat: outgoing.to.chat_id(),
        vendor_id: String::new(),
        message: Some(message.to_string()),
        key: format!("draft:{}", ChangeId::new()),
        act: DRAFT.to_owned(),
        text: before,
        state: "done".to_owned(),
        code: None,
        reason: None,
        asked: false,
        asked_at: now.0,
        done_at: Some(now.0),
        who: None,
    };
    if !outbox::rewrite(conn, errand.id, &errand.work)? {
        return Ok(no(Code::InFlight));
    }
    // what it said before it left belongs to its history too
    crate::on!(conn, change::enter(&draft))?;
    Ok((Ok(done()), Vec::new()))
}

fn withdraw(app: &App, conn: &mut Conn, errand: &Errand, now: Moment) -> Result<Asked> {
    let Some(gone) = outbox::withdraw_one(conn, errand.id)? else { return Ok(no(Code::InFlight)) };
    let answer = Answer::Refused { code: Code::Discarded, text: String::new() };
    let over = [Over { errand: &gone, answer: &answer, ours: true }];
    Ok((Ok(done()), settle::settle(app, conn, &over, now)?))
}

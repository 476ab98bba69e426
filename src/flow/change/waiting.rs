//! A message that has not left yet is changed in the queue, and nobody is called.

use super::{Asked, ChangeMade, ChangeRefusal, channel_of, no};
use crate::app::App;
use crate::flow::settle::{self, Over};
use crate::model::change::ChangeAct;
use crate::model::errand::{Errand, Work};
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::vendor::Answer;
use crate::store::outbox;
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
        ChangeAct::Edit { text } => edit(conn, errand, text),
        ChangeAct::Delete => withdraw(app, conn, &errand, now),
    }
}

const fn done() -> ChangeMade {
    ChangeMade { id: None, state: "done" }
}

fn edit(conn: &mut Conn, mut errand: Errand, text: &str) -> Result<Asked> {
    let Work::Send { channel, outgoing, .. } = &mut errand.work else {
        return Ok((Err(ChangeRefusal::NotFound), Vec::new()));
    };
    let Some((_, about)) = channel_of(conn, errand.company, &channel.to_string())? else {
        return Ok(no(Code::ChannelNotFound));
    };
    let content = &mut outgoing.content;
    if content.template.is_some() || content.has_place_or_cards() {
        return Ok(no(Code::Unchangeable));
    }
    if text.trim().is_empty() && content.media.is_none() {
        return Ok(no(Code::MessageEmpty));
    }
    let limit = if content.media.is_some() { about.caption_limit } else { about.text_limit };
    if text.encode_utf16().count() > limit {
        return Ok(no(Code::MessageTooLong));
    }
    content.text = Some(text.to_owned()).filter(|text| !text.trim().is_empty());
    if outbox::rewrite(conn, errand.id, &errand.work)? { Ok((Ok(done()), Vec::new())) } else { Ok(no(Code::InFlight)) }
}

fn withdraw(app: &App, conn: &mut Conn, errand: &Errand, now: Moment) -> Result<Asked> {
    let Some(gone) = outbox::withdraw_one(conn, errand.id)? else { return Ok(no(Code::InFlight)) };
    let answer = Answer::Refused { code: Code::Discarded, text: String::new() };
    let over = [Over { errand: &gone, answer: &answer, ours: true }];
    Ok((Ok(done()), settle::settle(app, conn, &over, now)?))
}

//! Changing and deleting what an account has sent, and reacting.

use grammers_tl_types::{enums, functions, types};

use super::driver::Trouble;
use super::line::{self, Line};
use super::{answer, book, send};
use crate::messenger::Wire;
use crate::messenger::parcel::refused;
use crate::model::change::{ChangeAct, Said};
use crate::model::result::Code;
use crate::model::vendor::Answer;

pub(super) async fn change(wire: &Wire, said: &Said, act: &ChangeAct) -> Answer {
    let line = match line::borrow(wire) {
        Ok(line) => line,
        Err(answer) => return answer,
    };
    let (Ok(chat), Some(id)) = (said.chat.parse::<i64>(), book::message_number(&said.vendor_id)) else {
        return refused(Code::Unchangeable);
    };
    let Some(peer) = line.book.lock().input(chat) else { return refused(Code::AddressBad) };
    let told = match act {
        ChangeAct::Edit { text } => edit(&line, peer, id, text).await,
        ChangeAct::Delete => delete(&line, peer, id).await,
        ChangeAct::React { emoji } => react(&line, peer, id, emoji.as_deref()).await,
    };
    match told {
        Ok(()) => Answer::done(),
        Err(trouble) if trouble.is("MESSAGE_NOT_MODIFIED") => Answer::done(),
        Err(trouble) if trouble.is("MESSAGE_EDIT_TIME_EXPIRED") => refused(Code::ChangeTooLate),
        Err(trouble) if trouble.is("REACTION_INVALID") => refused(Code::ReactionBad),
        Err(trouble) if is_for_good(&trouble) => refused(Code::Unchangeable),
        Err(trouble) => answer::of(trouble),
    }
}

fn is_for_good(trouble: &Trouble) -> bool {
    ["MESSAGE_ID_INVALID", "MESSAGE_AUTHOR_REQUIRED", "MESSAGE_DELETE_FORBIDDEN"].iter().any(|name| trouble.is(name))
}

async fn edit(line: &Line, peer: enums::InputPeer, id: i32, text: &str) -> Result<(), Trouble> {
    let call = functions::messages::EditMessage {
        no_webpage: false,
        invert_media: false,
        peer,
        id,
        message: Some(text.to_owned()),
        // the file stays as it is
        media: None,
        reply_markup: None,
        entities: None,
        schedule_date: None,
        schedule_repeat_period: None,
        quick_reply_shortcut_id: None,
        rich_message: None,
    };
    let told = line.call(&call).await?;
    send::learn_from(line, &told);
    Ok(())
}

/// Channels count their messages by themselves, all other chats of an account have one count.
async fn delete(line: &Line, peer: enums::InputPeer, id: i32) -> Result<(), Trouble> {
    let enums::InputPeer::Channel(peer) = peer else {
        let call = functions::messages::DeleteMessages { revoke: true, id: vec![id] };
        return line.call(&call).await.map(|_| ());
    };
    let channel = types::InputChannel { channel_id: peer.channel_id, access_hash: peer.access_hash }.into();
    line.call(&functions::channels::DeleteMessages { channel, id: vec![id] }).await.map(|_| ())
}

/// No reaction at all takes the one before back.
async fn react(line: &Line, peer: enums::InputPeer, id: i32, emoji: Option<&str>) -> Result<(), Trouble> {
    let named = |emoji: &str| vec![types::ReactionEmoji { emoticon: emoji.to_owned() }.into()];
    let call = functions::messages::SendReaction {
        big: false,
        add_to_recent: false,
        peer,
        msg_id: id,
        reaction: emoji.map(named),
    };
    let told = line.call(&call).await?;
    send::learn_from(line, &told);
    Ok(())
}

//! Two names of one chat: the one that hides the phone, and the one that shows it.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::ChannelId;
use crate::store::Result;
use crate::store::schema::{chat_names, contacts, dialogs, messages};

/// What a dialog of a hidden name brings into the other one.
type Hidden = (Option<i64>, Option<String>, Option<i64>, Option<i64>);

/// The name that shows the phone, where it is known.
pub fn shown(conn: &mut Connection, channel: ChannelId, hidden: &str) -> Result<Option<String>> {
    Ok(chat_names::table.find((channel.to_string(), hidden)).select(chat_names::shown).first(conn).optional()?)
}

/// Keeps a pair of names; tells whether it is news.
pub fn keep(conn: &mut Connection, channel: ChannelId, hidden: &str, shown: &str) -> Result<bool> {
    let changed = chat_names::table.find((channel.to_string(), hidden)).filter(chat_names::shown.ne(shown));
    if diesel::update(changed).set(chat_names::shown.eq(shown)).execute(conn)? == 1 {
        return Ok(true);
    }
    let pair =
        (chat_names::channel.eq(channel.to_string()), chat_names::hidden.eq(hidden), chat_names::shown.eq(shown));
    Ok(diesel::insert_into(chat_names::table).values(pair).on_conflict_do_nothing().execute(conn)? == 1)
}

/// Puts what was said in the chat of the one name into that of the other. The dialog of the hidden name goes where the
/// other has one; else it takes the other's name, and
/// its contact the phone.
pub fn merge(conn: &mut Connection, channel: ChannelId, hidden: &str, shown: &str, phone: Option<&str>) -> Result<()> {
    let channel = channel.to_string();
    let of =
        |chat: &str| dialogs::table.filter(dialogs::channel.eq(channel.clone()).and(dialogs::chat.eq(chat.to_owned())));
    let found = of(hidden).select((dialogs::incoming_at, dialogs::contact, dialogs::led_at, dialogs::free_until));
    // where nothing was said under the hidden name, the history need not be searched
    let Some((heard, contact, led_at, free_until)) = found.first::<Hidden>(conn).optional()? else {
        return Ok(());
    };
    let said = messages::table.filter(messages::channel.eq(&channel).and(messages::chat.eq(hidden)));
    diesel::update(said).set(messages::chat.eq(shown)).execute(conn)?;
    if of(shown).count().get_result::<i64>(conn)? == 0 {
        diesel::update(of(hidden)).set(dialogs::chat.eq(shown)).execute(conn)?;
        if let (Some(contact), Some(phone)) = (contact, phone) {
            let unknown = contacts::table.find(contact).filter(contacts::phone.is_null());
            diesel::update(unknown).set(contacts::phone.eq(phone)).execute(conn)?;
        }
        return Ok(());
    }
    if let Some(heard) = heard {
        let older = of(shown).filter(dialogs::incoming_at.is_null().or(dialogs::incoming_at.lt(heard)));
        diesel::update(older).set(dialogs::incoming_at.eq(heard)).execute(conn)?;
    }
    if let Some(led_at) = led_at {
        diesel::update(of(shown)).set(dialogs::led_at.eq(led_at)).execute(conn)?;
    }
    if let Some(until) = free_until {
        let earlier = of(shown).filter(dialogs::free_until.is_null().or(dialogs::free_until.lt(until)));
        diesel::update(earlier).set(dialogs::free_until.eq(until)).execute(conn)?;
    }
    diesel::delete(of(hidden)).execute(conn)?;
    Ok(())
}

/// The name that shows the phone became another one.
pub fn follow(conn: &mut Connection, channel: ChannelId, from: &str, to: &str) -> Result<()> {
    let known = chat_names::table.filter(chat_names::channel.eq(channel.to_string()).and(chat_names::shown.eq(from)));
    diesel::update(known).set(chat_names::shown.eq(to)).execute(conn)?;
    Ok(())
}

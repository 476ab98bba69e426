//! Open lines: what is connected to them, and the dialogs there.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{ChannelId, CompanyId, PortalId};
use crate::store::Result;
use crate::store::row::{ConnectionRow, OpenLineChatRow};
use crate::store::schema::{open_line_chats, open_line_connections, open_line_posts, open_line_watch};

/// One connection of a portal.
pub fn connection(conn: &mut Connection, portal: &str, messenger: &str, line: i64) -> Result<Option<ConnectionRow>> {
    Ok(open_line_connections::table
        .find((portal, messenger, line))
        .select(ConnectionRow::as_select())
        .first(conn)
        .optional()?)
}

/// The connections of a portal of a company.
pub fn of_portal(conn: &mut Connection, company: CompanyId, portal: PortalId) -> Result<Vec<ConnectionRow>> {
    let mine = open_line_connections::company.eq(company.to_string());
    Ok(open_line_connections::table
        .filter(mine.and(open_line_connections::portal.eq(portal.to_string())))
        .order((open_line_connections::messenger, open_line_connections::open_line))
        .select(ConnectionRow::as_select())
        .load(conn)?)
}

/// The connections of a channel, of whatever portal of its company.
pub fn of_channel(conn: &mut Connection, channel: ChannelId) -> Result<Vec<ConnectionRow>> {
    Ok(open_line_connections::table
        .filter(open_line_connections::channel.eq(channel.to_string()))
        .order((open_line_connections::portal, open_line_connections::open_line))
        .select(ConnectionRow::as_select())
        .load(conn)?)
}

/// Connections whose line does not work, and which nobody looked at since a moment.
pub fn stale(conn: &mut Connection, before: i64, limit: i64) -> Result<Vec<ConnectionRow>> {
    let looked = open_line_connections::checked_at.is_null().or(open_line_connections::checked_at.lt(before));
    Ok(open_line_connections::table
        .filter(open_line_connections::state.eq("inactive").and(looked))
        .order(open_line_connections::checked_at)
        .limit(limit)
        .select(ConnectionRow::as_select())
        .load(conn)?)
}

/// Connections that work and for which something is parked all the same.
pub fn with_parked(conn: &mut Connection, limit: i64) -> Result<Vec<ConnectionRow>> {
    let of_connection = open_line_chats::portal
        .eq(open_line_connections::portal)
        .and(open_line_chats::messenger.eq(open_line_connections::messenger))
        .and(open_line_chats::open_line.eq(open_line_connections::open_line));
    let parked = open_line_posts::table
        .inner_join(open_line_chats::table.on(open_line_chats::id.eq(open_line_posts::chat)))
        .filter(open_line_posts::state.eq("parked").and(of_connection));
    Ok(open_line_connections::table
        .filter(open_line_connections::state.eq("on").and(diesel::dsl::exists(parked)))
        .limit(limit)
        .select(ConnectionRow::as_select())
        .load(conn)?)
}

/// Somebody looked at a connection and learned nothing.
pub fn looked(conn: &mut Connection, (portal, messenger, line): (&str, &str, i64), now: i64) -> Result<()> {
    diesel::update(open_line_connections::table.find((portal, messenger, line)))
        .set(open_line_connections::checked_at.eq(now))
        .execute(conn)?;
    Ok(())
}

/// Keeps a connection; one of the same place is replaced.
pub fn keep(conn: &mut Connection, row: &ConnectionRow) -> Result<()> {
    diesel::insert_into(open_line_connections::table)
        .values(row)
        .on_conflict((
            open_line_connections::portal,
            open_line_connections::messenger,
            open_line_connections::open_line,
        ))
        .do_update()
        .set(row)
        .execute(conn)?;
    Ok(())
}

/// Moves a connection from one of the states to another; tells whether it was in one of them.
pub fn turn(
    conn: &mut Connection,
    (portal, messenger, line): (&str, &str, i64),
    from: &[&str],
    (to, reason): (&str, Option<&str>),
    now: i64,
) -> Result<bool> {
    let row = open_line_connections::table.find((portal, messenger, line));
    let told = (
        open_line_connections::state.eq(to),
        open_line_connections::reason.eq(reason),
        open_line_connections::checked_at.eq(now),
    );
    Ok(diesel::update(row.filter(open_line_connections::state.eq_any(from))).set(told).execute(conn)? == 1)
}

/// Moves every connection of a line to a state, as a line that is deleted does.
pub fn turn_line(conn: &mut Connection, portal: &str, line: i64, to: &str, now: i64) -> Result<usize> {
    let of_line = open_line_connections::portal.eq(portal).and(open_line_connections::open_line.eq(line));
    let rows = open_line_connections::table.filter(of_line.and(open_line_connections::state.ne(to)));
    let told = (
        open_line_connections::state.eq(to),
        open_line_connections::reason.eq(None::<String>),
        open_line_connections::checked_at.eq(now),
    );
    Ok(diesel::update(rows).set(told).execute(conn)?)
}

/// Remembers how a line is called.
pub fn name_line(conn: &mut Connection, portal: &str, line: i64, name: &str) -> Result<()> {
    let of_line = open_line_connections::portal.eq(portal).and(open_line_connections::open_line.eq(line));
    diesel::update(open_line_connections::table.filter(of_line))
        .set(open_line_connections::name.eq(name))
        .execute(conn)?;
    Ok(())
}

/// A dialog by its id.
pub fn chat(conn: &mut Connection, id: &str) -> Result<Option<OpenLineChatRow>> {
    Ok(open_line_chats::table.find(id).select(OpenLineChatRow::as_select()).first(conn).optional()?)
}

/// A dialog by the name that the portal knows.
pub fn by_external(
    conn: &mut Connection,
    (portal, messenger, line): (&str, &str, i64),
    external: &str,
) -> Result<Option<OpenLineChatRow>> {
    let of_line = open_line_chats::portal
        .eq(portal)
        .and(open_line_chats::messenger.eq(messenger))
        .and(open_line_chats::open_line.eq(line));
    Ok(open_line_chats::table
        .filter(of_line.and(open_line_chats::external.eq(external)))
        .select(OpenLineChatRow::as_select())
        .first(conn)
        .optional()?)
}

/// The dialogs of a chat, one for each open line that it is in.
pub fn of_chat(conn: &mut Connection, channel: &str, chat: &str) -> Result<Vec<OpenLineChatRow>> {
    Ok(open_line_chats::table
        .filter(open_line_chats::channel.eq(channel).and(open_line_chats::chat.eq(chat)))
        .order(open_line_chats::id)
        .select(OpenLineChatRow::as_select())
        .load(conn)?)
}

/// Makes a dialog; tells whether there was none.
pub fn create_chat(conn: &mut Connection, row: &OpenLineChatRow) -> Result<bool> {
    Ok(diesel::insert_into(open_line_chats::table).values(row).on_conflict_do_nothing().execute(conn)? == 1)
}

/// What the portal told of a dialog; what it did not tell stays.
pub fn learn(
    conn: &mut Connection,
    id: &str,
    (im_chat, im_user, session): (Option<i64>, Option<i64>, Option<i64>),
) -> Result<()> {
    let row = || open_line_chats::table.find(id);
    if let Some(im_chat) = im_chat {
        diesel::update(row()).set(open_line_chats::im_chat.eq(im_chat)).execute(conn)?;
    }
    if let Some(im_user) = im_user {
        diesel::update(row()).set(open_line_chats::im_user.eq(im_user)).execute(conn)?;
    }
    if let Some(session) = session {
        diesel::update(row())
            .set((open_line_chats::session.eq(session), open_line_chats::closed.eq(false)))
            .execute(conn)?;
    }
    Ok(())
}

/// A session of a dialog is over.
pub fn close(conn: &mut Connection, id: &str, session: i64) -> Result<()> {
    let newer = open_line_chats::session.is_null().or(open_line_chats::session.le(session));
    diesel::update(open_line_chats::table.find(id).filter(newer))
        .set(open_line_chats::closed.eq(true))
        .execute(conn)?;
    Ok(())
}

/// Something was said in a dialog.
pub fn touch(conn: &mut Connection, id: &str, at: i64) -> Result<()> {
    let older = open_line_chats::table.find(id).filter(open_line_chats::active_at.lt(at));
    diesel::update(older).set(open_line_chats::active_at.eq(at)).execute(conn)?;
    Ok(())
}

/// The vendor gave a chat another name; what the portal knows stays.
pub fn rename(conn: &mut Connection, channel: ChannelId, from: &str, to: &str) -> Result<()> {
    let channel = channel.to_string();
    for row in of_chat(conn, &channel, from)? {
        let taken = of_chat(conn, &channel, to)?;
        let beside = |other: &OpenLineChatRow| other.portal == row.portal && other.open_line == row.open_line;
        if !taken.iter().any(beside) {
            diesel::update(open_line_chats::table.find(&row.id)).set(open_line_chats::chat.eq(to)).execute(conn)?;
        }
    }
    Ok(())
}

/// How a dialog is called; tells whether that is news.
pub fn set_title(conn: &mut Connection, id: &str, title: &str) -> Result<bool> {
    let other = open_line_chats::title.is_null().or(open_line_chats::title.ne(title));
    let row = open_line_chats::table.find(id).filter(other);
    Ok(diesel::update(row).set(open_line_chats::title.eq(title)).execute(conn)? == 1)
}

/// Keeps the cards that the CRM has of a customer: contact, lead, deal.
pub fn set_cards(
    conn: &mut Connection,
    id: &str,
    (contact, lead, deal): (Option<i64>, Option<i64>, Option<i64>),
) -> Result<()> {
    diesel::update(open_line_chats::table.find(id))
        .set((open_line_chats::contact.eq(contact), open_line_chats::lead.eq(lead), open_line_chats::deal.eq(deal)))
        .execute(conn)?;
    Ok(())
}

/// Keeps who answers in a dialog and who is responsible for its card.
pub fn set_people(conn: &mut Connection, id: &str, owner: Option<i64>, assigned: Option<i64>) -> Result<()> {
    diesel::update(open_line_chats::table.find(id))
        .set((open_line_chats::owner.eq(owner), open_line_chats::assigned.eq(assigned)))
        .execute(conn)?;
    Ok(())
}

/// The dialogs of a card: `contact`, `lead` or `deal`.
pub fn of_card(conn: &mut Connection, portal: &str, kind: &str, id: i64) -> Result<Vec<OpenLineChatRow>> {
    let of_portal = open_line_chats::table.filter(open_line_chats::portal.eq(portal)).into_boxed();
    let found = match kind {
        "contact" => of_portal.filter(open_line_chats::contact.eq(id)),
        "lead" => of_portal.filter(open_line_chats::lead.eq(id)),
        _ => of_portal.filter(open_line_chats::deal.eq(id)),
    };
    Ok(found.order(open_line_chats::id).select(OpenLineChatRow::as_select()).load(conn)?)
}

/// Dialogs in which something was said since a moment, newest first, behind one that is known.
pub fn active_since(conn: &mut Connection, since: i64, after: &str, limit: i64) -> Result<Vec<OpenLineChatRow>> {
    Ok(open_line_chats::table
        .filter(open_line_chats::active_at.ge(since).and(open_line_chats::id.gt(after)))
        .order(open_line_chats::id)
        .limit(limit)
        .select(OpenLineChatRow::as_select())
        .load(conn)?)
}

/// When this server last was there; none before the first time.
pub fn seen(conn: &mut Connection) -> Result<Option<i64>> {
    Ok(open_line_watch::table.find(1).select(open_line_watch::seen_at).first(conn).optional()?)
}

/// This server is there now.
pub fn see(conn: &mut Connection, now: i64) -> Result<()> {
    diesel::insert_into(open_line_watch::table)
        .values((open_line_watch::id.eq(1), open_line_watch::seen_at.eq(now)))
        .on_conflict(open_line_watch::id)
        .do_update()
        .set(open_line_watch::seen_at.eq(now))
        .execute(conn)?;
    Ok(())
}

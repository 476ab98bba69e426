//! Dialogs and contacts, as far as the trips of messages need them.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{ChannelId, CompanyId};
use crate::store::Result;
use crate::store::row::{ContactRow, DialogRow};
use crate::store::schema::{channels, chat_subjects, contacts, dialogs};

/// The dialog of a chat on a channel.
pub fn by_chat(conn: &mut Connection, channel: ChannelId, chat: &str) -> Result<Option<DialogRow>> {
    Ok(dialogs::table
        .filter(dialogs::channel.eq(channel.to_string()).and(dialogs::chat.eq(chat)))
        .select(DialogRow::as_select())
        .first(conn)
        .optional()?)
}

/// Whether a channel has a dialog with an address of e-mail: one of its own, or one about a subject (`address/subject`).
pub fn knows(conn: &mut Connection, channel: ChannelId, address: &str) -> Result<bool> {
    let plain = address.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    let about = dialogs::chat.like(format!("{plain}/%")).escape('\\');
    let found = dialogs::table
        .filter(dialogs::channel.eq(channel.to_string()).and(dialogs::chat.eq(address).or(about)))
        .select(dialogs::id);
    Ok(diesel::select(diesel::dsl::exists(found)).get_result(conn)?)
}

/// The dialog on a channel whose contact has this user name or phone.
pub fn by_contact(
    conn: &mut Connection,
    channel: ChannelId,
    username: Option<&str>,
    phone: Option<&str>,
) -> Result<Option<DialogRow>> {
    let mut found = dialogs::table
        .inner_join(contacts::table.on(dialogs::contact.eq(contacts::id.nullable())))
        .filter(dialogs::channel.eq(channel.to_string()))
        .select(DialogRow::as_select())
        .into_boxed();
    if let Some(username) = username {
        found = found.filter(contacts::username.eq(username.to_owned()));
    }
    if let Some(phone) = phone {
        found = found.filter(contacts::phone.eq(phone.to_owned()));
    }
    Ok(found.first(conn).optional()?)
}

/// Makes a dialog; nothing where the chat has one.
pub fn create(conn: &mut Connection, row: &DialogRow) -> Result<bool> {
    Ok(diesel::insert_into(dialogs::table).values(row).on_conflict_do_nothing().execute(conn)? == 1)
}

/// Makes a contact.
pub fn create_contact(conn: &mut Connection, row: &ContactRow) -> Result<()> {
    diesel::insert_into(contacts::table).values(row).execute(conn)?;
    Ok(())
}

/// A contact of a company.
pub fn contact(conn: &mut Connection, company: &str, id: &str) -> Result<Option<ContactRow>> {
    Ok(contacts::table
        .find(id)
        .filter(contacts::company.eq(company))
        .select(ContactRow::as_select())
        .first(conn)
        .optional()?)
}

/// The customer wrote: the vendor's window opens, and we may write.
pub fn heard(conn: &mut Connection, channel: ChannelId, chat: &str, at: i64) -> Result<()> {
    let dialog = dialogs::table.filter(dialogs::channel.eq(channel.to_string()).and(dialogs::chat.eq(chat)));
    diesel::update(dialog.filter(dialogs::incoming_at.is_null().or(dialogs::incoming_at.lt(at))))
        .set((dialogs::incoming_at.eq(at), dialogs::allowed.eq(true)))
        .execute(conn)?;
    Ok(())
}

/// An advertisement led the customer here.
pub fn led(conn: &mut Connection, channel: ChannelId, chat: &str, at: i64) -> Result<()> {
    let dialog = dialogs::table.filter(dialogs::channel.eq(channel.to_string()).and(dialogs::chat.eq(chat)));
    diesel::update(dialog.filter(dialogs::led_at.is_null().or(dialogs::led_at.lt(at))))
        .set(dialogs::led_at.eq(at))
        .execute(conn)?;
    Ok(())
}

/// Somebody whom an advertisement led here was answered, and may be written to freely until then.
pub fn answered(conn: &mut Connection, channel: ChannelId, chat: &str, free_until: i64) -> Result<()> {
    let dialog = dialogs::table.filter(dialogs::channel.eq(channel.to_string()).and(dialogs::chat.eq(chat)));
    diesel::update(dialog.filter(dialogs::led_at.is_not_null()))
        .set((dialogs::free_until.eq(free_until), dialogs::led_at.eq(None::<i64>)))
        .execute(conn)?;
    Ok(())
}

/// What an answer into a chat goes on from.
pub fn set_thread(conn: &mut Connection, channel: ChannelId, chat: &str, thread: &str) -> Result<()> {
    let dialog = dialogs::table.filter(dialogs::channel.eq(channel.to_string()).and(dialogs::chat.eq(chat)));
    diesel::update(dialog).set(dialogs::thread.eq(thread)).execute(conn)?;
    Ok(())
}

/// Whether we may write into a chat.
pub fn set_allowed(conn: &mut Connection, channel: ChannelId, chat: &str, allowed: bool) -> Result<()> {
    let dialog = dialogs::table.filter(dialogs::channel.eq(channel.to_string()).and(dialogs::chat.eq(chat)));
    diesel::update(dialog).set(dialogs::allowed.eq(allowed)).execute(conn)?;
    Ok(())
}

/// Whether the person of a chat is called by nothing but its number.
pub fn is_nameless(conn: &mut Connection, channel: ChannelId, chat: &str) -> Result<bool> {
    let found = dialogs::table
        .inner_join(contacts::table.on(dialogs::contact.eq(contacts::id.nullable())))
        .filter(dialogs::channel.eq(channel.to_string()).and(dialogs::chat.eq(chat)))
        .filter(contacts::name.eq(chat));
    Ok(diesel::select(diesel::dsl::exists(found)).get_result(conn)?)
}

/// Gives the person of a chat a name, where it is called by its number alone; the dialog too.
pub fn name_person(
    conn: &mut Connection,
    channel: ChannelId,
    chat: &str,
    (name, username): (&str, Option<&str>),
) -> Result<()> {
    let dialog = dialogs::table.filter(dialogs::channel.eq(channel.to_string()).and(dialogs::chat.eq(chat)));
    let contact = dialog.clone().select(dialogs::contact).first::<Option<String>>(conn).optional()?.flatten();
    diesel::update(dialog.filter(dialogs::title.eq(chat))).set(dialogs::title.eq(name)).execute(conn)?;
    if let Some(contact) = contact {
        let known = contacts::table.find(contact);
        diesel::update(known.clone().filter(contacts::username.is_null()))
            .set(contacts::username.eq(username))
            .execute(conn)?;
        diesel::update(known.filter(contacts::name.eq(chat))).set(contacts::name.eq(name)).execute(conn)?;
    }
    Ok(())
}

/// Gives the dialog of a chat its title.
pub fn set_title(conn: &mut Connection, channel: ChannelId, chat: &str, title: &str) -> Result<()> {
    let dialog = dialogs::table.filter(dialogs::channel.eq(channel.to_string()).and(dialogs::chat.eq(chat)));
    diesel::update(dialog).set(dialogs::title.eq(title)).execute(conn)?;
    Ok(())
}

/// Gives a contact its name, where it was called by its chat so far.
pub fn name_contact(conn: &mut Connection, company: &str, contact: &str, chat: &str, name: &str) -> Result<()> {
    let unnamed = contacts::table.find(contact).filter(contacts::company.eq(company).and(contacts::name.eq(chat)));
    diesel::update(unnamed).set(contacts::name.eq(name)).execute(conn)?;
    Ok(())
}

/// Keeps what a chat is about, and where that is.
pub fn set_subject(
    conn: &mut Connection,
    channel: ChannelId,
    chat: &str,
    about: Option<&str>,
    link: Option<&str>,
) -> Result<()> {
    let values = (
        chat_subjects::channel.eq(channel.to_string()),
        chat_subjects::chat.eq(chat),
        chat_subjects::about.eq(about),
        chat_subjects::link.eq(link),
    );
    diesel::insert_into(chat_subjects::table)
        .values(values)
        .on_conflict((chat_subjects::channel, chat_subjects::chat))
        .do_update()
        .set((chat_subjects::about.eq(about), chat_subjects::link.eq(link)))
        .execute(conn)?;
    Ok(())
}

/// What a chat is about, and where that is.
pub fn subject(
    conn: &mut Connection,
    channel: ChannelId,
    chat: &str,
) -> Result<Option<(Option<String>, Option<String>)>> {
    let row = chat_subjects::table.find((channel.to_string(), chat));
    Ok(row.select((chat_subjects::about, chat_subjects::link)).first(conn).optional()?)
}

/// The vendor gave a chat another name.
pub fn rename(conn: &mut Connection, channel: ChannelId, from: &str, to: &str) -> Result<()> {
    let taken = dialogs::table.filter(dialogs::channel.eq(channel.to_string()).and(dialogs::chat.eq(to)));
    if taken.count().get_result::<i64>(conn)? == 0 {
        let dialog = dialogs::table.filter(dialogs::channel.eq(channel.to_string()).and(dialogs::chat.eq(from)));
        diesel::update(dialog).set(dialogs::chat.eq(to)).execute(conn)?;
    }
    Ok(())
}

/// The newest dialogs of a company.
pub fn newest(conn: &mut Connection, company: CompanyId, limit: i64) -> Result<Vec<DialogRow>> {
    Ok(dialogs::table
        .filter(dialogs::company.eq(company.to_string()))
        .order(dialogs::id.desc())
        .limit(limit)
        .select(DialogRow::as_select())
        .load(conn)?)
}

/// The dialogs of people with one of these phones or user names, and those of these chats, newest first; at most `limit`.
pub fn of_people(
    conn: &mut Connection,
    company: CompanyId,
    (phones, usernames, chats): (&[String], &[String], &[String]),
    limit: i64,
) -> Result<Vec<DialogRow>> {
    let of_company = contacts::company.eq(company.to_string());
    let named = contacts::phone.eq_any(phones.to_vec()).or(contacts::username.eq_any(usernames.to_vec()));
    let people: Vec<String> =
        contacts::table.filter(of_company.and(named)).limit(limit).select(contacts::id).load(conn)?;
    let channels: Vec<String> =
        channels::table.filter(channels::company.eq(company.to_string())).select(channels::id).load(conn)?;
    let by_person = dialogs::contact.assume_not_null().eq_any(people).and(dialogs::contact.is_not_null());
    let by_chat = dialogs::channel.eq_any(channels).and(dialogs::chat.eq_any(chats.to_vec()));
    Ok(dialogs::table
        .filter(dialogs::company.eq(company.to_string()))
        .filter(by_person.or(by_chat))
        .order(dialogs::id.desc())
        .limit(limit)
        .select(DialogRow::as_select())
        .load(conn)?)
}

//! Rows of open lines.

use diesel::prelude::*;

use crate::store::schema::{open_line_chats, open_line_connections, open_line_parts, open_line_posts, open_line_words};

/// A channel in an open line of a portal; `settings` are JSON.
#[derive(Queryable, Selectable, Insertable, AsChangeset, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = open_line_connections, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(primary_key(portal, messenger, open_line))]
#[diesel(treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct ConnectionRow {
    /// The portal.
    pub portal: String,
    /// The messenger, as a slug; hence the connector.
    pub messenger: String,
    /// The open line.
    pub open_line: i64,
    /// Whose it is.
    pub company: String,
    /// The channel.
    pub channel: String,
    /// How the line is called in the portal.
    pub name: Option<String>,
    /// `on`, `off`, `switched_off`, `inactive`, `deleted` or `failed`.
    pub state: String,
    /// Why it does not work.
    pub reason: Option<String>,
    /// Its settings, as JSON.
    pub settings: String,
    /// When it was made.
    pub made_at: i64,
    /// When the portal was asked last.
    pub checked_at: Option<i64>,
}

/// A dialog as an open line has it.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = open_line_chats, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct OpenLineChatRow {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub company: String,
    /// The portal.
    pub portal: String,
    /// The messenger, as a slug.
    pub messenger: String,
    /// The open line.
    pub open_line: i64,
    /// The channel.
    pub channel: String,
    /// The chat as the vendor names it now.
    pub chat: String,
    /// The chat as the portal knows it.
    pub external: String,
    /// The customer as the portal knows him.
    pub person: String,
    /// The portal's number of the chat.
    pub im_chat: Option<i64>,
    /// The portal's hidden user of the customer.
    pub im_user: Option<i64>,
    /// The last session.
    pub session: Option<i64>,
    /// Whether it is over.
    pub closed: bool,
    /// How the chat was called last.
    pub title: Option<String>,
    /// The contact of the CRM.
    pub contact: Option<i64>,
    /// The lead of the CRM.
    pub lead: Option<i64>,
    /// The deal of the CRM.
    pub deal: Option<i64>,
    /// Who answers there, as it was seen last.
    pub owner: Option<i64>,
    /// Who is responsible for the card, as it was seen last.
    pub assigned: Option<i64>,
    /// When something was said last.
    pub active_at: i64,
}

/// Something that is written into an open line, or was.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = open_line_posts, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct PostRow {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub company: String,
    /// The dialog in the open line.
    pub chat: String,
    /// One for the same thing, unique for the dialog.
    pub key: String,
    /// `message`, `file`, `edit`, `delete` or `note`.
    pub kind: String,
    /// The message that it is about.
    pub message: Option<String>,
    /// The text of an edit or a note.
    pub body: Option<String>,
    /// Who is shown as its author: none is the customer, zero the system.
    pub author: Option<i64>,
    /// `waiting`, `parked`, `done`, `failed` or `unknown`.
    pub state: String,
    /// Why it failed.
    pub reason: Option<String>,
    /// When the call began whose fate is not known yet.
    pub tried_at: Option<i64>,
    /// The text as it was written.
    pub said: Option<String>,
    /// The portal's message that came of it, where it came back as an operator's.
    pub echo: Option<i64>,
    /// When it was made.
    pub made_at: i64,
    /// When it was over.
    pub done_at: Option<i64>,
}

/// Something that was said in an open line.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = open_line_words, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct WordRow {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub company: String,
    /// The portal.
    pub portal: String,
    /// The dialog in the open line.
    pub chat: String,
    /// The portal's chat.
    pub im_chat: i64,
    /// The portal's message.
    pub im_message: i64,
    /// Who said it; zero is the line itself.
    pub operator: i64,
    /// Whether it was found after a time in which nobody heard of it.
    pub late: bool,
    /// What the portal was told of it: `none`, `delivered` or `read`.
    pub told: String,
    /// When it was said.
    pub said_at: i64,
}

/// A part of what was said: a message of its own in the messenger.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = open_line_parts, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct WordPartRow {
    /// What was said.
    pub word: String,
    /// Which part, from 0.
    pub place: i32,
    /// The message.
    pub message: String,
    /// `open`, `sent`, `read`, `failed` or `unknown`.
    pub state: String,
}

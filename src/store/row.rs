//! Rows as the store gives and takes them, where they are more than a few values.

mod application;
mod delivery;
mod file;
mod group_act;
mod health;
mod lane;
mod message_change;
mod open_line;
mod portal_page;
mod standing;
mod template;
mod tenant;
mod visit;
mod webhook;

use diesel::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::schema::{
    answer_entries, answers, channels, contacts, dialogs, hooks, listenings, mailings, messages, portal_tokens,
    portals, recipients,
};
use super::{Result, StoreError};

pub use application::ApplicationRow;
pub use delivery::{DeliveryRow, NewDelivery};
pub use file::{ArrivalPart, ArrivalRow, FileRow};
pub use group_act::{GroupActEnd, GroupActRow};
pub use health::{CompanyEventRow, HealthRow, NoticeRow};
pub use lane::{LaneRow, LaneState, NewLane, Planned, Sent};
pub use message_change::{ChangeEnd, ChangeRow};
pub use open_line::{ConnectionRow, OpenLineChatRow, PostRow, WordPartRow, WordRow};
pub use portal_page::PortalPageRow;
pub use standing::StandingRow;
pub use template::{TemplateNews, TemplateRow};
pub use tenant::{LineChange, LineRow, NewLine, NewUser, UserRow};
pub use visit::VisitRow;
pub use webhook::{WebhookEventRow, WebhookFailure, WebhookRow};

/// A message in the history.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = messages, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct MessageRow {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub company: String,
    /// The channel.
    pub channel: String,
    /// The chat as the vendor names it.
    pub chat: String,
    /// Whether we wrote it.
    pub outgoing: bool,
    /// Its status, see [`crate::model::status::Status`].
    pub status: i16,
    /// The vendor's id.
    pub vendor_id: Option<String>,
    /// What it says, as JSON.
    pub content: String,
    /// Who asked for it, as JSON.
    pub origin: String,
    /// Our stable code of an error.
    pub code: Option<String>,
    /// The reason of an error, for a person.
    pub reason: Option<String>,
    /// When it was accepted or received.
    pub accepted_at: i64,
    /// When the vendor took it.
    pub sent_at: Option<i64>,
    /// When it was delivered.
    pub delivered_at: Option<i64>,
    /// When it was read.
    pub viewed_at: Option<i64>,
}

/// What a receipt changes; what is none stays.
#[derive(AsChangeset, Debug, Clone, Default, PartialEq, Eq)]
#[diesel(table_name = messages)]
pub struct Progress {
    /// The new status.
    pub status: i16,
    /// Our stable code of an error; the inner none takes away the one that is there.
    pub code: Option<Option<String>>,
    /// The reason of an error, in the same way.
    pub reason: Option<Option<String>>,
    /// When the vendor took it.
    pub sent_at: Option<i64>,
    /// When it was delivered.
    pub delivered_at: Option<i64>,
    /// When it was read.
    pub viewed_at: Option<i64>,
}

/// A channel as it is kept; `secrets` are sealed, `settings` are JSON.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = channels, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct ChannelRow {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub company: String,
    /// Its line.
    pub line: i64,
    /// Its lane.
    pub lane: i64,
    /// Which messenger, as a slug.
    pub messenger: String,
    /// The vendor's account, which is attached once.
    pub account: String,
    /// Its state.
    pub state: String,
    /// Sealed secrets.
    pub secrets: String,
    /// Settings, as JSON.
    pub settings: String,
    /// The part of our address that nobody can guess.
    pub hook_key: String,
    /// Why it was lost.
    pub lost_reason: Option<String>,
    /// Since when it is connected.
    pub connected_at: i64,
    /// When it was made.
    pub created_at: i64,
}

/// How a listening channel fares.
#[derive(Queryable, Selectable, Debug, Clone, PartialEq, Eq, Serialize)]
#[diesel(table_name = listenings, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct ListeningRow {
    /// The channel.
    #[serde(skip)]
    pub channel: String,
    /// Since when its connection stands; none while it does not.
    pub connected_at: Option<i64>,
    /// When something came last.
    pub heard_at: Option<i64>,
    /// Since when the connection is away.
    pub error_at: Option<i64>,
    /// Why.
    pub error: Option<String>,
    /// When messages may have been missed.
    pub gap_at: Option<i64>,
}

/// A portal as it is kept; `application_token` is sealed.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = portals, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct PortalRow {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub company: String,
    /// The portal's id, which never changes.
    pub member_id: String,
    /// Its host; may change.
    pub domain: String,
    /// Where its REST is.
    pub client_endpoint: String,
    /// Where its authorization server is.
    pub server_endpoint: String,
    /// The sealed proof of origin.
    pub application_token: String,
    /// Its state: `installed`, `lost` (no token of it is good), or `uninstalled`.
    pub state: String,
    /// Its lane.
    pub lane: i64,
    /// The part of our address that nobody can guess.
    pub hook_key: String,
    /// Where its robots post to, as they were registered.
    pub robot_url: Option<String>,
    /// The moment of the newest word about its installation: an older one that comes later is left aside.
    pub event_at: Option<i64>,
    /// When it was made.
    pub created_at: i64,
}

/// A token pair of one of the portal's people; both tokens are sealed.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = portal_tokens, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct TokenPairRow {
    /// The portal.
    pub portal: String,
    /// The employee.
    pub user_id: String,
    /// Whether the employee is an administrator.
    pub is_admin: bool,
    /// Sealed.
    pub access_token: String,
    /// Sealed.
    pub refresh_token: String,
    /// When the access token ends.
    pub expires_at: i64,
    /// Counts renewals.
    pub version: i64,
    /// Who renews it.
    pub lease_owner: Option<String>,
    /// Until when.
    pub lease_until: i64,
    /// Whether it was refused for good.
    pub dead: bool,
}

impl TokenPairRow {
    /// A pair of an employee without its tokens yet.
    #[must_use]
    pub fn of(portal: &str, user_id: &str, is_admin: bool) -> Self {
        Self {
            portal: portal.to_owned(),
            user_id: user_id.to_owned(),
            is_admin,
            access_token: String::new(),
            refresh_token: String::new(),
            expires_at: 0,
            version: 0,
            lease_owner: None,
            lease_until: 0,
            dead: false,
        }
    }
}

/// What a robot was promised.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = answers, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct AnswerRow {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub company: String,
    /// The portal.
    pub portal: String,
    /// What the robot waits with.
    pub event_token: String,
    /// The card.
    pub document_id: String,
    /// Whether the robot waits.
    pub waits: bool,
    /// Whether it waits for the vendor's last word.
    pub exact: bool,
    /// Whether the result goes into the card as a comment.
    pub comments: bool,
    /// `all` or `first`.
    pub mode: String,
    /// What is to be tried after the first address, as JSON.
    pub plan: Option<String>,
    /// Its state.
    pub state: i16,
    /// How many entries are open.
    pub open_entries: i32,
    /// When it must have its answer.
    pub answer_by: Option<i64>,
    /// When it was made.
    pub created_at: i64,
    /// The code of the robot.
    pub robot: String,
}

/// The part of an answer that speaks of one address.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = answer_entries, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct EntryRow {
    /// The answer.
    pub answer: String,
    /// Which one, from 0.
    pub entry: i32,
    /// The address, as a person writes it.
    pub chat_id: String,
    /// Whether it went well; none while it is open.
    pub ok: Option<bool>,
    /// Our stable code.
    pub code: Option<String>,
    /// The reason, for a person.
    pub reason: Option<String>,
    /// The message that was accepted for it.
    pub message: Option<String>,
}

/// A mailing as it is kept.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = mailings, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct MailingRow {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub company: String,
    /// The channel.
    pub channel: String,
    /// Its lane.
    pub lane: i64,
    /// Its title.
    pub title: String,
    /// Its state.
    pub state: String,
    /// The portal.
    pub portal: Option<String>,
    /// The sender that handed it over.
    pub sender_code: Option<String>,
    /// The employee who began it.
    pub author: Option<String>,
    /// The shape of its text.
    pub shape: Option<String>,
    /// When its last row came.
    pub last_row_at: i64,
    /// When it was made.
    pub created_at: i64,
}

/// A row of a mailing's ledger; `content` is JSON and frozen once the row is taken.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = recipients, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct RecipientRow {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub company: String,
    /// The mailing.
    pub mailing: String,
    /// The address, as JSON.
    pub peer: String,
    /// What it says, as JSON.
    pub content: String,
    /// Its status.
    pub status: String,
    /// Our stable code.
    pub code: Option<String>,
    /// The reason, for a person.
    pub reason: Option<String>,
    /// The message in the outbox or the history.
    pub message: Option<String>,
    /// The portal's id of the SMS.
    pub vendor_message: Option<String>,
    /// When it was accepted.
    pub accepted_at: i64,
    /// When the vendor took it.
    pub sent_at: Option<i64>,
}

/// A dialog as it is kept.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = dialogs, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct DialogRow {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub company: String,
    /// The channel.
    pub channel: String,
    /// The contact.
    pub contact: Option<String>,
    /// The chat as the vendor names it.
    pub chat: String,
    /// Its title.
    pub title: String,
    /// Whether it is a group.
    pub is_group: bool,
    /// Whether we may write.
    pub allowed: bool,
    /// When the customer wrote last.
    pub incoming_at: Option<i64>,
    /// When it was made.
    pub created_at: i64,
    /// What an answer goes on from, as JSON, where the messenger has threads.
    pub thread: Option<String>,
    /// When an advertisement led the customer here, while nobody has answered yet.
    pub led_at: Option<i64>,
    /// Until when the customer may be written to freely because of that.
    pub free_until: Option<i64>,
}

/// A contact as it is kept.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = contacts, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct ContactRow {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub company: String,
    /// The name.
    pub name: String,
    /// The phone, in digits.
    pub phone: Option<String>,
    /// The user name, in lower case.
    pub username: Option<String>,
    /// When it was made.
    pub created_at: i64,
}

/// What an installation, an update or a move changes of a portal; what is none stays.
#[derive(AsChangeset, Debug, Clone, Default, PartialEq, Eq)]
#[diesel(table_name = portals)]
pub struct PortalPatch {
    /// Its host.
    pub domain: Option<String>,
    /// Where its REST is.
    pub client_endpoint: Option<String>,
    /// Where its authorization server is.
    pub server_endpoint: Option<String>,
    /// The sealed proof of origin.
    pub application_token: Option<String>,
    /// Its state.
    pub state: Option<String>,
    /// Where its robots post to.
    pub robot_url: Option<String>,
    /// The moment of the newest word about its installation.
    pub event_at: Option<i64>,
}

/// A delivery that came in.
#[derive(Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = hooks, treat_none_as_default_value = false)]
pub struct NewHook {
    /// Its id.
    pub id: String,
    /// What sent it: `b24_robot`, `b24_sms`, `b24_event`, `messenger`.
    pub source: String,
    /// The portal or channel it came to.
    pub owner: String,
    /// The vendor's key against repetition, unique for the owner.
    pub key: String,
    /// The body, as it came.
    pub body: Option<String>,
    /// See [`crate::store::sqlite_nouns::hook`].
    pub state: i16,
    /// How often working it failed.
    pub attempts: i32,
    /// When it came.
    pub received_at: i64,
}

/// A delivery as the feeder works it.
#[derive(Queryable, Selectable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = hooks, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct HookRow {
    /// Its id.
    pub id: String,
    /// What sent it.
    pub source: String,
    /// The portal or channel it came to.
    pub owner: String,
    /// The vendor's key.
    pub key: String,
    /// The body.
    pub body: Option<String>,
    /// How often working it failed.
    pub attempts: i32,
    /// When it came.
    pub received_at: i64,
}

/// Writes a value as the text of a column.
///
/// # Errors
/// Where it has no JSON form.
pub fn text<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Unreadable { table: "json", what: error.to_string() })
}

/// Reads a value from the text of a column.
///
/// # Errors
/// Where it is not of that form.
pub fn value<T: DeserializeOwned>(table: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| StoreError::Unreadable { table, what: error.to_string() })
}

//! Rows of webhooks.

use diesel::prelude::*;

use crate::store::schema::{webhook_events, webhooks};

/// Where an integrator hears what happens in a channel.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = webhooks, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct WebhookRow {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub company: String,
    /// The channel.
    pub channel: String,
    /// The lane in which its events wait.
    pub lane: i64,
    /// The address.
    pub url: String,
    /// What it hears of, as a JSON list.
    pub topics: String,
    /// The secret that signs, sealed.
    pub secret: String,
    /// `on`, `off` or `deleted`.
    pub state: String,
    /// Why it was switched off.
    pub reason: Option<String>,
    /// The number of its last event.
    pub last_number: i64,
    /// When an event was tried last.
    pub told_at: Option<i64>,
    /// What came of it: `delivered`, or why it was not taken.
    pub told: Option<String>,
    /// The HTTP status, where it was not taken.
    pub told_status: Option<i32>,
    /// What was seen, where it was not taken.
    pub told_seen: Option<String>,
    /// When it was made.
    pub made_at: i64,
}

/// What a webhook is told.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = webhook_events, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct WebhookEventRow {
    /// The webhook.
    pub webhook: String,
    /// Its number there, from 1 without a gap.
    pub number: i64,
    /// Whose it is.
    pub company: String,
    /// One for the same thing, unique for the webhook.
    pub key: String,
    /// `message` or `messageStatus`.
    pub topic: String,
    /// What happened, as JSON.
    pub item: String,
    /// `waiting`, `delivered` or `failed`.
    pub state: String,
    /// How often it was not taken.
    pub attempts: i32,
    /// Why it was not taken last.
    pub reason: Option<String>,
    /// The HTTP status of that.
    pub status: Option<i32>,
    /// What was seen of that.
    pub seen: Option<String>,
    /// When it happened.
    pub made_at: i64,
    /// When it was over.
    pub done_at: Option<i64>,
}

/// Why an event was not taken.
#[derive(AsChangeset, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = webhook_events)]
#[diesel(treat_none_as_null = true)]
pub struct WebhookFailure {
    /// A stable code.
    pub reason: Option<String>,
    /// The HTTP status.
    pub status: Option<i32>,
    /// What was seen.
    pub seen: Option<String>,
}

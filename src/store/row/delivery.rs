//! Rows of what messengers posted.

use diesel::prelude::*;

use crate::store::schema::deliveries;

/// A delivery that is to be kept.
#[derive(Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = deliveries)]
pub struct NewDelivery {
    /// Whose it is.
    pub company: String,
    /// The channel that it was posted to.
    pub channel: String,
    /// What became of it: `taken`, `off`, `unreadable` or `mixed`.
    pub outcome: String,
    /// Bytes of the body, as it came.
    pub size: i64,
    /// Whether less of it is kept.
    pub cut: bool,
    /// Events that were read in it.
    pub events: i32,
    /// Method, query, headers and body, sealed for the channel.
    pub sealed: String,
    /// When it came.
    pub received_at: i64,
}

/// A delivery that is kept.
#[derive(Queryable, Selectable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = deliveries, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct DeliveryRow {
    /// Its number, which only rises.
    pub n: i64,
    /// The channel that it was posted to.
    pub channel: String,
    /// See [`NewDelivery`].
    pub outcome: String,
    /// See [`NewDelivery`].
    pub size: i64,
    /// See [`NewDelivery`].
    pub cut: bool,
    /// See [`NewDelivery`].
    pub events: i32,
    /// See [`NewDelivery`].
    pub sealed: String,
    /// When it came.
    pub received_at: i64,
}

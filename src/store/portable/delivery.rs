//! What messengers posted, as it came.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{ChannelId, CompanyId};
use crate::store::Result;
use crate::store::row::{DeliveryRow, NewDelivery};
use crate::store::schema::deliveries;

/// Keeps a delivery.
pub fn keep(conn: &mut Connection, new: &NewDelivery) -> Result<()> {
    diesel::insert_into(deliveries::table).values(new).execute(conn)?;
    Ok(())
}

/// The newest deliveries of a channel before a number.
pub fn of_channel(
    conn: &mut Connection,
    company: CompanyId,
    channel: ChannelId,
    before: i64,
    limit: i64,
) -> Result<Vec<DeliveryRow>> {
    Ok(deliveries::table
        .filter(deliveries::company.eq(company.to_string()).and(deliveries::channel.eq(channel.to_string())))
        .filter(deliveries::n.lt(before))
        .order(deliveries::n.desc())
        .limit(limit)
        .select(DeliveryRow::as_select())
        .load(conn)?)
}

/// One delivery of a channel.
pub fn find(conn: &mut Connection, company: CompanyId, channel: ChannelId, n: i64) -> Result<Option<DeliveryRow>> {
    Ok(deliveries::table
        .find(n)
        .filter(deliveries::company.eq(company.to_string()).and(deliveries::channel.eq(channel.to_string())))
        .select(DeliveryRow::as_select())
        .first(conn)
        .optional()?)
}

/// Up to which number deliveries are to be forgotten: those that came before a moment, and those that are more than so many.
/// Looks at a few of the oldest ones only.
pub fn spent(conn: &mut Connection, before: i64, most: i64, at_once: i64) -> Result<Option<i64>> {
    let newest: Option<i64> = deliveries::table.select(diesel::dsl::max(deliveries::n)).first(conn)?;
    let Some(newest) = newest else { return Ok(None) };
    let oldest: Vec<(i64, i64)> = deliveries::table
        .order(deliveries::n)
        .limit(at_once)
        .select((deliveries::n, deliveries::received_at))
        .load(conn)?;
    let spent = oldest.into_iter().take_while(|(n, at)| *n <= newest - most || *at < before);
    Ok(spent.last().map(|(n, _)| n))
}

/// Forgets deliveries up to a number.
pub fn forget(conn: &mut Connection, up_to: i64) -> Result<usize> {
    Ok(diesel::delete(deliveries::table.filter(deliveries::n.le(up_to))).execute(conn)?)
}

/// What is sealed after a number: number, channel and the sealed text, in their order.
pub fn sealed_after(conn: &mut Connection, n: i64, limit: i64) -> Result<Vec<(i64, String, String)>> {
    Ok(deliveries::table
        .filter(deliveries::n.gt(n))
        .order(deliveries::n)
        .limit(limit)
        .select((deliveries::n, deliveries::channel, deliveries::sealed))
        .load(conn)?)
}

/// Replaces what is sealed, if it is still what was read.
pub fn reseal(conn: &mut Connection, n: i64, from: &str, to: &str) -> Result<bool> {
    let delivery = deliveries::table.find(n).filter(deliveries::sealed.eq(from));
    Ok(diesel::update(delivery).set(deliveries::sealed.eq(to)).execute(conn)? == 1)
}

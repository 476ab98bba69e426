//! Webhooks, and what they are told.

use diesel::dsl::count_star;
use diesel::prelude::*;

use super::Connection;
use crate::model::id::{ChannelId, CompanyId, WebhookId};
use crate::store::Result;
use crate::store::row::{WebhookEventRow, WebhookFailure, WebhookRow};
use crate::store::schema::{webhook_events, webhooks};

/// The events of a webhook of a company.
macro_rules! events {
    ($company:expr, $id:expr) => {
        webhook_events::table
            .filter(webhook_events::webhook.eq($id.to_string()))
            .filter(webhook_events::company.eq($company.to_string()))
    };
}

/// One event of a webhook of a company.
macro_rules! event {
    ($company:expr, $id:expr, $number:expr) => {
        webhook_events::table.find(($id.to_string(), $number)).filter(webhook_events::company.eq($company.to_string()))
    };
}

/// Makes a webhook.
pub fn create(conn: &mut Connection, row: &WebhookRow) -> Result<()> {
    diesel::insert_into(webhooks::table).values(row).execute(conn)?;
    Ok(())
}

/// A webhook of a company.
pub fn by_id(conn: &mut Connection, company: CompanyId, id: WebhookId) -> Result<Option<WebhookRow>> {
    Ok(webhooks::table
        .find(id.to_string())
        .filter(webhooks::company.eq(company.to_string()))
        .select(WebhookRow::as_select())
        .first(conn)
        .optional()?)
}

/// The webhook of a channel of a company, whatever its state.
pub fn of_channel(conn: &mut Connection, company: CompanyId, channel: ChannelId) -> Result<Option<WebhookRow>> {
    Ok(webhooks::table
        .filter(webhooks::company.eq(company.to_string()).and(webhooks::channel.eq(channel.to_string())))
        .select(WebhookRow::as_select())
        .first(conn)
        .optional()?)
}

/// The webhooks of a company, oldest first; those that were taken away are left out.
pub fn of_company(conn: &mut Connection, company: CompanyId) -> Result<Vec<WebhookRow>> {
    Ok(webhooks::table
        .filter(webhooks::company.eq(company.to_string()).and(webhooks::state.ne("deleted")))
        .order(webhooks::id)
        .select(WebhookRow::as_select())
        .load(conn)?)
}

/// Gives a webhook another address, other topics and, where one is told, another secret; it is on from now on.
pub fn change(
    conn: &mut Connection,
    company: CompanyId,
    id: &str,
    (url, topics): (&str, &str),
    secret: Option<&str>,
) -> Result<()> {
    let mine = webhooks::table.find(id).filter(webhooks::company.eq(company.to_string()));
    let values = (
        webhooks::url.eq(url),
        webhooks::topics.eq(topics),
        webhooks::state.eq("on"),
        webhooks::reason.eq(None::<String>),
        secret.map(|secret| webhooks::secret.eq(secret)),
    );
    diesel::update(mine).set(values).execute(conn)?;
    Ok(())
}

/// Takes a webhook away with everything that it was told; tells whether it was there.
pub fn remove(conn: &mut Connection, company: CompanyId, channel: ChannelId) -> Result<bool> {
    let of_channel = webhooks::company.eq(company.to_string()).and(webhooks::channel.eq(channel.to_string()));
    let there = webhooks::table.filter(of_channel.and(webhooks::state.ne("deleted"))).select(webhooks::id);
    let Some(id) = there.first::<String>(conn).optional()? else { return Ok(false) };
    let nothing = (None::<i64>, None::<String>, None::<i32>, None::<String>);
    let values = (
        webhooks::state.eq("deleted"),
        webhooks::url.eq(""),
        webhooks::secret.eq(""),
        webhooks::told_at.eq(nothing.0),
        webhooks::told.eq(nothing.1),
        webhooks::told_status.eq(nothing.2),
        webhooks::told_seen.eq(nothing.3),
    );
    diesel::update(webhooks::table.find(&id)).set(values).execute(conn)?;
    diesel::delete(webhook_events::table.filter(webhook_events::webhook.eq(&id))).execute(conn)?;
    Ok(true)
}

/// Switches a webhook off that is on at this address; tells whether it was.
pub fn switch_off(conn: &mut Connection, company: CompanyId, id: WebhookId, url: &str, reason: &str) -> Result<bool> {
    let on = webhooks::table
        .find(id.to_string())
        .filter(webhooks::company.eq(company.to_string()).and(webhooks::state.eq("on")))
        .filter(webhooks::url.eq(url));
    Ok(diesel::update(on).set((webhooks::state.eq("off"), webhooks::reason.eq(reason))).execute(conn)? == 1)
}

/// Writes an event down under the next number of its webhook; none where it was written before.
pub fn enter(conn: &mut Connection, row: &WebhookEventRow) -> Result<Option<i64>> {
    // whoever takes a number holds the webhook until the commit, so numbers come to light in their order
    let webhook = webhooks::table.find(&row.webhook).filter(webhooks::company.eq(&row.company));
    let number: i64 = diesel::update(webhook)
        .set(webhooks::last_number.eq(webhooks::last_number + 1))
        .returning(webhooks::last_number)
        .get_result(conn)?;
    let row = WebhookEventRow { number, ..row.clone() };
    if diesel::insert_into(webhook_events::table).values(&row).on_conflict_do_nothing().execute(conn)? == 1 {
        return Ok(Some(number));
    }
    diesel::update(webhooks::table.find(&row.webhook)).set(webhooks::last_number.eq(number - 1)).execute(conn)?;
    Ok(None)
}

/// One event.
pub fn event(conn: &mut Connection, company: CompanyId, id: WebhookId, number: i64) -> Result<Option<WebhookEventRow>> {
    Ok(event!(company, id, number).select(WebhookEventRow::as_select()).first(conn).optional()?)
}

/// Events of a webhook behind a number, in their order, of one state where it is told.
pub fn events(
    conn: &mut Connection,
    company: CompanyId,
    id: WebhookId,
    state: Option<&str>,
    (after, limit): (i64, i64),
) -> Result<Vec<WebhookEventRow>> {
    let mut found = events!(company, id)
        .filter(webhook_events::number.gt(after))
        .order(webhook_events::number)
        .limit(limit)
        .select(WebhookEventRow::as_select())
        .into_boxed();
    if let Some(state) = state {
        found = found.filter(webhook_events::state.eq(state.to_owned()));
    }
    Ok(found.load(conn)?)
}

/// How many events of a webhook are in a state.
pub fn count(conn: &mut Connection, company: CompanyId, id: &str, state: &str) -> Result<i64> {
    Ok(events!(company, id).filter(webhook_events::state.eq(state)).select(count_star()).first(conn)?)
}

/// An event was not taken; it is tried again, or ends by itself.
pub fn note(
    conn: &mut Connection,
    company: CompanyId,
    (id, number): (WebhookId, i64),
    failure: &WebhookFailure,
    now: i64,
) -> Result<()> {
    let open = event!(company, id, number).filter(webhook_events::state.eq("waiting"));
    let attempts = webhook_events::attempts.eq(webhook_events::attempts + 1);
    if diesel::update(open).set((failure, attempts)).execute(conn)? == 1 {
        tell(conn, company, id, failure, now)?;
    }
    Ok(())
}

/// An event is over; tells whether it was open still.
pub fn end(
    conn: &mut Connection,
    company: CompanyId,
    (id, number): (WebhookId, i64),
    state: &str,
    now: i64,
) -> Result<bool> {
    let open = event!(company, id, number).filter(webhook_events::state.eq("waiting"));
    let values = (webhook_events::state.eq(state), webhook_events::done_at.eq(now));
    Ok(diesel::update(open).set(values).execute(conn)? == 1)
}

/// Says why an event failed.
pub fn explain(
    conn: &mut Connection,
    company: CompanyId,
    (id, number): (WebhookId, i64),
    reason: &str,
    may_replace: bool,
) -> Result<()> {
    if may_replace {
        diesel::update(event!(company, id, number)).set(webhook_events::reason.eq(reason)).execute(conn)?;
    } else {
        let unknown = event!(company, id, number).filter(webhook_events::reason.is_null());
        diesel::update(unknown).set(webhook_events::reason.eq(reason)).execute(conn)?;
    }
    Ok(())
}

/// The last outcome of a webhook.
pub fn tell(
    conn: &mut Connection,
    company: CompanyId,
    id: WebhookId,
    outcome: &WebhookFailure,
    now: i64,
) -> Result<()> {
    let mine = webhooks::table.find(id.to_string()).filter(webhooks::company.eq(company.to_string()));
    let values = (
        webhooks::told_at.eq(now),
        webhooks::told.eq(&outcome.reason),
        webhooks::told_status.eq(outcome.status),
        webhooks::told_seen.eq(&outcome.seen),
    );
    diesel::update(mine).set(values).execute(conn)?;
    Ok(())
}

/// Opens events that are over once more, the first `limit` of a range of numbers; gives their numbers back in order.
pub fn reopen(
    conn: &mut Connection,
    company: CompanyId,
    id: WebhookId,
    (from, to): (i64, i64),
    limit: i64,
) -> Result<Vec<i64>> {
    let over: Vec<i64> = events!(company, id)
        .filter(webhook_events::number.between(from, to).and(webhook_events::state.ne("waiting")))
        .order(webhook_events::number)
        .limit(limit)
        .select(webhook_events::number)
        .load(conn)?;
    let mut opened = Vec::with_capacity(over.len());
    for number in over {
        let values = (
            webhook_events::state.eq("waiting"),
            webhook_events::attempts.eq(0),
            webhook_events::done_at.eq(None::<i64>),
            &WebhookFailure { reason: None, status: None, seen: None },
        );
        let still = event!(company, id, number).filter(webhook_events::state.ne("waiting"));
        if diesel::update(still).set(values).execute(conn)? == 1 {
            opened.push(number);
        }
    }
    Ok(opened)
}

/// Forgets events that were over before a moment, by what became of them; at most `limit`, so that nobody waits long.
pub fn forget(conn: &mut Connection, state: &str, before: i64, limit: i64) -> Result<()> {
    let old: Vec<(String, i64)> = webhook_events::table
        .filter(webhook_events::state.eq(state).and(webhook_events::done_at.lt(before)))
        .order(webhook_events::done_at)
        .limit(limit)
        .select((webhook_events::webhook, webhook_events::number))
        .load(conn)?;
    for (webhook, number) in old {
        let row = webhook_events::table.find((webhook, number)).filter(webhook_events::state.eq(state));
        diesel::delete(row).execute(conn)?;
    }
    Ok(())
}

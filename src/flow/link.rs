//! Sessions that live at a gateway come and go by themselves: the channel follows them.

use crate::app::App;
use crate::flow::health;
use crate::model::id::{ChannelId, CompanyId};
use crate::model::message::{Event, Link};
use crate::model::moment::Moment;
use crate::store::row::{ChannelRow, HookRow, LaneState, value};
use crate::store::{Conn, Result, notice};

/// What has waited longer than this, when a session comes back by itself, is held until somebody decides about it.
const STALE_MS: i64 = 10 * 60_000;

/// Works one word about a session: in one transaction the delivery is marked as worked and the channel follows.
///
/// # Errors
/// Those of the store.
pub(crate) async fn work(app: &App, hook: &HookRow) -> Result<()> {
    let (hook, inner, now) = (hook.clone(), app.clone(), app.clock.now());
    let changed = app
        .store
        .write(move |conn| {
            if !crate::on!(conn, hook::work(&hook.id))? {
                return Ok(None);
            }
            let Ok(id) = hook.owner.parse::<ChannelId>() else { return Ok(None) };
            let Some(channel) = crate::on!(conn, channel::whosever(id))? else { return Ok(None) };
            let event: Event = value("hooks", hook.body.as_deref().unwrap_or("null"))?;
            let Event::Link { link, seen, at } = event else { return Ok(None) };
            let moved = follow(&inner, conn, &channel, id, (link, &seen, at), now)?;
            Ok(moved.then_some((channel.lane, id, seen)))
        })
        .await?;
    if let Some((lane, id, seen)) = changed {
        app.known.forget();
        app.bell.changed(lane);
        tracing::warn!(channel = %id, lane, seen, "the session behind a channel came or went");
    }
    Ok(())
}

/// Tells whether the channel changed.
fn follow(
    app: &App,
    conn: &mut Conn,
    channel: &ChannelRow,
    id: ChannelId,
    (link, seen, at): (Link, &str, Moment),
    now: Moment,
) -> Result<bool> {
    let Ok(company) = channel.company.parse::<CompanyId>() else { return Ok(false) };
    // words of the linking itself come again and late, because nobody knew the channel before it was attached
    let before_it_was_attached = link != Link::Up && at.0 <= channel.connected_at;
    if before_it_was_attached || !crate::on!(conn, linking::told(id, at.0))? {
        return Ok(false);
    }
    let to = if link == Link::Relink { "relink" } else { "lost" };
    let moved = match link {
        Link::Up => return come_up(app, conn, company, id, channel, now),
        Link::Relink => crate::on!(conn, channel::set_state(company, id, &["connected", "lost"], to, Some(seen)))?,
        Link::Off => crate::on!(conn, channel::set_state(company, id, &["connected"], to, Some(seen)))?,
    };
    if moved {
        let running = [LaneState::Running, LaneState::Paused, LaneState::Held].map(LaneState::to_db);
        crate::on!(conn, lane::set_state(company, channel.lane, &running, LaneState::Lost.to_db()))?;
        health::turned(app, conn, channel, to, seen, now)?;
        notice::changed(conn, channel.lane)?;
    }
    Ok(moved)
}

/// What a person switched off stays off; everything else runs again. What has become old meanwhile is held, and so is all that
/// waited for a person to link the phone again.
fn come_up(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    id: ChannelId,
    channel: &ChannelRow,
    now: Moment,
) -> Result<bool> {
    if !crate::on!(conn, channel::come_up(company, id, now.0))? {
        return Ok(false);
    }
    if channel.state == "relink" {
        // the phone had removed the device: what was said then nobody kept for us
        crate::on!(conn, listening::enter(company, id))?;
        crate::on!(conn, listening::set_gap(id, now.0))?;
    }
    let oldest = crate::on!(conn, errand::oldest(channel.lane))?;
    let stale = oldest.is_some_and(|at| channel.state == "relink" || at < now.plus_ms(-STALE_MS).0);
    let to = if stale { LaneState::Held } else { LaneState::Running };
    crate::on!(conn, lane::set_state(company, channel.lane, &[LaneState::Lost.to_db()], to.to_db()))?;
    health::turned(app, conn, channel, "connected", "", now)?;
    notice::changed(conn, channel.lane)?;
    Ok(true)
}

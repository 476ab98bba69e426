//! Lines: their hours are those of all their channels, and each is an SMS sender in every portal of the company.

use crate::app::App;
use crate::app::live::Topics;
use crate::crm::bitrix24::sms::{self, Sender};
use crate::model::errand::{NewErrand, Rank, Work};
use crate::model::id::{CompanyId, LineId};
use crate::model::moment::Moment;
use crate::model::origin::Origin;
use crate::store::outbox::{self, Accepted};
use crate::store::row::{LineChange, NewLine, PortalRow, text};
use crate::store::{Conn, Result, notice};

/// How long a sender waits to be set up in a portal that does not answer, in milliseconds.
const SET_UP_TTL_MS: i64 = 7 * 24 * 3_600_000;

/// Makes a line, and its sender in the company's portals.
///
/// # Errors
/// Those of the store.
pub(crate) async fn create(app: &App, company: CompanyId, new: NewLine) -> Result<LineId> {
    let (inner, now) = (app.clone(), app.clock.now());
    let (id, accepted) = app
        .store
        .write(move |conn| {
            let id = crate::on!(conn, line::create(company, &new, now.0))?;
            Ok((id, set_up_senders(&inner, conn, company, id, &new.name, "messageservice.sender.add", now)?))
        })
        .await?;
    app.bell.accepted(accepted);
    app.live.touch(company, Topics::LINES);
    Ok(id)
}

/// Changes a line; tells whether it is there. A message that was claimed already still leaves.
///
/// # Errors
/// Those of the store.
pub(crate) async fn change(app: &App, company: CompanyId, id: LineId, change: LineChange) -> Result<bool> {
    let (inner, now) = (app.clone(), app.clock.now());
    let changed = app
        .store
        .write(move |conn| {
            let old = crate::on!(conn, line::by_id(company, id))?.map(|line| line.name);
            if !crate::on!(conn, line::change(company, id, &change))? {
                return Ok(None);
            }
            let (name, hours) = (&change.name, change.hours.as_ref().map(text).transpose()?);
            let lanes = crate::on!(conn, queue::set_hours(company, id, hours.as_deref()))?;
            for lane in &lanes {
                notice::changed(conn, *lane)?;
            }
            let accepted = if old.as_ref() == Some(name) {
                Vec::new()
            } else {
                set_up_senders(&inner, conn, company, id, name, "messageservice.sender.update", now)?
            };
            Ok(Some((lanes, accepted)))
        })
        .await?;
    let Some((lanes, accepted)) = changed else { return Ok(false) };
    app.known.forget();
    for lane in lanes {
        app.bell.changed(lane);
    }
    app.bell.accepted(accepted);
    app.live.touch(company, Topics::LINES);
    Ok(true)
}

/// The calls that set a line's sender up in every portal of its company. Where the portal was installed just now, the sender
/// is there already, and the portal says so.
fn set_up_senders(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    line: LineId,
    title: &str,
    method: &'static str,
    now: Moment,
) -> Result<Vec<Accepted>> {
    let base = app.config.server.public_url.trim_end_matches('/');
    let portals = crate::on!(conn, portal::of_company(company))?;
    let calls: Vec<NewErrand> = portals
        .iter()
        .filter(|portal| portal.state != "uninstalled" && !base.is_empty())
        .filter_map(|portal| set_up(company, portal, base, line, title, method, now))
        .collect();
    Ok(outbox::accept(conn, now, &calls)?.into_iter().flatten().collect())
}

fn set_up(
    company: CompanyId,
    portal: &PortalRow,
    base: &str,
    line: LineId,
    title: &str,
    method: &'static str,
    now: Moment,
) -> Option<NewErrand> {
    let handler = sms::handler_url(&format!("{base}/bitrix24/sms"), &portal.hook_key);
    let sender = Sender { line, title: title.to_owned(), handler };
    let params = if method == "messageservice.sender.add" { sender.add_body() } else { sender.update_body() };
    Some(NewErrand {
        company,
        lane: portal.lane,
        rank: Rank::Service,
        // one after the other: a name that was given later wins
        peer: format!("sender:{}", sender.code()),
        work: Work::PortalCall { portal: portal.id.parse().ok()?, method: method.to_owned(), params, repeatable: true },
        origin: Origin::Nobody,
        not_before: None,
        expires_at: Some(now.plus_ms(SET_UP_TTL_MS)),
        dedup_key: None,
        merge_key: None,
    })
}

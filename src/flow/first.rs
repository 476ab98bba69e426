//! Strangers: an account that writes to many of them is taken for a spammer, so where its messenger limits that, first messages
//! to phones keep a distance and a budget of the day, and names are looked up within a budget. Whoever wrote to us, and whoever
//! was written to before, is no stranger.

use crate::app::App;
use crate::messenger::{Firsts, Messenger};
use crate::model::id::{ChannelId, CompanyId};
use crate::model::message::{Outgoing, Peer};
use crate::model::moment::Moment;
use crate::model::vendor::{Answer, Scope};
use crate::store::row::ChannelRow;
use crate::store::{Conn, Result};

const DAY_MS: i64 = 24 * 3_600_000;

/// A vendor that asks one recipient to wait for so long means all strangers.
const HOLD_MS: i64 = DAY_MS;

/// Somebody whom the channel may write to now, and what is to be learnt from how that ends.
#[derive(Debug, Default)]
pub struct Introduction(Option<(CompanyId, ChannelId, String)>);

/// Whether a message may leave now: addressed by its chat where the person is known; the inner error is why it waits.
///
/// # Errors
/// Those of the store.
pub async fn introduce(
    app: &App,
    channel: &ChannelRow,
    messenger: &dyn Messenger,
    mut outgoing: Outgoing,
) -> Result<std::result::Result<(Outgoing, Introduction), Answer>> {
    let Some(firsts) = messenger.firsts() else { return Ok(Ok((outgoing, Introduction::default()))) };
    let peer = match &outgoing.to {
        Peer::Phone(phone) => phone.clone(),
        Peer::Username(name) => format!("@{name}"),
        Peer::Chat(_) | Peer::Email(_) => return Ok(Ok((outgoing, Introduction::default()))),
    };
    let (Ok(company), Ok(id)) = (channel.company.parse::<CompanyId>(), channel.id.parse::<ChannelId>()) else {
        return Ok(Ok((outgoing, Introduction::default())));
    };
    let (now, to, sought) = (app.clock.now(), outgoing.to.clone(), peer.clone());
    let found = app.store.write(move |conn| look(conn, (company, id), &to, &sought, firsts, now)).await?;
    Ok(match found {
        Found::Known(chat) => {
            outgoing.to = Peer::Chat(chat);
            Ok((outgoing, Introduction::default()))
        }
        Found::Stranger => Ok((outgoing, Introduction(Some((company, id, peer))))),
        Found::Wait(until) => {
            let after_ms = until.saturating_sub(now.0).max(1_000);
            Err(Answer::Busy { after_ms, scope: Scope::Recipient })
        }
    })
}

enum Found {
    Known(String),
    Stranger,
    Wait(i64),
}

fn look(
    conn: &mut Conn,
    (company, channel): (CompanyId, ChannelId),
    to: &Peer,
    peer: &str,
    firsts: &Firsts,
    now: Moment,
) -> Result<Found> {
    let dialog = match to {
        Peer::Phone(phone) => crate::on!(conn, dialog::by_contact(channel, None, Some(phone)))?,
        Peer::Username(name) => crate::on!(conn, dialog::by_contact(channel, Some(name), None))?,
        Peer::Chat(_) | Peer::Email(_) => None,
    };
    if let Some(dialog) = dialog {
        return Ok(Found::Known(dialog.chat));
    }
    match crate::on!(conn, first_contact::known(channel, peer))? {
        Some(Some(chat)) => return Ok(Found::Known(chat)),
        // an earlier attempt counts for this one
        Some(None) => return Ok(Found::Stranger),
        None => {}
    }
    let gate = crate::on!(conn, first_contact::gate(channel))?;
    if let Some((_, held_until)) = gate.filter(|(_, held_until)| *held_until > now.0) {
        return Ok(Found::Wait(held_until));
    }
    let is_phone = matches!(to, Peer::Phone(_));
    let most = if is_phone { firsts.phones_per_day } else { firsts.names_per_day };
    let of_day = crate::on!(conn, first_contact::since(channel, is_phone, now.plus_ms(-DAY_MS).0))?;
    let most = usize::try_from(most).unwrap_or(0);
    if of_day.len() >= most {
        // as many as the budget have to be older than a day
        let oldest = of_day.get(of_day.len() - most).copied().unwrap_or(now.0);
        return Ok(Found::Wait(oldest.saturating_add(DAY_MS)));
    }
    if is_phone && !crate::on!(conn, first_contact::pass(company, channel, now.plus_ms(-firsts.gap_ms).0, now.0))? {
        let last = crate::on!(conn, first_contact::gate(channel))?.map_or(now.0, |(last, _)| last);
        return Ok(Found::Wait(last.saturating_add(firsts.gap_ms)));
    }
    crate::on!(conn, first_contact::begin(company, channel, peer, now.0))?;
    Ok(Found::Stranger)
}

/// Learns from how a message to a stranger ended: the chat, or that the vendor wants no more of them for a day.
///
/// # Errors
/// Those of the store.
pub async fn conclude(app: &App, introduction: Introduction, answer: &Answer) -> Result<()> {
    let Introduction(Some((company, id, peer))) = introduction else { return Ok(()) };
    match answer {
        Answer::Done { chat: Some(chat), .. } => {
            let chat = chat.clone();
            app.store.write(move |conn| crate::on!(conn, first_contact::name(id, &peer, &chat))).await
        }
        Answer::Busy { after_ms, scope: Scope::Recipient } if *after_ms >= HOLD_MS => {
            tracing::warn!(channel = %id, "the vendor limits the account: no strangers are written to for a day");
            let until = app.clock.now().plus_ms(*after_ms).0;
            app.store.write(move |conn| crate::on!(conn, first_contact::hold(company, id, until))).await
        }
        _ => Ok(()),
    }
}

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

/// Somebody whom the channel may write to now, and what is to be learnt from how that ends.
#[derive(Debug, Default)]
pub struct Introduction(Option<(ChannelId, String)>);

/// Whether a message may leave now: addressed by its chat where the person is known; the inner error is why it waits. One that
/// was tried before may have been taken, so it is not held back, or the vendor would forget meanwhile that it has it.
///
/// # Errors
/// Those of the store.
pub(crate) async fn introduce(
    app: &App,
    channel: &ChannelRow,
    messenger: &dyn Messenger,
    mut outgoing: Outgoing,
    tried: bool,
) -> Result<std::result::Result<(Outgoing, Introduction), Answer>> {
    let found = meet(app, channel, messenger, &outgoing.to, tried).await?;
    Ok(found.map(|(to, introduction)| {
        outgoing.to = to;
        (outgoing, introduction)
    }))
}

/// The same for an address alone.
///
/// # Errors
/// Those of the store.
pub(crate) async fn meet(
    app: &App,
    channel: &ChannelRow,
    messenger: &dyn Messenger,
    to: &Peer,
    tried: bool,
) -> Result<std::result::Result<(Peer, Introduction), Answer>> {
    let known = Ok(Ok((to.clone(), Introduction::default())));
    let Some(firsts) = messenger.firsts() else { return known };
    let peer = match to {
        Peer::Phone(phone) => phone.clone(),
        Peer::Username(name) => format!("@{name}"),
        Peer::Chat(_) | Peer::Email(_) => return known,
    };
    let (Ok(company), Ok(id)) = (channel.company.parse::<CompanyId>(), channel.id.parse::<ChannelId>()) else {
        return known;
    };
    let now = app.clock.now();
    let sought = Sought { company, channel: id, to: to.clone(), peer: peer.clone(), tried };
    let found = app.store.write(move |conn| look(conn, &sought, firsts, now)).await?;
    let busy = |until: i64, scope| Err(Answer::Busy { after_ms: until.saturating_sub(now.0).max(1_000), scope });
    Ok(match found {
        Found::Known(chat) => Ok((Peer::Chat(chat), Introduction::default())),
        Found::Stranger => Ok((to.clone(), Introduction(Some((id, peer))))),
        Found::Wait(until) => busy(until, Scope::Recipient),
        Found::Held(until) => busy(until, Scope::Strangers),
    })
}

/// Whether somebody is no stranger to a channel: they wrote to us, or were written to before.
///
/// # Errors
/// Those of the database.
pub fn is_known(conn: &mut Conn, channel: ChannelId, to: &Peer) -> Result<bool> {
    let (dialog, peer) = match to {
        Peer::Phone(phone) => (crate::on!(conn, dialog::by_contact(channel, None, Some(phone)))?, phone.clone()),
        Peer::Username(name) => (crate::on!(conn, dialog::by_contact(channel, Some(name), None))?, format!("@{name}")),
        Peer::Chat(_) | Peer::Email(_) => return Ok(true),
    };
    Ok(dialog.is_some() || crate::on!(conn, first_contact::known(channel, &peer))?.flatten().is_some())
}

/// Who is looked for.
struct Sought {
    company: CompanyId,
    channel: ChannelId,
    to: Peer,
    /// The name under which first contacts are kept.
    peer: String,
    /// A call for it left before.
    tried: bool,
}

enum Found {
    Known(String),
    Stranger,
    /// Until there is room for one more.
    Wait(i64),
    /// Until the vendor lets the account write to strangers again.
    Held(i64),
}

fn look(conn: &mut Conn, sought: &Sought, firsts: &Firsts, now: Moment) -> Result<Found> {
    let Sought { company, channel, to, peer, tried } = sought;
    let (company, channel) = (*company, *channel);
    let dialog = match to {
        Peer::Phone(phone) => crate::on!(conn, dialog::by_contact(channel, None, Some(phone)))?,
        Peer::Username(name) => crate::on!(conn, dialog::by_contact(channel, Some(name), None))?,
        Peer::Chat(_) | Peer::Email(_) => None,
    };
    if let Some(dialog) = dialog {
        return Ok(Found::Known(dialog.chat));
    }
    let before = match crate::on!(conn, first_contact::known(channel, peer))? {
        Some(Some(chat)) => return Ok(Found::Known(chat)),
        Some(None) => true,
        None => false,
    };
    let held_until = crate::on!(conn, first_contact::gate(channel))?.map_or(0, |(_, held_until)| held_until);
    if held_until > now.0 && !(before && *tried) {
        return Ok(Found::Held(held_until));
    }
    if before {
        // an earlier attempt counts for this one
        return Ok(Found::Stranger);
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

/// Learns from how a call ended: the chat of whoever was a stranger, or that the vendor wants no more of them for a while, be it
/// said of a stranger or of somebody who was written to before.
///
/// # Errors
/// Those of the store.
pub(crate) async fn conclude(
    app: &App,
    channel: &ChannelRow,
    introduction: Introduction,
    answer: &Answer,
) -> Result<()> {
    match (answer, introduction) {
        (Answer::Done { chat: Some(chat), .. }, Introduction(Some((id, peer)))) => {
            let chat = chat.clone();
            app.store.write(move |conn| crate::on!(conn, first_contact::name(id, &peer, &chat))).await
        }
        (Answer::Busy { after_ms, scope: Scope::Strangers }, _) => hold(app, channel, *after_ms).await,
        _ => Ok(()),
    }
}

/// The vendor wants the channel to leave strangers alone for so long.
///
/// # Errors
/// Those of the store.
pub(crate) async fn hold(app: &App, channel: &ChannelRow, for_ms: i64) -> Result<()> {
    let (Ok(company), Ok(id)) = (channel.company.parse::<CompanyId>(), channel.id.parse::<ChannelId>()) else {
        return Ok(());
    };
    let until = app.clock.now().plus_ms(for_ms).0;
    app.store.write(move |conn| crate::on!(conn, first_contact::hold(company, id, until))).await
}

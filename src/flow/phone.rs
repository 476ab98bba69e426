//! Phones are looked at before somebody is written to for the first time, where the messenger can tell whether it is there.
//! Vendors count these looks and ban who looks too much, so answers are kept and a day has a budget.

use serde::Serialize;

use crate::app::App;
use crate::flow::channel::ChannelError;
use crate::flow::perform;
use crate::flow::renew::{self, Renewed};
use crate::messenger::{self, Checked, Messenger, Wire};
use crate::model::id::{ChannelId, CompanyId};
use crate::model::message::{Kind, Outgoing, Peer};
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::vendor::Answer;
use crate::store::row::ChannelRow;
use crate::store::{Conn, Result};

const DAY_MS: i64 = 24 * 3_600_000;

/// A phone that has the messenger keeps it; one that has not may get it tomorrow.
const FOUND_GOOD_MS: i64 = 7 * DAY_MS;
const MISSED_GOOD_MS: i64 = DAY_MS;

/// What is known of a phone.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Looked {
    /// The phone in digits.
    pub phone: String,
    /// Whether it has the messenger; none where it could not be asked.
    pub exists: Option<bool>,
    /// The chat to write to.
    pub chat: Option<String>,
    /// Why it could not be asked: `limit` for the budget of the day, or what the vendor said.
    pub unasked: Option<String>,
}

/// Looks at phones; those that were looked at lately are not asked about again. The second part of the answer is what is left
/// of the budget of the day.
///
/// # Errors
/// [`ChannelError::NotFound`], or [`ChannelError::State`] where the channel is away or its messenger tells nothing of phones.
pub(crate) async fn look(
    app: &App,
    company: CompanyId,
    id: ChannelId,
    phones: Vec<String>,
) -> Result<(Vec<Looked>, i64), ChannelError> {
    let row = app.store.read(move |conn| crate::on!(conn, channel::by_id(company, id))).await?;
    let row = row.ok_or(ChannelError::NotFound)?;
    let messenger = Kind::from_slug(&row.messenger).and_then(messenger::of).ok_or(ChannelError::NotFound)?;
    if row.state != "connected" || !messenger.about().abilities.checks_phone {
        return Err(ChannelError::State);
    }
    let wire = perform::wire(app, &row)?;
    let mut looked = Vec::new();
    // a gateway that is away is not asked fifty times
    let mut away: Option<String> = None;
    for phone in phones {
        if away.is_some() {
            looked.push(Looked { exists: None, chat: None, unasked: away.clone(), phone });
            continue;
        }
        let found = match find(app, id, messenger, &wire, &phone).await? {
            Found::Known(Checked { chat }) => Looked { exists: Some(chat.is_some()), chat, unasked: None, phone },
            Found::OverBudget => Looked { exists: None, chat: None, unasked: Some("limit".to_owned()), phone },
            Found::Failed(answer) => {
                let unasked = Some(seen(&answer).to_owned());
                if !matches!(answer, Answer::Refused { .. } | Answer::Nobody { .. }) {
                    away.clone_from(&unasked);
                }
                Looked { exists: None, chat: None, unasked, phone }
            }
        };
        looked.push(found);
    }
    let left = budget_left(app, id).await?;
    Ok((looked, left))
}

/// Puts the address in the form in which the messenger reaches it: a phone becomes the chat that the vendor names for it. The
/// inner error is why it is not written to.
///
/// # Errors
/// Those of the store.
pub(crate) async fn reach(
    app: &App,
    channel: &ChannelRow,
    messenger: &dyn Messenger,
    wire: &Wire,
    outgoing: Outgoing,
) -> Result<std::result::Result<Outgoing, Answer>> {
    let reached = reach_peer(app, channel, messenger, wire, outgoing.to.clone()).await?;
    Ok(reached.map(|to| Outgoing { to, ..outgoing }))
}

/// The same for an address alone.
///
/// # Errors
/// Those of the store.
pub(crate) async fn reach_peer(
    app: &App,
    channel: &ChannelRow,
    messenger: &dyn Messenger,
    wire: &Wire,
    to: Peer,
) -> Result<std::result::Result<Peer, Answer>> {
    // where strangers are counted, whoever sends finds them: the look would tell less and count as well
    let looks = messenger.about().abilities.checks_phone && messenger.firsts().is_none();
    let (Peer::Phone(phone), true) = (&to, looks) else { return Ok(Ok(to)) };
    let (phone, Ok(id)) = (phone.clone(), channel.id.parse::<ChannelId>()) else { return Ok(Ok(to)) };
    let asked = phone.clone();
    let wrote = app.store.read(move |conn| crate::on!(conn, dialog::by_contact(id, None, Some(&asked)))).await?;
    if let Some(dialog) = wrote {
        return Ok(Ok(Peer::Chat(dialog.chat)));
    }
    Ok(match find(app, id, messenger, wire, &phone).await? {
        Found::Known(Checked { chat: Some(chat) }) => Ok(Peer::Chat(chat)),
        Found::Known(Checked { chat: None }) => {
            let name = messenger.about().title.1;
            Err(Answer::Nobody { text: format!("{name}: {}", Code::Nobody.en()) })
        }
        // the budget spares the account questions, not messages; and what cannot be asked is found out by sending
        Found::OverBudget | Found::Failed(Answer::Refused { .. } | Answer::Nobody { .. }) => Ok(to),
        Found::Failed(answer) => Err(answer),
    })
}

/// Whether a phone has the messenger, as far as that is known without asking.
///
/// # Errors
/// Those of the database.
pub fn known(conn: &mut Conn, id: ChannelId, phone: &str, now: Moment) -> Result<Option<bool>> {
    let (asked, since) = ([phone.to_owned()], now.plus_ms(-FOUND_GOOD_MS).0);
    let known = crate::on!(conn, phone_check::known(id, &asked, since))?.into_iter().next();
    let good = known.filter(|(_, chat, at)| chat.is_some() || *at >= now.plus_ms(-MISSED_GOOD_MS).0);
    Ok(good.map(|(_, chat, _)| chat.is_some()))
}

/// Looks at one phone for whoever asked by an errand.
///
/// # Errors
/// Those of the store, before the vendor was asked.
pub(crate) async fn check(app: &App, company: CompanyId, id: ChannelId, phone: &str) -> Result<Answer> {
    let refused = |code| Ok(Answer::Refused { code, text: String::new() });
    let Some(channel) = perform::channel(app, company, id).await? else { return refused(Code::ChannelNotFound) };
    let messenger = Kind::from_slug(&channel.messenger).and_then(messenger::of);
    let Some(messenger) = messenger.filter(|messenger| messenger.about().abilities.checks_phone) else {
        return refused(Code::NotSupported);
    };
    if let Some(rest) = perform::rest(app, channel.line).await? {
        return Ok(rest);
    }
    let mut found = find(app, id, messenger, &perform::wire(app, &channel)?, phone).await?;
    if matches!(found, Found::Failed(Answer::Expired { .. })) {
        match renew::renew(app, company, &channel, messenger).await? {
            Renewed::Fresh(channel) => {
                found = find(app, id, messenger, &perform::wire(app, &channel)?, phone).await?;
            }
            Renewed::Later(seen) => found = Found::Failed(Answer::Down { seen }),
            Renewed::Never => {}
        }
    }
    match found {
        Found::Known(Checked { chat: Some(chat) }) => Ok(Answer::Done { vendor_ids: Vec::new(), chat: Some(chat) }),
        Found::Known(Checked { chat: None }) => Ok(Answer::Nobody { text: String::new() }),
        Found::OverBudget => refused(Code::CheckLimit),
        Found::Failed(answer) => perform::meet(app, company, &channel, answer).await,
    }
}

/// Whether somebody looked for a phone lately, and it did not have the messenger.
///
/// # Errors
/// Those of the store.
pub(crate) async fn is_missed(app: &App, id: ChannelId, phone: &str) -> Result<bool> {
    let (asked, since) = (vec![phone.to_owned()], app.clock.now().plus_ms(-MISSED_GOOD_MS).0);
    let known = app.store.read(move |conn| crate::on!(conn, phone_check::known(id, &asked, since))).await?;
    Ok(known.iter().any(|(_, chat, _)| chat.is_none()))
}

/// Keeps that a phone does not have the messenger.
///
/// # Errors
/// Those of the store.
pub(crate) async fn keep_missed(app: &App, id: ChannelId, phone: &str) -> Result<()> {
    let (phone, now) = (phone.to_owned(), app.clock.now().0);
    app.store.write(move |conn| crate::on!(conn, phone_check::keep(id, &phone, None, now))).await
}

enum Found {
    Known(Checked),
    OverBudget,
    Failed(Answer),
}

async fn find(app: &App, id: ChannelId, messenger: &dyn Messenger, wire: &Wire, phone: &str) -> Result<Found> {
    let now = app.clock.now();
    let (asked, since) = (vec![phone.to_owned()], now.plus_ms(-FOUND_GOOD_MS).0);
    let known = app.store.read(move |conn| crate::on!(conn, phone_check::known(id, &asked, since))).await?;
    if let Some((_, chat, checked_at)) = known.into_iter().next()
        && (chat.is_some() || checked_at >= now.plus_ms(-MISSED_GOOD_MS).0)
    {
        return Ok(Found::Known(Checked { chat }));
    }
    if budget_left(app, id).await? <= 0 {
        return Ok(Found::OverBudget);
    }
    let checked = match messenger.check_phone(wire, phone).await {
        Ok(checked) => checked,
        Err(answer) => return Ok(Found::Failed(answer)),
    };
    let (phone, chat) = (phone.to_owned(), checked.chat.clone());
    app.store.write(move |conn| crate::on!(conn, phone_check::keep(id, &phone, chat.as_deref(), now.0))).await?;
    Ok(Found::Known(checked))
}

async fn budget_left(app: &App, id: ChannelId) -> Result<i64> {
    let since = app.clock.now().plus_ms(-DAY_MS).0;
    let used = app.store.read(move |conn| crate::on!(conn, phone_check::count(id, since))).await?;
    Ok(i64::from(app.config.limits.phone_checks_per_day).saturating_sub(used).max(0))
}

fn seen(answer: &Answer) -> &str {
    match answer {
        Answer::Down { seen } | Answer::Expired { seen } | Answer::Unsure { seen, .. } => seen,
        Answer::Refused { text, .. } | Answer::Nobody { text } => text,
        Answer::Busy { .. } => "busy",
        Answer::Done { .. } => "",
    }
}

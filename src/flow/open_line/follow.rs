//! The chat and the card of its customer follow each other: the chat is called as the contact is, and the operator is the one who
//! is responsible for the card.

use serde_json::{Value, json};

use super::{care, mark, place_of};
use crate::app::App;
use crate::crm::bitrix24::fault::Fault;
use crate::crm::bitrix24::open_line::{DIALOG, card_of};
use crate::flow::portal;
use crate::model::errand::{ChatCare, NewErrand};
use crate::model::id::{CompanyId, PortalId};
use crate::model::moment::Moment;
use crate::model::open_line::Settings;
use crate::model::php_form::Fields;
use crate::model::vendor::Answer;
use crate::store::outbox::{self, Accepted};
use crate::store::row::{OpenLineChatRow, PortalRow, value};
use crate::store::{Conn, Result};

/// The portal ties a new chat to its card beside the call, in about so many milliseconds.
const TIED_MS: i64 = 5_000;

/// A card that is saved several times in a row is looked at once, in milliseconds.
const GATHER_MS: i64 = 3_000;

/// The kinds of cards, with the events that tell of them and the numbers by which they are asked for.
const CARDS: [(&str, &str, i64); 3] =
    [("ONCRMCONTACTUPDATE", "contact", 3), ("ONCRMLEADUPDATE", "lead", 1), ("ONCRMDEALUPDATE", "deal", 2)];

/// Whether an event tells of a card, by its name.
#[must_use]
pub fn is_of_cards(name: &str) -> bool {
    CARDS.iter().any(|(event, ..)| event.eq_ignore_ascii_case(name))
}

/// A card was changed: the dialogs of its customer are looked at, where the settings follow it. Gives back the calls.
///
/// # Errors
/// Those of the database.
pub fn card_changed(conn: &mut Conn, portal: &PortalRow, form: &Value, now: Moment) -> Result<Vec<Accepted>> {
    let name = form.get("event").and_then(Value::as_str).unwrap_or_default();
    let id = form.pointer("/data/FIELDS/ID").and_then(Value::as_str).and_then(|id| id.parse::<i64>().ok());
    let kind = CARDS.iter().find(|(event, ..)| event.eq_ignore_ascii_case(name)).map(|(_, kind, _)| *kind);
    let (Some(kind), Some(id)) = (kind, id) else { return Ok(Vec::new()) };
    let mut new = Vec::new();
    for chat in crate::on!(conn, open_line::of_card(&portal.id, kind, id))? {
        if follows(conn, &chat)?.is_some() {
            new.extend(care(conn, &chat, ChatCare::Card, now.plus_ms(GATHER_MS), now)?);
        }
    }
    Ok(outbox::accept(conn, now, &new)?.into_iter().flatten().collect())
}

/// A dialog began in the portal: its card is looked at when the portal has tied it.
pub(super) fn begun(_: &App, conn: &mut Conn, chat: &OpenLineChatRow, now: Moment) -> Result<Option<NewErrand>> {
    match follows(conn, chat)? {
        Some(_) => care(conn, chat, ChatCare::Card, now.plus_ms(TIED_MS), now),
        None => Ok(None),
    }
}

/// An operator said something: where it is another one than before, the card may have to follow.
pub(super) fn spoken(conn: &mut Conn, chat: &OpenLineChatRow, operator: i64, now: Moment) -> Result<Option<NewErrand>> {
    if operator <= 0 || chat.owner == Some(operator) {
        return Ok(None);
    }
    match follows(conn, chat)? {
        Some(settings) if settings.sync_responsible => care(conn, chat, ChatCare::Card, now.plus_ms(GATHER_MS), now),
        _ => Ok(None),
    }
}

/// The settings of a dialog that follows its card.
fn follows(conn: &mut Conn, chat: &OpenLineChatRow) -> Result<Option<Settings>> {
    let at = place_of(chat);
    let Some(connection) = crate::on!(conn, open_line::connection(at.0, at.1, at.2))? else { return Ok(None) };
    let settings: Settings = value("open_line_connections", &connection.settings)?;
    Ok(Some(settings).filter(|settings| settings.sync_title || settings.sync_responsible))
}

/// Looks at the card of a dialog, and lets the one follow the other.
pub(super) async fn carry_out(
    app: &App,
    company: CompanyId,
    portal: PortalId,
    chat: &OpenLineChatRow,
) -> Result<Answer> {
    let row = chat.clone();
    let Some(settings) = app.store.read(move |conn| follows(conn, &row)).await? else { return Ok(Answer::done()) };
    let Some(im_chat) = chat.im_chat else { return Ok(Answer::done()) };
    let round = Round { app, company, portal, chat, im_chat };
    match round.go(&settings).await? {
        Ok(()) => Ok(Answer::done()),
        Err((method, fault)) => Ok(portal::meet(app, company, portal, method, &fault, true).await),
    }
}

/// One look at a dialog and its card.
struct Round<'a> {
    app: &'a App,
    company: CompanyId,
    portal: PortalId,
    chat: &'a OpenLineChatRow,
    im_chat: i64,
}

type Done<T> = Result<std::result::Result<T, (&'static str, Fault)>>;

impl Round<'_> {
    async fn go(&self, settings: &Settings) -> Done<()> {
        let dialog = match self.call(DIALOG, json!({ "CHAT_ID": self.im_chat })).await? {
            Ok(dialog) => dialog,
            Err(fault) => return Ok(Err(fault)),
        };
        let (contact, lead, deal) = (card_of(&dialog, "CONTACT"), card_of(&dialog, "LEAD"), card_of(&dialog, "DEAL"));
        let id = self.chat.id.clone();
        self.app.store.write(move |conn| crate::on!(conn, open_line::set_cards(&id, (contact, lead, deal)))).await?;
        if settings.sync_title
            && let Some(contact) = contact
            && let Err(fault) = self.title(contact).await?
        {
            return Ok(Err(fault));
        }
        if settings.sync_responsible {
            let owner = Fields::of(&dialog).number("owner").ok().flatten().filter(|owner| *owner > 0);
            return self.responsible(owner, [(2, deal), (1, lead), (3, contact)]).await;
        }
        Ok(Ok(()))
    }

    /// The chat is called as the contact is.
    async fn title(&self, contact: i64) -> Done<()> {
        let item = match self.item(3, contact).await? {
            Ok(item) => item,
            Err(fault) => return Ok(Err(fault)),
        };
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
        let title = format!("{} {}", text("name"), text("lastName")).trim().to_owned();
        let (chat, now) = (self.chat.clone(), self.app.clock.now());
        let accepted: Vec<Accepted> = self
            .app
            .store
            .write(move |conn| {
                let new: Vec<NewErrand> = mark::rename(conn, &chat, &title, now)?.into_iter().collect();
                Ok(outbox::accept(conn, now, &new)?.into_iter().flatten().collect())
            })
            .await?;
        self.app.bell.accepted(accepted);
        Ok(Ok(()))
    }

    /// Whoever was changed last is followed by the other; at the first look both are only remembered.
    async fn responsible(&self, owner: Option<i64>, cards: [(i64, Option<i64>); 3]) -> Done<()> {
        let Some((kind, id)) = cards.into_iter().find_map(|(kind, id)| Some((kind, id?))) else { return Ok(Ok(())) };
        let item = match self.item(kind, id).await? {
            Ok(item) => item,
            Err(fault) => return Ok(Err(fault)),
        };
        let assigned = Fields::of(&item).number("assignedById").ok().flatten().filter(|assigned| *assigned > 0);
        let (mut seen_owner, mut seen_assigned) = (owner, assigned);
        match (owner, assigned) {
            (owner, Some(assigned))
                if self.chat.assigned.is_some_and(|seen| seen != assigned) && owner != Some(assigned) =>
            {
                let params = json!({ "CHAT_ID": self.im_chat, "TRANSFER_ID": assigned });
                if let Err(fault) = self.call("imopenlines.operator.transfer", params).await? {
                    return Ok(Err(fault));
                }
                seen_owner = Some(assigned);
            }
            // whoever takes a dialog that had nobody is followed too, once it was looked at
            (Some(owner), assigned)
                if self.chat.owner != Some(owner) && self.chat.assigned.is_some() && assigned != Some(owner) =>
            {
                let params = json!({ "entityTypeId": kind, "id": id, "fields": { "assignedById": owner } });
                if let Err(fault) = self.call("crm.item.update", params).await? {
                    return Ok(Err(fault));
                }
                seen_assigned = Some(owner);
            }
            _ => {}
        }
        let id = self.chat.id.clone();
        self.app
            .store
            .write(move |conn| crate::on!(conn, open_line::set_people(&id, seen_owner, seen_assigned)))
            .await?;
        Ok(Ok(()))
    }

    async fn item(&self, kind: i64, id: i64) -> Done<Value> {
        let got = self.call("crm.item.get", json!({ "entityTypeId": kind, "id": id })).await?;
        Ok(got.map(|got| got.get("item").cloned().unwrap_or_default()))
    }

    async fn call(&self, method: &'static str, params: Value) -> Done<Value> {
        let called = portal::call(self.app, self.company, self.portal, method, &params).await?;
        Ok(called.map(|success| success.result).map_err(|fault| (method, fault)))
    }
}

//! An SMS that the portal hands to our sender: one message a call, from a card, a robot or CRM-marketing.

use serde_json::Value;

use super::{Auth, CODE_LIMIT, read_ts};
use crate::crm::bitrix24::card::Card;
use crate::model::errand::Rank;
use crate::model::moment::Moment;
use crate::model::php_form::{FieldError, Fields, Problem};

/// The call. For the portal the message is sent from now on; the truth goes by status updates.
#[derive(Debug, Clone)]
pub struct SmsCall {
    /// Which part of the portal sends: `crm`, `bizproc`, `sender`, or something newer.
    pub module: String,
    /// The sender, hence the line.
    pub code: String,
    /// The portal's id of the message. With the portal and the code it is the key against repetition.
    pub message_id: String,
    /// The number as the portal wrote it.
    pub phone: String,
    /// The text. An empty one is read too: the portal must hear that such a message cannot be sent.
    pub text: String,
    /// The cards it belongs to.
    pub cards: Vec<Card>,
    /// When the portal queued it.
    pub at: Option<Moment>,
    /// Who sent it; a message without an author brings no token, perhaps not even the application token.
    pub auth: Auth,
}

impl SmsCall {
    /// Reads the call.
    ///
    /// # Errors
    /// Names the field that is missing or wrong.
    pub fn read(form: &Value) -> Result<Self, FieldError> {
        let fields = Fields::of(form);
        let properties = fields.map("properties")?;
        let need = |name, twin| {
            let text = fields.text(name)?;
            let text = if text.is_some() { text } else { properties.text(twin)? };
            let named = fields.raw(name).is_some() || properties.raw(twin).is_some();
            text.or(named.then(Default::default)).ok_or_else(|| fields.error(name, Problem::Missing))
        };
        Ok(Self {
            module: fields.text("module_id")?.unwrap_or_default().into_owned(),
            code: fields.need_id("code", CODE_LIMIT)?.into_owned(),
            message_id: fields.need_id("message_id", CODE_LIMIT)?.into_owned(),
            phone: need("message_to", "phone_number")?.into_owned(),
            text: need("message_body", "message_text")?.into_owned(),
            cards: read_cards(&fields)?,
            at: read_ts(&fields)?,
            auth: Auth::read(&fields)?,
        })
    }

    /// The rank: a message from a card is a live answer, one from an automation is a service message, everything else is
    /// marketing, the slowest class of the three. CRM-marketing names itself `sender`, which no page of the vendor says.
    #[must_use]
    pub fn rank(&self) -> Rank {
        match self.module.as_str() {
            "crm" => Rank::Live,
            "bizproc" => Rank::Service,
            _ => Rank::Marketing,
        }
    }

    /// Whether the part of the portal is one we know; another one is worth a line in the journal.
    #[must_use]
    pub fn module_is_known(&self) -> bool {
        matches!(self.module.as_str(), "crm" | "bizproc" | "sender")
    }
}

fn read_cards(fields: &Fields<'_>) -> Result<Vec<Card>, FieldError> {
    let mut cards = Vec::new();
    for binding in fields.list("bindings") {
        cards.push(Card::of_owner(binding.need_number("OWNER_TYPE_ID")?, binding.need_number("OWNER_ID")?));
    }
    cards.extend(fields.texts("document_id")?.get(2).and_then(|document| Card::read(document)));
    Ok(cards)
}

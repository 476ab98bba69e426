//! A robot of ours that an automation started.

use serde_json::Value;

use super::{Auth, CODE_LIMIT, read_ts};
use crate::crm::bitrix24::card::Card;
use crate::model::moment::Moment;
use crate::model::php_form::{FieldError, Fields, Problem};

/// The call. It comes once and never again; the answer goes by `bizproc.event.send`.
#[derive(Debug, Clone)]
pub struct RobotCall {
    /// Which robot.
    pub code: String,
    /// The running automation.
    pub workflow_id: String,
    /// What the answer must name; good for one answer.
    pub event_token: String,
    /// The card; none where it is none of the CRM.
    pub card: Option<Card>,
    /// The document as it was named, as `DEAL_8061`.
    pub document: String,
    /// What was filled in, an object.
    pub properties: Value,
    /// Whether the automation waits for the answer.
    pub waits: bool,
    /// How long it waits, in seconds; zero is for ever.
    pub timeout_s: i64,
    /// When the portal queued the call.
    pub at: Option<Moment>,
    /// Who sent it; with a refresh token of the robot's user.
    pub auth: Auth,
}

impl RobotCall {
    /// Reads the call.
    ///
    /// # Errors
    /// Names the field that is missing or wrong.
    pub fn read(form: &Value) -> Result<Self, FieldError> {
        let fields = Fields::of(form);
        let document = fields.texts("document_id")?;
        let Some(document) = document.get(2) else { return Err(fields.error("document_id", Problem::Missing)) };
        // a robot with nothing filled in has no properties at all
        let properties = match fields.raw("properties") {
            Some(map @ Value::Object(_)) => map.clone(),
            _ => Value::Object(serde_json::Map::new()),
        };
        Ok(Self {
            code: fields.need_id("code", CODE_LIMIT)?.into_owned(),
            workflow_id: fields.need_text("workflow_id")?.into_owned(),
            event_token: fields.need_text("event_token")?.into_owned(),
            card: Card::read(document),
            document: document.clone().into_owned(),
            properties,
            waits: fields.flag("use_subscription"),
            timeout_s: fields.number("timeout_duration")?.unwrap_or(0).max(0),
            at: read_ts(&fields)?,
            auth: Auth::read(&fields)?,
        })
    }

    /// Until when the automation waits; none where it does not wait, or waits for ever. Counted from the portal's own
    /// moment, or from `received_at` where it told none.
    #[must_use]
    pub fn waits_until(&self, received_at: Moment) -> Option<Moment> {
        let from = self.at.unwrap_or(received_at);
        (self.waits && self.timeout_s > 0).then(|| from.plus_ms(self.timeout_s.saturating_mul(1000)))
    }
}

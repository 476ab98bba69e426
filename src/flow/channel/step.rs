//! The steps of attaching, as the API takes and gives them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::messenger::{Choice, Field};
use crate::model::id::{ChannelId, UserId};

/// What a person fills in to take one step of attaching.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub struct Step {
    /// The answers, by field name.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    pub answers: Map<String, Value>,
    /// What the step before gave as `kept`, unread.
    #[serde(default)]
    pub kept: Option<String>,
    /// The channel that is attached again; only in the first step.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub channel: Option<ChannelId>,
    /// Who takes the step, as the door knows it: whoever is sent to a vendor's page is who may come back.
    #[serde(skip)]
    pub by: Option<UserId>,
}

/// What came of a step.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Attached {
    /// It is attached.
    Done {
        /// The channel.
        channel: String,
    },
    /// Another form is to be filled in.
    Form {
        /// Its fields.
        fields: Vec<Field>,
        /// To be given back.
        kept: String,
    },
    /// One of several things is to be chosen: its value is awaited under the name of the field.
    Choose {
        /// What is chosen.
        field: Field,
        /// What there is to choose from.
        options: Vec<Choice>,
        /// To be given back.
        kept: String,
    },
    /// A picture is to be scanned.
    Qr {
        /// What is inside.
        text: String,
        /// How long it is good, in milliseconds.
        good_ms: i64,
        /// When to ask again, in milliseconds.
        again_ms: i64,
        /// To be given back.
        kept: String,
    },
    /// A code is to be typed into the phone, or compared with what the phone shows.
    Code {
        /// The code.
        text: String,
        /// Whether it is compared; then the answer `confirmed` is awaited.
        compare: bool,
        /// How long it is good, in milliseconds.
        good_ms: i64,
        /// When to ask again, in milliseconds.
        again_ms: i64,
        /// To be given back.
        kept: String,
    },
    /// A passkey is to be used on the vendor's page; then the answer `credential` is awaited.
    Passkey {
        /// What the passkey signs.
        challenge: Value,
        /// When to ask again, in milliseconds.
        again_ms: i64,
        /// To be given back.
        kept: String,
    },
    /// The vendor is at it.
    Wait {
        /// What is waited for, in Russian and in English.
        what: (&'static str, &'static str),
        /// When to ask again, in milliseconds.
        again_ms: i64,
        /// To be given back.
        kept: String,
    },
    /// A page of the vendor is to be visited. It leads back to a page of ours, which goes on by itself.
    Redirect {
        /// Its address.
        url: String,
        /// To be given back.
        kept: String,
    },
}

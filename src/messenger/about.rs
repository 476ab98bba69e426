//! What a messenger is and can do, as plain data.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Changes, Field};
use crate::model::interactive::InteractiveLimits;
use crate::model::message::{Kind, MediaKind};
use crate::model::pace::Pace;

/// What a messenger is and can do, as plain data: the cabinet, the flows and the documents read it, nobody else asks.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct About {
    /// Which messenger.
    pub kind: Kind,
    /// Its name on screen, in Russian and in English.
    pub title: (&'static str, &'static str),
    /// What it can do.
    pub abilities: Abilities,
    /// The fields a person fills in to attach it; steps beyond a form are in `attach`.
    pub form: &'static [Field],
    /// The pace that a new channel begins with.
    pub pace: Pace,
    /// The shortest gap that may be set, in milliseconds.
    pub floor_ms: i64,
    /// The longest text, in characters as the vendor counts them.
    pub text_limit: usize,
    /// The longest caption.
    pub caption_limit: usize,
    /// The largest file of a kind, in bytes; a kind that is not listed is not taken.
    pub media_limits: &'static [(MediaKind, u64)],
    /// How many cards of people one message holds.
    pub card_limit: usize,
    /// Until when messages that have left may be changed, and which.
    pub changes: Changes,
    /// How much there may be to choose from.
    pub interactive: InteractiveLimits,
    /// Where the vendor's API is, unless the configuration says otherwise.
    pub vendor: &'static str,
}

/// What a messenger can do. What it cannot is shown to people and answered with a stable code.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "a matrix of yes and no is what this is")]
pub struct Abilities {
    /// Writes to a phone that never wrote to us.
    pub first_by_phone: bool,
    /// Writes to a user name.
    pub by_username: bool,
    /// Free text at any time; without it only within the vendor's window after the customer's message.
    pub free_text_always: bool,
    /// Has templates.
    pub templates: bool,
    /// Sends templates alone, and never free text.
    pub templates_only: bool,
    /// Tells when a message was delivered.
    pub delivered: bool,
    /// Tells when a message was read.
    pub viewed: bool,
    /// Drops a second send with our key, so that an unsure one may be repeated.
    pub drops_repeats: bool,
    /// Tells whether a phone has the messenger.
    pub checks_phone: bool,
    /// Takes part in groups.
    pub groups: bool,
    /// Keeps a connection on which it hears of messages, instead of being posted to.
    pub listens: bool,
    /// Has subjects, and answers go into the thread of what they answer.
    pub threads: bool,
    /// Changes texts of ours that have left.
    pub edits: bool,
    /// Deletes messages of ours for both sides.
    pub deletes: bool,
    /// Answers one certain message.
    pub answers: bool,
    /// Sends places on the map.
    pub places: bool,
    /// Sends cards of people.
    pub cards: bool,
    /// Sends buttons and lists to choose from beneath a text.
    pub interactive: bool,
    /// Reacts to messages, and tells how others react.
    pub reactions: bool,
}

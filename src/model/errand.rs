//! The errand: one thing to do at a vendor, waiting in the outbox.

use serde::{Deserialize, Serialize};

use super::change::{ChangeAct, Said};
use super::group::GroupAct;
use super::id::{
    AnswerId, ChangeId, ChannelId, CompanyId, ErrandId, GroupActId, LaneId, MessageId, OpenLineChatId, OpenLinePostId,
    PortalId, WebhookId,
};
use super::message::Outgoing;
use super::moment::Moment;
use super::origin::Origin;
use super::portal_file::PortalFile;

/// The rank inside a lane: lower goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(i16)]
pub enum Rank {
    /// A live answer of an operator: never behind anything paced.
    Live = 0,
    /// Robots, Salesbot, API.
    Service = 1,
    /// CRM-marketing through the SMS provider.
    Marketing = 2,
    /// Mailings.
    Mailing = 3,
}

impl Rank {
    /// Every rank, first to go first.
    pub const ALL: [Self; 4] = [Self::Live, Self::Service, Self::Marketing, Self::Mailing];

    /// The number that the table holds.
    #[must_use]
    pub const fn to_db(self) -> i16 {
        self as i16
    }

    /// The rank of a number in the table; what is out of range waits last.
    #[must_use]
    pub const fn from_db(number: i16) -> Self {
        match number {
            0 => Self::Live,
            1 => Self::Service,
            2 => Self::Marketing,
            _ => Self::Mailing,
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Work {
    /// Send a message through a channel.
    Send {
        /// The channel.
        channel: ChannelId,
        /// The message's id in the history to come.
        message: MessageId,
        /// The message.
        outgoing: Box<Outgoing>,
    },
    /// Do something with a group.
    Group {
        /// The channel.
        channel: ChannelId,
        /// Where it is written down.
        act: GroupActId,
        /// What is to be done.
        order: Box<GroupAct>,
    },
    /// Change a message that has left.
    Change {
        /// The channel.
        channel: ChannelId,
        /// Where it is written down.
        change: ChangeId,
        /// The message.
        said: Box<Said>,
        /// What is to be done.
        act: ChangeAct,
    },
    /// Call a method of a portal; `bizproc.event.send`, a card comment and the like.
    PortalCall {
        /// The portal.
        portal: PortalId,
        /// The method.
        method: String,
        /// Its parameters, without the token.
        params: serde_json::Value,
        /// Whether repeating a call whose fate is unknown does no harm.
        repeatable: bool,
    },
    /// Write something into an open line of a portal.
    OpenLine {
        /// The portal.
        portal: PortalId,
        /// What is to be written.
        post: OpenLinePostId,
    },
    /// Do something in a dialog of an open line beside writing into it.
    OpenLineChat {
        /// The portal.
        portal: PortalId,
        /// The dialog.
        chat: OpenLineChatId,
        /// What is to be done.
        care: ChatCare,
    },
    /// Tell an open line something small of a message; several of them leave in one batch. A second time changes nothing.
    OpenLineMark {
        /// The portal.
        portal: PortalId,
        /// The method.
        method: String,
        /// Its parameters, without the token.
        params: serde_json::Value,
    },
    /// Look whether a phone has the messenger.
    Check {
        /// The channel.
        channel: ChannelId,
        /// The phone in digits.
        phone: String,
    },
    /// Fetch a file from a portal: messages of a robot wait for it.
    Fetch {
        /// The portal.
        portal: PortalId,
        /// The answer whose plan has the messages.
        answer: AnswerId,
        /// The file.
        file: PortalFile,
        /// How often the portal had it not ready yet.
        tries: u32,
    },
    /// Tell an integrator what happened in a channel.
    Webhook {
        /// The webhook.
        webhook: WebhookId,
        /// The event's number there.
        number: i64,
    },
    /// Tell a portal the status of an SMS; several of them leave in one batch.
    SmsStatus {
        /// The portal.
        portal: PortalId,
        /// The sender's code.
        code: String,
        /// The portal's id of the message.
        message: String,
        /// `queued`, `sent`, `delivered`, `undelivered` or `failed`.
        status: String,
    },
}

/// What is done in a dialog of an open line beside writing into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "care")]
pub enum ChatCare {
    /// Look for what operators said while nobody heard of it.
    Missed {
        /// Since when nobody did.
        since: Moment,
    },
    /// Look at the card of the customer: how he is called, who is responsible.
    Card,
}

impl ChatCare {
    /// The written form of what is done.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Missed { .. } => "missed",
            Self::Card => "card",
        }
    }

    /// What makes two of them one: a gap that is still to be looked through is not forgotten over a later one.
    #[must_use]
    pub fn key(self) -> String {
        match self {
            Self::Missed { since } => format!("missed:{}", since.0),
            Self::Card => self.slug().to_owned(),
        }
    }
}

/// An errand as it is handed to the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct NewErrand {
    /// Whose it is.
    pub company: CompanyId,
    /// The lane it waits in.
    pub lane: LaneId,
    /// Its rank there.
    pub rank: Rank,
    /// The recipient; messages of one rank to one recipient leave in the order of acceptance. Empty where order is of no matter.
    pub peer: String,
    /// What is to be done.
    pub work: Work,
    /// Who must be told.
    pub origin: Origin,
    /// Not before this moment.
    pub not_before: Option<Moment>,
    /// After this moment it is not sent any more.
    pub expires_at: Option<Moment>,
    /// A second errand with the same key of the same company is not accepted.
    pub dedup_key: Option<String>,
    /// A waiting errand of the same lane with the same key is replaced by this one.
    pub merge_key: Option<String>,
}

/// An errand as the pump claims it.
#[derive(Debug, Clone, PartialEq)]
pub struct Errand {
    /// Its number.
    pub id: ErrandId,
    /// Whose it is.
    pub company: CompanyId,
    /// Its lane.
    pub lane: LaneId,
    /// Its rank.
    pub rank: Rank,
    /// The recipient.
    pub peer: String,
    /// What is to be done.
    pub work: Work,
    /// Who must be told.
    pub origin: Origin,
    /// When it was accepted.
    pub accepted_at: Moment,
    /// After this moment it is not sent any more.
    pub expires_at: Option<Moment>,
    /// How often a vendor was down for it.
    pub attempts: i32,
}

impl Errand {
    /// So many calls of its vendor it makes at most, as a rule: vendors that count calls are asked for all of them ahead.
    #[must_use]
    pub const fn calls(&self) -> i64 {
        match &self.work {
            // the dialog, the contact, the card, and whoever follows the other
            Work::OpenLineChat { care: ChatCare::Card, .. } => 4,
            // what may be there already is looked for: the chat, its history, and then the message
            Work::OpenLine { .. } if self.attempts > 0 => 3,
            _ => 1,
        }
    }
}

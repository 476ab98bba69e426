//! Ids: ours, prefixed by the noun, sortable by the time of their making (uuid v7 underneath).

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::moment::Moment;

/// An id that could not be read: it says what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an id that begins with {prefix}_ and goes on with 32 hexadecimal digits")]
pub struct BadId {
    /// The prefix that the noun carries.
    pub prefix: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// What the written id begins with, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, later in order than every id made before it in this process.
            #[must_use]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .filter(|hex| hex.len() == 32)
                    .and_then(|hex| Uuid::try_parse(hex).ok())
                    .map(Self)
                    .ok_or(BadId { prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(/// A tenant.
    CompanyId, "co");
id!(/// An employee who signs in.
    UserId, "us");
id!(/// A messenger attached to a line.
    ChannelId, "ch");
id!(/// A person outside.
    ContactId, "ct");
id!(/// One contact on one channel, or one group chat.
    DialogId, "di");
id!(/// One thing said in a dialog.
    MessageId, "ms");
id!(/// An installed Bitrix24.
    PortalId, "po");
id!(/// A campaign.
    MailingId, "ma");
id!(/// One row of a mailing.
    RecipientId, "re");
id!(/// Something that was asked to be done with a group.
    GroupActId, "ga");
id!(/// Something that was done with a message after it had left.
    ChangeId, "cg");
id!(/// What a robot was promised: one answer for all the addresses of one call.
    AnswerId, "an");
id!(/// A file of a company.
    FileId, "fi");
id!(/// A delivery that came in and was written down before it was worked.
    HookId, "ho");
id!(/// An application for VK Notify.
    ApplicationId, "ap");
id!(/// Something that happened in a company.
    CompanyEventId, "ev");
id!(/// A letter of this server to the people of a company.
    NoticeId, "no");
id!(/// A dialog as an open line of a portal has it.
    OpenLineChatId, "oc");
id!(/// Something that is written into an open line, or was.
    OpenLinePostId, "op");
id!(/// What an operator said in an open line.
    OperatorWordId, "ow");
id!(/// Where an integrator hears what happens in a channel.
    WebhookId, "wh");

impl MessageId {
    /// The id of a message that is heard of long after it was said: it sorts by the moment in which it was said, and what was
    /// said in one moment by the order in which it is heard.
    #[must_use]
    pub fn said_at(said: Moment, heard: Moment) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed) & 0x00ff_ffff;
        let heard = u64::try_from(heard.0).unwrap_or_default() & 0x3fff_ffff;
        let last = u64::from(Uuid::new_v4().as_bytes().last().copied().unwrap_or_default());
        // 62 bits that rise, the first two are those of the variant
        let rising = (heard << 32 | count << 8 | last).to_be_bytes();
        let mut bytes = [0_u8; 10];
        for (to, from) in bytes.iter_mut().skip(2).zip(rising) {
            *to = from;
        }
        let said = u64::try_from(said.0).unwrap_or_default();
        Self(uuid::Builder::from_unix_timestamp_millis(said, &bytes).into_uuid())
    }
}

/// The number of a line, as robots and people write it.
pub type LineId = i64;

/// The number of a lane; used inside only.
pub type LaneId = i64;

/// The number of an errand; used inside only, gone when the errand is done. It grows with rank and acceptance within a lane.
pub type ErrandId = i64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_it_was_written() {
        let id = MessageId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn an_id_of_another_noun_is_refused() {
        assert_eq!(ContactId::new().to_string().parse::<MessageId>(), Err(BadId { prefix: "ms" }));
    }

    #[test]
    fn a_message_that_is_heard_of_late_sorts_where_it_was_said() {
        let heard = Moment(1_795_171_200_000);
        let late: Vec<String> = [-60_000, -60_000, -30_000]
            .iter()
            .map(|ms| MessageId::said_at(heard.plus_ms(*ms), heard).to_string())
            .collect();
        assert!(late.is_sorted(), "{late:?}");
        assert!(late.iter().all(|id| *id < MessageId::new().to_string() && id.parse::<MessageId>().is_ok()));
        let said: std::collections::HashSet<String> =
            (0..1_000).map(|_| MessageId::said_at(heard, heard).to_string()).collect();
        assert_eq!(said.len(), 1_000);
    }

    #[test]
    fn later_ids_sort_after_earlier_ones_as_text_too() {
        let (a, b) = (MessageId::new(), MessageId::new());
        assert!(a < b && a.to_string() < b.to_string());
    }
}

//! Ids: ours, prefixed by the noun, sortable by the time of their making (uuid v7 underneath).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

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
id!(/// What a robot was promised: one answer for all the addresses of one call.
    AnswerId, "an");
id!(/// A delivery that came in and was written down before it was worked.
    HookId, "ho");
id!(/// An application for VK Notify.
    ApplicationId, "ap");

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
    fn later_ids_sort_after_earlier_ones_as_text_too() {
        let (a, b) = (MessageId::new(), MessageId::new());
        assert!(a < b && a.to_string() < b.to_string());
    }
}

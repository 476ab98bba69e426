//! The status of an outgoing message, and how receipts move it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is known of an outgoing message once it has left the outbox. The glossary has the words for the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(i16)]
pub enum Status {
    /// «Отправлено»: the vendor took it.
    Sent = 1,
    /// «Доставлено».
    Delivered = 2,
    /// «Просмотрено», for a letter «Открыто».
    Viewed = 3,
    /// «Ошибка»: it cannot be delivered; the reason stands beside it.
    Error = 4,
    /// «Неизвестно»: the vendor may have taken it; never resent by the machine.
    Unknown = 5,
    /// «Не отправлено»: it was stopped, or its time was over, before it left.
    NotSent = 6,
}

impl Status {
    /// The status after a receipt. Receipts come in any order and more than once: a message never goes back from viewed
    /// to delivered, and an unknown one is settled by any receipt.
    #[must_use]
    pub const fn after(self, receipt: Self) -> Self {
        if receipt.rank() > self.rank() { receipt } else { self }
    }

    const fn rank(self) -> u8 {
        match self {
            Self::NotSent | Self::Unknown => 0,
            Self::Sent => 1,
            // a refusal after «sent» is final; a delivery that is seen nevertheless is the better witness
            Self::Error => 2,
            Self::Delivered => 3,
            Self::Viewed => 4,
        }
    }

    /// The number that the table holds.
    #[must_use]
    pub const fn to_db(self) -> i16 {
        self as i16
    }

    /// The status of a number in the table; an unknown number is `Unknown`.
    #[must_use]
    pub const fn from_db(number: i16) -> Self {
        match number {
            1 => Self::Sent,
            2 => Self::Delivered,
            3 => Self::Viewed,
            4 => Self::Error,
            6 => Self::NotSent,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Viewed => "viewed",
            Self::Error => "error",
            Self::Unknown => "unknown",
            Self::NotSent => "not_sent",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Status::{Delivered, Error, NotSent, Sent, Unknown, Viewed};
    use super::*;
    use proptest::prelude::*;

    fn any_receipt() -> impl Strategy<Value = Status> {
        prop_oneof![Just(Sent), Just(Delivered), Just(Viewed), Just(Error)]
    }

    proptest! {
        #[test]
        fn receipts_in_any_order_and_number_end_in_the_same_status(
            mut receipts in proptest::collection::vec(any_receipt(), 0..8),
            start in prop_oneof![Just(Sent), Just(Unknown)],
        ) {
            let one = receipts.iter().fold(start, |status, receipt| status.after(*receipt));
            receipts.reverse();
            receipts.extend(receipts.clone());
            let other = receipts.iter().fold(start, |status, receipt| status.after(*receipt));
            prop_assert_eq!(one, other);
        }
    }

    #[test]
    fn every_status_survives_the_table() {
        for status in [Sent, Delivered, Viewed, Error, Unknown, NotSent] {
            assert_eq!(Status::from_db(status.to_db()), status);
        }
    }
}

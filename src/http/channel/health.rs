//! How a channel fares, as it is shown.

use serde::Serialize;
use utoipa::ToSchema;

use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::store::row::{HealthRow, ListeningRow};

/// How a channel fares.
#[derive(Serialize, ToSchema)]
#[schema(as = ChannelHealth)]
pub(super) struct HealthOut {
    /// When the last receipt came.
    receipt_at: Option<i64>,
    /// When the last message came in.
    message_at: Option<i64>,
    /// The last error.
    error: Option<FaultOut>,
    /// What the vendor suspects, as long as that holds.
    suspicion: Option<SuspicionOut>,
}

/// An error of a channel.
#[derive(Serialize, ToSchema)]
#[schema(as = ChannelFault)]
pub(super) struct FaultOut {
    /// Our stable code, as in `docs/result-codes.md`.
    code: String,
    /// The code in words, in Russian and in English.
    title: (&'static str, &'static str),
    /// What the vendor said; may be empty.
    text: String,
    at: i64,
}

/// What a vendor suspects.
#[derive(Serialize, ToSchema)]
#[schema(as = ChannelSuspicion)]
pub(super) struct SuspicionOut {
    /// Since when.
    since: i64,
    /// Until when it holds without another word of the vendor.
    until: i64,
    /// What the vendor said.
    text: String,
}

impl HealthOut {
    /// A channel that listens tells of its connection too: the newer of both errors is shown.
    pub(super) fn of(row: Option<&HealthRow>, listening: Option<&ListeningRow>, now: Moment) -> Self {
        let own = row.and_then(|row| {
            FaultOut::of(row.error_code.as_deref()?, row.error.as_deref().unwrap_or_default(), row.error_at?)
        });
        let heard =
            listening.and_then(|row| FaultOut::of(Code::ChannelLost.slug(), row.error.as_deref()?, row.error_at?));
        let suspected = row.filter(|row| row.is_suspected(now.0));
        Self {
            receipt_at: row.and_then(|row| row.receipt_at),
            message_at: row.and_then(|row| row.message_at),
            error: [own, heard].into_iter().flatten().max_by_key(|fault| fault.at),
            suspicion: suspected.and_then(|row| {
                let text = row.suspect.clone().unwrap_or_default();
                Some(SuspicionOut { since: row.suspect_at?, until: row.suspect_until?, text })
            }),
        }
    }
}

impl FaultOut {
    fn of(code: &str, text: &str, at: i64) -> Option<Self> {
        let known = Code::from_slug(code)?;
        Some(Self { code: code.to_owned(), title: (known.ru(), known.en()), text: text.to_owned(), at })
    }
}

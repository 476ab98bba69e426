//! Planned faults: what a vendor does wrong, how often, and to which calls.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Too many requests; nothing taken.
    Busy,
    /// The vendor says that it is out of order; nothing taken.
    Down,
    /// Taken, and answered `delay_ms` later.
    Slow,
    /// The body is read, the call is TAKEN, and the connection drops without an answer.
    Cut,
    /// The connection drops before the body is read; nothing taken.
    CutBefore,
    /// The token is said to be expired; nothing taken.
    TokenExpired,
    /// The gateway answers 502 with a page; nothing taken.
    Html,
    /// Taken, and answered 200 with an empty body, as a gateway does that lost the answer.
    Empty,
    /// Refused with `code`; nothing taken.
    Refuse,
}

impl Kind {
    /// The word for it, as in the control API.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Down => "down",
            Self::Slow => "slow",
            Self::Cut => "cut",
            Self::CutBefore => "cut_before",
            Self::TokenExpired => "token_expired",
            Self::Html => "html",
            Self::Empty => "empty",
            Self::Refuse => "refuse",
        }
    }
}

/// A planned fault.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Fault {
    /// Its number.
    #[serde(default)]
    pub(crate) id: u64,
    /// Which vendor: `telegram`, `waba`, `waha`, `vk`, `vk_notify`, `avito`, `mail`, `bitrix24` or `oauth`.
    pub(crate) vendor: String,
    /// Only this method.
    pub(crate) method: Option<String>,
    /// Only calls whose body holds these bytes.
    #[serde(rename = "match")]
    pub(crate) needle: Option<String>,
    /// What goes wrong.
    pub(crate) kind: Kind,
    /// The vendor's code of the refusal.
    pub(crate) code: Option<serde_json::Value>,
    /// The text of the refusal.
    pub(crate) text: Option<String>,
    /// The HTTP status of the refusal.
    pub(crate) status: Option<u16>,
    /// How many calls it still meets; no end when absent.
    pub(crate) times: Option<u64>,
    /// How late the answer comes, milliseconds.
    #[serde(default)]
    pub(crate) delay_ms: u64,
    /// How long the vendor asks to wait when busy, milliseconds.
    #[serde(default)]
    pub(crate) after_ms: u64,
}

/// The faults that are planned now.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    planned: AtomicUsize,
    list: Mutex<(u64, Vec<Fault>)>,
}

impl Faults {
    /// Plans a fault and says its number.
    pub(crate) fn plan(&self, mut fault: Fault) -> u64 {
        let mut list = self.list.lock();
        list.0 += 1;
        fault.id = list.0;
        list.1.push(fault);
        self.planned.store(list.1.len(), Ordering::Release);
        list.0
    }

    /// Drops one fault, or all of them.
    pub(crate) fn drop_planned(&self, id: Option<u64>) {
        let mut list = self.list.lock();
        list.1.retain(|fault| id.is_some_and(|id| fault.id != id));
        self.planned.store(list.1.len(), Ordering::Release);
    }

    /// What is still planned.
    pub(crate) fn list(&self) -> Vec<Fault> {
        self.list.lock().1.clone()
    }

    /// The fault that this call meets before its body is read.
    pub(crate) fn meet_early(&self, vendor: &str, method: &str) -> Option<Fault> {
        self.meet(|fault| fault.kind == Kind::CutBefore && fault.fits(vendor, method))
    }

    /// The fault that this call meets, its body read.
    pub(crate) fn meet_late(&self, vendor: &str, method: &str, body: &[u8]) -> Option<Fault> {
        self.meet(|fault| fault.kind != Kind::CutBefore && fault.fits(vendor, method) && fault.holds(body))
    }

    /// The fault that a command inside a call meets: only one that is planned for it by its name.
    pub(crate) fn meet_within(&self, vendor: &str, method: &str, body: &[u8]) -> Option<Fault> {
        self.meet(|fault| fault.method.is_some() && fault.fits(vendor, method) && fault.holds(body))
    }

    fn meet(&self, fits: impl Fn(&Fault) -> bool) -> Option<Fault> {
        if self.planned.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut list = self.list.lock();
        let met = list.1.iter_mut().find(|fault| fits(fault))?;
        if let Some(times) = &mut met.times {
            *times = times.saturating_sub(1);
        }
        let met = met.clone();
        list.1.retain(|fault| fault.times != Some(0));
        self.planned.store(list.1.len(), Ordering::Release);
        Some(met)
    }
}

impl Fault {
    fn fits(&self, vendor: &str, method: &str) -> bool {
        self.vendor == vendor && self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
    }

    fn holds(&self, body: &[u8]) -> bool {
        let Some(needle) = self.needle.as_deref().filter(|needle| !needle.is_empty()) else { return true };
        body.windows(needle.len()).any(|piece| piece == needle.as_bytes())
    }
}

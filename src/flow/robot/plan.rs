//! What a call means: each address with its errand, or why it has none.

use crate::crm::bitrix24::robot::{Mode, NotRead};
use crate::flow::answer::NextTry;
use crate::model::errand::{NewErrand, Work};
use crate::model::id::AnswerId;
use crate::model::origin::Origin;
use crate::model::portal_file::PortalFile;
use crate::model::result::Code;
use crate::store::Result;
use crate::store::row::{EntryRow, text};

/// A plan.
pub(super) struct Plan {
    mode: Mode,
    exact: bool,
    file: Option<PortalFile>,
    /// How many of the parts are groups, where the others are people who were to be in them.
    groups: Option<usize>,
    parts: Vec<Part>,
    /// What is to be done beside, whatever becomes of the addresses.
    beside: Vec<NewErrand>,
}

/// One address, as the result names it.
pub(super) struct Part {
    pub(super) chat_id: String,
    pub(super) what: What,
}

/// What is to be done for an address.
pub(super) enum What {
    /// This, and the name by which it is found again: a message, or a group act.
    Errand(Box<NewErrand>, String),
    /// Nothing more: it is done.
    Done,
    /// It will never be done.
    Refused(Code, String),
}

impl Part {
    pub(super) fn refused(chat_id: &str, code: Code) -> Self {
        Self { chat_id: chat_id.to_owned(), what: What::Refused(code, String::new()) }
    }
}

impl Plan {
    /// A plan for every address. `exact` says whether the answer waits until it is known what came of it.
    pub(super) const fn for_all(parts: Vec<Part>, exact: bool) -> Self {
        Self { mode: Mode::All, exact, file: None, groups: None, parts, beside: Vec::new() }
    }

    /// The same with what is to be done beside.
    pub(super) fn beside(self, beside: Vec<NewErrand>) -> Self {
        Self { beside, ..self }
    }

    /// The same for groups, which stand before people whose address cannot be read.
    pub(super) fn for_groups(groups: Vec<Part>, people: impl Iterator<Item = Part>, exact: bool) -> Self {
        let count = groups.len();
        Self { groups: Some(count), ..Self::for_all(groups.into_iter().chain(people).collect(), exact) }
    }

    /// The same for messages, which may go to the first that has the messenger, and may wait for a file.
    pub(super) fn of_messages(parts: Vec<Part>, mode: Mode, exact: bool, file: Option<PortalFile>) -> Self {
        Self { mode, exact: exact || mode == Mode::First, file, groups: None, parts, beside: Vec::new() }
    }

    /// Nothing can be done for anybody.
    pub(super) fn refused(refused: &NotRead) -> Self {
        let part = |entry: &crate::model::result::Entry| Part {
            chat_id: entry.chat_id().to_owned(),
            what: What::Refused(refused.code, refused.text.clone()),
        };
        Self::for_all(refused.entries().iter().map(part).collect(), false)
    }

    /// Whether nothing is left to be done.
    pub(super) fn is_over(&self) -> bool {
        self.open_entries().next().is_none()
    }

    pub(super) const fn is_exact(&self) -> bool {
        self.exact
    }

    pub(super) const fn file(&self) -> Option<&PortalFile> {
        self.file.as_ref()
    }

    pub(super) fn mode_slug(&self) -> &'static str {
        if self.mode == Mode::First { "first" } else { "all" }
    }

    /// The parts that can be done, with their place.
    fn good(&self) -> impl Iterator<Item = (i32, &NewErrand, &str)> {
        (0..).zip(&self.parts).filter_map(|(place, part)| match &part.what {
            What::Errand(errand, name) => Some((place, errand.as_ref(), name.as_str())),
            What::Done | What::Refused(..) => None,
        })
    }

    /// The places of what can be done.
    pub(super) fn open_entries(&self) -> impl Iterator<Item = i32> {
        self.good().map(|(place, ..)| place)
    }

    /// How many they are.
    pub(super) fn open(&self) -> i32 {
        i32::try_from(self.good().count()).unwrap_or(i32::MAX)
    }

    pub(super) fn rows(&self, answer: &str) -> Vec<EntryRow> {
        let first = self.good().next().map(|(place, ..)| place);
        (0..)
            .zip(&self.parts)
            .map(|(entry, part)| {
                let tried = self.mode == Mode::All || first == Some(entry);
                let (ok, code, reason, message) = match &part.what {
                    What::Errand(_, name) => {
                        (None, None, None, Some(name.clone()).filter(|name| tried && !name.is_empty()))
                    }
                    What::Done => (Some(true), None, None, None),
                    What::Refused(code, reason) => {
                        (Some(false), Some(code.slug().to_owned()), Some(reason.clone()), None)
                    }
                };
                EntryRow { answer: answer.to_owned(), entry, chat_id: part.chat_id.clone(), ok, code, reason, message }
            })
            .collect()
    }

    /// The errands that leave now: all of them, or the first; and what is to be done beside.
    pub(super) fn errands(&self, answer: AnswerId) -> Vec<NewErrand> {
        let all = self
            .good()
            .map(|(entry, errand, _)| NewErrand { origin: Origin::Robot { answer, entry }, ..errand.clone() });
        let most = if self.mode == Mode::First { 1 } else { usize::MAX };
        all.take(most).chain(self.beside.iter().cloned()).collect()
    }

    /// What is kept with the answer: all messages that wait for a file, what is tried after the first address, or how many of the
    /// entries are groups.
    pub(super) fn kept(&self) -> Result<Option<String>> {
        if let Some(groups) = self.groups {
            return text(&groups).map(Some);
        }
        let skipped = match (self.file.is_some(), self.mode) {
            (true, _) => 0,
            (false, Mode::First) => 1,
            (false, Mode::All) => return Ok(None),
        };
        let tries: Vec<NextTry> = self.good().skip(skipped).filter_map(next_try).collect();
        if tries.is_empty() { Ok(None) } else { text(&tries).map(Some) }
    }
}

fn next_try((entry, errand, _): (i32, &NewErrand, &str)) -> Option<NextTry> {
    let Work::Send { channel, message, outgoing } = &errand.work else { return None };
    Some(NextTry {
        entry,
        lane: errand.lane,
        channel: *channel,
        rank: errand.rank.to_db(),
        message: *message,
        outgoing: outgoing.as_ref().clone(),
        expires_at: errand.expires_at,
    })
}

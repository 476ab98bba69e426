//! What a robot is told: its entries, and what else its kind gives.

use crate::crm::bitrix24::robot::{Mode, Robot, is_good};
use crate::flow::group::{self, GroupActOut};
use crate::model::id::{AnswerId, CompanyId, GroupActId};
use crate::model::message::Peer;
use crate::model::result::{Code, Entry};
use crate::store::row::{AnswerRow, EntryRow, value};
use crate::store::{Conn, Result};

/// What stands beside the entry of somebody who got an invitation instead.
const INVITED: &str = "не разрешает добавлять себя в группы, приглашение отправлено";

/// The results.
pub(super) struct Results {
    /// Whether the call as a whole went well.
    pub(super) good: bool,
    /// What became of each address.
    pub(super) entries: Vec<Entry>,
    /// The robot's own results.
    pub(super) own: Vec<(&'static str, String)>,
}

/// The results of an answer whose entries are all filled in.
pub(super) fn of(conn: &mut Conn, company: CompanyId, answer: &AnswerRow, id: AnswerId) -> Result<Results> {
    let rows = crate::on!(conn, answer::entries(id))?;
    let robot = Robot::from_code(&answer.robot);
    if matches!(robot, Some(Robot::CreateGroup | Robot::AddToGroup)) {
        return of_groups(conn, company, answer, &rows);
    }
    let entries: Vec<Entry> = rows.iter().map(entry_of).collect();
    let mode = if answer.mode == "first" { Mode::First } else { Mode::All };
    let own = if robot == Some(Robot::CheckPhone) { looked(&entries) } else { Vec::new() };
    Ok(Results { good: is_good(mode, &entries), entries, own })
}

/// Phones that have the messenger, and those that do not; the others could not be looked at.
fn looked(entries: &[Entry]) -> Vec<(&'static str, String)> {
    let those = |is: fn(&&Entry) -> bool| entries.iter().filter(is).map(Entry::chat_id).collect::<Vec<_>>().join(", ");
    vec![("found", those(|entry| entry.is_sent())), ("missing", those(|entry| entry.code() == Some(Code::Nobody)))]
}

/// What was done with groups, and what became of their people.
#[derive(Default)]
struct Lists {
    added: Vec<String>,
    invited: Vec<String>,
    refused: Vec<String>,
}

impl Lists {
    /// Takes the people of an act; gives back the entries of those who were not added.
    fn take(&mut self, act: &GroupActOut, asked: &[Peer]) -> Vec<Entry> {
        if matches!(act.state.as_str(), "failed" | "not_done") {
            for who in asked {
                Self::put(&mut self.refused, &who.chat_id());
            }
        }
        let mut entries = Vec::new();
        for person in &act.people {
            let (list, entry) = match person.outcome.as_str() {
                "added" => (&mut self.added, None),
                "invited" => (&mut self.invited, Some(Entry::failed(&person.to, Code::GroupPrivacy, INVITED))),
                _ => (&mut self.refused, Some(left_out(person))),
            };
            Self::put(list, &person.to);
            entries.extend(entry);
        }
        entries
    }

    /// Somebody who is to be in two groups is named once.
    fn put(list: &mut Vec<String>, who: &str) {
        if !list.iter().any(|one| one == who) {
            list.push(who.to_owned());
        }
    }
}

/// An act is an entry, and behind it stands each of its people who was not added. The call went well when every act did, whoever
/// was left out: the group is there.
fn of_groups(conn: &mut Conn, company: CompanyId, answer: &AnswerRow, rows: &[EntryRow]) -> Result<Results> {
    let groups: usize = answer.plan.as_deref().map_or(Ok(rows.len()), |count| value("answers", count))?;
    let (mut entries, mut acts, mut lists) = (Vec::new(), Vec::new(), Lists::default());
    let (mut chat, mut link) = (String::new(), String::new());
    for row in rows.iter().take(groups) {
        let id = row.message.as_deref().and_then(|id| id.parse::<GroupActId>().ok());
        let act = id.map(|id| group::asked_by_id(conn, company, id)).transpose()?.flatten();
        let named = act.as_ref().and_then(|(act, _)| act.chat.clone()).unwrap_or_else(|| row.chat_id.clone());
        let entry = entry_of(&EntryRow { chat_id: named, ..row.clone() });
        acts.push(entry.clone());
        entries.push(entry);
        let Some((act, asked)) = act else { continue };
        entries.extend(lists.take(&act, &asked));
        chat = act.chat.unwrap_or(chat);
        link = act.invite.unwrap_or(link);
    }
    for row in rows.iter().skip(groups) {
        Lists::put(&mut lists.refused, &row.chat_id);
        entries.push(entry_of(row));
    }
    let mut own = vec![
        ("added", lists.added.join(", ")),
        ("invited", lists.invited.join(", ")),
        ("refused", lists.refused.join(", ")),
    ];
    if answer.robot == Robot::CreateGroup.code() {
        own.extend([("chat_id", chat), ("invite_link", link)]);
    }
    Ok(Results { good: is_good(Mode::All, &acts), entries, own })
}

fn left_out(person: &group::GroupPersonOut) -> Entry {
    let code = person.code.as_deref().and_then(Code::from_slug).unwrap_or(Code::Refused);
    Entry::failed(&person.to, code, person.reason.as_deref().unwrap_or_default())
}

fn entry_of(row: &EntryRow) -> Entry {
    match (row.ok, row.code.as_deref().and_then(Code::from_slug)) {
        (Some(true), _) => Entry::sent(&row.chat_id),
        (_, code) => {
            Entry::failed(&row.chat_id, code.unwrap_or(Code::Unknown), row.reason.as_deref().unwrap_or_default())
        }
    }
}

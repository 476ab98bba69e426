//! A message as it is after everything that was done with it.

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::heard::is_unique;
use crate::model::id::{CompanyId, MessageId};
use crate::store::row::{ChangeRow, MessageRow};
use crate::store::{Conn, Result};

/// A vendor's word of our own change comes within so many milliseconds, clocks that differ included.
const ECHO_MS: u64 = 120_000;

/// The act of a change that was made while the message waited: its text is what the message said before.
pub(super) const DRAFT: &str = "draft";

/// What a message said before it was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = MessageVersion)]
pub struct VersionOut {
    /// The text; null where there was none.
    pub text: Option<String>,
    /// Since when it said that.
    pub at: i64,
    /// Whether it had left by then: nobody saw what was changed while the message waited.
    pub left: bool,
}

/// A change that was asked for here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = MessageChange)]
pub struct ChangeOut {
    /// Its id.
    pub id: String,
    /// `edit`, `delete` or `react`.
    pub act: String,
    /// The new text, or the emoji.
    pub text: Option<String>,
    /// `waiting`, `done`, `failed`, `not_done` (it was taken out of the queue, or its time was over) or `unknown`.
    pub state: String,
    /// Our stable code of an error.
    pub code: Option<String>,
    /// The reason of an error.
    pub reason: Option<String>,
    /// When it was asked for.
    pub asked_at: i64,
    /// When it was done.
    pub done_at: Option<i64>,
}

/// A reaction to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = MessageReaction)]
pub struct ReactionOut {
    /// The emoji; the number of the picture in VK.
    pub emoji: String,
    /// Whether it is our own.
    pub ours: bool,
    /// Who reacted, as the vendor names them; null for our own side, and where the vendor does not tell.
    pub by: Option<String>,
    /// When.
    pub at: i64,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changed {
    /// What it says now, where that is something else than it said first.
    pub text: Option<Option<String>>,
    /// When it was changed last.
    pub edited_at: Option<i64>,
    /// When it was deleted.
    pub deleted_at: Option<i64>,
    /// What it said before, oldest first.
    pub versions: Vec<VersionOut>,
    /// What was asked for here, oldest first.
    pub changes: Vec<ChangeOut>,
    /// How people react to it now, in the order in which they did.
    pub reactions: Vec<ReactionOut>,
}

/// What became of messages of a company; each with its text as it was said first. Those that nothing was done with are left out.
///
/// # Errors
/// Those of the database.
pub fn changed(
    conn: &mut Conn,
    company: CompanyId,
    messages: &[(MessageRow, Option<String>)],
) -> Result<HashMap<String, Changed>> {
    let rows: Vec<MessageRow> = messages.iter().map(|(row, _)| row.clone()).collect();
    let found = crate::on!(conn, change::of_messages(company, &rows))?;
    let mut changed = HashMap::new();
    for (row, text) in messages {
        let mine: Vec<ChangeRow> = found.iter().filter(|change| is_of(change, row)).cloned().collect();
        if !mine.is_empty() {
            changed.insert(row.id.clone(), fold(row, text.clone(), mine));
        }
    }
    Ok(changed)
}

fn is_of(change: &ChangeRow, row: &MessageRow) -> bool {
    match &change.message {
        Some(message) => *message == row.id,
        // told of before the message itself was known
        None => {
            change.channel == row.channel
                && row.vendor_id.as_ref() == Some(&change.vendor_id)
                && (change.chat == row.chat || is_unique(&change.chat, &change.vendor_id))
        }
    }
}

/// Puts changes together. Their order is that of the moments in which they were made, whichever way they came.
fn fold(row: &MessageRow, first: Option<String>, mut found: Vec<ChangeRow>) -> Changed {
    let mut changed = Changed::default();
    found.sort_by(|a, b| (a.done_at, &a.key).cmp(&(b.done_at, &b.key)));
    let (mut text, mut since) = (first, row.sent_at.unwrap_or(row.accepted_at));
    (changed.versions, changed.edited_at) = drafts(row.accepted_at, &found);
    let ours: Vec<ChangeRow> = found.iter().filter(|change| change.asked && change.state == "done").cloned().collect();
    changed.reactions = reactions(&found, &ours);
    let told = |change: &&ChangeRow| {
        let of_text = change.act != "react" && change.act != DRAFT;
        of_text && change.state == "done" && !is_echo(change, &ours)
    };
    for change in found.iter().filter(told) {
        let at = change.done_at.unwrap_or(change.asked_at);
        if change.act == "delete" {
            changed.deleted_at = Some(changed.deleted_at.map_or(at, |known| known.min(at)));
        } else if !is_same(text.as_deref(), change.text.as_deref()) {
            changed.versions.push(VersionOut { text: text.clone(), at: since, left: true });
            (text, since) = (change.text.clone(), at);
            changed.edited_at = Some(at);
            changed.text = Some(text.clone());
        }
    }
    found.retain(|change| change.asked);
    found.sort_by(|a, b| a.id.cmp(&b.id));
    changed.changes = found.into_iter().map(asked).collect();
    changed
}

/// How people react: each has the last reaction, unless it was taken back.
fn reactions(found: &[ChangeRow], ours: &[ChangeRow]) -> Vec<ReactionOut> {
    let told = |change: &&ChangeRow| change.act == "react" && change.state == "done" && !is_echo(change, ours);
    let mut told: Vec<&ChangeRow> = found.iter().filter(told).collect();
    // some vendors tell seconds alone
    told.sort_by(|a, b| (a.done_at, a.asked_at, &a.id).cmp(&(b.done_at, b.asked_at, &b.id)));
    let mut last: Vec<&ChangeRow> = Vec::new();
    for change in told {
        last.retain(|before| before.who != change.who);
        last.push(change);
    }
    let show = |change: &ChangeRow| {
        let by = change.who.clone().filter(|who| !who.is_empty());
        let at = change.done_at.unwrap_or(change.asked_at);
        change.text.clone().map(|emoji| ReactionOut { emoji, ours: change.who.is_none(), by, at })
    };
    last.into_iter().filter_map(show).collect()
}

/// What a message said while it waited, oldest first, and when that was changed last. Changes come in the order in which they
/// were made.
fn drafts(accepted_at: i64, found: &[ChangeRow]) -> (Vec<VersionOut>, Option<i64>) {
    let (mut versions, mut since) = (Vec::new(), None);
    for draft in found.iter().filter(|change| change.act == DRAFT) {
        versions.push(VersionOut { text: draft.text.clone(), at: since.unwrap_or(accepted_at), left: false });
        since = draft.done_at;
    }
    (versions, since)
}

/// What a message that still waits said before.
///
/// # Errors
/// Those of the database.
pub fn waiting(
    conn: &mut Conn,
    company: CompanyId,
    id: MessageId,
    accepted_at: i64,
) -> Result<(Vec<VersionOut>, Option<i64>)> {
    let mut found = crate::on!(conn, change::of_message(company, id))?;
    found.sort_by(|a, b| (a.done_at, &a.id).cmp(&(b.done_at, &b.id)));
    Ok(drafts(accepted_at, &found))
}

/// Whether a vendor only tells of a change that was asked for here. Its clock is not ours, so the word must not come between two of
/// our own changes.
fn is_echo(change: &ChangeRow, ours: &[ChangeRow]) -> bool {
    let near =
        |one: &ChangeRow| change.done_at.unwrap_or_default().abs_diff(one.done_at.unwrap_or_default()) <= ECHO_MS;
    let same = |one: &&ChangeRow| one.act == change.act && is_same(one.text.as_deref(), change.text.as_deref());
    let may = change.act == "edit" || (change.act == "react" && change.who.is_none());
    !change.asked && may && ours.iter().filter(same).any(near)
}

/// Our own change comes back as the vendor tells it; blanks at the ends get lost on the way.
fn is_same(one: Option<&str>, other: Option<&str>) -> bool {
    one.map(str::trim).unwrap_or_default() == other.map(str::trim).unwrap_or_default()
}

fn asked(change: ChangeRow) -> ChangeOut {
    ChangeOut {
        id: change.id,
        act: change.act,
        text: change.text,
        state: change.state,
        code: change.code,
        reason: change.reason,
        asked_at: change.asked_at,
        done_at: change.done_at,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row() -> MessageRow {
        MessageRow {
            id: "ms_1".to_owned(),
            company: "co_1".to_owned(),
            channel: "ch_1".to_owned(),
            chat: "5".to_owned(),
            outgoing: false,
            status: 1,
            vendor_id: Some("7".to_owned()),
            content: "{}".to_owned(),
            origin: "{}".to_owned(),
            code: None,
            reason: None,
            accepted_at: 1_000,
            sent_at: Some(900),
            delivered_at: None,
            viewed_at: None,
        }
    }

    fn change(n: usize, act: &str, text: Option<&str>, at: i64) -> ChangeRow {
        ChangeRow {
            id: format!("cg_{n}"),
            company: "co_1".to_owned(),
            channel: "ch_1".to_owned(),
            chat: "5".to_owned(),
            vendor_id: "7".to_owned(),
            message: n.is_multiple_of(2).then(|| "ms_1".to_owned()),
            key: format!("{act}{}{at}", text.unwrap_or_default()),
            act: act.to_owned(),
            text: text.map(str::to_owned),
            state: "done".to_owned(),
            code: None,
            reason: None,
            asked: false,
            asked_at: 2_000,
            done_at: Some(at),
            who: None,
        }
    }

    fn any_changes() -> impl Strategy<Value = Vec<ChangeRow>> {
        let one = (any::<bool>(), 0_i64..5, prop_oneof![Just(None), Just(Some("a")), Just(Some("b"))]);
        proptest::collection::vec(one, 0..8).prop_map(|all| {
            let make = |(n, (delete, at, text)): (usize, (bool, i64, Option<&str>))| {
                if delete { change(n, "delete", None, 1_000 + at) } else { change(n, "edit", text, 1_000 + at) }
            };
            all.into_iter().enumerate().map(make).collect()
        })
    }

    proptest! {
        #[test]
        fn changes_in_any_order_end_in_the_same_message(changes in any_changes(), turn in any::<proptest::sample::Index>()) {
            let one = fold(&row(), Some("a".to_owned()), changes.clone());
            let mut other = changes;
            if !other.is_empty() {
                let middle = turn.index(other.len());
                other.rotate_left(middle);
            }
            prop_assert_eq!(one, fold(&row(), Some("a".to_owned()), other));
        }
    }

    #[test]
    fn the_word_of_our_own_change_does_not_undo_the_next_one() {
        let ours = |n, text, at| ChangeRow { asked: true, ..change(n, "edit", Some(text), at) };
        let found = vec![ours(1, "раз", 2_000), ours(2, "два", 2_200), change(3, "edit", Some("раз"), 2_300)];
        let changed = fold(&row(), Some("ноль".to_owned()), found);
        assert_eq!((changed.text, changed.versions.len()), (Some(Some("два".to_owned())), 2));
        assert_eq!(changed.changes.len(), 2);
    }

    #[test]
    fn each_person_has_the_last_reaction_and_none_after_taking_it_back() {
        let of = |n, who: Option<&str>, emoji, at| ChangeRow {
            who: who.map(str::to_owned),
            ..change(n, "react", emoji, at)
        };
        let ours = |n, emoji, at| ChangeRow { asked: true, ..of(n, None, emoji, at) };
        let found = vec![
            of(1, Some("RU.2"), Some("🔥"), 4_000),
            of(2, Some("RU.1"), Some("👍"), 1_000),
            of(3, Some("RU.1"), Some("❤️"), 3_000),
            of(4, Some("RU.3"), Some("👎"), 1_000),
            of(5, Some("RU.3"), None, 2_000),
            of(6, Some(""), Some("👏"), 5_000),
            // our own: the gateway's clock tells of the first after the second
            ours(7, Some("👌"), 2_000),
            ours(8, Some("🙏"), 2_100),
            of(9, None, Some("👌"), 2_200),
        ];
        let changed = fold(&row(), Some("текст".to_owned()), found);
        let shown: Vec<_> =
            changed.reactions.iter().map(|one| (one.emoji.as_str(), one.ours, one.by.as_deref(), one.at)).collect();
        assert_eq!(
            shown,
            [
                ("🙏", true, None, 2_100),
                ("❤️", false, Some("RU.1"), 3_000),
                ("🔥", false, Some("RU.2"), 4_000),
                ("👏", false, None, 5_000),
            ]
        );
        assert_eq!((changed.text, changed.edited_at, changed.versions.len()), (None, None, 0));
        assert_eq!(changed.changes.len(), 2);
    }

    #[test]
    fn what_was_said_before_is_kept_and_the_last_text_counts() {
        let found = vec![
            change(1, "edit", Some("третий"), 3_000),
            change(2, "delete", None, 4_000),
            change(3, "edit", Some("второй"), 2_000),
            change(4, "edit", Some("второй "), 2_500),
        ];
        assert!(found.iter().all(|change| is_of(change, &row())));
        let changed = fold(&row(), Some("первый".to_owned()), found);
        let versions: Vec<_> = changed.versions.iter().map(|one| (one.text.as_deref().unwrap(), one.at)).collect();
        assert_eq!(versions, [("первый", 900), ("второй", 2_000)]);
        assert_eq!(changed.text, Some(Some("третий".to_owned())));
        assert_eq!((changed.edited_at, changed.deleted_at), (Some(3_000), Some(4_000)));
    }
}

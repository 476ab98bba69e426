//! What each robot is asked to do.

use serde_json::Value;

use super::catalogue::Robot;
use super::field::{Terms, Wrong, text, texts, trimmed};
use super::recipient::{Recipient, read_groups, read_people, read_recipients};
use super::send_request::{Beside, NotRead, SendRequest};
use crate::model::address::split_list;
use crate::model::php_form::Fields;
use crate::model::result::Code;

/// The longest title that is taken, in characters; messengers may allow less.
const TITLE_LIMIT: usize = 100;
/// The longest tag, in characters.
const TAG_LIMIT: usize = 40;
/// The most tags of one call.
const TAGS_LIMIT: usize = 20;

/// A call that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Something is to be sent.
    Send(SendRequest),
    /// Something is to be done with groups.
    Group(GroupRequest),
    /// Something is to be done with dialogs on our side.
    Dialog(DialogRequest),
    /// Phones are to be looked at.
    Check {
        /// The phones.
        phones: Vec<Recipient>,
        /// Where and when.
        terms: Terms,
    },
}

/// What is to be done with groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRequest {
    /// What.
    pub order: GroupOrder,
    /// Where and when.
    pub terms: Terms,
}

/// What is to be done with groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupOrder {
    /// One is to be made.
    Create {
        /// Its title.
        title: String,
        /// Who is to be in it.
        people: Vec<Recipient>,
        /// The words of an invitation, where they were given.
        invitation: Option<String>,
    },
    /// People are to be added to each of these.
    Add {
        /// The groups.
        groups: Vec<Recipient>,
        /// Who.
        people: Vec<Recipient>,
        /// The words of an invitation, where they were given.
        invitation: Option<String>,
    },
    /// Each of these is to be deleted.
    Delete {
        /// The groups.
        groups: Vec<Recipient>,
    },
}

/// What is to be done with dialogs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialogRequest {
    /// What.
    pub act: DialogAct,
    /// Whose dialogs.
    pub recipients: Vec<Recipient>,
    /// Where.
    pub terms: Terms,
}

/// What is to be done with dialogs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialogAct {
    /// They get these tags.
    SetTags(Vec<String>),
    /// They lose these tags.
    RemoveTags(Vec<String>),
    /// They get this title.
    Rename(String),
}

impl Request {
    /// Reads the properties of a robot's call. Phones without a country code are taken for numbers of `region`.
    ///
    /// # Errors
    /// [`NotRead`] where nothing can be done at all; one bad address among good ones is no error.
    pub fn read(robot: Robot, properties: &Value, region: &str) -> Result<Self, NotRead> {
        let send = |beside, groups| SendRequest::read_with(properties, region, beside, groups).map(Self::Send);
        match robot {
            Robot::Send => send(Beside::Nothing, false),
            Robot::SendFile => send(Beside::Disk, false),
            Robot::SendDocument => send(Beside::Document, false),
            Robot::GroupMessage => send(Beside::MaybeDocument, true),
            Robot::GroupFile => send(Beside::Disk, true),
            Robot::CreateGroup | Robot::AddToGroup | Robot::DeleteGroup => {
                let fields = Fields::of(properties);
                read_group(robot, &fields, region).map(Self::Group).map_err(|wrong| NotRead::of(wrong, &[]))
            }
            Robot::SetTags | Robot::RemoveTags | Robot::RenameChat => {
                read_dialog(robot, &Fields::of(properties), region).map(Self::Dialog)
            }
            Robot::CheckPhone => read_check(&Fields::of(properties), region),
        }
    }

    /// Whether the result goes to the card's comments too; told also by a call that cannot be read otherwise.
    #[must_use]
    pub fn wants_comment(properties: &Value) -> bool {
        Fields::of(properties).flag("card_comment")
    }
}

fn read_group(robot: Robot, fields: &Fields<'_>, region: &str) -> Result<GroupRequest, Wrong> {
    let invitation =
        || text(fields, "invitation").map(|text| Some(text.into_owned()).filter(|text| !text.trim().is_empty()));
    let order = match robot {
        Robot::CreateGroup => GroupOrder::Create {
            title: read_title(fields)?,
            people: read_people(fields, region)?,
            invitation: invitation()?,
        },
        Robot::AddToGroup => GroupOrder::Add {
            groups: read_groups(fields)?,
            people: read_people(fields, region)?,
            invitation: invitation()?,
        },
        _ => GroupOrder::Delete { groups: read_groups(fields)? },
    };
    Ok(GroupRequest { order, terms: Terms::read(fields)? })
}

fn read_dialog(robot: Robot, fields: &Fields<'_>, region: &str) -> Result<DialogRequest, NotRead> {
    let recipients = read_recipients(fields, region).map_err(|wrong| NotRead::of(wrong, &[]))?;
    let rest = || -> Result<(DialogAct, Terms), Wrong> {
        let act = match robot {
            Robot::SetTags => DialogAct::SetTags(read_tags(fields)?),
            Robot::RemoveTags => DialogAct::RemoveTags(read_tags(fields)?),
            _ => DialogAct::Rename(read_title(fields)?),
        };
        Ok((act, Terms::read(fields)?))
    };
    match rest() {
        Ok((act, terms)) => Ok(DialogRequest { act, recipients, terms }),
        Err(wrong) => Err(NotRead::of(wrong, &recipients)),
    }
}

fn read_check(fields: &Fields<'_>, region: &str) -> Result<Request, NotRead> {
    let phones = read_people(fields, region).map_err(|wrong| NotRead::of(wrong, &[]))?;
    match Terms::read(fields) {
        // it is asked for nothing but its result
        Ok(terms) => Ok(Request::Check { terms: Terms { async_result: true, ..terms }, phones }),
        Err(wrong) => Err(NotRead::of(wrong, &phones)),
    }
}

fn read_title(fields: &Fields<'_>) -> Result<String, Wrong> {
    let title = trimmed(fields, "title")?;
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    let good = (1..=TITLE_LIMIT).contains(&title.chars().count());
    if good { Ok(title) } else { Err((Code::TitleBad, String::new())) }
}

/// Tags as they are typed, each once, whatever the case of its letters.
fn read_tags(fields: &Fields<'_>) -> Result<Vec<String>, Wrong> {
    let mut tags: Vec<String> = Vec::new();
    for part in texts(fields, "tags")?.iter().flat_map(|text| split_list(text)) {
        let tag = part.split_whitespace().collect::<Vec<_>>().join(" ");
        if tag.chars().count() > TAG_LIMIT || tag.chars().any(char::is_control) {
            return Err((Code::TagBad, format!("метка длиннее {TAG_LIMIT} знаков: «{tag}»")));
        }
        if !tags.iter().any(|known| known.to_lowercase() == tag.to_lowercase()) {
            tags.push(tag);
        }
    }
    if (1..=TAGS_LIMIT).contains(&tags.len()) { Ok(tags) } else { Err((Code::TagBad, String::new())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crm::bitrix24::robot::field::Queue;
    use crate::model::message::{Kind, Peer};
    use crate::model::result::write_entries;
    use serde_json::json;

    fn read(robot: Robot, properties: &Value) -> Result<Request, NotRead> {
        Request::read(robot, properties, "RU")
    }

    #[test]
    fn a_group_is_asked_for_with_its_people() {
        let properties = json!({"title": " Заказ  15 ", "phones": "89990000001; 12", "chat_ids": "@Ivan", "invitation": " ",
            "channel": "telegram", "queue": "urgent", "line_id": "7", "async_result": "N"});
        let Ok(Request::Group(GroupRequest { order, terms })) = read(Robot::CreateGroup, &properties) else { panic!() };
        let GroupOrder::Create { title, people, invitation } = order else { panic!() };
        assert_eq!((title.as_str(), invitation), ("Заказ 15", None));
        let people: Vec<_> = people.into_iter().map(|one| one.to).collect();
        let expected =
            [Ok(Peer::Phone("79990000001".into())), Err(Code::AddressBad), Ok(Peer::Username("ivan".into()))];
        assert_eq!(people, expected);
        let expected =
            Terms { line: Some(7), channel: Some(Kind::Telegram), queue: Queue::Urgent, async_result: false };
        assert_eq!(terms, expected);
    }

    #[test]
    fn tags_are_each_taken_once() {
        let properties = json!({"phones": "79990000001", "tags": "Горячий,  горячий ;VIP клиент\nVIP  клиент"});
        let Ok(Request::Dialog(DialogRequest { act, .. })) = read(Robot::SetTags, &properties) else { panic!() };
        assert_eq!(act, DialogAct::SetTags(vec!["Горячий".into(), "VIP клиент".into()]));
    }

    #[test]
    fn each_mistake_has_its_code() {
        let long = "т".repeat(101);
        for (robot, properties, result) in [
            (
                Robot::CreateGroup,
                json!({"phones": "79990000001"}),
                ":N:[title_bad] укажите название чата: от 1 до 100 знаков",
            ),
            (Robot::CreateGroup, json!({"title": "x"}), ":N:[address_empty] не указан ни телефон, ни id чата"),
            (Robot::AddToGroup, json!({"phones": "79990000001"}), ":N:[group_empty] не указан id группы"),
            (Robot::DeleteGroup, json!({"group_ids": ""}), ":N:[group_empty] не указан id группы"),
            (
                Robot::RenameChat,
                json!({"phones": "79990000001", "title": long}),
                "79990000001:N:[title_bad] укажите название чата: от 1 до 100 знаков",
            ),
            (
                Robot::SetTags,
                json!({"phones": "79990000001", "tags": " ; "}),
                "79990000001:N:[tag_bad] укажите метки: до 40 знаков каждая, не больше 20 у диалога",
            ),
            (
                Robot::CheckPhone,
                json!({"phones": "79990000001", "channel": "icq"}),
                "79990000001:N:[channel_not_found] нет канала «icq»",
            ),
        ] {
            let entries = read(robot, &properties).unwrap_err().entries();
            assert_eq!(write_entries(&entries), result);
        }
    }
}

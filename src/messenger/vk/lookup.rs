//! What deliveries leave out: who somebody is, since they bring a number alone, and the rest of a message that was cut.

use super::answer::repeatable;
use super::{call, group_id, incoming};
use crate::messenger::{Wire, field};
use crate::model::message::{Event, Incoming, Person};
use crate::model::vendor::Answer;

/// Asks for a person by the number; communities have negative ones.
pub(super) async fn person(wire: &Wire, id: &str) -> Result<Option<Person>, Answer> {
    let told = if let Some(group) = id.strip_prefix('-') {
        call(wire, "groups.getById", &[("group_id", group.to_owned())]).await
    } else {
        let asked = [("user_ids", id.to_owned()), ("fields", "screen_name".to_owned())];
        call(wire, "users.get", &asked).await
    };
    let told = told.map_err(repeatable)?;
    // newer versions wrap the list of communities
    let Some(found) = told.get("groups").unwrap_or(&told).get(0) else { return Ok(None) };
    let parts = ["first_name", "last_name", "name"].iter().filter_map(|part| field::text(found, part));
    let name = parts.collect::<Vec<_>>().join(" ");
    Ok(Some(Person {
        name: Some(name).filter(|name| !name.is_empty()),
        username: field::text(found, "screen_name").map(|name| name.to_lowercase()),
        phone: None,
        vendor_id: Some(id.to_owned()),
    }))
}

/// Asks for a message by the chat and its number there.
pub(super) async fn whole(wire: &Wire, cut: &Incoming) -> Result<Option<Incoming>, Answer> {
    let Some((chat, in_chat)) = cut.vendor_id.rsplit_once('_') else { return Ok(None) };
    let group = group_id(wire);
    let asked =
        [("peer_id", chat.to_owned()), ("conversation_message_ids", in_chat.to_owned()), ("group_id", group.clone())];
    let told = call(wire, "messages.getByConversationMessageId", &asked).await.map_err(repeatable)?;
    let found = field::list(&told, "items").first().and_then(|body| incoming::message(body, &group));
    Ok(found.and_then(|event| match event {
        Event::Message(whole) if whole.vendor_id == cut.vendor_id => Some(*whole),
        _ => None,
    }))
}

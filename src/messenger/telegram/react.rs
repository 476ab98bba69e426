//! How others react: an update tells how a message stands afterwards, never what has just changed.

use grammers_tl_types::{enums, types};

use super::book::{self, Book, message_name};
use crate::model::message::Event;
use crate::model::moment::Moment;

/// What an update about reactions comes to. In a private chat both sides are told of anew, so that what was taken back is known; in
/// a group those alone who react, since not all of them are named.
pub(super) fn events(
    update: &types::UpdateMessageReactions,
    book: &Book,
    me: i64,
    now: Moment,
) -> Vec<(String, Event)> {
    let chat = book::id_of(&update.peer);
    if chat == me || book.is_deaf(chat) {
        return Vec::new();
    }
    let enums::MessageReactions::Reactions(told) = &update.reactions;
    let recent = told.recent_reactions.as_deref().unwrap_or_default();
    // those who react are not always named
    if recent.is_empty() && !told.results.is_empty() {
        return Vec::new();
    }
    let vendor_id = message_name(chat, update.msg_id);
    let named: Vec<Named> = recent.iter().map(|one| Named::read(one, me)).collect();
    let mut events: Vec<_> = named.iter().map(|one| one.event(chat, &vendor_id)).collect();
    if chat > 0 {
        // a short form does not say which of them are ours
        let sides = if told.min { &[false][..] } else { &[false, true] };
        for ours in sides {
            if !named.iter().any(|one| one.ours == *ours) {
                let gone = Named { who: chat, ours: *ours, emoji: None, at: now };
                events.push(gone.event(chat, &vendor_id));
            }
        }
    }
    events
}

struct Named {
    who: i64,
    ours: bool,
    emoji: Option<String>,
    at: Moment,
}

impl Named {
    fn read(one: &enums::MessagePeerReaction, me: i64) -> Self {
        let enums::MessagePeerReaction::Reaction(one) = one;
        let who = book::id_of(&one.peer_id);
        let emoji = match &one.reaction {
            enums::Reaction::Emoji(emoji) => emoji.emoticon.clone(),
            // pictures of their own making have no sign
            enums::Reaction::CustomEmoji(_) | enums::Reaction::Paid => "⭐".to_owned(),
            enums::Reaction::Empty => String::new(),
        };
        let emoji = Some(emoji).filter(|emoji| !emoji.is_empty());
        Self { who, ours: one.my || who == me, emoji, at: Moment(i64::from(one.date) * 1_000) }
    }

    fn event(&self, chat: i64, vendor_id: &str) -> (String, Event) {
        let emoji = self.emoji.as_deref().unwrap_or_default();
        let key = format!("k{vendor_id}:{}:{}:{}:{emoji}", self.who, self.ours, self.at.0);
        let event = Event::Reaction {
            chat: chat.to_string(),
            vendor_id: vendor_id.to_owned(),
            emoji: self.emoji.clone(),
            by: (!self.ours).then(|| self.who.to_string()),
            ours: self.ours,
            at: self.at,
        };
        (key, event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(1_790_000_000_000);

    fn reacted(who: i64, my: bool, emoji: &str) -> enums::MessagePeerReaction {
        let peer_id = types::PeerUser { user_id: who }.into();
        let reaction = types::ReactionEmoji { emoticon: emoji.to_owned() }.into();
        types::MessagePeerReaction { big: false, unread: false, my, peer_id, date: 1_789_999_990, reaction }.into()
    }

    fn told(peer: enums::Peer, recent: Vec<enums::MessagePeerReaction>, min: bool) -> Vec<String> {
        let reactions = types::MessageReactions {
            min,
            can_see_list: true,
            reactions_as_tags: false,
            results: Vec::new(),
            recent_reactions: Some(recent),
            top_reactors: None,
        };
        let update = types::UpdateMessageReactions {
            peer,
            msg_id: 9,
            top_msg_id: None,
            saved_peer_id: None,
            reactions: reactions.into(),
        };
        let tell = |(_, event): (String, Event)| match event {
            Event::Reaction { chat, vendor_id, emoji, by, ours, .. } => {
                let by = if ours { "us".to_owned() } else { by.unwrap_or_default() };
                format!("{} by {by} to {vendor_id} in {chat}", emoji.unwrap_or_else(|| "-".to_owned()))
            }
            other => panic!("{other:?}"),
        };
        events(&update, &Book::default(), 1, NOW).into_iter().map(tell).collect()
    }

    #[test]
    fn both_sides_of_a_private_chat_are_told_and_those_of_a_group_who_react() {
        let private = || types::PeerUser { user_id: 5 }.into();
        assert_eq!(told(private(), vec![reacted(5, false, "👍")], false), ["👍 by 5 to 9 in 5", "- by us to 9 in 5"]);
        assert_eq!(told(private(), vec![reacted(1, true, "🔥")], false), ["🔥 by us to 9 in 5", "- by 5 to 9 in 5"]);
        assert_eq!(told(private(), Vec::new(), true), ["- by 5 to 9 in 5"]);
        let group = types::PeerChannel { channel_id: 77 }.into();
        let many = vec![reacted(5, false, "👍"), reacted(1, true, "🔥")];
        assert_eq!(
            told(group, many, false),
            ["👍 by 5 to 77_9 in -1000000000077", "🔥 by us to 77_9 in -1000000000077"]
        );
    }

    #[test]
    fn where_nobody_is_named_nothing_is_told() {
        let count = types::ReactionCount {
            chosen_order: None,
            reaction: types::ReactionEmoji { emoticon: "👍".to_owned() }.into(),
            count: 3,
        };
        let reactions = types::MessageReactions {
            min: false,
            can_see_list: false,
            reactions_as_tags: false,
            results: vec![count.into()],
            recent_reactions: None,
            top_reactors: None,
        };
        let update = types::UpdateMessageReactions {
            peer: types::PeerUser { user_id: 5 }.into(),
            msg_id: 9,
            top_msg_id: None,
            saved_peer_id: None,
            reactions: reactions.into(),
        };
        assert!(events(&update, &Book::default(), 1, NOW).is_empty());
    }
}

//! What integrators are told of a channel.

use serde::{Deserialize, Serialize};

/// What a webhook hears of. The written form stands in settings and in `meta.type` of what is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WebhookTopic)]
pub enum Topic {
    /// Messages of both sides.
    Message,
    /// What became of our messages.
    MessageStatus,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 2] = [Self::Message, Self::MessageStatus];

    /// The written form.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::MessageStatus => "messageStatus",
        }
    }

    /// The topic of a written form.
    #[must_use]
    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.slug() == slug)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_written_alike_everywhere() {
        for topic in Topic::ALL {
            assert_eq!(serde_json::to_value(topic).unwrap(), topic.slug());
            assert_eq!(Topic::from_slug(topic.slug()), Some(topic));
        }
    }
}

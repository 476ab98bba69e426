//! What is said: an outgoing message as the messengers get it, and events as they bring them.

use serde::{Deserialize, Serialize};

mod incoming;
mod letter;

pub use self::incoming::{CROPPED, Incoming, IncomingMedia, MEDIA_MISSING, Person};
pub use self::letter::{Letter, Thread};
use super::interactive::Interactive;
use super::markup::Span;
use super::moment::Moment;
pub use super::place::{Card, Place};
use super::status::Status;

/// A kind of messenger. The written form is also the value in tables, addresses and robots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Messenger)]
pub enum Kind {
    /// WhatsApp Web, as a linked device.
    WhatsappWeb,
    /// WhatsApp Business, the Cloud API.
    Waba,
    /// A Telegram account.
    Telegram,
    /// A Telegram bot.
    TelegramBot,
    /// A VK community.
    Vk,
    /// VK Notify.
    VkNotify,
    /// E-mail.
    Email,
    /// Avito.
    Avito,
}

impl Kind {
    /// Every kind, in the order of the catalogue.
    pub const ALL: [Self; 8] = [
        Self::WhatsappWeb,
        Self::Waba,
        Self::Telegram,
        Self::TelegramBot,
        Self::Vk,
        Self::VkNotify,
        Self::Email,
        Self::Avito,
    ];

    /// The written form.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        match self {
            Self::WhatsappWeb => "whatsapp_web",
            Self::Waba => "waba",
            Self::Telegram => "telegram",
            Self::TelegramBot => "telegram_bot",
            Self::Vk => "vk",
            Self::VkNotify => "vk_notify",
            Self::Email => "email",
            Self::Avito => "avito",
        }
    }

    /// The name on screen, in Russian and in English.
    #[must_use]
    pub const fn title(self) -> (&'static str, &'static str) {
        match self {
            Self::WhatsappWeb => ("WhatsApp Web", "WhatsApp Web"),
            Self::Waba => ("WhatsApp Business (WABA)", "WhatsApp Business (WABA)"),
            Self::Telegram => ("Telegram", "Telegram"),
            Self::TelegramBot => ("Бот Telegram", "Telegram bot"),
            Self::Vk => ("VK", "VK"),
            Self::VkNotify => ("VK Notify", "VK Notify"),
            Self::Email => ("Email", "E-mail"),
            Self::Avito => ("Авито", "Avito"),
        }
    }

    /// The kind of a written form.
    #[must_use]
    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.slug() == slug)
    }
}

/// Who gets an outgoing message. Which of them a messenger can reach is in its abilities.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    /// A phone in digits, international, without the plus.
    Phone(String),
    /// A user name without the at sign, in lower case.
    Username(String),
    /// The chat as the vendor names it.
    Chat(String),
    /// An e-mail address in lower case.
    Email(String),
}

impl Peer {
    /// The address as a person writes it: the `chatId` of a robot's result.
    #[must_use]
    pub fn chat_id(&self) -> String {
        match self {
            Self::Phone(digits) => digits.clone(),
            Self::Username(name) => format!("@{name}"),
            Self::Chat(id) | Self::Email(id) => id.clone(),
        }
    }
}

/// The kind of a file, as messengers tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A film.
    Video,
    /// A piece of music or other sound.
    Audio,
    /// A voice note.
    Voice,
    /// A sticker.
    Sticker,
    /// Any other file.
    Document,
}

/// A file to send: where its bytes are, and what it is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// What kind of file.
    pub kind: MediaKind,
    /// The name that the recipient sees.
    pub name: String,
    /// The media type, as `image/jpeg`.
    pub mime: String,
    /// Where the bytes are: an https address that the guard lets through, or `store:<key>` in our own file store.
    pub source: String,
    /// The size in bytes, where it is known.
    pub size: Option<u64>,
}

/// A template that the vendor approved, and its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// The name, as it was approved.
    pub name: String,
    /// The language code, as `ru`.
    pub language: String,
    /// Values of the body by position, or by name where `name` is set.
    pub body: Vec<TemplateValue>,
    /// The value of a text header.
    pub header_text: Option<TemplateValue>,
    /// The file of a media header.
    pub header_media: Option<Media>,
    /// Suffixes of address buttons and payloads of quick replies, with the button's index.
    pub buttons: Vec<TemplateButton>,
}

/// One value of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateValue {
    /// The name of the variable; none where variables have positions only.
    pub name: Option<String>,
    /// The text.
    pub text: String,
}

/// One button of a template that has a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateButton {
    /// Position of the button, from 0.
    pub index: u8,
    /// `url`, `quick_reply` or `copy_code`.
    pub kind: String,
    /// The suffix, payload or code.
    pub value: String,
}

/// What an outgoing message says. At least one of its parts is there; which of them a messenger carries is its own matter,
/// and what it does not carry it refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Content {
    /// Plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What of the text is shown in another way, for messengers that are told so beside the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
    /// A file; the text is its caption where the messenger has captions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
    /// A template; only where the messenger has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
    /// The subject; only where the messenger has threads. It begins a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// A place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Cards of people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cards: Vec<Card>,
    /// What there is to press beneath the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interactive: Option<Interactive>,
}

impl Content {
    /// Whether there is a place or a card, which not every messenger carries.
    #[must_use]
    pub fn has_place_or_cards(&self) -> bool {
        self.place.is_some() || !self.cards.is_empty()
    }

    /// Whether there is more than a text and a file, which not every messenger carries.
    #[must_use]
    pub fn has_more_than_words(&self) -> bool {
        self.template.is_some() || self.interactive.is_some() || self.has_place_or_cards()
    }
}

/// A message on its way out, as a messenger gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// Our own name for the message, the same at every attempt. Vendors that drop repetitions get it as their key.
    pub key: String,
    /// Who gets it.
    pub to: Peer,
    /// First and last name, for messengers that must make a contact before they can write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<(String, String)>,
    /// What it says.
    pub content: Content,
    /// The vendor's id of the message that this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Until when the customer's last message lets free text through, where the messenger has such a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_until: Option<Moment>,
    /// What the message goes on from, where the messenger has threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Thread>,
}

/// The vendor's word about an outgoing message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The vendor's id of the message.
    pub vendor_id: String,
    /// Our own key, where the vendor gives it back.
    pub key: Option<String>,
    /// What became of it.
    pub status: Status,
    /// When, by the vendor's clock.
    pub at: Moment,
    /// Our stable code and the vendor's text, for an error. Beside `Sent` it is a word of the vendor's that fits no status: it is
    /// shown and moves nothing.
    pub error: Option<(super::result::Code, String)>,
}

/// How a session that lives at a gateway stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// It works.
    Up,
    /// The vendor took it back: a person must link it again.
    Relink,
    /// It does not work, and may come back by itself.
    Off,
}

/// Something that a vendor told us. What we do not know becomes `Ignored`, never an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// A message came in.
    Message(Box<Incoming>),
    /// A message of ours was taken, as the vendor tells beside the answer to our call: where that was never seen, its fate is
    /// known now. It is never entered as one of somebody else.
    Taken(Box<Incoming>),
    /// A letter came in.
    Letter(Box<Letter>),
    /// A message was changed by its writer.
    Edited {
        /// The chat.
        chat: String,
        /// The vendor's id of the message.
        vendor_id: String,
        /// The new text.
        text: Option<String>,
        /// When, by the vendor's clock or else by ours.
        #[serde(default)]
        at: Moment,
    },
    /// Messages were taken back by their writer.
    Deleted {
        /// The chat; empty where the vendor does not tell it.
        chat: String,
        /// The vendor's ids.
        vendor_ids: Vec<String>,
        /// When, by the vendor's clock or else by ours.
        #[serde(default)]
        at: Moment,
    },
    /// A receipt.
    Receipt(Receipt),
    /// The other side has read everything of ours in a chat up to a message.
    Read {
        /// The chat.
        chat: String,
        /// The number at the end of the vendor's id of that message; such numbers rise within a chat.
        up_to: i64,
        /// When, by the vendor's clock or else by ours.
        at: Moment,
    },
    /// A reaction to a message; no emoji takes it back.
    Reaction {
        /// The chat.
        chat: String,
        /// The vendor's id of the message.
        vendor_id: String,
        /// The emoji.
        emoji: Option<String>,
        /// Who reacts, by the vendor's id; none where the vendor does not tell, and for our own side.
        #[serde(default)]
        by: Option<String>,
        /// Whether our own side reacts, on the phone or through us.
        #[serde(default)]
        ours: bool,
        /// When, by the vendor's clock or else by ours.
        #[serde(default)]
        at: Moment,
    },
    /// The person may be written to again, or may not any more.
    Allowed {
        /// The chat.
        chat: String,
        /// Whether we may write.
        allowed: bool,
    },
    /// The vendor gave the chat another id.
    Moved {
        /// The id so far.
        from: String,
        /// The id from now on.
        to: String,
    },
    /// A template was approved, refused, paused or changed.
    Template {
        /// Its name.
        name: String,
        /// Its language.
        language: String,
        /// The vendor's word, as `REJECTED`.
        state: String,
        /// The reason, for a person.
        reason: Option<String>,
    },
    /// The vendor thinks otherwise of a template than before.
    TemplateRated {
        /// Its name.
        name: String,
        /// Its language.
        language: String,
        /// Its new quality, as `YELLOW`.
        #[serde(default)]
        quality: Option<String>,
        /// Its new category.
        #[serde(default)]
        category: Option<String>,
    },
    /// The session behind the channel came or went.
    Link {
        /// How it stands now.
        link: Link,
        /// What the vendor calls it.
        seen: String,
        /// When, by the vendor's clock: an older word that comes late changes nothing.
        at: Moment,
    },
    /// What a chat is about, and with whom.
    Chat {
        /// The chat.
        chat: String,
        /// How the other side is called.
        name: Option<String>,
        /// What it is about: the title of an item.
        about: Option<String>,
        /// Where that is.
        link: Option<String>,
    },
    /// A group that we are in, or are not in any more.
    Group {
        /// The chat.
        chat: String,
        /// How it is called now, where the vendor tells it.
        title: Option<String>,
        /// Whether we are in it.
        inside: bool,
    },
    /// The vendor told that somebody takes no more marketing of ours, or takes it again.
    Marketing {
        /// The chat.
        chat: String,
        /// Whether they take it.
        wanted: bool,
        /// What the vendor said.
        seen: String,
    },
    /// The vendor told that two of its names mean one chat.
    SameChat {
        /// The name that hides the phone.
        hidden: String,
        /// The name that shows it.
        shown: String,
    },
    /// The vendor suspects the channel of spam, or does not any more.
    Suspicion {
        /// What the vendor said.
        seen: String,
        /// Whether it took its suspicion back.
        lifted: bool,
    },
    /// Something about the account changed, as quality or limits: how it stands now is to be asked.
    Restanding {
        /// What the vendor said.
        seen: String,
    },
    /// The channel itself is in trouble.
    Trouble {
        /// What the vendor said.
        seen: String,
    },
    /// Something that we do not use; it is acknowledged and forgotten.
    Ignored {
        /// What it was, for the journal.
        what: String,
    },
}

//! VK Notify: paid notifications to a phone, shown in VK from the company's community. VK itself has no public API: a contract
//! with an aggregator gives the way in, so this is one engine with an adapter for each of them.
//!
//! Only templates that the aggregator approved can be sent; what became of one is told by a status alone. A reply of the
//! person goes to the community's ordinary messages, so it comes in where that community is attached too.

mod answer;
mod attach;
mod devino;
mod edna;
mod receive;
mod send;

use serde_json::{Map, Value};

use super::{
    Abilities, About, AttachError, AttachNext, AttachStep, Boxed, Changes, Delivery, Fetched, Field, FieldOption,
    Messenger, NotTaken, Received, Wire, field, parcel,
};
use crate::model::interactive::InteractiveLimits;
use crate::model::message::{IncomingMedia, Kind, Outgoing};
use crate::model::moment::Moment;
use crate::model::pace::Pace;
use crate::model::result::Code;
use crate::model::vendor::Answer;

/// The messenger.
#[derive(Debug, Clone, Copy)]
pub struct VkNotify;

static ABOUT: About = About {
    kind: Kind::VkNotify,
    title: ("VK Notify", "VK Notify"),
    abilities: Abilities {
        // with a template
        first_by_phone: true,
        by_username: false,
        free_text_always: false,
        templates: true,
        templates_only: true,
        delivered: true,
        viewed: true,
        // edna does, Devino does not: an unsure answer says itself whether the call may be made again
        drops_repeats: false,
        checks_phone: false,
        groups: false,
        listens: false,
        threads: false,
        edits: false,
        deletes: false,
        answers: false,
        places: false,
        cards: false,
        interactive: false,
        reactions: false,
    },
    form: &[Field::choice(
        "provider",
        "Агрегатор, с которым заключён договор",
        "Aggregator that you have a contract with",
        &[
            FieldOption::new("devino", "Devino", "Devino"),
            FieldOption::new("devino_legacy", "Devino, прежний API", "Devino, its older API"),
            FieldOption::new("edna", "edna Pulse", "edna Pulse"),
        ],
    )],
    pace: Pace::Gap { from_ms: 1_000, to_ms: 1_000, live_ms: 1_000 },
    // 50 a second for a community
    floor_ms: 20,
    text_limit: 2048,
    caption_limit: 2048,
    // pictures are fixed in the template
    media_limits: &[],
    card_limit: 0,
    changes: Changes::NONE,
    interactive: InteractiveLimits::NONE,
    vendor: "https://api.devino.online",
};

/// Who takes the notifications to VK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Provider {
    /// Devino.
    Devino,
    /// Devino by its older API, which alone knows how long a notification is good.
    DevinoLegacy,
    /// edna Pulse.
    Edna,
}

impl Provider {
    const ALL: [Self; 3] = [Self::Devino, Self::DevinoLegacy, Self::Edna];

    const fn slug(self) -> &'static str {
        match self {
            Self::Devino => "devino",
            Self::DevinoLegacy => "devino_legacy",
            Self::Edna => "edna",
        }
    }

    fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.slug().eq_ignore_ascii_case(text.trim()))
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Devino | Self::DevinoLegacy => "Devino",
            Self::Edna => "edna",
        }
    }

    /// Whether a second call with the same key is refused, so that a call of unknown fate may be made again.
    const fn drops_repeats(self) -> bool {
        matches!(self, Self::Edna)
    }

    /// The provider's address; a configured one stands for all of them.
    fn base(self, wire: &Wire) -> &str {
        if self == Self::Edna && wire.vendor == ABOUT.vendor { edna::ADDRESS } else { &wire.vendor }
    }
}

impl Messenger for VkNotify {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn receive(&self, wire: &Wire, delivery: &Delivery<'_>) -> Result<Received, NotTaken> {
        receive::receive(wire, delivery)
    }

    fn send<'a>(&'a self, wire: &'a Wire, message: &'a Outgoing, _now: Moment) -> Boxed<'a, Answer> {
        Box::pin(send::send(wire, message))
    }

    fn repeats(&self) -> i32 {
        edna::REPEATS
    }

    fn attach<'a>(&'a self, wire: &'a Wire, step: &'a AttachStep) -> Boxed<'a, Result<AttachNext, AttachError>> {
        Box::pin(attach::attach(wire, step))
    }

    fn settings_form(&self, wire: &Wire) -> &'static [Field] {
        attach::settings_form(wire)
    }

    fn settings(&self, wire: &Wire) -> Option<Map<String, Value>> {
        attach::values(wire)
    }

    fn configure<'a>(
        &'a self,
        wire: &'a Wire,
        answers: &'a Map<String, Value>,
    ) -> Option<Boxed<'a, Result<AttachNext, AttachError>>> {
        Some(Box::pin(attach::configure(wire, answers)))
    }

    fn announces(&self) -> bool {
        true
    }

    fn announce<'a>(&'a self, wire: &'a Wire, webhook_url: &'a str) -> Boxed<'a, Result<(), AttachError>> {
        Box::pin(attach::announce(wire, webhook_url))
    }

    fn fetch_media<'a>(&'a self, _: &'a Wire, _: &'a IncomingMedia, _: u64) -> Boxed<'a, Result<Fetched, Answer>> {
        // nothing comes in but statuses
        Box::pin(std::future::ready(Err(parcel::refused(Code::NotSupported))))
    }
}

/// The provider of a channel.
fn provider(wire: &Wire) -> Option<Provider> {
    Provider::of(&field::text(&wire.settings, "provider")?)
}

/// Where statuses are posted to: the key of the channel in the path and a secret behind it, since nobody signs.
fn status_url(wire: &Wire, webhook_url: &str) -> String {
    format!("{webhook_url}?s={}", field::secret(&wire.secrets, "secret"))
}

//! The seam of all messengers: a small trait, abilities as plain data, and the catalogue.
//!
//! A messenger imports `net` and `model` only: it knows no database. Adding one is a file, a row of the catalogue,
//! a simulator in the sandbox and a folder of fixtures; the conformance suite (`tests/it/messengers.rs`) says when it is done.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use secrecy::SecretString;

use crate::model::change::{ChangeAct, Said};
use crate::model::group::{GroupAct, GroupDone};
use crate::model::message::{Event, Incoming, IncomingMedia, Kind, MediaKind, Outgoing, Peer, Person};
use crate::model::moment::Moment;
use crate::model::template::TemplateCard;
use crate::model::vendor::Answer;
use crate::net::dial::Dial;
use crate::net::http::Http;

mod about;
mod attach;
pub mod avito;
mod change;
pub mod email;
mod field;
mod form;
mod group;
mod listen;
mod parcel;
pub mod telegram;
pub mod telegram_bot;
pub mod vk;
pub mod vk_notify;
pub mod waba;
pub mod whatsapp_web;

pub use self::about::{Abilities, About};
pub use self::attach::{AttachError, AttachNext, AttachStep, Attachment, Choice};
pub use self::change::Changes;
pub use self::form::{Field, FieldKind, FieldOption, Only, Words};
pub use self::group::Groups;
pub use self::listen::{Deaf, Ear, Heard, Lines};

/// A future in a box, as trait objects need it.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where the bytes of a file are read from. The flow provides it, so that a messenger knows neither the store nor the guard.
pub trait Files: Send + Sync {
    /// Opens what [`crate::model::message::Media`] calls its source: `store:<key>`, or an https address, which goes through
    /// the guard. Called by `send` where a link alone will not do. An error of the kind `NotFound` is final, others pass.
    fn open<'a>(&'a self, source: &'a str) -> Boxed<'a, std::io::Result<OpenFile>>;
}

/// A file that is being read.
pub struct OpenFile {
    /// Its size in bytes.
    pub size: u64,
    /// Its bytes, in pieces.
    pub bytes: BoxStream<'static, std::io::Result<Bytes>>,
}

/// A channel as a messenger sees it: what it needs to speak for it, and nothing else.
#[derive(Clone)]
pub struct Wire {
    /// The way out.
    pub http: Arc<Http>,
    /// The way out for what is no HTTP.
    pub dial: Arc<Dial>,
    /// Where files to send are read from.
    pub files: Arc<dyn Files>,
    /// Lines that this process keeps open: whoever listens lends them to whoever sends.
    pub lines: Arc<Lines>,
    /// The vendor's base address, without a slash at the end.
    pub vendor: String,
    /// The key of that address, for a gateway of ours that serves many channels; empty where there is none.
    pub vendor_key: SecretString,
    /// The secrets, as a JSON object whose keys the messenger chose in `attach`. In `attach` itself: the keys of this server at
    /// the vendor, as `client_id` and `client_secret`, where the settings have them.
    pub secrets: SecretString,
    /// Settings that are no secrets, as a JSON object.
    pub settings: serde_json::Value,
    /// Where the vendor posts what concerns the channel, for vendors that are told with each message; empty before there is one.
    pub webhook_url: String,
    /// The folder in which a server of the vendor's that is run beside ours lays files; none where there is no such server.
    pub local: Option<PathBuf>,
}

/// What a vendor posted to us, as it came.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// The query string, without the question mark.
    pub query: &'a str,
    /// Names in lower case.
    pub headers: &'a [(String, String)],
    /// The raw bytes: signatures are made over them.
    pub body: &'a [u8],
    /// When it came.
    pub at: Moment,
}

/// What a delivery turned out to be, and what the vendor wants to hear.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Received {
    /// Events, in the order of the delivery, each with the vendor's key against repetition.
    pub events: Vec<(String, Event)>,
    /// The body of our 200. Most vendors want none; some want a word, the proof that the address is ours, or take a call.
    pub reply: Reply,
    /// Whether the vendor wants a proof that only the vendor itself can tell: the flow asks [`Messenger::prove`] for it.
    pub proof: bool,
    /// Accounts of the same messenger that the delivery also speaks of, by the name that `attach` gave them: vendors that
    /// know one address for many accounts mix them. Each is received again through its own channel.
    pub elsewhere: Vec<String>,
}

/// The body of our 200 to a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// The media type; empty where there is no body.
    pub mime: &'static str,
    /// The body.
    pub body: String,
}

/// Why a delivery was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// The signature or secret is wrong: whoever posted it is not the vendor.
    #[error("the signature or secret of the delivery is wrong")]
    Forged,
    /// The bytes are not what the vendor sends.
    #[error("the delivery cannot be read: {0}")]
    Unreadable(String),
}

/// A file that came in, on its way from the vendor.
pub struct Fetched {
    /// The media type that the vendor told.
    pub mime: Option<String>,
    /// The bytes, in pieces. Where there are more than was allowed, the last piece is an error of the kind `FileTooLarge`;
    /// every other error passes.
    pub bytes: BoxStream<'static, std::io::Result<Bytes>>,
}

/// What an account bears of people whom it never spoke with. Vendors limit accounts that do more, and ban them.
#[derive(Debug, Clone, Copy)]
pub struct Firsts {
    /// Between two first messages to phones, in milliseconds.
    pub gap_ms: i64,
    /// First messages to phones within a day.
    pub phones_per_day: i64,
    /// User names that are looked up within a day; they are not counted among first messages.
    pub names_per_day: i64,
}

/// What a look at a phone told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The chat to write to, as the vendor names it; none where the phone does not have the messenger.
    pub chat: Option<String>,
}

/// A messenger.
pub trait Messenger: Send + Sync {
    /// What it is and can do. Never blocks, never fails.
    fn about(&self) -> &'static About;

    /// The same where a server of the vendor's is run beside ours ([`Wire::local`]). Never blocks, never fails.
    fn about_local(&self) -> &'static About {
        self.about()
    }

    /// Why a file of this kind is too large and what raises the limit, in Russian and in English; none where nothing does. Never
    /// blocks, never fails.
    fn too_big(&self, kind: MediaKind) -> Option<(&'static str, &'static str)> {
        let _ = kind;
        None
    }

    /// Verifies a delivery and turns it into events. Pure: no call, no clock of its own. Called for each delivery.
    ///
    /// # Errors
    /// `Forged` where the proof is missing or wrong, `Unreadable` where the bytes are not the vendor's shape. An event of
    /// an unknown kind is no error: it becomes `Event::Ignored`.
    fn receive(&self, wire: &Wire, delivery: &Delivery<'_>) -> Result<Received, NotTaken>;

    /// Sends one message. May take as long as the call's deadline. Never panics, and never repeats a call that the vendor
    /// may have taken; one that it refused may be put right and made again at once. Called by the pump at the lane's pace.
    fn send<'a>(&'a self, wire: &'a Wire, message: &'a Outgoing, now: Moment) -> Boxed<'a, Answer>;

    /// Changes or deletes a message that has left, for both sides; only what the abilities name. May be repeated: what is so
    /// already is `Done`. May take as long as the call's deadline. Called by the pump, as live answers are.
    fn change<'a>(&'a self, wire: &'a Wire, said: &'a Said, act: &'a ChangeAct, now: Moment) -> Boxed<'a, Answer> {
        let (_, _, _, _) = (wire, said, act, now);
        Box::pin(std::future::ready(parcel::refused(crate::model::result::Code::NotSupported)))
    }

    /// How often a message of unknown fate is sent, where the vendor drops repetitions, before its key may be forgotten there.
    /// Never blocks, never fails.
    fn repeats(&self) -> i32 {
        i32::MAX
    }

    /// Takes one step of attaching. Called when a person presses the button.
    fn attach<'a>(&'a self, wire: &'a Wire, step: &'a AttachStep) -> Boxed<'a, Result<AttachNext, AttachError>>;

    /// What the button says that leads to the vendor's page instead of filling in the form: a first step without answers. Only
    /// where this server has keys at the vendor is it shown. Never blocks, never fails.
    fn signs_in(&self) -> Option<(&'static str, &'static str)> {
        None
    }

    /// The fields of [`Messenger::configure`]; none where nothing can be changed. Never blocks, never fails.
    fn settings_form(&self, wire: &Wire) -> &'static [Field] {
        let _ = wire;
        &[]
    }

    /// What the fields of the settings are now, by name and without secrets; none where nothing can be changed. Never blocks.
    fn settings(&self, wire: &Wire) -> Option<serde_json::Map<String, serde_json::Value>> {
        let _ = wire;
        None
    }

    /// Changes a channel that is attached; none where nothing can be changed. What is not told stays, secrets too. Gives
    /// `Done` with all that is to be kept. Called when a person presses the button; may take as long as the call's deadline.
    fn configure<'a>(
        &'a self,
        wire: &'a Wire,
        answers: &'a serde_json::Map<String, serde_json::Value>,
    ) -> Option<Boxed<'a, Result<AttachNext, AttachError>>> {
        let (_, _) = (wire, answers);
        None
    }

    /// Whether the vendor is told where to post by [`Messenger::announce`], so that `attach` is never taken twice for it. Never
    /// blocks, never fails.
    fn announces(&self) -> bool {
        false
    }

    /// Tells the vendor where to post. Called after the channel was written down, since some vendors try the address before
    /// they take it; called again whenever the account is attached again. May take as long as the call's deadline.
    ///
    /// # Errors
    /// What the person who attaches can do about it. The channel stays lost until it is attached again.
    fn announce<'a>(&'a self, wire: &'a Wire, webhook_url: &'a str) -> Boxed<'a, Result<(), AttachError>> {
        let _ = (wire, webhook_url);
        Box::pin(async { Ok(()) })
    }

    /// Whether its vendor tells where it posts to ([`Messenger::posts_to`]). Never blocks, never fails.
    fn tells_where(&self) -> bool {
        false
    }

    /// The address that the vendor posts to, empty where it posts to nobody. May be repeated, so its error is never `Unsure`.
    fn posts_to<'a>(&'a self, wire: &'a Wire) -> Boxed<'a, Result<String, Answer>> {
        let _ = wire;
        Box::pin(std::future::ready(Err(parcel::refused(crate::model::result::Code::NotSupported))))
    }

    /// What is answered to a delivery that asks for a proof ([`Received::proof`]), which the vendor tells us anew each time.
    /// Called by the intake while the vendor waits for our answer.
    ///
    /// # Errors
    /// Where the vendor does not tell; it will ask again.
    fn prove<'a>(&'a self, wire: &'a Wire) -> Boxed<'a, Result<Reply, Answer>> {
        let _ = wire;
        Box::pin(async { Ok(Reply::default()) })
    }

    /// Renews credentials that ran out; none where they never do. Called after `Expired`, by one task of one process at a
    /// time; what it gives is kept before it is used. The answer `Expired` says that only a person can help.
    fn renew<'a>(&'a self, wire: &'a Wire, now: Moment) -> Option<Boxed<'a, Result<SecretString, Answer>>> {
        let _ = (wire, now);
        None
    }

    /// Begins to fetch a file that came in, not above `limit` bytes. Called after the delivery was written down; may be repeated,
    /// so its error is never `Unsure`.
    fn fetch_media<'a>(
        &'a self,
        wire: &'a Wire,
        media: &'a IncomingMedia,
        limit: u64,
    ) -> Boxed<'a, Result<Fetched, Answer>>;

    /// Lists the templates of the account, where the abilities say that it has them. May be repeated, so its error is never
    /// `Unsure`.
    fn templates<'a>(&'a self, wire: &'a Wire) -> Boxed<'a, Result<Vec<TemplateCard>, Answer>> {
        let _ = wire;
        Box::pin(std::future::ready(Err(parcel::refused(crate::model::result::Code::NotSupported))))
    }

    /// Whether the vendor tells what it thinks of an account ([`Messenger::standing`]). Never blocks, never fails.
    fn tells_standing(&self) -> bool {
        false
    }

    /// Asks what the vendor thinks of the account: its quality, its limits. What it tells is kept with the settings of the channel,
    /// by these names. May be repeated, so its error is never `Unsure`.
    fn standing<'a>(&'a self, wire: &'a Wire) -> Boxed<'a, Result<serde_json::Map<String, serde_json::Value>, Answer>> {
        let _ = wire;
        Box::pin(std::future::ready(Err(parcel::refused(crate::model::result::Code::NotSupported))))
    }

    /// Listens, where the abilities say so, and goes on from `cursor`: what was handed to the ear last, null at first. Runs
    /// until the connection ends, and answers why: it is called again after a pause, and where the answer is `Expired`
    /// twice the channel is lost. May be dropped at any moment. One process at a time calls it for a channel.
    fn listen<'a>(&'a self, wire: &'a Wire, cursor: serde_json::Value, ear: &'a dyn Ear) -> Boxed<'a, Answer> {
        let (_, _, _) = (wire, cursor, ear);
        Box::pin(std::future::ready(parcel::refused(crate::model::result::Code::NotSupported)))
    }

    /// Whether everything that a channel says goes over the one connection that it listens on. Then the process that holds
    /// the channel's lane listens, and nobody else opens a connection. Never blocks, never fails.
    fn one_line(&self) -> bool {
        false
    }

    /// What an account bears of strangers, where the vendor limits that; the flow keeps to it.
    fn firsts(&self) -> Option<&'static Firsts> {
        None
    }

    /// Gets to know somebody who may be a stranger, so that they can be spoken of by the chat that it gives; none where there is
    /// nobody. Called where [`Messenger::firsts`] limits strangers, within these limits. May be repeated, so its error is never
    /// `Unsure`.
    fn meet<'a>(&'a self, wire: &'a Wire, who: &'a Peer) -> Boxed<'a, Result<Checked, Answer>> {
        let (_, _) = (wire, who);
        Box::pin(std::future::ready(Err(parcel::refused(crate::model::result::Code::NotSupported))))
    }

    /// Whether it is posted to, and asks beside that for what it may have missed: then [`Messenger::listen`] is called for it
    /// as for one that listens, and what it hears twice is dropped by its key. Never blocks, never fails.
    fn catches_up(&self) -> bool {
        false
    }

    /// Tells the other side that everything in a chat was read. May be repeated. The answer is `Done`, or why it failed.
    fn mark_read<'a>(&'a self, wire: &'a Wire, chat: &'a str) -> Boxed<'a, Answer> {
        let (_, _) = (wire, chat);
        Box::pin(std::future::ready(parcel::refused(crate::model::result::Code::NotSupported)))
    }

    /// What it does with groups beside writing into them. Never blocks, never fails.
    fn groups(&self) -> Groups {
        Groups::default()
    }

    /// The same for one channel, by its settings: an account may lack what others of its messenger have. Never blocks, never fails.
    fn groups_of(&self, settings: &serde_json::Value) -> Groups {
        let _ = settings;
        self.groups()
    }

    /// Does something with a group; only what [`Messenger::groups`] names. Called by the pump at the lane's pace, people that
    /// the messenger does not know left out before. Whoever does not let others add them is named in the answer with
    /// [`crate::model::result::Code::GroupPrivacy`], beside the address by which they may join; the flow invites them.
    ///
    /// # Errors
    /// Why nothing, or nothing certain, was done.
    fn act_in_group<'a>(&'a self, wire: &'a Wire, act: &'a GroupAct) -> Boxed<'a, Result<GroupDone, Answer>> {
        let (_, _) = (wire, act);
        Box::pin(std::future::ready(Err(parcel::refused(crate::model::result::Code::NotSupported))))
    }

    /// Whether attaching links a device: the account is known only at the end, so the address that the vendor is told is
    /// chosen before, is the same at every try, and tries are counted. Never blocks, never fails.
    fn links_device(&self) -> bool {
        false
    }

    /// Ends what `attach` began at the vendor: a session, a linked device. Called when a person switches a channel off; may
    /// be repeated. The answer is `Done`, or why it failed.
    fn detach<'a>(&'a self, wire: &'a Wire) -> Boxed<'a, Answer> {
        let _ = wire;
        Box::pin(async { Answer::done() })
    }

    /// What other channels may have together with one of these settings, by the vendor's name: then [`Messenger::detach`] is called
    /// only for the last of them, since it would end all of them. Never blocks, never fails.
    fn shared(&self, settings: &serde_json::Value) -> Option<String> {
        let _ = settings;
        None
    }

    /// Asks for the name of a chat that shows the phone, where the vendor hides phones behind other names; none where it does
    /// not tell. May be repeated, so its error is never `Unsure`.
    fn shown_name<'a>(&'a self, wire: &'a Wire, chat: &'a str) -> Boxed<'a, Result<Option<String>, Answer>> {
        let _ = (wire, chat);
        Box::pin(async { Ok(None) })
    }

    /// Whether deliveries bring numbers of people alone, whose names are asked for by [`Messenger::person`]. Never blocks, never
    /// fails.
    fn tells_names(&self) -> bool {
        false
    }

    /// Asks who a person is, by the vendor's id; none where the vendor does not know. Called once for each person of a channel.
    /// May be repeated, so its error is never `Unsure`.
    fn person<'a>(&'a self, wire: &'a Wire, id: &'a str) -> Boxed<'a, Result<Option<Person>, Answer>> {
        let _ = (wire, id);
        Box::pin(async { Ok(None) })
    }

    /// Asks for the whole of a message that a delivery brought cut; none where there is no more of it. May be repeated, so its error
    /// is never `Unsure`.
    fn whole<'a>(&'a self, wire: &'a Wire, cut: &'a Incoming) -> Boxed<'a, Result<Option<Incoming>, Answer>> {
        let _ = (wire, cut);
        Box::pin(async { Ok(None) })
    }

    /// Asks whether a phone has the messenger; only where `checks_phone` says that it can be asked. Vendors count these
    /// questions, so the flow keeps the answers and a budget. May be repeated, so its error is never `Unsure`.
    fn check_phone<'a>(&'a self, wire: &'a Wire, phone: &'a str) -> Boxed<'a, Result<Checked, Answer>> {
        let _ = (wire, phone);
        Box::pin(async { Err(Answer::Refused { code: crate::model::result::Code::NotSupported, text: String::new() }) })
    }
}

/// Every messenger, in the order in which people see them.
#[must_use]
pub fn catalogue() -> &'static [&'static dyn Messenger] {
    &[
        &whatsapp_web::WhatsappWeb,
        &waba::Waba,
        &telegram::Telegram,
        &telegram_bot::TelegramBot,
        &vk::Vk,
        &vk_notify::VkNotify,
        &email::Email,
        &avito::Avito,
    ]
}

/// The messenger of a kind; none where it is not built yet.
#[must_use]
pub fn of(kind: Kind) -> Option<&'static dyn Messenger> {
    catalogue().iter().copied().find(|messenger| messenger.about().kind == kind)
}

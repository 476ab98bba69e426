//! Which line and which channel a request means, and the errand that comes of it.

use crate::app::App;
use crate::flow::perform;
use crate::messenger;
use crate::model::errand::{NewErrand, Rank, Work};
use crate::model::id::{CompanyId, LineId, MessageId};
use crate::model::message::{Content, Kind, Media, Outgoing, Peer, Template};
use crate::model::moment::Moment;
use crate::model::origin::Origin;
use crate::model::render::Randomized;
use crate::model::result::Code;
use crate::store::row::{ChannelRow, LineRow};
use crate::store::{Conn, Result};

/// The line that a request means: the one it names, or the only one that has not expired.
///
/// # Errors
/// The outer error is the database's. The inner one is the code for whoever asked.
pub fn line(conn: &mut Conn, company: CompanyId, id: Option<LineId>, now: Moment) -> Result<Result<LineRow, Code>> {
    let lines = crate::on!(conn, line::of_company(company))?;
    let good = |line: &LineRow| line.expires_at > now.0;
    if let Some(id) = id {
        return Ok(match lines.into_iter().find(|line| line.id == id) {
            None => Err(Code::LineNotFound),
            Some(line) if good(&line) => Ok(line),
            Some(_) => Err(Code::LineExpired),
        });
    }
    let any = !lines.is_empty();
    let mut active = lines.into_iter().filter(good);
    Ok(match (active.next(), active.next()) {
        (Some(line), None) => Ok(line),
        (Some(_), Some(_)) => Err(Code::LineNotChosen),
        (None, _) => Err(if any { Code::LineExpired } else { Code::LineNotFound }),
    })
}

/// The channel of a line that can reach this person. `kind` is what the request names, if it names one.
///
/// # Errors
/// The code for whoever asked.
pub fn channel(channels: &[ChannelRow], kind: Option<Kind>, to: &Peer) -> Result<ChannelRow, Code> {
    let mut of_kind: Vec<(&ChannelRow, Kind)> = channels
        .iter()
        .filter_map(|channel| Kind::from_slug(&channel.messenger).map(|of| (channel, of)))
        .filter(|(_, of)| kind.is_none_or(|kind| kind == *of))
        .collect();
    if of_kind.is_empty() {
        return Err(Code::ChannelNotFound);
    }
    // where the request leaves the choice to us, the messengers that can write first come first
    of_kind.sort_by_key(|(_, of)| (kind.is_none() && !reaches(*of, to), *of));
    if kind.is_none()
        && !of_kind.iter().any(|(_, of)| reaches(*of, to))
        && !matches!(to, Peer::Phone(_) | Peer::Username(_))
    {
        return Err(Code::ChannelNotFound);
    }
    let connected =
        of_kind.iter().find(|(channel, of)| channel.state == "connected" && (kind.is_some() || reaches(*of, to)));
    let any_connected = of_kind.iter().find(|(channel, _)| channel.state == "connected");
    connected.or(any_connected).map(|(channel, _)| (*channel).clone()).ok_or(Code::ChannelLost)
}

/// Whether a messenger reaches this kind of address by itself.
pub(super) fn reaches(kind: Kind, to: &Peer) -> bool {
    let Some(messenger) = messenger::of(kind) else { return false };
    let abilities = messenger.about().abilities;
    match to {
        Peer::Phone(_) => abilities.first_by_phone,
        Peer::Username(_) => abilities.by_username,
        Peer::Email(_) => kind == Kind::Email,
        // WhatsApp writes its chats with an ending, Telegram and VK with digits alone
        Peer::Chat(chat) => match kind {
            Kind::WhatsappWeb | Kind::Waba => chat.contains("@c.us") || chat.contains("@g.us"),
            Kind::Email => chat.contains('@') && !chat.starts_with('@'),
            Kind::Telegram | Kind::TelegramBot => !chat.contains('@') && !is_of_avito(chat),
            Kind::Avito => is_of_avito(chat),
            Kind::Vk => chat.parse::<i64>().is_ok(),
            Kind::VkNotify => false,
        },
    }
}

/// Avito's chats say what they are about: an item, a profile, Avito itself.
fn is_of_avito(chat: &str) -> bool {
    ["u2i-", "u2u-", "a2u-"].iter().any(|start| chat.starts_with(start))
}

/// What a text request asks for.
#[derive(Debug, Clone)]
pub struct TextRequest {
    /// Whose it is.
    pub company: CompanyId,
    /// Who gets it.
    pub to: Peer,
    /// First and last name, where they were given.
    pub names: Option<(String, String)>,
    /// The text; `{a|b}` is picked from.
    pub text: String,
    /// A file.
    pub media: Option<Media>,
    /// The rank.
    pub rank: Rank,
    /// Who asked.
    pub origin: Origin,
}

/// The errand of a text request on a channel, and the message it will be.
///
/// # Errors
/// The code for whoever asked, where it can never be sent.
pub fn text_errand(
    app: &App,
    channel: &ChannelRow,
    request: TextRequest,
    now: Moment,
) -> Result<(NewErrand, MessageId), Code> {
    let message = MessageId::new();
    let text = pick(&request.text, message);
    if text.trim().is_empty() && request.media.is_none() {
        return Err(Code::MessageEmpty);
    }
    let kind = Kind::from_slug(&channel.messenger).ok_or(Code::ChannelNotFound)?;
    if let Some(messenger) = messenger::of(kind) {
        check_size(perform::about(app, messenger), &text, request.media.as_ref())?;
    }
    let content = Content {
        text: Some(text).filter(|text| !text.trim().is_empty()),
        media: request.media.clone(),
        ..Content::default()
    };
    errand(app, channel, request, (message, content), now)
}

/// The errand of a message whose file is still to come; its text is the caption, which may be empty.
///
/// # Errors
/// The code for whoever asked, where it can never be sent.
pub fn caption_errand(
    app: &App,
    channel: &ChannelRow,
    request: TextRequest,
    now: Moment,
) -> Result<(NewErrand, MessageId), Code> {
    let message = MessageId::new();
    let text = pick(&request.text, message);
    let messenger = Kind::from_slug(&channel.messenger).and_then(messenger::of).ok_or(Code::ChannelNotFound)?;
    if text.encode_utf16().count() > perform::about(app, messenger).caption_limit {
        return Err(Code::MessageTooLong);
    }
    let content = Content { text: Some(text).filter(|text| !text.trim().is_empty()), ..Content::default() };
    errand(app, channel, request, (message, content), now)
}

/// Refuses a file that the messenger of a channel certainly will not take.
///
/// # Errors
/// The code for whoever asked.
pub fn check_file(app: &App, channel: &ChannelRow, media: &Media) -> Result<(), Code> {
    let messenger = Kind::from_slug(&channel.messenger).and_then(messenger::of).ok_or(Code::ChannelNotFound)?;
    check_size(perform::about(app, messenger), "", Some(media))
}

/// The errand of a message that is a place or cards, which were checked before.
///
/// # Errors
/// The code for whoever asked, where it can never be sent.
pub fn parts_errand(
    app: &App,
    channel: &ChannelRow,
    request: TextRequest,
    content: Content,
    now: Moment,
) -> Result<(NewErrand, MessageId), Code> {
    errand(app, channel, request, (MessageId::new(), content), now)
}

/// The errand of a message by a template.
///
/// # Errors
/// The code for whoever asked, where it can never be sent.
pub fn template_errand(
    app: &App,
    channel: &ChannelRow,
    request: TextRequest,
    template: Template,
    now: Moment,
) -> Result<(NewErrand, MessageId), Code> {
    let content = Content { template: Some(template), ..Content::default() };
    errand(app, channel, request, (MessageId::new(), content), now)
}

fn errand(
    app: &App,
    channel: &ChannelRow,
    request: TextRequest,
    (message, content): (MessageId, Content),
    now: Moment,
) -> Result<(NewErrand, MessageId), Code> {
    let ttl_ms = app.config.outbox.default_ttl_hours.saturating_mul(3_600_000);
    let outgoing = Outgoing {
        key: message.to_string(),
        to: request.to.clone(),
        names: request.names,
        content,
        reply_to: None,
        window_until: None,
        thread: None,
    };
    let channel_id = channel.id.parse().map_err(|_| Code::ChannelNotFound)?;
    let errand = NewErrand {
        company: request.company,
        lane: channel.lane,
        rank: request.rank,
        peer: request.to.chat_id(),
        work: Work::Send { channel: channel_id, message, outgoing: Box::new(outgoing) },
        origin: request.origin,
        not_before: None,
        expires_at: Some(now.plus_ms(ttl_ms)),
        dedup_key: None,
        merge_key: None,
    };
    Ok((errand, message))
}

/// Refuses what the messenger certainly will not take.
fn check_size(about: &messenger::About, text: &str, media: Option<&Media>) -> Result<(), Code> {
    let limit = if media.is_some() { about.caption_limit } else { about.text_limit };
    if text.encode_utf16().count() > limit {
        return Err(Code::MessageTooLong);
    }
    let Some(media) = media else { return Ok(()) };
    let most = about.media_limits.iter().find(|(kind, _)| *kind == media.kind).map(|(_, most)| *most);
    if media.size.zip(most).is_some_and(|(size, most)| size > most) { Err(Code::FileTooBig) } else { Ok(()) }
}

/// Picks from `{a|b}`; the same message always picks the same. Braces that do not balance came with the text of a card, so
/// they are sent as they are.
fn pick(text: &str, message: MessageId) -> String {
    let seed = message
        .to_string()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    Randomized::read(text).map_or_else(|_| text.to_owned(), |text| text.pick(seed))
}

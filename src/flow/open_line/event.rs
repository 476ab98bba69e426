//! What a portal tells of its open lines.

use serde_json::Value;

use super::word::{marks, not_changed};
use super::{Place, note};
use crate::app::App;
use crate::crm::bitrix24::bb;
use crate::crm::bitrix24::event::{Change, FileLink, LineEvent, LineWhat, Session, Word};
use crate::flow::{change, message};
use crate::messenger::{self, About};
use crate::model::change::ChangeAct;
use crate::model::errand::{NewErrand, Rank, Work};
use crate::model::file::{ANY, clean_name as clean_file_name, kind_of};
use crate::model::id::{CompanyId, MessageId, OperatorWordId};
use crate::model::markup::{Span, Styled};
use crate::model::message::{Content, Kind, Media, MediaKind, Outgoing, Peer};
use crate::model::moment::Moment;
use crate::model::open_line::Settings;
use crate::model::origin::Origin;
use crate::model::result::Code;
use crate::store::outbox::{self, Accepted};
use crate::store::row::{ChannelRow, ConnectionRow, OpenLineChatRow, PortalRow, PostRow, WordPartRow, WordRow, value};
use crate::store::{Conn, Result};

use crate::flow::robot::Worked;

/// A message of ours comes back within so long, in milliseconds.
const ECHO_MS: i64 = 10 * 60_000;

/// Works an event of open lines, inside the transaction that marks it as worked.
///
/// # Errors
/// The outer error is the database's; the inner one says why the event cannot be read.
pub fn work(app: &App, conn: &mut Conn, portal: &PortalRow, form: &Value, at: Moment) -> Result<Worked> {
    let event = match LineEvent::read(form) {
        Ok(event) => event,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let Ok(company) = portal.company.parse::<CompanyId>() else {
        return Ok(Err("the portal has no company".to_owned()));
    };
    let now = app.clock.now();
    let (mut new, mut accepted) = (Vec::new(), Vec::new());
    match event.what {
        LineWhat::Said(kind, line, words) => {
            for word in words {
                let place = (portal.id.as_str(), kind.slug(), line);
                new.extend(said(app, conn, company, place, &word, (event.at.unwrap_or(now), false), now)?);
            }
        }
        LineWhat::Changed(kind, line, changes) => {
            for (number, change) in changes.iter().enumerate() {
                let text = edited_text(conn, (&portal.id, kind.slug(), line), kind, &change.text)?;
                let key = format!("{}:{}:{}:{number}", change.im.0, change.im.1, at.0);
                accepted.extend(changed(
                    app,
                    conn,
                    company,
                    (&portal.id, &key),
                    change,
                    &ChangeAct::Edit { text },
                    now,
                )?);
            }
        }
        LineWhat::Deleted(_, _, changes) => {
            for (number, change) in changes.iter().enumerate() {
                let key = format!("{}:{}:{}:{number}", change.im.0, change.im.1, at.0);
                accepted.extend(changed(app, conn, company, (&portal.id, &key), change, &ChangeAct::Delete, now)?);
            }
        }
        LineWhat::Started(kind, line, sessions) => {
            sessions_moved(conn, (&portal.id, kind.slug(), line), &sessions, false)?;
        }
        LineWhat::Finished(kind, line, sessions) => {
            sessions_moved(conn, (&portal.id, kind.slug(), line), &sessions, true)?;
        }
        LineWhat::Disconnected(kind, line) => {
            let gone = ("switched_off", None);
            crate::on!(
                conn,
                open_line::turn((&portal.id, kind.slug(), line), &["on", "inactive", "failed"], gone, now.0)
            )?;
        }
        LineWhat::LineDeleted(line) => {
            crate::on!(conn, open_line::turn_line(&portal.id, line, "deleted", now.0))?;
        }
        LineWhat::Foreign => {}
    }
    accepted.extend(outbox::accept(conn, now, &new)?.into_iter().flatten());
    Ok(Ok(accepted))
}

/// Something was said in an open line. The same word told twice is one word; what came from us is not sent back.
pub(super) fn said(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    at: Place<'_>,
    word: &Word,
    (said_at, late): (Moment, bool),
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let Some(chat) = crate::on!(conn, open_line::by_external(at, &word.chat))? else {
        tracing::warn!(portal = at.0, line = at.2, "something was said in a chat that nobody here knows");
        return Ok(Vec::new());
    };
    let id = OperatorWordId::new();
    let row = WordRow {
        id: id.to_string(),
        company: company.to_string(),
        portal: chat.portal.clone(),
        chat: chat.id.clone(),
        im_chat: word.im.0,
        im_message: word.im.1,
        operator: word.user,
        late,
        told: "none".to_owned(),
        said_at: said_at.0,
    };
    if !crate::on!(conn, open_word::create(&row))? {
        return Ok(Vec::new());
    }
    crate::on!(conn, open_line::learn(&chat.id, (Some(word.im.0), None, None)))?;
    crate::on!(conn, open_line::touch(&chat.id, now.0))?;
    let connection = crate::on!(conn, open_line::connection(at.0, at.1, at.2))?;
    let settings: Settings = match &connection {
        Some(connection) => value("open_line_connections", &connection.settings)?,
        None => Settings::default(),
    };
    // by when it was said, and not by when we hear of it: that may be much later
    let since = Moment(said_at.0.min(now.0)).plus_ms(-ECHO_MS);
    if let Some(post) = echo_of(conn, &chat, word, since)? {
        return ours(conn, &chat, &row, &post, now);
    }
    if word.user == 0 && !settings.system_texts {
        return Ok(Vec::new());
    }
    let mut new = send(app, conn, company, (&chat, connection.as_ref(), &settings), (&row, id), word, now)?;
    new.extend(super::follow::spoken(conn, &chat, word.user, now)?);
    Ok(new)
}

/// What we wrote in the name of an employee comes back as his; none where it was written by him.
fn echo_of(conn: &mut Conn, chat: &OpenLineChatRow, word: &Word, since: Moment) -> Result<Option<PostRow>> {
    if word.user == 0 {
        return Ok(None);
    }
    let (_, text) = bb::signature(&word.text);
    let plain = words(text);
    let mut names: Vec<&str> = word.files.iter().map(|file| file.name.as_str()).collect();
    names.sort_unstable();
    let candidates = crate::on!(conn, open_post::unechoed(&chat.id, word.user, since.0))?;
    for post in candidates {
        let said = post.said.as_deref().unwrap_or_default();
        let same = if plain.is_empty() {
            let mut said: Vec<&str> = said.lines().collect();
            said.sort_unstable();
            !names.is_empty() && said == names
        } else {
            words(said) == plain
        };
        if same && crate::on!(conn, open_post::set_echo(&post.id, word.im.1))? {
            return Ok(Some(post));
        }
    }
    Ok(None)
}

/// The words of a text, however the portal writes the blanks between them.
fn words(text: &str) -> String {
    bb::read(text).text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The portal waits for a mark of what came back too: it left already, under the name of its message.
fn ours(conn: &mut Conn, chat: &OpenLineChatRow, row: &WordRow, post: &PostRow, now: Moment) -> Result<Vec<NewErrand>> {
    let message = post.message.clone().unwrap_or_else(|| post.id.clone());
    let part = WordPartRow { word: row.id.clone(), place: 0, message, state: "sent".to_owned() };
    crate::on!(conn, open_word::create_parts(&[part]))?;
    marks(conn, chat, row, now)
}

/// The messages of a word, in the lane of its channel. Where there is no way, the operator is told at once.
fn send(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    (chat, connection, settings): (&OpenLineChatRow, Option<&ConnectionRow>, &Settings),
    (row, id): (&WordRow, OperatorWordId),
    word: &Word,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let refused = |conn: &mut Conn, code: Code| {
        let text = format!("Сообщение не доставлено клиенту: {}", code.ru());
        note(conn, chat, (&format!("{}:refused", row.id), text), now)
    };
    let channel = match chat.channel.parse() {
        Ok(channel) => crate::on!(conn, channel::by_id(company, channel))?,
        Err(_) => None,
    };
    let Some(channel) = channel.filter(|channel| channel.state != "off") else {
        return Ok(refused(conn, Code::ChannelLost)?.into_iter().collect());
    };
    if connection.is_none_or(|connection| connection.state == "off") {
        return Ok(refused(conn, Code::ChannelLost)?.into_iter().collect());
    }
    let Some(about) = Kind::from_slug(&chat.messenger).and_then(messenger::of).map(messenger::Messenger::about) else {
        return Ok(Vec::new());
    };
    let contents = contents(about, settings, word);
    if contents.is_empty() {
        return Ok(Vec::new());
    }
    let to = recipient(conn, chat, &channel)?;
    let ttl_ms = app.config.outbox.default_ttl_hours.saturating_mul(3_600_000);
    let (mut parts, mut new) = (Vec::new(), Vec::new());
    for (place, content) in (0_i32..).zip(contents) {
        let message = MessageId::new();
        parts.push(WordPartRow { word: row.id.clone(), place, message: message.to_string(), state: "open".to_owned() });
        let outgoing = Outgoing {
            key: message.to_string(),
            to: to.clone(),
            names: None,
            content,
            reply_to: None,
            window_until: None,
            thread: None,
        };
        let Ok(channel_id) = channel.id.parse() else { continue };
        new.push(NewErrand {
            company,
            lane: channel.lane,
            rank: Rank::Live,
            peer: to.chat_id(),
            work: Work::Send { channel: channel_id, message, outgoing: Box::new(outgoing) },
            origin: Origin::OpenLine { word: id, place },
            not_before: None,
            expires_at: Some(now.plus_ms(ttl_ms)),
            dedup_key: None,
            merge_key: Some(message::merge_key(message)),
        });
    }
    crate::on!(conn, open_word::create_parts(&parts))?;
    Ok(new)
}

/// Whom a chat is answered to: as the vendor names it.
fn recipient(conn: &mut Conn, chat: &OpenLineChatRow, channel: &ChannelRow) -> Result<Peer> {
    if let Some(dialog) = super::render::dialog(conn, chat)? {
        return Ok(Peer::Chat(dialog.chat));
    }
    let digits = (7..=15).contains(&chat.chat.len()) && chat.chat.bytes().all(|byte| byte.is_ascii_digit());
    let by_phone = matches!(channel.messenger.as_str(), "whatsapp_web" | "waba" | "vk_notify");
    Ok(if digits && by_phone { Peer::Phone(chat.chat.clone()) } else { Peer::Chat(chat.chat.clone()) })
}

/// The messages that a word becomes: a text that is not too long, files one by one, the text beneath the only file where the
/// messenger has captions.
fn contents(about: &About, settings: &Settings, word: &Word) -> Vec<Content> {
    let (name, text) = bb::signature(&word.text);
    let mut styled = bb::read(text);
    if let Some(name) = name.filter(|_| settings.signature && word.user != 0 && !styled.text.is_empty()) {
        styled = bb::read(&format!("[b]{}:[/b]\n{text}", bb::escape(name)));
    }
    let (text, spans) = written(about.kind, styled);
    let files: Vec<Media> = word.files.iter().map(media).collect();
    let captioned = matches!(files.as_slice(), [file] if has_caption(about, file, &text));
    let mut contents = Vec::new();
    if !captioned {
        let pieces = split(&text, about.text_limit);
        // places of spans hold for the whole text
        let spans = if pieces.len() == 1 { spans.clone() } else { Vec::new() };
        let said = |text| Content { text: Some(text), spans: spans.clone(), ..Content::default() };
        contents.extend(pieces.into_iter().map(said));
    }
    for file in files {
        let text = Some(text.clone()).filter(|text| captioned && !text.is_empty());
        let spans = if captioned { spans.clone() } else { Vec::new() };
        contents.push(Content { text, spans, media: Some(file), ..Content::default() });
    }
    contents
}

/// A text as the messenger writes emphasis: in the text itself, beside it, or not at all.
fn written(kind: Kind, styled: Styled) -> (String, Vec<Span>) {
    match kind {
        Kind::WhatsappWeb | Kind::Waba => (styled.as_whatsapp(), Vec::new()),
        Kind::TelegramBot => (styled.text, styled.spans),
        _ => (styled.as_plain(), Vec::new()),
    }
}

fn edited_text(conn: &mut Conn, at: Place<'_>, kind: Kind, text: &str) -> Result<String> {
    let connection = crate::on!(conn, open_line::connection(at.0, at.1, at.2))?;
    let settings: Settings = match &connection {
        Some(connection) => value("open_line_connections", &connection.settings)?,
        None => Settings::default(),
    };
    let (name, text) = bb::signature(text);
    let styled = match name.filter(|_| settings.signature) {
        Some(name) => bb::read(&format!("[b]{}:[/b]\n{text}", bb::escape(name))),
        None => bb::read(text),
    };
    // a change is a text alone
    Ok(match kind {
        Kind::WhatsappWeb | Kind::Waba => styled.as_whatsapp(),
        _ => styled.as_plain(),
    })
}

fn has_caption(about: &About, file: &Media, text: &str) -> bool {
    let carries = matches!(file.kind, MediaKind::Image | MediaKind::Video | MediaKind::Document);
    // a picture of Avito has none: there a text beside it would be an address in a text
    carries && about.kind != Kind::Avito && text.encode_utf16().count() <= about.caption_limit
}

fn media(file: &FileLink) -> Media {
    let name = clean_file_name(&file.name);
    let guessed = || mime_guess::from_path(&name).first_raw().map(str::to_owned);
    let told = file.mime.clone().filter(|mime| mime.parse::<mime_guess::Mime>().is_ok());
    let mime = told.or_else(guessed).unwrap_or_else(|| ANY.to_owned());
    Media { kind: kind_of(&mime), name, mime, source: file.url.clone(), size: None }
}

/// A text in pieces of at most so many UTF-16 units, cut at line feeds and blanks where there are any.
fn split(text: &str, limit: usize) -> Vec<String> {
    let (mut pieces, mut rest) = (Vec::new(), text.trim());
    while rest.encode_utf16().count() > limit.max(1) {
        let mut units = 0;
        let most = rest.char_indices().find(|(_, c)| {
            units += c.len_utf16();
            units > limit.max(1)
        });
        let Some((head, _)) = most.and_then(|(at, _)| rest.split_at_checked(at.max(1))) else { break };
        let cut = head.rfind('\n').or_else(|| head.rfind(' ')).filter(|at| *at > head.len() / 2);
        let (piece, more) = rest.split_at_checked(cut.unwrap_or(head.len())).unwrap_or((rest, ""));
        pieces.push(piece.trim_end().to_owned());
        rest = more.trim_start();
    }
    pieces.push(rest.to_owned());
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// An operator changed or took back what was said: each of our messages that are named, the text in the first one.
fn changed(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    (portal, key): (&str, &str),
    told: &Change,
    act: &ChangeAct,
    now: Moment,
) -> Result<Vec<Accepted>> {
    let word = crate::on!(conn, open_word::by_im(portal, told.im))?;
    let Some(word) = word.filter(|word| word.company == company.to_string()) else { return Ok(Vec::new()) };
    let (Some(chat), Ok(id)) = (crate::on!(conn, open_line::chat(&word.chat))?, word.id.parse::<OperatorWordId>())
    else {
        return Ok(Vec::new());
    };
    let parts = crate::on!(conn, open_word::parts(&word.id))?;
    let (mut accepted, mut new) = (Vec::new(), Vec::new());
    let edits = matches!(act, ChangeAct::Edit { .. });
    for part in parts.iter().filter(|part| told.ids.contains(&part.message)).take(if edits { 1 } else { usize::MAX }) {
        let Ok(message) = part.message.parse::<MessageId>() else { continue };
        // what the operator takes out of the queue himself is nothing that he must be told of
        let silent = !edits && crate::on!(conn, open_word::turn_part(&word.id, part.place, &["open"], "failed"))?;
        match change::asked_for(app, conn, company, message, act, Origin::OpenLine { word: id, place: part.place })? {
            Ok(made) => accepted.extend(made),
            Err(code) => {
                if silent {
                    crate::on!(conn, open_word::turn_part(&word.id, part.place, &["failed"], "open"))?;
                }
                new.extend(note(conn, &chat, (&format!("{key}:{}", part.place), not_changed(Some(code))), now)?);
            }
        }
    }
    accepted.extend(outbox::accept(conn, now, &new)?.into_iter().flatten());
    Ok(accepted)
}

/// Sessions began or ended: the portal tells its number of the customer, by which a chat is found.
fn sessions_moved(conn: &mut Conn, at: Place<'_>, sessions: &[Session], over: bool) -> Result<()> {
    for session in sessions {
        let Some(chat) = crate::on!(conn, open_line::by_external(at, &session.chat))? else { continue };
        if over {
            crate::on!(conn, open_line::close(&chat.id, session.id))?;
        } else {
            crate::on!(conn, open_line::learn(&chat.id, (None, session.user, Some(session.id))))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_words() {
        assert_eq!(split("раз два три", 7), ["раз два", "три"]);
        assert_eq!(split("🎉🎉🎉", 4), ["🎉🎉", "🎉"]);
        assert_eq!(split("аааа", 2), ["аа", "аа"]);
        assert_eq!(split("  ", 2), Vec::<String>::new());
    }

    #[test]
    fn the_only_file_carries_the_text_where_the_messenger_has_captions() {
        let about = |kind| messenger::of(kind).unwrap().about();
        let file = |name: &str| FileLink { name: name.into(), mime: None, url: "https://a/1".into(), size: None };
        let word = |files: Vec<FileLink>| Word {
            im: (1, 2),
            chat: "c".into(),
            user: 27,
            text: "[b]Мария:[/b] [br][b]Счёт[/b]".into(),
            files,
        };
        let settings = Settings { signature: true, ..Settings::default() };
        let made = contents(about(Kind::Waba), &settings, &word(vec![file("a.pdf")]));
        assert_eq!(made.len(), 1);
        assert_eq!(made[0].text.as_deref(), Some("*Мария:*\n*Счёт*"));
        let made = contents(about(Kind::Telegram), &Settings::default(), &word(vec![file("a.pdf"), file("b.jpg")]));
        let texts: Vec<Option<&str>> = made.iter().map(|content| content.text.as_deref()).collect();
        assert_eq!(texts, [Some("Счёт"), None, None]);
        assert_eq!(made[2].media.as_ref().map(|media| media.kind), Some(MediaKind::Image));
    }

    #[test]
    fn a_name_is_told_to_the_customer_only_where_the_settings_say_so() {
        let about = messenger::of(Kind::Vk).unwrap().about();
        let word =
            Word { im: (1, 2), chat: "c".into(), user: 27, text: "[b]Мария:[/b] [br]Да".into(), files: vec![] };
        let text = |settings: &Settings| contents(about, settings, &word)[0].text.clone().unwrap();
        assert_eq!(text(&Settings::default()), "Да");
        assert_eq!(text(&Settings { signature: true, ..Settings::default() }), "Мария:\nДа");
    }
}

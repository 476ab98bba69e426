//! What a post says: the customer, the chat and the message as the portal is told of them.

use serde::Deserialize;

use super::Beside;
use crate::app::App;
use crate::crm::bitrix24::bb;
use crate::crm::bitrix24::open_line::{Chat, Client, Said, clean_name, quote};
use crate::flow::attached::{self, FileOut, FileState};
use crate::flow::change;
use crate::model::id::{ChannelId, CompanyId};
use crate::model::message::{Content, Kind, Media, Person, Place};
use crate::model::moment::Moment;
use crate::model::open_line::Settings;
use crate::model::origin::Origin;
use crate::store::row::{DialogRow, MessageRow, OpenLineChatRow, PostRow, value};
use crate::store::{Conn, Result};

/// The reason of a post that was written before the files of its message had come; behind it stand their places.
pub(super) const WITHOUT_FILES: &str = "without_files:";

/// The reason of a post whose files the portal did not take.
pub(super) const REFUSED_FILES: &str = "files_refused";

/// The reason of a post whose file lies in another portal and cannot be had from there.
pub(super) const LOST_FILES: &str = "files_lost";

/// A message waits so long for its files, in milliseconds; then it is shown without them, and they follow.
pub(super) const FILES_MS: i64 = 60_000;

/// Where VK shows a post.
const POST: &str = "https://vk.com/wall";

/// What comes of a post that is a message.
#[derive(Debug)]
pub(super) enum Rendered {
    /// It is ready.
    Ready(Box<Ready>),
    /// Its files are still on their way.
    Wait,
    /// Its file lies in the portal where an operator wrote it, which gives it to nobody else.
    Elsewhere(Box<(MessageRow, Media)>),
    /// There is nothing to show any more: it was taken back, or forgotten.
    Nothing,
}

/// What is written.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) client: Client,
    pub(super) chat: Chat,
    pub(super) said: Said,
    /// The places of files that are missing and will follow.
    pub(super) missing: Vec<usize>,
    /// The title that the chat should have, where its customer's name had to be cleaned for the portal.
    pub(super) title: Option<String>,
}

/// A message of the history in whichever form it is kept.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Kept {
    text: Option<String>,
    subject: Option<String>,
    group: bool,
    from: Person,
    place: Option<PlaceKept>,
    reply_to: Option<String>,
    note: Option<String>,
}

impl Kept {
    /// A message, with what stands beside it where the history holds its text alone.
    fn read(row: &MessageRow, beside: Option<&str>) -> Result<Self> {
        let mut kept: Self = value("messages", &row.content)?;
        if let Some(beside) = beside {
            let beside: Beside = value("open_line_posts", beside)?;
            (kept.from, kept.group, kept.reply_to) = (beside.from, beside.group, beside.reply_to);
        }
        Ok(kept)
    }
}

/// A place that came in is told by its degrees, one of ours in an object.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum PlaceKept {
    Came((f64, f64, Option<String>)),
    Ours(Place),
}

/// Renders a message, or the files that follow it.
pub(super) fn message(
    app: &App,
    conn: &mut Conn,
    chat: &OpenLineChatRow,
    post: &PostRow,
    settings: &Settings,
    now: Moment,
) -> Result<Rendered> {
    let (Ok(company), Some(Ok(id))) = (chat.company.parse::<CompanyId>(), post.message.as_deref().map(str::parse))
    else {
        return Ok(Rendered::Nothing);
    };
    let Some(row) = crate::on!(conn, message::by_id(company, id))? else { return Ok(Rendered::Nothing) };
    let kept = Kept::read(&row, if post.kind == "message" { post.body.as_deref() } else { None })?;
    let ours: Content = serde_json::from_str(&row.content).unwrap_or_default();
    let media = ours.media.clone().or_else(|| ours.template.as_ref().and_then(|it| it.header_media.clone()));
    let text = match change::changed(conn, company, &[(row.clone(), kept.text.clone())])?.remove(&row.id) {
        Some(changed) if changed.deleted_at.is_some() => return Ok(Rendered::Nothing),
        Some(changed) => changed.text.unwrap_or_else(|| kept.text.clone()),
        None => kept.text.clone(),
    };
    let files = attached::shown(app, conn, company, &[(row.id.clone(), media.clone())])?.remove(&row.id);
    let mut files = files.unwrap_or_default();
    if post.kind == "file" {
        let place: usize = post.body.as_deref().and_then(|place| place.parse().ok()).unwrap_or_default();
        files = files.into_iter().nth(place).into_iter().collect();
    }
    let refused = is_without_files(post.reason.as_deref());
    if let Some(media) = media.clone().filter(|media| address(Some(media)).is_some() && !refused)
        && is_elsewhere(&row)
    {
        return Ok(Rendered::Elsewhere(Box::new((row, media))));
    }
    let waiting = !refused && files.iter().any(|file| file.state == FileState::Waiting);
    if waiting && now.0 - post.made_at < FILES_MS {
        return Ok(Rendered::Wait);
    }
    let (client, mut about) = people(conn, chat, &row, &kept)?;
    let mut lines = Lines::default();
    if post.kind == "message" {
        lines.writer(&kept, &row, settings);
        lines.answered(conn, &row, &kept)?;
        lines.words(&kept, &ours, text.as_deref());
    }
    let waits = |(place, file): (usize, &FileOut)| (file.state == FileState::Waiting).then_some(place);
    let missing = if waiting && post.kind == "message" {
        files.iter().enumerate().filter_map(waits).collect()
    } else {
        Vec::new()
    };
    if refused {
        lines.refused(&files, media.as_ref(), post.reason.as_deref() == Some(LOST_FILES));
        files.clear();
    } else {
        lines.lost(&files, waiting && post.kind == "message");
    }
    if let Some(link) = text.as_deref().filter(|_| kept.note.as_deref() == Some("comment")).and_then(post_link) {
        about.url = Some(link.to_owned());
    }
    let said = Said {
        id: if post.kind == "message" { row.id.clone() } else { post.id.clone() },
        date_s: row.sent_at.unwrap_or(row.accepted_at) / 1000,
        text: lines.text(),
        files: files
            .iter()
            .filter_map(link)
            .chain(address(media.as_ref()).filter(|_| post.kind == "message" && !refused))
            .collect(),
        tracked: !is_group(conn, chat, &kept)?,
        author: post.author,
    };
    let title = about.name.clone().filter(|name| is_cleaned(name));
    Ok(Rendered::Ready(Box::new(Ready { client, chat: about, said, missing, title })))
}

/// Whether a post is written without its files for good, by its reason.
pub(super) fn is_without_files(reason: Option<&str>) -> bool {
    matches!(reason, Some(REFUSED_FILES | LOST_FILES))
}

/// Whether a message was written in an open line.
fn is_elsewhere(row: &MessageRow) -> bool {
    row.outgoing && matches!(value("messages", &row.origin), Ok(Origin::OpenLine { .. }))
}

/// The reason of a post that lacks the files of these places; none where it lacks nothing.
pub(super) fn lacking(missing: &[usize]) -> Option<String> {
    let places = missing.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    (!missing.is_empty()).then(|| format!("{WITHOUT_FILES}{places}"))
}

/// The places of the files that a post lacks, by its reason.
pub(super) fn lacked(reason: Option<&str>) -> Vec<i16> {
    let places = reason.and_then(|reason| reason.strip_prefix(WITHOUT_FILES)).unwrap_or_default();
    places.split(',').filter_map(|place| place.parse().ok()).collect()
}

/// Renders a note of the system.
pub(super) fn note(conn: &mut Conn, chat: &OpenLineChatRow, post: &PostRow) -> Result<Ready> {
    let dialog = dialog(conn, chat)?;
    let name = dialog.map_or_else(|| chat.chat.clone(), |dialog| dialog.title);
    let client = Client { id: chat.person.clone(), name: name.clone(), ..Client::default() };
    let about = Chat { id: chat.external.clone(), name: Some(name), url: None };
    let said = Said {
        id: post.id.clone(),
        date_s: post.made_at / 1000,
        text: bb::escape(post.body.as_deref().unwrap_or_default()),
        tracked: false,
        author: post.author,
        ..Said::default()
    };
    Ok(Ready { client, chat: about, said, missing: Vec::new(), title: None })
}

/// The text of a message that was changed, with whatever stood before it.
pub(super) fn edited(
    conn: &mut Conn,
    chat: &OpenLineChatRow,
    post: &PostRow,
    settings: &Settings,
) -> Result<Option<(String, i64)>> {
    let (Ok(company), Some(Ok(id))) = (chat.company.parse::<CompanyId>(), post.message.as_deref().map(str::parse))
    else {
        return Ok(None);
    };
    let Some(row) = crate::on!(conn, message::by_id(company, id))? else { return Ok(None) };
    let shown = crate::on!(conn, open_post::of_message(&row.id))?;
    let shown = shown.into_iter().find(|shown| shown.kind == "message" && shown.chat == chat.id);
    let kept = Kept::read(&row, shown.as_ref().and_then(|shown| shown.body.as_deref()))?;
    let ours: Content = serde_json::from_str(&row.content).unwrap_or_default();
    let mut lines = Lines::default();
    lines.writer(&kept, &row, settings);
    lines.answered(conn, &row, &kept)?;
    lines.words(&kept, &ours, post.body.as_deref());
    Ok(Some((lines.text(), post.made_at / 1000)))
}

/// The customer and the chat, from what is known of them.
fn people(conn: &mut Conn, chat: &OpenLineChatRow, row: &MessageRow, kept: &Kept) -> Result<(Client, Chat)> {
    let dialog = dialog(conn, chat)?;
    let contact = match dialog.as_ref().and_then(|dialog| dialog.contact.clone()) {
        Some(id) => crate::on!(conn, dialog::contact(&chat.company, &id))?,
        None => None,
    };
    let group = dialog.as_ref().is_some_and(|dialog| dialog.is_group) || kept.group;
    let title = dialog.as_ref().map(|dialog| dialog.title.clone()).filter(|title| !title.is_empty());
    let spoken = kept.from.name.clone().filter(|_| !row.outgoing && !group);
    let name = contact.as_ref().map(|contact| contact.name.clone()).or(spoken).or_else(|| title.clone());
    let name = name.unwrap_or_else(|| chat.chat.clone());
    let kind = Kind::from_slug(&chat.messenger);
    let is_phone = matches!(kind, Some(Kind::WhatsappWeb | Kind::Waba | Kind::VkNotify))
        && (7..=15).contains(&chat.chat.len())
        && chat.chat.bytes().all(|byte| byte.is_ascii_digit());
    let phone = contact.as_ref().and_then(|contact| contact.phone.clone());
    let phone = phone.or_else(|| kept.from.phone.clone().filter(|_| !row.outgoing));
    let phone = phone.or_else(|| is_phone.then(|| chat.chat.clone())).filter(|_| !group);
    let username = contact.as_ref().and_then(|contact| contact.username.clone()).filter(|_| !group);
    let email = (kind == Some(Kind::Email)).then(|| chat.chat.split('/').next().unwrap_or_default().to_owned());
    let url = match kind {
        Some(Kind::Telegram | Kind::TelegramBot) => username.as_ref().map(|name| format!("https://t.me/{name}")),
        Some(Kind::Vk) if !group && chat.chat.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(format!("https://vk.com/id{}", chat.chat))
        }
        _ => None,
    };
    let about = match chat.channel.parse::<ChannelId>() {
        Ok(channel) => crate::on!(conn, dialog::subject(channel, &chat.chat))?,
        Err(_) => None,
    };
    let client = Client { id: chat.person.clone(), name: name.clone(), phone, email, url };
    let name = if group { title.unwrap_or(name) } else { name };
    Ok((client, Chat { id: chat.external.clone(), name: Some(name), url: about.and_then(|(_, link)| link) }))
}

/// The dialog of a chat; WhatsApp Web writes the names of chats with an ending.
pub(super) fn dialog(conn: &mut Conn, chat: &OpenLineChatRow) -> Result<Option<DialogRow>> {
    let Ok(channel) = chat.channel.parse::<ChannelId>() else { return Ok(None) };
    if let Some(row) = crate::on!(conn, dialog::by_chat(channel, &chat.chat))? {
        return Ok(Some(row));
    }
    let ended = format!("{}@c.us", chat.chat);
    crate::on!(conn, dialog::by_chat(channel, &ended))
}

fn is_group(conn: &mut Conn, chat: &OpenLineChatRow, kept: &Kept) -> Result<bool> {
    Ok(kept.group || dialog(conn, chat)?.is_some_and(|dialog| dialog.is_group))
}

/// Whether the portal cannot take a name as it is.
fn is_cleaned(name: &str) -> bool {
    let (first, last) = clean_name(name);
    let clean = [first, last].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    clean != name.trim()
}

/// The parts of a text, in their order.
#[derive(Default)]
struct Lines {
    before: String,
    after: Vec<String>,
}

impl Lines {
    /// In a group stands who wrote; the phone where the settings show it.
    fn writer(&mut self, kept: &Kept, row: &MessageRow, settings: &Settings) {
        if !kept.group || row.outgoing {
            return;
        }
        let from = &kept.from;
        let phone = from.phone.as_ref().filter(|_| settings.group_phones).map(|phone| format!("+{phone}"));
        let name = from.name.clone().or_else(|| from.username.as_ref().map(|name| format!("@{name}")));
        let who = match (name, phone) {
            (Some(name), Some(phone)) => format!("{name} ({phone})"),
            (Some(who), None) | (None, Some(who)) => who,
            (None, None) => "Участник".to_owned(),
        };
        self.before = format!("[b]{}:[/b]\n", bb::escape(&who));
    }

    /// What is answered stands above the answer.
    fn answered(&mut self, conn: &mut Conn, row: &MessageRow, kept: &Kept) -> Result<()> {
        let (Some(answered), Ok(channel)) = (&kept.reply_to, row.channel.parse::<ChannelId>()) else { return Ok(()) };
        let found = crate::on!(conn, message::all_by_vendor_id(channel, answered))?;
        if let Some(found) = found.into_iter().find(|found| found.chat == row.chat) {
            let shown = crate::on!(conn, open_post::of_message(&found.id))?;
            let shown = shown.into_iter().find(|shown| shown.kind == "message");
            let said = Kept::read(&found, shown.as_ref().and_then(|shown| shown.body.as_deref()))?;
            let who = if found.outgoing { String::new() } else { said.from.name.clone().unwrap_or_default() };
            let words = said.text.unwrap_or_else(|| "…".to_owned());
            self.before.push_str(&quote(&who, &words));
        }
        Ok(())
    }

    fn words(&mut self, kept: &Kept, ours: &Content, text: Option<&str>) {
        let subject = kept.subject.as_deref().filter(|subject| !subject.trim().is_empty());
        self.after.extend(subject.map(|subject| format!("[b]{}[/b]", bb::escape(subject))));
        let text = text.filter(|text| !text.trim().is_empty());
        self.after.extend(text.map(bb::escape));
        if kept.note.as_deref() == Some("junk") {
            self.after.push("[i]Письмо лежало в папке «Спам»[/i]".to_owned());
        }
        if let (None, Some(template)) = (text, &ours.template) {
            let values: Vec<&str> = template.body.iter().map(|value| value.text.as_str()).collect();
            self.after.push(bb::escape(&format!("Шаблон {}: {}", template.name, values.join("; "))));
        }
        self.after.extend(kept.place.as_ref().map(place_line));
        self.after.extend(ours.cards.iter().map(|card| bb::escape(&format!("{} +{}", card.name, card.phone))));
        if self.after.is_empty()
            && let Some(note) = kept.note.as_deref().filter(|note| *note != "media_missing")
        {
            self.after.push(format!("Сообщение, которое здесь нельзя показать ({})", bb::escape(note)));
        }
    }

    /// The portal did not take them, or another one did not give them.
    fn refused(&mut self, files: &[FileOut], ours: Option<&Media>, lost: bool) {
        let what = if lost { "Файл не получен" } else { "Файл не принят порталом" };
        let names = files.iter().map(|file| file.name.as_str());
        for name in names.chain(ours.filter(|_| files.is_empty()).map(|media| media.name.as_str())) {
            self.after.push(format!("{what}: {}", bb::escape(name)));
        }
    }

    fn lost(&mut self, files: &[FileOut], waiting: bool) {
        let name =
            |file: &FileOut| if file.name.is_empty() { "без имени".to_owned() } else { bb::escape(&file.name) };
        for file in files {
            match file.state {
                FileState::Lost | FileState::Over => self.after.push(format!("Файл не получен: {}", name(file))),
                FileState::Waiting if waiting => self.after.push(format!("Файл ещё загружается: {}", name(file))),
                FileState::Waiting | FileState::Kept => {}
            }
        }
    }

    fn text(self) -> String {
        format!("{}{}", self.before, self.after.join("\n"))
    }
}

/// A place as a link to a map.
fn place_line(place: &PlaceKept) -> String {
    let (latitude, longitude, beside) = match place {
        PlaceKept::Came((latitude, longitude, beside)) => (*latitude, *longitude, beside.clone().unwrap_or_default()),
        PlaceKept::Ours(place) => {
            let (latitude, longitude) = place.degrees();
            (latitude, longitude, place.beside())
        }
    };
    let words = if beside.trim().is_empty() { format!("{latitude}, {longitude}") } else { bb::escape(&beside) };
    format!("[url=https://yandex.ru/maps/?pt={longitude},{latitude}&z=17&l=map]{words}[/url]")
}

/// A file that is here, by a link that is good for a while.
fn link(file: &FileOut) -> Option<(String, String)> {
    let url = file.url.clone().filter(|_| file.state == FileState::Kept)?;
    Some((url, name_of(file)))
}

/// The portal shows pictures and plays sounds by the ending of their name, and knows the usual endings alone.
fn name_of(file: &FileOut) -> String {
    let name = if file.name.is_empty() { "file" } else { &file.name };
    if std::path::Path::new(name).extension().is_some() {
        return name.to_owned();
    }
    let mime = file.mime.as_deref().unwrap_or_default();
    let first = || mime_guess::get_mime_extensions_str(mime).and_then(|all| all.first()).copied();
    let usual = [
        ("image/jpeg", "jpg"),
        ("audio/ogg", "ogg"),
        ("audio/mpeg", "mp3"),
        ("audio/mp4", "m4a"),
        ("video/mp4", "mp4"),
    ];
    let ending = usual.into_iter().find(|(of, _)| *of == mime).map(|(_, ending)| ending).or_else(first);
    format!("{name}.{}", ending.unwrap_or("bin"))
}

/// A file of ours that lies elsewhere.
fn address(media: Option<&Media>) -> Option<(String, String)> {
    let media = media.filter(|media| media.source.starts_with("https://") || media.source.starts_with("http://"))?;
    Some((media.source.clone(), media.name.clone()))
}

/// The address of the post under which a comment stands.
fn post_link(text: &str) -> Option<&str> {
    text.lines().rev().find(|line| line.starts_with(POST))
}

//! Chats of open lines: what comes into them, what happens to it, and how they are looked at.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Desk, number_at};
use crate::sandbox::args::{Args, as_text, as_whole, text_at};
use crate::sandbox::bitrix24::Trouble;
use crate::sandbox::bitrix24::portal::Portal;

/// A file in a message, as it was fetched from the app.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Fetched {
    pub(crate) name: String,
    pub(crate) url: String,
    /// Its size; none until it was fetched, zero where it could not be.
    pub(crate) size: Option<usize>,
    pub(crate) sha256: String,
}

/// One message of a chat.
#[derive(Debug, Clone, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "what happened to a message is told one by one")]
pub(crate) struct Message {
    pub(crate) id: i64,
    /// The hidden user, an employee, or zero for the system.
    pub(crate) author: i64,
    pub(crate) text: String,
    pub(crate) files: Vec<Fetched>,
    /// Numbers of files that an operator sent.
    pub(crate) own_files: Vec<i64>,
    /// The app's names of it.
    pub(crate) external: Vec<String>,
    /// The app said that it was taken; until then an operator sees a clock.
    pub(crate) delivered: bool,
    /// How often the app said so.
    pub(crate) deliveries: u32,
    pub(crate) read: bool,
    pub(crate) edited: bool,
    pub(crate) deleted: bool,
    pub(crate) at: i64,
}

/// One chat.
#[derive(Debug, Clone)]
pub(crate) struct Chat {
    pub(crate) id: i64,
    pub(crate) connector: String,
    pub(crate) line: i64,
    /// The app's name of it.
    pub(crate) external: String,
    /// The app's name of the customer.
    pub(crate) person: String,
    /// The hidden user.
    pub(crate) user: i64,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) phone: String,
    pub(crate) owner: i64,
    pub(crate) session: i64,
    pub(crate) closed: bool,
    pub(crate) contact: i64,
    pub(crate) deal: i64,
    pub(crate) messages: Vec<Message>,
}

impl Chat {
    /// How it looks to the control.
    pub(crate) fn card(&self) -> Value {
        json!({"id": self.id, "connector": self.connector, "line": self.line, "external": self.external, "person": self.person,
            "user": self.user, "name": self.name, "description": self.description, "phone": self.phone, "owner": self.owner,
            "session": self.session, "closed": self.closed, "contact": self.contact, "messages": self.messages})
    }

    pub(super) fn user_code(&self) -> String {
        format!("{}|{}|{}|{}", self.connector, self.line, self.external, self.user)
    }
}

fn failed(item: &Value, why: &str) -> Value {
    json!({"user": "", "message": item.get("message"), "chat": item.get("chat"), "SUCCESS": false, "ERRORS": [why]})
}

/// Whether a name has only what the documentation allows: letters, blanks, hyphens, apostrophes, 25 characters.
fn is_name(name: &str) -> bool {
    name.chars().count() <= 25 && name.chars().all(|c| c.is_alphabetic() || matches!(c, ' ' | '-' | '\''))
}

fn part<'a>(item: &'a Value, name: &str) -> &'a Value {
    item.get(name).unwrap_or(&Value::Null)
}

/// The chat of a message, if it is there.
fn find(portal: &Portal, (connector, line): (&str, i64), item: &Value) -> Option<i64> {
    let (user, chat) = (text_at(part(item, "user"), "id"), text_at(part(item, "chat"), "id"));
    let fits =
        |it: &&super::Chat| it.connector == connector && it.line == line && it.external == chat && it.person == user;
    portal.open_lines.chats.values().find(fits).map(|chat| chat.id)
}

/// `send.messages`: nothing is dropped for being the second of its name.
pub(super) fn take(desk: &mut Desk<'_>, portal: &mut Portal, at: (&str, i64), item: &Value) -> Value {
    let (user, message, chat) = (part(item, "user"), part(item, "message"), part(item, "chat"));
    let text = text_at(message, "text");
    let files: Vec<Fetched> = message
        .get("files")
        .and_then(Value::as_array)
        .map(|files| {
            files
                .iter()
                .map(|file| Fetched { name: text_at(file, "name"), url: text_at(file, "url"), ..Fetched::default() })
                .collect()
        })
        .unwrap_or_default();
    if text.is_empty() && files.is_empty() {
        return failed(item, "Not all the required data is specified");
    }
    if portal.habits.refuses_files && !files.is_empty() {
        return failed(item, "Не удалось сохранить файл");
    }
    let (person, external) = (text_at(user, "id"), text_at(chat, "id"));
    if person.is_empty() || external.is_empty() || person.contains('|') || external.contains('|') {
        return failed(item, "Not all the required data is specified");
    }
    if !is_name(&text_at(user, "name")) || !is_name(&text_at(user, "last_name")) {
        return failed(item, "Не удалось создать пользователя");
    }
    let id = find(portal, at, item).unwrap_or_else(|| begin(portal, at, item));
    open_session(desk, portal, id);
    let author = message.get("user_id").and_then(as_whole);
    let number = portal.open_lines.number();
    let Some(kept) = portal.open_lines.chats.get_mut(&id) else { return failed(item, "no chat") };
    let title = text_at(chat, "url");
    if !title.is_empty() {
        kept.description = format!("Ссылка на исходную публикацию: {title}");
    }
    kept.messages.push(Message {
        id: number,
        author: author.unwrap_or(kept.user),
        text: text.clone(),
        files,
        own_files: Vec::new(),
        external: vec![text_at(message, "id")],
        delivered: author.is_none_or(|author| author == 0),
        deliveries: 0,
        read: false,
        edited: false,
        deleted: false,
        at: desk.sandbox.now().0,
    });
    let (session, internal, user_id, name) = (kept.session, kept.id, kept.user, kept.name.clone());
    if let Some(author) = author.filter(|author| *author > 0) {
        // what an employee is said to have written comes back as his, under no name of the app's
        let said = portal.open_lines.chats.get_mut(&id).and_then(|chat| chat.messages.last_mut());
        if let Some(said) = said {
            said.external.clear();
        }
        super::say::announce(desk, portal, id, number, author);
    }
    let mut told = json!({"user": user_id.to_string(), "chat": {"id": external, "name": name}, "extra": [], "SUCCESS": true,
        "message": {"id": text_at(message, "id"), "date": {}, "text": text, "files": []}});
    if !portal.habits.no_sessions
        && let Some(told) = told.as_object_mut()
    {
        told.insert("session".to_owned(), json!({"ID": session.to_string(), "CHAT_ID": internal.to_string()}));
    }
    told
}

/// Makes a chat, and the hidden user where the connector has none of that name.
fn begin(portal: &mut Portal, (connector, line): (&str, i64), item: &Value) -> i64 {
    let (user, chat) = (part(item, "user"), part(item, "chat"));
    let (person, phone) = (text_at(user, "id"), text_at(user, "phone"));
    let xml = format!("{connector}|{person}");
    let lines = &mut portal.open_lines;
    let known = lines.users.get(&xml).copied();
    let hidden = known.unwrap_or_else(|| {
        let number = lines.number();
        lines.users.insert(xml, number);
        number
    });
    let id = lines.number();
    let name = format!("{} {}", text_at(user, "name"), text_at(user, "last_name")).trim().to_owned();
    let tracked = part(item, "message").get("disable_crm").and_then(as_text).as_deref() != Some("Y");
    let contact = if tracked && !phone.is_empty() { portal.crm.contact_by_phone(&phone) } else { None };
    let line_name = portal.open_lines.lines.get(&line).map(|line| line.name.clone()).unwrap_or_default();
    let made = Chat {
        id,
        connector: connector.to_owned(),
        line,
        external: text_at(chat, "id"),
        person,
        user: hidden,
        name: format!("{name} - {line_name}"),
        description: String::new(),
        phone,
        owner: 0,
        session: 0,
        closed: true,
        contact: contact.unwrap_or(0),
        deal: contact.and_then(|contact| portal.crm.deal_of(contact)).unwrap_or(0),
        messages: Vec::new(),
    };
    portal.open_lines.chats.insert(id, made);
    id
}

/// Opens a session where none is open; the app hears of it.
fn open_session(desk: &mut Desk<'_>, portal: &mut Portal, id: i64) {
    if portal.open_lines.chats.get(&id).is_none_or(|chat| !chat.closed) {
        return;
    }
    let number = portal.open_lines.number();
    if let Some(chat) = portal.open_lines.chats.get_mut(&id) {
        (chat.session, chat.closed) = (number, false);
    }
    super::say::session_event(desk, portal, id, "ONIMCONNECTORDIALOGSTART");
}

fn told(item: &Value, chat: Option<&Chat>) -> Value {
    json!({"user": chat.map(|chat| chat.user.to_string()), "message": item.get("message"), "chat": item.get("chat"),
        "SUCCESS": true})
}

fn change(portal: &mut Portal, at: (&str, i64), item: &Value, act: impl Fn(&mut Message)) -> Value {
    let name = text_at(part(item, "message"), "id");
    let chat = find(portal, at, item).and_then(|id| portal.open_lines.chats.get_mut(&id));
    // what nobody knows is passed over without a word
    if let Some(chat) = chat {
        chat.messages.iter_mut().filter(|message| message.external.contains(&name)).for_each(act);
        return told(item, Some(chat));
    }
    told(item, None)
}

/// `update.messages`.
pub(super) fn update(_: &mut Desk<'_>, portal: &mut Portal, at: (&str, i64), item: &Value) -> Value {
    let text = text_at(part(item, "message"), "text");
    change(portal, at, item, |message| (message.text, message.edited) = (text.clone(), true))
}

/// `delete.messages`.
pub(super) fn delete(_: &mut Desk<'_>, portal: &mut Portal, at: (&str, i64), item: &Value) -> Value {
    change(portal, at, item, |message| message.deleted = true)
}

/// The message that a mark names; its chat must be the one that the mark names too.
fn marked<'a>(portal: &'a mut Portal, item: &Value) -> Option<&'a mut Message> {
    let im = part(item, "im");
    let (chat, message) = (number_at(im, "chat_id")?, number_at(im, "message_id")?);
    let external = text_at(part(item, "chat"), "id");
    let chat = portal.open_lines.chats.get_mut(&chat).filter(|chat| chat.external == external)?;
    chat.messages.iter_mut().find(|it| it.id == message)
}

/// `send.status.delivery`: only the first call counts, and only names in a list are kept.
pub(super) fn deliver(_: &mut Desk<'_>, portal: &mut Portal, _: (&str, i64), item: &Value) -> Value {
    let ids: Vec<String> = match part(item, "message").get("id") {
        Some(Value::Array(ids)) => ids.iter().filter_map(as_text).collect(),
        _ => Vec::new(),
    };
    if let Some(message) = marked(portal, item) {
        message.deliveries += 1;
        if !message.delivered {
            (message.delivered, message.external) = (true, ids);
        }
    }
    Value::Null
}

/// `send.status.reading`.
pub(super) fn read(_: &mut Desk<'_>, portal: &mut Portal, _: (&str, i64), item: &Value) -> Value {
    if let Some(message) = marked(portal, item) {
        message.read = true;
    }
    Value::Null
}

/// `imconnector.chat.name.set`.
pub(super) fn rename(portal: &mut Portal, args: &Args) -> Result<Value, Trouble> {
    let (connector, line) = super::place(portal, args)?;
    let text = |name: &str| args.text(name).ok_or_else(|| Trouble::argument(name));
    let (external, name) = (text("CHAT_ID")?, text("NAME")?);
    let person = if portal.open_lines.flag(&connector, "CHAT_GROUP", false) { None } else { Some(text("USER_ID")?) };
    let chat = portal.open_lines.chats.values_mut().find(|chat| {
        chat.connector == connector
            && chat.line == line
            && chat.external == external
            && person.as_ref().is_none_or(|person| chat.person == *person)
    });
    match chat {
        Some(chat) => {
            chat.name = name;
            Ok(json!({"SUCCESS": true, "DATA": {"RESULT": []}}))
        }
        None => Err(Trouble::of(400, "CHAT_RENAMING_FAILED", "Chat renaming failed")),
    }
}

fn asked(portal: &Portal, args: &Args) -> Option<i64> {
    let dialog = args.text("DIALOG_ID").and_then(|dialog| dialog.strip_prefix("chat").and_then(|id| id.parse().ok()));
    let code = args.text("USER_CODE");
    let session = args.whole("SESSION_ID");
    args.whole("CHAT_ID").or(dialog).or_else(|| {
        let chats = portal.open_lines.chats.values();
        let mut fits = chats.filter(|chat| {
            code.as_ref().is_some_and(|code| chat.user_code() == *code) || session.is_some_and(|it| chat.session == it)
        });
        fits.next().map(|chat| chat.id)
    })
}

/// `imopenlines.dialog.get`.
pub(super) fn dialog(portal: &Portal, args: &Args) -> Result<Value, Trouble> {
    let chat = asked(portal, args).and_then(|id| portal.open_lines.chats.get(&id));
    let chat =
        chat.ok_or_else(|| Trouble::of(400, "ACCESS_ERROR", "You do not have access to the specified dialog"))?;
    let flag = if chat.contact > 0 { "Y|CONTACT" } else { "N|NONE" };
    Ok(json!({"id": chat.id, "name": chat.name, "owner": chat.owner, "type": "lines", "entity_type": "LINES",
        "entity_id": chat.user_code(), "entity_data_1": format!("{flag}|{}|N|N|{}|0|0|0|0", chat.contact, chat.session),
        "entity_data_2": format!("LEAD|0|COMPANY|0|CONTACT|{}|DEAL|{}", chat.contact, chat.deal),
        "manager_list": [chat.owner], "dialog_id": format!("chat{}", chat.id)}))
}

/// `imopenlines.session.history.get`.
pub(super) fn history(portal: &Portal, args: &Args) -> Result<Value, Trouble> {
    let chat = asked(portal, args).and_then(|id| portal.open_lines.chats.get(&id));
    let chat =
        chat.ok_or_else(|| Trouble::of(400, "ACCESS_DENIED", "You do not have access to the specified dialog"))?;
    let date = |at: i64| {
        let zone = chrono::FixedOffset::east_opt(3 * 3600);
        let at = crate::model::moment::Moment(at).to_utc();
        zone.map_or_else(String::new, |zone| at.with_timezone(&zone).format("%Y-%m-%dT%H:%M:%S%:z").to_string())
    };
    let message = |it: &Message| {
        let mut params = serde_json::Map::new();
        if !it.external.is_empty() {
            params.insert("connectorMid".to_owned(), json!(it.external));
        }
        if !it.own_files.is_empty() {
            params.insert("fileId".to_owned(), json!(it.own_files));
        }
        let params = if params.is_empty() { json!([]) } else { Value::Object(params) };
        let told = json!({"id": it.id.to_string(), "chatid": chat.id.to_string(), "senderid": it.author.to_string(),
            "recipientid": format!("chat{}", chat.id), "date": date(it.at), "text": it.text, "textlegacy": it.text,
            "params": params});
        (it.id.to_string(), told)
    };
    let messages: serde_json::Map<_, _> = chat.messages.iter().filter(|it| !it.deleted).map(message).collect();
    let messages = if messages.is_empty() { json!([]) } else { Value::Object(messages) };
    Ok(
        json!({"chatId": chat.id, "sessionId": chat.session, "message": messages, "usersMessage": [], "users": [], "files": []}),
    )
}

/// `imopenlines.operator.transfer`.
pub(super) fn transfer(portal: &mut Portal, args: &Args) -> Result<Value, Trouble> {
    let id = args.whole("CHAT_ID").ok_or_else(|| Trouble::of(400, "CHAT_ID_EMPTY", "Chat ID can't be empty"))?;
    let to =
        args.whole("TRANSFER_ID").ok_or_else(|| Trouble::of(400, "TRANSFER_ID_EMPTY", "Transfer ID can't be empty"))?;
    if portal.user(to).is_none() {
        return Err(Trouble::of(400, "OPERATOR_WRONG", "Operator is wrong"));
    }
    let chat = portal.open_lines.chats.get_mut(&id).ok_or_else(Trouble::denied)?;
    chat.owner = to;
    Ok(json!(true))
}

//! The calls of open lines: bodies that are written, and answers that are read (`imconnector.*`, `imopenlines.*`).

use serde_json::{Value, json};

use super::bb;
use super::connector::id_of;
use crate::model::message::Kind;
use crate::model::php_form::Fields;

/// The method by which a message comes into an open line.
pub const SEND: &str = "imconnector.send.messages";
/// The method by which its text is changed there.
pub const UPDATE: &str = "imconnector.update.messages";
/// The method by which it is taken back there.
pub const DELETE: &str = "imconnector.delete.messages";
/// The method that tells that an operator's message was taken by the messenger.
pub const DELIVERY: &str = "imconnector.send.status.delivery";
/// The method that tells that it was read. The portal takes it and does nothing as far as is known.
pub const READING: &str = "imconnector.send.status.reading";
/// The method that names a chat.
pub const NAME: &str = "imconnector.chat.name.set";
/// The method that gives what was said in a chat.
pub const HISTORY: &str = "imopenlines.session.history.get";
/// The method that gives a chat.
pub const DIALOG: &str = "imopenlines.dialog.get";
/// The method that lists open lines.
pub const LINES: &str = "imopenlines.config.list.get";

/// So many open lines a portal gives at once, at most.
pub const LINES_PAGE: usize = 200;

/// The longest first or last name, in characters.
const NAME_LIMIT: usize = 25;

/// The longest external id that we make, in bytes.
const ID_LIMIT: usize = 100;

/// Which open line of which connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The messenger, hence the connector.
    pub kind: Kind,
    /// The open line.
    pub line: i64,
}

/// The customer, or a group that speaks for all its members.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Client {
    /// The external id, which never changes.
    pub id: String,
    /// The name as the messenger has it.
    pub name: String,
    /// The phone, in digits.
    pub phone: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The page of the person.
    pub url: Option<String>,
}

/// The chat of the messenger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chat {
    /// The external id, which never changes.
    pub id: String,
    /// Its title.
    pub name: Option<String>,
    /// What it is about.
    pub url: Option<String>,
}

/// One message into an open line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// The external id.
    pub id: String,
    /// When, in seconds.
    pub date_s: i64,
    /// The text, in BB codes.
    pub text: String,
    /// Files: where the portal fetches them, and their names.
    pub files: Vec<(String, String)>,
    /// Whether the CRM looks for the customer.
    pub tracked: bool,
    /// Who wrote: none is the customer, zero the system, else an employee.
    pub author: Option<i64>,
}

/// What the portal said of one message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Taken {
    /// Whether it took the message.
    pub good: bool,
    /// Why not, for a person.
    pub errors: String,
    /// The hidden user that the portal made of the customer.
    pub user: Option<i64>,
    /// The session.
    pub session: Option<i64>,
    /// The portal's own chat.
    pub chat: Option<i64>,
}

/// A message of a chat's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The portal's id.
    pub id: i64,
    /// Who wrote; zero is the system.
    pub sender: i64,
    /// When, in milliseconds; none where the portal does not tell it.
    pub at: Option<i64>,
    /// The text.
    pub text: String,
    /// Our names of it: it came from us, or was delivered by us.
    pub ours: Vec<String>,
    /// Its files.
    pub files: Vec<i64>,
    /// Whether it is dressed as something else than a message to the customer.
    pub hidden: bool,
}

/// The parameters of [`SEND`].
#[must_use]
pub fn send_body(place: Place, client: &Client, chat: &Chat, said: &Said) -> Value {
    let mut message = json!({ "id": said.id, "date": said.date_s });
    let mut put = |name: &str, value: Value| {
        if let Some(map) = message.as_object_mut() {
            map.insert(name.to_owned(), value);
        }
    };
    if !said.text.is_empty() {
        put("text", json!(said.text));
    }
    if !said.files.is_empty() {
        put("files", said.files.iter().map(|(url, name)| json!({ "url": url, "name": name })).collect());
    }
    if !said.tracked {
        put("disable_crm", json!("Y"));
    }
    if let Some(author) = said.author {
        put("user_id", json!(author));
    }
    envelope(place, json!({ "user": user(client), "message": message, "chat": chat_of(chat) }))
}

/// The parameters of [`UPDATE`].
#[must_use]
pub fn update_body(place: Place, client: &str, chat: &str, message: &str, date_s: i64, text: &str) -> Value {
    let message = json!({ "id": message, "date": date_s, "text": text });
    envelope(place, json!({ "user": { "id": client }, "message": message, "chat": { "id": chat } }))
}

/// The parameters of [`DELETE`].
#[must_use]
pub fn delete_body(place: Place, client: &str, chat: &str, message: &str) -> Value {
    envelope(place, json!({ "user": { "id": client }, "message": { "id": message }, "chat": { "id": chat } }))
}

/// The parameters of [`DELIVERY`] and [`READING`]. All parts of a message are told at once: only the first call counts.
#[must_use]
pub fn mark_body(place: Place, im: (i64, i64), chat: &str, messages: &[String], date_s: i64) -> Value {
    let im = json!({ "chat_id": im.0, "message_id": im.1 });
    envelope(place, json!({ "im": im, "message": { "id": messages, "date": date_s }, "chat": { "id": chat } }))
}

/// The parameters of [`NAME`].
#[must_use]
pub fn name_body(place: Place, client: &str, chat: &str, name: &str) -> Value {
    json!({ "CONNECTOR": id_of(place.kind), "LINE": place.line, "CHAT_ID": chat, "NAME": name, "USER_ID": client })
}

/// The parameters of [`LINES`] behind so many lines; at most the [`LINES_PAGE`] that a portal gives at once.
#[must_use]
pub fn lines_body(offset: usize) -> Value {
    json!({ "PARAMS": { "select": ["ID", "LINE_NAME", "ACTIVE"], "order": { "ID": "ASC" }, "limit": LINES_PAGE, "offset": offset },
        "OPTIONS": { "QUEUE": "N" } })
}

/// Whether more lines may stand behind an answer of [`LINES`].
#[must_use]
pub fn is_full(result: &Value) -> bool {
    let rows = result.as_array().map(Vec::len).or_else(|| result.as_object().map(serde_json::Map::len));
    rows.is_some_and(|rows| rows >= LINES_PAGE)
}

/// Reads the answer of [`LINES`]: the id, the name, and whether the line is on.
#[must_use]
pub fn read_lines(result: &Value) -> Vec<(i64, String, bool)> {
    let wrapped = json!({ "list": result });
    let rows = Fields::of(&wrapped).list("list");
    let read = |row: &Fields<'_>| {
        let name = row.text("LINE_NAME").ok().flatten().unwrap_or_default().into_owned();
        Some((row.need_number("ID").ok()?, name, row.flag("ACTIVE")))
    };
    rows.iter().filter_map(read).collect()
}

/// Reads what the portal said of the only message of a call. A call that worked may hold a message that did not.
#[must_use]
pub fn read_taken(result: &Value) -> Taken {
    let fields = Fields::of(result);
    let Some(item) = fields.map("DATA").ok().map(|data| data.list("RESULT")).and_then(|list| list.into_iter().next())
    else {
        // the portal says nothing of the message itself
        return Taken { good: fields.flag("SUCCESS"), ..Taken::default() };
    };
    let number = |fields: &Fields<'_>, name: &str| fields.number(name).ok().flatten().filter(|number| *number > 0);
    let session = item.map("session").ok();
    let errors = item.texts("ERRORS").unwrap_or_default();
    Taken {
        good: item.flag("SUCCESS"),
        errors: errors.join("; "),
        user: number(&item, "user"),
        session: session.as_ref().and_then(|session| number(session, "ID")),
        chat: session.as_ref().and_then(|session| number(session, "CHAT_ID")),
    }
}

/// Reads the answer of [`HISTORY`], oldest first.
#[must_use]
pub fn read_history(result: &Value) -> Vec<Told> {
    let mut told: Vec<Told> = Fields::of(result).list("message").iter().filter_map(read_told).collect();
    told.sort_by_key(|told| told.id);
    told
}

fn read_told(row: &Fields<'_>) -> Option<Told> {
    let text = |name| row.text(name).ok().flatten().map(String::from);
    let params = row.map("params").ok()?;
    let at = text("date").and_then(|date| chrono::DateTime::parse_from_rfc3339(&date).ok());
    Some(Told {
        id: row.need_number("id").ok()?,
        sender: row.number("senderid").ok().flatten().unwrap_or(0),
        at: at.map(|at| at.timestamp_millis()),
        text: text("textlegacy").or_else(|| text("text")).unwrap_or_default(),
        ours: params.texts("connectorMid").unwrap_or_default().into_iter().map(String::from).collect(),
        files: params.texts("fileId").unwrap_or_default().iter().filter_map(|id| id.parse().ok()).collect(),
        hidden: ["CLASS", "class"].iter().any(|name| params.raw(name).is_some()),
    })
}

/// Reads a card that [`DIALOG`] tells of: `LEAD|0|COMPANY|0|CONTACT|275|DEAL|8061`.
#[must_use]
pub fn card_of(dialog: &Value, kind: &str) -> Option<i64> {
    let data = dialog.get("entity_data_2")?.as_str()?;
    let mut parts = data.split('|');
    while let (Some(name), Some(id)) = (parts.next(), parts.next()) {
        if name.eq_ignore_ascii_case(kind) {
            return id.parse().ok().filter(|id| *id > 0);
        }
    }
    None
}

/// A name as the portal takes it: letters, blanks, hyphens, apostrophes; first and last name of 25 characters each. The first one
/// is empty where nothing is left.
#[must_use]
pub fn clean_name(name: &str) -> (String, String) {
    let kept: String = name
        .chars()
        .map(|c| match c {
            '’' | '`' | 'ʼ' => '\'',
            '–' | '—' | '‑' => '-',
            c if c.is_alphabetic() || c == '\'' || c == '-' => c,
            _ => ' ',
        })
        .collect();
    let mut words = kept.split_whitespace().filter(|word| word.chars().any(char::is_alphabetic));
    let short = |text: String| text.chars().take(NAME_LIMIT).collect::<String>().trim_end().to_owned();
    let first = short(words.next().unwrap_or_default().to_owned());
    (first, short(words.collect::<Vec<_>>().join(" ")))
}

/// An external id of ours: never with the sign that the portal joins ids by, never long. The same text gives the same id for ever.
#[must_use]
pub fn external_id(text: &str) -> String {
    use sha2::Digest as _;
    let clean: String =
        text.chars().map(|c| if c == '|' || c.is_whitespace() || c.is_control() { '_' } else { c }).collect();
    if clean.len() <= ID_LIMIT { clean } else { hex::encode(sha2::Sha256::digest(clean.as_bytes())) }
}

/// The lines of somebody's words as a chat shows them above an answer.
#[must_use]
pub fn quote(who: &str, text: &str) -> String {
    const MOST: usize = 200;
    let cut: String = text.chars().take(MOST).collect();
    let more = if text.chars().count() > MOST { "…" } else { "" };
    let words = format!("{cut}{more}");
    let lines = [who].into_iter().filter(|who| !who.is_empty()).chain(words.lines());
    lines.flat_map(|line| [">>".to_owned(), bb::escape(line), "\n".to_owned()]).collect()
}

fn envelope(place: Place, item: Value) -> Value {
    let messages = Value::Array(vec![item]);
    json!({ "CONNECTOR": id_of(place.kind), "LINE": place.line, "MESSAGES": messages })
}

fn user(client: &Client) -> Value {
    let (first, last) = clean_name(&client.name);
    let mut user = json!({ "id": client.id, "name": if first.is_empty() { "Клиент" } else { &first } });
    let parts = [
        ("last_name", Some(last).filter(|last| !last.is_empty())),
        ("phone", client.phone.as_ref().map(|digits| format!("+{digits}"))),
        ("email", client.email.clone()),
        ("url", client.url.clone()),
    ];
    if let Some(map) = user.as_object_mut() {
        map.extend(parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))));
    }
    user
}

fn chat_of(chat: &Chat) -> Value {
    let mut value = json!({ "id": chat.id });
    if let Some(map) = value.as_object_mut() {
        map.extend(chat.name.iter().map(|name| ("name".to_owned(), json!(name))));
        map.extend(chat.url.iter().map(|url| ("url".to_owned(), json!(url))));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_to_what_a_portal_takes() {
        let clean = |name: &str| {
            let (first, last) = clean_name(name);
            format!("{first}|{last}")
        };
        assert_eq!(clean("Иван Петров"), "Иван|Петров");
        assert_eq!(clean("🔥Анна-Мария🔥 О’Нил 2024"), "Анна-Мария|О'Нил");
        assert_eq!(clean("+7 999 000-00-01"), "|");
        assert_eq!(clean("💥"), "|");
        assert_eq!(clean(&"а".repeat(40)), format!("{}|", "а".repeat(25)));
        assert_eq!(user(&Client { id: "1".into(), name: "💥".into(), ..Client::default() })["name"], "Клиент");
    }

    #[test]
    fn an_external_id_is_safe_and_the_same_for_ever() {
        assert_eq!(external_id("a|b c"), "a_b_c");
        assert_eq!(external_id(&"x".repeat(300)).len(), 64);
        assert_eq!(external_id(&"x".repeat(300)), external_id(&"x".repeat(300)));
    }

    #[test]
    fn cards_of_a_dialog_are_read_by_their_kind() {
        let dialog = json!({"entity_data_2": "LEAD|0|COMPANY|0|CONTACT|275|DEAL|8061"});
        assert_eq!((card_of(&dialog, "CONTACT"), card_of(&dialog, "LEAD")), (Some(275), None));
        assert_eq!(card_of(&json!({"entity_data_2": ""}), "DEAL"), None);
    }

    #[test]
    fn a_quote_stands_above_an_answer_line_by_line() {
        assert_eq!(quote("Иван", "раз\n[b]два"), ">>Иван\n>>раз\n>>[\u{200b}b]два\n");
    }
}

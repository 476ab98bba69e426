//! A mail server: mailboxes over IMAP (RFC 3501, with IDLE and SPECIAL-USE), letters out by submission (RFC 6409), and its
//! reports of what cannot be delivered (RFC 3464).
//!
//! Customers have the addresses `client_<phone>@example.com`. Two ports of its own on the address of the sandbox, without TLS:
//! whoever attaches a mailbox says so in words. Letters to `ghost…` are taken and come back.

mod fetch;
mod imap;
mod report;
pub(crate) mod say;
mod search;
mod smtp;
mod structure;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use imap_next::imap_types::flag::Flag;
use mail_parser::{MessageParser, MimeHeaders as _};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::answer::Answer;
use super::fault::Fault;
use super::ledger::Entry;
use super::phone::{Bubble, Media, bubble};
use super::state::Sandbox;
use crate::model::moment::Moment;

pub(crate) use token::answer;

/// The domain of the customers.
const DOMAIN: &str = "example.com";

/// The folder of what was sent: «Отправленные», in the modified UTF-7 of IMAP.
pub(super) const SENT: &str = "&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-";

/// The largest letter, in bytes.
const LARGEST: usize = 26_214_400;

/// Everything that the server keeps.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    /// The mailboxes, by address.
    pub(crate) boxes: BTreeMap<String, Mailbox>,
    /// Where IMAP and submission are listened for.
    pub(crate) ports: (u16, u16),
}

/// One mailbox.
#[derive(Debug)]
pub(crate) struct Mailbox {
    /// Its password.
    pub(crate) password: String,
    /// OAuth 2 tokens that open it.
    pub(crate) tokens: token::Tokens,
    /// Letters that came.
    pub(crate) inbox: Folder,
    /// Letters that were sent.
    pub(crate) sent: Folder,
    /// Rises with every change, so that whoever idles hears of it.
    pub(crate) changed: watch::Sender<u64>,
}

/// A folder of a mailbox.
#[derive(Debug)]
pub(crate) struct Folder {
    /// A change of it makes every UID void.
    pub(crate) validity: u32,
    /// The UID of the next letter.
    pub(crate) next: u32,
    /// The letters, in the order of their UIDs.
    pub(crate) letters: Vec<Kept>,
}

/// A letter in a folder.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// Its number.
    pub(crate) uid: u32,
    /// When it came, milliseconds of UTC.
    pub(crate) at: i64,
    /// Its marks.
    pub(crate) flags: BTreeSet<String>,
    /// All of it.
    pub(crate) raw: Bytes,
}

impl Folder {
    fn new(validity: u32) -> Self {
        Self { validity, next: 1, letters: Vec::new() }
    }

    /// Puts a letter behind the others.
    pub(crate) fn put(&mut self, raw: Bytes, at: Moment, flags: &[Flag<'_>]) {
        let flags = flags.iter().map(ToString::to_string).collect();
        self.letters.push(Kept { uid: self.next, at: at.0, flags, raw });
        self.next += 1;
    }

    /// Makes the numbers of the letters void, as a server does whose index was lost.
    pub(crate) fn renumber(&mut self) {
        self.validity += 1;
        self.next = 1;
        for letter in &mut self.letters {
            letter.uid = self.next;
            self.next += 1;
        }
    }
}

impl Mailbox {
    /// An empty mailbox.
    pub(crate) fn new(password: String) -> Self {
        let validity = 1_700_000_001;
        Self {
            password,
            tokens: token::Tokens::default(),
            inbox: Folder::new(validity),
            sent: Folder::new(validity),
            changed: watch::Sender::default(),
        }
    }

    /// The folder of this name; INBOX is INBOX in any case.
    pub(crate) fn folder(&mut self, name: &str) -> Option<&mut Folder> {
        match name {
            name if name.eq_ignore_ascii_case("INBOX") => Some(&mut self.inbox),
            SENT => Some(&mut self.sent),
            _ => None,
        }
    }

    /// Lays a letter into the inbox and tells whoever listens.
    pub(crate) fn receive(&mut self, raw: Bytes, at: Moment) {
        self.inbox.put(raw, at, &[]);
        self.changed.send_modify(|n| *n += 1);
    }
}

/// The address of the owner of a phone.
pub(crate) fn address_of(digits: &str) -> String {
    format!("client_{digits}@{DOMAIN}")
}

/// The phone that an address belongs to.
fn phone_of(address: &str) -> Option<&str> {
    let (user, domain) = address.rsplit_once('@')?;
    let digits = user.strip_prefix("client_")?;
    domain.eq_ignore_ascii_case(DOMAIN).then_some(digits)
}

/// Listens at two ports: those behind the port of the sandbox where they are free, else any.
pub(crate) async fn listen(sandbox: &Arc<Sandbox>, beside: SocketAddr) -> std::io::Result<()> {
    let imap = bind(beside, 1).await?;
    let smtp = bind(beside, 2).await?;
    sandbox.mail.lock().ports = (imap.local_addr()?.port(), smtp.local_addr()?.port());
    let (one, other) = (Arc::clone(sandbox), Arc::clone(sandbox));
    sandbox.spawn_for_good(async move {
        while let Ok((stream, _)) = imap.accept().await {
            one.spawn(imap::serve(Arc::clone(&one), stream));
        }
    });
    sandbox.spawn_for_good(async move {
        while let Ok((stream, _)) = smtp.accept().await {
            other.spawn(smtp::serve(Arc::clone(&other), stream));
        }
    });
    Ok(())
}

async fn bind(beside: SocketAddr, step: u16) -> std::io::Result<TcpListener> {
    let wanted = beside.port().checked_add(step).unwrap_or(0);
    match TcpListener::bind((beside.ip(), wanted)).await {
        Err(_) => TcpListener::bind((beside.ip(), 0)).await,
        bound => bound,
    }
}

/// What became of a letter at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// It has a mailbox, a phone, or is a ghost.
    Yes,
    /// Nobody lives there.
    No,
}

/// Whether letters to an address are taken.
fn knows(sandbox: &Sandbox, address: &str) -> Known {
    let is_ghost = address.starts_with("ghost");
    let is_box = sandbox.mail.lock().boxes.contains_key(address);
    let is_phone = phone_of(address).is_some_and(|digits| sandbox.phones.lock().get(digits).is_some());
    if is_ghost || is_box || is_phone { Known::Yes } else { Known::No }
}

/// Delivers a letter of a mailbox to one recipient; what cannot be delivered comes back as a report.
fn deliver(sandbox: &Sandbox, from: &str, to: &str, raw: &Bytes) {
    let planned = sandbox.faults.meet_late("mail", "deliver", to.as_bytes());
    if to.starts_with("ghost") || planned.is_some() {
        let text = planned.and_then(|fault| fault.text).unwrap_or_else(|| "550 5.1.1 No such user here".to_owned());
        let back = report::failure(sandbox, from, to, &text, raw);
        let now = sandbox.now();
        if let Some(sender) = sandbox.mail.lock().boxes.get_mut(from) {
            sender.receive(back, now);
        }
        return;
    }
    let now = sandbox.now();
    if let Some(digits) = phone_of(to) {
        let bubble = shown(sandbox, from, raw, "received");
        sandbox.phones.lock().add(digits, bubble);
    } else if let Some(receiver) = sandbox.mail.lock().boxes.get_mut(to) {
        let head = format!("Return-Path: <{from}>\r\nDelivered-To: {to}\r\n");
        receiver.receive(Bytes::from([head.as_bytes(), raw].concat()), now);
    }
}

/// A letter as the phone shows it.
pub(crate) fn shown(sandbox: &Sandbox, line: &str, raw: &[u8], direction: &'static str) -> Bubble {
    let mut made = bubble("email", line, direction, sandbox.now(), sandbox.tick());
    made.status = if direction == "received" { "delivered" } else { "sent" };
    let Some(letter) = MessageParser::default().parse(raw) else { return made };
    made.subject = letter.subject().map(str::to_owned);
    letter.message_id().unwrap_or_default().clone_into(&mut made.id);
    letter.body_text(0).unwrap_or_default().trim_end().clone_into(&mut made.text);
    made.tag = letter.in_reply_to().as_text().map(str::to_owned);
    if let Some(file) = letter.attachment(0) {
        let kind = file.content_type();
        let mime = kind.map(|kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or("octet-stream")));
        let mime = mime.unwrap_or_else(|| "application/octet-stream".to_owned());
        "document".clone_into(&mut made.kind);
        made.media = Some(Media {
            name: file.attachment_name().unwrap_or_default().to_owned(),
            mime,
            size: file.contents().len(),
        });
    }
    made
}

/// Writes a step of a conversation into the ledger.
fn note(sandbox: &Sandbox, method: &str, who: &str, params: Value, status: u16, fault: Option<&Fault>) {
    sandbox.ledger.write(Entry {
        n: 0,
        vendor: "mail",
        method: method.to_owned(),
        who: who.to_owned(),
        at_us: sandbox.tick().0,
        at: sandbox.now().0,
        params,
        status,
        fault: fault.map(|fault| fault.kind.word()),
    });
}

/// What the OAuth address answers to a planned fault.
pub(crate) fn refuse_by_plan(fault: &Fault) -> Answer {
    let status = fault.status.unwrap_or(match fault.kind {
        super::fault::Kind::Busy => 429,
        super::fault::Kind::Down => 503,
        _ => 400,
    });
    Answer::json(status, json!({"error": fault.text.as_deref().unwrap_or("invalid_grant")}))
}

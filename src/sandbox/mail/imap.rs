//! One connection of IMAP: its states and its commands. The library reads and writes the protocol, this says what is true.

use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;
use imap_next::imap_types::ToStatic;
use imap_next::imap_types::auth::{AuthMechanism, AuthenticateData};
use imap_next::imap_types::command::{Command, CommandBody};
use imap_next::imap_types::core::{Atom, Tag, Vec1};
use imap_next::imap_types::fetch::{MacroOrMessageDataItemNames, MessageDataItem, MessageDataItemName};
use imap_next::imap_types::flag::{Flag, FlagNameAttribute, StoreResponse, StoreType};
use imap_next::imap_types::mailbox::Mailbox as Name;
use imap_next::imap_types::response::{Capability, Code, CommandContinuationRequest, Data, Greeting, Status};
use imap_next::imap_types::search::SearchKey;
use imap_next::imap_types::sequence::SequenceSet;
use imap_next::server::{Event, Options, Server};
use imap_next::{Interrupt, Io, State as _};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::search::{Place, holds, means};
use super::{Folder, Mailbox, SENT, fetch, note};
use crate::model::moment::Moment;
use crate::sandbox::fault::Kind;
use crate::sandbox::state::Sandbox;

/// A connection.
struct Session {
    sandbox: Arc<Sandbox>,
    server: Server,
    user: Option<String>,
    open: Option<Open>,
    idle: Option<Tag<'static>>,
    /// The command whose login waits for its data.
    login: Option<(Tag<'static>, AuthMechanism<'static>)>,
    changes: Option<watch::Receiver<u64>>,
    over: bool,
}

/// The folder that is open.
struct Open {
    name: String,
    read_only: bool,
    /// How many letters the other side knows of.
    told: u32,
}

/// Serves one connection to its end.
pub(super) async fn serve(sandbox: Arc<Sandbox>, mut stream: TcpStream) {
    let Ok(greeting) = Greeting::ok(None, "the sandbox is ready") else { return };
    let mut session = Session {
        sandbox,
        server: Server::new(Options::default(), greeting.to_static()),
        user: None,
        open: None,
        idle: None,
        login: None,
        changes: None,
        over: false,
    };
    let mut bytes = vec![0; 16 * 1024];
    loop {
        match session.server.next() {
            Ok(event) => session.heed(event),
            Err(Interrupt::Io(Io::Output(said))) => {
                if stream.write_all(&said).await.is_err() {
                    return;
                }
            }
            Err(Interrupt::Io(Io::NeedMoreInput)) if session.over => return,
            Err(Interrupt::Io(Io::NeedMoreInput)) => {
                tokio::select! {
                    read = stream.read(&mut bytes) => match read {
                        Ok(count @ 1..) => session.server.enqueue_input(bytes.get(..count).unwrap_or_default()),
                        _ => return,
                    },
                    () = changed(&mut session.changes) => if session.idle.is_some() { session.tell_size() },
                }
            }
            // what cannot be read has no tag that could be answered
            Err(Interrupt::Error(_)) => session.say_bye("that was no command"),
        }
    }
}

/// Waits for a change of the mailbox; for ever where nobody is logged in.
async fn changed(changes: &mut Option<watch::Receiver<u64>>) {
    let there = match changes {
        Some(changes) => changes.changed().await.is_ok(),
        None => false,
    };
    if !there {
        std::future::pending::<()>().await;
    }
}

impl Session {
    fn heed(&mut self, event: Event) {
        match event {
            Event::CommandReceived { command } => self.obey(command),
            Event::CommandAuthenticateReceived { command_authenticate: asked } => {
                self.login = Some((asked.tag, asked.mechanism));
                match asked.initial_response {
                    Some(data) => self.authenticate(data.declassify()),
                    // an empty challenge: its text would be read as base64
                    None => {
                        let _ = self.server.authenticate_continue(CommandContinuationRequest::base64(Vec::new()));
                    }
                }
            }
            Event::AuthenticateDataReceived { authenticate_data } => match authenticate_data {
                AuthenticateData::Continue(data) => self.authenticate(data.declassify()),
                AuthenticateData::Cancel => self.finish_login(false, "cancelled"),
            },
            Event::IdleCommandReceived { tag } => self.begin_idle(tag),
            Event::IdleDoneReceived => {
                if let Some(tag) = self.idle.take() {
                    self.done(tag, None, "IDLE ended");
                }
            }
            Event::GreetingSent { .. } | Event::ResponseSent { .. } => {}
        }
    }

    fn obey(&mut self, command: Command<'static>) {
        let tag = command.tag;
        match command.body {
            CommandBody::Capability => {
                self.say(Data::Capability(Self::abilities()));
                self.done(tag, None, "that is all");
            }
            CommandBody::Noop | CommandBody::Check => {
                self.tell_size();
                self.done(tag, None, "nothing else");
            }
            CommandBody::Logout => {
                self.say_bye("goodbye");
                self.done(tag, None, "logged out");
            }
            CommandBody::Login { username, password } => {
                let user = String::from_utf8_lossy(username.as_ref()).into_owned();
                let password = String::from_utf8_lossy(password.declassify().as_ref()).into_owned();
                let good = self.knows(&user, |known, _| known.password == password);
                self.enter(&user, good);
                if good { self.done(tag, None, "welcome") } else { self.refuse_login(tag) }
            }
            _ if self.user.is_none() => self.refuse(tag, "log in first"),
            CommandBody::List { mailbox_wildcard, .. } => self.list(tag, &mailbox_wildcard),
            CommandBody::Select { mailbox } => self.open(tag, &mailbox, false),
            CommandBody::Examine { mailbox } => self.open(tag, &mailbox, true),
            CommandBody::Append { mailbox, flags, message, .. } => {
                self.append(tag, &mailbox, &flags, Bytes::copy_from_slice(message_bytes(&message)));
            }
            _ if self.open.is_none() => self.refuse(tag, "open a folder first"),
            CommandBody::Close | CommandBody::Unselect => {
                self.open = None;
                self.done(tag, None, "closed");
            }
            CommandBody::Search { criteria, uid, .. } => self.search(tag, criteria.as_ref(), uid),
            CommandBody::Fetch { sequence_set, macro_or_item_names, uid } => {
                self.fetch(tag, &sequence_set, macro_or_item_names, uid);
            }
            CommandBody::Store { sequence_set, kind, response, flags, uid } => {
                self.store(tag, &sequence_set, (kind, response, &flags), uid);
            }
            _ => self.refuse(tag, "the sandbox has no such command"),
        }
    }

    fn abilities() -> Vec1<Capability<'static>> {
        let mut all = vec![
            Capability::Imap4Rev1,
            Capability::Auth(AuthMechanism::Plain),
            Capability::Auth(AuthMechanism::XOAuth2),
            Capability::Idle,
            Capability::SaslIr,
            Capability::LiteralPlus,
            Capability::Unselect,
        ];
        all.extend(Atom::try_from("SPECIAL-USE").ok().map(Capability::from));
        Vec1::try_from(all).unwrap_or_else(|_| Vec1::from(Capability::Imap4Rev1))
    }

    /// Whether this mailbox is there and opens.
    fn knows(&self, user: &str, opens: impl FnOnce(&Mailbox, Moment) -> bool) -> bool {
        let fault = self.sandbox.faults.meet_late("mail", "login", user.as_bytes());
        let now = self.sandbox.now();
        let good = fault.is_none() && self.sandbox.mail.lock().boxes.get(user).is_some_and(|known| opens(known, now));
        note(&self.sandbox, "login", user, json!({"way": "imap"}), if good { 200 } else { 535 }, fault.as_ref());
        good
    }

    fn enter(&mut self, user: &str, good: bool) {
        if good {
            self.changes = self.sandbox.mail.lock().boxes.get(user).map(|known| known.changed.subscribe());
            self.user = Some(user.to_owned());
        }
    }

    fn authenticate(&mut self, said: &[u8]) {
        let Some((_, mechanism)) = &self.login else { return };
        let said = String::from_utf8_lossy(said).into_owned();
        let (user, good) = match mechanism {
            AuthMechanism::Plain => {
                let mut parts = said.split('\0').skip(1);
                let (user, password) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                (user.to_owned(), self.knows(user, |known, _| known.password == password))
            }
            // the empty line that answers the challenge
            AuthMechanism::XOAuth2 if said.is_empty() => return self.finish_login(false, "AUTHENTICATE failed"),
            AuthMechanism::XOAuth2 => {
                let (user, token) = super::token::said(&said);
                let good = self.knows(&user, |known, now| known.tokens.opens(&token, now));
                if !good {
                    let challenge = CommandContinuationRequest::base64(super::token::CHALLENGE.as_bytes().to_vec());
                    let _ = self.server.authenticate_continue(challenge);
                    return;
                }
                (user, good)
            }
            _ => return self.finish_login(false, "no such mechanism"),
        };
        self.enter(&user, good);
        self.finish_login(good, if good { "welcome" } else { "AUTHENTICATE failed" });
    }

    fn finish_login(&mut self, good: bool, text: &'static str) {
        let Some((tag, _)) = self.login.take() else { return };
        let status =
            if good { Status::ok(Some(tag), None, text) } else { Status::no(Some(tag), Some(refusal_code()), text) };
        if let Ok(status) = status {
            let _ = self.server.authenticate_finish(status);
        }
    }

    fn refuse_login(&mut self, tag: Tag<'static>) {
        if let Ok(status) = Status::no(Some(tag), Some(refusal_code()), "Authentication failed.") {
            self.server.enqueue_status(status);
        }
    }

    fn list(&mut self, tag: Tag<'static>, wanted: &imap_next::imap_types::mailbox::ListMailbox<'_>) {
        use imap_next::imap_types::mailbox::ListMailbox;
        let wanted = match wanted {
            ListMailbox::Token(text) => String::from_utf8_lossy(text.as_ref()).into_owned(),
            ListMailbox::String(text) => String::from_utf8_lossy(text.as_ref()).into_owned(),
        };
        for (name, mark) in [("INBOX", None), (SENT, Some("Sent"))] {
            let fits = wanted.contains(['*', '%']) || wanted.eq_ignore_ascii_case(name);
            let mark = mark.and_then(|mark| Atom::try_from(mark).ok()).map(FlagNameAttribute::from);
            if let (true, Ok(mailbox)) = (fits, Name::try_from(name)) {
                let delimiter = imap_next::imap_types::core::QuotedChar::try_from('/').ok();
                self.say(Data::List { items: mark.into_iter().collect(), delimiter, mailbox });
            }
        }
        self.done(tag, None, "that is all");
    }

    /// Does something with a folder of the mailbox; none where it is gone.
    fn folder<T>(&self, name: &str, work: impl FnOnce(&mut Folder) -> T) -> Option<T> {
        let mut mail = self.sandbox.mail.lock();
        mail.boxes.get_mut(self.user.as_deref()?)?.folder(name).map(work)
    }

    fn open(&mut self, tag: Tag<'static>, mailbox: &Name<'_>, read_only: bool) {
        let name = name_of(mailbox);
        let seen = self.folder(&name, |folder| (count(folder), folder.validity, folder.next));
        let Some((exists, validity, next)) = seen else {
            self.open = None;
            return self.refuse(tag, "there is no such folder");
        };
        self.open = Some(Open { name, read_only, told: exists });
        self.say(Data::Flags(vec![Flag::Seen, Flag::Answered, Flag::Flagged, Flag::Deleted, Flag::Draft]));
        self.say(Data::Exists(exists));
        self.say(Data::Recent(0));
        for code in [Code::uidvalidity(validity), Code::uidnext(next)].into_iter().flatten() {
            if let Ok(status) = Status::ok(None, Some(code), "so it is") {
                self.server.enqueue_status(status);
            }
        }
        self.done(tag, Some(if read_only { Code::ReadOnly } else { Code::ReadWrite }), "open");
    }

    fn append(&mut self, tag: Tag<'static>, mailbox: &Name<'_>, flags: &[Flag<'_>], raw: Bytes) {
        let (now, user) = (self.sandbox.now(), self.user.clone().unwrap_or_default());
        let fault = self.sandbox.faults.meet_late("mail", "append", &raw);
        note(&self.sandbox, "append", &user, json!({"size": raw.len()}), 200, fault.as_ref());
        if let Some(fault) = fault {
            self.over = matches!(fault.kind, Kind::Cut | Kind::CutBefore);
            return self.refuse(tag, "the folder takes nothing now");
        }
        let kept = self.folder(&name_of(mailbox), |folder| folder.put(raw, now, flags));
        match kept {
            Some(()) => self.done(tag, None, "kept"),
            None => self.refuse(tag, "there is no such folder"),
        }
    }

    fn search(&mut self, tag: Tag<'static>, keys: &[SearchKey<'_>], by_uid: bool) {
        let found = self.here(|folder| {
            let (all, largest) = (count(folder), folder.letters.last().map_or(0, |letter| letter.uid));
            let mut found = Vec::new();
            for (seq, letter) in (1..).zip(&folder.letters) {
                let place = Place { seq, count: all, largest };
                let is: Option<Vec<bool>> = keys.iter().map(|key| means(key, letter, place)).collect();
                if is?.into_iter().all(|is| is) {
                    found.extend(NonZeroU32::new(if by_uid { letter.uid } else { seq }));
                }
            }
            Some(found)
        });
        match found.flatten() {
            Some(found) => {
                self.say(Data::Search(found));
                self.done(tag, None, "searched");
            }
            None => self.refuse(tag, "the sandbox does not search by that"),
        }
    }

    fn fetch(
        &mut self,
        tag: Tag<'static>,
        set: &SequenceSet,
        asked: MacroOrMessageDataItemNames<'static>,
        by_uid: bool,
    ) {
        let mut names: Vec<MessageDataItemName<'static>> = match asked {
            MacroOrMessageDataItemNames::Macro(short) => short.expand().iter().map(ToStatic::to_static).collect(),
            MacroOrMessageDataItemNames::MessageDataItemNames(names) => names,
        };
        if by_uid && !names.contains(&MessageDataItemName::Uid) {
            names.push(MessageDataItemName::Uid);
        }
        let marks = fetch::marks(&names) && self.open.as_ref().is_some_and(|open| !open.read_only);
        let told = self.here(|folder| {
            let mut told = Vec::new();
            for_each(folder, set, by_uid, |seq, letter| {
                if marks {
                    letter.flags.insert("\\Seen".to_owned());
                }
                told.push((seq, fetch::items(&names, letter)));
            });
            told
        });
        for (seq, items) in told.unwrap_or_default() {
            self.say_letter(seq, items);
        }
        self.tell_size();
        self.done(tag, None, "fetched");
    }

    fn store(
        &mut self,
        tag: Tag<'static>,
        set: &SequenceSet,
        (kind, response, flags): (StoreType, StoreResponse, &[Flag<'_>]),
        by_uid: bool,
    ) {
        if self.open.as_ref().is_some_and(|open| open.read_only) {
            return self.refuse(tag, "the folder is open for reading");
        }
        let flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
        let told = self.here(|folder| {
            let mut told = Vec::new();
            for_each(folder, set, by_uid, |seq, letter| {
                match kind {
                    StoreType::Replace => letter.flags = flags.iter().cloned().collect(),
                    StoreType::Add => letter.flags.extend(flags.iter().cloned()),
                    StoreType::Remove => letter.flags.retain(|flag| !flags.contains(flag)),
                }
                let mut items = vec![MessageDataItem::Flags(fetch::flags(letter))];
                items.extend(NonZeroU32::new(letter.uid).map(MessageDataItem::Uid));
                told.push((seq, items));
            });
            told
        });
        for (seq, items) in told.unwrap_or_default() {
            if response == StoreResponse::Answer {
                self.say_letter(seq, items);
            }
        }
        self.done(tag, None, "stored");
    }

    fn begin_idle(&mut self, tag: Tag<'static>) {
        if self.open.is_none() {
            if let Ok(status) = Status::no(Some(tag), None, "open a folder first") {
                let _ = self.server.idle_reject(status);
            }
            return;
        }
        if let Ok(go_on) = CommandContinuationRequest::basic(None, "idling") {
            let _ = self.server.idle_accept(go_on);
        }
        self.idle = Some(tag);
        self.tell_size();
    }

    /// Does something with the folder that is open.
    fn here<T>(&self, work: impl FnOnce(&mut Folder) -> T) -> Option<T> {
        self.folder(&self.open.as_ref()?.name, work)
    }

    /// Tells how many letters there are, where that has changed.
    fn tell_size(&mut self) {
        let Some(now) = self.here(|folder| count(folder)) else { return };
        let Some(open) = &mut self.open else { return };
        if std::mem::replace(&mut open.told, now) != now {
            self.say(Data::Exists(now));
        }
    }

    fn say(&mut self, data: Data<'static>) {
        self.server.enqueue_data(data);
    }

    fn say_letter(&mut self, seq: u32, items: Vec<MessageDataItem<'static>>) {
        if let Ok(data) = Data::fetch(seq, items) {
            self.say(data);
        }
    }

    fn done(&mut self, tag: Tag<'static>, code: Option<Code<'static>>, text: &'static str) {
        if let Ok(status) = Status::ok(Some(tag), code, text) {
            self.server.enqueue_status(status);
        }
    }

    fn refuse(&mut self, tag: Tag<'static>, text: &'static str) {
        if let Ok(status) = Status::no(Some(tag), None, text) {
            self.server.enqueue_status(status);
        }
    }

    fn say_bye(&mut self, text: &'static str) {
        self.over = true;
        if let Ok(status) = Status::bye(None, text) {
            self.server.enqueue_status(status);
        }
    }
}

fn refusal_code() -> Code<'static> {
    use imap_next::imap_types::response::CodeOther;
    Code::Other(CodeOther::unvalidated(b"AUTHENTICATIONFAILED".as_slice()))
}

fn count(folder: &Folder) -> u32 {
    u32::try_from(folder.letters.len()).unwrap_or(u32::MAX)
}

fn name_of(mailbox: &Name<'_>) -> String {
    match mailbox {
        Name::Inbox => "INBOX".to_owned(),
        Name::Other(other) => String::from_utf8_lossy(other.as_ref()).into_owned(),
    }
}

fn message_bytes<'m>(message: &'m imap_next::imap_types::extensions::binary::LiteralOrLiteral8<'m>) -> &'m [u8] {
    use imap_next::imap_types::extensions::binary::LiteralOrLiteral8;
    match message {
        LiteralOrLiteral8::Literal(literal) => literal.as_ref(),
        LiteralOrLiteral8::Literal8(literal) => literal.data.as_ref(),
    }
}

/// Visits the letters of a set with their numbers.
fn for_each(folder: &mut Folder, set: &SequenceSet, by_uid: bool, mut visit: impl FnMut(u32, &mut super::Kept)) {
    let (all, largest) = (count(folder), folder.letters.last().map_or(0, |letter| letter.uid));
    for (seq, letter) in (1..).zip(&mut folder.letters) {
        let (number, last) = if by_uid { (letter.uid, largest) } else { (seq, all) };
        if holds(set, number, last) {
            visit(seq, letter);
        }
    }
}

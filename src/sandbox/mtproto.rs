//! Telegram accounts: the side of Telegram that user applications speak to, without the encryption of `MTProto`.
//!
//! `GET /mtproto` tells `{port}`. On that port frames go both ways: four bytes of length, eight bytes of a number, four
//! bytes of a data centre, the body; all numbers little-endian. The first frame has the number 0 and carries the 256 bytes of
//! the authorization key. Each further one is a call, its body a function of the schema; the answer has the same number and
//! carries the result, or `rpc_error`. Frames with the number 0 carry updates. A key that is used on two lines at once is
//! void from then on, as Telegram has it.

pub(crate) mod account;
mod calls;
mod change;
mod chat;
pub(crate) mod difference;
pub(crate) mod file;
pub(crate) mod group;
pub(crate) mod login;
pub(crate) mod people;
pub(crate) mod react;
mod socket;
mod srp;
pub(crate) mod tl;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use self::account::Account;
use super::answer::Answer;
use super::state::Sandbox;

pub(super) use socket::listen;

/// The name under which faults and the ledger know it.
pub(crate) const VENDOR: &str = "mtproto";

/// The data centre where every account lives.
const HOME: i64 = 2;

/// A key that lines are opened with.
#[derive(Debug, Default)]
pub(crate) struct Key {
    /// Whose it is, once somebody signed in.
    pub(crate) account: Option<i64>,
    /// The account whose password is awaited.
    awaits: Option<i64>,
    /// It was used on two lines at once.
    duplicated: bool,
    /// Data centres besides the home where it may fetch.
    centres: Vec<i64>,
}

/// A line that is open.
#[derive(Debug)]
struct Line {
    key: String,
    /// Frames that go out: number and body; none closes the line.
    out: UnboundedSender<Option<(u64, Vec<u8>)>>,
}

/// A code that was sent to a phone.
#[derive(Debug)]
struct Code {
    hash: String,
    digits: String,
    until: i64,
}

/// Everything of Telegram's.
#[derive(Debug, Default)]
pub(crate) struct Mtproto {
    port: u16,
    next_line: u64,
    lines: HashMap<u64, Line>,
    /// By the key in hexadecimal digits.
    pub(crate) keys: HashMap<String, Key>,
    /// By the number of the person.
    pub(crate) accounts: HashMap<i64, Account>,
    codes: HashMap<String, Code>,
    /// Tokens of QR codes: the key that asked, until when, and who accepted.
    tokens: HashMap<String, (String, i64, Option<i64>)>,
    /// Codes to fetch from another data centre with.
    exports: HashMap<String, i64>,
    /// Parts that were uploaded, by file and part.
    parts: HashMap<i64, std::collections::BTreeMap<i64, Vec<u8>>>,
    /// Whole files, by number.
    files: HashMap<i64, file::Kept>,
}

/// An error as Telegram tells it.
#[derive(Debug)]
pub(crate) struct Trouble(pub(crate) i32, pub(crate) String);

impl Trouble {
    fn bad(name: &str) -> Self {
        Self(400, name.to_owned())
    }
}

/// What a call answers.
type Told = Result<Value, Trouble>;

impl Mtproto {
    /// Forgets everybody; the port stays.
    pub(crate) fn clear(&mut self) {
        for line in self.lines.values() {
            let _ = line.out.send(None);
        }
        *self = Self { port: self.port, next_line: self.next_line, ..Self::default() };
    }

    /// Says where it listens.
    pub(crate) const fn set_port(&mut self, port: u16) {
        self.port = port;
    }

    /// How many lines of an account are open.
    pub(crate) fn lines_of(&self, account: i64) -> usize {
        let theirs = |line: &&Line| self.keys.get(&line.key).is_some_and(|key| key.account == Some(account));
        self.lines.values().filter(theirs).count()
    }

    /// Closes the lines of an account, as a network does that breaks.
    pub(crate) fn hang_up(&self, account: i64) -> usize {
        let these =
            self.lines.values().filter(|line| self.keys.get(&line.key).is_some_and(|key| key.account == Some(account)));
        these.filter(|line| line.out.send(None).is_ok()).count()
    }

    /// Tells the lines of an account what may be no update at all.
    pub(crate) fn tell_bytes(&self, account: i64, bytes: &[u8]) {
        let theirs = |line: &&Line| self.keys.get(&line.key).is_some_and(|key| key.account == Some(account));
        for line in self.lines.values().filter(theirs) {
            let _ = line.out.send(Some((0, bytes.to_vec())));
        }
    }

    /// Tells the lines of an account something, except the one that caused it.
    fn tell(&self, account: i64, but: Option<u64>, update: &Value) {
        let Ok(bytes) = tl::schema().write("Updates", update) else {
            tracing::error!(%update, "an update that the schema does not know");
            return;
        };
        for (number, line) in &self.lines {
            let theirs = self.keys.get(&line.key).is_some_and(|key| key.account == Some(account) && !key.duplicated);
            if theirs && but != Some(*number) {
                let _ = line.out.send(Some((0, bytes.clone())));
            }
        }
    }
}

/// `GET /mtproto`.
pub(crate) fn where_it_is(sandbox: &Arc<Sandbox>) -> Answer {
    Answer::json(200, json!({"port": sandbox.mtproto.lock().port}))
}

fn text<'v>(call: &'v Value, name: &str) -> &'v str {
    call.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn whole(call: &Value, name: &str) -> i64 {
    call.get(name).and_then(Value::as_i64).unwrap_or_default()
}

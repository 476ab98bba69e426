//! A mailbox over IMAP: the login, the folders, letters and their parts.

use std::time::Duration;

use async_imap::Session;
use async_imap::error::Error;
use async_imap::types::{Fetch, NameAttribute};
use futures_util::TryStreamExt as _;

use super::account::{Account, Proof};
use super::door::{self, At, Tongue, Trouble, within};
use super::strait::Strait;
use crate::messenger::Wire;

/// A mailbox that is open.
pub(super) struct Mailbox {
    /// None while the server is listened to.
    pub(super) session: Option<Session<Strait>>,
    pub(super) deadline: Duration,
    /// The folder that letters come into.
    pub(super) inbox: String,
    /// The folder of sent letters, where the owner named it.
    sent: Option<String>,
}

/// A folder as it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Folder {
    /// A change of it makes every UID void.
    pub(super) validity: u32,
    /// The UID that the next letter will get.
    pub(super) next: u32,
}

/// The folders beside the inbox, by the names that IMAP has for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Others {
    /// Letters from us.
    pub(super) sent: Option<String>,
    /// What the server takes for spam.
    pub(super) junk: Option<String>,
}

/// A letter that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) uid: u32,
    pub(super) size: u32,
}

/// Names of the folder of sent letters, where the server does not mark it.
const SENT: [&str; 8] = [
    "Sent",
    "Sent Messages",
    "Sent Items",
    "[Gmail]/Sent Mail",
    "INBOX.Sent",
    "INBOX/Sent",
    // «Отправленные», in modified UTF-7
    "&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-",
    "[Gmail]/&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-",
];

/// Names of the folder of spam, where the server does not mark it.
const JUNK: [&str; 9] = [
    "Spam",
    "Junk",
    "Junk E-mail",
    "[Gmail]/Spam",
    "INBOX.Spam",
    "INBOX/Spam",
    "INBOX.Junk",
    // «Спам», in modified UTF-7
    "&BCEEPwQwBDw-",
    "[Gmail]/&BCEEPwQwBDw-",
];

impl Mailbox {
    /// Connects and logs in.
    pub(super) async fn enter(wire: &Wire, account: &Account) -> Result<Self, Trouble> {
        let deadline = wire.http.limits().deadline;
        let line = door::open(wire, &account.imap, Tongue::Imap).await?;
        let session = within(deadline, login(line, account)).await?;
        let inbox = account.folders.inbox.as_deref().map_or_else(|| "INBOX".to_owned(), encoded);
        Ok(Self { session: Some(session), deadline, inbox, sent: account.folders.sent.as_deref().map(encoded) })
    }

    /// Opens a folder for reading: nothing is marked as read by it.
    pub(super) async fn examine(&mut self, name: &str) -> Result<Folder, Trouble> {
        let deadline = self.deadline;
        let session = self.session()?;
        let opened = within(deadline, async { session.examine(name).await.map_err(talk) }).await?;
        let validity = opened.uid_validity.unwrap_or(1);
        let next = match opened.uid_next {
            Some(next) => next,
            None if opened.exists == 0 => 1,
            None => self.found("*").await?.last().map_or(1, |last| last.uid.saturating_add(1)),
        };
        Ok(Folder { validity, next })
    }

    /// The folder of sent letters, where there is one.
    pub(super) async fn sent_folder(&mut self) -> Result<Option<String>, Trouble> {
        match &self.sent {
            Some(named) => Ok(Some(named.clone())),
            None => Ok(self.others().await?.sent),
        }
    }

    /// The folders beside the inbox, where they are: of sent letters, which the owner may have named, and of what the server takes for
    /// spam. The server is asked once for both.
    pub(super) async fn others(&mut self) -> Result<Others, Trouble> {
        let deadline = self.deadline;
        let session = self.session()?;
        let names = within(deadline, async {
            let names = session.list(Some(""), Some("*")).await.map_err(talk)?;
            names.try_collect::<Vec<_>>().await.map_err(talk)
        });
        let names = names.await?;
        // the mark of the server (RFC 6154) goes before a name that is known
        let find = |mark: &NameAttribute<'_>, known: &[&str]| {
            let marked = names.iter().find(|name| name.attributes().contains(mark));
            let known = || known.iter().find_map(|known| names.iter().find(|name| name.name() == *known));
            marked.or_else(known).map(|name| name.name().to_owned())
        };
        let sent = self.sent.clone().or_else(|| find(&NameAttribute::Sent, &SENT));
        Ok(Others { sent, junk: find(&NameAttribute::Junk, &JUNK).filter(|junk| *junk != self.inbox) })
    }

    /// The letters of a set of UIDs, in their order. A server that has many of them may take longer than for one answer.
    pub(super) async fn found(&mut self, uids: &str) -> Result<Vec<Found>, Trouble> {
        let deadline = self.deadline * 4;
        let session = self.session()?;
        let found = within(deadline, async {
            let letters = session.uid_fetch(uids, "(UID RFC822.SIZE)").await.map_err(talk)?;
            let of = |letter: Fetch| Some(Found { uid: letter.uid?, size: letter.size.unwrap_or(u32::MAX) });
            letters
                .try_filter_map(|letter| std::future::ready(Ok(of(letter))))
                .try_collect::<Vec<_>>()
                .await
                .map_err(talk)
        });
        let mut found = found.await?;
        found.sort_unstable_by_key(|letter| letter.uid);
        found.dedup_by_key(|letter| letter.uid);
        Ok(found)
    }

    /// The UIDs that a search finds.
    pub(super) async fn search(&mut self, query: &str) -> Result<Vec<u32>, Trouble> {
        let deadline = self.deadline * 4;
        let session = self.session()?;
        let found = within(deadline, async { session.uid_search(query).await.map_err(talk) }).await?;
        let mut found: Vec<u32> = found.into_iter().collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Parts of one letter, as the query names them; none where the letter is gone. `most` is what a part may have in bytes.
    pub(super) async fn fetch(&mut self, uid: u32, query: &str, most: u64) -> Result<Option<Fetch>, Trouble> {
        // a large part takes its time
        let deadline = if most > (2 << 20) { self.deadline * 10 } else { self.deadline * 2 };
        let session = self.session()?;
        session.as_mut().let_through(most);
        let fetched = within(deadline, async {
            let letters = session.uid_fetch(uid.to_string(), query).await.map_err(talk)?;
            letters.try_collect::<Vec<_>>().await.map_err(talk)
        });
        Ok(fetched.await?.into_iter().find(|letter| letter.uid == Some(uid)))
    }

    /// Says goodbye, in good form where the server lets us.
    pub(super) async fn leave(mut self) {
        let limit = self.deadline.min(Duration::from_secs(2));
        if let Some(session) = &mut self.session {
            let _ = tokio::time::timeout(limit, session.logout()).await;
        }
    }

    /// The session; there is none after a wait that went wrong.
    pub(super) fn session(&mut self) -> Result<&mut Session<Strait>, Trouble> {
        self.session.as_mut().ok_or_else(|| Trouble::new(At::Talk, "the connection is gone"))
    }
}

/// The name of a folder as IMAP has it (RFC 3501, 5.1.3): what is not ASCII stands in UTF-16 and in base64 of its own. A name that
/// is written so already stays.
pub(super) fn encoded(name: &str) -> String {
    use base64::Engine as _;
    use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};

    const TEXT: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::IMAP_MUTF7, NO_PAD);
    let is_so_already = name.is_ascii() && name.split_once('&').is_some_and(|(_, rest)| rest.contains('-'));
    if is_so_already {
        return name.to_owned();
    }
    let (mut whole, mut foreign) = (String::new(), Vec::new());
    // the blank at the end closes what is open
    for c in name.chars().chain([' ']) {
        if !matches!(c, ' '..='~') {
            let mut units = [0; 2];
            foreign.extend(c.encode_utf16(&mut units).iter().flat_map(|unit| unit.to_be_bytes()));
            continue;
        }
        if !foreign.is_empty() {
            whole.extend(["&", &TEXT.encode(std::mem::take(&mut foreign)), "-"]);
        }
        whole.push(c);
        if c == '&' {
            whole.push('-');
        }
    }
    whole.pop();
    whole
}

async fn login(line: Strait, account: &Account) -> Result<Session<Strait>, Trouble> {
    let mut client = async_imap::Client::new(line);
    let greeting = client.read_response().await.map_err(|error| Trouble::new(At::Talk, error))?;
    if greeting.is_none() {
        return Err(Trouble::new(At::Talk, "the server closed the connection"));
    }
    let entered = match &account.proof {
        Proof::Password(password) => client.login(&account.login, password).await,
        Proof::Token(token) => client.authenticate("XOAUTH2", Xoauth2::of(&account.login, &token.access)).await,
    };
    entered.map_err(|(error, _)| refused_login(error))
}

/// A refusal of the login is the owner's matter, unless the server says that it is its own.
fn refused_login(error: Error) -> Trouble {
    match error {
        Error::No(said) | Error::Bad(said) => {
            let passing = ["UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "temporar", "Too many"];
            let at = if passing.iter().any(|word| said.contains(word)) { At::Talk } else { At::Login };
            Trouble::new(at, said)
        }
        // the password has a character that no command can carry
        Error::Validate(error) => Trouble::new(At::Login, error),
        other => talk(other),
    }
}

pub(super) fn talk(error: Error) -> Trouble {
    Trouble::new(At::Talk, error)
}

/// The answer of XOAUTH2: the token first, and an empty line to the challenge that says what was wrong with it.
struct Xoauth2(Option<String>);

impl Xoauth2 {
    fn of(login: &str, token: &str) -> Self {
        Self(Some(xoauth2(login, token)))
    }
}

impl async_imap::Authenticator for Xoauth2 {
    type Response = String;

    fn process(&mut self, _challenge: &[u8]) -> String {
        self.0.take().unwrap_or_default()
    }
}

/// What XOAUTH2 says first, before it is encoded.
pub(super) fn xoauth2(login: &str, token: &str) -> String {
    format!("user={login}\u{1}auth=Bearer {token}\u{1}\u{1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_folders_are_written_as_imap_has_them() {
        for (name, written) in [
            ("INBOX", "INBOX"),
            ("Отправленные", "&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-"),
            ("Спам", "&BCEEPwQwBDw-"),
            ("[Gmail]/Отправленные", "[Gmail]/&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-"),
            ("&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-", "&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-"),
            // the examples of RFC 3501
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("Q&A", "Q&-A"),
            ("a b", "a b"),
        ] {
            assert_eq!(encoded(name), written, "{name}");
        }
    }
}

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
}

/// A folder as it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Folder {
    /// A change of it makes every UID void.
    pub(super) validity: u32,
    /// The UID that the next letter will get.
    pub(super) next: u32,
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

impl Mailbox {
    /// Connects and logs in.
    pub(super) async fn enter(wire: &Wire, account: &Account) -> Result<Self, Trouble> {
        let deadline = wire.http.limits().deadline;
        let line = door::open(wire, &account.imap, Tongue::Imap).await?;
        let session = within(deadline, login(line, account)).await?;
        Ok(Self { session: Some(session), deadline })
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
        let deadline = self.deadline;
        let session = self.session()?;
        let names = within(deadline, async {
            let names = session.list(Some(""), Some("*")).await.map_err(talk)?;
            names.try_collect::<Vec<_>>().await.map_err(talk)
        });
        let names = names.await?;
        let marked = names.iter().find(|name| name.attributes().contains(&NameAttribute::Sent));
        let known = || SENT.iter().find_map(|sent| names.iter().find(|name| name.name() == *sent));
        Ok(marked.or_else(known).map(|name| name.name().to_owned()))
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

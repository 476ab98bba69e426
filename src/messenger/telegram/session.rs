//! What an account is signed in with: the data centres with their keys. The key is the account, so all of this is a secret.

use std::collections::HashMap;
use std::convert::Infallible;

use grammers_session::types::{DcOption, PeerId, PeerInfo, UpdateState, UpdatesState};
use grammers_session::{BoxFuture, SessionData};
use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The session as it is kept among the secrets of a channel, and between the steps of attaching.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Our application at Telegram.
    pub(super) api_id: i32,
    /// The data centre of the account.
    pub(super) home: i32,
    /// The data centres that we have a key of.
    pub(super) centres: Vec<Centre>,
    /// The number of the person.
    #[serde(default)]
    pub(super) me: i64,
}

/// A data centre.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Centre {
    id: i32,
    at: String,
    key: String,
}

impl std::fmt::Debug for Centre {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Centre").field("id", &self.id).field("at", &self.at).finish_non_exhaustive()
    }
}

impl Kept {
    /// The session of a channel; none where its secrets hold none.
    pub(super) fn of(secrets: &SecretString) -> Option<Self> {
        serde_json::from_str(secrets.expose_secret()).ok()
    }

    /// A name for the session that gives nothing away. None where nobody is signed in.
    pub(super) fn name(&self) -> Option<String> {
        let home = self.centres.iter().find(|centre| centre.id == self.home)?;
        Some(hex::encode(Sha256::digest(home.key.as_bytes())))
    }
}

/// The session of an open connection, as the library reads and writes it.
#[derive(Debug)]
pub(super) struct Session(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    api_id: i32,
    home: i32,
    options: HashMap<i32, DcOption>,
}

impl Session {
    /// A session that nobody signed in with.
    pub(super) fn fresh(api_id: i32) -> Self {
        let SessionData { home_dc, dc_options, .. } = SessionData::default();
        Self(Mutex::new(Inner { api_id, home: home_dc, options: dc_options }))
    }

    /// The session that was kept.
    pub(super) fn open(kept: &Kept) -> Self {
        let session = Self::fresh(kept.api_id);
        {
            let mut inner = session.0.lock();
            inner.home = kept.home;
            for centre in &kept.centres {
                let Some(option) = inner.options.get_mut(&centre.id) else { continue };
                option.auth_key = hex::decode(&centre.key).ok().and_then(|key| key.try_into().ok());
                option.ipv4 = centre.at.parse().unwrap_or(option.ipv4);
            }
        }
        session
    }

    /// What is to be kept of it.
    pub(super) fn keep(&self, me: i64) -> Kept {
        let inner = self.0.lock();
        let mut centres: Vec<Centre> = inner
            .options
            .values()
            .filter_map(|option| {
                let key = hex::encode(option.auth_key?);
                Some(Centre { id: option.id, at: option.ipv4.to_string(), key })
            })
            .collect();
        centres.sort_unstable_by_key(|centre| centre.id);
        Kept { api_id: inner.api_id, home: inner.home, centres, me }
    }

    pub(super) fn api_id(&self) -> i32 {
        self.0.lock().api_id
    }

    pub(super) fn home(&self) -> i32 {
        self.0.lock().home
    }

    pub(super) fn set_home(&self, centre: i32) {
        self.0.lock().home = centre;
    }

    /// The key of a data centre; where there is none, what `make` makes becomes it.
    pub(super) fn key(&self, centre: i32, make: impl FnOnce() -> [u8; 256]) -> Option<[u8; 256]> {
        let mut inner = self.0.lock();
        let option = inner.options.get_mut(&centre)?;
        Some(*option.auth_key.get_or_insert_with(make))
    }
}

impl grammers_session::Session for Session {
    type Error = Infallible;

    fn home_dc_id(&self) -> Result<i32, Infallible> {
        Ok(self.home())
    }

    fn set_home_dc_id(&self, dc_id: i32) -> BoxFuture<'_, Result<(), Infallible>> {
        self.set_home(dc_id);
        Box::pin(async { Ok(()) })
    }

    fn dc_option(&self, dc_id: i32) -> Result<Option<DcOption>, Infallible> {
        Ok(self.0.lock().options.get(&dc_id).cloned())
    }

    fn set_dc_option(&self, dc_option: &DcOption) -> BoxFuture<'_, Result<(), Infallible>> {
        self.0.lock().options.insert(dc_option.id, dc_option.clone());
        Box::pin(async { Ok(()) })
    }

    /// People are kept in `book.rs`: the connections ask for none.
    fn peer(&self, _peer: PeerId) -> BoxFuture<'_, Result<Option<PeerInfo>, Infallible>> {
        Box::pin(async { Ok(None) })
    }

    fn cache_peer(&self, _peer: PeerInfo) -> BoxFuture<'_, Result<(), Infallible>> {
        Box::pin(async { Ok(()) })
    }

    /// The state of updates is the place where listening goes on from.
    fn updates_state(&self) -> BoxFuture<'_, Result<UpdatesState, Infallible>> {
        Box::pin(async { Ok(UpdatesState::default()) })
    }

    fn set_update_state(&self, _update: UpdateState) -> BoxFuture<'_, Result<(), Infallible>> {
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_kept_and_opened_again() {
        let session = Session::fresh(7);
        assert_eq!(session.keep(0).name(), None);
        session.set_home(4);
        let key = session.key(4, || [9; 256]).unwrap();
        assert_eq!(session.key(4, || [1; 256]).unwrap(), key);
        let kept = session.keep(42);
        let text = serde_json::to_string(&kept).unwrap();
        let again = Kept::of(&SecretString::from(text)).unwrap();
        assert_eq!(again, kept);
        assert_eq!(Session::open(&again).keep(42), kept);
        assert_eq!((Session::open(&again).home(), Session::open(&again).api_id()), (4, 7));
        assert!(!format!("{kept:?}").contains("0909"), "a key is never shown");
        assert_eq!(Kept::of(&SecretString::from("{}".to_owned())), None);
    }
}

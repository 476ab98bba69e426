//! What a messenger hears on its own connection: it is written down with the place to go on from, and worked like any other
//! delivery.

use std::sync::atomic::{AtomicBool, Ordering};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::app::App;
use crate::flow::renew::{self, Renewed};
use crate::flow::{credentials, intake, perform};
use crate::messenger::{self, Boxed, Deaf, Ear, Heard};
use crate::model::id::{ChannelId, CompanyId};
use crate::model::message::Kind;
use crate::model::moment::Moment;
use crate::model::vendor::Answer;
use crate::store::row::{ChannelRow, text, value};
use crate::store::{Conn, Result, StoreError, owner};

/// What is not read within this is not asked about any more.
const UNREAD_MS: i64 = 24 * 3_600_000;

/// So many chats are asked about at most.
const UNREAD_CHATS: i64 = 500;

/// The messengers that listen, or ask for what they may have missed, as they are written in the table.
#[must_use]
pub fn messengers() -> Vec<&'static str> {
    let catalogue = messenger::catalogue().iter();
    let listens = catalogue.filter(|one| one.about().abilities.listens || one.catches_up()).map(|one| one.about());
    listens.map(|about| about.kind.slug()).collect()
}

/// The messengers where everything of a channel goes over the one connection that it listens on.
#[must_use]
pub fn one_lined() -> Vec<&'static str> {
    messenger::catalogue().iter().filter(|one| one.one_line()).map(|one| one.about().kind.slug()).collect()
}

/// Whether everything of such a channel goes over the one connection that it listens on.
#[must_use]
pub fn has_one_line(messenger: &str) -> bool {
    Kind::from_slug(messenger).and_then(messenger::of).is_some_and(messenger::Messenger::one_line)
}

/// Listens on a channel until its connection ends, on behalf of the process `owner`. Gives back why it ended, and whether
/// the connection ever stood.
///
/// # Errors
/// Those of the store.
pub(crate) async fn listen(app: &App, channel: &ChannelRow, owner: &str) -> Result<(Answer, bool)> {
    let gone = |table| StoreError::Unreadable { table, what: "it names nobody that is known".to_owned() };
    let messenger = Kind::from_slug(&channel.messenger).and_then(messenger::of).ok_or_else(|| gone("channels"))?;
    let id: ChannelId = channel.id.parse().map_err(|_| gone("channels"))?;
    let company: CompanyId = channel.company.parse().map_err(|_| gone("channels"))?;
    let wire = perform::wire(app, channel)?;
    let kept = app
        .store
        .write(move |conn| {
            crate::on!(conn, listening::enter(company, id))?;
            crate::on!(conn, listening::cursor(id))
        })
        .await?;
    let cursor = kept.map(|kept| value("listenings", &kept)).transpose()?.unwrap_or(Value::Null);
    let ear = ChannelEar { app, channel, id, owner, stood: AtomicBool::new(false) };
    let answer = messenger.listen(&wire, cursor, &ear).await;
    Ok((answer, ear.stood.load(Ordering::Relaxed)))
}

/// Renews the credentials of a channel that were refused, where they can be renewed.
///
/// # Errors
/// Those of the store.
pub(crate) async fn renew(app: &App, channel: &ChannelRow) -> Result<Renewed> {
    let company = channel.company.parse().ok();
    match (company, Kind::from_slug(&channel.messenger).and_then(messenger::of)) {
        (Some(company), Some(messenger)) => renew::renew(app, company, channel, messenger).await,
        _ => Ok(Renewed::Never),
    }
}

/// Writes down why a channel does not listen.
///
/// # Errors
/// Those of the store.
pub(crate) async fn set_away(app: &App, id: ChannelId, why: &str) -> Result<()> {
    let (why, now) = (why.to_owned(), app.clock.now().0);
    app.store.write(move |conn| crate::on!(conn, listening::set_error(id, &why, now))).await
}

/// The ear of one channel.
struct ChannelEar<'e> {
    app: &'e App,
    channel: &'e ChannelRow,
    id: ChannelId,
    owner: &'e str,
    stood: AtomicBool,
}

impl ChannelEar<'_> {
    async fn write(&self, heard: Heard) -> Result<()> {
        let hooks = intake::rows(self.app, self.channel, &heard.events)?;
        let (cursor, owner, id) = (text(&heard.cursor)?, self.owner.to_owned(), self.id);
        let (gap, now) = (heard.gap, self.app.clock.now().0);
        let news = self
            .app
            .store
            .write(move |conn| {
                still_ours(conn, &owner)?;
                let mut news = 0;
                for hook in &hooks {
                    news += usize::from(crate::on!(conn, hook::write(hook))?);
                }
                crate::on!(conn, listening::advance(id, &cursor, !hooks.is_empty(), now))?;
                if gap {
                    crate::on!(conn, listening::set_gap(id, now))?;
                }
                Ok(news)
            })
            .await?;
        if news > 0 {
            self.app.bell.feed();
        }
        if gap {
            tracing::warn!(channel = self.channel.id, "messages may have been missed");
        }
        Ok(())
    }
}

/// Inside the transaction a process that listens cannot be struck out, so its heir begins where it ended.
fn still_ours(conn: &mut Conn, owner: &str) -> Result<()> {
    if matches!(conn, Conn::Postgres(_)) && !owner::is_alive(conn, owner)? {
        return Err(StoreError::Fenced);
    }
    Ok(())
}

impl Ear for ChannelEar<'_> {
    fn hear(&self, heard: Heard) -> Boxed<'_, Result<(), Deaf>> {
        Box::pin(async move { self.write(heard).await.map_err(|error| Deaf(error.to_string())) })
    }

    fn note(&self, notes: Vec<(String, String)>) -> Boxed<'_, Result<(), Deaf>> {
        Box::pin(async move {
            let (id, place) = (self.id, self.channel.id.as_str());
            let sealed: Vec<(String, String)> = notes
                .into_iter()
                .map(|(name, value)| (name, credentials::seal(self.app, "notes", place, &SecretString::from(value))))
                .collect();
            let Ok(company) = self.channel.company.parse::<CompanyId>() else { return Ok(()) };
            let written = self.app.store.write(move |conn| crate::on!(conn, note::keep(company, id, &sealed)));
            written.await.map_err(|error| Deaf(error.to_string()))
        })
    }

    fn notes(&self) -> Boxed<'_, Result<Vec<(String, String)>, Deaf>> {
        Box::pin(async move {
            let id = self.id;
            let kept = self.app.store.read(move |conn| crate::on!(conn, note::of_channel(id))).await;
            let open = |(name, sealed): (String, String)| {
                let value = credentials::open(self.app, "notes", &self.channel.id, &sealed)?;
                Ok((name, value.expose_secret().to_owned()))
            };
            let opened = kept.and_then(|kept| kept.into_iter().map(open).collect::<Result<Vec<_>>>());
            opened.map_err(|error| Deaf(error.to_string()))
        })
    }

    fn connected(&self) -> Boxed<'_, ()> {
        Box::pin(async move {
            self.stood.store(true, Ordering::Relaxed);
            let (id, now) = (self.id, self.app.clock.now().0);
            let written = self.app.store.write(move |conn| crate::on!(conn, listening::set_connected(id, now))).await;
            if let Err(error) = written {
                tracing::warn!(%error, channel = self.channel.id, "that a channel listens could not be written down");
            }
        })
    }

    fn unread(&self) -> Boxed<'_, Vec<(String, Moment)>> {
        Box::pin(async move {
            let (id, since) = (self.id, self.app.clock.now().plus_ms(-UNREAD_MS).0);
            let found =
                self.app.store.read(move |conn| crate::on!(conn, message::unread_chats(id, since, UNREAD_CHATS)));
            match found.await {
                Ok(chats) => chats.into_iter().map(|(chat, at)| (chat, Moment(at))).collect(),
                Err(error) => {
                    tracing::warn!(%error, channel = self.channel.id, "what is unread could not be looked up");
                    Vec::new()
                }
            }
        })
    }

    fn rest(&self, ms: i64) -> Boxed<'_, ()> {
        let clock = &self.app.clock;
        Box::pin(async move { clock.sleep_until(clock.tick().plus_ms(ms)).await })
    }

    fn now(&self) -> Moment {
        self.app.clock.now()
    }
}

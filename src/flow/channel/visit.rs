//! A sign-in at a vendor's page: the person is sent there with a word of ours, and comes back with it to a page of ours that
//! serves all vendors. The word is good once, for a while, and for whoever was sent.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::kept::{self, Kept};
use super::{Attached, ChannelError, Step, go_on};
use crate::app::App;
use crate::messenger::{self, AttachError};
use crate::model::id::{CompanyId, LineId, UserId};
use crate::model::message::Kind;
use crate::net::signature::same_secret;
use crate::store::row::VisitRow;

/// So long a person may take at the vendor's page.
pub const GOOD_MS: i64 = 20 * 60_000;

/// The most that an address brings back, names and values together.
const LONGEST: usize = 16_384;

/// Where the page of a vendor leads back to: the same for all of them, since people type it into consoles.
#[must_use]
pub fn return_url(app: &App) -> String {
    format!("{}/attach/return", app.config.server.public_url)
}

/// What came of coming back, and where the dialogue goes on.
pub struct Returned {
    /// The line.
    pub line: LineId,
    /// Which messenger.
    pub messenger: Kind,
    /// The next step.
    pub attached: Attached,
}

/// Goes on with the attaching that an answer of a vendor's page belongs to.
///
/// # Errors
/// [`ChannelError`]; where nobody was sent there, or came back before, it says to begin again.
pub(crate) async fn come_back(
    app: &App,
    company: CompanyId,
    user: UserId,
    answers: Map<String, Value>,
) -> Result<Returned, ChannelError> {
    let size: usize = answers.iter().map(|(name, value)| name.len() + value.as_str().map_or(0, str::len)).sum();
    let state = answers.get("state").and_then(Value::as_str).unwrap_or_default();
    if state.is_empty() || size > LONGEST {
        return Err(over().into());
    }
    let row = end(app, company, state).await?;
    if row.user_id.as_deref() != Some(user.to_string().as_str()) {
        return Err(over().into());
    }
    let kind = Kind::from_slug(&row.messenger).ok_or(ChannelError::NotFound)?;
    let messenger = messenger::of(kind).ok_or(ChannelError::NotFound)?;
    let line = row.line;
    let found = app.store.read(move |conn| crate::on!(conn, line::by_id(company, line))).await?;
    found.ok_or(ChannelError::NotFound)?;
    let kept = kept::open(app, (company, line, kind), &row.kept)?;
    let step = Step { answers, by: Some(user), ..Step::default() };
    let attached = go_on(app, (company, line), messenger, kept, &step).await?;
    Ok(Returned { line, messenger: kind, attached })
}

/// Somebody is sent to a vendor's page.
pub(super) async fn begin(
    app: &App,
    (company, line, kind): (CompanyId, LineId, Kind),
    by: Option<UserId>,
    kept: &Kept,
) -> Result<(), ChannelError> {
    let row = VisitRow {
        digest: digest(kept.state.as_deref().unwrap_or_default()),
        company: company.to_string(),
        user_id: by.map(|user| user.to_string()),
        line,
        messenger: kind.slug().to_owned(),
        kept: kept::seal(app, (company, line, kind), kept)?,
        created_at: app.clock.now().0,
    };
    Ok(app.store.write(move |conn| crate::on!(conn, visit::begin(&row))).await?)
}

/// A program that was told to send somebody brings the answer itself, beside what it was given to keep.
pub(super) async fn check(
    app: &App,
    company: CompanyId,
    state: &str,
    answers: &Map<String, Value>,
) -> Result<(), ChannelError> {
    let given = answers.get("state").and_then(Value::as_str).unwrap_or_default();
    if !same_secret(state, given) {
        return Err(over().into());
    }
    end(app, company, state).await.map(|_| ())
}

async fn end(app: &App, company: CompanyId, state: &str) -> Result<VisitRow, ChannelError> {
    let (digest, since) = (digest(state), app.clock.now().plus_ms(-GOOD_MS).0);
    let row = app.store.write(move |conn| crate::on!(conn, visit::end(company, &digest, since))).await?;
    row.ok_or_else(|| over().into())
}

fn digest(state: &str) -> String {
    hex::encode(Sha256::digest(state.as_bytes()))
}

fn over() -> AttachError {
    AttachError::new(
        "",
        "Этот вход уже использован, устарел или начат другим сотрудником. Начните подключение заново.",
        "This sign-in was used already, is too old, or was begun by somebody else. Begin the attaching again.",
    )
}

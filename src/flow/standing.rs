//! What vendors think of accounts: quality, limits and templates. They are asked now and then, and at once where a vendor tells that
//! something changed, or answers as if a template were another than was listed.

use serde_json::{Map, Value};

use crate::app::App;
use crate::app::live::Topics;
use crate::flow::channel::ChannelError;
use crate::flow::{perform, template};
use crate::messenger::{self, Messenger};
use crate::model::id::{ChannelId, CompanyId};
use crate::model::message::Kind;
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::vendor::Answer;
use crate::store::row::{ChannelRow, StandingRow};
use crate::store::{Conn, Result};

/// Between two looks, in milliseconds: vendors tell of changes by themselves, a look finds what was not told.
const AGAIN_MS: i64 = 6 * 3_600_000;

/// A look that failed is taken again after so long.
const LATER_MS: i64 = 15 * 60_000;

/// A look is one process's for so long.
const TAKEN_MS: i64 = 5 * 60_000;

/// So many are taken in one round.
const AT_ONCE: i64 = 20;

/// Between two lists of templates that answers of the vendor call for.
const LISTS_MS: i64 = 10 * 60_000;

/// Asks the vendors of all channels that are due; tells of how many.
///
/// # Errors
/// Those of the store.
pub async fn round(app: &App) -> Result<usize> {
    let kinds: Vec<&str> = asked().map(|messenger| messenger.about().kind.slug()).collect();
    let now = app.clock.now().0;
    // attaching has just asked
    let first = Moment(now).plus_ms(AGAIN_MS).0;
    app.store.write(move |conn| crate::on!(conn, standing::begin(&kinds, first))).await?;
    let due = app.store.read(move |conn| crate::on!(conn, standing::due(now, AT_ONCE))).await?;
    let count = due.len();
    for row in due {
        let taken = row.clone();
        let until = Moment(now).plus_ms(TAKEN_MS).0;
        if app.store.write(move |conn| crate::on!(conn, standing::take(&taken, now, until))).await? {
            ask(app, &row, now).await?;
        }
    }
    Ok(count)
}

fn asked() -> impl Iterator<Item = &'static dyn Messenger> {
    messenger::catalogue().iter().copied().filter(|messenger| messenger.tells_standing())
}

async fn ask(app: &App, row: &StandingRow, now: i64) -> Result<()> {
    let (Ok(company), Ok(id)) = (row.company.parse::<CompanyId>(), row.channel.parse::<ChannelId>()) else {
        return Ok(());
    };
    if row.look_at <= now {
        look(app, company, id).await?;
    }
    if row.list_at.is_some_and(|at| at <= now) {
        list(app, company, id).await?;
    }
    Ok(())
}

/// Asks how an account stands, and keeps what is told.
async fn look(app: &App, company: CompanyId, id: ChannelId) -> Result<()> {
    let Some(channel) = app.store.read(move |conn| crate::on!(conn, channel::by_id(company, id))).await? else {
        return Ok(());
    };
    let Some(messenger) = Kind::from_slug(&channel.messenger).and_then(messenger::of) else { return Ok(()) };
    let told = messenger.standing(&perform::wire(app, &channel)?).await;
    let now = app.clock.now();
    let (looked_at, after_ms) = match &told {
        Ok(_) => (Some(now.0), AGAIN_MS),
        Err(Answer::Busy { after_ms, .. }) => (None, (*after_ms).max(LATER_MS)),
        Err(_) => (None, LATER_MS),
    };
    match told {
        Ok(told) => keep(app, company, id, &channel, told).await?,
        Err(answer) => {
            tracing::info!(channel = channel.id, ?answer, "a vendor does not tell how the account stands");
            // credentials that are refused here are refused everywhere
            perform::meet(app, company, &channel, answer).await?;
        }
    }
    let look_at = now.plus_ms(after_ms).0;
    app.store.write(move |conn| crate::on!(conn, standing::looked(&channel.id, look_at, looked_at))).await
}

/// Keeps what was told beside the other settings of the channel. Where somebody changes them at the same moment, the next look keeps it.
async fn keep(app: &App, company: CompanyId, id: ChannelId, row: &ChannelRow, told: Map<String, Value>) -> Result<()> {
    let before: Value = crate::store::row::value("channels", &row.settings)?;
    let mut settings = before.clone();
    if let Some(settings) = settings.as_object_mut() {
        settings.extend(told);
    }
    if settings == before {
        return Ok(());
    }
    let (secrets, old, account, new) =
        (row.secrets.clone(), row.settings.clone(), row.account.clone(), settings.to_string());
    let kept = app
        .store
        .write(move |conn| {
            crate::on!(conn, channel::configure(company, id, (&secrets, &old), (&secrets, &new, &account)))
        })
        .await?;
    if kept {
        app.live.touch(company, Topics::CHANNELS);
    }
    Ok(())
}

/// Lists the templates of an account anew.
async fn list(app: &App, company: CompanyId, id: ChannelId) -> Result<()> {
    let list_at = match template::sync(app, company, id).await {
        Ok(_) | Err(ChannelError::State | ChannelError::NotFound) => None,
        Err(ChannelError::Store(error)) => return Err(error),
        Err(error) => {
            tracing::info!(channel = %id, %error, "the templates of an account could not be listed; trying again later");
            Some(app.clock.now().plus_ms(LATER_MS).0)
        }
    };
    app.store.write(move |conn| crate::on!(conn, standing::listed(&id.to_string(), list_at))).await
}

/// The vendor told that something about the account of a channel changed: it is asked, for all channels of the account.
///
/// # Errors
/// Those of the database.
pub fn hurry(conn: &mut Conn, channel: &ChannelRow, now: Moment) -> Result<()> {
    let of_account = beside(conn, channel)?;
    crate::on!(conn, standing::hurry(&channel.company, &of_account, now.0))
}

/// The channels of the company that share the account of a channel at the vendor, itself among them.
///
/// # Errors
/// Those of the database.
pub fn beside(conn: &mut Conn, channel: &ChannelRow) -> Result<Vec<String>> {
    let of = |row: &ChannelRow| -> Option<String> {
        let messenger = Kind::from_slug(&row.messenger).and_then(messenger::of)?;
        messenger.shared(&serde_json::from_str(&row.settings).ok()?)
    };
    let (Some(account), Ok(company)) = (of(channel), channel.company.parse::<CompanyId>()) else {
        return Ok(vec![channel.id.clone()]);
    };
    let all = crate::on!(conn, channel::of_company(company))?;
    let same = all.into_iter().filter(|row| row.messenger == channel.messenger && of(row).as_ref() == Some(&account));
    Ok(same.map(|row| row.id).collect())
}

/// An answer as if a template were another than was listed: the list is asked for anew, where that was not done a moment ago.
///
/// # Errors
/// Those of the store.
pub async fn doubt(app: &App, id: ChannelId, answer: &Answer) -> Result<()> {
    let doubted = [Code::TemplateBad, Code::TemplateNotFound, Code::TemplateOff];
    if !matches!(answer, Answer::Refused { code, .. } if doubted.contains(code)) {
        return Ok(());
    }
    let at = app.clock.now().plus_ms(LISTS_MS).0;
    app.store.write(move |conn| crate::on!(conn, standing::list_anew(id, at))).await
}

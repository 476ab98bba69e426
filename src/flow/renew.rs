//! Credentials of a channel that ran out: renewed once for all tasks and all processes, kept before they are used.

use crate::app::App;
use crate::flow::{credentials, perform};
use crate::messenger::Messenger;
use crate::model::id::{ChannelId, CompanyId};
use crate::model::vendor::Answer;
use crate::store::row::ChannelRow;
use crate::store::{Result, StoreError};

/// The right to renew is held no longer than this, in milliseconds: longer than the call may take.
const RENEWAL_MS: i64 = 40_000;

/// Between two looks whether somebody else has renewed, in milliseconds.
const LOOK_MS: i64 = 200;

/// What came of renewing.
#[derive(Debug)]
pub enum Renewed {
    /// The channel has other credentials than before.
    Fresh(Box<ChannelRow>),
    /// They could not be renewed now; nothing is lost.
    Later(String),
    /// Only a person can help.
    Never,
}

/// Renews the credentials of a channel, as the caller read it. Where somebody else does it, waits for what comes of that.
///
/// # Errors
/// Those of the store.
pub(crate) async fn renew(
    app: &App,
    company: CompanyId,
    row: &ChannelRow,
    messenger: &dyn Messenger,
) -> Result<Renewed> {
    let wire = perform::wire(app, row)?;
    let Some(asked) = messenger.renew(&wire, app.clock.now()) else { return Ok(Renewed::Never) };
    let id: ChannelId = row.id.parse().map_err(|_| unreadable(row))?;
    let owner = uuid::Uuid::now_v7().simple().to_string();
    let began = app.clock.tick();
    loop {
        let (now, name, seen) = (app.clock.now(), owner.clone(), row.secrets.clone());
        let until = now.plus_ms(RENEWAL_MS).0;
        let leased = app
            .store
            .write(move |conn| crate::on!(conn, channel::lease_secrets(company, id, &seen, &name, now.0, until)))
            .await?;
        if leased {
            return keep(app, company, id, &owner, asked.await).await;
        }
        let known = app.store.read(move |conn| crate::on!(conn, channel::by_id(company, id))).await?;
        match known {
            Some(other) if other.secrets != row.secrets => return Ok(Renewed::Fresh(Box::new(other))),
            Some(other) if other.state == "connected" && app.clock.tick().since_ms(began) < RENEWAL_MS => {
                app.clock.sleep_until(app.clock.tick().plus_ms(LOOK_MS)).await;
            }
            Some(other) if other.state == "connected" => {
                return Ok(Renewed::Later("somebody else renews the credentials and does not end".to_owned()));
            }
            _ => return Ok(Renewed::Never),
        }
    }
}

/// Keeps what came of the call. A person who attached the channel meanwhile knows better.
async fn keep(
    app: &App,
    company: CompanyId,
    id: ChannelId,
    owner: &str,
    asked: std::result::Result<secrecy::SecretString, Answer>,
) -> Result<Renewed> {
    let owner = owner.to_owned();
    let secrets = match asked {
        Ok(secrets) => credentials::seal(app, "channels", &id.to_string(), &secrets),
        Err(answer) => {
            tracing::warn!(channel = %id, ?answer, "the credentials of a channel could not be renewed");
            app.store.write(move |conn| crate::on!(conn, channel::drop_lease(company, id, &owner))).await?;
            return Ok(match answer {
                Answer::Down { seen } | Answer::Unsure { seen, .. } => Renewed::Later(seen),
                Answer::Busy { .. } => Renewed::Later("the vendor asks to wait with renewing".to_owned()),
                Answer::Expired { .. } | Answer::Refused { .. } | Answer::Nobody { .. } | Answer::Done { .. } => {
                    Renewed::Never
                }
            });
        }
    };
    let known = app
        .store
        .write(move |conn| {
            crate::on!(conn, channel::keep_secrets(company, id, &owner, &secrets))?;
            crate::on!(conn, channel::by_id(company, id))
        })
        .await?;
    app.known.forget();
    Ok(known.map_or(Renewed::Never, |row| Renewed::Fresh(Box::new(row))))
}

fn unreadable(row: &ChannelRow) -> StoreError {
    StoreError::Unreadable { table: "channels", what: format!("{} is no id of a channel", row.id) }
}

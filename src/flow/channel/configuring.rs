//! A person changes what a channel was attached with, and does not attach it again.

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};

use super::{ChannelError, by_id};
use crate::app::App;
use crate::flow::{credentials, perform};
use crate::messenger::{self, AttachNext, Field};
use crate::model::id::{ChannelId, CompanyId};
use crate::model::message::Kind;
use crate::store::notice;

/// The fields of a channel's settings and what they are now, without secrets; none where its messenger has none to change.
///
/// # Errors
/// [`ChannelError`].
pub async fn settings(
    app: &App,
    company: CompanyId,
    id: ChannelId,
) -> Result<(&'static [Field], Map<String, Value>), ChannelError> {
    let row = by_id(app, company, id).await?;
    let messenger = Kind::from_slug(&row.messenger).and_then(messenger::of).ok_or(ChannelError::NotFound)?;
    let wire = perform::wire(app, &row)?;
    let values = messenger.settings(&wire).unwrap_or_default();
    let fields = if values.is_empty() { &[] } else { messenger.settings_form(&wire) };
    Ok((fields, values))
}

/// Changes the settings of a channel. What is not told stays, and so do secrets that are left empty.
///
/// # Errors
/// [`ChannelError::State`] where its messenger has none to change, or somebody else changed them just now.
pub async fn configure(
    app: &App,
    company: CompanyId,
    id: ChannelId,
    answers: Map<String, Value>,
) -> Result<(), ChannelError> {
    let row = by_id(app, company, id).await?;
    let messenger = Kind::from_slug(&row.messenger).and_then(messenger::of).ok_or(ChannelError::NotFound)?;
    let wire = perform::wire(app, &row)?;
    let (state, hook_key) = (row.state.clone(), row.hook_key.clone());
    let Some(asked) = messenger.configure(&wire, &answers) else { return Err(ChannelError::State) };
    let AttachNext::Done(done) = asked.await? else { return Err(ChannelError::State) };
    let (sealed, lane) = (credentials::seal(app, "channels", &row.id, &done.secrets), row.lane);
    let told_anew =
        messenger.announces() && state == "connected" && done.secrets.expose_secret() != wire.secrets.expose_secret();
    let (settings, account, cursor) = (done.settings.to_string(), done.account.clone(), done.first_cursor());
    let changed = app
        .store
        .write(move |conn| {
            let changed = crate::on!(
                conn,
                channel::configure(company, id, (&row.secrets, &row.settings), (&sealed, &settings, &account))
            )?;
            if changed && account != row.account {
                // another mailbox is read from its own end on
                crate::on!(conn, listening::begin_anew(id, cursor.as_deref()))?;
            }
            notice::changed(conn, row.lane)?;
            Ok(changed)
        })
        .await;
    match changed {
        Ok(true) => {}
        Ok(false) => return Err(ChannelError::State),
        Err(error) if error.is_duplicate() => return Err(ChannelError::Taken),
        Err(error) => return Err(error.into()),
    }
    app.known.forget();
    app.bell.changed(lane);
    if told_anew {
        super::announce(app, company, id, messenger, &hook_key).await?;
    }
    Ok(())
}

/// The settings of a channel that is attached again: a title that people gave it here stays.
pub(super) fn again(before: &str, settings: &Value) -> String {
    let before: Value = serde_json::from_str(before).unwrap_or_default();
    let mut settings = settings.clone();
    if let (Some(settings), Some(true)) = (settings.as_object_mut(), before.get("own_title").and_then(Value::as_bool)) {
        for name in ["title", "own_title"] {
            settings.extend(before.get(name).map(|kept| (name.to_owned(), kept.clone())));
        }
    }
    settings.to_string()
}

//! Linking a device: the address that the vendor is told stays the same at every try, and tries are counted, since whoever
//! asks for links too often without using them is taken for a spammer.

use super::ChannelError;
use crate::app::App;
use crate::messenger::AttachError;
use crate::model::id::{CompanyId, LineId};
use crate::model::message::Kind;
use crate::store::StoreError;
use crate::store::row::ChannelRow;

/// Tries of one linking within an hour.
const MOST_TRIES: i32 = 6;

const HOUR_MS: i64 = 3_600_000;

/// The address for a device that is to be linked: that of the channel which is attached again, or that of the line's
/// linking which was begun before and never came to an end.
pub(super) async fn key(
    app: &App,
    company: CompanyId,
    line: LineId,
    kind: Kind,
    again: Option<&ChannelRow>,
) -> Result<String, ChannelError> {
    let (fresh, now) = (fresh_key()?, app.clock.now());
    let named = again.map(|channel| channel.hook_key.clone());
    let slug = kind.slug();
    let tried = app
        .store
        .write(move |conn| {
            let begun = match &named {
                Some(key) => Some(key.clone()),
                None => crate::on!(conn, linking::open(company, line, slug))?,
            };
            let key = begun.unwrap_or_else(|| fresh.clone());
            let since = now.plus_ms(-HOUR_MS).0;
            let good = crate::on!(conn, linking::try_once((company, line, slug), &key, (since, now.0), MOST_TRIES))?;
            Ok(good.then_some(key))
        })
        .await?;
    tried.ok_or_else(|| ChannelError::Attach(too_often()))
}

/// The linking became a channel.
pub(super) async fn end(app: &App, company: CompanyId, hook_key: &str) -> Result<(), ChannelError> {
    let key = hook_key.to_owned();
    Ok(app.store.write(move |conn| crate::on!(conn, linking::end(company, &key))).await?)
}

fn too_often() -> AttachError {
    AttachError {
        field: "",
        ru: format!(
            "Привязку начинали больше {MOST_TRIES} раз за час, а это подозрительно для мессенджера. Подождите час и начните снова."
        ),
        en: format!(
            "The linking was begun more than {MOST_TRIES} times in an hour, which looks suspicious to the messenger. Wait an hour and begin again."
        ),
    }
}

/// A part of our address that nobody can guess.
pub(super) fn fresh_key() -> Result<String, ChannelError> {
    let mut bytes = [0u8; 20];
    getrandom::fill(&mut bytes).map_err(|_| StoreError::Closed)?;
    Ok(hex::encode(bytes))
}

//! The life of a channel.

use crate::app::App;
use crate::model::id::{ChannelId, CompanyId};
use crate::store::Result;

/// The credentials of a channel were refused for good: its lane stops, its queue stays.
///
/// # Errors
/// Those of the store.
pub async fn lose(app: &App, company: CompanyId, id: ChannelId, seen: &str) -> Result<()> {
    let _ = (app, company, id, seen);
    Ok(())
}

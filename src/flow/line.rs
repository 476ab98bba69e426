//! Lines: their hours are those of all their channels.

use crate::app::App;
use crate::model::id::{CompanyId, LineId};
use crate::model::window::Window;
use crate::store::row::text;
use crate::store::{Result, notice};

/// Sets the name and the hours of a line; tells whether it is there. A message that was claimed already still leaves.
///
/// # Errors
/// Those of the store.
pub async fn change(app: &App, company: CompanyId, id: LineId, name: String, hours: Option<Window>) -> Result<bool> {
    let lanes = app
        .store
        .write(move |conn| {
            if !crate::on!(conn, line::change(company, id, &name, hours.as_ref()))? {
                return Ok(None);
            }
            let hours = hours.as_ref().map(text).transpose()?;
            let lanes = crate::on!(conn, queue::set_hours(company, id, hours.as_deref()))?;
            for lane in &lanes {
                notice::changed(conn, *lane)?;
            }
            Ok(Some(lanes))
        })
        .await?;
    for lane in lanes.iter().flatten() {
        app.bell.changed(*lane);
    }
    Ok(lanes.is_some())
}

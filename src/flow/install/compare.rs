//! What stands in a portal, held against what should: the same plan as an installation makes, with nothing done.

use serde::Serialize;
use utoipa::ToSchema;

use super::{InstallError, Trouble, again, family, present, wanted};
use crate::app::App;
use crate::crm::bitrix24::install;
use crate::model::id::{CompanyId, PortalId};
use crate::model::message::Kind;

/// One kind of thing that we put into portals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PortalPart)]
pub struct Part {
    /// `connectors`, `events`, `robots`, `senders` or `tabs`.
    pub name: &'static str,
    /// How many there should be.
    pub wanted: usize,
    /// How many of them stand.
    pub standing: usize,
    /// Why that cannot be said.
    pub trouble: Option<Trouble>,
}

/// The parts, with the family of methods that puts each there.
const PARTS: [(&str, &str); 5] = [
    ("connectors", "imconnector"),
    ("events", "event"),
    ("robots", "bizproc.robot"),
    ("senders", "messageservice.sender"),
    ("tabs", "placement"),
];

/// Compares what stands in a portal with what should, as one of its administrators sees it.
///
/// # Errors
/// [`InstallError`].
pub(crate) async fn compare(
    app: &App,
    company: CompanyId,
    portal: PortalId,
    user_id: i64,
) -> Result<Vec<Part>, InstallError> {
    let (row, target) = again::as_employee(app, company, portal, user_id).await?;
    let base = app.config.server.public_url.trim_end_matches('/');
    if base.is_empty() {
        return Err(InstallError::NoPublicAddress);
    }
    let wanted = wanted(app, &row, base).await?;
    let (present, troubles) = present(app, &target).await?;
    let plan = install::plan(&present, &wanted);
    let count = |methods: &str, endings: &[&str]| {
        let of_family = plan.iter().filter(|step| family(step.method) == methods);
        of_family.filter(|step| endings.iter().any(|ending| step.method.ends_with(ending))).count()
    };
    let part = |(name, methods): (&'static str, &str)| {
        let missing = match name {
            "connectors" => Kind::ALL.len() - present.connectors.len().min(Kind::ALL.len()),
            _ => count(methods, &[".add", ".bind"]),
        };
        let all = match name {
            "connectors" => Kind::ALL.len(),
            "events" => wanted.events.len(),
            "tabs" => wanted.tabs.len(),
            _ => missing + count(methods, &[".update"]),
        };
        let trouble = troubles.iter().find(|trouble| family(&trouble.method) == methods).cloned();
        Part { name, wanted: all, standing: if trouble.is_some() { 0 } else { all.saturating_sub(missing) }, trouble }
    };
    Ok(PARTS.map(part).to_vec())
}

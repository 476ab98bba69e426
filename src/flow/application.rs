//! Applications for VK Notify: filled in, generated, sent, checked, and decided about. Only a company with an approved one
//! attaches VK Notify. The other side answers people, not machines, so a person writes its answer down.

mod statement;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::flow::notice;
use crate::model::application::{BadField, Form, Stage};
use crate::model::id::{ApplicationId, CompanyId};
use crate::model::moment::Moment;
use crate::store::row::{ApplicationRow, text, value};
use crate::store::{Conn, Result, StoreError};

/// The longest reason of a refusal.
const LONGEST_REASON: usize = 1000;

/// So often a number is drawn.
const MOST_TRIES: u8 = 5;

/// Why an application was not made or moved.
#[derive(Debug, thiserror::Error)]
pub enum ApplicationError {
    /// It is not there.
    #[error("there is no such application")]
    NotFound,
    /// A field is wrong.
    #[error(transparent)]
    Field(#[from] BadField),
    /// It does not go there from where it is.
    #[error("the application is not in a state that leads there")]
    State,
    /// The statement could not be written.
    #[error("the statement could not be written: {0}")]
    Statement(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A step that an application took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[schema(as = ApplicationStep)]
pub struct Step {
    /// Where it came to.
    pub stage: Stage,
    /// When.
    pub at: i64,
}

/// An application as the cabinet shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ApplicationOut {
    /// Its id.
    pub id: String,
    /// Its number within the company.
    pub number: i64,
    /// How far it has come.
    pub stage: Stage,
    /// Where it may come next.
    pub next: Vec<Stage>,
    /// Why it was refused.
    pub reason: Option<String>,
    /// What was filled in.
    pub form: Form,
    /// The steps that it took, oldest first.
    pub steps: Vec<Step>,
    /// Whether its last news were read.
    pub seen: bool,
    /// When it was made.
    pub created_at: i64,
}

/// The applications of a company, newest first.
///
/// # Errors
/// Those of the store.
pub(crate) async fn list(app: &App, company: CompanyId) -> Result<Vec<ApplicationOut>> {
    let rows = app.store.read(move |conn| crate::on!(conn, application::of_company(company))).await?;
    rows.iter().map(shown).collect()
}

/// Makes an application; its statement is generated from the form whenever it is downloaded.
///
/// # Errors
/// [`ApplicationError::Field`] where the form is wrong.
pub(crate) async fn create(
    app: &App,
    company: CompanyId,
    form: &Form,
) -> std::result::Result<ApplicationOut, ApplicationError> {
    let form = form.tidy();
    form.check()?;
    let mut tries = 0;
    let row = loop {
        match enter(app, company, text(&form)?).await {
            // another process took the number at the same moment
            Err(error) if error.is_duplicate() && tries < MOST_TRIES => tries += 1,
            entered => break entered?,
        }
    };
    tracing::info!(application = row.id, "an application for VK Notify was made");
    Ok(shown(&row)?)
}

async fn enter(app: &App, company: CompanyId, form: String) -> Result<ApplicationRow> {
    let now = app.clock.now().0;
    app.store
        .write(move |conn| {
            let row = ApplicationRow {
                id: ApplicationId::new().to_string(),
                company: company.to_string(),
                number: crate::on!(conn, application::last_number(company))? + 1,
                state: Stage::Formed.slug().to_owned(),
                form: form.clone(),
                reason: None,
                steps: text(&[Step { stage: Stage::Formed, at: now }])?,
                seen: true,
                created_at: now,
                changed_at: now,
            };
            crate::on!(conn, application::create(&row))?;
            Ok(row)
        })
        .await
}

/// Moves an application on: it was sent, or the other side answered.
///
/// # Errors
/// [`ApplicationError::State`] where it does not lead there, [`ApplicationError::Field`] where a refusal has no reason.
pub(crate) async fn move_on(
    app: &App,
    company: CompanyId,
    id: ApplicationId,
    to: Stage,
    reason: &str,
) -> std::result::Result<ApplicationOut, ApplicationError> {
    let reason = reason_of(to, reason)?;
    let now = app.clock.now();
    let inner = app.clone();
    let row = app
        .store
        .write(move |conn| {
            let moved = advance(conn, company, id, (to, reason.clone()), now)?;
            if let Ok(row) = &moved {
                notice::application_moved(&inner, conn, company, row, now)?;
            }
            Ok(moved)
        })
        .await??;
    tracing::info!(application = row.id, stage = row.state, "an application for VK Notify moved on");
    Ok(shown(&row)?)
}

/// Somebody read the last news of an application.
///
/// # Errors
/// [`ApplicationError::NotFound`].
pub(crate) async fn see(app: &App, company: CompanyId, id: ApplicationId) -> std::result::Result<(), ApplicationError> {
    let seen = app.store.write(move |conn| crate::on!(conn, application::see(company, id))).await?;
    if seen { Ok(()) } else { Err(ApplicationError::NotFound) }
}

/// The statement of an application as a PDF, and its number.
///
/// # Errors
/// [`ApplicationError::NotFound`], or [`ApplicationError::Statement`].
pub(crate) async fn statement(
    app: &App,
    company: CompanyId,
    id: ApplicationId,
) -> std::result::Result<(i64, Vec<u8>), ApplicationError> {
    let row = app.store.read(move |conn| crate::on!(conn, application::by_id(company, id))).await?;
    let row = row.ok_or(ApplicationError::NotFound)?;
    let form: Form = value("applications", &row.form)?;
    let (number, made) = (row.number, Moment(row.created_at));
    // fonts are read and cut to the signs that are used, which takes longer than a handler may hold its thread
    let written = tokio::task::spawn_blocking(move || statement::write(number, made, &form)).await;
    match written {
        Ok(Ok(pdf)) => Ok((number, pdf)),
        Ok(Err(seen)) => Err(ApplicationError::Statement(seen)),
        Err(error) => Err(ApplicationError::Statement(error.to_string())),
    }
}

/// Whether a company may attach VK Notify.
///
/// # Errors
/// Those of the store.
pub(crate) async fn is_approved(app: &App, company: CompanyId) -> Result<bool> {
    app.store.read(move |conn| crate::on!(conn, application::any(company, Stage::Approved.slug()))).await
}

fn reason_of(to: Stage, reason: &str) -> std::result::Result<Option<String>, BadField> {
    let reason = reason.trim();
    if to != Stage::Refused {
        return Ok(None);
    }
    if reason.is_empty() || reason.chars().count() > LONGEST_REASON {
        return Err(BadField {
            field: "reason",
            ru: "Укажите причину отказа, до 1000 знаков",
            en: "Give the reason of the refusal, up to 1000 characters",
        });
    }
    Ok(Some(reason.to_owned()))
}

/// The application after the step, or why it takes none.
fn advance(
    conn: &mut Conn,
    company: CompanyId,
    id: ApplicationId,
    (to, reason): (Stage, Option<String>),
    now: Moment,
) -> Result<std::result::Result<ApplicationRow, ApplicationError>> {
    let Some(mut row) = crate::on!(conn, application::by_id(company, id))? else {
        return Ok(Err(ApplicationError::NotFound));
    };
    let from = Stage::of(&row.state);
    if !from.leads_to(to) {
        return Ok(Err(ApplicationError::State));
    }
    let mut steps: Vec<Step> = value("applications", &row.steps)?;
    steps.push(Step { stage: to, at: now.0 });
    row.steps = text(&steps)?;
    to.slug().clone_into(&mut row.state);
    row.reason = reason;
    row.seen = !to.is_news();
    row.changed_at = now.0;
    let moved = crate::on!(conn, application::advance(from.slug(), &row))?;
    Ok(if moved { Ok(row) } else { Err(ApplicationError::State) })
}

fn shown(row: &ApplicationRow) -> Result<ApplicationOut> {
    let stage = Stage::of(&row.state);
    Ok(ApplicationOut {
        id: row.id.clone(),
        number: row.number,
        stage,
        next: Stage::ALL.into_iter().filter(|next| stage.leads_to(*next)).collect(),
        reason: row.reason.clone(),
        form: value("applications", &row.form)?,
        steps: value("applications", &row.steps)?,
        seen: row.seen,
        created_at: row.created_at,
    })
}

//! Lines.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{Admin, Signed};
use super::error::{ApiError, ErrorOut, Told};
use crate::app::App;
use crate::flow::line;
use crate::model::id::LineId;
use crate::model::moment::Moment;
use crate::model::window::Window;
use crate::store::row::{LineChange, LineRow, NewLine};

/// What a line is paid for.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "it names the values of a text column in the document of the API")]
pub(super) enum Plan {
    Demo,
    Paid,
}

/// A line to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LineIn {
    name: String,
    /// `paid` where it is left out.
    #[serde(default)]
    #[schema(value_type = Option<Plan>)]
    plan: Option<String>,
    /// Until when it may send; without it, for ever.
    #[serde(default)]
    expires_at: Option<i64>,
    #[serde(default)]
    hours: Option<Window>,
}

/// What can be changed of a line; hours that are left out mean round the clock, a plan and an end that are left out stay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "to leave the end out and to take it away are two things")]
pub(super) struct LinePatch {
    name: String,
    #[serde(default)]
    hours: Option<Window>,
    #[serde(default)]
    #[schema(value_type = Option<Plan>)]
    plan: Option<String>,
    /// Until when it may send; null is for ever.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i64>)]
    expires_at: Option<Option<i64>>,
}

/// A line.
#[derive(Serialize, ToSchema)]
pub(super) struct LineOut {
    /// The number that robots know it by.
    id: LineId,
    name: String,
    #[schema(value_type = Plan)]
    plan: String,
    /// Until when it may send; null where it does not expire.
    expires_at: Option<i64>,
    /// When it may write first; null is round the clock.
    hours: Option<Window>,
    /// Messages of the demo plan that are used up.
    demo_used: i32,
    created_at: i64,
}

/// The lines of the company, in their order.
#[derive(Serialize, ToSchema)]
pub(super) struct LinesOut {
    lines: Vec<LineOut>,
}

/// A line that was made.
#[derive(Serialize, ToSchema)]
pub(super) struct LineMade {
    id: LineId,
}

/// A line that does not expire: the end of the calendar that everybody can read.
const NEVER: i64 = 253_402_300_799_000;

/// Shows the lines of the company.
#[utoipa::path(get, path = "/lines", tag = "lines", responses((status = 200, body = LinesOut)))]
pub(super) async fn list_lines(app: web::Data<App>, signed: Signed) -> Told {
    let rows = app.store.read(move |conn| crate::on!(conn, line::of_company(signed.company))).await?;
    let lines = rows.iter().map(shown).collect::<Told<Vec<_>>>()?;
    Ok(HttpResponse::Ok().json(LinesOut { lines }))
}

/// Makes a line.
#[utoipa::path(post, path = "/lines", tag = "lines", request_body = LineIn,
    responses((status = 201, body = LineMade), (status = 422, body = ErrorOut)))]
pub(super) async fn create_line(app: web::Data<App>, admin: Admin, input: web::Json<LineIn>) -> Told {
    let (input, company) = (input.into_inner(), admin.0.company);
    let plan = plan(input.plan.unwrap_or_else(|| "paid".to_owned()))?;
    let new = NewLine {
        name: name("name", &input.name)?,
        plan,
        expires_at: Moment(expiry(input.expires_at)?),
        hours: input.hours.map(hours).transpose()?,
    };
    let id = line::create(&app, company, new).await?;
    Ok(HttpResponse::Created().json(LineMade { id }))
}

/// Changes the name, the hours, the plan and the end of a line. What waits in it is kept, whatever becomes of its end.
#[utoipa::path(patch, path = "/lines/{id}", tag = "lines", params(("id" = i64, Path)), request_body = LinePatch,
    responses((status = 204), (status = 404, body = ErrorOut), (status = 422, body = ErrorOut)))]
pub(super) async fn change_line(
    app: web::Data<App>,
    admin: Admin,
    id: web::Path<LineId>,
    input: web::Json<LinePatch>,
) -> Told {
    let input = input.into_inner();
    let change = LineChange {
        name: name("name", &input.name)?,
        hours: input.hours.map(hours).transpose()?,
        plan: input.plan.map(plan).transpose()?,
        expires_at: input.expires_at.map(expiry).transpose()?.map(Moment),
    };
    if line::change(&app, admin.0.company, *id, change).await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(ApiError::NotFound)
    }
}

/// A value that was told, be it null; one that was left out is none.
#[expect(clippy::option_option, reason = "to leave the end out and to take it away are two things")]
fn given<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<i64>>, D::Error> {
    Option::<i64>::deserialize(from).map(Some)
}

fn plan(plan: String) -> Told<String> {
    if ["demo", "paid"].contains(&plan.as_str()) {
        return Ok(plan);
    }
    Err(ApiError::bad("plan", "Тариф — demo или paid", "The plan is demo or paid"))
}

/// A name of something on screen.
pub(super) fn name(field: &str, name: &str) -> Told<String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(ApiError::bad(
            field,
            "В названии от 1 до 100 печатных знаков",
            "A name has 1 to 100 printable letters",
        ));
    }
    Ok(name.to_owned())
}

fn hours(hours: Window) -> Told<Window> {
    let days = !hours.days.is_empty() && hours.days.iter().all(|day| (1..=7).contains(day));
    if days && hours.from_minute < 1440 && hours.to_minute <= 1440 {
        return Ok(hours);
    }
    Err(ApiError::bad(
        "hours",
        "Нужны дни от 1 до 7, начало от 0 до 1439 и конец от 0 до 1440 минут",
        "Days are 1 to 7, the beginning is 0 to 1439 and the end 0 to 1440 minutes",
    ))
}

fn expiry(at: Option<i64>) -> Told<i64> {
    match at {
        None => Ok(NEVER),
        Some(at) if (0..=NEVER).contains(&at) => Ok(at),
        Some(_) => Err(ApiError::bad(
            "expires_at",
            format!("Нужны миллисекунды UTC от 0 до {NEVER}; без срока поле не указывают"),
            format!("Milliseconds of UTC from 0 to {NEVER} are needed; a line without an end has no such field"),
        )),
    }
}

fn shown(row: &LineRow) -> Told<LineOut> {
    Ok(LineOut {
        id: row.id,
        name: row.name.clone(),
        plan: row.plan.clone(),
        expires_at: Some(row.expires_at).filter(|at| *at < NEVER),
        hours: row.hours()?,
        demo_used: row.demo_used,
        created_at: row.created_at,
    })
}

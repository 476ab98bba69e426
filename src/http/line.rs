//! Lines.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::{Admin, Signed};
use super::error::{ApiError, Told};
use crate::app::App;
use crate::flow::line;
use crate::model::id::LineId;
use crate::model::moment::Moment;
use crate::model::window::Window;
use crate::store::row::{LineRow, NewLine};

/// A line to be made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LineIn {
    name: String,
    #[serde(default)]
    plan: Option<String>,
    #[serde(default)]
    expires_at: Option<i64>,
    #[serde(default)]
    hours: Option<Window>,
}

/// What can be changed of a line; hours that are left out mean round the clock.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinePatch {
    name: String,
    #[serde(default)]
    hours: Option<Window>,
}

/// A line that does not expire: the end of the calendar that everybody can read.
const NEVER: i64 = 253_402_300_799_000;

/// Shows the lines of the company.
pub(super) async fn list_lines(app: web::Data<App>, signed: Signed) -> Told {
    let rows = app.store.read(move |conn| crate::on!(conn, line::of_company(signed.company))).await?;
    let lines = rows.iter().map(shown).collect::<Told<Vec<_>>>()?;
    Ok(HttpResponse::Ok().json(json!({"lines": lines})))
}

/// Makes a line.
pub(super) async fn create_line(app: web::Data<App>, admin: Admin, input: web::Json<LineIn>) -> Told {
    let (input, company) = (input.into_inner(), admin.0.company);
    let plan = input.plan.unwrap_or_else(|| "paid".to_owned());
    if !["demo", "paid"].contains(&plan.as_str()) {
        return Err(ApiError::bad("plan", "Тариф — demo или paid", "The plan is demo or paid"));
    }
    let new = NewLine {
        name: name(&input.name)?,
        plan,
        expires_at: Moment(input.expires_at.unwrap_or(NEVER)),
        hours: input.hours.map(hours).transpose()?,
    };
    let id = line::create(&app, company, new).await?;
    Ok(HttpResponse::Created().json(json!({"id": id})))
}

/// Changes the name and the hours of a line.
pub(super) async fn change_line(
    app: web::Data<App>,
    admin: Admin,
    id: web::Path<LineId>,
    input: web::Json<LinePatch>,
) -> Told {
    let input = input.into_inner();
    let hours = input.hours.map(hours).transpose()?;
    if line::change(&app, admin.0.company, *id, name(&input.name)?, hours).await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(ApiError::NotFound)
    }
}

fn name(name: &str) -> Told<String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(ApiError::bad(
            "name",
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

fn shown(row: &LineRow) -> Told<Value> {
    Ok(json!({
        "id": row.id,
        "name": row.name,
        "plan": row.plan,
        "expires_at": row.expires_at,
        "hours": row.hours()?,
        "demo_used": row.demo_used,
        "created_at": row.created_at,
    }))
}

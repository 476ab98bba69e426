//! What Meta thinks of a number: its quality, and how many people it may write to first within a day.

use serde_json::{Map, Value, json};

use super::{call, code, phone_number_id};
use crate::messenger::{Wire, field};
use crate::model::vendor::Answer;

/// What is asked of a number.
pub(super) const FIELDS: &str = "display_phone_number,verified_name,quality_rating,code_verification_status,name_status,status,\
    messaging_limit_tier,throughput,platform_type,is_official_business_account";

pub(super) async fn ask(wire: &Wire) -> Result<Map<String, Value>, Answer> {
    let request = call(wire, reqwest::Method::GET, &phone_number_id(wire)).query(&[("fields", FIELDS)]);
    match code::result_of(wire.http.call(request, wire.http.limits()).await) {
        Ok(health) => Ok(read(&health)),
        // to ask twice does no harm
        Err(Answer::Unsure { seen, .. }) => Err(Answer::Down { seen }),
        Err(answer) => Err(answer),
    }
}

/// The words of Meta, by the names of our settings. Steps of limits come and go, so all are kept as they are.
pub(super) fn read(health: &Value) -> Map<String, Value> {
    let throughput = health.get("throughput").and_then(|throughput| field::text(throughput, "level"));
    Map::from_iter([
        ("quality".to_owned(), json!(field::text(health, "quality_rating"))),
        ("tier".to_owned(), json!(field::text(health, "messaging_limit_tier"))),
        ("number_status".to_owned(), json!(field::text(health, "status"))),
        ("name_status".to_owned(), json!(field::text(health, "name_status"))),
        ("throughput".to_owned(), json!(throughput)),
        ("official".to_owned(), json!(health.get("is_official_business_account").and_then(Value::as_bool))),
    ])
}

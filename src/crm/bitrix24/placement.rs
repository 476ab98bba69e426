//! Places of a portal where pages of ours are shown by `placement.bind`: a tab in the cards of the CRM. Pages of connectors and
//! robots are placed by their own registration.

use serde_json::{Value, json};

use super::install::Step;
use crate::model::php_form::Fields;

/// The cards that may have our tab, with the name of their place.
pub const TABS: [(&str, &str); 4] = [
    ("contact", "CRM_CONTACT_DETAIL_TAB"),
    ("lead", "CRM_LEAD_DETAIL_TAB"),
    ("deal", "CRM_DEAL_DETAIL_TAB"),
    ("company", "CRM_COMPANY_DETAIL_TAB"),
];

/// The cards that have it until somebody chooses.
pub const USUAL_TABS: [&str; 3] = ["contact", "lead", "deal"];

/// A page of ours in its place, as `placement.get` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The name of the place, in capitals.
    pub place: String,
    /// Where the page is opened from.
    pub handler: String,
}

/// The kind of card whose tab a place is.
#[must_use]
pub fn card_of(place: &str) -> Option<&'static str> {
    TABS.iter().find(|(_, name)| name.eq_ignore_ascii_case(place)).map(|(card, _)| *card)
}

/// Reads the result of `placement.get`.
#[must_use]
pub fn read_placed(placement_get: &Value) -> Vec<Placed> {
    let wrapped = json!({ "list": placement_get });
    let read = |row: &Fields<'_>| {
        Some(Placed {
            place: row.need_text("placement").ok()?.to_ascii_uppercase(),
            handler: row.text("handler").ok()?.unwrap_or_default().into_owned(),
        })
    };
    Fields::of(&wrapped).list("list").iter().filter_map(read).collect()
}

/// The calls to make so that the tab stands in these cards and in no other, opened from this address alone.
#[must_use]
pub fn steps(placed: &[Placed], cards: &[String], handler: &str) -> Vec<Step> {
    let wanted = |place: &str| card_of(place).is_some_and(|card| cards.iter().any(|wanted| wanted == card));
    let stands = |place: &str| placed.iter().any(|one| one.place == place && one.handler == handler);
    let missing = TABS.iter().map(|(_, place)| *place).filter(|place| wanted(place) && !stands(place));
    let mut steps: Vec<Step> = missing.map(|place| bind(place, handler)).collect();
    let stale =
        placed.iter().filter(|one| card_of(&one.place).is_some() && !(wanted(&one.place) && one.handler == handler));
    steps.extend(stale.map(|one| Step {
        method: "placement.unbind",
        // without the handler the portal would unbind more than is meant
        params: json!({ "PLACEMENT": one.place, "HANDLER": one.handler }),
    }));
    steps
}

/// Whether an error says that a handler stands there already: its code is that of every other mistake, its text is not
/// translated.
#[must_use]
pub fn is_bound_already(method: &str, text: &str) -> bool {
    matches!(method, "placement.bind" | "event.bind") && text.contains("already binded")
}

fn bind(place: &str, handler: &str) -> Step {
    let words = |about: &str| json!({ "TITLE": "Switchboard", "DESCRIPTION": about });
    let params = json!({
        "PLACEMENT": place,
        "HANDLER": handler,
        "TITLE": "Switchboard",
        "LANG_ALL": { "ru": words("Диалоги клиента в мессенджерах"), "en": words("The client's dialogs in messengers") },
    });
    Step { method: "placement.bind", params }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "https://app.example.com/bitrix24/card";

    fn cards(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_second_plan_right_after_the_first_has_nothing_to_do() {
        let first = steps(&[], &cards(&USUAL_TABS), OURS);
        assert_eq!(first.len(), 3);
        assert!(first.iter().all(|step| step.method == "placement.bind" && step.params["HANDLER"] == OURS));
        let list: Value = first
            .iter()
            .map(|step| json!({"placement": step.params["PLACEMENT"], "userId": 0, "handler": OURS, "options": []}))
            .collect();
        assert_eq!(steps(&read_placed(&list), &cards(&USUAL_TABS), OURS), []);
    }

    #[test]
    fn tabs_that_are_not_wanted_any_more_go_and_other_places_are_left_alone() {
        let list = json!([
            {"placement": "CRM_DEAL_DETAIL_TAB", "handler": OURS},
            {"placement": "CRM_LEAD_DETAIL_TAB", "handler": "https://old.example.com/card"},
            {"placement": "SETTING_CONNECTOR", "handler": "https://app.example.com/bitrix24/connector"},
            {"placement": "LEFT_MENU", "handler": "https://app.example.com/bitrix24/app"},
        ]);
        let steps = steps(&read_placed(&list), &cards(&["lead"]), OURS);
        let told: Vec<_> = steps.iter().map(|step| (step.method, step.params["PLACEMENT"].as_str().unwrap())).collect();
        assert_eq!(
            told,
            [
                ("placement.bind", "CRM_LEAD_DETAIL_TAB"),
                ("placement.unbind", "CRM_DEAL_DETAIL_TAB"),
                ("placement.unbind", "CRM_LEAD_DETAIL_TAB"),
            ]
        );
        assert_eq!(steps[2].params["HANDLER"], "https://old.example.com/card");
    }

    #[test]
    fn an_empty_list_is_read_in_php_spelling() {
        assert_eq!(read_placed(&json!([])), []);
        assert_eq!(read_placed(&Value::Null), []);
    }

    #[test]
    fn only_a_bind_may_be_done_already() {
        let text = "Unable to set placement handler: Handler already binded";
        assert!(is_bound_already("placement.bind", text) && is_bound_already("event.bind", text));
        assert!(!is_bound_already("placement.unbind", text) && !is_bound_already("placement.bind", "other"));
    }
}

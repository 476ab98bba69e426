//! What an installation must set up in a portal, as plain data: the difference between what is there and what should be.
//!
//! Bitrix24 removes events, robots and senders at every update of the application, and keeps them at a reinstallation. So
//! every installation makes the same plan from the portal's own lists; a second plan right after the first only updates.

use serde_json::{Value, json};

use super::connector;
use super::placement::{self, Placed};
use super::robot::Robot;
use super::sms::Sender;
use crate::model::message::Kind;
use crate::model::php_form::Fields;

/// The events that every installation listens to.
pub const EVENTS: [&str; 3] = ["ONAPPUNINSTALL", "ONAPPUPDATE", "ONAPPTEST"];

/// What is there, by the portal's own lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Present {
    /// `event.get`.
    pub events: Vec<Bound>,
    /// `bizproc.robot.list`.
    pub robots: Vec<String>,
    /// `messageservice.sender.list`.
    pub senders: Vec<String>,
    /// `placement.get`.
    pub placed: Vec<Placed>,
    /// Our connectors.
    pub connectors: Vec<Kind>,
}

/// One bound event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Its name in capitals.
    pub event: String,
    /// Where it is posted to.
    pub handler: String,
    /// Whose token it brings; zero is the acting employee's.
    pub auth_type: i64,
    /// Whether it waits in a queue to be fetched.
    pub offline: bool,
}

/// What should be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Where events are posted to.
    pub event_handler: String,
    /// The events, in capitals.
    pub events: Vec<String>,
    /// Where robots are posted to.
    pub robot_handler: String,
    /// The administrator whose tokens robots bring.
    pub user_id: i64,
    /// The senders, one for each line.
    pub senders: Vec<Sender>,
    /// The cards that have our tab, as `deal`.
    pub tabs: Vec<String>,
    /// Where the tab is opened from.
    pub tab_handler: String,
    /// The page of the settings of connectors.
    pub connector_page: String,
}

/// One call to make.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The method.
    pub method: &'static str,
    /// Its parameters.
    pub params: Value,
}

/// Reads the results of the three lists.
#[must_use]
pub fn read_present(event_get: &Value, robot_list: &Value, sender_list: &Value) -> Present {
    let codes = |list: &Value| {
        let wrapped = json!({ "list": list });
        Fields::of(&wrapped).texts("list").unwrap_or_default().into_iter().map(String::from).collect()
    };
    let wrapped = json!({ "list": event_get });
    let events = Fields::of(&wrapped).list("list").iter().filter_map(read_bound).collect();
    Present {
        events,
        robots: codes(robot_list),
        senders: codes(sender_list),
        placed: Vec::new(),
        connectors: Vec::new(),
    }
}

/// The calls to make, in this order: new things before old ones go, so that nothing is missed in between.
#[must_use]
pub fn plan(present: &Present, wanted: &Wanted) -> Vec<Step> {
    let mut steps = bind_events(present, wanted);
    steps.extend(unbind_events(present, wanted));
    steps.extend(robot_steps(present, wanted));
    steps.extend(sender_steps(present, wanted));
    steps.extend(placement::steps(&present.placed, &wanted.tabs, &wanted.tab_handler));
    // a connector that is there already is changed by the same call
    steps.extend(connector::steps(&wanted.connector_page));
    steps
}

/// Whether an error of a step says that its work is done already: somebody else was faster, or the list was old.
#[must_use]
pub fn is_done_already(method: &str, error_code: &str) -> bool {
    matches!(
        (method, error_code),
        ("bizproc.robot.add", "ERROR_ACTIVITY_ALREADY_INSTALLED")
            | ("bizproc.robot.delete", "ERROR_ACTIVITY_NOT_FOUND")
            | ("messageservice.sender.add", "ERROR_SENDER_ALREADY_INSTALLED")
            | ("messageservice.sender.delete", "ERROR_SENDER_NOT_FOUND")
    )
}

fn read_bound(row: &Fields<'_>) -> Option<Bound> {
    Some(Bound {
        event: row.need_text("event").ok()?.to_ascii_uppercase(),
        handler: row.text("handler").ok()?.unwrap_or_default().into_owned(),
        auth_type: row.number("auth_type").ok()?.unwrap_or(0),
        offline: row.flag("offline"),
    })
}

fn bind_events(present: &Present, wanted: &Wanted) -> Vec<Step> {
    let bound = |event: &str| present.events.iter().any(|bound| is_wanted(bound, wanted) && bound.event == event);
    let missing = wanted.events.iter().filter(|event| !bound(event));
    let params = |event| json!({ "event": event, "handler": wanted.event_handler });
    missing.map(|event| Step { method: "event.bind", params: params(event) }).collect()
}

fn unbind_events(present: &Present, wanted: &Wanted) -> Vec<Step> {
    let foreign = present.events.iter().filter(|bound| !bound.offline && !is_wanted(bound, wanted));
    // without the event, the handler and the user the portal would unbind more than is meant
    let params =
        |bound: &Bound| json!({ "event": bound.event, "handler": bound.handler, "auth_type": bound.auth_type });
    foreign.map(|bound| Step { method: "event.unbind", params: params(bound) }).collect()
}

/// The same event bound for a user besides would come twice, so only the one for the acting employee is wanted.
fn is_wanted(bound: &Bound, wanted: &Wanted) -> bool {
    !bound.offline
        && bound.auth_type == 0
        && bound.handler == wanted.event_handler
        && wanted.events.contains(&bound.event)
}

/// New robots and changed ones before the old ones that nobody knows any more.
fn robot_steps(present: &Present, wanted: &Wanted) -> Vec<Step> {
    let mut steps: Vec<Step> = Robot::ALL.iter().map(|robot| robot_step(*robot, present, wanted)).collect();
    let stale = present.robots.iter().filter(|code| Robot::from_code(code).is_none());
    steps.extend(stale.map(|code| Step { method: "bizproc.robot.delete", params: json!({ "CODE": code }) }));
    steps
}

fn robot_step(robot: Robot, present: &Present, wanted: &Wanted) -> Step {
    let mut body = robot.install_body(&wanted.robot_handler, wanted.user_id);
    if !present.robots.iter().any(|code| code == robot.code()) {
        return Step { method: "bizproc.robot.add", params: body };
    }
    if let Some(map) = body.as_object_mut() {
        map.remove("CODE");
    }
    Step { method: "bizproc.robot.update", params: json!({ "CODE": robot.code(), "FIELDS": body }) }
}

fn sender_steps(present: &Present, wanted: &Wanted) -> Vec<Step> {
    let is_there = |sender: &Sender| present.senders.contains(&sender.code());
    let set_up = |sender: &Sender| {
        if is_there(sender) {
            Step { method: "messageservice.sender.update", params: sender.update_body() }
        } else {
            Step { method: "messageservice.sender.add", params: sender.add_body() }
        }
    };
    let mut steps: Vec<Step> = wanted.senders.iter().map(set_up).collect();
    let stale = present.senders.iter().filter(|code| !wanted.senders.iter().any(|sender| sender.code() == **code));
    steps.extend(stale.map(|code| Step { method: "messageservice.sender.delete", params: json!({ "CODE": code }) }));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted {
            event_handler: "https://app.example.com/b24/event".into(),
            events: EVENTS.map(String::from).into(),
            robot_handler: "https://app.example.com/b24/robot".into(),
            user_id: 27,
            connector_page: "https://app.example.com/b24/connector".into(),
            senders: [12, 13]
                .map(|line| Sender { line, title: "л".into(), handler: "https://app.example.com/s".into() })
                .into(),
            tabs: Vec::new(),
            tab_handler: String::new(),
        }
    }

    /// The methods; connectors stand in the file of their own.
    fn methods(steps: &[Step]) -> Vec<&str> {
        let connectors = steps.iter().filter(|step| step.method == connector::REGISTER).count();
        assert_eq!(connectors, 8);
        steps.iter().map(|step| step.method).filter(|method| *method != connector::REGISTER).collect()
    }

    /// So many calls of one method.
    fn times(method: &'static str, count: usize) -> Vec<&'static str> {
        vec![method; count]
    }

    #[test]
    fn an_empty_portal_gets_everything() {
        let steps = plan(&Present::default(), &wanted());
        let expected = [times("event.bind", 3), times("bizproc.robot.add", 12), times("messageservice.sender.add", 2)];
        assert_eq!(methods(&steps), expected.concat());
        assert_eq!(steps[0].params, json!({"event": "ONAPPUNINSTALL", "handler": "https://app.example.com/b24/event"}));
        assert_eq!(steps[3].params["AUTH_USER_ID"], 27);
        assert_eq!(steps[15].params["CODE"], "switchboard_12");
    }

    #[test]
    fn a_portal_that_has_everything_is_only_brought_up_to_date() {
        let row = |event| json!({"event": event, "handler": "https://app.example.com/b24/event", "auth_type": "0", "offline": 0});
        let events = json!(["OnAppUninstall", "ONAPPUPDATE", "ONAPPTEST"].map(row));
        let robots: Vec<&str> = Robot::ALL.iter().map(|robot| robot.code()).collect();
        let present = read_present(&events, &json!(robots), &json!({"0": "switchboard_12", "5": "switchboard_13"}));
        let steps = plan(&present, &wanted());
        let expected = [times("bizproc.robot.update", 12), times("messageservice.sender.update", 2)];
        assert_eq!(methods(&steps), expected.concat());
        assert_eq!(steps[0].params["CODE"], "switchboard_send");
        assert_eq!(steps[0].params["FIELDS"].get("CODE"), None);
    }

    #[test]
    fn leftovers_go_after_the_new_things_stand() {
        let events = json!([
            {"event": "ONAPPTEST", "handler": "https://old.example.com/event", "auth_type": "0", "offline": 0},
            {"event": "ONAPPTEST", "handler": "https://app.example.com/b24/event", "auth_type": 5, "offline": 0},
            {"event": "ONCRMDEALUPDATE", "handler": "", "auth_type": "0", "offline": 1},
        ]);
        let robots = json!(["old_robot", "switchboard_send"]);
        let steps = plan(&read_present(&events, &robots, &json!(["switchboard_9"])), &wanted());
        let expected = [
            times("event.bind", 3),
            times("event.unbind", 2),
            times("bizproc.robot.update", 1),
            times("bizproc.robot.add", 11),
            times("bizproc.robot.delete", 1),
            times("messageservice.sender.add", 2),
            times("messageservice.sender.delete", 1),
        ];
        assert_eq!(methods(&steps), expected.concat());
        assert_eq!(
            steps[3].params,
            json!({"event": "ONAPPTEST", "handler": "https://old.example.com/event", "auth_type": 0})
        );
        assert_eq!(steps[4].params["auth_type"], 5);
        assert_eq!(steps[17].params, json!({"CODE": "old_robot"}));
        assert_eq!(steps[20].params, json!({"CODE": "switchboard_9"}));
    }

    #[test]
    fn empty_lists_are_read_in_php_spelling() {
        assert_eq!(read_present(&json!([]), &json!([]), &Value::Null), Present::default());
    }
}

//! What a portal posts: forms in PHP's bracket spelling, and in them pages, events, robots, SMS, and what was filled in at a robot.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use switchboard::crm::bitrix24::event::{LineEvent, Page, RobotCall, SmsCall, read_event};
use switchboard::crm::bitrix24::robot::{NotRead, Request, Robot, SendRequest};
use switchboard::model::moment::Moment;
use switchboard::model::php_form::{Caps, decode, decode_within, without_zeros};
use switchboard::model::result::{read_entries, write_entries};
use switchboard_fuzz::holds_zero;

fn leaves(value: &Value, depth: usize) -> usize {
    assert!(depth <= Caps::default().depth + 1, "it is deeper than its caps");
    match value {
        Value::Object(map) => map.values().map(|inner| leaves(inner, depth + 1)).sum(),
        Value::Array(items) => items.iter().map(|inner| leaves(inner, depth + 1)).sum(),
        Value::String(_) => 1,
        other => panic!("a form holds {other}"),
    }
}

fuzz_target!(|body: &[u8]| {
    let _ = decode_within(body, Caps { variables: 3, depth: 2, key: 8 });
    let Ok(form) = decode(body) else { return };
    assert!(form.is_object());
    assert!(leaves(&form, 0) <= body.split(|byte| *byte == b'&').count());
    // names end at a zero byte, values lose theirs
    let form = without_zeros(form);
    assert!(!holds_zero(&form), "{form}");
    let _ = read_event(&form);
    let _ = LineEvent::read(&form);
    let _ = SmsCall::read(&form).map(|call| (call.rank(), call.module_is_known()));
    let _ = Page::read(&form, &form);
    let request = SendRequest::read(&form, "RU");
    if let Ok(call) = RobotCall::read(&form) {
        let _ = call.waits_until(Moment(i64::MAX));
        for robot in Robot::ALL {
            check(Request::read(*robot, &call.properties, "RU"));
        }
    }
    check(request);
    for robot in Robot::ALL {
        check(Request::read(*robot, &form, "RU"));
    }
});

/// What cannot be done is told in entries that read back.
fn check<T>(request: Result<T, NotRead>) {
    if let Err(told) = request {
        let entries = told.entries();
        assert_eq!(read_entries(&write_entries(&entries)), entries);
    }
}

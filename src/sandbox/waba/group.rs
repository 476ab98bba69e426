//! Groups of an official number: ordered, told of by the webhook, joined by their address, renamed, deleted.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::webhook::Delivery;
use super::{Number, Trouble, envelope, queue, with_number};
use crate::sandbox::door::Call;
use crate::sandbox::state::{Sandbox, random_hex};

/// Whoever is in a group at the same time, beside the business.
const MOST: usize = 8;

/// A group.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// The number that made it.
    pub(crate) number: String,
    /// Its title.
    pub(crate) subject: String,
    /// The code of its address.
    pub(crate) code: String,
    /// The phones in it.
    pub(crate) members: BTreeSet<String>,
    /// When it was made, seconds.
    made_at: i64,
}

impl Group {
    fn link(&self) -> String {
        format!("https://chat.whatsapp.com/{}", self.code)
    }
}

type Told = Result<Value, Trouble>;

/// `{number}/groups`.
pub(super) fn make(sandbox: &Arc<Sandbox>, node: &str, call: &Call) -> Told {
    let subject = call.args.text("subject").map(|subject| subject.trim().to_owned()).unwrap_or_default();
    if call.args.text("messaging_product").as_deref() != Some("whatsapp") || subject.is_empty() {
        return Err(Trouble::of(131_008, "messaging_product and subject are required"));
    }
    if subject.chars().count() > 128 {
        return Err(Trouble::of(131_009, "subject is longer than 128 characters"));
    }
    let (id, request) = (format!("Y2FwaV9ncm91cDo{}", random_hex(20)), random_hex(16).to_uppercase());
    let made_at = sandbox.unix();
    let group = with_number(sandbox, node, call, |waba, number| {
        if !number.official {
            return Err(Trouble::of(10, "Groups are for Official Business Accounts"));
        }
        let (number, code) = (number.id.clone(), random_hex(11));
        let group = Group { number, subject: subject.clone(), code, members: BTreeSet::new(), made_at };
        waba.groups.insert(id.clone(), group.clone());
        Ok(group)
    })?;
    let told = json!({"timestamp": made_at.to_string(), "group_id": id, "type": "group_create", "request_id": request,
        "subject": subject, "description": call.args.text("description").unwrap_or_default(), "invite_link": group.link(),
        "join_approval_mode": call.args.text("join_approval_mode").unwrap_or_else(|| "auto_approve".to_owned())});
    tell(sandbox, node, "group_lifecycle_update", &told);
    Ok(json!({"messaging_product": "whatsapp", "request_id": request}))
}

/// `{number}/groups`, the newest first.
pub(super) fn list(sandbox: &Sandbox, node: &str, call: &Call) -> Told {
    with_number(sandbox, node, call, |waba, number| {
        let ours = waba.groups.iter().filter(|(_, group)| group.number == number.id);
        let cards: Vec<Value> = ours
            .map(|(id, group)| json!({"id": id, "subject": group.subject, "created_at": group.made_at.to_string()}))
            .collect();
        Ok(json!({"data": {"groups": cards}, "paging": {"cursors": {}}}))
    })
}

/// `{group}/invite_link`.
pub(super) fn link(sandbox: &Sandbox, node: &str, call: &Call) -> Told {
    in_group(sandbox, node, call, |group| Ok(json!({"messaging_product": "whatsapp", "invite_link": group.link()})))
}

/// `POST {group}`.
pub(super) fn change(sandbox: &Sandbox, node: &str, call: &Call) -> Told {
    let subject = call.args.text("subject").ok_or_else(|| Trouble::of(131_008, "nothing to change"))?;
    let number = in_group(sandbox, node, call, |group| {
        group.subject.clone_from(&subject);
        Ok(group.number.clone())
    })?;
    let request = random_hex(16).to_uppercase();
    let told = json!({"timestamp": sandbox.unix().to_string(), "group_id": node, "type": "group_settings_update",
        "request_id": request, "group_subject": {"text": subject, "update_successful": true}});
    tell(sandbox, &number, "group_settings_update", &told);
    Ok(json!({"messaging_product": "whatsapp", "request_id": request}))
}

/// `DELETE {group}`.
pub(super) fn delete(sandbox: &Sandbox, node: &str, call: &Call) -> Told {
    let number = in_group(sandbox, node, call, |group| Ok(group.number.clone()))?;
    sandbox.waba.lock().groups.remove(node);
    let told = json!({"timestamp": sandbox.unix().to_string(), "group_id": node, "type": "group_delete",
        "request_id": random_hex(16).to_uppercase()});
    tell(sandbox, &number, "group_lifecycle_update", &told);
    Ok(json!({"success": true}))
}

/// Somebody opens the address of a group; tells which group it is.
pub(crate) fn join(sandbox: &Sandbox, link: &str, phone: &str) -> Result<String, &'static str> {
    let mut waba = sandbox.waba.lock();
    let found = waba.groups.iter_mut().find(|(_, group)| group.link() == link);
    let (id, group) = found.ok_or("no group has this address")?;
    if group.members.len() >= MOST && !group.members.contains(phone) {
        return Err("the group is full");
    }
    group.members.insert(phone.to_owned());
    Ok(id.clone())
}

fn in_group<T>(
    sandbox: &Sandbox,
    node: &str,
    call: &Call,
    work: impl FnOnce(&mut Group) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let missing = || Trouble::of(100, "Object with this ID does not exist");
    let number = sandbox.waba.lock().groups.get(node).map(|group| group.number.clone()).ok_or_else(missing)?;
    with_number(sandbox, &number, call, |waba, _| work(waba.groups.get_mut(node).ok_or_else(missing)?))
}

fn tell(sandbox: &Sandbox, number: &str, field: &str, told: &Value) {
    queue(sandbox, number, |number: &Number| {
        let mut value = envelope(number);
        value.insert("groups".to_owned(), json!([told]));
        Delivery::of(field.to_owned(), Value::Object(value))
    });
}

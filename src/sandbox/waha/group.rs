//! Groups behind a session: made, filled, renamed, left. Answers are the words of the engine's library.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::send::has_whatsapp;
use super::webhook::tell;
use super::{Session, Trouble, phone_of, with_session};
use crate::sandbox::args::text_at;
use crate::sandbox::door::Call;
use crate::sandbox::state::{Sandbox, random_hex};

/// A group.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// Its title.
    pub(crate) subject: String,
    /// The phones in it, without our own.
    pub(crate) members: BTreeSet<String>,
    /// Our own phone is in it, and is its administrator.
    pub(crate) inside: bool,
    /// The code of its invitation.
    pub(crate) code: String,
}

type Told = Result<(u16, Value), Trouble>;

/// `/api/{session}/groups…`.
pub(super) fn act(sandbox: &Arc<Sandbox>, session: &str, verb: &str, rest: &[&str], call: &Call) -> Told {
    with_session(sandbox, session, works)?;
    match (verb, rest) {
        ("POST", []) => create(sandbox, session, call),
        ("GET", []) => with_session(sandbox, session, |session| {
            let card = |(id, group): (&String, &Group)| (id.clone(), json!({"JID": id, "Name": group.subject}));
            Ok((200, Value::Object(session.groups.iter().map(card).collect())))
        }),
        ("POST", [id, "participants", "add"]) => add(sandbox, session, id, call),
        ("POST", [id, "leave"]) => in_group(sandbox, session, id, |group| {
            group.inside = false;
            Ok((200, Value::Null))
        }),
        ("PUT", [id, "subject"]) => {
            let subject = call
                .args
                .text("subject")
                .ok_or_else(|| Trouble::said(400, "GOWS does not support empty group subject."))?;
            let told = in_group(sandbox, session, id, |group| {
                group.subject.clone_from(&subject);
                Ok((200, Value::Bool(true)))
            })?;
            let payload = json!({"timestamp": sandbox.now().0, "group": {"id": id, "subject": subject}, "_data": {}});
            tell(sandbox, session, "group.v2.update", &payload);
            Ok(told)
        }
        ("GET", [id, "invite-code"]) => in_group(sandbox, session, id, |group| {
            Ok((200, json!(format!("https://chat.whatsapp.com/{}", group.code))))
        }),
        _ => Err(Trouble::said(404, &format!("Cannot {verb} /api/{session}/groups/{}", rest.join("/")))),
    }
}

pub(super) fn works(session: &mut Session) -> Result<(), Trouble> {
    let works = session.status == "WORKING";
    if works { Ok(()) } else { Err(Trouble::state(&session.name, session.status, &["WORKING"])) }
}

fn in_group<T>(
    sandbox: &Sandbox,
    session: &str,
    id: &str,
    work: impl FnOnce(&mut Group) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    with_session(sandbox, session, |session| match session.groups.get_mut(id) {
        Some(group) if group.inside => work(group),
        // what the server says of groups that one is not in
        _ => Err(Trouble::stumbled("info query returned status 403: forbidden")),
    })
}

fn create(sandbox: &Arc<Sandbox>, session: &str, call: &Call) -> Told {
    let subject = call.args.text("name").ok_or_else(|| Trouble::said(400, "name must be a string"))?;
    if subject.chars().count() > 100 {
        return Err(Trouble::stumbled("info query returned status 406: not-acceptable"));
    }
    let (members, told) = bring(sandbox, call)?;
    let id = format!("120363{:012}@g.us", sandbox.serial());
    let group = Group { subject: subject.clone(), members, inside: true, code: random_hex(11) };
    with_session(sandbox, session, |session| {
        session.groups.insert(id.clone(), group);
        Ok(())
    })?;
    let joined =
        json!({"timestamp": sandbox.now().0, "group": {"id": id, "subject": subject, "participants": []}, "_data": {}});
    tell(sandbox, session, "group.v2.join", &joined);
    Ok((
        201,
        json!({"JID": id, "OwnerJID": super::own_chat(sandbox, session), "Name": subject, "Topic": "", "IsLocked": false,
        "IsAnnounce": false, "Participants": told, "MemberAddMode": "admin_add", "IsJoinApprovalRequired": false}),
    ))
}

fn add(sandbox: &Arc<Sandbox>, session: &str, id: &str, call: &Call) -> Told {
    in_group(sandbox, session, id, |_| Ok(()))?;
    let (members, mut told) = bring(sandbox, call)?;
    in_group(sandbox, session, id, |group| {
        for one in &mut told {
            let phone = phone_of(&text_at(one, "JID")).unwrap_or_default();
            if let (true, Some(fields)) = (group.members.contains(&phone), one.as_object_mut()) {
                fields.insert("Error".to_owned(), json!(409));
            }
        }
        group.members.extend(members);
        Ok(())
    })?;
    Ok((200, json!(told)))
}

/// Who may be brought in, and what is told of each.
fn bring(sandbox: &Sandbox, call: &Call) -> Result<(BTreeSet<String>, Vec<Value>), Trouble> {
    let given = call.args.get("participants").and_then(Value::as_array).cloned();
    let given = given.ok_or_else(|| Trouble::said(400, "participants must be an array"))?;
    let (mut members, mut told) = (BTreeSet::new(), Vec::new());
    for one in given {
        let id = text_at(&one, "id");
        let phone = phone_of(&id).ok_or_else(|| Trouble::said(400, "participants must have ids"))?;
        let jid = format!("{phone}@s.whatsapp.net");
        let closed = sandbox.waha.lock().closed.contains(&phone);
        let error = match (has_whatsapp(sandbox, &phone), closed) {
            (false, _) => 404,
            (true, true) => 403,
            (true, false) => 0,
        };
        if error == 0 {
            members.insert(phone);
        }
        told.push(json!({"JID": jid, "PhoneNumber": jid, "IsAdmin": false, "IsSuperAdmin": false, "Error": error}));
    }
    Ok((members, told))
}

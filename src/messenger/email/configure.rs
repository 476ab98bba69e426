//! Changing a mailbox that is attached: what is not told stays, secrets among it.

use serde_json::{Map, Value, json};

use super::account::{self, Account};
use super::{attach, form};
use crate::messenger::{AttachError, AttachNext, Wire};

/// The answers of the form as they are now, without secrets.
pub(super) fn values(wire: &Wire) -> Option<Map<String, Value>> {
    let account = account::of_wire(wire).ok()?;
    let values = json!({
        "address": account.address,
        "auth": account.proof.way(),
        // who logs in as the address goes on doing so when the address changes
        "login": if account.login == account.address { String::new() } else { account.login.clone() },
        "from_name": account.name.clone().unwrap_or_default(),
        "imap_host": account.imap.host,
        "imap_port": account.imap.port,
        "imap_security": account.imap.security,
        "smtp_host": account.smtp.host,
        "smtp_port": account.smtp.port,
        "smtp_security": account.smtp.security,
        "group_letters": account.habits.group_letters,
        "remove_links": account.habits.remove_links,
        "signature": account.signature.clone().unwrap_or_default(),
        "inbox_folder": account.folders.inbox.clone().unwrap_or_default(),
        "sent_folder": account.folders.sent.clone().unwrap_or_default(),
        "server_keeps_sent": account.habits.server_keeps_sent,
    });
    values.as_object().cloned()
}

/// Changes the mailbox. The servers are asked only where something changed that they decide about.
pub(super) async fn configure(wire: &Wire, answers: &Map<String, Value>) -> Result<AttachNext, AttachError> {
    let kept = account::of_wire(wire).map_err(|seen| {
        AttachError::new(
            "",
            &format!("Настройки канала не читаются: {seen}. Привяжите почту заново."),
            &format!("The settings of the channel cannot be read: {seen}. Attach the mailbox again."),
        )
    })?;
    let mut all = values(wire).unwrap_or_default();
    if !answers.contains_key("auth") {
        // as what is given allows
        all.remove("auth");
    }
    all.extend(answers.clone());
    // the servers are named already
    all.insert("service".to_owned(), json!("custom"));
    let told = |name: &str| all.get(name).and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty());
    let way = answers.get("auth").and_then(Value::as_str).filter(|way| !way.is_empty());
    let same_way = way.is_none_or(|way| way == kept.proof.way());
    let proof_stays = same_way && !["password", "access_token", "refresh_token"].into_iter().any(told);
    if proof_stays {
        all.extend(kept.secrets().as_object().cloned().unwrap_or_default());
    }
    let mut account = form::read(&all)?;
    if account.smtp.host != kept.smtp.host && !answers.contains_key("server_keeps_sent") {
        // another server has habits of its own
        account.habits.server_keeps_sent = false;
    }
    account.service = kept.service;
    if reached_otherwise(&account, &kept) {
        let begins = attach::check(wire, &mut account).await?;
        return Ok(AttachNext::Done(attach::done(account, begins)));
    }
    let mut done = attach::done(account, Value::Null);
    if proof_stays {
        // what is known of a token that is renewed stays too
        done.secrets = wire.secrets.clone();
    }
    Ok(AttachNext::Done(done))
}

fn reached_otherwise(new: &Account, old: &Account) -> bool {
    new.address != old.address
        || new.login != old.login
        || new.proof != old.proof
        || new.imap != old.imap
        || new.smtp != old.smtp
        || new.folders != old.folders
}

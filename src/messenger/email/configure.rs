//! Changing a mailbox that is attached: what is not told stays, secrets among it.

use serde_json::{Map, Value, json};

use super::account::{self, Account};
use super::attach;
use crate::messenger::{AttachError, AttachNext, Wire};

/// The answers of the form as they are now, without secrets.
pub(super) fn values(wire: &Wire) -> Option<Map<String, Value>> {
    let account = account::of_wire(wire).ok()?;
    let values = json!({
        "address": account.address,
        // who logs in as the address goes on doing so when the address changes
        "login": if account.login == account.address { String::new() } else { account.login.clone() },
        "from_name": account.name.clone().unwrap_or_default(),
        "imap_host": account.imap.host,
        "imap_port": account.imap.port.to_string(),
        "imap_security": account.imap.security,
        "smtp_host": account.smtp.host,
        "smtp_port": account.smtp.port.to_string(),
        "smtp_security": account.smtp.security,
        "group_letters": account.habits.group_letters,
        "remove_links": account.habits.remove_links,
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
    all.extend(answers.clone());
    // the servers are named already
    all.insert("service".to_owned(), json!("custom"));
    let told = |name: &str| all.get(name).and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty());
    let proof_stays = !["password", "access_token", "refresh_token"].into_iter().any(told);
    if proof_stays {
        all.extend(kept.secrets().as_object().cloned().unwrap_or_default());
    }
    let mut account = account::of_form(&all)?;
    account.habits.server_keeps_sent = kept.habits.server_keeps_sent && account.smtp.host == kept.smtp.host;
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
}

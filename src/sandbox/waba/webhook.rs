//! What Meta posts to the app: signed over the very bytes, repeated until taken, many changes at once.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use super::send::{envelope, queue, status_error};
use super::{Trouble, escape, with_account};
use crate::sandbox::door::Call;
use crate::sandbox::phone::Bubble;
use crate::sandbox::state::Sandbox;

/// The most changes in one delivery.
const MOST: usize = 200;
const FIRST_PAUSE_MS: u64 = 200;
const LONGEST_PAUSE_MS: u64 = 30_000;

/// One change that waits to be delivered: its `value`, and its `field`.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    value: Value,
    field: String,
}

impl Delivery {
    /// A change of the field `messages`.
    pub(crate) fn messages(value: Map<String, Value>) -> Self {
        Self { value: Value::Object(value), field: "messages".to_owned() }
    }

    /// A change of any field.
    pub(crate) const fn of(field: String, value: Value) -> Self {
        Self { value, field }
    }
}

/// Tells the app what became of a message.
pub(crate) fn send_status(
    sandbox: &Sandbox,
    bubble: &Bubble,
    to: &str,
    status: &str,
    category: Option<&str>,
    error: Option<(i64, &str)>,
) {
    let name = sandbox.phones.lock().get(to).map(|phone| phone.name.clone());
    let now_s = sandbox.unix();
    queue(sandbox, &bubble.line, |number| {
        let mut told = Map::from_iter([
            ("id".to_owned(), json!(bubble.id)),
            ("status".to_owned(), json!(status)),
            ("timestamp".to_owned(), json!(now_s.to_string())),
            ("recipient_id".to_owned(), json!(to)),
        ]);
        told.extend(bubble.tag.as_ref().map(|tag| ("biz_opaque_callback_data".to_owned(), json!(tag))));
        let mut value = envelope(number);
        let of_group = !to.bytes().all(|byte| byte.is_ascii_digit());
        if of_group {
            told.insert("recipient_type".to_owned(), json!("group"));
        } else if let Some((code, details)) = error {
            told.insert("errors".to_owned(), json!([status_error(code, details)]));
        } else {
            told.insert("recipient_user_id".to_owned(), json!(user_id(to)));
            let contact = json!({"profile": {"name": name.unwrap_or_default()}, "wa_id": to, "user_id": user_id(to)});
            value.insert("contacts".to_owned(), json!([contact]));
            if status != "read" {
                let pricing = json!({"billable": true, "pricing_model": "PMP", "type": "regular", "category": category.unwrap_or("service")});
                told.insert("pricing".to_owned(), pricing);
            }
        }
        value.insert("statuses".to_owned(), json!([told]));
        Delivery::messages(value)
    });
}

/// The id of a person that is the same whatever the number is.
pub(crate) fn user_id(phone: &str) -> String {
    format!("RU.8120{phone:0>16}")
}

/// Delivers the changes of one number, one after another, for as long as the number exists.
pub(crate) async fn deliver_all(sandbox: Arc<Sandbox>, account: String, mut queue: UnboundedReceiver<Delivery>) {
    let mut batch = Vec::with_capacity(MOST);
    while queue.recv_many(&mut batch, MOST).await > 0 {
        let (is_reversed, is_double) = plan(&sandbox, &account);
        if is_reversed {
            batch.reverse();
        }
        let changes: Vec<Value> = batch.drain(..).map(|it| json!({"value": it.value, "field": it.field})).collect();
        let body = json!({"object": "whatsapp_business_account", "entry": [{"id": account, "changes": changes}]});
        for _ in 0..=u32::from(is_double) {
            deliver(&sandbox, &account, escape::write(&body)).await;
        }
    }
}

fn plan(sandbox: &Sandbox, account: &str) -> (bool, bool) {
    let mut waba = sandbox.waba.lock();
    let account = waba.accounts.entry(account.to_owned()).or_default();
    let planned = (account.reversed > 0, account.doubles > 0);
    account.reversed = account.reversed.saturating_sub(1);
    account.doubles = account.doubles.saturating_sub(1);
    planned
}

async fn deliver(sandbox: &Sandbox, account: &str, body: String) {
    let mut pause_ms = FIRST_PAUSE_MS;
    loop {
        let Some((url, secret)) = target(sandbox, account) else { return };
        let request = sandbox.http.post(&url).header("content-type", "application/json");
        let request = request.header("X-Hub-Signature-256", escape::sign(&secret, &body)).body(body.clone());
        let is_taken = request.send().await.is_ok_and(|reply| reply.status().as_u16() == 200);
        if let Some(account) = sandbox.waba.lock().accounts.get_mut(account) {
            account.delivered.0 += u64::from(is_taken);
            account.delivered.1 += u64::from(!is_taken);
        }
        if is_taken {
            return;
        }
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        pause_ms = (pause_ms * 2).min(LONGEST_PAUSE_MS);
    }
}

fn target(sandbox: &Sandbox, account: &str) -> Option<(String, String)> {
    let waba = sandbox.waba.lock();
    let account = waba.accounts.get(account)?;
    (account.subscribed && !account.webhook.is_empty()).then(|| (account.webhook.clone(), account.app_secret.clone()))
}

/// Asks the address of the app to prove that it knows the verify token.
pub(crate) async fn verify(sandbox: &Sandbox, url: &str, verify_token: &str) -> Result<(), String> {
    let challenge = (1_158_201_444 + sandbox.serial()).to_string();
    let query = [("hub.mode", "subscribe"), ("hub.challenge", &challenge), ("hub.verify_token", verify_token)];
    let reply =
        sandbox.http.get(url).query(&query).send().await.map_err(|_| "the address does not answer".to_owned())?;
    let status = reply.status().as_u16();
    let text = reply.text().await.unwrap_or_default();
    if status == 200 && text == challenge {
        Ok(())
    } else {
        Err(format!("status {status}, body of {} bytes", text.len()))
    }
}

/// `POST {account}/subscribed_apps`.
pub(crate) async fn subscribe(sandbox: &Sandbox, node: &str, call: &Call) -> Result<Value, Trouble> {
    with_account(sandbox, node, call, |_| Ok(()))?;
    let over = call.args.text("override_callback_uri").zip(call.args.text("verify_token"));
    if let Some((url, token)) = &over {
        let failed = |why: String| Trouble::of(100, &format!("Callback verification failed: {why}"));
        verify(sandbox, url, token).await.map_err(failed)?;
    }
    with_account(sandbox, node, call, |account| {
        account.subscribed = true;
        let before = (account.webhook.clone(), account.verify_token.clone());
        match over {
            Some(over) => {
                account.own.get_or_insert(before);
                (account.webhook, account.verify_token) = over;
            }
            // without an address of its own the account has that of the app
            None => take_back(account),
        }
        Ok(json!({"success": true}))
    })
}

fn take_back(account: &mut super::Account) {
    if let Some(own) = account.own.take() {
        (account.webhook, account.verify_token) = own;
    }
}

/// `GET {account}/subscribed_apps`.
pub(crate) fn subscriptions(sandbox: &Sandbox, node: &str, call: &Call) -> Result<Value, Trouble> {
    with_account(sandbox, node, call, |account| {
        let app = json!({"whatsapp_business_api_data": {"id": "250000000000003", "name": "Switchboard", "link": account.webhook}});
        Ok(json!({"data": if account.subscribed { vec![app] } else { vec![] }}))
    })
}

/// `DELETE {account}/subscribed_apps`.
pub(crate) fn unsubscribe(sandbox: &Sandbox, node: &str, call: &Call) -> Result<Value, Trouble> {
    with_account(sandbox, node, call, |account| {
        account.subscribed = false;
        take_back(account);
        Ok(json!({"success": true}))
    })
}

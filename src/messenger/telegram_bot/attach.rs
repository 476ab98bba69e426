//! Attaching a bot: its token is tried, and Telegram is told where to post once the channel is written down.

use secrecy::SecretString;
use serde_json::{Value, json};

use super::{answer, method, token};
use crate::messenger::{AttachError, AttachNext, AttachStep, Attachment, Wire, field};
use crate::model::vendor::Answer;
use crate::net::signature::fresh_secret;

/// What we want to be told of; the vendor's own default leaves some of it out.
const UPDATES: [&str; 10] = [
    "message",
    "edited_message",
    "channel_post",
    "callback_query",
    "my_chat_member",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    // left out unless it is asked for
    "message_reaction",
];

/// A bot as its token tells of it.
pub(super) struct Bot {
    /// Its number.
    pub(super) account: String,
    /// What is kept of it beside secrets.
    pub(super) settings: Value,
}

pub(super) async fn attach(wire: &Wire, step: &AttachStep) -> Result<AttachNext, AttachError> {
    let token = step.answers.get("token").and_then(Value::as_str).unwrap_or_default().trim();
    let bot = look(wire, token).await?;
    let secret = fresh_secret().ok_or_else(|| unclear("no randomness"))?;
    Ok(AttachNext::Done(Attachment {
        secrets: SecretString::from(json!({"token": token, "secret": secret}).to_string()),
        settings: bot.settings,
        account: bot.account,
        cursor: Value::Null,
    }))
}

/// Tries a token: whose it is.
pub(super) async fn look(wire: &Wire, token: &str) -> Result<Bot, AttachError> {
    if !looks_like_a_token(token) {
        return Err(AttachError::new(
            "token",
            "Токен бота выглядит так: 123456789:AA… Скопируйте его целиком из сообщения @BotFather.",
            "A bot token looks like 123456789:AA… Copy the whole of it from the message of @BotFather.",
        ));
    }
    let bot = call(wire, token, "getMe", json!({})).await?;
    let Some(account) = field::id(&bot, "id") else { return Err(unclear("getMe named no bot")) };
    let username = field::text(&bot, "username").unwrap_or_default();
    let settings = json!({
        "title": field::text(&bot, "first_name").unwrap_or_else(|| username.clone()),
        "address": format!("@{username}"),
        "reads_groups": bot.get("can_read_all_group_messages").and_then(Value::as_bool).unwrap_or_default(),
    });
    Ok(Bot { account, settings })
}

/// The bot's number stands before the colon of its token.
pub(super) fn account_of(token: &str) -> String {
    token.split(':').next().unwrap_or_default().to_owned()
}

/// Tells Telegram where to post. It keeps one address for a bot, so this is told only for a channel that is there.
pub(super) async fn announce(wire: &Wire, webhook_url: &str) -> Result<(), AttachError> {
    let secret = field::secret(&wire.secrets, "secret");
    let hook = json!({"url": webhook_url, "secret_token": secret, "allowed_updates": UPDATES});
    call(wire, &token(wire), "setWebhook", hook).await.map(|_| ())
}

/// Takes our address back. A bot that posts to somebody else by now is let alone, and a token that is refused opens nothing.
pub(super) async fn leave(wire: &Wire) -> Answer {
    match try_leave(wire).await {
        Ok(()) | Err(Answer::Expired { .. }) => Answer::done(),
        // both calls may be made again
        Err(Answer::Unsure { seen, .. }) => Answer::Down { seen },
        Err(answer) => answer,
    }
}

/// Where Telegram posts to; empty where it posts to nobody.
pub(super) async fn posts_to(wire: &Wire) -> Result<String, Answer> {
    match ask(wire, "getWebhookInfo").await {
        Ok(told) => Ok(field::text(&told, "url").unwrap_or_default()),
        Err(Answer::Unsure { seen, .. }) => Err(Answer::Down { seen }),
        Err(answer) => Err(answer),
    }
}

async fn ask(wire: &Wire, name: &str) -> Result<Value, Answer> {
    let request = wire.http.client().post(method(wire, &token(wire), name)).json(&json!({}));
    answer::result_of(wire.http.call(request, wire.http.limits()).await).map_err(|failure| failure.answer)
}

async fn try_leave(wire: &Wire) -> Result<(), Answer> {
    // the key alone is compared: the server may have got another name since
    let key = |url: &str| url.rsplit('/').next().unwrap_or_default().to_owned();
    let ours = match ask(wire, "getWebhookInfo").await {
        Ok(told) => field::text(&told, "url").is_some_and(|url| !url.is_empty() && key(&url) == key(&wire.webhook_url)),
        Err(Answer::Expired { seen }) => return Err(Answer::Expired { seen }),
        // where it does not say to whom it posts it is us for all that we know
        Err(_) => true,
    };
    if ours {
        ask(wire, "deleteWebhook").await?;
    }
    Ok(())
}

/// The token becomes a part of an address, so nothing else may be in it.
fn looks_like_a_token(token: &str) -> bool {
    token.split_once(':').is_some_and(|(bot, key)| {
        !bot.is_empty()
            && bot.len() <= 20
            && bot.chars().all(|c| c.is_ascii_digit())
            && (20..=100).contains(&key.len())
            && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    })
}

async fn call(wire: &Wire, token: &str, name: &str, body: Value) -> Result<Value, AttachError> {
    let request = wire.http.client().post(method(wire, token, name)).json(&body);
    let called = wire.http.call(request, wire.http.limits()).await;
    answer::result_of(called).map_err(|failure| match failure.answer {
        Answer::Expired { .. } => AttachError::new(
            "token",
            "Telegram не знает такого токена. Возьмите действующий у @BotFather (команда /mybots).",
            "Telegram does not know this token. Get the valid one from @BotFather (command /mybots).",
        ),
        Answer::Busy { after_ms, .. } => AttachError {
            field: "",
            ru: format!("Telegram просит подождать. Повторите через {} с.", after_ms / 1000),
            en: format!("Telegram asks to wait. Try again in {} s.", after_ms / 1000),
        },
        Answer::Refused { text, .. } | Answer::Nobody { text } => AttachError {
            field: "",
            ru: format!(
                "Telegram не принял адрес сервера: {text}. Нужен https с действующим сертификатом на порту 443, 80, 88 или 8443."
            ),
            en: format!(
                "Telegram did not take the server's address: {text}. It needs https with a valid certificate on port 443, 80, 88 or 8443."
            ),
        },
        Answer::Down { seen } | Answer::Unsure { seen, .. } => unclear(&seen),
        Answer::Done { .. } => unclear("an answer that does not fit"),
    })
}

fn unclear(seen: &str) -> AttachError {
    AttachError::silent(("Telegram", "Telegram"), seen)
}

#[cfg(test)]
mod tests {
    use super::looks_like_a_token;

    #[test]
    fn only_what_can_stand_in_an_address_is_a_token() {
        assert!(looks_like_a_token("7000000001:AAE-abc_defghijklmnopqrstuvwxyz12345"));
        for bad in
            ["", "7000000001", "7000000001:", "x:AAE-abc_defghijklmnopqrstuvwxyz", "1:AAE/../../getMe?aaaaaaaaaaaa"]
        {
            assert!(!looks_like_a_token(bad), "{bad}");
        }
    }
}

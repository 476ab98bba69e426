//! Attaching an account: by the keys of its own cabinet, or by signing in at Avito's site where this server is known there.

use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::token::{self, Client, Grant, Tokens};
use super::{ABOUT, answer, call};
use crate::messenger::{AttachError, AttachNext, AttachStep, Attachment, Wire, field};
use crate::model::vendor::Answer;
use crate::net::signature::{fresh_secret, same_secret};

/// What is asked of the account's owner.
const SCOPE: &str = "messenger:read,messenger:write,user:read";

pub(super) async fn attach(wire: &Wire, step: &AttachStep) -> Result<AttachNext, AttachError> {
    let given = |name: &str| step.answers.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    if let Some(state) = field::text(&step.kept, "state") {
        return come_back(wire, &state, &given("state"), &given("code")).await;
    }
    let (id, secret) = (given("client_id"), given("client_secret"));
    if id.is_empty() && secret.is_empty() {
        return sign_in(wire);
    }
    let client = Client { id: word("client_id", id)?, secret: SecretString::from(word("client_secret", secret)?) };
    let tokens = token::ask(wire, &client, Grant::Keys).await.map_err(explain_keys)?;
    finish(wire, &client, &tokens).await
}

/// Sends the person to Avito's site, where the account is chosen.
fn sign_in(wire: &Wire) -> Result<AttachNext, AttachError> {
    let Some(client) = own_client(wire) else {
        return Err(AttachError::new(
            "client_id",
            "Укажите Client ID и Client secret: они в кабинете Авито, раздел «Для разработчиков». Вход на сайте Авито возможен, если в настройках сервера заданы ключи приложения (avito.client_id).",
            "Give the client id and the client secret, see the developers' page of Avito's cabinet. Signing in at Avito's site needs the keys of an application in the settings of the server (avito.client_id).",
        ));
    };
    let state = fresh_secret().ok_or_else(|| unclear("no randomness"))?;
    let page = if wire.vendor == ABOUT.vendor { "https://avito.ru" } else { wire.vendor.as_str() };
    let query = [("response_type", "code"), ("client_id", &client.id), ("scope", SCOPE), ("state", &state)];
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let kept = json!({"state": state});
    Ok(AttachNext::Redirect { url: format!("{page}/oauth?{query}"), state, kept })
}

/// The person is back from Avito's site with a code, or without.
async fn come_back(wire: &Wire, ours: &str, theirs: &str, code: &str) -> Result<AttachNext, AttachError> {
    if code.is_empty() || !same_secret(ours, theirs) {
        return Err(AttachError::new(
            "code",
            "Авито не подтвердило вход. Начните подключение заново и разрешите доступ к сообщениям.",
            "Avito did not confirm the sign-in. Begin again and allow the access to messages.",
        ));
    }
    let client = own_client(wire).ok_or_else(|| unclear("the keys of the application are gone from the settings"))?;
    let tokens = token::ask(wire, &client, Grant::Code(code)).await.map_err(|answer| match answer {
        Answer::Expired { seen } => AttachError {
            field: "code",
            ru: format!("Авито не приняло код входа. Начните подключение заново. Ответ: {seen}"),
            en: format!("Avito does not take the code. Begin again. Answer: {seen}"),
        },
        other => explain(other),
    })?;
    finish(wire, &client, &tokens).await
}

/// The keys of this server at Avito, which the flow gives beside the step.
fn own_client(wire: &Wire) -> Option<Client> {
    let (id, secret) = (field::secret(&wire.secrets, "client_id"), field::secret(&wire.secrets, "client_secret"));
    (!id.is_empty() && !secret.is_empty()).then(|| Client { id, secret: SecretString::from(secret) })
}

async fn finish(wire: &Wire, client: &Client, tokens: &Tokens) -> Result<AttachNext, AttachError> {
    let secret = fresh_secret().ok_or_else(|| unclear("no randomness"))?;
    let secrets = token::secrets(client, &secret, tokens, None);
    let signed = Wire { secrets: secrets.clone(), ..wire.clone() };
    let told = call(&signed, Method::GET, &["core", "v1", "accounts", "self"], None).await.map_err(explain)?;
    let account = field::id(&told, "id").ok_or_else(|| unclear("the account has no number"))?;
    let name = field::text(&told, "name").unwrap_or_else(|| account.clone());
    let address = field::text(&told, "profile_url").or_else(|| field::text(&told, "email"));
    Ok(AttachNext::Done(Attachment {
        secrets,
        settings: json!({"title": name, "address": address.unwrap_or_default(), "user_id": account}),
        account,
        cursor: Value::Null,
    }))
}

/// Subscribes our address, and takes back what an earlier attaching left. The secret in it proves deliveries: Avito signs
/// with a key that it does not tell.
pub(super) async fn announce(wire: &Wire, webhook_url: &str) -> Result<(), AttachError> {
    let ours = format!("{webhook_url}?s={}", field::secret(&wire.secrets, "secret"));
    let place = webhook_url.rsplit_once('/').map_or(webhook_url, |(place, _)| place);
    call(wire, Method::POST, &["messenger", "v3", "webhook"], Some(&json!({"url": ours}))).await.map_err(explain)?;
    let known = call(wire, Method::POST, &["messenger", "v1", "subscriptions"], None).await.map_err(explain)?;
    for entry in field::list(&known, "subscriptions") {
        let Some(url) = field::text(entry, "url").filter(|url| *url != ours && url.starts_with(place)) else {
            continue;
        };
        let body = json!({"url": url});
        let gone = call(wire, Method::POST, &["messenger", "v1", "webhook", "unsubscribe"], Some(&body)).await;
        if let Err(answer) = gone {
            tracing::warn!(?answer, "a subscription of an earlier attaching stays at Avito");
        }
    }
    Ok(())
}

/// Takes our subscription back: it is known by the secret in it. Where Avito does not let us in any more, nothing is told.
pub(super) async fn detach(wire: &Wire) -> Answer {
    let secret = field::secret(&wire.secrets, "secret");
    let ending = format!("?s={secret}");
    let known = call(wire, Method::POST, &["messenger", "v1", "subscriptions"], None).await;
    let known = match known.map_err(answer::repeatable) {
        Ok(known) => known,
        // the keys are no good any more: an account that nobody can speak for is as good as detached
        Err(Answer::Expired { .. }) => return Answer::done(),
        Err(answer) => return answer,
    };
    let urls = field::list(&known, "subscriptions").iter().filter_map(|entry| field::text(entry, "url"));
    for url in urls.filter(|url| !secret.is_empty() && url.ends_with(&ending)) {
        let body = json!({"url": url});
        let path = ["messenger", "v1", "webhook", "unsubscribe"];
        match call(wire, Method::POST, &path, Some(&body)).await.map_err(answer::repeatable) {
            Ok(_) | Err(Answer::Expired { .. } | Answer::Nobody { .. }) => {}
            Err(answer) => return answer,
        }
    }
    Answer::done()
}

fn word(name: &'static str, text: String) -> Result<String, AttachError> {
    let good = !text.is_empty() && text.len() <= 256 && text.chars().all(|c| c.is_ascii_graphic());
    if good { Ok(text) } else { Err(wrong_keys(name, "")) }
}

fn explain_keys(answer: Answer) -> AttachError {
    match answer {
        Answer::Expired { seen } => wrong_keys("client_secret", &seen),
        other => explain(other),
    }
}

fn wrong_keys(field: &'static str, seen: &str) -> AttachError {
    AttachError {
        field,
        ru: format!("Авито не знает таких ключей. Скопируйте Client ID и Client secret целиком, без пробелов. {seen}"),
        en: format!(
            "Avito does not know these keys. Copy the whole client id and client secret, without spaces. {seen}"
        ),
    }
}

fn explain(answer: Answer) -> AttachError {
    match answer {
        Answer::Expired { seen } if seen.starts_with("(402)") || seen.starts_with("HTTP 402") => AttachError::new(
            "",
            "В аккаунте Авито нет доступа к API мессенджера: нужна подписка с этим доступом (тариф «Максимальный»). Подключите её и повторите.",
            "The Avito account has no access to the messenger API: it needs the tariff with this access. Buy it and try again.",
        ),
        Answer::Busy { after_ms, .. } => AttachError {
            field: "",
            ru: format!("Авито просит подождать. Повторите через {} с.", after_ms / 1000),
            en: format!("Avito asks to wait. Try again in {} s.", after_ms / 1000),
        },
        Answer::Expired { seen: text } | Answer::Refused { text, .. } | Answer::Nobody { text } => AttachError {
            field: "",
            ru: format!("Авито отклонило запрос: {text}. Проверьте, что ключи — главного аккаунта компании."),
            en: format!(
                "Avito refused the request: {text}. Check that the keys are those of the company's main account."
            ),
        },
        Answer::Down { seen } | Answer::Unsure { seen, .. } => unclear(&seen),
        Answer::Done { .. } => unclear("an answer that does not fit"),
    }
}

fn unclear(seen: &str) -> AttachError {
    AttachError::silent(("Авито", "Avito"), seen)
}

//! Attaching a community by its key, which a person pastes or VK gives after a sign-in: the rights are looked at, the community
//! tells its name, and VK is told where to post.

use secrecy::SecretString;
use serde_json::{Value, json};

use super::answer::repeatable;
use super::{VERSION, call, call_as, group_id, sign_in};
use crate::messenger::{AttachError, AttachNext, AttachStep, Attachment, Reply, Wire, field};
use crate::model::vendor::Answer;
use crate::net::signature::fresh_secret;

/// How our address is called in the community's settings: 14 characters at most.
const TITLE: &str = "Switchboard";

/// The longest secret that VK takes.
const SECRET: usize = 50;

/// What we want to be told of; every event is off until it is asked for.
const EVENTS: [&str; 9] = [
    "message_new",
    "message_reply",
    "message_edit",
    "message_allow",
    "message_deny",
    "message_read",
    "message_event",
    "message_reaction_event",
    "wall_reply_new",
];

pub(super) async fn attach(wire: &Wire, step: &AttachStep) -> Result<AttachNext, AttachError> {
    if !step.kept.is_null() {
        return sign_in::go_on(wire, step).await;
    }
    let token = step.answers.get("token").and_then(Value::as_str).unwrap_or_default().trim();
    match sign_in::own_client(wire) {
        Some(client) if token.is_empty() => sign_in::begin(wire, step, &client),
        _ => by_token(wire, token).await,
    }
}

/// Attaches the community whose key this is.
pub(super) async fn by_token(wire: &Wire, token: &str) -> Result<AttachNext, AttachError> {
    if !looks_like_a_token(token) {
        return Err(AttachError::new(
            "token",
            "Вставьте ключ доступа целиком, без пробелов. Он создаётся в сообществе: Управление → Работа с API → Создать ключ.",
            "Paste the whole access key, without spaces. It is made in the community: Manage, API usage, Create key.",
        ));
    }
    let rights = call_as(wire, token, "groups.getTokenPermissions", &[]).await.map_err(explain)?;
    check_rights(&rights)?;
    let told = call_as(wire, token, "groups.getById", &[]).await.map_err(explain)?;
    let community = community(&told).ok_or_else(|| unclear("groups.getById named no community"))?;
    let group = field::id(community, "id").ok_or_else(|| unclear("groups.getById named no community"))?;
    let secret: String = fresh_secret().ok_or_else(|| unclear("no randomness"))?.chars().take(SECRET).collect();
    let screen_name = field::text(community, "screen_name").unwrap_or_else(|| format!("club{group}"));
    Ok(AttachNext::Done(Attachment {
        secrets: SecretString::from(json!({"token": token, "secret": secret}).to_string()),
        settings: json!({
            "title": field::text(community, "name").unwrap_or_else(|| screen_name.clone()),
            "address": format!("vk.com/{screen_name}"),
            "group_id": group,
        }),
        account: group,
        cursor: Value::Null,
    }))
}

/// Makes our entry among the community's servers, or mends the one that is there, and asks for the events that we use.
pub(super) async fn announce(wire: &Wire, webhook_url: &str) -> Result<(), AttachError> {
    let group = group_id(wire);
    let known = call(wire, "groups.getCallbackServers", &[("group_id", group.clone())]).await.map_err(explain)?;
    let (ours, stale) = entries(&known, webhook_url);
    for id in stale {
        // an entry of an earlier attaching; VK keeps ten at most
        let gone = call(wire, "groups.deleteCallbackServer", &[("group_id", group.clone()), ("server_id", id)]).await;
        if let Err(answer) = gone {
            tracing::warn!(?answer, "a callback server of an earlier attaching stays at VK");
        }
    }
    let mut entry = vec![
        ("group_id", group.clone()),
        ("url", webhook_url.to_owned()),
        ("title", TITLE.to_owned()),
        ("secret_key", field::secret(&wire.secrets, "secret")),
    ];
    let id = if let Some(id) = ours {
        entry.push(("server_id", id.clone()));
        call(wire, "groups.editCallbackServer", &entry).await.map_err(explain)?;
        id
    } else {
        let made = call(wire, "groups.addCallbackServer", &entry).await.map_err(explain)?;
        field::id(&made, "server_id").ok_or_else(|| unclear("groups.addCallbackServer named no server"))?
    };
    let mut wanted = vec![("group_id", group), ("server_id", id), ("api_version", VERSION.to_owned())];
    wanted.extend(EVENTS.map(|event| (event, "1".to_owned())));
    call(wire, "groups.setCallbackSettings", &wanted).await.map_err(explain)?;
    Ok(())
}

/// Takes our address out of the community's settings. A key that is refused opens nothing there any more.
pub(super) async fn leave(wire: &Wire) -> Answer {
    match try_leave(wire).await {
        Ok(()) | Err(Answer::Expired { .. }) => Answer::done(),
        Err(answer) => repeatable(answer),
    }
}

async fn try_leave(wire: &Wire) -> Result<(), Answer> {
    let group = group_id(wire);
    let known = call(wire, "groups.getCallbackServers", &[("group_id", group.clone())]).await?;
    let (ours, stale) = entries(&known, &wire.webhook_url);
    for id in ours.into_iter().chain(stale) {
        call(wire, "groups.deleteCallbackServer", &[("group_id", group.clone()), ("server_id", id)]).await?;
    }
    Ok(())
}

/// The code that proves that the address is the community's. It changes with every entry that is added or edited.
pub(super) async fn prove(wire: &Wire) -> Result<Reply, Answer> {
    let told = call(wire, "groups.getCallbackConfirmationCode", &[("group_id", group_id(wire))]).await?;
    let code = field::text(&told, "code").ok_or_else(|| Answer::Down { seen: "VK named no code".to_owned() })?;
    Ok(Reply { mime: "text/plain", body: code })
}

/// Newer versions wrap the list.
fn community(told: &Value) -> Option<&Value> {
    told.get("groups").unwrap_or(told).get(0)
}

fn check_rights(told: &Value) -> Result<(), AttachError> {
    let has = |right: &str| field::list(told, "permissions").iter().any(|one| one.get("name") == Some(&json!(right)));
    let named = [("messages", "сообщения сообщества"), ("manage", "управление сообществом")];
    let missing: Vec<(&str, &str)> = named.into_iter().filter(|(right, _)| !has(right)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let (en, ru): (Vec<&str>, Vec<&str>) = missing.into_iter().unzip();
    Err(AttachError {
        field: "token",
        ru: format!(
            "У ключа нет прав: {}. Создайте ключ с правами на управление сообществом, сообщения, фотографии и файлы.",
            ru.join(", ")
        ),
        en: format!("The key lacks rights: {}. Create one with manage, messages, photos and docs.", en.join(", ")),
    })
}

/// Our own entry, and entries of ours that an earlier attaching left behind: the same server under another key.
fn entries(known: &Value, webhook_url: &str) -> (Option<String>, Vec<String>) {
    let place = webhook_url.rsplit_once('/').map_or(webhook_url, |(place, _)| place);
    let mut ours = None;
    let mut stale = Vec::new();
    for entry in field::list(known, "items") {
        let (Some(id), Some(url)) = (field::id(entry, "id"), field::text(entry, "url")) else { continue };
        if url == webhook_url {
            ours = Some(id);
        } else if url.rsplit_once('/').is_some_and(|(other, _)| other == place) {
            stale.push(id);
        }
    }
    (ours, stale)
}

fn looks_like_a_token(token: &str) -> bool {
    (20..=512).contains(&token.len()) && token.chars().all(|c| c.is_ascii_graphic())
}

pub(super) fn explain(answer: Answer) -> AttachError {
    match answer {
        Answer::Expired { seen } => AttachError {
            field: "token",
            ru: format!("ВКонтакте не принимает ключ. Создайте новый ключ доступа сообщества. Ответ: {seen}"),
            en: format!("VK does not take the key. Create a new access key of the community. Answer: {seen}"),
        },
        Answer::Busy { after_ms, .. } => AttachError {
            field: "",
            ru: format!("ВКонтакте просит подождать. Повторите через {} с.", after_ms / 1000),
            en: format!("VK asks to wait. Try again in {} s.", after_ms / 1000),
        },
        Answer::Refused { text, .. } if text.starts_with("(2000)") => AttachError::new(
            "",
            "В сообществе уже десять серверов Callback API, больше нельзя. Удалите ненужный: Управление → Работа с API → Callback API.",
            "The community has ten Callback API servers already, which is the most. Delete one: Manage, API usage, Callback API.",
        ),
        Answer::Refused { text, .. } | Answer::Nobody { text } => AttachError {
            field: "token",
            ru: format!(
                "ВКонтакте отклонил запрос: {text}. Проверьте права ключа и что в сообществе включены сообщения."
            ),
            en: format!(
                "VK refused the request: {text}. Check the rights of the key and that messages of the community are on."
            ),
        },
        Answer::Down { seen } | Answer::Unsure { seen, .. } => unclear(&seen),
        Answer::Done { .. } => unclear("an answer that does not fit"),
    }
}

pub(super) fn unclear(seen: &str) -> AttachError {
    AttachError::silent(("ВКонтакте", "VK"), seen)
}

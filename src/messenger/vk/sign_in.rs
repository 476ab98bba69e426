//! Attaching by signing in at VK: who manages communities, which of them it shall be, and the key that VK gives for that one.
//!
//! Two visits of VK's page, as its documentation has it: at the first the person lets us see the communities, at the second the
//! one that was chosen lets us speak for it. What the first visit gave is forgotten with the list.

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::attach::{by_token, explain, unclear};
use super::{VERSION, call_as};
use crate::messenger::{AttachError, AttachNext, AttachStep, Choice, Field, Wire, field};
use crate::net::http::Reply;
use crate::net::signature::{fresh_secret, same_secret};

/// What the key of a community shall open.
const RIGHTS: &str = "messages,photos,docs,manage";

/// The most communities that VK tells of one person.
const MOST: usize = 1000;

/// The field of the choice.
static COMMUNITY: Field = Field::text("community", "Сообщество", "Community");

/// Where the dialogue stands.
#[derive(Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "snake_case")]
enum Stand {
    /// The person lets us see the communities.
    Person { state: String },
    /// One of these is chosen.
    Choice { offered: Vec<String> },
    /// The community lets us speak for it.
    Community { state: String, id: String },
}

/// The keys of this server at VK, which the flow gives beside the step.
pub(super) struct Client {
    id: String,
    secret: SecretString,
}

/// Those keys, where the settings have them.
pub(super) fn own_client(wire: &Wire) -> Option<Client> {
    let (id, secret) = (field::secret(&wire.secrets, "client_id"), field::secret(&wire.secrets, "client_secret"));
    (!id.is_empty() && !secret.is_empty()).then(|| Client { id, secret: SecretString::from(secret) })
}

/// Sends the person to VK's page.
pub(super) fn begin(wire: &Wire, step: &AttachStep, client: &Client) -> Result<AttachNext, AttachError> {
    let state = fresh_secret().ok_or_else(|| unclear("no randomness"))?;
    let stand = Stand::Person { state: state.clone() };
    Ok(visit(wire, step, client, &[("scope", "groups")], (state, &stand)))
}

/// Goes on from where the dialogue stands.
pub(super) async fn go_on(wire: &Wire, step: &AttachStep) -> Result<AttachNext, AttachError> {
    let stand = serde_json::from_value(step.kept.clone()).map_err(|_| over())?;
    let client = own_client(wire).ok_or_else(|| unclear("the keys of the application are gone from the settings"))?;
    match stand {
        Stand::Person { state } => {
            let told = exchange(wire, step, &client, &state).await?;
            let token = field::text(&told, "access_token").ok_or_else(|| unclear("VK gave no token"))?;
            offer(wire, &token).await
        }
        Stand::Choice { offered } => choose(wire, step, &client, offered),
        Stand::Community { state, id } => {
            let told = exchange(wire, step, &client, &state).await?;
            let token = token_of(&told, &id)?;
            let next = by_token(wire, &token).await.map_err(without_field)?;
            match &next {
                AttachNext::Done(done) if done.account == id => Ok(next),
                _ => Err(other_community()),
            }
        }
    }
}

/// The communities that the person manages.
async fn offer(wire: &Wire, token: &str) -> Result<AttachNext, AttachError> {
    let asked = [("filter", "admin".to_owned()), ("extended", "1".to_owned()), ("count", MOST.to_string())];
    let told = call_as(wire, token, "groups.get", &asked).await.map_err(|answer| without_field(explain(answer)))?;
    let options: Vec<Choice> = field::list(&told, "items").iter().filter_map(option).collect();
    if options.is_empty() {
        return Err(AttachError::new(
            "",
            "У этого профиля нет сообществ, которыми он управляет. Войдите во ВКонтакте как администратор сообщества и начните подключение заново.",
            "This profile manages no community. Sign in to VK as an administrator of the community and begin again.",
        ));
    }
    let stand = Stand::Choice { offered: options.iter().map(|option| option.value.clone()).collect() };
    Ok(AttachNext::Choose { field: &COMMUNITY, options, kept: kept(&stand) })
}

fn option(community: &Value) -> Option<Choice> {
    let id = field::id(community, "id").filter(|id| id.chars().all(|c| c.is_ascii_digit()))?;
    let address = field::text(community, "screen_name").unwrap_or_else(|| format!("club{id}"));
    let title = field::text(community, "name").unwrap_or_else(|| address.clone());
    Some(Choice { value: id, title: field::short(&title), about: format!("vk.com/{}", field::short(&address)) })
}

/// Sends the person to VK's page once more, where the chosen community lets us in.
fn choose(wire: &Wire, step: &AttachStep, client: &Client, offered: Vec<String>) -> Result<AttachNext, AttachError> {
    let asked = step.answers.get(COMMUNITY.name).and_then(Value::as_str).unwrap_or_default();
    let id = offered.into_iter().find(|one| one == asked).ok_or_else(|| {
        AttachError::new(COMMUNITY.name, "Выберите сообщество из списка.", "Choose a community from the list.")
    })?;
    let state = fresh_secret().ok_or_else(|| unclear("no randomness"))?;
    let more = [("group_ids", id.as_str()), ("scope", RIGHTS)];
    let stand = Stand::Community { state: state.clone(), id: id.clone() };
    Ok(visit(wire, step, client, &more, (state, &stand)))
}

fn visit(
    wire: &Wire,
    step: &AttachStep,
    client: &Client,
    more: &[(&str, &str)],
    (state, stand): (String, &Stand),
) -> AttachNext {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("client_id", client.id.as_str()), ("redirect_uri", &step.return_url), ("display", "page")])
        .extend_pairs(more)
        .extend_pairs([("response_type", "code"), ("state", &state), ("v", VERSION)])
        .finish();
    AttachNext::Redirect { url: format!("{}/authorize?{query}", oauth_host(wire)), state, kept: kept(stand) }
}

/// The host of the sign-in belongs to that of the API: `api.vk.com` and `oauth.vk.com`, `api.vk.ru` and `oauth.vk.ru`. Elsewhere,
/// as behind a proxy, it is `oauth` beside `method`.
fn oauth_host(wire: &Wire) -> String {
    let place = wire.vendor.strip_suffix("/method").unwrap_or(&wire.vendor);
    match place.strip_prefix("https://api.") {
        Some(domain) => format!("https://oauth.{domain}"),
        None => format!("{place}/oauth"),
    }
}

/// What the code of a visit is good for.
async fn exchange(wire: &Wire, step: &AttachStep, client: &Client, ours: &str) -> Result<Value, AttachError> {
    let brought = |name: &str| step.answers.get(name).and_then(Value::as_str).unwrap_or_default();
    if !same_secret(ours, brought("state")) {
        return Err(over());
    }
    let code = brought("code");
    if code.is_empty() {
        return Err(denied(brought("error_description")));
    }
    let query = [
        ("client_id", client.id.as_str()),
        ("client_secret", client.secret.expose_secret()),
        ("redirect_uri", &step.return_url),
        ("code", code),
    ];
    let request = wire.http.client().get(format!("{}/access_token", oauth_host(wire))).query(&query);
    let reply = wire.http.call(request, wire.http.limits()).await.map_err(|error| explain(error.answer(false)))?;
    read(&reply)
}

/// An answer is good where it has what was asked for; errors come with several statuses, and as text in `error`.
fn read(reply: &Reply) -> Result<Value, AttachError> {
    let told = reply.json();
    if (200..300).contains(&reply.status) && told.get("error").is_none() {
        return Ok(told);
    }
    let words = field::text(&told, "error_description").or_else(|| field::text(&told, "error"));
    match words {
        Some(words) => Err(refused(&words)),
        None => Err(unclear(&format!("HTTP {}", reply.status))),
    }
}

fn token_of(told: &Value, id: &str) -> Result<String, AttachError> {
    let ours = |entry: &&Value| field::id(entry, "group_id").is_some_and(|group| group == id);
    let entry = field::list(told, "groups").iter().find(ours);
    entry.and_then(|entry| field::text(entry, "access_token")).ok_or_else(other_community)
}

fn kept(stand: &Stand) -> Value {
    serde_json::to_value(stand).unwrap_or_else(|_| json!({}))
}

/// The form of a key is not what the person sees here.
fn without_field(error: AttachError) -> AttachError {
    AttachError { field: "", ..error }
}

fn over() -> AttachError {
    AttachError::new(
        "",
        "Этот вход не тот, который был начат. Начните подключение заново.",
        "This sign-in is not the one that was begun. Begin the attaching again.",
    )
}

fn denied(said: &str) -> AttachError {
    let said = field::short(said);
    let mut error = AttachError::new(
        "",
        "ВКонтакте не подтвердил доступ. Начните подключение заново и нажмите «Разрешить».",
        "VK did not confirm the access. Begin again and press Allow.",
    );
    if !said.is_empty() {
        error.ru = format!("{} Ответ: {said}", error.ru);
        error.en = format!("{} Answer: {said}", error.en);
    }
    error
}

fn refused(said: &str) -> AttachError {
    let said = field::short(said);
    AttachError {
        field: "",
        ru: format!("ВКонтакте не принял код входа. Начните подключение заново. Ответ: {said}"),
        en: format!("VK does not take the code of the sign-in. Begin again. Answer: {said}"),
    }
}

fn other_community() -> AttachError {
    AttachError::new(
        "",
        "ВКонтакте дал доступ не к тому сообществу, которое выбрано. Начните подключение заново.",
        "VK gave access to another community than was chosen. Begin again.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_sees_names_and_addresses_and_nothing_that_is_no_community() {
        let told = json!({"id": 5, "name": "Ромашка", "screen_name": "romashka"});
        let expected = Choice { value: "5".into(), title: "Ромашка".into(), about: "vk.com/romashka".into() };
        assert_eq!(option(&told), Some(expected));
        assert_eq!(option(&json!({"id": "7"})).unwrap().title, "club7");
        assert_eq!(option(&json!({"id": "7,8", "name": "x"})), None);
    }
}

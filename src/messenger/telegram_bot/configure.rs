//! Changing a bot that is attached: how it is called here, and the token when the bot got a new one. Its name, description and
//! picture are changed where bots are made, as for every bot.

use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::{TOKEN, attach, token};
use crate::messenger::{AttachError, AttachNext, Attachment, Field, Wire, field};

/// The longest title.
const LONGEST: usize = 64;

pub(super) const FORM: &[Field] = &[
    Field::text("title", "Название в кабинете", "Title in the cabinet")
        .hint("Пустое — имя бота из @BotFather.", "Empty is the bot's name of @BotFather.")
        .optional(),
    TOKEN.optional(),
];

pub(super) fn values(wire: &Wire) -> Map<String, Value> {
    let title = field::text(&wire.settings, "title").unwrap_or_default();
    Map::from_iter([("title".to_owned(), json!(title))])
}

pub(super) async fn configure(wire: &Wire, answers: &Map<String, Value>) -> Result<AttachNext, AttachError> {
    let given = |name: &str| answers.get(name).map(|value| value.as_str().unwrap_or_default().trim().to_owned());
    let kept = token(wire);
    let token = given("token").filter(|token| !token.is_empty()).unwrap_or_else(|| kept.clone());
    let title = given("title").unwrap_or_else(|| field::text(&wire.settings, "title").unwrap_or_default());
    if title.chars().count() > LONGEST || title.chars().any(char::is_control) {
        return Err(AttachError::new(
            "title",
            "Название — не длиннее 64 знаков, в одну строку.",
            "A title has 64 letters at most, on one line.",
        ));
    }
    let account = attach::account_of(&kept);
    let mut settings = wire.settings.clone();
    if token != kept || title.is_empty() {
        let bot = attach::look(wire, &token).await?;
        if bot.account != account {
            return Err(AttachError::new(
                "token",
                "Это токен другого бота. Чтобы подключить его, привяжите ещё один канал.",
                "This is the token of another bot. Attach one more channel for it.",
            ));
        }
        settings = bot.settings;
    }
    if !title.is_empty() {
        let own = Map::from_iter([("title".to_owned(), json!(title)), ("own_title".to_owned(), json!(true))]);
        if let Some(settings) = settings.as_object_mut() {
            settings.extend(own);
        }
    }
    let secrets = json!({"token": token, "secret": field::secret(&wire.secrets, "secret")}).to_string();
    Ok(AttachNext::Done(Attachment { secrets: SecretString::from(secrets), settings, account, cursor: Value::Null }))
}

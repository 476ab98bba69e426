//! Attaching a number by hand, or by the code of Meta's Embedded Signup where this server is an app of Meta's: the account is
//! looked at, the number is registered, and asked how it is. Each failure names the field that is to be mended. The app is
//! subscribed to the account when the channel is written down.

use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::{code, standing};
use crate::messenger::{AttachError, AttachNext, AttachStep, Attachment, Wire, field};
use crate::model::vendor::Answer;
use crate::net::signature::fresh_secret;

pub(super) async fn attach(wire: &Wire, step: &AttachStep) -> Result<AttachNext, AttachError> {
    let form = match field::text(&Value::Object(step.answers.clone()), "code") {
        Some(code) => Form::sign_up(wire, &step.answers, code.trim()).await?,
        None => Form::read(&step.answers)?,
    };
    // a subscription would take the address away from whoever has it, so it is only looked at here
    form.call(wire, Method::GET, &format!("{}/subscribed_apps", form.waba_id), Value::Null, "waba_id").await?;
    if let Some(pin) = &form.pin {
        let body = json!({"messaging_product": "whatsapp", "pin": pin});
        form.call(wire, Method::POST, &format!("{}/register", form.phone_number_id), body, "pin").await?;
    }
    let path = format!("{}?fields={}", form.phone_number_id, standing::FIELDS);
    let health = form.call(wire, Method::GET, &path, Value::Null, "phone_number_id").await?;
    Ok(form.done(&health))
}

/// Subscribes the app to the account. Where the app is this server's own, Meta is told where this account's deliveries go, and
/// tries the address at once; the app of a company has an address in its settings.
pub(super) async fn announce(wire: &Wire, webhook_url: &str) -> Result<(), AttachError> {
    let embedded = wire.settings.get("embedded").and_then(Value::as_bool) == Some(true);
    let verify_token = field::secret(&wire.secrets, "verify_token");
    let body =
        if embedded { json!({"override_callback_uri": webhook_url, "verify_token": verify_token}) } else { json!({}) };
    let request = super::call(wire, Method::POST, &subscription(wire)).json(&body);
    let called = wire.http.call(request, wire.http.limits()).await;
    code::result_of(called).map(|_| ()).map_err(|answer| explain(answer, "waba_id"))
}

/// Takes the subscription back, and the address of the account with it. A token that is refused opens nothing there.
pub(super) async fn leave(wire: &Wire) -> Answer {
    let request = super::call(wire, Method::DELETE, &subscription(wire));
    match code::result_of(wire.http.call(request, wire.http.limits()).await) {
        Ok(_) | Err(Answer::Expired { .. }) => Answer::done(),
        // nothing comes of it where it is done twice
        Err(Answer::Unsure { seen, .. }) => Answer::Down { seen },
        Err(answer) => answer,
    }
}

fn subscription(wire: &Wire) -> String {
    format!("{}/subscribed_apps", field::id(&wire.settings, "waba_id").unwrap_or_default())
}

struct Form {
    phone_number_id: String,
    waba_id: String,
    token: String,
    app_secret: String,
    verify_token: String,
    pin: Option<String>,
    /// Whether the app is this server's own.
    embedded: bool,
}

impl Form {
    /// Exchanges the code that the popup of Meta gave, which is good for half a minute.
    async fn sign_up(wire: &Wire, answers: &Map<String, Value>, code: &str) -> Result<Self, AttachError> {
        let (id, secret) = (field::secret(&wire.secrets, "client_id"), field::secret(&wire.secrets, "client_secret"));
        if id.is_empty() || secret.is_empty() {
            return Err(AttachError::new(
                "code",
                "Вход через Meta возможен, если в настройках сервера заданы ключи приложения (waba.client_id, waba.client_secret). Без них заполните форму вручную.",
                "Signing up through Meta needs the keys of an app in the settings of the server (waba.client_id, waba.client_secret). Without them fill in the form by hand.",
            ));
        }
        let ids = Ids::read(answers)?;
        let query = [("client_id", id.as_str()), ("client_secret", &secret), ("code", code)];
        let request = wire.http.client().get(format!("{}/oauth/access_token", wire.vendor)).query(&query);
        let made = code::result_of(wire.http.call(request, wire.http.limits()).await).map_err(explain_code)?;
        let token = field::text(&made, "access_token").filter(|token| is_word(token));
        let token = token.ok_or_else(|| explain_code(Answer::Down { seen: "no token".to_owned() }))?;
        let verify_token = fresh_secret().ok_or_else(|| said("", "Нет случайных чисел", "No randomness", ""))?;
        let pin = match ids.pin {
            Some(pin) => pin,
            None => fresh_pin().ok_or_else(|| said("", "Нет случайных чисел", "No randomness", ""))?,
        };
        Ok(Self {
            phone_number_id: ids.phone_number_id,
            waba_id: ids.waba_id,
            token,
            app_secret: secret,
            verify_token,
            pin: Some(pin),
            embedded: true,
        })
    }

    fn read(answers: &Map<String, Value>) -> Result<Self, AttachError> {
        let given = |name: &str| answers.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
        let needed = |name: &'static str, good: fn(&str) -> bool, ru: &str, en: &str| {
            Some(given(name)).filter(|value| good(value)).ok_or_else(|| AttachError::new(name, ru, en))
        };
        let Ids { phone_number_id, waba_id, pin } = Ids::read(answers)?;
        let token = needed(
            "token",
            is_word,
            "Вставьте токен целиком, без пробелов.",
            "Paste the whole token, without spaces.",
        )?;
        let app_secret = needed(
            "app_secret",
            |text| text.len() == 32 && text.chars().all(|c| c.is_ascii_hexdigit()),
            "Секрет приложения — 32 знака из раздела «Настройки» → «Основное» приложения Meta.",
            "The app secret has 32 characters, see Settings, Basic of the Meta app.",
        )?;
        let verify_token = needed(
            "verify_token",
            is_word,
            "Придумайте маркер без пробелов и укажите его же в настройках вебхука приложения.",
            "Make up a token without spaces and give the same one in the webhook settings of the app.",
        )?;
        Ok(Self { phone_number_id, waba_id, token, app_secret, verify_token, pin, embedded: false })
    }

    async fn call(
        &self,
        wire: &Wire,
        method: Method,
        path: &str,
        body: Value,
        about: &'static str,
    ) -> Result<Value, AttachError> {
        let request = wire.http.client().request(method, format!("{}/{path}", wire.vendor)).bearer_auth(&self.token);
        let request = if body.is_null() { request } else { request.json(&body) };
        let called = wire.http.call(request, wire.http.limits()).await;
        code::result_of(called).map_err(|answer| explain(answer, about))
    }

    fn done(self, health: &Value) -> AttachNext {
        let phone = field::text(health, "display_phone_number").unwrap_or_default();
        let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
        let mut settings = standing::read(health);
        settings.extend([
            ("title".to_owned(), json!(field::text(health, "verified_name").unwrap_or(phone))),
            ("address".to_owned(), json!(digits)),
            ("phone_number_id".to_owned(), json!(self.phone_number_id)),
            ("waba_id".to_owned(), json!(self.waba_id)),
            ("embedded".to_owned(), json!(self.embedded)),
        ]);
        AttachNext::Done(Attachment {
            secrets: SecretString::from(
                json!({
                    "token": self.token, "app_secret": self.app_secret, "verify_token": self.verify_token, "pin": self.pin,
                })
                .to_string(),
            ),
            settings: Value::Object(settings),
            account: self.phone_number_id,
            cursor: Value::Null,
        })
    }
}

/// What both ways ask for.
struct Ids {
    phone_number_id: String,
    waba_id: String,
    pin: Option<String>,
}

impl Ids {
    fn read(answers: &Map<String, Value>) -> Result<Self, AttachError> {
        let given = |name: &str| answers.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
        let number = |name: &'static str| {
            Some(given(name)).filter(|value| is_number(value)).ok_or_else(|| {
                AttachError::new(
                    name,
                    "Здесь должно быть число из кабинета Meta.",
                    "A number from Meta's console belongs here.",
                )
            })
        };
        let (phone_number_id, waba_id) = (number("phone_number_id")?, number("waba_id")?);
        let pin = Some(given("pin")).filter(|pin| !pin.is_empty());
        if pin.as_ref().is_some_and(|pin| pin.len() != 6 || !is_number(pin)) {
            return Err(AttachError::new("pin", "PIN состоит из 6 цифр.", "The PIN has 6 digits."));
        }
        Ok(Self { phone_number_id, waba_id, pin })
    }
}

/// The two-step code of a number that has none yet.
fn fresh_pin() -> Option<String> {
    let mut bytes = [0_u8; 4];
    getrandom::fill(&mut bytes).ok()?;
    Some(format!("{:06}", u32::from_le_bytes(bytes) % 1_000_000))
}

fn explain_code(answer: Answer) -> AttachError {
    match answer {
        Answer::Refused { text, .. } | Answer::Expired { seen: text } => said(
            "code",
            "Meta не принимает код входа: он действует полминуты. Начните вход заново",
            "Meta does not take the code, which is good for half a minute. Begin again",
            &text,
        ),
        other => explain(other, "code"),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 32 && text.chars().all(|c| c.is_ascii_digit())
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= 1024 && text.chars().all(|c| c.is_ascii_graphic())
}

/// Meta says what failed by a code; which field that is depends on what was asked.
fn explain(answer: Answer, about: &'static str) -> AttachError {
    match answer {
        // 33: the object does not exist, or this token may not see it
        Answer::Expired { seen } if !seen.starts_with("(33)") => said(
            "token",
            "Meta не принимает токен. Нужен действующий токен системного пользователя с правами whatsapp_business_messaging и whatsapp_business_management",
            "Meta does not take the token. It must be a valid system user token with whatsapp_business_messaging and whatsapp_business_management",
            &seen,
        ),
        Answer::Busy { after_ms, .. } => AttachError {
            field: "",
            ru: format!("Meta просит подождать. Повторите через {} с.", after_ms / 1000),
            en: format!("Meta asks to wait. Try again in {} s.", after_ms / 1000),
        },
        Answer::Expired { seen: text } | Answer::Refused { text, .. } | Answer::Nobody { text } => match about {
            "waba_id" => said(
                about,
                "Meta не находит такой аккаунт WhatsApp Business, или токен не имеет к нему доступа",
                "Meta does not find this WhatsApp Business account, or the token may not see it",
                &text,
            ),
            "pin" => said(
                about,
                "Номер не зарегистрирован. Проверьте PIN двухэтапной проверки",
                "The number was not registered. Check the two-step verification PIN",
                &text,
            ),
            _ => said(
                about,
                "Meta не находит такой номер, или токен не имеет к нему доступа",
                "Meta does not find this number, or the token may not see it",
                &text,
            ),
        },
        Answer::Down { seen } | Answer::Unsure { seen, .. } => said(
            "",
            "Meta не отвечает. Проверьте доступ сервера в интернет и повторите",
            "Meta does not answer. Check that the server reaches the internet and try again",
            &seen,
        ),
        Answer::Done { .. } => said("", "Meta ответила непонятно", "Meta's answer is unclear", ""),
    }
}

fn said(field: &'static str, ru: &str, en: &str, seen: &str) -> AttachError {
    AttachError { field, ru: format!("{ru}. Ответ: {seen}"), en: format!("{en}. Answer: {seen}") }
}

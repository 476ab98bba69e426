//! Attaching: the aggregator is chosen, then its own form is filled in, and its key is tried.

use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::{Provider, devino, edna, provider, status_url};
use crate::messenger::{AttachError, AttachNext, AttachStep, Attachment, Field, Wire, field};
use crate::model::vendor::Answer;
use crate::net::signature::{fresh_secret, hmac_sha256_hex};

const fn asked(name: &'static str, ru: &'static str, en: &'static str, optional: bool) -> Field {
    Field { name, label: (ru, en), secret: false, optional }
}

const API_TOKEN: Field = Field {
    secret: true,
    ..asked("api_token", "Ключ API агрегатора", "API key of the aggregator", false)
};
const SERVICE: Field = asked("service", "Имя отправителя (service)", "Sender name (service)", false);
const ROUTES: Field = asked("routes", "Где показывать: vk или vk,ok", "Where to show: vk or vk,ok", true);
const POLICY: Field = asked(
    "policy",
    "Кому доставлять: any (всем), mobile_device_required (с приложением на телефоне) или verified_phone_number (с подтверждённым номером)",
    "Whom to deliver to: any, mobile_device_required (with the app on a phone) or verified_phone_number",
    true,
);
const VALIDITY: Field = asked(
    "validity",
    "Сколько секунд пытаться доставить: от 15 до 86400",
    "How many seconds to try to deliver: from 15 to 86400",
    true,
);
const CASCADE: Field = asked("cascade", "ID каскада", "Cascade id", false);
const COMMUNITY: Field = asked(
    "community",
    "Сообщество, от имени которого приходят уведомления",
    "Community that the notifications come from",
    true,
);
const EMAIL: Field =
    asked("email", "Почта для уведомлений о статусе шаблонов", "E-mail for notices about templates", true);

const DEVINO: &[Field] = &[API_TOKEN, SERVICE, ROUTES, POLICY, COMMUNITY, EMAIL];
const DEVINO_LEGACY: &[Field] = &[API_TOKEN, SERVICE, ROUTES, POLICY, VALIDITY, COMMUNITY, EMAIL];
const EDNA: &[Field] = &[API_TOKEN, CASCADE, COMMUNITY, EMAIL];

/// What the policies are called.
const POLICIES: [&str; 3] = ["any", "mobile_device_required", "verified_phone_number"];

pub(super) async fn attach(wire: &Wire, step: &AttachStep) -> Result<AttachNext, AttachError> {
    let chosen = field::text(&step.kept, "provider").unwrap_or_else(|| given(&step.answers, "provider"));
    let provider = Provider::of(&chosen).ok_or_else(|| {
        AttachError::new(
            "provider",
            "Укажите агрегатора: devino, devino_legacy или edna.",
            "Name the aggregator: devino, devino_legacy or edna.",
        )
    })?;
    if !step.answers.contains_key("api_token") {
        let fields = match provider {
            Provider::Devino => DEVINO,
            Provider::DevinoLegacy => DEVINO_LEGACY,
            Provider::Edna => EDNA,
        };
        return Ok(AttachNext::Form { fields, kept: json!({"provider": provider.slug()}) });
    }
    let token = token(&step.answers)?;
    let (settings, account) = match provider {
        Provider::Edna => of_edna(&step.answers)?,
        Provider::Devino | Provider::DevinoLegacy => of_devino(provider, &step.answers)?,
    };
    let secret = match provider {
        // one address for statuses holds for the whole account: it proves itself to every cascade of the same key
        Provider::Edna => hmac_sha256_hex(token.as_bytes(), b"statuses"),
        Provider::Devino | Provider::DevinoLegacy => {
            fresh_secret().ok_or_else(|| AttachError::silent(("Сервер", "The server"), "no randomness"))?
        }
    };
    let secrets = SecretString::from(json!({"api_token": token, "secret": secret}).to_string());
    let signed = Wire { secrets: secrets.clone(), settings: settings.clone(), ..wire.clone() };
    try_key(&signed, provider).await?;
    Ok(AttachNext::Done(Attachment { secrets, settings, account, cursor: Value::Null }))
}

/// edna keeps one address for statuses; Devino is told with each message.
pub(super) async fn announce(wire: &Wire, webhook_url: &str) -> Result<(), AttachError> {
    match provider(wire) {
        Some(Provider::Edna) => {
            let request = edna::announcement(wire, &status_url(wire, webhook_url));
            let called = wire.http.call(request, wire.http.limits()).await;
            if called.as_ref().is_ok_and(|reply| (200..300).contains(&reply.status) && reply.body.is_empty()) {
                return Ok(());
            }
            let taken = super::answer::result_of(Provider::Edna, called);
            taken.map(|_| ()).map_err(|answer| explain(Provider::Edna, answer))
        }
        _ => Ok(()),
    }
}

/// Tries the key by a call that changes nothing: whose channel it is to be is not known yet.
async fn try_key(wire: &Wire, provider: Provider) -> Result<(), AttachError> {
    let request = match provider {
        Provider::Devino | Provider::DevinoLegacy => devino::probe(wire),
        Provider::Edna => edna::probe(wire),
    };
    let called = wire.http.call(request, wire.http.limits()).await;
    if called.as_ref().is_ok_and(|reply| (200..300).contains(&reply.status) && reply.body.is_empty()) {
        return Ok(());
    }
    match super::answer::result_of(provider, called) {
        // a call that asks for nothing may be refused; the key was looked at before
        Ok(_) | Err(Answer::Refused { .. }) => Ok(()),
        Err(answer) => Err(explain(provider, answer)),
    }
}

fn of_devino(provider: Provider, answers: &Map<String, Value>) -> Result<(Value, String), AttachError> {
    let service = word(
        "service",
        given(answers, "service"),
        "Укажите имя отправителя из кабинета Devino, без пробелов.",
        "Give the sender name from the cabinet of Devino, without spaces.",
    )?;
    let routes = match given(answers, "routes").to_lowercase().replace(' ', "").as_str() {
        "" | "vk" => json!(["VK"]),
        "vk,ok" | "ok,vk" => json!(["VK", "OK"]),
        _ => {
            return Err(AttachError::new("routes", "Укажите vk или vk,ok.", "Give vk or vk,ok."));
        }
    };
    let policy = match given(answers, "policy").to_lowercase() {
        empty if empty.is_empty() => "any".to_owned(),
        known if POLICIES.contains(&known.as_str()) => known,
        _ => {
            return Err(AttachError::new(
                "policy",
                "Укажите any, mobile_device_required или verified_phone_number.",
                "Give any, mobile_device_required or verified_phone_number.",
            ));
        }
    };
    let mut settings = common(provider, answers, &service)?;
    settings.extend([
        ("service".to_owned(), json!(service)),
        ("routes".to_owned(), routes),
        ("policy".to_owned(), json!(policy)),
    ]);
    if provider == Provider::DevinoLegacy {
        settings.extend(validity(&given(answers, "validity"))?.map(|seconds| ("validity".to_owned(), json!(seconds))));
    }
    // both shapes of the API know the same senders
    Ok((Value::Object(settings), format!("devino/{service}")))
}

fn of_edna(answers: &Map<String, Value>) -> Result<(Value, String), AttachError> {
    let cascade = word(
        "cascade",
        given(answers, "cascade"),
        "Укажите ID каскада из кабинета edna Pulse: число.",
        "Give the cascade's id from the cabinet of edna Pulse: a number.",
    )?;
    let mut settings = common(Provider::Edna, answers, &cascade)?;
    settings.insert("cascade".to_owned(), json!(cascade));
    Ok((Value::Object(settings), format!("edna/{cascade}")))
}

fn common(provider: Provider, answers: &Map<String, Value>, name: &str) -> Result<Map<String, Value>, AttachError> {
    let (community, email) = (given(answers, "community"), given(answers, "email"));
    let looks_good = email.contains('@') && email.len() <= 254 && !email.contains(char::is_whitespace);
    if !email.is_empty() && !looks_good {
        return Err(AttachError::new("email", "Проверьте адрес почты.", "Check the e-mail address."));
    }
    let title = if community.is_empty() { name.to_owned() } else { field::short(&community) };
    let settings = json!({"title": title, "address": format!("{}: {name}", provider.title()),
        "provider": provider.slug(), "community": community, "email": email});
    Ok(settings.as_object().cloned().unwrap_or_default())
}

fn validity(text: &str) -> Result<Option<u32>, AttachError> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse() {
        Ok(seconds) if (15..=86_400).contains(&seconds) => Ok(Some(seconds)),
        _ => Err(AttachError::new("validity", "Укажите от 15 до 86400 секунд.", "Give 15 to 86400 seconds.")),
    }
}

fn token(answers: &Map<String, Value>) -> Result<String, AttachError> {
    word(
        "api_token",
        given(answers, "api_token"),
        "Вставьте ключ API из кабинета агрегатора целиком, без пробелов.",
        "Paste the whole API key from the aggregator's cabinet, without spaces.",
    )
}

fn word(name: &'static str, text: String, ru: &str, en: &str) -> Result<String, AttachError> {
    let good = !text.is_empty() && text.len() <= 256 && text.chars().all(|c| c.is_ascii_graphic());
    if good { Ok(text) } else { Err(AttachError::new(name, ru, en)) }
}

fn given(answers: &Map<String, Value>, name: &str) -> String {
    field::id(&Value::Object(answers.clone()), name).unwrap_or_default().trim().to_owned()
}

fn explain(provider: Provider, answer: Answer) -> AttachError {
    let title = provider.title();
    match answer {
        Answer::Expired { seen } => AttachError {
            field: "api_token",
            ru: format!("{title} не принимает ключ. Скопируйте ключ API целиком и проверьте баланс. Ответ: {seen}"),
            en: format!("{title} does not take the key. Copy the whole API key and check the balance. Answer: {seen}"),
        },
        Answer::Busy { after_ms, .. } => AttachError {
            field: "",
            ru: format!("{title} просит подождать. Повторите через {} с.", after_ms / 1000),
            en: format!("{title} asks to wait. Try again in {} s.", after_ms / 1000),
        },
        Answer::Refused { text, .. } | Answer::Nobody { text } => AttachError {
            field: "",
            ru: format!("{title} отклонил запрос: {text}. Проверьте настройки в кабинете агрегатора."),
            en: format!("{title} refused the request: {text}. Check the settings in the aggregator's cabinet."),
        },
        Answer::Down { seen } | Answer::Unsure { seen, .. } => AttachError::silent((title, title), &seen),
        Answer::Done { .. } => AttachError::silent((title, title), "an answer that does not fit"),
    }
}

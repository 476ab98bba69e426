//! Attaching: the aggregator is chosen, then its own form is filled in, and its key is tried.

use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::{ABOUT, Provider, devino, edna, provider, status_url};
use crate::messenger::email::is_address;
use crate::messenger::form::{ADVANCED, Answers};
use crate::messenger::{AttachError, AttachNext, AttachStep, Attachment, Field, FieldOption, Wire, field};
use crate::model::vendor::Answer;
use crate::net::signature::{fresh_secret, hmac_sha256_hex};

const API_TOKEN: Field = Field::text("api_token", "Ключ API агрегатора", "API key of the aggregator").secret();
const SERVICE: Field = Field::text("service", "Имя отправителя (service)", "Sender name (service)");
const CASCADE: Field = Field::text("cascade", "ID каскада", "Cascade id");
const ROUTES: Field = Field::choice(
    "routes",
    "Где показывать уведомления",
    "Where notifications are shown",
    &[
        FieldOption::new("vk", "Только ВКонтакте", "VK alone"),
        FieldOption::new("vk,ok", "ВКонтакте и Одноклассники", "VK and OK"),
    ],
)
.begins("vk")
.optional();
const POLICY: Field = Field::choice(
    "policy",
    "Кому доставлять",
    "Whom to deliver to",
    &[
        FieldOption::new("any", "Всем, кого нашёл ВКонтакте", "Everybody whom VK finds"),
        FieldOption::new(
            "mobile_device_required",
            "Тем, кто за неделю открывал приложение на телефоне",
            "Those who opened the app on a phone within a week",
        ),
        FieldOption::new("verified_phone_number", "Тем, чей номер подтверждён", "Those whose number is verified"),
    ],
)
.begins("any")
.optional()
.part(ADVANCED);
const VALIDITY: Field =
    Field::number("validity", "Сколько секунд пытаться доставить", "How many seconds to try to deliver", 15, 86_400)
        .optional()
        .hint(
            "От 15 до 86400 секунд; пусто — сколько решит агрегатор.",
            "15 to 86400 seconds; empty: as the aggregator decides.",
        )
        .part(ADVANCED);
const COMMUNITY: Field = Field::text(
    "community",
    "Сообщество, от имени которого приходят уведомления",
    "Community that the notifications come from",
)
.optional();
const EMAIL: Field =
    Field::text("email", "Почта для уведомлений о статусе шаблонов", "E-mail for notices about templates")
        .optional()
        .hint(
            "Сюда придут письма о заявке и о том, что агрегатор не принял шаблон.",
            "Letters about the application, and about a template that the aggregator did not take, come here.",
        );

const DEVINO: &[Field] = &[API_TOKEN, SERVICE, COMMUNITY, EMAIL, ROUTES, POLICY];
const DEVINO_LEGACY: &[Field] = &[API_TOKEN, SERVICE, COMMUNITY, EMAIL, ROUTES, POLICY, VALIDITY];
const EDNA: &[Field] = &[API_TOKEN, CASCADE, COMMUNITY, EMAIL];

/// What an aggregator's form asks for.
const fn fields(provider: Provider) -> &'static [Field] {
    match provider {
        Provider::Devino => DEVINO,
        Provider::DevinoLegacy => DEVINO_LEGACY,
        Provider::Edna => EDNA,
    }
}

pub(super) async fn attach(wire: &Wire, step: &AttachStep) -> Result<AttachNext, AttachError> {
    let first = Answers::new(ABOUT.form, &step.answers);
    let chosen = match field::text(&step.kept, "provider") {
        Some(kept) => kept,
        None => match first.choice("provider")? {
            Some(chosen) => chosen.to_owned(),
            None => return Err(first.wrong("provider", "выберите агрегатора", "is to be chosen")),
        },
    };
    let provider =
        Provider::of(&chosen).ok_or_else(|| first.wrong("provider", "выберите агрегатора", "is to be chosen"))?;
    let fields = fields(provider);
    if !step.answers.contains_key("api_token") {
        return Ok(AttachNext::Form { fields, kept: json!({"provider": provider.slug()}) });
    }
    let answers = Answers::new(fields, &step.answers);
    let token = token(&answers)?;
    let (settings, account) = settings_of(provider, &answers)?;
    let secrets = secrets_of(provider, &token)?;
    let signed = Wire { secrets: secrets.clone(), settings: settings.clone(), ..wire.clone() };
    try_key(&signed, provider).await?;
    Ok(AttachNext::Done(Attachment { secrets, settings, account, cursor: Value::Null }))
}

/// What can be changed of a channel: everything but who sends.
pub(super) fn settings_form(wire: &Wire) -> &'static [Field] {
    const KEY: Field = API_TOKEN.optional();
    const DEVINO: &[Field] = &[KEY, COMMUNITY, EMAIL, ROUTES, POLICY];
    const DEVINO_LEGACY: &[Field] = &[KEY, COMMUNITY, EMAIL, ROUTES, POLICY, VALIDITY];
    match provider(wire) {
        Some(Provider::Devino) => DEVINO,
        Some(Provider::DevinoLegacy) => DEVINO_LEGACY,
        Some(Provider::Edna) => &[KEY, COMMUNITY, EMAIL],
        None => &[],
    }
}

/// The answers of the form as they are now, without the key.
pub(super) fn values(wire: &Wire) -> Option<Map<String, Value>> {
    let provider = provider(wire)?;
    let text = |name: &str| field::id(&wire.settings, name).unwrap_or_default();
    let mut values = Map::from_iter([
        ("community".to_owned(), json!(text("community"))),
        ("email".to_owned(), json!(text("email"))),
    ]);
    if provider != Provider::Edna {
        let both = field::list(&wire.settings, "routes").iter().any(|route| route == "OK");
        values.insert("routes".to_owned(), json!(if both { "vk,ok" } else { "vk" }));
        values.insert("policy".to_owned(), json!(text("policy")));
    }
    if provider == Provider::DevinoLegacy {
        values.insert("validity".to_owned(), json!(text("validity")));
    }
    Some(values)
}

/// Changes a channel: the key is tried where another one is given, all else is ours.
pub(super) async fn configure(wire: &Wire, given: &Map<String, Value>) -> Result<AttachNext, AttachError> {
    let unreadable = || AttachError::new("", "Привяжите VK Notify заново.", "Attach VK Notify again.");
    let provider = provider(wire).ok_or_else(unreadable)?;
    let mut all = values(wire).unwrap_or_default();
    all.extend(given.clone());
    for name in ["service", "cascade"] {
        all.insert(name.to_owned(), json!(field::id(&wire.settings, name).unwrap_or_default()));
    }
    let answers = Answers::new(fields(provider), &all);
    let (settings, account) = settings_of(provider, &answers)?;
    let kept = field::secret(&wire.secrets, "api_token");
    let secrets = if answers.has("api_token") && answers.text("api_token")? != kept {
        let secrets = secrets_of(provider, &token(&answers)?)?;
        let signed = Wire { secrets: secrets.clone(), settings: settings.clone(), ..wire.clone() };
        try_key(&signed, provider).await?;
        secrets
    } else {
        wire.secrets.clone()
    };
    Ok(AttachNext::Done(Attachment { secrets, settings, account, cursor: Value::Null }))
}

fn settings_of(provider: Provider, answers: &Answers<'_>) -> Result<(Value, String), AttachError> {
    match provider {
        Provider::Edna => of_edna(answers),
        Provider::Devino | Provider::DevinoLegacy => of_devino(provider, answers),
    }
}

/// The key, and what proves statuses. One address for statuses holds for the whole account at edna: it proves itself to every
/// cascade of the same key.
fn secrets_of(provider: Provider, token: &str) -> Result<SecretString, AttachError> {
    let secret = match provider {
        Provider::Edna => hmac_sha256_hex(token.as_bytes(), b"statuses"),
        Provider::Devino | Provider::DevinoLegacy => {
            fresh_secret().ok_or_else(|| AttachError::silent(("Сервер", "The server"), "no randomness"))?
        }
    };
    Ok(SecretString::from(json!({"api_token": token, "secret": secret}).to_string()))
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

fn of_devino(provider: Provider, answers: &Answers<'_>) -> Result<(Value, String), AttachError> {
    let service = word(
        answers,
        "service",
        "вставьте имя из кабинета Devino без пробелов",
        "is the name of Devino's cabinet, without spaces",
    )?;
    let routes = match answers.text("routes")?.to_lowercase().replace(' ', "").as_str() {
        "" | "vk" => json!(["VK"]),
        "vk,ok" | "ok,vk" => json!(["VK", "OK"]),
        _ => {
            answers.choice("routes")?;
            json!(["VK"])
        }
    };
    let mut settings = common(provider, answers, &service)?;
    settings.extend([
        ("service".to_owned(), json!(service)),
        ("routes".to_owned(), routes),
        ("policy".to_owned(), json!(answers.choice("policy")?.unwrap_or("any"))),
    ]);
    if provider == Provider::DevinoLegacy {
        settings.extend(answers.number("validity")?.map(|seconds| ("validity".to_owned(), json!(seconds))));
    }
    // both shapes of the API know the same senders
    Ok((Value::Object(settings), format!("devino/{service}")))
}

fn of_edna(answers: &Answers<'_>) -> Result<(Value, String), AttachError> {
    let cascade = word(
        answers,
        "cascade",
        "вставьте номер каскада из кабинета edna Pulse",
        "is the number of the cascade in the cabinet of edna Pulse",
    )?;
    let mut settings = common(Provider::Edna, answers, &cascade)?;
    settings.insert("cascade".to_owned(), json!(cascade));
    Ok((Value::Object(settings), format!("edna/{cascade}")))
}

fn common(provider: Provider, answers: &Answers<'_>, name: &str) -> Result<Map<String, Value>, AttachError> {
    let (community, email) = (answers.text("community")?, answers.text("email")?);
    if !email.is_empty() && !is_address(&email) {
        return Err(answers.wrong("email", "проверьте адрес почты", "is an e-mail address"));
    }
    let title = if community.is_empty() { name.to_owned() } else { field::short(&community) };
    let settings = json!({"title": title, "address": format!("{}: {name}", provider.title()),
        "provider": provider.slug(), "community": community, "email": email});
    Ok(settings.as_object().cloned().unwrap_or_default())
}

fn token(answers: &Answers<'_>) -> Result<String, AttachError> {
    word(answers, "api_token", "вставьте ключ целиком, без пробелов", "is the whole key, without spaces")
}

fn word(answers: &Answers<'_>, name: &'static str, ru: &str, en: &str) -> Result<String, AttachError> {
    let text = answers.needed(name)?;
    let good = text.len() <= 256 && text.chars().all(|c| c.is_ascii_graphic());
    if good { Ok(text) } else { Err(answers.wrong(name, ru, en)) }
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

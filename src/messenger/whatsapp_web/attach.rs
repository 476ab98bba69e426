//! Linking a phone: a session is started at the gateway, its QR code or a code for the phone is shown until the person has used
//! it, and the phone's number becomes the account. Every call may be made again, so the page asks as often as it likes.

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::name;
use super::session::{self, Session};
use crate::messenger::{AttachError, AttachNext, AttachStep, Attachment, Wire, field};
use crate::model::vendor::Answer;

/// The first QR code of a session is good for a minute, the next ones for so long.
const QR_GOOD_MS: i64 = 20_000;

/// A code for the phone is good for so long.
const CODE_GOOD_MS: i64 = 180_000;

/// How often a page asks again.
const AGAIN_MS: i64 = 2_000;

const STARTING: (&str, &str) = ("Шлюз WhatsApp запускает сессию", "The WhatsApp gateway starts the session");
const LINKING: (&str, &str) =
    ("Телефон отвечает, WhatsApp завершает привязку", "The phone answers, WhatsApp completes the linking");

/// What is kept between two steps.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    session: String,
    /// The phone that a code was asked for; empty where the QR code is shown.
    phone: String,
    code: String,
}

pub(super) async fn attach(wire: &Wire, step: &AttachStep) -> Result<AttachNext, AttachError> {
    if wire.vendor_key.expose_secret().is_empty() {
        return Err(AttachError::new(
            "",
            "Не задан ключ шлюза WhatsApp: укажите vendors.whatsapp_web и vendors.whatsapp_web_key в настройках сервера.",
            "The key of the WhatsApp gateway is not set: put vendors.whatsapp_web and vendors.whatsapp_web_key into the settings of the server.",
        ));
    }
    let mut kept: Kept = serde_json::from_value(step.kept.clone()).unwrap_or_default();
    let asked = read_phone(step)?;
    if let Some(phone) = asked {
        kept.code.clear();
        kept.phone = phone;
    }
    let begins = kept.session.is_empty();
    if begins {
        kept.session = session::name_for(&step.webhook_url);
    }
    let found = session::look(wire, &kept.session).await.map_err(|answer| explain(answer, ""))?;
    let Some(found) = found else { return begin(wire, step, &kept, begins).await };
    match found.status.as_str() {
        "WORKING" => done(wire, step, &kept, found).await,
        "SCAN_QR_CODE" if kept.phone.is_empty() => show_qr(wire, &kept).await,
        "SCAN_QR_CODE" => show_code(wire, kept).await,
        "PASSKEY_REQUIRED" => ask_passkey(wire, step, &kept).await,
        "PASSKEY_CONFIRMATION_REQUIRED" => ask_confirmation(wire, step, &kept).await,
        "FAILED" | "STOPPED" if begins => {
            session::update(wire, &kept.session, &step.webhook_url).await.map_err(|answer| explain(answer, ""))?;
            session::restart(wire, &kept.session).await.map_err(|answer| explain(answer, ""))?;
            Ok(wait(STARTING, &kept))
        }
        "FAILED" | "STOPPED" => Err(AttachError::new(
            "",
            "Время привязки вышло. Нажмите «Обновить», чтобы начать снова.",
            "The time for linking is over. Press Refresh to begin again.",
        )),
        _ => Ok(wait(if begins { STARTING } else { LINKING }, &kept)),
    }
}

/// The phone as it was filled in: none where it was not asked about, empty where the QR code is wanted back.
fn read_phone(step: &AttachStep) -> Result<Option<String>, AttachError> {
    let Some(given) = step.answers.get("phone") else { return Ok(None) };
    let digits: String = given.as_str().unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() || name::is_number(&digits) && !digits.starts_with('0') {
        return Ok(Some(digits));
    }
    Err(AttachError::new(
        "phone",
        "Укажите номер в международном виде, например +7 916 123-45-67.",
        "Give the number in its international form, as +7 916 123-45-67.",
    ))
}

async fn begin(wire: &Wire, step: &AttachStep, kept: &Kept, begins: bool) -> Result<AttachNext, AttachError> {
    if !begins {
        return Err(AttachError::new(
            "",
            "Шлюз забыл эту сессию. Нажмите «Обновить», чтобы начать снова.",
            "The gateway forgot this session. Press Refresh to begin again.",
        ));
    }
    match session::create(wire, &kept.session, &step.webhook_url).await {
        // another page was faster
        Ok(_) | Err(Answer::Refused { .. }) => Ok(wait(STARTING, kept)),
        Err(answer) => Err(explain(answer, "")),
    }
}

async fn show_qr(wire: &Wire, kept: &Kept) -> Result<AttachNext, AttachError> {
    match session::ask(wire, &kept.session, "qr?format=raw").await {
        Ok(told) => match field::text(&told, "value") {
            Some(text) => Ok(AttachNext::Qr { text, good_ms: QR_GOOD_MS, again_ms: AGAIN_MS, kept: json!(kept) }),
            None => Ok(wait(STARTING, kept)),
        },
        // it was scanned, or ran out, between two calls
        Err(Answer::Expired { .. } | Answer::Refused { .. }) => Ok(wait(LINKING, kept)),
        Err(answer) => Err(explain(answer, "")),
    }
}

async fn show_code(wire: &Wire, mut kept: Kept) -> Result<AttachNext, AttachError> {
    if kept.code.is_empty() {
        let body = json!({"phoneNumber": kept.phone});
        let told = session::take(wire, &kept.session, "request-code", &body).await;
        let told = told.map_err(|answer| explain(answer, "phone"))?;
        kept.code = field::text(&told, "code").ok_or_else(|| {
            AttachError::new(
                "phone",
                "Шлюз не дал кода. Отсканируйте QR.",
                "The gateway gave no code. Scan the QR code.",
            )
        })?;
    }
    let text = kept.code.clone();
    Ok(AttachNext::Code { text, compare: false, good_ms: CODE_GOOD_MS, again_ms: AGAIN_MS, kept: json!(kept) })
}

async fn ask_passkey(wire: &Wire, step: &AttachStep, kept: &Kept) -> Result<AttachNext, AttachError> {
    if let Some(credential) = step.answers.get("credential") {
        // what the browser gives is an object; people paste it as a text
        let read = credential.as_str().and_then(|text| serde_json::from_str(text).ok());
        let credential: Value = read.unwrap_or_else(|| credential.clone());
        if !credential.is_object() {
            return Err(AttachError::new(
                "credential",
                "Вставьте ответ ключа доступа целиком: он начинается с фигурной скобки.",
                "Paste the whole answer of the passkey: it begins with a brace.",
            ));
        }
        let taken = session::take(wire, &kept.session, "passkey", &credential).await;
        taken.map_err(|answer| explain(answer, "credential"))?;
        return Ok(wait(LINKING, kept));
    }
    match session::ask(wire, &kept.session, "passkey/challenge").await {
        Ok(challenge) => Ok(AttachNext::Passkey { challenge, again_ms: AGAIN_MS, kept: json!(kept) }),
        Err(Answer::Expired { .. } | Answer::Refused { .. }) => Ok(wait(LINKING, kept)),
        Err(answer) => Err(explain(answer, "")),
    }
}

async fn ask_confirmation(wire: &Wire, step: &AttachStep, kept: &Kept) -> Result<AttachNext, AttachError> {
    if step.answers.get("confirmed").and_then(Value::as_bool).unwrap_or_default() {
        let taken = session::take(wire, &kept.session, "passkey/confirm", &Value::Null).await;
        taken.map_err(|answer| explain(answer, ""))?;
        return Ok(wait(LINKING, kept));
    }
    match session::ask(wire, &kept.session, "passkey/confirmation").await {
        Ok(told) => {
            let text = field::text(&told, "code").unwrap_or_default();
            let kept = json!(kept);
            Ok(AttachNext::Code { text, compare: true, good_ms: CODE_GOOD_MS, again_ms: AGAIN_MS, kept })
        }
        Err(Answer::Expired { .. } | Answer::Refused { .. }) => Ok(wait(LINKING, kept)),
        Err(answer) => Err(explain(answer, "")),
    }
}

async fn done(wire: &Wire, step: &AttachStep, kept: &Kept, found: Session) -> Result<AttachNext, AttachError> {
    let Some(phone) = found.phone else { return Ok(wait(LINKING, kept)) };
    if found.webhook_url.as_deref() != Some(step.webhook_url.as_str()) {
        session::update(wire, &kept.session, &step.webhook_url).await.map_err(|answer| explain(answer, ""))?;
    }
    let secrets = json!({"hook_secret": session::hook_secret(wire, &step.webhook_url)});
    Ok(AttachNext::Done(Attachment {
        secrets: SecretString::from(secrets.to_string()),
        settings: json!({
            "title": found.title.unwrap_or_else(|| format!("+{phone}")),
            "address": phone,
            "session": kept.session,
        }),
        account: phone,
        cursor: Value::Null,
    }))
}

fn wait(what: (&'static str, &'static str), kept: &Kept) -> AttachNext {
    AttachNext::Wait { what, again_ms: AGAIN_MS, kept: json!(kept) }
}

fn explain(answer: Answer, about: &'static str) -> AttachError {
    match answer {
        Answer::Busy { after_ms, .. } => AttachError {
            field: "",
            ru: format!("WhatsApp просит подождать. Повторите через {} с.", after_ms / 1000),
            en: format!("WhatsApp asks to wait. Try again in {} s.", after_ms / 1000),
        },
        Answer::Refused { text, .. } | Answer::Nobody { text } | Answer::Expired { seen: text } => AttachError {
            field: about,
            ru: format!("WhatsApp отказал: {text}."),
            en: format!("WhatsApp refused: {text}."),
        },
        Answer::Down { seen } | Answer::Unsure { seen, .. } => AttachError {
            field: "",
            ru: format!(
                "Шлюз WhatsApp не отвечает ({seen}). Проверьте, что он запущен, и настройки vendors.whatsapp_web и vendors.whatsapp_web_key."
            ),
            en: format!(
                "The WhatsApp gateway does not answer ({seen}). Check that it runs, and the settings vendors.whatsapp_web and vendors.whatsapp_web_key."
            ),
        },
        Answer::Done { .. } => AttachError::new("", "Шлюз ответил непонятно.", "The gateway's answer is unclear."),
    }
}

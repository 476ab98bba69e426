//! Signing in, step by step: a QR code that is scanned with the phone, or the phone's number and the code that Telegram sends;
//! after either the password, where the account has one. Each step opens a line of its own, with the session that goes
//! through the browser sealed.

use std::sync::Arc;

use grammers_crypto::two_factor_auth::{calculate_2fa, check_p_and_g};
use grammers_tl_types::{RemoteCall, enums, functions, types};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::driver::Trouble;
use super::line::Line;
use super::listen;
use super::login::explain;
use super::session::{Kept, Session};
use crate::messenger::{AttachError, AttachNext, AttachStep, Attachment, Field, Wire, field};

/// A QR code is good for so long.
const QR_GOOD_MS: i64 = 30_000;

/// How often a page asks whether it was scanned.
const AGAIN_MS: i64 = 5_000;

static CODE: [Field; 1] = [Field::text(
    "code",
    "Код, который Telegram прислал в приложение или по SMS",
    "The code that Telegram sent to the app or by SMS",
)
.hint("Не пересылайте код: Telegram сразу его отменит.", "Do not forward the code: Telegram would void it at once.")];

static PASSWORD: [Field; 1] =
    [Field::text("password", "Облачный пароль (двухэтапная проверка)", "Password of the two-step verification")
        .secret()];

/// What is kept between two steps.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Stage {
    session: Option<Kept>,
    phone: String,
    /// What goes with the code that was sent; empty where the QR code is shown.
    hash: String,
    /// Only the password is missing.
    password: bool,
}

/// Our application at Telegram.
#[derive(Clone)]
struct Application {
    id: i32,
    hash: String,
}

/// Signing in, under way.
struct SignIn<'s> {
    wire: &'s Wire,
    app: Application,
    session: Arc<Session>,
    line: Line,
    stage: Stage,
}

pub(super) async fn attach(wire: &Wire, step: &AttachStep) -> Result<AttachNext, AttachError> {
    let app = application(wire)?;
    let mut stage: Stage = serde_json::from_value(step.kept.clone()).unwrap_or_default();
    let phone = read_phone(step)?;
    if phone.is_some() {
        // another number, or the QR code after all: what was begun is of no use
        stage = Stage { phone: phone.clone().unwrap_or_default(), ..Stage::default() };
    }
    let session = Arc::new(stage.session.as_ref().map_or_else(|| Session::fresh(app.id), Session::open));
    let opened = Line::open(wire, Arc::clone(&session), 0).await;
    let (line, _updates) = opened.map_err(|trouble| explain(&trouble, ""))?;
    let at = SignIn { wire, app, session, line, stage };
    let given = |name: &str| step.answers.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    if at.stage.password {
        return at.check_password(&given("password")).await;
    }
    match (at.stage.phone.is_empty(), at.stage.hash.is_empty()) {
        (true, _) => at.show_qr().await,
        (false, true) => at.send_code().await,
        (false, false) => at.sign_in(&given("code")).await,
    }
}

fn application(wire: &Wire) -> Result<Application, AttachError> {
    let keys: Value = serde_json::from_str(wire.secrets.expose_secret()).unwrap_or_default();
    let id = field::number(&keys, "client_id").and_then(|id| i32::try_from(id).ok()).filter(|id| *id > 0);
    match (id, field::text(&keys, "client_secret")) {
        (Some(id), Some(hash)) => Ok(Application { id, hash }),
        _ => Err(AttachError::new(
            "",
            "Не заданы ключи приложения Telegram: получите их на my.telegram.org и укажите telegram.api_id и telegram.api_hash в настройках сервера.",
            "The keys of the Telegram application are not set: get them at my.telegram.org and put telegram.api_id and telegram.api_hash into the settings of the server.",
        )),
    }
}

/// The phone as it was filled in: none where it was not asked about, empty where the QR code is wanted.
fn read_phone(step: &AttachStep) -> Result<Option<String>, AttachError> {
    let Some(given) = step.answers.get("phone") else { return Ok(None) };
    let digits: String = given.as_str().unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
    let blank = given.as_str().is_none_or(|given| given.trim().is_empty());
    if blank || ((7..=15).contains(&digits.len()) && !digits.starts_with('0')) {
        return Ok(Some(digits));
    }
    Err(AttachError::new(
        "phone",
        "Укажите номер в международном виде, например +7 916 123-45-67.",
        "Give the number in its international form, as +7 916 123-45-67.",
    ))
}

impl SignIn<'_> {
    /// Calls where the account may live, and once more where Telegram says that it lives.
    async fn call<R: RemoteCall>(&mut self, call: &R) -> Result<R::Return, Trouble> {
        match self.line.call(call).await {
            Err(trouble) if trouble.is("*_MIGRATE") => {
                self.move_to(trouble.value().unwrap_or_default()).await?;
                self.line.call(call).await
            }
            other => other,
        }
    }

    async fn move_to(&mut self, centre: i32) -> Result<(), Trouble> {
        self.session.set_home(centre);
        (self.line, _) = Line::open(self.wire, Arc::clone(&self.session), 0).await?;
        Ok(())
    }

    async fn send_code(mut self) -> Result<AttachNext, AttachError> {
        let call = functions::auth::SendCode {
            phone_number: self.stage.phone.clone(),
            api_id: self.app.id,
            api_hash: self.app.hash.clone(),
            settings: types::CodeSettings {
                allow_flashcall: false,
                current_number: false,
                allow_app_hash: false,
                allow_missed_call: false,
                allow_firebase: false,
                unknown_number: false,
                logout_tokens: None,
                token: None,
                app_sandbox: None,
            }
            .into(),
        };
        match self.call(&call).await.map_err(|trouble| explain(&trouble, "phone"))? {
            enums::auth::SentCode::Code(sent) => {
                self.stage.hash = sent.phone_code_hash;
                Ok(self.form(&CODE))
            }
            enums::auth::SentCode::Success(sent) => self.enter(sent.authorization).await,
            enums::auth::SentCode::PaymentRequired(_) => Err(AttachError::new(
                "phone",
                "Telegram шлёт код на этот номер только за плату. Войдите по QR-коду: оставьте номер пустым.",
                "Telegram sends the code to this number for money only. Sign in by QR code: leave the number empty.",
            )),
        }
    }

    async fn sign_in(mut self, code: &str) -> Result<AttachNext, AttachError> {
        // people type codes as they see them, with blanks or a dash
        let code: String = code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        if code.is_empty() {
            return Err(AttachError::new("code", "Введите код из Telegram.", "Type the code from Telegram."));
        }
        let call = functions::auth::SignIn {
            phone_number: self.stage.phone.clone(),
            phone_code_hash: self.stage.hash.clone(),
            phone_code: Some(code),
            email_verification: None,
        };
        match self.call(&call).await {
            Ok(entered) => self.enter(entered).await,
            Err(trouble) if trouble.is("SESSION_PASSWORD_NEEDED") => Ok(self.ask_password()),
            Err(trouble) => Err(explain(&trouble, "code")),
        }
    }

    async fn show_qr(mut self) -> Result<AttachNext, AttachError> {
        let call = functions::auth::ExportLoginToken {
            api_id: self.app.id,
            api_hash: self.app.hash.clone(),
            except_ids: vec![],
        };
        let mut told = self.call(&call).await;
        if let Ok(enums::auth::LoginToken::MigrateTo(to)) = &told {
            let import = functions::auth::ImportLoginToken { token: to.token.clone() };
            self.move_to(to.dc_id).await.map_err(|trouble| explain(&trouble, ""))?;
            told = self.line.call(&import).await;
        }
        match told {
            Ok(enums::auth::LoginToken::Token(shown)) => {
                use base64::Engine as _;
                let token = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&shown.token);
                Ok(AttachNext::Qr {
                    text: format!("tg://login?token={token}"),
                    good_ms: QR_GOOD_MS,
                    again_ms: AGAIN_MS,
                    kept: self.keep(),
                })
            }
            Ok(enums::auth::LoginToken::Success(entered)) => self.enter(entered.authorization).await,
            Ok(enums::auth::LoginToken::MigrateTo(_)) => {
                Err(AttachError::silent(("Telegram", "Telegram"), "moved twice"))
            }
            Err(trouble) if trouble.is("SESSION_PASSWORD_NEEDED") => Ok(self.ask_password()),
            Err(trouble) => Err(explain(&trouble, "")),
        }
    }

    fn ask_password(mut self) -> AttachNext {
        self.stage.password = true;
        self.form(&PASSWORD)
    }

    async fn check_password(mut self, password: &str) -> Result<AttachNext, AttachError> {
        if password.is_empty() {
            return Err(AttachError::new("password", "Введите пароль.", "Type the password."));
        }
        let told = self.call(&functions::account::GetPassword {}).await;
        let enums::account::Password::Password(asked) = told.map_err(|trouble| explain(&trouble, "password"))?;
        let password = password.to_owned();
        // hundreds of thousands of hashes are not for a thread that others wait for
        let proof = tokio::task::spawn_blocking(move || prove(&asked, &password)).await.ok().flatten();
        let proof = proof.ok_or_else(|| {
            AttachError::new(
                "password",
                "Telegram проверяет пароль неизвестным способом. Обновите сервер.",
                "Telegram checks the password in an unknown way. Update the server.",
            )
        })?;
        let call = functions::auth::CheckPassword { password: proof.into() };
        let entered = self.call(&call).await.map_err(|trouble| explain(&trouble, "password"))?;
        self.enter(entered).await
    }

    /// Somebody is signed in. What is written to them from now on is heard, however late the listener comes.
    async fn enter(self, entered: enums::auth::Authorization) -> Result<AttachNext, AttachError> {
        let enums::auth::Authorization::Authorization(entered) = entered else {
            return Err(AttachError::new(
                "",
                "На этом номере нет аккаунта Telegram. Заведите его в приложении Telegram на телефоне и повторите.",
                "This number has no Telegram account. Make one in the Telegram app on the phone and try again.",
            ));
        };
        let enums::User::User(user) = entered.user else {
            return Err(AttachError::silent(("Telegram", "Telegram"), "an account without a name"));
        };
        let names = [user.first_name.as_deref(), user.last_name.as_deref()];
        let name = names.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        let phone = user.phone.filter(|phone| !phone.is_empty()).map(|phone| format!("+{phone}"));
        let address =
            user.username.map(|name| format!("@{name}")).or(phone.clone()).unwrap_or_else(|| user.id.to_string());
        let title = if name.is_empty() { address.clone() } else { name };
        let begins = listen::here(&self.line).await.map_err(|trouble| explain(&trouble, ""))?;
        Ok(AttachNext::Done(Attachment {
            secrets: SecretString::from(json!(self.session.keep(user.id)).to_string()),
            settings: json!({"title": title, "address": address, "phone": phone}),
            account: user.id.to_string(),
            cursor: begins,
        }))
    }

    fn form(mut self, fields: &'static [Field]) -> AttachNext {
        let kept = self.keep();
        AttachNext::Form { fields, kept }
    }

    fn keep(&mut self) -> Value {
        self.stage.session = Some(self.session.keep(0));
        json!(self.stage)
    }
}

/// Proves that we know a password without telling it. None where the way of proving is unknown or not to be trusted.
fn prove(asked: &types::account::Password, password: &str) -> Option<types::InputCheckPasswordSrp> {
    let enums::PasswordKdfAlgo::Sha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow(way) =
        asked.current_algo.as_ref()?
    else {
        return None;
    };
    // the library's check takes no other numbers
    if !(2..=7).contains(&way.g) || way.p.len() != 256 || !check_p_and_g(&way.p, &way.g) {
        return None;
    }
    let theirs = asked.srp_b.clone().filter(|b| b.len() <= 256)?;
    let mut ours = vec![0; 256];
    getrandom::fill(&mut ours).ok()?;
    let (m1, a) = calculate_2fa(&way.salt1, &way.salt2, &way.p, &way.g, theirs, ours, password);
    Some(types::InputCheckPasswordSrp { srp_id: asked.srp_id?, a: a.to_vec(), m1: m1.to_vec() })
}

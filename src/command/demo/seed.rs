//! What the demo begins with. Vendors are filled through the sandbox's control; channels and the portal come in by the same
//! ways as real ones.

use anyhow::{Context as _, bail};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::app::App;
use crate::flow::channel::{self, Attached, Step};
use crate::flow::{application, pattern, sign_in};
use crate::model::application::{Form, LegalForm, Stage};
use crate::model::id::{CompanyId, LineId, UserId};
use crate::model::message::Kind;
use crate::model::moment::Moment;
use crate::store::row::{NewLine, NewUser};

/// The id of the application in the sandbox's portal.
pub(super) const CLIENT_ID: &str = "local.switchboard";

/// Its secret. It opens the sandbox's portal and nothing else.
pub(super) const CLIENT_SECRET: &str = "demo-portal-secret";

/// The key of the sandbox's gateway.
pub(super) const GATEWAY_KEY: &str = "demo-gateway-key";

/// The application of Telegram accounts.
pub(super) const APPLICATION: &str = "20260001";

/// Its key. It opens the sandbox and nothing else.
pub(super) const APPLICATION_HASH: &str = "0123456789abcdef0123456789abcdef";

/// The application of VK.
pub(super) const VK_APPLICATION: &str = "51000001";

/// Its key. It opens the sandbox and nothing else.
pub(super) const VK_APPLICATION_KEY: &str = "demo-key-of-the-application";

const TELEGRAM_ID: i64 = 4_000_000_001;
const TELEGRAM_PHONE: &str = "79031112233";
const LOGIN: &str = "admin@example.com";
const BOT_TOKEN: &str = "100200300:AADemoDemoDemoDemoDemoDemoDemoDemo1";
const NUMBER: &str = "106540352242922";
const ACCOUNT: &str = "102290129340398";
const APP_SECRET: &str = "0123456789abcdef0123456789abcdef";
const SELLER: i64 = 94_235_311;
const SELLER_ID: &str = "demo-client";
const SELLER_SECRET: &str = "demo-key-of-the-seller";
const COMMUNITY: i64 = 200_000_001;
const COMMUNITY_KEY: &str = "vk1.a.demo-key-of-the-community";
const NOTIFY_SENDER: &str = "romashka";
const NOTIFY_KEY: &str = "demo-key-of-the-aggregator";
/// Templates of notifications: their names and texts.
const NOTIFY_TEMPLATES: [(&str, &str); 2] =
    [("order_ready", "Заказ {{order}} готов к выдаче"), ("welcome", "{{name}}, добро пожаловать в «Ромашку»!")];
const MAILBOX: &str = "sales@romashka.example";
const MAILBOX_PASSWORD: &str = "demo-password";
const FIRST_PHONE: i64 = 79_990_000_001;
/// Who has the phones, the first of them the first.
const PEOPLE: [&str; 10] =
    ["Анна", "Иван", "Елена", "Дмитрий", "Ольга", "Сергей", "Наталья", "Андрей", "Татьяна", "Павел"];
const PORTAL: &str = "demo";

/// A line of the demo does not end.
const NEVER: Moment = Moment(253_402_300_799_000);

/// The control of the sandbox.
pub(super) struct Control {
    base: String,
    client: reqwest::Client,
}

/// Who may sign in.
pub(super) struct Login {
    pub(super) name: &'static str,
    pub(super) password: SecretString,
    pub(super) token: String,
}

impl Control {
    pub(super) fn new(base: String) -> Self {
        Self { base, client: reqwest::Client::new() }
    }

    /// Makes the accounts, the phones and the portal.
    pub(super) async fn fill(&self, switchboard: &str) -> anyhow::Result<()> {
        self.post("/_/telegram/bots", json!({"token": BOT_TOKEN, "username": "demo_bot", "name": "Демо"})).await?;
        let number = json!({"id": NUMBER, "account": ACCOUNT, "token": "EAADemo", "app_secret": APP_SECRET,
            "verify_token": "demo-verify", "name": "Ромашка"});
        self.post("/_/waba/numbers", number).await?;
        let community = json!({"id": COMMUNITY, "token": COMMUNITY_KEY, "name": "Ромашка", "screen_name": "romashka"});
        self.post("/_/vk/communities", community).await?;
        let application = json!({"client_id": VK_APPLICATION, "client_secret": VK_APPLICATION_KEY,
            "redirect": format!("{switchboard}/attach/return")});
        self.post("/_/vk/applications", application).await?;
        let account = json!({"id": SELLER, "client_id": SELLER_ID, "client_secret": SELLER_SECRET, "name": "Ромашка"});
        self.post("/_/avito/accounts", account).await?;
        let templates: Value = NOTIFY_TEMPLATES.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
        let account = json!({"provider": "devino", "key": NOTIFY_KEY, "name": NOTIFY_SENDER, "templates": templates});
        self.post("/_/notify/accounts", account).await?;
        let account =
            json!({"provider": "edna", "key": format!("{NOTIFY_KEY}-2"), "name": "5190", "templates": templates});
        self.post("/_/notify/accounts", account).await?;
        self.post("/_/waha", json!({"key": GATEWAY_KEY})).await?;
        self.post("/_/mail/boxes", json!({"address": MAILBOX, "password": MAILBOX_PASSWORD})).await?;
        self.fill_spare().await?;
        let account = json!({"id": TELEGRAM_ID, "phone": TELEGRAM_PHONE, "name": "Ромашка", "username": "romashka"});
        self.post("/_/mtproto/accounts", account).await?;
        for (name, number) in PEOPLE.iter().zip(FIRST_PHONE..) {
            let phone = json!({"id": number.to_string(), "name": name, "started": true, "window": 24});
            self.post("/_/phones", phone).await?;
        }
        let portal = json!({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
            "domain": self.base.trim_start_matches("http://"), "page_url": format!("{switchboard}/bitrix24/app"),
            "installer_url": format!("{switchboard}/bitrix24/install"), "event_url": format!("{switchboard}/bitrix24/event")});
        self.post(&format!("/_/b24/{PORTAL}"), portal).await?;
        Ok(())
    }

    /// A second account of each vendor, which nobody has attached: the page of the sandbox shows how.
    async fn fill_spare(&self) -> anyhow::Result<()> {
        let bot = json!({"token": "200300400:AADemoDemoDemoDemoDemoDemoDemoDemo2", "username": "second_bot", "name": "Вторая"});
        self.post("/_/telegram/bots", bot).await?;
        let number = json!({"id": "206540352242922", "account": "202290129340398", "token": "EAASecond", "number": "74957654321",
            "app_secret": "fedcba9876543210fedcba9876543210", "verify_token": "second-verify", "name": "Вторая"});
        self.post("/_/waba/numbers", number).await?;
        let community = json!({"id": 200_000_002, "token": "vk1.a.second-key-of-the-community", "name": "Вторая",
            "screen_name": "vtoraya"});
        self.post("/_/vk/communities", community).await?;
        let account = json!({"id": 94_235_312, "client_id": "second-client", "client_secret": "second-key-of-the-seller",
            "name": "Вторая"});
        self.post("/_/avito/accounts", account).await?;
        let account = json!({"id": TELEGRAM_ID + 1, "phone": "79031112244", "name": "Вторая", "username": "vtoraya"});
        self.post("/_/mtproto/accounts", account).await?;
        self.post("/_/mail/boxes", json!({"address": "help@romashka.example", "password": "second-password"})).await?;
        Ok(())
    }

    /// Tells the page of the sandbox whose queue it shows.
    pub(super) async fn watch(&self, url: &str, token: &str) -> anyhow::Result<()> {
        self.post("/_/switchboard", json!({"url": url, "token": token})).await.map(|_| ())
    }

    /// What a person fills in to attach the mailbox. The mail servers of the sandbox speak without TLS, and loopback is allowed.
    async fn mailbox(&self) -> anyhow::Result<Value> {
        let text = self.client.get(format!("{}/_/mail/boxes", self.base)).send().await?.text().await?;
        let told: Value = serde_json::from_str(&text)?;
        let mut answers = json!({"address": MAILBOX, "password": MAILBOX_PASSWORD, "from_name": "Ромашка"});
        for server in ["imap", "smtp"] {
            for name in ["host", "port", "security"] {
                let value = told.pointer(&format!("/{server}/{name}")).cloned().unwrap_or_default();
                if let Some(answers) = answers.as_object_mut() {
                    answers.insert(format!("{server}_{name}"), value);
                }
            }
        }
        Ok(answers)
    }

    async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        let reply = self.client.post(format!("{}{path}", self.base)).json(&body).send().await?;
        let (status, text) = (reply.status(), reply.text().await?);
        if !status.is_success() {
            bail!("the sandbox answered {status} to {path}: {text}");
        }
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }
}

/// Makes the company, the user and the line where they are missing, attaches the channels and installs the portal.
pub(super) async fn seed(app: &App, control: &Control) -> anyhow::Result<Login> {
    let (company, line) = company_and_line(app).await?;
    let login = login(app, company).await?;
    attach(app, company, line, Kind::TelegramBot, json!({"token": BOT_TOKEN})).await?;
    let answers = json!({"phone_number_id": NUMBER, "waba_id": ACCOUNT, "token": "EAADemo", "app_secret": APP_SECRET,
        "verify_token": "demo-verify"});
    attach(app, company, line, Kind::Waba, answers).await?;
    point_waba(app, company, control).await?;
    attach(app, company, line, Kind::Vk, json!({"token": COMMUNITY_KEY})).await?;
    let answers = json!({"client_id": SELLER_ID, "client_secret": SELLER_SECRET});
    attach(app, company, line, Kind::Avito, answers).await?;
    notify(app, company, line).await?;
    attach(app, company, line, Kind::Email, control.mailbox().await?).await?;
    greet(control).await?;
    let installed = control.post(&format!("/_/b24/{PORTAL}/install"), json!({"mode": "page", "finish": true})).await?;
    if installed.pointer("/page/status").and_then(Value::as_u64) != Some(200) {
        bail!("the portal of the sandbox could not be installed: {installed}");
    }
    let deal = json!({"id": 1, "title": "Заказ из интернет-магазина", "name": "Анна", "last_name": "Петрова",
        "phone": FIRST_PHONE.to_string()});
    control.post(&format!("/_/b24/{PORTAL}/deals"), deal).await?;
    Ok(login)
}

async fn company_and_line(app: &App) -> anyhow::Result<(CompanyId, LineId)> {
    let now = app.clock.now().0;
    let made = app.store.write(move |conn| {
        let known = crate::on!(conn, company::all())?.into_iter().find_map(|(id, _)| id.parse().ok());
        let company = known.unwrap_or_default();
        if known.is_none() {
            crate::on!(conn, company::create(company, "Ромашка", "Europe/Moscow", now))?;
        }
        if let Some(line) = crate::on!(conn, line::of_company(company))?.first() {
            return Ok((company, line.id));
        }
        let new = NewLine { name: "Линия 1".to_owned(), plan: "paid".to_owned(), expires_at: NEVER, hours: None };
        Ok((company, crate::on!(conn, line::create(company, &new, now))?))
    });
    Ok(made.await?)
}

/// The user with a new password, so that it can be printed at every start.
async fn login(app: &App, company: CompanyId) -> anyhow::Result<Login> {
    let password = sign_in::fresh_password()?;
    let (hash, now) = (sign_in::hash_password(&password)?, app.clock.now().0);
    let made = app.store.write(move |conn| {
        if let Some(user) = crate::on!(conn, user::by_login(LOGIN))? {
            let (company, id) = user.ids()?;
            crate::on!(conn, user::set_password(company, id, &hash))?;
            return Ok(());
        }
        let new = NewUser {
            id: UserId::new(),
            login: LOGIN.to_owned(),
            name: "Администратор".to_owned(),
            role: "admin".to_owned(),
            password_hash: hash.clone(),
        };
        crate::on!(conn, user::create(company, &new, now))
    });
    made.await?;
    let token = sign_in::sign_in(app, LOGIN, &password).await?;
    Ok(Login { name: LOGIN, password, token: token.text })
}

/// VK Notify and its templates.
async fn notify(app: &App, company: CompanyId, line: LineId) -> anyhow::Result<()> {
    if !application::is_approved(app, company).await? {
        let form = Form {
            edo: false,
            edo_id: String::new(),
            edo_operator: String::new(),
            legal_form: LegalForm::Ooo,
            company_name: "Ромашка".to_owned(),
            inn: "7707083893".to_owned(),
            ogrn: "1027700132195".to_owned(),
            kpp: "773601001".to_owned(),
            address: "117997, Москва, ул. Вавилова, д. 19".to_owned(),
            signer_position: "Генеральный директор".to_owned(),
            signer_name: "Иванов Иван Иванович".to_owned(),
            signer_basis: "Устава".to_owned(),
        };
        let id = application::create(app, company, &form).await?.id.parse()?;
        for stage in [Stage::Sent, Stage::Checked, Stage::Approved] {
            application::move_on(app, company, id, stage, "").await?;
        }
        application::see(app, company, id).await?;
    }
    let answers =
        json!({"provider": "devino", "api_token": NOTIFY_KEY, "service": NOTIFY_SENDER, "community": "Ромашка"});
    let attached = attach(app, company, line, Kind::VkNotify, answers).await?;
    let Attached::Done { channel } = attached else { bail!("the channel of VK Notify asks for more") };
    let channel = channel.parse()?;
    for (name, text) in NOTIFY_TEMPLATES {
        pattern::keep(app, company, channel, name, text).await?;
    }
    Ok(())
}

async fn attach(app: &App, company: CompanyId, line: LineId, kind: Kind, answers: Value) -> anyhow::Result<Attached> {
    let answers = answers.as_object().cloned().unwrap_or_default();
    let attached = channel::attach(app, company, line, kind, Step { answers, ..Step::default() }).await;
    attached.with_context(|| format!("the channel {} of the demo could not be attached", kind.slug()))
}

/// The webhook of WhatsApp is set in Meta's console by a person; here the control of the sandbox is that person.
async fn point_waba(app: &App, company: CompanyId, control: &Control) -> anyhow::Result<()> {
    let channels = app.store.read(move |conn| crate::on!(conn, channel::of_company(company))).await?;
    let waba = channels.iter().find(|channel| channel.messenger == Kind::Waba.slug());
    let hook_key = &waba.context("the channel of WhatsApp is not there")?.hook_key;
    let hook = json!({"webhook": channel::webhook_url(app, hook_key), "subscribed": true});
    control.post(&format!("/_/waba/accounts/{ACCOUNT}"), hook).await?;
    let verified = control.post(&format!("/_/waba/accounts/{ACCOUNT}/verify"), json!({})).await?;
    if verified.get("verified").and_then(Value::as_bool) != Some(true) {
        bail!("the webhook of WhatsApp was not verified: {verified}");
    }
    Ok(())
}

/// Every customer writes first, so that the window of 24 hours is open for them.
async fn greet(control: &Control) -> anyhow::Result<()> {
    for (_, number) in PEOPLE.iter().zip(FIRST_PHONE..) {
        let path = format!("/_/phones/{number}/say");
        control.post(&path, json!({"messenger": "waba", "text": "Добрый день", "line": NUMBER})).await?;
    }
    Ok(())
}

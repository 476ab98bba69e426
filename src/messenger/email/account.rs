//! A mailbox and its servers, as they are attached and as they are kept.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::token::{self, Renewal};
use crate::messenger::{AttachError, Wire, field};

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Security {
    /// TLS from the first byte.
    Ssl,
    /// TLS after a word, and nothing of worth before it.
    Starttls,
    /// None, where the settings of the server allow it.
    None,
}

/// One of the two servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
}

/// What proves that the mailbox is ours.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Proof {
    Password(String),
    /// An OAuth 2 access token, for XOAUTH2; empty until the provider has given the first one.
    Token(Token),
}

/// A token, and what gives the next one.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) access: String,
    pub(super) renewal: Option<Renewal>,
}

/// The mailbox.
#[derive(Clone)]
pub(super) struct Account {
    pub(super) address: String,
    /// The provider, where it is a known one.
    pub(super) service: Option<&'static str>,
    pub(super) login: String,
    pub(super) name: Option<String>,
    pub(super) proof: Proof,
    pub(super) imap: Server,
    pub(super) smtp: Server,
    pub(super) habits: Habits,
}

/// What the owner of the mailbox chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Habits {
    /// «Группировать письма»: one chat for each subject.
    pub group_letters: bool,
    /// «Удалять ссылки»: links of customers are not shown.
    pub remove_links: bool,
    /// The provider keeps a copy of what is sent in the folder of sent letters by itself.
    pub server_keeps_sent: bool,
}

/// What is known of a provider: the domains of its addresses, its servers, its habits.
struct Preset {
    service: &'static str,
    domains: &'static [&'static str],
    imap: &'static str,
    smtp: &'static str,
    keeps_sent: bool,
}

const PRESETS: [Preset; 3] = [
    Preset {
        service: "gmail",
        domains: &["gmail.com", "googlemail.com"],
        imap: "imap.gmail.com",
        smtp: "smtp.gmail.com",
        keeps_sent: true,
    },
    Preset {
        service: "yandex",
        domains: &["yandex.ru", "yandex.com", "ya.ru", "yandex.by", "yandex.kz", "narod.ru"],
        imap: "imap.yandex.com",
        smtp: "smtp.yandex.com",
        keeps_sent: false,
    },
    Preset {
        service: "mailru",
        domains: &["mail.ru", "inbox.ru", "list.ru", "bk.ru", "internet.ru", "vk.com"],
        imap: "imap.mail.ru",
        smtp: "smtp.mail.ru",
        keeps_sent: false,
    },
];

/// Reads what was filled in.
pub(super) fn of_form(answers: &Map<String, Value>) -> Result<Account, AttachError> {
    let form = Form(answers);
    let address = form.text("address").to_lowercase();
    if !is_address(&address) {
        return Err(AttachError::new(
            "address",
            "Укажите адрес почты целиком, например sales@example.com.",
            "Give the whole e-mail address, as sales@example.com.",
        ));
    }
    let preset = form.preset(&address)?;
    let (imap, smtp) = (
        form.server("imap", preset.map(|preset| (preset.imap, 993, Security::Ssl)))?,
        form.server("smtp", preset.map(|preset| (preset.smtp, 587, Security::Starttls)))?,
    );
    Ok(Account {
        login: Some(form.text("login")).filter(|login| !login.is_empty()).unwrap_or_else(|| address.clone()),
        service: preset.map(|preset| preset.service),
        name: Some(form.text("from_name")).filter(|name| !name.is_empty()).map(|name| field::short(&name)),
        proof: form.proof()?,
        habits: Habits {
            group_letters: form.switch("group_letters")?,
            remove_links: form.switch("remove_links")?,
            server_keeps_sent: preset.is_some_and(|preset| preset.keeps_sent),
        },
        address,
        imap,
        smtp,
    })
}

/// Reads what is kept of a channel.
pub(super) fn of_wire(wire: &Wire) -> Result<Account, String> {
    let settings = &wire.settings;
    let server = |name: &str| {
        let kept = settings.get(name).cloned().unwrap_or_default();
        serde_json::from_value::<Server>(kept).map_err(|error| format!("the settings have no {name}: {error}"))
    };
    let (password, token) = (field::secret(&wire.secrets, "password"), field::secret(&wire.secrets, "access_token"));
    let service = field::text(settings, "service").unwrap_or_default();
    let address = field::text(settings, "address").ok_or("the settings have no address")?;
    Ok(Account {
        login: field::text(settings, "login").unwrap_or_else(|| address.clone()),
        address,
        service: PRESETS.iter().map(|preset| preset.service).find(|known| *known == service),
        name: field::text(settings, "from_name"),
        proof: if token.is_empty() {
            Proof::Password(password)
        } else {
            Proof::Token(Token { access: token, renewal: Renewal::of_secrets(&wire.secrets) })
        },
        imap: server("imap")?,
        smtp: server("smtp")?,
        habits: serde_json::from_value(settings.clone()).unwrap_or_default(),
    })
}

impl Account {
    /// The settings to keep.
    pub(super) fn settings(&self) -> Value {
        json!({
            "title": self.name.as_deref().unwrap_or(&self.address),
            "address": self.address,
            "service": self.service,
            "login": self.login,
            "from_name": self.name,
            "imap": self.imap,
            "smtp": self.smtp,
            "group_letters": self.habits.group_letters,
            "remove_links": self.habits.remove_links,
            "server_keeps_sent": self.habits.server_keeps_sent,
        })
    }

    /// The secrets to keep.
    pub(super) fn secrets(&self) -> Value {
        match &self.proof {
            Proof::Password(password) => json!({"password": password}),
            Proof::Token(token) => token::secrets(&token.access, token.renewal.as_ref(), None, None),
        }
    }

    /// The domain of the address.
    pub(super) fn domain(&self) -> &str {
        self.address.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

/// Whether a text is an address that mail can be sent to: enough to keep commands and headers whole.
#[must_use]
pub fn is_address(text: &str) -> bool {
    let Some((user, domain)) = text.rsplit_once('@') else { return false };
    text.len() <= 254
        && !user.is_empty()
        && domain.contains('.')
        && !domain.starts_with('.')
        && !domain.ends_with('.')
        && text.parse::<lettre::Address>().is_ok()
        && !text.chars().any(|c| c.is_control() || c.is_whitespace() || "<>()[],;:\\\"".contains(c))
}

struct Form<'a>(&'a Map<String, Value>);

impl Form<'_> {
    fn text(&self, name: &str) -> String {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned()
    }

    /// The provider that was chosen, or that the address belongs to; none for a server of one's own.
    fn preset(&self, address: &str) -> Result<Option<&'static Preset>, AttachError> {
        let service = self.text("service").to_lowercase();
        let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
        match service.as_str() {
            "" => Ok(PRESETS.iter().find(|preset| preset.domains.contains(&domain))),
            "custom" => Ok(None),
            named => match PRESETS.iter().find(|preset| preset.service == named) {
                Some(preset) => Ok(Some(preset)),
                None => Err(AttachError::new(
                    "service",
                    "Почтовый сервис: gmail, yandex, mailru или custom (свой сервер).",
                    "The mail service is gmail, yandex, mailru or custom (a server of one's own).",
                )),
            },
        }
    }

    fn server(&self, which: &'static str, preset: Option<(&str, u16, Security)>) -> Result<Server, AttachError> {
        let names: [&'static str; 3] = match which {
            "imap" => ["imap_host", "imap_port", "imap_security"],
            _ => ["smtp_host", "smtp_port", "smtp_security"],
        };
        let [host_name, port_name, security_name] = names;
        let host = self.text(host_name).to_lowercase();
        let host = match (host.is_empty(), preset) {
            (false, _) => host,
            (true, Some((host, ..))) => host.to_owned(),
            (true, None) => {
                return Err(AttachError::new(
                    host_name,
                    "Укажите адрес почтового сервера: по адресу почты он неизвестен.",
                    "Give the name of the mail server: it is not known by the address.",
                ));
            }
        };
        let port = self.port(port_name)?;
        let security = self.security(security_name)?;
        Ok(match (port, security, preset) {
            (None, None, Some((_, port, security))) => Server { host, port, security },
            (port, security, _) => {
                let (ssl, plain) = if which == "imap" { (993, 143) } else { (465, 587) };
                let security = security.unwrap_or(match port {
                    Some(port) if port == plain => Security::Starttls,
                    _ => Security::Ssl,
                });
                let usual = if security == Security::Ssl { ssl } else { plain };
                Server { host, port: port.unwrap_or(usual), security }
            }
        })
    }

    fn port(&self, name: &'static str) -> Result<Option<u16>, AttachError> {
        let port = match self.0.get(name) {
            Some(Value::Number(number)) => number.to_string(),
            _ => self.text(name),
        };
        if port.is_empty() {
            return Ok(None);
        }
        let bad = || AttachError::new(name, "Порт — число от 1 до 65535.", "A port is a number from 1 to 65535.");
        port.parse::<u16>().ok().filter(|port| *port > 0).map(Some).ok_or_else(bad)
    }

    fn security(&self, name: &'static str) -> Result<Option<Security>, AttachError> {
        match self.text(name).to_lowercase().as_str() {
            "" => Ok(None),
            "ssl" | "tls" => Ok(Some(Security::Ssl)),
            "starttls" => Ok(Some(Security::Starttls)),
            "none" => Ok(Some(Security::None)),
            _ => Err(AttachError::new(
                name,
                "Защита соединения: ssl, starttls или none (без шифрования).",
                "The protection of the connection is ssl, starttls or none (no encryption).",
            )),
        }
    }

    fn proof(&self) -> Result<Proof, AttachError> {
        // an app password is shown in groups of four letters, and Google takes it with the blanks
        let (password, token) = (self.text("password"), self.text("access_token"));
        let renewal = self.renewal();
        let odd = |text: &str| text.len() > 4096 || text.chars().any(char::is_control);
        let given = [("password", &password), ("access_token", &token)].into_iter();
        for (name, text) in given.chain(renewal.iter().flat_map(Renewal::words)) {
            if odd(text) {
                return Err(AttachError::new(
                    name,
                    "В пароле недопустимые знаки.",
                    "There are characters that no password has.",
                ));
            }
        }
        if renewal.as_ref().is_some_and(|renewal| renewal.client_id.is_empty()) {
            return Err(AttachError::new(
                "client_id",
                "Укажите Client ID приложения, которому выдан refresh token: без него новый токен не получить.",
                "Give the client id of the application that the refresh token was given to: no new token without it.",
            ));
        }
        match (token.is_empty() && renewal.is_none(), password.is_empty()) {
            (false, _) => Ok(Proof::Token(Token { access: token, renewal })),
            (true, false) => Ok(Proof::Password(password)),
            (true, true) => Err(AttachError::new(
                "password",
                "Укажите пароль почты. Gmail, Яндекс и Mail.ru принимают только пароль приложения.",
                "Give the password of the mailbox. Gmail, Yandex and Mail.ru take an app password only.",
            )),
        }
    }

    /// What gives the next token; none where the form has no refresh token.
    fn renewal(&self) -> Option<Renewal> {
        let refresh_token = Some(self.text("refresh_token")).filter(|token| !token.is_empty())?;
        Some(Renewal { refresh_token, client_id: self.text("client_id"), client_secret: self.text("client_secret") })
    }

    fn switch(&self, name: &'static str) -> Result<bool, AttachError> {
        match self.0.get(name) {
            None | Some(Value::Null) => return Ok(false),
            Some(Value::Bool(on)) => return Ok(*on),
            Some(_) => {}
        }
        match self.text(name).to_lowercase().as_str() {
            "yes" | "true" | "on" | "да" | "1" => Ok(true),
            "" | "no" | "false" | "off" | "нет" | "0" => Ok(false),
            _ => Err(AttachError::new(name, "Ответьте «да» или «нет».", "Answer yes or no.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "cases are written as literals")]
    fn form(answers: Value) -> Result<Account, AttachError> {
        of_form(answers.as_object().unwrap())
    }

    #[test]
    fn an_address_of_a_known_provider_needs_its_password_only() {
        for (address, imap, smtp) in [
            ("a@gmail.com", "imap.gmail.com", "smtp.gmail.com"),
            ("a@ya.ru", "imap.yandex.com", "smtp.yandex.com"),
            ("A@Mail.ru", "imap.mail.ru", "smtp.mail.ru"),
        ] {
            let account = form(json!({"address": address, "password": "x"})).unwrap();
            assert_eq!(
                (account.imap.host.as_str(), account.imap.port, account.imap.security),
                (imap, 993, Security::Ssl)
            );
            assert_eq!((account.smtp.host.as_str(), account.smtp.port), (smtp, 587));
            assert_eq!((account.smtp.security, account.login), (Security::Starttls, address.to_lowercase()));
        }
    }

    #[test]
    fn a_server_of_ones_own_has_the_usual_ports() {
        let own = |more: Value| {
            let mut answers = json!({"address": "a@b.example", "password": "x", "imap_host": "m", "smtp_host": "m"});
            answers.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
            form(answers).unwrap()
        };
        let usual = own(json!({}));
        assert_eq!((usual.imap.port, usual.smtp.port), (993, 465));
        let later = own(json!({"smtp_port": "587", "imap_security": "STARTTLS"}));
        assert_eq!((later.smtp.security, later.imap.port), (Security::Starttls, 143));
    }

    #[test]
    fn what_is_wrong_is_told_at_its_field() {
        for (answers, field) in [
            (json!({}), "address"),
            (json!({"address": "a@b"}), "address"),
            (json!({"address": "a b@c.example"}), "address"),
            (json!({"address": "a@c.example\r\nX: y"}), "address"),
            (json!({"address": "a@c.example", "service": "hotmail"}), "service"),
            (json!({"address": "a@c.example", "password": "x"}), "imap_host"),
            (json!({"address": "a@gmail.com"}), "password"),
            (json!({"address": "a@gmail.com", "password": "x\ny"}), "password"),
            (json!({"address": "a@gmail.com", "refresh_token": "1//x"}), "client_id"),
            (json!({"address": "a@gmail.com", "refresh_token": "1//x", "client_id": "a\nb"}), "client_id"),
            (json!({"address": "a@gmail.com", "password": "x", "imap_port": "70000"}), "imap_port"),
            (json!({"address": "a@gmail.com", "password": "x", "smtp_security": "maybe"}), "smtp_security"),
            (json!({"address": "a@gmail.com", "password": "x", "group_letters": "maybe"}), "group_letters"),
        ] {
            assert_eq!(form(answers.clone()).err().map(|error| error.field), Some(field), "{answers}");
        }
    }
}

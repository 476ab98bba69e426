//! The form of a mailbox, and the mailbox that its answers tell of. What a provider's address leaves open is known of the
//! provider; whoever chooses it on the page sees its servers filled in.

use serde_json::{Map, Value};

use super::account::{
    Account, Folders, Habits, Preset, Proof, Security, Server, Token, is_address, preset_named, preset_of,
};
use super::token::Renewal;
use crate::messenger::form::{ADVANCED, Answers};
use crate::messenger::{AttachError, Field, FieldOption, Words, field};

/// The longest signature, in characters.
const SIGNATURE: usize = 2_000;

/// The part of the form that a known service fills.
const SERVERS: Words = ("Серверы IMAP и SMTP", "IMAP and SMTP servers");

const SERVICES: &[FieldOption] = &[
    FieldOption::new("gmail", "Gmail", "Gmail").fills(&GMAIL),
    FieldOption::new("yandex", "Яндекс Почта", "Yandex Mail").fills(&YANDEX),
    FieldOption::new("mailru", "Mail.ru", "Mail.ru").fills(&MAILRU),
    FieldOption::new("custom", "Другой сервис или свой сервер", "Another service or a server of your own").fills(&[
        ("imap_host", ""),
        ("imap_port", "993"),
        ("imap_security", "ssl"),
        ("smtp_host", ""),
        ("smtp_port", "465"),
        ("smtp_security", "ssl"),
    ]),
];

type Filled = [(&'static str, &'static str); 6];

/// What a known service fills in.
const fn filled(imap: &'static str, smtp: &'static str) -> Filled {
    [
        ("imap_host", imap),
        ("imap_port", "993"),
        ("imap_security", "ssl"),
        ("smtp_host", smtp),
        ("smtp_port", "587"),
        ("smtp_security", "starttls"),
    ]
}

const GMAIL: Filled = filled("imap.gmail.com", "smtp.gmail.com");
const YANDEX: Filled = filled("imap.yandex.com", "smtp.yandex.com");
const MAILRU: Filled = filled("imap.mail.ru", "smtp.mail.ru");

const SECURITY: &[FieldOption] = &[
    FieldOption::new("ssl", "SSL/TLS с первого байта", "SSL/TLS from the first byte"),
    FieldOption::new("starttls", "STARTTLS после приветствия", "STARTTLS after the greeting"),
    FieldOption::new("none", "Без TLS, открытым текстом", "No TLS, in clear text"),
];

/// Beside the choice that can switch TLS off.
const OPEN: Words = (
    "Без TLS пароль и письма прочтёт любой по пути: только для сервера в своей сети.",
    "Without TLS anybody on the way reads password and letters: only for a server in a network of your own.",
);

const PASSWORD: &[&str] = &["password"];
const OAUTH: &[&str] = &["oauth"];

/// The fields of a mailbox.
pub(super) static FORM: [Field; 22] = [
    Field::choice("service", "Почтовый сервис", "Mail service", SERVICES),
    Field::text("address", "Адрес почты", "E-mail address"),
    Field::choice(
        "auth",
        "Способ входа",
        "Way of signing in",
        &[
            FieldOption::new("password", "Пароль", "Password"),
            FieldOption::new("oauth", "OAuth 2 (XOAUTH2)", "OAuth 2 (XOAUTH2)"),
        ],
    )
    .begins("password"),
    Field::text("password", "Пароль", "Password")
        .secret()
        .only("auth", PASSWORD)
        .hint(
            "Gmail, Яндекс и Mail.ru принимают только пароль приложения, и доступ по IMAP должен быть включён в настройках почты.",
            "Gmail, Yandex and Mail.ru take an app password only, and IMAP is to be switched on in the settings of the mailbox.",
        ),
    Field::text("refresh_token", "Refresh token", "Refresh token")
        .secret()
        .optional()
        .only("auth", OAUTH)
        .hint("С ним новые токены запрашиваются сами.", "With it new tokens are asked for by themselves."),
    Field::text("client_id", "Client ID приложения OAuth", "Client id of the OAuth application")
        .optional()
        .only("auth", OAUTH),
    Field::text("client_secret", "Client secret приложения OAuth", "Client secret of the OAuth application")
        .secret()
        .optional()
        .only("auth", OAUTH),
    Field::text("access_token", "Токен OAuth, если нет refresh token", "OAuth token, where there is no refresh token")
        .secret()
        .optional()
        .only("auth", OAUTH)
        .hint("Когда он истечёт, канал отключится.", "When it runs out the channel is lost."),
    Field::text("from_name", "Имя отправителя", "Name of the sender").optional(),
    Field::switch("group_letters", "Группировать письма", "Group letters")
        .hint("Отдельный чат на каждую тему.", "One chat for each subject."),
    Field::switch("remove_links", "Удалять ссылки", "Remove links")
        .hint("Ссылки в письмах клиентов не показываются.", "Links in letters of customers are not shown."),
    Field::text("imap_host", "Сервер IMAP", "IMAP server").part(SERVERS),
    Field::number("imap_port", "Порт IMAP", "IMAP port", 1, 65_535).optional().part(SERVERS),
    Field::choice("imap_security", "Защита IMAP", "Protection of IMAP", SECURITY)
        .optional()
        .part(SERVERS)
        .hint(OPEN.0, OPEN.1),
    Field::text("smtp_host", "Сервер SMTP", "SMTP server").part(SERVERS),
    Field::number("smtp_port", "Порт SMTP", "SMTP port", 1, 65_535).optional().part(SERVERS),
    Field::choice("smtp_security", "Защита SMTP", "Protection of SMTP", SECURITY)
        .optional()
        .part(SERVERS)
        .hint(OPEN.0, OPEN.1),
    Field::text("login", "Логин, если он отличается от адреса", "Login, where it is not the address")
        .optional()
        .part(SERVERS),
    Field::lines("signature", "Подпись", "Signature")
        .optional()
        .part(ADVANCED)
        .hint("Добавляется в конец каждого письма.", "Is put at the end of every letter."),
    Field::text("inbox_folder", "Папка входящих", "Folder of incoming letters")
        .optional()
        .part(ADVANCED)
        .hint("Пусто — INBOX.", "Empty: INBOX."),
    Field::text("sent_folder", "Папка отправленных", "Folder of sent letters")
        .optional()
        .part(ADVANCED)
        .hint("Пусто — найти на сервере.", "Empty: it is found on the server."),
    Field::switch(
        "server_keeps_sent",
        "Сервер сам кладёт письма в отправленные",
        "The server puts letters among the sent ones itself",
    )
    .part(ADVANCED)
    .hint("Тогда Switchboard копий не кладёт.", "Then Switchboard puts no copies there."),
];

/// Reads what was filled in.
pub(super) fn read(given: &Map<String, Value>) -> Result<Account, AttachError> {
    let form = Form(Answers::new(&FORM, given));
    let address = form.0.text("address")?.to_lowercase();
    if !is_address(&address) {
        return Err(AttachError::new(
            "address",
            "Укажите адрес почты целиком, например sales@example.com.",
            "Give the whole e-mail address, as sales@example.com.",
        ));
    }
    let preset = form.preset(&address)?;
    let (imap, smtp) = (
        form.server(&IMAP, preset.map(|preset| (preset.imap, 993, Security::Ssl)))?,
        form.server(&SMTP, preset.map(|preset| (preset.smtp, 587, Security::Starttls)))?,
    );
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok(Account {
        login: some(form.0.text("login")?).unwrap_or_else(|| address.clone()),
        service: preset.map(|preset| preset.service),
        name: some(form.0.text("from_name")?).map(|name| field::short(&name)),
        signature: some(form.signature()?),
        proof: form.proof()?,
        habits: Habits {
            group_letters: form.0.switch("group_letters")?,
            remove_links: form.0.switch("remove_links")?,
            server_keeps_sent: preset.is_some_and(|preset| preset.keeps_sent) || form.0.switch("server_keeps_sent")?,
        },
        folders: Folders { inbox: some(form.0.text("inbox_folder")?), sent: some(form.0.text("sent_folder")?) },
        address,
        imap,
        smtp,
    })
}

/// The names of a server's fields, and its usual ports: with TLS from the first byte, and without.
struct Names {
    host: &'static str,
    port: &'static str,
    security: &'static str,
    usual: (u16, u16),
}

const IMAP: Names = Names { host: "imap_host", port: "imap_port", security: "imap_security", usual: (993, 143) };
const SMTP: Names = Names { host: "smtp_host", port: "smtp_port", security: "smtp_security", usual: (465, 587) };

struct Form<'a>(Answers<'a>);

impl Form<'_> {
    /// The provider that was chosen, or that the address belongs to; none for a server of one's own.
    fn preset(&self, address: &str) -> Result<Option<&'static Preset>, AttachError> {
        let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
        Ok(match self.0.choice("service")? {
            None => preset_of(domain),
            Some(named) => preset_named(named),
        })
    }

    fn server(&self, names: &Names, preset: Option<(&str, u16, Security)>) -> Result<Server, AttachError> {
        let host = self.0.text(names.host)?.to_lowercase();
        let host = match (host.is_empty(), preset) {
            (false, _) => host,
            (true, Some((host, ..))) => host.to_owned(),
            (true, None) => {
                return Err(AttachError::new(
                    names.host,
                    "Укажите адрес почтового сервера: по адресу почты он неизвестен.",
                    "Give the name of the mail server: it is not known by the address.",
                ));
            }
        };
        let port = self.0.number(names.port)?.and_then(|port| u16::try_from(port).ok());
        let security = self.security(names.security)?;
        Ok(match (port, security, preset) {
            (None, None, Some((_, port, security))) => Server { host, port, security },
            (port, security, _) => {
                let (ssl, plain) = names.usual;
                let security = security.unwrap_or(match port {
                    Some(port) if port == plain => Security::Starttls,
                    _ => Security::Ssl,
                });
                let usual = if security == Security::Ssl { ssl } else { plain };
                Server { host, port: port.unwrap_or(usual), security }
            }
        })
    }

    fn security(&self, name: &'static str) -> Result<Option<Security>, AttachError> {
        // programs may call it by its other name
        if self.0.text(name)?.eq_ignore_ascii_case("tls") {
            return Ok(Some(Security::Ssl));
        }
        Ok(self.0.choice(name)?.map(|chosen| match chosen {
            "none" => Security::None,
            "starttls" => Security::Starttls,
            _ => Security::Ssl,
        }))
    }

    fn signature(&self) -> Result<String, AttachError> {
        let signature = self.0.text("signature")?.replace("\r\n", "\n");
        if signature.chars().count() > SIGNATURE {
            return Err(self.0.wrong(
                "signature",
                &format!("не длиннее {SIGNATURE} знаков"),
                &format!("has {SIGNATURE} characters at most"),
            ));
        }
        Ok(signature)
    }

    /// How the mailbox is entered: as was chosen, or as what was given allows.
    fn proof(&self) -> Result<Proof, AttachError> {
        let chosen = if self.0.has("auth") { self.0.choice("auth")? } else { None };
        // an app password is shown in groups of four letters, and Google takes it with the blanks
        let (password, token) = (self.0.text("password")?, self.0.text("access_token")?);
        if chosen != Some("oauth") && (chosen.is_some() || (token.is_empty() && !self.0.has("refresh_token"))) {
            return if password.is_empty() {
                Err(AttachError::new(
                    "password",
                    "Укажите пароль почты. Gmail, Яндекс и Mail.ru принимают только пароль приложения.",
                    "Give the password of the mailbox. Gmail, Yandex and Mail.ru take an app password only.",
                ))
            } else {
                Ok(Proof::Password(password))
            };
        }
        let renewal = self.renewal()?;
        if renewal.as_ref().is_some_and(|renewal| renewal.client_id.is_empty()) {
            return Err(AttachError::new(
                "client_id",
                "Укажите Client ID приложения, которому выдан refresh token: без него новый токен не получить.",
                "Give the client id of the application that the refresh token was given to: no new token without it.",
            ));
        }
        if token.is_empty() && renewal.is_none() {
            return Err(AttachError::new(
                "refresh_token",
                "Укажите refresh token приложения OAuth, или токен в поле ниже.",
                "Give the refresh token of the OAuth application, or a token in the field below.",
            ));
        }
        Ok(Proof::Token(Token { access: token, renewal }))
    }

    /// What gives the next token; none where the form has no refresh token.
    fn renewal(&self) -> Result<Option<Renewal>, AttachError> {
        let refresh_token = self.0.text("refresh_token")?;
        if refresh_token.is_empty() {
            return Ok(None);
        }
        let (client_id, client_secret) = (self.0.text("client_id")?, self.0.text("client_secret")?);
        Ok(Some(Renewal { refresh_token, client_id, client_secret }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "cases are written as literals")]
    fn form(answers: Value) -> Result<Account, AttachError> {
        read(answers.as_object().unwrap())
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
            (json!({"address": "a@gmail.com", "auth": "password", "access_token": "x"}), "password"),
            (json!({"address": "a@gmail.com", "auth": "oauth", "password": "x"}), "refresh_token"),
            (json!({"address": "a@gmail.com", "auth": "ntlm", "password": "x"}), "auth"),
            (json!({"address": "a@gmail.com", "password": "x", "signature": "ы".repeat(SIGNATURE + 1)}), "signature"),
            (json!({"address": "a@gmail.com", "password": "x", "sent_folder": ["Sent"]}), "sent_folder"),
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

    #[test]
    fn what_a_service_fills_in_is_what_its_addresses_stand_for() {
        for (service, address) in [("gmail", "a@gmail.com"), ("yandex", "a@ya.ru"), ("mailru", "a@mail.ru")] {
            let option = SERVICES.iter().find(|option| option.value == service).unwrap();
            let filled = option.fills.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
            let mut answers = json!({"service": service, "address": "a@company.example", "password": "x"});
            answers.as_object_mut().unwrap().extend(filled);
            let (typed, known) = (form(answers).unwrap(), form(json!({"address": address, "password": "x"})).unwrap());
            assert_eq!((typed.imap, typed.smtp, typed.service), (known.imap, known.smtp, known.service));
        }
    }
}

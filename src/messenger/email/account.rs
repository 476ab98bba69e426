//! A mailbox and its servers, as they are attached and as they are kept.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::token::{self, Renewal};
use crate::messenger::{Wire, field};

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

impl Proof {
    /// What the form calls it.
    pub(super) const fn way(&self) -> &'static str {
        match self {
            Self::Password(_) => "password",
            Self::Token(_) => "oauth",
        }
    }
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
    /// What stands at the end of every letter.
    pub(super) signature: Option<String>,
    pub(super) proof: Proof,
    pub(super) imap: Server,
    pub(super) smtp: Server,
    pub(super) habits: Habits,
    pub(super) folders: Folders,
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

/// The folders that the owner named; none where they are found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Folders {
    pub(super) inbox: Option<String>,
    pub(super) sent: Option<String>,
}

/// What is known of a provider: the domains of its addresses, its servers, its habits.
pub(super) struct Preset {
    pub(super) service: &'static str,
    domains: &'static [&'static str],
    pub(super) imap: &'static str,
    pub(super) smtp: &'static str,
    pub(super) keeps_sent: bool,
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

/// What is known of a provider by its name.
pub(super) fn preset_named(service: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.service == service)
}

/// What is known of the provider that a domain belongs to.
pub(super) fn preset_of(domain: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.domains.contains(&domain))
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
        service: preset_named(&service).map(|preset| preset.service),
        name: field::text(settings, "from_name"),
        signature: field::text(settings, "signature"),
        proof: if token.is_empty() {
            Proof::Password(password)
        } else {
            Proof::Token(Token { access: token, renewal: Renewal::of_secrets(&wire.secrets) })
        },
        imap: server("imap")?,
        smtp: server("smtp")?,
        habits: serde_json::from_value(settings.clone()).unwrap_or_default(),
        folders: Folders { inbox: field::text(settings, "inbox_folder"), sent: field::text(settings, "sent_folder") },
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
            "signature": self.signature,
            "inbox_folder": self.folders.inbox,
            "sent_folder": self.folders.sent,
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

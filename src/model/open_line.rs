//! The settings of a channel in an open line of a portal.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::address::phone_digits;
use super::message::Kind;

/// So many numbers are ignored at most.
const MOST_IGNORED: usize = 1_000;

/// The longest title of the widget, in characters.
const TITLE: usize = 100;

/// How a channel behaves in one open line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = OpenLineSettings)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a page, each by itself")]
pub struct Settings {
    /// Which messages of our own side are shown.
    pub publish: Publish,
    /// The employee under whose name they stand where nobody is known; none shows them as notes of the system.
    pub author: Option<i64>,
    /// Whether the line of the channel is an SMS provider of the portal.
    pub sms_provider: bool,
    /// Whether a message of the SMS provider makes a chat where there is none.
    pub sms_creates_chat: bool,
    /// The same for messages of CRM-marketing and of mailings.
    pub mailing_creates_chat: bool,
    /// Whether group chats are shown.
    pub groups: bool,
    /// Whether the phones of those who write are shown in group chats.
    pub group_phones: bool,
    /// Whether the chat is called as the contact of the CRM is.
    pub sync_title: bool,
    /// Whether the responsible person of the card and of the chat follow each other.
    pub sync_responsible: bool,
    /// Whether the operator's name stands before the text.
    pub signature: bool,
    /// Whether texts of the line itself, greetings and requests to rate, go to the customer.
    pub system_texts: bool,
    /// Numbers that make no chats, in digits.
    pub ignored: Vec<String>,
    /// What the widget on a site shows.
    pub widget: Widget,
}

/// Which messages of our own side are shown in the open line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = OpenLinePublish)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a page, each by itself")]
pub struct Publish {
    /// Any at all; off, it wins over everything else, also over the switch of a robot.
    pub outgoing: bool,
    /// Written on the phone or in the vendor's cabinet.
    pub phone: bool,
    /// Sent by robots.
    pub robots: bool,
    /// Sent by mailings, those of CRM-marketing among them.
    pub mailings: bool,
    /// Sent through the SMS provider, from cards and automations.
    pub sms: bool,
    /// Sent by the API.
    pub api: bool,
}

/// What the widget on a site shows of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = OpenLineWidget)]
pub struct Widget {
    /// The title; empty is that of the channel.
    pub title: String,
    /// The phone, in digits; empty is that of the channel.
    pub phone: String,
}

/// A setting that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OpenLineWrong)]
pub struct Wrong {
    /// Which, as `settings.ignored.0`.
    pub field: String,
    /// What is wrong and what to do, in Russian.
    pub ru: String,
    /// The same in English.
    pub en: String,
}

impl Default for Publish {
    fn default() -> Self {
        Self { outgoing: true, phone: true, robots: true, mailings: true, sms: true, api: true }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            publish: Publish::default(),
            author: None,
            sms_provider: true,
            sms_creates_chat: false,
            mailing_creates_chat: false,
            groups: true,
            group_phones: true,
            sync_title: false,
            sync_responsible: false,
            signature: false,
            system_texts: true,
            ignored: Vec::new(),
            widget: Widget::default(),
        }
    }
}

impl Settings {
    /// The settings as they are kept: numbers in digits, none twice, texts without blanks around them.
    ///
    /// # Errors
    /// Every setting that cannot be taken.
    pub fn check(mut self, region: &str) -> Result<Self, Vec<Wrong>> {
        let mut wrong = Vec::new();
        let mut ignored = Vec::new();
        for (at, number) in self.ignored.iter().enumerate() {
            match phone_digits(number, region) {
                Some(digits) if ignored.contains(&digits) => {}
                Some(digits) => ignored.push(digits),
                None => wrong.push(bad_phone(&format!("settings.ignored.{at}"))),
            }
        }
        if ignored.len() > MOST_IGNORED {
            wrong.push(Wrong {
                field: "settings.ignored".to_owned(),
                ru: format!("номеров не больше {MOST_IGNORED}: уберите лишние"),
                en: format!("there are at most {MOST_IGNORED} numbers: take some away"),
            });
        }
        self.ignored = ignored;
        let title = self.widget.title.trim().to_owned();
        self.widget.title = title;
        if self.widget.title.chars().count() > TITLE || self.widget.title.chars().any(char::is_control) {
            wrong.push(Wrong {
                field: "settings.widget.title".to_owned(),
                ru: format!("название — одна строка до {TITLE} знаков"),
                en: format!("the title is one line of at most {TITLE} characters"),
            });
        }
        match self.widget.phone.trim() {
            "" => self.widget.phone.clear(),
            phone => match phone_digits(phone, region) {
                Some(digits) => self.widget.phone = digits,
                None => wrong.push(bad_phone("settings.widget.phone")),
            },
        }
        if self.author.is_some_and(|author| author <= 0) {
            wrong.push(Wrong {
                field: "settings.author".to_owned(),
                ru: "выберите сотрудника или оставьте поле пустым".to_owned(),
                en: "choose an employee or leave the field empty".to_owned(),
            });
        }
        if wrong.is_empty() { Ok(self) } else { Err(wrong) }
    }

    /// Whether a number makes no chats.
    #[must_use]
    pub fn ignores(&self, phone: Option<&str>) -> bool {
        phone.is_some_and(|phone| self.ignored.iter().any(|ignored| ignored == phone))
    }
}

fn bad_phone(field: &str) -> Wrong {
    Wrong {
        field: field.to_owned(),
        ru: "телефон не распознан: укажите его с кодом страны, например +7 999 123-45-67".to_owned(),
        en: "the phone cannot be read: write it with its country code, as +7 999 123-45-67".to_owned(),
    }
}

/// The settings that mean something for a messenger.
#[must_use]
pub fn applies(kind: Kind) -> Vec<&'static str> {
    let mut names = vec!["publish", "author", "sync_title", "sync_responsible", "signature", "system_texts", "widget"];
    if matches!(kind, Kind::WhatsappWeb | Kind::Waba | Kind::Telegram | Kind::VkNotify) {
        names.extend(["sms_provider", "sms_creates_chat", "mailing_creates_chat"]);
    }
    if matches!(kind, Kind::WhatsappWeb | Kind::Telegram | Kind::TelegramBot | Kind::Vk) {
        names.extend(["groups", "group_phones"]);
    }
    if matches!(kind, Kind::WhatsappWeb | Kind::Waba | Kind::Telegram | Kind::TelegramBot) {
        names.push("ignored");
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_its_default() {
        let settings: Settings = serde_json::from_str(r#"{"signature": true, "publish": {"phone": false}}"#).unwrap();
        assert!(settings.signature && settings.groups && settings.publish.robots && !settings.publish.phone);
        assert!(serde_json::from_str::<Settings>(r#"{"unknown": 1}"#).is_err());
    }

    #[test]
    fn numbers_are_cleaned_and_bad_ones_are_named() {
        let given = |ignored: &[&str], phone: &str| Settings {
            ignored: ignored.iter().map(|number| (*number).to_owned()).collect(),
            widget: Widget { title: " Магазин ".to_owned(), phone: phone.to_owned() },
            ..Settings::default()
        };
        let good = given(&["+7 999 000-00-01", "89990000001"], "8 495 123-45-67").check("RU").unwrap();
        assert_eq!(good.ignored, ["79990000001"]);
        assert_eq!((good.widget.title.as_str(), good.widget.phone.as_str()), ("Магазин", "74951234567"));
        assert!(good.ignores(Some("79990000001")) && !good.ignores(Some("79990000002")) && !good.ignores(None));
        let bad = given(&["+7 999 000-00-01", "звоните"], "12").check("RU").unwrap_err();
        let fields: Vec<&str> = bad.iter().map(|wrong| wrong.field.as_str()).collect();
        assert_eq!(fields, ["settings.ignored.1", "settings.widget.phone"]);
    }

    #[test]
    fn every_name_that_applies_is_a_setting() {
        let all = serde_json::to_value(Settings::default()).unwrap();
        for kind in Kind::ALL {
            assert!(applies(kind).iter().all(|name| all.get(*name).is_some()), "{kind:?}");
        }
    }
}

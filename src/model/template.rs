//! Templates as the vendor keeps them: what each says, and what must be filled in.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::message::{MediaKind, Template};
use super::result::Code;

/// A template of an account: a name in one language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TemplateCard {
    /// The vendor's id.
    pub vendor_id: String,
    /// The name.
    pub name: String,
    /// The language code, as `ru`.
    pub language: String,
    /// The vendor's word, as `APPROVED`; only that one is sent.
    pub status: String,
    /// `MARKETING`, `UTILITY` or `AUTHENTICATION`.
    pub category: String,
    /// What the vendor thinks of its quality, as `GREEN`.
    pub quality: Option<String>,
    /// Why it was refused.
    pub reason: Option<String>,
    /// The header.
    pub header: Option<TemplateHeader>,
    /// The text, with `{{1}}` or `{{name}}` where values go.
    pub body: String,
    /// The names of the values of the text, in their order; `1`, `2` where they have positions only.
    pub values: Vec<String>,
    /// Whether values go by name.
    pub named: bool,
    /// The line beneath.
    pub footer: Option<String>,
    /// The buttons, in their order.
    pub buttons: Vec<TemplatePress>,
}

/// The header of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TemplateHeader {
    /// A text, and whether a value goes into it.
    Text {
        /// The text.
        text: String,
        /// Whether it has a value.
        value: bool,
    },
    /// A file, which every message brings along.
    File {
        /// What kind of file.
        file: MediaKind,
    },
    /// A place or something else that cannot be filled in here.
    Other,
}

/// A button of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TemplatePress {
    /// `quick_reply`, `url`, `copy_code`, or what else the vendor has.
    pub kind: String,
    /// What stands on it.
    pub text: String,
    /// Whether a value must be given: the end of its address, or its code.
    pub value: bool,
}

impl TemplateCard {
    /// Whether a message by this template is one that the vendor will take.
    ///
    /// # Errors
    /// The code for whoever asked.
    pub fn check(&self, message: &Template) -> Result<(), Code> {
        match self.status.as_str() {
            "APPROVED" => {}
            "PAUSED" | "DISABLED" | "LIMIT_EXCEEDED" => return Err(Code::TemplateOff),
            _ => return Err(Code::TemplateNotFound),
        }
        let good = self.fits_body(message) && self.fits_header(message) && self.fits_buttons(message);
        if good { Ok(()) } else { Err(Code::TemplateBad) }
    }

    fn fits_body(&self, message: &Template) -> bool {
        if !self.named {
            return message.body.len() == self.values.len() && message.body.iter().all(|value| value.name.is_none());
        }
        let given: BTreeSet<&str> = message.body.iter().filter_map(|value| value.name.as_deref()).collect();
        let wanted: BTreeSet<&str> = self.values.iter().map(String::as_str).collect();
        given == wanted && message.body.len() == wanted.len()
    }

    fn fits_header(&self, message: &Template) -> bool {
        let (text, file) = (message.header_text.is_some(), message.header_media.as_ref().map(|media| media.kind));
        match &self.header {
            None => !text && file.is_none(),
            Some(TemplateHeader::Text { value, .. }) => text == *value && file.is_none(),
            Some(TemplateHeader::File { file: wanted }) => !text && file == Some(*wanted),
            Some(TemplateHeader::Other) => true,
        }
    }

    fn fits_buttons(&self, message: &Template) -> bool {
        let needed = (0..).zip(&self.buttons).filter(|(_, press)| press.value).map(|(index, _)| index);
        let given = |index: u8| message.buttons.iter().any(|button| button.index == index);
        let known = message
            .buttons
            .iter()
            .all(|button| self.buttons.get(usize::from(button.index)).is_some_and(|press| press.kind == button.kind));
        known && needed.into_iter().all(given)
    }
}

/// The names between double braces, each once, in their order.
#[must_use]
pub fn values_of(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((name, next)) = after.split_once("}}") else { break };
        let name = name.trim();
        let good = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if good && !found.iter().any(|known| known == name) {
            found.push(name.to_owned());
        }
        rest = if good { next } else { after };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::message::{Media, TemplateButton, TemplateValue};

    fn card() -> TemplateCard {
        TemplateCard {
            vendor_id: "1".into(),
            name: "order".into(),
            language: "ru".into(),
            status: "APPROVED".into(),
            category: "UTILITY".into(),
            quality: None,
            reason: None,
            header: Some(TemplateHeader::File { file: MediaKind::Document }),
            body: "{{name}}, заказ {{id}} готов".into(),
            values: vec!["name".into(), "id".into()],
            named: true,
            footer: None,
            buttons: vec![
                TemplatePress { kind: "quick_reply".into(), text: "Да".into(), value: false },
                TemplatePress { kind: "url".into(), text: "Где".into(), value: true },
            ],
        }
    }

    fn message() -> Template {
        let value = |name: &str| TemplateValue { name: Some(name.into()), text: "x".into() };
        let media = Media {
            kind: MediaKind::Document,
            name: "a.pdf".into(),
            mime: "application/pdf".into(),
            source: "store:fi_1".into(),
            size: None,
        };
        Template {
            name: "order".into(),
            language: "ru".into(),
            body: vec![value("id"), value("name")],
            header_text: None,
            header_media: Some(media),
            buttons: vec![TemplateButton { index: 1, kind: "url".into(), value: "42".into() }],
        }
    }

    #[test]
    fn a_message_must_fill_in_what_the_template_leaves_open() {
        assert_eq!(card().check(&message()), Ok(()));
        let spoilt: [fn(&mut Template); 6] = [
            |message| drop(message.body.pop()),
            |message| message.body[0].name = None,
            |message| message.header_media = None,
            |message| message.header_media.as_mut().unwrap().kind = MediaKind::Image,
            |message| message.buttons.clear(),
            |message| message.buttons[0].index = 0,
        ];
        for (n, spoil) in spoilt.into_iter().enumerate() {
            let mut message = message();
            spoil(&mut message);
            assert_eq!(card().check(&message), Err(Code::TemplateBad), "{n}");
        }
        for (status, code) in [("PAUSED", Code::TemplateOff), ("REJECTED", Code::TemplateNotFound)] {
            assert_eq!(TemplateCard { status: status.into(), ..card() }.check(&message()), Err(code));
        }
    }

    #[test]
    fn values_are_read_from_the_text() {
        for (text, values) in [
            ("{{1}} и {{2}}, снова {{1}}", &["1", "2"][..]),
            ("{{ customer_name }}", &["customer_name"]),
            ("{{", &[]),
            ("{{}} {{a b}} {{{1}}}", &[]),
            ("{{x}} {{y", &["x"]),
        ] {
            assert_eq!(values_of(text), values, "{text}");
        }
    }
}

//! Attaching, as messengers declare it: the steps that a person takes, and what comes after each.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Field;

/// One step of attaching a channel, as the person took it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AttachStep {
    /// What was filled in, by field name.
    pub answers: serde_json::Map<String, serde_json::Value>,
    /// Where the vendor shall post to, for messengers that are told here and not by [`super::Messenger::announce`].
    pub webhook_url: String,
    /// Where a page of the vendor shall lead back to: the same for all messengers, and what it brings comes as answers.
    pub return_url: String,
    /// What the step before asked us to keep.
    pub kept: serde_json::Value,
}

/// What comes after a step.
#[derive(Debug, Clone)]
pub enum AttachNext {
    /// The channel is attached.
    Done(Attachment),
    /// Another form.
    Form {
        /// Its fields.
        fields: &'static [Field],
        /// What to keep until then.
        kept: serde_json::Value,
    },
    /// One of several things is to be chosen; the answer is its value, under the name of the field.
    Choose {
        /// What is chosen.
        field: &'static Field,
        /// What there is to choose from, in the vendor's order.
        options: Vec<Choice>,
        /// What to keep until then.
        kept: serde_json::Value,
    },
    /// A picture to scan: the text inside the QR code, and how long it is good.
    Qr {
        /// The text.
        text: String,
        /// Milliseconds.
        good_ms: i64,
        /// After so many milliseconds the step is taken again, without answers: the picture changes, or was scanned.
        again_ms: i64,
        /// What to keep until then.
        kept: serde_json::Value,
    },
    /// A code that the person types into the phone, or compares with the one that the phone shows.
    Code {
        /// The code.
        text: String,
        /// Whether it is compared: then the answer `confirmed` says that it is the same.
        compare: bool,
        /// Milliseconds.
        good_ms: i64,
        /// After so many milliseconds the step is taken again, without answers.
        again_ms: i64,
        /// What to keep until then.
        kept: serde_json::Value,
    },
    /// The vendor asks for a passkey: the challenge goes to `navigator.credentials.get` on the vendor's own page, and the
    /// answer `credential` brings what it gave.
    Passkey {
        /// The challenge.
        challenge: serde_json::Value,
        /// After so many milliseconds the step is taken again, without answers.
        again_ms: i64,
        /// What to keep until then.
        kept: serde_json::Value,
    },
    /// The vendor is at it.
    Wait {
        /// What is waited for, in Russian and in English.
        what: (&'static str, &'static str),
        /// After so many milliseconds the step is taken again, without answers.
        again_ms: i64,
        /// What to keep until then.
        kept: serde_json::Value,
    },
    /// A page of the vendor to go to. It leads back to [`AttachStep::return_url`], and the next step has what its address
    /// brought as answers, `state` and `code` among them.
    Redirect {
        /// Its address.
        url: String,
        /// The word that it carries as `state`: fresh, and impossible to guess. The flow takes it back once.
        state: String,
        /// What to keep until then.
        kept: serde_json::Value,
    },
}

/// Something to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AttachChoice)]
pub struct Choice {
    /// The answer that chooses it.
    pub value: String,
    /// Its name, as the vendor has it.
    pub title: String,
    /// What tells it from others of the same name.
    pub about: String,
}

/// What a finished attaching brought.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// Secrets to keep, as a JSON object.
    pub secrets: SecretString,
    /// Settings to keep, as a JSON object; `title` and `address` are shown to people.
    pub settings: serde_json::Value,
    /// Names the vendor's account, so that it cannot be attached twice.
    pub account: String,
    /// Where listening begins for the first time: whatever comes after the attaching is heard, however late the listener
    /// comes. Null where [`super::Messenger::listen`] finds its beginning by itself.
    pub cursor: serde_json::Value,
}

impl Attachment {
    /// Where listening begins, as it is written down.
    pub(crate) fn first_cursor(&self) -> Option<String> {
        (!self.cursor.is_null()).then(|| self.cursor.to_string())
    }
}

/// Why a step failed, for the person who attaches: which field, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {en}")]
pub struct AttachError {
    /// The field, or empty where it is none of them.
    pub field: &'static str,
    /// What to do, in Russian.
    pub ru: String,
    /// What to do, in English.
    pub en: String,
}

impl AttachError {
    /// What is wrong at a field, in Russian and in English.
    #[must_use]
    pub fn new(field: &'static str, ru: &str, en: &str) -> Self {
        Self { field, ru: ru.to_owned(), en: en.to_owned() }
    }

    /// The vendor, named in Russian and in English, gave no answer that can be used.
    #[must_use]
    pub(crate) fn silent(vendor: (&str, &str), seen: &str) -> Self {
        Self {
            field: "",
            ru: format!("{} не отвечает ({seen}). Проверьте доступ сервера в интернет и повторите.", vendor.0),
            en: format!(
                "{} does not answer ({seen}). Check that the server reaches the internet and try again.",
                vendor.1
            ),
        }
    }
}

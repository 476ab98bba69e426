//! Sending: one message is one call of the aggregator.

use super::{ABOUT, Provider, answer, devino, edna, provider};
use crate::messenger::Wire;
use crate::messenger::parcel::refused;
use crate::model::message::{Outgoing, Peer, Template};
use crate::model::result::Code;
use crate::model::vendor::Answer;

/// A notification as the adapters take it.
pub(super) struct Notice<'a> {
    /// Our name for it, which statuses bring back.
    pub(super) key: &'a str,
    /// In digits, without the plus.
    pub(super) phone: &'a str,
    /// The template and its values.
    pub(super) template: &'a Template,
    /// The text with the values in it, where the template's text is known.
    pub(super) text: Option<&'a str>,
}

pub(super) async fn send(wire: &Wire, message: &Outgoing) -> Answer {
    match try_send(wire, message).await {
        Ok(answer) | Err(answer) => answer,
    }
}

async fn try_send(wire: &Wire, message: &Outgoing) -> Result<Answer, Answer> {
    let notice = check(message)?;
    let provider = provider(wire).ok_or_else(|| Answer::Expired { seen: "no aggregator is set".to_owned() })?;
    let request = match provider {
        Provider::Devino => devino::request(wire, &notice),
        Provider::DevinoLegacy => devino::legacy_request(wire, &notice),
        Provider::Edna => edna::request(wire, &notice)?,
    };
    let called = wire.http.call(request, wire.http.limits()).await;
    match provider {
        Provider::Devino | Provider::DevinoLegacy => devino::read(provider, called, message),
        Provider::Edna => edna::read(called, message),
    }
}

/// What needs no call to be known.
fn check(message: &Outgoing) -> Result<Notice<'_>, Answer> {
    let content = &message.content;
    let text = content.text.as_deref().filter(|text| !text.trim().is_empty());
    if content.media.is_some() || content.interactive.is_some() || content.has_place_or_cards() {
        return Err(refused(Code::NotSupported));
    }
    if text.is_some_and(|text| text.chars().count() > ABOUT.text_limit) {
        return Err(refused(Code::MessageTooLong));
    }
    let template = match &content.template {
        Some(template) => template,
        None if text.is_some() => return Err(refused(Code::TemplateNeeded)),
        None => return Err(refused(Code::MessageEmpty)),
    };
    Ok(Notice { key: &message.key, phone: phone(&message.to)?, template, text })
}

/// A chat is named by its phone too.
fn phone(to: &Peer) -> Result<&str, Answer> {
    match to {
        Peer::Phone(phone) | Peer::Chat(phone)
            if (7..=15).contains(&phone.len()) && phone.chars().all(|c| c.is_ascii_digit()) =>
        {
            Ok(phone.as_str())
        }
        Peer::Phone(_) | Peer::Chat(_) => Err(refused(Code::AddressBad)),
        Peer::Username(_) | Peer::Email(_) => Err(refused(Code::NotSupported)),
    }
}

/// The aggregator took it. Statuses name it by our own key, so that is its name.
pub(super) fn done(message: &Outgoing) -> Answer {
    Answer::Done { vendor_ids: vec![message.key.clone()], chat: None }
}

/// A success that names nothing.
pub(super) fn nameless(provider: Provider) -> Answer {
    answer::unsure(provider, "a success without a message id".to_owned())
}

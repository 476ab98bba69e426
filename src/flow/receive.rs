//! What a messenger brought: messages of customers, receipts, and word about chats.

use crate::app::App;
use crate::flow::change::Reacted;
use crate::flow::{
    arrival, change, echo, group, health, open_line, opt_out, receipt, standing, template, webhook, window,
};
use crate::model::errand::NewErrand;
use crate::model::id::{ChannelId, CompanyId, ContactId, DialogId, MessageId};
use crate::model::message::{Content, Event, Incoming, Receipt};
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::status::Status;
use crate::store::outbox::{self, Accepted};
use crate::store::row::{ChannelRow, ContactRow, DialogRow, MessageRow, TemplateNews, text};
use crate::store::{Conn, Result};

/// What is heard of so long after it was said fills a gap, in milliseconds.
const LATE_MS: i64 = 60_000;

/// Works one event of a channel, inside the transaction that marks it as worked.
///
/// # Errors
/// Those of the database.
pub fn work(app: &App, conn: &mut Conn, channel: &ChannelRow, event: &Event, now: Moment) -> Result<Vec<Accepted>> {
    let Ok(id) = channel.id.parse::<ChannelId>() else { return Ok(Vec::new()) };
    match event {
        Event::Message(incoming) if incoming.ours => {
            if let Some(settled) = echo::settle(app, conn, (id, channel.lane), incoming, now)? {
                return Ok(outbox::accept(conn, now, &settled)?.into_iter().flatten().collect());
            }
            return message(app, conn, channel, id, incoming, now);
        }
        Event::Taken(incoming) => {
            let settled = echo::settle(app, conn, (id, channel.lane), incoming, now)?.unwrap_or_default();
            return Ok(outbox::accept(conn, now, &settled)?.into_iter().flatten().collect());
        }
        Event::Message(incoming) => {
            opt_out::hear(conn, channel, incoming, now)?;
            seen(app, channel, crate::on!(conn, health::set_message(id, now.0))?);
            return message(app, conn, channel, id, incoming, now);
        }
        Event::Letter(letter) => {
            seen(app, channel, crate::on!(conn, health::set_message(id, now.0))?);
            return crate::flow::letter::work(app, conn, channel, id, letter, now);
        }
        Event::Read { chat, up_to, at } => {
            seen(app, channel, crate::on!(conn, health::set_receipt(id, now.0))?);
            let new = echo::read(app, conn, id, chat, *up_to, *at, now)?;
            return Ok(outbox::accept(conn, now, &new)?.into_iter().flatten().collect());
        }
        Event::Receipt(receipt) => {
            return receipt_came(app, conn, channel, id, receipt, now);
        }
        Event::Allowed { chat, allowed } => crate::on!(conn, dialog::set_allowed(id, chat, *allowed))?,
        Event::Moved { from, to } => {
            crate::on!(conn, dialog::rename(id, from, to))?;
            crate::on!(conn, chat_name::follow(id, from, to))?;
            open_line::renamed(conn, id, from, to)?;
        }
        Event::Trouble { seen } => {
            tracing::warn!(channel = channel.id, seen, "a messenger reports trouble");
            health::failed(conn, id, Code::Refused, seen, now)?;
        }
        Event::Restanding { seen } => {
            tracing::debug!(channel = channel.id, seen, "an account is asked how it stands");
            standing::hurry(conn, channel, now)?;
        }
        Event::Suspicion { seen, lifted: false } => return health::suspect(app, conn, channel, seen, now),
        Event::Suspicion { lifted: true, .. } => health::clear(conn, channel, now)?,
        Event::Ignored { what } => tracing::debug!(channel = channel.id, what, "a delivery that we do not use"),
        Event::SameChat { hidden, shown } => same_chat(conn, id, hidden, shown)?,
        Event::Template { name, language, state, reason } => {
            let news =
                TemplateNews { status: Some(word_of(state)), reason: Some(reason.clone()), ..TemplateNews::default() };
            template::hear(app, conn, channel, (name, language), &news)?;
        }
        Event::TemplateRated { name, language, quality, category } => {
            let (quality, category) = (quality.clone(), category.clone());
            let news = TemplateNews { category, quality, ..TemplateNews::default() };
            template::hear(app, conn, channel, (name, language), &news)?;
        }
        Event::Chat { chat, name, about, link } => {
            let (name, about) = (name.as_deref(), about.as_deref());
            let new = describe(app, conn, id, chat, (name, about, link.as_deref()), now)?;
            return Ok(outbox::accept(conn, now, &new)?.into_iter().flatten().collect());
        }
        Event::Group { chat, title, inside } => {
            let new = group::told(app, conn, channel, id, (chat, title.as_deref(), *inside), now)?;
            return Ok(outbox::accept(conn, now, &new)?.into_iter().flatten().collect());
        }
        Event::Marketing { chat, wanted, seen } => {
            let Ok(company) = channel.company.parse() else { return Ok(Vec::new()) };
            match wanted {
                true => opt_out::taken_back(conn, company, id, chat)?,
                false => opt_out::told(conn, company, id, chat, seen, now)?,
            }
        }
        Event::Edited { chat, vendor_id, text, at } => {
            let new = change::edited(app, conn, channel, (chat, vendor_id, *at), text.as_deref(), now)?;
            return Ok(outbox::accept(conn, now, &new)?.into_iter().flatten().collect());
        }
        Event::Deleted { chat, vendor_ids, at } => {
            let new = change::deleted(app, conn, channel, (chat, vendor_ids, *at), now)?;
            return Ok(outbox::accept(conn, now, &new)?.into_iter().flatten().collect());
        }
        Event::Reaction { chat, vendor_id, emoji, by, ours, at } => {
            let who = (!ours).then(|| by.as_deref().unwrap_or_default());
            let told = Reacted { chat, vendor_id, emoji: emoji.as_deref(), who, at: *at };
            change::reacted(app, conn, channel, &told, now)?;
        }
        // worked by `flow::link`
        Event::Link { .. } => {}
    }
    Ok(Vec::new())
}

/// Where a change was written, whoever looks at the channel is told. They may look a moment too early and look again later.
fn seen(app: &App, channel: &ChannelRow, written: bool) {
    if written {
        app.bell.seen(channel.lane);
    }
}

fn receipt_came(
    app: &App,
    conn: &mut Conn,
    channel: &ChannelRow,
    id: ChannelId,
    receipt: &Receipt,
    now: Moment,
) -> Result<Vec<Accepted>> {
    seen(app, channel, crate::on!(conn, health::set_receipt(id, now.0))?);
    let new = receipt::apply(app, conn, id, receipt, now)?;
    let mut accepted: Vec<Accepted> = outbox::accept(conn, now, &new)?.into_iter().flatten().collect();
    if let Some((Code::SpamSuspected, said)) = &receipt.error {
        accepted.extend(health::suspect(app, conn, channel, said, now)?);
    }
    Ok(accepted)
}

/// The vendor's word of an event about a template, as it stands in the list of templates.
fn word_of(event: &str) -> String {
    match event {
        // one that is flagged is sent on, until the vendor pauses it
        "REINSTATED" | "UNPAUSED" | "UNARCHIVED" | "FLAGGED" => "APPROVED",
        other => other,
    }
    .to_owned()
}

/// A chat is called by who is in it and what it is about, and the contact by the name that the vendor has. Gives back the errands
/// that came of it: a group is called in open lines as its members call it, a customer as the card says.
fn describe(
    app: &App,
    conn: &mut Conn,
    channel: ChannelId,
    chat: &str,
    (name, about, link): (Option<&str>, Option<&str>, Option<&str>),
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let mut new = Vec::new();
    let Some(dialog) = crate::on!(conn, dialog::by_chat(channel, chat))? else { return Ok(new) };
    let title = [name, about].into_iter().flatten().collect::<Vec<_>>().join(" · ");
    if !title.is_empty() {
        crate::on!(conn, dialog::set_title(channel, chat, &title))?;
        new = match dialog.is_group {
            true if dialog.title != title => open_line::titled(app, conn, channel, chat, &title, now)?,
            true => Vec::new(),
            false => open_line::named(app, conn, channel, chat, &title, now)?,
        };
    }
    if let (Some(name), Some(contact)) = (name, &dialog.contact) {
        // a name that somebody gave the contact here stays
        crate::on!(conn, dialog::name_contact(&dialog.company, contact, chat, name))?;
    }
    if about.is_some() || link.is_some() {
        crate::on!(conn, dialog::set_subject(channel, chat, about, link))?;
    }
    Ok(new)
}

/// Two names are one chat: what was said under both is one dialog from now on.
fn same_chat(conn: &mut Conn, channel: ChannelId, hidden: &str, shown: &str) -> Result<()> {
    if hidden != shown && crate::on!(conn, chat_name::keep(channel, hidden, shown))? {
        let phone = shown.strip_suffix("@c.us").or_else(|| is_phone(shown).then_some(shown));
        crate::on!(conn, chat_name::merge(channel, hidden, shown, phone))?;
        open_line::renamed(conn, channel, hidden, shown)?;
    }
    Ok(())
}

fn message(
    app: &App,
    conn: &mut Conn,
    channel: &ChannelRow,
    id: ChannelId,
    incoming: &Incoming,
    now: Moment,
) -> Result<Vec<Accepted>> {
    // only WhatsApp hides phones, behind such names
    let hidden = incoming.chat.ends_with("@lid") || is_business_scoped(&incoming.chat);
    if let (false, false, Some(name)) = (hidden, incoming.group, incoming.from.vendor_id.as_deref())
        && is_business_scoped(name)
        && is_phone(&incoming.chat)
        && crate::on!(conn, chat_name::shown(id, name))?.as_deref() != Some(&incoming.chat)
    {
        // whoever hides the phone later goes on in the same dialog
        same_chat(conn, id, name, &incoming.chat)?;
    }
    match if hidden { crate::on!(conn, chat_name::shown(id, &incoming.chat))? } else { None } {
        Some(shown) => enter_plain(app, conn, channel, id, &Incoming { chat: shown, ..incoming.clone() }, now),
        None => enter_plain(app, conn, channel, id, incoming, now),
    }
}

/// Meta's name for a person who may hide the phone: a country, a dot, digits.
fn is_business_scoped(name: &str) -> bool {
    name.split_once('.').is_some_and(|(country, rest)| {
        country.len() == 2
            && country.chars().all(|c| c.is_ascii_uppercase())
            && !rest.is_empty()
            && rest.chars().all(|c| c.is_ascii_alphanumeric())
    })
}

fn is_phone(chat: &str) -> bool {
    (7..=15).contains(&chat.len()) && chat.chars().all(|c| c.is_ascii_digit())
}

fn enter_plain(
    app: &App,
    conn: &mut Conn,
    channel: &ChannelRow,
    id: ChannelId,
    incoming: &Incoming,
    now: Moment,
) -> Result<Vec<Accepted>> {
    enter(app, conn, (channel, id), incoming, content(incoming)?, now)
}

/// What a message says, as the history keeps it: the text alone where there is nothing else.
///
/// # Errors
/// Where it has no JSON form.
pub fn content(incoming: &Incoming) -> Result<String> {
    let bare = incoming.payload.is_none() && incoming.referral.is_empty();
    if bare && incoming.media.is_empty() && incoming.place.is_none() && incoming.note.is_none() {
        text(&Content { text: incoming.text.clone(), ..Content::default() })
    } else {
        text(incoming)
    }
}

/// Enters a message that came in into the history and its dialog; the content is told as it is to be kept. Gives back the errands
/// that show it elsewhere.
pub(super) fn enter(
    app: &App,
    conn: &mut Conn,
    (channel, id): (&ChannelRow, ChannelId),
    incoming: &Incoming,
    content: String,
    now: Moment,
) -> Result<Vec<Accepted>> {
    if crate::on!(conn, dialog::by_chat(id, &incoming.chat))?.is_none() {
        open_dialog(conn, channel, incoming, now)?;
    }
    if incoming.ours && crate::on!(conn, message::in_chat(id, &incoming.chat, &incoming.vendor_id))?.is_some() {
        // an echo of what left through us
        return Ok(Vec::new());
    }
    if !incoming.ours {
        // the vendor's own clock opens its window; a clock that runs ahead may not make it longer
        let at = incoming.at.0.min(now.0);
        crate::on!(conn, dialog::heard(id, &incoming.chat, at))?;
        if !incoming.referral.is_empty() && window::is_kept_by(channel) {
            crate::on!(conn, dialog::led(id, &incoming.chat, at))?;
        }
    }
    let origin = serde_json::json!({ "by": "nobody" });
    // what fills a gap stands where it was said
    let late = now.since_ms(incoming.at) > LATE_MS;
    let id = MessageId::said_at(if late { incoming.at } else { now }, now);
    let row = MessageRow {
        id: id.to_string(),
        company: channel.company.clone(),
        channel: channel.id.clone(),
        chat: incoming.chat.clone(),
        outgoing: incoming.ours,
        status: Status::Sent.to_db(),
        vendor_id: Some(incoming.vendor_id.clone()),
        content,
        origin: text(&origin)?,
        code: None,
        reason: None,
        accepted_at: now.0,
        sent_at: Some(incoming.at.0),
        delivered_at: None,
        viewed_at: None,
    };
    crate::on!(conn, message::enter(std::slice::from_ref(&row)))?;
    arrival::enter(conn, &row, &incoming.media, now)?;
    let mut new = open_line::heard(app, conn, channel, &row, incoming, now)?;
    new.extend(webhook::said(app, conn, &row, Some(incoming), now)?);
    Ok(outbox::accept(conn, now, &new)?.into_iter().flatten().collect())
}

fn open_dialog(conn: &mut Conn, channel: &ChannelRow, incoming: &Incoming, now: Moment) -> Result<()> {
    let company: CompanyId = match channel.company.parse() {
        Ok(company) => company,
        Err(_) => return Ok(()),
    };
    let person = &incoming.from;
    let name = person.name.clone().or_else(|| person.username.clone()).unwrap_or_else(|| incoming.chat.clone());
    let known = known_contact(conn, channel, incoming)?;
    let contact = if incoming.group || known.is_some() {
        known
    } else {
        let row = ContactRow {
            id: ContactId::new().to_string(),
            company: company.to_string(),
            name: name.clone(),
            phone: person.phone.clone(),
            username: person.username.clone(),
            created_at: now.0,
        };
        crate::on!(conn, dialog::create_contact(&row))?;
        Some(row.id)
    };
    let row = DialogRow {
        id: DialogId::new().to_string(),
        company: company.to_string(),
        channel: channel.id.clone(),
        contact,
        chat: incoming.chat.clone(),
        title: incoming.title.clone().unwrap_or(name),
        is_group: incoming.group,
        allowed: true,
        incoming_at: None,
        created_at: now.0,
        thread: None,
        led_at: None,
        free_until: None,
    };
    crate::on!(conn, dialog::create(&row))?;
    Ok(())
}

/// A person may have several chats on a channel where each has a subject: all of them are one contact's.
fn known_contact(conn: &mut Conn, channel: &ChannelRow, incoming: &Incoming) -> Result<Option<String>> {
    let (Ok(id), Some(username)) = (channel.id.parse(), &incoming.from.username) else { return Ok(None) };
    if incoming.group || !incoming.chat.starts_with(username.as_str()) {
        return Ok(None);
    }
    Ok(crate::on!(conn, dialog::by_contact(id, Some(username), None))?.and_then(|dialog| dialog.contact))
}

//! Carrying an errand out: the one vendor call that it stands for.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::app::App;
use crate::flow::files::CompanyFiles;
use crate::flow::renew::{self, Renewed};
use crate::flow::{
    change, credentials, first, group, health, open_line, pattern, phone, portal, robot, standing, webhook, window,
};
use crate::messenger::{self, Messenger, Wire};
use crate::model::errand::{Errand, Work};
use crate::model::id::{ChannelId, CompanyId, LineId};
use crate::model::message::{Kind, Outgoing, Peer};
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::vendor::{Answer, Scope};
use crate::store::row::{ChannelRow, DialogRow};
use crate::store::{Conn, Result, StoreError};

/// How long the lane of an expired line rests before it is looked at again.
const EXPIRED_MS: i64 = 60_000;

/// Carries out the errands of one call; one answer for each.
pub async fn perform(app: &App, errands: Vec<Errand>) -> Vec<Answer> {
    match errands.as_slice() {
        [Errand { company, work: Work::Send { channel, outgoing, .. }, attempts, .. }] => {
            let answer = send(app, *company, *channel, outgoing, *attempts).await;
            vec![answer.unwrap_or_else(|error| unreachable_store(&error))]
        }
        [Errand { company, work: Work::PortalCall { portal, method, params, repeatable }, .. }] => {
            vec![measured(app, "bitrix24", portal::perform(app, *company, *portal, method, params, *repeatable)).await]
        }
        [Errand { company, work: Work::Group { channel, act, order }, expires_at, .. }] => {
            let carried = group::carry_out(app, *company, *channel, (*act, order), *expires_at);
            let answer = measured(app, "groups", carried).await;
            vec![answer.unwrap_or_else(|error| unreachable_store(&error))]
        }
        [Errand { company, work: Work::Check { channel, phone }, .. }] => {
            let answer = measured(app, "checks", phone::check(app, *company, *channel, phone)).await;
            vec![answer.unwrap_or_else(|error| unreachable_store(&error))]
        }
        [Errand { company, work: Work::Fetch { portal, file, tries, .. }, expires_at, .. }] => {
            let fetched = robot::fetch::carry_out(app, *company, *portal, (file, *tries), *expires_at);
            vec![measured(app, "bitrix24", fetched).await]
        }
        [Errand { company, work: Work::Change { channel, said, act, .. }, .. }] => {
            let answer = measured(app, "changes", change::carry_out(app, *company, *channel, said, act)).await;
            vec![answer.unwrap_or_else(|error| unreachable_store(&error))]
        }
        [Errand { company, work: Work::OpenLine { portal, post }, .. }] => {
            let carried = measured(app, "bitrix24", open_line::carry_out(app, *company, *portal, *post)).await;
            vec![carried.unwrap_or_else(|error| unreachable_store(&error))]
        }
        [Errand { company, work: Work::OpenLineChat { portal, chat, care }, .. }] => {
            let tended = measured(app, "bitrix24", open_line::tend(app, *company, *portal, *chat, *care)).await;
            vec![tended.unwrap_or_else(|error| unreachable_store(&error))]
        }
        [Errand { company, work: Work::Webhook { webhook, number }, .. }] => {
            let told = measured(app, "webhooks", webhook::carry_out(app, *company, *webhook, *number)).await;
            vec![told.unwrap_or_else(|error| unreachable_store(&error))]
        }
        _ => measured(app, "bitrix24", portal::push_batch(app, &errands)).await,
    }
}

/// Takes the time of a vendor call.
async fn measured<F: Future>(app: &App, vendor: &'static str, call: F) -> F::Output {
    let began = app.clock.tick();
    let output = call.await;
    let took_us = app.clock.tick().0.saturating_sub(began.0).max(0).unsigned_abs();
    metrics::histogram!("switchboard_vendor_seconds", "vendor" => vendor).record(Duration::from_micros(took_us));
    output
}

/// Reads what the calls of errands need that will be made in a moment, for all of them at once: a call that had to read for
/// itself would begin later than its tick, and the next one of its lane earlier than the gap after it.
pub(crate) async fn prepare(app: &App, errands: &[Errand]) {
    let prepared = async {
        prepare_channels(app, errands).await?;
        prepare_dialogs(app, errands).await
    };
    if let Err(error) = prepared.await {
        tracing::warn!(%error, "what calls need could not be read ahead of them");
    }
}

async fn prepare_channels(app: &App, errands: &[Errand]) -> Result<()> {
    let tick = app.clock.tick();
    let mut unknown = HashSet::new();
    for errand in errands {
        if let Work::Send { channel, .. }
        | Work::Group { channel, .. }
        | Work::Change { channel, .. }
        | Work::Check { channel, .. } = &errand.work
            && !app.known.has_channel(*channel, tick)
        {
            unknown.insert(*channel);
        }
    }
    if !unknown.is_empty() {
        let ids: Vec<ChannelId> = unknown.into_iter().collect();
        let (rows, ends) = app
            .store
            .read(move |conn| {
                let rows = crate::on!(conn, channel::by_ids(&ids))?;
                let lines: Vec<LineId> = rows.iter().map(|row| row.line).collect();
                Ok((rows, crate::on!(conn, line::ends(&lines))?))
            })
            .await?;
        app.known.keep_channels(rows, tick);
        app.known.keep_line_ends(ends, tick);
    }
    Ok(())
}

async fn prepare_dialogs(app: &App, errands: &[Errand]) -> Result<()> {
    let tick = app.clock.tick();
    let mut sought = Vec::new();
    for errand in errands {
        if let Work::Send { channel, outgoing, .. } = &errand.work
            && let Some(kind) = app.known.messenger(*channel)
            && let Some(messenger) = messenger::of(kind)
            && let Some(by) = sought_by(messenger.about(), &outgoing.to)
        {
            sought.push((*channel, outgoing.to.clone(), by));
        }
    }
    if sought.is_empty() {
        return Ok(());
    }
    let found = app.store.read(move |conn| {
        let find = |(channel, to, by)| find_dialog(conn, channel, &to, by).map(|dialog| ((channel, to), dialog));
        sought.into_iter().map(find).collect::<Result<Vec<_>>>()
    });
    app.known.keep_dialogs(found.await?, tick);
    Ok(())
}

/// Whether an errand may be carried out again when nobody knows whether it was the first time.
#[must_use]
pub fn is_repeatable(errand: &Errand) -> bool {
    match &errand.work {
        Work::Send { .. } => false,
        Work::PortalCall { repeatable, .. } => *repeatable,
        Work::Group { order, .. } => order.is_repeatable(),
        // what is so already stays so, and what is only asked for changes nothing
        Work::Change { .. } | Work::SmsStatus { .. } | Work::Check { .. } | Work::Fetch { .. }
        | Work::OpenLineChat { .. } | Work::OpenLineMark { .. }
        // this one looks first whether it was carried out
        | Work::OpenLine { .. }
        // whoever gets it knows it by its id
        | Work::Webhook { .. } => true,
    }
}

async fn send(app: &App, company: CompanyId, id: ChannelId, outgoing: &Outgoing, attempts: i32) -> Result<Answer> {
    let refused = |code| Ok(Answer::Refused { code, text: String::new() });
    let Some(channel) = channel(app, company, id).await? else { return refused(Code::ChannelNotFound) };
    let Some(messenger) = Kind::from_slug(&channel.messenger).and_then(messenger::of) else {
        return refused(Code::NotSupported);
    };
    if let Some(rest) = rest(app, channel.line).await? {
        return Ok(rest);
    }
    let wire = wire(app, &channel)?;
    let (outgoing, led) = address(app, id, messenger.about(), outgoing.clone()).await?;
    let slug = messenger.about().kind.slug();
    let outgoing = match pattern::fit(app, company, id, messenger, outgoing).await? {
        Ok(outgoing) => outgoing,
        Err(code) => return refused(code),
    };
    let outgoing = match phone::reach(app, &channel, messenger, &wire, outgoing).await? {
        Ok(outgoing) => outgoing,
        Err(answer) => return meet(app, company, &channel, answer).await,
    };
    let (outgoing, introduction) = match first::introduce(app, &channel, messenger, outgoing, attempts > 0).await? {
        Ok(introduced) => introduced,
        Err(answer) => return Ok(answer),
    };
    let mut answer = measured(app, slug, messenger.send(&wire, &outgoing, app.clock.now())).await;
    if matches!(answer, Answer::Expired { .. }) {
        match renew::renew(app, company, &channel, messenger).await? {
            Renewed::Fresh(channel) => {
                // nothing was taken, and what is refused a second time is refused for good
                let wire = self::wire(app, &channel)?;
                answer = measured(app, slug, messenger.send(&wire, &outgoing, app.clock.now())).await;
            }
            Renewed::Later(seen) => answer = Answer::Down { seen },
            Renewed::Never => {}
        }
    }
    if let Answer::Unsure { resendable, .. } = &mut answer {
        // beyond this the vendor may take a repetition for a new message
        *resendable &= attempts < messenger.repeats();
    }
    first::conclude(app, &channel, introduction, &answer).await?;
    standing::doubt(app, id, &answer).await?;
    if let (Answer::Done { .. }, Some(chat)) = (&answer, led) {
        window::answered(app, id, chat).await?;
    }
    meet(app, company, &channel, answer).await
}

/// Why the lane of a channel rests whose line has expired: what was accepted before stays, and leaves when somebody has paid.
pub(super) async fn rest(app: &App, line: LineId) -> Result<Option<Answer>> {
    let expired = has_expired(app, line).await?;
    Ok(expired.then_some(Answer::Busy { after_ms: EXPIRED_MS, scope: Scope::Lane }))
}

/// Whether a line may not send any more.
async fn has_expired(app: &App, line: LineId) -> Result<bool> {
    let (now, tick) = app.clock.read();
    if let Some(end) = app.known.line_end(line, tick) {
        return Ok(end <= now);
    }
    let ends = app.store.read(move |conn| crate::on!(conn, line::ends(&[line]))).await?;
    let expired = ends.iter().any(|(_, end)| *end <= now.0);
    app.known.keep_line_ends(ends, tick);
    Ok(expired)
}

/// What an answer means for the channel: one whose credentials were refused is lost, one that is suspected of spam is marked.
pub(super) async fn meet(app: &App, company: CompanyId, channel: &ChannelRow, answer: Answer) -> Result<Answer> {
    if let (Answer::Expired { seen }, Ok(id)) = (&answer, channel.id.parse()) {
        crate::flow::channel::lose(app, company, id, seen).await?;
    }
    if let Some(said) = answer.suspicion() {
        health::suspect_after(app, channel, said).await?;
    }
    Ok(answer)
}

/// A channel as its messenger sees it.
///
/// # Errors
/// Where its secrets do not open.
pub fn wire(app: &App, channel: &ChannelRow) -> Result<Wire> {
    let secrets = if channel.secrets.is_empty() {
        SecretString::from("{}".to_owned())
    } else {
        credentials::open(app, "channels", &channel.id, &channel.secrets)?
    };
    let settings = crate::store::row::value("channels", &channel.settings)?;
    let files = Arc::new(CompanyFiles::new(app.clone(), channel.company.parse().ok()));
    let webhook_url = crate::flow::channel::webhook_url(app, &channel.hook_key);
    Ok(Wire { files, secrets, settings, webhook_url, ..bare_wire(app, &channel.messenger) })
}

/// The way to a messenger for somebody who has no channel yet.
#[must_use]
pub fn bare_wire(app: &App, messenger: &str) -> Wire {
    Wire {
        http: app.http.clone(),
        dial: app.dial.clone(),
        files: Arc::new(CompanyFiles::new(app.clone(), None)),
        lines: app.lines.clone(),
        vendor: vendor_address(app, messenger),
        vendor_key: vendor_key(app, messenger),
        secrets: SecretString::from("{}".to_owned()),
        settings: serde_json::Value::Object(serde_json::Map::new()),
        webhook_url: String::new(),
        local: has_local(app, messenger).then(|| app.config.telegram_bot.local_folder.clone().into()),
    }
}

/// Whether a server of the messenger's vendor is run beside this one.
fn has_local(app: &App, messenger: &str) -> bool {
    messenger == Kind::TelegramBot.slug() && !app.config.telegram_bot.local_server.is_empty()
}

/// What a messenger is and can do on this server.
#[must_use]
pub fn about(app: &App, messenger: &'static dyn Messenger) -> &'static messenger::About {
    let about = messenger.about();
    if has_local(app, about.kind.slug()) { messenger.about_local() } else { about }
}

/// The key of a messenger's gateway, where it has one.
fn vendor_key(app: &App, messenger: &str) -> SecretString {
    match messenger {
        "whatsapp_web" => app.config.vendors.whatsapp_web_key.clone(),
        _ => SecretString::from(String::new()),
    }
}

/// The keys of this server at a vendor where people sign in: an empty object where the settings have none.
#[must_use]
pub fn own_keys(app: &App, kind: Kind) -> SecretString {
    let known = known_keys(app, kind);
    let text = known.map(|(id, secret)| json!({"client_id": id, "client_secret": secret.expose_secret()}).to_string());
    SecretString::from(text.unwrap_or_else(|| "{}".to_owned()))
}

/// Whether the settings have those keys.
#[must_use]
pub fn has_own_keys(app: &App, kind: Kind) -> bool {
    known_keys(app, kind).is_some_and(|(_, secret)| !secret.expose_secret().is_empty())
}

fn known_keys(app: &App, kind: Kind) -> Option<(&String, &SecretString)> {
    let config = &app.config;
    let known = match kind {
        Kind::Avito => Some((&config.avito.client_id, &config.avito.client_secret)),
        Kind::Waba => Some((&config.waba.client_id, &config.waba.client_secret)),
        Kind::Vk => Some((&config.vk.client_id, &config.vk.client_secret)),
        Kind::Telegram => Some((&config.telegram.api_id, &config.telegram.api_hash)),
        _ => None,
    };
    known.filter(|(id, _)| !id.is_empty())
}

/// Where a messenger's API is: the configuration's address, or the vendor's own.
#[must_use]
pub fn vendor_address(app: &App, messenger: &str) -> String {
    let configured = match messenger {
        "telegram" => app.config.vendors.telegram.as_str(),
        "telegram_bot" if has_local(app, messenger) => app.config.telegram_bot.local_server.as_str(),
        "telegram_bot" => app.config.vendors.telegram_bot.as_str(),
        "waba" => app.config.vendors.waba.as_str(),
        "vk" => app.config.vendors.vk.as_str(),
        "vk_notify" => app.config.vendors.vk_notify.as_str(),
        "avito" => app.config.vendors.avito.as_str(),
        "email" => app.config.vendors.email.as_str(),
        "whatsapp_web" => app.config.vendors.whatsapp_web.as_str(),
        _ => "",
    };
    if !configured.is_empty() {
        return configured.trim_end_matches('/').to_owned();
    }
    let kind = Kind::from_slug(messenger).and_then(messenger::of);
    kind.map_or_else(String::new, |messenger| messenger.about().vendor.to_owned())
}

pub(super) async fn channel(app: &App, company: CompanyId, id: ChannelId) -> Result<Option<ChannelRow>> {
    let tick = app.clock.tick();
    if let Some(row) = app.known.channel(id, tick) {
        return Ok(Some(row));
    }
    let row = app.store.read(move |conn| crate::on!(conn, channel::by_id(company, id))).await?;
    if let Some(row) = &row {
        app.known.keep_channel(id, row.clone(), tick);
    }
    Ok(row)
}

/// Puts the address in the form that the messenger can use: a person who wrote to us is reached through the chat, whatever
/// the request knew of them; and the vendor's window counts from what they wrote last.
/// Gives beside it the chat of somebody whom an advertisement led here, where this is the first answer.
async fn address(
    app: &App,
    channel: ChannelId,
    about: &messenger::About,
    mut outgoing: Outgoing,
) -> Result<(Outgoing, Option<String>)> {
    let abilities = about.abilities;
    let Some(by) = sought_by(about, &outgoing.to) else { return Ok((outgoing, None)) };
    let to = outgoing.to.clone();
    let dialog = match app.known.take_dialog(channel, &to, app.clock.tick()) {
        Some(dialog) => dialog,
        None => app.store.read(move |conn| find_dialog(conn, channel, &to, by)).await?,
    };
    if let Some(dialog) = &dialog {
        if by == SoughtBy::Contact {
            outgoing.to = Peer::Chat(dialog.chat.clone());
        }
        if abilities.threads && outgoing.thread.is_none() {
            let thread = dialog.thread.as_deref();
            outgoing.thread = thread.map(|thread| crate::store::row::value("dialogs", thread)).transpose()?;
        }
        if !abilities.free_text_always {
            outgoing.window_until = window::closes_at(dialog);
        }
    } else if !abilities.free_text_always && outgoing.content.template.is_none() {
        // nobody of this number ever wrote to us: no window was ever open
        outgoing.window_until = Some(Moment(0));
    }
    let led = dialog.as_ref().and_then(|dialog| window::unanswered(dialog, app.clock.now()));
    Ok((outgoing, led))
}

/// How the dialog of a recipient is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SoughtBy {
    /// By the phone or the name of its contact.
    Contact,
    /// By the chat itself.
    Chat,
}

/// Whether the dialog must be known before a message is sent, and how it is found.
fn sought_by(about: &messenger::About, to: &Peer) -> Option<SoughtBy> {
    let by_contact = match to {
        Peer::Phone(_) => !about.abilities.first_by_phone,
        Peer::Username(_) => !about.abilities.by_username,
        Peer::Chat(_) | Peer::Email(_) => false,
    };
    if by_contact {
        return Some(SoughtBy::Contact);
    }
    (window::is_kept(about) || about.abilities.threads).then_some(SoughtBy::Chat)
}

fn find_dialog(conn: &mut Conn, channel: ChannelId, to: &Peer, by: SoughtBy) -> Result<Option<DialogRow>> {
    match (to, by) {
        (Peer::Phone(phone), SoughtBy::Contact) => crate::on!(conn, dialog::by_contact(channel, None, Some(phone))),
        (Peer::Username(name), SoughtBy::Contact) => crate::on!(conn, dialog::by_contact(channel, Some(name), None)),
        (Peer::Phone(chat) | Peer::Username(chat) | Peer::Chat(chat) | Peer::Email(chat), _) => {
            crate::on!(conn, dialog::by_chat(channel, chat.trim_end_matches("@c.us")))
        }
    }
}

/// The store failed before anything was sent.
fn unreachable_store(error: &StoreError) -> Answer {
    tracing::error!(%error, "an errand could not be carried out");
    Answer::Down { seen: "the store failed".to_owned() }
}

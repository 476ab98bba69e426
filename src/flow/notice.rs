//! Letters of this server to people of a company beside those about channels: what became of an application for VK Notify, that the
//! aggregator did not take a template, that a portal asks for one more account. They go to the address that the channel was attached
//! with, or to the administrators, or to both.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::app::App;
use crate::flow::health;
use crate::messenger::email;
use crate::model::application::Stage;
use crate::model::id::{ChannelId, CompanyEventId, CompanyId, NoticeId};
use crate::model::message::Kind;
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::store::row::{ApplicationRow, ChannelRow, CompanyEventRow, NoticeRow, PortalRow, text};
use crate::store::{Conn, Result};

/// The same is told once in so long, in milliseconds.
const ONCE_MS: i64 = 24 * 3_600_000;

/// What a refusal says of a template.
const OF_TEMPLATES: [Code; 3] = [Code::TemplateNotFound, Code::TemplateBad, Code::TemplateOff];

/// A message with a template was refused for its template: whoever looks after templates is told, once a day for each.
///
/// # Errors
/// Those of the database.
pub fn template_refused(
    app: &App,
    conn: &mut Conn,
    (company, channel): (CompanyId, ChannelId),
    template: &str,
    (code, said): (Code, &str),
    now: Moment,
) -> Result<()> {
    if !OF_TEMPLATES.contains(&code) || app.config.mail.server.is_empty() {
        return Ok(());
    }
    let Some(row) = crate::on!(conn, channel::by_id(company, channel))? else { return Ok(()) };
    let Some(address) = address_of(&row) else { return Ok(()) };
    let english = app.config.notices.language == "en";
    let (title, said) = (health::title(&row, english), said.trim());
    let (subject, body) = if english {
        (
            format!("Template «{template}» is not taken: {title}"),
            format!(
                "Messages with the template «{template}» do not leave: {}. The answer: {said}. Check the template in the aggregator's \
                 cabinet and its text in Switchboard.",
                code.en()
            ),
        )
    } else {
        (
            format!("Шаблон «{template}» не принят: {title}"),
            format!(
                "Сообщения по шаблону «{template}» не уходят: {}. Ответ: {said}. Проверьте шаблон в кабинете агрегатора и его текст в \
                 Switchboard.",
                code.ru()
            ),
        )
    };
    write(conn, company, &BTreeSet::from([address]), &(subject, body), now)
}

/// An application came to a stage that is news.
///
/// # Errors
/// Those of the database.
pub fn application_moved(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    row: &ApplicationRow,
    now: Moment,
) -> Result<()> {
    let stage = Stage::of(&row.state);
    if !stage.is_news() || app.config.mail.server.is_empty() {
        return Ok(());
    }
    let mut addresses = admins(conn, company)?;
    addresses.extend(crate::on!(conn, channel::of_company(company))?.iter().filter_map(address_of));
    let (number, reason) = (row.number, row.reason.clone().unwrap_or_default());
    let base = &app.config.server.public_url;
    let link = if base.is_empty() { String::new() } else { format!(" {base}/settings/applications") };
    let (ru, en) = match stage {
        Stage::Approved => {
            ("одобрена: канал можно привязать на линии", "was approved: the channel can be attached on a line")
        }
        Stage::Refused => ("отклонена", "was refused"),
        _ => ("проверена, ждём решения", "was checked, the decision is awaited"),
    };
    let letter = if app.config.notices.language == "en" {
        let why = if reason.is_empty() { String::new() } else { format!(" Reason: {reason}.") };
        (
            format!("Application {number} for VK Notify {en}"),
            format!("The application {number} for VK Notify {en}.{why}{link}"),
        )
    } else {
        let why = if reason.is_empty() { String::new() } else { format!(" Причина: {reason}.") };
        (format!("Заявка № {number} на VK Notify {ru}"), format!("Заявка № {number} на VK Notify {ru}.{why}{link}"))
    };
    write(conn, company, &addresses, &letter, now)
}

/// An administrator of a portal asks for one more account of a messenger: it is written down, and the administrators here are told,
/// once a day.
///
/// # Errors
/// Those of the database.
pub fn account_asked(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    portal: &PortalRow,
    kind: Kind,
    now: Moment,
) -> Result<()> {
    let name = "account.asked";
    let subject = format!("{} {}", portal.id, kind.slug());
    if crate::on!(conn, company_event::has(company, name, &subject, now.plus_ms(-ONCE_MS).0))? {
        return Ok(());
    }
    let event = CompanyEventRow {
        id: CompanyEventId::new().to_string(),
        company: company.to_string(),
        kind: name.to_owned(),
        subject,
        body: text(&json!({ "portal": portal.domain, "messenger": kind.slug() }))?,
        at: now.0,
    };
    crate::on!(conn, company_event::write(&event))?;
    if app.config.mail.server.is_empty() {
        return Ok(());
    }
    let addresses: BTreeSet<String> = admins(conn, company)?;
    let title = crate::messenger::of(kind).map_or((kind.slug(), kind.slug()), |one| one.about().title);
    let (base, domain) = (&app.config.server.public_url, &portal.domain);
    let link = if base.is_empty() { String::new() } else { format!(" {base}/lines") };
    let letter = if app.config.notices.language == "en" {
        let subject = format!("{domain} asks for one more account: {}", title.1);
        let body = format!(
            "An administrator of the portal {domain} wants to connect one more account of {} to an open channel. Attach it to a line.{link}",
            title.1
        );
        (subject, body)
    } else {
        let subject = format!("{domain} просит ещё один аккаунт: {}", title.0);
        let body = format!(
            "Администратор портала {domain} хочет подключить к открытой линии ещё один аккаунт «{}». Привяжите его на одной из линий.{link}",
            title.0
        );
        (subject, body)
    };
    write(conn, company, &addresses, &letter, now)
}

/// The administrators who can be written to.
fn admins(conn: &mut Conn, company: CompanyId) -> Result<BTreeSet<String>> {
    let all = crate::on!(conn, user::admins(company))?;
    Ok(all.into_iter().map(|admin| admin.login).filter(|login| email::is_address(login)).collect())
}

/// The address that a channel of VK Notify was attached with.
fn address_of(row: &ChannelRow) -> Option<String> {
    let settings: Value = serde_json::from_str(&row.settings).unwrap_or_default();
    let address = settings.get("email")?.as_str()?.to_lowercase();
    (row.messenger == Kind::VkNotify.slug() && row.state != "off" && email::is_address(&address)).then_some(address)
}

fn write(
    conn: &mut Conn,
    company: CompanyId,
    addresses: &BTreeSet<String>,
    (subject, body): &(String, String),
    now: Moment,
) -> Result<()> {
    for address in addresses {
        if crate::on!(conn, notice::is_told(company, address, subject, now.plus_ms(-ONCE_MS).0))? {
            continue;
        }
        let letter = NoticeRow {
            id: NoticeId::new().to_string(),
            company: company.to_string(),
            address: address.clone(),
            subject: subject.clone(),
            body: body.clone(),
            state: 0,
            attempts: 0,
            due_at: now.0,
            created_at: now.0,
        };
        crate::on!(conn, notice::write(&letter))?;
    }
    Ok(())
}

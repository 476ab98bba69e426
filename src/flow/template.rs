//! Templates of channels: listed from the vendor, kept up to date by its word, and filled in by messages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::app::live::Topics;
use crate::flow::attached::{self, FileIn};
use crate::flow::channel::ChannelError;
use crate::flow::{pattern, perform, standing};
use crate::messenger;
use crate::model::id::{ChannelId, CompanyId};
use crate::model::message::{Kind, Template, TemplateButton, TemplateValue};
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::template::TemplateCard;
use crate::model::vendor::Answer;
use crate::store::row::{ChannelRow, TemplateNews, TemplateRow, text, value};
use crate::store::{Conn, Result};

/// A template of a message to send.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateIn {
    /// The name.
    pub name: String,
    /// The language code; `ru` where it is left out.
    #[serde(default = "usual_language")]
    pub language: String,
    /// Values of the text, where they have positions.
    #[serde(default)]
    pub values: Vec<String>,
    /// Values of the text by name, where they have names.
    #[serde(default)]
    pub named: BTreeMap<String, String>,
    /// The value of a text header.
    #[serde(default)]
    pub header: Option<String>,
    /// The file of a file header.
    #[serde(default)]
    pub file: Option<FileIn>,
    /// Values of buttons.
    #[serde(default)]
    pub buttons: Vec<ButtonIn>,
}

/// The value of a button.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TemplateButtonIn)]
pub struct ButtonIn {
    /// Its position, from 0.
    pub index: u8,
    /// `url`, `quick_reply` or `copy_code`; told by the template where it is left out.
    #[serde(default)]
    pub kind: Option<String>,
    /// The end of its address, what it sends back, or its code.
    pub value: String,
}

fn usual_language() -> String {
    pattern::LANGUAGE.to_owned()
}

/// The templates of a channel.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TemplatesOut {
    /// When the vendor listed them last; none where it never did.
    pub synced_at: Option<i64>,
    /// The templates, by name and language.
    pub templates: Vec<TemplateCard>,
}

/// The templates of a channel, as they are known.
///
/// # Errors
/// [`ChannelError`].
pub(crate) async fn list(
    app: &App,
    company: CompanyId,
    channel: ChannelId,
) -> std::result::Result<TemplatesOut, ChannelError> {
    let rows = app
        .store
        .read(move |conn| {
            let known = crate::on!(conn, channel::by_id(company, channel))?.is_some();
            let rows = crate::on!(conn, template::of_channel(company, channel))?;
            Ok(known.then_some(rows))
        })
        .await?;
    let rows = rows.ok_or(ChannelError::NotFound)?;
    let synced_at = rows.iter().map(|row| row.synced_at).max();
    let templates = rows.iter().map(card).collect::<Result<Vec<_>>>()?;
    Ok(TemplatesOut { synced_at, templates })
}

/// Lists the templates of a channel anew.
///
/// # Errors
/// [`ChannelError`]: where the vendor does not answer, what is known stays.
pub(crate) async fn sync(
    app: &App,
    company: CompanyId,
    id: ChannelId,
) -> std::result::Result<TemplatesOut, ChannelError> {
    let row = app.store.read(move |conn| crate::on!(conn, channel::by_id(company, id))).await?;
    let row = row.ok_or(ChannelError::NotFound)?;
    let messenger = Kind::from_slug(&row.messenger).and_then(messenger::of).ok_or(ChannelError::NotFound)?;
    // those that a person told are nowhere else
    if !messenger.about().abilities.templates || messenger.about().abilities.templates_only {
        return Err(ChannelError::State);
    }
    let wire = perform::wire(app, &row)?;
    let cards = messenger.templates(&wire).await.map_err(|answer| match answer {
        Answer::Refused { text, .. } | Answer::Nobody { text } => ChannelError::Vendor(text),
        Answer::Down { seen } | Answer::Expired { seen } | Answer::Unsure { seen, .. } => ChannelError::Vendor(seen),
        Answer::Busy { .. } | Answer::Done { .. } => ChannelError::Vendor("429".to_owned()),
    })?;
    let now = app.clock.now();
    let rows = cards.iter().map(|card| of_card(&row, card, now)).collect::<Result<Vec<_>>>()?;
    app.store.write(move |conn| crate::on!(conn, template::replace(company, id, &rows))).await?;
    app.live.touch(company, Topics::TEMPLATES);
    list(app, company, id).await
}

fn of_card(channel: &ChannelRow, card: &TemplateCard, now: Moment) -> Result<TemplateRow> {
    Ok(TemplateRow {
        channel: channel.id.clone(),
        name: card.name.clone(),
        language: card.language.clone(),
        company: channel.company.clone(),
        status: card.status.clone(),
        category: card.category.clone(),
        quality: card.quality.clone(),
        reason: card.reason.clone(),
        card: text(card)?,
        synced_at: now.0,
    })
}

/// What is kept of a template: what was told of it last stands in the columns.
fn card(row: &TemplateRow) -> Result<TemplateCard> {
    let card: TemplateCard = value("templates", &row.card)?;
    Ok(TemplateCard {
        status: row.status.clone(),
        category: row.category.clone(),
        quality: row.quality.clone(),
        reason: row.reason.clone(),
        ..card
    })
}

/// The vendor told something of a template of an account, which several channels may share. Where it was never listed, all are listed
/// anew.
///
/// # Errors
/// Those of the database.
pub fn hear(app: &App, conn: &mut Conn, channel: &ChannelRow, name: (&str, &str), news: &TemplateNews) -> Result<()> {
    for id in standing::beside(conn, channel)? {
        let Ok(id) = id.parse::<ChannelId>() else { continue };
        if !crate::on!(conn, template::note(id, name, news))? {
            tracing::info!(channel = %id, name = name.0, language = name.1, "a template that was not listed yet changed");
            crate::on!(conn, standing::list_anew(id, app.clock.now().0))?;
        }
    }
    if let Ok(company) = channel.company.parse() {
        app.live.touch(company, Topics::TEMPLATES);
    }
    Ok(())
}

/// The template that a message names, filled in, inside the transaction that accepts it. Where the templates of the channel were
/// listed it is held against them; otherwise the vendor judges.
///
/// # Errors
/// The outer error is the database's. The inner one is the code for whoever asked.
pub fn filled(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    channel: &ChannelRow,
    given: &TemplateIn,
    now: Moment,
) -> Result<std::result::Result<Template, Code>> {
    let able = Kind::from_slug(&channel.messenger).and_then(messenger::of);
    if !able.is_some_and(|messenger| messenger.about().abilities.templates) {
        return Ok(Err(Code::NotSupported));
    }
    let Ok(id) = channel.id.parse::<ChannelId>() else { return Ok(Err(Code::ChannelNotFound)) };
    // PostgreSQL takes no zero byte, and no name has one
    if given.name.chars().chain(given.language.chars()).any(char::is_control) {
        return Ok(Err(Code::TemplateNotFound));
    }
    let found = crate::on!(conn, template::by_name(company, id, (&given.name, &given.language)))?;
    let known = found.as_ref().map(card).transpose()?;
    if known.is_none() && crate::on!(conn, template::any(company, id))? {
        return Ok(Err(Code::TemplateNotFound));
    }
    let header_media = match &given.file {
        None => None,
        Some(file) => match attached::named(app, conn, company, file, now)? {
            Ok(media) => Some(media),
            Err(code) => return Ok(Err(code)),
        },
    };
    let by_place = given.values.iter().map(|text| TemplateValue { name: None, text: text.clone() });
    let by_name = given.named.iter().map(|(name, text)| TemplateValue { name: Some(name.clone()), text: text.clone() });
    let template = Template {
        name: given.name.clone(),
        language: given.language.clone(),
        body: by_place.chain(by_name).collect(),
        header_text: given.header.clone().map(|text| TemplateValue { name: None, text }),
        header_media,
        buttons: given.buttons.iter().map(|button| press(button, known.as_ref())).collect(),
    };
    let checked = known.map_or(Ok(()), |card| card.check(&template));
    Ok(checked.map(|()| template))
}

fn press(button: &ButtonIn, known: Option<&TemplateCard>) -> TemplateButton {
    let told = known.and_then(|card| card.buttons.get(usize::from(button.index))).map(|press| press.kind.clone());
    let kind = button.kind.clone().or(told).unwrap_or_else(|| "url".to_owned());
    TemplateButton { index: button.index, kind, value: button.value.clone() }
}

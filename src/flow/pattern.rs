//! Templates of channels that send nothing else: their texts are kept by people, since no vendor lists them, and a finished text is
//! recognised as one of them, so that robots and mailings, which know texts alone, can use them too.

use crate::app::App;
use crate::flow::channel::ChannelError;
use crate::messenger::{self, Messenger};
use crate::model::id::{ChannelId, CompanyId};
use crate::model::message::{Kind, Outgoing, Template, TemplateValue};
use crate::model::pattern::{BadPattern, LONGEST_NAME, Pattern};
use crate::model::result::Code;
use crate::model::template::TemplateCard;
use crate::store::row::{ChannelRow, TemplateRow, text, value};
use crate::store::{Conn, Result, StoreError};

/// So many templates a channel has at most.
const MOST: usize = 500;

/// The language of templates that have no other.
pub const LANGUAGE: &str = "ru";

/// Why a template was not kept.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// The channel is not there, or its vendor lists its templates itself.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The name is empty, too long, or has signs that nobody sees.
    #[error("the name of the template is bad")]
    Name,
    /// The text is no template.
    #[error(transparent)]
    Text(#[from] BadPattern),
    /// There are enough.
    #[error("a channel has {MOST} templates at most")]
    TooMany,
}

impl From<StoreError> for NotKept {
    fn from(error: StoreError) -> Self {
        Self::Channel(error.into())
    }
}

/// Keeps a template, or its new text.
///
/// # Errors
/// [`NotKept`].
pub(crate) async fn keep(
    app: &App,
    company: CompanyId,
    id: ChannelId,
    name: &str,
    body: &str,
) -> std::result::Result<(), NotKept> {
    own(app, company, id).await?;
    let name = name.trim().to_owned();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(NotKept::Name);
    }
    let row = row(company, id, name, body, app.clock.now().0)?;
    let kept = app
        .store
        .write(move |conn| {
            let known = crate::on!(conn, template::of_channel(company, id))?;
            if known.len() >= MOST && !known.iter().any(|known| known.name == row.name) {
                return Ok(false);
            }
            crate::on!(conn, template::keep(&row))?;
            Ok(true)
        })
        .await?;
    if kept { Ok(()) } else { Err(NotKept::TooMany) }
}

/// Forgets a template. What waits with it is sent as it was accepted.
///
/// # Errors
/// [`ChannelError::NotFound`] where it is not there.
pub(crate) async fn forget(
    app: &App,
    company: CompanyId,
    id: ChannelId,
    name: String,
) -> std::result::Result<(), ChannelError> {
    own(app, company, id).await?;
    // PostgreSQL takes no zero byte, and no name has one
    if name.chars().any(char::is_control) {
        return Err(ChannelError::NotFound);
    }
    let gone = app.store.write(move |conn| crate::on!(conn, template::forget(company, id, &name))).await?;
    if gone { Ok(()) } else { Err(ChannelError::NotFound) }
}

/// The text that a filled template comes to, where the channel sends nothing but templates: it enters the history, and some
/// vendors compare it with what they approved.
///
/// # Errors
/// The outer error is the database's. The inner one says that the values do not fit.
pub fn said(
    conn: &mut Conn,
    company: CompanyId,
    channel: &ChannelRow,
    filled: &Template,
) -> Result<std::result::Result<Option<String>, Code>> {
    let messenger = Kind::from_slug(&channel.messenger).and_then(messenger::of);
    if !messenger.is_some_and(|messenger| messenger.about().abilities.templates_only) {
        return Ok(Ok(None));
    }
    let Ok(id) = channel.id.parse::<ChannelId>() else { return Ok(Err(Code::ChannelNotFound)) };
    let found = crate::on!(conn, template::by_name(company, id, (&filled.name, &filled.language)))?;
    let Some(row) = found else { return Ok(Err(Code::TemplateNotFound)) };
    let values: Vec<(String, String)> =
        filled.body.iter().filter_map(|given| Some((given.name.clone()?, given.text.clone()))).collect();
    let text = pattern_of(&row)?.and_then(|pattern| pattern.fill(&values).ok());
    Ok(text.map(Some).ok_or(Code::TemplateBad))
}

/// Finds the template that a finished text is, where the messenger takes nothing else.
///
/// # Errors
/// The outer error is the database's. The inner one is the code of a text that is no template.
pub(crate) async fn fit(
    app: &App,
    company: CompanyId,
    id: ChannelId,
    messenger: &dyn Messenger,
    mut outgoing: Outgoing,
) -> Result<std::result::Result<Outgoing, Code>> {
    let free = outgoing.content.template.is_none() && outgoing.content.media.is_none();
    let text = outgoing.content.text.clone().filter(|_| free && messenger.about().abilities.templates_only);
    let Some(text) = text else { return Ok(Ok(outgoing)) };
    let rows = app.store.read(move |conn| crate::on!(conn, template::of_channel(company, id))).await?;
    let mut best: Option<(usize, Template)> = None;
    for row in &rows {
        let Some(pattern) = pattern_of(row)? else { continue };
        let Some(values) = pattern.recognise(&text) else { continue };
        if best.as_ref().is_none_or(|(weight, _)| *weight < pattern.weight()) {
            best = Some((pattern.weight(), filled(row, &values)));
        }
    }
    let Some((_, template)) = best else { return Ok(Err(Code::TemplateNeeded)) };
    outgoing.content.template = Some(template);
    Ok(Ok(outgoing))
}

fn filled(row: &TemplateRow, values: &[(String, String)]) -> Template {
    let value = |(name, text): &(String, String)| TemplateValue { name: Some(name.clone()), text: text.clone() };
    Template {
        name: row.name.clone(),
        language: row.language.clone(),
        body: values.iter().map(value).collect(),
        header_text: None,
        header_media: None,
        buttons: Vec::new(),
    }
}

fn pattern_of(row: &TemplateRow) -> Result<Option<Pattern>> {
    let card: TemplateCard = value("templates", &row.card)?;
    Ok(Pattern::read(&card.body).ok())
}

/// What is kept of a template that a person told.
fn row(
    company: CompanyId,
    channel: ChannelId,
    name: String,
    body: &str,
    now: i64,
) -> std::result::Result<TemplateRow, NotKept> {
    let pattern = Pattern::read(body)?;
    let card = TemplateCard {
        vendor_id: name.clone(),
        name: name.clone(),
        language: LANGUAGE.to_owned(),
        status: "APPROVED".to_owned(),
        category: "UTILITY".to_owned(),
        quality: None,
        reason: None,
        header: None,
        body: body.replace("\r\n", "\n").trim().to_owned(),
        values: pattern.variables().into_iter().map(str::to_owned).collect(),
        named: true,
        footer: None,
        buttons: Vec::new(),
    };
    Ok(TemplateRow {
        channel: channel.to_string(),
        name,
        language: card.language.clone(),
        company: company.to_string(),
        status: card.status.clone(),
        category: card.category.clone(),
        quality: None,
        reason: None,
        card: text(&card)?,
        synced_at: now,
    })
}

/// The company's own channel of a messenger that sends templates alone.
async fn own(app: &App, company: CompanyId, id: ChannelId) -> std::result::Result<(), ChannelError> {
    let row = app.store.read(move |conn| crate::on!(conn, channel::by_id(company, id))).await?;
    let row = row.ok_or(ChannelError::NotFound)?;
    let messenger = Kind::from_slug(&row.messenger).and_then(messenger::of).ok_or(ChannelError::NotFound)?;
    if messenger.about().abilities.templates_only { Ok(()) } else { Err(ChannelError::State) }
}

//! Templates of channels that send nothing else: kept for each channel, filled with values, and recognised in a finished
//! text, so that robots and mailings, which know texts alone, can use them too.

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::flow::channel::ChannelError;
use crate::messenger::{self, Messenger};
use crate::model::id::{ChannelId, CompanyId};
use crate::model::message::{Content, Kind, Outgoing, Template, TemplateValue};
use crate::model::notice::{BadPattern, Filled, LONGEST_NAME, Pattern};
use crate::model::result::Code;
use crate::store::row::ChannelRow;
use crate::store::{Conn, Result};

/// So many templates a channel has at most.
const MOST: i64 = 500;

/// A template as the cabinet shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NoticeTemplate {
    /// Its name at the vendor.
    pub name: String,
    /// Its text, with variables as `{{name}}`.
    pub text: String,
    /// The names of the variables.
    pub variables: Vec<String>,
}

/// Why a template was not kept.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// The channel is not there, or its messenger has no such templates.
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

impl From<crate::store::StoreError> for NotKept {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Channel(error.into())
    }
}

/// The templates of a channel.
///
/// # Errors
/// [`ChannelError::NotFound`] where the company has no such channel, [`ChannelError::State`] where it sends free text too.
pub async fn list(
    app: &App,
    company: CompanyId,
    id: ChannelId,
) -> std::result::Result<Vec<NoticeTemplate>, ChannelError> {
    own(app, company, id).await?;
    let rows = app.store.read(move |conn| crate::on!(conn, notice::templates(company, id))).await?;
    let shown = |(name, text): (String, String)| {
        let variables = Pattern::read(&text).map(|read| read.variables().into_iter().map(str::to_owned).collect());
        NoticeTemplate { name, text, variables: variables.unwrap_or_default() }
    };
    Ok(rows.into_iter().map(shown).collect())
}

/// Keeps a template, or its new text.
///
/// # Errors
/// [`NotKept`].
pub async fn keep(
    app: &App,
    company: CompanyId,
    id: ChannelId,
    name: &str,
    text: &str,
) -> std::result::Result<(), NotKept> {
    own(app, company, id).await?;
    let name = name.trim().to_owned();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(NotKept::Name);
    }
    Pattern::read(text)?;
    let (text, now) = (text.replace("\r\n", "\n").trim().to_owned(), app.clock.now().0);
    let kept = app
        .store
        .write(move |conn| {
            if crate::on!(conn, notice::count(company, id))? >= MOST
                && !crate::on!(conn, notice::templates(company, id))?.iter().any(|(known, _)| *known == name)
            {
                return Ok(false);
            }
            crate::on!(conn, notice::keep(company, id, (&name, &text), now))?;
            Ok(true)
        })
        .await?;
    if kept { Ok(()) } else { Err(NotKept::TooMany) }
}

/// Forgets a template. What waits with it is sent as it was accepted.
///
/// # Errors
/// [`ChannelError::NotFound`] where it is not there.
pub async fn forget(
    app: &App,
    company: CompanyId,
    id: ChannelId,
    name: String,
) -> std::result::Result<(), ChannelError> {
    own(app, company, id).await?;
    let gone = app.store.write(move |conn| crate::on!(conn, notice::forget(company, id, &name))).await?;
    if gone { Ok(()) } else { Err(ChannelError::NotFound) }
}

/// What a message of the API says that names a template.
///
/// # Errors
/// The outer error is the database's. The inner one says why it can never be sent.
pub fn content(
    conn: &mut Conn,
    company: CompanyId,
    channel: &ChannelRow,
    filled: &Filled,
) -> Result<std::result::Result<Content, Code>> {
    let about = Kind::from_slug(&channel.messenger).and_then(messenger::of).map(Messenger::about);
    let Some(abilities) = about.map(|about| about.abilities).filter(|abilities| abilities.templates) else {
        return Ok(Err(Code::NotSupported));
    };
    let values: Vec<(String, String)> = filled.values.clone().into_iter().collect();
    let language = filled.language.clone();
    if !abilities.templates_only {
        return Ok(Ok(Content { template: Some(template(&filled.name, language, &values)), ..Content::default() }));
    }
    let Ok(id) = channel.id.parse() else { return Ok(Err(Code::ChannelNotFound)) };
    let known = crate::on!(conn, notice::templates(company, id))?;
    let Some((name, text)) = known.into_iter().find(|(name, _)| *name == filled.name.trim()) else {
        return Ok(Err(Code::TemplateNotFound));
    };
    let text = Pattern::read(&text).ok().and_then(|pattern| pattern.fill(&values).ok());
    Ok(text.map_or(Err(Code::TemplateBad), |text| {
        Ok(Content { text: Some(text), template: Some(template(&name, language, &values)), ..Content::default() })
    }))
}

/// Finds the template that a finished text is, where the messenger takes nothing else.
///
/// # Errors
/// The outer error is the database's. The inner one is the code of a text that is no template.
pub async fn fit(
    app: &App,
    company: CompanyId,
    id: ChannelId,
    messenger: &dyn Messenger,
    mut outgoing: Outgoing,
) -> Result<std::result::Result<Outgoing, Code>> {
    let free = outgoing.content.template.is_none() && outgoing.content.media.is_none();
    let text = outgoing.content.text.clone().filter(|_| free && messenger.about().abilities.templates_only);
    let Some(text) = text else { return Ok(Ok(outgoing)) };
    let known = app.store.read(move |conn| crate::on!(conn, notice::templates(company, id))).await?;
    let fits = known.iter().filter_map(|(name, pattern)| {
        let pattern = Pattern::read(pattern).ok()?;
        Some((pattern.weight(), name, pattern.recognise(&text)?))
    });
    let Some((_, name, values)) = fits.max_by_key(|(weight, ..)| *weight) else {
        return Ok(Err(Code::TemplateNeeded));
    };
    outgoing.content.template = Some(template(name, None, &values));
    Ok(Ok(outgoing))
}

fn template(name: &str, language: Option<String>, values: &[(String, String)]) -> Template {
    let value = |(name, text): &(String, String)| TemplateValue { name: Some(name.clone()), text: text.clone() };
    Template {
        name: name.to_owned(),
        language: language.unwrap_or_else(|| "ru".to_owned()),
        body: values.iter().map(value).collect(),
        header_text: None,
        header_media: None,
        buttons: Vec::new(),
    }
}

/// The company's own channel of a messenger that sends templates alone.
async fn own(app: &App, company: CompanyId, id: ChannelId) -> std::result::Result<(), ChannelError> {
    let row = app.store.read(move |conn| crate::on!(conn, channel::by_id(company, id))).await?;
    let row = row.ok_or(ChannelError::NotFound)?;
    let messenger = Kind::from_slug(&row.messenger).and_then(messenger::of).ok_or(ChannelError::NotFound)?;
    if messenger.about().abilities.templates_only { Ok(()) } else { Err(ChannelError::State) }
}

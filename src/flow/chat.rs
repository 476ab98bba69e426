//! One chat of a channel: what it is about, and telling the other side that it was read.

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::flow::channel::{self, ChannelError};
use crate::flow::perform;
use crate::flow::renew::{self, Renewed};
use crate::flow::window::{self, WindowOut};
use crate::messenger::{self, AttachError};
use crate::model::id::{ChannelId, CompanyId};
use crate::model::message::Kind;
use crate::model::result::Code;
use crate::model::vendor::Answer;
use crate::store::Result;

/// A chat.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChatOut {
    /// The chat as the vendor names it.
    pub chat: String,
    /// Its title.
    pub title: String,
    /// Whether it is a group.
    pub group: bool,
    /// Whether we may write into it.
    pub allowed: bool,
    /// What it is about: the title of an item.
    pub about: Option<String>,
    /// Where that is.
    pub link: Option<String>,
    /// When the other side wrote last.
    pub incoming_at: Option<i64>,
    /// Whether it may be written to without a template, and until when; null where the messenger has no such window.
    pub window: Option<WindowOut>,
    /// Its tags, in the order in which they were set.
    pub tags: Vec<String>,
}

/// A chat of a company's channel.
///
/// # Errors
/// Those of the store.
pub(crate) async fn find(app: &App, company: CompanyId, id: ChannelId, chat: String) -> Result<Option<ChatOut>> {
    let now = app.clock.now();
    app.store
        .read(move |conn| {
            let Some(channel) = crate::on!(conn, channel::by_id(company, id))? else { return Ok(None) };
            let about = Kind::from_slug(&channel.messenger).and_then(messenger::of).map(messenger::Messenger::about);
            let Some(dialog) = crate::on!(conn, dialog::by_chat(id, &chat))? else { return Ok(None) };
            let window = about.and_then(|about| window::shown(about, &dialog, now));
            let (about, link) = crate::on!(conn, dialog::subject(id, &chat))?.unwrap_or_default();
            let tags = crate::on!(conn, dialog_tag::of_dialog(&dialog.company, &dialog.id))?;
            Ok(Some(ChatOut {
                window,
                chat: dialog.chat,
                title: dialog.title,
                group: dialog.is_group,
                allowed: dialog.allowed,
                about,
                link,
                incoming_at: dialog.incoming_at,
                tags,
            }))
        })
        .await
}

/// Tells the other side that everything in a chat was read.
///
/// # Errors
/// [`ChannelError`]; where the messenger does not show it, `Attach` says so.
pub(crate) async fn mark_read(
    app: &App,
    company: CompanyId,
    id: ChannelId,
    chat: String,
) -> std::result::Result<(), ChannelError> {
    let asked = chat.clone();
    let row = app.store.read(move |conn| {
        let known = crate::on!(conn, dialog::by_chat(id, &asked))?.is_some();
        Ok(crate::on!(conn, channel::by_id(company, id))?.filter(|_| known))
    });
    let row = row.await?.ok_or(ChannelError::NotFound)?;
    if row.state != "connected" {
        return Err(ChannelError::State);
    }
    let messenger = Kind::from_slug(&row.messenger).and_then(messenger::of).ok_or(ChannelError::NotFound)?;
    let mut answer = messenger.mark_read(&perform::wire(app, &row)?, &chat).await;
    if matches!(answer, Answer::Expired { .. })
        && let Renewed::Fresh(row) = renew::renew(app, company, &row, messenger).await?
    {
        answer = messenger.mark_read(&perform::wire(app, &row)?, &chat).await;
    }
    match answer {
        Answer::Done { .. } => Ok(()),
        Answer::Refused { code: Code::NotSupported, .. } => {
            Err(AttachError::new("", Code::NotSupported.ru(), Code::NotSupported.en()).into())
        }
        Answer::Refused { text, .. } | Answer::Nobody { text } => Err(ChannelError::Vendor(text)),
        Answer::Down { seen } | Answer::Unsure { seen, .. } => Err(ChannelError::Vendor(seen)),
        Answer::Busy { after_ms, .. } => Err(ChannelError::Vendor(format!("busy for {after_ms} ms"))),
        Answer::Expired { seen } => {
            channel::lose(app, company, id, &seen).await?;
            Err(ChannelError::Vendor(seen))
        }
    }
}

//! What an operator said in one open line, as the other lines of its channel show it: a channel may be connected to several
//! portals, and each of them sees the whole dialog.

use super::{plain, render};
use crate::app::App;
use crate::flow::files::{self, SOURCE};
use crate::model::id::{ChannelId, CompanyId, OperatorWordId};
use crate::model::message::{Content, Media};
use crate::model::moment::Moment;
use crate::model::open_line::Settings;
use crate::store::row::{MessageRow, OpenLineChatRow, PostRow, text, value};
use crate::store::{Conn, Result};

/// The dialog in which an operator said a message; none where nobody knows any more.
pub(super) fn said_in(conn: &mut Conn, row: &MessageRow, word: OperatorWordId) -> Result<Option<OpenLineChatRow>> {
    let Ok(company) = row.company.parse::<CompanyId>() else { return Ok(None) };
    let Some(word) = crate::on!(conn, open_word::by_id(company, word))? else { return Ok(None) };
    crate::on!(conn, open_line::chat(&word.chat))
}

/// Whether the number behind a chat makes no chats in a line.
pub(super) fn is_ignored(conn: &mut Conn, channel: ChannelId, chat: &str, settings: &Settings) -> Result<bool> {
    if settings.ignored.is_empty() {
        return Ok(false);
    }
    let dialog = crate::on!(conn, dialog::by_chat(channel, chat))?;
    let contact = match dialog.and_then(|dialog| Some((dialog.company, dialog.contact?))) {
        Some((company, contact)) => crate::on!(conn, dialog::contact(&company, &contact))?,
        None => None,
    };
    let phone = contact.and_then(|contact| contact.phone);
    Ok(settings.ignores(phone.as_deref().or(Some(plain(chat)))))
}

/// Lays the file of what an operator said on the shelf: the link that came with it is for whoever comes from a page of that portal,
/// and does not live for ever. What cannot be had for a while is left out. Tells whether the post can be written now.
///
/// # Errors
/// Those of the store.
pub(super) async fn fetch(
    app: &App,
    company: CompanyId,
    post: &PostRow,
    row: &MessageRow,
    media: &Media,
) -> Result<bool> {
    let limit = app.config.files.largest();
    let kept = match app.guard.fetch(&media.source, limit).await {
        Ok(fetched) if (200..300).contains(&fetched.status) => {
            files::keep(app, company, (&media.name, Some(&media.mime)), fetched.bytes, limit).await.ok()
        }
        Ok(_) | Err(_) => None,
    };
    let Some(file) = kept else {
        if app.clock.now().since_ms(Moment(post.made_at)) < render::FILES_MS {
            return Ok(false);
        }
        let id = post.id.clone();
        app.store.write(move |conn| crate::on!(conn, open_post::again(&id, render::LOST_FILES))).await?;
        return Ok(true);
    };
    let mut content: Content = value("messages", &row.content)?;
    if let Some(media) = &mut content.media {
        media.source = format!("{SOURCE}{}", file.id);
        media.size = file.size.and_then(|size| u64::try_from(size).ok());
    }
    let (id, content) = (row.id.clone(), text(&content)?);
    app.store.write(move |conn| crate::on!(conn, message::set_content(company, &id, &content))).await?;
    Ok(true)
}

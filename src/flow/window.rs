//! Until when a customer may be written to freely, where the messenger has such a window.
//!
//! It is open for a day after the customer wrote. Where an advertisement led the customer here, `WhatsApp` opens another one with our
//! answer, for three days; whether it lets every message through is for the vendor to say, so it is not refused here.

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::messenger::{self, About};
use crate::model::id::ChannelId;
use crate::model::message::Kind;
use crate::model::moment::Moment;
use crate::store::row::{ChannelRow, DialogRow};
use crate::store::{Conn, Result};

/// The window after the customer's last message.
const DAY_MS: i64 = 24 * 3_600_000;

/// The window after our answer to somebody whom an advertisement led here, who must be answered within a day.
const LED_MS: i64 = 72 * 3_600_000;

/// The window of a chat as the API shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ChatWindow)]
pub struct WindowOut {
    /// Whether a message without a template may leave now.
    pub open: bool,
    /// When it closes, or closed; null where the customer never wrote.
    pub closes_at: Option<i64>,
}

/// Whether a messenger has such a window.
#[must_use]
pub const fn is_kept(about: &About) -> bool {
    !about.abilities.free_text_always && !about.abilities.templates_only
}

/// The same of the messenger of a channel.
#[must_use]
pub fn is_kept_by(channel: &ChannelRow) -> bool {
    let messenger = Kind::from_slug(&channel.messenger).and_then(messenger::of);
    messenger.is_some_and(|messenger| is_kept(messenger.about()))
}

/// When the window of a dialog closes; none where the customer never wrote.
#[must_use]
pub fn closes_at(dialog: &DialogRow) -> Option<Moment> {
    let heard = dialog.incoming_at.map(|at| Moment(at).plus_ms(DAY_MS));
    heard.into_iter().chain(dialog.free_until.map(Moment)).max()
}

/// The window of a dialog at a moment; none where the messenger has no windows.
#[must_use]
pub fn shown(about: &About, dialog: &DialogRow, now: Moment) -> Option<WindowOut> {
    let until = closes_at(dialog);
    let out = WindowOut { open: until.is_some_and(|until| until > now), closes_at: until.map(|until| until.0) };
    is_kept(about).then_some(out)
}

/// When the window of a chat closes, long ago where nobody ever wrote; none where the messenger has no windows.
///
/// # Errors
/// Those of the database.
pub fn of_chat(conn: &mut Conn, about: &About, channel: ChannelId, chat: &str) -> Result<Option<Moment>> {
    if !is_kept(about) {
        return Ok(None);
    }
    let dialog = crate::on!(conn, dialog::by_chat(channel, chat))?;
    Ok(Some(dialog.as_ref().and_then(closes_at).unwrap_or_default()))
}

/// The chat of somebody whom an advertisement led here and whom nobody has answered yet; none where there is no such thing.
#[must_use]
pub fn unanswered(dialog: &DialogRow, now: Moment) -> Option<String> {
    let led = dialog.led_at.is_some_and(|at| Moment(at).plus_ms(DAY_MS) > now);
    led.then(|| dialog.chat.clone())
}

/// Somebody whom an advertisement led here was answered.
///
/// # Errors
/// Those of the store.
pub(crate) async fn answered(app: &App, channel: ChannelId, chat: String) -> Result<()> {
    let until = app.clock.now().plus_ms(LED_MS).0;
    app.store.write(move |conn| crate::on!(conn, dialog::answered(channel, &chat, until))).await
}

//! Single chats of a channel, as far as the vendor is told or asked of them.

use actix_web::{HttpResponse, web};

use super::auth::Signed;
use super::error::{ApiError, ErrorOut, Told};
use crate::app::App;
use crate::flow::chat::{self, ChatOut};
use crate::model::id::ChannelId;

/// Shows a chat: with whom it is, and what it is about.
#[utoipa::path(get, path = "/channels/{id}/chats/{chat}", tag = "chats", params(("id" = String, Path), ("chat" = String, Path)),
    responses((status = 200, body = ChatOut), (status = 404, body = ErrorOut)))]
pub(super) async fn show_chat(app: web::Data<App>, signed: Signed, path: web::Path<(ChannelId, String)>) -> Told {
    let (id, chat) = path.into_inner();
    let found = chat::find(&app, signed.company, id, chat).await?;
    Ok(HttpResponse::Ok().json(found.ok_or(ApiError::NotFound)?))
}

/// Tells the other side that what it wrote was read: for messengers that show it.
#[utoipa::path(post, path = "/channels/{id}/chats/{chat}/read", tag = "chats",
    params(("id" = String, Path), ("chat" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorOut), (status = 409, body = ErrorOut), (status = 422, body = ErrorOut)))]
pub(super) async fn mark_read(app: web::Data<App>, signed: Signed, path: web::Path<(ChannelId, String)>) -> Told {
    let (id, chat) = path.into_inner();
    chat::mark_read(&app, signed.company, id, chat).await?;
    Ok(HttpResponse::NoContent().finish())
}

//! Messages of the API.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Signed;
use super::error::{ApiError, ErrorOut, Told};
use crate::app::App;
use crate::flow::change::{self, ChangeMade, ChangeRefusal};
use crate::flow::message::{self, Finding, MessageIn, MessageOut, MessageRefusal};
use crate::model::change::ChangeAct;
use crate::model::id::MessageId;
use crate::model::interactive::BadInteractive;
use crate::model::result::Code;

/// The header that names a request, so that it may be repeated.
const KEY: &str = "idempotency-key";

/// The longest of them.
const LONGEST_KEY: usize = 200;

/// So many messages are shown.
const SHOWN: i64 = 100;

/// A message that was accepted.
#[derive(Serialize, ToSchema)]
pub(super) struct MessageMade {
    #[schema(value_type = String)]
    id: MessageId,
}

/// Messages.
#[derive(Serialize, ToSchema)]
pub(super) struct MessagesOut {
    messages: Vec<MessageOut>,
}

/// What a person found out.
#[derive(Deserialize, ToSchema)]
#[schema(as = MessageDecisionIn)]
pub(super) struct DecisionIn {
    decision: Finding,
}

/// Another text of a message.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MessageTextIn {
    /// The text as it is to stand, or the caption where the message is a file.
    text: String,
}

/// A reaction.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReactionIn {
    /// One emoji; which of them are taken is the messenger's own matter.
    emoji: String,
}

/// Accepts a message.
#[utoipa::path(post, path = "/messages", tag = "messages", request_body = MessageIn,
    params(("Idempotency-Key" = Option<String>, Header, description = "names the request, so that it may be repeated")),
    responses((status = 202, body = MessageMade), (status = 422, body = ErrorOut)))]
pub(super) async fn create_message(
    app: web::Data<App>,
    signed: Signed,
    request: HttpRequest,
    input: web::Json<MessageIn>,
) -> Told {
    let key = key_of(&request)?;
    let input = input.into_inner();
    let id = match message::post(&app, signed.company, input.clone(), key).await? {
        Ok(id) => id,
        Err(MessageRefusal::Interactive(BadInteractive { field, ru, en })) => {
            return Err(ApiError::Bad { field, code: Code::InteractiveBad.slug(), ru, en });
        }
        Err(MessageRefusal::No(code)) => {
            let words =
                if code == Code::FileTooBig { message::too_big(&app, signed.company, input).await? } else { None };
            return Err(refusal(code, words));
        }
    };
    Ok(HttpResponse::Accepted().json(MessageMade { id }))
}

/// The key by which a request is known when it comes again.
pub(super) fn key_of(request: &HttpRequest) -> Told<Option<String>> {
    let Some(key) = request.headers().get(KEY) else { return Ok(None) };
    match key.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= LONGEST_KEY => Ok(Some(key.to_owned())),
        _ => Err(ApiError::bad(KEY, "В ключе от 1 до 200 знаков ASCII", "A key has 1 to 200 letters of ASCII")),
    }
}

/// Shows the newest messages.
#[utoipa::path(get, path = "/messages", tag = "messages", responses((status = 200, body = MessagesOut)))]
pub(super) async fn list_messages(app: web::Data<App>, signed: Signed) -> Told {
    Ok(HttpResponse::Ok().json(MessagesOut { messages: message::newest(&app, signed.company, SHOWN).await? }))
}

/// Shows one message.
#[utoipa::path(get, path = "/messages/{id}", tag = "messages", params(("id" = String, Path)),
    responses((status = 200, body = MessageOut), (status = 404, body = ErrorOut)))]
pub(super) async fn show_message(app: web::Data<App>, signed: Signed, id: web::Path<MessageId>) -> Told {
    let found = message::find(&app, signed.company, *id).await?;
    Ok(HttpResponse::Ok().json(found.ok_or(ApiError::NotFound)?))
}

/// Writes down what a person found out about a message of unknown fate.
#[utoipa::path(post, path = "/messages/{id}/decide", tag = "messages", params(("id" = String, Path)),
    request_body = DecisionIn,
    responses((status = 204), (status = 404, body = ErrorOut), (status = 409, body = ErrorOut)))]
pub(super) async fn decide_message(
    app: web::Data<App>,
    signed: Signed,
    id: web::Path<MessageId>,
    input: web::Json<DecisionIn>,
) -> Told {
    match message::decide(&app, signed.company, *id, input.decision).await? {
        Some(true) => Ok(HttpResponse::NoContent().finish()),
        Some(false) => Err(ApiError::Conflict {
            code: "wrong_state",
            ru: "Судьба этого сообщения известна".to_owned(),
            en: "What became of this message is known".to_owned(),
        }),
        None => Err(ApiError::NotFound),
    }
}

/// Gives a message another text. What waits in the queue is changed there; what has left is changed by the messenger, in a
/// moment: `changes` of the message tells what became of it.
#[utoipa::path(patch, path = "/messages/{id}", tag = "messages", params(("id" = String, Path)),
    request_body = MessageTextIn,
    responses((status = 202, body = ChangeMade), (status = 404, body = ErrorOut), (status = 409, body = ErrorOut),
        (status = 422, body = ErrorOut)))]
pub(super) async fn change_message(
    app: web::Data<App>,
    signed: Signed,
    id: web::Path<MessageId>,
    input: web::Json<MessageTextIn>,
) -> Told {
    let act = ChangeAct::Edit { text: input.into_inner().text };
    let made = change::post(&app, signed.company, *id, act).await?.map_err(change_refusal)?;
    Ok(HttpResponse::Accepted().json(made))
}

/// Deletes a message for both sides. What waits in the queue is taken out of it.
#[utoipa::path(delete, path = "/messages/{id}", tag = "messages", params(("id" = String, Path)),
    responses((status = 202, body = ChangeMade), (status = 404, body = ErrorOut), (status = 409, body = ErrorOut),
        (status = 422, body = ErrorOut)))]
pub(super) async fn delete_message(app: web::Data<App>, signed: Signed, id: web::Path<MessageId>) -> Told {
    let made = change::post(&app, signed.company, *id, ChangeAct::Delete).await?.map_err(change_refusal)?;
    Ok(HttpResponse::Accepted().json(made))
}

/// Reacts to a message of either side, in the place of our reaction before; the messenger does it in a moment: `changes` of the
/// message tells what became of it.
#[utoipa::path(put, path = "/messages/{id}/reaction", tag = "messages", params(("id" = String, Path)),
    request_body = ReactionIn,
    responses((status = 202, body = ChangeMade), (status = 404, body = ErrorOut), (status = 409, body = ErrorOut),
        (status = 422, body = ErrorOut)))]
pub(super) async fn react_to_message(
    app: web::Data<App>,
    signed: Signed,
    id: web::Path<MessageId>,
    input: web::Json<ReactionIn>,
) -> Told {
    let act = ChangeAct::React { emoji: Some(input.into_inner().emoji) };
    let made = change::post(&app, signed.company, *id, act).await?.map_err(change_refusal)?;
    Ok(HttpResponse::Accepted().json(made))
}

/// Takes our reaction to a message back.
#[utoipa::path(delete, path = "/messages/{id}/reaction", tag = "messages", params(("id" = String, Path)),
    responses((status = 202, body = ChangeMade), (status = 404, body = ErrorOut), (status = 409, body = ErrorOut),
        (status = 422, body = ErrorOut)))]
pub(super) async fn take_reaction_back(app: web::Data<App>, signed: Signed, id: web::Path<MessageId>) -> Told {
    let act = ChangeAct::React { emoji: None };
    let made = change::post(&app, signed.company, *id, act).await?.map_err(change_refusal)?;
    Ok(HttpResponse::Accepted().json(made))
}

/// Whether it is the message that stands in the way, or what was asked for.
fn change_refusal(refusal: ChangeRefusal) -> ApiError {
    match refusal {
        ChangeRefusal::NotFound => ApiError::NotFound,
        ChangeRefusal::No(
            code @ (Code::Unknown
            | Code::InFlight
            | Code::NeverSent
            | Code::Deleted
            | Code::WindowClosed
            | Code::ChangeTooLate
            | Code::ChangeTooEarly),
        ) => ApiError::Conflict { code: code.slug(), ru: code.ru().to_owned(), en: code.en().to_owned() },
        ChangeRefusal::No(code) => self::refusal(code, None),
    }
}

/// The words are those of the code where there are none of the matter's own.
pub(super) fn refusal(code: Code, words: Option<(&str, &str)>) -> ApiError {
    let field = match code {
        Code::LineNotFound | Code::LineExpired | Code::LineNotChosen => "line",
        Code::ChannelNotFound | Code::ChannelLost => "channel",
        Code::MessageEmpty | Code::MessageTooLong => "text",
        Code::TemplateNeeded | Code::TemplateNotFound | Code::TemplateOff | Code::TemplateBad => "template",
        Code::FileGone | Code::FileBad | Code::FileTooBig => "file",
        Code::AddressBad => "to",
        Code::ReplyNotFound | Code::ReplyElsewhere => "reply_to",
        Code::ReactionBad => "emoji",
        Code::PlaceBad => "place",
        Code::ContactsBad => "contacts",
        _ => "",
    };
    let (ru, en) = words.unwrap_or((code.ru(), code.en()));
    ApiError::Bad { field: field.to_owned(), code: code.slug(), ru: ru.to_owned(), en: en.to_owned() }
}

//! Groups of a channel. What is done with them waits in the queue; its outcome is asked for by the id of the act.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Signed;
use super::error::{ApiError, ErrorOut, Told};
use crate::app::App;
use crate::flow::group::{self, GroupActOut, GroupOut, GroupRefusal, GroupRequest};
use crate::model::errand::Rank;
use crate::model::group::GroupAct;
use crate::model::id::{ChannelId, GroupActId};
use crate::model::message::Peer;
use crate::model::origin::Origin;
use crate::model::result::Code;

/// A group to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupIn {
    /// Its title.
    title: String,
    /// Phones in any spelling, `@names`, or chats as the vendor names them.
    people: Vec<String>,
    /// The words above the address of an invitation, for those whose privacy forbids adding them.
    #[serde(default)]
    invitation: Option<String>,
}

/// People to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupPeopleIn {
    /// Phones in any spelling, `@names`, or chats as the vendor names them.
    people: Vec<String>,
    /// The words above the address of an invitation, for those whose privacy forbids adding them.
    #[serde(default)]
    invitation: Option<String>,
}

/// Another title.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupTitleIn {
    title: String,
}

/// What was accepted.
#[derive(Serialize, ToSchema)]
pub(super) struct GroupActMade {
    /// Its outcome is at `/group-acts/{id}`.
    #[schema(value_type = String)]
    id: GroupActId,
}

/// The groups of a channel.
#[derive(Serialize, ToSchema)]
pub(super) struct GroupsOut {
    groups: Vec<GroupOut>,
}

/// The longest words of an invitation, in characters.
const LONGEST_INVITATION: usize = 1_000;

/// Shows the groups that a channel is or was in, by title.
#[utoipa::path(get, path = "/channels/{id}/groups", tag = "groups", params(("id" = String, Path)),
    responses((status = 200, body = GroupsOut), (status = 404, body = ErrorOut)))]
pub(super) async fn list_groups(app: web::Data<App>, signed: Signed, id: web::Path<ChannelId>) -> Told {
    let groups = group::list(&app, signed.company, *id).await?.ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok().json(GroupsOut { groups }))
}

/// Makes a group.
#[utoipa::path(post, path = "/channels/{id}/groups", tag = "groups", params(("id" = String, Path)), request_body = GroupIn,
    responses((status = 202, body = GroupActMade), (status = 404, body = ErrorOut), (status = 422, body = ErrorOut)))]
pub(super) async fn create_group(
    app: web::Data<App>,
    signed: Signed,
    id: web::Path<ChannelId>,
    input: web::Json<GroupIn>,
) -> Told {
    let GroupIn { title, people, invitation } = input.into_inner();
    let act = GroupAct::Create { title: title.trim().to_owned(), people: read(&app, &people)? };
    accept(&app, &signed, *id, act, invitation).await
}

/// Adds people to a group; who does not let others add them is sent an invitation.
#[utoipa::path(post, path = "/channels/{id}/groups/{chat}/people", tag = "groups",
    params(("id" = String, Path), ("chat" = String, Path)), request_body = GroupPeopleIn,
    responses((status = 202, body = GroupActMade), (status = 404, body = ErrorOut), (status = 422, body = ErrorOut)))]
pub(super) async fn add_people(
    app: web::Data<App>,
    signed: Signed,
    path: web::Path<(ChannelId, String)>,
    input: web::Json<GroupPeopleIn>,
) -> Told {
    let ((id, chat), GroupPeopleIn { people, invitation }) = (path.into_inner(), input.into_inner());
    let act = GroupAct::Add { chat, people: read(&app, &people)? };
    accept(&app, &signed, id, act, invitation).await
}

/// Gives a group another title.
#[utoipa::path(patch, path = "/channels/{id}/groups/{chat}", tag = "groups",
    params(("id" = String, Path), ("chat" = String, Path)), request_body = GroupTitleIn,
    responses((status = 202, body = GroupActMade), (status = 404, body = ErrorOut), (status = 422, body = ErrorOut)))]
pub(super) async fn rename_group(
    app: web::Data<App>,
    signed: Signed,
    path: web::Path<(ChannelId, String)>,
    input: web::Json<GroupTitleIn>,
) -> Told {
    let (id, chat) = path.into_inner();
    let act = GroupAct::Rename { chat, title: input.into_inner().title.trim().to_owned() };
    accept(&app, &signed, id, act, None).await
}

/// Leaves a group.
#[utoipa::path(delete, path = "/channels/{id}/groups/{chat}", tag = "groups",
    params(("id" = String, Path), ("chat" = String, Path)),
    responses((status = 202, body = GroupActMade), (status = 404, body = ErrorOut), (status = 422, body = ErrorOut)))]
pub(super) async fn leave_group(app: web::Data<App>, signed: Signed, path: web::Path<(ChannelId, String)>) -> Told {
    let (id, chat) = path.into_inner();
    accept(&app, &signed, id, GroupAct::Leave { chat }, None).await
}

/// Shows what became of something that was asked to be done with a group.
#[utoipa::path(get, path = "/group-acts/{id}", tag = "groups", params(("id" = String, Path)),
    responses((status = 200, body = GroupActOut), (status = 404, body = ErrorOut)))]
pub(super) async fn show_group_act(app: web::Data<App>, signed: Signed, id: web::Path<GroupActId>) -> Told {
    let found = group::find(&app, signed.company, *id).await?;
    Ok(HttpResponse::Ok().json(found.ok_or(ApiError::NotFound)?))
}

fn read(app: &App, texts: &[String]) -> Told<Vec<Peer>> {
    let bad = |at: usize| {
        ApiError::bad(
            format!("people[{at}]"),
            "Адрес не распознан: укажите телефон с кодом страны, @имя или id чата",
            "The address cannot be read: give a phone with its country code, an @name or the id of a chat",
        )
    };
    for (at, text) in texts.iter().enumerate() {
        group::people(std::slice::from_ref(text), &app.config.region).ok_or_else(|| bad(at))?;
    }
    group::people(texts, &app.config.region).ok_or_else(|| bad(0))
}

async fn accept(app: &App, signed: &Signed, channel: ChannelId, act: GroupAct, invitation: Option<String>) -> Told {
    if invitation.as_ref().is_some_and(|words| words.chars().count() > LONGEST_INVITATION) {
        return Err(ApiError::bad(
            "invitation",
            "Текст приглашения — до 1000 знаков",
            "The words of an invitation have at most 1000 characters",
        ));
    }
    let company = signed.company;
    let origin = Origin::Api { tracking: None };
    let request = GroupRequest { company, channel, act, invitation, rank: Rank::Service, origin };
    let id = group::post(app, request).await?.map_err(refusal)?;
    Ok(HttpResponse::Accepted().json(GroupActMade { id }))
}

fn refusal(refusal: GroupRefusal) -> ApiError {
    let GroupRefusal { field, code } = refusal;
    let (ru, en) = match (field, code) {
        (_, Code::ChannelNotFound) => return ApiError::NotFound,
        ("title", Code::MessageEmpty) => ("укажите название группы", "give the group a title"),
        ("title", _) => {
            ("название группы длиннее, чем допускает мессенджер", "the title is longer than the messenger allows")
        }
        ("people", Code::AddressEmpty) => ("укажите хотя бы одного участника", "give at least one person"),
        ("people", _) => ("слишком много участников за один раз", "too many people at once"),
        _ => (code.ru(), code.en()),
    };
    ApiError::Bad { field: field.to_owned(), code: code.slug(), ru: ru.to_owned(), en: en.to_owned() }
}

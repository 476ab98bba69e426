//! Channels.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

pub(super) mod deliveries;
mod health;
pub(super) mod settings;
mod standing;

use self::health::HealthOut;
use self::standing::StandingOut;
use super::auth::{Admin, Role, Signed};
use super::error::{ApiError, ErrorOut, Told};
use crate::app::App;
use crate::flow::channel::{self, Attached, Decision, Step};
use crate::flow::phone::{self, Looked};
use crate::model::address::phone_digits;
use crate::model::id::{ChannelId, CompanyId, LaneId, LineId};
use crate::model::message::Kind;
use crate::model::pace::Pace;
use crate::store::row::{ChannelRow, HealthRow, LaneRow, LaneState, ListeningRow, StandingRow};
use crate::store::{Conn, Result};

/// One step of attaching.
#[derive(Deserialize, ToSchema)]
pub(super) struct ChannelIn {
    messenger: Kind,
    #[serde(flatten)]
    step: Step,
}

/// The gaps of a channel, in milliseconds.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "names of the API carry their unit")]
pub(super) struct ChannelPace {
    /// The shortest gap between two messages.
    from_ms: i64,
    /// The longest one.
    to_ms: i64,
    /// The gap between two live answers.
    live_ms: i64,
}

/// What becomes of what waited.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChannelDecisionIn)]
pub(super) struct DecisionIn {
    decision: Decision,
}

/// How a channel is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChannelState {
    /// It works.
    Connected,
    /// The phone removed it: it is to be linked again.
    Relink,
    /// Its credentials were refused: it is to be attached again.
    Lost,
    /// A person switched it off.
    Off,
    /// The vendor suspects it of spam.
    Spam,
}

/// A channel.
#[derive(Serialize, ToSchema)]
pub(super) struct ChannelOut {
    id: String,
    line: LineId,
    /// Its lane in the queue.
    lane: LaneId,
    #[schema(value_type = Kind)]
    messenger: String,
    /// Its name at the vendor.
    title: Option<String>,
    /// Its address at the vendor: a phone, a user name.
    address: Option<String>,
    state: ChannelState,
    lane_state: Option<LaneState>,
    /// What the vendor said when it was lost.
    lost_reason: Option<String>,
    pace: ChannelPace,
    /// Since when it is connected.
    connected_at: i64,
    /// How it fares.
    health: HealthOut,
    /// What the vendor thinks of the account; null where it never tells.
    standing: Option<StandingOut>,
    /// Where the vendor posts to, for administrators of channels whose vendor is told by hand.
    webhook_url: Option<String>,
    /// How its own connection fares, where it keeps one.
    listening: Option<ListeningOut>,
}

/// How the connection of a listening channel fares.
#[derive(Serialize, ToSchema)]
pub(super) struct ListeningOut {
    /// Since when it stands; none while it does not.
    connected_at: Option<i64>,
    /// When something came last.
    heard_at: Option<i64>,
    /// Since when it is away.
    error_at: Option<i64>,
    /// Why.
    error: Option<String>,
    /// When messages may have been missed.
    gap_at: Option<i64>,
}

impl ListeningOut {
    fn of(row: &ListeningRow) -> Self {
        Self {
            connected_at: row.connected_at,
            heard_at: row.heard_at,
            error_at: row.error_at,
            error: row.error.clone(),
            gap_at: row.gap_at,
        }
    }
}

/// The channels of the company, oldest first.
#[derive(Serialize, ToSchema)]
pub(super) struct ChannelsOut {
    channels: Vec<ChannelOut>,
}

/// Phones to look at.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PhonesIn {
    phones: Vec<String>,
}

/// What a look at phones told.
#[derive(Serialize, ToSchema)]
pub(super) struct PhonesOut {
    phones: Vec<Looked>,
    /// How many more may be looked at today.
    left_today: i64,
}

/// So many phones are looked at in one request.
const MOST_PHONES: usize = 50;

/// How many messages are not sent.
#[derive(Serialize, ToSchema)]
pub(super) struct NotSent {
    pub(super) not_sent: usize,
}

/// Shows the channels of the company.
#[utoipa::path(get, path = "/channels", tag = "channels", responses((status = 200, body = ChannelsOut)))]
pub(super) async fn list_channels(app: web::Data<App>, signed: Signed) -> Told {
    let company = signed.company;
    let (rows, seen) = app
        .store
        .read(move |conn| Ok((crate::on!(conn, channel::of_company(company))?, Seen::of_company(conn, company)?)))
        .await?;
    let channels = rows.iter().map(|row| shown(&app, signed.role, row, &seen));
    Ok(HttpResponse::Ok().json(ChannelsOut { channels: channels.collect::<Told<_>>()? }))
}

/// Shows one channel.
#[utoipa::path(get, path = "/channels/{id}", tag = "channels", params(("id" = String, Path)),
    responses((status = 200, body = ChannelOut), (status = 404, body = ErrorOut)))]
pub(super) async fn show_channel(app: web::Data<App>, signed: Signed, id: web::Path<ChannelId>) -> Told {
    let (company, id) = (signed.company, *id);
    let found = app
        .store
        .read(move |conn| {
            let Some(row) = crate::on!(conn, channel::by_id(company, id))? else { return Ok(None) };
            Ok(Some((row, Seen::of_company(conn, company)?)))
        })
        .await?;
    let (row, seen) = found.ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok().json(shown(&app, signed.role, &row, &seen)?))
}

/// Takes a step of attaching a channel to a line. 201 where it is attached, 200 where another step comes.
#[utoipa::path(post, path = "/lines/{id}/channels", tag = "channels", params(("id" = i64, Path)), request_body = ChannelIn,
    responses((status = 200, body = Attached), (status = 201, body = Attached), (status = 404, body = ErrorOut),
        (status = 409, body = ErrorOut), (status = 422, body = ErrorOut), (status = 503, body = ErrorOut)))]
pub(super) async fn attach_channel(
    app: web::Data<App>,
    admin: Admin,
    line: web::Path<LineId>,
    input: web::Json<ChannelIn>,
) -> Told {
    let ChannelIn { messenger, mut step } = input.into_inner();
    step.by = Some(admin.0.user);
    let attached = channel::attach(&app, admin.0.company, *line, messenger, step).await?;
    Ok(status_of(&attached).json(attached))
}

/// 201 where the channel is attached, 200 where another step comes.
pub(super) fn status_of(attached: &Attached) -> actix_web::HttpResponseBuilder {
    match attached {
        Attached::Done { .. } => HttpResponse::Created(),
        _ => HttpResponse::Ok(),
    }
}

/// Sets the pace of a channel.
#[utoipa::path(patch, path = "/channels/{id}", tag = "channels", params(("id" = String, Path)), request_body = ChannelPace,
    responses((status = 204), (status = 404, body = ErrorOut), (status = 422, body = ErrorOut)))]
pub(super) async fn set_pace(
    app: web::Data<App>,
    admin: Admin,
    id: web::Path<ChannelId>,
    input: web::Json<ChannelPace>,
) -> Told {
    let pace = Pace::Gap { from_ms: input.from_ms, to_ms: input.to_ms, live_ms: input.live_ms };
    channel::set_pace(&app, admin.0.company, *id, pace).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Switches a channel off: its session at the vendor ends, what waits stays.
#[utoipa::path(post, path = "/channels/{id}/detach", tag = "channels", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorOut), (status = 409, body = ErrorOut)))]
pub(super) async fn detach_channel(app: web::Data<App>, admin: Admin, id: web::Path<ChannelId>) -> Told {
    channel::switch_off(&app, admin.0.company, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Looks whether phones have the messenger of a channel.
#[utoipa::path(post, path = "/channels/{id}/phones", tag = "channels", params(("id" = String, Path)),
    request_body = PhonesIn,
    responses((status = 200, body = PhonesOut), (status = 404, body = ErrorOut), (status = 422, body = ErrorOut)))]
pub(super) async fn check_phones(
    app: web::Data<App>,
    signed: Signed,
    id: web::Path<ChannelId>,
    input: web::Json<PhonesIn>,
) -> Told {
    let given = input.into_inner().phones;
    if given.is_empty() || given.len() > MOST_PHONES {
        return Err(ApiError::bad("phones", "Укажите от 1 до 50 телефонов", "Give 1 to 50 phones"));
    }
    let mut phones = Vec::new();
    for (at, text) in given.iter().enumerate() {
        let digits = phone_digits(text, &app.config.region);
        phones.push(digits.ok_or_else(|| {
            ApiError::bad(
                format!("phones[{at}]"),
                "Телефон не распознан: укажите его с кодом страны",
                "The phone cannot be read: give it with its country code",
            )
        })?);
    }
    let (phones, left_today) = phone::look(&app, signed.company, *id, phones).await?;
    Ok(HttpResponse::Ok().json(PhonesOut { phones, left_today }))
}

/// Decides about what waited while the channel was away.
#[utoipa::path(post, path = "/channels/{id}/decide", tag = "channels", params(("id" = String, Path)),
    request_body = DecisionIn,
    responses((status = 200, body = NotSent), (status = 404, body = ErrorOut), (status = 409, body = ErrorOut)))]
pub(super) async fn decide_channel(
    app: web::Data<App>,
    admin: Admin,
    id: web::Path<ChannelId>,
    input: web::Json<DecisionIn>,
) -> Told {
    let not_sent = channel::decide(&app, admin.0.company, *id, input.decision).await?;
    Ok(HttpResponse::Ok().json(NotSent { not_sent }))
}

/// What is known of the channels of a company beside their own rows.
struct Seen {
    lanes: Vec<LaneRow>,
    listenings: Vec<ListeningRow>,
    healths: Vec<HealthRow>,
    standings: Vec<StandingRow>,
}

impl Seen {
    fn of_company(conn: &mut Conn, company: CompanyId) -> Result<Self> {
        Ok(Self {
            lanes: crate::on!(conn, lane::of_company(company))?,
            listenings: crate::on!(conn, listening::of_company(company))?,
            healths: crate::on!(conn, health::of_company(company))?,
            standings: crate::on!(conn, standing::of_company(company))?,
        })
    }
}

fn shown(app: &App, asks: Role, row: &ChannelRow, seen: &Seen) -> Told<ChannelOut> {
    let lane = seen.lanes.iter().find(|lane| lane.id == row.lane);
    let listening = seen.listenings.iter().find(|listening| listening.channel == row.id);
    let health = seen.healths.iter().find(|health| health.channel == row.id);
    let now = app.clock.now();
    let suspected = health.is_some_and(|health| health.is_suspected(now.0));
    // Meta is told in its console, by a person
    let told_by_hand = asks == Role::Admin && row.messenger == Kind::Waba.slug();
    let settings: Value = crate::store::row::value("channels", &row.settings)?;
    let setting = |name: &str| settings.get(name).and_then(Value::as_str).map(str::to_owned);
    let pace = match lane.map(LaneRow::pace).transpose()? {
        Some(Pace::Gap { from_ms, to_ms, live_ms }) => ChannelPace { from_ms, to_ms, live_ms },
        Some(Pace::Bucket { .. }) | None => ChannelPace { from_ms: 0, to_ms: 0, live_ms: 0 },
    };
    Ok(ChannelOut {
        id: row.id.clone(),
        line: row.line,
        lane: row.lane,
        messenger: row.messenger.clone(),
        title: setting("title"),
        address: setting("address"),
        state: ChannelState::of(&row.state, suspected),
        lane_state: lane.map(|lane| LaneState::from_db(lane.state)),
        lost_reason: row.lost_reason.clone(),
        pace,
        connected_at: row.connected_at,
        health: HealthOut::of(health, listening, now),
        standing: StandingOut::of(&settings, seen.standings.iter().find(|standing| standing.channel == row.id)),
        listening: listening.map(ListeningOut::of),
        webhook_url: told_by_hand.then(|| channel::webhook_url(app, &row.hook_key)),
    })
}

impl ChannelState {
    fn of(text: &str, suspected: bool) -> Self {
        match text {
            "connected" if suspected => Self::Spam,
            "connected" => Self::Connected,
            "relink" => Self::Relink,
            "off" => Self::Off,
            _ => Self::Lost,
        }
    }
}

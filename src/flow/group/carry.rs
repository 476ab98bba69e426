//! The vendor's call that a group act stands for.

use super::people::{self, Reach};
use crate::app::App;
use crate::flow::first::{self, Introduction};
use crate::flow::renew::{self, Renewed};
use crate::flow::{health, perform};
use crate::messenger;
use crate::model::group::{GroupAct, GroupDone};
use crate::model::id::{ChannelId, CompanyId, GroupActId};
use crate::model::message::Kind;
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::vendor::{Answer, Scope};
use crate::store::Result;
use crate::store::row::{ChannelRow, text};

/// Makes the call, and keeps what the vendor did before anybody is told: an act that a crash cut off afterwards is known.
///
/// # Errors
/// Those of the store, before anything was done.
pub(crate) async fn carry_out(
    app: &App,
    company: CompanyId,
    id: ChannelId,
    (act, order): (GroupActId, &GroupAct),
    ends_at: Option<Moment>,
) -> Result<Answer> {
    let refused = |code| Ok(Answer::Refused { code, text: String::new() });
    let Some(channel) = perform::channel(app, company, id).await? else { return refused(Code::ChannelNotFound) };
    let messenger = Kind::from_slug(&channel.messenger).and_then(messenger::of);
    let Some(messenger) = messenger.filter(|messenger| messenger.groups().does(order)) else {
        return refused(Code::NotSupported);
    };
    if let Some(rest) = perform::rest(app, channel.line).await? {
        return Ok(rest);
    }
    let wire = perform::wire(app, &channel)?;
    let Reach { order, asked, mut missing } =
        match people::reach(app, &channel, messenger, &wire, order, ends_at).await? {
            Ok(found) => found,
            // it was not the vendor who said so just now
            Err(answer @ Answer::Busy { scope: Scope::Recipient | Scope::Strangers, .. }) => return Ok(answer),
            Err(answer) => return perform::meet(app, company, &channel, answer).await,
        };
    if let (true, Some(one)) = (order.people().is_empty(), missing.first()) {
        let text = one.text.clone();
        return Ok(if one.code == Code::Nobody {
            Answer::Nobody { text }
        } else {
            Answer::Refused { code: one.code, text }
        });
    }
    let mut done = messenger.act_in_group(&wire, &order).await;
    if matches!(done, Err(Answer::Expired { .. })) {
        match renew::renew(app, company, &channel, messenger).await? {
            Renewed::Fresh(channel) => {
                let wire = perform::wire(app, &channel)?;
                done = messenger.act_in_group(&wire, &order).await;
            }
            Renewed::Later(seen) => done = Err(Answer::Down { seen }),
            Renewed::Never => {}
        }
    }
    match done {
        Ok(mut done) => {
            done.left_out = people::as_asked(&asked, done.left_out);
            let limited = done.left_out.iter().any(|one| one.code == Code::SpamSuspected);
            done.left_out.append(&mut missing);
            keep(app, company, act, &done).await;
            if limited {
                let answer = Answer::Busy { after_ms: health::SUSPICION_MS, scope: Scope::Strangers };
                if let Err(error) = limit(app, company, &channel, answer).await {
                    tracing::error!(%error, channel = %id, "that a channel is limited could not be kept");
                }
            }
            Ok(Answer::Done { vendor_ids: Vec::new(), chat: Some(done.chat) })
        }
        Err(answer) => limit(app, company, &channel, answer).await,
    }
}

/// What an answer means for the channel, and for the strangers that it may write to.
async fn limit(app: &App, company: CompanyId, channel: &ChannelRow, answer: Answer) -> Result<Answer> {
    first::conclude(app, channel, Introduction::default(), &answer).await?;
    perform::meet(app, company, channel, answer).await
}

/// What was done is done: that it could not be kept is told, and changes nothing of it.
async fn keep(app: &App, company: CompanyId, act: GroupActId, done: &GroupDone) {
    let kept = async {
        let done = text(done)?;
        app.store.write(move |conn| crate::on!(conn, group_act::keep_done(company, act, &done))).await
    };
    if let Err(error) = kept.await {
        tracing::error!(%error, act = %act, "what was done with a group could not be kept");
    }
}

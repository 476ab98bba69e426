//! The vendor's call that a group act stands for.

use crate::app::App;
use crate::flow::renew::{self, Renewed};
use crate::flow::{perform, phone};
use crate::messenger::{self, Messenger, Wire};
use crate::model::group::{GroupAct, GroupDone, LeftOut};
use crate::model::id::{ChannelId, CompanyId, GroupActId};
use crate::model::message::{Kind, Peer};
use crate::model::result::Code;
use crate::model::vendor::Answer;
use crate::store::Result;
use crate::store::row::{ChannelRow, text};

/// Makes the call, and keeps what the vendor did before anybody is told: an act that a crash cut off afterwards is known.
///
/// # Errors
/// Those of the store, before anything was done.
pub async fn carry_out(
    app: &App,
    company: CompanyId,
    id: ChannelId,
    act: GroupActId,
    order: &GroupAct,
) -> Result<Answer> {
    let refused = |code| Ok(Answer::Refused { code, text: String::new() });
    let Some(channel) = perform::channel(app, company, id).await? else { return refused(Code::ChannelNotFound) };
    let messenger = Kind::from_slug(&channel.messenger).and_then(messenger::of);
    let Some(messenger) = messenger.filter(|messenger| messenger.groups().does(order)) else {
        return refused(Code::NotSupported);
    };
    let wire = perform::wire(app, &channel)?;
    let Reach { order, asked, mut missing } = match reachable(app, &channel, messenger, &wire, order).await? {
        Ok(found) => found,
        Err(answer) => return perform::meet(app, company, &channel, answer).await,
    };
    if let (true, Some(one)) = (order.people().is_empty(), missing.first()) {
        return Ok(Answer::Nobody { text: one.text.clone() });
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
            for one in &mut done.left_out {
                // people are told of under the address that was asked for
                if let Some((asked, _)) = asked.iter().find(|(_, found)| *found == one.who) {
                    one.who = asked.clone();
                }
            }
            done.left_out.append(&mut missing);
            keep(app, company, act, &done).await;
            Ok(Answer::Done { vendor_ids: Vec::new(), chat: Some(done.chat) })
        }
        Err(answer) => perform::meet(app, company, &channel, answer).await,
    }
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

/// An act whose people were looked for.
struct Reach {
    /// The act with people as the messenger reaches them.
    order: GroupAct,
    /// Each of them as asked for, and as found.
    asked: Vec<(Peer, Peer)>,
    /// Who is not in the messenger.
    missing: Vec<LeftOut>,
}

/// Looks for the people of an act: who is a stranger to the messenger must not be added to groups, which is what spammers do.
/// The inner error is why nobody could be asked.
async fn reachable(
    app: &App,
    channel: &ChannelRow,
    messenger: &dyn Messenger,
    wire: &Wire,
    order: &GroupAct,
) -> Result<std::result::Result<Reach, Answer>> {
    let (mut asked, mut missing) = (Vec::new(), Vec::new());
    for who in order.people() {
        match phone::reach_peer(app, channel, messenger, wire, who.clone()).await? {
            Ok(found) => asked.push((who.clone(), found)),
            Err(Answer::Nobody { text }) => missing.push(LeftOut { who: who.clone(), code: Code::Nobody, text }),
            Err(answer) => return Ok(Err(answer)),
        }
    }
    let people = asked.iter().map(|(_, found)| found.clone()).collect();
    let order = match order {
        GroupAct::Create { title, .. } => GroupAct::Create { title: title.clone(), people },
        GroupAct::Add { chat, .. } => GroupAct::Add { chat: chat.clone(), people },
        other => other.clone(),
    };
    Ok(Ok(Reach { order, asked, missing }))
}

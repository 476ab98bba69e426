//! The people of a group act. Who is a stranger to the messenger must not be added to groups, which is what spammers do; so
//! phones are looked at first, and where an account bears few strangers, people are met as slowly as they are written to: an act
//! comes back until it knows all of them. What one round found the next one keeps.

use crate::app::App;
use crate::flow::{first, health, phone};
use crate::messenger::{Checked, Messenger, Wire};
use crate::model::group::{GroupAct, LeftOut};
use crate::model::id::ChannelId;
use crate::model::message::Peer;
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::vendor::{Answer, Scope};
use crate::store::Result;
use crate::store::row::ChannelRow;

/// An act whose people were looked for.
pub(super) struct Reach {
    /// The act with people as the messenger reaches them.
    pub(super) order: GroupAct,
    /// Each of them as asked for, and as found.
    pub(super) asked: Vec<(Peer, Peer)>,
    /// Who is left out before anybody is asked.
    pub(super) missing: Vec<LeftOut>,
}

/// Looks for the people of an act that may be done until a moment. The inner error is why it is not done now.
pub(super) async fn reach(
    app: &App,
    channel: &ChannelRow,
    messenger: &dyn Messenger,
    wire: &Wire,
    order: &GroupAct,
    ends_at: Option<Moment>,
) -> Result<std::result::Result<Reach, Answer>> {
    let (mut asked, mut missing) = (Vec::new(), Vec::new());
    // phones may have to wait for each other; a name that is not there is looked up in each round
    let (phones, others): (Vec<&Peer>, Vec<&Peer>) =
        order.people().iter().partition(|who| matches!(who, Peer::Phone(_)));
    for who in phones.into_iter().chain(others) {
        let found = match messenger.firsts() {
            Some(_) => meet(app, channel, messenger, wire, who).await?,
            None => phone::reach_peer(app, channel, messenger, wire, who.clone()).await?,
        };
        match found.map_err(|answer| too_late(answer, app.clock.now(), ends_at)) {
            Ok(found) => asked.push((who.clone(), found)),
            Err(Answer::Nobody { text }) => missing.push(LeftOut { who: who.clone(), code: Code::Nobody, text }),
            Err(Answer::Refused { code, text }) => missing.push(LeftOut { who: who.clone(), code, text }),
            Err(answer) => return Ok(Err(answer)),
        }
    }
    let mut people: Vec<Peer> = Vec::new();
    for (_, found) in &asked {
        // two addresses may be one person
        if !people.contains(found) {
            people.push(found.clone());
        }
    }
    let order = match order {
        GroupAct::Create { title, .. } => GroupAct::Create { title: title.clone(), people },
        GroupAct::Add { chat, .. } => GroupAct::Add { chat: chat.clone(), people },
        other => other.clone(),
    };
    Ok(Ok(Reach { order, asked, missing }))
}

/// People are told of under every address that was asked for.
pub(super) fn as_asked(asked: &[(Peer, Peer)], left_out: Vec<LeftOut>) -> Vec<LeftOut> {
    let named = |one: LeftOut| {
        let whose = asked.iter().filter(|(_, found)| *found == one.who).map(|(asked, _)| asked.clone());
        let mut named: Vec<LeftOut> = whose.map(|who| LeftOut { who, ..one.clone() }).collect();
        if named.is_empty() {
            named.push(one);
        }
        named
    };
    left_out.into_iter().flat_map(named).collect()
}

/// Whoever can be met only after the act must be over is left out.
fn too_late(answer: Answer, now: Moment, ends_at: Option<Moment>) -> Answer {
    let Answer::Busy { after_ms, scope } = answer else { return answer };
    let late = ends_at.is_some_and(|end| end <= now.plus_ms(after_ms));
    match scope {
        Scope::Strangers if late => Answer::Refused { code: Code::SpamSuspected, text: String::new() },
        Scope::Recipient if late => {
            let text = "no further stranger may be met in its time".to_owned();
            Answer::Refused { code: Code::TooLate, text }
        }
        _ => answer,
    }
}

/// One of the people as the messenger knows them; a stranger is met where that is allowed now.
async fn meet(
    app: &App,
    channel: &ChannelRow,
    messenger: &dyn Messenger,
    wire: &Wire,
    who: &Peer,
) -> Result<std::result::Result<Peer, Answer>> {
    let nobody = || Ok(Err(Answer::Nobody { text: String::new() }));
    let (Peer::Phone(_) | Peer::Username(_), Ok(id)) = (who, channel.id.parse::<ChannelId>()) else {
        return Ok(Ok(who.clone()));
    };
    if let Peer::Phone(phone) = who
        && phone::is_missed(app, id, phone).await?
    {
        return nobody();
    }
    let (to, introduction) = match first::meet(app, channel, messenger, who, false).await? {
        Ok((to @ Peer::Chat(_), _)) => return Ok(Ok(to)),
        Ok(stranger) => stranger,
        Err(answer) => return Ok(Err(answer)),
    };
    let answer = match messenger.meet(wire, &to).await {
        Ok(Checked { chat: None }) => {
            if let Peer::Phone(phone) = who {
                phone::keep_missed(app, id, phone).await?;
            }
            return nobody();
        }
        Ok(Checked { chat }) => Answer::Done { vendor_ids: Vec::new(), chat },
        Err(answer) => answer,
    };
    first::conclude(app, channel, introduction, &answer).await?;
    if let Some(said) = answer.suspicion() {
        health::suspect_after(app, channel, said).await?;
    }
    Ok(match answer {
        Answer::Done { chat: Some(chat), .. } => Ok(Peer::Chat(chat)),
        other => Err(other),
    })
}

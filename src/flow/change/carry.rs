//! The vendor's call that a change stands for.

use crate::app::App;
use crate::flow::perform;
use crate::flow::renew::{self, Renewed};
use crate::messenger;
use crate::model::change::{ChangeAct, Said};
use crate::model::id::{ChannelId, CompanyId};
use crate::model::message::Kind;
use crate::model::result::Code;
use crate::model::vendor::Answer;
use crate::store::Result;

/// Makes the call.
///
/// # Errors
/// Those of the store, before anything was done.
pub(crate) async fn carry_out(
    app: &App,
    company: CompanyId,
    id: ChannelId,
    said: &Said,
    act: &ChangeAct,
) -> Result<Answer> {
    let refused = |code| Ok(Answer::Refused { code, text: String::new() });
    let Some(channel) = perform::channel(app, company, id).await? else { return refused(Code::ChannelNotFound) };
    let Some(messenger) = Kind::from_slug(&channel.messenger).and_then(messenger::of) else {
        return refused(Code::NotSupported);
    };
    if let Some(rest) = perform::rest(app, channel.line).await? {
        return Ok(rest);
    }
    let wire = perform::wire(app, &channel)?;
    let mut answer = messenger.change(&wire, said, act, app.clock.now()).await;
    if matches!(answer, Answer::Expired { .. }) {
        match renew::renew(app, company, &channel, messenger).await? {
            Renewed::Fresh(channel) => {
                let wire = perform::wire(app, &channel)?;
                answer = messenger.change(&wire, said, act, app.clock.now()).await;
            }
            Renewed::Later(seen) => answer = Answer::Down { seen },
            Renewed::Never => {}
        }
    }
    if let Answer::Unsure { resendable, .. } = &mut answer {
        // a second time changes nothing more
        *resendable = true;
    }
    perform::meet(app, company, &channel, answer).await
}

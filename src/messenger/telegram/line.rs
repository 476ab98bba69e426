//! The open line of an account in this process: whoever listens keeps it, whoever sends borrows it.

use std::collections::HashSet;
use std::sync::Arc;

use grammers_session::updates::UpdatesLike;
use grammers_tl_types::{Deserializable as _, RemoteCall, enums, functions};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use super::answer;
use super::book::Book;
use super::driver::{self, Pipe, Trouble};
use super::session::{Kept, Session};
use crate::messenger::Wire;
use crate::model::vendor::Answer;
use crate::net::departure;

/// The line of an account.
pub(super) struct Line {
    pipe: Arc<dyn Pipe>,
    session: Arc<Session>,
    /// The number of the account's owner.
    pub(super) me: i64,
    /// The people and groups that the account knows.
    pub(super) book: Mutex<Book>,
    /// Rung when the book has news to be written down.
    pub(super) news: Notify,
    /// Data centres besides the home where we are let in.
    centres: tokio::sync::Mutex<HashSet<i32>>,
}

impl Line {
    /// Opens the line of a session; nobody else in this process knows of it yet.
    pub(super) async fn open(
        wire: &Wire,
        session: Arc<Session>,
        me: i64,
    ) -> Result<(Self, mpsc::Receiver<UpdatesLike>), Trouble> {
        let open = driver::open(wire, &session).await?;
        let line = Self {
            pipe: open.pipe,
            session,
            me,
            book: Mutex::default(),
            news: Notify::new(),
            centres: tokio::sync::Mutex::default(),
        };
        Ok((line, open.updates))
    }

    /// Calls a function at the account's home.
    pub(super) async fn call<R: RemoteCall>(&self, call: &R) -> Result<R::Return, Trouble> {
        self.call_in(self.session.home(), call).await
    }

    /// Calls a function in a data centre.
    pub(super) async fn call_in<R: RemoteCall>(&self, centre: i32, call: &R) -> Result<R::Return, Trouble> {
        if !departure::may_leave() {
            return Err(Trouble::NotSent("this process does not hold the lane any more".to_owned()));
        }
        let body = self.pipe.invoke(centre, call.to_bytes()).await?;
        R::Return::from_bytes(&body).map_err(|error| Trouble::Unsure(format!("the answer cannot be read: {error}")))
    }

    /// Lets us in at another data centre, once for each line.
    pub(super) async fn enter(&self, centre: i32) -> Result<(), Trouble> {
        let mut centres = self.centres.lock().await;
        if centre == self.session.home() || centres.contains(&centre) {
            return Ok(());
        }
        let export = functions::auth::ExportAuthorization { dc_id: centre };
        let enums::auth::ExportedAuthorization::Authorization(exported) = self.call(&export).await?;
        let import = functions::auth::ImportAuthorization { id: exported.id, bytes: exported.bytes };
        self.call_in(centre, &import).await?;
        centres.insert(centre);
        Ok(())
    }
}

/// Lets the others of this process borrow a line as long as this lives.
pub(super) struct Lent<'l> {
    wire: &'l Wire,
    name: String,
    line: Arc<Line>,
}

impl<'l> Lent<'l> {
    pub(super) fn new(wire: &'l Wire, kept: &Kept, line: &Arc<Line>) -> Option<Self> {
        let name = kept.name()?;
        wire.lines.put(&name, line);
        Some(Self { wire, name, line: Arc::clone(line) })
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.wire.lines.take(&self.name, &self.line);
    }
}

/// The line of a channel, where this process keeps it.
pub(super) fn borrow(wire: &Wire) -> Result<Arc<Line>, Answer> {
    let Some(name) = Kept::of(&wire.secrets).and_then(|kept| kept.name()) else {
        return Err(Answer::Expired { seen: "the channel has no session".to_owned() });
    };
    // it is opened by whoever listens, in a moment: no attempt is counted
    let later = Answer::Busy { after_ms: 2_000, scope: crate::model::vendor::Scope::Lane };
    wire.lines.get(&name).ok_or(later)
}

/// Ends the session at Telegram. A line that is open here is used; else one is opened for it: the key is void afterwards, so
/// that it does no harm to use it in two places.
pub(super) async fn log_out(wire: &Wire) -> Answer {
    let Some(kept) = Kept::of(&wire.secrets) else { return Answer::done() };
    let line = match borrow(wire) {
        Ok(line) => line,
        Err(_) => match Line::open(wire, Arc::new(Session::open(&kept)), kept.me).await {
            Ok((line, _)) => Arc::new(line),
            Err(trouble) => return answer::of(trouble),
        },
    };
    match line.call(&functions::auth::LogOut {}).await {
        Ok(_) => Answer::done(),
        Err(trouble) => match answer::of(trouble) {
            // somebody was faster
            Answer::Expired { .. } => Answer::done(),
            other => other,
        },
    }
}

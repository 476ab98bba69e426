//! How the library is driven: the only place that opens connections to Telegram. What is asked for over them are functions of
//! Telegram's schema, in its own encoding.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use grammers_mtsender::{ConnectionParams, InvocationError, NoRetries, RpcError, SenderPool, SenderPoolHandle};
use grammers_session::updates::UpdatesLike;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::local;
use super::session::Session;
use crate::messenger::{Boxed, Wire};

/// One call is given up after so long; what became of it is unknown then.
const DEADLINE: Duration = Duration::from_secs(40);

/// So many updates wait at most; those that find no room are fetched later, since their numbers are missed.
const WAITING: usize = 10_000;

/// Why a call brought no answer.
#[derive(Debug, Clone)]
pub(super) enum Trouble {
    /// Telegram refused it.
    Refused(RpcError),
    /// It certainly did not leave.
    NotSent(String),
    /// It may have been taken.
    Unsure(String),
}

impl Trouble {
    /// Whether Telegram gave this reason.
    pub(super) fn is(&self, name: &str) -> bool {
        matches!(self, Self::Refused(error) if error.is(name))
    }

    /// The number behind a reason, as the data centre of `PHONE_MIGRATE_4`.
    pub(super) fn value(&self) -> Option<i32> {
        match self {
            Self::Refused(error) => error.value.and_then(|value| value.try_into().ok()),
            _ => None,
        }
    }
}

/// Connections of one session.
pub(super) trait Pipe: Send + Sync {
    /// Calls a function in a data centre: bytes out, bytes in.
    fn invoke(&self, centre: i32, call: Vec<u8>) -> Boxed<'_, Result<Vec<u8>, Trouble>>;
}

/// What is open.
pub(super) struct Open {
    pub(super) pipe: Arc<dyn Pipe>,
    /// What Telegram tells unasked.
    pub(super) updates: mpsc::Receiver<UpdatesLike>,
}

/// Opens the connections of a session. They are closed when the pipe is dropped.
pub(super) async fn open(wire: &Wire, session: &Arc<Session>) -> Result<Open, Trouble> {
    if wire.vendor.ends_with("/mtproto") {
        return local::open(wire, session).await;
    }
    let params = ConnectionParams {
        device_model: "Switchboard".to_owned(),
        system_version: std::env::consts::OS.to_owned(),
        app_version: env!("CARGO_PKG_VERSION").to_owned(),
        system_lang_code: "ru".to_owned(),
        lang_code: "ru".to_owned(),
        // the outbox knows when to call again
        retry_policy: Box::new(NoRetries),
        updates_channel_capacity: NonZeroUsize::new(WAITING).unwrap_or(NonZeroUsize::MIN),
        ..ConnectionParams::default()
    };
    let SenderPool { runner, handle, updates } =
        SenderPool::with_configuration(Arc::clone(session), session.api_id(), params);
    let running = tokio::spawn(runner.run()).abort_handle();
    Ok(Open { pipe: Arc::new(Senders { handle: handle.thin.clone(), running }), updates })
}

struct Senders {
    handle: SenderPoolHandle,
    running: AbortHandle,
}

impl Drop for Senders {
    fn drop(&mut self) {
        self.handle.quit();
        self.running.abort();
    }
}

impl Pipe for Senders {
    fn invoke(&self, centre: i32, call: Vec<u8>) -> Boxed<'_, Result<Vec<u8>, Trouble>> {
        Box::pin(async move {
            match tokio::time::timeout(DEADLINE, self.handle.raw_invoke_in_dc(centre, call)).await {
                Ok(answer) => answer.map_err(trouble),
                Err(_) => Err(Trouble::Unsure("Telegram did not answer in time".to_owned())),
            }
        })
    }
}

/// What the library's errors mean: only of a few is it certain that nothing left.
fn trouble(error: InvocationError) -> Trouble {
    match error {
        InvocationError::Rpc(error) => Trouble::Refused(error),
        error @ (InvocationError::InvalidDc | InvocationError::Session(_) | InvocationError::Authentication(_)) => {
            Trouble::NotSent(error.to_string())
        }
        InvocationError::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            Trouble::NotSent(error.to_string())
        }
        error @ (InvocationError::Io(_)
        | InvocationError::Deserialize(_)
        | InvocationError::Transport(_)
        | InvocationError::Dropped(_)) => Trouble::Unsure(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use grammers_tl_types::types;

    use super::*;

    #[test]
    fn errors_of_the_library_say_whether_a_call_may_have_been_taken() {
        let refused = RpcError::from(types::RpcError { error_code: 303, error_message: "PHONE_MIGRATE_4".to_owned() });
        let told = trouble(InvocationError::Rpc(refused));
        assert!(told.is("PHONE_MIGRATE") && !told.is("FLOOD_WAIT"));
        assert_eq!(told.value(), Some(4));
        assert!(matches!(trouble(InvocationError::InvalidDc), Trouble::NotSent(_)));
        for (kind, sent) in [(ErrorKind::ConnectionRefused, false), (ErrorKind::ConnectionReset, true)] {
            let told = trouble(InvocationError::Io(Error::new(kind, "seen")));
            assert_eq!(matches!(told, Trouble::Unsure(_)), sent, "{kind}");
        }
        assert!(matches!(trouble(InvocationError::Dropped("seen")), Trouble::Unsure(_)));
    }
}

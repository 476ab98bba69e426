//! When a vendor call really begins. Whoever keeps a pace asks to be told, and may still forbid the call.
//!
//! Between the decision to carry something out and the first byte to the vendor lie reads of the database, secrets, files. A
//! pace that counted from the decision would be too fast by whatever the earlier call lost there.

use std::future::Future;
use std::sync::Arc;

tokio::task_local! {
    static DEPARTURE: Departure;
}

/// Who is asked at the beginning of every call.
#[derive(Clone)]
pub struct Departure(Arc<dyn Fn() -> bool + Send + Sync>);

impl Departure {
    /// Asked right before each call leaves; `false` forbids it. Must not block.
    pub fn new(leaves: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(leaves))
    }

    /// Carries a future out; every call that it makes through [`super::http::Http`] asks first.
    pub async fn watch<F: Future>(self, future: F) -> F::Output {
        DEPARTURE.scope(self, future).await
    }
}

impl std::fmt::Debug for Departure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Departure")
    }
}

/// Whether a call may leave now. Where nobody watches it may. Whoever calls a vendor without [`super::http::Http`] asks right
/// before the call.
pub fn may_leave() -> bool {
    DEPARTURE.try_with(|departure| (departure.0)()).unwrap_or(true)
}

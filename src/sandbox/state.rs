//! Everything the sandbox knows, and its clock.

use std::future::Future;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::Switchboard;
use super::avito::Avito;
use super::bitrix24::Bitrix24;
use super::fault::Faults;
use super::ledger::Ledger;
use super::mail::Mail;
use super::mtproto::Mtproto;
use super::notify::Notify;
use super::phone::Phones;
use super::telegram::Telegram;
use super::vk::Vk;
use super::waba::Waba;
use super::waha::Waha;
use crate::model::clock::{Clock, SystemClock};
use crate::model::moment::{Moment, Tick};

/// What holds for all vendors.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, Default)]
#[expect(clippy::struct_excessive_bools, reason = "settings are switched one by one")]
pub(crate) struct Settings {
    /// Telegram counts messages: 30 a second for a bot, 1 a second for a chat with bursts of 3.
    pub(crate) telegram_limits: bool,
    /// `WhatsApp` counts messages: 80 a second for a number, 1 in 6 s for a pair with bursts of 45.
    pub(crate) waba_limits: bool,
    /// VK counts calls: 20 a second for a community.
    pub(crate) vk_limits: bool,
    /// Numbers that nobody made become phones at the first message.
    pub(crate) auto_phones: bool,
    /// The 24-hour window is enforced by an error answer instead of a failed status.
    pub(crate) window_by_answer: bool,
    /// How late the statuses of `WhatsApp` come, milliseconds.
    pub(crate) status_delay_ms: u64,
    /// The folder of a Bot API server that runs with `--local`; empty is Telegram's own server.
    pub(crate) telegram_local: String,
    /// An answer to a token that is answered already gets 403 instead of `true`.
    pub(crate) strict_answers: bool,
}

/// The sandbox. Locks are taken in the order of the fields: a vendor first, then the phones.
pub(crate) struct Sandbox {
    base: OnceLock<String>,
    clock: SystemClock,
    moved_ms: AtomicI64,
    serial: AtomicU64,
    runtime: tokio::runtime::Handle,
    ended: CancellationToken,
    epoch: Mutex<CancellationToken>,
    /// The client of every delivery. It follows no redirects, as vendors do not.
    pub(crate) http: reqwest::Client,
    pub(crate) ledger: Ledger,
    pub(crate) faults: Faults,
    pub(crate) settings: Mutex<Settings>,
    pub(crate) switchboard: Mutex<Option<Switchboard>>,
    pub(crate) bitrix24: Mutex<Bitrix24>,
    pub(crate) telegram: Mutex<Telegram>,
    pub(crate) waba: Mutex<Waba>,
    pub(crate) vk: Mutex<Vk>,
    pub(crate) notify: Mutex<Notify>,
    pub(crate) avito: Mutex<Avito>,
    pub(crate) waha: Mutex<Waha>,
    pub(crate) mail: Mutex<Mail>,
    pub(crate) mtproto: Mutex<Mtproto>,
    pub(crate) phones: Mutex<Phones>,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// An empty sandbox on the runtime of the caller.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub(crate) fn new(switchboard: Option<Switchboard>) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            // what is posted into a connection that its receiver closes right then is lost
            .pool_idle_timeout(Duration::from_secs(4))
            .no_proxy()
            .user_agent("switchboard-sandbox")
            .build()?;
        let ended = CancellationToken::new();
        Ok(Self {
            base: OnceLock::new(),
            clock: SystemClock::new(),
            moved_ms: AtomicI64::new(0),
            serial: AtomicU64::new(1),
            runtime: tokio::runtime::Handle::current(),
            epoch: Mutex::new(ended.child_token()),
            ended,
            http,
            ledger: Ledger::new(),
            faults: Faults::default(),
            settings: Mutex::default(),
            switchboard: Mutex::new(switchboard),
            bitrix24: Mutex::default(),
            telegram: Mutex::default(),
            waba: Mutex::default(),
            vk: Mutex::default(),
            notify: Mutex::default(),
            avito: Mutex::default(),
            waha: Mutex::default(),
            mail: Mutex::default(),
            mtproto: Mutex::default(),
            phones: Mutex::default(),
        })
    }

    /// Sets the base address; called once, before the first request.
    pub(crate) fn set_base(&self, base: String) {
        let _ = self.base.set(base);
    }

    /// The base address, without a slash at the end.
    pub(crate) fn base(&self) -> &str {
        self.base.get().map_or("", String::as_str)
    }

    /// The host of the base address, for servers beside it.
    pub(crate) fn host(&self) -> String {
        let place = self.base().split("://").last().unwrap_or_default();
        place.rsplit_once(':').map_or(place, |(host, _)| host).to_owned()
    }

    /// The moment of the calendar, as far as it was moved by the control.
    pub(crate) fn now(&self) -> Moment {
        self.clock.now().plus_ms(self.moved_ms.load(Ordering::Relaxed))
    }

    /// Seconds of UTC since 1970.
    pub(crate) fn unix(&self) -> i64 {
        self.now().0.div_euclid(1000)
    }

    /// The tick of the machine; nobody moves it.
    pub(crate) fn tick(&self) -> Tick {
        self.clock.tick()
    }

    /// Moves the calendar of the sandbox.
    pub(crate) fn move_clock(&self, ms: i64) {
        self.moved_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// A number that was not given out before.
    pub(crate) fn serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    /// Does something beside the request; it ends with the sandbox or at the next reset.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.epoch.lock().clone();
        self.runtime.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = work => {}
            }
        });
    }

    /// The same for what outlives a reset.
    pub(crate) fn spawn_for_good(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.ended.clone();
        self.runtime.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = work => {}
            }
        });
    }

    /// Lets the steps of robots time out as the time passes.
    pub(crate) fn start_timers(self: Arc<Self>) {
        let stop = self.ended.clone();
        let sandbox = Arc::clone(&self);
        self.runtime.spawn(async move {
            let mut every = tokio::time::interval(Duration::from_millis(100));
            while !stop.is_cancelled() {
                every.tick().await;
                sandbox.bitrix24.lock().time_out(sandbox.now());
            }
        });
    }

    /// Forgets everything but the address: portals, bots, numbers, phones, faults, the ledger.
    pub(crate) fn reset(&self) {
        let fresh = self.ended.child_token();
        std::mem::replace(&mut *self.epoch.lock(), fresh).cancel();
        *self.bitrix24.lock() = Bitrix24::default();
        *self.telegram.lock() = Telegram::default();
        *self.waba.lock() = Waba::default();
        *self.vk.lock() = Vk::default();
        *self.notify.lock() = Notify::default();
        *self.avito.lock() = Avito::default();
        *self.waha.lock() = Waha::default();
        self.mail.lock().boxes.clear();
        self.mtproto.lock().clear();
        *self.phones.lock() = Phones::default();
        *self.settings.lock() = Settings::default();
        self.faults.drop_planned(None);
        self.ledger.clear(None);
        self.moved_ms.store(0, Ordering::Relaxed);
    }

    /// Ends every delivery and timer.
    pub(crate) fn end(&self) {
        self.ended.cancel();
    }
}

/// A text of `bytes` random bytes, in lower-case hexadecimal digits.
pub(crate) fn random_hex(bytes: usize) -> String {
    let mut raw = vec![0_u8; bytes];
    // without randomness the ids would repeat; the zeros are then seen at once
    let _ = getrandom::fill(&mut raw);
    hex::encode(raw)
}
